//! Providers and orchestrations that change between the steps: nothing is deleted that could not be
//! replaced, and what somebody did in between ends as it was.

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
