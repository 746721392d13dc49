//! Providers and *Activate system*: the requests behind the buttons of Intelligent Order
//! Management.

use super::*;

pub(super) const PROVIDER: &str = "msdyn_iomproviders";

pub(super) fn provider(number: u32) -> String {
    format!("{PROVIDER}({})", id("10", number))
}

pub(super) async fn count(client: &TestClient, query: &str) -> usize {
    client.get(query).await["value"].as_array().unwrap().len()
}

/// Deactivates the old provider, and deletes it.
async fn deactivate_and_delete(client: &TestClient) {
    client
        .patch(&provider(100), json!({"statecode": 1, "statuscode": 2}))
        .await
        .expect_status(204);
    client
        .target("DELETE", &provider(100), None)
        .await
        .expect_status(204);
}

/// Deletes the old provider, installs and activates a new one, and returns its id.
pub(super) async fn reinstall(client: &TestClient) -> String {
    deactivate_and_delete(client).await;
    let new = id("1f", 1);
    let body = json!({"ProviderId": new, "ProviderDefinitionId": id("70", 100)});
    client
        .post("rehearsal_InstallProvider", body)
        .await
        .expect_status(204);
    let references = client.get("msdyn_iomproviderconnectionreferences").await;
    let reference = references["value"][0]["msdyn_iomproviderconnectionreferenceid"].clone();
    let path = format!(
        "msdyn_iomproviderconnectionreferences({})",
        reference.as_str().unwrap()
    );
    let address = TestClient::connection_url("shared_bigcommerce", BIGCOMMERCE_CONNECTION);
    client
        .patch(&path, json!({"msdyn_connectionurl": address}))
        .await
        .expect_status(204);
    client
        .patch(&path, json!({"statecode": 0, "statuscode": 1}))
        .await
        .expect_status(204);
    let path = format!("{PROVIDER}({new})/Microsoft.Dynamics.CRM.rehearsal_ActivateProvider");
    client.post(&path, json!({})).await.expect_status(204);
    client.skip_minutes(4);
    new
}

#[tokio::test]
async fn the_system_is_activated_when_every_reference_is_valid() {
    let client = TestClient::new().await;
    client.connect_references().await;
    let response = client
        .post("rehearsal_ActivateSystem", json!({}))
        .await
        .expect_status(400);
    assert!(
        response.text.contains("another environment"),
        "{}",
        response.text
    );
    let path = format!("msdyn_iomplatformconnectionreferences({})", id("81", 1));
    for wrong in [
        "nonsense".to_owned(),
        TestClient::connection_url("shared_commondataserviceforapps", "nothing"),
        TestClient::connection_url("shared_commondataserviceforapps", BIGCOMMERCE_CONNECTION),
    ] {
        client
            .patch(&path, json!({"msdyn_connectionurl": wrong}))
            .await
            .expect_status(204);
        client
            .post("rehearsal_ActivateSystem", json!({}))
            .await
            .expect_status(400);
    }
    let address =
        TestClient::connection_url("shared_commondataserviceforapps", DATAVERSE_CONNECTION);
    let owner = format!("systemusers({})", id("a5", 2));
    let body = json!({"msdyn_connectionurl": address, "ownerid@odata.bind": owner});
    client.patch(&path, body).await.expect_status(204);
    client
        .post("rehearsal_ActivateSystem", json!({}))
        .await
        .expect_status(204);
    client
        .post("rehearsal_ActivateSystem", json!({}))
        .await
        .expect_status(204);
    let flow = format!("workflows({})", id("30", 1));
    assert_eq!(client.get(&flow).await["statecode"], 0);
    client.skip_minutes(2);
    assert_eq!(client.get(&flow).await["statecode"], 1);
    assert_eq!(client.get(&path).await["statuscode"], 1);
    // Only the platform's flows are turned on.
    assert_eq!(count(&client, "workflows?$filter=statecode eq 1").await, 1);
}

#[tokio::test]
async fn the_system_is_not_activated_without_background_operations() {
    let client = TestClient::new().await;
    client
        .runtime("AdminMode", "Disabled")
        .await
        .expect_status(202);
    client.skip_minutes(2);
    let response = client
        .post("rehearsal_ActivateSystem", json!({}))
        .await
        .expect_status(400);
    assert!(response.text.contains("background operations"));
}

#[tokio::test]
async fn an_active_provider_is_not_deleted_and_deletion_includes_children() {
    let client = TestClient::new().await;
    client.connect_references().await;
    client
        .target("DELETE", &provider(100), None)
        .await
        .expect_status(400);
    deactivate_and_delete(&client).await;
    for set in [
        "msdyn_iomprovideractions",
        "msdyn_iomproviderparameters",
        "msdyn_iomprovidertransformations",
        "msdyn_iomproviderconnectionreferences",
        "workflows?$filter=startswith(name,'iom_')",
    ] {
        assert_eq!(count(&client, set).await, 0, "{set}");
    }
    let mapping = client.get("msdyn_iomwarehousemappings").await["value"][0].clone();
    assert_eq!(mapping["_msdyn_providerid_value"], Value::Null);
    assert_eq!(count(&client, "msdyn_iomproviderdefinitions").await, 1);
}

#[tokio::test]
async fn a_provider_is_installed_once_with_a_unique_name() {
    let client = TestClient::new().await;
    client.connect_references().await;
    let (new, definition) = (id("1f", 1), id("70", 100));
    let body = || json!({"ProviderId": new, "ProviderDefinitionId": definition});
    client
        .post("rehearsal_InstallProvider", body())
        .await
        .expect_status(204);
    client
        .post("rehearsal_InstallProvider", body())
        .await
        .expect_status(412);
    let row = client.get(&format!("{PROVIDER}({new})")).await;
    assert_eq!(
        (&row["msdyn_name"], &row["statecode"]),
        (&json!("BigCommerce 1"), &json!(1))
    );
    assert_eq!(row["statuscode"], 2);
    let path = format!("msdyn_iomproviderparameters?$filter=_msdyn_providerid_value eq {new}");
    let parameter = client.get(&path).await["value"][0].clone();
    assert_eq!(parameter["msdyn_value"], Value::Null);
    let body = json!({"ProviderId": id("1f", 2), "ProviderDefinitionId": id("99", 1)});
    client
        .post("rehearsal_InstallProvider", body)
        .await
        .expect_status(404);
    let path = format!("msdyn_iomproviderdefinitions({definition})");
    client
        .patch(&path, json!({"msdyn_isactive": false}))
        .await
        .expect_status(204);
    let body = json!({"ProviderId": id("1f", 2), "ProviderDefinitionId": definition});
    client
        .post("rehearsal_InstallProvider", body)
        .await
        .expect_status(400);
}

#[tokio::test]
async fn a_provider_without_its_connection_reports_why_it_is_not_activated() {
    let client = TestClient::new().await;
    client.connect_references().await;
    let new = id("1f", 1);
    let body = json!({"ProviderId": new, "ProviderDefinitionId": id("70", 100)});
    client
        .post("rehearsal_InstallProvider", body)
        .await
        .expect_status(204);
    let path = format!("{PROVIDER}({new})/Microsoft.Dynamics.CRM.rehearsal_ActivateProvider");
    let response = client.post(&path, json!({})).await.expect_status(400);
    assert!(
        response
            .text
            .contains("connection reference BigCommerce is not active")
    );
    assert!(response.text.contains("active already"));
    let row = client.get(&format!("{PROVIDER}({new})")).await;
    assert!(
        row["msdyn_activationerror"]
            .as_str()
            .unwrap()
            .contains("not active")
    );
    let filter =
        format!("msdyn_iomproviderconnectionreferences?$filter=_msdyn_providerid_value eq {new}");
    let reference = client.get(&filter).await["value"][0].clone();
    let reference = reference["msdyn_iomproviderconnectionreferenceid"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("msdyn_iomproviderconnectionreferences({reference})");
    client
        .patch(&path, json!({"statecode": 0, "statuscode": 1}))
        .await
        .expect_status(400);
}

#[tokio::test]
async fn an_activation_fails_later_without_a_core_connection() {
    let client = TestClient::new().await;
    client.connect_references().await;
    let reference = format!("connectionreferences({})", id("80", 2));
    client
        .patch(&reference, json!({"connectionid": null}))
        .await
        .expect_status(204);
    let new = reinstall(&client).await;
    let row = client.get(&format!("{PROVIDER}({new})")).await;
    assert_eq!(row["statecode"], 1);
    assert!(
        row["msdyn_activationerror"]
            .as_str()
            .unwrap()
            .contains("Connection Id missing")
    );
    assert_eq!(count(&client, "msdyn_iomprovideractions").await, 0);
}
