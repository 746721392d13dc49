use std::path::{Path, PathBuf};

use crate::runbook::{Runbook, parse, parse_with_values, read_file};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// A runbook with a rule of `containment` and custom steps.
fn base() -> String {
    let text = std::fs::read_to_string(folder("tests/runbooks/valid/own-steps.yaml")).unwrap();
    format!("{text}containment: {{ replace: [{{ find: shop.contoso.com, with: none }}] }}\n")
}

fn with_values(values: &str) -> Runbook {
    parse_with_values(("uat.yaml", &base()), ("uat.values.yaml", values))
        .unwrap_or_else(|invalid| panic!("{invalid}"))
}

#[test]
fn a_value_by_any_path_means_what_the_runbook_would_mean_with_it() {
    let merged = with_values(
        "name: contoso-test-refresh\n\
         target:\n  environment: 33333333-3333-3333-3333-333333333333\n  name: Contoso Test\n\
         act-as: svc-iom@contoso.com\n\
         steps.copy-environments.security-group: none\n\
         steps:\n  scrub-addresses: { at-most: 7 }\n  1.dataverse-update.on-failure: continue\n\
         containment.replace.0.with: shop-test.contoso.com\n",
    );
    let by_hand = base()
        .replace("name: own-steps", "name: contoso-test-refresh")
        .replace(
            "environment: 22222222-2222-2222-2222-222222222222, name: Contoso UAT",
            "environment: 33333333-3333-3333-3333-333333333333, name: Contoso Test",
        )
        .replace(
            "steps:\n  - copy-environments: {}",
            "act-as: svc-iom@contoso.com\nsteps:\n  - copy-environments: { security-group: none }",
        )
        .replace("at-most: 20000", "at-most: 7")
        .replace("on-failure: stop", "on-failure: continue")
        .replace("with: none", "with: shop-test.contoso.com");
    let by_hand = parse("by-hand.yaml", &by_hand).unwrap_or_else(|invalid| panic!("{invalid}"));
    assert_eq!(merged.differences(&by_hand.meaning()), vec![]);
    assert_eq!(merged.digest(), by_hand.digest());
    assert_eq!(merged.pinned_digest(), by_hand.pinned_digest());
    let unchanged = parse("uat.yaml", &base()).unwrap_or_else(|invalid| panic!("{invalid}"));
    assert_ne!(merged.pinned_digest(), unchanged.pinned_digest());
    // An empty file changes nothing.
    assert_eq!(with_values("# nothing\n").digest(), unchanged.digest());
}

#[test]
fn a_value_keeps_its_place_for_later_messages() {
    let runbook = with_values("name: a\ntarget:\n  name: Contoso Test\n");
    let place = runbook.place(runbook.target.name.span);
    assert_eq!(place, "uat.values.yaml:3:9");
    let place = runbook.place(runbook.target.environment.span);
    assert!(place.starts_with("uat.yaml:7:"), "{place}");
    let diagnostic = runbook.diagnostic(runbook.name.span, "a message", None);
    assert_eq!(diagnostic.file(), "uat.values.yaml");
    assert_eq!(
        diagnostic.to_string(),
        "uat.values.yaml:1:7: error: a message\n 1 | name: a\n   |       ^"
    );
    // The runbook stays the file that its paths are relative to.
    assert_eq!(runbook.file(), Path::new("uat.yaml"));
}

#[test]
fn a_key_with_dots_of_the_runbook_is_found() {
    let base = base().replace(
        "reconfigure-connections: {}",
        "reconfigure-connections: { connections: { contoso.shop.com: { account: a@contoso.com } } }",
    );
    let values =
        "steps.reconfigure-connections.connections.contoso.shop.com.account: b@contoso.com\n";
    let merged = parse_with_values(("uat.yaml", &base), ("b.yaml", values));
    let merged = merged.unwrap_or_else(|invalid| panic!("{invalid}"));
    let by_hand = parse("uat.yaml", &base.replace("a@contoso", "b@contoso")).unwrap();
    assert_eq!(merged.digest(), by_hand.digest());
}

#[test]
fn every_invalid_file_of_values_is_explained() {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(folder("tests/runbooks/invalid/values"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let mut found = 0;
    for entry in std::fs::read_dir(folder("tests/runbooks/invalid/values")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        found += 1;
        let name = path.file_name().unwrap().to_str().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let diagnostics = parse_with_values(("uat.yaml", &base()), (name, &text)).expect_err(name);
        for diagnostic in &diagnostics {
            // A second kind of credential is reported at the map that holds the first.
            if name == "secrets.yaml" && diagnostic.file() == "uat.yaml" {
                continue;
            }
            assert_eq!(diagnostic.file(), name);
            let line = diagnostic.marked_line().number;
            assert!(line <= text.lines().count(), "{diagnostic}");
        }
        let diagnostics = diagnostics.to_string();
        assert!(!diagnostics.contains("hunter2"), "{diagnostics}");
        settings.bind(|| insta::assert_snapshot!(name, diagnostics));
    }
    assert!(found >= 11, "{found} mistakes");
}

#[test]
fn the_runbook_or_the_command_line_names_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let runbook = write("uat.yaml", &format!("{}values: uat.values.yaml\n", base()));
    let uat = write("uat.values.yaml", "name: uat\n");
    let test = write("test.values.yaml", "name: test\n");
    let read = |values: Option<&Path>| {
        read_file(&runbook, values).unwrap_or_else(|error| panic!("{error}"))
    };
    assert_eq!(read(None).name.value, "uat");
    assert_eq!(read(Some(&test)).name.value, "test");
    // A command that a message suggests names the file only if this one did.
    assert!(!read(None).as_argument().contains("--values"));
    let argument = read(Some(&test)).as_argument();
    assert!(argument.contains("--values"), "{argument}");
    // A missing file is reported where the runbook names it, or by its path.
    std::fs::remove_file(&uat).unwrap();
    let missing = read_file(&runbook, None).unwrap_err().to_string();
    let line = base().lines().count() + 1;
    for part in [
        &format!("uat.yaml:{line}:9: error: the values file"),
        "could not be read",
        "relative to the runbook's folder",
    ] {
        assert!(missing.contains(part), "{part}\n{missing}");
    }
    let missing = read_file(&runbook, Some(&uat)).unwrap_err().to_string();
    assert!(missing.starts_with("the values file"), "{missing}");
}
