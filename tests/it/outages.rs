//! A service that is unavailable or refuses a read makes a check unknown, not failed; and no
//! destructive remedy is advised for an unknown result.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use wildmatch::WildMatch;

use crate::edits::with_verdict;
use crate::harness::{CommandOutput, Stage, World, is_full_campaign};

/// The addresses that a command reads, by service, as globs with a wildcard for each id.
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

/// All addresses in a campaign; otherwise a few for each service.
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

/// The names of the checks with this verdict.
fn checks_with(answer: &CommandOutput, verdict: &str) -> BTreeSet<String> {
    let title = |finding: Value| finding["probe"].as_str().unwrap_or_default().to_owned();
    with_verdict(answer, verdict)
        .into_iter()
        .map(title)
        .collect()
}

/// The error in a command's output while one address is unavailable; `usual` is its output
/// otherwise.
fn fault_of(arguments: &[&str], address: &str, usual: &CommandOutput) -> Option<String> {
    let stage = Stage::new();
    let _tenant = stage.tenant(&[&format!("refuse=503:GET {address}")]);
    let answer = stage.call(arguments);
    let shown = format!(
        "{} {address}\n{}\n{}",
        arguments[0], answer.stdout, answer.stderr
    );
    let mut reached = addresses(&stage.world()).into_values().flatten();
    if !reached.any(|read| WildMatch::new(address).matches(&read)) {
        return Some(format!("it was never read: {shown}"));
    }
    let Ok(document) = serde_json::from_str::<Value>(&answer.stdout) else {
        return Some(format!("it is not a JSON document: {shown}"));
    };
    // A check that fails anyway decides the exit code, and a check that does not read this address
    // keeps its result.
    let mut expected = Some(75);
    if document["probes"].is_array() {
        let usual_failures = checks_with(usual, "fail");
        let failures = checks_with(&answer, "fail");
        let more: Vec<&String> = failures.difference(&usual_failures).collect();
        if !more.is_empty() {
            return Some(format!("it failed: {more:?}\n{shown}"));
        }
        let is_open = checks_with(&answer, "unknown") != checks_with(usual, "unknown");
        if !is_open || !usual_failures.is_empty() {
            expected = usual.code;
        }
    }
    (answer.code != expected).then(|| format!("exit {:?}: {shown}", answer.code))
}

#[test]
fn an_unavailable_service_is_temporary_and_never_a_failed_check() {
    let mut faults = Vec::new();
    for command in ["preflight", "verify"] {
        let arguments = [command, "rehearsal.yaml", "--output", "json"];
        let stage = Stage::new();
        let tenant = stage.tenant(&[]);
        let usual = stage.call(&arguments);
        let addresses = sampled(addresses(&stage.world()));
        drop(tenant);
        assert!(addresses.len() > 5, "{addresses:?}");
        // A fault at one address does not hide the others.
        for address in &addresses {
            faults.extend(fault_of(&arguments, address, &usual));
        }
        println!("{command}: {} addresses", addresses.len());
    }
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
}

#[test]
fn a_run_does_not_begin_while_a_check_waits_for_an_unavailable_service() {
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
fn one_failed_response_does_not_change_a_result() {
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

/// Words of advice that destroys something, or does more than needed.
const DESTROYS: [&str; 7] = [
    "--fresh",
    "--again",
    "delete",
    "reset link",
    "reinstall its",
    "remove",
    "publish the orchestration",
];

/// Fails if a destructive remedy is advised for an unknown result.
pub(crate) fn advice_for_the_unknown_destroys_nothing(answer: &CommandOutput) {
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
fn no_destructive_remedy_is_advised_for_what_cannot_be_read() {
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
