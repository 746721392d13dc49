//! The token endpoint, and what the services make of tokens.

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
async fn what_is_wrong_with_a_token_request_is_said() {
    let guest = Guest::new().await;
    let scope = "https://service.powerapps.com/.default";
    let says = |answer: &Answered, number: u32| {
        let body = answer.json();
        assert_eq!(body["error_codes"], json!([number]), "{body}");
        let text = body["error_description"].as_str().unwrap();
        assert!(text.starts_with(&format!("AADSTS{number}:")), "{text}");
    };
    let answer = guest.ask_token(&form("wrong", scope)).await.expect(401);
    assert_eq!(answer.json()["error"], "invalid_client");
    assert!(!answer.text.contains("wrong"));
    says(&answer, 7_000_215);
    let mut other = form(SECRET, scope);
    other[1].1 = "00000000-0000-0000-0000-000000000009";
    says(&guest.ask_token(&other).await.expect(400), 700_016);
    says(
        &guest
            .ask_token_of("nobody.example", &form(SECRET, scope))
            .await
            .expect(400),
        90_002,
    );
    says(
        &guest
            .ask_token(&form(SECRET, "https://other.example/.default"))
            .await
            .expect(400),
        500_011,
    );
    says(
        &guest
            .ask_token(&form(SECRET, "https://service.powerapps.com"))
            .await
            .expect(400),
        1_002_012,
    );
}

#[tokio::test]
async fn a_token_opens_one_service_for_an_hour_of_simulated_time() {
    let guest = Guest::new().await;
    let answer = guest
        .ask_token(&form(SECRET, "https://service.powerapps.com/.default"))
        .await;
    assert_eq!(answer.expect(200).json()["expires_in"], 3599);
    guest.environment(TARGET_ENVIRONMENT).await;
    guest.skip(Duration::from_secs(3590));
    guest.environment(TARGET_ENVIRONMENT).await;
    guest.skip(Duration::from_secs(20));
    let path = "scopes/admin/environments?api-version=2021-04-01";
    let answer = guest.bap("GET", path, None).await.expect(401);
    assert_eq!(answer.code(), "ExpiredAuthenticationToken");
    let challenge = answer.header("WWW-Authenticate").unwrap();
    assert!(challenge.contains("authorization_uri=") && challenge.contains("resource_id="));
}

#[tokio::test]
async fn a_token_for_another_service_and_no_token_are_refused() {
    let guest = Guest::new().await;
    let origin = guest.dataverse(TARGET_ENVIRONMENT).await;
    let url = format!("{origin}/api/data/v9.2/WhoAmI");
    let scope = "https://service.powerapps.com/.default";
    let answer = guest.send(scope, "GET", &url, None, &[]).await.expect(401);
    assert_eq!(answer.code(), "InvalidAuthenticationAudience");
    let other = guest.dataverse(SOURCE_ENVIRONMENT).await;
    let scope = format!("{other}/.default");
    guest.send(&scope, "GET", &url, None, &[]).await.expect(401);
    answered(guest.http.get(&url)).await.expect(401);
    answered(guest.http.get(&url).bearer_auth("invented"))
        .await
        .expect(401);
}

#[tokio::test]
async fn the_log_names_the_sender_and_holds_no_secret() {
    let guest = Guest::new().await;
    let scope = "https://service.powerapps.com/.default";
    let token = guest.token(scope).await;
    guest.environment(TARGET_ENVIRONMENT).await;
    let lines = guest.lines();
    let request = &lines[1];
    assert_eq!(request["listener"], "authority");
    assert_eq!(request["user_agent"], "guest/1");
    assert_eq!(request["caller"], CLIENT);
    let text = std::fs::read_to_string(guest.world_file()).unwrap();
    assert!(!text.contains(&token) && !text.contains(SECRET) && !text.contains("Bearer"));
}

/// What a token says of itself.
fn claims(token: &str) -> Value {
    use base64::Engine as _;
    let payload = token.split('.').nth(1).unwrap();
    let engine = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    serde_json::from_slice(&engine.decode(payload).unwrap()).unwrap()
}

fn persons(name: &'static str, scope: &'static str) -> [(&'static str, &'static str); 5] {
    [
        ("grant_type", "password"),
        ("client_id", "native"),
        ("username", name),
        ("password", PASSWORD),
        ("scope", scope),
    ]
}

#[tokio::test]
async fn a_persons_token_is_told_from_an_applications() {
    let guest = Guest::new().await;
    let scope = "https://service.powerapps.com/.default openid offline_access";
    let answer = guest.ask_token(&persons("Ada@contoso.com", scope)).await;
    let token = answer.expect(200).json()["access_token"]
        .as_str()
        .unwrap()
        .to_owned();
    let person = claims(&token);
    assert_eq!(person["idtyp"], "user");
    assert_eq!(person["upn"], "ada@contoso.com");
    assert_eq!(person["aud"], "https://service.powerapps.com");
    assert_eq!(
        person["exp"].as_u64().unwrap() - person["iat"].as_u64().unwrap(),
        3599
    );
    let application = claims(&guest.token("https://service.powerapps.com/.default").await);
    assert_eq!(application["idtyp"], "app");
    assert_eq!(application["appid"], CLIENT);
    let kinds: Vec<Value> = guest
        .objects()
        .into_iter()
        .filter(|(key, _)| key.starts_with("token/"))
        .map(|(_, token)| token["kind"].clone())
        .collect();
    assert!(kinds.contains(&json!("person")) && kinds.contains(&json!("application")));
    let url = format!(
        "{}/providers/Microsoft.BusinessAppPlatform/scopes/admin/environments?api-version=2021-04-01",
        guest
            .endpoints()
            .services
            .iter()
            .find(|s| s.key == "bap")
            .unwrap()
            .url
    );
    answered(guest.http.get(&url).bearer_auth(token))
        .await
        .expect(200);
    // Cleo is no administrator.
    let answer = guest.ask_token(&persons("cleo@contoso.com", scope)).await;
    let token = answer.expect(200).json()["access_token"].clone();
    let request = guest.http.get(&url).bearer_auth(token.as_str().unwrap());
    assert_eq!(answered(request).await.expect(403).code(), "Forbidden");
    let mut wrong = persons("ada@contoso.com", scope);
    wrong[3].1 = "wrong";
    let answer = guest.ask_token(&wrong).await.expect(400).json();
    assert_eq!(answer["error_codes"], json!([50_126]));
}

/// An assertion of the tenant's own issuer for GitHub, for an audience.
async fn assertion(guest: &Guest, audience: &str) -> String {
    let url = format!("{}/github/idtoken?audience={audience}", guest.machine());
    let request = guest.http.get(url).bearer_auth(MACHINE_KEY);
    let answer = answered(request).await.expect(200).json();
    answer["value"].as_str().unwrap().to_owned()
}

async fn by_assertion(guest: &Guest, assertion: &str) -> Answered {
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
    guest.ask_token(&form).await
}

#[tokio::test]
async fn an_assertion_is_taken_once_in_its_time_and_for_its_audience() {
    let guest = Guest::new().await;
    let exchange = "api://AzureADTokenExchange";
    let refused = |answer: Answered, number: u32| {
        let body = answer.expect(401).json();
        assert_eq!(body["error_codes"], json!([number]), "{body}");
    };
    let first = assertion(&guest, exchange).await;
    by_assertion(&guest, &first).await.expect(200);
    refused(by_assertion(&guest, &first).await, 50_013);
    refused(by_assertion(&guest, "e30.e30.e30").await, 50_013);
    let other = assertion(&guest, "api://other").await;
    refused(by_assertion(&guest, &other).await, 700_212);
    let late = assertion(&guest, exchange).await;
    guest.skip_minutes(6);
    refused(by_assertion(&guest, &late).await, 700_024);
    // The library of Azure's own form without its type.
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", CLIENT),
        ("client_assertion", late.as_str()),
    ];
    assert_eq!(
        guest.ask_token(&form).await.expect(400).json()["error_codes"],
        json!([900_144])
    );
    let text = std::fs::read_to_string(guest.world_file()).unwrap();
    assert!(!text.contains(&first) && !text.contains(MACHINE_KEY));
}

#[tokio::test]
async fn an_application_trusts_an_issuer_about_a_subject() {
    let guest = Guest::new().await;
    let key = format!("principal/{CLIENT}");
    for (member, number) in [("issuer", 700_211), ("subject", 700_213)] {
        let assertion = assertion(&guest, "api://AzureADTokenExchange").await;
        let mut principal = guest.objects()[&key].clone();
        for federated in principal["federated"].as_array_mut().unwrap() {
            federated[member] = json!("another");
        }
        guest.change(&key, principal);
        let body = by_assertion(&guest, &assertion).await.expect(401).json();
        assert_eq!(body["error_codes"], json!([number]), "{body}");
        // The original of the seed again.
        let seeded = guest.lines()[0]["put"][&key].clone();
        guest.change(&key, seeded);
    }
}

#[tokio::test]
async fn the_machine_hands_out_tokens_as_its_models_do() {
    let guest = Guest::new().await;
    let machine = guest.machine();
    let resource = "https://service.powerapps.com";
    let metadata = format!(
        "{machine}/metadata/identity/oauth2/token?api-version=2018-02-01&resource={resource}"
    );
    answered(guest.http.get(&metadata)).await.expect(400);
    let request = guest.http.get(&metadata).header("Metadata", "true");
    let answer = answered(request).await.expect(200).json();
    assert_eq!(answer["expires_in"], "86400");
    assert_eq!(answer["resource"], resource);
    let token = answer["access_token"].as_str().unwrap();
    assert_eq!(
        claims(token)["exp"].to_string(),
        answer["expires_on"].as_str().unwrap()
    );
    let service = format!("{machine}/msi/token?api-version=2019-08-01&resource={resource}");
    answered(guest.http.get(&service)).await.expect(401);
    let request = guest
        .http
        .get(&service)
        .header("X-IDENTITY-HEADER", MACHINE_KEY);
    assert!(answered(request).await.expect(200).json()["expires_in"].is_null());
    let unknown = format!("{metadata}&client_id=0f0f0f0f-0000-4000-8000-000000000000");
    let request = guest.http.get(&unknown).header("Metadata", "true");
    assert_eq!(
        answered(request).await.expect(400).json()["error_description"],
        "Identity not found"
    );
}

#[tokio::test]
async fn power_apps_lists_the_connections_of_an_environment() {
    let guest = Guest::new().await;
    let path = format!(
        "/providers/Microsoft.PowerApps/scopes/admin/environments/{TARGET_ENVIRONMENT}/connections?api-version=2016-11-01"
    );
    let apps = guest
        .admin("power-apps", "GET", &path, None)
        .await
        .expect(200)
        .json();
    let path = format!(
        "/connectivity/environments/{TARGET_ENVIRONMENT}/connections?api-version=2024-10-01"
    );
    let platform = guest
        .power_platform("GET", &path, None)
        .await
        .expect(200)
        .json();
    assert_eq!(apps, platform);
    assert!(!apps["value"].as_array().unwrap().is_empty());
}
