//! A target that Lifecycle Services manage, with `finops: guided`: a person refreshes the database,
//! and the Dataverse copy runs next to it.

use serde_json::Value;

use crate::harness::{CommandOutput, Stage};
use crate::lcs::{Person, assert_pair_is_correct, copies, finish, runbook, says, tenant, triggers};

/// The rehearsal's runbook for such a pair, where a person refreshes the database.
fn by_hand() -> String {
    runbook().replace(
        "  - copy-environments: {}",
        "  - copy-environments: { finops: guided }",
    )
}

const TASK: &str = "copy-environments/refresh-by-hand";

fn complete(stage: &Stage) -> CommandOutput {
    stage.call(&["complete", "rehearsal.yaml", TASK])
}

#[test]
fn a_refresh_by_hand_is_found_in_the_history_while_finance_is_unavailable() {
    let stage = Stage::new();
    let _tenant = tenant(&stage, &by_hand(), &[]);
    let before = stage.world();
    let answer = stage.run().exits(10);
    says(
        &answer,
        &[
            &format!("waits for a person: {TASK}"),
            "Maintain > Move database > Refresh database",
            "then run again: the Dataverse copy starts while the refresh runs",
        ],
    );
    assert_eq!(copies(&stage.world()), 0);
    // Last year's refresh does not count, so nothing has been done yet.
    drop(complete(&stage).exits(10));
    drop(stage.run().exits(10));
    let person = Person::of(&stage);
    person.refreshes();
    drop(complete(&stage).exits(0));
    person.waits_until_finance_answers(503);
    drop(finish(&stage).exits(0));
    let after = stage.world();
    assert_pair_is_correct(&before, &after);
    assert_eq!((triggers(&after), copies(&after)), (1, 1));
    let launched = stage.records().into_iter().any(|record| {
        let key = record["data"]["key"].as_str().unwrap_or_default();
        record["type"] == "intent"
            && record["data"]["kind"] == "launch"
            && key.starts_with("database-refresh/")
    });
    assert!(!launched, "the refresh is a person's, not ours");
}

#[test]
fn without_access_to_lcs_disabled_users_are_the_evidence() {
    let stage = Stage::new();
    let text: Vec<String> = by_hand()
        .lines()
        .filter(|line| !line.starts_with("lcs:"))
        .map(str::to_owned)
        .collect();
    let _tenant = tenant(&stage, &text.join("\n"), &[]);
    let before = stage.world();
    let answer = stage.run().exits(10);
    says(
        &answer,
        &["wait until the refresh ends, then run again: the Dataverse copy starts then"],
    );
    let person = Person::of(&stage);
    person.refreshes();
    // It is unavailable, which proves nothing.
    person.waits_until_finance_answers(503);
    drop(stage.run().exits(10));
    person.waits_until_finance_answers(200);
    drop(complete(&stage).exits(0));
    drop(finish(&stage).exits(0));
    let after = stage.world();
    assert_pair_is_correct(&before, &after);
    assert_eq!((triggers(&after), copies(&after)), (1, 1));
    let ours = |r: &&Value| {
        let agent = r["user_agent"].as_str().unwrap_or_default();
        r["listener"] == "lcs" && agent.starts_with("iomcopy/")
    };
    assert_eq!(after.requests.iter().filter(ours).count(), 0);
}

#[test]
fn a_history_that_could_not_be_read_before_proves_nothing_afterwards() {
    let stage = Stage::new();
    let mut running = tenant(&stage, &by_hand(), &["refuse=401:GET */history/*"]);
    let answer = stage.run().exits(10);
    says(
        &answer,
        &["unknown: could not check that LCS lets the caller see both environments"],
    );
    running.kill();
    let _running = tenant(&stage, &by_hand(), &[]);
    // Now it shows last year's refresh, and nothing shows that this refresh is old.
    drop(complete(&stage).exits(10));
    drop(stage.run().exits(10));
    assert_eq!(copies(&stage.world()), 0);
}

#[test]
fn an_unavailable_service_before_the_seal_is_retried() {
    let stage = Stage::new();
    let mut running = tenant(&stage, &by_hand(), &["refuse=503:GET */history/*"]);
    drop(stage.run().exits(75));
    assert!(
        !stage
            .records()
            .iter()
            .any(|record| record["type"] == "sealed")
    );
    running.kill();
    let mut running = tenant(&stage, &by_hand(), &[]);
    drop(stage.run().exits(10));
    running.kill();
    // The same for the evidence: its state is unknown.
    let _running = tenant(&stage, &by_hand(), &["refuse=503:GET */history/*"]);
    says(&complete(&stage).exits(75), &["its state is unknown"]);
}

#[test]
fn a_failed_refresh_by_hand_is_reported_and_started_again_by_hand() {
    let stage = Stage::new();
    let _tenant = tenant(&stage, &by_hand(), &["roll-back#1:POST */refresh/*"]);
    let before = stage.world();
    drop(stage.run().exits(10));
    let person = Person::of(&stage);
    person.refreshes();
    let answer = stage.run().exits(1);
    says(
        &answer,
        &[
            "the refresh that was started by hand failed: RollbackCompleted",
            "a mismatched pair: Dataverse of 'Contoso UAT' is already the source's",
            "start the refresh again in LCS, then run again",
        ],
    );
    // Another run before that reports the same.
    drop(stage.run().exits(1));
    person.refreshes();
    drop(finish(&stage).exits(0));
    let after = stage.world();
    assert_pair_is_correct(&before, &after);
    assert_eq!((triggers(&after), copies(&after)), (2, 1));
}
