//! What stops before anything is sent, with its exit code.

use crate::harness::{Stage, runbook_text};

/// Runs a changed runbook; nothing may be written.
fn refused(change: impl Fn(&str) -> String, arguments: &[&str], code: i32, said: &str) {
    let stage = Stage::new();
    stage.write_runbook(&change(&runbook_text()));
    let answer = stage.call(arguments).exits(code);
    assert!(answer.stderr.contains(said), "{}", answer.stderr);
    assert!(!stage.state().exists(), "no run has begun");
    if stage.path("rehearsal.world.jsonl").exists() {
        assert!(stage.own_world().writes().is_empty());
    }
}

const RUN: [&str; 4] = ["run", "rehearsal.yaml", "--confirm-target", "Contoso UAT"];

#[test]
fn without_a_terminal_and_without_a_name_nothing_begins() {
    refused(
        str::to_owned,
        &["run", "rehearsal.yaml"],
        11,
        "--confirm-target",
    );
}

#[test]
fn another_name_than_the_targets_is_refused() {
    let arguments = ["run", "rehearsal.yaml", "--confirm-target", "Contoso"];
    refused(str::to_owned, &arguments, 5, "Contoso UAT");
}

#[test]
fn a_runbook_that_names_the_target_wrongly_is_refused() {
    refused(
        |text| text.replace("name: Contoso UAT", "name: Contoso QA"),
        &RUN,
        5,
        "Contoso UAT",
    );
}

#[test]
fn a_production_target_is_refused() {
    let swap = |text: &str| {
        let source = text
            .lines()
            .find(|line| line.starts_with("source:"))
            .unwrap_or_default();
        let id = |line: &str| {
            line.split(|c: char| c != '-' && !c.is_ascii_hexdigit())
                .find(|word| word.len() == 36)
                .unwrap_or_default()
                .to_owned()
        };
        let target_line = text
            .lines()
            .skip_while(|line| !line.starts_with("target:"))
            .find(|line| !id(line).is_empty());
        let (one, other) = (id(source), id(target_line.unwrap_or_default()));
        text.replace(&one, "<one>")
            .replace(&other, &one)
            .replace("<one>", &other)
            .replace("name: Contoso UAT", "name: Contoso Prod")
    };
    let arguments = ["run", "rehearsal.yaml", "--confirm-target", "Contoso Prod"];
    refused(swap, &arguments, 5, "Production");
}

#[test]
fn a_second_process_is_told_who_runs() {
    let stage = Stage::new();
    let _tenant = stage.tenant(&[]);
    let mut child = stage.start();
    assert!(stage.wait_for(&mut child, |record| record["type"] == "launched"));
    let second = stage.run().exits(5);
    assert!(
        second.stderr.contains(&format!("process {}", child.id())),
        "{}",
        second.stderr
    );
    let shown = stage.call(&["status", "rehearsal.yaml"]).exits(0);
    assert!(
        shown.stdout.contains("running by process"),
        "{}",
        shown.stdout
    );
    assert!(child.wait().expect("the run ends").success());
}
