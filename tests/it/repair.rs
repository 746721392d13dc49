//! `run --only STEP`: one step of a finished run is repaired, and nothing else.

use serde_json::Value;

use crate::edits::{Edit, put, row, world_text};
use crate::harness::{Stage, World};

/// The state of a cloud flow of the target: 1 is on.
fn flow_state(world: &World, name: &str) -> i64 {
    let rows = world.rows("workflow");
    let flow = rows.iter().find(|row| row["name"] == name);
    flow.and_then(|row| row["statecode"].as_i64())
        .expect("the target has the flow")
}

/// The name of a cloud flow that the run turned on.
fn turned_on(stage: &Stage) -> String {
    let records = stage.records();
    let names = records.iter().filter_map(|record| {
        let name = record["data"]["name"].as_str()?;
        name.strip_prefix("turn on cloud flow '")?
            .strip_suffix('\'')
    });
    let names: Vec<&str> = names.collect();
    names.first().expect("a flow was turned on").to_string()
}

fn launches(stage: &Stage) -> usize {
    let is_launch =
        |record: &&Value| record["type"] == "intent" && record["data"]["kind"] == "launch";
    stage.records().iter().filter(is_launch).count()
}

#[test]
fn one_step_of_a_finished_run_is_repaired_and_the_others_are_untouched() {
    let stage = Stage::new();
    drop(stage.run().exits(0));
    let (flow, launched) = (turned_on(&stage), launches(&stage));
    // Somebody changes what two steps made.
    let world = stage.in_process_world();
    let turned_off = row(&world, "target", "workflow", "name", &flow);
    let variable = variable_value(&world);
    let edit = Edit::default()
        .change(&world, &turned_off, |row| {
            row["statecode"] = 0.into();
            row["statuscode"] = 1.into();
        })
        .change(&world, &variable, |row| row["value"] = "drifted".into());
    put(&stage, &world_text(&stage), &edit);

    let only = ["run", "rehearsal.yaml", "--only"];
    let refused = |step: &str, code: i32| {
        let mut arguments = only.to_vec();
        arguments.push(step);
        stage.call(&arguments).exits(code)
    };
    refused("copy-environments", 5).warns(&["would copy the source over the target again"]);
    refused("activate-flow", 3).warns(&["did you mean 'activate-flows'?"]);
    // Without a terminal it must be confirmed, as any run.
    refused("activate-flows", 11).warns(&["activate-flows will be repaired in 'Contoso UAT'"]);
    let mut dry = only.to_vec();
    dry.extend(["activate-flows", "--dry-run"]);
    let planned = stage.call(&dry).exits(0).stdout;
    assert!(
        planned.contains(&flow) && !planned.contains("environment variable"),
        "{planned}"
    );

    let repaired = stage.run_with(&["--only", "activate-flows"]).exits(0);
    assert!(
        repaired.stderr.contains("[1/1] activate-flows"),
        "{}",
        repaired.stderr
    );
    let line = " change in ";
    assert!(
        repaired.stderr.contains(line) && repaired.stderr.contains(" by --only; "),
        "{}",
        repaired.stderr
    );
    let world = stage.in_process_world();
    assert_eq!(flow_state(&world, &flow), 1);
    assert_eq!(world.objects[&variable]["value"], "drifted");
    assert_eq!(launches(&stage), launched, "nothing is launched");
    let begun = stage.records();
    assert!(begun.iter().any(|record| record["type"] == "repair-began"));
    let confirmed = |record: &&Value| record["type"] == "confirmed";
    assert_eq!(begun.iter().filter(confirmed).count(), 2);

    // Nothing is left for that step, and the state file stays as it is.
    let nothing = stage.run_with(&["--only", "activate-flows"]).exits(0);
    assert!(
        nothing.stdout.contains("Nothing to repair"),
        "{}",
        nothing.stdout
    );
    assert_eq!(stage.records().len(), begun.len());
    // The run has finished again, and still finds the other change.
    let again = stage.run().exits(1);
    let repair = "iomcopy run rehearsal.yaml --only exit-administration-mode";
    again.warns(&[repair]);
    let verified = stage.call(&["verify", "rehearsal.yaml"]).exits(1);
    assert!(verified.stdout.contains(repair), "{}", verified.stdout);
    let planned = stage.call(&["plan", "rehearsal.yaml"]).exits(0);
    let made = format!("{}{}", planned.stdout, planned.stderr);
    assert!(made.contains(repair), "{made}");
}

/// The key of the value of an environment variable that the run restored: production has another.
fn variable_value(world: &World) -> String {
    let table = "environmentvariablevalue";
    let sources = world.seeded("source", table);
    let restored = world.rows(table).into_iter().find(|value| {
        let is_same = |source: &&Value| source["value"] == value["value"];
        !sources.iter().any(is_same)
    });
    let value = restored.expect("the run restored one")["value"].as_str();
    row(world, "target", table, "value", value.unwrap_or_default())
}

/// Somebody deletes a published orchestration after the run: every command says so, and a waiver is the
/// way out.
#[test]
fn a_deleted_orchestration_is_a_task_that_can_be_waived() {
    let stage = Stage::new();
    drop(stage.run().exits(0));
    let world = stage.in_process_world();
    let name = "Returns - FedEx";
    let deleted = row(&world, "target", "msdyn_iomdesigner", "msdyn_name", name);
    put(
        &stage,
        &world_text(&stage),
        &Edit::default().delete(deleted),
    );

    let step = "restore-provider-actions";
    let found = stage.run().exits(1);
    let task = format!("bring back orchestration '{name}'");
    assert!(found.stdout.contains(&task), "{}", found.stdout);
    drop(stage.call(&["verify", "rehearsal.yaml"]).exits(1));
    drop(stage.run_with(&["--only", step]).exits(10));
    let task = format!("{step}/publish");
    let waive = ["complete", "rehearsal.yaml", &task, "--waive", "on purpose"];
    drop(stage.call(&waive).exits(0));
    for _ in 0..2 {
        drop(stage.run().exits(0));
    }
    drop(stage.run_with(&["--only", step]).exits(0));
    drop(stage.call(&["verify", "rehearsal.yaml"]).exits(0));
}
