//! The world's file: replaying it gives the objects in memory, and a restart continues from it.

use proptest::prelude::*;

use super::*;

#[tokio::test]
async fn a_restart_keeps_ports_time_tokens_and_rows() {
    let mut client = TestClient::new().await;
    client.begin_copy("Contoso UAT").await.expect_status(202);
    client.skip_minutes(30);
    let path = "scopes/admin/environments?api-version=2021-04-01";
    let before = client.bap("GET", path, None).await.expect_status(200);
    let (endpoints, objects) = (client.endpoints().clone(), client.objects());
    let last = client.lines().last().unwrap()["elapsed"].as_u64().unwrap();
    client.stop().await;
    client.start(&[]).await;
    assert_eq!(*client.endpoints(), endpoints);
    assert_eq!(client.objects(), objects);
    // The earlier token is still valid, and time has not gone back.
    let after = client.bap("GET", path, None).await.expect_status(200);
    assert_eq!(before.text, after.text);
    let elapsed = client.lines().last().unwrap()["elapsed"].as_u64().unwrap();
    assert!((last..last + 60_000).contains(&elapsed), "{last} {elapsed}");
    client.skip_minutes(61);
    let environment = client.environment(TARGET_ENVIRONMENT).await;
    assert!(environment["properties"].get("ongoingOperation").is_none());
}

#[tokio::test]
async fn a_world_has_one_tenant_with_a_valid_speed() {
    let client = TestClient::new().await;
    let options = |speed| Options {
        world: client.world_file(),
        speed,
        faults: Vec::new(),
        seed: Seed::Thin,
        table_names: TableNames::Usual,
        variant: Variant::default(),
        volume: Volume::default(),
        latency: Duration::ZERO,
        limits: false,
        tls: false,
    };
    let second = Rehearsal::start(options(1.0)).await;
    assert!(matches!(
        second,
        Err(StartError::World(WorldError::InUse { .. }))
    ));
    for speed in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e9] {
        let result = Rehearsal::start(options(speed)).await;
        assert!(matches!(result, Err(StartError::Speed { .. })), "{speed}");
    }
}

#[tokio::test]
async fn a_dropped_tenant_frees_its_ports_and_its_file() {
    let mut client = TestClient::new().await;
    let before = client.endpoints().clone();
    drop(client.tenant.take());
    // The listeners end when the runtime polls them.
    tokio::time::sleep(Duration::from_millis(100)).await;
    client.start(&[]).await;
    assert_eq!(*client.endpoints(), before);
}

#[tokio::test]
async fn the_endpoints_are_one_line_to_paste() {
    let client = TestClient::new().await;
    let text = client.endpoints().to_string();
    let authority = &client.endpoints().authority;
    assert!(text.starts_with(&format!(
        "endpoints: {{ speed: 1, authority: {{ url: \"{authority}\" }}"
    )));
    assert!(text.contains("power-platform: { url: \"http://127.0.0.1:"));
    assert!(
        text.contains("dual-write: { url: \"http://127.0.0.1:"),
        "{text}"
    );
    assert!(text.ends_with("/.default\" } }"), "{text}");
    assert!(!text.contains('\n'));
}

/// One of the requests of a client.
fn random_request() -> impl Strategy<Value = (u8, u8, u8)> {
    (0..10_u8, 0..4_u8, any::<u8>())
}

async fn send_random(client: &TestClient, (kind, which, detail): (u8, u8, u8)) {
    let parameter = format!("msdyn_iomproviderparameters({})", id("12", 900_100));
    let flow = format!("workflows({})", id("30", u32::from(which)));
    let text = format!("value {detail}");
    let response = match kind {
        0 => client.begin_copy(&text).await,
        1 => {
            client
                .runtime(["AdminMode", "Enabled"][usize::from(which % 2)], "Enabled")
                .await
        }
        2 => client.patch(&parameter, json!({"msdyn_value": text})).await,
        3 => client.patch(&flow, json!({"statecode": detail % 2})).await,
        4 => client.target("DELETE", &parameter, None).await,
        5 => {
            client
                .post("msdyn_iompolicies", json!({"msdyn_name": text}))
                .await
        }
        6 => {
            let reference = format!("connectionreferences({})", id("80", u32::from(which)));
            client
                .patch(&reference, json!({"connectionid": DATAVERSE_CONNECTION}))
                .await
        }
        7 => client.post("rehearsal_ActivateSystem", json!({})).await,
        8 => client.target("GET", "workflows", None).await,
        _ => {
            client.skip_minutes(u64::from(detail));
            return;
        }
    };
    assert!(response.status < 500, "{}", response.text);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn replaying_the_file_gives_the_objects_in_memory(
        requests in proptest::collection::vec(random_request(), 1..12),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut client = TestClient::new().await;
            for request in requests {
                send_random(&client, request).await;
            }
            let memory = client.objects();
            client.stop().await;
            client.start(&[]).await;
            assert_eq!(client.objects(), memory);
        });
    }
}
