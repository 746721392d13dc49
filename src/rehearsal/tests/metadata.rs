//! The metadata of tables and columns.

use super::*;

#[tokio::test]
async fn a_table_is_found_by_its_name_and_not_by_a_prefix() {
    let client = TestClient::new().await;
    let path = "EntityDefinitions(LogicalName='msdyn_iomprovider')?$select=EntitySetName,PrimaryIdAttribute,PrimaryNameAttribute,DisplayName";
    let table = client.get(path).await;
    assert_eq!(table["EntitySetName"], "msdyn_iomproviders");
    assert_eq!(table["PrimaryIdAttribute"], "msdyn_iomproviderid");
    assert_eq!(
        table["DisplayName"]["UserLocalizedLabel"]["Label"],
        "Provider"
    );
    assert!(table["MetadataId"].is_string() && table.get("SchemaName").is_none());
    let path = "EntityDefinitions(LogicalName='msdyn_nothing')?$select=EntitySetName";
    client.target("GET", path, None).await.expect_status(404);
    let path = "EntityDefinitions?$select=LogicalName&$filter=startswith(LogicalName,'msdyn_iom')";
    let response = client.target("GET", path, None).await.expect_status(501);
    assert_eq!(response.code(), "0x8006088a");
    let path = "EntityDefinitions?$select=LogicalName&$filter=IsCustomEntity eq true";
    let all = client.get(path).await;
    let count = all["value"].as_array().unwrap().len();
    assert!((15..40).contains(&count), "{count}");
    let path = "EntityDefinitions?$select=EntitySetName&$filter=LogicalName+eq+'workflow'";
    assert_eq!(
        client.get(path).await["value"][0]["EntitySetName"],
        "workflows"
    );
}

#[tokio::test]
async fn options_are_returned_only_after_a_cast() {
    let client = TestClient::new().await;
    let root = "EntityDefinitions(LogicalName='msdyn_iomplatformconnectionreference')/Attributes";
    let path = format!(
        "{root}/Microsoft.Dynamics.CRM.StatusAttributeMetadata?$select=LogicalName&$expand=OptionSet"
    );
    let statuses = client.get(&path).await;
    let options = statuses["value"][0]["OptionSet"]["Options"]
        .as_array()
        .unwrap();
    let incomplete = options
        .iter()
        .find(|option| option["Value"] == 192_350_000)
        .unwrap();
    assert_eq!(
        incomplete["Label"]["UserLocalizedLabel"]["Label"],
        "Incomplete"
    );
    assert_eq!(incomplete["State"], 0);
    let path = format!(
        "{root}(LogicalName='statecode')/Microsoft.Dynamics.CRM.StateAttributeMetadata?$expand=OptionSet"
    );
    let state = client.get(&path).await;
    assert_eq!(state["OptionSet"]["Options"].as_array().unwrap().len(), 2);
    let all = client
        .get(&format!("{root}?$select=LogicalName,AttributeType"))
        .await;
    assert!(all["value"].as_array().unwrap().len() > 8);
    for path in [
        format!("{root}?$select=MaxLength"),
        format!("{root}?$expand=OptionSet"),
        format!("{root}?$select=Nothing"),
    ] {
        client.target("GET", &path, None).await.expect_status(400);
    }
}

#[tokio::test]
async fn relationships_have_their_navigation_and_their_cascade() {
    let client = TestClient::new().await;
    let path = "EntityDefinitions(LogicalName='msdyn_iomprovider')/OneToManyRelationships?$select=ReferencingEntity,ReferencingAttribute,CascadeConfiguration";
    let all = client.get(path).await;
    let delete = |table: &str| {
        let all = all["value"].as_array().unwrap();
        let found = all
            .iter()
            .find(|found| found["ReferencingEntity"] == table)
            .unwrap();
        found["CascadeConfiguration"]["Delete"].clone()
    };
    assert_eq!(delete("msdyn_iomproviderparameter"), "Cascade");
    assert_eq!(delete("msdyn_iomwarehousemapping"), "RemoveLink");
    let path = "EntityDefinitions(LogicalName='msdyn_iomwarehousemapping')/ManyToOneRelationships?$select=ReferencingAttribute,ReferencedEntity,ReferencingEntityNavigationPropertyName&$filter=ReferencingAttribute eq 'msdyn_providerid'";
    let all = client.get(path).await;
    assert_eq!(
        all["value"][0]["ReferencingEntityNavigationPropertyName"],
        "msdyn_ProviderId"
    );
    let path = "EntityDefinitions(LogicalName='connectionreference')/Keys?$select=KeyAttributes";
    let keys = client.get(path).await;
    assert_eq!(
        keys["value"][0]["KeyAttributes"],
        json!(["connectionreferencelogicalname"])
    );
}

#[tokio::test]
async fn every_set_of_the_service_document_can_be_read() {
    let client = TestClient::new().await;
    let document = client.get("").await;
    for set in document["value"].as_array().unwrap() {
        let set = set["name"].as_str().unwrap();
        let page = client.get(&format!("{set}?$top=2")).await;
        assert!(page["value"].is_array(), "{set}");
    }
}
