//! The copy, and what the target looks like afterwards.

use super::*;

const API: &str = "api-version=2024-10-01";

fn operations() -> String {
    format!("/environmentmanagement/environments/{TARGET_ENVIRONMENT}/operations?{API}")
}

#[tokio::test]
async fn a_copy_is_validated_without_being_started() {
    let guest = Guest::new().await;
    let path = format!(
        "/environmentmanagement/environments/{TARGET_ENVIRONMENT}/copy?{API}&ValidateOnly=true"
    );
    let body = json!({"copyType": "Full", "sourceEnvironmentId": SOURCE_ENVIRONMENT});
    let answer = guest
        .power_platform("POST", &path, Some(body))
        .await
        .expect(200);
    assert_eq!(answer.json(), json!({"status": "ValidationPassed"}));
    let list = guest
        .power_platform("GET", &operations(), None)
        .await
        .expect(200)
        .json();
    assert_eq!(list["collection"], json!([]));
    let path =
        format!("/environmentmanagement/environments/{SOURCE_ENVIRONMENT}/copyCandidates?{API}");
    let candidates = guest
        .power_platform("GET", &path, None)
        .await
        .expect(200)
        .json();
    assert_eq!(candidates["collection"].as_array().unwrap().len(), 1);
    assert_eq!(
        candidates["collection"][0]["environmentId"],
        TARGET_ENVIRONMENT
    );
}

#[tokio::test]
async fn what_cannot_be_copied_is_refused() {
    let guest = Guest::new().await;
    for (target, source, kind, status) in [
        (SOURCE_ENVIRONMENT, TARGET_ENVIRONMENT, "Full", 400),
        (TARGET_ENVIRONMENT, TARGET_ENVIRONMENT, "Full", 400),
        (TARGET_ENVIRONMENT, "nothing", "Full", 404),
        (TARGET_ENVIRONMENT, SOURCE_ENVIRONMENT, "FullCopy", 400),
    ] {
        let path = format!("/environmentmanagement/environments/{target}/copy?{API}");
        let body = json!({"copyType": kind, "sourceEnvironmentId": source});
        let answer = guest
            .power_platform("POST", &path, Some(body))
            .await
            .expect(status);
        assert!(
            answer.json()["errorDetail"]["fieldErrors"].is_object(),
            "{}",
            answer.text
        );
    }
    guest.begin_copy("Contoso UAT").await.expect(202);
    let answer = guest.begin_copy("Contoso UAT").await.expect(409);
    assert_eq!(
        answer.json()["errorDetail"]["code"],
        "OperationNotStartable"
    );
    let path = format!("environments/{TARGET_ENVIRONMENT}/copyTo?api-version=2019-05-01");
    let body = json!({"SourceEnvironmentId": SOURCE_ENVIRONMENT, "CopyType": "FullCopy"});
    let answer = guest.bap("POST", &path, Some(body)).await.expect(409);
    assert_eq!(answer.code(), "OperationNotStartable");
}

#[tokio::test]
async fn a_copy_is_polled_to_its_end() {
    let guest = Guest::new().await;
    let answer = guest.begin_copy("Contoso UAT").await.expect(202);
    assert!(
        answer
            .header("Date")
            .unwrap()
            .starts_with("Fri, 06 Mar 2026 20:00:")
    );
    let location = answer.header("Operation-Location").unwrap().to_owned();
    let environment = guest.environment(TARGET_ENVIRONMENT).await;
    let properties = &environment["properties"];
    assert_eq!(properties["states"]["runtime"]["id"], "AdminMode");
    assert_eq!(
        properties["linkedEnvironmentMetadata"]["backgroundOperationsState"],
        "Disabled"
    );
    assert_eq!(properties["ongoingOperation"]["type"]["id"], "Copy");
    guest.skip_minutes(45);
    let scope = guest.endpoints().services[0].scope.clone();
    let poll = guest
        .send(&scope, "GET", &location, None, &[])
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&poll["status"], &poll["name"]),
        (&json!("InProgress"), &json!("Copy"))
    );
    assert_eq!(poll["stageStatuses"][2]["status"], "InProgress");
    guest.skip_minutes(46);
    let poll = guest
        .send(&scope, "GET", &location, None, &[])
        .await
        .expect(200)
        .json();
    assert_eq!(poll["status"], "Succeeded");
    let list = guest
        .power_platform("GET", &operations(), None)
        .await
        .expect(200)
        .json();
    assert_eq!(list["collection"][0], poll);
    let path = format!(
        "lifecycleOperations/{}?api-version=2021-04-01",
        poll["operationId"].as_str().unwrap()
    );
    let other = guest.bap("GET", &path, None).await.expect(200).json();
    assert_eq!(other["state"]["id"], "Succeeded");
}

#[tokio::test]
async fn the_target_has_the_sources_rows_as_a_copy_leaves_them() {
    let guest = Guest::new().await;
    let before = guest.environment(TARGET_ENVIRONMENT).await;
    let url = before["properties"]["linkedEnvironmentMetadata"]["instanceUrl"].clone();
    guest.begin_copy("Contoso UAT 2").await.expect(202);
    guest.skip_minutes(91);
    let after = guest.environment(TARGET_ENVIRONMENT).await;
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
    // Nobody is let in at first.
    let answer = guest.target("GET", "WhoAmI", None).await.expect(403);
    assert_eq!(answer.code(), "0x80072560");
    guest.skip_minutes(3);
    assert_eq!(
        guest.get("WhoAmI").await["OrganizationId"],
        new["resourceId"]
    );

    let flows = guest
        .get("workflows?$select=statecode,name&$filter=category eq 5")
        .await;
    let flows = flows["value"].as_array().unwrap();
    assert!(flows.iter().all(|flow| flow["statecode"] == 0));
    assert!(!flows.iter().any(|flow| flow["name"] == "UAT - Smoke test"));
    let source = guest
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
    let reference = guest
        .get(&format!("connectionreferences({})", id("80", 2)))
        .await;
    assert_ne!(reference["connectionid"], BIGCOMMERCE_CONNECTION);
    let parameter = guest
        .get(&format!("msdyn_iomproviderparameters({})", id("12", 100)))
        .await;
    assert_eq!(parameter["msdyn_value"], "prod-store-hash");
    let platform = guest.get("msdyn_iomplatformconnectionreferences").await;
    let address = platform["value"][0]["msdyn_connectionurl"]
        .as_str()
        .unwrap();
    assert!(address.contains(SOURCE_ENVIRONMENT));
    let organizations = guest.get("organizations?$select=name").await;
    assert_eq!(organizations["value"].as_array().unwrap().len(), 1);
    assert_eq!(organizations["value"][0]["name"], new["uniqueName"]);
    let team = guest.get("teams?$filter=isdefault eq true").await;
    assert_eq!(team["value"][0]["name"], new["uniqueName"]);
    let user = guest
        .get("systemusers?$filter=domainname eq 'svc-iom@contoso.com'")
        .await;
    assert_eq!(user["value"][0]["systemuserid"], id("a5", 2));
}

#[tokio::test]
async fn an_application_that_is_no_user_can_be_added() {
    let guest = Guest::new().await;
    guest.opened().await;
    let user = id("a5", 1);
    guest
        .target("DELETE", &format!("systemusers({user})"), None)
        .await
        .expect(204);
    guest.target("GET", "WhoAmI", None).await.expect(403);
    let path =
        format!("scopes/admin/environments/{TARGET_ENVIRONMENT}/addAppUser?api-version=2020-10-01");
    let wrong = Some(json!({"servicePrincipalAppId": id("99", 1)}));
    assert_eq!(
        guest.bap("POST", &path, wrong).await.expect(400).code(),
        "InvalidApplicationId"
    );
    let body = Some(json!({"servicePrincipalAppId": CLIENT}));
    guest.bap("POST", &path, body).await.expect(200);
    guest.target("GET", "WhoAmI", None).await.expect(200);
}
