//! The token endpoint, and the tokens that services accept.

use super::*;

fn form(secret: &'static str, scope: &'static str) -> [(&'static str, &'static str); 4] {
    [
        ("grant_type", "client_credentials"),
        ("client_id", CLIENT),
        ("client_secret", secret),
        ("scope", scope),
    ]
}

#[tokio::test]
async fn an_invalid_token_request_is_explained() {
    let client = TestClient::new().await;
    let scope = "https://service.powerapps.com/.default";
    let assert_code = |response: &TestResponse, number: u32| {
        let body = response.json();
        assert_eq!(body["error_codes"], json!([number]), "{body}");
        let text = body["error_description"].as_str().unwrap();
        assert!(text.starts_with(&format!("AADSTS{number}:")), "{text}");
    };
    let response = client
        .request_token(&form("wrong", scope))
        .await
        .expect_status(401);
    assert_eq!(response.json()["error"], "invalid_client");
    assert!(!response.text.contains("wrong"));
    assert_code(&response, 7_000_215);
    let mut other = form(SECRET, scope);
    other[1].1 = "00000000-0000-0000-0000-000000000009";
    assert_code(
        &client.request_token(&other).await.expect_status(400),
        700_016,
    );
    assert_code(
        &client
            .request_token_of("nobody.example", &form(SECRET, scope))
            .await
            .expect_status(400),
        90_002,
    );
    assert_code(
        &client
            .request_token(&form(SECRET, "https://other.example/.default"))
            .await
            .expect_status(400),
        500_011,
    );
    assert_code(
        &client
            .request_token(&form(SECRET, "https://service.powerapps.com"))
            .await
            .expect_status(400),
        1_002_012,
    );
}

#[tokio::test]
async fn a_token_is_valid_for_one_service_and_an_hour_of_simulated_time() {
    let client = TestClient::new().await;
    let response = client
        .request_token(&form(SECRET, "https://service.powerapps.com/.default"))
        .await;
    assert_eq!(response.expect_status(200).json()["expires_in"], 3599);
    client.environment(TARGET_ENVIRONMENT).await;
    client.skip(Duration::from_secs(3590));
    client.environment(TARGET_ENVIRONMENT).await;
    client.skip(Duration::from_secs(20));
    let path = "scopes/admin/environments?api-version=2021-04-01";
    let response = client.bap("GET", path, None).await.expect_status(401);
    assert_eq!(response.code(), "ExpiredAuthenticationToken");
    let challenge = response.header("WWW-Authenticate").unwrap();
    assert!(challenge.contains("authorization_uri=") && challenge.contains("resource_id="));
}

#[tokio::test]
async fn a_token_for_another_service_and_no_token_are_refused() {
    let client = TestClient::new().await;
    let origin = client.dataverse(TARGET_ENVIRONMENT).await;
    let url = format!("{origin}/api/data/v9.2/WhoAmI");
    let scope = "https://service.powerapps.com/.default";
    let response = client
        .send(scope, "GET", &url, None, &[])
        .await
        .expect_status(401);
    assert_eq!(response.code(), "InvalidAuthenticationAudience");
    let other = client.dataverse(SOURCE_ENVIRONMENT).await;
    let scope = format!("{other}/.default");
    client
        .send(&scope, "GET", &url, None, &[])
        .await
        .expect_status(401);
    send_request(client.http.get(&url)).await.expect_status(401);
    send_request(client.http.get(&url).bearer_auth("invented"))
        .await
        .expect_status(401);
}

#[tokio::test]
async fn the_log_names_the_sender_and_holds_no_secret() {
    let client = TestClient::new().await;
    let scope = "https://service.powerapps.com/.default";
    let token = client.token(scope).await;
    client.environment(TARGET_ENVIRONMENT).await;
    let lines = client.lines();
    let request = &lines[1];
    assert_eq!(request["listener"], "authority");
    assert_eq!(request["user_agent"], "client/1");
    assert_eq!(request["caller"], CLIENT);
    let text = std::fs::read_to_string(client.world_file()).unwrap();
    assert!(!text.contains(&token) && !text.contains(SECRET) && !text.contains("Bearer"));
}

/// Requests an assertion for an audience from the tenant's own GitHub issuer.
async fn request_assertion(client: &TestClient, audience: &str) -> String {
    let url = format!("{}/github/idtoken?audience={audience}", client.machine());
    let request = client.http.get(url).bearer_auth(MACHINE_KEY);
    let response = send_request(request).await.expect_status(200).json();
    response["value"].as_str().unwrap().to_owned()
}

async fn request_token_by_assertion(client: &TestClient, assertion: &str) -> TestResponse {
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", CLIENT),
        ("scope", "https://service.powerapps.com/.default"),
        (
            "client_assertion_type",
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        ),
        ("client_assertion", assertion),
    ];
    client.request_token(&form).await
}

#[tokio::test]
async fn an_assertion_is_accepted_once_in_time_and_for_its_audience() {
    let client = TestClient::new().await;
    let exchange = "api://AzureADTokenExchange";
    let refused = |response: TestResponse, number: u32| {
        let body = response.expect_status(401).json();
        assert_eq!(body["error_codes"], json!([number]), "{body}");
    };
    let first = request_assertion(&client, exchange).await;
    request_token_by_assertion(&client, &first)
        .await
        .expect_status(200);
    refused(request_token_by_assertion(&client, &first).await, 50_013);
    refused(
        request_token_by_assertion(&client, "e30.e30.e30").await,
        50_013,
    );
    let other = request_assertion(&client, "api://other").await;
    refused(request_token_by_assertion(&client, &other).await, 700_212);
    let late = request_assertion(&client, exchange).await;
    client.skip_minutes(6);
    refused(request_token_by_assertion(&client, &late).await, 700_024);
    // The form of Azure's library, without the type.
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", CLIENT),
        ("client_assertion", late.as_str()),
    ];
    assert_eq!(
        client.request_token(&form).await.expect_status(400).json()["error_codes"],
        json!([900_144])
    );
    let text = std::fs::read_to_string(client.world_file()).unwrap();
    assert!(!text.contains(&first) && !text.contains(MACHINE_KEY));
}

#[tokio::test]
async fn an_application_trusts_an_issuer_for_a_subject() {
    let client = TestClient::new().await;
    let key = format!("principal/{CLIENT}");
    for (member, number) in [("issuer", 700_211), ("subject", 700_213)] {
        let assertion = request_assertion(&client, "api://AzureADTokenExchange").await;
        let mut principal = client.objects()[&key].clone();
        for federated in principal["federated"].as_array_mut().unwrap() {
            federated[member] = json!("another");
        }
        client.change(&key, principal);
        let body = request_token_by_assertion(&client, &assertion)
            .await
            .expect_status(401)
            .json();
        assert_eq!(body["error_codes"], json!([number]), "{body}");
        // The seed's principal again.
        let seeded = client.lines()[0]["put"][&key].clone();
        client.change(&key, seeded);
    }
}

#[tokio::test]
async fn power_apps_lists_the_connections_of_an_environment() {
    let client = TestClient::new().await;
    let path = format!(
        "/providers/Microsoft.PowerApps/scopes/admin/environments/{TARGET_ENVIRONMENT}/connections?api-version=2016-11-01"
    );
    let apps = client
        .admin("power-apps", "GET", &path, None)
        .await
        .expect_status(200)
        .json();
    let path = format!(
        "/connectivity/environments/{TARGET_ENVIRONMENT}/connections?api-version=2024-10-01"
    );
    let platform = client
        .power_platform("GET", &path, None)
        .await
        .expect_status(200)
        .json();
    assert_eq!(apps, platform);
    assert!(!apps["value"].as_array().unwrap().is_empty());
}
