//! Lifecycle Services: the states and effects of a refresh.

use super::*;

const REFRESH: &str = "databasemovement/v1/refresh";

/// A tenant whose databases Lifecycle Services manages.
async fn linked(dual_write: DualWrite) -> TestClient {
    let variant = Variant {
        target: Management::LcsLinked,
        dual_write,
    };
    TestClient::start_with(Seed::Thin, TableNames::Usual, variant, &[]).await
}

impl TestClient {
    /// A call of Lifecycle Services, with a user's token.
    async fn lcs(&self, method: &str, path: &str) -> TestResponse {
        self.lcs_as(LCS_TOKEN, method, path).await
    }

    async fn lcs_as(&self, token: &str, method: &str, path: &str) -> TestResponse {
        let services = &self.endpoints().services;
        let lcs = services
            .iter()
            .find(|service| service.key == "lcs")
            .unwrap();
        let request = self
            .http
            .request(method.parse().unwrap(), format!("{}/{path}", lcs.url))
            .bearer_auth(token)
            .header("x-ms-version", "2017-09-15");
        send_request(request).await
    }

    async fn trigger(&self) -> Value {
        let path =
            format!("{REFRESH}/project/{LCS_PROJECT}/source/{LCS_SOURCE}/target/{LCS_TARGET}");
        self.lcs("POST", &path).await.expect_status(200).json()
    }

    async fn refresh_state(&self, activity: &str) -> String {
        let path = format!(
            "databasemovement/v1/fetchstatus/project/{LCS_PROJECT}/environment/{LCS_TARGET}/operationactivity/{activity}"
        );
        let status = self.lcs("GET", &path).await.expect_status(200).json();
        assert_eq!(status["ActivityId"], activity);
        assert_ne!(status["OperationActivityId"], activity);
        status["OperationStatus"].as_str().unwrap().to_owned()
    }

    async fn refresh_history(&self) -> Vec<Value> {
        let path = format!(
            "environmentinfo/v1/history/project/{LCS_PROJECT}/environment/{LCS_TARGET}/?page=1"
        );
        let body = self.lcs("GET", &path).await.expect_status(200).json();
        body["Data"].as_array().unwrap().clone()
    }

    fn target_row(&self, set: &str, key: &str) -> Option<Value> {
        let key = format!("finance-operations/{TARGET_ENVIRONMENT}/{set}/{key}");
        self.objects().get(&key).cloned()
    }

    async fn finance_status(&self) -> u16 {
        self.finance(TARGET_ENVIRONMENT, "GET", "LegalEntities", None, &[])
            .await
            .status
    }
}

#[tokio::test]
async fn a_refresh_has_its_states_and_effects() {
    let client = linked(DualWrite::On).await;
    let activity = client.trigger().await["OperationActivityId"].clone();
    let activity = activity.as_str().unwrap();
    assert_eq!(client.refresh_state(activity).await, "NotStarted");
    client.skip_minutes(10);
    assert_eq!(client.refresh_state(activity).await, "InProgress");
    assert_eq!(client.finance_status().await, 200, "it stays up at first");
    client.skip_minutes(40);
    assert_eq!(client.finance_status().await, 503, "away without warning");
    assert_eq!(client.trigger().await["IsSuccess"], false, "one at a time");
    client.skip_minutes(80);
    assert_eq!(client.refresh_state(activity).await, "Completed");
    assert_eq!(client.finance_status().await, 200);
    let newest = client.refresh_history().await.remove(0);
    assert_eq!(
        (&newest["Type"], &newest["Status"]),
        (&json!("SFSourceDbToSandbox"), &json!("Completed"))
    );
    for (user, enabled) in [("Admin", true), ("svciom", false), ("DualWrite", false)] {
        let row = client.target_row("SystemUsers", user).unwrap();
        assert_eq!(row["Enabled"], enabled, "{user}");
    }
    assert_eq!(
        client.target_row("SystemUsers", "svcwms"),
        None,
        "the source's users"
    );
    let objects = client.objects();
    let maps = format!("finance-operations/{TARGET_ENVIRONMENT}/DualWriteProject");
    assert!(!objects.keys().any(|key| key.starts_with(&maps)));
    let facts = &objects[&format!("finance-operations-facts/{TARGET_ENVIRONMENT}")];
    assert_eq!(facts["batch"], "Withhold");
}

#[tokio::test]
async fn the_user_for_programs_is_enabled() {
    let client = linked(DualWrite::Off).await;
    client.change_world(|draft| {
        let key = format!("finance-operations/{SOURCE_ENVIRONMENT}/SystemUsers/DBMovementAPI");
        draft.put(key, json!({"UserID": "DBMovementAPI", "Enabled": false}));
    });
    client.trigger().await;
    client.skip_minutes(130);
    assert_eq!(client.finance_status().await, 200);
    let row = client.target_row("SystemUsers", "DBMovementAPI").unwrap();
    assert_eq!(row["Enabled"], true);
}

#[tokio::test]
async fn a_copy_onto_a_linked_target_replaces_only_dataverse_and_calls_are_limited() {
    let client = linked(DualWrite::Off).await;
    client.copy_environment().await;
    assert!(client.target_row("SystemUsers", "svcwms").is_some());
    for _ in 0..6 {
        client.refresh_history().await;
    }
    let path = format!(
        "environmentinfo/v1/history/project/{LCS_PROJECT}/environment/{LCS_TARGET}/?page=1"
    );
    let limited = client.lcs("GET", &path).await.expect_status(429);
    assert!(limited.header("retry-after").is_some());
}
