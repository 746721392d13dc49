//! The dual-write gateway, and the effects of a copy on a link.

use super::*;

const M: &str = "/api/DualWriteManagement/1.0";
const ORDERS: &str = "salesorders - CDS sales order headers";
const COMPANIES: &str = "cdm_companies - Legal entities";

/// A user who is signed in to the dual-write page.
struct GatewayUser<'client>(&'client TestClient);

impl GatewayUser<'_> {
    fn service(&self) -> ServiceEndpoint {
        let services = &self.0.endpoints().services;
        let service = services.iter().find(|one| one.key == "dual-write");
        service.unwrap().clone()
    }

    async fn send(&self, method: &str, path: &str, body: Option<&str>) -> TestResponse {
        let url = format!("{}{path}", self.service().url);
        let request = self.0.http.request(method.parse().unwrap(), url);
        let mut request = request.bearer_auth(DUAL_WRITE_TOKEN);
        if let Some(body) = body {
            request = request.body(body.to_owned());
        }
        send_request(request).await
    }

    async fn get(&self, path: &str) -> Value {
        self.send("GET", path, None).await.expect_status(200).json()
    }

    async fn link(&self) -> Value {
        let environment = self.0.environment(TARGET_ENVIRONMENT).await;
        let url = environment["properties"]["linkedAppMetadata"]["url"].clone();
        let url = url.as_str().unwrap().trim_end_matches('/').to_owned();
        let host = url.split("://").last().unwrap();
        let path = format!("{M}/Environments?targetType=AX&identifier=");
        assert_eq!(self.get(&format!("{path}{url}")).await, json!([]));
        self.get(&format!("{path}{host}")).await[0].clone()
    }

    async fn maps(&self) -> Vec<Value> {
        let id = self.link().await["cid"].as_str().unwrap().to_owned();
        let maps = self
            .get(&format!("{M}/Entities?targetType=AX&cid={id}"))
            .await;
        maps.as_array().unwrap().clone()
    }

    async fn map(&self, name: &str) -> Value {
        let maps = self.maps().await;
        maps.into_iter()
            .find(|map| map["detail"]["tName"] == name)
            .unwrap_or_else(|| panic!("no map {name}"))
    }

    /// Sends a request for a map and waits; returns the state of the request and its error.
    async fn run_action(&self, name: &str, action: &str) -> (String, String) {
        let (link, map) = (self.link().await, self.map(name).await);
        let detail = &map["detail"];
        let body = json!({"action": action, "details": [
            {"tid": detail["tid"], "pid": detail["pid"], "cid": link["cid"]}]});
        let response = self
            .send("POST", &format!("{M}/Start"), Some(&body.to_string()))
            .await;
        let id = response.expect_status(200).json()["requestId"]
            .as_str()
            .unwrap()
            .to_owned();
        let waiting = self.get(&format!("{M}/Status/{id}")).await;
        assert_eq!(waiting[0]["detail"]["lastRequests"][0]["state"], "1");
        self.0.skip_minutes(1);
        let ended = self.get(&format!("{M}/Status/{id}")).await;
        let request = &ended[0]["detail"]["lastRequests"][0];
        assert_eq!(request["requestId"], id);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        (text(&request["state"]), text(&request["errorMessage"]))
    }

    async fn apply(&self, solution: &str) -> Value {
        let id = self.link().await["cid"].as_str().unwrap().to_owned();
        let body = json!({"action": "2", "solutions": [{"criteria": {"uniquename": solution}}]});
        let path = format!("{M}/SolutionAware/{id}/RestoreTemplates");
        let response = self
            .send("POST", &path, Some(&body.to_string()))
            .await
            .expect_status(200);
        let request = response.json()["requestId"].as_str().unwrap().to_owned();
        self.0.skip_minutes(2);
        self.get(&format!("{M}/SolutionAware/{id}/Status/{request}"))
            .await
    }

    async fn reset(&self, environment: &str) -> TestResponse {
        let link = self.link().await;
        let name = link["cname"].as_str().unwrap().to_owned();
        let set = self.get(&format!("/api/ConnectionSet/{name}")).await;
        let environments: Vec<Value> = set["environments"]
            .as_object()
            .unwrap()
            .values()
            .map(|one| {
                json!({"targetType": one["targetType"], "name": one["name"],
                "displayName": one["environmentDisplayName"], "id": one["powerAppsEnvironment"],
                "isDevInstance": false, "directUrl": one["directUrl"]})
            })
            .collect();
        let body = json!({"powerAppsEnvironmentName": environment,
            "environments": environments, "legalEntities": ["USMF"]});
        let id = link["cid"].as_str().unwrap();
        let path = format!("/api/ConnectionSet/{id}/Reset?targetType=AX&forceReset=False");
        self.send("POST", &path, Some(&body.to_string())).await
    }

    async fn stop_all(&self) {
        for map in self.maps().await {
            if map["detail"]["state"] == "4" {
                let name = map["detail"]["tName"].as_str().unwrap().to_owned();
                assert_eq!(self.run_action(&name, "4").await.0, "2");
            }
        }
    }
}

async fn linked() -> TestClient {
    TestClient::with_dual_write(Seed::Thin, DualWrite::On).await
}

fn rows(client: &TestClient, prefix: &str) -> Vec<Value> {
    let objects = client.objects();
    let all = objects.iter().filter(|(key, _)| key.starts_with(prefix));
    all.map(|(_, value)| value.clone()).collect()
}

fn projects(client: &TestClient) -> Vec<Value> {
    rows(
        client,
        &format!("finance-operations/{TARGET_ENVIRONMENT}/DualWriteProjectConfigurations/"),
    )
}

async fn configurations(client: &TestClient) -> usize {
    let found = client.get("msdyn_dualwriteruntimeconfigs").await;
    found["value"].as_array().unwrap().len()
}

#[tokio::test]
async fn copied_runtime_configuration_refuses_writes_to_mapped_tables() {
    let client = linked().await;
    let before = configurations(&client).await;
    client.copy_and_open().await;
    // The source's rows instead of the target's, and no projects.
    assert!(configurations(&client).await > before);
    assert!(projects(&client).is_empty());
    let order = client.get("salesorders").await["value"][0]["salesorderid"].clone();
    let path = format!("salesorders({})", order.as_str().unwrap());
    let response = client
        .patch(&path, json!({"name": "x"}))
        .await
        .expect_status(400);
    assert!(
        response.text.contains("SecureConfig Organization (unq0a11"),
        "{}",
        response.text
    );
    for row in client.get("msdyn_dualwriteruntimeconfigs").await["value"]
        .as_array()
        .unwrap()
    {
        let id = row["msdyn_dualwriteruntimeconfigid"].as_str().unwrap();
        client
            .target(
                "DELETE",
                &format!("msdyn_dualwriteruntimeconfigs({id})"),
                None,
            )
            .await
            .expect_status(204);
    }
    client
        .patch(&path, json!({"name": "x"}))
        .await
        .expect_status(204);
}

#[tokio::test]
async fn a_reset_clears_the_link_and_a_solution_restores_maps_without_keys() {
    let client = linked().await;
    let person = GatewayUser(&client);
    let response = person.reset(TARGET_ENVIRONMENT).await.expect_status(400);
    assert!(
        response.text.contains("must be stopped"),
        "{}",
        response.text
    );
    person.stop_all().await;
    person.reset(SOURCE_ENVIRONMENT).await.expect_status(400);
    person.reset(TARGET_ENVIRONMENT).await.expect_status(200);
    assert_eq!(person.maps().await, Vec::<Value>::new());
    assert_eq!(
        (projects(&client).len(), configurations(&client).await),
        (0, 0)
    );
    let name = person.link().await["cname"].as_str().unwrap().to_owned();
    let set = person.get(&format!("/api/ConnectionSet/{name}")).await;
    let mappings = &set["dualWriteDetail"]["legalEntityMappings"]["mappings"];
    assert_eq!(mappings.as_array().unwrap().len(), 1);
    assert!(!set.to_string().contains("userKeys"), "{set}");

    assert_eq!(person.apply("NoSuchMaps").await["state"], "3");
    let ended = person
        .apply("msdyn_Dynamics365SupplyChainExtendedMaps")
        .await;
    assert_eq!(ended["state"], "2", "{ended}");
    // The solution's own version, which has no filter; and no project.
    let map = person.map(ORDERS).await;
    assert_eq!(map["detail"]["template"]["version"]["revision"], 5);
    assert_eq!(
        (&map["detail"]["pid"], &map["detail"]["state"]),
        (&Value::Null, &json!("6"))
    );
    assert_eq!(map["detail"]["templates"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_map_that_cannot_start_reports_the_reason() {
    let client = linked().await;
    let person = GatewayUser(&client);
    person.stop_all().await;
    person.reset(TARGET_ENVIRONMENT).await.expect_status(200);
    person.apply("msdyn_DualWriteAppCoreMaps").await;
    person.apply("Dynamics365GABDualWriteEntityMaps").await;
    assert_eq!(
        person.run_action(COMPANIES, "1").await.1,
        "The map has not been initialised."
    );
    assert_eq!(person.run_action(COMPANIES, "8").await.0, "2");
    assert!(
        person
            .run_action(COMPANIES, "1")
            .await
            .1
            .starts_with("DIPV1003")
    );
    let link = person.link().await;
    let set = person
        .get(&format!(
            "/api/ConnectionSet/{}",
            link["cname"].as_str().unwrap()
        ))
        .await;
    let crm = set["environments"]
        .as_object()
        .unwrap()
        .values()
        .find(|one| one["targetType"] == "CRM");
    let crm = crm.unwrap()["name"].as_str().unwrap().to_owned();
    let keys = json!({"integrationKeys": {"cdm_companies": ["cdm_companycode"], "accounts": ["accountnumber"]}, "datasetName": crm});
    person
        .send(
            "POST",
            &format!("/api/dataset/{crm}/IntegrationKeys"),
            Some(&keys.to_string()),
        )
        .await
        .expect_status(200);
    assert!(
        person
            .run_action(COMPANIES, "1")
            .await
            .1
            .starts_with("DIPV1018")
    );
    let project = person.map(COMPANIES).await["detail"]["pid"]
        .as_str()
        .unwrap()
        .to_owned();
    person
        .send(
            "POST",
            &format!("/api/Project/{project}/Refresh"),
            Some("{}"),
        )
        .await
        .expect_status(200);

    let customers = "accounts - Customers V3";
    person.run_action(customers, "8").await;
    let account = person.map(customers).await;
    let pid = account["detail"]["pid"].as_str().unwrap();
    // The solution's newest version is active; the customer's is activated by its bare id.
    assert_eq!(account["detail"]["template"]["version"]["revision"], 15);
    let older = account["detail"]["templates"][0]["id"].as_str().unwrap();
    let id = link["cid"].as_str().unwrap();
    let path = format!("{M}/SolutionAware/{id}/SwitchActive/{older}?pid={pid}");
    person
        .send("POST", &path, Some(&format!("\"{older}\"")))
        .await
        .expect_status(400);
    person
        .send("POST", &path, Some(older))
        .await
        .expect_status(200);
    assert_eq!(
        person.map(customers).await["detail"]["template"]["version"]["revision"],
        14
    );
    person
        .send("POST", &format!("/api/Project/{pid}/Refresh"), Some("{}"))
        .await
        .expect_status(200);
    let (state, error) = person.run_action(customers, "1").await;
    assert_eq!(state, "3");
    assert!(
        error.contains(COMPANIES) && error.contains("not running"),
        "{error}"
    );
    assert_eq!(
        person.run_action(COMPANIES, "1").await,
        ("2".to_owned(), String::new())
    );
    assert_eq!(
        person.run_action(customers, "1").await,
        ("2".to_owned(), String::new())
    );
    let tid = person.map(customers).await["detail"]["tid"].clone();
    let path = format!("{M}/GetTemplatePrerequisiteSequences/{id}");
    let sequences = person
        .send("POST", &path, Some(&json!([tid]).to_string()))
        .await
        .expect_status(200)
        .json();
    assert_eq!(sequences[0].as_array().unwrap().len(), 2);
    assert_eq!(sequences[0][1], tid);
}

#[tokio::test]
async fn after_a_copy_connecting_fails_until_the_user_is_enabled() {
    let client = linked().await;
    let person = GatewayUser(&client);
    person.stop_all().await;
    client.copy_and_open().await;
    let (state, error) = person.run_action(COMPANIES, "1").await;
    assert_eq!(state, "3");
    assert!(
        error.starts_with("DW9003 Failed to connect to AX."),
        "{error}"
    );
    // The gateway's data is in no database that a copy replaces.
    assert_eq!(person.maps().await.len(), 8);
}

#[tokio::test]
async fn a_paused_map_queues_in_finance_and_operations_until_it_resumes() {
    let client = linked().await;
    let person = GatewayUser(&client);
    let table = "products";
    let name = person.maps().await;
    let name = name.iter().find(|map| map["rightEntity"]["name"] == table);
    let name = name.unwrap()["detail"]["tName"]
        .as_str()
        .unwrap()
        .to_owned();
    let statuses = || -> Vec<Value> {
        let all = projects(&client).into_iter();
        all.filter(|row| row["ExternalEntityName"] == table)
            .map(|row| row["Status"].clone())
            .collect()
    };
    for (action, state, status) in [("5", "5", "Queueing"), ("6", "4", "Enabled")] {
        assert_eq!(person.run_action(&name, action).await.0, "2");
        assert_eq!(person.map(&name).await["detail"]["state"], state);
        let found = statuses();
        assert!(
            !found.is_empty() && found.iter().all(|found| found == status),
            "{found:?}"
        );
    }
}
