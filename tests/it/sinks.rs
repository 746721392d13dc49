//! The program's output: no name adds a control character, no secret is shown or recorded, and an
//! output that cannot be written is a failure.

use std::fs;
use std::process::Stdio;

use serde_json::{Map, Value};

use crate::harness::{CommandOutput, Stage, World, thin_text};

/// A name that is made to deceive: a hyperlink, a colour, a bell, right-to-left text, invisible
/// characters, a carriage return, and a script.
const HOSTILE: &str = "\u{1b}]8;;http://evil.example\u{7}x\u{1b}[35m\u{7}\u{202e}\u{200b}\u{2066}\
                       \r\u{9b}31m<script>alert(1)</script>";

fn is_invisible(character: char) -> bool {
    matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Fails if a text has a control character other than layout, or an invisible one.
fn assert_clean(what: &str, text: &str) {
    for (number, line) in text.split('\n').enumerate() {
        let raw = line
            .chars()
            .find(|c| (c.is_control() && *c != '\t') || is_invisible(*c));
        assert_eq!(raw, None, "{what}, line {}: {line:?}", number + 1);
    }
}

fn assert_both_clean(what: &str, answer: &CommandOutput) {
    assert_clean(&format!("stdout of {what}"), &answer.stdout);
    assert_clean(&format!("stderr of {what}"), &answer.stderr);
}

/// The text without the program's colours; every other sequence stays.
fn without_colours(text: &str) -> String {
    ["0", "1", "2", "31", "32", "33"]
        .iter()
        .fold(text.to_owned(), |text, code| {
            text.replace(&format!("\u{1b}[{code}m"), "")
        })
}

/// Everything that people name, with the hostile name appended. Names by which the program
/// recognizes objects of Intelligent Order Management stay.
fn renamed(world: &World) -> Map<String, Value> {
    let mut puts = Map::new();
    for (key, object) in &world.objects {
        let is_row = key.starts_with("row/")
            && ["/workflow/", "/msdyn_iomdesigner/", "/msdyn_iomprovider/"]
                .iter()
                .any(|table| key.contains(table));
        let is_connection = key.starts_with("connection/");
        if !is_row && !is_connection {
            continue;
        }
        let mut object = object.clone();
        let mut is_changed = false;
        for column in ["name", "msdyn_name", "displayName"] {
            let Some(name) = object.get(column).and_then(Value::as_str) else {
                continue;
            };
            if name.starts_with("iom_") || name.starts_with("(DO NOT") || name.len() == 36 {
                continue;
            }
            object[column] = format!("{name} {HOSTILE}").into();
            is_changed = true;
        }
        if is_changed {
            puts.insert(key.clone(), object);
        }
    }
    assert!(puts.len() > 5, "there are names");
    puts
}

#[test]
fn no_name_adds_a_control_character_to_any_output() {
    let stage = Stage::new();
    drop(stage.tenant(&[]));
    stage.edit_world(&renamed(&stage.world()));

    // A failure that quotes names, then a successful run.
    let tenant = stage.tenant(&["refuse=403:PATCH */workflows(*"]);
    for command in ["preflight", "plan"] {
        let answer = stage.call(&[command, "rehearsal.yaml"]);
        assert_both_clean(command, &answer);
    }
    let failed = stage.run();
    assert_ne!(failed.code, Some(0), "{failed:?}");
    assert_both_clean("a run that fails", &failed);
    assert!(failed.stderr.contains("\\u{202e}"), "{}", failed.stderr);
    assert_both_clean(
        "status of a failure",
        &stage.call(&["status", "rehearsal.yaml"]),
    );
    drop(tenant);
    let _tenant = stage.tenant(&[]);
    let coloured = stage.call(&[
        "run",
        "rehearsal.yaml",
        "--confirm-target",
        "Contoso UAT",
        "--color",
        "always",
    ]);
    let coloured = coloured.exits(0);
    assert!(coloured.stdout.contains("\u{1b}[32m"), "{coloured:?}");
    assert_clean("coloured stdout", &without_colours(&coloured.stdout));
    assert_clean("coloured stderr", &without_colours(&coloured.stderr));

    for arguments in [
        vec!["verify", "rehearsal.yaml"],
        vec!["status", "rehearsal.yaml"],
        vec!["plan", "rehearsal.yaml"],
        vec!["run", "rehearsal.yaml", "--confirm-target", "Contoso UAT"],
        vec!["state", "export", "rehearsal.iomcopy.jsonl"],
        vec!["report", "rehearsal.yaml", "--format", "markdown"],
        vec!["report", "rehearsal.yaml", "--format", "html"],
        vec!["report", "rehearsal.yaml", "--format", "junit"],
    ] {
        let what = arguments.join(" ");
        let answer = stage.call(&arguments);
        assert_both_clean(&what, &answer);
        if what.ends_with("html") {
            assert!(!answer.stdout.contains("<script"), "{}", answer.stdout);
            assert!(
                answer.stdout.contains("&lt;script&gt;"),
                "the names are in it"
            );
            let policy = "http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-";
            assert!(answer.stdout.contains(policy), "{}", answer.stdout);
        }
        if arguments[0] != "state" && !what.contains("--format") {
            let json = stage.call(&[&arguments[..], &["--output", "json"]].concat());
            assert_both_clean(&format!("{what} --output json"), &json);
            for line in json.stdout.lines() {
                let read = serde_json::from_str::<Value>(line);
                assert!(read.is_ok(), "{what}: {line}");
            }
        }
    }
    let report = stage
        .call(&["report", "rehearsal.yaml", "--output", "json"])
        .exits(0);
    assert_both_clean("report --output json", &report);
    assert!(report.stdout.contains("\\u202e"), "{}", report.stdout);
    let read: Value = serde_json::from_str(&report.stdout).expect("it is JSON");
    assert!(read.to_string().contains('\u{202e}'), "it says the same");
}

/// A value that occurs nowhere else in the tenant, with characters that each format escapes
/// differently.
const SECRET: &str = "s3cr3t-c0re/with \"quotes\"+\u{fc}";

/// The part of the secret that no format escapes.
const CORE: &str = "s3cr3t-c0re";

#[test]
fn a_secret_that_a_service_returns_is_shown_and_recorded_nowhere() {
    for is_captured in [false, true] {
        let stage = Stage::new();
        let runbook = if is_captured {
            // The target's own value, captured before the copy.
            drop(stage.tenant(&[]));
            let world = stage.world();
            let mut puts = Map::new();
            for (key, row) in &world.objects {
                if key.contains("0a220000") && key.contains("/msdyn_iomproviderparameter/") {
                    let mut row = row.clone();
                    row["msdyn_value"] = SECRET.into();
                    puts.insert(key.clone(), row);
                }
            }
            assert_eq!(puts.len(), 1);
            stage.edit_world(&puts);
            thin_text()
        } else {
            let text = thin_text();
            text.replace("      # parameters:", "      parameters:")
                .replace("      #   msdyn_bigcommerce:", "        msdyn_bigcommerce:")
                .replace("      #     msdyn_storehash:", "          msdyn_storehash:")
        };
        let fault = [
            "--seed",
            "thin",
            "--fault",
            "echo=400:PATCH *msdyn_iomproviderparameters(*",
        ];
        let _tenant = stage.start_tenant(&runbook, &fault);
        let call = |arguments: &[&str]| {
            let mut command = stage.command(arguments);
            let output = command
                .env("UAT_STORE_HASH", SECRET)
                .output()
                .expect("the program can be started");
            let text = [output.stdout, output.stderr].concat();
            String::from_utf8_lossy(&text).into_owned()
        };
        let run = ["run", "rehearsal.yaml", "--confirm-target", "Contoso UAT"];
        let shown = call(&[&run[..], &["-v", "-v"]].concat());
        assert!(shown.contains("does not understand this"), "{shown}");
        assert!(shown.contains("sha256:"), "{shown}");
        let mut texts = vec![shown, call(&[&run[..], &["--output", "json"]].concat())];
        for format in ["markdown", "html", "junit", "json"] {
            texts.push(call(&["report", "rehearsal.yaml", "--format", format]));
        }
        texts.push(call(&["status", "rehearsal.yaml"]));
        texts.push(call(&["state", "export", "rehearsal.iomcopy.jsonl"]));
        for record in stage.records() {
            if record["type"] != "captured" {
                texts.push(record.to_string());
            }
        }
        for text in texts {
            let at = text
                .find(CORE)
                .map(|at| text[at.saturating_sub(200)..].to_owned());
            assert_eq!(at, None, "captured: {is_captured}");
        }
        let file = fs::read_to_string(stage.state()).expect("the state file can be read");
        assert_eq!(file.contains(CORE), is_captured, "captures keep the bytes");
    }
}

/// A command with a full disk as stdout.
#[cfg(target_os = "linux")]
fn onto_a_full_disk(stage: &Stage, arguments: &[&str]) -> CommandOutput {
    let full = fs::File::options()
        .write(true)
        .open("/dev/full")
        .expect("the device is there");
    let output = stage
        .command(arguments)
        .stdout(full)
        .output()
        .expect("the program can be started");
    CommandOutput {
        code: output.status.code(),
        stdout: String::new(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

// Only Linux has a device that is always full.
#[cfg(target_os = "linux")]
#[test]
fn output_that_cannot_be_written_is_a_failure_of_every_command() {
    let stage = Stage::new();
    let _tenant = stage.tenant(&[]);
    let run = ["run", "rehearsal.yaml", "--confirm-target", "Contoso UAT"];
    let json = [&run[..], &["--output", "json"]].concat();
    for arguments in [
        &["--version"][..],
        &["--help"],
        &["validate", "rehearsal.yaml"],
        &["schema"],
        &["completions", "bash"],
        &["man"],
        &["status", "rehearsal.yaml"],
        &["report", "rehearsal.yaml"],
        &["preflight", "rehearsal.yaml"],
        &["plan", "rehearsal.yaml"],
        &["plan", "rehearsal.yaml", "--detailed-exitcode"],
        &json,
        &["status", "rehearsal.yaml", "--output", "json"],
        &["state", "check", "rehearsal.iomcopy.jsonl"],
        &["state", "export", "rehearsal.iomcopy.jsonl"],
        &["verify", "rehearsal.yaml"],
    ] {
        let answer = onto_a_full_disk(&stage, arguments).exits(1);
        let said = "could not write to standard output: No space left on device";
        assert_eq!(
            answer.stderr.matches(said).count(),
            1,
            "{arguments:?}: {}",
            answer.stderr
        );
    }
    // Only the text was lost, not the run.
    let status = stage.call(&["status", "rehearsal.yaml"]).exits(0);
    assert!(status.stdout.contains("finished"), "{}", status.stdout);
    // A failure with another cause keeps its exit code.
    let wrong = onto_a_full_disk(&stage, &["status", "nowhere.yaml", "--output", "json"]).exits(3);
    assert!(wrong.stderr.contains("nowhere.yaml"), "{}", wrong.stderr);
}

#[test]
fn a_closed_pipe_is_not_a_failure() {
    let stage = Stage::new();
    for arguments in [
        &["schema"][..],
        &["validate", "rehearsal.yaml"],
        &["--help"],
    ] {
        let mut child = stage
            .command(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program can be started");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("the program ends");
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {output:?}");
    }
}
