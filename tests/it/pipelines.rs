//! A pipeline shows steps as groups, failures as annotations, and the report as its summary; text
//! from a server never acts as a command.

use std::process::Command;

use serde_json::{Value, json};

use crate::harness::{CommandOutput, Stage, runbook_text, thin_text};
use crate::report::by_hand;

const GITHUB: (&str, &str) = ("GITHUB_ACTIONS", "true");
const AZURE: (&str, &str) = ("TF_BUILD", "True");
const RUN: [&str; 4] = ["run", "rehearsal.yaml", "--confirm-target", "Contoso UAT"];

fn answer(command: &mut Command) -> CommandOutput {
    let output = command.output().expect("the program can be started");
    CommandOutput {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// The number of lines that begin with this text.
fn lines(text: &str, start: &str) -> usize {
    text.lines().filter(|line| line.starts_with(start)).count()
}

#[test]
fn github_shows_groups_annotations_and_a_summary() {
    let stage = Stage::new();
    let _tenant = stage.start_tenant(&by_hand(&thin_text()), &["--seed", "thin"]);
    let summary = stage.path("summary.md");
    std::fs::write(&summary, "# Before\n").expect("it can be written");
    let mut command = stage.command(&RUN);
    command.envs([GITHUB]).env("GITHUB_STEP_SUMMARY", &summary);
    let output = answer(&mut command).exits(10);

    assert_eq!(
        lines(&output.stdout, "::"),
        0,
        "data is data: {}",
        output.stdout
    );
    let groups = lines(&output.stderr, "::group::");
    assert!(groups >= 3, "{}", output.stderr);
    assert_eq!(
        groups,
        lines(&output.stderr, "::endgroup::"),
        "{}",
        output.stderr
    );
    assert!(
        output
            .stderr
            .contains("\n::group::[3/8] reconfigure-connections\n")
    );
    let task = "reconfigure-connections/activate-system";
    let warning = format!("::warning title=iomcopy%3A a person must do {task}::");
    assert_eq!(lines(&output.stderr, &warning), 1, "{}", output.stderr);
    let ending = "::warning title=iomcopy%3A waiting for a person::";
    assert_eq!(lines(&output.stderr, ending), 1, "{}", output.stderr);

    let text = std::fs::read_to_string(&summary).expect("the text exists");
    assert!(
        text.starts_with("# Before\n\n# Refresh of Contoso UAT\n"),
        "{text}"
    );
    assert!(text.contains(&format!("### To do: `{task}`")), "{text}");

    // With JSON output, stdout has only JSON, and the summary is still written.
    let mut command = stage.command(&RUN);
    command.args(["--output", "json"]).envs([GITHUB]);
    let output = answer(command.env("GITHUB_STEP_SUMMARY", &summary)).exits(10);
    for line in output.stdout.lines() {
        serde_json::from_str::<Value>(line).expect("each line is JSON");
    }
    assert_eq!(lines(&output.stderr, "::"), 0, "{}", output.stderr);
    let text = std::fs::read_to_string(&summary).expect("the text exists");
    assert_eq!(
        text.matches("# Refresh of Contoso UAT").count(),
        2,
        "{text}"
    );

    // If the summary file is full, there is a warning, and the run ends as usual.
    std::fs::write(&summary, " ".repeat(1024 * 1024)).expect("it can be written");
    let mut command = stage.command(&RUN);
    command.envs([GITHUB]).env("GITHUB_STEP_SUMMARY", &summary);
    let output = answer(&mut command).exits(10);
    assert!(
        output.stderr.contains("summary of this job is full"),
        "{}",
        output.stderr
    );
}

#[test]
fn azure_gets_commands_on_stdout_and_the_report() {
    let stage = Stage::new();
    let _tenant = stage.tenant(&[]);
    let mut command = stage.command(&RUN);
    command
        .envs([AZURE])
        .env("AGENT_TEMPDIRECTORY", stage.path(""));
    let output = answer(&mut command).exits(0);
    assert_eq!(lines(&output.stdout, "##[group]["), 8, "{}", output.stdout);
    assert_eq!(
        lines(&output.stdout, "##[endgroup]"),
        8,
        "{}",
        output.stdout
    );
    assert_eq!(output.stderr.matches("##").count(), 0, "{}", output.stderr);
    let upload = "##vso[task.uploadsummary]";
    let file = output
        .stdout
        .lines()
        .find_map(|line| line.strip_prefix(upload));
    let file = std::path::Path::new(file.expect("a summary is shown"));
    assert!(file.is_absolute(), "{}", file.display());
    let text = std::fs::read_to_string(file).expect("it was written");
    assert!(text.starts_with("# Refresh of Contoso UAT\n"), "{text}");
}

#[test]
fn an_invalid_runbook_is_annotated_at_its_position() {
    let stage = Stage::new();
    let text = runbook_text().replace("cloud: rehearsal", "cloud: rehersal");
    stage.write_runbook(&text);
    let line = text
        .lines()
        .position(|line| line.contains("cloud: rehersal"));
    let line = line.expect("the text exists") + 1;
    for name in ["validate", "preflight"] {
        let mut command = stage.command(&[name, "rehearsal.yaml"]);
        let output = answer(command.envs([GITHUB])).exits(3);
        let expected = format!(
            "::error file=rehearsal.yaml,line={line},endLine={line},col=8,endColumn=16,\
             title=iomcopy%3A failed::"
        );
        assert_eq!(lines(&output.stderr, &expected), 1, "{}", output.stderr);
        let mut command = stage.command(&[name, "rehearsal.yaml"]);
        let output = answer(command.envs([AZURE])).exits(3);
        let expected = format!(
            "##vso[task.logissue type=error;sourcepath=rehearsal.yaml;linenumber={line};\
             columnnumber=8;]"
        );
        assert_eq!(lines(&output.stdout, &expected), 1, "{}", output.stdout);
    }
}

#[test]
fn a_name_from_the_tenant_does_not_act_as_a_command() {
    let stage = Stage::new();
    let planned = stage.call(&["plan", "rehearsal.yaml"]).exits(0);
    assert!(planned.stdout.contains("'Contoso UAT'"));
    let world = stage.in_process_world();
    let mut environment = world.environment("Contoso UAT").clone();
    let name = "##vso[task.complete result=Failed;]##[error] x";
    environment["properties"]["displayName"] = json!(name);
    let key = "environment/22222222-2222-2222-2222-222222222222";
    let puts = [(key.to_owned(), environment)].into_iter().collect();
    stage.edit_in_process_world(&puts);

    let outside = stage.call(&["preflight", "rehearsal.yaml"]).exits(5);
    assert!(
        outside.stderr.contains(name),
        "elsewhere it is shown as it is"
    );
    for pipeline in [GITHUB, AZURE] {
        let mut command = stage.command(&["preflight", "rehearsal.yaml"]);
        let output = answer(command.envs([pipeline])).exits(5);
        let own = "##vso[task.logissue type=error;sourcepath=rehearsal.yaml;";
        for line in output.stdout.lines().chain(output.stderr.lines()) {
            // A pipeline reads one command per line; the rest of the line is its message.
            let read = line.strip_prefix(own).is_some() || line.starts_with("::error file=");
            assert!(
                read || !line.contains("##vso[") && !line.contains("##["),
                "{line}"
            );
        }
        assert!(
            output.stderr.contains("# #vso[task.complete"),
            "{}",
            output.stderr
        );
        // A program reads the name unchanged, and a pipeline finds no command.
        let mut command = stage.command(&["preflight", "rehearsal.yaml", "--output", "json"]);
        let output = answer(command.envs([pipeline])).exits(5);
        assert!(!output.stdout.contains("##"), "{}", output.stdout);
        let document: Value = serde_json::from_str(&output.stdout).expect("one document");
        let message = document["failure"]["message"].as_str();
        assert!(message.is_some_and(|it| it.contains(name)), "{document}");
    }
}
