//! A service that is away, or that refuses to be read, is no failure of what would have been read, and
//! nothing that destroys is advised for what is unknown.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::edits::with_verdict;
use crate::harness::{Answer, Stage, World, is_full_campaign};

/// The addresses that a command reads, by service, as globs: ids stand for any.
fn addresses(world: &World) -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for request in &world.requests {
        let text = |member: &str| request[member].as_str().unwrap_or_default().to_owned();
        if request["method"] == "GET" {
            let path = text("path");
            let path = path.split('?').next().unwrap_or_default();
            let segments = path.split('/').map(|segment| {
                let is_id = segment.len() >= 32 && segment.contains(|c: char| c.is_ascii_digit());
                if is_id { "*" } else { segment }
            });
            let glob = segments.collect::<Vec<_>>().join("/");
            found.entry(text("listener")).or_default().insert(glob);
        }
    }
    found
}

/// All of them in a campaign; otherwise a few of each service.
fn sampled(addresses: BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let mut chosen: BTreeSet<String> = BTreeSet::new();
    for paths in addresses.into_values() {
        let step = if is_full_campaign() {
            1
        } else {
            paths.len().div_ceil(2)
        };
        chosen.extend(paths.iter().step_by(step).cloned());
        let telling = |path: &&String| path.ends_with("/WhoAmI") || path.ends_with("/data/");
        chosen.extend(paths.iter().filter(telling).cloned());
    }
    chosen.into_iter().collect()
}

/// The questions with this verdict.
fn titled(answer: &Answer, verdict: &str) -> BTreeSet<String> {
    let title = |finding: Value| finding["probe"].as_str().unwrap_or_default().to_owned();
    with_verdict(answer, verdict)
        .into_iter()
        .map(title)
        .collect()
}

/// What is wrong with what a command says while one address is away; `usual` is what it says otherwise.
fn fault_of(arguments: &[&str], address: &str, usual: &Answer) -> Option<String> {
    let stage = Stage::new();
    let _tenant = stage.tenant(&[&format!("refuse=503:GET {address}")]);
    let answer = stage.call(arguments);
    let shown = format!(
        "{} {address}\n{}\n{}",
        arguments[0], answer.stdout, answer.stderr
    );
    let mut reached = addresses(&stage.world()).into_values().flatten();
    if !reached.any(|read| read == address) {
        return Some(format!("it was never read: {shown}"));
    }
    let Ok(document) = serde_json::from_str::<Value>(&answer.stdout) else {
        return Some(format!("it is no document: {shown}"));
    };
    // What fails anyway decides the exit code, and a question that needs no answer of this address stays
    // answered.
    let mut expected = Some(75);
    if document["probes"].is_array() {
        let usual_failures = titled(usual, "fail");
        let failures = titled(&answer, "fail");
        let more: Vec<&String> = failures.difference(&usual_failures).collect();
        if !more.is_empty() {
            return Some(format!("it failed: {more:?}\n{shown}"));
        }
        let is_open = titled(&answer, "unknown") != titled(usual, "unknown");
        if !is_open || !usual_failures.is_empty() {
            expected = usual.code;
        }
    }
    (answer.code != expected).then(|| format!("exit {:?}: {shown}", answer.code))
}

#[test]
fn a_service_that_is_away_is_temporary_and_never_a_failure_of_what_would_have_been_read() {
    let mut faults = Vec::new();
    for command in ["preflight", "verify"] {
        let arguments = [command, "rehearsal.yaml", "--output", "json"];
        let stage = Stage::new();
        let tenant = stage.tenant(&[]);
        let usual = stage.call(&arguments);
        let addresses = sampled(addresses(&stage.world()));
        drop(tenant);
        assert!(addresses.len() > 5, "{addresses:?}");
        // A fault at one address does not hide those behind it.
        for address in &addresses {
            faults.extend(fault_of(&arguments, address, &usual));
        }
        println!("{command}: {} addresses", addresses.len());
    }
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
}

#[test]
fn a_run_does_not_begin_while_a_question_waits_for_a_service_that_is_away() {
    let stage = Stage::new();
    let _tenant = stage.tenant(&["refuse=503:GET /data/"]);
    let answer = stage.run().exits(75);
    assert!(
        answer.stderr.contains("nothing was begun"),
        "{}",
        answer.stderr
    );
    assert!(
        !answer.stderr.contains("application is registered"),
        "{}",
        answer.stderr
    );
    assert!(stage.world().writes().is_empty());
}

#[test]
fn one_bad_answer_says_nothing() {
    let stage = Stage::new();
    let _tenant = stage.tenant(&["refuse=503#1:GET /data/", "refuse=503#1:GET */WhoAmI"]);
    let answer = stage.call(&["verify", "rehearsal.yaml", "--output", "json"]);
    let passed = with_verdict(&answer, "pass");
    for question in [
        "Finance and Operations of the target answers",
        "Dataverse of the target",
    ] {
        let is_it = |finding: &Value| {
            let title = finding["probe"].as_str();
            title.is_some_and(|title| title.contains(question))
        };
        assert!(passed.iter().any(is_it), "{question}: {}", answer.stdout);
    }
}

/// Words of advice that destroys something, or does more than is known to be needed.
const DESTROYS: [&str; 7] = [
    "--fresh",
    "--again",
    "delete",
    "reset link",
    "reinstall its",
    "remove",
    "publish the orchestration",
];

/// Fails where something that destroys is advised for what is unknown.
pub(crate) fn advice_for_the_unknown_destroys_nothing(answer: &Answer) {
    for finding in with_verdict(answer, "unknown") {
        let remedy = finding["remedy"]
            .as_str()
            .unwrap_or_default()
            .to_lowercase();
        for word in DESTROYS {
            assert!(!remedy.contains(word), "{word}: {finding:#}");
        }
    }
}

#[test]
fn nothing_that_destroys_is_advised_for_what_cannot_be_read() {
    let stage = Stage::new();
    let _tenant = stage.tenant(&["refuse=400:GET */api/data/*", "refuse=400:GET /data/*"]);
    let answer = stage.call(&["verify", "rehearsal.yaml", "--output", "json"]);
    assert!(
        with_verdict(&answer, "unknown").len() > 15,
        "{}",
        answer.stdout
    );
    advice_for_the_unknown_destroys_nothing(&answer);
}
