//! How long a step should take is one figure from one source, wherever it is shown.

use serde_json::Value;

use crate::harness::Stage;
use crate::outputs::document;
use crate::terminal::AtTerminal;

const CONFIRM: [&str; 2] = ["--confirm-target", "Contoso UAT"];

/// A new refresh in the place of a finished one.
const FRESH: [&str; 3] = ["run", "rehearsal.yaml", "--fresh"];

/// Each step's name with how long it should take, and from where that is known.
fn expected(steps: &Value) -> Vec<[&Value; 3]> {
    let steps = steps.as_array().expect("there are steps");
    let keys = ["name", "expected-seconds", "expected-from"];
    steps
        .iter()
        .map(|step| keys.map(|key| &step[key]))
        .collect()
}

fn events(stage: &Stage, arguments: &[&str]) -> Vec<Value> {
    let answer = stage.call(arguments).exits(0);
    let lines = answer.stdout.lines();
    lines
        .map(|line| serde_json::from_str(line).expect("each line is an event"))
        .collect()
}

#[test]
fn every_place_expects_the_same_time_of_a_run() {
    let stage = Stage::new();
    let _tenant = stage.tenant(&[]);
    drop(stage.run().exits(0));
    let finished = document(&stage, "status", &["status", "rehearsal.yaml"], 0);
    // The second run expects what the first one took, which is not archived yet.
    let dry = [&FRESH[..], &["--dry-run"]].concat();
    let plan = document(&stage, "plan", &dry, 0);
    let planned = expected(&plan["steps"]);
    for (step, took) in planned
        .iter()
        .zip(finished["steps"].as_array().expect("there are steps"))
    {
        if step[2] == "last-run" {
            assert_eq!(step[1], &took["seconds"], "{}", step[0]);
        }
    }
    let from_last_run = planned.iter().filter(|step| step[2] == "last-run");
    assert!(from_last_run.count() >= 6, "{planned:?}");
    let total: u64 = planned.iter().filter_map(|step| step[1].as_u64()).sum();
    assert_eq!(plan["total-seconds"], total);
    // The prompt shows the plan's line.
    let text = stage.call(&dry).exits(0).stdout;
    let line = text.lines().find(|line| line.starts_with("Expected: "));
    let line = line.expect("the plan has the expected time").to_owned();
    assert!(line.contains("as in the last finished run"), "{line}");
    let mut call = AtTerminal::start(&stage, &FRESH);
    call.reads(&line)
        .reads("Type the target's name")
        .types("no");
    assert_eq!(call.ends(), Some(5));
    // The run, its status and its report.
    let arguments = [&FRESH[..], &CONFIRM, &["--output", "json"]].concat();
    let events = events(&stage, &arguments);
    assert_eq!(expected(&events[0]["steps"]), planned);
    let status = document(&stage, "status", &["status", "rehearsal.yaml"], 0);
    assert_eq!(expected(&status["steps"]), planned);
    let report = document(&stage, "report", &["report", "rehearsal.yaml"], 0);
    assert_eq!(expected(&report["steps"]), planned);
}

/// A resume surveys the finished steps again; they are not longer for it.
#[test]
fn a_resume_does_not_make_a_finished_step_longer() {
    let stage = Stage::new();
    let _tenant = stage.tenant(&[]);
    let seconds = |stage: &Stage| -> Vec<Value> {
        let status = document(stage, "status", &["status", "rehearsal.yaml"], 0);
        let steps = status["steps"].as_array().expect("there are steps");
        steps[..4]
            .iter()
            .map(|step| step["seconds"].clone())
            .collect()
    };
    drop(stage.run_with(&["--until", "activate-flows"]).exits(0));
    let first = seconds(&stage);
    assert!(first.iter().all(Value::is_u64), "{first:?}");
    drop(stage.run_with(&["--until", "activate-flows"]).exits(0));
    assert_eq!(seconds(&stage), first);
}
