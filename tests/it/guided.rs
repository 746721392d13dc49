//! Every unpublished write as a person's task: the run stops once a phase, the evidence is read from
//! the tenant, and the end is the same.

use serde_json::{Value, json};

use crate::harness::{Stage, World, thin_text, with_endpoints};

/// Somebody who clicks in the portal: signs in as the application and sends what the clicks send.
struct Person {
    runtime: tokio::runtime::Runtime,
    client: reqwest::Client,
    root: String,
    token: String,
}

impl Person {
    fn of(stage: &Stage, endpoints: &str) -> Self {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime can be made");
        let client = reqwest::Client::builder()
            .no_proxy()
            .build()
            .expect("a client can be made");
        let address = |key: &str| {
            let rest = endpoints
                .split(&format!("{key}: {{ url: \""))
                .nth(1)
                .unwrap_or_default();
            rest.split('"').next().unwrap_or_default().to_owned()
        };
        let world = stage.world();
        let metadata = &world.environment("Contoso UAT")["properties"]["linkedEnvironmentMetadata"];
        let root = metadata["instanceUrl"]
            .as_str()
            .unwrap_or_default()
            .trim_end_matches('/')
            .to_owned();
        let form = format!(
            "grant_type=client_credentials&client_id={}&client_secret={}&scope={}/.default",
            iomcopy::rehearsal::CLIENT,
            iomcopy::rehearsal::SECRET,
            root.replace(':', "%3A").replace('/', "%2F"),
        );
        let url = format!(
            "{}/{}/oauth2/v2.0/token",
            address("authority"),
            iomcopy::rehearsal::TENANT
        );
        let answer: Value = runtime.block_on(async {
            let request = client
                .post(url)
                .header("content-type", "application/x-www-form-urlencoded")
                .body(form);
            request
                .send()
                .await
                .expect("the authority answers")
                .json()
                .await
                .expect("it is JSON")
        });
        let token = answer["access_token"]
            .as_str()
            .expect("a token is given")
            .to_owned();
        Self {
            runtime,
            client,
            root,
            token,
        }
    }

    fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let url = format!("{}/api/data/v9.2/{path}", self.root);
        let method = reqwest::Method::from_bytes(method.as_bytes()).expect("a method");
        self.runtime.block_on(async {
            let mut request = self
                .client
                .request(method.clone(), url)
                .bearer_auth(&self.token);
            if let Some(body) = body {
                request = request.json(body);
            }
            let answer = request.send().await.expect("the tenant answers");
            let status = answer.status();
            let text = answer.text().await.unwrap_or_default();
            assert!(status.is_success(), "{method} {path}: {status} {text}");
            serde_json::from_str(&text).unwrap_or(Value::Null)
        })
    }

    fn rows(&self, set: &str) -> Vec<Value> {
        self.send("GET", set, None)["value"]
            .as_array()
            .cloned()
            .unwrap_or_default()
    }

    fn patch(&self, set: &str, id: &Value, body: &Value) {
        self.send("PATCH", &format!("{set}({})", text(id)), Some(body));
    }

    fn press(&self, path: &str) {
        self.send("POST", path, Some(&json!({})));
    }

    /// Does what a task asks for.
    fn does(&self, task: &str, source: &World) {
        match task {
            "reconfigure-connections/platform-references" => {
                for row in self.rows("msdyn_iomplatformconnectionreferences") {
                    self.connects(
                        "msdyn_iomplatformconnectionreferences",
                        &row["msdyn_iomplatformconnectionreferenceid"],
                        DATAVERSE,
                    );
                }
            }
            "reconfigure-connections/activate-system" => self.press("rehearsal_ActivateSystem"),
            "detach-provider-actions/stop" => {
                for row in self.rows("msdyn_iomdesigners?$filter=statecode%20eq%201") {
                    self.patch(
                        "msdyn_iomdesigners",
                        &row["msdyn_iomdesignerid"],
                        &json!({"statecode": 0, "statuscode": 1}),
                    );
                }
            }
            "detach-provider-actions/clear" => self.edits(|action| {
                if action.is_object() {
                    Value::Null
                } else {
                    action.clone()
                }
            }),
            "reinstall-providers/deactivate" => {
                for row in self.rows("msdyn_iomproviders?$filter=statecode%20eq%200") {
                    self.patch(
                        "msdyn_iomproviders",
                        &row["msdyn_iomproviderid"],
                        &json!({"statecode": 1, "statuscode": 2}),
                    );
                }
            }
            "reinstall-providers/delete" => {
                for row in self.rows("msdyn_iomproviders") {
                    self.send(
                        "DELETE",
                        &format!("msdyn_iomproviders({})", text(&row["msdyn_iomproviderid"])),
                        None,
                    );
                }
            }
            "reinstall-providers/install" => {
                let definition = &self.rows("msdyn_iomproviderdefinitions?$filter=msdyn_logicalname%20eq%20'msdyn_bigcommerce'")[0];
                let body = json!({"ProviderId": NEW, "ProviderDefinitionId": definition["msdyn_iomproviderdefinitionid"]});
                self.send("POST", "rehearsal_InstallProvider", Some(&body));
            }
            "reinstall-providers/parameters" => {
                for row in self.rows("msdyn_iomproviderparameters") {
                    self.patch(
                        "msdyn_iomproviderparameters",
                        &row["msdyn_iomproviderparameterid"],
                        &json!({"msdyn_value": "uat-store-hash"}),
                    );
                }
            }
            "reinstall-providers/mappings" => {
                for row in self.rows("msdyn_iomwarehousemappings") {
                    self.patch(
                        "msdyn_iomwarehousemappings",
                        &row["msdyn_iomwarehousemappingid"],
                        &json!({"msdyn_ProviderId@odata.bind": format!("msdyn_iomproviders({NEW})")}),
                    );
                }
            }
            "reinstall-providers/connections" => {
                for row in self.rows("msdyn_iomproviderconnectionreferences") {
                    self.connects(
                        "msdyn_iomproviderconnectionreferences",
                        &row["msdyn_iomproviderconnectionreferenceid"],
                        BIGCOMMERCE,
                    );
                }
            }
            "reinstall-providers/activate-connections" => {
                for row in self.rows("msdyn_iomproviderconnectionreferences") {
                    self.patch(
                        "msdyn_iomproviderconnectionreferences",
                        &row["msdyn_iomproviderconnectionreferenceid"],
                        &json!({"statecode": 0, "statuscode": 1}),
                    );
                }
            }
            "reinstall-providers/activate" => {
                self.press(&format!(
                    "msdyn_iomproviders({NEW})/Microsoft.Dynamics.CRM.rehearsal_ActivateProvider"
                ));
            }
            "restore-provider-actions/restore" => {
                let action = &self.rows("msdyn_iomprovideractions")[0];
                let reference = json!({"id": action["msdyn_iomprovideractionid"], "name": action["msdyn_name"]});
                self.restores(source, &reference);
            }
            "restore-provider-actions/publish-policies" => {
                for row in self.rows("msdyn_iompolicies?$filter=statecode%20eq%201") {
                    self.press(&format!(
                        "msdyn_iompolicies({})/Microsoft.Dynamics.CRM.rehearsal_PublishPolicy",
                        text(&row["msdyn_iompolicyid"])
                    ));
                }
            }
            "restore-provider-actions/publish" => {
                for row in source
                    .rows_of("source", "msdyn_iomdesigner")
                    .into_iter()
                    .filter(|row| row["statecode"] == 1)
                {
                    self.press(&format!("msdyn_iomdesigners({})/Microsoft.Dynamics.CRM.rehearsal_PublishOrchestration", text(&row["msdyn_iomdesignerid"])));
                }
            }
            other => panic!("nobody knows how to do {other}"),
        }
    }

    fn connects(&self, set: &str, id: &Value, (connector, connection): (&str, &str)) {
        let owner = &self.rows("systemusers?$filter=domainname%20eq%20'svc-iom@contoso.com'")[0];
        let url = format!(
            "https://unitedstates.flow.microsoft.com/manage/environments/22222222-2222-2222-2222-222222222222/connections?apiName={connector}&connectionName={connection}"
        );
        let bind = format!("systemusers({})", text(&owner["systemuserid"]));
        self.patch(
            set,
            id,
            &json!({"msdyn_connectionurl": url, "ownerid@odata.bind": bind}),
        );
    }

    /// Edits what each tile of each orchestration holds as its provider action.
    fn edits(&self, change: impl Fn(&Value) -> Value) {
        for row in self.rows("msdyn_iomdesigners") {
            let mut graph: Value =
                serde_json::from_str(&text(&row["msdyn_graph"])).expect("a graph is JSON");
            for node in graph["nodes"].as_array_mut().into_iter().flatten() {
                if node.get("providerAction").is_some() {
                    node["providerAction"] = change(&node["providerAction"]);
                }
            }
            self.patch(
                "msdyn_iomdesigners",
                &row["msdyn_iomdesignerid"],
                &json!({"msdyn_graph": graph.to_string()}),
            );
        }
    }

    /// Puts the new action where the source's orchestrations have one.
    fn restores(&self, source: &World, reference: &Value) {
        for row in source.rows_of("source", "msdyn_iomdesigner") {
            let mut graph: Value =
                serde_json::from_str(&text(&row["msdyn_graph"])).expect("a graph is JSON");
            for node in graph["nodes"].as_array_mut().into_iter().flatten() {
                if node["providerAction"].is_object() {
                    node["providerAction"] = reference.clone();
                }
            }
            self.patch(
                "msdyn_iomdesigners",
                &row["msdyn_iomdesignerid"],
                &json!({"msdyn_graph": graph.to_string()}),
            );
        }
    }
}

const NEW: &str = "0e300000-0000-4000-8000-000000000001";
const DATAVERSE: (&str, &str) = (
    "shared_commondataserviceforapps",
    "3f6d0c5a9b7e4d21a8c4e0f1b2a39d55",
);
const BIGCOMMERCE: (&str, &str) = ("shared_bigcommerce", "91ab7c3e52d84f60b1f7d9c8e6a4b3f0");

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The rehearsal's runbook with every request guided.
fn guided() -> String {
    let text = thin_text();
    let before = text.split("\niom:").next().unwrap_or_default().to_owned();
    let after = text.split("\nsteps:").nth(1).unwrap_or_default().to_owned();
    format!("{before}\nsteps:{after}")
}

#[test]
fn with_every_request_guided_a_person_brings_the_same_end() {
    let stage = Stage::new();
    let tenant = stage.tenant(&[]);
    stage.write_runbook(&with_endpoints(&guided(), &tenant.endpoints));
    let source = stage.world();
    let mut done: Vec<String> = Vec::new();
    let last = loop {
        let answer = stage.run();
        if answer.code != Some(10) {
            break answer;
        }
        let shown = stage.call(&["status", "rehearsal.yaml"]).exits(0);
        let open: Vec<String> = shown
            .stdout
            .lines()
            .filter_map(|line| line.strip_prefix("waits for a person: "))
            .map(str::to_owned)
            .collect();
        assert_eq!(open.len(), 1, "one task a phase: {}", shown.stdout);
        let task = open[0].clone();
        assert!(!done.contains(&task), "{task} is asked for once");
        let early = stage.call(&["complete", "rehearsal.yaml", &task]).exits(10);
        assert!(early.stderr.contains("is not done"), "{}", early.stderr);
        Person::of(&stage, &tenant.endpoints).does(&task, &source);
        // The tenant takes its time for some of what was asked for: the evidence is read until it is
        // there.
        let began = std::time::Instant::now();
        loop {
            let answer = stage.call(&["complete", "rehearsal.yaml", &task]);
            if answer.code == Some(0) {
                break;
            }
            assert!(began.elapsed().as_secs() < 30, "{task}: {}", answer.stderr);
        }
        done.push(task);
    };
    drop(last.exits(0));
    assert!(done.len() >= 12, "{done:?}");
    crate::thin_line::the_world_is_right(&stage.world());
}

#[test]
fn a_waiver_is_recorded_with_who_and_why() {
    let stage = Stage::new();
    let tenant = stage.tenant(&[]);
    stage.write_runbook(&with_endpoints(&guided(), &tenant.endpoints));
    drop(stage.run().exits(10));
    let task = "reconfigure-connections/platform-references";
    let arguments = [
        "complete",
        "rehearsal.yaml",
        task,
        "--waive",
        "the supplier does it tomorrow",
    ];
    drop(stage.call(&arguments).exits(0));
    let records = stage.records();
    let waived = records
        .iter()
        .find(|record| record["type"] == "completed")
        .expect("it is recorded");
    assert_eq!(waived["data"]["who"], "tester");
    assert_eq!(waived["data"]["waived"], "the supplier does it tomorrow");
    assert!(waived["time"].is_string());
    let next = stage.run().exits(10);
    assert!(
        next.stderr
            .contains("reconfigure-connections/activate-system"),
        "{}",
        next.stderr
    );
}

#[test]
fn what_cannot_be_read_is_neither_done_nor_not_done() {
    let stage = Stage::new();
    let mut tenant = stage.tenant(&[]);
    stage.write_runbook(&with_endpoints(&guided(), &tenant.endpoints));
    drop(stage.run().exits(10));
    tenant.kill();
    let arguments = [
        "complete",
        "rehearsal.yaml",
        "reconfigure-connections/platform-references",
    ];
    let answer = stage.call(&arguments);
    assert_ne!(answer.code, Some(0), "{}", answer.stdout);
    assert!(
        !stage
            .records()
            .iter()
            .any(|record| record["type"] == "completed")
    );
}
