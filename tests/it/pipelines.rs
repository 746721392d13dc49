//! A pipeline shows steps as groups, failures as annotations, and the report as its summary; text
//! from a server never acts as a command.

use std::process::Command;

use iomcopy::rehearsal::{SECRET, TENANT_DOMAIN};
use serde_json::{Value, json};

use crate::harness::{CommandOutput, Stage, client_secret, runbook_text, thin_text};
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

/// The line of the runbook on which a step is, from 1.
fn line_of(runbook: &str, step: &str) -> usize {
    let key = format!("  - {step}:");
    let at = runbook.lines().position(|line| line.starts_with(&key));
    at.expect("the step exists") + 1
}

/// The outputs in a file that `GITHUB_OUTPUT` names.
fn outputs(file: &std::path::Path) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(file).expect("the outputs were written");
    let pairs = text.lines().map(|line| {
        let (name, value) = line.split_once('=').expect("a name and a value");
        (name.to_owned(), value.to_owned())
    });
    pairs.collect()
}

/// A file of the example pipelines.
fn example(name: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = path.join("runbooks/pipelines").join(name);
    std::fs::read_to_string(path).expect("the example exists")
}

/// The script of a step of the example workflows for GitHub.
fn github_script(step: &str) -> String {
    let files = ["github-refresh-one.yml", "github-refresh-attempt.yml"];
    let workflows = files.map(example).concat();
    let (_, rest) = workflows
        .split_once(&format!("- name: {step}\n"))
        .expect("it has the step");
    let (_, rest) = rest
        .split_once("        run: ")
        .expect("the step is a script");
    match rest.strip_prefix("|\n") {
        Some(rest) => indented(rest, "          "),
        None => rest.lines().take(1).collect(),
    }
}

/// The script of a step of the example pipeline for Azure Pipelines, with the values of its loop.
fn azure_script(step: &str) -> String {
    let pipeline = example("azure-refresh.yml");
    let (before, _) = pipeline
        .split_once(&format!("displayName: {step}\n"))
        .expect("it has the step");
    let (_, script) = before
        .rsplit_once(": |\n")
        .expect("the step is a script of several lines");
    let blanks = script.len() - script.trim_start().len();
    indented(script, &" ".repeat(blanks)).replace("${{ item.name }}", "uat")
}

/// The first lines that have this indentation.
fn indented(text: &str, indentation: &str) -> String {
    let lines = text.lines();
    let lines = lines.take_while(|line| line.starts_with(indentation));
    lines.collect::<Vec<&str>>().join("\n")
}

/// A script of an example, with the variables that the example sets. Takes how the pipeline starts
/// the shell.
fn shell_of(stage: &Stage, options: &[&str], script: &str) -> Command {
    // Only Linux has it.
    let limit = "timeout --preserve-status --signal=INT";
    let script = if cfg!(target_os = "linux") {
        script.to_owned()
    } else {
        let limits = ["340m", "\"$((20400 - SECONDS))\""].map(|time| format!("{limit} {time}"));
        limits
            .iter()
            .fold(script.to_owned(), |script, limit| script.replace(limit, ""))
    };
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_iomcopy"));
    let folder = program.parent().expect("it is in a folder").display();
    let mut command = stage.command(&[]);
    let mut shell = Command::new("bash");
    shell
        .args(options)
        .args(["-c", &script])
        .current_dir(stage.path(""))
        .env_clear()
        .envs(
            command
                .env("SECRET", SECRET)
                .get_envs()
                .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned()))),
        )
        .env("PATH", format!("{folder}:/usr/bin:/bin"))
        .env("RUNBOOK", "rehearsal.yaml")
        .env("VALUES", "values.yaml")
        .env("TARGET", "Contoso UAT")
        .env("ATTEMPT", "attempt1")
        .env("FRESH_AFTER", "12h")
        .env("ACCEPTED", "0 10")
        .stdin(std::process::Stdio::null());
    shell
}

/// A step of the example workflow for GitHub.
fn step_of_github(stage: &Stage, step: &str) -> Command {
    shell_of(stage, &["-e", "-o", "pipefail"], &github_script(step))
}

/// A step of the example pipeline for Azure Pipelines.
fn step_of_azure(stage: &Stage, step: &str) -> Command {
    let mut shell = shell_of(stage, &["--noprofile", "--norc"], &azure_script(step));
    shell.env("PIPELINE_WORKSPACE", stage.path(""));
    shell
}

/// Each step is one group, whose title is the only line that begins it.
fn assert_groups(output: &CommandOutput) {
    let groups = lines(&output.stderr, "::group::");
    assert!(groups >= 3, "{}", output.stderr);
    assert_eq!(
        groups,
        lines(&output.stderr, "::endgroup::"),
        "{}",
        output.stderr
    );
    let step = "[3/8] reconfigure-connections\n";
    assert_eq!(output.stderr.matches(step).count(), 1, "{}", output.stderr);
    assert!(output.stderr.contains(&format!("\n::group::{step}")));
}

#[test]
fn github_shows_groups_annotations_outputs_and_a_summary() {
    let stage = Stage::new();
    let text = by_hand(&thin_text());
    let signed = format!(
        "{text}\nidentity: {{ tenant: {TENANT_DOMAIN}, default: {} }}\n",
        client_secret()
    );
    let _tenant = stage.start_tenant(&signed, &["--seed", "thin"]);
    let summary = stage.path("summary.md");
    std::fs::write(&summary, "# Before\n").expect("it can be written");
    let (output_file, junit) = (stage.path("output"), stage.path("refresh.xml"));
    // As the program finds it, without links.
    let folder = stage.path("").canonicalize().expect("it exists");
    // The steps of the example workflow, with their variables.
    std::fs::write(stage.path("values.yaml"), "purpose: test\n").expect("it can be written");
    for step in ["Check", "Plan"] {
        let mut command = step_of_github(&stage, step);
        let plan = stage.path("plan.md");
        command.envs([GITHUB]).env("GITHUB_STEP_SUMMARY", plan);
        drop(answer(&mut command).exits(0));
    }
    let text = std::fs::read_to_string(stage.path("plan.md")).expect("the plan is a summary");
    assert!(text.starts_with("\n# Plan for Contoso UAT\n"), "{text}");
    assert_eq!(text.matches("# Plan for").count(), 1, "{text}");
    assert!(
        text.contains("<details>") && text.contains("Digest"),
        "{text}"
    );
    assert!(!text.contains(SECRET), "{text}");
    let page = std::fs::read_to_string(stage.path("plan.html")).expect("the plan is a page");
    assert!(page.starts_with("<!DOCTYPE html>"), "{page}");
    let mut command = step_of_github(&stage, "Run");
    command
        .envs([GITHUB])
        .env("GITHUB_WORKSPACE", folder.parent().expect("a folder"))
        .env("GITHUB_STEP_SUMMARY", &summary)
        .env("GITHUB_OUTPUT", &output_file);
    let output = answer(&mut command).exits(0);

    assert_eq!(
        lines(&output.stdout, "::"),
        0,
        "data is data: {}",
        output.stdout
    );
    // The mask is the first line, and the only place of the secret.
    let mask = format!("::add-mask::{SECRET}\n");
    assert!(output.stderr.starts_with(&mask), "{}", output.stderr);
    assert_eq!(output.stderr.matches(SECRET).count(), 1);
    assert_eq!(output.stdout.matches(SECRET).count(), 0);

    assert_groups(&output);

    // One annotation, at the step in the runbook, whose path begins in the repository.
    let task = "reconfigure-connections/activate-system";
    let name = folder.file_name().expect("a name").to_string_lossy();
    let line = line_of(&signed, "reconfigure-connections");
    let warning = format!(
        "::warning file={name}/rehearsal.yaml,line={line},endLine={line},col=5,endColumn=28,\
         title=iomcopy%3A manual task {task}::1 thing to do; the summary of the job lists each\n"
    );
    assert_eq!(
        output.stderr.matches(&warning).count(),
        1,
        "{}",
        output.stderr
    );
    let again = format!("manual task not done ({task})");
    for line in output.stderr.lines().filter(|line| line.starts_with("::")) {
        assert!(
            !line.contains(&again),
            "one annotation for one thing: {line}"
        );
    }
    assert_eq!(lines(&output.stderr, "::error"), 0, "{}", output.stderr);

    let run = stage.records()[0]["run"].as_str().map(str::to_owned);
    let path = |name: &str| folder.join(name).display().to_string();
    let expected = [
        ("exit", "10".to_owned()),
        ("meaning", "waiting".to_owned()),
        ("state-file", path("rehearsal.iomcopy.jsonl")),
        ("run", run.expect("the run has an id")),
        ("waiting-task", task.to_owned()),
        ("report-html", path("refresh.html")),
        ("report-junit", path("refresh.xml")),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value));
    assert_eq!(outputs(&output_file), expected);
    let xml = std::fs::read_to_string(&junit).expect("the report exists");
    assert!(
        xml.contains("<testsuites name=\"iomcopy: Contoso UAT\""),
        "{xml}"
    );

    let text = std::fs::read_to_string(&summary).expect("the text exists");
    assert!(
        text.starts_with("# Before\n\n# Refresh of Contoso UAT\n"),
        "{text}"
    );
    assert!(text.contains(&format!("### To do: `{task}`")), "{text}");
    json_output_has_no_commands(&stage, &summary);
    a_full_summary_is_a_warning(&stage, &summary);
}

/// With JSON output, stdout has only JSON, and the summary is still written. The same plan is given to
/// each attempt.
fn json_output_has_no_commands(stage: &Stage, summary: &std::path::Path) {
    let mut command = stage.command(&RUN);
    command
        .args(["--values", "values.yaml", "--plan", "refresh.plan"])
        .args(["--output", "json"])
        .envs([GITHUB, ("SECRET", SECRET)]);
    let output = answer(command.env("GITHUB_STEP_SUMMARY", summary)).exits(10);
    for line in output.stdout.lines() {
        serde_json::from_str::<Value>(line).expect("each line is JSON");
    }
    assert_eq!(lines(&output.stderr, "::"), 0, "{}", output.stderr);
    let text = std::fs::read_to_string(summary).expect("the text exists");
    assert_eq!(
        text.matches("# Refresh of Contoso UAT").count(),
        2,
        "{text}"
    );
}

/// If the summary file is full, there is a warning, and the run ends as usual.
fn a_full_summary_is_a_warning(stage: &Stage, summary: &std::path::Path) {
    std::fs::write(summary, " ".repeat(1024 * 1024)).expect("it can be written");
    let mut command = stage.command(&RUN);
    // A file is not read by the pipeline, so it gets no mask.
    let log = std::fs::File::create(stage.path("log.txt")).expect("it can be written");
    command
        .envs([GITHUB, ("SECRET", SECRET)])
        .stdout(std::process::Stdio::null())
        .stderr(log)
        .env("GITHUB_STEP_SUMMARY", summary);
    assert_eq!(command.status().expect("it runs").code(), Some(10));
    let log = std::fs::read_to_string(stage.path("log.txt")).expect("the text exists");
    assert!(log.contains("summary of this job is full"), "{log}");
    assert!(!log.contains(SECRET), "{log}");
}

#[test]
fn azure_gets_commands_on_stdout_and_the_report() {
    let stage = Stage::new();
    let _tenant = stage.tenant(&[]);
    // The steps of the example pipeline; the plan is an artifact that another job downloads.
    std::fs::write(stage.path("values.yaml"), "purpose: test\n").expect("it can be written");
    drop(answer(&mut step_of_azure(&stage, "Check")).exits(0));
    let mut plan = step_of_azure(&stage, "Plan");
    plan.envs([AZURE])
        .env("AGENT_TEMPDIRECTORY", stage.path(""));
    let plan = answer(&mut plan).exits(0);
    let shown = format!(
        "##vso[task.uploadsummary]{}\n",
        stage.path("iomcopy-plan-rehearsal.md").display()
    );
    assert_eq!(plan.stdout.matches(&shown).count(), 1, "{}", plan.stdout);
    let text = std::fs::read_to_string(stage.path("iomcopy-plan-rehearsal.md"));
    let text = text.expect("the plan is a summary");
    assert!(text.starts_with("# Plan for Contoso UAT\n"), "{text}");
    let page = std::fs::read_to_string(stage.path("plan/plan.html"));
    let page = page.expect("the plan is a page");
    assert!(page.starts_with("<!DOCTYPE html>") && !page.contains("##vso"));
    std::fs::rename(stage.path("plan"), stage.path("plan-uat")).expect("the plan was written");
    let mut command = step_of_azure(&stage, "Run");
    command
        .envs([AZURE, ("BUILD_REQUESTEDFOR", "Ada Admin")])
        .env("AGENT_TEMPDIRECTORY", stage.path(""));
    let output = answer(&mut command).exits(0);
    // The lines of a step are in the stream of its group.
    assert_eq!(output.stderr, "", "{}", output.stderr);
    assert_eq!(lines(&output.stdout, "##[group]["), 8, "{}", output.stdout);
    assert_eq!(
        lines(&output.stdout, "##[endgroup]"),
        8,
        "{}",
        output.stdout
    );
    let group = output
        .stdout
        .split("##[group][2/8] ")
        .nth(1)
        .expect("step 2");
    let group = group.split("##[endgroup]").next().unwrap_or_default();
    let (head, rest) = group.split_once('\n').expect("it has lines");
    assert_eq!(head, "exit-administration-mode");
    assert_eq!(
        rest.lines().next(),
        Some("##vso[task.setprogress value=12;]Step 2 of 8: exit-administration-mode")
    );
    assert!(rest.contains("\n  done "), "{group}");
    let done = "##vso[task.setprogress value=100;]finished\n";
    assert_eq!(output.stdout.matches(done).count(), 1, "{}", output.stdout);

    let upload = "##vso[task.uploadsummary]";
    let file = output
        .stdout
        .lines()
        .find_map(|line| line.strip_prefix(upload));
    let file = std::path::Path::new(file.expect("a summary is shown"));
    assert!(file.is_absolute(), "{}", file.display());
    let text = std::fs::read_to_string(file).expect("it was written");
    assert!(text.starts_with("# Refresh of Contoso UAT\n"), "{text}");
    let confirmed = "by Ada Admin (Azure Pipelines)";
    assert!(text.contains(confirmed), "the actor confirmed: {text}");

    let folder = stage.path("").canonicalize().expect("it exists");
    let path = |name: &str| folder.join(name).display().to_string();
    let run = stage.records()[0]["run"].clone();
    let run = run.as_str().expect("the run has an id");
    for (name, value) in [
        ("iomExit", "0"),
        ("iomMeaning", "done"),
        ("iomStateFile", &path("rehearsal.iomcopy.jsonl")),
        ("iomRun", run),
        ("iomWaitingTask", ""),
        ("iomReportHtml", &path("refresh.html")),
        ("iomReportJunit", &path("refresh.xml")),
    ] {
        let line = format!("##vso[task.setvariable variable={name};isoutput=true;]{value}\n");
        assert_eq!(output.stdout.matches(&line).count(), 1, "{line}");
    }
    let results = format!(
        "##vso[results.publish type=JUnit;mergeResults=true;runTitle=iomcopy;resultFiles={};]\n",
        path("refresh.xml")
    );
    assert_eq!(
        output.stdout.matches(&results).count(),
        1,
        "{}",
        output.stdout
    );
}

/// A second start of the example pipeline for GitHub, months later, plans and makes a second refresh;
/// its further attempts, and a start soon after, only read it. An unfinished refresh is resumed.
#[test]
fn a_later_start_of_the_example_pipeline_is_a_new_refresh_and_an_attempt_is_none() {
    let stage = Stage::new();
    let _tenant = stage.tenant(&[]);
    std::fs::write(stage.path("values.yaml"), "purpose: test\n").expect("it can be written");
    let step = |step: &str, age: &str| {
        let mut command = step_of_github(&stage, step);
        // A word of an argument is a word of the command, whatever the shell would make of it.
        command
            .env("FRESH_AFTER", age)
            .env("ARGUMENTS", " --quiet ");
        answer(&mut command)
    };
    let copies = || stage.world().count_successful("POST", "/copy");
    let start = |age: &str| {
        for name in ["Check", "Plan"] {
            drop(step(name, age).exits(0));
        }
        step("Run", age).exits(0)
    };
    drop(start("20d"));
    assert_eq!(copies(), 1);
    // The next attempts of the same start, and another start on the same day.
    drop(step("Run", "20d").exits(0));
    drop(start("20d"));
    assert_eq!(copies(), 1, "a finished refresh is only read");
    drop(start("0h"));
    assert_eq!(copies(), 2, "it finished long enough ago");
    // An unfinished refresh is neither checked nor replaced: it is resumed.
    let until = ["--fresh", "--until", "activate-flows"];
    drop(stage.run_with(&until).exits(0));
    assert_eq!(copies(), 3);
    drop(start("0h"));
    assert_eq!(copies(), 3, "it was resumed");
    let finished = |record: &Value| record["type"] == "finished";
    assert!(stage.records().iter().any(finished));

    // A word that a shell would run stays a word.
    let mut command = step_of_github(&stage, "Run");
    command.env("ARGUMENTS", "--confirm-repeat '$(touch run)' ; touch run");
    let refused = answer(&mut command).exits(3);
    assert!(
        refused.stderr.contains("unexpected argument ';'"),
        "{}",
        refused.stderr
    );
    assert!(!stage.path("run").exists());
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
