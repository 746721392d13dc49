//! The program and the rehearsal tenant as processes, and the tenant's world file.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::{StatVfsMountFlags, statvfs};
use serde_json::Value;

/// How many times faster than real time the tests' tenants run.
pub(crate) const SPEED: u32 = 3000;

/// A directory with a runbook and its files. Deleted at the end.
pub(crate) struct Stage {
    folder: tempfile::TempDir,
}

/// The result of a command.
#[must_use = "a result without an assertion proves nothing"]
#[derive(Debug)]
pub(crate) struct CommandOutput {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl CommandOutput {
    /// Runs a command to its end.
    pub(crate) fn of(command: &mut Command) -> Self {
        let output = command.output().expect("the program can be started");
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Fails unless the errors and notes hold each of these.
    pub(crate) fn warns(&self, parts: &[&str]) {
        for part in parts {
            assert!(self.stderr.contains(part), "{part}: {}", self.stderr);
        }
    }

    /// The token that confirms another attempt, if the output has one.
    pub(crate) fn token(&self) -> Option<String> {
        let outputs = [&self.stdout, &self.stderr].into_iter();
        let mut named = outputs.filter_map(|it| it.split_once("--confirm-repeat "));
        let (_, rest) = named.next()?;
        rest.split_whitespace().next().map(str::to_owned)
    }

    /// Fails unless the exit code is this one.
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(
            self.code,
            Some(code),
            "stdout:\n{}\nstderr:\n{}",
            self.stdout,
            self.stderr
        );
        self
    }
}

/// The rehearsal tenant in its own process.
pub(crate) struct Tenant {
    child: Child,
    /// The `endpoints:` line that it printed, or its document with JSON output.
    pub(crate) endpoints: String,
}

impl Drop for Tenant {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Tenant {
    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Stage {
    /// A directory with the rehearsal's runbook, for the whole tenant in the program's process.
    pub(crate) fn new() -> Self {
        let folder = new_folder().expect("a folder can be made");
        let stage = Self { folder };
        stage.write_runbook(&runbook_text());
        stage
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn runbook(&self) -> PathBuf {
        self.path("rehearsal.yaml")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.path("rehearsal.iomcopy.jsonl")
    }

    pub(crate) fn write_runbook(&self, text: &str) {
        fs::write(self.runbook(), text).expect("the runbook can be written");
    }

    /// A command of the program, with a clean process environment.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_iomcopy"));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("USER", "tester")
            .env("XDG_STATE_HOME", self.path(".state"))
            .stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    pub(crate) fn call(&self, arguments: &[&str]) -> CommandOutput {
        CommandOutput::of(&mut self.command(arguments))
    }

    /// Runs the runbook, confirmed.
    pub(crate) fn run(&self) -> CommandOutput {
        self.call(&["run", "rehearsal.yaml", "--confirm-target", "Contoso UAT"])
    }

    /// Runs the runbook like a person who resumes it: a destructive launch that must be sent again
    /// is confirmed with the token that the program prints.
    pub(crate) fn run_again(&self) -> CommandOutput {
        let answer = self.run();
        match answer.token().filter(|_| answer.code == Some(11)) {
            Some(token) => self.run_with(&["--confirm-repeat", &token]),
            None => answer,
        }
    }

    /// Runs the runbook, confirmed, with more arguments.
    pub(crate) fn run_with(&self, more: &[&str]) -> CommandOutput {
        let mut arguments = vec!["run", "rehearsal.yaml", "--confirm-target", "Contoso UAT"];
        arguments.extend(more);
        self.call(&arguments)
    }

    /// Starts a run and leaves it running.
    pub(crate) fn start(&self) -> Child {
        self.command(&["run", "rehearsal.yaml", "--confirm-target", "Contoso UAT"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program can be started")
    }

    /// Starts the thin tenant in its own process, with its runbook.
    pub(crate) fn tenant(&self, faults: &[&str]) -> Tenant {
        let faults = faults.iter().flat_map(|fault| ["--fault", fault]);
        let arguments: Vec<&str> = ["--seed", "thin"].into_iter().chain(faults).collect();
        self.start_tenant(&thin_text(), &arguments)
    }

    /// The same with the whole tenant, and other arguments.
    pub(crate) fn whole_tenant(&self, more: &[&str]) -> Tenant {
        self.start_tenant(&runbook_text(), more)
    }

    /// Starts a tenant in its own process, with this runbook.
    pub(crate) fn start_tenant(&self, runbook: &str, more: &[&str]) -> Tenant {
        self.tenant_at(SPEED, runbook, more)
    }

    /// The same at another speed.
    pub(crate) fn tenant_at(&self, speed: u32, runbook: &str, more: &[&str]) -> Tenant {
        let speed = speed.to_string();
        let mut arguments = vec!["rehearsal", "--world", "world.jsonl", "--speed", &speed];
        arguments.extend(more);
        let mut command = self.command(&arguments);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the tenant can be started");
        let mut endpoints = String::new();
        let out = child.stdout.take().expect("stdout is piped");
        BufReader::new(out)
            .read_line(&mut endpoints)
            .expect("the tenant prints its endpoints");
        if !endpoints.contains("\"endpoints\"") && !endpoints.starts_with("endpoints:") {
            let mut stderr = String::new();
            drop(
                child
                    .stderr
                    .take()
                    .map(|mut err| err.read_to_string(&mut stderr)),
            );
            panic!("the tenant did not start: {endpoints}{stderr}");
        }
        let endpoints = endpoints.trim().to_owned();
        self.write_runbook(&with_endpoints(runbook, &endpoints));
        Tenant { child, endpoints }
    }

    /// The world of a tenant in its own process.
    pub(crate) fn world(&self) -> World {
        World::read(&self.path("world.jsonl"))
    }

    /// The world of a tenant in the program's process.
    pub(crate) fn in_process_world(&self) -> World {
        World::read(&self.path("rehearsal.world.jsonl"))
    }

    /// Edits the world of a tenant in the program's process while the program does not run: adds a
    /// line to the world file.
    pub(crate) fn edit_in_process_world(&self, puts: &serde_json::Map<String, Value>) {
        edit(&self.path("rehearsal.world.jsonl"), puts);
    }

    /// Edits the world of a tenant in its own process while the tenant is down.
    pub(crate) fn edit_world(&self, puts: &serde_json::Map<String, Value>) {
        edit(&self.path("world.jsonl"), puts);
    }

    /// The complete records of the state file.
    pub(crate) fn records(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.state()).unwrap_or_default();
        text.lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    /// Waits until the state file has a matching record, or the process has ended.
    pub(crate) fn wait_for(&self, child: &mut Child, fits: impl Fn(&Value) -> bool) -> bool {
        let mut records = Tail::of(self.state());
        let began = Instant::now();
        while began.elapsed() < Duration::from_mins(1) {
            let status = child.try_wait().expect("the process can be polled");
            if records.new_lines().iter().any(&fits) {
                return true;
            }
            if status.is_some() {
                return false;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        panic!("the record did not appear in a minute");
    }
}

/// The end of a file of JSON lines to which another process appends: each line is parsed once.
pub(crate) struct Tail {
    path: PathBuf,
    at: u64,
}

impl Tail {
    pub(crate) fn of(path: PathBuf) -> Self {
        Self { path, at: 0 }
    }

    /// The complete lines since the last call. A file that became shorter is read from its start.
    pub(crate) fn new_lines(&mut self) -> Vec<Value> {
        let Ok(mut file) = fs::File::open(&self.path) else {
            return Vec::new();
        };
        let length = file.metadata().map_or(0, |metadata| metadata.len());
        if length < self.at {
            self.at = 0;
        }
        let mut bytes = Vec::new();
        let read = file
            .seek(SeekFrom::Start(self.at))
            .and_then(|_| file.read_to_end(&mut bytes));
        read.expect("the file can be read");
        let whole = bytes.iter().rposition(|byte| *byte == b'\n');
        bytes.truncate(whole.map_or(0, |end| end + 1));
        self.at += bytes.len() as u64;
        bytes
            .split(|byte| *byte == b'\n')
            .filter_map(|line| serde_json::from_slice(line).ok())
            .collect()
    }
}

/// A folder for a test: in memory, where the system has enough of it that can hold programs. A run
/// syncs its files some hundred times, and the tests of one machine share its disk. `TMPDIR` chooses
/// another place.
fn new_folder() -> std::io::Result<tempfile::TempDir> {
    const MEMORY: &str = "/dev/shm";
    const ENOUGH_BYTES: u64 = 2 << 30;
    let is_fit = statvfs(MEMORY).is_ok_and(|found| {
        let free = found.f_bavail.saturating_mul(found.f_frsize);
        free > ENOUGH_BYTES && !found.f_flag.contains(StatVfsMountFlags::NOEXEC)
    });
    if is_fit && std::env::var_os("TMPDIR").is_none() {
        tempfile::tempdir_in(MEMORY)
    } else {
        tempfile::tempdir()
    }
}

/// Runs every case of a long campaign when `IOMCOPY_CAMPAIGN=full` is set; otherwise a sample, so
/// that the whole suite stays short.
pub(crate) fn is_full_campaign() -> bool {
    std::env::var("IOMCOPY_CAMPAIGN").is_ok_and(|value| value == "full")
}

/// The cases of a long campaign that this run of the suite tries: every case when
/// `IOMCOPY_CAMPAIGN=full` is set, otherwise `count` of them, others each day. The day is printed,
/// and `IOMCOPY_SAMPLE=<day>` chooses the same cases again.
#[expect(clippy::print_stdout, reason = "a failed test shows what it printed")]
pub(crate) fn sample<T: Clone>(cases: &[T], count: usize) -> Vec<T> {
    if is_full_campaign() || cases.len() <= count {
        return cases.to_vec();
    }
    let day = sampled_day();
    println!(
        "sample of {count} of {} cases; repeat with IOMCOPY_SAMPLE={day}",
        cases.len()
    );
    let first = day * count % cases.len();
    cases
        .iter()
        .cycle()
        .skip(first)
        .take(count)
        .cloned()
        .collect()
}

/// Whether the case with this number is tried, if the cases are known only as they come: one of
/// `every`, others each day, all of them with `IOMCOPY_CAMPAIGN=full`. `IOMCOPY_SAMPLE=<day>` as
/// above.
#[expect(clippy::print_stdout, reason = "a failed test shows what it printed")]
pub(crate) fn is_sampled(number: usize, every: usize) -> bool {
    let day = sampled_day();
    let is_it = is_full_campaign() || (number + day).is_multiple_of(every);
    if is_it {
        println!("case {number}; repeat with IOMCOPY_SAMPLE={day}");
    }
    is_it
}

fn sampled_day() -> usize {
    std::env::var("IOMCOPY_SAMPLE")
        .ok()
        .and_then(|day| day.parse::<usize>().ok())
        .unwrap_or_else(today)
}

/// Days since 1970.
#[expect(
    clippy::disallowed_methods,
    reason = "the sample changes with the date"
)]
fn today() -> usize {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let seconds = since.expect("the clock is after 1970").as_secs();
    usize::try_from(seconds / 86_400).expect("the number of days is small")
}

/// Appends a line to a world file, like the tenant.
fn edit(path: &Path, puts: &serde_json::Map<String, Value>) {
    let text = fs::read_to_string(path).expect("the world can be read");
    let last: Value = serde_json::from_str(text.lines().last().unwrap_or_default())
        .expect("the last line of the world file is complete");
    let line = serde_json::json!({
        "n": last["n"].as_u64().unwrap_or_default() + 1,
        "at": last["at"],
        "elapsed": last["elapsed"],
        "put": puts,
    });
    let mut file = fs::OpenOptions::new()
        .append(true)
        .open(path)
        .expect("the world can be appended to");
    std::io::Write::write_all(&mut file, format!("{line}\n").as_bytes())
        .expect("the world can be appended to");
}

/// Is this a record of this kind whose data has this text under this key?
pub(crate) fn is(record: &Value, kind: &str, key: &str, text: &str) -> bool {
    record["type"] == kind
        && record["data"][key]
            .as_str()
            .is_some_and(|found| found == text)
}

/// The repository's rehearsal runbook, for the whole tenant. A tenant in the program's process runs
/// as fast as the others: at its own speed, a copy alone takes 5 s, and a third of a run's requests
/// ask whether something has ended.
pub(crate) fn runbook_text() -> String {
    let endpoints = format!("endpoints: {{ speed: {SPEED} }}");
    with_endpoints(&file("runbooks/rehearsal.yaml"), &endpoints)
}

/// The runbook for the thin tenant.
pub(crate) fn thin_text() -> String {
    file("tests/runbooks/thin/rehearsal.yaml")
}

fn file(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(path).expect("the runbook can be read")
}

/// The runbook with another `endpoints:` line.
pub(crate) fn with_endpoints(text: &str, endpoints: &str) -> String {
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with("endpoints:"))
        .collect();
    format!("{}\n{endpoints}\n", lines.join("\n"))
}

/// The tenant's application as a credential of a runbook, with its secret in the variable `SECRET`.
pub(crate) fn client_secret() -> String {
    format!(
        "{{ client-secret: {{ client: {}, secret: {{ env: SECRET }} }} }}",
        iomcopy::rehearsal::CLIENT
    )
}

/// The form body of a token request of the tenant's application for this origin.
pub(crate) fn token_request(origin: &str) -> String {
    format!(
        "grant_type=client_credentials&client_id={}&client_secret={}&scope={}/.default",
        iomcopy::rehearsal::CLIENT,
        iomcopy::rehearsal::SECRET,
        origin.replace(':', "%3A").replace('/', "%2F"),
    )
}

/// The objects of a tenant, and every request that it received.
pub(crate) struct World {
    pub(crate) objects: BTreeMap<String, Value>,
    pub(crate) seed: BTreeMap<String, Value>,
    pub(crate) requests: Vec<Value>,
}

impl World {
    fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).expect("the world can be read");
        let mut world = Self {
            objects: BTreeMap::new(),
            seed: BTreeMap::new(),
            requests: Vec::new(),
        };
        for (number, line) in text.lines().enumerate() {
            let Ok(line) = serde_json::from_str::<Value>(line) else {
                continue;
            };
            for (key, value) in line["put"].as_object().into_iter().flatten() {
                world.objects.insert(key.clone(), value.clone());
            }
            for key in line["delete"].as_array().into_iter().flatten() {
                world.objects.remove(key.as_str().unwrap_or_default());
            }
            if number == 0 {
                world.seed = world.objects.clone();
            } else if line["method"].is_string() {
                world.requests.push(line);
            }
        }
        world
    }

    /// The world before the first request.
    pub(crate) fn at_seed(&self) -> Self {
        Self {
            objects: self.seed.clone(),
            seed: self.seed.clone(),
            requests: Vec::new(),
        }
    }

    /// The target's rows of a table.
    pub(crate) fn rows(&self, table: &str) -> Vec<&Value> {
        self.rows_of("target", table)
    }

    /// One environment's rows of a table.
    pub(crate) fn rows_of(&self, side: &str, table: &str) -> Vec<&Value> {
        rows_in(&self.objects, side, table)
    }

    /// The rows of a table that one side had before the first request.
    pub(crate) fn seeded(&self, side: &str, table: &str) -> Vec<&Value> {
        rows_in(&self.seed, side, table)
    }

    /// An environment by its display name.
    pub(crate) fn environment(&self, name: &str) -> &Value {
        environment_in(&self.objects, name)
    }

    /// The id of the organization of `source` or `target`.
    pub(crate) fn organization(&self, side: &str) -> &str {
        organization_in(&self.objects, side)
    }

    /// The calls to the outside, in their order: `{at, environment, by, host, with, why}`.
    pub(crate) fn calls(&self) -> Vec<&Value> {
        let calls = self.objects.iter();
        calls
            .filter(|(key, _)| key.starts_with("call/"))
            .map(|(_, call)| call)
            .collect()
    }

    /// The number of successful requests with this method and with this text in the path.
    pub(crate) fn count_successful(&self, method: &str, path: &str) -> usize {
        self.count_with(method, path, |status| status < 300)
    }

    /// The number of requests with this method and with this text in the path, with any response.
    pub(crate) fn count_sent(&self, method: &str, path: &str) -> usize {
        self.count_with(method, path, |_| true)
    }

    /// The same with such a status.
    pub(crate) fn count_with(&self, method: &str, path: &str, fits: impl Fn(u64) -> bool) -> usize {
        self.requests
            .iter()
            .filter(|request| {
                request["method"] == method
                    && request["path"]
                        .as_str()
                        .is_some_and(|found| found.contains(path))
                    && request["status"].as_u64().is_some_and(&fits)
            })
            .count()
    }

    /// Every request that may change something: neither a read nor a token request.
    pub(crate) fn writes(&self) -> Vec<&Value> {
        let is_token = |r: &Value| {
            r["path"]
                .as_str()
                .is_some_and(|path| path.contains("/oauth2/"))
        };
        self.requests
            .iter()
            .filter(|r| r["method"] != "GET" && !is_token(r))
            .collect()
    }

    /// The rows and environments without what differs between runs: ids created in the run, times,
    /// versions, jobs, and the tenant's bookkeeping.
    pub(crate) fn comparable_rows(&self) -> Vec<String> {
        let known: BTreeSet<String> = self
            .seed
            .iter()
            .flat_map(|(key, value)| ids(&format!("{key} {value}")))
            .collect();
        let mut lines: Vec<String> = self
            .objects
            .iter()
            .filter(|(key, _)| key.starts_with("row/") || key.starts_with("environment/"))
            .filter(|(key, _)| !key.contains("/asyncoperation/"))
            .map(|(key, value)| {
                let mut value = value.clone();
                strip(&mut value);
                let mut line = without_ports(&format!("{key} {value}"));
                for id in ids(&line) {
                    if !known.contains(&id) {
                        line = line.replace(&id, "<made>");
                    }
                }
                line
            })
            .collect();
        lines.sort();
        lines
    }
}

/// An environment by its display name.
fn environment_in<'a>(objects: &'a BTreeMap<String, Value>, name: &str) -> &'a Value {
    let found = objects.iter().find(|(key, value)| {
        key.starts_with("environment/") && value["properties"]["displayName"] == name
    });
    found
        .map(|(_, environment)| environment)
        .expect("the environment exists")
}

/// The id of the organization of `source` or `target`.
fn organization_in<'a>(objects: &'a BTreeMap<String, Value>, side: &str) -> &'a str {
    let properties = &environment_in(objects, display_name(side))["properties"];
    properties["linkedEnvironmentMetadata"]["resourceId"]
        .as_str()
        .expect("the environment has an organization")
}

/// One environment's rows of a table.
fn rows_in<'a>(objects: &'a BTreeMap<String, Value>, side: &str, table: &str) -> Vec<&'a Value> {
    let prefix = format!("row/{}/{table}/", organization_in(objects, side));
    objects
        .iter()
        .filter(|(key, _)| key.starts_with(&prefix))
        .map(|(_, row)| row)
        .collect()
}

fn display_name(side: &str) -> &'static str {
    if side == "source" {
        "Contoso Prod"
    } else {
        "Contoso UAT"
    }
}

/// The text without the ports of loopback addresses: each tenant has its own.
fn without_ports(text: &str) -> String {
    let mut parts = text.split("127.0.0.1:");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        text + "127.0.0.1" + part.trim_start_matches(|c: char| c.is_ascii_digit())
    })
}

/// Removes what changes with every run.
fn strip(value: &mut Value) {
    const CHANGING: [&str; 14] = [
        "@odata.etag",
        "versionnumber",
        "instanceUrl",
        "instanceApiUrl",
        "createdon",
        "modifiedon",
        "etag",
        "createdTime",
        "lastModifiedTime",
        "uniqueName",
        "resourceId",
        "organizationid",
        "version",
        "startedon",
    ];
    match value {
        Value::Object(members) => {
            members.retain(|key, _| !CHANGING.contains(&key.as_str()));
            members.values_mut().for_each(strip);
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        _ => {}
    }
}

/// Every GUID in a text, as it is written.
fn ids(text: &str) -> BTreeSet<String> {
    let bytes = text.as_bytes();
    let mut found = BTreeSet::new();
    let mut at = 0;
    while at + 36 <= bytes.len() {
        // Texts are long: most places are passed over without a closer look.
        let has_hyphens = [8, 13, 18, 23]
            .iter()
            .all(|offset| bytes[at + offset] == b'-');
        let candidate = text.get(at..at + 36).filter(|_| has_hyphens);
        match candidate.filter(|c| uuid::Uuid::try_parse(c).is_ok()) {
            Some(id) => {
                found.insert(id.to_owned());
                at += 36;
            }
            None => at += 1,
        }
    }
    found
}
