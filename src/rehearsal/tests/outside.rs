//! Calls to the outside: what acts in a copy, and when.

use super::*;

const STEPS: &str = "sdkmessageprocessingsteps";

/// The hosts that were called, with who called, since `from` calls.
fn calls(client: &TestClient, from: usize) -> Vec<(String, String)> {
    let objects = client.objects();
    let calls = objects.iter().filter(|(key, _)| key.starts_with("call/"));
    let text = |call: &Value, member: &str| call[member].as_str().unwrap().to_owned();
    calls
        .skip(from)
        .map(|(_, call)| (text(call, "host"), text(call, "by")))
        .collect()
}

fn hosts(calls: &[(String, String)]) -> Vec<&str> {
    calls.iter().map(|(host, _)| host.as_str()).collect()
}

async fn copied() -> TestClient {
    let client = TestClient::of_seed(Seed::Whole, TableNames::Usual, &[]).await;
    client.copy_environment().await;
    assert_eq!(calls(&client, 0), [], "a copy calls nobody");
    client
}

/// The target leaves administration mode, and what waited for that happens.
async fn open(client: &TestClient) {
    client
        .runtime("Enabled", "Enabled")
        .await
        .expect_status(202);
    client.skip_minutes(5);
    client.get("WhoAmI").await;
}

/// The path of the row with a name.
async fn path_of(client: &TestClient, set: &str, id: &str, name: &str) -> String {
    let rows = client.get(&format!("{set}?$filter=name eq '{name}'")).await;
    format!("{set}({})", rows["value"][0][id].as_str().unwrap())
}

#[tokio::test]
async fn synchronous_steps_act_in_administration_mode_and_others_wait_as_jobs() {
    let client = copied().await;
    let variable = client.get("environmentvariablevalues").await["value"][0].clone();
    let path = format!(
        "environmentvariablevalues({})",
        variable["environmentvariablevalueid"].as_str().unwrap()
    );
    client
        .patch(&path, json!({"value": "x"}))
        .await
        .expect_status(204);
    assert_eq!(hosts(&calls(&client, 0)), ["audit.contoso.com"]);
    let reference = format!("connectionreferences({})", id("80", 1));
    client
        .patch(&reference, json!({"connectionid": DATAVERSE_CONNECTION}))
        .await
        .expect_status(204);
    assert_eq!(calls(&client, 1), [], "background operations are off");
    let waiting = "asyncoperations?$filter=operationtype eq 1 and statecode eq 0";
    assert_eq!(
        client.get(waiting).await["value"].as_array().unwrap().len(),
        2
    );

    let step = path_of(
        &client,
        STEPS,
        "sdkmessageprocessingstepid",
        "Contoso audit: Update of environmentvariablevalue",
    )
    .await;
    let off = json!({"statecode": 1, "statuscode": 2});
    client.patch(&step, off).await.expect_status(204);
    client
        .patch(&path, json!({"value": "y"}))
        .await
        .expect_status(204);
    assert_eq!(calls(&client, 1), [], "a disabled step calls nobody");
}

#[tokio::test]
async fn mailboxes_and_jobs_act_when_background_operations_come_on() {
    let client = copied().await;
    open(&client).await;
    let called = calls(&client, 0);
    let by: Vec<&str> = called.iter().map(|(_, by)| by.as_str()).collect();
    for expected in [
        "mailbox 'orders@contoso.com'",
        "mailbox 'cleo@contoso.com'",
        "mailbox 'forward@contoso.com'",
        "plug-in step 'Contoso order hub: Update of connectionreference'",
        "system job 'Spring newsletter'",
        "workflow 'Contoso - Order confirmation'",
    ] {
        assert!(by.contains(&expected), "{expected}: {called:#?}");
    }
    assert!(
        !by.iter()
            .any(|by| by.contains("ada@") || by.contains("batch job"))
    );
    let pending = client.get("emails?$filter=statuscode eq 6").await;
    assert_eq!(pending["value"], json!([]), "the mail was sent");
    let waiting = client.get("asyncoperations?$filter=statecode ne 3").await;
    assert_eq!(waiting["value"], json!([]), "the jobs ran");
    // The source acts for itself: nothing of it is recorded.
    let objects = client.objects();
    let mut environments = objects.iter().filter(|(key, _)| key.starts_with("call/"));
    assert!(environments.all(|(_, call)| call["environment"] == TARGET_ENVIRONMENT));
}

#[tokio::test]
async fn a_surface_that_was_closed_before_does_not_act() {
    let client = copied().await;
    let off = json!({
        "incomingemaildeliverymethod": 0, "outgoingemaildeliverymethod": 0, "actdeliverymethod": 2,
    });
    for number in [1, 2, 3] {
        let path = format!("mailboxes({})", id("ea", number));
        client.patch(&path, off.clone()).await.expect_status(204);
    }
    let cancel = json!({"statecode": 3, "statuscode": 32});
    for number in [1, 2, 3, 4] {
        let path = format!("asyncoperations({})", id("ed", number));
        client.patch(&path, cancel.clone()).await.expect_status(204);
        client.patch(&path, cancel.clone()).await.expect_status(400);
    }
    let platform = format!("asyncoperations({})", id("ed", 5));
    client.patch(&platform, cancel).await.expect_status(400);
    open(&client).await;
    assert_eq!(calls(&client, 0), []);

    // Opened by hand, a mailbox acts at once.
    let path = format!("mailboxes({})", id("ea", 1));
    let on = json!({"outgoingemaildeliverymethod": 2});
    client.patch(&path, on).await.expect_status(204);
    assert!(hosts(&calls(&client, 0)).contains(&"mail.contoso.com"));
    // A changed address is no longer approved.
    let count = calls(&client, 0).len();
    let address = json!({"emailaddress": "uat@contoso.com"});
    client.patch(&path, address).await.expect_status(204);
    assert_eq!(calls(&client, count), []);
}

#[tokio::test]
async fn a_flow_that_is_on_calls_its_hosts_and_registers_its_trigger() {
    let client = copied().await;
    open(&client).await;
    let reference = format!("connectionreferences({})", id("80", 1));
    let own = json!({"connectionid": DATAVERSE_CONNECTION});
    client.patch(&reference, own).await.expect_status(204);
    let registrations = || client.get("callbackregistrations");
    assert_eq!(registrations().await["value"].as_array().unwrap().len(), 2);
    let from = calls(&client, 0).len();
    let flow = format!("workflows({})", id("30", 25));
    client
        .patch(&flow, json!({"statecode": 1}))
        .await
        .expect_status(204);
    assert_eq!(hosts(&calls(&client, from)), ["shop.contoso.com"]);
    let shown = registrations().await;
    assert_eq!(shown["value"].as_array().unwrap().len(), 3);
    assert!(!shown.to_string().contains("sig="), "{shown}");
    client
        .target("GET", "callbackregistrations?$select=url", None)
        .await
        .expect_status(400);
    client
        .patch(&flow, json!({"statecode": 0}))
        .await
        .expect_status(204);
    assert_eq!(registrations().await["value"].as_array().unwrap().len(), 2);
    // A new order calls back the source's flows by the copied registrations.
    let from = calls(&client, from).len() + from;
    client
        .post("salesorders", json!({"name": "1"}))
        .await
        .expect_status(204);
    let called = calls(&client, from);
    let production = format!("{SOURCE_ENVIRONMENT}.flow.example");
    let back = called.iter().filter(|(host, _)| *host == production);
    assert_eq!(back.count(), 2, "{called:#?}");
    let hosts = hosts(&called);
    for expected in ["contoso-prod.servicebus.windows.net", "loyalty.contoso.com"] {
        assert!(hosts.contains(&expected), "{called:#?}");
    }
}

#[tokio::test]
async fn a_managed_step_that_is_not_customizable_refuses_a_change_of_state() {
    let client = copied().await;
    let organization = client.get("WhoAmI").await["OrganizationId"].clone();
    let organization = organization.as_str().unwrap();
    let key = format!(
        "row/{organization}/sdkmessageprocessingstep/{}",
        id("e4", 101)
    );
    let mut row = client.objects()[&key].clone();
    row["ismanaged"] = json!(true);
    row["iscustomizable"]["Value"] = json!(false);
    client.change(&key, row);
    let path = format!("{STEPS}({})", id("e4", 101));
    let off = json!({"statecode": 1, "statuscode": 2});
    let refused = client.patch(&path, off).await.expect_status(400);
    assert_eq!(refused.code(), "0x8004F026");
    let path = format!(
        "{STEPS}({})?$expand=eventhandler_serviceendpoint",
        id("e4", 101)
    );
    let step = client.get(&path).await;
    let endpoint = &step["eventhandler_serviceendpoint"];
    assert_eq!(endpoint["url"], "https://audit.contoso.com/events");
    assert!(endpoint.get("authvalue").is_none(), "{endpoint}");
    let path = format!("serviceendpoints({})", id("e3", 1));
    let in_use = client.target("DELETE", &path, None).await;
    in_use.expect_status(405);
}

#[tokio::test]
async fn a_copy_withholds_batch_jobs_and_one_that_waits_again_runs() {
    let client = copied().await;
    open(&client).await;
    let jobs = client
        .finance(TARGET_ENVIRONMENT, "GET", "BatchJobs", None, &[])
        .await;
    let jobs = jobs.expect_status(200).json()["value"].clone();
    for job in jobs.as_array().unwrap() {
        assert_eq!(job["Status"], "Hold", "{job}");
    }
    let from = calls(&client, 0).len();
    let path = format!("BatchJobs({})", jobs[1]["BatchJobRecId"]);
    let body = json!({"Status": "Waiting"});
    client
        .finance(TARGET_ENVIRONMENT, "PATCH", &path, Some(body), &[])
        .await
        .expect_status(204);
    assert_eq!(hosts(&calls(&client, from)), ["sftp.contoso.com"]);
    let profiles = client.get("synapselinkprofiles").await;
    assert_eq!(profiles["value"], json!([]), "profiles are not copied");
}

#[tokio::test]
async fn a_copy_may_leave_finance_and_operations_as_it_was() {
    let client = TestClient::of_seed(Seed::Whole, TableNames::Usual, &[]).await;
    client.change("quirk/unified-copy-keeps-finance", json!(true));
    client.copy_and_open().await;
    client.get("WhoAmI").await;
    let called = calls(&client, 0);
    let called = hosts(&called);
    for expected in [
        "smtp.contoso.com",
        "sftp.contoso.com",
        "contoso-events.eastus-1.eventgrid.azure.net",
    ] {
        assert!(called.contains(&expected), "{expected}: {called:?}");
    }
}

#[tokio::test]
async fn the_thin_world_calls_nobody() {
    let client = TestClient::new().await;
    client.connect_references().await;
    assert_eq!(calls(&client, 0), []);
}
