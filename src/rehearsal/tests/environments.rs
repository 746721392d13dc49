//! Both families of the admin API.

use super::*;

const API: &str = "api-version=2024-10-01";

#[tokio::test]
async fn an_environment_is_shown_by_both_families() {
    let guest = Guest::new().await;
    let environment = guest.environment(TARGET_ENVIRONMENT).await;
    let properties = &environment["properties"];
    assert_eq!(environment["name"], TARGET_ENVIRONMENT);
    assert_eq!(properties["displayName"], "Contoso UAT");
    assert_eq!(properties["environmentSku"], "Sandbox");
    assert_eq!(properties["linkedAppMetadata"]["type"], "Internal");
    assert_eq!(properties["states"]["runtime"]["id"], "Enabled");
    assert!(properties.get("ongoingOperation").is_none());
    let path = format!("/environmentmanagement/environments/{TARGET_ENVIRONMENT}?{API}");
    let other = guest
        .power_platform("GET", &path, None)
        .await
        .expect(200)
        .json();
    assert_eq!(
        other["dataverseId"],
        properties["linkedEnvironmentMetadata"]["resourceId"]
    );
    let path = format!("/environmentmanagement/environments?{API}");
    let all = guest
        .power_platform("GET", &path, None)
        .await
        .expect(200)
        .json();
    assert_eq!(all["value"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn what_is_not_there_is_not_found_and_versions_count() {
    let guest = Guest::new().await;
    let path = "scopes/admin/environments/33333333-3333-3333-3333-333333333333";
    let answer = guest
        .bap("GET", &format!("{path}?api-version=2021-04-01"), None)
        .await;
    assert_eq!(answer.expect(404).code(), "EnvironmentNotFound");
    let answer = guest
        .bap("GET", &format!("{path}?api-version=1999-01-01"), None)
        .await;
    assert_eq!(answer.expect(400).code(), "InvalidApiVersion");
    let path = "lifecycleOperations/33333333-3333-3333-3333-333333333333?api-version=2021-04-01";
    assert_eq!(
        guest.bap("GET", path, None).await.expect(404).code(),
        "OperationNotFound"
    );
}

#[tokio::test]
async fn administration_mode_takes_an_operation_and_nothing_takes_none() {
    let guest = Guest::new().await;
    guest.runtime("Enabled", "Enabled").await.expect(204);
    let answer = guest.runtime("AdminMode", "Disabled").await.expect(202);
    let location = answer.header("Location").unwrap().to_owned();
    let scope = guest.endpoints().services[1].scope.clone();
    let poll = guest
        .send(&scope, "GET", &location, None, &[])
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&poll["state"]["id"], &poll["type"]["id"]),
        (&json!("Running"), &json!("Edit"))
    );
    let environment = guest.environment(TARGET_ENVIRONMENT).await;
    assert_eq!(
        environment["properties"]["ongoingOperation"]["type"]["id"],
        "Edit"
    );
    assert_eq!(
        environment["properties"]["states"]["runtime"]["id"],
        "Enabled"
    );
    let busy = guest.runtime("AdminMode", "Disabled").await.expect(409);
    assert_eq!(busy.code(), "OperationNotStartable");
    guest.skip_minutes(1);
    let poll = guest
        .send(&scope, "GET", &location, None, &[])
        .await
        .expect(200)
        .json();
    assert_eq!(poll["state"]["id"], "Succeeded");
    assert_eq!(poll["stages"].as_array().unwrap().len(), 4);
    let environment = guest.environment(TARGET_ENVIRONMENT).await;
    assert_eq!(
        environment["properties"]["states"]["runtime"]["id"],
        "AdminMode"
    );
    let filter = format!("environment%20eq%20'{TARGET_ENVIRONMENT}'");
    let path = format!("lifecycleOperations?api-version=2024-05-01&$filter={filter}");
    let list = guest.bap("GET", &path, None).await.expect(200).json();
    assert_eq!(list["value"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn background_operations_do_not_run_in_administration_mode() {
    let guest = Guest::new().await;
    guest.runtime("AdminMode", "Enabled").await.expect(202);
    guest.skip_minutes(2);
    let environment = guest.environment(TARGET_ENVIRONMENT).await;
    let metadata = &environment["properties"]["linkedEnvironmentMetadata"];
    assert_eq!(metadata["backgroundOperationsState"], "Disabled");
}

#[tokio::test]
async fn packages_and_connections_of_an_environment_are_listed() {
    let guest = Guest::new().await;
    let path = format!(
        "/appmanagement/environments/{TARGET_ENVIRONMENT}/applicationPackages?api-version=2022-03-01-preview"
    );
    let all = guest
        .power_platform("GET", &path, None)
        .await
        .expect(200)
        .json();
    let state = |name: &str| {
        let all = all["value"].as_array().unwrap();
        let package = all.iter().find(|package| package["uniqueName"] == name);
        package.unwrap()["state"].clone()
    };
    assert_eq!(state("msdyn_IntelligentOrderManagementAnchor"), "Installed");
    assert_eq!(state("msdyn_IOMOrderReturnsPortalAnchor"), "None");
    let path = format!("/connectivity/environments/{TARGET_ENVIRONMENT}/connections?{API}");
    let all = guest
        .power_platform("GET", &path, None)
        .await
        .expect(200)
        .json();
    let names: Vec<&str> = all["value"]
        .as_array()
        .unwrap()
        .iter()
        .map(|connection| connection["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, [DATAVERSE_CONNECTION, BIGCOMMERCE_CONNECTION]);
    assert_eq!(
        all["value"][0]["properties"]["statuses"][0]["status"],
        "Connected"
    );
}

#[tokio::test]
async fn finance_and_operations_answers_those_who_are_registered() {
    let guest = Guest::new().await;
    let environment = guest.environment(TARGET_ENVIRONMENT).await;
    let url = environment["properties"]["linkedAppMetadata"]["url"]
        .as_str()
        .unwrap();
    let origin = url.trim_end_matches('/');
    let scope = format!("{origin}/.default");
    let root = guest
        .send(&scope, "GET", &format!("{origin}/data/"), None, &[])
        .await
        .expect(200);
    assert!(root.json()["value"].as_array().unwrap().len() > 3);
    let url = format!("{origin}/data/LegalEntities?$top=1&cross-company=true");
    let entities = guest
        .send(&scope, "GET", &url, None, &[])
        .await
        .expect(200)
        .json();
    assert_eq!(entities["value"][0]["LegalEntityId"], "demf");
    let url = format!("{origin}/data/Nothing");
    guest.send(&scope, "GET", &url, None, &[]).await.expect(404);
}
