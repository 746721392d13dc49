//! What the operator sees: `status` while a run works and afterwards, what `preflight` folds, names
//! that do not exist, an approved plan in a dry run.

use std::fs;

use serde_json::Value;

use crate::harness::Stage;

fn status(stage: &Stage) -> Value {
    let answer = stage.call(&["status", "rehearsal.yaml", "--output", "json"]);
    serde_json::from_str(&answer.exits(0).stdout).expect("a document")
}

#[test]
fn status_shows_a_run_that_works_follows_it_and_exits_with_its_outcome() {
    let stage = Stage::new();
    let _tenant = stage.tenant(&[]);
    let outcome = ["status", "rehearsal.yaml", "--exit-code"];
    let none = stage.call(&outcome).exits(75);
    assert!(
        none.stdout.contains("next: iomcopy run "),
        "{}",
        none.stdout
    );

    let mut run = stage.start();
    assert!(stage.wait_for(&mut run, |record| record["type"] == "launched"));
    let seen = status(&stage);
    assert_eq!(seen["state"], "running", "{seen:#}");
    assert!(seen["began"].is_string() && seen["elapsed-seconds"].is_u64());
    assert_eq!(seen["now"]["step"], "copy-environments", "{seen:#}");
    let operation = &seen["operations"][0];
    assert_eq!(operation["accepted"], true, "{seen:#}");
    assert!(operation["expected-end"].is_string(), "{seen:#}");
    let next = seen["next"].as_str().unwrap_or_default();
    assert!(next.ends_with("--follow"), "{next}");

    let followed = stage.call(&["status", "rehearsal.yaml", "--follow", "--exit-code"]);
    let followed = followed.exits(0).stdout;
    for part in [
        "Z  run ",
        ": running by process ",
        "Z  [1/8] copy-environments: ",
        "\nstate  finished",
        "\nbegan  ",
        "\nnext: iomcopy verify rehearsal.yaml",
    ] {
        assert!(followed.contains(part), "{part}: {followed}");
    }
    assert!(run.wait().expect("the run ends").success());
    assert!(!stage.path("rehearsal.iomcopy.jsonl.stages").exists());
    drop(stage.call(&outcome).exits(0));
}

#[test]
fn preflight_begins_with_what_did_not_pass_and_folds_the_rest() {
    let stage = Stage::new();
    let passed = |text: &str| text.lines().filter(|it| it.starts_with("pass ")).count();
    let folded = stage.call(&["preflight", "rehearsal.yaml"]).exits(0);
    assert_eq!(passed(&folded.stdout), 1, "{}", folded.stdout);
    assert!(
        folded.stdout.contains(": -v shows what was found"),
        "{}",
        folded.stdout
    );
    let whole = stage.call(&["preflight", "rehearsal.yaml", "-v"]).exits(0);
    assert!(passed(&whole.stdout) > 5, "{}", whole.stdout);
    let words: Vec<&str> = whole
        .stdout
        .lines()
        .filter(|line| !line.starts_with(' ') && line.contains("  "))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    let first_pass = words.iter().position(|word| *word == "pass");
    let rest = &words[first_pass.unwrap_or_default()..];
    assert!(rest.iter().all(|word| *word == "pass"), "{words:?}");
    // `-v` shows more of the program's own lines, and `-vv` each request.
    assert!(!whole.stderr.contains("milliseconds="), "{}", whole.stderr);
    let requests = stage.call(&["preflight", "rehearsal.yaml", "-vv"]).exits(0);
    assert!(requests.stderr.contains("milliseconds="));
}

#[test]
fn a_name_that_does_not_exist_has_a_suggestion() {
    let stage = Stage::new();
    for (arguments, said) in [
        (
            &["status", "rehersal.yaml"][..],
            "did you mean rehearsal.yaml?",
        ),
        (
            &["run", "rehearsal.yaml", "--until", "activate-flow"][..],
            "did you mean 'activate-flows'?",
        ),
    ] {
        let answer = stage.call(arguments).exits(3);
        assert!(answer.stderr.contains(said), "{}", answer.stderr);
    }
    let help = stage.call(&["status", "--help"]).exits(0).stdout;
    let (own, every) = help
        .split_once("Options of every command:")
        .expect("the global flags have their own heading");
    assert!(
        own.contains("--follow") && !own.contains("--color"),
        "{own}"
    );
    assert!(every.contains("--verbose"), "{every}");
}

#[test]
fn a_dry_run_compares_the_approved_plan() {
    let stage = Stage::new();
    let save = ["plan", "rehearsal.yaml", "--out", "uat.plan"];
    let saved = stage.call(&save).exits(0);
    let next = "next: iomcopy run rehearsal.yaml --plan uat.plan\n";
    assert!(saved.stderr.ends_with(next), "{}", saved.stderr);
    let dry = ["run", "rehearsal.yaml", "--dry-run", "--plan", "uat.plan"];
    let approved = stage.call(&dry).exits(0);
    assert!(
        approved.stderr.contains("uat.plan approves"),
        "{}",
        approved.stderr
    );
    let path = stage.path("uat.plan");
    let text = fs::read_to_string(&path).expect("the plan is there");
    let mut plan: Value = serde_json::from_str(&text).expect("JSON");
    plan["digest"] = "another".into();
    plan["steps"][0]["changes"] = Value::Array(Vec::new());
    fs::write(&path, plan.to_string()).expect("the plan can be written");
    let outdated = stage.call(&dry).exits(5);
    assert!(
        outdated.stderr.contains("plan is stale"),
        "{}",
        outdated.stderr
    );
    assert!(
        outdated.stdout.contains("Plan for "),
        "the plan is shown first"
    );
}
