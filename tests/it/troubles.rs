//! What `preflight` must see: states of the tenant and mistakes of the runbook, each by itself.
//! A run stops before the copy for each that is provably fatal.

use serde_json::{Value, json};

use crate::edits::{Edit, names, probes, put, row, with_verdict, world_text};
use crate::harness::{Stage, World, runbook_text};

const SOURCE: &str = "11111111-1111-1111-1111-111111111111";
const TARGET: &str = "22222222-2222-2222-2222-222222222222";

/// The keys of the roles that a user of one side has.
fn roles_of(world: &World, side: &str, column: &str, value: &str) -> Vec<String> {
    let user = row(world, side, "systemuser", column, value);
    let user = user.rsplit('/').next().unwrap_or_default();
    let roles = world
        .objects
        .iter()
        .filter(|(key, role)| key.contains("/systemuserroles/") && role["systemuserid"] == user);
    roles.map(|(key, _)| key.clone()).collect()
}

fn without(keys: Vec<String>) -> Edit {
    keys.into_iter().fold(Edit::default(), Edit::delete)
}

fn environment(world: &World, id: &str, pointer: &str, value: &Value) -> Edit {
    Edit::default().change(world, &format!("environment/{id}"), |environment| {
        *environment.pointer_mut(pointer).expect("it is there") = value.clone();
    })
}

fn connection(world: &World, name: &str, member: &str, value: &str) -> Edit {
    let key = format!("connection/{TARGET}/{name}");
    Edit::default().change(world, &key, |connection| connection[member] = value.into())
}

/// The connection of Outlook in the target, which one flow of the customer's uses.
const OUTLOOK: &str = "b072a2c4763a530524e2af522761398e";

/// The connection of FedEx in the target.
const FEDEX: &str = "9cc8742b1e1645fde8513ad5f2af4769";

/// One thing that is wrong.
struct Trouble {
    what: &'static str,
    tenant: fn(&World) -> Edit,
    runbook: fn(&str) -> String,
    /// How a run ends that meets it.
    exit: i32,
    /// What is asked, and what is read: a part of each.
    probe: &'static str,
    read: &'static str,
}

fn as_it_is(_: &World) -> Edit {
    Edit::default()
}

fn as_written(text: &str) -> String {
    text.to_owned()
}

/// Writes options of a step that has none.
fn with_options(text: &str, step: &str, options: &str) -> String {
    let bare = format!("  - {step}: {{}}");
    assert!(text.contains(&bare), "{step} has options");
    text.replace(&bare, &format!("  - {step}: {options}"))
}

/// Writes options under a step that has some.
fn with_more(text: &str, step: &str, options: &str) -> String {
    let head = format!("  - {step}:\n");
    assert!(text.contains(&head), "{step} has none");
    text.replace(&head, &format!("{head}      {options}\n"))
}

/// Everything that is provably fatal, each with a part of the question and of what is read.
const FATAL: &[Trouble] = &[
    Trouble {
        what: "a provider's definition is not active",
        tenant: |world| {
            let table = "msdyn_iomproviderdefinition";
            let key = row(world, "source", table, "msdyn_name", "Avalara");
            Edit::default().change(world, &key, |row| row["msdyn_isactive"] = false.into())
        },
        runbook: as_written,
        exit: 5,
        probe: "has an active definition",
        read: "'Avalara'",
    },
    Trouble {
        what: "a provider's definition is gone",
        tenant: |world| {
            let table = "msdyn_iomproviderdefinition";
            without(vec![row(world, "source", table, "msdyn_name", "FedEx")])
        },
        runbook: as_written,
        exit: 5,
        probe: "has an active definition",
        read: "'FedEx': it has none",
    },
    Trouble {
        what: "a connection that the runbook names is not in the target",
        tenant: |_| without(vec![format!("connection/{TARGET}/{OUTLOOK}")]),
        runbook: as_written,
        exit: 3,
        probe: "is in 'Contoso UAT'",
        read: "`shared_outlook` (rehearsal.yaml:",
    },
    Trouble {
        what: "a connection is broken",
        tenant: |world| connection(world, FEDEX, "status", "Error"),
        runbook: as_written,
        exit: 5,
        probe: "is connected in 'Contoso UAT'",
        read: "Failed to refresh access token",
    },
    Trouble {
        what: "a connection is of another connector",
        tenant: |world| connection(world, OUTLOOK, "connector", "shared_office365"),
        runbook: as_written,
        exit: 3,
        probe: "of the connector it is named for",
        read: "is of shared_office365, not of shared_outlook",
    },
    Trouble {
        what: "the runbook wires no connection to a system reference",
        tenant: as_it_is,
        runbook: |text| {
            let lines = text
                .lines()
                .filter(|line| !line.contains("shared_flowmanagement"));
            lines.collect::<Vec<_>>().join("\n")
        },
        exit: 3,
        probe: "system connection reference of the source has a connection",
        read: "'Power Automate Management': add `shared_flowmanagement:",
    },
    Trouble {
        what: "a flow that should be on has an unwired reference",
        tenant: as_it_is,
        runbook: |text| {
            let lines = text.lines().filter(|line| !line.contains("shared_outlook"));
            lines.collect::<Vec<_>>().join("\n")
        },
        exit: 3,
        probe: "reference of a flow that should be on has a connection",
        read: "'Contoso - Daily report'",
    },
    Trouble {
        what: "a secret is missing",
        tenant: as_it_is,
        runbook: |text| {
            let options = "parameters: { msdyn_bigcommerce: { msdyn_storehash: { env: IOMCOPY_TEST_UNSET } } }";
            with_more(text, "reinstall-providers", options)
        },
        exit: 3,
        probe: "every secret of `parameters`",
        read: "IOMCOPY_TEST_UNSET",
    },
    Trouble {
        what: "a parameter is misspelt",
        tenant: as_it_is,
        runbook: |text| {
            let options = "parameters: { msdyn_bigcommerce: { msdyn_misspelt: { env: USER } } }";
            with_more(text, "reinstall-providers", options)
        },
        exit: 3,
        probe: "every key of `parameters`",
        read: "no parameter 'msdyn_misspelt' (rehearsal.yaml:",
    },
    Trouble {
        what: "the owner is nobody in the source, which the copy brings",
        tenant: as_it_is,
        runbook: |text| {
            let options = "owner: { user: nobody@contoso.com }";
            with_more(text, "reconfigure-connections", options)
        },
        exit: 3,
        probe: "`owner`, user 'nobody@contoso.com'",
        read: "none of that name",
    },
    Trouble {
        what: "whom to act as is disabled in the source",
        tenant: |world| {
            let key = row(
                world,
                "source",
                "systemuser",
                "domainname",
                "svc-iom@contoso.com",
            );
            Edit::default().change(world, &key, |row| row["isdisabled"] = true.into())
        },
        runbook: as_written,
        exit: 3,
        probe: "`act-as`, user 'svc-iom@contoso.com'",
        read: "disabled",
    },
    Trouble {
        what: "whom to act as has no security role in the source",
        tenant: |world| {
            without(roles_of(
                world,
                "source",
                "domainname",
                "svc-iom@contoso.com",
            ))
        },
        runbook: as_written,
        exit: 3,
        probe: "`act-as` has a security role",
        read: "svc-iom@contoso.com has none",
    },
    Trouble {
        what: "the caller is no administrator of the source, so the copy wipes it out",
        tenant: |world| {
            let caller = roles_of(world, "source", "applicationid", iomcopy::rehearsal::CLIENT);
            let clerk = roles_of(world, "source", "domainname", "cleo@contoso.com");
            let clerk = &world.objects[&clerk[0]]["roleid"];
            Edit::default().change(world, &caller[0], |role| role["roleid"] = clerk.clone())
        },
        runbook: as_written,
        exit: 4,
        probe: "System Administrator in the source",
        read: "user ",
    },
    Trouble {
        what: "the caller is no administrator of the target",
        tenant: |world| {
            let caller = roles_of(world, "target", "applicationid", iomcopy::rehearsal::CLIENT);
            let clerk = roles_of(world, "target", "domainname", "cleo@contoso.com");
            let clerk = &world.objects[&clerk[0]]["roleid"];
            Edit::default().change(world, &caller[0], |role| role["roleid"] = clerk.clone())
        },
        runbook: as_written,
        exit: 4,
        probe: "System Administrator in the target",
        read: "user ",
    },
    Trouble {
        what: "IOM is not installed in the target",
        tenant: |world| {
            let key = format!("package/{TARGET}/msdyn_IntelligentOrderManagementAnchor");
            Edit::default().change(world, &key, |package| package["state"] = "None".into())
        },
        runbook: as_written,
        exit: 5,
        probe: "installed in the target",
        read: "msdyn_IntelligentOrderManagementAnchor None",
    },
    Trouble {
        what: "the environments are of two regions",
        tenant: |world| environment(world, TARGET, "/location", &json!("europe")),
        runbook: as_written,
        exit: 5,
        probe: "of one region",
        read: "source unitedstates, target europe",
    },
    Trouble {
        what: "only one of the environments is managed",
        tenant: |world| {
            let pointer = "/properties/governanceConfiguration/protectionLevel";
            environment(world, SOURCE, pointer, &json!("Standard"))
        },
        runbook: as_written,
        exit: 5,
        probe: "both environments are managed",
        read: "source Standard, target Basic",
    },
    Trouble {
        what: "the service does not offer the target for a copy",
        tenant: |world| environment(world, TARGET, "/properties/azureRegion", &json!("westus")),
        runbook: as_written,
        exit: 5,
        probe: "offers the target",
        read: "candidate",
    },
    Trouble {
        what: "an operation runs on the target",
        tenant: |_| {
            let id = "0be00000-0000-4000-8000-000000000001";
            let running = json!({
                "id": id, "environment": TARGET, "kind": "Backup", "state": "Running",
                "began": 0, "ends": 9_999_999_999_999_u64, "requested_by": "ada", "request": {},
            });
            Edit::default().put(&format!("operation/{id}"), running)
        },
        runbook: as_written,
        exit: 5,
        probe: "no operation is running on the target",
        read: "Backup",
    },
    Trouble {
        what: "a pattern matches no flow",
        tenant: as_it_is,
        runbook: |text| {
            with_more(
                text,
                "activate-flows",
                "except: [\"Nothing is called so *\"]",
            )
        },
        exit: 3,
        probe: "every pattern of activate-flows",
        read: "'Nothing is called so *' (rehearsal.yaml:",
    },
    Trouble {
        what: "terms are not accepted",
        tenant: as_it_is,
        runbook: |text| {
            with_more(
                text,
                "reinstall-providers",
                "accept-terms: [msdyn_bigcommerce]",
            )
        },
        exit: 5,
        probe: "terms of every provider",
        read: "`msdyn_finops`",
    },
    Trouble {
        what: "a list names a definition that the library has not",
        tenant: as_it_is,
        runbook: |text| {
            let options = "providers: [msdyn_unheardof]";
            with_more(text, "reinstall-providers", options)
        },
        exit: 3,
        probe: "`providers` and `accept-terms`",
        read: "'msdyn_unheardof' (rehearsal.yaml:",
    },
    Trouble {
        what: "an alias is of no action",
        tenant: as_it_is,
        runbook: |text| {
            let options = "{ aliases: { msdyn_unheardof: [Other name] } }";
            with_options(text, "restore-provider-actions", options)
        },
        exit: 3,
        probe: "every key of `aliases`",
        read: "'msdyn_unheardof'",
    },
    Trouble {
        what: "an orchestration cannot be edited",
        tenant: |world| {
            let name = "Returns - FedEx";
            let key = row(world, "source", "msdyn_iomdesigner", "msdyn_name", name);
            Edit::default().change(world, &key, |row| row["msdyn_graph"] = "{ broken".into())
        },
        runbook: as_written,
        exit: 5,
        probe: "every orchestration of the source can be edited",
        read: "'Returns - FedEx'",
    },
    Trouble {
        what: "a table is misnamed",
        tenant: as_it_is,
        runbook: |text| {
            text.replace(
                "\niom:\n",
                "\niom:\n  tables: { policy: msdyn_unheardof }\n",
            )
        },
        exit: 3,
        probe: "IOM's tables and columns are found",
        read: "policy ('msdyn_unheardof')",
    },
    Trouble {
        what: "Finance and Operations of the target does not let the caller in",
        tenant: |_| {
            let client = iomcopy::rehearsal::CLIENT;
            without(vec![format!(
                "finance-operations/{TARGET}/SysAADClients/{client}"
            )])
        },
        runbook: as_written,
        exit: 5,
        probe: "Finance and Operations of the target answers",
        read: "40",
    },
];

/// Which of them stand beside each other in one tenant and runbook, and all are named.
const TOGETHER: [&str; 14] = [
    "a provider's definition is not active",
    "a connection that the runbook names is not in the target",
    "a connection is broken",
    "the runbook wires no connection to a system reference",
    "a secret is missing",
    "the owner is nobody in the source, which the copy brings",
    "whom to act as has no security role in the source",
    "IOM is not installed in the target",
    "the environments are of two regions",
    "only one of the environments is managed",
    "an operation runs on the target",
    "a pattern matches no flow",
    "an alias is of no action",
    "an orchestration cannot be edited",
];

/// A stage whose tenant was seeded and asked once, and its world's file.
fn seeded() -> (Stage, String) {
    let stage = Stage::new();
    drop(stage.call(&["preflight", "rehearsal.yaml"]).exits(0));
    let world = world_text(&stage);
    (stage, world)
}

fn no_run_has_begun(stage: &Stage, what: &str) {
    assert!(!stage.state().exists(), "{what}: a state file was begun");
    let world = stage.own_world();
    assert!(world.writes().is_empty(), "{what}: {:?}", world.writes());
}

#[test]
fn a_run_stops_before_the_copy_for_each_trouble_that_is_provably_fatal() {
    let (stage, base) = seeded();
    let world = stage.own_world();
    for trouble in FATAL {
        let what = trouble.what;
        put(&stage, &base, &(trouble.tenant)(&world));
        stage.write_runbook(&(trouble.runbook)(&runbook_text()));
        let answer = stage.run();
        assert_eq!(answer.code, Some(trouble.exit), "{what}: {}", answer.stderr);
        let told = answer.stderr.split("\n  - not so: ").skip(1);
        let told: Vec<&str> = told
            .filter(|told| told.contains(trouble.probe) && told.contains(trouble.read))
            .collect();
        assert!(!told.is_empty(), "{what}: {}", answer.stderr);
        assert!(told[0].contains("\n    help: "), "{what}: {}", told[0]);
        no_run_has_begun(&stage, what);
    }
}

#[test]
fn preflight_names_more_than_twelve_troubles_of_one_tenant() {
    let (stage, base) = seeded();
    let world = stage.own_world();
    let mut edit = Edit::default();
    let mut runbook = runbook_text();
    let troubles: Vec<&Trouble> = TOGETHER
        .iter()
        .map(|what| {
            let found = FATAL.iter().find(|trouble| trouble.what == *what);
            found.unwrap_or_else(|| panic!("no trouble is called '{what}'"))
        })
        .collect();
    for trouble in &troubles {
        let own = (trouble.tenant)(&world);
        assert!(
            !edit.meets(&own),
            "{}: two troubles of one object",
            trouble.what
        );
        edit = edit.and(own);
        runbook = (trouble.runbook)(&runbook);
    }
    put(&stage, &base, &edit);
    stage.write_runbook(&runbook);
    let answer = stage.call(&["preflight", "rehearsal.yaml", "--output", "json"]);
    assert!(matches!(answer.code, Some(3..=5)), "{answer:?}");
    let failed = with_verdict(&answer, "fail");
    for trouble in &troubles {
        let Trouble {
            what, probe, read, ..
        } = trouble;
        assert!(names(&failed, probe, read), "{what}: {failed:#?}");
    }
    let run = stage.run().exits(5);
    for trouble in &troubles {
        assert!(run.stderr.contains(trouble.read), "{}", trouble.what);
    }
    no_run_has_begun(&stage, "all of them");
}

/// What is worth a reader's eye and stops nothing.
const REMARKS: &[Trouble] = &[
    Trouble {
        what: "a flow is suspended",
        tenant: as_it_is,
        runbook: as_written,
        exit: 0,
        probe: "no cloud flow of the source is suspended",
        read: "'Contoso - Suspended carrier sync'",
    },
    Trouble {
        what: "a flow is called by its address",
        tenant: as_it_is,
        runbook: as_written,
        exit: 0,
        probe: "callers of flows with an HTTP trigger",
        read: "'Contoso - Order webhook'",
    },
    Trouble {
        what: "a custom connector leads somewhere",
        tenant: as_it_is,
        runbook: as_written,
        exit: 0,
        probe: "custom connectors lead where",
        read: "'RequestBin', used by 'Contoso - Post to RequestBin'",
    },
    Trouble {
        what: "a flow has the source written into it",
        tenant: as_it_is,
        runbook: |text| {
            let (before, rest) = text.split_once("  - activate-flows:").unwrap_or_default();
            let (_, after) = rest.split_once("\n\n").unwrap_or_default();
            format!("{before}  - activate-flows: {{}}\n\n{after}")
        },
        exit: 0,
        probe: "no flow that should be on has the source written into it",
        read: "'Contoso - Notify the shop': the source's environment id",
    },
    Trouble {
        what: "the environments have other versions",
        tenant: |world| {
            let table = "solution";
            let name = "msdyn_IntelligentOrderManagement";
            let key = row(world, "target", table, "uniquename", name);
            Edit::default().change(world, &key, |row| row["version"] = "1.0.0.1".into())
        },
        runbook: as_written,
        exit: 0,
        probe: "same versions of IOM's solutions",
        read: "target 1.0.0.1: the source's is newer",
    },
    Trouble {
        what: "a key of `connections` is misspelt",
        tenant: as_it_is,
        runbook: |text| {
            let line = format!("      connections:\n        shared_bigcomerce: \"{OUTLOOK}\"\n");
            text.replacen("      connections:\n", &line, 1)
        },
        exit: 0,
        probe: "every key of `connections`",
        read: "`shared_bigcomerce` (rehearsal.yaml:",
    },
    Trouble {
        what: "dual-write runs in the target",
        tenant: |world| {
            let organization = world.environment("Contoso UAT")["properties"]
                ["linkedEnvironmentMetadata"]["resourceId"]
                .as_str()
                .unwrap_or_default();
            let id = "d0000000-0000-4000-8000-000000000001";
            let table = "msdyn_dualwriteruntimeconfig";
            let row =
                json!({"msdyn_dualwriteruntimeconfigid": id, "statecode": 0, "statuscode": 1});
            Edit::default().put(&format!("row/{organization}/{table}/{id}"), row)
        },
        runbook: as_written,
        exit: 0,
        probe: "dual-write is not in use in the target",
        read: "1 running map",
    },
];

#[test]
fn what_only_a_person_can_judge_is_told_and_stops_nothing() {
    let (stage, base) = seeded();
    let world = stage.own_world();
    for trouble in REMARKS {
        let what = trouble.what;
        put(&stage, &base, &(trouble.tenant)(&world));
        stage.write_runbook(&(trouble.runbook)(&runbook_text()));
        let answer = stage.call(&["preflight", "rehearsal.yaml", "--output", "json"]);
        let answer = answer.exits(trouble.exit);
        let unknown = with_verdict(&answer, "unknown");
        assert!(
            names(&unknown, trouble.probe, trouble.read),
            "{what}: {unknown:#?}"
        );
        let task = unknown
            .iter()
            .find(|finding| {
                finding["probe"]
                    .as_str()
                    .is_some_and(|p| p.contains(trouble.probe))
            })
            .map(|finding| finding["task"].clone());
        assert_eq!(task, Some(Value::Null), "{what} waits for nobody");
    }
    let read = probes(&stage.call(&["preflight", "rehearsal.yaml", "--output", "json"]));
    let dangling = "'Manual orders - draft (do not use)', tile 'Release to warehouse': deadbeef";
    assert!(
        read.iter().any(|probe| probe["verdict"] == "pass"
            && probe["read"]
                .as_str()
                .is_some_and(|read| read.contains(dangling))),
        "what dangles is told and is no failure: {read:#?}"
    );
}
