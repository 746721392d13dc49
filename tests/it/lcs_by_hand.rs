//! A target whose Finance and Operations Lifecycle Services manage, with `finops: guided`: a person
//! refreshes the database, and the Dataverse copy runs beside it.

use serde_json::Value;

use crate::harness::{Answer, Stage};
use crate::lcs::{Person, copies, finish, runbook, says, tenant, the_pair_is_right, triggers};

/// The rehearsal's runbook for such a pair, where a person refreshes the database.
fn by_hand() -> String {
    runbook().replace(
        "  - copy-environments: {}",
        "  - copy-environments: { finops: guided }",
    )
}

const TASK: &str = "copy-environments/refresh-by-hand";

fn complete(stage: &Stage) -> Answer {
    stage.call(&["complete", "rehearsal.yaml", TASK])
}

#[test]
fn a_refresh_by_hand_is_seen_in_the_history_and_gone_on_with_while_finance_is_away() {
    let stage = Stage::new();
    let _tenant = tenant(&stage, &by_hand(), &[]);
    let before = stage.world();
    let answer = stage.run().exits(10);
    says(
        &answer,
        &[
            &format!("waits for a person: {TASK}"),
            "Maintain > Move database > Refresh database",
            "then run again: the Dataverse copy begins beside it",
        ],
    );
    assert_eq!(copies(&stage.world()), 0);
    // Last year's refresh is none, and neither is nothing.
    drop(complete(&stage).exits(10));
    drop(stage.run().exits(10));
    let person = Person::of(&stage);
    person.refreshes();
    drop(complete(&stage).exits(0));
    person.waits_until_finance_answers(503);
    drop(finish(&stage).exits(0));
    let after = stage.world();
    the_pair_is_right(&before, &after);
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
        &["wait for its end, then run again: the Dataverse copy begins then"],
    );
    let person = Person::of(&stage);
    person.refreshes();
    // It is away, which proves nothing.
    person.waits_until_finance_answers(503);
    drop(stage.run().exits(10));
    person.waits_until_finance_answers(200);
    drop(complete(&stage).exits(0));
    drop(finish(&stage).exits(0));
    let after = stage.world();
    the_pair_is_right(&before, &after);
    assert_eq!((triggers(&after), copies(&after)), (1, 1));
    let ours = |r: &&Value| {
        let agent = r["user_agent"].as_str().unwrap_or_default();
        r["listener"] == "lcs" && agent.starts_with("iomcopy/")
    };
    assert_eq!(after.requests.iter().filter(ours).count(), 0);
}

#[test]
fn a_history_that_could_not_be_read_before_is_no_evidence_afterwards() {
    let stage = Stage::new();
    let mut running = tenant(&stage, &by_hand(), &["refuse=401:GET */history/*"]);
    let answer = stage.run().exits(10);
    says(
        &answer,
        &["unknown: LCS lets the caller see both environments"],
    );
    running.kill();
    let _running = tenant(&stage, &by_hand(), &[]);
    // Now it shows the refresh of last year, and nothing tells that it is old.
    drop(complete(&stage).exits(10));
    drop(stage.run().exits(10));
    assert_eq!(copies(&stage.world()), 0);
}

#[test]
fn a_service_that_is_away_before_the_seal_is_waited_for() {
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
    // The same of the evidence: it is neither done nor not done.
    let _running = tenant(&stage, &by_hand(), &["refuse=503:GET */history/*"]);
    says(&complete(&stage).exits(75), &["neither done nor not done"]);
}

#[test]
fn a_refresh_by_hand_that_fails_is_said_and_begun_again_by_hand() {
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
            "the refresh that was begun by hand ended badly: RollbackCompleted",
            "a mismatched pair: Dataverse of 'Contoso UAT' is the source's already",
            "begin the refresh again in LCS, then run again",
        ],
    );
    // Running again before that says the same.
    drop(stage.run().exits(1));
    person.refreshes();
    drop(finish(&stage).exits(0));
    let after = stage.world();
    the_pair_is_right(&before, &after);
    assert_eq!((triggers(&after), copies(&after)), (2, 1));
}
