//! What goes wrong on purpose.

use super::*;

#[tokio::test]
async fn an_ignored_write_is_answered_as_applied_and_logged() {
    let fault = "accept-and-ignore:PATCH */msdyn_iomproviderparameters(*";
    let guest = Guest::with_faults(&[fault]).await;
    let path = format!("msdyn_iomproviderparameters({})", id("12", 900_100));
    let before = guest.get(&path).await;
    guest
        .patch(&path, json!({"msdyn_value": "other"}))
        .await
        .expect(204);
    assert_eq!(guest.get(&path).await, before);
    let struck: Vec<Value> = guest
        .lines()
        .into_iter()
        .filter(|line| line.get("fault").is_some())
        .collect();
    assert_eq!(struck.len(), 1);
    assert_eq!(
        (&struck[0]["fault"], &struck[0]["status"]),
        (&json!(fault), &json!(204))
    );
    // A refusal stays a refusal.
    guest.patch(&path, json!({"nothing": 1})).await.expect(400);
}

#[tokio::test]
async fn an_ignored_copy_never_begins() {
    let guest = Guest::with_faults(&["accept-and-ignore#1:POST */copy"]).await;
    guest.begin_copy("Contoso UAT").await.expect(202);
    guest.skip_minutes(100);
    let environment = guest.environment(TARGET_ENVIRONMENT).await;
    assert_eq!(
        environment["properties"]["states"]["runtime"]["id"],
        "Enabled"
    );
    guest.begin_copy("Contoso UAT").await.expect(202);
    let environment = guest.environment(TARGET_ENVIRONMENT).await;
    assert_eq!(
        environment["properties"]["states"]["runtime"]["id"],
        "AdminMode"
    );
}

#[tokio::test]
async fn a_held_request_is_applied_and_never_answered() {
    let mut guest = Guest::with_faults(&["hold#1:POST */copy"]).await;
    let impatient = Duration::from_millis(300);
    let held = tokio::time::timeout(impatient, guest.begin_copy("Contoso UAT")).await;
    assert!(held.is_err());
    let environment = guest.environment(TARGET_ENVIRONMENT).await;
    assert_eq!(
        environment["properties"]["ongoingOperation"]["type"]["id"],
        "Copy"
    );
    guest.begin_copy("Contoso UAT").await.expect(409);
    // The count is in the world: a tenant that was started again does not strike a second time.
    guest.stop().await;
    guest.start(&["hold#1:POST */copy"]).await;
    guest.begin_copy("Contoso UAT").await.expect(409);
}

#[tokio::test]
async fn a_stopped_tenant_drops_what_it_holds() {
    let mut guest = Guest::with_faults(&["hold:GET */WhoAmI"]).await;
    let origin = guest.dataverse(TARGET_ENVIRONMENT).await;
    let token = guest.token(&format!("{origin}/.default")).await;
    let url = format!("{origin}/api/data/v9.2/WhoAmI");
    let request = guest.http.get(url).bearer_auth(token).send();
    let request = tokio::spawn(request);
    tokio::time::sleep(Duration::from_millis(200)).await;
    guest.stop().await;
    let ended = tokio::time::timeout(Duration::from_secs(5), request)
        .await
        .unwrap()
        .unwrap();
    assert!(ended.is_err());
}

#[tokio::test]
async fn a_refused_request_changes_nothing_and_has_its_status() {
    let fault = "refuse=403#1:PATCH */msdyn_iomproviderparameters(*";
    let guest = Guest::with_faults(&[fault]).await;
    let path = format!("msdyn_iomproviderparameters({})", id("12", 900_100));
    let before = guest.get(&path).await;
    let other = json!({"msdyn_value": "other"});
    guest.patch(&path, other.clone()).await.expect(403);
    assert_eq!(guest.get(&path).await, before);
    let struck: Vec<Value> = guest
        .lines()
        .into_iter()
        .filter(|line| line.get("fault").is_some())
        .collect();
    assert_eq!(
        (&struck[0]["fault"], &struck[0]["status"]),
        (&json!(fault), &json!(403))
    );
    guest.patch(&path, other).await.expect(204);
}
