//! Failures on purpose.

use super::*;

#[tokio::test]
async fn an_ignored_write_reports_success_and_is_logged() {
    let fault = "accept-and-ignore:PATCH */msdyn_iomproviderparameters(*";
    let client = TestClient::with_faults(&[fault]).await;
    let path = format!("msdyn_iomproviderparameters({})", id("12", 900_100));
    let before = client.get(&path).await;
    client
        .patch(&path, json!({"msdyn_value": "other"}))
        .await
        .expect_status(204);
    assert_eq!(client.get(&path).await, before);
    let with_fault: Vec<Value> = client
        .lines()
        .into_iter()
        .filter(|line| line.get("fault").is_some())
        .collect();
    assert_eq!(with_fault.len(), 1);
    assert_eq!(
        (&with_fault[0]["fault"], &with_fault[0]["status"]),
        (&json!(fault), &json!(204))
    );
    // A refused request stays refused.
    client
        .patch(&path, json!({"nothing": 1}))
        .await
        .expect_status(400);
}

#[tokio::test]
async fn an_ignored_copy_never_starts() {
    let client = TestClient::with_faults(&["accept-and-ignore#1:POST */copy"]).await;
    client.begin_copy("Contoso UAT").await.expect_status(202);
    client.skip_minutes(100);
    let environment = client.environment(TARGET_ENVIRONMENT).await;
    assert_eq!(
        environment["properties"]["states"]["runtime"]["id"],
        "Enabled"
    );
    client.begin_copy("Contoso UAT").await.expect_status(202);
    let environment = client.environment(TARGET_ENVIRONMENT).await;
    assert_eq!(
        environment["properties"]["states"]["runtime"]["id"],
        "AdminMode"
    );
}

/// Waits until the tenant has received a request that it holds.
async fn wait_until_held(client: &TestClient) {
    let is_held = || {
        let world = std::fs::read_to_string(client.world_file()).unwrap();
        world.contains("\"fault\":\"hold")
    };
    while !is_held() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_held_request_is_applied_without_a_response() {
    let mut client = TestClient::with_faults(&["hold#1:POST */copy"]).await;
    tokio::select! {
        answer = client.begin_copy("Contoso UAT") => panic!("it is answered: {}", answer.status),
        () = wait_until_held(&client) => {}
    }
    let environment = client.environment(TARGET_ENVIRONMENT).await;
    assert_eq!(
        environment["properties"]["ongoingOperation"]["type"]["id"],
        "Copy"
    );
    client.begin_copy("Contoso UAT").await.expect_status(409);
    // The world stores the count: after a restart the fault does not apply a second time.
    client.stop().await;
    client.start(&["hold#1:POST */copy"]).await;
    client.begin_copy("Contoso UAT").await.expect_status(409);
}

#[tokio::test]
async fn a_stopped_tenant_drops_held_requests() {
    let mut client = TestClient::with_faults(&["hold:GET */WhoAmI"]).await;
    let origin = client.dataverse(TARGET_ENVIRONMENT).await;
    let token = client.token(&format!("{origin}/.default")).await;
    let url = format!("{origin}/api/data/v9.2/WhoAmI");
    let request = client.http.get(url).bearer_auth(token).send();
    let request = tokio::spawn(request);
    wait_until_held(&client).await;
    assert!(!request.is_finished());
    client.stop().await;
    let ended = tokio::time::timeout(Duration::from_secs(5), request)
        .await
        .unwrap()
        .unwrap();
    assert!(ended.is_err());
}

#[tokio::test]
async fn a_refused_request_changes_nothing_and_has_its_status() {
    let fault = "refuse=403#1:PATCH */msdyn_iomproviderparameters(*";
    let client = TestClient::with_faults(&[fault]).await;
    let path = format!("msdyn_iomproviderparameters({})", id("12", 900_100));
    let before = client.get(&path).await;
    let other = json!({"msdyn_value": "other"});
    client.patch(&path, other.clone()).await.expect_status(403);
    assert_eq!(client.get(&path).await, before);
    let with_fault: Vec<Value> = client
        .lines()
        .into_iter()
        .filter(|line| line.get("fault").is_some())
        .collect();
    assert_eq!(
        (&with_fault[0]["fault"], &with_fault[0]["status"]),
        (&json!(fault), &json!(403))
    );
    client.patch(&path, other).await.expect_status(204);
}
