//! What a pipeline is told: steps folded, troubles annotated, the report as its summary; and that
//! nothing from a server is taken for a command.

use std::process::Command;

use serde_json::{Value, json};

use crate::harness::{Answer, Stage, runbook_text, thin_text};
use crate::report::by_hand;

const GITHUB: (&str, &str) = ("GITHUB_ACTIONS", "true");
const AZURE: (&str, &str) = ("TF_BUILD", "True");
const RUN: [&str; 4] = ["run", "rehearsal.yaml", "--confirm-target", "Contoso UAT"];

fn answer(command: &mut Command) -> Answer {
    let output = command.output().expect("the program can be started");
    Answer {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// How many lines begin so.
fn lines(text: &str, start: &str) -> usize {
    text.lines().filter(|line| line.starts_with(start)).count()
}

#[test]
fn github_folds_annotates_and_summarises() {
    let stage = Stage::new();
    let _tenant = stage.tenant_of(&by_hand(&thin_text()), &["--seed", "thin"]);
    let summary = stage.path("summary.md");
    std::fs::write(&summary, "# Before\n").expect("it can be written");
    let mut command = stage.command(&RUN);
    command.envs([GITHUB]).env("GITHUB_STEP_SUMMARY", &summary);
    let told = answer(&mut command).exits(10);

    assert_eq!(
        lines(&told.stdout, "::"),
        0,
        "data is data: {}",
        told.stdout
    );
    let groups = lines(&told.stderr, "::group::");
    assert!(groups >= 3, "{}", told.stderr);
    assert_eq!(
        groups,
        lines(&told.stderr, "::endgroup::"),
        "{}",
        told.stderr
    );
    assert!(
        told.stderr
            .contains("\n::group::[3/8] reconfigure-connections\n")
    );
    let task = "reconfigure-connections/activate-system";
    let warning = format!("::warning title=iomcopy%3A a person must do {task}::");
    assert_eq!(lines(&told.stderr, &warning), 1, "{}", told.stderr);
    let ending = "::warning title=iomcopy%3A waiting for a person::";
    assert_eq!(lines(&told.stderr, ending), 1, "{}", told.stderr);

    let text = std::fs::read_to_string(&summary).expect("it is there");
    assert!(
        text.starts_with("# Before\n\n# Refresh of Contoso UAT\n"),
        "{text}"
    );
    assert!(text.contains(&format!("### To do: `{task}`")), "{text}");

    // JSON stays JSON, and the summary is left all the same.
    let mut command = stage.command(&RUN);
    command.args(["--output", "json"]).envs([GITHUB]);
    let told = answer(command.env("GITHUB_STEP_SUMMARY", &summary)).exits(10);
    for line in told.stdout.lines() {
        serde_json::from_str::<Value>(line).expect("each line is JSON");
    }
    assert_eq!(lines(&told.stderr, "::"), 0, "{}", told.stderr);
    let text = std::fs::read_to_string(&summary).expect("it is there");
    assert_eq!(
        text.matches("# Refresh of Contoso UAT").count(),
        2,
        "{text}"
    );

    // Where there is no room for a summary, it is told, and the run ends as it would.
    std::fs::write(&summary, " ".repeat(1024 * 1024)).expect("it can be written");
    let mut command = stage.command(&RUN);
    command.envs([GITHUB]).env("GITHUB_STEP_SUMMARY", &summary);
    let told = answer(&mut command).exits(10);
    assert!(
        told.stderr.contains("there is no room left"),
        "{}",
        told.stderr
    );
}

#[test]
fn azure_is_told_on_stdout_and_shown_the_report() {
    let stage = Stage::new();
    let _tenant = stage.tenant(&[]);
    let mut command = stage.command(&RUN);
    command
        .envs([AZURE])
        .env("AGENT_TEMPDIRECTORY", stage.path(""));
    let told = answer(&mut command).exits(0);
    assert_eq!(lines(&told.stdout, "##[group]["), 8, "{}", told.stdout);
    assert_eq!(lines(&told.stdout, "##[endgroup]"), 8, "{}", told.stdout);
    assert_eq!(told.stderr.matches("##").count(), 0, "{}", told.stderr);
    let upload = "##vso[task.uploadsummary]";
    let file = told
        .stdout
        .lines()
        .find_map(|line| line.strip_prefix(upload));
    let file = std::path::Path::new(file.expect("a summary is shown"));
    assert!(file.is_absolute(), "{}", file.display());
    let text = std::fs::read_to_string(file).expect("it was written");
    assert!(text.starts_with("# Refresh of Contoso UAT\n"), "{text}");
}

#[test]
fn a_wrong_runbook_is_annotated_at_its_place() {
    let stage = Stage::new();
    let text = runbook_text().replace("cloud: rehearsal", "cloud: rehersal");
    stage.write_runbook(&text);
    let line = text
        .lines()
        .position(|line| line.contains("cloud: rehersal"));
    let line = line.expect("it is there") + 1;
    for name in ["validate", "preflight"] {
        let mut command = stage.command(&[name, "rehearsal.yaml"]);
        let told = answer(command.envs([GITHUB])).exits(3);
        let expected = format!(
            "::error file=rehearsal.yaml,line={line},endLine={line},col=8,endColumn=16,\
             title=iomcopy%3A failed::"
        );
        assert_eq!(lines(&told.stderr, &expected), 1, "{}", told.stderr);
        let mut command = stage.command(&[name, "rehearsal.yaml"]);
        let told = answer(command.envs([AZURE])).exits(3);
        let expected = format!(
            "##vso[task.logissue type=error;sourcepath=rehearsal.yaml;linenumber={line};\
             columnnumber=8;]"
        );
        assert_eq!(lines(&told.stdout, &expected), 1, "{}", told.stdout);
    }
}

#[test]
fn a_name_from_the_tenant_is_no_command() {
    let stage = Stage::new();
    let planned = stage.call(&["plan", "rehearsal.yaml"]).exits(0);
    assert!(planned.stdout.contains("'Contoso UAT'"));
    let world = stage.own_world();
    let mut environment = world.environment("Contoso UAT").clone();
    let name = "##vso[task.complete result=Failed;]##[error] x";
    environment["properties"]["displayName"] = json!(name);
    let key = "environment/22222222-2222-2222-2222-222222222222";
    let puts = [(key.to_owned(), environment)].into_iter().collect();
    stage.edit_own_world(&puts);

    let outside = stage.call(&["preflight", "rehearsal.yaml"]).exits(5);
    assert!(
        outside.stderr.contains(name),
        "elsewhere it is shown as it is"
    );
    for pipeline in [GITHUB, AZURE] {
        let mut command = stage.command(&["preflight", "rehearsal.yaml"]);
        let told = answer(command.envs([pipeline])).exits(5);
        let own = "##vso[task.logissue type=error;sourcepath=rehearsal.yaml;";
        for line in told.stdout.lines().chain(told.stderr.lines()) {
            // A pipeline reads one command a line, and what follows it is its message.
            let read = line.strip_prefix(own).is_some() || line.starts_with("::error file=");
            assert!(
                read || !line.contains("##vso[") && !line.contains("##["),
                "{line}"
            );
        }
        assert!(
            told.stderr.contains("# #vso[task.complete"),
            "{}",
            told.stderr
        );
        // A program reads the name as it is, and a pipeline reads no command.
        let mut command = stage.command(&["preflight", "rehearsal.yaml", "--output", "json"]);
        let told = answer(command.envs([pipeline])).exits(5);
        assert!(!told.stdout.contains("##"), "{}", told.stdout);
        let document: Value = serde_json::from_str(&told.stdout).expect("one document");
        let message = document["failure"]["message"].as_str();
        assert!(message.is_some_and(|it| it.contains(name)), "{document}");
    }
}
