//! The plan as a value: the forecast equals the plan after the copy, and a stale approved plan is
//! refused.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::harness::{CommandOutput, Stage};

/// A plan as JSON. For some minutes after a copy, the target refuses users that it has not
/// provisioned yet, so the plan is retried.
fn plan(stage: &Stage) -> CommandOutput {
    let ask = || stage.call(&["plan", "rehearsal.yaml", "--output", "json"]);
    let mut answer = ask();
    for _ in 0..50 {
        if answer.code != Some(4) {
            break;
        }
        answer = ask();
    }
    answer
}

/// Keys and intended values of steps 2 to 8, by step.
fn keys(stage: &Stage) -> BTreeMap<String, Vec<(String, Value)>> {
    let answer = plan(stage).exits(0);
    let plan: Value = serde_json::from_str(&answer.stdout).expect("a plan is one JSON document");
    assert_eq!(plan["v"], 1);
    let steps = plan["steps"].as_array().expect("a plan has steps");
    assert_canceled_jobs_are_marked(steps);
    steps
        .iter()
        .skip(1)
        .map(|step| {
            let changes = step["changes"].as_array().expect("a step has changes");
            let mut keys: Vec<(String, Value)> = changes
                .iter()
                .map(|change| (change["key"].to_string(), change["after"].clone()))
                .collect();
            keys.sort_by(|(one, _), (other, _)| one.cmp(other));
            (step["name"].to_string(), keys)
        })
        .collect()
}

/// The runbook cancels the jobs that waited in the source, and nothing can make them wait again.
fn assert_canceled_jobs_are_marked(steps: &[Value]) {
    let changes = steps
        .iter()
        .filter_map(|step| step["changes"].as_array())
        .flatten();
    let named = |change: &&Value| {
        let name = change["name"].as_str();
        name.is_some_and(|name| name.starts_with("cancel job "))
    };
    let canceled: Vec<&Value> = changes.filter(named).collect();
    assert_eq!(canceled.len(), 3, "{canceled:?}");
    let is_marked = |change: &&Value| change["destructive"] == true;
    assert!(canceled.iter().all(is_marked), "{canceled:?}");
}

#[test]
fn the_forecast_equals_the_plan_after_the_copy() {
    let stage = Stage::new();
    let forecast = keys(&stage);
    assert!(
        forecast.values().map(Vec::len).sum::<usize>() > 150,
        "{forecast:#?}"
    );
    let arguments = [
        "run",
        "rehearsal.yaml",
        "--confirm-target",
        "Contoso UAT",
        "--until",
        "copy-environments",
    ];
    drop(stage.call(&arguments).exits(0));
    assert_eq!(keys(&stage), forecast);
}

/// A plan reads each row set only a few times, however many surveys need it: on a slow connection,
/// the number of requests decides how long a plan takes.
#[test]
fn a_plan_does_not_repeat_its_reads() {
    let stage = Stage::new();
    drop(stage.call(&["plan", "rehearsal.yaml"]).exits(0));
    let mut asked: BTreeMap<String, usize> = BTreeMap::new();
    for request in stage.in_process_world().requests {
        if request["method"] == "GET" {
            let what = format!(
                "{} {} {}",
                request["listener"], request["path"], request["query"]
            );
            *asked.entry(what).or_default() += 1;
        }
    }
    let often: Vec<_> = asked.iter().filter(|(_, times)| **times > 3).collect();
    assert!(often.is_empty(), "{often:#?}");
    assert!(asked.len() > 40, "{asked:#?}");
}

/// Flows that are on in the source.
const TURNED_OFF: [&str; 3] = [
    "Contoso - Nightly orders",
    "Contoso - Order webhook",
    "Contoso - Poll carrier",
];

#[test]
fn a_flow_that_is_off_in_the_source_changes_forecast_and_plan() {
    let stage = Stage::new();
    let before = keys(&stage);
    let world = stage.in_process_world();
    let mut puts = serde_json::Map::new();
    for (key, row) in &world.objects {
        let is_flow = key.starts_with("row/") && key.contains("/workflow/");
        let name = row["name"].as_str().unwrap_or_default();
        if is_flow && key.contains("0a110000") && TURNED_OFF.contains(&name) {
            let mut row = row.clone();
            row["statecode"] = json!(0);
            row["statuscode"] = json!(1);
            puts.insert(key.clone(), row);
        }
    }
    assert_eq!(puts.len(), 3);
    stage.edit_in_process_world(&puts);
    let forecast = keys(&stage);
    assert_ne!(forecast, before);
    let arguments = [
        "run",
        "rehearsal.yaml",
        "--confirm-target",
        "Contoso UAT",
        "--until",
        "copy-environments",
    ];
    drop(stage.call(&arguments).exits(0));
    assert_eq!(keys(&stage), forecast);
}

#[test]
fn an_approved_plan_runs_and_a_stale_one_is_refused_with_its_differences() {
    let stage = Stage::new();
    drop(
        stage
            .call(&["plan", "rehearsal.yaml", "--out", "approved.json"])
            .exits(0),
    );
    // A person adds a provider in the source.
    let world = stage.in_process_world();
    let (key, provider) = world
        .objects
        .iter()
        .find(|(key, _)| key.contains("0a110000") && key.contains("/msdyn_iomprovider/"))
        .expect("the source has a provider");
    let id = provider["msdyn_iomproviderid"]
        .as_str()
        .expect("a provider has an id");
    let added = "10000000-0000-4000-8000-0000000009ff";
    let mut row = provider.clone();
    row["msdyn_iomproviderid"] = json!(added);
    row["msdyn_name"] = json!("BigCommerce Outlet");
    let puts = serde_json::Map::from_iter([(key.replace(id, added), row)]);
    stage.edit_in_process_world(&puts);
    let arguments = [
        "run",
        "rehearsal.yaml",
        "--confirm-target",
        "Contoso UAT",
        "--plan",
        "approved.json",
    ];
    let refused = stage.call(&arguments).exits(5);
    assert!(
        refused
            .stderr
            .contains("delete provider 'BigCommerce Outlet'"),
        "{}",
        refused.stderr
    );
    assert!(stage.in_process_world().writes().is_empty());

    let fresh = Stage::new();
    drop(
        fresh
            .call(&["plan", "rehearsal.yaml", "--out", "approved.json"])
            .exits(0),
    );
    // The plan covers a part of the run, and the rest when the run resumes.
    let first = [&arguments[..], &["--until", "reconfigure-connections"]].concat();
    drop(fresh.call(&first).exits(0));
    let empty = fresh.path("approved.json");
    let approved = std::fs::read(&empty).expect("the plan can be read");
    let mut plan: Value = serde_json::from_slice(&approved).expect("a saved plan is JSON");
    plan["steps"] = json!([]);
    std::fs::write(&empty, plan.to_string()).expect("the plan can be written");
    let uncovered = fresh.call(&arguments).exits(11);
    assert!(
        uncovered.stderr.contains("not in the approved plan"),
        "{}",
        uncovered.stderr
    );
    std::fs::write(&empty, approved).expect("the plan can be written");
    drop(fresh.call(&arguments).exits(0));
    let again = fresh.call(&arguments).exits(0);
    assert!(
        again.stderr.contains("--plan has no effect"),
        "{}",
        again.stderr
    );
}

/// A finished run is planned again for approval: the plan is that of a new refresh, and the run accepts
/// it.
#[test]
fn a_new_refresh_is_planned_although_the_last_run_has_finished() {
    let stage = Stage::new();
    drop(stage.run().exits(0));
    let plan = |flags: &[&str]| {
        let arguments = [&["plan", "rehearsal.yaml", "--out", "approved.json"], flags].concat();
        stage.call(&arguments)
    };
    let finished = plan(&[]).exits(0);
    assert!(
        finished.stdout.contains(": 0 changes"),
        "{}",
        finished.stdout
    );
    let hint = "Its plan: iomcopy plan rehearsal.yaml --fresh\n";
    assert!(finished.stderr.contains(hint), "{}", finished.stderr);
    // Too recent, then old enough, for a scheduler.
    let recent = plan(&["--fresh-after", "20d"]).exits(0);
    assert!(recent.stdout.contains(": 0 changes"), "{}", recent.stdout);
    let reason = "so no new one was begun (--fresh-after 20d)\n";
    assert!(recent.stderr.contains(reason), "{}", recent.stderr);
    let run = |more: &[&str]| {
        let arguments = ["--plan", "approved.json"].iter().chain(more);
        stage.run_with(&arguments.copied().collect::<Vec<&str>>())
    };
    drop(run(&["--fresh"]).exits(5));
    for flag in [["--fresh-after", "0h"].as_slice(), &["--fresh"]] {
        let fresh = plan(flag).exits(0);
        let next = format!("--plan approved.json {}\n", flag.join(" "));
        assert!(fresh.stderr.contains(&next), "{}", fresh.stderr);
        let began = stage.records()[0]["run"].clone();
        drop(run(flag).exits(0));
        assert_ne!(stage.records()[0]["run"], began, "a new run");
    }
    let recent = run(&["--fresh-after", "20d"]).exits(0);
    assert!(recent.stderr.ends_with(reason), "{}", recent.stderr);

    // As `run --fresh`, it is refused where the target's own settings would be lost.
    drop(
        stage
            .run_with(&["--fresh", "--until", "activate-flows"])
            .exits(0),
    );
    let refused = plan(&["--fresh"]).exits(5);
    for part in ["has not restored", "--abandon-captures --from-capture"] {
        assert!(refused.stderr.contains(part), "{part}: {}", refused.stderr);
    }
    let run = run(&["--fresh"]).exits(5);
    assert_eq!(run.stderr, refused.stderr);
    let dry = [
        "run",
        "rehearsal.yaml",
        "--dry-run",
        "--fresh",
        "--abandon-captures",
    ];
    drop(stage.call(&dry).exits(0));
    for other in ["--fresh", "--abandon-captures"] {
        let both = ["run", "rehearsal.yaml", "--fresh-after", "1h", other];
        drop(stage.call(&both).exits(3));
    }
}
