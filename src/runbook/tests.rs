//! The whole module: valid and invalid runbooks from `tests/runbooks/`, and the examples in
//! `runbooks/`.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Every runbook of a folder: its name and its text.
fn runbooks(name: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = std::fs::read_dir(folder(name))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            let extension = path.extension().and_then(|it| it.to_str());
            let name = path.to_string_lossy();
            matches!(extension, Some("yaml" | "json")) && !name.ends_with(".schema.json")
        })
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read_to_string(path).unwrap())
        })
        .collect();
    found.sort();
    assert!(!found.is_empty(), "no runbooks in {name}");
    found
}

fn valid(name: &str) -> Runbook {
    read_file(&folder("tests/runbooks/valid").join(name), None).unwrap()
}

/// The blocks of the README that show one step of the user's own.
#[test]
fn the_steps_in_the_readme_are_valid() {
    let readme = std::fs::read_to_string(folder("README.md")).unwrap();
    let runbook = std::fs::read_to_string(folder("tests/runbooks/valid/smallest.yaml")).unwrap();
    let blocks = readme.split("```yaml\n").skip(1);
    let blocks = blocks.filter_map(|rest| rest.split("```").next());
    let steps: Vec<&str> = blocks.filter(|block| block.starts_with("  - ")).collect();
    for kind in ["guided", "command"] {
        let head = format!("  - {kind}:\n");
        assert!(steps.iter().any(|step| step.starts_with(&head)), "{kind}");
    }
    for step in steps {
        let text = format!("{runbook}{step}");
        if let Err(error) = parse("readme.yaml", &text) {
            panic!("{error}\n{step}");
        }
    }
}

#[test]
fn a_speed_outside_the_limits_is_refused_at_its_place() {
    let text = std::fs::read_to_string(folder("tests/runbooks/thin/rehearsal.yaml")).unwrap();
    let at = |speed: &str| {
        parse(
            "a.yaml",
            &format!("{text}\nendpoints: {{ speed: {speed} }}\n"),
        )
    };
    for speed in ["1e-300", "0.009", "0", "-1", "1e7", "1e300", "inf", "nan"] {
        let refused = at(speed).expect_err(speed).to_string();
        let line = text.lines().count() + 2;
        assert!(refused.contains(&format!("a.yaml:{line}:")), "{refused}");
        assert!(
            refused.contains("a number from 0.01 to 1000000"),
            "{refused}"
        );
    }
    for speed in ["0.01", "1", "1000", "1000000"] {
        assert!(at(speed).is_ok(), "{speed}");
    }
}

#[test]
fn every_invalid_runbook_is_explained() {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(folder("tests/runbooks/invalid"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        let runbooks = runbooks("tests/runbooks/invalid");
        assert!(runbooks.len() >= 60, "{} mistakes", runbooks.len());
        for (name, text) in runbooks {
            let diagnostics = parse(&name, &text).expect_err(&name);
            assert!(!format!("{diagnostics:?}").contains("hunter2"), "{name}");
            for diagnostic in &diagnostics {
                let marked = diagnostic.marked_line();
                assert!(
                    marked.length > 0 && marked.number <= text.lines().count().max(1),
                    "{name}"
                );
                assert!(
                    diagnostic.help().is_some_and(|help| !help.is_empty()),
                    "{name}"
                );
            }
            let diagnostics = diagnostics.to_string();
            assert!(!diagnostics.contains("hunter2"), "{diagnostics}");
            insta::assert_snapshot!(name, diagnostics);
        }
    });
}

#[test]
fn no_snapshot_outlives_its_runbook() {
    let invalid = folder("tests/runbooks/invalid");
    for entry in std::fs::read_dir(&invalid).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if let Some(runbook) = name.strip_suffix(".snap") {
            assert!(invalid.join(runbook).exists(), "{name}");
        }
    }
}

#[test]
fn twelve_mistakes_are_twelve_errors_in_text_order() {
    let (name, text) = runbooks("tests/runbooks/invalid")
        .into_iter()
        .find(|(name, _)| name == "twelve.yaml")
        .unwrap();
    let diagnostics = parse(&name, &text).unwrap_err();
    let lines: Vec<usize> = diagnostics.iter().map(|it| it.position().line).collect();
    assert_eq!(lines, [3, 4, 7, 8, 11, 13, 13, 15, 15, 17, 18, 19]);
    assert!(diagnostics.to_string().ends_with("\n12 errors"));
}

#[test]
fn every_valid_runbook_is_accepted() {
    for (name, text) in runbooks("tests/runbooks/valid") {
        let runbook = parse(&name, &text).unwrap_or_else(|invalid| panic!("{invalid}"));
        let steps = 8 + runbook.steps.own.len();
        assert!(
            runbook
                .summary()
                .starts_with(&format!("{name}: valid; {steps} steps"))
        );
    }
    for (name, text) in runbooks("runbooks") {
        parse(&name, &text).unwrap_or_else(|invalid| panic!("{invalid}"));
    }
}

#[test]
fn absent_keys_have_their_defaults() {
    let runbook = valid("smallest.yaml");
    assert!(runbook.identity.is_none() && runbook.lcs.is_none() && runbook.act_as.is_none());
    let steps = &runbook.steps;
    let copy = &steps.copy_environments;
    assert_eq!(copy.options.api.value, CopyApi::PowerPlatform);
    assert_eq!(copy.options.copy_type.value, CopyType::Full);
    assert!(!copy.options.transactionless.value && copy.options.skip_audit_data.value);
    assert_eq!(copy.options.security_group.value, SecurityGroup::Keep);
    assert_eq!(copy.options.finops.value, FinopsMode::Automatic);
    assert_eq!(
        copy.options.api.span, copy.span,
        "a default is located at its step"
    );
    for step in steps.each() {
        let one_by_one = matches!(
            step.name,
            StepName::ReinstallProviders | StepName::RestoreProviderActions
        );
        let expected = Common {
            timeout: None,
            attempts: 3,
            concurrency: if one_by_one { 1 } else { 4 },
        };
        assert_eq!(step.common, &expected, "{}", step.name);
    }
    assert_eq!(
        steps.reconfigure_dual_write.skip.as_ref().unwrap().value,
        "dual-write is not used here"
    );
    assert!(
        runbook
            .summary()
            .ends_with("smallest.yaml: valid; 8 steps, 1 skipped; target Contoso UAT (2222…)")
    );
}

#[test]
fn custom_steps_are_where_the_runbook_has_them() {
    let runbook = valid("own-steps.yaml");
    let names: Vec<&str> = runbook
        .steps
        .in_order()
        .iter()
        .map(ListedStep::name)
        .collect();
    assert_eq!(
        names,
        [
            "copy-environments",
            "scrub-addresses",
            "exit-administration-mode",
            "restore-mailbox",
            "reconfigure-connections",
            "switch-tax-codes",
            "tell-sales",
            "activate-flows",
            "detach-provider-actions",
            "reinstall-providers",
            "restore-provider-actions",
            "reconfigure-dual-write",
            "rebuild-index",
            "smoke-test",
        ]
    );
    assert!(runbook.summary().contains("valid; 14 steps, 1 skipped"));
    let CustomStepOptions::DataverseUpdate(scrub) = &runbook.steps.own[0].options else {
        panic!("{:?}", runbook.steps.own[0]);
    };
    assert_eq!(scrub.values["emailaddress1"].value, ColumnValue::Null);
    let number = Literal {
        text: "0123".to_owned(),
        plain: false,
    };
    assert_eq!(
        scrub.values["telephone1"].value,
        ColumnValue::Literal(number)
    );
    assert_eq!(runbook.steps.own[0].on_failure.value, OnFailure::Stop);
    assert_eq!(runbook.steps.own[3].on_failure.value, OnFailure::Continue);
}

/// A runbook without own steps has the digest that earlier versions of the program recorded; an own
/// step that is edited or moved is a difference with its name.
#[test]
fn an_own_step_that_is_edited_or_moved_is_a_difference() {
    let text = std::fs::read_to_string(folder("tests/runbooks/valid/own-steps.yaml")).unwrap();
    let runbook = parse("a.yaml", &text).unwrap();
    assert!(
        valid("smallest.yaml").meaning()["steps"]
            .get("own")
            .is_none()
    );
    let keys = |edited: &str| -> Vec<String> {
        let edited = parse("a.yaml", edited).unwrap();
        assert_eq!(edited.pinned_digest(), runbook.pinned_digest());
        let differences = edited.differences(&runbook.meaning());
        differences.into_iter().map(|it| it.key).collect()
    };
    assert_eq!(
        keys(&text.replace("emailaddress1 ne null", "emailaddress2 ne null")),
        ["steps.own.scrub-addresses.options.dataverse-update.filter"]
    );
    let guided = text.find("  - guided:").unwrap();
    let end = text.find("  - activate-flows:").unwrap();
    let (guided, rest) = (&text[guided..end], text[..guided].to_owned() + &text[end..]);
    let moved = rest.replace(
        "  - detach-provider-actions: {}\n",
        &format!("  - detach-provider-actions: {{}}\n{guided}"),
    );
    assert_eq!(keys(&moved), ["steps.own.switch-tax-codes.after"]);
}

#[test]
fn texts_are_kept_as_written() {
    let runbook = valid("everything.yaml");
    let lcs = runbook.lcs.as_ref().unwrap();
    assert_eq!(lcs.geography.value, LcsGeography::No);
    assert_eq!(lcs.target.value, "0123");
    let except = &runbook.steps.activate_flows.options.except;
    let except: Vec<&str> = except.iter().map(|glob| glob.value.as_str()).collect();
    assert_eq!(except, ["no", "1e5"]);
    assert_eq!(runbook.cloud.value, Cloud::GccHigh);
    let timeouts: Vec<Option<Duration>> = runbook
        .steps
        .each()
        .iter()
        .map(|step| step.common.timeout)
        .collect();
    assert_eq!(
        timeouts[..2],
        [Some(Duration::from_mins(90)), Some(Duration::from_mins(45))]
    );
    let identity = runbook.identity.as_ref().unwrap();
    let kind = |key| identity.credential(key).unwrap().kind();
    assert_eq!(kind(ServiceKey::Lcs), CredentialKind::TokenCommand);
    assert_eq!(kind(ServiceKey::Finops), CredentialKind::WorkloadIdentity);
    let install = runbook.iom.request(IomRequest::InstallProvider);
    let RequestBinding::Request(template) = install else {
        panic!("{install:?}");
    };
    assert!(template.uses(Placeholder::NewId) && !template.is_launch());
}

#[test]
fn json_and_a_byte_order_mark_are_read() {
    let runbook = valid("as-json.json");
    assert_eq!(runbook.target.name.value, "Contoso \u{1f4e6} UAT");
    let text = std::fs::read_to_string(folder("tests/runbooks/valid/smallest.yaml")).unwrap();
    assert!(parse("a.yaml", &format!("\u{feff}{text}")).is_ok());
    assert!(parse("a.yaml", &text.replace('\n', "\r\n")).is_ok());
    let diagnostics = parse("a.yaml", "\u{feff}nmae: x").unwrap_err();
    assert_eq!(diagnostics.iter().next().unwrap().position().column, 1);
}

#[test]
fn a_later_check_points_into_the_file() {
    let runbook = valid("everything.yaml");
    let glob = &runbook.steps.activate_flows.options.except[0];
    let help = Some("the target has 3 flows");
    let message = runbook.diagnostic(glob.span, "the glob `no` matches no flow", help);
    let message = message.to_string();
    assert!(
        message.contains("everything.yaml:55:16: error: the glob"),
        "{message}"
    );
    assert!(
        message.contains("| ") && message.contains("^^") && message.ends_with("3 flows"),
        "{message}"
    );
    assert_eq!(runbook.folder(), folder("tests/runbooks/valid"));
}

#[test]
fn digests_depend_on_the_meaning_alone() {
    let text = std::fs::read_to_string(folder("tests/runbooks/valid/as-json.json")).unwrap();
    let runbook = parse("a.json", &text).unwrap();
    let rewritten = "# the same\nname: as-json\nrunbook: 1\ncloud: Public\nidentity:\n  default: { azure-cli: }\n  tenant: contoso.onmicrosoft.com\nsource: { environment: 11111111-1111-1111-1111-111111111111 }\ntarget:\n  name: \"Contoso \\U0001F4E6 UAT\"\n  environment: 22222222-2222-2222-2222-222222222222\nsteps:\n- copy-environments:\n- exit-administration-mode:\n- reconfigure-connections:\n- activate-flows: { skip: later }\n- detach-provider-actions:\n- reinstall-providers:\n- restore-provider-actions:\n- reconfigure-dual-write:\n";
    let same = parse("b.yaml", rewritten).unwrap();
    assert_eq!(runbook.digest(), same.digest());
    assert!(same.differences(&runbook.meaning()).is_empty());

    let edited = rewritten.replace("skip: later", "attempts: 5");
    let edited = parse("b.yaml", &edited).unwrap();
    assert_ne!(edited.digest(), runbook.digest());
    assert_eq!(edited.pinned_digest(), runbook.pinned_digest());
    let keys: Vec<String> = edited
        .differences(&runbook.meaning())
        .into_iter()
        .map(|it| it.key)
        .collect();
    assert_eq!(
        keys,
        [
            "steps.activate-flows.common.attempts",
            "steps.activate-flows.skip"
        ]
    );

    for (from, to) in [
        (
            "- copy-environments:",
            "- copy-environments: { transactionless: true }",
        ),
        ("contoso.onmicrosoft.com", "fabrikam.onmicrosoft.com"),
        ("cloud: Public", "cloud: gcc"),
        ("environment: 1111", "environment: 3111"),
        ("name: \"Contoso", "name: \"Fabrikam"),
    ] {
        let moved = parse("b.yaml", &rewritten.replace(from, to)).unwrap();
        assert_ne!(moved.pinned_digest(), runbook.pinned_digest(), "{to}");
    }
}

#[test]
fn hostile_texts_are_refused_fast() {
    let bomb = format!(
        "a: &a [x,x,x,x,x,x,x,x,x]\n{}",
        (b'b'..=b'i').fold(String::new(), |text, letter| {
            let (letter, before) = (char::from(letter), char::from(letter - 1));
            let aliases = vec![format!("*{before}"); 9].join(",");
            format!("{text}{letter}: &{letter} [{aliases}]\n")
        })
    );
    let lines = |line: &dyn Fn(u32) -> String| (0..60_000).map(line).collect::<Vec<_>>().concat();
    let unknown_keys = lines(&|n| format!("key{n}: 1\n"));
    let secrets = lines(&|n| format!("    p{n}: {{ env: A }}\n"));
    for text in [
        bomb,
        "[".repeat(100_000),
        "- ".repeat(100_000),
        "{a: ".repeat(100_000),
        "x\n".repeat(400_000),
        "- \n".repeat(300_000),
        unknown_keys[..500_000].to_owned(),
        format!("parameters:\n  x:\n{}", &secrets[..900_000]),
        format!("name: \"{}\"", "x".repeat(1_000_000)),
        "y".repeat(2_000_000),
        "\0\u{1}\u{85}".repeat(1000),
    ] {
        let begun = Instant::now();
        let message = parse("hostile.yaml", &text).unwrap_err().to_string();
        let short: String = text.chars().take(20).collect();
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "{short:?}: {:?}",
            begun.elapsed()
        );
        assert!(
            message.len() < 100_000,
            "{short:?}: {} bytes",
            message.len()
        );
    }
}

#[test]
fn a_file_that_is_not_a_runbook_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    let message = |content: &[u8]| {
        let path = folder.path().join("a.yaml");
        std::fs::write(&path, content).unwrap();
        read_file(&path, None).unwrap_err().to_string()
    };
    assert!(message(b"runbook: 1\nname: \xff\n").contains("a.yaml:2: the text is not UTF-8"));
    assert!(message(&vec![b'x'; 1024 * 1024 + 1]).contains("longer than 1 MiB"));
    assert!(message(b"").contains("the file contains no runbook"));
    let missing = read_file(&folder.path().join("none.yaml"), None)
        .unwrap_err()
        .to_string();
    assert!(missing.contains("none.yaml could not be read"), "{missing}");
    assert!(matches!(
        read_file(folder.path(), None),
        Err(ReadError::Unreadable { .. })
    ));
}

proptest! {
    // A failure is shown whole; no file of past failures is kept.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_it_panic(text in any::<String>()) {
        if let Err(diagnostics) = parse("any.yaml", &text) {
            prop_assert!(!diagnostics.is_empty());
            diagnostics.to_string();
        }
    }

    #[test]
    fn no_edit_shows_a_secret(
        at in any::<prop::sample::Index>(),
        from in any::<prop::sample::Index>(),
        length in 0_usize..40,
        put in "[a-z:{}\\[\\]\"'|>&*!\\- \n\t]{0,6}",
    ) {
        // A secret is in one of the places, and something else is broken as well.
        let text = std::fs::read_to_string(folder("tests/runbooks/valid/everything.yaml")).unwrap();
        let places = ["secrets/client.txt", "DUAL_WRITE_TOKEN", "UAT_STORE_HASH", "key.txt"];
        let place = at.get(&places);
        let written = ["{ file: ", "{ env: "].iter().fold(text, |text, key| {
            text.replace(&format!("{key}{place} }}"), "hunter2")
        });
        let secret = written.find("hunter2").unwrap();
        let from = from.index(written.len());
        let to = from.saturating_add(length).min(written.len());
        let (from, to) = (written.floor_char_boundary(from), written.floor_char_boundary(to));
        // An edit of the secret's own line may remove the words that mark it as a secret.
        let line_start = written[..secret].rfind('\n').unwrap();
        let line_end = secret + written[secret..].find('\n').unwrap();
        prop_assume!(to <= line_start || from > line_end);
        let edited = format!("{}{put}{}", &written[..from], &written[to..]);
        if let Err(diagnostics) = parse("edited.yaml", &edited) {
            let message = diagnostics.to_string();
            prop_assert!(!message.contains("hunter2"), "{}", message);
        }
    }

    #[test]
    fn no_edit_of_a_runbook_makes_it_panic(
        from in any::<prop::sample::Index>(),
        length in 0_usize..80,
        put in "[a-z:{}\\[\\]\"'|>&*!\\- \n]{0,12}",
    ) {
        let text = std::fs::read_to_string(folder("tests/runbooks/valid/everything.yaml")).unwrap();
        let characters: Vec<char> = text.chars().collect();
        let from = from.index(characters.len());
        let to = (from + length).min(characters.len());
        let edited: String = characters[..from]
            .iter()
            .copied()
            .chain(put.chars())
            .chain(characters[to..].iter().copied())
            .collect();
        if let Err(diagnostics) = parse("edited.yaml", &edited) {
            prop_assert!(!diagnostics.is_empty());
            diagnostics.to_string();
        }
    }
}
