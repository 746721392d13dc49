//! Connection references and cloud flows.

use super::*;

fn flow(number: u32) -> String {
    format!("workflows({})", id("30", number))
}

fn on() -> Value {
    json!({"statecode": 1, "statuscode": 2})
}

/// The Flow service's error inside an error of Dataverse.
fn inner(response: &TestResponse) -> Value {
    assert_eq!(response.status, 400, "{}", response.text);
    assert_eq!(response.code(), "0x80060467");
    let message = response.json()["error"]["message"]
        .as_str()
        .unwrap()
        .to_owned();
    let text = &message[message.find('{').unwrap()..=message.rfind('}').unwrap()];
    serde_json::from_str(text).unwrap()
}

#[tokio::test]
async fn a_flow_needs_connections_and_its_child() {
    let client = TestClient::new().await;
    client.copy_and_open().await;
    let response = client.patch(&flow(3), on()).await;
    let error = inner(&response)["error"].clone();
    assert_eq!(error["code"], "ConnectionAuthorizationFailed");
    let reference = format!("connectionreferences({})", id("80", 1));
    client
        .patch(&reference, json!({"connectionid": null}))
        .await
        .expect_status(204);
    let response = client.patch(&flow(3), on()).await;
    assert_eq!(
        inner(&response)["error"]["code"],
        "XrmConnectionReferenceMissingConnection"
    );
    let stale = json!({"connectionid": "11d0a1b2c3d4e5f60718293a4b5c6d7e"});
    let response = client.patch(&reference, stale).await;
    assert_eq!(
        inner(&response)["error"]["code"],
        "ConnectionAuthorizationFailed"
    );
    let other = json!({"connectionid": BIGCOMMERCE_CONNECTION});
    inner(&client.patch(&reference, other).await);
    let right = json!({"connectionid": DATAVERSE_CONNECTION});
    client.patch(&reference, right).await.expect_status(204);

    let response = client.patch(&flow(2), on()).await;
    assert_eq!(
        inner(&response)["error"]["code"],
        "AzureResourceManagerRequestFailed"
    );
    client.patch(&flow(3), on()).await.expect_status(204);
    client.patch(&flow(2), on()).await.expect_status(204);
    let flows = client
        .get("workflows?$select=name&$filter=statecode eq 1")
        .await;
    assert_eq!(flows["value"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_flow_that_is_on_keeps_its_client_data_and_its_owner() {
    let client = TestClient::new().await;
    client.connect_references().await;
    client.patch(&flow(3), on()).await.expect_status(204);
    let response = client
        .patch(&flow(3), json!({"clientdata": "{}"}))
        .await
        .expect_status(400);
    assert_eq!(response.code(), "0x80060466");
    let owner = json!({"ownerid@odata.bind": format!("systemusers({})", id("a5", 2))});
    let response = client
        .patch(&flow(3), owner.clone())
        .await
        .expect_status(400);
    assert_eq!(response.code(), "0x8004500C");
    client
        .patch(&flow(3), json!({"description": "still fine"}))
        .await
        .expect_status(204);
    client
        .patch(&flow(3), json!({"statecode": 0}))
        .await
        .expect_status(204);
    client.patch(&flow(3), owner).await.expect_status(204);
    assert_eq!(client.get(&flow(3)).await["_ownerid_value"], id("a5", 2));
}

#[tokio::test]
async fn a_saved_reference_creates_a_job_that_needs_background_operations() {
    let client = TestClient::new().await;
    client.copy_environment().await;
    let reference = format!("connectionreferences({})", id("80", 1));
    let right = json!({"connectionid": DATAVERSE_CONNECTION});
    client.patch(&reference, right).await.expect_status(204);
    let jobs =
        "asyncoperations?$select=statecode,statuscode,operationtype,_regardingobjectid_value";
    let states = || async {
        let jobs = client.get(jobs).await;
        let jobs = jobs["value"].as_array().unwrap().clone();
        jobs.iter()
            .map(|job| job["statecode"].as_i64().unwrap())
            .collect::<Vec<i64>>()
    };
    assert_eq!(states().await, [0]);
    client.skip_minutes(10);
    assert_eq!(states().await, [0]);
    client
        .runtime("Enabled", "Enabled")
        .await
        .expect_status(202);
    client.skip_minutes(1);
    assert_eq!(states().await, [0]);
    client.skip_minutes(1);
    assert_eq!(states().await, [3]);
    let job = client.get(jobs).await["value"][0].clone();
    assert_eq!(
        (&job["statuscode"], &job["operationtype"]),
        (&json!(30), &json!(101))
    );
    assert_eq!(job["_regardingobjectid_value"], id("80", 1));
}
