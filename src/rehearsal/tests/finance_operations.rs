//! Finance and Operations: rows by filter and key, writes, access.

use super::*;
use crate::rehearsal::seed::finance_operations::WAREHOUSE_APPLICATION;

impl TestClient {
    /// A request to an environment's data services.
    pub(super) async fn finance(
        &self,
        environment: &str,
        method: &str,
        path: &str,
        body: Option<Value>,
        headers: &[(&str, &str)],
    ) -> TestResponse {
        let shown = self.environment(environment).await;
        let url = &shown["properties"]["linkedAppMetadata"]["url"];
        let origin = url.as_str().unwrap().trim_end_matches('/').to_owned();
        let scope = format!("{origin}/.default");
        let url = format!("{origin}/data/{path}");
        self.send(&scope, method, &url, body, headers).await
    }

    async fn rows(&self, path: &str) -> Vec<Value> {
        let response = self
            .finance(TARGET_ENVIRONMENT, "GET", path, None, &[])
            .await;
        let body = response.expect_status(200).json();
        body["value"].as_array().unwrap().clone()
    }
}

#[tokio::test]
async fn rows_are_filtered_selected_and_ordered() {
    let client = TestClient::new().await;
    let rows = client
        .rows("SystemUsers?$filter=Enabled eq true&$select=UserID&$orderby=UserID desc")
        .await;
    let users: Vec<&str> = rows
        .iter()
        .filter_map(|row| row["UserID"].as_str())
        .collect();
    assert_eq!(users, ["svcwms", "svciom", "cleo", "Admin"]);
    assert!(rows[0].get("Alias").is_none() && rows[0]["@odata.etag"].is_string());
    assert_eq!(client.rows("SystemUsers?$top=2").await.len(), 2);
    for wrong in ["SystemUsers?$filter=Nothing eq 1", "SystemUsers?$select=x"] {
        let response = client
            .finance(TARGET_ENVIRONMENT, "GET", wrong, None, &[])
            .await;
        response.expect_status(400);
    }
}

#[tokio::test]
async fn rows_of_other_companies_need_cross_company() {
    let client = TestClient::new().await;
    assert_eq!(client.rows("Warehouses").await.len(), 1);
    assert_eq!(client.rows("Warehouses?cross-company=true").await.len(), 2);
}

#[tokio::test]
async fn long_lists_have_pages() {
    let client = TestClient::new().await;
    client.change_world(|draft| {
        for number in 0..10_002 {
            let key = format!("finance-operations/{TARGET_ENVIRONMENT}/LegalEntities/x{number}");
            let row = json!({"LegalEntityId": format!("x{number}"), "Name": "x"});
            draft.put(key, row);
        }
    });
    let response = client
        .finance(TARGET_ENVIRONMENT, "GET", "LegalEntities", None, &[])
        .await;
    let page = response.expect_status(200).json();
    assert_eq!(page["value"].as_array().unwrap().len(), 10_000);
    let next = page["@odata.nextLink"].as_str().unwrap();
    let (_, path) = next.split_once("/data/").unwrap();
    let rest = client.rows(path).await;
    assert_eq!(rest.len(), 4);
}

#[tokio::test]
async fn a_row_is_read_changed_and_deleted_by_its_key() {
    let client = TestClient::new().await;
    let send = async |method: &str, path: &str, body: Option<Value>, headers: &[(&str, &str)]| {
        client
            .finance(TARGET_ENVIRONMENT, method, path, body, headers)
            .await
    };
    let path = "SystemUsers(UserID='SVCWMS')";
    let row = send("GET", path, None, &[]).await.expect_status(200).json();
    let etag = row["@odata.etag"].as_str().unwrap();
    let off = json!({"Enabled": false});
    let matching = [("If-Match", etag)];
    send("PATCH", path, Some(off.clone()), &matching)
        .await
        .expect_status(204);
    send("PATCH", path, Some(off), &matching)
        .await
        .expect_status(412);
    let row = send("GET", path, None, &[]).await.expect_status(200).json();
    assert_eq!(row["Enabled"], false);
    for wrong in [json!({"Enabled": "no"}), json!({"Nothing": 1})] {
        send("PATCH", path, Some(wrong), &[])
            .await
            .expect_status(400);
    }
    let registration = json!({"AADClientId": "x", "UserId": "cleo", "Name": "y"});
    send("POST", "SysAADClients", Some(registration.clone()), &[])
        .await
        .expect_status(201);
    send("POST", "SysAADClients", Some(registration), &[])
        .await
        .expect_status(400);
    send("DELETE", "SysAADClients(AADClientId='x')", None, &[])
        .await
        .expect_status(204);
    send("GET", "SysAADClients('x')", None, &[])
        .await
        .expect_status(404);
    send("GET", "Warehouses(WarehouseId='11')", None, &[])
        .await
        .expect_status(400);
    send("GET", "BusinessEventsDefinitions", None, &[])
        .await
        .expect_status(404);
}

#[tokio::test]
async fn actions_return_results_and_change_facts() {
    let client = TestClient::new().await;
    let call = async |action: &str| {
        let (set, name) = action.split_once('.').unwrap();
        let path = format!("{set}/Microsoft.Dynamics.DataEntities.{name}");
        client
            .finance(TARGET_ENVIRONMENT, "POST", &path, Some(json!({})), &[])
            .await
    };
    let version = call("DataManagementEntities.GetApplicationVersion").await;
    assert_eq!(version.expect_status(200).json()["value"], "10.0.44");
    let who = call("ApprovalUsers.getCurrentUserDetails").await;
    let who = who.expect_status(200).json()["value"]
        .as_str()
        .unwrap()
        .to_owned();
    let who: Value = serde_json::from_str(&who).unwrap();
    assert_eq!(
        (&who["UserId"], &who["IsAdmin"]),
        (&json!("Admin"), &json!("1"))
    );
    call("DataManagementDefinitionGroups.InitializeDataManagement")
        .await
        .expect_status(204);
    let key = format!("finance-operations-facts/{TARGET_ENVIRONMENT}");
    assert!(client.objects()[&key]["entityListRefreshed"].is_string());
    call("SystemUsers.Nothing").await.expect_status(404);
}

#[tokio::test]
async fn access_needs_an_enabled_user_and_writes_need_an_administrator() {
    let client = TestClient::new().await;
    let users = |user: &str| json!({"UserId": user});
    let mine = format!("SysAADClients(AADClientId='{CLIENT}')");
    // From here on the client's user has no write access.
    client
        .finance(
            TARGET_ENVIRONMENT,
            "PATCH",
            &mine,
            Some(users("svcwms")),
            &[],
        )
        .await
        .expect_status(204);
    let theirs = format!("SysAADClients(AADClientId='{WAREHOUSE_APPLICATION}')");
    client
        .finance(TARGET_ENVIRONMENT, "DELETE", &theirs, None, &[])
        .await
        .expect_status(403);
    client.change_world(|draft| {
        let key = format!("finance-operations/{TARGET_ENVIRONMENT}/SystemUsers/svcwms");
        let mut row = draft.get(&key).unwrap().clone();
        row["Enabled"] = json!(false);
        draft.put(key, row);
    });
    client
        .finance(TARGET_ENVIRONMENT, "GET", "LegalEntities", None, &[])
        .await
        .expect_status(401);
}
