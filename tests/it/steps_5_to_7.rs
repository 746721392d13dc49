//! Providers and orchestrations that change between the steps: nothing is deleted that could not be
//! replaced, and what somebody did in between ends as it was.

use std::fs;

use serde_json::Value;

use crate::edits::{Edit, put, row, world_text};
use crate::harness::{Stage, World, runbook_text};
use crate::outputs::document;

/// The runbook with a list of the providers to reinstall.
fn with_list(list: &str) -> String {
    let head = "  - reinstall-providers:\n";
    let text = runbook_text();
    assert!(text.contains(head), "the step has options");
    text.replace(head, &format!("{head}      providers: [{list}]\n"))
}

fn run_until(stage: &Stage, step: &str) {
    drop(stage.run_with(&["--until", step]).exits(0));
}

/// Somebody changes the target while the program does not run.
fn edit(stage: &Stage, edit: impl FnOnce(&World) -> Edit) {
    let edit = edit(&stage.in_process_world());
    put(stage, &world_text(stage), &edit);
}

fn deleted_providers(world: &World) -> usize {
    world.count_successful("DELETE", "msdyn_iomproviders(")
}

fn provider(world: &World, side: &str, name: &str) -> String {
    row(world, side, "msdyn_iomprovider", "msdyn_name", name)
}

fn orchestration(world: &World, name: &str) -> String {
    row(world, "target", "msdyn_iomdesigner", "msdyn_name", name)
}

#[test]
fn a_list_without_a_used_provider_deletes_nothing() {
    let refused = "orchestrations use actions of providers that";
    let stage = Stage::new();
    // Before the copy.
    stage.write_runbook(&with_list("msdyn_bigcommerce"));
    let answer = stage.run().exits(3);
    for part in [
        &format!("{refused} are not reinstalled"),
        "'Returns - FedEx', tile '",
        "add the definition to `providers` of reinstall-providers",
    ] {
        assert!(answer.stderr.contains(part), "{part}: {}", answer.stderr);
    }
    assert!(!stage.state().exists());
    assert!(stage.in_process_world().writes().is_empty());
    // The list is written when the copy is long done.
    stage.write_runbook(&runbook_text());
    run_until(&stage, "detach-provider-actions");
    stage.write_runbook(&with_list("msdyn_bigcommerce"));
    let answer = stage.run().exits(5);
    for part in [
        &format!("{refused} would not be reinstalled"),
        "nothing was deleted; add the definitions to `providers`",
    ] {
        assert!(answer.stderr.contains(part), "{part}: {}", answer.stderr);
    }
    let world = stage.in_process_world();
    assert_eq!(deleted_providers(&world), 0);
    // With its old list the run continues.
    stage.write_runbook(&runbook_text());
    drop(stage.run().exits(0));
    crate::whole_world::assert_whole_tenant_is_refreshed(&stage.in_process_world());
}

#[test]
fn a_provider_that_is_not_active_and_used_stops_the_run_before_the_copy() {
    let stage = Stage::new();
    drop(stage.call(&["preflight", "rehearsal.yaml"]).exits(0));
    edit(&stage, |world| {
        let key = provider(world, "source", "FedEx");
        Edit::default().change(world, &key, |row| {
            row["statecode"] = 1.into();
            row["statuscode"] = 2.into();
        })
    });
    let answer = stage.run().exits(5);
    for part in [
        "orchestrations use actions of providers that are not reinstalled",
        "the provider is not active: activate it in the source",
    ] {
        assert!(answer.stderr.contains(part), "{part}: {}", answer.stderr);
    }
    assert!(stage.in_process_world().writes().is_empty());
}

#[test]
fn a_provider_that_vanished_is_asked_for() {
    let stage = Stage::new();
    drop(stage.call(&["preflight", "rehearsal.yaml"]).exits(0));
    run_until(&stage, "detach-provider-actions");
    edit(&stage, |world| {
        Edit::default().delete(provider(world, "target", "FedEx"))
    });
    for _ in 0..2 {
        let answer = stage.run().exits(10);
        for part in [
            "reinstall-providers/vanished",
            "'FedEx'",
            "it was active in the source and is missing in the target",
        ] {
            let said = format!("{}{}", answer.stdout, answer.stderr);
            assert!(said.contains(part), "{part}: {said}");
        }
        assert_eq!(deleted_providers(&stage.in_process_world()), 0);
    }
    let waive = [
        "complete",
        "rehearsal.yaml",
        "reinstall-providers/vanished",
        "--waive",
        "the contract ended",
    ];
    drop(stage.call(&waive).exits(0));
    // An orchestration still uses it, so the deletion of the others does not begin.
    let answer = stage.run().exits(5);
    assert!(
        answer.stderr.contains("'Returns - FedEx', tile '"),
        "{}",
        answer.stderr
    );
    assert_eq!(deleted_providers(&stage.in_process_world()), 0);
}

/// Publishing compiles a flow with the new name, and none with the old one.
#[test]
fn a_tile_that_somebody_renames_does_not_stop_the_publishing() {
    let stage = Stage::new();
    run_until(&stage, "reinstall-providers");
    let (tile, renamed) = ("Return label", "Return label abroad");
    edit(&stage, |world| {
        let key = orchestration(world, "Returns - FedEx");
        Edit::default().change(world, &key, |row| {
            let graph = row["msdyn_graph"].as_str().expect("it has a graph");
            assert!(graph.contains(tile), "{graph}");
            row["msdyn_graph"] = graph.replace(tile, renamed).into();
        })
    });
    drop(stage.run().exits(0));
    let world = stage.in_process_world();
    let flow = format!("(DO NOT DELETE OR MODIFY) {renamed}");
    let is_on = |row: &&Value| row["name"] == flow.as_str() && row["statecode"] == 1;
    assert!(world.rows_of("target", "workflow").iter().any(is_on));
    drop(stage.call(&["verify", "rehearsal.yaml"]).exits(0));
}

/// An older state file, without the traces of the newer one: as on another machine, or where a
/// pipeline keeps the state file alone.
#[test]
fn an_older_state_file_does_not_seal_emptied_orchestrations_as_the_original() {
    let stage = Stage::new();
    run_until(&stage, "activate-flows");
    let older = fs::read(stage.state()).expect("the state file can be read");
    run_until(&stage, "detach-provider-actions");
    let copy = stage.path("rehearsal.iomcopy.orchestrations.capture.jsonl");
    let sealed = fs::read(&copy).expect("the copy can be read");
    for lost in [stage.path("rehearsal.iomcopy.jsonl.lock"), copy.clone()] {
        fs::remove_file(lost).expect("it can be removed");
    }
    fs::write(stage.state(), older).expect("the state file can be written");
    let writes = stage.in_process_world().writes().len();
    let answer = stage.run().exits(5);
    for part in [
        "hold no provider action any more",
        "'Returns - FedEx'",
        "--from-capture",
    ] {
        assert!(answer.stderr.contains(part), "{part}: {}", answer.stderr);
    }
    assert_eq!(stage.in_process_world().writes().len(), writes);
    let verified = stage.call(&["verify", "rehearsal.yaml"]).exits(1);
    assert!(
        verified
            .stdout
            .contains("'Returns - FedEx': it holds no provider action"),
        "{}",
        verified.stdout
    );
    // The sealed copy of the newer file is enough.
    fs::write(&copy, sealed).expect("the copy can be written");
    let name = "rehearsal.iomcopy.orchestrations.capture.jsonl";
    drop(stage.run_with(&["--from-capture", name]).exits(0));
    crate::whole_world::assert_whole_tenant_is_refreshed(&stage.in_process_world());
}

/// The older file ends before step 5, and the run has gone on to its end with a newer one. What the
/// slots hold now is not what the copy brought.
#[test]
fn an_older_state_file_does_not_seal_what_the_run_has_restored() {
    let stage = Stage::new();
    run_until(&stage, "activate-flows");
    let older = fs::read(stage.state()).expect("the state file can be read");
    drop(stage.run().exits(0));
    let names = ["orchestrations", "providers"]
        .map(|seal| format!("rehearsal.iomcopy.{seal}.capture.jsonl"));
    let kept = names.each_ref().map(|name| format!("kept.{name}"));
    for (name, kept) in names.iter().zip(&kept) {
        fs::rename(stage.path(name), stage.path(kept)).expect("the copy can be moved");
    }
    fs::write(stage.state(), older).expect("the state file can be written");
    fs::remove_file(stage.path("rehearsal.iomcopy.jsonl.lock")).expect("it can be removed");
    let writes = stage.in_process_world().writes().len();
    let refused = stage.run().exits(5);
    for name in &names {
        let given = format!("--from-capture {}", name.replace("rehearsal", "NAME"));
        assert!(
            refused.stderr.contains(&given),
            "{given}: {}",
            refused.stderr
        );
    }
    assert_eq!(stage.in_process_world().writes().len(), writes);
    let both: Vec<&str> = kept.iter().flat_map(|it| ["--from-capture", it]).collect();
    drop(stage.run_with(&both).exits(0));
    crate::whole_world::assert_whole_tenant_is_refreshed(&stage.in_process_world());
}

/// The slots are empty, and the runbook skips the step that fills them.
#[test]
fn a_run_that_leaves_orchestrations_empty_does_not_end_well() {
    let stage = Stage::new();
    run_until(&stage, "reinstall-providers");
    let (step, skipped) = (
        "  - restore-provider-actions: {}",
        "  - restore-provider-actions: { skip: later }",
    );
    let text = runbook_text();
    assert!(text.contains(step), "the step has no options");
    stage.write_runbook(&text.replace(step, skipped));
    let lost = "'Returns - FedEx': it holds no provider action";
    // The second time the run has finished already.
    for _ in 0..2 {
        let answer = stage.run().exits(1);
        let said = format!("{}{}", answer.stdout, answer.stderr);
        for part in [lost, "remove `skip` of restore-provider-actions"] {
            assert!(said.contains(part), "{part}: {said}");
        }
    }
    let verified = stage.call(&["verify", "rehearsal.yaml"]).exits(1);
    assert!(verified.stdout.contains(lost), "{}", verified.stdout);
    // What it advises helps.
    stage.write_runbook(&text);
    let only = ["--only", "restore-provider-actions"];
    drop(stage.run_with(&only).exits(0));
    drop(stage.call(&["verify", "rehearsal.yaml"]).exits(0));
    drop(stage.run().exits(0));
}

/// Somebody publishes an orchestration between steps 5 and 7.
fn published_in_between(name: &str) -> (World, Value) {
    let stage = Stage::new();
    drop(stage.call(&["preflight", "rehearsal.yaml"]).exits(0));
    run_until(&stage, "reinstall-providers");
    let key = orchestration(&stage.in_process_world(), name);
    edit(&stage, |world| {
        Edit::default().change(world, &key, |row| {
            row["statecode"] = 1.into();
            row["statuscode"] = 2.into();
        })
    });
    let run = stage.run().exits(0);
    assert!(
        run.stdout.contains("24 of 25 slots restored"),
        "{}",
        run.stdout
    );
    let world = stage.in_process_world();
    let row = world.objects[&key].clone();
    (world, row)
}

#[test]
fn an_orchestration_published_in_between_is_stopped_and_published_again() {
    let name = "D2C order to cash - BigCommerce to FinOps";
    let (world, row) = published_in_between(name);
    assert_eq!(row["statecode"], 1, "{row}");
    crate::whole_world::assert_whole_tenant_is_refreshed(&world);
}

#[test]
fn a_draft_that_was_published_in_between_stays_published() {
    let (_, row) = published_in_between("Demo Order Journey");
    assert_eq!(row["statecode"], 1, "{row}");
}

#[test]
fn after_again_nothing_else_dangles() {
    let stage = Stage::new();
    let slots = |stdout: &str| {
        let mut lines = stdout.lines();
        let line = lines.find(|line| line.contains("restored to new provider actions"));
        line.expect("the slots are counted").to_owned()
    };
    let whole = slots(&stage.run().exits(0).stdout);
    let again = ["--again", "reinstall-providers", "--provider", "FedEx"];
    let run = stage.run_with(&again).exits(0);
    // The figures are those of the whole run.
    assert_eq!(slots(&run.stdout), whole);
    let dangling: Vec<&str> = run
        .stdout
        .lines()
        .filter(|line| line.contains("dangling before the refresh"))
        .collect();
    assert_eq!(dangling.len(), 1, "{}", run.stdout);
    // No change of the second time shows another provider's action as dangling.
    let records = stage.records();
    let reopened = records
        .iter()
        .position(|record| record["type"] == "reopened")
        .expect("the steps were opened again");
    for record in &records[reopened..] {
        let text = record.to_string();
        assert!(
            !text.contains("no provider's action") || text.contains("deadbeef"),
            "{text}"
        );
    }
}

/// The value that the target had before the copy is older than what a person sets after the run.
#[test]
fn again_keeps_the_value_that_a_person_has_set_since() {
    let stage = Stage::new();
    drop(stage.run().exits(0));
    let parameter = |world: &World| {
        row(
            world,
            "target",
            "msdyn_iomproviderparameter",
            "msdyn_name",
            "Avalara Company Code",
        )
    };
    edit(&stage, |world| {
        Edit::default().change(world, &parameter(world), |row| {
            assert_ne!(row["msdyn_value"], Value::Null, "the run has restored one");
            row["msdyn_value"] = "set since".into();
        })
    });
    let again = [
        "--again",
        "reinstall-providers",
        "--provider",
        "msdyn_avalara",
    ];
    drop(stage.run_with(&again).exits(0));
    let world = stage.in_process_world();
    let parameters = world.rows("msdyn_iomproviderparameter");
    let mut of_name = parameters
        .iter()
        .filter(|row| row["msdyn_name"] == "Avalara Company Code");
    let now = of_name.next().expect("the new provider has the parameter");
    assert_eq!(now["msdyn_value"], "set since");
}

#[test]
fn a_failed_copy_lists_no_flows() {
    let stage = Stage::new();
    let _tenant = stage.tenant(&["fail:POST *Copy*", "fail:POST *copy*"]);
    let run = stage.run().exits(1);
    let reported = document(&stage, "report", &["report", "rehearsal.yaml"], 0);
    let off = reported["figures"]["flows-off"]
        .as_array()
        .map_or(0, Vec::len);
    assert_eq!(off, 0, "{}", reported["figures"]);
    assert!(!run.stdout.contains("  off: "), "{}", run.stdout);
}
