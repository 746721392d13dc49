//! `init`: a starter runbook from two environments, which the other commands accept unchanged.

use std::collections::BTreeSet;

use crate::edits::with_verdict;
use crate::harness::{Stage, Tenant, runbook_text};
use crate::outputs::document;
use crate::terminal::AtTerminal;
use crate::whole_world::assert_whole_tenant_is_refreshed;

/// The arguments of `init` against a tenant, with these environments.
fn arguments<'a>(tenant: &'a Tenant, source: &'a str, target: &'a str) -> Vec<&'a str> {
    vec![
        "init",
        "--source",
        source,
        "--target",
        target,
        "--cloud",
        "rehearsal",
        "--endpoints",
        &tenant.endpoints,
        "--act-as",
        "svc-iom@contoso.com",
    ]
}

/// Fails if `init` or a later command sent a write.
fn assert_only_reads(stage: &Stage) {
    let world = stage.world();
    assert_eq!(world.writes(), Vec::<&serde_json::Value>::new());
    let methods: BTreeSet<&str> = world
        .requests
        .iter()
        .filter_map(|request| request["method"].as_str())
        .collect();
    assert!(methods.contains("GET"), "{methods:?}");
}

#[test]
fn a_unified_pair_becomes_a_runbook_that_can_be_planned() {
    let stage = Stage::new();
    let tenant = stage.whole_tenant(&[]);
    let mut init = arguments(&tenant, "Contoso Prod", "contoso uat");
    init.extend(["--out", "uat.yaml"]);
    let output = stage.call(&init).exits(0);
    assert_eq!(output.stdout, "", "the runbook is in its file");
    for line in [
        "written: uat.yaml",
        "nothing to fill in",
        "to check: are the connections",
        "iomcopy validate uat.yaml",
    ] {
        assert!(output.stderr.contains(line), "{line}\n{}", output.stderr);
    }
    let text = std::fs::read_to_string(stage.path("uat.yaml")).expect("it was written");
    for part in [
        "name: contoso-uat-refresh",
        "environment: 22222222-2222-2222-2222-222222222222",
        "name: \"Contoso UAT\"",
        "'Contoso Prod', Production",
        "not in use in the target",
        "no `lcs` here",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    let validated = stage.call(&["validate", "uat.yaml"]).exits(0);
    assert!(
        validated.stdout.contains("valid; 8 steps"),
        "{}",
        validated.stdout
    );
    let plan = stage.call(&["plan", "uat.yaml"]).exits(0);
    assert!(plan.stdout.contains("'Contoso UAT'"), "{}", plan.stdout);
    assert_only_reads(&stage);

    // A tenant that only serves to read leaves no world behind.
    let alone: Vec<&str> = init
        .iter()
        .copied()
        .filter(|word| *word != "--endpoints" && *word != tenant.endpoints)
        .map(|word| {
            if word == "uat.yaml" {
                "alone.yaml"
            } else {
                word
            }
        })
        .collect();
    drop(stage.call(&alone).exits(0));
    let name = "contoso-uat-refresh.world.jsonl";
    assert!(!stage.path(name).exists() && !stage.path("runbook.world.jsonl").exists());

    // An existing file is never overwritten, and no request is sent.
    let before = stage.world().requests.len();
    let refused = stage.call(&init).exits(3);
    assert!(
        refused.stderr.contains("uat.yaml exists already"),
        "{}",
        refused.stderr
    );
    assert_eq!(stage.world().requests.len(), before);
    assert_eq!(
        std::fs::read_to_string(stage.path("uat.yaml")).ok(),
        Some(text.clone())
    );

    // The same runbook on stdout, by ids and by an address, and as a document.
    let environment = stage.world().environment("Contoso UAT").clone();
    let url = &environment["properties"]["linkedEnvironmentMetadata"]["instanceUrl"];
    let url = url.as_str().expect("it has an address").to_owned();
    let init = arguments(&tenant, "11111111-1111-1111-1111-111111111111", &url);
    let printed = stage.call(&init).exits(0);
    assert_eq!(printed.stdout, text);
    let output = document(&stage, "init", &init, 0);
    assert_eq!(output["runbook"], text);
    assert_eq!(output["target"]["name"], "Contoso UAT");
    assert_eq!(
        (&output["lcs-linked"], &output["dual-write"]),
        (&false.into(), &false.into())
    );
}

#[test]
fn a_pair_that_lifecycle_services_manages_gets_an_lcs_section() {
    let stage = Stage::new();
    let tenant = stage.whole_tenant(&["--target", "lcs-linked", "--dual-write", "on"]);
    let mut init = arguments(&tenant, "Contoso Prod", "Contoso UAT");
    let output = document(&stage, "init", &init, 0);
    assert_eq!(
        (&output["lcs-linked"], &output["dual-write"]),
        (&true.into(), &true.into())
    );
    // The rehearsal tenant has one project, so nothing is left to fill in.
    assert_eq!(output["fill-in"], serde_json::json!([]));
    let text = output["runbook"].as_str().expect("a text");
    assert!(text.contains("project: 1234567\n"), "{text}");

    init.extend(["--lcs-project", "1234567", "--out", "lcs.yaml"]);
    let output = stage.call(&init).exits(0);
    assert!(!output.stderr.contains("lcs.project"), "{}", output.stderr);
    let text = std::fs::read_to_string(stage.path("lcs.yaml")).expect("it was written");
    // A value that is not filled in is refused at its place, with what to write.
    let line = text
        .lines()
        .position(|line| line.starts_with("  geography:"));
    let place = format!("lcs.yaml:{}:14:", line.expect("it has a geography") + 1);
    let unfilled = "  geography: \"FILL IN: the geography of the project\"";
    let unfilled = text.replace(line_of(&text, "  geography:"), unfilled);
    std::fs::write(stage.path("lcs.yaml"), unfilled).expect("it can be edited");
    let refused = stage.call(&["validate", "lcs.yaml"]).exits(3);
    for part in [
        format!("{place} error: `lcs.geography` is not filled in"),
        "= help: write the geography of the project".to_owned(),
    ] {
        assert!(refused.stderr.contains(&part), "{part}\n{}", refused.stderr);
    }
    let text = text.replace(line_of(&text, "  geography:"), "  geography: eu");
    std::fs::write(stage.path("lcs.yaml"), &text).expect("it can be filled in");
    for part in [
        "project: 1234567\n",
        "in use in the target: a person links it",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    let validated = stage.call(&["validate", "lcs.yaml"]).exits(0);
    assert!(
        validated.stdout.contains("valid; 8 steps"),
        "{}",
        validated.stdout
    );
    let plan = stage.call(&["plan", "lcs.yaml"]).exits(0);
    assert!(
        plan.stdout.contains("reconfigure-dual-write"),
        "{}",
        plan.stdout
    );
    assert_only_reads(&stage);
}

/// The line of a text that begins so.
fn line_of<'a>(text: &'a str, start: &str) -> &'a str {
    let mut lines = text.lines();
    let line = lines.find(|line| line.starts_with(start));
    line.unwrap_or_else(|| panic!("{start}: {text}"))
}

/// A step of a runbook, from its line to the next step or its comment.
fn step(text: &str, name: &str) -> String {
    let begins = format!("  - {name}:");
    let mut lines = text.lines().skip_while(|line| !line.starts_with(&begins));
    let first = lines.next().unwrap_or_else(|| panic!("{name}: {text}"));
    let rest = lines.take_while(|line| line.starts_with("      "));
    let lines: Vec<&str> = std::iter::once(first).chain(rest).collect();
    lines.join("\n")
}

/// The rehearsal succeeds with the runbook that `init` writes, once what a person has to fill in is
/// filled in. The source's references, flows and providers use a custom connector that has another
/// identifier in the target; the keys that `init` writes fit them all.
#[test]
fn a_refresh_with_the_runbook_that_init_writes_ends_right_once_it_is_filled_in() {
    let stage = Stage::new();
    let tenant = stage.whole_tenant(&[]);
    let mut init = arguments(&tenant, "Contoso Prod", "Contoso UAT");
    init.truncate(init.len() - 2);
    init.extend(["--out", "uat.yaml"]);
    let output = stage.call(&init).exits(0);
    assert!(output.stderr.contains("to fill in:"), "{}", output.stderr);
    let text = std::fs::read_to_string(stage.path("uat.yaml")).expect("it was written");
    let refused = stage.call(&["preflight", "uat.yaml"]).exits(3);
    assert!(
        refused.stderr.contains("`act-as` is not filled in")
            && refused.stderr.ends_with("1 error\n"),
        "{}",
        refused.stderr
    );
    let text = text.replace(line_of(&text, "act-as:"), "act-as: svc-iom@contoso.com");
    std::fs::write(stage.path("uat.yaml"), &text).expect("it can be filled in");
    let own = "\"shared_crfff-5frequestbin-5f8e42b6d0\": \"2be0a618eea4aa4061f2c92da97c1a01\"";
    assert!(text.contains(own), "{text}");
    assert!(text.contains("custom connector 'RequestBin'"), "{text}");
    assert_eq!(text.matches("5frequestbin").count(), 1, "one key: {text}");

    // No check of connections and references fails or warns of a key.
    let preflight = stage.call(&["preflight", "uat.yaml", "--output", "json"]);
    for verdict in ["fail", "unknown"] {
        for probe in with_verdict(&preflight, verdict) {
            let name = probe["probe"].as_str().unwrap_or_default();
            let is_about = ["connection", "key of"]
                .iter()
                .any(|word| name.contains(word));
            assert!(!is_about || name.contains("custom connectors"), "{probe:#}");
        }
    }

    // The expected world has a flow whose addresses of production the usual runbook replaces.
    let flows = step(&runbook_text(), "activate-flows");
    stage.write_runbook(&text.replace(&step(&text, "activate-flows"), &flows));
    drop(stage.run().exits(0));
    assert_whole_tenant_is_refreshed(&stage.world());
}

#[test]
fn at_a_terminal_a_person_answers_what_no_flag_does() {
    let stage = Stage::new();
    let tenant = stage.whole_tenant(&[]);
    let endpoints = ["--cloud", "rehearsal", "--endpoints", &tenant.endpoints];
    let init = [&["init"][..], &endpoints].concat();
    let mut person = AtTerminal::start_with_stdout(&stage, &init);
    // A number, a target that is refused, a name; the owner later; a file that exists.
    person
        .reads("Source, which is copied")
        .types("Contoso Prod");
    person
        .reads("Target, which is overwritten")
        .types("Contoso Prod");
    person.reads("both the source and the target").types("0");
    person.reads("the numbers are 1 to").types("contoso uat");
    person.reads("(Enter: later)").types("nobody@x");
    person.reads("a user principal name").types("");
    person
        .reads("File to write [contoso-uat-refresh.yaml]")
        .types("rehearsal.yaml");
    person.reads("exists already").types("");
    person.reads("`act-as` is not filled in");
    assert_eq!(person.ends(), Some(0));
    let text = std::fs::read_to_string(stage.path("contoso-uat-refresh.yaml"));
    let text = text.expect("it was written");
    assert!(text.contains("act-as: \"FILL IN: the user"), "{text}");

    // Ctrl-C and the end of the input end the questions, and nothing is written.
    let with_out = [&init[..], &["--out", "stopped.yaml"]].concat();
    let mut person = AtTerminal::start(&stage, &with_out);
    person.reads("Source, which is copied").interrupts();
    assert_eq!(person.ends(), Some(130));
    let mut person = AtTerminal::start(&stage, &with_out);
    person.reads("Source, which is copied").types("\u{4}");
    person.reads("the input ended");
    assert_eq!(person.ends(), Some(3));
    assert!(!stage.path("stopped.yaml").exists());
    assert_only_reads(&stage);
}

#[test]
fn an_unsuitable_target_is_refused_and_an_unknown_environment_reported() {
    let stage = Stage::new();
    let tenant = stage.whole_tenant(&[]);
    let call = |source: &str, target: &str, code: i32| {
        let output = document(&stage, "init", &arguments(&tenant, source, target), code);
        output["failure"]["message"].to_string()
    };
    let production = call("Contoso UAT", "Contoso Prod", 5);
    assert!(production.contains("only a sandbox"), "{production}");
    let same = call("Contoso UAT", "22222222-2222-2222-2222-222222222222", 5);
    assert!(same.contains("both the source and the target"), "{same}");
    let unknown = call("Contoso Prod", "Contoso QA", 3);
    for part in ["--target", "Contoso QA", "'Contoso UAT'", "22222222-2222"] {
        assert!(unknown.contains(part), "{part}\n{unknown}");
    }
    assert_only_reads(&stage);
}

#[test]
fn the_sign_in_flags_are_checked_like_a_runbook() {
    let stage = Stage::new();
    // Without a terminal nothing is asked.
    let output = stage.call(&["init", "--source", "a"]).exits(3);
    let message = "--target is missing, and there is no terminal to ask at";
    assert!(output.stderr.contains(message), "{}", output.stderr);
    let both = ["init", "--source", "a", "--target", "b"];
    let output = stage.call(&both).exits(3);
    assert!(output.stderr.contains("add --tenant"), "{}", output.stderr);
    let secret = [
        &both[..],
        &["--tenant", "contoso.com", "--credential", "client-secret"],
    ]
    .concat();
    let output = stage.call(&secret).exits(3);
    assert!(
        output.stderr.contains("add --client-id"),
        "{}",
        output.stderr
    );
    let client = "0f0f0f0f-0f0f-0f0f-0f0f-0f0f0f0f0f0f";
    let missing = [
        &secret[..],
        &["--client-id", client, "--secret-env", "NOT_SET"],
    ]
    .concat();
    let output = stage.call(&missing).exits(3);
    assert!(output.stderr.contains("NOT_SET"), "{}", output.stderr);
    let wrong = [
        &both[..],
        &["--cloud", "rehearsal", "--endpoints", "{ nonsense: 1 }"],
    ]
    .concat();
    let output = stage.call(&wrong).exits(3);
    assert!(output.stderr.contains("nonsense"), "{}", output.stderr);

    // The rehearsal's application signs in with its secret, like any other.
    let tenant = stage.whole_tenant(&[]);
    let mut init = arguments(&tenant, "Contoso Prod", "Contoso UAT");
    init.extend([
        "--tenant",
        "contoso.onmicrosoft.com",
        "--credential",
        "client-secret",
        "--client-id",
        "c11e0000-0000-4000-8000-000000000001",
    ]);
    let output = stage
        .command(&init)
        .env("AZURE_CLIENT_SECRET", "rehearsal-tenant-only-not-a-secret")
        .output()
        .expect("the program can be started");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        text.contains("secret: { env: \"AZURE_CLIENT_SECRET\" }"),
        "{text}"
    );
    assert!(!text.contains("not-a-secret"), "{text}");
    // The tenant's id is read, and replaces the domain.
    assert!(
        text.contains("tenant: \"7e4a0000-0000-4000-8000-000000000001\""),
        "{text}"
    );
    stage.write_runbook(&text);
    let validated = stage.call(&["validate", "rehearsal.yaml"]).exits(0);
    assert!(validated.stdout.contains("valid"), "{}", validated.stdout);
}
