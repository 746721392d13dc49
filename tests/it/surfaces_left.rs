//! Every surface reported as closed is closed: a refused replacement disables what calls the
//! address, a person decides about unreadable surfaces before the target opens, and open surfaces
//! end a run with a finding.

use serde_json::{Map, json};

use crate::edits::row;
use crate::harness::{Stage, runbook_text};
use crate::lcs::says;

const UNTIL: [&str; 2] = ["--until", "exit-administration-mode"];

#[test]
fn a_refused_address_disables_its_steps_and_what_cannot_be_read_is_asked_about() {
    let rule = "    - { find: shop.contoso.com,";
    let text = runbook_text();
    assert!(text.contains(rule), "the runbook has the rule");
    let audit = "    - { find: audit.contoso.com, with: uat-audit.contoso.com }\n";
    let text = text.replacen(rule, &format!("{audit}{rule}"), 1);
    let stage = Stage::new();
    let faults = [
        "--fault",
        "refuse=400/0x80040265:PATCH */serviceendpoints*",
        "--fault",
        "refuse=403:GET */data/BatchJobs*",
    ];
    let mut tenant = stage.start_tenant(&text, &faults);
    drop(stage.run_with(&UNTIL).exits(1));
    let run = stage.run_with(&UNTIL).exits(10);
    says(&run, &["exit-administration-mode/disable-steps"]);
    let waive = [
        "complete",
        "rehearsal.yaml",
        "exit-administration-mode/disable-steps",
        "--waive",
        "its steps are disabled",
    ];
    drop(stage.call(&waive).exits(0));
    let run = stage.run_with(&UNTIL).exits(10);
    says(
        &run,
        &[
            "exit-administration-mode/contain",
            "Finance and Operations did not give its batch jobs",
        ],
    );
    tenant.kill();
    let world = stage.world();
    let runtime = &world.environment("Contoso UAT")["properties"]["states"]["runtime"]["id"];
    assert_ne!(*runtime, "Enabled", "the target is still closed");
    let steps = world.rows("sdkmessageprocessingstep").into_iter();
    let enabled = steps.filter(|step| {
        let name = step["name"].as_str().unwrap_or_default();
        name.contains("audit") && step["statecode"] == json!(0)
    });
    assert_eq!(enabled.count(), 0, "the steps that call it are disabled");
    let calls = world.calls();
    assert!(
        !calls.iter().any(|call| call["host"] == "audit.contoso.com"),
        "{calls:?}"
    );
}

#[test]
fn a_run_that_leaves_something_open_ends_with_a_finding_each_time() {
    let rule = "    - { find: contoso.sharepoint.com, with: contosouat.sharepoint.com }\n";
    let text = runbook_text();
    assert!(text.contains(rule), "the runbook has the rule");
    let stage = Stage::new();
    stage.write_runbook(&text.replacen(rule, "", 1));
    for _ in 0..2 {
        let run = stage.run().exits(1);
        says(
            &run,
            &[
                "can act on the outside world, and the runbook does not allow it",
                "iomcopy verify",
            ],
        );
    }
    // An edit of the runbook is a decision.
    let allowed = "  allow: [";
    let text = text.replacen(rule, "", 1);
    assert!(text.contains(allowed), "the runbook allows something");
    stage.write_runbook(&text.replacen(allowed, "  allow: [contoso.sharepoint.com, ", 1));
    drop(stage.run().exits(0));
}

#[test]
fn a_job_of_the_target_that_was_opened_is_left_to_it() {
    let stage = Stage::new();
    drop(stage.run_with(&UNTIL).exits(0));
    // Somebody stops background operations, and a job of the target's own waits.
    let world = stage.in_process_world();
    let (place, environment) = world
        .objects
        .iter()
        .find(|(key, value)| {
            key.starts_with("environment/") && value["properties"]["displayName"] == "Contoso UAT"
        })
        .expect("the target exists");
    let mut environment = environment.clone();
    environment["properties"]["linkedEnvironmentMetadata"]["backgroundOperationsState"] =
        json!("Disabled");
    let copied = row(
        &world,
        "target",
        "asyncoperation",
        "name",
        "Spring newsletter",
    );
    let mut job = world.objects[&copied].clone();
    let (table, _) = copied.rsplit_once('/').expect("the key ends with the id");
    let id = "0a000000-0000-4000-8000-000000000001";
    job["asyncoperationid"] = json!(id);
    job["name"] = json!("UAT own newsletter");
    job["statecode"] = json!(1);
    job["statuscode"] = json!(10);
    let puts = [(place.clone(), environment), (format!("{table}/{id}"), job)];
    stage.edit_in_process_world(&Map::from_iter(puts));

    let run = stage.run_with(&UNTIL).exits(0);
    assert!(!run.stdout.contains("UAT own newsletter"), "{}", run.stdout);
    let world = stage.in_process_world();
    let jobs = world.rows("asyncoperation").into_iter();
    let canceled =
        jobs.filter(|job| job["name"] == "UAT own newsletter" && job["statuscode"] == 32);
    assert_eq!(canceled.count(), 0, "the program did not cancel it");
}

/// A script that does not decode, a workflow without its definition and a table that the service does
/// not find: what cannot be read is named and never counts as nothing.
#[test]
fn what_cannot_be_read_is_unclear_and_named() {
    let stage = Stage::new();
    stage.whole_tenant(&[]).kill();
    let world = stage.world();
    let script = row(
        &world,
        "source",
        "webresource",
        "name",
        "contoso_/orders.js",
    );
    let workflow = "Contoso - Loyalty points";
    let workflow = row(&world, "source", "workflow", "name", workflow);
    let mut puts = Map::new();
    for (key, column, value) in [
        (&script, "content", json!("%%%")),
        (&workflow, "xaml", json!(null)),
    ] {
        let mut object = world.objects[key].clone();
        object[column] = value;
        puts.insert(key.clone(), object);
    }
    // The runbook allows it by its own name.
    puts[&script]["name"] = json!("contoso_/returns.js");
    stage.edit_world(&puts);
    let _tenant = stage.whole_tenant(&["--fault", "refuse=404:GET *?$top=201"]);
    let preflight = stage.call(&["preflight", "rehearsal.yaml", "-v"]);
    says(
        &preflight,
        &[
            "'contoso_/returns.js': a browser that opens the form runs it (its content cannot be read)",
            "'Contoso - Loyalty points': runs at once (its definition cannot be read",
            "could not check that no row of the customer's own tables that was looked at names production",
            "read: 0 rows of 0 tables; could not be read: ",
            "(the service does not find it)",
            "give the program's identity a role that may read these tables",
        ],
    );
}
