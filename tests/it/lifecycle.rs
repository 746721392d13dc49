//! From one run to the next: a run that replaces another, a second run for one target, a provider
//! reinstalled after a run. The target's own settings survive, or the run is refused.

use std::fs;

use serde_json::Value;

use crate::harness::{Stage, is};
use crate::outputs::document;
use crate::terminal::AtTerminal;
use crate::thin_run::assert_target_is_refreshed;

const RUN: [&str; 4] = ["run", "rehearsal.yaml", "--confirm-target", "Contoso UAT"];

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&RUN[..], more].concat()
}

/// A run after the copy and before steps 5 to 7: the target has the source's settings.
fn stage_after_copy() -> (Stage, crate::harness::Tenant) {
    let stage = Stage::new();
    let tenant = stage.tenant(&[]);
    drop(stage.call(&with(&["--until", "activate-flows"])).exits(0));
    (stage, tenant)
}

#[test]
fn the_targets_settings_are_not_captured_after_the_copy() {
    let (stage, _tenant) = stage_after_copy();
    let before = fs::read(stage.state()).expect("the state file can be read");
    let writes = stage.world().writes().len();
    let fresh = stage.call(&with(&["--fresh"])).exits(5);
    assert!(
        fresh.stderr.contains("has not restored"),
        "{}",
        fresh.stderr
    );
    assert_eq!(fs::read(stage.state()).expect("the file exists"), before);
    // Another state file: the record of the target names the unfinished run.
    let second = stage.call(&with(&["--state", "second.jsonl"])).exits(5);
    assert!(
        second.stderr.contains("rehearsal.iomcopy.jsonl"),
        "{}",
        second.stderr
    );
    assert!(!stage.path("second.jsonl").exists());
    // With its state file, preflight advises nothing but to resume it.
    let own = stage.call(&["preflight", "rehearsal.yaml"]).exits(5).stdout;
    assert!(own.contains("next: iomcopy run rehearsal.yaml"), "{own}");
    assert!(!own.contains("--abandon-captures"), "{own}");
    // No state file and no record: the tenant shows the unfinished run.
    let moved = stage.path("moved.jsonl");
    fs::rename(stage.state(), &moved).expect("the state file can be moved");
    drop(fs::remove_dir_all(stage.path(".state")));
    for arguments in [&RUN[..], &["preflight", "rehearsal.yaml"]] {
        let answer = stage.call(arguments).exits(5);
        let said = format!("{}{}", answer.stdout, answer.stderr);
        assert!(
            said.contains("has the id that it has in the source"),
            "{said}"
        );
        assert!(said.contains("--from-capture"), "{said}");
    }
    assert!(!stage.state().exists());
    assert_eq!(stage.world().writes().len(), writes, "only reads");
    // With its state file the run resumes, and a new refresh may follow.
    fs::rename(&moved, stage.state()).expect("the state file can be moved back");
    drop(stage.run().exits(0));
    assert_target_is_refreshed(&stage.world());
    let again = stage.call(&with(&["--fresh"])).exits(0);
    assert!(again.stderr.contains("archived: "), "{}", again.stderr);
    assert_eq!(stage.world().count_successful("POST", "/copy"), 2);
    assert_target_is_refreshed(&stage.world());
}

#[test]
fn captured_settings_are_taken_from_the_copy_of_their_seal() {
    let (stage, _tenant) = stage_after_copy();
    let copy = "rehearsal.iomcopy.before-copy.capture.jsonl";
    let arguments = ["--fresh", "--abandon-captures", "--from-capture", copy];
    drop(stage.call(&with(&arguments)).exits(0));
    assert_target_is_refreshed(&stage.world());
}

#[test]
fn emptied_orchestrations_are_a_trace_of_another_run() {
    let stage = Stage::new();
    let tenant = stage.tenant(&["refuse=403:POST *ActivateProvider"]);
    let run = stage.run();
    assert_ne!(run.code, Some(0), "{}", run.stdout);
    drop(tenant);
    let _tenant = stage.tenant(&[]);
    fs::remove_file(stage.state()).expect("the state file is lost");
    drop(fs::remove_dir_all(stage.path(".state")));
    let answer = stage.run().exits(5);
    assert!(
        answer.stderr.contains("without actions"),
        "{}",
        answer.stderr
    );
    assert_eq!(stage.world().count_successful("POST", "/copy"), 1);
}

#[test]
fn two_runbooks_for_one_target_do_not_run_at_once() {
    let stage = Stage::new();
    let _tenant = stage.tenant(&[]);
    let text = fs::read_to_string(stage.runbook()).expect("the runbook can be read");
    let other = text.replace("name: rehearsal", "name: other");
    fs::write(stage.path("other.yaml"), other).expect("a second runbook can be written");
    let second = || stage.call(&["run", "other.yaml", "--confirm-target", "Contoso UAT"]);
    let mut first = stage.start();
    assert!(stage.wait_for(&mut first, |record| record["type"] == "launched"));
    let run = stage.records()[0]["run"].clone();
    let process = format!("process {}", first.id());
    let named = |said: &str| {
        let run = run.as_str().expect("a run has an id");
        for part in [run, "rehearsal.yaml", "rehearsal.iomcopy.jsonl", &process] {
            assert!(said.contains(part), "{part}: {said}");
        }
    };
    named(&second().exits(5).stderr);
    drop(first.kill());
    drop(first.wait());
    // The process has ended and its copy has not: the record names the run.
    named(&second().exits(5).stderr);
    assert!(!stage.path("other.iomcopy.jsonl").exists());
    assert_eq!(stage.world().count_successful("POST", "/copy"), 1);
    drop(stage.run().exits(0));
    assert_target_is_refreshed(&stage.world());
}

#[test]
fn reinstalling_a_provider_again_is_refused_without_a_change_and_then_confirmed() {
    let stage = Stage::new();
    let _tenant = stage.tenant(&[]);
    drop(stage.run().exits(0));
    let again = |provider: &'static str| {
        [
            "run",
            "rehearsal.yaml",
            "--again",
            "reinstall-providers",
            "--provider",
            provider,
        ]
    };
    let finished = fs::read(stage.state()).expect("the state file can be read");
    let first = steps_of(&stage, "report");
    let unchanged = || assert_eq!(fs::read(stage.state()).expect("the file exists"), finished);
    drop(stage.call(&again("msdyn_bigcommerce")).exits(11));
    unchanged();
    let unknown = [&again("msdyn_bigcomerce")[..], &RUN[2..]].concat();
    let unknown = stage.call(&unknown).exits(3);
    assert!(
        unknown.stderr.contains("msdyn_bigcommerce"),
        "{}",
        unknown.stderr
    );
    unchanged();
    let planned = [&again("msdyn_bigcommerce")[..], &["--dry-run"]].concat();
    let planned = stage.call(&planned).exits(0);
    assert!(
        planned.stdout.contains("delete provider"),
        "{}",
        planned.stdout
    );
    unchanged();
    // Killed in the middle, the same command resumes.
    let confirmed = [&again("msdyn_bigcommerce")[..], &RUN[2..]].concat();
    let mut child = stage
        .command(&confirmed)
        .spawn()
        .expect("the program can be started");
    let before = stage.records().len();
    stage.wait_for(&mut child, |record| {
        record["n"].as_u64().is_some_and(|n| n > before as u64)
            && is(record, "step-began", "step", "reinstall-providers")
    });
    drop(child.kill());
    drop(child.wait());
    // The steps that are opened again are not done, and have what this time needs.
    let is_open = |step: &Value| step["state"] != "done";
    let steps = steps_of(&stage, "status");
    let open: Vec<usize> = (1..=8).filter(|at| is_open(&steps[at - 1])).collect();
    assert_eq!(open, [6, 7], "{steps:?}");
    assert_eq!(steps[6]["state"], "not-begun", "{}", steps[6]);
    drop(stage.call(&confirmed).exits(0));
    assert_target_is_refreshed(&stage.world());
    for (step, first) in steps_of(&stage, "report").iter().zip(first).skip(4).take(3) {
        // As many as the step had before, also where they were made again.
        assert_eq!(step["changes-before"], first["changes-done"], "{step}");
        assert_eq!(step["reopened-by"], "again", "{step}");
        let now = step["changes-done"].as_u64().unwrap_or_default();
        assert!(
            now > 0 && step["changes-planned"].as_u64() >= Some(now),
            "{step}"
        );
        // Nothing failed: a process that was killed and a second time are no attempts.
        let changes = step["changes"].as_array().expect("there are changes");
        for change in changes {
            assert_eq!(change["attempt"], 1, "{change}");
        }
    }
}

/// The steps in the document of this command.
fn steps_of(stage: &Stage, command: &str) -> Vec<Value> {
    let mut document = document(stage, command, &[command, "rehearsal.yaml"], 0);
    let Value::Array(steps) = document["steps"].take() else {
        panic!("there are steps");
    };
    steps
}

#[test]
fn control_c_at_the_prompt_ends_the_program_and_nothing_begins() {
    let stage = Stage::new();
    let _tenant = stage.tenant(&[]);
    let mut call = AtTerminal::start(&stage, &["run", "rehearsal.yaml"]);
    call.reads("Type the target's name").interrupts();
    call.reads_stop().types("Contoso UAT");
    assert_eq!(call.ends(), Some(130));
    assert!(!stage.state().exists());
    assert!(stage.world().writes().is_empty());
    // Text that was typed before the question does not answer it.
    let mut call = AtTerminal::start(&stage, &["run", "rehearsal.yaml"]);
    call.types("Contoso UAT").reads("Type the target's name");
    call.types("no");
    assert_eq!(call.ends(), Some(5));
    assert!(!stage.state().exists());
    // The typed name starts the run.
    let mut call = AtTerminal::start(&stage, &["run", "rehearsal.yaml"]);
    call.reads("Type the target's name").types("Contoso UAT");
    call.reads("copy-environments").interrupts();
    assert_eq!(call.ends(), Some(130));
    assert!(stage.state().exists());
}
