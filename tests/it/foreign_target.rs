//! Somebody else acts on the target during a run: opens it, copies onto it, replaces it.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::harness::{Stage, runbook_text};

const TARGET: &str = "22222222-2222-2222-2222-222222222222";
const SECOND_TARGET: &str = "33333333-3333-3333-3333-333333333333";
const METADATA: &str = "/properties/linkedEnvironmentMetadata";

/// Edits the target's environment in the world: each pointer with its new value.
fn edit_target(stage: &Stage, edits: &[(&str, Value)], puts: &mut Map<String, Value>) {
    let mut environment = stage.world().environment("Contoso UAT").clone();
    for (pointer, value) in edits {
        let place = environment.pointer_mut(pointer);
        *place.expect("the environment has the member") = value.clone();
    }
    puts.insert(format!("environment/{TARGET}"), environment);
}

/// The states of a target: administration mode, background operations.
fn states(runtime: &str, background: &str) -> [(&'static str, Value); 2] {
    [
        ("/properties/states/runtime/id", json!(runtime)),
        (
            "/properties/linkedEnvironmentMetadata/backgroundOperationsState",
            json!(background),
        ),
    ]
}

/// A copy onto the target that has succeeded, by this requester.
fn foreign_copy(requester: &str) -> (String, Value) {
    let id = "0be00000-0000-4000-8000-0000000000aa";
    let copy = json!({
        "id": id, "environment": TARGET, "kind": "Copy", "state": "Succeeded",
        "began": 4_000_000_000_u64, "ends": 4_000_000_000_u64, "requested_by": requester,
        "request": {},
    });
    (format!("operation/{id}"), copy)
}

/// A run that was killed after its request to copy, which the service has refused in a way that leaves
/// it in doubt. Returns the runbook.
fn leave_copy_in_doubt(stage: &Stage, more: &[&str]) -> String {
    let faults = ["--fault", "refuse=504#1:POST */copy"];
    // Slowly enough that the run does not conclude anything before it is killed.
    let mut tenant = stage.tenant_at(200, &runbook_text(), &[more, &faults].concat());
    let mut run = stage.start();
    let is_copy = |record: &Value| {
        let key = record["data"]["key"].as_str();
        record["type"] == "intent" && key.is_some_and(|key| key.starts_with("copy/"))
    };
    assert!(
        stage.wait_for(&mut run, is_copy),
        "the run ended before the copy"
    );
    // The request follows the intent; a kill between them would leave nothing in doubt.
    while stage.world().count_sent("POST", "/copy") == 0 {
        let ended = run.try_wait().expect("its state can be read");
        assert!(ended.is_none(), "the run ended before its request");
        std::thread::sleep(Duration::from_millis(10));
    }
    drop(run.kill());
    drop(run.wait());
    tenant.kill();
    std::fs::read_to_string(stage.runbook()).expect("the runbook can be read")
}

#[test]
fn a_target_that_was_opened_during_the_copy_is_contained_at_once_and_reported() {
    let stage = Stage::new();
    let text = runbook_text();
    let short = text.replacen(
        "copy-environments: {}",
        "copy-environments: { timeout: 10m }",
        1,
    );
    assert_ne!(text, short, "the step has no options");
    let mut tenant = stage.start_tenant(&short, &[]);
    drop(stage.run().exits(75));
    // The copy ends while no process watches it.
    while stage.world().environment("Contoso UAT")["properties"]["states"]["management"]["id"]
        != "Ready"
    {
        std::thread::sleep(Duration::from_millis(200));
        let _reads = stage.call(&["plan", "rehearsal.yaml"]);
    }
    tenant.kill();
    let mut puts = Map::new();
    edit_target(&stage, &states("Enabled", "Enabled"), &mut puts);
    stage.edit_world(&puts);
    let _tenant = stage.start_tenant(&text, &[]);
    let run = stage.run().exits(1);
    run.warns(&["'early opening'", "openings of the target by somebody else"]);
    assert!(
        run.stdout.contains(", 0 open, 1 acted before that"),
        "{}",
        run.stdout
    );
    let world = stage.world();
    let canceled = |job: &&&Value| job["statuscode"] == 32;
    let jobs = world.rows("asyncoperation");
    assert_eq!(jobs.iter().filter(canceled).count(), 3, "{jobs:?}");
    assert_eq!(world.count_successful("POST", "/copy"), 1);
}

#[test]
fn jobs_that_ended_before_the_run_closed_the_target_are_a_finding_until_they_are_allowed() {
    let stage = Stage::new();
    let mut tenant = stage.whole_tenant(&[]);
    drop(stage.run_with(&["--until", "copy-environments"]).exits(0));
    tenant.kill();
    let mut puts = Map::new();
    edit_target(&stage, &states("Enabled", "Enabled"), &mut puts);
    let world = stage.world();
    let organization = world.organization("target");
    let prefix = format!("row/{organization}/asyncoperation/");
    for (key, job) in world
        .objects
        .iter()
        .filter(|(key, _)| key.starts_with(&prefix))
    {
        if job["name"] == "Spring newsletter" || job["name"] == "Delete old system jobs" {
            let mut job = job.clone();
            job["statecode"] = json!(3);
            job["statuscode"] = json!(30);
            job["completedon"] = json!("2100-01-01T00:00:00Z");
            puts.insert(key.clone(), job);
        }
    }
    assert_eq!(puts.len(), 3, "{puts:?}");
    stage.edit_world(&puts);
    let runbook = std::fs::read_to_string(stage.runbook()).expect("the runbook can be read");
    let _tenant = stage.start_tenant(&runbook, &[]);
    let run = stage.run().exits(1);
    run.warns(&["'Spring newsletter'", "'early opening'", "may have acted"]);
    assert!(
        !run.stderr.contains("'Delete old system jobs'"),
        "it acts only inside"
    );
    // It stays a finding, and a check names it.
    let again = stage.run().exits(1);
    let said = format!("{}{}", again.stdout, again.stderr);
    assert!(said.contains("'Spring newsletter'"), "{said}");
    let verified = stage.call(&["verify", "rehearsal.yaml"]);
    assert!(
        verified.stdout.contains("Spring newsletter"),
        "{}",
        verified.stdout
    );
    // A person has looked at it.
    let text = std::fs::read_to_string(stage.runbook()).expect("the runbook can be read");
    let names = "allow: [\"Spring newsletter\", \"early opening\", ";
    let allowed = text.replacen("allow: [", names, 1);
    assert_ne!(allowed, text);
    stage.write_runbook(&allowed);
    drop(stage.run().exits(0));
}

#[test]
fn another_admins_copy_is_not_adopted_and_both_possibilities_are_shown() {
    let stage = Stage::new();
    let runbook = leave_copy_in_doubt(&stage, &[]);
    let (key, copy) = foreign_copy("0ada0000-0000-4000-8000-000000000001");
    let mut puts = Map::new();
    puts.insert(key, copy);
    stage.edit_world(&puts);
    let _tenant = stage.start_tenant(&runbook, &[]);
    let run = stage.run().exits(10);
    run.warns(&[
        "0ada0000-0000-4000-8000-000000000001), not by this run",
        "either this run's request began nothing",
        "--confirm-repeat ",
    ]);
    assert_eq!(stage.world().count_sent("POST", "/copy"), 1);
}

#[test]
fn a_copy_of_another_source_is_found_by_its_content_before_anything_is_opened() {
    let stage = Stage::new();
    let runbook = leave_copy_in_doubt(&stage, &["--targets", "2"]);
    // Nothing that the service shows contradicts that it is this run's copy.
    let (key, mut copy) = foreign_copy("SYSTEM");
    let world = stage.world();
    let second = &world.objects[&format!("environment/{SECOND_TARGET}")];
    let mut edits = states("AdminMode", "Disabled").to_vec();
    let resource = format!("{METADATA}/resourceId");
    let other = second.pointer(&resource).expect("it has an organization");
    edits.push((&resource, other.clone()));
    let mut puts = Map::new();
    let times = world.requests.last().expect("there are requests");
    let now = times["elapsed"].clone();
    (copy["began"], copy["ends"]) = (now.clone(), now);
    puts.insert(key, copy);
    edit_target(&stage, &edits, &mut puts);
    stage.edit_world(&puts);
    let _tenant = stage.start_tenant(&runbook, &["--targets", "2"]);
    let writes = world.writes().len();
    let run = stage.run().exits(1);
    run.warns(&[
        "does not have the source's content",
        "nothing was changed or opened",
    ]);
    assert_eq!(stage.world().writes().len(), writes, "only reads");
}

#[test]
fn a_copy_that_is_accepted_and_never_listed_ends_with_the_token_for_another_one() {
    let stage = Stage::new();
    let _tenant = stage.tenant(&["accept-and-ignore#1:POST */copy"]);
    let until = ["--until", "copy-environments"];
    let run = stage.run_with(&until).exits(11);
    let token = run.token().expect("the token is named");
    assert_eq!(
        stage.run_with(&until).exits(11).token(),
        Some(token.clone())
    );
    assert_eq!(stage.world().count_successful("POST", "/copy"), 1);
    let repeat = [until.as_slice(), &["--confirm-repeat", &token]].concat();
    drop(stage.run_with(&repeat).exits(0));
    assert_eq!(stage.world().count_successful("POST", "/copy"), 2);
}

#[test]
fn a_target_that_was_replaced_since_is_named_with_the_command_for_a_new_run() {
    let stage = Stage::new();
    let mut tenant = stage.tenant(&[]);
    drop(stage.run_with(&["--until", "copy-environments"]).exits(0));
    tenant.kill();
    let runbook = std::fs::read_to_string(stage.runbook()).expect("the runbook can be read");
    let world = stage.world();
    let (mut puts, old) = (Map::new(), world.organization("target"));
    let new = "0a220000-0000-4000-8000-0000000000ff";
    for (key, value) in &world.objects {
        if let Some((before, after)) = key.split_once(old) {
            puts.insert(format!("{before}{new}{after}"), value.clone());
        }
    }
    edit_target(
        &stage,
        &[(&format!("{METADATA}/resourceId"), json!(new))],
        &mut puts,
    );
    stage.edit_world(&puts);
    let _tenant = stage.start_tenant(&runbook, &["--seed", "thin"]);
    let file =
        "--fresh --abandon-captures --from-capture rehearsal.iomcopy.before-copy.capture.jsonl";
    let run = stage.run().exits(5);
    run.warns(&["somebody has replaced 'Contoso UAT'", file]);
    assert!(
        !run.stderr.contains("restore the runbook"),
        "{}",
        run.stderr
    );
    let fresh: Vec<&str> = file.split(' ').collect();
    drop(stage.run_with(&fresh).exits(0));
}
