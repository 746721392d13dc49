//! The whole tenant: what goes wrong at first, and orchestrations in every dialect.

use super::providers::{PROVIDER, count};
use super::*;
use crate::rehearsal::seed::whole_connections;

/// The whole tenant, copied, open, and every reference wired to the target's connections.
async fn wired(skin: Skin) -> Guest {
    let guest = Guest::of(Seed::Whole, skin, &[]).await;
    guest.opened().await;
    let references = guest.get("connectionreferences").await["value"].clone();
    for reference in references.as_array().unwrap() {
        let connector = reference["connectorid"].as_str().unwrap();
        let connection = connection_of(connector.rsplit('/').next().unwrap());
        let id = reference["connectionreferenceid"].as_str().unwrap();
        let body = json!({"connectionid": connection});
        let path = format!("connectionreferences({id})");
        guest.patch(&path, body).await.expect(204);
    }
    guest.skip_minutes(1);
    guest
}

fn connection_of(connector: &str) -> String {
    let connections = whole_connections();
    let one = connections.iter().find(|(name, _)| name == connector);
    one.unwrap_or_else(|| panic!("{connector}")).1.clone()
}

/// Deletes an active provider and installs its definition again, with its connections active.
async fn again(guest: &Guest, number: u32) -> String {
    let old = format!("{PROVIDER}({})", id("10", number));
    guest.patch(&old, json!({"statecode": 1})).await.expect(204);
    guest.target("DELETE", &old, None).await.expect(204);
    let new = id("1f", number);
    let body = json!({"ProviderId": new, "ProviderDefinitionId": id("70", number)});
    guest
        .post("rehearsal_InstallProvider", body)
        .await
        .expect(204);
    let path = format!(
        "msdyn_iomproviderconnectionreferences?$filter=_msdyn_providerid_value eq {new}&$expand=msdyn_ConnectionReferenceDefinitionId"
    );
    let references = guest.get(&path).await["value"].clone();
    for reference in references.as_array().unwrap() {
        let definition = &reference["msdyn_ConnectionReferenceDefinitionId"];
        let connector = definition["msdyn_connectorid"].as_str().unwrap();
        let connector = connector.rsplit('/').next().unwrap();
        let url = Guest::connection_url(connector, &connection_of(connector));
        let id = reference["msdyn_iomproviderconnectionreferenceid"]
            .as_str()
            .unwrap();
        let path = format!("msdyn_iomproviderconnectionreferences({id})");
        guest
            .patch(&path, json!({"msdyn_connectionurl": url}))
            .await
            .expect(204);
        guest
            .patch(&path, json!({"statecode": 0, "statuscode": 1}))
            .await
            .expect(204);
    }
    activate(guest, &new).await;
    new
}

async fn activate(guest: &Guest, provider: &str) {
    let path = format!("{PROVIDER}({provider})/Microsoft.Dynamics.CRM.rehearsal_ActivateProvider");
    guest.post(&path, json!({})).await.expect(204);
    guest.skip_minutes(4);
}

async fn actions_of(guest: &Guest, provider: &str) -> Vec<Value> {
    let path = format!("msdyn_iomprovideractions?$filter=_msdyn_providerid_value eq {provider}");
    guest.get(&path).await["value"].as_array().unwrap().clone()
}

#[tokio::test]
async fn the_system_is_not_all_on_at_the_first_press() {
    let guest = wired(Skin::Usual).await;
    let references = guest.get("msdyn_iomplatformconnectionreferences").await["value"].clone();
    let incomplete = "msdyn_iomplatformconnectionreferences?$filter=statuscode ne 1";
    assert_eq!(count(&guest, incomplete).await, 1);
    for reference in references.as_array().unwrap() {
        let old = reference["msdyn_connectionurl"].as_str().unwrap();
        let connector = old
            .split("apiName=")
            .nth(1)
            .unwrap()
            .split('&')
            .next()
            .unwrap();
        let url = Guest::connection_url(connector, &connection_of(connector));
        let id = reference["msdyn_iomplatformconnectionreferenceid"]
            .as_str()
            .unwrap();
        let path = format!("msdyn_iomplatformconnectionreferences({id})");
        guest
            .patch(&path, json!({"msdyn_connectionurl": url}))
            .await
            .expect(204);
    }
    let on = "workflows?$filter=ismanaged eq true and statecode eq 1";
    for expected in [3, 5] {
        guest
            .post("rehearsal_ActivateSystem", json!({}))
            .await
            .expect(204);
        guest.skip_minutes(2);
        assert_eq!(count(&guest, on).await, expected);
        assert_eq!(count(&guest, incomplete).await, 0);
    }
}

#[tokio::test]
async fn an_activation_fails_once_with_an_error_and_then_succeeds() {
    let guest = wired(Skin::Usual).await;
    let new = again(&guest, 600).await;
    let row = guest.get(&format!("{PROVIDER}({new})")).await;
    assert_eq!(row["statecode"], 1);
    let error = row["msdyn_activationerror"].as_str().unwrap();
    assert!(error.contains("FedEx Dataworks"), "{error}");
    assert_eq!(actions_of(&guest, &new).await.len(), 0);
    activate(&guest, &new).await;
    let row = guest.get(&format!("{PROVIDER}({new})")).await;
    assert_eq!(
        (&row["statecode"], &row["msdyn_activationerror"]),
        (&json!(0), &Value::Null)
    );
    assert_eq!(actions_of(&guest, &new).await.len(), 6);
}

#[tokio::test]
async fn an_action_comes_back_with_another_name_and_flows_in_their_own_style() {
    let guest = wired(Skin::Usual).await;
    let new = again(&guest, 200).await;
    let actions = actions_of(&guest, &new).await;
    let release = actions
        .iter()
        .find(|action| action["_msdyn_logicdefinitionid_value"] == id("71", 201).as_str())
        .unwrap();
    assert_eq!(release["msdyn_name"], "Send for Fulfillment");
    let new = again(&guest, 1000).await;
    let name = format!("IOM Lab Send To Fulfillment (Outlook) ({new})");
    let flows = format!("workflows?$filter=name eq '{name}' and statecode eq 1");
    assert_eq!(count(&guest, &flows).await, 1);
    // Deletion takes flows of either style along.
    let old = format!("workflows?$filter=contains(name,'{}')", id("10", 1000));
    assert_eq!(count(&guest, &old).await, 0);
}

#[tokio::test]
async fn a_deletion_empties_the_mappings_lookup() {
    let guest = wired(Skin::Usual).await;
    let provider = || async {
        let rows = guest.get("msdyn_iomwarehousemappings").await;
        rows["value"][0]["_msdyn_providerid_value"].clone()
    };
    assert_eq!(provider().await, id("10", 800));
    again(&guest, 800).await;
    assert_eq!(provider().await, Value::Null);
}

#[tokio::test]
async fn an_orchestration_is_published_in_whichever_dialect_it_is() {
    let guest = wired(Skin::Usual).await;
    for (number, provider, tiles) in [(200, 1000, 5), (300, 1100, 7), (600, 300, 1)] {
        let designer = format!("msdyn_iomdesigners({})", id("60", number));
        guest
            .patch(&designer, json!({"statecode": 0, "statuscode": 1}))
            .await
            .expect(204);
        let publish = format!("{designer}/Microsoft.Dynamics.CRM.rehearsal_PublishOrchestration");
        let new = again(&guest, provider).await;
        let answer = guest.post(&publish, json!({})).await.expect(400);
        let old = id("20", provider + 1);
        assert!(answer.text.contains(&old), "{}", answer.text);
        let mut graph = text_of(&guest, &designer).await;
        for action in actions_of(&guest, &new).await {
            let logic = action["_msdyn_logicdefinitionid_value"].as_str().unwrap();
            let old = format!("20{}", &logic[2..]);
            graph = graph.replace(&old, action["msdyn_iomprovideractionid"].as_str().unwrap());
        }
        guest
            .patch(&designer, json!({"msdyn_graph": graph}))
            .await
            .expect(204);
        let policies = guest.get("msdyn_iompolicies?$select=msdyn_name").await["value"].clone();
        for policy in policies.as_array().unwrap() {
            let policy = policy["msdyn_iompolicyid"].as_str().unwrap();
            let path = format!(
                "msdyn_iompolicies({policy})/Microsoft.Dynamics.CRM.rehearsal_PublishPolicy"
            );
            guest.post(&path, json!({})).await.expect(204);
        }
        guest.post(&publish, json!({})).await.expect(204);
        guest.skip_minutes(1);
        assert_eq!(guest.get(&designer).await["statecode"], 1, "{number}");
        let steps = format!(
            "msdyn_iomsteps?$filter=_msdyn_designerid_value eq {}",
            id("60", number)
        );
        assert_eq!(count(&guest, &steps).await, tiles, "{number}");
    }
}

async fn text_of(guest: &Guest, designer: &str) -> String {
    let row = guest.get(designer).await;
    row["msdyn_graph"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn in_another_skin_only_what_people_see_is_as_it_was() {
    let guest = Guest::of(Seed::Whole, Skin::Renamed, &[]).await;
    let all = guest
        .get("EntityDefinitions?$select=LogicalName,SchemaName,EntitySetName,PrimaryIdAttribute,PrimaryNameAttribute,DisplayName")
        .await;
    assert!(!all.to_string().contains("msdyn_iom"));
    let tables = all["value"].as_array().unwrap();
    let provider = tables
        .iter()
        .find(|table| table["DisplayName"]["UserLocalizedLabel"]["Label"] == "Provider")
        .unwrap();
    assert_eq!(provider["LogicalName"], "new_omvendor");
    assert_eq!(provider["EntitySetName"], "new_omvendors");
    assert_eq!(provider["PrimaryIdAttribute"], "new_omvendorid");
    assert_eq!(provider["PrimaryNameAttribute"], "new_title");
    let dual_write = tables
        .iter()
        .find(|table| table["LogicalName"] == "msdyn_dualwriteentitymap")
        .unwrap();
    assert_eq!(dual_write["PrimaryNameAttribute"], "msdyn_name");
    guest
        .get("msdyn_dualwriteentitymaps?$select=msdyn_name")
        .await;
    let path = "new_omvendors?$select=new_title&$filter=new_title eq 'FedEx' or _new_vendorblueprintid_value eq null";
    assert_eq!(count(&guest, path).await, 0);
    let rows = guest
        .get("new_omvendors?$select=new_title,_new_vendorblueprintid_value")
        .await;
    assert_eq!(rows["value"].as_array().unwrap().len(), 5);
    assert_eq!(rows["value"][0]["new_title"], "BigCommerce");
    assert_eq!(
        rows["value"][0]["_new_vendorblueprintid_value"],
        id("70", 100)
    );
    // Values keep what they are, whatever they say.
    let definition = format!("new_omvendorblueprints({})", id("70", 100));
    assert_eq!(
        guest.get(&definition).await["new_logicaltitle"],
        "msdyn_bigcommerce"
    );
    let answer = guest
        .target("GET", "msdyn_iomproviders", None)
        .await
        .expect(404);
    assert!(
        answer.text.contains("'msdyn_iomproviders'"),
        "{}",
        answer.text
    );
    let new = json!({"new_title": "Contoso's own", "new_Vendorblueprintid@odata.bind": definition});
    let answer = guest.post("new_omvendors", new).await.expect(204);
    let address = answer.header("OData-EntityId").unwrap();
    assert!(address.contains("/new_omvendors("), "{address}");
}

#[tokio::test]
async fn a_world_keeps_its_skin() {
    let mut guest = Guest::of(Seed::Thin, Skin::Renamed, &[]).await;
    guest.get("new_omvendors").await;
    guest.stop().await;
    guest.skin = Skin::Usual;
    guest.start(&[]).await;
    guest.get("new_omvendors").await;
}
