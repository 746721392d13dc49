//! The world's file: its fold is the memory, and a restart goes on from it.

use proptest::prelude::*;

use super::*;

#[tokio::test]
async fn a_restart_keeps_ports_time_tokens_and_rows() {
    let mut guest = Guest::new().await;
    guest.begin_copy("Contoso UAT").await.expect(202);
    guest.skip_minutes(30);
    let path = "scopes/admin/environments?api-version=2021-04-01";
    let before = guest.bap("GET", path, None).await.expect(200);
    let (endpoints, objects) = (guest.endpoints().clone(), guest.objects());
    let last = guest.lines().last().unwrap()["elapsed"].as_u64().unwrap();
    guest.stop().await;
    guest.start(&[]).await;
    assert_eq!(*guest.endpoints(), endpoints);
    assert_eq!(guest.objects(), objects);
    // The token of before is still good, and time has not gone back.
    let after = guest.bap("GET", path, None).await.expect(200);
    assert_eq!(before.text, after.text);
    let elapsed = guest.lines().last().unwrap()["elapsed"].as_u64().unwrap();
    assert!((last..last + 60_000).contains(&elapsed), "{last} {elapsed}");
    guest.skip_minutes(61);
    let environment = guest.environment(TARGET_ENVIRONMENT).await;
    assert!(environment["properties"].get("ongoingOperation").is_none());
}

#[tokio::test]
async fn the_world_has_one_tenant_and_a_sensible_speed() {
    let guest = Guest::new().await;
    let options = |speed| Options {
        world: guest.world_file(),
        speed,
        faults: Vec::new(),
        seed: Seed::Thin,
        skin: Skin::Usual,
        variant: Variant::default(),
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
    let mut guest = Guest::new().await;
    let before = guest.endpoints().clone();
    drop(guest.tenant.take());
    // The listeners end when the runtime comes to them.
    tokio::time::sleep(Duration::from_millis(100)).await;
    guest.start(&[]).await;
    assert_eq!(*guest.endpoints(), before);
}

#[tokio::test]
async fn the_endpoints_are_one_line_to_paste() {
    let guest = Guest::new().await;
    let text = guest.endpoints().to_string();
    let authority = &guest.endpoints().authority;
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

/// One of the things that a guest may do.
fn random_request() -> impl Strategy<Value = (u8, u8, u8)> {
    (0..10_u8, 0..4_u8, any::<u8>())
}

async fn act(guest: &Guest, (kind, which, detail): (u8, u8, u8)) {
    let parameter = format!("msdyn_iomproviderparameters({})", id("12", 900_100));
    let flow = format!("workflows({})", id("30", u32::from(which)));
    let text = format!("value {detail}");
    let answer = match kind {
        0 => guest.begin_copy(&text).await,
        1 => {
            guest
                .runtime(["AdminMode", "Enabled"][usize::from(which % 2)], "Enabled")
                .await
        }
        2 => guest.patch(&parameter, json!({"msdyn_value": text})).await,
        3 => guest.patch(&flow, json!({"statecode": detail % 2})).await,
        4 => guest.target("DELETE", &parameter, None).await,
        5 => {
            guest
                .post("msdyn_iompolicies", json!({"msdyn_name": text}))
                .await
        }
        6 => {
            let reference = format!("connectionreferences({})", id("80", u32::from(which)));
            guest
                .patch(&reference, json!({"connectionid": DATAVERSE_CONNECTION}))
                .await
        }
        7 => guest.post("rehearsal_ActivateSystem", json!({})).await,
        8 => guest.target("GET", "workflows", None).await,
        _ => {
            guest.skip_minutes(u64::from(detail));
            return;
        }
    };
    assert!(answer.status < 500, "{}", answer.text);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn the_fold_of_the_file_is_the_memory(
        requests in proptest::collection::vec(random_request(), 1..12),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut guest = Guest::new().await;
            for request in requests {
                act(&guest, request).await;
            }
            let memory = guest.objects();
            guest.stop().await;
            guest.start(&[]).await;
            assert_eq!(guest.objects(), memory);
        });
    }
}
