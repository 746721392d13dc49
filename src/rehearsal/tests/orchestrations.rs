//! Orchestrations and policies: stopping, editing, publishing.

use super::providers::{PROVIDER, count, reinstall};
use super::*;

fn designer(number: u32) -> String {
    format!("msdyn_iomdesigners({})", id("60", number))
}

fn publish(number: u32) -> String {
    format!(
        "{}/Microsoft.Dynamics.CRM.rehearsal_PublishOrchestration",
        designer(number)
    )
}

#[tokio::test]
async fn a_published_orchestration_is_read_only_until_it_is_stopped() {
    let client = TestClient::new().await;
    client.connect_references().await;
    let graph = client.get(&designer(100)).await["msdyn_graph"]
        .as_str()
        .unwrap()
        .to_owned();
    let edited = graph.replace("B2C", "B2B");
    client
        .patch(&designer(100), json!({"msdyn_graph": edited}))
        .await
        .expect_status(400);
    let flows = "workflows?$filter=contains(name,'Update store order status') and statecode eq 1";
    let flow = format!("workflows({})", id("33", 102));
    client
        .patch(&flow, json!({"statecode": 1}))
        .await
        .expect_status(204);
    assert_eq!(count(&client, flows).await, 1);
    client
        .patch(&designer(100), json!({"statecode": 0, "statuscode": 1}))
        .await
        .expect_status(204);
    assert_eq!(count(&client, flows).await, 0);
    client
        .patch(&designer(100), json!({"msdyn_graph": edited}))
        .await
        .expect_status(204);
    client
        .patch(&designer(700), json!({"msdyn_graph": edited}))
        .await
        .expect_status(204);
}

#[tokio::test]
async fn publishing_reports_problems_and_compiles_a_valid_graph() {
    let client = TestClient::new().await;
    client.connect_references().await;
    client
        .patch(&designer(100), json!({"statecode": 0, "statuscode": 1}))
        .await
        .expect_status(204);
    let old = id("20", 101);
    let new = reinstall(&client).await;
    let response = client
        .post(&publish(100), json!({}))
        .await
        .expect_status(400);
    for part in [
        old.as_str(),
        "Policy is unpublished",
        "The flow of the policy is off",
    ] {
        assert!(response.text.contains(part), "{part}: {}", response.text);
    }
    let action = client.get("msdyn_iomprovideractions").await["value"][0].clone();
    let action = action["msdyn_iomprovideractionid"]
        .as_str()
        .unwrap()
        .to_owned();
    let graph = client.get(&designer(100)).await["msdyn_graph"]
        .as_str()
        .unwrap()
        .to_owned();
    let edited = graph.replace(&old, &action);
    client
        .patch(&designer(100), json!({"msdyn_graph": edited}))
        .await
        .expect_status(204);
    for policy in [100, 600] {
        let path = format!(
            "msdyn_iompolicies({})/Microsoft.Dynamics.CRM.rehearsal_PublishPolicy",
            id("40", policy)
        );
        client.post(&path, json!({})).await.expect_status(204);
    }
    client
        .post(&publish(100), json!({}))
        .await
        .expect_status(204);
    client
        .post(&publish(100), json!({}))
        .await
        .expect_status(204);
    assert_eq!(client.get(&designer(100)).await["statecode"], 0);
    client.skip_minutes(1);
    let row = client.get(&designer(100)).await;
    assert_eq!(
        (&row["statecode"], &row["statuscode"]),
        (&json!(1), &json!(2))
    );
    let filter = "workflows?$select=name,createdon,statecode&$filter=startswith(name,'(DO NOT DELETE OR MODIFY)')";
    let flows = client.get(filter).await["value"].clone();
    let flows = flows.as_array().unwrap();
    assert_eq!(flows.len(), 5);
    assert!(flows.iter().all(|flow| flow["statecode"] == 1));
    let compiled_now = flows
        .iter()
        .filter(|flow| flow["createdon"] != "2025-11-03T09:30:00Z");
    assert_eq!(compiled_now.count(), 4);
    assert_eq!(count(&client, "msdyn_iomsteps").await, 3);

    // An action whose provider is not active is refused too.
    client
        .patch(&format!("{PROVIDER}({new})"), json!({"statecode": 1}))
        .await
        .expect_status(204);
    let draft = client.get(&designer(700)).await["msdyn_graph"]
        .as_str()
        .unwrap()
        .to_owned();
    let draft = draft.replace(&old, &action);
    client
        .patch(&designer(700), json!({"msdyn_graph": draft}))
        .await
        .expect_status(204);
    let response = client
        .post(&publish(700), json!({}))
        .await
        .expect_status(400);
    assert!(response.text.contains("is not active"), "{}", response.text);
}

#[tokio::test]
async fn a_state_alone_publishes_nothing() {
    let client = TestClient::new().await;
    client.connect_references().await;
    client
        .patch(&designer(700), json!({"statecode": 1, "statuscode": 2}))
        .await
        .expect_status(204);
    client.skip_minutes(5);
    assert_eq!(client.get(&designer(700)).await["statecode"], 1);
    let filter = format!(
        "msdyn_iomsteps?$filter=_msdyn_designerid_value eq {}",
        id("60", 700)
    );
    assert_eq!(count(&client, &filter).await, 0);
}
