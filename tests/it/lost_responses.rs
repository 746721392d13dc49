//! Launches with wrong or lost responses, and unavailable services: nothing is sent twice, nothing
//! is lost, and no unknown outcome is reported as failed.

use crate::harness::{Stage, is_full_campaign};

/// How often a request was received, with any response.
fn received(stage: &Stage, method: &str, end: &str) -> usize {
    let world = stage.world();
    let fits = |request: &&serde_json::Value| {
        request["method"] == method
            && request["path"]
                .as_str()
                .is_some_and(|path| path.ends_with(end))
    };
    world.requests.iter().filter(fits).count()
}

/// The records of launches that ended as failed or absent. The launches of these tests all succeed,
/// so each such record is false.
fn false_ends(stage: &Stage) -> Vec<serde_json::Value> {
    let records = stage.records().into_iter();
    records
        .filter(|record| record["type"] == "ended" && record["data"]["outcome"] != "succeeded")
        .collect()
}

#[test]
fn a_copy_that_was_applied_is_adopted_after_any_response() {
    let every = [
        300, 301, 302, 303, 304, 307, 308, 400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410,
        411, 412, 413, 415, 418, 421, 422, 423, 425, 428, 429, 431, 451, 499, 500, 501, 502, 503,
        504,
    ];
    let sample = [302, 400, 401, 409];
    let statuses: &[u16] = if is_full_campaign() { &every } else { &sample };
    for status in statuses {
        let stage = Stage::new();
        let _tenant = stage.tenant(&[&format!("answer={status}#1:POST */copy")]);
        let first = stage.run_with(&["--until", "copy-environments"]);
        assert_eq!(first.code, Some(0), "{status}: {}", first.stderr);
        assert_eq!(received(&stage, "POST", "/copy"), 1, "{status}");
        assert!(false_ends(&stage).is_empty(), "{status}");
    }
}

#[test]
fn every_other_launch_that_was_applied_is_sent_once() {
    let launches = ["ActivateSystem", "ActivateProvider", "PublishOrchestration"];
    let statuses: &[u16] = if is_full_campaign() {
        &[302, 401, 409, 503]
    } else {
        &[409]
    };
    for status in statuses {
        let faults: Vec<String> = launches
            .iter()
            .map(|launch| format!("answer={status}#1:POST *{launch}"))
            .collect();
        let faults: Vec<&str> = faults.iter().map(String::as_str).collect();
        let stage = Stage::new();
        let _tenant = stage.tenant(&faults);
        let calm = Stage::new();
        let _calm_tenant = calm.tenant(&[]);
        drop(calm.run().exits(0));
        drop(stage.run().exits(0));
        for launch in launches {
            assert_eq!(
                received(&stage, "POST", launch),
                received(&calm, "POST", launch),
                "{launch} {status}"
            );
        }
        assert!(false_ends(&stage).is_empty(), "{:?}", false_ends(&stage));
    }
}

#[test]
fn a_refused_copy_is_sent_once_per_run() {
    for (status, code) in [(400, 1), (403, 4), (409, 11)] {
        let stage = Stage::new();
        let _tenant = stage.tenant(&[&format!("refuse={status}#1:POST */copy")]);
        let answer = stage.run().exits(code);
        assert_eq!(received(&stage, "POST", "/copy"), 1, "{status}");
        assert!(!answer.stderr.contains("not done yet"), "{}", answer.stderr);
    }
}

#[test]
fn a_failed_copy_is_sent_again_only_after_confirmation_of_that_attempt() {
    let stage = Stage::new();
    let _tenant = stage.tenant(&["fail#1:POST */copy"]);
    let failed = stage.run().exits(1);
    for part in ["do not use 'Contoso UAT'", "it is safe to copy again"] {
        assert!(failed.stderr.contains(part), "{part}: {}", failed.stderr);
    }
    let again = stage.run().exits(11);
    let token = again.token().expect("the token is named");
    assert_eq!(failed.token().as_deref(), Some(token.as_str()));
    drop(stage.run_with(&["--confirm-repeat", "00000000-2"]).exits(5));
    assert_eq!(received(&stage, "POST", "/copy"), 1);
    // The next command, at the end of a run and in the status, has the token.
    let status = stage.call(&["status", "rehearsal.yaml"]).exits(0);
    let next = format!(
        "next: iomcopy run rehearsal.yaml --confirm-target \"Contoso UAT\" --confirm-repeat {token}"
    );
    for stdout in [&failed.stdout, &status.stdout] {
        assert!(stdout.contains(&next), "{stdout}");
    }
    let until = ["--until", "copy-environments", "--confirm-repeat", &token];
    drop(stage.run_with(&until).exits(0));
    assert_eq!(received(&stage, "POST", "/copy"), 2);
    // A token confirms one attempt.
    drop(stage.run_with(&until).exits(5));
}

#[test]
fn an_unavailable_service_neither_loses_nor_repeats_a_copy() {
    let minutes: &[u16] = if is_full_campaign() {
        &[8, 25, 60]
    } else {
        &[25]
    };
    for minutes in minutes {
        let stage = Stage::new();
        // The response is lost, and the list cannot be read for a while.
        let away = format!("away={minutes}#2:GET *lifecycleOperations*");
        let _tenant = stage.tenant(&["lose#1:POST */copy", &away]);
        let mut answer = stage.run_with(&["--until", "copy-environments"]);
        for _ in 0..8 {
            if answer.code != Some(75) {
                break;
            }
            assert!(!answer.stderr.contains("failed "), "{}", answer.stderr);
            answer = stage.run_with(&["--until", "copy-environments"]);
        }
        assert_eq!(answer.code, Some(0), "{minutes}: {}", answer.stderr);
        assert_eq!(received(&stage, "POST", "/copy"), 1, "{minutes}");
        assert!(false_ends(&stage).is_empty(), "{minutes}");
    }
}

#[test]
fn a_copy_that_exceeds_its_timeout_continues_and_is_not_reported_as_failed() {
    let stage = Stage::new();
    let _tenant = stage.tenant(&[]);
    let text = std::fs::read_to_string(stage.runbook()).expect("the runbook can be read");
    let short = text.replacen(
        "copy-environments: {}",
        "copy-environments: { timeout: 10m }",
        1,
    );
    assert_ne!(text, short, "the step has no options");
    stage.write_runbook(&short);
    let answer = stage.run().exits(75);
    assert!(
        answer.stderr.contains("continues at the service"),
        "{}",
        answer.stderr
    );
    assert!(!answer.stderr.contains("failed"), "{}", answer.stderr);
    assert!(false_ends(&stage).is_empty());
}

#[test]
fn a_lost_response_to_leaving_administration_mode_is_not_another_operation() {
    for fault in [
        "lose#1:PATCH */scopes/admin/environments/*",
        "answer=409#1:PATCH */scopes/admin/environments/*",
    ] {
        let stage = Stage::new();
        let _tenant = stage.tenant(&[fault]);
        let answer = stage.run_with(&["--until", "exit-administration-mode"]);
        assert_eq!(answer.code, Some(0), "{fault}: {}", answer.stderr);
    }
}
