//! Batches: several requests in one.

use super::*;

/// The connection reference that the batches change.
fn reference() -> String {
    format!("connectionreferences({})", id("80", 1))
}

/// A part with a request line and a body.
fn part(boundary: &str, id: &str, line: &str, body: &str) -> String {
    let id = if id.is_empty() {
        String::new()
    } else {
        format!("Content-ID: {id}\r\n")
    };
    format!(
        "--{boundary}\r\nContent-Type: application/http\r\n{id}\r\n{line} HTTP/1.1\r\n\
         Content-Type: application/json; type=entry\r\n\r\n{body}\r\n"
    )
}

async fn batch(client: &TestClient, prefer: &str, body: &str) -> TestResponse {
    let origin = client.dataverse(TARGET_ENVIRONMENT).await;
    let token = client.token(&format!("{origin}/.default")).await;
    let request = client
        .http
        .post(format!("{origin}/api/data/v9.2/$batch"))
        .bearer_auth(token)
        .header("Content-Type", "multipart/mixed; boundary=\"b\"")
        .header("Prefer", prefer)
        .body(body.to_owned());
    send_request(request).await
}

/// The statuses of the parts of a response.
fn statuses(response: &TestResponse) -> Vec<&str> {
    let lines = response.text.split("\r\n");
    lines
        .filter_map(|line| line.strip_prefix("HTTP/1.1 ")?.get(..3))
        .collect()
}

async fn description(client: &TestClient) -> Value {
    client.get(&reference()).await["description"].clone()
}

#[tokio::test]
async fn without_the_preference_the_first_error_ends_a_batch() {
    let client = TestClient::new().await;
    let set = |text: &str| format!("{{\"description\":\"{text}\"}}");
    let address = format!("PATCH /api/data/v9.2/{}", reference());
    let missing = format!("PATCH connectionreferences({})", id("99", 1));
    let wrong = "{\"nothing\":1}";
    let parts = [
        part("b", "", &address, &set("first")),
        part("b", "", &missing, wrong),
        part("b", "", &address, &set("last")),
    ];
    let body = format!("\r\n{}--b--\r\n", parts.concat());
    let stopped = batch(&client, "", &body).await.expect_status(400);
    assert_eq!(statuses(&stopped), ["204", "400"], "{}", stopped.text);
    assert!(
        stopped.text.starts_with("--batchresponse_"),
        "{}",
        stopped.text
    );
    assert_eq!(description(&client).await, "first");
    // With lines that end in LF only, as another client sends them.
    let body = body.replace("\r\n", "\n");
    let whole = batch(&client, "odata.continue-on-error", &body).await;
    let whole = whole.expect_status(200);
    assert_eq!(statuses(&whole), ["204", "400", "204"], "{}", whole.text);
    assert_eq!(description(&client).await, "last");
}

#[tokio::test]
async fn a_change_set_is_applied_completely_or_not_at_all() {
    let client = TestClient::new().await;
    let create = "{\"connectionreferencelogicalname\":\"a_b\"}";
    let change_set = |parts: &[String]| {
        format!(
            "--b\r\nContent-Type: multipart/mixed; boundary=s\r\n\r\n{}--s--\r\n--b--\r\n",
            parts.concat()
        )
    };
    let made = part("s", "7", "POST connectionreferences", create);
    let change = part("s", "8", "PATCH $7", "{\"description\":\"in the set\"}");
    let body = change_set(&[made.clone(), change]);
    let done = batch(&client, "", &body).await.expect_status(200);
    assert_eq!(statuses(&done), ["204", "204"], "{}", done.text);
    assert!(done.text.contains("Content-ID: 7\r\n") && done.text.contains("Content-ID: 8\r\n"));
    let found = "connectionreferences(connectionreferencelogicalname='a_b')";
    assert_eq!(client.get(found).await["description"], "in the set");

    let other = made.replace("a_b", "c_d");
    let ahead = part("s", "9", "PATCH $10", "{\"description\":\"x\"}");
    let body = change_set(&[other, ahead]);
    let undone = batch(&client, "", &body).await.expect_status(400);
    assert_eq!(statuses(&undone), ["400"], "{}", undone.text);
    assert!(
        undone
            .text
            .contains("'$10' does not exist in the batch context")
    );
    let missing = found.replace("a_b", "c_d");
    client
        .target("GET", &missing, None)
        .await
        .expect_status(404);
}

#[tokio::test]
async fn a_part_is_handled_like_a_separate_request() {
    let client = TestClient::of_seed(Seed::Thin, TableNames::Renamed, &[]).await;
    let definitions = client
        .get("EntityDefinitions?$select=EntitySetName,SchemaName&$filter=IsCustomEntity eq true")
        .await;
    let sets = definitions["value"].as_array().unwrap().iter();
    let mut sets = sets.filter_map(|table| table["EntitySetName"].as_str());
    let set = sets.find(|set| !set.starts_with("msdyn_iom")).unwrap();
    let read = format!(
        "--b\r\nContent-Type: application/http\r\n\r\nGET {set}?$top=1 HTTP/1.1\r\n\r\n\r\n--b--\r\n"
    );
    let answer = batch(&client, "", &read).await.expect_status(200);
    assert_eq!(statuses(&answer), ["200"], "{}", answer.text);
    let nested = read.replace(&format!("GET {set}?$top=1"), "POST $batch");
    let answer = batch(&client, "", &nested).await.expect_status(400);
    assert_eq!(statuses(&answer), ["400"], "{}", answer.text);
    let plain = batch(&client, "", "no parts").await.expect_status(400);
    assert_eq!(plain.code(), "0x80060888");
    let url = format!(
        "{}/api/data/v9.2/$batch",
        client.dataverse(TARGET_ENVIRONMENT).await
    );
    let unknown = send_request(client.http.post(url).body(read)).await;
    assert_eq!(unknown.status, 401);
}

#[tokio::test]
async fn many_rows_are_written_together_or_not_at_all() {
    let client = TestClient::of_seed(Seed::Whole, TableNames::Usual, &[]).await;
    let target = |name: &str| json!({"@odata.type": "Microsoft.Dynamics.CRM.connectionreference", "connectionreferencelogicalname": name});
    let action = |name: &str| format!("connectionreferences/Microsoft.Dynamics.CRM.{name}");
    let both = json!({"Targets": [target("a_one"), target("a_two")]});
    let made = client
        .post(&action("CreateMultiple"), both)
        .await
        .expect_status(200);
    assert_eq!(made.json()["Ids"].as_array().unwrap().len(), 2);
    let wrong =
        json!({"Targets": [target("a_three"), {"@odata.type": "Microsoft.Dynamics.CRM.workflow"}]});
    client
        .post(&action("CreateMultiple"), wrong)
        .await
        .expect_status(400);
    let named = "connectionreferences?$filter=startswith(connectionreferencelogicalname,'a_')";
    assert_eq!(
        client.get(named).await["value"].as_array().unwrap().len(),
        2
    );
    // Cloud flows have no such message.
    let flows = "workflows/Microsoft.Dynamics.CRM.CreateMultiple";
    client
        .post(flows, json!({"Targets": []}))
        .await
        .expect_status(404);
}
