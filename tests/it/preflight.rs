//! What `preflight` must find: problems of the tenant and errors in the runbook, each on its own. A
//! run stops before the copy for each one that makes it impossible.

use serde_json::{Value, json};

use crate::edits::{Edit, names, probes, put, row, with_verdict, world_text};
use crate::harness::{Stage, World, runbook_text, sample};

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
        *environment.pointer_mut(pointer).expect("the member exists") = value.clone();
    })
}

fn connection(world: &World, name: &str, member: &str, value: &str) -> Edit {
    let key = format!("connection/{TARGET}/{name}");
    Edit::default().change(world, &key, |connection| connection[member] = value.into())
}

/// Sets columns of an organization's own row.
fn organization(world: &World, side: &str, columns: &Value) -> Edit {
    let rows = world.rows_of(side, "organization");
    let name = rows[0]["name"].as_str().unwrap_or_default();
    let key = row(world, side, "organization", "name", name);
    Edit::default().change(world, &key, |row| {
        for (column, value) in columns.as_object().into_iter().flatten() {
            row[column] = value.clone();
        }
    })
}

/// A tenant without this column.
fn missing_column(table: &str, column: &str) -> Edit {
    Edit::default().put("quirk/missing-columns", json!({table: [column]}))
}

/// The shop's address as a secret in both environments.
fn secret_variable(world: &World) -> Edit {
    let sides = ["source", "target"].map(|side| {
        let table = "environmentvariabledefinition";
        let key = row(world, side, table, "schemaname", "contoso_ShopAddress");
        Edit::default().change(world, &key, |row| row["type"] = 100_000_005.into())
    });
    sides.into_iter().fold(Edit::default(), Edit::and)
}

/// The target's Outlook connection, which a flow of the customer uses.
const OUTLOOK: &str = "b072a2c4763a530524e2af522761398e";

/// The target's FedEx connection.
const FEDEX: &str = "9cc8742b1e1645fde8513ad5f2af4769";

/// One problem.
struct Problem {
    what: &'static str,
    tenant: fn(&World) -> Edit,
    runbook: fn(&str) -> String,
    /// The exit code of a run that finds it.
    exit: i32,
    /// Parts of the check's headline and of what it found.
    probe: &'static str,
    /// A part of the run's message about it.
    headline: &'static str,
    read: &'static str,
}

fn as_it_is(_: &World) -> Edit {
    Edit::default()
}

fn as_written(text: &str) -> String {
    text.to_owned()
}

/// Adds options to a step that has none.
fn with_options(text: &str, step: &str, options: &str) -> String {
    let bare = format!("  - {step}: {{}}");
    assert!(text.contains(&bare), "{step} has options");
    text.replace(&bare, &format!("  - {step}: {options}"))
}

/// Adds options to a step that has some.
fn with_more(text: &str, step: &str, options: &str) -> String {
    let head = format!("  - {step}:\n");
    assert!(text.contains(&head), "{step} has none");
    text.replace(&head, &format!("{head}      {options}\n"))
}

/// Every problem that makes a run impossible.
const FATAL: &[Problem] = &[
    Problem {
        what: "a provider's definition is not active",
        tenant: |world| {
            let table = "msdyn_iomproviderdefinition";
            let key = row(world, "source", table, "msdyn_name", "Avalara");
            Edit::default().change(world, &key, |row| row["msdyn_isactive"] = false.into())
        },
        runbook: as_written,
        exit: 5,
        probe: "has an active definition",
        headline: "providers to be reinstalled have no active definition in the library",
        read: "'Avalara'",
    },
    Problem {
        what: "a provider's definition is missing",
        tenant: |world| {
            let table = "msdyn_iomproviderdefinition";
            without(vec![row(world, "source", table, "msdyn_name", "FedEx")])
        },
        runbook: as_written,
        exit: 5,
        probe: "has an active definition",
        headline: "providers to be reinstalled have no active definition in the library",
        read: "'FedEx': it has none",
    },
    Problem {
        what: "a connection that the runbook names is not in the target",
        tenant: |_| without(vec![format!("connection/{TARGET}/{OUTLOOK}")]),
        runbook: as_written,
        exit: 3,
        probe: "is in 'Contoso UAT'",
        headline: "connections that the runbook names are missing in 'Contoso UAT",
        read: "`shared_outlook` (rehearsal.yaml:",
    },
    Problem {
        what: "a connection is broken",
        tenant: |world| connection(world, FEDEX, "status", "Error"),
        runbook: as_written,
        exit: 5,
        probe: "is connected in 'Contoso UAT'",
        headline: "connections that the runbook names are not connected in 'Contoso UAT",
        read: "Failed to refresh access token",
    },
    Problem {
        what: "a connection belongs to another connector",
        tenant: |world| connection(world, OUTLOOK, "connector", "shared_office365"),
        runbook: as_written,
        exit: 3,
        probe: "of the connector it is named for",
        headline: "the runbook names connections of another connector",
        read: "is of shared_office365, not of shared_outlook",
    },
    Problem {
        what: "the runbook names no connection for a system reference",
        tenant: as_it_is,
        runbook: |text| {
            let lines = text
                .lines()
                .filter(|line| !line.contains("shared_flowmanagement"));
            lines.collect::<Vec<_>>().join("\n")
        },
        exit: 3,
        probe: "system connection reference of the source has a connection",
        headline: "the runbook has no connection for system connection references of the source",
        read: "'Power Automate Management': add `shared_flowmanagement:",
    },
    Problem {
        what: "a flow that should be on has an unwired reference",
        tenant: as_it_is,
        runbook: |text| {
            let lines = text.lines().filter(|line| !line.contains("shared_outlook"));
            lines.collect::<Vec<_>>().join("\n")
        },
        exit: 3,
        probe: "reference of a flow that should be on has a connection",
        headline: "the runbook has no connection for references of flows that should be on",
        read: "'Contoso - Daily report'",
    },
    Problem {
        what: "a secret is missing",
        tenant: as_it_is,
        runbook: |text| {
            let options = "parameters: { msdyn_bigcommerce: { msdyn_storehash: { env: IOMCOPY_TEST_UNSET } } }";
            with_more(text, "reinstall-providers", options)
        },
        exit: 3,
        probe: "every secret of `parameters`",
        headline: "secrets of `parameters` cannot be read",
        read: "IOMCOPY_TEST_UNSET",
    },
    Problem {
        what: "a parameter is misspelt",
        tenant: as_it_is,
        runbook: |text| {
            let options = "parameters: { msdyn_bigcommerce: { msdyn_misspelt: { env: USER } } }";
            with_more(text, "reinstall-providers", options)
        },
        exit: 3,
        probe: "every key of `parameters`",
        headline: "keys of `parameters` name no definition or parameter of the library",
        read: "no parameter 'msdyn_misspelt' (rehearsal.yaml:",
    },
    Problem {
        what: "the owner does not exist in the source",
        tenant: as_it_is,
        runbook: |text| {
            let options = "owner: { user: nobody@contoso.com }";
            with_more(text, "reconfigure-connections", options)
        },
        exit: 3,
        probe: "`owner`, user 'nobody@contoso.com'",
        headline: "cannot own rows in the source",
        read: "no such name",
    },
    Problem {
        what: "the `act-as` user is disabled in the source",
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
        headline: "cannot own rows in the source",
        read: "disabled",
    },
    Problem {
        what: "the `act-as` user has no security role in the source",
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
        headline: "has no security role in the source",
        read: "svc-iom@contoso.com has none",
    },
    Problem {
        what: "the caller is not an administrator of the source, so the copy removes it",
        tenant: |world| {
            let caller = roles_of(world, "source", "applicationid", iomcopy::rehearsal::CLIENT);
            let clerk = roles_of(world, "source", "domainname", "cleo@contoso.com");
            let clerk = &world.objects[&clerk[0]]["roleid"];
            Edit::default().change(world, &caller[0], |role| role["roleid"] = clerk.clone())
        },
        runbook: as_written,
        exit: 4,
        probe: "System Administrator in the source",
        headline: "the caller is not System Administrator in the source, so the copy removes it",
        read: "user ",
    },
    Problem {
        what: "the caller is not an administrator of the target",
        tenant: |world| {
            let caller = roles_of(world, "target", "applicationid", iomcopy::rehearsal::CLIENT);
            let clerk = roles_of(world, "target", "domainname", "cleo@contoso.com");
            let clerk = &world.objects[&clerk[0]]["roleid"];
            Edit::default().change(world, &caller[0], |role| role["roleid"] = clerk.clone())
        },
        runbook: as_written,
        exit: 4,
        probe: "System Administrator in the target",
        headline: "the caller is not System Administrator in the target",
        read: "user ",
    },
    Problem {
        what: "IOM is not installed in the target",
        tenant: |world| {
            let key = format!("package/{TARGET}/msdyn_IntelligentOrderManagementAnchor");
            Edit::default().change(world, &key, |package| package["state"] = "None".into())
        },
        runbook: as_written,
        exit: 5,
        probe: "installed in the target",
        headline: "Intelligent Order Management is not installed in the target",
        read: "msdyn_IntelligentOrderManagementAnchor None",
    },
    Problem {
        what: "the environments are in two regions",
        tenant: |world| environment(world, TARGET, "/location", &json!("europe")),
        runbook: as_written,
        exit: 5,
        probe: "of one region",
        headline: "the environments are in different regions",
        read: "source unitedstates, target europe",
    },
    Problem {
        what: "only one of the environments is managed",
        tenant: |world| {
            let pointer = "/properties/governanceConfiguration/protectionLevel";
            environment(world, SOURCE, pointer, &json!("Standard"))
        },
        runbook: as_written,
        exit: 5,
        probe: "both environments are managed",
        headline: "one environment is managed and the other is not",
        read: "source managed (Standard), target not managed (Basic)",
    },
    Problem {
        what: "the service does not offer the target for a copy",
        tenant: |world| environment(world, TARGET, "/properties/azureRegion", &json!("westus")),
        runbook: as_written,
        exit: 5,
        probe: "offers the target",
        headline: "the service does not offer the target for a copy of the source",
        read: "candidate",
    },
    Problem {
        what: "an operation is running on the target",
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
        headline: "an operation is running on the target",
        read: "Backup",
    },
    Problem {
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
        headline: "patterns of activate-flows match no cloud flow of the source",
        read: "'Nothing is called so *' (rehearsal.yaml:",
    },
    Problem {
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
        headline: "the terms of providers to be reinstalled are not accepted",
        read: "`msdyn_finops`",
    },
    Problem {
        what: "a list names a definition that is not in the library",
        tenant: as_it_is,
        runbook: |text| {
            let options = "providers: [msdyn_unheardof]";
            with_more(text, "reinstall-providers", options)
        },
        exit: 3,
        probe: "`providers` and `accept-terms`",
        headline: "`providers` or `accept-terms` names a definition that the library does not have",
        read: "'msdyn_unheardof' (rehearsal.yaml:",
    },
    Problem {
        what: "an alias names no action",
        tenant: as_it_is,
        runbook: |text| {
            let options = "{ aliases: { msdyn_unheardof: [Other name] } }";
            with_options(text, "restore-provider-actions", options)
        },
        exit: 3,
        probe: "every key of `aliases`",
        headline: "keys of `aliases` name no logic definition of the library",
        read: "'msdyn_unheardof'",
    },
    Problem {
        what: "an orchestration cannot be edited",
        tenant: |world| {
            let name = "Returns - FedEx";
            let key = row(world, "source", "msdyn_iomdesigner", "msdyn_name", name);
            Edit::default().change(world, &key, |row| row["msdyn_graph"] = "{ broken".into())
        },
        runbook: as_written,
        exit: 5,
        probe: "every orchestration of the source can be edited",
        headline: "orchestrations of the source cannot be edited",
        read: "'Returns - FedEx'",
    },
    Problem {
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
        headline: "tables or columns of IOM are missing in the source's metadata",
        read: "policy ('msdyn_unheardof')",
    },
    Problem {
        what: "a column that a step needs is missing",
        tenant: |_| missing_column("msdyn_iomproviderparameter", "msdyn_value"),
        runbook: as_written,
        exit: 3,
        probe: "IOM's tables and columns are found",
        headline: "tables or columns of IOM are missing in the source's metadata (affects step reinstall-providers)",
        read: "for reinstall-providers",
    },
    Problem {
        what: "the source's IP firewall refuses the program",
        tenant: |world| {
            organization(
                world,
                "source",
                &json!({
                    "enableipbasedfirewallrule": true, "allowediprangeforfirewall": "10.0.0.1",
                }),
            )
        },
        runbook: as_written,
        exit: 4,
        probe: "the source has no IP firewall",
        headline: "the source's IP firewall refuses this program's address (affects step exit-administration-mode)",
        read: "0x80095ffe",
    },
    Problem {
        what: "customizations are blocked in the target",
        tenant: |world| {
            organization(
                world,
                "target",
                &json!({"orgdborgsettings":
            "<OrgSettings><IsLockdownOfUnmanagedCustomizationEnabled>true\
             </IsLockdownOfUnmanagedCustomizationEnabled></OrgSettings>"}),
            )
        },
        runbook: as_written,
        exit: 5,
        probe: "both environments allow unmanaged customizations",
        headline: "unmanaged customizations are blocked (affects step reconfigure-connections)",
        read: "source: allowed; target: blocked",
    },
    Problem {
        what: "the `act-as` user only reads",
        tenant: |world| {
            let key = row(
                world,
                "source",
                "systemuser",
                "domainname",
                "svc-iom@contoso.com",
            );
            Edit::default().change(world, &key, |row| row["accessmode"] = 2.into())
        },
        runbook: as_written,
        exit: 3,
        probe: "`act-as`, user 'svc-iom@contoso.com', can own",
        headline: "cannot own rows in the source",
        read: "the user's access mode is Read",
    },
    Problem {
        what: "the target's Finance and Operations refuses the caller",
        tenant: |_| {
            let client = iomcopy::rehearsal::CLIENT;
            without(vec![format!(
                "finance-operations/{TARGET}/SysAADClients/{client}"
            )])
        },
        runbook: as_written,
        exit: 5,
        probe: "Finance and Operations of the target answers",
        headline: "Finance and Operations of the target refuses the caller",
        read: "40",
    },
];

/// Problems that occur together in one tenant and runbook; all are named.
const TOGETHER: [&str; 14] = [
    "a provider's definition is not active",
    "a connection that the runbook names is not in the target",
    "a connection is broken",
    "the runbook names no connection for a system reference",
    "a secret is missing",
    "the owner does not exist in the source",
    "the `act-as` user has no security role in the source",
    "IOM is not installed in the target",
    "the environments are in two regions",
    "only one of the environments is managed",
    "an operation is running on the target",
    "a pattern matches no flow",
    "an alias names no action",
    "an orchestration cannot be edited",
];

/// A stage with a seeded tenant after one command, and its world file.
fn seeded() -> (Stage, String) {
    let stage = Stage::new();
    drop(stage.call(&["preflight", "rehearsal.yaml"]).exits(0));
    let world = world_text(&stage);
    (stage, world)
}

fn no_run_has_begun(stage: &Stage, what: &str) {
    assert!(!stage.state().exists(), "{what}: a state file was begun");
    let world = stage.in_process_world();
    assert!(world.writes().is_empty(), "{what}: {:?}", world.writes());
}

#[test]
fn a_run_stops_before_the_copy_for_each_problem_that_makes_it_impossible() {
    let (stage, base) = seeded();
    let world = stage.in_process_world();
    for problem in sample(&FATAL.iter().collect::<Vec<_>>(), 6) {
        let what = problem.what;
        put(&stage, &base, &(problem.tenant)(&world));
        stage.write_runbook(&(problem.runbook)(&runbook_text()));
        let answer = stage.run();
        assert_eq!(answer.code, Some(problem.exit), "{what}: {}", answer.stderr);
        let reported = answer.stderr.split("\n  - failed: ").skip(1);
        let reported: Vec<&str> = reported
            .filter(|reported| {
                reported.contains(problem.headline) && reported.contains(problem.read)
            })
            .collect();
        assert!(!reported.is_empty(), "{what}: {}", answer.stderr);
        assert!(
            reported[0].contains("\n    fix: "),
            "{what}: {}",
            reported[0]
        );
        no_run_has_begun(&stage, what);
    }
}

#[test]
fn preflight_names_more_than_twelve_problems_of_one_tenant() {
    let (stage, base) = seeded();
    let world = stage.in_process_world();
    let mut edit = Edit::default();
    let mut runbook = runbook_text();
    let problems: Vec<&Problem> = TOGETHER
        .iter()
        .map(|what| {
            let found = FATAL.iter().find(|problem| problem.what == *what);
            found.unwrap_or_else(|| panic!("no problem is called '{what}'"))
        })
        .collect();
    for problem in &problems {
        let own = (problem.tenant)(&world);
        assert!(
            !edit.meets(&own),
            "{}: two problems of one object",
            problem.what
        );
        edit = edit.and(own);
        runbook = (problem.runbook)(&runbook);
    }
    put(&stage, &base, &edit);
    stage.write_runbook(&runbook);
    let answer = stage.call(&["preflight", "rehearsal.yaml", "--output", "json"]);
    assert!(matches!(answer.code, Some(3..=5)), "{answer:?}");
    let failed = with_verdict(&answer, "fail");
    for problem in &problems {
        let Problem {
            what, probe, read, ..
        } = problem;
        assert!(names(&failed, probe, read), "{what}: {failed:#?}");
    }
    let run = stage.run().exits(5);
    for problem in &problems {
        assert!(run.stderr.contains(problem.read), "{}", problem.what);
    }
    no_run_has_begun(&stage, "all of them");
}

/// Problems that are warnings and do not stop a run.
const WARNINGS: &[Problem] = &[
    Problem {
        what: "a flow is suspended",
        tenant: as_it_is,
        runbook: as_written,
        exit: 0,
        probe: "no cloud flow of the source is suspended",
        headline: "cloud flows are suspended in the source",
        read: "'Contoso - Suspended carrier sync'",
    },
    Problem {
        what: "a flow is called by its address",
        tenant: as_it_is,
        runbook: as_written,
        exit: 0,
        probe: "callers of flows with an HTTP trigger",
        headline: "flows with an HTTP trigger get another URL in the target",
        read: "'Contoso - Order webhook'",
    },
    Problem {
        what: "a custom connector has a host",
        tenant: as_it_is,
        runbook: as_written,
        exit: 0,
        probe: "no custom connector of the source keeps",
        headline: "the source has custom connectors, which keep the source's hosts after the copy",
        read: "'RequestBin', used by 'Contoso - Post to RequestBin'",
    },
    Problem {
        what: "a provider's definition names the source's custom connector",
        tenant: as_it_is,
        runbook: as_written,
        exit: 0,
        probe: "no definition of a provider to be reinstalled names",
        headline: "definitions of providers to be reinstalled name custom connectors of the source",
        read: "'IOM Lab Send To Fulfillment (RequestBin)' of msdyn_IOMLabFulfillmentProvider names \
               shared_crfff-5frequestbin-5f3d1c9a7e, which is shared_crfff-5frequestbin-5f8e42b6d0",
    },
    Problem {
        what: "a flow names the source",
        tenant: as_it_is,
        runbook: |text| {
            let (before, rest) = text.split_once("  - activate-flows:").unwrap_or_default();
            let (_, after) = rest.split_once("\n\n").unwrap_or_default();
            format!("{before}  - activate-flows: {{}}\n\n{after}")
        },
        exit: 0,
        probe: "no flow that should be on has the source written into it",
        headline: "flows that should be on contain references to the source",
        read: "'Contoso - Notify the shop': the source's environment id",
    },
    Problem {
        what: "the source has an IP firewall",
        tenant: |world| {
            organization(
                world,
                "source",
                &json!({
                    "enableipbasedfirewallrule": true, "allowediprangeforfirewall": "127.0.0.1",
                }),
            )
        },
        runbook: as_written,
        exit: 0,
        probe: "the source has no IP firewall",
        headline: "the source has an IP firewall, which the copy brings to the target",
        read: "it allows 127.0.0.1; the source has answered this program",
    },
    Problem {
        what: "a secret environment variable must be written again",
        tenant: secret_variable,
        runbook: as_written,
        exit: 0,
        probe: "no secret environment variable",
        headline: "secret environment variables of the target must be written again",
        read: "'contoso_ShopAddress'",
    },
    Problem {
        what: "the `act-as` user has no licence",
        tenant: |world| {
            let key = row(
                world,
                "source",
                "systemuser",
                "domainname",
                "svc-iom@contoso.com",
            );
            Edit::default().change(world, &key, |row| row["islicensed"] = false.into())
        },
        runbook: as_written,
        exit: 0,
        probe: "`act-as`, user 'svc-iom@contoso.com', has a licence",
        headline: "`act-as`, user 'svc-iom@contoso.com', has no licence",
        read: "no licence",
    },
    Problem {
        what: "a policy suspended a flow of the target",
        tenant: |world| {
            let key = row(world, "target", "workflow", "name", "UAT - Smoke test");
            Edit::default().change(world, &key, |row| {
                row["statecode"] = 2.into();
                row["statuscode"] = 3.into();
            })
        },
        runbook: as_written,
        exit: 0,
        probe: "no flow that should be on has all connectors",
        headline: "a data policy of the target has suspended flows",
        read: "as 'UAT - Smoke test' does, which is suspended in the target",
    },
    Problem {
        what: "Customer Insights is installed in the target",
        tenant: |world| {
            let key = |name: &str| format!("package/{TARGET}/{name}");
            let anchor = key("msdyn_IntelligentOrderManagementAnchor");
            let mut package = world.objects[&anchor].clone();
            package["uniqueName"] = "msdyn_CustomerInsightsAnchor".into();
            Edit::default().put(&key("msdyn_CustomerInsightsAnchor"), package)
        },
        runbook: as_written,
        exit: 0,
        probe: "Customer Insights - Data is not installed",
        headline: "Customer Insights - Data is installed in the target",
        read: "'msdyn_CustomerInsightsAnchor'",
    },
    Problem {
        what: "an optional column is missing",
        tenant: |_| missing_column("msdyn_iomprovider", "msdyn_activationerror"),
        runbook: as_written,
        exit: 0,
        probe: "IOM's optional tables and columns",
        headline: "optional tables or columns of IOM are missing",
        read: "provider.activation-error ('msdyn_activationerror of msdyn_iomprovider'): a failed \
               activation is noticed late",
    },
    Problem {
        what: "the environments have different versions",
        tenant: |world| {
            let table = "solution";
            let name = "msdyn_IntelligentOrderManagement";
            let key = row(world, "target", table, "uniquename", name);
            Edit::default().change(world, &key, |row| row["version"] = "1.0.0.1".into())
        },
        runbook: as_written,
        exit: 0,
        probe: "same versions of IOM's solutions",
        headline: "the versions of IOM's solutions differ between the environments",
        read: "target 1.0.0.1: the source's is newer",
    },
    Problem {
        what: "a key of `connections` is misspelt",
        tenant: as_it_is,
        runbook: |text| {
            let line = format!("      connections:\n        shared_bigcomerce: \"{OUTLOOK}\"\n");
            text.replacen("      connections:\n", &line, 1)
        },
        exit: 0,
        probe: "every key of `connections`",
        headline: "keys of `connections` match no reference of the source and no connector of one",
        read: "`shared_bigcomerce` (rehearsal.yaml:",
    },
    Problem {
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
        headline: "dual-write is in use in the target, and a person must link it again",
        read: "1 running map",
    },
];

#[test]
fn a_question_for_a_person_is_a_warning_that_stops_nothing() {
    let (stage, base) = seeded();
    let world = stage.in_process_world();
    for problem in WARNINGS {
        let what = problem.what;
        put(&stage, &base, &(problem.tenant)(&world));
        stage.write_runbook(&(problem.runbook)(&runbook_text()));
        let answer = stage.call(&["preflight", "rehearsal.yaml", "--output", "json"]);
        let answer = answer.exits(problem.exit);
        let unknown = with_verdict(&answer, "unknown");
        assert!(
            names(&unknown, problem.probe, problem.read),
            "{what}: {unknown:#?}"
        );
        let task = unknown
            .iter()
            .find(|finding| {
                finding["probe"]
                    .as_str()
                    .is_some_and(|p| p.contains(problem.probe))
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
        "a dangling slot is reported and is not a failure: {read:#?}"
    );
}
