//! Connection references and cloud flows.

use super::*;

fn flow(number: u32) -> String {
    format!("workflows({})", id("30", number))
}

fn on() -> Value {
    json!({"statecode": 1, "statuscode": 2})
}

/// What the Flow service said inside a refusal.
fn inner(answer: &Answered) -> Value {
    assert_eq!(answer.status, 400, "{}", answer.text);
    assert_eq!(answer.code(), "0x80060467");
    let message = answer.json()["error"]["message"]
        .as_str()
        .unwrap()
        .to_owned();
    let text = &message[message.find('{').unwrap()..=message.rfind('}').unwrap()];
    serde_json::from_str(text).unwrap()
}

#[tokio::test]
async fn a_flow_needs_a_wired_reference_and_its_child() {
    let guest = Guest::new().await;
    guest.opened().await;
    let answer = guest.patch(&flow(3), on()).await;
    let error = inner(&answer)["error"].clone();
    assert_eq!(error["code"], "ConnectionAuthorizationFailed");
    let reference = format!("connectionreferences({})", id("80", 1));
    guest
        .patch(&reference, json!({"connectionid": null}))
        .await
        .expect(204);
    let answer = guest.patch(&flow(3), on()).await;
    assert_eq!(
        inner(&answer)["error"]["code"],
        "XrmConnectionReferenceMissingConnection"
    );
    let stale = json!({"connectionid": "11d0a1b2c3d4e5f60718293a4b5c6d7e"});
    let answer = guest.patch(&reference, stale).await;
    assert_eq!(
        inner(&answer)["error"]["code"],
        "ConnectionAuthorizationFailed"
    );
    let other = json!({"connectionid": BIGCOMMERCE_CONNECTION});
    inner(&guest.patch(&reference, other).await);
    let right = json!({"connectionid": DATAVERSE_CONNECTION});
    guest.patch(&reference, right).await.expect(204);

    let answer = guest.patch(&flow(2), on()).await;
    assert_eq!(
        inner(&answer)["error"]["code"],
        "AzureResourceManagerRequestFailed"
    );
    guest.patch(&flow(3), on()).await.expect(204);
    guest.patch(&flow(2), on()).await.expect(204);
    let flows = guest
        .get("workflows?$select=name&$filter=statecode eq 1")
        .await;
    assert_eq!(flows["value"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_flow_that_is_on_keeps_its_text_and_its_owner() {
    let guest = Guest::new().await;
    guest.wired().await;
    guest.patch(&flow(3), on()).await.expect(204);
    let answer = guest
        .patch(&flow(3), json!({"clientdata": "{}"}))
        .await
        .expect(400);
    assert_eq!(answer.code(), "0x80060466");
    let owner = json!({"ownerid@odata.bind": format!("systemusers({})", id("a5", 2))});
    let answer = guest.patch(&flow(3), owner.clone()).await.expect(400);
    assert_eq!(answer.code(), "0x8004500C");
    guest
        .patch(&flow(3), json!({"description": "still fine"}))
        .await
        .expect(204);
    guest
        .patch(&flow(3), json!({"statecode": 0}))
        .await
        .expect(204);
    guest.patch(&flow(3), owner).await.expect(204);
    assert_eq!(guest.get(&flow(3)).await["_ownerid_value"], id("a5", 2));
}

#[tokio::test]
async fn the_refusal_is_annotated_where_that_is_preferred() {
    let guest = Guest::new().await;
    guest.opened().await;
    let headers = [
        ("Prefer", "odata.include-annotations=\"*\""),
        ("If-Match", "*"),
    ];
    let answer = guest
        .web_api(TARGET_ENVIRONMENT, "PATCH", &flow(3), Some(on()), &headers)
        .await
        .expect(400);
    let error = answer.json()["error"]["@Microsoft.PowerApps.CDS.ErrorDetails.Error"].clone();
    let error: Value = serde_json::from_str(error.as_str().unwrap()).unwrap();
    assert_eq!(error["error"]["code"], "ConnectionAuthorizationFailed");
}

#[tokio::test]
async fn a_saved_reference_leaves_a_job_that_needs_background_operations() {
    let guest = Guest::new().await;
    guest.copied().await;
    let reference = format!("connectionreferences({})", id("80", 1));
    let right = json!({"connectionid": DATAVERSE_CONNECTION});
    guest.patch(&reference, right).await.expect(204);
    let jobs =
        "asyncoperations?$select=statecode,statuscode,operationtype,_regardingobjectid_value";
    let states = || async {
        let jobs = guest.get(jobs).await;
        let jobs = jobs["value"].as_array().unwrap().clone();
        jobs.iter()
            .map(|job| job["statecode"].as_i64().unwrap())
            .collect::<Vec<i64>>()
    };
    assert_eq!(states().await, [0]);
    guest.skip_minutes(10);
    assert_eq!(states().await, [0]);
    guest.runtime("Enabled", "Enabled").await.expect(202);
    guest.skip_minutes(1);
    assert_eq!(states().await, [0]);
    guest.skip_minutes(1);
    assert_eq!(states().await, [3]);
    let job = guest.get(jobs).await["value"][0].clone();
    assert_eq!(
        (&job["statuscode"], &job["operationtype"]),
        (&json!(30), &json!(101))
    );
    assert_eq!(job["_regardingobjectid_value"], id("80", 1));
}
