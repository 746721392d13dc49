//! The copy of the state file in Azure Storage, against Microsoft's emulator Azurite: machines that
//! vanish, a second run, a stolen lease, an outage, a sign-in with tokens, and the fleet of a
//! container.
//!
//! Azurite is a package for Node.js, so the tests run only when asked: `.ci/run` installs it and
//! sets `IOMCOPY_AZURITE` to its program `azurite-blob`.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use iomcopy::rehearsal::{CLIENT, SECRET, TENANT_DOMAIN};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::harness::{CommandOutput, Stage, World, client_secret, is, sample};
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
        let (child, port) = start(&[]);
        let azurite = Self { child, port };
        let client = reqwest::Client::builder().no_proxy();
        let request = |client: &reqwest::Client| {
            client.put(format!("{}&restype=container", azurite.container()))
        };
        create(client, request);
        azurite
    }

    /// The container's address with a shared access signature of the account.
    fn container(&self) -> String {
        format!("{}?{}", self.address(), signature())
    }

    /// The container's address.
    fn address(&self) -> String {
        format!("http://127.0.0.1:{}/{ACCOUNT}/runs", self.port)
    }

    /// Uploads a blob.
    fn upload(&self, name: &str, text: &'static str) {
        let url = format!("{}/{name}?{}", self.address(), signature());
        let client = reqwest::Client::builder().no_proxy();
        create(client, |client| {
            let request = client.put(&url).body(text);
            request.header("x-ms-blob-type", "BlockBlob")
        });
    }
}

/// Sends a request that creates something.
fn create(
    client: reqwest::ClientBuilder,
    request: impl Fn(&reqwest::Client) -> reqwest::RequestBuilder,
) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be started");
    let status = runtime.block_on(async {
        let client = client.build().expect("a client can be built");
        let response = request(&client).send().await;
        response.expect("Azurite responds").status()
    });
    assert_eq!(status.as_u16(), 201, "it is created");
}

fn start(more: &[&str]) -> (Child, String) {
    let program = env::var("IOMCOPY_AZURITE");
    let program = program.expect("IOMCOPY_AZURITE is the program azurite-blob");
    let mut child = Command::new(program)
        .args(["--blobHost", "127.0.0.1", "--blobPort", "0"])
        .arg("--inMemoryPersistence")
        // The library speaks a newer version of the protocol than the emulator knows by name.
        .args(["--skipApiVersionCheck", "--disableTelemetry"])
        .args(more)
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
        if let Some((_, address)) = line.split_once("successfully listens on ") {
            let (_, port) = address.trim().rsplit_once(':').expect("it has a port");
            break port.to_owned();
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

    /// Kills the process and deletes the machine with everything on it.
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

/// How many requests of each kind changed something. An id that the run created is not compared.
fn effects(world: &World) -> BTreeMap<String, usize> {
    let mut effects = BTreeMap::new();
    for request in world.writes() {
        let is_done = request["status"]
            .as_u64()
            .is_some_and(|status| status < 300);
        let (Some(method), Some(path)) = (request["method"].as_str(), request["path"].as_str())
        else {
            continue;
        };
        let entity = path.split_once('(').map_or(path, |(entity, rest)| {
            let known = rest.split(')').next().unwrap_or_default();
            let is_known = world.seed.keys().any(|key| key.contains(known));
            if is_known { path } else { entity }
        });
        if is_done {
            *effects.entry(format!("{method} {entity}")).or_default() += 1;
        }
    }
    effects
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
    let world = calm.world();
    let (expected, once) = (world.comparable_rows(), effects(&world));
    assert!(once.len() > 15, "{once:#?}");
    // A machine that has only the runbook shows the run, and downloads its file.
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
        let world = stage.world();
        is_the_same(&world, &expected);
        assert_eq!(effects(&world), once, "at record {point} of {records}");
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
    the_fleet_shows_a_container_and_local_files(&second);
    drop(second.run(&["--takeover"]).exits(0));
    assert_nothing_is_doubled(&stage);
    let requests = stage.world().requests.len();
    signal(&child, "-CONT");
    let output = child.wait_with_output().expect("the run ends");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(5), "{errors}");
    assert!(errors.contains("another process has its lease"), "{errors}");
    let mut later = stage.world().requests.split_off(requests);
    // A sign-in that had begun may end.
    later.retain(|request| {
        let path = request["path"].as_str();
        path.is_none_or(|path| !path.contains("/oauth2/"))
    });
    assert!(
        later.is_empty(),
        "it sent nothing more, not even a read: {later:#?}"
    );
    assert!(!errors.contains("sig="), "{errors}");
}

/// The container has the run of another machine and a blob that is not a state file; the machine has
/// the file of an earlier run.
fn the_fleet_shows_a_container_and_local_files(machine: &Machine<'_>) {
    machine.azurite.upload("damaged.iomcopy.jsonl", "{}\n");
    let file = machine.folder.join("local.iomcopy.jsonl");
    let local = machine.azurite.address();
    fs::copy(machine.folder.join(BLOB), &file).expect("the file can be copied");
    let fleet = |arguments: &[&str]| -> CommandOutput {
        let mut command = machine.command(&["fleet", "--output", "json"]);
        command
            .args(arguments)
            .env("AZURE_STORAGE_SAS_TOKEN", signature());
        CommandOutput::of(&mut command).exits(0)
    };
    let rows = |output: &CommandOutput| -> Vec<(String, String)> {
        assert!(!output.stdout.contains("sig="), "{}", output.stdout);
        let fleet: Value = serde_json::from_str(&output.stdout).expect("it is JSON");
        let runs = fleet["runs"].as_array().expect("a list").iter();
        let text = |run: &Value, key: &str| run[key].as_str().unwrap_or_default().to_owned();
        runs.map(|run| (text(run, "state-file"), text(run, "state")))
            .collect()
    };
    let shown = rows(&fleet(&[&local, "local.iomcopy.jsonl"]));
    let blob = |name: &str| format!("{local}/{name}");
    assert_eq!(shown.len(), 3, "{shown:?}");
    assert_eq!(shown[0], (blob("damaged.iomcopy.jsonl"), String::new()));
    assert!(
        shown.contains(&(blob(BLOB), "running".to_owned())),
        "{shown:?}"
    );
    assert!(shown.iter().any(|(file, _)| file == "local.iomcopy.jsonl"));
    let one = rows(&fleet(&[&blob(BLOB)]));
    assert_eq!(one, [(blob(BLOB), "running".to_owned())]);
    // A runbook names its container, and its variable has the signature.
    let of_runbook = machine.call(&["fleet", "--runbook", "rehearsal.yaml", "--output", "json"]);
    assert_eq!(rows(&of_runbook.exits(0)).len(), 2);
    fs::remove_file(file).expect("the file can be deleted");
}

#[test]
#[ignore = "needs Azurite; .ci/run installs it"]
fn an_outage_stops_the_run_and_the_next_one_resumes() {
    let azurite = Azurite::start();
    let stage = Stage::new();
    let _tenant = stage.tenant(&[]);
    let machine = Machine::new(&stage, &azurite, "machine");
    let mut child = machine.start();
    machine.wait_for(&mut child, copy_is_running);
    // A stopped process accepts connections and does not respond. Later it may process the requests.
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

/// Azurite with tokens, which it takes over TLS only, at the address of an account of Azure Storage:
/// the program reaches that through a proxy.
struct WithTokens {
    _azurite: Azurite,
    proxy: String,
    certificate: PathBuf,
    /// The hosts that the proxy was asked for.
    hosts: Arc<Mutex<Vec<String>>>,
}

const HOST: &str = "iomcopy.blob.core.windows.net";

impl WithTokens {
    fn start(stage: &Stage) -> Self {
        let key = rcgen::KeyPair::generate().expect("a key can be made");
        let parameters = rcgen::CertificateParams::new(vec![HOST.to_owned()]);
        let signed = parameters.expect("the name is valid").self_signed(&key);
        let certificate = stage.path("storage.pem");
        let text = signed.expect("it can be signed").pem();
        fs::write(&certificate, text).expect("the certificate can be written");
        let key_file = stage.path("storage.key");
        fs::write(&key_file, key.serialize_pem()).expect("the key can be written");
        let (child, port) = start(&[
            "--oauth",
            "basic",
            "--cert",
            &certificate.display().to_string(),
            "--key",
            &key_file.display().to_string(),
        ]);
        let hosts = Arc::new(Mutex::new(Vec::new()));
        let storage = Self {
            proxy: start_proxy(format!("127.0.0.1:{port}"), Arc::clone(&hosts)),
            _azurite: Azurite { child, port },
            certificate,
            hosts,
        };
        let text = fs::read(&storage.certificate).expect("the certificate can be read");
        let certificate = reqwest::Certificate::from_pem(&text).expect("it is PEM");
        let proxy = reqwest::Proxy::all(&storage.proxy).expect("the proxy has an address");
        let client = reqwest::Client::builder()
            .tls_certs_merge([certificate])
            .proxy(proxy);
        create(client, |client| {
            let url = format!("https://{HOST}/runs?restype=container");
            client.put(url).bearer_auth(token(STORAGE)).body("")
        });
        storage
    }

    /// A command that reaches the storage account.
    fn command(&self, stage: &Stage, arguments: &[&str]) -> Command {
        let mut command = stage.command(arguments);
        command
            .env("HTTPS_PROXY", &self.proxy)
            .env("SSL_CERT_FILE", &self.certificate)
            .env("SECRET", SECRET);
        command
    }
}

/// A proxy that connects every host with one address. Returns its own address.
fn start_proxy(to: String, hosts: Arc<Mutex<Vec<String>>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it has an address");
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let server = TcpStream::connect(&to).expect("Azurite listens");
            let head = read_head(&client);
            let host = head.split(' ').nth(1).unwrap_or_default().to_owned();
            hosts.lock().expect("no thread panicked").push(host);
            let both = [(&client, &server), (&server, &client)].map(|(from, into)| {
                let clone = |it: &TcpStream| it.try_clone().expect("it can be cloned");
                (clone(from), clone(into))
            });
            drop((&client).write_all(b"HTTP/1.1 200 OK\r\n\r\n"));
            for (mut from, mut into) in both {
                std::thread::spawn(move || {
                    drop(std::io::copy(&mut from, &mut into));
                    drop(into.shutdown(std::net::Shutdown::Write));
                });
            }
        }
    });
    format!("http://{address}")
}

/// The head of a request, byte by byte: what follows belongs to others.
fn read_head(mut client: &TcpStream) -> String {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && client.read_exact(&mut byte).is_ok() {
        head.push(byte[0]);
    }
    String::from_utf8_lossy(&head).into_owned()
}

/// An authority that issues a token for storage for every request. Returns its address, and the
/// bodies that it gets.
fn start_authority() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it has an address");
    let bodies = Arc::new(Mutex::new(Vec::new()));
    let received = Arc::clone(&bodies);
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let head = read_head(&client).to_lowercase();
            let length = head.split("content-length: ").nth(1).unwrap_or("0");
            let length = length.split("\r\n").next().unwrap_or("0").parse();
            let mut body = vec![0; length.unwrap_or(0)];
            drop(client.read_exact(&mut body));
            let text = String::from_utf8_lossy(&body).into_owned();
            received.lock().expect("no thread panicked").push(text);
            let reply = json!({ "token_type": "Bearer", "expires_in": 3599, "access_token": token(STORAGE) });
            let reply = reply.to_string();
            let reply = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\
                 content-length: {}\r\n\r\n{reply}",
                reply.len()
            );
            drop(client.write_all(reply.as_bytes()));
        }
    });
    (format!("http://{address}"), bodies)
}

const STORAGE: &str = "https://storage.azure.com";

/// A token as the authority issues it. Azurite checks all but its signature.
#[expect(
    clippy::disallowed_methods,
    reason = "a token is valid for an hour from now"
)]
fn token(audience: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.expect("the clock is right").as_secs();
    let claims = json!({
        "aud": audience,
        "iss": "https://sts.windows.net/00000000-0000-0000-0000-000000000001/",
        "iat": now - 60,
        "nbf": now - 60,
        "exp": now + 3600,
        "appid": CLIENT,
    });
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let head = part(&json!({ "alg": "RS256", "typ": "JWT" }));
    format!("{head}.{}.{}", part(&claims), URL_SAFE_NO_PAD.encode("x"))
}

#[test]
#[ignore = "needs Azurite; .ci/run installs it"]
fn a_token_opens_the_container_of_a_run_and_of_a_fleet() {
    let stage = Stage::new();
    let _tenant = stage.tenant(&[]);
    let storage = WithTokens::start(&stage);
    let text = fs::read_to_string(stage.runbook()).expect("the runbook can be read");
    stage.write_runbook(&format!(
        "{text}state: {{ azure-blob: \"https://{HOST}/runs\" }}\n\
         identity:\n  tenant: {TENANT_DOMAIN}\n  default: {}\n  \
         state: {{ token: {{ env: STORAGE_TOKEN }} }}\n",
        client_secret()
    ));
    let run = ["run", "rehearsal.yaml", "--confirm-target", "Contoso UAT"];
    // The token of another service is refused before anything is sent.
    let mut command = storage.command(&stage, &run);
    let refused = CommandOutput::of(command.env("STORAGE_TOKEN", token("https://example.com")));
    let refused = refused.exits(4);
    refused.warns(&["the credential is not accepted"]);
    assert_eq!(stage.world().writes().len(), 0);

    let issued = token(STORAGE);
    let mut command = storage.command(&stage, &run);
    let done = CommandOutput::of(command.env("STORAGE_TOKEN", &issued)).exits(0);
    assert!(!done.stderr.contains(&issued) && !done.stdout.contains(&issued));
    assert_nothing_is_doubled(&stage);

    // The state file is in the container, which another machine reads with its workload identity.
    fs::remove_file(stage.state()).expect("the file can be deleted");
    let (authority, bodies) = start_authority();
    let assertion = stage.path("assertion.txt");
    fs::write(&assertion, "assertion-of-the-pod").expect("it can be written");
    let container = format!("https://{HOST}/runs");
    let mut command = storage.command(&stage, &["fleet", &container, "--output", "json"]);
    command
        .env("AZURE_AUTHORITY_HOST", &authority)
        .env("AZURE_TENANT_ID", TENANT_DOMAIN)
        .env("AZURE_CLIENT_ID", CLIENT)
        .env("AZURE_FEDERATED_TOKEN_FILE", &assertion);
    let fleet = CommandOutput::of(&mut command).exits(0);
    let shown: Value = serde_json::from_str(&fleet.stdout).expect("it is JSON");
    assert_eq!(shown["runs"][0]["state"], "finished", "{shown:#}");
    assert_eq!(
        shown["runs"][0]["state-file"],
        format!("{container}/{BLOB}")
    );
    let bodies = bodies.lock().expect("no thread panicked");
    assert_eq!(bodies.len(), 1, "one sign-in: {bodies:?}");
    for part in [
        "scope=https%3A%2F%2Fstorage.azure.com%2F.default",
        "assertion-of-the-pod",
    ] {
        assert!(bodies[0].contains(part), "{part}: {bodies:?}");
    }
    let hosts = storage.hosts.lock().expect("no thread panicked");
    assert!(
        hosts.iter().all(|host| host == &format!("{HOST}:443")),
        "{hosts:?}"
    );
}
