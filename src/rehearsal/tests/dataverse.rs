//! Reading and writing rows.

use super::*;

/// The number of flows in the target before the copy.
const FLOWS: usize = 4;

fn rows(page: &Value) -> &Vec<Value> {
    page["value"].as_array().unwrap()
}

#[tokio::test]
async fn who_am_i_and_the_organization_agree() {
    let client = TestClient::new().await;
    let response = client
        .target("GET", "WhoAmI", None)
        .await
        .expect_status(200);
    assert!(response.header("x-ms-dop-hint").is_some() && response.header("REQ_ID").is_some());
    let me = response.json();
    let function = "RetrieveCurrentOrganization(AccessType=@p1)?@p1=Microsoft.Dynamics.CRM.EndpointAccessType'Default'";
    let organization = client.get(function).await;
    assert_eq!(
        organization["Detail"]["OrganizationId"],
        me["OrganizationId"]
    );
    assert_eq!(organization["Detail"]["EnvironmentId"], TARGET_ENVIRONMENT);
    let user = me["UserId"].as_str().unwrap();
    let path = format!(
        "systemusers({user})?$select=fullname&$expand=systemuserroles_association($select=name,_roletemplateid_value)"
    );
    let shown = client.get(&path).await;
    let roles = shown["systemuserroles_association"].as_array().unwrap();
    assert_eq!(
        roles[0]["_roletemplateid_value"],
        "627090ff-40a3-4053-8790-584edc5be201"
    );
}

#[tokio::test]
async fn flows_are_filtered_selected_and_annotated() {
    let client = TestClient::new().await;
    let path = "workflows?$select=name,statecode,_ownerid_value&$filter=category+eq+5 and statecode eq 1&$orderby=name desc&$count=true";
    let headers = [("Prefer", "odata.include-annotations=\"*\"")];
    let response = client
        .web_api(TARGET_ENVIRONMENT, "GET", path, None, &headers)
        .await
        .expect_status(200);
    assert!(
        response
            .header("Preference-Applied")
            .unwrap()
            .contains("annotations")
    );
    let page = response.json();
    assert_eq!(page["@odata.count"], FLOWS);
    let names: Vec<&str> = rows(&page)
        .iter()
        .map(|row| row["name"].as_str().unwrap())
        .collect();
    assert!(
        names
            .windows(2)
            .all(|pair| pair[0].to_lowercase() >= pair[1].to_lowercase()),
        "{names:?}"
    );
    let row = &rows(&page)[0];
    assert_eq!(
        row["statecode@OData.Community.Display.V1.FormattedValue"],
        "Activated"
    );
    assert_eq!(
        row["_ownerid_value@Microsoft.Dynamics.CRM.lookuplogicalname"],
        "systemuser"
    );
    assert!(row["@odata.etag"].as_str().unwrap().starts_with("W/\""));
    assert!(row["workflowid"].is_string() && row.get("clientdata").is_none());
}

#[tokio::test]
async fn following_the_pages_returns_each_row_once() {
    let client = TestClient::new().await;
    let origin = client.dataverse(TARGET_ENVIRONMENT).await;
    let scope = format!("{origin}/.default");
    let mut url = format!(
        "{origin}/api/data/v9.2/workflows?$select=name&$filter=startswith(name,'i') or contains(name,'a')"
    );
    let mut ids = Vec::new();
    let headers = [("Prefer", "odata.maxpagesize=1")];
    loop {
        let page = client
            .send(&scope, "GET", &url, None, &headers)
            .await
            .expect_status(200)
            .json();
        assert_eq!(rows(&page).len(), 1);
        ids.push(rows(&page)[0]["workflowid"].clone());
        match page["@odata.nextLink"].as_str() {
            Some(next) => {
                assert!(next.starts_with(&origin) && next.contains("$skiptoken=%3Ccookie"));
                next.clone_into(&mut url);
            }
            None => break,
        }
    }
    let whole = client
        .get("workflows?$select=name&$filter=startswith(name,'i') or contains(name,'a')")
        .await;
    let expected: Vec<Value> = rows(&whole)
        .iter()
        .map(|row| row["workflowid"].clone())
        .collect();
    assert_eq!(ids, expected);
    assert!(ids.len() > 2);
    let count = client
        .target("GET", "workflows/$count", None)
        .await
        .expect_status(200);
    assert_eq!(count.text, format!("\u{feff}{FLOWS}"));
}

#[tokio::test]
async fn unknown_objects_are_refused_with_their_codes() {
    let client = TestClient::new().await;
    let missing = id("99", 1);
    for (path, status, code) in [
        ("nothings".to_owned(), 404, "0x80060888"),
        (format!("workflows({missing})"), 404, "0x80040217"),
        ("workflows?$select=nothing".to_owned(), 400, "0x80060888"),
        (
            "workflows?$filter=nothing eq 1".to_owned(),
            400,
            "0x80060888",
        ),
        ("workflows?$orderby=nothing".to_owned(), 400, "0x80060888"),
        ("workflows?$skip=5".to_owned(), 400, "0x80060888"),
        (
            "workflows?$filter=statecode eq".to_owned(),
            400,
            "0x80060888",
        ),
        ("NoFunction()".to_owned(), 404, "0x80060888"),
        (
            "connectionreferences(connectionreferencelogicalname='x')".to_owned(),
            404,
            "0x80060891",
        ),
    ] {
        let response = client
            .target("GET", &path, None)
            .await
            .expect_status(status);
        assert_eq!(response.code(), code, "{path}");
    }
}

#[tokio::test]
async fn lookups_and_collections_are_followed() {
    let client = TestClient::new().await;
    let provider = id("10", 900_100);
    let path = format!(
        "msdyn_iomproviders({provider})?$expand=msdyn_ProviderDefinitionId($select=msdyn_logicalname)"
    );
    let shown = client.get(&path).await;
    assert_eq!(
        shown["msdyn_ProviderDefinitionId"]["msdyn_logicalname"],
        "msdyn_bigcommerce"
    );
    let path = format!(
        "msdyn_iomproviders({provider})/msdyn_iomprovider_msdyn_iomproviderparameter_msdyn_providerid"
    );
    let parameters = client.get(&path).await;
    assert_eq!(rows(&parameters)[0]["msdyn_value"], "uat-store-hash");
    let filter = format!(
        "msdyn_iomproviderparameters?$filter=msdyn_ProviderId/msdyn_name eq 'BigCommerce' and _msdyn_providerid_value eq {provider}"
    );
    assert_eq!(rows(&client.get(&filter).await).len(), 1);
    let key = "connectionreferences(connectionreferencelogicalname='msdyn_iom_bigcommerce')";
    assert_eq!(
        client.get(key).await["connectionid"],
        BIGCOMMERCE_CONNECTION
    );
}

#[tokio::test]
async fn conditional_writes_are_checked() {
    let client = TestClient::new().await;
    let path = format!("msdyn_iomproviderparameters({})", id("12", 900_100));
    let row = client.get(&path).await;
    let etag = row["@odata.etag"].as_str().unwrap().to_owned();
    let send = |path: String, header: &'static str, value: String, body: Value| {
        let client = &client;
        async move {
            let headers = [(header, value.as_str())];
            client
                .web_api(TARGET_ENVIRONMENT, "PATCH", &path, Some(body), &headers)
                .await
        }
    };
    let body = || json!({"msdyn_value": "other"});
    send(path.clone(), "If-Match", etag.clone(), body())
        .await
        .expect_status(204);
    // Each write changes the ETag, even if it changes nothing else.
    let response = send(path.clone(), "If-Match", etag.clone(), body())
        .await
        .expect_status(412);
    assert_eq!(response.code(), "0x80060882");
    let second = client.get(&path).await["@odata.etag"].clone();
    client.patch(&path, body()).await.expect_status(204);
    assert_ne!(client.get(&path).await["@odata.etag"], second);
    let response = send(path.clone(), "If-None-Match", "*".to_owned(), body())
        .await
        .expect_status(412);
    assert_eq!(response.code(), "0x80040237");
    // The word null is not a condition.
    send(path.clone(), "If-None-Match", "null".to_owned(), body())
        .await
        .expect_status(204);

    let missing = format!("msdyn_iomproviderparameters({})", id("99", 1));
    let response = send(missing.clone(), "If-Match", "*".to_owned(), body())
        .await
        .expect_status(404);
    assert_eq!(response.code(), "0x80040217");
    let created = send(missing.clone(), "If-None-Match", "*".to_owned(), body())
        .await
        .expect_status(204);
    assert!(
        created
            .header("OData-EntityId")
            .unwrap()
            .ends_with(&missing)
    );
    send(missing.clone(), "If-None-Match", "*".to_owned(), body())
        .await
        .expect_status(412);
    let headers = [("If-Match", etag.as_str())];
    client
        .web_api(TARGET_ENVIRONMENT, "DELETE", &path, None, &headers)
        .await
        .expect_status(412);
    client
        .target("DELETE", &path, None)
        .await
        .expect_status(204);
    client
        .target("DELETE", &path, None)
        .await
        .expect_status(404);
}

#[tokio::test]
async fn a_body_is_checked_and_binds_are_followed() {
    let client = TestClient::new().await;
    let path = format!("msdyn_iomproviderparameters({})", id("12", 900_100));
    let refused = |body: Value, status, code: &'static str| {
        let (client, path) = (&client, path.clone());
        async move {
            let response = client.patch(&path, body).await.expect_status(status);
            assert_eq!(response.code(), code, "{}", response.text);
        }
    };
    refused(json!({"nothing": 1}), 400, "0x80048d19").await;
    refused(json!({"msdyn_value": 5}), 400, "0x80048d19").await;
    refused(json!({"msdyn_value": "x".repeat(5000)}), 400, "0x80044331").await;
    refused(json!({"statecode": 0, "statuscode": 2}), 400, "0x80048408").await;
    refused(
        json!({"msdyn_providerid@odata.bind": "x(1)"}),
        400,
        "0x80048d19",
    )
    .await;
    let missing = format!("systemusers({})", id("99", 1));
    refused(json!({"ownerid@odata.bind": missing}), 404, "0x80040217").await;
    let user = format!("/systemusers({})", id("a5", 900_002));
    let body = json!({
        "ownerid@odata.bind": user, "statecode": 1, "createdon": "2020-01-01T00:00:00Z",
    });
    client.patch(&path, body).await.expect_status(204);
    let row = client.get(&path).await;
    assert_eq!(row["_ownerid_value"], id("a5", 900_002));
    assert_eq!(row["statuscode"], 2);
    // Columns that cannot be written are ignored.
    assert_eq!(row["createdon"], "2025-11-03T09:30:00Z");
}

#[tokio::test]
async fn a_row_is_created_with_defaults_and_returned_if_preferred() {
    let client = TestClient::new().await;
    let response = client
        .post("msdyn_iompolicies", json!({"msdyn_name": "New"}))
        .await
        .expect_status(204);
    let address = response.header("OData-EntityId").unwrap().to_owned();
    assert_eq!(response.header("Location"), Some(address.as_str()));
    let headers = [("Prefer", "return=representation")];
    let body = json!({"msdyn_name": "Other"});
    let response = client
        .web_api(
            TARGET_ENVIRONMENT,
            "POST",
            "msdyn_iompolicies",
            Some(body),
            &headers,
        )
        .await
        .expect_status(201);
    let row = response.json();
    assert_eq!(row["statuscode"], 1);
    assert_eq!(row["_ownerid_value"], id("a5", 900_001));
    assert!(
        row["createdon"]
            .as_str()
            .unwrap()
            .starts_with("2026-03-06T20:0")
    );
}

#[tokio::test]
async fn access_and_write_privileges_are_checked() {
    let client = TestClient::new().await;
    let act = |object: &'static str, method: &'static str, path: &'static str, body| {
        let client = &client;
        async move {
            let headers = [("CallerObjectId", object), ("If-Match", "*")];
            client
                .web_api(TARGET_ENVIRONMENT, method, path, body, &headers)
                .await
        }
    };
    let service = "5e7c0000-0000-4000-8000-000000000001";
    let clerk = "c1e00000-0000-4000-8000-000000000001";
    let me = act(service, "GET", "WhoAmI", None)
        .await
        .expect_status(200)
        .json();
    assert_eq!(me["UserId"], id("a5", 900_002));
    let response = act(
        "00000000-0000-0000-0000-000000000009",
        "GET",
        "WhoAmI",
        None,
    )
    .await;
    assert_eq!(response.expect_status(403).code(), "0x80072560");
    let path = "msdyn_iomproviders(10000000-0000-4000-8000-000000900100)";
    let body = Some(json!({"msdyn_name": "X"}));
    let response = act(clerk, "PATCH", path, body.clone())
        .await
        .expect_status(403);
    assert_eq!(response.code(), "0x80040220");
    act(service, "PATCH", path, body).await.expect_status(204);
    assert_eq!(
        client.get(path).await["_modifiedby_value"],
        id("a5", 900_002)
    );
    client
        .runtime("AdminMode", "Disabled")
        .await
        .expect_status(202);
    client.skip_minutes(2);
    let response = act(clerk, "GET", "WhoAmI", None).await.expect_status(403);
    assert_eq!(response.code(), "0x8004A113");
    act(service, "GET", "WhoAmI", None).await.expect_status(200);
}

#[tokio::test]
async fn pairs_are_associated_and_disassociated() {
    let client = TestClient::new().await;
    let (user, role) = (id("a5", 900_004), id("b2", 900_002));
    let root = format!(
        "{}/api/data/v9.2/",
        client.dataverse(TARGET_ENVIRONMENT).await
    );
    let path = format!("systemusers({user})/systemuserroles_association/$ref");
    let body = json!({"@odata.id": format!("{root}roles({role})")});
    client.post(&path, body).await.expect_status(204);
    let roles = format!("systemusers({user})/systemuserroles_association?$select=name");
    assert_eq!(rows(&client.get(&roles).await).len(), 2);
    let path = format!("systemusers({user})/systemuserroles_association({role})/$ref");
    client
        .target("DELETE", &path, None)
        .await
        .expect_status(204);
    assert_eq!(rows(&client.get(&roles).await).len(), 1);
}
