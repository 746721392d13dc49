//! Orchestrations and policies: stopping, editing, publishing.

use super::providers::{PROVIDER, count, reinstalled};
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
    let guest = Guest::new().await;
    guest.wired().await;
    let graph = guest.get(&designer(100)).await["msdyn_graph"]
        .as_str()
        .unwrap()
        .to_owned();
    let edited = graph.replace("B2C", "B2B");
    guest
        .patch(&designer(100), json!({"msdyn_graph": edited}))
        .await
        .expect(400);
    let flows = "workflows?$filter=contains(name,'Update store order status') and statecode eq 1";
    let flow = format!("workflows({})", id("33", 102));
    guest
        .patch(&flow, json!({"statecode": 1}))
        .await
        .expect(204);
    assert_eq!(count(&guest, flows).await, 1);
    guest
        .patch(&designer(100), json!({"statecode": 0, "statuscode": 1}))
        .await
        .expect(204);
    assert_eq!(count(&guest, flows).await, 0);
    guest
        .patch(&designer(100), json!({"msdyn_graph": edited}))
        .await
        .expect(204);
    guest
        .patch(&designer(700), json!({"msdyn_graph": edited}))
        .await
        .expect(204);
}

#[tokio::test]
async fn publishing_names_what_is_wrong_and_compiles_what_is_right() {
    let guest = Guest::new().await;
    guest.wired().await;
    guest
        .patch(&designer(100), json!({"statecode": 0, "statuscode": 1}))
        .await
        .expect(204);
    let old = id("20", 101);
    let new = reinstalled(&guest).await;
    let answer = guest.post(&publish(100), json!({})).await.expect(400);
    for part in [
        old.as_str(),
        "Policy is unpublished",
        "The flow of the policy is off",
    ] {
        assert!(answer.text.contains(part), "{part}: {}", answer.text);
    }
    let action = guest.get("msdyn_iomprovideractions").await["value"][0].clone();
    let action = action["msdyn_iomprovideractionid"]
        .as_str()
        .unwrap()
        .to_owned();
    let graph = guest.get(&designer(100)).await["msdyn_graph"]
        .as_str()
        .unwrap()
        .to_owned();
    let edited = graph.replace(&old, &action);
    guest
        .patch(&designer(100), json!({"msdyn_graph": edited}))
        .await
        .expect(204);
    for policy in [100, 600] {
        let path = format!(
            "msdyn_iompolicies({})/Microsoft.Dynamics.CRM.rehearsal_PublishPolicy",
            id("40", policy)
        );
        guest.post(&path, json!({})).await.expect(204);
    }
    guest.post(&publish(100), json!({})).await.expect(204);
    guest.post(&publish(100), json!({})).await.expect(204);
    assert_eq!(guest.get(&designer(100)).await["statecode"], 0);
    guest.skip_minutes(1);
    let row = guest.get(&designer(100)).await;
    assert_eq!(
        (&row["statecode"], &row["statuscode"]),
        (&json!(1), &json!(2))
    );
    let filter = "workflows?$select=name,createdon,statecode&$filter=startswith(name,'(DO NOT DELETE OR MODIFY)')";
    let flows = guest.get(filter).await["value"].clone();
    let flows = flows.as_array().unwrap();
    assert_eq!(flows.len(), 5);
    assert!(flows.iter().all(|flow| flow["statecode"] == 1));
    let compiled_now = flows
        .iter()
        .filter(|flow| flow["createdon"] != "2025-11-03T09:30:00Z");
    assert_eq!(compiled_now.count(), 4);
    assert_eq!(count(&guest, "msdyn_iomsteps").await, 3);

    // An action whose provider is not active is refused too.
    guest
        .patch(&format!("{PROVIDER}({new})"), json!({"statecode": 1}))
        .await
        .expect(204);
    let draft = guest.get(&designer(700)).await["msdyn_graph"]
        .as_str()
        .unwrap()
        .to_owned();
    let draft = draft.replace(&old, &action);
    guest
        .patch(&designer(700), json!({"msdyn_graph": draft}))
        .await
        .expect(204);
    let answer = guest.post(&publish(700), json!({})).await.expect(400);
    assert!(answer.text.contains("is not active"), "{}", answer.text);
}

#[tokio::test]
async fn a_state_alone_publishes_nothing() {
    let guest = Guest::new().await;
    guest.wired().await;
    guest
        .patch(&designer(700), json!({"statecode": 1, "statuscode": 2}))
        .await
        .expect(204);
    guest.skip_minutes(5);
    assert_eq!(guest.get(&designer(700)).await["statecode"], 1);
    let filter = format!(
        "msdyn_iomsteps?$filter=_msdyn_designerid_value eq {}",
        id("60", 700)
    );
    assert_eq!(count(&guest, &filter).await, 0);
}
