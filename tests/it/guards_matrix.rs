//! Every command that can destroy or replace, with every refusal that applies to it: afterwards the
//! files in the folder and the tenant are unchanged. Lock files and the user's state directory are
//! left out, because they only name the process at work.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;

use serde_json::Value;

use crate::guided;
use crate::harness::{Stage, Tenant, is};
use crate::terminal::AtTerminal;

/// Why a command is refused.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Refusal {
    WrongName,
    NoTerminal,
    UnknownArgument,
    Locked,
    Unreachable,
    Interrupted,
    /// By the command's own arguments: a file or record that is missing, or must not exist.
    Itself(i32),
}

use Refusal::{Interrupted, Itself, Locked, NoTerminal, UnknownArgument, Unreachable, WrongName};

/// The refusals of a command that needs a confirmation.
const CONFIRMED: [Refusal; 6] = [
    WrongName,
    NoTerminal,
    UnknownArgument,
    Locked,
    Unreachable,
    Interrupted,
];

impl Refusal {
    fn arguments(self) -> &'static [&'static str] {
        match self {
            WrongName => &["--confirm-target", "Contoso"],
            NoTerminal | Interrupted | Itself(_) => &[],
            UnknownArgument => &["--no-such-argument"],
            Locked | Unreachable => &["--confirm-target", "Contoso UAT"],
        }
    }

    fn code(self) -> i32 {
        match self {
            WrongName | Locked => 5,
            NoTerminal => 11,
            UnknownArgument => 3,
            Unreachable => 75,
            Interrupted => 130,
            Itself(code) => code,
        }
    }
}

/// What must not change: the folder's files, and the tenant's rows and writes.
#[derive(Debug, PartialEq)]
struct Snapshot {
    files: BTreeMap<String, Vec<u8>>,
    rows: BTreeMap<String, Value>,
    writes: usize,
}

fn snapshot(stage: &Stage) -> Snapshot {
    let mut files = BTreeMap::new();
    let folder = stage.path("");
    for entry in fs::read_dir(&folder).expect("the folder can be read") {
        let path = entry.expect("the entry can be read").path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let is_lock = Path::new(&name)
            .extension()
            .is_some_and(|end| end == "lock");
        // The world file grows with every read; its rows are compared below.
        if path.is_file() && !is_lock && name != "world.jsonl" {
            files.insert(name, fs::read(&path).expect("the file can be read"));
        }
    }
    let world = stage.world();
    let writes = world.writes().len();
    let kept = |key: &str| key.starts_with("row/") || key.starts_with("environment/");
    let mut rows = world.objects;
    rows.retain(|key, _| kept(key));
    Snapshot {
        files,
        rows,
        writes,
    }
}

/// The names of everything that differs.
fn differences(before: &Snapshot, after: &Snapshot) -> Vec<String> {
    let names = before.files.keys().chain(after.files.keys());
    let files = names.filter(|name| before.files.get(*name) != after.files.get(*name));
    let keys = before.rows.keys().chain(after.rows.keys());
    let rows = keys.filter(|key| before.rows.get(*key) != after.rows.get(*key));
    let writes = (before.writes != after.writes).then(|| "a write was sent".to_owned());
    files.chain(rows).cloned().chain(writes).collect()
}

/// Locks the state file if there is one, otherwise the target, like another process.
fn lock(stage: &Stage) -> File {
    let beside = stage.path("rehearsal.iomcopy.jsonl.lock");
    let targets = stage.path(".state/iomcopy/targets");
    let path = if stage.state().exists() {
        beside
    } else {
        let entries = fs::read_dir(targets).expect("the target's lock exists");
        let mut paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
        paths
            .find(|path| path.extension().is_some_and(|end| end == "lock"))
            .expect("the target's lock exists")
    };
    let file = File::options()
        .write(true)
        .open(path)
        .expect("the lock can be opened");
    file.lock().expect("the lock can be taken");
    file
}

/// Calls a command with each refusal; nothing may change. Some refusals stop the tenant.
fn refused(stage: &Stage, tenant: &mut Tenant, command: &[&str], refusals: &[Refusal]) {
    let before = snapshot(stage);
    for refusal in refusals {
        let arguments = [command, refusal.arguments()].concat();
        let code = match refusal {
            Interrupted => {
                let mut call = AtTerminal::start(stage, &arguments);
                call.reads("Type the target's name").interrupts();
                call.reads_stop().types("Contoso UAT");
                call.ends()
            }
            Locked => {
                let _held = lock(stage);
                stage.call(&arguments).code
            }
            Unreachable => {
                tenant.kill();
                let answer = stage.call(&arguments);
                *tenant = stage.tenant(&[]);
                answer.code
            }
            WrongName => {
                let answer = stage.call(&arguments);
                // It is refused before any check warns.
                assert!(!answer.stderr.contains("  fix: "), "{}", answer.stderr);
                answer.code
            }
            _ => stage.call(&arguments).code,
        };
        assert_eq!(code, Some(refusal.code()), "{command:?} {refusal:?}");
        let changed = differences(&before, &snapshot(stage));
        assert!(
            changed.is_empty(),
            "{command:?} {refusal:?} changed {changed:?}"
        );
    }
}

const CONFIRM: [&str; 2] = ["--confirm-target", "Contoso UAT"];

#[test]
fn a_refused_command_changes_nothing_before_a_run_and_after_it() {
    let stage = Stage::new();
    let mut tenant = stage.tenant(&[]);
    drop(
        stage
            .call(&["plan", "rehearsal.yaml", "--out", "approved.json"])
            .exits(0),
    );
    let run = ["run", "rehearsal.yaml"];
    // The first call creates the target's lock file, which another process then holds.
    refused(&stage, &mut tenant, &run, &CONFIRMED);
    let approved = ["run", "rehearsal.yaml", "--plan", "approved.json"];
    refused(&stage, &mut tenant, &approved, &CONFIRMED);
    fs::write(
        stage.path("stale.json"),
        r#"{"v":1,"digest":"0","steps":[]}"#,
    )
    .expect("it is written");
    let outdated = [
        "run",
        "rehearsal.yaml",
        "--plan",
        "stale.json",
        CONFIRM[0],
        CONFIRM[1],
    ];
    refused(&stage, &mut tenant, &outdated, &[Itself(5)]);
    let fresh = ["run", "rehearsal.yaml", "--fresh"];
    refused(&stage, &mut tenant, &fresh, &CONFIRMED);
    let plan = ["plan", "rehearsal.yaml", "--out", "plan.json"];
    refused(&stage, &mut tenant, &plan, &[UnknownArgument]);
    tenant.kill();
    refused(&stage, &mut tenant, &plan, &[Itself(75)]);
    tenant = stage.tenant(&[]);

    drop(stage.call(&[&run[..], &CONFIRM].concat()).exits(0));
    refused(&stage, &mut tenant, &fresh, &CONFIRMED);
    let again = [
        "run",
        "rehearsal.yaml",
        "--again",
        "reinstall-providers",
        "--provider",
    ];
    let known = [&again[..], &["msdyn_bigcommerce"]].concat();
    refused(&stage, &mut tenant, &known, &CONFIRMED);
    let unknown = [&again[..], &["no_such_provider"], &CONFIRM].concat();
    refused(&stage, &mut tenant, &unknown, &[Itself(3)]);
    let copy = [&fresh[..], &["--from-capture", "no-such-file"], &CONFIRM].concat();
    refused(&stage, &mut tenant, &copy, &[Itself(1)]);

    let cut = ["state", "cut", "rehearsal.iomcopy.jsonl", "--at", "5"];
    refused(&stage, &mut tenant, &cut, &[UnknownArgument]);
    let held = lock(&stage);
    refused(&stage, &mut tenant, &cut, &[Itself(5)]);
    drop(held);
    let beyond = ["state", "cut", "rehearsal.iomcopy.jsonl", "--at", "999999"];
    refused(&stage, &mut tenant, &beyond, &[Itself(1)]);
    let waive = [
        "complete",
        "rehearsal.yaml",
        "detach-provider-actions/clear",
        "--waive",
        "because",
    ];
    refused(&stage, &mut tenant, &waive, &[UnknownArgument, Itself(3)]);
    let init = [
        "init",
        "--source",
        "Contoso Prod",
        "--target",
        "Contoso UAT",
        "--cloud",
        "rehearsal",
        "--out",
        "rehearsal.yaml",
    ];
    let there = stage.call(&init);
    assert_ne!(there.code, Some(0), "{}", there.stdout);
    let code = there.code.expect("it ends by itself");
    refused(&stage, &mut tenant, &init, &[UnknownArgument, Itself(code)]);
}

#[test]
fn a_starter_runbook_is_not_written_while_the_tenant_is_unreachable() {
    let stage = Stage::new();
    let mut tenant = stage.tenant(&[]);
    let endpoints = tenant.endpoints.clone();
    let init = [
        "init",
        "--source",
        "Contoso Prod",
        "--target",
        "Contoso UAT",
        "--cloud",
        "rehearsal",
        "--endpoints",
        &endpoints,
        "--out",
        "starter.yaml",
    ];
    tenant.kill();
    refused(&stage, &mut tenant, &init, &[Itself(75)]);
    assert!(!stage.path("starter.yaml").exists());
}

#[test]
fn a_waiver_is_refused_while_another_process_holds_the_state_file() {
    let stage = Stage::new();
    let mut tenant = guided::tenant(&stage, &[]);
    drop(stage.run().exits(10));
    let waive = [
        "complete",
        "rehearsal.yaml",
        "reconfigure-connections/platform-references",
        "--waive",
        "the supplier does it tomorrow",
    ];
    let held = lock(&stage);
    refused(&stage, &mut tenant, &waive, &[Itself(5)]);
    let answer = stage.call(&waive).exits(5);
    assert!(answer.stderr.contains("Ctrl-C"), "{}", answer.stderr);
    drop(held);
    // Only the lock refused it.
    drop(stage.call(&waive).exits(0));
}

#[test]
fn a_refused_takeover_changes_nothing() {
    let stage = Stage::new();
    let mut tenant = stage.tenant(&[]);
    let mut child = stage.start();
    // Between two steps, nothing runs in the tenant on its own.
    assert!(stage.wait_for(&mut child, |record| {
        is(record, "step-began", "step", "detach-provider-actions")
    }));
    drop(child.kill());
    drop(child.wait());
    mark_as_left_open(&stage);
    let run = ["run", "rehearsal.yaml"];
    let confirmed = [&run[..], &CONFIRM].concat();
    refused(&stage, &mut tenant, &confirmed, &[Itself(5)]);
    let takeover = ["run", "rehearsal.yaml", "--takeover"];
    let refusals = [WrongName, UnknownArgument, Locked, Unreachable];
    refused(&stage, &mut tenant, &takeover, &refusals);
    let fresh = [&takeover[..], &["--fresh"], &CONFIRM].concat();
    refused(&stage, &mut tenant, &fresh, &[Itself(5)]);
    drop(stage.call(&takeover).exits(0));
}

/// Rewrites the state file as if another machine had opened it and had not closed it.
fn mark_as_left_open(stage: &Stage) {
    let text = fs::read_to_string(stage.state()).expect("the state file can be read");
    let mut previous = "00000000".to_owned();
    let mut lines = String::new();
    for line in text.lines() {
        let record: Value = serde_json::from_str(line).expect("a record is JSON");
        let end = line.rfind(",\"crc\"").expect("a record has a checksum");
        let mut body = line[..end].to_owned();
        if record["type"] == "opened" {
            let host = record["data"]["host"].to_string();
            body = body.replace(&format!("\"host\":{host}"), "\"host\":\"elsewhere\"");
        }
        let old = record["prev"]
            .as_str()
            .expect("a record names the one before");
        body = body.replacen(
            &format!("\"prev\":\"{old}\""),
            &format!("\"prev\":\"{previous}\""),
            1,
        );
        previous = format!("{:08x}", crc32fast::hash(body.as_bytes()));
        lines += &format!("{body},\"crc\":\"{previous}\"}}\n");
    }
    fs::write(stage.state(), lines).expect("the state file can be written");
    // Delete what confirms the old bytes: the mark of the newest record, and the copies of the
    // seals. Both may be missing.
    for entry in fs::read_dir(stage.path(".")).expect("the folder can be read") {
        let path = entry.expect("the entry can be read").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.ends_with(".lock") || name.ends_with(".capture.jsonl") {
            fs::remove_file(&path).expect("the file can be deleted");
        }
    }
}
