//! The tenant over HTTP, with a plain client: what the end-to-end tests of the program do not show.

mod batch;
mod connections;
mod copies;
mod dataverse;
mod dual_write;
mod environments;
mod faults;
mod finance_operations;
mod flows;
mod lcs;
mod metadata;
mod orchestrations;
mod outside;
mod providers;
mod recordings;
mod tokens;
mod whole;
mod worlds;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::rehearsal::seed::ids::id;
use crate::rehearsal::variant::Variant;
use crate::rehearsal::world::log::RequestFacts;
use crate::rehearsal::world::store::{Draft, Objects};

/// A client with its own tenant, which runs at speed 1.
struct TestClient {
    tenant: Option<Rehearsal>,
    folder: TempDir,
    http: reqwest::Client,
    tokens: Mutex<BTreeMap<String, String>>,
    seed: Seed,
    table_names: TableNames,
    variant: Variant,
}

#[derive(Debug)]
struct TestResponse {
    status: u16,
    headers: reqwest::header::HeaderMap,
    text: String,
}

impl TestResponse {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {}", self.text))
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Returns the response and fails the test if it has another status.
    fn expect_status(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }

    fn code(&self) -> String {
        self.json()["error"]["code"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }
}

impl TestClient {
    async fn new() -> Self {
        Self::with_faults(&[]).await
    }

    async fn with_faults(faults: &[&str]) -> Self {
        Self::of_seed(Seed::Thin, TableNames::Usual, faults).await
    }

    /// With a tenant that uses dual-write, or not.
    async fn with_dual_write(seed: Seed, dual_write: DualWrite) -> Self {
        let variant = Variant {
            dual_write,
            ..Variant::default()
        };
        Self::start_with(seed, TableNames::Usual, variant, &[]).await
    }

    async fn of_seed(seed: Seed, table_names: TableNames, faults: &[&str]) -> Self {
        Self::start_with(seed, table_names, Variant::default(), faults).await
    }

    async fn start_with(
        seed: Seed,
        table_names: TableNames,
        variant: Variant,
        faults: &[&str],
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut client = Self {
            tenant: None,
            folder,
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            tokens: Mutex::default(),
            seed,
            table_names,
            variant,
        };
        client.start(faults).await;
        client
    }

    fn world_file(&self) -> PathBuf {
        self.folder.path().join("t.world.jsonl")
    }

    async fn start(&mut self, faults: &[&str]) {
        let options = Options {
            world: self.world_file(),
            speed: 1.0,
            faults: faults.iter().map(|fault| fault.parse().unwrap()).collect(),
            seed: self.seed,
            table_names: self.table_names,
            variant: self.variant,
            volume: Volume::default(),
            latency: Duration::ZERO,
            limits: false,
            tls: false,
        };
        self.tenant = Some(Rehearsal::start(options).await.unwrap());
    }

    async fn stop(&mut self) {
        self.tenant.take().unwrap().stop().await;
    }

    fn endpoints(&self) -> &Endpoints {
        self.tenant.as_ref().unwrap().endpoints()
    }

    /// The origin of the machine's token services.
    fn machine(&self) -> String {
        format!("http://127.0.0.1:{}", self.objects()["ports"]["machine"])
    }

    /// Replaces one object of the world in memory.
    fn change(&self, key: &str, value: Value) {
        let tenant = self.tenant.as_ref().unwrap();
        let put = [(key.to_owned(), value)].into_iter().collect();
        tenant.with_world(|world| world.change(put)).unwrap();
    }

    /// Sets the tenant's clock forward.
    fn skip(&self, duration: Duration) {
        let tenant = self.tenant.as_ref().unwrap();
        tenant.with_world(|world| world.skip(duration)).unwrap();
    }

    fn skip_minutes(&self, minutes: u64) {
        self.skip(Duration::from_secs(minutes * 60));
        self.tokens.lock().unwrap().clear();
    }

    /// Changes the world without a request.
    fn change_world(&self, act: impl FnOnce(&mut Draft<'_>)) {
        let tenant = self.tenant.as_ref().unwrap();
        let written = tenant.with_world(|world| {
            let mut draft = world.draft();
            act(&mut draft);
            let (now, changes) = (draft.now(), draft.into_changes());
            world.commit(now, RequestFacts::default(), changes)
        });
        written.unwrap().unwrap();
    }

    fn objects(&self) -> Objects {
        let tenant = self.tenant.as_ref().unwrap();
        tenant.with_world(|world| world.objects().clone()).unwrap()
    }

    /// The lines of the world's file.
    fn lines(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.world_file()).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    async fn request_token(&self, form: &[(&str, &str)]) -> TestResponse {
        self.request_token_of(TENANT, form).await
    }

    async fn request_token_of(&self, tenant: &str, form: &[(&str, &str)]) -> TestResponse {
        let url = format!("{}/{tenant}/oauth2/v2.0/token", self.endpoints().authority);
        let body: Vec<String> = form
            .iter()
            .map(|(name, value)| {
                let value: String =
                    url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
                format!("{name}={value}")
            })
            .collect();
        let request = self
            .http
            .post(url)
            .header("Content-Type", "application/x-www-form-urlencoded")
            .header("User-Agent", "client/1")
            .body(body.join("&"));
        send_request(request).await
    }

    async fn token(&self, scope: &str) -> String {
        if let Some(token) = self.tokens.lock().unwrap().get(scope) {
            return token.clone();
        }
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", CLIENT),
            ("client_secret", SECRET),
            ("scope", scope),
        ];
        let response = self.request_token(&form).await.expect_status(200).json();
        let token = response["access_token"].as_str().unwrap().to_owned();
        self.tokens
            .lock()
            .unwrap()
            .insert(scope.to_owned(), token.clone());
        token
    }

    /// A request to a service whose scope is known.
    async fn send(
        &self,
        scope: &str,
        method: &str,
        url: &str,
        body: Option<Value>,
        headers: &[(&str, &str)],
    ) -> TestResponse {
        let token = self.token(scope).await;
        let mut request = self
            .http
            .request(method.parse().unwrap(), url)
            .bearer_auth(token);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request
                .header("Content-Type", "application/json")
                .body(body.to_string());
        }
        send_request(request).await
    }

    async fn admin(
        &self,
        key: &str,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> TestResponse {
        let services = self.endpoints().services.clone();
        let service = services.iter().find(|service| service.key == key).unwrap();
        let url = format!("{}{path}", service.url);
        self.send(&service.scope, method, &url, body, &[]).await
    }

    async fn bap(&self, method: &str, path: &str, body: Option<Value>) -> TestResponse {
        let path = format!("/providers/Microsoft.BusinessAppPlatform/{path}");
        self.admin("bap", method, &path, body).await
    }

    async fn power_platform(&self, method: &str, path: &str, body: Option<Value>) -> TestResponse {
        self.admin("power-platform", method, path, body).await
    }

    async fn environment(&self, id: &str) -> Value {
        let path = format!("scopes/admin/environments/{id}?api-version=2021-04-01");
        self.bap("GET", &path, None).await.expect_status(200).json()
    }

    /// The origin of an environment's Dataverse.
    async fn dataverse(&self, environment: &str) -> String {
        let environment = self.environment(environment).await;
        let url = &environment["properties"]["linkedEnvironmentMetadata"]["instanceUrl"];
        url.as_str().unwrap().trim_end_matches('/').to_owned()
    }

    /// A request to an environment's Web API.
    async fn web_api(
        &self,
        environment: &str,
        method: &str,
        path: &str,
        body: Option<Value>,
        headers: &[(&str, &str)],
    ) -> TestResponse {
        let origin = self.dataverse(environment).await;
        let url = format!("{origin}/api/data/v9.2/{path}");
        let scope = format!("{origin}/.default");
        self.send(&scope, method, &url, body, headers).await
    }

    async fn get(&self, path: &str) -> Value {
        self.web_api(TARGET_ENVIRONMENT, "GET", path, None, &[])
            .await
            .expect_status(200)
            .json()
    }

    async fn target(&self, method: &str, path: &str, body: Option<Value>) -> TestResponse {
        self.web_api(TARGET_ENVIRONMENT, method, path, body, &[])
            .await
    }

    async fn patch(&self, path: &str, body: Value) -> TestResponse {
        let headers = [("If-Match", "*")];
        self.web_api(TARGET_ENVIRONMENT, "PATCH", path, Some(body), &headers)
            .await
    }

    async fn post(&self, path: &str, body: Value) -> TestResponse {
        self.target("POST", path, Some(body)).await
    }

    /// Copies the source over the target and waits until users have access.
    async fn copy_environment(&self) {
        self.begin_copy("Contoso UAT").await.expect_status(202);
        self.skip_minutes(100);
    }

    async fn begin_copy(&self, name: &str) -> TestResponse {
        let path = format!(
            "/environmentmanagement/environments/{TARGET_ENVIRONMENT}/copy?api-version=2024-10-01"
        );
        let body = json!({
            "copyType": "Full",
            "sourceEnvironmentId": SOURCE_ENVIRONMENT,
            "copyOptions": {
                "environmentNameToOverride": name,
                "securityGroupIdToOverride": "5ec00000-0000-4000-8000-000000000002",
                "skipAuditData": true,
                "executeAdvancedCopyForFinanceAndOperations": false,
            },
        });
        self.power_platform("POST", &path, Some(body)).await
    }

    async fn runtime(&self, runtime: &str, background: &str) -> TestResponse {
        let path = format!("scopes/admin/environments/{TARGET_ENVIRONMENT}?api-version=2021-04-01");
        let body = json!({"properties": {
            "states": {"runtime": {"id": runtime}},
            "linkedEnvironmentMetadata": {"backgroundOperationsState": background},
        }});
        self.bap("PATCH", &path, Some(body)).await
    }

    /// Copies and leaves administration mode.
    async fn copy_and_open(&self) {
        self.copy_environment().await;
        self.runtime("Enabled", "Enabled").await.expect_status(202);
        self.skip_minutes(2);
    }

    /// The address of a connection of the target, as users paste it into forms.
    fn connection_url(connector: &str, connection: &str) -> String {
        format!(
            "https://unitedstates.flow.microsoft.com/manage/environments/{TARGET_ENVIRONMENT}/connections?apiName={connector}&connectionName={connection}"
        )
    }

    /// Copies, leaves administration mode and connects each core reference to the target's
    /// connections.
    async fn connect_references(&self) {
        self.copy_and_open().await;
        for (number, connection) in [(1, DATAVERSE_CONNECTION), (2, BIGCOMMERCE_CONNECTION)] {
            let path = format!("connectionreferences({})", id("80", number));
            self.patch(&path, json!({"connectionid": connection}))
                .await
                .expect_status(204);
        }
        self.skip_minutes(1);
    }
}

const DATAVERSE_CONNECTION: &str = "3f6d0c5a9b7e4d21a8c4e0f1b2a39d55";
const BIGCOMMERCE_CONNECTION: &str = "91ab7c3e52d84f60b1f7d9c8e6a4b3f0";

async fn send_request(request: reqwest::RequestBuilder) -> TestResponse {
    let response = request.send().await.unwrap();
    TestResponse {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        text: response.text().await.unwrap(),
    }
}
