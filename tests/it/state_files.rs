//! The state file and the other files that a user names: a restored older state file, changed
//! copies of seals, FIFOs, and what `--out` may replace.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::harness::{Stage, runbook_text};

/// The number of writes that the tenant received.
fn writes(stage: &Stage) -> usize {
    stage.world().writes().len()
}

/// The names and contents of all files of a stage, except the world file.
fn files(stage: &Stage) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(stage.path("")).expect("the folder is there");
    let mut files: Vec<_> = entries
        .map(|entry| entry.expect("the entry can be read"))
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()))
        .map(|entry| {
            let content = fs::read(entry.path()).expect("the file can be read");
            (entry.file_name().to_string_lossy().into_owned(), content)
        })
        .filter(|(name, _)| !name.ends_with(".world.jsonl") && name != "world.jsonl")
        .collect();
    files.sort();
    files
}

/// Every command that only reads warns of the state file, and suggests what is not refused.
fn assert_shown_as_older(stage: &Stage, says: &str) {
    for command in [
        &["status", "rehearsal.yaml"][..],
        &["report", "rehearsal.yaml"],
        &["fleet", "rehearsal.iomcopy.jsonl"],
        &["plan", "rehearsal.yaml"],
    ] {
        let answer = stage.call(command).exits(0);
        let text = format!("{}{}", answer.stdout, answer.stderr);
        let text: Vec<&str> = text.split_whitespace().collect();
        let text = text.join(" ");
        for expected in [says, "What is shown here may be out of date"] {
            assert!(text.contains(expected), "{command:?}: {text}");
        }
        assert!(text.contains("iomcopy state check "), "{command:?}: {text}");
        let refused = ["iomcopy run RUNBOOK --state", "next: iomcopy run"];
        for refused in refused {
            assert!(!text.contains(refused), "{command:?}: {text}");
        }
    }
}

#[test]
fn an_older_state_file_is_refused_and_nothing_is_sent() {
    let stage = Stage::new();
    let _tenant = stage.tenant(&[]);
    let until = |step: &str| {
        let confirmed = ["--confirm-target", "Contoso UAT", "--until", step];
        let arguments = [&["run", "rehearsal.yaml"], &confirmed[..]].concat();
        drop(stage.call(&arguments).exits(0));
        fs::read(stage.state()).expect("the state file can be read")
    };
    let before_the_seal = until("reconfigure-connections");
    let after_the_seal = until("detach-provider-actions");
    drop(stage.run().exits(0));
    let newest = fs::read(stage.state()).expect("the state file can be read");
    let lock = stage.path("rehearsal.iomcopy.jsonl.lock");
    let mark = fs::read(&lock).expect("the lock file can be read");

    let sent = writes(&stage);
    let refused = |says: &str| {
        let before = files(&stage);
        let answer = stage.run().exits(5);
        assert!(answer.stderr.contains(says), "{}", answer.stderr);
        assert!(
            answer.stderr.contains("is older than its run"),
            "{}",
            answer.stderr
        );
        assert!(
            answer.stderr.contains("restore the newest file"),
            "{}",
            answer.stderr
        );
        let checked = stage
            .call(&["state", "check", "rehearsal.iomcopy.jsonl"])
            .exits(1);
        assert!(checked.stdout.contains(says), "{}", checked.stdout);
        assert_shown_as_older(&stage, says);
        assert_eq!(writes(&stage), sent, "nothing is sent");
        let name = "rehearsal.iomcopy.jsonl.lock";
        let without_lock = |mut files: Vec<(String, Vec<u8>)>| {
            files.retain(|(file, _)| file != name);
            files
        };
        assert_eq!(without_lock(files(&stage)), without_lock(before));
    };
    for older in [&before_the_seal, &after_the_seal] {
        fs::write(stage.state(), older).expect("the state file can be written");
        refused("are missing");
    }
    // Also without the lock file: the copies of the seals show it.
    fs::remove_file(&lock).expect("the lock file can be removed");
    fs::write(stage.state(), &before_the_seal).expect("the state file can be written");
    refused("has sealed 'orchestrations'");

    fs::write(stage.state(), &newest).expect("the state file can be written");
    fs::write(&lock, mark).expect("the lock file can be written");
    drop(
        stage
            .call(&["state", "check", "rehearsal.iomcopy.jsonl"])
            .exits(0),
    );
    drop(stage.run().exits(0));
}

#[test]
fn a_lost_seal_is_restored_from_its_copy() {
    let stage = Stage::new();
    let _tenant = stage.tenant(&[]);
    let run = |more: &[&str]| {
        let confirmed = ["run", "rehearsal.yaml", "--confirm-target", "Contoso UAT"];
        stage.call(&[&confirmed[..], more].concat())
    };
    drop(run(&["--until", "activate-flows"]).exits(0));
    let older = fs::read(stage.state()).expect("the state file can be read");
    drop(run(&["--until", "detach-provider-actions"]).exits(0));
    // The newest file is lost, with its lock file; the backup is from before the seal.
    fs::write(stage.state(), older).expect("the state file can be written");
    fs::remove_file(stage.path("rehearsal.iomcopy.jsonl.lock")).expect("it can be removed");
    let refused = run(&[]).exits(5);
    let copy = "rehearsal.iomcopy.orchestrations.capture.jsonl";
    assert!(
        refused.stderr.contains(&format!("--from-capture {copy}")),
        "{}",
        refused.stderr
    );
    let resumed = run(&["--from-capture", copy]).exits(0);
    assert!(
        resumed.stderr.contains("of seal 'orchestrations'"),
        "{}",
        resumed.stderr
    );
    crate::thin_run::assert_world_is_refreshed(&stage.world());
}

/// The plan that is confirmed knows the captures that are given: the target has changed already.
#[test]
fn captures_that_are_given_are_known_before_the_run_is_confirmed() {
    let stage = Stage::new();
    drop(
        stage
            .run_with(&["--until", "reconfigure-connections"])
            .exits(0),
    );
    let older = fs::read(stage.state()).expect("the state file can be read");
    drop(stage.run().exits(0));
    fs::write(stage.state(), older).expect("the state file can be written");
    fs::remove_file(stage.path("rehearsal.iomcopy.jsonl.lock")).expect("it can be removed");
    let mut given = Vec::new();
    for seal in ["flows", "orchestrations", "providers"] {
        given.push(format!(
            "--from-capture=rehearsal.iomcopy.{seal}.capture.jsonl"
        ));
    }
    let given: Vec<&str> = given.iter().map(String::as_str).collect();
    let resumed = stage.run_with(&given).exits(0);
    for line in [
        "slots restored to new provider actions, 24 needed no change",
        "orchestrations published, 4 needed no change",
    ] {
        assert!(resumed.stdout.contains(line), "{line}: {}", resumed.stdout);
    }
}

/// The same holds for a new run over a target that is a copy already: its own values are only in the
/// captures.
#[test]
fn captures_that_are_given_to_a_new_run_are_known_before_it_is_confirmed() {
    let stage = Stage::new();
    drop(stage.run_with(&["--until", "copy-environments"]).exits(0));
    let seal = "rehearsal.iomcopy.before-copy.capture.jsonl";
    let arguments = ["--fresh", "--abandon-captures", "--from-capture", seal];
    let run = stage.run_with(&arguments).exits(0);
    let said = &run.stderr;
    assert!(said.contains("of seal 'before-copy'"), "{said}");
    crate::whole_world::assert_whole_tenant_is_refreshed_by(2, &stage.in_process_world());
}

#[test]
fn a_changed_copy_of_a_seal_stops_what_depends_on_it() {
    let stage = Stage::new();
    let _tenant = stage.tenant(&[]);
    let confirmed = [
        "--confirm-target",
        "Contoso UAT",
        "--until",
        "detach-provider-actions",
    ];
    drop(
        stage
            .call(&[&["run", "rehearsal.yaml"], &confirmed[..]].concat())
            .exits(0),
    );
    let copy = stage.path("rehearsal.iomcopy.orchestrations.capture.jsonl");
    let original = fs::read(&copy).expect("the copy can be read");
    fs::remove_file(&copy).expect("the copy can be removed");
    fs::write(&copy, "changed").expect("the copy can be written");
    let checked = stage
        .call(&["state", "check", "rehearsal.iomcopy.jsonl"])
        .exits(1);
    assert!(
        checked.stdout.contains("of the seal 'orchestrations'"),
        "{}",
        checked.stdout
    );
    let sent = writes(&stage);
    let stopped = stage.run().exits(5);
    assert!(
        stopped.stderr.contains("warning: the copy "),
        "{}",
        stopped.stderr
    );
    assert!(
        stopped.stderr.contains("is not what was written there"),
        "{}",
        stopped.stderr
    );
    assert_eq!(writes(&stage), sent, "nothing is sent");
    fs::remove_file(&copy).expect("the copy can be removed");
    let resumed = stage.run().exits(0);
    assert!(
        resumed.stderr.contains("is written again from"),
        "{}",
        resumed.stderr
    );
    assert_eq!(fs::read(&copy).expect("the copy is there"), original);
}

#[test]
fn out_creates_a_file_or_replaces_a_plan_and_nothing_else() {
    let stage = Stage::new();
    let _tenant = stage.tenant(&[]);
    let out = |file: &str| stage.call(&["plan", "rehearsal.yaml", "--out", file]);
    drop(out("plan.json").exits(0));
    drop(out("plan.json").exits(0));
    fs::write(stage.path("other.iomcopy.jsonl"), "{\"n\":1}").expect("it can be written");
    symlink(stage.path("plan.json"), stage.path("link")).expect("a link can be made");
    fs::write(stage.path("empty"), "").expect("it can be written");
    fs::create_dir(stage.path("folder")).expect("a folder can be made");
    let before = files(&stage);
    for file in [
        "rehearsal.yaml",
        "other.iomcopy.jsonl",
        "link",
        "empty",
        "folder",
        "/dev/null",
    ] {
        let refused = out(file).exits(3);
        assert!(
            refused.stderr.contains("is not replaced"),
            "{file}: {}",
            refused.stderr
        );
        assert!(
            refused.stderr.contains("--out"),
            "{file}: {}",
            refused.stderr
        );
    }
    assert_eq!(files(&stage), before);
    let link = fs::symlink_metadata(stage.path("link")).expect("the file exists");
    assert!(link.file_type().is_symlink());
    let null = fs::metadata("/dev/null").expect("the file exists");
    assert!(!null.is_file());
}

/// Runs the command, and fails if it takes more than half a minute. Returns the exit code and
/// stderr.
fn run_to_end(mut command: Command) -> (Option<i32>, String) {
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program can be started");
    let began = Instant::now();
    while child
        .try_wait()
        .expect("the process can be asked")
        .is_none()
    {
        if began.elapsed() > Duration::from_secs(30) {
            drop(child.kill());
            panic!("it waits for a FIFO");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let output = child.wait_with_output().expect("the command has ended");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), stderr)
}

fn fifo(path: &Path) {
    let made = Command::new("mkfifo")
        .args(["-m", "600"])
        .arg(path)
        .status();
    assert!(made.expect("mkfifo can be started").success());
}

#[test]
fn no_command_waits_for_a_fifo() {
    let stage = Stage::new();
    fifo(&stage.path("fifo"));
    fifo(&stage.path("rehearsal.iomcopy.jsonl"));
    for (arguments, code) in [
        (&["validate", "fifo"][..], 3),
        (&["run", "fifo"], 3),
        (&["run", "rehearsal.yaml"], 1),
        (&["status", "rehearsal.yaml"], 1),
        (&["report", "rehearsal.yaml"], 1),
        (&["state", "check", "fifo"], 1),
        (&["state", "export", "fifo"], 1),
        (&["state", "cut", "fifo", "--at", "1"], 1),
        (&["import-har", "fifo"], 3),
        (&["rehearsal", "--world", "fifo"], 1),
    ] {
        let (exit, stderr) = run_to_end(stage.command(arguments));
        assert_eq!(exit, Some(code), "{arguments:?}: {stderr}");
        let names = stderr.contains("FIFO") || stderr.contains("not a regular file");
        assert!(names, "{arguments:?}: {stderr}");
    }
}

/// Two steps at the end of the runbook. The program of the first changes what the state file holds of
/// each capture, like a failing disk.
const DAMAGE: &str = "  - command:
      name: damage
      run: [./damage.sh]
      check: [test, -e, damaged]
  - command:
      name: last
      run: [touch, last]
      check: [test, -e, last]
";

const DAMAGE_PROGRAM: &str = r#"#!/bin/sh
sed '/"type":"captured"/s/\\":\\"[a-z]/\\":\\"Z/g' rehearsal.iomcopy.jsonl > damaged
cat damaged > rehearsal.iomcopy.jsonl
"#;

/// The process has read no capture of the providers by then; it reads them for the figures only.
#[test]
fn a_run_whose_figures_cannot_be_read_back_does_not_end_well() {
    let stage = Stage::new();
    let text = runbook_text().replace("\nendpoints:", &format!("\n{DAMAGE}endpoints:"));
    stage.write_runbook(&text);
    let program = stage.path("damage.sh");
    fs::write(&program, DAMAGE_PROGRAM).expect("the program can be written");
    let mode = fs::Permissions::from_mode(0o755);
    fs::set_permissions(&program, mode).expect("it can be made executable");
    drop(
        stage
            .run_with(&["--until", "reconfigure-dual-write"])
            .exits(0),
    );
    let whole = fs::read(stage.state()).expect("the state file can be read");

    // A process that stops early: its end cannot be recorded.
    let stopped = stage.run_with(&["--until", "damage"]).exits(1);
    let said = stopped.stdout + &stopped.stderr;
    for part in [
        "it is unknown what this run did so far: the seal `providers`",
        "error: the end of this process is not recorded: ",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }

    // The same for a run that finishes: nothing is known about what can act.
    fs::write(stage.state(), whole).expect("the state file can be written");
    fs::remove_file(stage.path("damaged")).expect("the file is there");
    // Both name the last record of the longer file.
    fs::remove_dir_all(stage.path(".state")).expect("the folder is there");
    fs::remove_file(stage.path("rehearsal.iomcopy.jsonl.lock")).expect("the file is there");
    let finished = stage.run_with(&["--output", "json"]).exits(1);
    let last = finished.stdout.lines().last().unwrap_or_default();
    let last: serde_json::Value = serde_json::from_str(last).expect("an event is JSON");
    assert_eq!(last["type"], "run-ended", "{last}");
    assert_eq!(last["outcome"], "failed", "{last}");
    assert!(last["summary"].is_null(), "{last}");
    let message = last["message"].as_str().unwrap_or_default();
    let expected = "it is unknown what this run restored, whether the orchestrations";
    assert!(message.starts_with(expected), "{message}");
    let help = last["help"].as_str().unwrap_or_default();
    assert!(help.contains("iomcopy state check"), "{help}");
    let ends = stage.records();
    let ends = ends.iter().rev().take(2).map(|record| &record["type"]);
    assert!(ends.clone().any(|end| end == "finished"), "{ends:?}");
}
