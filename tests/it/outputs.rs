//! `--output json`: every command writes one document, `run` one event per line, and nothing else
//! on stdout; each matches the schema of `iomcopy schema --output-of`.

use jsonschema::Validator;
use serde_json::Value;

use crate::harness::{CommandOutput, Stage, runbook_text, with_endpoints};

/// The program's own schema of a command's output.
fn schema_of(stage: &Stage, command: &str) -> Validator {
    let answer = stage.call(&["schema", "--output-of", command]).exits(0);
    let schema: Value = serde_json::from_str(&answer.stdout).expect("a schema is JSON");
    jsonschema::validator_for(&schema).expect("the schema is valid")
}

fn fits(schema: &Validator, document: &Value) {
    let wrong: Vec<String> = schema
        .iter_errors(document)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}\n{document:#}");
    assert_eq!(document["v"], 1);
}

/// Calls a command with `--output json` and returns its one document.
pub(crate) fn document(stage: &Stage, command: &str, arguments: &[&str], code: i32) -> Value {
    let arguments = [arguments, &["--output", "json"]].concat();
    let answer = stage.call(&arguments).exits(code);
    let document = only_document(&answer);
    fits(&schema_of(stage, command), &document);
    document
}

fn only_document(answer: &CommandOutput) -> Value {
    assert_eq!(answer.stdout.lines().count(), 1, "{}", answer.stdout);
    serde_json::from_str(&answer.stdout).expect("one JSON document")
}

/// Runs with `--output json` and returns every event.
fn events(stage: &Stage, arguments: &[&str], code: i32) -> Vec<Value> {
    let arguments = [arguments, &["--output", "json"]].concat();
    let answer = stage.call(&arguments).exits(code);
    let schema = schema_of(stage, "run");
    let lines = answer.stdout.lines();
    let events: Vec<Value> = lines
        .map(|line| serde_json::from_str(line).expect("each line is an event"))
        .collect();
    for (at, event) in events.iter().enumerate() {
        fits(&schema, event);
        assert_eq!(event["seq"], at + 1, "{event}");
    }
    let last = events.last().expect("the run has a last event");
    assert_eq!(last["type"], "run-ended", "{last}");
    assert_eq!(last["exit"], code, "{last}");
    events
}

const RUN: [&str; 4] = ["run", "rehearsal.yaml", "--confirm-target", "Contoso UAT"];

#[test]
fn help_has_help_and_only_a_command_with_a_state_file_offers_the_flag() {
    let stage = Stage::new();
    let help = stage.call(&["help", "--help"]).exits(0);
    assert!(help.stdout.contains("Usage: iomcopy"), "{}", help.stdout);
    for (command, has_state_file) in [
        ("run", true),
        ("status", true),
        ("validate", false),
        ("preflight", false),
        ("schema", false),
    ] {
        let help = stage.call(&[command, "--help"]).exits(0);
        assert_eq!(help.stdout.contains("--state"), has_state_file, "{command}");
    }
}

/// The events, from which the lines and the table at a terminal are made, have the same counts and
/// durations as the status and the report.
fn same_figures_everywhere(events: &[Value], status: &Value, report: &Value) {
    let with = |list: &Value, key: &str, value: &Value| {
        let mut found = list.as_array().into_iter().flatten();
        found.find(|one| one[key] == *value).cloned()
    };
    // Of a duration with a fraction, whole seconds are shown.
    let whole = |seconds: &Value| seconds.as_f64().map(f64::floor);
    let of_kind = |kind: &'static str| events.iter().filter(move |event| event["type"] == kind);
    for ended in of_kind("step-ended") {
        for document in [status, report] {
            let step = with(&document["steps"], "name", &ended["step"]).expect("the same steps");
            let total = &ended["total"];
            for key in ["changes-begun", "changes-done", "by-hand-done"] {
                assert_eq!(step[key], total[key], "{key}: {ended:#}");
            }
            assert_eq!(
                step["seconds"].as_f64(),
                whole(&total["seconds"]),
                "{ended:#}"
            );
        }
    }
    for done in of_kind("change-done") {
        let step = with(&report["steps"], "name", &done["step"]).expect("the same steps");
        let change = with(&step["changes"], "key", &done["key"]).expect("the same changes");
        assert_eq!(
            change["seconds"].as_f64(),
            whole(&done["elapsed"]),
            "{done:#}"
        );
    }
}

#[test]
fn each_command_writes_what_its_schema_describes() {
    let stage = Stage::new();
    let of =
        |command: &str, code: i32| document(&stage, command, &[command, "rehearsal.yaml"], code);

    let validated = of("validate", 0);
    assert_eq!(validated["right"], true);
    let status = of("status", 0);
    assert_eq!(status["state"], "not-begun");
    assert_eq!(status["steps"].as_array().map(Vec::len), Some(8));
    let plan = of("plan", 0);
    assert_eq!(plan["steps"].as_array().map(Vec::len), Some(8));
    assert_eq!(plan["steps"][0]["forecast"], false);
    assert_eq!(plan["steps"][1]["forecast"], true);
    assert!(plan["unknowns"][0].is_string(), "{plan:#}");
    let dry = document(&stage, "plan", &["run", "rehearsal.yaml", "--dry-run"], 0);
    assert_eq!(dry["digest"], plan["digest"]);
    let probes = of("preflight", 0);
    assert!(probes["probes"].as_array().is_some_and(|it| it.len() > 10));

    let written = events(&stage, &RUN, 0);
    assert_eq!(written[0]["type"], "run-began");
    assert_eq!(written[0]["steps"].as_array().map(Vec::len), Some(8));
    let kinds: std::collections::BTreeSet<&str> = written
        .iter()
        .filter_map(|event| event["type"].as_str())
        .collect();
    for kind in [
        "step-began",
        "surveyed",
        "sealed",
        "change-done",
        "step-ended",
        "progress",
    ] {
        assert!(kinds.contains(kind), "{kinds:?}");
    }
    // A shell completes the manual task of each phase that a survey belongs to.
    let script = stage.call(&["completions", "bash"]).exits(0).stdout;
    for event in written.iter().filter(|event| event["type"] == "surveyed") {
        let name = |key: &str| event[key].as_str().unwrap_or_default().to_owned();
        let task = format!("{}/{}", name("step"), name("phase"));
        assert!(script.contains(&task), "{task}");
    }

    let again = events(&stage, &RUN, 0);
    assert_eq!(
        again.len(),
        1,
        "a finished run is looked at again: {again:#?}"
    );

    let status = of("status", 0);
    assert_eq!(status["state"], "finished");
    assert!(
        status["steps"]
            .as_array()
            .into_iter()
            .flatten()
            .all(|step| { step["state"] == "done" || step["state"] == "skipped" })
    );
    same_figures_everywhere(&written, &status, &of("report", 0));
    let verified = of("verify", 0);
    assert!(verified["probes"].as_array().is_some_and(|it| it.len() > 5));

    let file = "rehearsal.iomcopy.jsonl";
    let checked = document(&stage, "state-check", &["state", "check", file], 0);
    assert_eq!(checked["right"], true);
    let exported = document(&stage, "state-export", &["state", "export", file], 0);
    assert_eq!(
        exported["records"].as_array().map(Vec::len),
        Some(stage.records().len())
    );
    let cut = document(&stage, "state-cut", &["state", "cut", file, "--at", "3"], 0);
    assert_eq!(cut["kept"], 3);
}

#[test]
fn a_manual_task_is_written_as_its_schema_describes() {
    let stage = Stage::new();
    let text = runbook_text();
    let (before, after) = text
        .split_once("    activate-system:\n")
        .expect("it is bound");
    let rest = after.split_once("own\"\n").expect("the binding ends").1;
    stage.write_runbook(&format!("{before}    activate-system: guided\n{rest}"));
    let written = events(&stage, &RUN, 10);
    let task = written
        .iter()
        .find(|event| event["type"] == "manual-task")
        .expect("a task");
    let task = task["task"].as_str().expect("it has a name").to_owned();
    let status = document(&stage, "status", &["status", "rehearsal.yaml"], 0);
    assert_eq!(status["state"], "waiting");
    assert_eq!(status["waiting"], serde_json::json!([task]));

    let undone = document(
        &stage,
        "complete",
        &["complete", "rehearsal.yaml", &task],
        10,
    );
    assert_eq!(undone["failure"]["kind"], "waiting");
    let waive = [
        "complete",
        "rehearsal.yaml",
        &task,
        "--waive",
        "pressed by A. Jensen",
    ];
    let waived = document(&stage, "complete", &waive, 0);
    assert_eq!(waived["outcome"], "waived");
    assert_eq!(waived["reason"], "pressed by A. Jensen");
}

#[test]
fn an_invalid_runbook_is_reported_as_json() {
    let stage = Stage::new();
    let text = runbook_text().replace("cloud: rehearsal", "cloud: rehersal");
    let text = text.replace("act-as: svc-iom@contoso.com", "act-as: somebody");
    stage.write_runbook(&text);
    let lines: Vec<usize> = ["cloud: rehersal", "act-as: somebody"]
        .iter()
        .filter_map(|part| {
            let text = text.lines().position(|line| line.contains(part));
            text.map(|at| at + 1)
        })
        .collect();
    let check = |diagnostics: &Value| {
        let found = diagnostics.as_array().expect("diagnostics are a list");
        let at: Vec<usize> = found
            .iter()
            .map(|it| usize::try_from(it["line"].as_u64().unwrap_or_default()).unwrap_or_default())
            .collect();
        assert_eq!(at, lines, "{diagnostics:#}");
        assert_eq!(found[0]["file"], "rehearsal.yaml");
        assert_eq!(found[0]["column"], 8);
        assert_eq!(found[0]["end-column"], 16);
        assert_eq!(found[0]["severity"], "error");
        assert_eq!(found[0]["help"], "did you mean `rehearsal`?");
        assert_eq!(
            found[1]["message"],
            "`act-as` is not a user principal name or an object id: `somebody`"
        );
    };
    for command in [
        "validate",
        "plan",
        "preflight",
        "verify",
        "status",
        "report",
        "complete",
    ] {
        let arguments = ["rehearsal.yaml", "reconfigure-connections/activate-system"];
        let arguments = &arguments[..if command == "complete" { 2 } else { 1 }];
        let arguments = [&[command], arguments].concat();
        let written = document(&stage, command, &arguments, 3);
        let failure = &written["failure"];
        assert_eq!(failure["kind"], "wrong", "{command}");
        assert_eq!(failure["exit"], 3, "{command}");
        assert_eq!(failure["message"], "invalid runbook", "{command}");
        check(&failure["diagnostics"]);
    }
    let written = events(&stage, &RUN, 3);
    assert_eq!(written.len(), 1);
    assert_eq!(written[0]["kind"], "wrong");
    assert_eq!(written[0]["message"], "invalid runbook");
    check(&written[0]["diagnostics"]);
}

#[test]
fn a_refusal_is_reported_as_json() {
    let stage = Stage::new();
    let text = runbook_text().replace("name: Contoso UAT", "name: Contoso QA");
    stage.write_runbook(&text);
    let written = document(&stage, "plan", &["plan", "rehearsal.yaml"], 5);
    let failure = &written["failure"];
    assert_eq!(failure["kind"], "refused");
    let message = "the environment with this id has the name 'Contoso UAT'";
    assert_eq!(failure["message"], message);
    assert_eq!(failure["diagnostics"][0]["message"], message);
    let written = events(&stage, &["run", "rehearsal.yaml"], 5);
    assert_eq!(written[0]["outcome"], "refused");

    stage.write_runbook(&runbook_text());
    let written = events(&stage, &["run", "rehearsal.yaml"], 11);
    assert_eq!(
        written.last().map(|it| &it["kind"]),
        Some(&"unconfirmed".into())
    );
    for (command, arguments) in [
        ("state-check", ["state", "check", "none.jsonl"].as_slice()),
        ("state-export", &["state", "export", "none.jsonl"]),
        ("state-cut", &["state", "cut", "none.jsonl", "--at", "1"]),
        ("rehearsal", &["rehearsal", "--fault", "nonsense"]),
    ] {
        let arguments = [arguments, &["--output", "json"]].concat();
        let answer = stage.call(&arguments);
        let written = only_document(&answer);
        fits(&schema_of(&stage, command), &written);
        assert_eq!(
            written["failure"]["exit"].as_i64(),
            answer.code.map(i64::from),
            "{command}"
        );
    }
    // An invalid command line is reported as JSON too.
    let answer = stage.call(&["run", "--output", "json"]).exits(3);
    fits(&schema_of(&stage, "run"), &only_document(&answer));
}

#[test]
fn a_recording_becomes_runbook_entries() {
    let stage = Stage::new();
    let url = "https://contoso.crm.dynamics.com/api/data/v9.2/msdyn_iomproviders(66666666-6666-6666-6666-666666666666)";
    let har = serde_json::json!({ "log": { "entries": [{
        "request": { "method": "DELETE", "url": url, "headers": [{ "name": "cookie", "value": "hunter2" }] },
        "response": { "status": 204 },
    }] } });
    std::fs::write(stage.path("click.har"), har.to_string()).expect("it can be written");
    let import = ["import-har", "click.har", "--request", "delete-provider"];
    let written = document(&stage, "import-har", &import, 0);
    assert_eq!(written["writes"][0]["path"], "msdyn_iomproviders(<id>)");
    let text = stage.call(&import).exits(0).stdout;
    assert!(text.contains("path: 'msdyn_iomproviders(<id>)'"), "{text}");
    assert!(
        !text.contains("hunter2") && !text.contains("contoso"),
        "{text}"
    );
    std::fs::write(stage.path("click.har"), "{}").expect("it can be written");
    let written = document(&stage, "import-har", &import, 3);
    assert_eq!(written["failure"]["kind"], "wrong");
}

#[test]
fn shells_and_manuals_know_the_commands() {
    let stage = Stage::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = stage.call(&["completions", shell]).exits(0).stdout;
        assert!(
            script.contains("import-har") && script.contains("confirm-target"),
            "{shell}"
        );
        for known in ["report", "init", "lcs-project"] {
            assert!(script.contains(known), "{shell} knows no {known}");
        }
    }
    for (command, flag) in [("report", "format"), ("init", "endpoints")] {
        let page = stage.call(&["man", command]).exits(0).stdout;
        let title = format!(".TH IOMCOPY-{} 1", command.to_uppercase());
        assert!(page.contains(&title) && page.contains(flag), "{page}");
    }
    let page = stage.call(&["man"]).exits(0).stdout;
    assert!(
        page.contains(".TH IOMCOPY 1") && page.contains("preflight"),
        "{page}"
    );
    let page = stage.call(&["man", "state", "cut"]).exits(0).stdout;
    assert!(page.contains(".TH IOMCOPY-STATE-CUT 1"), "{page}");
    let wrong = stage.call(&["man", "sing"]).exits(3);
    assert!(
        wrong.stderr.contains("no command `sing`"),
        "{}",
        wrong.stderr
    );
}

#[test]
fn the_rehearsal_tenant_prints_its_endpoints() {
    let stage = Stage::new();
    let tenant = stage.whole_tenant(&["--output", "json"]);
    let written: Value = serde_json::from_str(&tenant.endpoints).expect("one JSON document");
    fits(&schema_of(&stage, "rehearsal"), &written);
    // A runbook accepts its endpoints unchanged.
    let endpoints = format!("endpoints: {}", written["endpoints"]);
    stage.write_runbook(&with_endpoints(&runbook_text(), &endpoints));
    for command in ["validate", "preflight"] {
        let answer = stage.call(&[command, "rehearsal.yaml"]).exits(0);
        assert!(!answer.stdout.is_empty(), "{command}");
    }
}
