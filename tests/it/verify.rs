//! `verify` reports what is left to do and what a person must check; each check fails once and
//! passes once. What `preflight` cannot know becomes a manual task at the start of the step that
//! needs it.

use serde_json::{Value, json};

use crate::edits::{Edit, names, probes, put, row, with_verdict, world_text};
use crate::harness::{CommandOutput, Stage, World, runbook_text, sample};

fn verify(stage: &Stage) -> CommandOutput {
    stage.call(&["verify", "rehearsal.yaml", "--output", "json"])
}

/// One problem of a target after a refresh.
struct Problem {
    what: &'static str,
    tenant: fn(&World) -> Edit,
    verdict: &'static str,
    probe: &'static str,
    read: &'static str,
}

/// The key of a row of the target.
fn of_target(world: &World, table: &str, column: &str, value: &str) -> String {
    row(world, "target", table, column, value)
}

/// The new provider's flow that releases orders to Finance and Operations.
fn release_flow(world: &World) -> String {
    let provider = &world.objects[&of_target(
        world,
        "msdyn_iomprovider",
        "msdyn_name",
        "Microsoft Finance and Operations apps",
    )];
    let id = provider["msdyn_iomproviderid"].as_str().unwrap_or_default();
    let name = format!("iom_{id}_msdyn_finops_releaseordertosync");
    of_target(world, "workflow", "name", &name)
}

fn new_row(world: &World, table: &str, columns: Value) -> Edit {
    let metadata = &world.environment("Contoso UAT")["properties"]["linkedEnvironmentMetadata"];
    let organization = metadata["resourceId"].as_str().unwrap_or_default();
    let id = "0de00000-0000-4000-8000-000000000001";
    let mut columns = columns;
    columns[format!("{table}id")] = id.into();
    Edit::default().put(&format!("row/{organization}/{table}/{id}"), columns)
}

fn run_of_the_release_flow(world: &World, status: &str) -> Edit {
    let flow = world.objects[&release_flow(world)]["workflowid"].clone();
    let lookup = json!({"workflow": flow});
    new_row(
        world,
        "flowrun",
        json!({
            "name": "0858", "status": status, "starttime": "2099-01-01T00:00:00Z",
            "workflow": lookup,
        }),
    )
}

fn result(world: &World, created: &str) -> Edit {
    new_row(
        world,
        "msdyn_iomprovideractionexecutionresult",
        json!({
            "msdyn_result": "Failed",
            "msdyn_resultdetails": "Event expired in the 'Ready' state",
            "createdon": created,
        }),
    )
}

fn dual_write(world: &World) -> Edit {
    let columns = json!({"statecode": 0, "statuscode": 1});
    new_row(world, "msdyn_dualwriteruntimeconfig", columns)
}

/// The problems that a target can have, including those of the guide's troubleshooting.
const PROBLEMS: &[Problem] = &[
    Problem {
        what: "the release flow is off",
        tenant: |world| {
            Edit::default().change(world, &release_flow(world), |row| {
                row["statecode"] = 0.into();
                row["statuscode"] = 1.into();
            })
        },
        verdict: "fail",
        probe: "the order release flow is on",
        read: "msdyn_finops_releaseordertosync' is off",
    },
    Problem {
        what: "the release flow's reference has no connection",
        tenant: |world| {
            let column = "connectionreferencelogicalname";
            let name = "msdyn_iom_commondataserviceforapps";
            let key = of_target(world, "connectionreference", column, name);
            Edit::default().change(world, &key, |row| row["connectionid"] = Value::Null)
        },
        verdict: "fail",
        probe: "the order release flow's connection references have connections",
        read: "'msdyn_iom_commondataserviceforapps' has no connection",
    },
    Problem {
        what: "the release flow's last run failed",
        tenant: |world| run_of_the_release_flow(world, "Failed"),
        verdict: "fail",
        probe: "the order release flow's last runs succeeded",
        read: "failed",
    },
    Problem {
        what: "no run is recorded",
        tenant: |_| Edit::default(),
        verdict: "unknown",
        probe: "the order release flow's last runs succeeded",
        read: "no proof of either",
    },
    Problem {
        what: "an event expired after the provider was installed",
        tenant: |world| result(world, "2099-01-01T00:00:00Z"),
        verdict: "fail",
        probe: "no execution says \"Event expired in the 'Ready' state\"",
        read: "the newest is of 2099-01-01",
    },
    Problem {
        what: "the root team has another name, and dual-write runs",
        tenant: dual_write,
        verdict: "fail",
        probe: "default team has the business unit's name",
        read: "business unit '",
    },
    Problem {
        what: "administration mode is on",
        tenant: |world| {
            let key = "environment/22222222-2222-2222-2222-222222222222";
            Edit::default().change(world, key, |environment| {
                environment["properties"]["states"]["runtime"]["id"] = "AdminMode".into();
            })
        },
        verdict: "fail",
        probe: "administration mode is off",
        read: "AdminMode",
    },
    Problem {
        what: "a platform flow is off",
        tenant: |world| {
            let key = of_target(world, "workflow", "name", "IOM Raise Business Event");
            Edit::default().change(world, &key, |row| row["statecode"] = 0.into())
        },
        verdict: "fail",
        probe: "every platform flow of IOM is on",
        read: "'IOM Raise Business Event'",
    },
    Problem {
        what: "a system reference is not active",
        tenant: |world| {
            let table = "msdyn_iomplatformconnectionreference";
            let key = of_target(world, table, "msdyn_name", "Power Automate Management");
            Edit::default().change(world, &key, |row| row["statuscode"] = 192_350_000.into())
        },
        verdict: "fail",
        probe: "every system connection reference is active",
        read: "'Power Automate Management' is Incomplete",
    },
    Problem {
        what: "a provider lacks an action",
        tenant: |world| {
            let table = "msdyn_iomprovideraction";
            Edit::default().delete(of_target(world, table, "msdyn_name", "Calculate Tax"))
        },
        verdict: "fail",
        probe: "has an action for each action of its definition",
        read: "'Avalara' lacks 'msdyn_avalara_calculatetax'",
    },
    Problem {
        what: "a published orchestration uses a deleted action",
        tenant: |world| {
            let table = "msdyn_iomprovideraction";
            Edit::default().delete(of_target(world, table, "msdyn_name", "Calculate Tax"))
        },
        verdict: "fail",
        probe: "every slot of a published orchestration",
        read: "tile 'Calculate tax'",
    },
    Problem {
        what: "a policy that is used is not published",
        tenant: |world| {
            let name = "Assign company policy";
            let key = of_target(world, "msdyn_iompolicy", "msdyn_name", name);
            Edit::default().change(world, &key, |row| row["statecode"] = 1.into())
        },
        verdict: "fail",
        probe: "every policy that a published orchestration uses",
        read: "'Assign company policy'",
    },
    Problem {
        what: "a compiled flow is off",
        tenant: |world| {
            let name = "(DO NOT DELETE OR MODIFY) Calculate tax";
            let key = of_target(world, "workflow", "name", name);
            Edit::default().change(world, &key, |row| row["statecode"] = 0.into())
        },
        verdict: "fail",
        probe: "the flows that publishing an orchestration generates are on",
        read: "'Calculate tax' of 'D2C order to cash",
    },
    Problem {
        what: "a deployed flow is off",
        tenant: |world| {
            Edit::default().change(world, &release_flow(world), |row| {
                row["statecode"] = 0.into();
            })
        },
        verdict: "fail",
        probe: "flows that active providers deployed are on",
        read: "of 'Microsoft Finance and Operations apps'",
    },
    Problem {
        what: "a flow of a deleted provider is on",
        tenant: |world| {
            let name = "iom_0e900000-0000-4000-8000-000000000009_msdyn_bigcommerce_pullsalesorder";
            Edit::default().change(world, &release_flow(world), |row| row["name"] = name.into())
        },
        verdict: "fail",
        probe: "no flow of a provider that is gone is on",
        read: "0e900000-0000-4000-8000-000000000009",
    },
    Problem {
        what: "a parameter names the source",
        tenant: |world| {
            let table = "msdyn_iomproviderparameter";
            let key = of_target(world, table, "msdyn_name", "BigCommerce Store Hash");
            let source = "11111111-1111-1111-1111-111111111111";
            Edit::default().change(world, &key, |row| row["msdyn_value"] = source.into())
        },
        verdict: "fail",
        probe: "no provider parameter names the source",
        read: "'BigCommerce Store Hash' (msdyn_value): the source's environment id",
    },
    Problem {
        what: "a flow was turned off",
        tenant: |world| {
            let key = of_target(world, "workflow", "name", "Contoso - Daily report");
            Edit::default().change(world, &key, |row| row["statecode"] = 0.into())
        },
        verdict: "fail",
        probe: "step activate-flows finds nothing left",
        read: "'Contoso - Daily report'",
    },
];

#[test]
fn verify_passes_after_a_refresh_and_names_each_problem_afterwards() {
    let stage = Stage::new();
    drop(stage.run().exits(0));
    let base = world_text(&stage);
    let writes = stage.in_process_world().writes().len();
    let good = verify(&stage).exits(0);
    crate::outages::advice_for_the_unknown_destroys_nothing(&good);
    let passed = with_verdict(&good, "pass");
    let steps = passed.iter().filter(|probe| {
        let text = probe["probe"].as_str().unwrap_or_default();
        text.starts_with("step ")
    });
    assert_eq!(steps.count(), 8, "{}", good.stdout);
    assert_eq!(
        stage.in_process_world().writes().len(),
        writes,
        "verify only reads"
    );
    let world = stage.in_process_world();
    for problem in sample(&PROBLEMS.iter().collect::<Vec<_>>(), 6) {
        let what = problem.what;
        put(&stage, &base, &(problem.tenant)(&world));
        let answer = verify(&stage);
        let bad = with_verdict(&answer, problem.verdict);
        assert!(names(&bad, problem.probe, problem.read), "{what}: {bad:#?}");
        if problem.verdict == "fail" {
            assert_eq!(answer.code, Some(1), "{what}");
            let asked = probes(&good);
            let before = asked.iter().find(|probe| {
                let text = probe["probe"].as_str().unwrap_or_default();
                text.contains(problem.probe)
            });
            let before = before.unwrap_or_else(|| panic!("{what}: it was not asked before"));
            assert_ne!(before["verdict"], "fail", "{what}: {before}");
        }
    }
    // And what is not a problem of this refresh.
    for (what, edit, probe) in [
        (
            "a run that succeeded",
            run_of_the_release_flow(&world, "Succeeded"),
            "the order release flow's last runs succeeded",
        ),
        (
            "an event of before the provider was installed",
            result(&world, "2001-01-01T00:00:00Z"),
            "no execution says",
        ),
        (
            "a team that has the unit's name",
            dual_write(&world).and({
                let unit = world.rows("businessunit")[0]["name"].clone();
                let key = of_default_team(&world);
                Edit::default().change(&world, &key, |row| row["name"] = unit.clone())
            }),
            "default team has the business unit's name",
        ),
    ] {
        put(&stage, &base, &edit);
        let passed = with_verdict(&verify(&stage), "pass");
        let found = passed
            .iter()
            .any(|finding| finding["probe"].as_str().is_some_and(|p| p.contains(probe)));
        assert!(found, "{what}: {passed:#?}");
    }
}

fn of_default_team(world: &World) -> String {
    let teams = world.rows("team");
    let team = teams.iter().find(|team| team["isdefault"] == true);
    let id = team.expect("there is one")["teamid"]
        .as_str()
        .unwrap_or_default();
    of_target(world, "team", "teamid", id)
}

#[test]
fn verify_names_what_a_stopped_run_has_left() {
    let stage = Stage::new();
    drop(until(&stage, "exit-administration-mode").exits(0));
    let failed = with_verdict(&verify(&stage).exits(1), "fail");
    for expected in [
        "step reconfigure-connections",
        "step activate-flows",
        "step reinstall-providers",
        "every platform flow",
        "no system connection reference names the source",
    ] {
        assert!(names(&failed, expected, ""), "{expected}: {failed:#?}");
    }
}

fn until(stage: &Stage, step: &str) -> CommandOutput {
    let target = "Contoso UAT";
    let arguments = [
        "run",
        "rehearsal.yaml",
        "--confirm-target",
        target,
        "--until",
        step,
    ];
    stage.call(&arguments)
}

fn complete(stage: &Stage, task: &str) -> CommandOutput {
    stage.call(&["complete", "rehearsal.yaml", task])
}

/// Fails unless this unknown check becomes this task.
fn assert_becomes(answer: &CommandOutput, probe: &str, task: &str) {
    let unknown = with_verdict(answer, "unknown");
    let found = unknown.iter().any(|finding| {
        finding["probe"].as_str().is_some_and(|p| p.contains(probe)) && finding["task"] == task
    });
    assert!(found, "{probe}: {unknown:#?}");
}

#[test]
fn a_question_about_copied_rows_is_a_task_at_the_start_of_its_step() {
    let stage = Stage::new();
    let account = runbook_text().replace(
        "shared_outlook: \"b072a2c4763a530524e2af522761398e\"",
        "shared_outlook: { account: reports@contoso.com }",
    );
    stage.write_runbook(&account);
    let preflight = ["preflight", "rehearsal.yaml", "--output", "json"];
    drop(stage.call(&preflight).exits(0));
    // A reference that is not saved yet, and a connector outside every solution.
    let world = stage.in_process_world();
    let reference = "Power Automate Management";
    let table = "msdyn_iomplatformconnectionreference";
    let saved = row(&world, "source", table, "msdyn_name", reference);
    let url = world.objects[&saved]["msdyn_connectionurl"].clone();
    let connector = row(&world, "source", "connector", "displayname", "RequestBin");
    let mut connector_row = world.objects[&connector].clone();
    put(
        &stage,
        &world_text(&stage),
        &Edit::default()
            .change(&world, &saved, |row| {
                row["msdyn_connectionurl"] = Value::Null;
            })
            .delete(connector),
    );
    let step_3 = "reconfigure-connections/questions";
    let step_4 = "activate-flows/questions";
    let answer = stage.call(&preflight).exits(0);
    assert_becomes(&answer, "is in 'Contoso UAT'", step_3);
    assert_becomes(&answer, "holds a URL that can be read", step_3);
    assert_becomes(&answer, "every custom connector", step_4);

    let run = until(&stage, "activate-flows").exits(10);
    assert!(run.stderr.contains(step_3), "{}", run.stderr);
    let both = complete(&stage, step_3).exits(10);
    let left = ": the 2 boxes above are left\n";
    assert!(both.stderr.contains(left), "{}", both.stderr);
    // It does not suggest itself.
    let end = "\nnext: do what the worksheet says, then iomcopy run rehearsal.yaml\n";
    assert!(both.stderr.ends_with(end), "{}", both.stderr);

    // One of the two is done, and the other is named.
    let world = stage.in_process_world();
    let made = "connection/22222222-2222-2222-2222-222222222222/0ade";
    let mut connection = world.objects
        ["connection/22222222-2222-2222-2222-222222222222/b072a2c4763a530524e2af522761398e"]
        .clone();
    connection["owner"]["email"] = "reports@contoso.com".into();
    put(
        &stage,
        &world_text(&stage),
        &Edit::default().put(made, connection),
    );
    let other = complete(&stage, step_3).exits(10);
    assert!(
        other.stderr.contains("the box above is left"),
        "{}",
        other.stderr
    );
    assert!(
        other.stderr.contains(&format!("'{reference}'")),
        "{}",
        other.stderr
    );
    assert!(!other.stderr.contains("reports@"), "{}", other.stderr);

    let world = stage.in_process_world();
    let key = of_target(&world, table, "msdyn_name", reference);
    put(
        &stage,
        &world_text(&stage),
        &Edit::default().change(&world, &key, |row| row["msdyn_connectionurl"] = url.clone()),
    );
    drop(complete(&stage, step_3).exits(0));

    let run = until(&stage, "activate-flows").exits(10);
    assert!(run.stderr.contains(step_4), "{}", run.stderr);
    assert!(
        run.stderr.contains("'Contoso - Post to RequestBin'"),
        "{}",
        run.stderr
    );
    let world = stage.in_process_world();
    let organization = of_default_team(&world);
    let organization = organization.split('/').nth(1).unwrap_or_default();
    // The person's connector gets an identifier of the target, like its connection.
    connector_row["connectorinternalid"] = "shared_crfff-5frequestbin-5f8e42b6d0".into();
    let id = connector_row["connectorid"].as_str().unwrap_or_default();
    let key = format!("row/{organization}/connector/{id}");
    put(
        &stage,
        &world_text(&stage),
        &Edit::default().put(&key, connector_row.clone()),
    );
    drop(complete(&stage, step_4).exits(0));
    drop(until(&stage, "activate-flows").exits(0));
}

#[test]
fn an_unreadable_list_is_a_task_that_can_be_waived() {
    let stage = Stage::new();
    let shut = [
        "--fault",
        "refuse=403:GET */copyCandidates*",
        "--fault",
        "refuse=403:GET */connections*",
    ];
    let mut tenant = stage.whole_tenant(&shut);
    let step_1 = "copy-environments/questions";
    let step_3 = "reconfigure-connections/questions";
    let answer = stage.call(&["preflight", "rehearsal.yaml", "--output", "json"]);
    let answer = answer.exits(0);
    assert_becomes(&answer, "offers the target", step_1);
    assert_becomes(&answer, "is in 'Contoso UAT'", step_3);

    let run = until(&stage, "reconfigure-connections").exits(10);
    assert!(run.stderr.contains(step_1), "{}", run.stderr);
    assert!(stage.world().writes().is_empty(), "before anything is sent");
    drop(complete(&stage, step_1).exits(10));
    let reason = ["--waive", "seen in the admin center"];
    let waive = [&["complete", "rehearsal.yaml", step_1], &reason[..]].concat();
    drop(stage.call(&waive).exits(0));

    let run = until(&stage, "reconfigure-connections").exits(10);
    assert!(run.stderr.contains(step_3), "{}", run.stderr);
    drop(complete(&stage, step_3).exits(10));
    tenant.kill();
    let _tenant = stage.whole_tenant(&[]);
    drop(complete(&stage, step_3).exits(0));
    drop(until(&stage, "reconfigure-connections").exits(0));
}

/// A pipeline reads exit 0 as the proof that nothing of production acts.
#[test]
fn what_may_not_be_read_of_containment_does_not_verify() {
    let stage = Stage::new();
    let mut tenant = stage.tenant(&[]);
    drop(stage.run().exits(0));
    drop(stage.call(&["verify", "rehearsal.yaml"]).exits(0));
    tenant.kill();
    let _tenant = stage.tenant(&["refuse=403:GET */sdkmessageprocessingsteps*"]);
    let refused = stage.call(&["verify", "rehearsal.yaml"]).exits(4);
    assert!(
        refused.stdout.contains("It is unknown whether"),
        "{}",
        refused.stdout
    );
}
