//! The runbook skips the copy: a person made it, and perhaps nobody captured what the target had.

use std::fs;

use crate::harness::Stage;

/// The sealed copy of what the target had, away from the state file that is lost.
const CAPTURE: &str = "kept.capture.jsonl";

/// Skips the copy in the runbook.
fn skip_copy(stage: &Stage) {
    let text = fs::read_to_string(stage.runbook()).expect("the runbook can be read");
    let skipped = text.replacen(
        "copy-environments: {}",
        "copy-environments: { skip: \"copied by hand\" }",
        1,
    );
    assert_ne!(text, skipped, "the step has options");
    stage.write_runbook(&skipped);
}

/// The whole target is a fresh copy, and this machine knows of no run; the runbook skips the copy.
fn copied_by_hand(stage: &Stage) {
    drop(stage.run_with(&["--until", "copy-environments"]).exits(0));
    let capture = stage.path("rehearsal.iomcopy.before-copy.capture.jsonl");
    fs::rename(capture, stage.path(CAPTURE)).expect("the capture can be kept");
    fs::remove_file(stage.state()).expect("the state file can be lost");
    fs::remove_dir_all(stage.path(".state")).expect("the record of the run can be lost");
    skip_copy(stage);
}

#[test]
fn a_copied_target_is_refused_until_the_user_accepts_that_its_own_settings_are_lost() {
    let stage = Stage::new();
    let _tenant = stage.whole_tenant(&[]);
    copied_by_hand(&stage);
    let unknown = "the target is a copy of the source, and nobody captured what it had before";
    let plan = stage.call(&["plan", "rehearsal.yaml"]).exits(0);
    assert!(plan.stdout.contains(unknown), "{}", plan.stdout);
    let writes = stage.world().writes().len();
    let refused = stage.run().exits(5);
    refused.warns(&[unknown, "--from-capture", "--abandon-captures"]);
    assert_eq!(stage.world().writes().len(), writes, "only reads");
    assert!(!stage.state().exists(), "nothing was begun");

    let accepted = ["--abandon-captures", "--until", "exit-administration-mode"];
    let run = stage.run_with(&accepted).exits(0);
    run.warns(&[unknown, "'contoso_ShopAddress'"]);
    // It was accepted once; what follows never says what nobody knows.
    let run = stage.run().exits(0);
    let said = format!("{}{}", run.stdout, run.stderr);
    assert!(
        said.contains("20 cloud flows turned on, 61 left off"),
        "{said}"
    );
    assert!(said.contains("it is unknown what the target had"), "{said}");
    assert!(!said.contains("the target had no"), "{said}");

    let verify = stage.call(&["verify", "rehearsal.yaml"]).exits(0);
    for found in [
        "provider parameters were not taken from production, and have no value",
        "'msdyn_storehash' of 'msdyn_bigcommerce'",
        "'msdyn_avalara_companycode' of 'msdyn_avalara'",
        "'contoso_ShopAddress': is an environment variable with production's value",
        "fix: set the target's own value, or remove it, in the maker portal",
    ] {
        assert!(verify.stdout.contains(found), "{found}: {}", verify.stdout);
    }
    assert!(
        !verify.stdout.lines().any(|line| line.trim() == "fix:"),
        "{}",
        verify.stdout
    );
}

#[test]
fn a_capture_from_before_the_copy_restores_the_targets_own_settings() {
    let stage = Stage::new();
    let _tenant = stage.whole_tenant(&[]);
    copied_by_hand(&stage);
    let run = stage.run_with(&["--from-capture", CAPTURE]).exits(0);
    assert!(!run.stderr.contains("nobody captured"), "{}", run.stderr);
    let world = stage.world();
    let variables = world.rows("environmentvariablevalue");
    assert_eq!(variables.len(), 1, "no value is a value: {variables:?}");
}

#[test]
fn a_target_whose_refresh_has_finished_is_no_uncaptured_copy() {
    let stage = Stage::new();
    let _tenant = stage.tenant(&[]);
    drop(stage.run().exits(0));
    skip_copy(&stage);
    let preflight = stage.call(&["preflight", "rehearsal.yaml"]).exits(0);
    let run = stage.run_with(&["--fresh"]);
    run.warns(&["[8/8] reconfigure-dual-write"]);
    for said in [&preflight.stdout, &run.stderr] {
        assert!(!said.contains("nobody captured"), "{said}");
    }
}
