//! What could act on the outside world: `verify` names what a person opened, the reports list
//! everything, and a person decides about waiting jobs.

use serde_json::{Map, Value, json};

use crate::edits::row;
use crate::harness::{CommandOutput, Stage, runbook_text};
use crate::lcs::says;

/// The rehearsal's runbook with another value of `containment.jobs`.
fn with_jobs(word: &str) -> String {
    let text = runbook_text();
    assert!(
        text.contains("\n  jobs: cancel "),
        "the runbook has the key"
    );
    text.replace("\n  jobs: cancel ", &format!("\n  jobs: {word} "))
}

/// The states of the target's jobs of these types.
fn jobs(stage: &Stage, types: &[i64]) -> Vec<Value> {
    let world = stage.in_process_world();
    let rows = world.rows("asyncoperation").into_iter();
    let of_types = rows.filter(|row| {
        let kind = row["operationtype"].as_i64();
        kind.is_some_and(|kind| types.contains(&kind)) && row["name"] == "Spring newsletter"
    });
    of_types.map(|row| row["statecode"].clone()).collect()
}

/// After a run, everything is closed, and every report lists the surfaces.
pub(crate) fn assert_everything_is_closed(stage: &Stage, run: &CommandOutput) {
    says(run, &["contained: ", ", 0 open"]);
    assert_eq!(jobs(stage, &[2]), [json!(3)], "the job is canceled");
    let verify = stage.call(&["verify", "rehearsal.yaml", "-v"]).exits(0);
    says(
        &verify,
        &["mailboxes: every one is closed, replaced or allowed by the runbook"],
    );
    says(&verify, &READ_AFTER_THE_COPY);
    for (format, wanted) in [
        ("markdown", "## Containment"),
        ("html", ">Containment</h2>"),
        ("junit", "<testsuite name=\"containment\""),
        ("json", "\"containment\""),
    ] {
        let mut report = stage
            .call(&["report", "rehearsal.yaml", "--format", format])
            .exits(0);
        // The page says where a line may break and where it may not.
        for mark in ["<wbr>", "<span class=\"whole\">", "</span>"] {
            report.stdout = report.stdout.replace(mark, "");
        }
        says(&report, &[wanted, "Spring newsletter", "Orders"]);
        says(&report, &READ_AFTER_THE_COPY);
    }
}

/// What `preflight` warns of because nobody has documented what a copy does to it. Each has a line
/// afterwards, whether it turned out to be off, stayed in the source, or only a person can see it.
const READ_AFTER_THE_COPY: [&str; 5] = [
    "batch jobs",
    "e-mail parameters",
    "business events",
    "print settings",
    "Contoso lake",
];

/// `verify` fails and names what a person opened. It changes the world.
pub(crate) fn assert_what_a_person_opens_is_named(stage: &Stage) {
    // A person turns a mailbox on again.
    let world = stage.in_process_world();
    let key = row(&world, "target", "mailbox", "name", "Orders");
    let mut mailbox = world.objects[&key].clone();
    mailbox["outgoingemaildeliverymethod"] = json!(2);
    stage.edit_in_process_world(&Map::from_iter([(key, mailbox)]));
    let verify = stage.call(&["verify", "rehearsal.yaml"]).exits(1);
    says(
        &verify,
        &[
            "mailboxes: some can act, and the runbook does not allow it",
            "'Orders': sends e-mail as orders@contoso.com",
            ": -v shows what was found",
            "Order management is not usable in 'Contoso UAT': ",
            "next: iomcopy run rehearsal.yaml --only exit-administration-mode",
        ],
    );
    // A finished run changes nothing, and says what is open again.
    let again = stage.run().exits(1);
    says(&again, &["turn off mailbox 'Orders'"]);
}

#[test]
fn a_person_decides_about_the_jobs_that_waited_before_they_can_run() {
    const UNTIL: [&str; 2] = ["--until", "exit-administration-mode"];
    let stage = Stage::new();
    stage.write_runbook(&with_jobs("ask"));
    let preflight = stage.call(&["preflight", "rehearsal.yaml"]);
    says(
        &preflight,
        &[
            "jobs that waited in the source could act on the outside world from the target",
            "1 job of type Bulk Email",
        ],
    );
    let run = stage.run_with(&UNTIL).exits(10);
    says(
        &run,
        &["exit-administration-mode/jobs", "Spring newsletter"],
    );
    let is_open = |stage: &Stage| {
        let world = stage.in_process_world();
        world.environment("Contoso UAT")["properties"]["states"]["runtime"]["id"] == "Enabled"
    };
    assert!(!is_open(&stage), "the target is still closed");
    assert_eq!(jobs(&stage, &[2]), [json!(1)], "the job still waits");
    // An edit of the runbook is a decision.
    stage.write_runbook(&with_jobs("keep"));
    drop(stage.run_with(&UNTIL).exits(0));
    assert!(is_open(&stage));
}
