//! The copy of the state file in Azure Storage, against Microsoft's emulator Azurite: machines that
//! vanish, a second run, a stolen lease, an outage.
//!
//! Azurite is a package for Node.js, so the tests run only when asked: `.ci/run` installs it and
//! sets `IOMCOPY_AZURITE` to its program `azurite-blob`.

use std::env;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::harness::{CommandOutput, Stage, is, sample};
use crate::kills::is_the_same;
use crate::thin_run::assert_world_is_refreshed;

const ACCOUNT: &str = "iomcopy";
const KEY: [u8; 32] = [7; 32];
const BLOB: &str = "rehearsal.iomcopy.jsonl";

/// Azurite in its own process.
struct Azurite {
    child: Child,
    port: String,
}

impl Drop for Azurite {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Azurite {
    /// Starts it with one empty container.
    fn start() -> Self {
        let (child, port) = start();
        let azurite = Self { child, port };
        let url = format!("{}&restype=container", azurite.container());
        let runtime = tokio::runtime::Runtime::new().expect("a runtime can be started");
        let status = runtime.block_on(async {
            let client = reqwest::Client::builder().no_proxy().build();
            let request = client.expect("a client can be built").put(url).body("");
            request.send().await.expect("Azurite responds").status()
        });
        assert_eq!(status.as_u16(), 201, "the container is created");
        azurite
    }

    /// The container's address with a shared access signature of the account.
    fn container(&self) -> String {
        format!(
            "http://127.0.0.1:{}/{ACCOUNT}/runs?{}",
            self.port,
            signature()
        )
    }
}

fn start() -> (Child, String) {
    let program = env::var("IOMCOPY_AZURITE");
    let program = program.expect("IOMCOPY_AZURITE is the program azurite-blob");
    let mut child = Command::new(program)
        .args(["--blobHost", "127.0.0.1", "--blobPort", "0"])
        .arg("--inMemoryPersistence")
        // The library speaks a newer version of the protocol than the emulator knows by name.
        .args(["--skipApiVersionCheck", "--disableTelemetry"])
        .env(
            "AZURITE_ACCOUNTS",
            format!("{ACCOUNT}:{}", STANDARD.encode(KEY)),
        )
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("Azurite can be started");
    let mut out = BufReader::new(child.stdout.take().expect("stdout is piped"));
    let mut line = String::new();
    let port = loop {
        line.clear();
        let read = out.read_line(&mut line).expect("Azurite prints");
        assert!(read > 0, "Azurite did not start");
        if let Some((_, address)) = line.split_once("successfully listens on http://127.0.0.1:") {
            break address.trim().to_owned();
        }
    };
    // Its log of requests must not fill the pipe.
    std::thread::spawn(move || std::io::copy(&mut out, &mut std::io::sink()));
    (child, port)
}

/// A shared access signature of the account (Microsoft Learn, *Create an account SAS*).
fn signature() -> String {
    let (permissions, expiry, version) = ("rwdlac", "2099-01-01T00:00:00Z", "2021-12-02");
    let text = [
        ACCOUNT,
        permissions,
        "b",
        "co",
        "",
        expiry,
        "",
        "https,http",
        version,
        "",
        "",
    ]
    .join("\n");
    let signed = STANDARD.encode(hmac(&KEY, text.as_bytes()));
    let signed: String = url::form_urlencoded::byte_serialize(signed.as_bytes()).collect();
    format!(
        "sv={version}&ss=b&srt=co&sp={permissions}&se=2099-01-01T00%3A00%3A00Z&spr=https,http&sig={signed}"
    )
}

/// HMAC-SHA256 with a key of at most 64 bytes (RFC 2104).
fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let pad = |with: u8| -> Vec<u8> {
        (0..64)
            .map(|at| key.get(at).copied().unwrap_or(0) ^ with)
            .collect()
    };
    let inner = Sha256::digest([pad(0x36), text.to_vec()].concat());
    Sha256::digest([pad(0x5c), inner.to_vec()].concat()).to_vec()
}

/// A machine: a directory with the runbook, which can be deleted.
struct Machine<'a> {
    stage: &'a Stage,
    azurite: &'a Azurite,
    folder: PathBuf,
}

impl<'a> Machine<'a> {
    fn new(stage: &'a Stage, azurite: &'a Azurite, name: &str) -> Self {
        let folder = stage.path(name);
        fs::create_dir(&folder).expect("a folder can be made");
        let text = fs::read_to_string(stage.runbook()).expect("the runbook can be read");
        let text = format!("{text}state: {{ azure-blob: {{ env: STATE_CONTAINER }} }}\n");
        fs::write(folder.join("rehearsal.yaml"), text).expect("the runbook can be written");
        Self {
            stage,
            azurite,
            folder,
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.stage.command(arguments);
        command
            .current_dir(&self.folder)
            .env("STATE_CONTAINER", self.azurite.container())
            .env("XDG_STATE_HOME", self.folder.join(".state"));
        command
    }

    fn call(&self, arguments: &[&str]) -> CommandOutput {
        CommandOutput::of(&mut self.command(arguments))
    }

    /// Runs like a person who resumes, also a launch that must be confirmed once more.
    fn run(&self, more: &[&str]) -> CommandOutput {
        let mut arguments = vec!["run", "rehearsal.yaml", "--confirm-target", "Contoso UAT"];
        arguments.extend(more);
        let answer = self.call(&arguments);
        let Some(token) = answer.token().filter(|_| answer.code == Some(11)) else {
            return answer;
        };
        arguments.extend(["--confirm-repeat", &token]);
        self.call(&arguments)
    }

    fn start(&self) -> Child {
        self.command(&["run", "rehearsal.yaml", "--confirm-target", "Contoso UAT"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program can be started")
    }

    fn records(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.folder.join(BLOB)).unwrap_or_default();
        let records = text
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok());
        records.collect()
    }

    /// Waits until the state file is as wanted, or the process has ended.
    fn wait_for(&self, child: &mut Child, fits: impl Fn(&[Value]) -> bool) {
        let began = Instant::now();
        while !fits(&self.records()) {
            let ended = child.try_wait().expect("the process can be polled");
            if ended.is_some() {
                return;
            }
            assert!(began.elapsed() < Duration::from_mins(1), "no such record");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// The machine and everything on it is gone.
    fn vanish(self, mut child: Child) {
        drop(child.kill());
        drop(child.wait());
        fs::remove_dir_all(&self.folder).expect("the folder can be deleted");
    }
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill")
        .args([name, &child.id().to_string()])
        .status();
    assert!(sent.expect("kill can be started").success(), "{name}");
}

fn copy_is_running(records: &[Value]) -> bool {
    records.iter().any(|record| record["type"] == "launched")
}

fn assert_nothing_is_doubled(stage: &Stage) {
    let world = stage.world();
    assert_world_is_refreshed(&world);
    assert_eq!(world.count_successful("POST", "/copy"), 1, "one copy");
    let deletes = world.count_successful("DELETE", "msdyn_iomproviders(");
    assert_eq!(deletes, 1, "one delete");
}

#[test]
#[ignore = "needs Azurite; .ci/run installs it"]
fn a_run_whose_machine_is_gone_is_resumed_elsewhere() {
    let azurite = Azurite::start();
    let calm = Stage::new();
    let calm_tenant = calm.tenant(&[]);
    let machine = Machine::new(&calm, &azurite, "calm");
    drop(machine.run(&[]).exits(0));
    let records = machine.records().len();
    let expected = calm.world().comparable_rows();
    // A machine that has only the runbook shows the run, and takes up what it left.
    let reader = Machine::new(&calm, &azurite, "reader");
    let shown = reader.call(&["status", "rehearsal.yaml"]).exits(0);
    assert!(shown.stdout.contains("finished"), "{}", shown.stdout);
    let file = |machine: &Machine| fs::read(machine.folder.join(BLOB)).expect("the file is there");
    assert_eq!(file(&reader), file(&machine));
    drop(calm_tenant);

    let points: Vec<usize> = (1..=50)
        .map(|point| 2 + point * (records - 2) / 51)
        .collect();
    for point in sample(&points, 3) {
        let azurite = Azurite::start();
        let stage = Stage::new();
        let _tenant = stage.tenant(&[]);
        let first = Machine::new(&stage, &azurite, "first");
        let mut child = first.start();
        first.wait_for(&mut child, |records| records.len() >= point);
        first.vanish(child);
        let second = Machine::new(&stage, &azurite, "second");
        // Without --takeover, the next machine waits for the end of the lease.
        drop(second.run(&["--takeover"]).exits(0));
        assert_nothing_is_doubled(&stage);
        is_the_same(&stage.world(), &expected);
    }
}

#[test]
#[ignore = "needs Azurite; .ci/run installs it"]
fn one_of_two_runs_wins_and_a_stolen_lease_stops_the_other() {
    let azurite = Azurite::start();
    let stage = Stage::new();
    let _tenant = stage.tenant(&[]);
    let first = Machine::new(&stage, &azurite, "first");
    let second = Machine::new(&stage, &azurite, "second");
    let mut child = first.start();
    first.wait_for(&mut child, copy_is_running);
    signal(&child, "-STOP");
    let refused = second.run(&[]).exits(5);
    refused.warns(&["another process has its lease", "--takeover"]);
    let shown = second.call(&["status", "rehearsal.yaml"]).exits(0);
    assert!(shown.stdout.contains("running"), "{}", shown.stdout);
    drop(second.run(&["--takeover"]).exits(0));
    assert_nothing_is_doubled(&stage);
    let writes = stage.world().writes().len();
    signal(&child, "-CONT");
    let output = child.wait_with_output().expect("the run ends");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(5), "{errors}");
    assert!(errors.contains("another process has its lease"), "{errors}");
    assert_eq!(stage.world().writes().len(), writes, "it sent nothing more");
    assert!(!errors.contains("sig="), "{errors}");
}

#[test]
#[ignore = "needs Azurite; .ci/run installs it"]
fn an_outage_stops_the_run_and_the_next_one_goes_on() {
    let azurite = Azurite::start();
    let stage = Stage::new();
    let _tenant = stage.tenant(&[]);
    let machine = Machine::new(&stage, &azurite, "machine");
    let mut child = machine.start();
    machine.wait_for(&mut child, copy_is_running);
    // It takes connections and does not respond; later it may process what was sent to it.
    signal(&azurite.child, "-STOP");
    let output = child.wait_with_output().expect("the run ends");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(75), "{errors}");
    assert_eq!(stage.world().count_successful("POST", "/copy"), 1);
    let has_begun = |record: &Value| is(record, "step-began", "step", "activate-flows");
    signal(&azurite.child, "-CONT");
    assert!(!machine.records().iter().any(has_begun));
    drop(machine.run(&["--takeover"]).exits(0));
    assert_nothing_is_doubled(&stage);
}
