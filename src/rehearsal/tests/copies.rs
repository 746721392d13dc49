//! The copy, and the target after it.

use super::*;

const API: &str = "api-version=2024-10-01";

#[tokio::test]
async fn an_invalid_copy_is_refused() {
    let client = TestClient::new().await;
    for (target, source, kind, status) in [
        (SOURCE_ENVIRONMENT, TARGET_ENVIRONMENT, "Full", 400),
        (TARGET_ENVIRONMENT, TARGET_ENVIRONMENT, "Full", 400),
        (TARGET_ENVIRONMENT, "nothing", "Full", 404),
        (TARGET_ENVIRONMENT, SOURCE_ENVIRONMENT, "FullCopy", 400),
    ] {
        let path = format!("/environmentmanagement/environments/{target}/copy?{API}");
        let body = json!({"copyType": kind, "sourceEnvironmentId": source});
        let response = client
            .power_platform("POST", &path, Some(body))
            .await
            .expect_status(status);
        assert!(
            response.json()["errorDetail"]["fieldErrors"].is_object(),
            "{}",
            response.text
        );
    }
    client.begin_copy("Contoso UAT").await.expect_status(202);
    let response = client.begin_copy("Contoso UAT").await.expect_status(409);
    assert_eq!(
        response.json()["errorDetail"]["code"],
        "OperationNotStartable"
    );
    let path = format!("environments/{TARGET_ENVIRONMENT}/copyTo?api-version=2019-05-01");
    let body = json!({"SourceEnvironmentId": SOURCE_ENVIRONMENT, "CopyType": "FullCopy"});
    let response = client
        .bap("POST", &path, Some(body))
        .await
        .expect_status(409);
    assert_eq!(response.code(), "OperationNotStartable");
}

#[tokio::test]
async fn after_a_copy_the_target_has_the_sources_rows_with_the_effects_of_a_copy() {
    let client = TestClient::new().await;
    let before = client.environment(TARGET_ENVIRONMENT).await;
    let url = before["properties"]["linkedEnvironmentMetadata"]["instanceUrl"].clone();
    client.begin_copy("Contoso UAT 2").await.expect_status(202);
    client.skip_minutes(91);
    let after = client.environment(TARGET_ENVIRONMENT).await;
    let (old, new) = (&before["properties"], &after["properties"]);
    assert_eq!(new["displayName"], "Contoso UAT 2");
    assert_eq!(new["states"]["runtime"]["id"], "AdminMode");
    assert_eq!(new["states"]["management"]["id"], "Ready");
    let (old, new) = (
        &old["linkedEnvironmentMetadata"],
        &new["linkedEnvironmentMetadata"],
    );
    assert_eq!(new["instanceUrl"], url);
    assert_ne!(new["resourceId"], old["resourceId"]);
    assert_ne!(new["uniqueName"], old["uniqueName"]);
    assert_eq!(new["securityGroupId"], old["securityGroupId"]);
    // At first no user has access.
    let response = client
        .target("GET", "WhoAmI", None)
        .await
        .expect_status(403);
    assert_eq!(response.code(), "0x80072560");
    client.skip_minutes(3);
    assert_eq!(
        client.get("WhoAmI").await["OrganizationId"],
        new["resourceId"]
    );

    let flows = client
        .get("workflows?$select=statecode,name&$filter=category eq 5")
        .await;
    let flows = flows["value"].as_array().unwrap();
    assert!(flows.iter().all(|flow| flow["statecode"] == 0));
    assert!(!flows.iter().any(|flow| flow["name"] == "UAT - Smoke test"));
    let source = client
        .web_api(
            SOURCE_ENVIRONMENT,
            "GET",
            "workflows?$select=statecode",
            None,
            &[],
        )
        .await
        .json();
    assert_eq!(source["value"].as_array().unwrap().len(), flows.len());
    assert!(
        source["value"]
            .as_array()
            .unwrap()
            .iter()
            .any(|flow| flow["statecode"] == 1)
    );
    let reference = client
        .get(&format!("connectionreferences({})", id("80", 2)))
        .await;
    assert_ne!(reference["connectionid"], BIGCOMMERCE_CONNECTION);
    let parameter = client
        .get(&format!("msdyn_iomproviderparameters({})", id("12", 100)))
        .await;
    assert_eq!(parameter["msdyn_value"], "prod-store-hash");
    let platform = client.get("msdyn_iomplatformconnectionreferences").await;
    let address = platform["value"][0]["msdyn_connectionurl"]
        .as_str()
        .unwrap();
    assert!(address.contains(SOURCE_ENVIRONMENT));
    let organizations = client.get("organizations?$select=name").await;
    assert_eq!(organizations["value"].as_array().unwrap().len(), 1);
    assert_eq!(organizations["value"][0]["name"], new["uniqueName"]);
    let team = client.get("teams?$filter=isdefault eq true").await;
    assert_eq!(team["value"][0]["name"], new["uniqueName"]);
    let user = client
        .get("systemusers?$filter=domainname eq 'svc-iom@contoso.com'")
        .await;
    assert_eq!(user["value"][0]["systemuserid"], id("a5", 2));
}

#[tokio::test]
async fn an_application_can_be_added_as_a_user() {
    let client = TestClient::new().await;
    client.copy_and_open().await;
    let user = id("a5", 1);
    client
        .target("DELETE", &format!("systemusers({user})"), None)
        .await
        .expect_status(204);
    client
        .target("GET", "WhoAmI", None)
        .await
        .expect_status(403);
    let path =
        format!("scopes/admin/environments/{TARGET_ENVIRONMENT}/addAppUser?api-version=2020-10-01");
    let wrong = Some(json!({"servicePrincipalAppId": id("99", 1)}));
    assert_eq!(
        client
            .bap("POST", &path, wrong)
            .await
            .expect_status(400)
            .code(),
        "InvalidApplicationId"
    );
    let body = Some(json!({"servicePrincipalAppId": CLIENT}));
    client.bap("POST", &path, body).await.expect_status(200);
    client
        .target("GET", "WhoAmI", None)
        .await
        .expect_status(200);
}
