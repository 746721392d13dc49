//! Lifecycle Services: who is let in, how a refresh goes on, what it leaves, and how it ends badly.

use super::*;

const REFRESH: &str = "databasemovement/v1/refresh";

/// A guest of a tenant whose databases Lifecycle Services manage.
async fn linked(dual_write: DualWrite, faults: &[&str]) -> Guest {
    let variant = Variant {
        target: Management::LcsLinked,
        dual_write,
    };
    Guest::begin(Seed::Thin, Skin::Usual, variant, faults).await
}

impl Guest {
    /// A call of Lifecycle Services, with a person's token.
    async fn lcs(&self, method: &str, path: &str) -> Answered {
        self.lcs_as(LCS_TOKEN, method, path).await
    }

    async fn lcs_as(&self, token: &str, method: &str, path: &str) -> Answered {
        let services = &self.endpoints().services;
        let lcs = services
            .iter()
            .find(|service| service.key == "lcs")
            .unwrap();
        let request = self
            .http
            .request(method.parse().unwrap(), format!("{}/{path}", lcs.url))
            .bearer_auth(token)
            .header("x-ms-version", "2017-09-15");
        answered(request).await
    }

    async fn trigger(&self) -> Value {
        let path =
            format!("{REFRESH}/project/{LCS_PROJECT}/source/{LCS_SOURCE}/target/{LCS_TARGET}");
        self.lcs("POST", &path).await.expect(200).json()
    }

    async fn refresh_state(&self, activity: &str) -> String {
        let path = format!(
            "databasemovement/v1/fetchstatus/project/{LCS_PROJECT}/environment/{LCS_TARGET}/operationactivity/{activity}"
        );
        let status = self.lcs("GET", &path).await.expect(200).json();
        assert_eq!(status["ActivityId"], activity);
        assert_ne!(status["OperationActivityId"], activity);
        status["OperationStatus"].as_str().unwrap().to_owned()
    }

    async fn refresh_history(&self) -> Vec<Value> {
        let path = format!(
            "environmentinfo/v1/history/project/{LCS_PROJECT}/environment/{LCS_TARGET}/?page=1"
        );
        let body = self.lcs("GET", &path).await.expect(200).json();
        body["Data"].as_array().unwrap().clone()
    }

    fn target_row(&self, set: &str, key: &str) -> Option<Value> {
        let key = format!("finance-operations/{TARGET_ENVIRONMENT}/{set}/{key}");
        self.objects().get(&key).cloned()
    }

    async fn finance_status(&self) -> u16 {
        self.finance(TARGET_ENVIRONMENT, "GET", "LegalEntities", None, &[])
            .await
            .status
    }
}

#[tokio::test]
async fn only_a_person_is_let_in() {
    let guest = linked(DualWrite::Off, &[]).await;
    let services = guest.endpoints().services.clone();
    let lcs = services
        .iter()
        .find(|service| service.key == "lcs")
        .unwrap();
    assert!(lcs.scope.ends_with("//.default"), "{}", lcs.scope);
    let application = guest.token(&lcs.scope).await;
    let path = format!("environmentinfo/v1/detail/project/{LCS_PROJECT}/?page=1");
    guest.lcs_as(&application, "GET", &path).await.expect(401);
    let listed = guest.lcs("GET", &path).await.expect(200).json();
    assert_eq!(listed["Data"].as_array().unwrap().len(), 2);
    let other = "environmentinfo/v1/detail/project/1/?page=1";
    let refused = guest.lcs("GET", other).await.expect(200).json();
    assert_eq!(refused["IsSuccess"], false);
    let environment = guest.environment(TARGET_ENVIRONMENT).await;
    let app = &environment["properties"]["linkedAppMetadata"];
    assert_eq!(
        (&app["type"], &app["id"]),
        (&json!("Linked"), &json!(LCS_TARGET))
    );
}

#[tokio::test]
async fn a_refresh_goes_through_its_states_and_leaves_what_a_refresh_leaves() {
    let guest = linked(DualWrite::On, &[]).await;
    let activity = guest.trigger().await["OperationActivityId"].clone();
    let activity = activity.as_str().unwrap();
    assert_eq!(guest.refresh_state(activity).await, "NotStarted");
    guest.skip_minutes(10);
    assert_eq!(guest.refresh_state(activity).await, "InProgress");
    assert_eq!(guest.finance_status().await, 200, "it stays up at first");
    guest.skip_minutes(40);
    assert_eq!(guest.finance_status().await, 503, "away without warning");
    assert_eq!(guest.trigger().await["IsSuccess"], false, "one at a time");
    guest.skip_minutes(80);
    assert_eq!(guest.refresh_state(activity).await, "Completed");
    assert_eq!(guest.finance_status().await, 200);
    let newest = guest.refresh_history().await.remove(0);
    assert_eq!(
        (&newest["Type"], &newest["Status"]),
        (&json!("SFSourceDbToSandbox"), &json!("Completed"))
    );
    for (user, enabled) in [("Admin", true), ("svciom", false), ("DualWrite", false)] {
        let row = guest.target_row("SystemUsers", user).unwrap();
        assert_eq!(row["Enabled"], enabled, "{user}");
    }
    assert_eq!(
        guest.target_row("SystemUsers", "svcwms"),
        None,
        "the source's users"
    );
    let objects = guest.objects();
    let maps = format!("finance-operations/{TARGET_ENVIRONMENT}/DualWriteProject");
    assert!(!objects.keys().any(|key| key.starts_with(&maps)));
    let facts = &objects[&format!("finance-operations-facts/{TARGET_ENVIRONMENT}")];
    assert_eq!(facts["batch"], "Withhold");
}

#[tokio::test]
async fn the_user_kept_for_programs_is_enabled() {
    let guest = linked(DualWrite::Off, &[]).await;
    guest.meddle(|draft| {
        let key = format!("finance-operations/{SOURCE_ENVIRONMENT}/SystemUsers/DBMovementAPI");
        draft.put(key, json!({"UserID": "DBMovementAPI", "Enabled": false}));
    });
    guest.trigger().await;
    guest.skip_minutes(130);
    assert_eq!(guest.finance_status().await, 200);
    let row = guest.target_row("SystemUsers", "DBMovementAPI").unwrap();
    assert_eq!(row["Enabled"], true);
}

#[tokio::test]
async fn each_bad_end_is_reached_through_its_states() {
    for (fault, states, finance) in [
        ("fail", ["Failed", "Failed"], 404),
        (
            "roll-back",
            ["RollbackInProgress", "RollbackCompleted"],
            200,
        ),
        (
            "fail-to-roll-back",
            ["RollbackInProgress", "RollbackFailed"],
            404,
        ),
        ("abort", ["Aborted", "Aborted"], 503),
    ] {
        let guest = linked(DualWrite::Off, &[&format!("{fault}:POST *{REFRESH}*")]).await;
        let activity = guest.trigger().await["OperationActivityId"].clone();
        let activity = activity.as_str().unwrap();
        guest.skip_minutes(121);
        if fault != "abort" {
            assert_eq!(guest.refresh_state(activity).await, "Failed", "{fault}");
        }
        guest.skip_minutes(5);
        assert_eq!(guest.refresh_state(activity).await, states[0], "{fault}");
        guest.skip_minutes(60);
        assert_eq!(guest.refresh_state(activity).await, states[1], "{fault}");
        assert_eq!(guest.finance_status().await, finance, "{fault}");
        assert!(
            guest.target_row("SystemUsers", "svcwms").is_some(),
            "{fault}"
        );
    }
}

#[tokio::test]
async fn a_day_has_three_triggers_whoever_pulled_them() {
    let guest = linked(DualWrite::Off, &[]).await;
    guest.meddle(|draft| {
        for hour in [1, 2] {
            let started = format!("2026-03-06T0{hour}:00:00.5");
            let activity = json!({
                "id": format!("by-hand-{hour}"), "environment": LCS_TARGET, "source": null,
                "kind": "SFSourceDbToSandbox", "title": "Refresh database", "state": "Completed",
                "started": started, "ended": started, "fate": null,
            });
            draft.put(format!("lcs-activity/by-hand-{hour}"), activity);
        }
    });
    assert_eq!(guest.trigger().await["IsSuccess"], true);
    guest.skip_minutes(130);
    let refused = guest.trigger().await;
    assert_eq!(
        refused["ErrorMessage"],
        "Maximum allowed API operations are 3 from 2026-03-06T01:00:00.5"
    );
    guest.skip_minutes(60 * 4);
    assert_eq!(guest.trigger().await["IsSuccess"], true, "a day later");
}

#[tokio::test]
async fn a_linked_target_gets_only_dataverse_by_a_copy_and_calls_are_limited() {
    let guest = linked(DualWrite::Off, &[]).await;
    guest.copied().await;
    assert!(guest.target_row("SystemUsers", "svcwms").is_some());
    for _ in 0..6 {
        guest.refresh_history().await;
    }
    let path = format!(
        "environmentinfo/v1/history/project/{LCS_PROJECT}/environment/{LCS_TARGET}/?page=1"
    );
    let limited = guest.lcs("GET", &path).await.expect(429);
    assert!(limited.header("retry-after").is_some());
}
