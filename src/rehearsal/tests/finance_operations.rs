//! Finance and Operations: rows by filter and key, what writes do, who may enter.

use super::*;
use crate::rehearsal::seed::finance_operations::WAREHOUSE_APPLICATION;

impl Guest {
    /// A request to an environment's data services.
    pub(super) async fn finance(
        &self,
        environment: &str,
        method: &str,
        path: &str,
        body: Option<Value>,
        headers: &[(&str, &str)],
    ) -> Answered {
        let shown = self.environment(environment).await;
        let url = &shown["properties"]["linkedAppMetadata"]["url"];
        let origin = url.as_str().unwrap().trim_end_matches('/').to_owned();
        let scope = format!("{origin}/.default");
        let url = format!("{origin}/data/{path}");
        self.send(&scope, method, &url, body, headers).await
    }

    async fn rows(&self, path: &str) -> Vec<Value> {
        let answer = self
            .finance(TARGET_ENVIRONMENT, "GET", path, None, &[])
            .await;
        let body = answer.expect(200).json();
        body["value"].as_array().unwrap().clone()
    }
}

#[tokio::test]
async fn rows_are_filtered_selected_and_ordered() {
    let guest = Guest::new().await;
    let rows = guest
        .rows("SystemUsers?$filter=Enabled eq true&$select=UserID&$orderby=UserID desc")
        .await;
    let users: Vec<&str> = rows
        .iter()
        .filter_map(|row| row["UserID"].as_str())
        .collect();
    assert_eq!(users, ["svcwms", "svciom", "cleo", "Admin"]);
    assert!(rows[0].get("Alias").is_none() && rows[0]["@odata.etag"].is_string());
    assert_eq!(guest.rows("SystemUsers?$top=2").await.len(), 2);
    for wrong in ["SystemUsers?$filter=Nothing eq 1", "SystemUsers?$select=x"] {
        let answer = guest
            .finance(TARGET_ENVIRONMENT, "GET", wrong, None, &[])
            .await;
        answer.expect(400);
    }
}

#[tokio::test]
async fn another_company_is_seen_only_by_who_asks_for_it() {
    let guest = Guest::new().await;
    assert_eq!(guest.rows("Warehouses").await.len(), 1);
    assert_eq!(guest.rows("Warehouses?cross-company=true").await.len(), 2);
}

#[tokio::test]
async fn long_lists_come_in_pages() {
    let guest = Guest::new().await;
    guest.meddle(|draft| {
        for number in 0..10_002 {
            let key = format!("finance-operations/{TARGET_ENVIRONMENT}/LegalEntities/x{number}");
            let row = json!({"LegalEntityId": format!("x{number}"), "Name": "x"});
            draft.put(key, row);
        }
    });
    let answer = guest
        .finance(TARGET_ENVIRONMENT, "GET", "LegalEntities", None, &[])
        .await;
    let page = answer.expect(200).json();
    assert_eq!(page["value"].as_array().unwrap().len(), 10_000);
    let next = page["@odata.nextLink"].as_str().unwrap();
    let (_, path) = next.split_once("/data/").unwrap();
    let rest = guest.rows(path).await;
    assert_eq!(rest.len(), 4);
}

#[tokio::test]
async fn a_row_is_read_changed_and_deleted_by_its_key() {
    let guest = Guest::new().await;
    let send = async |method: &str, path: &str, body: Option<Value>, headers: &[(&str, &str)]| {
        guest
            .finance(TARGET_ENVIRONMENT, method, path, body, headers)
            .await
    };
    let path = "SystemUsers(UserID='SVCWMS')";
    let row = send("GET", path, None, &[]).await.expect(200).json();
    let etag = row["@odata.etag"].as_str().unwrap();
    let off = json!({"Enabled": false});
    let matching = [("If-Match", etag)];
    send("PATCH", path, Some(off.clone()), &matching)
        .await
        .expect(204);
    send("PATCH", path, Some(off), &matching).await.expect(412);
    let row = send("GET", path, None, &[]).await.expect(200).json();
    assert_eq!(row["Enabled"], false);
    for wrong in [json!({"Enabled": "no"}), json!({"Nothing": 1})] {
        send("PATCH", path, Some(wrong), &[]).await.expect(400);
    }
    let client = json!({"AADClientId": "x", "UserId": "cleo", "Name": "y"});
    send("POST", "SysAADClients", Some(client.clone()), &[])
        .await
        .expect(201);
    send("POST", "SysAADClients", Some(client), &[])
        .await
        .expect(400);
    send("DELETE", "SysAADClients(AADClientId='x')", None, &[])
        .await
        .expect(204);
    send("GET", "SysAADClients('x')", None, &[])
        .await
        .expect(404);
    send("GET", "Warehouses(WarehouseId='11')", None, &[])
        .await
        .expect(400);
    send("GET", "BusinessEventsDefinitions", None, &[])
        .await
        .expect(404);
}

#[tokio::test]
async fn actions_answer_and_act() {
    let guest = Guest::new().await;
    let call = async |action: &str| {
        let (set, name) = action.split_once('.').unwrap();
        let path = format!("{set}/Microsoft.Dynamics.DataEntities.{name}");
        guest
            .finance(TARGET_ENVIRONMENT, "POST", &path, Some(json!({})), &[])
            .await
    };
    let version = call("DataManagementEntities.GetApplicationVersion").await;
    assert_eq!(version.expect(200).json()["value"], "10.0.44");
    let who = call("ApprovalUsers.getCurrentUserDetails").await;
    let who = who.expect(200).json()["value"].as_str().unwrap().to_owned();
    let who: Value = serde_json::from_str(&who).unwrap();
    assert_eq!(
        (&who["UserId"], &who["IsAdmin"]),
        (&json!("Admin"), &json!("1"))
    );
    call("DataManagementDefinitionGroups.InitializeDataManagement")
        .await
        .expect(204);
    let key = format!("finance-operations-facts/{TARGET_ENVIRONMENT}");
    assert!(guest.objects()[&key]["entityListRefreshed"].is_string());
    call("SystemUsers.Nothing").await.expect(404);
}

#[tokio::test]
async fn only_an_application_of_an_enabled_user_enters_and_only_an_administrator_writes() {
    let guest = Guest::new().await;
    let users = |user: &str| json!({"UserId": user});
    let mine = format!("SysAADClients(AADClientId='{CLIENT}')");
    // From here on the guest enters as somebody who may not write.
    guest
        .finance(
            TARGET_ENVIRONMENT,
            "PATCH",
            &mine,
            Some(users("svcwms")),
            &[],
        )
        .await
        .expect(204);
    let theirs = format!("SysAADClients(AADClientId='{WAREHOUSE_APPLICATION}')");
    guest
        .finance(TARGET_ENVIRONMENT, "DELETE", &theirs, None, &[])
        .await
        .expect(403);
    guest.meddle(|draft| {
        let key = format!("finance-operations/{TARGET_ENVIRONMENT}/SystemUsers/svcwms");
        let mut row = draft.get(&key).unwrap().clone();
        row["Enabled"] = json!(false);
        draft.put(key, row);
    });
    guest
        .finance(TARGET_ENVIRONMENT, "GET", "LegalEntities", None, &[])
        .await
        .expect(401);
}
