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
