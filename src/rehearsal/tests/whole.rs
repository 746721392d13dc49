//! The whole tenant: failures that pass on a retry, other names, and the table names of a world.

use super::providers::{PROVIDER, count};
use super::*;
use crate::rehearsal::seed::whole_connections;

/// The whole tenant: copied, open, each reference connected to the target's connections.
async fn connected() -> TestClient {
    let client = TestClient::of_seed(Seed::Whole, TableNames::Usual, &[]).await;
    client.copy_and_open().await;
    let references = client.get("connectionreferences").await["value"].clone();
    for reference in references.as_array().unwrap() {
        let connector = reference["connectorid"].as_str().unwrap();
        let (own, connection) = connection_of(connector.rsplit('/').next().unwrap());
        let id = reference["connectionreferenceid"].as_str().unwrap();
        let own = format!("/providers/Microsoft.PowerApps/apis/{own}");
        let body = json!({"connectionid": connection, "connectorid": own});
        let path = format!("connectionreferences({id})");
        client.patch(&path, body).await.expect_status(204);
    }
    client.skip_minutes(1);
    client
}

/// The target's identifier and connection of a connector that the source names so.
fn connection_of(connector: &str) -> (String, String) {
    let found = whole_connections().remove(connector);
    found.unwrap_or_else(|| panic!("{connector}"))
}

/// The address of the target's connection of a connector that the source names so.
fn address_of(connector: &str) -> String {
    let (own, connection) = connection_of(connector);
    TestClient::connection_url(&own, &connection)
}

/// Deletes a provider and installs its definition again, with active connections.
async fn reinstall(client: &TestClient, number: u32) -> String {
    let old = format!("{PROVIDER}({})", id("10", number));
    client
        .patch(&old, json!({"statecode": 1}))
        .await
        .expect_status(204);
    client.target("DELETE", &old, None).await.expect_status(204);
    let new = id("1f", number);
    let body = json!({"ProviderId": new, "ProviderDefinitionId": id("70", number)});
    client
        .post("rehearsal_InstallProvider", body)
        .await
        .expect_status(204);
    let path = format!(
        "msdyn_iomproviderconnectionreferences?$filter=_msdyn_providerid_value eq {new}&$expand=msdyn_ConnectionReferenceDefinitionId"
    );
    let references = client.get(&path).await["value"].clone();
    for reference in references.as_array().unwrap() {
        let definition = &reference["msdyn_ConnectionReferenceDefinitionId"];
        let connector = definition["msdyn_connectorid"].as_str().unwrap();
        let url = address_of(connector.rsplit('/').next().unwrap());
        let id = reference["msdyn_iomproviderconnectionreferenceid"]
            .as_str()
            .unwrap();
        let path = format!("msdyn_iomproviderconnectionreferences({id})");
        client
            .patch(&path, json!({"msdyn_connectionurl": url}))
            .await
            .expect_status(204);
        client
            .patch(&path, json!({"statecode": 0, "statuscode": 1}))
            .await
            .expect_status(204);
    }
    activate(client, &new).await;
    new
}

async fn activate(client: &TestClient, provider: &str) {
    let path = format!("{PROVIDER}({provider})/Microsoft.Dynamics.CRM.rehearsal_ActivateProvider");
    client.post(&path, json!({})).await.expect_status(204);
    client.skip_minutes(4);
}

async fn actions_of(client: &TestClient, provider: &str) -> Vec<Value> {
    let path = format!("msdyn_iomprovideractions?$filter=_msdyn_providerid_value eq {provider}");
    client.get(&path).await["value"].as_array().unwrap().clone()
}

#[tokio::test]
async fn the_first_activation_does_not_turn_on_all_flows() {
    let client = connected().await;
    let references = client.get("msdyn_iomplatformconnectionreferences").await["value"].clone();
    let incomplete = "msdyn_iomplatformconnectionreferences?$filter=statuscode ne 1";
    assert_eq!(count(&client, incomplete).await, 1);
    for reference in references.as_array().unwrap() {
        let old = reference["msdyn_connectionurl"].as_str().unwrap();
        let connector = old
            .split("apiName=")
            .nth(1)
            .unwrap()
            .split('&')
            .next()
            .unwrap();
        let url = address_of(connector);
        let id = reference["msdyn_iomplatformconnectionreferenceid"]
            .as_str()
            .unwrap();
        let path = format!("msdyn_iomplatformconnectionreferences({id})");
        client
            .patch(&path, json!({"msdyn_connectionurl": url}))
            .await
            .expect_status(204);
    }
    let on = "workflows?$filter=ismanaged eq true and statecode eq 1";
    for expected in [3, 5] {
        client
            .post("rehearsal_ActivateSystem", json!({}))
            .await
            .expect_status(204);
        client.skip_minutes(2);
        assert_eq!(count(&client, on).await, expected);
        assert_eq!(count(&client, incomplete).await, 0);
    }
}

#[tokio::test]
async fn an_activation_fails_once_with_an_error_and_then_succeeds() {
    let client = connected().await;
    let new = reinstall(&client, 600).await;
    let row = client.get(&format!("{PROVIDER}({new})")).await;
    assert_eq!(row["statecode"], 1);
    let error = row["msdyn_activationerror"].as_str().unwrap();
    assert!(error.contains("FedEx Dataworks"), "{error}");
    assert_eq!(actions_of(&client, &new).await.len(), 0);
    activate(&client, &new).await;
    let row = client.get(&format!("{PROVIDER}({new})")).await;
    assert_eq!(
        (&row["statecode"], &row["msdyn_activationerror"]),
        (&json!(0), &Value::Null)
    );
    assert_eq!(actions_of(&client, &new).await.len(), 6);
}

#[tokio::test]
async fn a_new_action_has_another_name_and_flows_have_their_own_names() {
    let client = connected().await;
    let new = reinstall(&client, 200).await;
    let actions = actions_of(&client, &new).await;
    let release = actions
        .iter()
        .find(|action| action["_msdyn_logicdefinitionid_value"] == id("71", 201).as_str())
        .unwrap();
    assert_eq!(release["msdyn_name"], "Send for Fulfillment");
    let new = reinstall(&client, 1000).await;
    let name = format!("IOM Lab Send To Fulfillment (Outlook) ({new})");
    let flows = format!("workflows?$filter=name eq '{name}' and statecode eq 1");
    assert_eq!(count(&client, &flows).await, 1);
    // Its flows use the custom connector of the environment in which they are deployed.
    let (own, _) = connection_of("shared_crfff-5frequestbin-5f3d1c9a7e");
    let rows = client.get("workflows").await["value"].clone();
    let named = |row: &&Value| row["name"].as_str().unwrap().contains(&new);
    let deployed: Vec<&Value> = rows.as_array().unwrap().iter().filter(named).collect();
    assert_eq!(deployed.len(), 2);
    for flow in deployed {
        let data = flow["clientdata"].as_str().unwrap();
        assert!(data.contains(&own) && !data.contains("shared_crfff-5frequestbin-5f3d1c9a7e"));
    }
    // Deletion includes flows with either form of name.
    let old = format!("workflows?$filter=contains(name,'{}')", id("10", 1000));
    assert_eq!(count(&client, &old).await, 0);
}

#[tokio::test]
async fn a_world_keeps_its_table_names() {
    let mut client = TestClient::of_seed(Seed::Thin, TableNames::Renamed, &[]).await;
    client.get("new_omvendors").await;
    client.stop().await;
    client.table_names = TableNames::Usual;
    client.start(&[]).await;
    client.get("new_omvendors").await;
}
