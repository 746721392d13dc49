//! Each kind of credential against a rehearsal tenant in its own process, and each of its failures:
//! the exit code, and the remedy in the message.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use iomcopy::rehearsal::{CLIENT, MACHINE_KEY, PASSWORD, SECRET, SERVICE_CONNECTION, TENANT};
use serde_json::{Value, json};

use crate::edits::probes;
use crate::harness::{CommandOutput, Stage, Tenant, thin_text};

const ADA: &str = "ada@contoso.com";

/// A tenant in its own process, and a runbook that signs in to it.
struct Bench {
    stage: Stage,
    tenant: Tenant,
}

impl Bench {
    /// At real speed: an assertion is valid for minutes.
    fn new() -> Self {
        Self::at(1)
    }

    fn at(speed: u32) -> Self {
        let stage = Stage::new();
        let tenant = stage.tenant_at(speed, &thin_text(), &["--seed", "thin"]);
        Self { stage, tenant }
    }

    /// The origin of one of the tenant's listeners.
    fn origin(&self, listener: &str) -> String {
        let ports = &self.stage.world().objects["ports"];
        format!("http://127.0.0.1:{}", ports[listener])
    }

    /// The scopes of a run's token requests, by the runbook's keys.
    fn scopes(&self) -> Vec<(&'static str, String)> {
        let own = |listener| format!("{}/.default", self.origin(listener));
        vec![
            (
                "power-platform",
                "https://api.powerplatform.com/.default".to_owned(),
            ),
            ("bap", "https://service.powerapps.com/.default".to_owned()),
            ("dataverse-source", own("dataverse-source")),
            ("dataverse-target", own("dataverse-target")),
            ("finops", own("finance-operations-target")),
        ]
    }

    /// Writes the runbook with this `identity`.
    fn sign_in(&self, credentials: &str) {
        let text = fs::read_to_string(self.stage.runbook()).expect("the runbook can be read");
        let head = text.split("\nidentity:").next().unwrap_or_default();
        let identity = format!("identity: {{ tenant: {TENANT}, {credentials} }}");
        self.stage
            .write_runbook(&format!("{}\n{identity}\n", head.trim_end()));
    }

    /// Calls `preflight` with these environment variables.
    fn preflight(&self, variables: &[(&str, &str)]) -> CommandOutput {
        let mut command = self
            .stage
            .command(&["preflight", "rehearsal.yaml", "--output", "json"]);
        let output = command
            .envs(variables.iter().copied())
            .output()
            .expect("the program can be started");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let answer = CommandOutput {
            code: output.status.code(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        };
        let all = format!("{}{}", answer.stdout, answer.stderr);
        // The last is the prefix of the tenant's own tokens and assertions.
        for secret in [SECRET, MACHINE_KEY, PASSWORD, "eyJ0eXAi"] {
            assert!(!all.contains(secret), "a secret is shown: {all}");
        }
        answer
    }

    /// Sends a request over a plain socket.
    fn ask(&self, listener: &str, head: &str, body: &str) -> Value {
        let origin = self.origin(listener);
        let address = origin.trim_start_matches("http://");
        let mut stream = TcpStream::connect(address).expect("the tenant listens");
        let length = body.len();
        let request = format!(
            "{head}\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        stream
            .write_all(request.as_bytes())
            .expect("the request can be sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        let (_, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
        serde_json::from_str(body).unwrap_or_else(|_| panic!("{answer}"))
    }

    /// Requests a user's token with name and password.
    fn persons_token(&self, scope: &str) -> String {
        let form = |text: &str| -> String {
            url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
        };
        let body = format!(
            "grant_type=password&client_id=native&username={}&password={}&scope={}",
            form(ADA),
            form(PASSWORD),
            form(scope)
        );
        let head = format!(
            "POST /{TENANT}/oauth2/v2.0/token HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded"
        );
        let answer = self.ask("authority", &head, &body);
        let token = answer["access_token"].as_str();
        token.unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    /// Writes a user's token for each scope to a file, for programs that print it.
    fn write_tokens(&self) {
        let folder = self.stage.path("tokens");
        fs::create_dir_all(&folder).expect("a folder can be made");
        let source = format!("{}/.default", self.origin("finance-operations-source"));
        let scopes = self.scopes().into_iter().map(|(_, scope)| scope);
        for scope in scopes.chain([source]) {
            let token = self.persons_token(&scope);
            fs::write(folder.join(file_of(&scope)), token).expect("it can be written");
        }
    }

    /// Writes a program to the folder `bin`.
    fn program(&self, name: &str, lines: &str) {
        let folder = self.stage.path("bin");
        fs::create_dir_all(&folder).expect("a folder can be made");
        let path = folder.join(name);
        fs::write(&path, format!("#!/bin/sh\n{lines}\n")).expect("it can be written");
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(path, mode).expect("its mode can be set");
    }

    /// The PATH with the folder `bin` first.
    fn path(&self) -> String {
        format!("{}:/usr/bin:/bin", self.stage.path("bin").display())
    }

    /// Edits the world while the tenant is down.
    fn edit(&mut self, edit: impl Fn(&mut serde_json::Map<String, Value>, &crate::harness::World)) {
        self.tenant.kill();
        let mut puts = serde_json::Map::new();
        edit(&mut puts, &self.stage.world());
        self.stage.edit_world(&puts);
        let text = fs::read_to_string(self.stage.runbook()).expect("the runbook can be read");
        self.tenant = self.stage.tenant_at(1, &thin_text(), &[]);
        self.stage.write_runbook(&text);
    }
}

fn file_of(scope: &str) -> String {
    scope.replace(|c: char| !c.is_ascii_alphanumeric(), "_")
}

/// The check whose name contains a text.
fn probe(answer: &CommandOutput, name: &str) -> Value {
    let found = probes(answer).into_iter().find(|probe| {
        probe["probe"]
            .as_str()
            .is_some_and(|probe| probe.contains(name))
    });
    found.unwrap_or_else(|| panic!("no probe '{name}' in {}", answer.stdout))
}

/// Fails unless the exit code is 4 and the output contains each of these texts.
fn refused(answer: CommandOutput, says: &[&str]) {
    let answer = answer.exits(4);
    let all = format!("{}{}", answer.stdout, answer.stderr);
    for said in says {
        assert!(all.contains(said), "'{said}' is missing:\n{all}");
    }
}

#[test]
fn a_client_secret_signs_in_and_an_invalid_one_is_explained() {
    let bench = Bench::new();
    let secret =
        format!("default: {{ client-secret: {{ client: {CLIENT}, secret: {{ env: S }} }} }}");
    bench.sign_in(&secret);
    let answer = bench.preflight(&[("S", SECRET)]).exits(0);
    let lasting = probe(&answer, "the client-secret credential of");
    assert_eq!(lasting["verdict"], "pass");
    assert!(
        lasting["probe"]
            .as_str()
            .is_some_and(|text| text.contains("`dataverse-target`"))
    );
    let wrong = bench.preflight(&[("S", "not-it")]);
    let parts = [
        "AADSTS7000215",
        "write its value, not its id",
        "the environment variable S",
    ];
    refused(wrong, &parts);
    let missing = bench.preflight(&[]).exits(3);
    assert!(
        missing.stderr.contains("`S` is not set"),
        "{}",
        missing.stderr
    );
}

/// The number of issued tokens, and for each assertion whether it was used.
fn token_counts(bench: &Bench) -> (u64, Vec<bool>) {
    let world = bench.stage.world();
    let used = world
        .objects
        .iter()
        .filter(|(key, _)| key.starts_with("assertion/"));
    let used = used
        .map(|(_, assertion)| assertion["used"] == true)
        .collect();
    (
        world.objects["counter/tokens"].as_u64().unwrap_or_default(),
        used,
    )
}

#[test]
fn a_github_job_requests_each_token_with_a_new_assertion() {
    let bench = Bench::new();
    bench.sign_in(&format!(
        "default: {{ github-oidc: {{ client: {CLIENT} }} }}"
    ));
    let url = format!("{}/github/idtoken?api-version=2.0", bench.origin("machine"));
    let job = [
        ("ACTIONS_ID_TOKEN_REQUEST_URL", url.as_str()),
        ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", MACHINE_KEY),
    ];
    let answer = bench.preflight(&job).exits(0);
    let lasting = probe(&answer, "the github-oidc credential");
    assert_eq!(lasting["verdict"], "unknown");
    assert!(
        lasting["read"]
            .as_str()
            .is_some_and(|read| read.contains("ends with the job"))
    );
    let (tokens, used) = token_counts(&bench);
    assert!(tokens >= 5, "{tokens}");
    assert_eq!(used.len() as u64, tokens);
    assert!(used.iter().all(|used| *used));

    let ended = [
        job[0],
        ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "of-an-ended-job"),
    ];
    refused(
        bench.preflight(&ended),
        &["GitHub Actions", "id-token: write"],
    );
    let outside = bench.preflight(&[]).exits(3);
    assert!(
        outside.stderr.contains("ACTIONS_ID_TOKEN_REQUEST_URL"),
        "{}",
        outside.stderr
    );
    bench.sign_in(&format!(
        "default: {{ github-oidc: {{ client: {CLIENT}, audience: \"api://other\" }} }}"
    ));
    refused(
        bench.preflight(&job),
        &["AADSTS700212", "api://AzureADTokenExchange"],
    );
}

#[test]
fn a_service_connection_of_azure_pipelines_signs_in() {
    let bench = Bench::new();
    let credential = |connection: &str| {
        format!(
            "default: {{ azure-pipelines: {{ client: {CLIENT}, service-connection: {connection} }} }}"
        )
    };
    bench.sign_in(&credential(SERVICE_CONNECTION));
    let url = format!(
        "{}/contoso/_apis/distributedtask/hubs/build/plans/1/jobs/1/oidctoken",
        bench.origin("machine")
    );
    let job = [
        ("SYSTEM_OIDCREQUESTURI", url.as_str()),
        ("SYSTEM_ACCESSTOKEN", MACHINE_KEY),
    ];
    drop(bench.preflight(&job).exits(0));
    let (tokens, used) = token_counts(&bench);
    assert_eq!(used.len() as u64, tokens);
    assert!(used.iter().all(|used| *used));
    refused(
        bench.preflight(&[job[0], ("SYSTEM_ACCESSTOKEN", "wrong")]),
        &["Azure Pipelines", "System.AccessToken"],
    );
    bench.sign_in(&credential("another"));
    refused(bench.preflight(&job), &["service connection's id"]);
}

#[test]
fn a_pods_federated_file_signs_in() {
    let bench = Bench::new();
    let head = format!(
        "POST /api/v1/namespaces/default/serviceaccounts/iomcopy/token HTTP/1.1\r\nAuthorization: Bearer {MACHINE_KEY}"
    );
    let answer = bench.ask(
        "machine",
        &head,
        r#"{"spec":{"audiences":["api://AzureADTokenExchange"]}}"#,
    );
    let assertion = answer["status"]["token"]
        .as_str()
        .expect("the response has a token");
    fs::write(bench.stage.path("pod-token"), assertion).expect("it can be written");
    bench.sign_in("default: { workload-identity: { token-file: pod-token } }");
    let pod = [("AZURE_CLIENT_ID", CLIENT)];
    drop(bench.preflight(&pod).exits(0));
    fs::write(bench.stage.path("pod-token"), "not-an-assertion").expect("it can be written");
    refused(bench.preflight(&pod), &["AADSTS50013", "issuer"]);
    fs::remove_file(bench.stage.path("pod-token")).expect("it can be removed");
    let gone = bench.preflight(&pod).exits(3);
    assert!(
        gone.stderr.contains("pod-token cannot be read"),
        "{}",
        gone.stderr
    );
}

#[test]
fn an_expired_assertion_is_explained() {
    let bench = Bench::at(3000);
    let head = format!(
        "POST /api/v1/namespaces/default/serviceaccounts/iomcopy/token HTTP/1.1\r\nAuthorization: Bearer {MACHINE_KEY}"
    );
    let answer = bench.ask("machine", &head, "");
    let assertion = answer["status"]["token"]
        .as_str()
        .expect("the response has a token");
    fs::write(bench.stage.path("pod-token"), assertion).expect("it can be written");
    bench.sign_in(&format!(
        "default: {{ workload-identity: {{ client: {CLIENT}, token-file: pod-token }} }}"
    ));
    // One hour at this speed.
    std::thread::sleep(Duration::from_millis(1_300));
    refused(bench.preflight(&[]), &["AADSTS700024", "must renew it"]);
}

#[test]
fn a_managed_identity_signs_in_on_a_virtual_machine_and_on_app_service() {
    let bench = Bench::new();
    bench.sign_in("default: { managed-identity: {} }");
    let machine = bench.origin("machine");
    let virtual_machine = [("AZURE_POD_IDENTITY_AUTHORITY_HOST", machine.as_str())];
    drop(bench.preflight(&virtual_machine).exits(0));
    let count_successful = bench
        .stage
        .world()
        .count_successful("GET", "/metadata/identity/oauth2/token");
    assert!(count_successful >= 5, "{count_successful}");
    let endpoint = format!("{machine}/msi/token");
    let service = [
        ("IDENTITY_ENDPOINT", endpoint.as_str()),
        ("IDENTITY_HEADER", MACHINE_KEY),
    ];
    drop(bench.preflight(&service).exits(0));
    assert!(bench.stage.world().count_successful("GET", "/msi/token") >= 5);

    let other = "default: { managed-identity: { client: 0f0f0f0f-0000-4000-8000-000000000000 } }";
    bench.sign_in(other);
    refused(
        bench.preflight(&virtual_machine),
        &["Identity not found", "assign the identity to this machine"],
    );
    let elsewhere = [("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:9")];
    refused(bench.preflight(&elsewhere), &["Azure's machines"]);
    let foreign = [
        ("IDENTITY_ENDPOINT", "http://evil.example/msi/token"),
        ("IDENTITY_HEADER", MACHINE_KEY),
    ];
    let foreign = bench.preflight(&foreign).exits(3);
    assert!(
        foreign.stderr.contains("not on this machine"),
        "{}",
        foreign.stderr
    );
}

/// An `az` that prints the written token for its scope.
const AZ: &str = r#"[ "$1 $2" = "account get-access-token" ] || { echo "what? $*" >&2; exit 2; }
while [ $# -gt 0 ]; do [ "$1" = --scope ] && scope=$2; shift; done
file=$TOKENS/$(printf %s "$scope" | tr -c 'A-Za-z0-9' _)
[ -f "$file" ] || { echo "ERROR: AADSTS500011: The resource principal named $scope was not found" >&2; exit 1; }
printf '{"accessToken":"%s","expires_on":%s,"tokenType":"Bearer"}' "$(cat "$file")" $(($(date +%s) + 3599))"#;

#[test]
fn a_person_signed_in_with_the_azure_cli_is_accepted() {
    let bench = Bench::new();
    bench.write_tokens();
    bench.sign_in("default: { azure-cli: {} }");
    let (path, tokens) = (
        bench.path(),
        bench.stage.path("tokens").display().to_string(),
    );
    let variables = [("PATH", path.as_str()), ("TOKENS", tokens.as_str())];
    refused(bench.preflight(&variables), &["`az` is not on the PATH"]);
    bench.program("az", AZ);
    drop(bench.preflight(&variables).exits(0));
    let callers: Vec<Value> = bench.stage.world().requests.into_iter().collect();
    let by_ada = callers
        .iter()
        .filter(|request| request["caller"] == ADA)
        .count();
    assert!(by_ada > 20, "{by_ada} requests are Ada's");

    bench.program(
        "az",
        "echo \"ERROR: Please run 'az login' to setup account.\" >&2; exit 1",
    );
    refused(
        bench.preflight(&variables),
        &["Please run 'az login'", "az login --tenant"],
    );
    bench.program("az", "echo 'not a token at all'");
    refused(
        bench.preflight(&variables),
        &["the Azure CLI", "printed no token"],
    );
}

#[test]
fn a_token_command_signs_in_and_its_failures_are_reported() {
    let bench = Bench::new();
    bench.write_tokens();
    bench.sign_in("default: { token-command: [bin/token.sh] }");
    refused(bench.preflight(&[]), &["bin/token.sh", "cannot be started"]);
    bench.program(
        "token.sh",
        "cat \"$(dirname \"$0\")/../tokens/$(printf %s \"$IOMCOPY_SCOPE\" | tr -c 'A-Za-z0-9' _)\"",
    );
    drop(bench.preflight(&[]).exits(0));
    bench.program("token.sh", "echo 'the vault is sealed' >&2; exit 7");
    refused(
        bench.preflight(&[]),
        &["exit status: 7", "the vault is sealed"],
    );
    bench.program("token.sh", "echo 'Logging in ...'; echo done");
    refused(
        bench.preflight(&[]),
        &["not a single token", "belongs on its stderr"],
    );
    bench.program(
        "token.sh",
        "cat \"$(dirname \"$0\")/../tokens/https___api_powerplatform_com__default\"",
    );
    refused(
        bench.preflight(&[]),
        &["for https://api.powerplatform.com", "its own credential"],
    );
}

#[test]
fn a_token_command_that_hangs_is_stopped_after_a_minute() {
    let bench = Bench::new();
    bench.program("token.sh", "sleep 600");
    bench.sign_in("default: { token-command: [bin/token.sh] }");
    refused(
        bench.preflight(&[]),
        &["still running after 1 min", "without asking"],
    );
}

/// A `token` for each service, each in its own variable.
fn fixed_tokens(bench: &Bench) -> Vec<(String, String)> {
    let mut credentials = Vec::new();
    let mut variables = Vec::new();
    for (key, scope) in bench.scopes() {
        let variable = key.replace('-', "_").to_uppercase();
        credentials.push(format!("{key}: {{ token: {{ env: {variable} }} }}"));
        variables.push((variable, bench.persons_token(&scope)));
    }
    bench.sign_in(&credentials.join(", "));
    variables
}

fn borrowed(variables: &[(String, String)]) -> Vec<(&str, &str)> {
    variables
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect()
}

#[test]
fn fixed_tokens_serve_one_service_each_and_expire() {
    let bench = Bench::new();
    let mut variables = fixed_tokens(&bench);
    let answer = bench.preflight(&borrowed(&variables)).exits(0);
    let one = probe(&answer, "the `token` of `bap` is for that service");
    assert_eq!(
        (&one["verdict"], &one["read"]),
        (&json!("pass"), &json!("https://service.powerapps.com"))
    );
    let lasting = probe(&answer, "the token credential of `bap` lasts");
    assert_eq!(lasting["verdict"], "unknown");
    assert_eq!(lasting["read"], "59 min are left; a refresh may take 8 h");
    // The token of another service.
    let other = variables[0].1.clone();
    variables[1].1 = other;
    refused(
        bench.preflight(&borrowed(&variables)),
        &[
            "wrong audience",
            "for https://api.powerplatform.com",
            "its own credential",
        ],
    );

    let fast = Bench::at(3000);
    let variables = fixed_tokens(&fast);
    std::thread::sleep(Duration::from_millis(1_300));
    refused(
        fast.preflight(&borrowed(&variables)),
        &["has expired", "provide a new one"],
    );
}

/// The world's key of the tenant's application.
fn application() -> String {
    format!("principal/{CLIENT}")
}

/// Sets a member of the application in the tenant's directory.
fn with(bench: &mut Bench, member: &str, value: &Value) {
    bench.edit(|puts, world| {
        let mut principal = world.objects[&application()].clone();
        principal[member] = value.clone();
        puts.insert(application(), principal);
    });
}

#[test]
fn a_sign_in_that_the_directory_refuses_is_explained() {
    let mut bench = Bench::new();
    for (hindrance, says) in [
        ("blocked", ["AADSTS53003", "conditional access policy"]),
        (
            "challenged",
            ["insufficient_claims", "continuous access evaluation"],
        ),
        ("disabled", ["AADSTS7000112", "is disabled"]),
        ("secret-ended", ["AADSTS7000222", "create a new one"]),
    ] {
        with(&mut bench, "hindrance", &json!(hindrance));
        refused(bench.preflight(&[]), &says);
    }
}

#[test]
fn an_unregistered_management_application_gets_the_remedy() {
    let mut bench = Bench::new();
    with(&mut bench, "administrator", &json!(false));
    refused(
        bench.preflight(&[]),
        &[
            "The service principal with id",
            "pac admin application register",
        ],
    );
}

/// Replaces or removes the application's role in the source.
fn roles(bench: &mut Bench, role: Option<&str>) {
    bench.edit(|puts, world| {
        let id = |row: &Value, column: &str| row[column].as_str().unwrap_or_default().to_owned();
        let users = world.rows_of("source", "systemuser");
        let user = users.iter().find(|user| user["applicationid"] == CLIENT);
        let user = id(user.expect("the application is a user"), "systemuserid");
        let named = world
            .rows_of("source", "role")
            .into_iter()
            .find(|row| Some(id(row, "name").as_str()) == role);
        for (key, row) in &world.objects {
            let is_role = key.contains("0a110000") && key.contains("/systemuserroles/");
            if is_role && id(row, "systemuserid") == user {
                let mut row = row.clone();
                match named {
                    Some(named) => row["roleid"] = json!(id(named, "roleid")),
                    None => row["systemuserid"] = json!("0f0f0f0f-0000-4000-8000-000000000000"),
                }
                puts.insert(key.clone(), row);
            }
        }
        assert!(!puts.is_empty());
    });
}

#[test]
fn a_403_of_the_service_is_explained_by_preflight() {
    let survives = "the caller is System Administrator in the source";
    let why = |bench: &Bench| probe(&bench.preflight(&[]).exits(4), survives);
    let says = |finding: &Value, read: &str, remedy: &str| {
        let text = |member: &str| finding[member].as_str().unwrap_or_default().to_owned();
        assert_eq!(finding["verdict"], "fail");
        assert!(text("read").contains(read), "{finding}");
        assert!(text("remedy").contains(remedy), "{finding}");
    };
    // An insufficient role, and no role.
    let mut bench = Bench::new();
    roles(&mut bench, Some("Basic User"));
    says(&why(&bench), "user ", "System Administrator role");
    // Administration mode, which admits only administrators.
    bench.edit(|puts, world| {
        let (key, environment) = world
            .objects
            .iter()
            .find(|(key, value)| {
                key.starts_with("environment/")
                    && value["properties"]["displayName"] == "Contoso Prod"
            })
            .expect("the source exists");
        let mut environment = environment.clone();
        environment["properties"]["states"]["runtime"]["id"] = json!("AdminMode");
        puts.insert(key.clone(), environment);
    });
    says(&why(&bench), "0x8004a113", "administration mode");
    roles(&mut bench, None);
    says(&why(&bench), "0x80042f09", "no security role");
    // No user yet.
    bench.edit(|puts, world| {
        let key = world
            .objects
            .keys()
            .find(|key| key.starts_with("row/") && key.contains("0a110000"))
            .and_then(|key| key.split('/').nth(1))
            .map(|id| format!("organization/{id}"))
            .expect("the source exists");
        puts.insert(key, json!({"callersFrom": u32::MAX}));
    });
    says(&why(&bench), "0x80072560", "wait some minutes");
}

#[test]
fn a_tenant_with_tls_is_trusted_by_its_root_certificate_only() {
    let stage = Stage::new();
    let tenant = stage.tenant_at(1, &thin_text(), &["--seed", "thin", "--tls"]);
    assert!(
        tenant.endpoints.contains("https://127.0.0.1:"),
        "{}",
        tenant.endpoints
    );
    let mut bench = Bench { stage, tenant };
    let root = bench.stage.path("world.pem").display().to_string();
    drop(bench.preflight(&[("SSL_CERT_FILE", &root)]).exits(0));
    // Without the root certificate, no request is sent and the program does not wait.
    let answer = bench.preflight(&[]).exits(3);
    for said in ["invalid peer certificate", "SSL_CERT_FILE"] {
        assert!(answer.stderr.contains(said), "{}", answer.stderr);
    }
    let missing = bench.stage.path("none.pem").display().to_string();
    let answer = bench.preflight(&[("SSL_CERT_FILE", &missing)]).exits(3);
    for said in ["SSL_CERT_FILE names a file that cannot be read", &missing] {
        assert!(answer.stderr.contains(said), "{}", answer.stderr);
    }
    // The restarted tenant has the same root certificate.
    bench.edit(|_, _| {});
    drop(bench.preflight(&[("SSL_CERT_FILE", &root)]).exits(0));
}

#[test]
fn a_token_is_sent_to_its_own_host_only() {
    // Every other listener answers 401 to a token, so a successful run has sent each token to its
    // own listener only.
    let bench = Bench::new();
    let secret =
        format!("default: {{ client-secret: {{ client: {CLIENT}, secret: {{ env: S }} }} }}");
    bench.sign_in(&secret);
    drop(bench.preflight(&[("S", SECRET)]).exits(0));
    let world = bench.stage.world();
    let strayed: Vec<&Value> = world
        .requests
        .iter()
        .filter(|r| r["status"] == 401)
        .collect();
    assert!(strayed.is_empty(), "{strayed:?}");
}
