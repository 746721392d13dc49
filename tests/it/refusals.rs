//! Commands that stop before anything is sent, with their exit codes.

use crate::harness::{Stage, runbook_text};

/// Runs a command with a changed runbook; nothing may be written.
fn refused(change: impl Fn(&str) -> String, arguments: &[&str], code: i32, message: &str) {
    let stage = Stage::new();
    stage.write_runbook(&change(&runbook_text()));
    let output = stage.call(arguments).exits(code);
    assert!(output.stderr.contains(message), "{}", output.stderr);
    assert!(!stage.state().exists(), "no run has started");
    if stage.path("rehearsal.world.jsonl").exists() {
        let world = stage.in_process_world();
        assert!(world.writes().is_empty(), "{:#?}", world.writes());
    }
}

const RUN: [&str; 4] = ["run", "rehearsal.yaml", "--confirm-target", "Contoso UAT"];

#[test]
fn without_a_terminal_and_a_confirmation_nothing_starts() {
    refused(
        str::to_owned,
        &["run", "rehearsal.yaml"],
        11,
        "--confirm-target",
    );
}

#[test]
fn a_confirmation_with_another_name_is_refused() {
    let arguments = ["run", "rehearsal.yaml", "--confirm-target", "Contoso"];
    refused(str::to_owned, &arguments, 5, "Contoso UAT");
}

/// What the command line, the runbook and the state file show to be wrong needs no service.
#[test]
fn what_is_wrong_offline_is_refused_before_a_service_is_asked() {
    let provider = ["--again", "reinstall-providers", "--provider", "FedEx"];
    let again = [&RUN[..], &provider].concat();
    let plan = [&RUN[..], &["--plan", "gone.plan"]].concat();
    for (arguments, code, message) in [
        (
            &["run", "rehearsal.yaml", "--confirm-target", "Contoso"][..],
            5,
            "the runbook's target is 'Contoso UAT'",
        ),
        (&plan[..], 3, "gone.plan"),
        (&again[..], 5, "--again needs a finished run"),
    ] {
        let stage = Stage::new();
        let output = stage.call(arguments).exits(code);
        assert!(output.stderr.contains(message), "{}", output.stderr);
        let world = stage.path("rehearsal.world.jsonl");
        assert!(!world.exists(), "{arguments:?} has started the tenant");
    }
}

#[test]
fn a_runbook_with_another_target_name_is_refused() {
    refused(
        |text| text.replace("name: Contoso UAT", "name: Contoso QA"),
        &RUN,
        5,
        "Contoso UAT",
    );
    // The same name from a values file is reported there.
    let stage = Stage::new();
    let values = "name: qa\ntarget.name: Contoso QA\n";
    std::fs::write(stage.path("qa.values.yaml"), values).expect("values can be written");
    let plan = ["plan", "rehearsal.yaml", "--values", "qa.values.yaml"];
    let output = stage.call(&plan).exits(5);
    let place =
        "qa.values.yaml:2:14: error: the environment with this id has the name 'Contoso UAT'";
    assert!(output.stderr.contains(place), "{}", output.stderr);
    assert!(!stage.path("qa.iomcopy.jsonl").exists());
    let validated = stage.call(&["validate", "rehearsal.yaml", "--values", "qa.values.yaml"]);
    let validated = validated.exits(0).stdout;
    assert!(validated.contains("target Contoso QA"), "{validated}");
}

#[test]
fn a_production_target_is_refused() {
    let swap = |text: &str| {
        let source = text
            .lines()
            .find(|line| line.starts_with("source:"))
            .unwrap_or_default();
        let id = |line: &str| {
            line.split(|c: char| c != '-' && !c.is_ascii_hexdigit())
                .find(|word| word.len() == 36)
                .unwrap_or_default()
                .to_owned()
        };
        let target_line = text
            .lines()
            .skip_while(|line| !line.starts_with("target:"))
            .find(|line| !id(line).is_empty());
        let (one, other) = (id(source), id(target_line.unwrap_or_default()));
        text.replace(&one, "<one>")
            .replace(&other, &one)
            .replace("<one>", &other)
            .replace("name: Contoso UAT", "name: Contoso Prod")
    };
    let arguments = ["run", "rehearsal.yaml", "--confirm-target", "Contoso Prod"];
    refused(swap, &arguments, 5, "Production");
}

/// The rehearsal's runbook with another id of its source or its target.
fn with_id(side: &str, id: &str) -> String {
    let text = runbook_text();
    let at = text
        .find(&format!("\n{side}:"))
        .expect("the side is in the runbook");
    let key = at
        + text[at..]
            .find("environment: ")
            .expect("its id is in the runbook");
    let from = key + "environment: ".len();
    format!("{}{id}{}", &text[..from], &text[from + 36..])
}

#[test]
fn an_unknown_environment_is_reported_at_its_place() {
    let unknown = "77777777-7777-7777-7777-777777777777";
    for side in ["source", "target"] {
        let text = with_id(side, unknown);
        let line = text.lines().position(|line| line.contains(unknown));
        let place = format!(
            "rehearsal.yaml:{}:",
            line.expect("it is in the runbook") + 1
        );
        let message = format!("the tenant has no environment {unknown}");
        for arguments in [
            &RUN[..],
            &["plan", "rehearsal.yaml"],
            &["preflight", "rehearsal.yaml"],
        ] {
            refused(|_| text.clone(), arguments, 3, &message);
            refused(|_| text.clone(), arguments, 3, &place);
        }
    }
}

#[test]
fn a_missing_secret_is_reported_by_its_name() {
    let with = |secret: &str| {
        format!(
            "{}\nidentity:\n  tenant: contoso.onmicrosoft.com\n  default:\n    client-secret: \
             {{ client: 0f0f0f0f-0f0f-0f0f-0f0f-0f0f0f0f0f0f, secret: {secret} }}\n",
            runbook_text()
        )
    };
    for arguments in [
        &RUN[..],
        &["plan", "rehearsal.yaml"],
        &["preflight", "rehearsal.yaml"],
    ] {
        let text = with("{ env: NO_SUCH_SECRET }");
        let message = "the environment variable `NO_SUCH_SECRET` is not set";
        refused(|_| text.clone(), arguments, 3, message);
        let text = with("{ file: no-such-secret.txt }");
        refused(
            |_| text.clone(),
            arguments,
            3,
            "no-such-secret.txt could not be read",
        );
    }
}

#[test]
fn a_missing_parameter_is_reported_before_anything_is_sent() {
    let text = runbook_text();
    let step = "  - reinstall-providers:\n";
    assert!(text.contains(step), "the step has keys");
    let parameters =
        "      parameters: { msdyn_bigcommerce: { msdyn_storehash: { env: NO_SUCH } } }\n";
    let text = text.replace(step, &format!("{step}{parameters}"));
    refused(|_| text.clone(), &RUN, 3, "NO_SUCH");
}

#[test]
fn an_invalid_runbook_sends_nothing() {
    let misspelled = |text: &str| text.replace("cloud: rehearsal", "cloud: rehersal");
    for arguments in [
        &RUN[..],
        &["plan", "rehearsal.yaml"],
        &["verify", "rehearsal.yaml"],
    ] {
        refused(misspelled, arguments, 3, "did you mean `rehearsal`?");
    }
}

#[test]
fn a_second_process_reports_the_running_process() {
    let stage = Stage::new();
    let _tenant = stage.tenant(&[]);
    let mut child = stage.start();
    assert!(stage.wait_for(&mut child, |record| record["type"] == "launched"));
    let second = stage.run().exits(5);
    assert!(
        second.stderr.contains(&format!("process {}", child.id())),
        "{}",
        second.stderr
    );
    let shown = stage.call(&["status", "rehearsal.yaml"]).exits(0);
    assert!(
        shown.stdout.contains("running by process"),
        "{}",
        shown.stdout
    );
    assert!(child.wait().expect("the run ends").success());
}
