//! Providers and *Activate system*: buttons that the runbook's `iom.requests` stand for.

use super::*;

pub(super) const PROVIDER: &str = "msdyn_iomproviders";

pub(super) fn provider(number: u32) -> String {
    format!("{PROVIDER}({})", id("10", number))
}

pub(super) async fn count(guest: &Guest, query: &str) -> usize {
    guest.get(query).await["value"].as_array().unwrap().len()
}

/// Deletes the old provider, installs and activates a new one; its id.
pub(super) async fn reinstalled(guest: &Guest) -> String {
    guest
        .patch(&provider(100), json!({"statecode": 1, "statuscode": 2}))
        .await
        .expect(204);
    guest
        .target("DELETE", &provider(100), None)
        .await
        .expect(204);
    let new = id("1f", 1);
    let body = json!({"ProviderId": new, "ProviderDefinitionId": id("70", 100)});
    guest
        .post("rehearsal_InstallProvider", body)
        .await
        .expect(204);
    let references = guest.get("msdyn_iomproviderconnectionreferences").await;
    let reference = references["value"][0]["msdyn_iomproviderconnectionreferenceid"].clone();
    let path = format!(
        "msdyn_iomproviderconnectionreferences({})",
        reference.as_str().unwrap()
    );
    let address = Guest::connection_url("shared_bigcommerce", BIGCOMMERCE_CONNECTION);
    guest
        .patch(&path, json!({"msdyn_connectionurl": address}))
        .await
        .expect(204);
    guest
        .patch(&path, json!({"statecode": 0, "statuscode": 1}))
        .await
        .expect(204);
    let path = format!("{PROVIDER}({new})/Microsoft.Dynamics.CRM.rehearsal_ActivateProvider");
    guest.post(&path, json!({})).await.expect(204);
    guest.skip_minutes(4);
    new
}

#[tokio::test]
async fn the_system_is_activated_once_every_reference_is_right() {
    let guest = Guest::new().await;
    guest.wired().await;
    let answer = guest
        .post("rehearsal_ActivateSystem", json!({}))
        .await
        .expect(400);
    assert!(
        answer.text.contains("another environment"),
        "{}",
        answer.text
    );
    let path = format!("msdyn_iomplatformconnectionreferences({})", id("81", 1));
    for wrong in [
        "nonsense".to_owned(),
        Guest::connection_url("shared_commondataserviceforapps", "nothing"),
        Guest::connection_url("shared_commondataserviceforapps", BIGCOMMERCE_CONNECTION),
    ] {
        guest
            .patch(&path, json!({"msdyn_connectionurl": wrong}))
            .await
            .expect(204);
        guest
            .post("rehearsal_ActivateSystem", json!({}))
            .await
            .expect(400);
    }
    let address = Guest::connection_url("shared_commondataserviceforapps", DATAVERSE_CONNECTION);
    let owner = format!("systemusers({})", id("a5", 2));
    let body = json!({"msdyn_connectionurl": address, "ownerid@odata.bind": owner});
    guest.patch(&path, body).await.expect(204);
    guest
        .post("rehearsal_ActivateSystem", json!({}))
        .await
        .expect(204);
    guest
        .post("rehearsal_ActivateSystem", json!({}))
        .await
        .expect(204);
    let flow = format!("workflows({})", id("30", 1));
    assert_eq!(guest.get(&flow).await["statecode"], 0);
    guest.skip_minutes(2);
    assert_eq!(guest.get(&flow).await["statecode"], 1);
    assert_eq!(guest.get(&path).await["statuscode"], 1);
    // Only the platform's flows are turned on.
    assert_eq!(count(&guest, "workflows?$filter=statecode eq 1").await, 1);
}

#[tokio::test]
async fn the_system_is_not_activated_without_background_operations() {
    let guest = Guest::new().await;
    guest.runtime("AdminMode", "Disabled").await.expect(202);
    guest.skip_minutes(2);
    let answer = guest
        .post("rehearsal_ActivateSystem", json!({}))
        .await
        .expect(400);
    assert!(answer.text.contains("background operations"));
}

#[tokio::test]
async fn an_active_provider_is_not_deleted_and_deletion_takes_its_children() {
    let guest = Guest::new().await;
    guest.wired().await;
    guest
        .target("DELETE", &provider(100), None)
        .await
        .expect(400);
    guest
        .patch(&provider(100), json!({"statecode": 1, "statuscode": 2}))
        .await
        .expect(204);
    guest
        .target("DELETE", &provider(100), None)
        .await
        .expect(204);
    for set in [
        "msdyn_iomprovideractions",
        "msdyn_iomproviderparameters",
        "msdyn_iomprovidertransformations",
        "msdyn_iomproviderconnectionreferences",
        "workflows?$filter=startswith(name,'iom_')",
    ] {
        assert_eq!(count(&guest, set).await, 0, "{set}");
    }
    let mapping = guest.get("msdyn_iomwarehousemappings").await["value"][0].clone();
    assert_eq!(mapping["_msdyn_providerid_value"], Value::Null);
    assert_eq!(count(&guest, "msdyn_iomproviderdefinitions").await, 1);
}

#[tokio::test]
async fn a_provider_is_installed_once_and_named_apart() {
    let guest = Guest::new().await;
    guest.wired().await;
    let (new, definition) = (id("1f", 1), id("70", 100));
    let body = || json!({"ProviderId": new, "ProviderDefinitionId": definition});
    guest
        .post("rehearsal_InstallProvider", body())
        .await
        .expect(204);
    guest
        .post("rehearsal_InstallProvider", body())
        .await
        .expect(412);
    let row = guest.get(&format!("{PROVIDER}({new})")).await;
    assert_eq!(
        (&row["msdyn_name"], &row["statecode"]),
        (&json!("BigCommerce 1"), &json!(1))
    );
    assert_eq!(row["statuscode"], 2);
    let path = format!("msdyn_iomproviderparameters?$filter=_msdyn_providerid_value eq {new}");
    let parameter = guest.get(&path).await["value"][0].clone();
    assert_eq!(parameter["msdyn_value"], Value::Null);
    let body = json!({"ProviderId": id("1f", 2), "ProviderDefinitionId": id("99", 1)});
    guest
        .post("rehearsal_InstallProvider", body)
        .await
        .expect(404);
    let path = format!("msdyn_iomproviderdefinitions({definition})");
    guest
        .patch(&path, json!({"msdyn_isactive": false}))
        .await
        .expect(204);
    let body = json!({"ProviderId": id("1f", 2), "ProviderDefinitionId": definition});
    guest
        .post("rehearsal_InstallProvider", body)
        .await
        .expect(400);
}

#[tokio::test]
async fn a_provider_without_its_connection_is_not_activated_and_says_why() {
    let guest = Guest::new().await;
    guest.wired().await;
    let new = id("1f", 1);
    let body = json!({"ProviderId": new, "ProviderDefinitionId": id("70", 100)});
    guest
        .post("rehearsal_InstallProvider", body)
        .await
        .expect(204);
    let path = format!("{PROVIDER}({new})/Microsoft.Dynamics.CRM.rehearsal_ActivateProvider");
    let answer = guest.post(&path, json!({})).await.expect(400);
    assert!(
        answer
            .text
            .contains("connection reference BigCommerce is not active")
    );
    assert!(answer.text.contains("active already"));
    let row = guest.get(&format!("{PROVIDER}({new})")).await;
    assert!(
        row["msdyn_activationerror"]
            .as_str()
            .unwrap()
            .contains("not active")
    );
    let filter =
        format!("msdyn_iomproviderconnectionreferences?$filter=_msdyn_providerid_value eq {new}");
    let reference = guest.get(&filter).await["value"][0].clone();
    let reference = reference["msdyn_iomproviderconnectionreferenceid"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("msdyn_iomproviderconnectionreferences({reference})");
    guest
        .patch(&path, json!({"statecode": 0, "statuscode": 1}))
        .await
        .expect(400);
}

#[tokio::test]
async fn an_activated_provider_has_its_actions_and_flows() {
    let guest = Guest::new().await;
    guest.wired().await;
    let new = reinstalled(&guest).await;
    let row = guest.get(&format!("{PROVIDER}({new})")).await;
    assert_eq!(
        (&row["statecode"], &row["msdyn_name"]),
        (&json!(0), &json!("BigCommerce"))
    );
    let actions = guest.get("msdyn_iomprovideractions").await["value"].clone();
    let actions = actions.as_array().unwrap();
    assert_eq!(actions.len(), 1);
    assert_eq!(actions[0]["_msdyn_providerid_value"], new);
    assert_eq!(actions[0]["_msdyn_logicdefinitionid_value"], id("71", 101));
    assert_ne!(actions[0]["msdyn_iomprovideractionid"], id("20", 101));
    let filter = format!("workflows?$filter=startswith(name,'iom_{new}') and statecode eq 1");
    let flows = guest.get(&filter).await["value"].clone();
    assert_eq!(flows.as_array().unwrap().len(), 2);
    assert!(flows[0]["clientdata"].as_str().unwrap().contains(&new));
    assert_eq!(flows[0]["_ownerid_value"], id("a5", 1));
}

#[tokio::test]
async fn an_activation_fails_late_where_a_core_reference_is_not_wired() {
    let guest = Guest::new().await;
    guest.wired().await;
    let reference = format!("connectionreferences({})", id("80", 2));
    guest
        .patch(&reference, json!({"connectionid": null}))
        .await
        .expect(204);
    let new = reinstalled(&guest).await;
    let row = guest.get(&format!("{PROVIDER}({new})")).await;
    assert_eq!(row["statecode"], 1);
    assert!(
        row["msdyn_activationerror"]
            .as_str()
            .unwrap()
            .contains("Connection Id missing")
    );
    assert_eq!(count(&guest, "msdyn_iomprovideractions").await, 0);
}
