//! The older admin API.

use super::*;

#[tokio::test]
async fn unknown_objects_and_versions_are_refused() {
    let client = TestClient::new().await;
    let path = "scopes/admin/environments/33333333-3333-3333-3333-333333333333";
    let response = client
        .bap("GET", &format!("{path}?api-version=2021-04-01"), None)
        .await;
    assert_eq!(response.expect_status(404).code(), "EnvironmentNotFound");
    let response = client
        .bap("GET", &format!("{path}?api-version=1999-01-01"), None)
        .await;
    assert_eq!(response.expect_status(400).code(), "InvalidApiVersion");
    let path = "lifecycleOperations/33333333-3333-3333-3333-333333333333?api-version=2021-04-01";
    assert_eq!(
        client
            .bap("GET", path, None)
            .await
            .expect_status(404)
            .code(),
        "OperationNotFound"
    );
}

#[tokio::test]
async fn administration_mode_needs_an_operation_and_an_empty_edit_none() {
    let client = TestClient::new().await;
    client
        .runtime("Enabled", "Enabled")
        .await
        .expect_status(204);
    let response = client
        .runtime("AdminMode", "Disabled")
        .await
        .expect_status(202);
    let location = response.header("Location").unwrap().to_owned();
    let scope = client.endpoints().services[1].scope.clone();
    let poll = client
        .send(&scope, "GET", &location, None, &[])
        .await
        .expect_status(200)
        .json();
    assert_eq!(
        (&poll["state"]["id"], &poll["type"]["id"]),
        (&json!("Running"), &json!("Edit"))
    );
    let environment = client.environment(TARGET_ENVIRONMENT).await;
    assert_eq!(
        environment["properties"]["ongoingOperation"]["type"]["id"],
        "Edit"
    );
    assert_eq!(
        environment["properties"]["states"]["runtime"]["id"],
        "Enabled"
    );
    let busy = client
        .runtime("AdminMode", "Disabled")
        .await
        .expect_status(409);
    assert_eq!(busy.code(), "OperationNotStartable");
    client.skip_minutes(1);
    let poll = client
        .send(&scope, "GET", &location, None, &[])
        .await
        .expect_status(200)
        .json();
    assert_eq!(poll["state"]["id"], "Succeeded");
    assert_eq!(poll["stages"].as_array().unwrap().len(), 4);
    let environment = client.environment(TARGET_ENVIRONMENT).await;
    assert_eq!(
        environment["properties"]["states"]["runtime"]["id"],
        "AdminMode"
    );
    let filter = format!("environment%20eq%20'{TARGET_ENVIRONMENT}'");
    let path = format!("lifecycleOperations?api-version=2024-05-01&$filter={filter}");
    let list = client
        .bap("GET", &path, None)
        .await
        .expect_status(200)
        .json();
    assert_eq!(list["value"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn background_operations_do_not_run_in_administration_mode() {
    let client = TestClient::new().await;
    client
        .runtime("AdminMode", "Enabled")
        .await
        .expect_status(202);
    client.skip_minutes(2);
    let environment = client.environment(TARGET_ENVIRONMENT).await;
    let metadata = &environment["properties"]["linkedEnvironmentMetadata"];
    assert_eq!(metadata["backgroundOperationsState"], "Disabled");
}
