//! The record of a run: work done by hand, who did it, what failed and when, and how long it took;
//! after a resume, after a refusal, and with a rehearsal's fast clock.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::harness::{CommandOutput, SPEED, Stage, Tenant, thin_text, with_endpoints};
use crate::outputs::document;
use crate::person::{Person, worksheet_lines};

/// The runbook without these requests of Intelligent Order Management: a person does them.
fn guided(text: &str, requests: &[&str]) -> String {
    let mut text = text.to_owned();
    for request in requests {
        let head = format!("    {request}:\n");
        let (before, after) = text.split_once(&head).expect("the request is there");
        let rest = after.split_once("own\"\n").expect("the request ends").1;
        text = format!("{before}    {request}: guided\n{rest}");
    }
    text
}

fn tenant(stage: &Stage, requests: &[&str], faults: &[&str]) -> Tenant {
    let faults = faults.iter().flat_map(|fault| ["--fault", fault]);
    let arguments: Vec<&str> = ["--seed", "thin"].into_iter().chain(faults).collect();
    stage.start_tenant(&guided(&thin_text(), requests), &arguments)
}

fn status(stage: &Stage) -> String {
    stage.call(&["status", "rehearsal.yaml"]).exits(0).stdout
}

fn status_json(stage: &Stage) -> Value {
    document(stage, "status", &["status", "rehearsal.yaml"], 0)
}

fn report_json(stage: &Stage) -> Value {
    document(stage, "report", &["report", "rehearsal.yaml"], 0)
}

/// The line of a step in a table.
fn step_line(table: &str, step: &str) -> String {
    let mut lines = table.lines();
    let line = lines.find(|line| {
        let mut words = line.split_whitespace();
        words.next().is_some_and(|word| word.parse::<u8>().is_ok()) && words.next() == Some(step)
    });
    line.expect("the step has a line").to_owned()
}

/// The lines of the worksheet that a text shows.
fn worksheet(text: &str) -> Vec<String> {
    worksheet_lines(text)
}

/// Does each manual task as a person would, until the run ends.
fn by_hand(stage: &Stage, tenant: &Tenant) -> CommandOutput {
    let mut tries = 0;
    loop {
        let answer = stage.run();
        if answer.code != Some(10) {
            return answer.exits(0);
        }
        let person = Person::of(stage, &tenant.endpoints);
        let lines: BTreeSet<String> = worksheet(&answer.stderr).into_iter().collect();
        for line in &lines {
            person.follow(line);
        }
        tries += 1;
        assert!(tries < 40, "{}", answer.stderr);
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
}

#[test]
fn an_open_worksheet_is_shown_completely_by_status_and_by_each_run() {
    let stage = Stage::new();
    let _tenant = tenant(&stage, &["activate-system"], &[]);
    let task = "reconfigure-connections/activate-system";
    let first = worksheet(&stage.run().exits(10).stderr);
    assert!(!first.is_empty());
    let again = worksheet(&stage.run().exits(10).stderr);
    assert_eq!(first, again, "a person who comes back reads it again");

    let table = status(&stage);
    assert_eq!(worksheet(&table), first, "{table}");
    for line in [
        format!("waits for a person: {task}"),
        "  evidence: ".to_owned(),
        format!("iomcopy complete rehearsal.yaml {task}\n"),
        format!("iomcopy complete rehearsal.yaml {task} --waive \"REASON\""),
    ] {
        assert!(table.contains(&line), "{line}\n{table}");
    }
    let sheet = &status_json(&stage)["worksheets"][0];
    assert_eq!(sheet["task"], task);
    assert_eq!(sheet["instructions"][0], first[0].as_str());
    assert!(sheet["evidence"][0].is_string(), "{sheet}");
}

#[test]
fn changes_done_by_hand_count_in_status_report_and_figures() {
    let stage = Stage::new();
    let tenant = tenant(
        &stage,
        &[
            "activate-system",
            "install-provider",
            "publish-orchestration",
        ],
        &[],
    );
    let end = by_hand(&stage, &tenant);
    for figure in [
        "1 provider reinstalled (1 by hand)",
        "1 orchestration published (1 by hand)",
    ] {
        assert!(end.stdout.contains(figure), "{figure}\n{}", end.stdout);
    }
    for step in ["reconfigure-connections", "reinstall-providers"] {
        let line = step_line(&end.stdout, step);
        assert!(line.contains(", 1 by hand"), "{line}");
    }
    let report = report_json(&stage);
    let steps = report["steps"].as_array().expect("a list");
    let done: u64 = steps
        .iter()
        .filter_map(|step| step["by-hand-done"].as_u64())
        .sum();
    assert_eq!(done, 3);
    let asks = steps
        .iter()
        .flat_map(|step| step["changes"].as_array().into_iter().flatten())
        .filter(|change| change["kind"] == "ask" && change["result"] == "done");
    assert_eq!(asks.count(), 3);
    assert_eq!(report["figures"]["by-hand"]["providers"], 1);
    for format in ["markdown", "html", "junit"] {
        let arguments = ["report", "rehearsal.yaml", "--format", format];
        let text = stage.call(&arguments).exits(0).stdout;
        assert!(text.contains("1 by hand"), "{format}\n{text}");
    }
}

#[test]
fn a_waiver_needs_a_reason() {
    let stage = Stage::new();
    let _tenant = tenant(&stage, &["activate-system"], &[]);
    drop(stage.run().exits(10));
    let before = std::fs::read(stage.state()).expect("the state file is there");
    let task = "reconfigure-connections/activate-system";
    for reason in ["", "  ", "\t\u{a0}"] {
        let refused = stage
            .call(&["complete", "rehearsal.yaml", task, "--waive", reason])
            .exits(3);
        assert!(refused.stderr.contains("reason"), "{}", refused.stderr);
    }
    let after = std::fs::read(stage.state()).expect("the state file is there");
    assert_eq!(before, after, "a refused command changes nothing");
}

#[test]
fn a_pipeline_names_its_actor() {
    let stage = Stage::new();
    let _tenant = tenant(&stage, &["activate-system"], &[]);
    let mut run = stage.command(&["run", "rehearsal.yaml", "--confirm-target", "Contoso UAT"]);
    run.env("GITHUB_ACTIONS", "true")
        .env("GITHUB_ACTOR", "octocat");
    drop(run.output().expect("the program can be started"));
    let task = "reconfigure-connections/activate-system";
    let mut waive = stage.command(&["complete", "rehearsal.yaml", task, "--waive", "pressed"]);
    waive
        .env("TF_BUILD", "True")
        .env("BUILD_REQUESTEDFOR", "Ada Lovelace")
        .env("BUILD_REQUESTEDFOREMAIL", "ada@contoso.com");
    drop(waive.output().expect("the program can be started"));
    let report = report_json(&stage);
    assert_eq!(
        report["confirmations"][0]["who"],
        "octocat (GitHub Actions)"
    );
    assert_eq!(
        report["tasks"][0]["who"],
        "Ada Lovelace <ada@contoso.com> (Azure Pipelines)"
    );
}

#[test]
fn a_refused_retry_does_not_hide_the_cause_of_the_failure() {
    let stage = Stage::new();
    let _tenant = tenant(&stage, &[], &["fail:POST *Copy*", "fail:POST *copy*"]);
    let failed = stage.run().exits(1);
    let line = step_line(&failed.stdout, "copy-environments");
    assert!(line.contains(" failed "), "{line}");
    let failure = report_json(&stage)["failures"][0].clone();
    assert!(failure["time"].is_string(), "{failure}");
    let message = failure["message"].as_str().expect("a message");

    let refused = ["run", "rehearsal.yaml", "--confirm-target", "Contoso Prod"];
    drop(stage.call(&refused).exits(5));
    let table = status(&stage);
    assert!(
        step_line(&table, "copy-environments").contains(" failed "),
        "{table}"
    );
    assert!(table.contains("\nstate  failed"), "{table}");
    assert!(table.contains(message), "{message}\n{table}");
    let report = report_json(&stage);
    assert_eq!(report["state"], "failed");
    assert_eq!(report["failures"][0], failure);
    assert_eq!(report["steps"][0]["state"], "failed");
    assert_eq!(status_json(&stage)["failures"][0], failure);
    for format in ["markdown", "html", "junit"] {
        let arguments = ["report", "rehearsal.yaml", "--format", format];
        let text = stage.call(&arguments).exits(0).stdout;
        assert!(text.contains("What stopped it") || format == "junit");
        assert!(text.contains("failed"), "{format}\n{text}");
    }
}

#[test]
fn every_duration_of_a_rehearsal_is_simulated_and_pauses_are_not_work() {
    let stage = Stage::new();
    let tenant = tenant(&stage, &["activate-system"], &[]);
    drop(stage.run().exits(10));
    std::thread::sleep(std::time::Duration::from_secs(3));
    stage.write_runbook(&with_endpoints(
        &guided(&thin_text(), &["activate-system"]),
        &tenant.endpoints,
    ));
    let end = by_hand(&stage, &tenant);
    // The copy takes 90 minutes of the tenant's time.
    let copy = step_line(&end.stdout, "copy-environments");
    assert!(copy.contains(" h"), "{copy}");
    assert!(end.stdout.contains("simulated"), "{}", end.stdout);
    let report = report_json(&stage);
    let step = &report["steps"][0];
    let seconds = |value: &Value| value.as_u64().unwrap_or_default();
    assert!(seconds(&step["seconds"]) >= 5400, "{step}");
    let changes = step["changes"].as_array().expect("a list");
    let change = changes
        .iter()
        .find(|change| change["kind"] == "launch")
        .expect("the copy");
    assert!(seconds(&change["seconds"]) >= 5000, "{change}");
    let run = &report["run"];
    assert_eq!(run["speed"], f64::from(SPEED));
    let (real, pause) = (
        seconds(&run["real-seconds"]),
        seconds(&run["pause-seconds"]),
    );
    assert!(pause >= 3, "{run}");
    let most = (real - pause + 1) * u64::from(SPEED);
    assert!(seconds(&run["seconds"]) <= most, "{run}");
    let text = stage.call(&["report", "rehearsal.yaml"]).exits(0).stdout;
    assert!(text.contains("simulated"), "{text}");
}
