//! The program built without the cargo feature `rehearsal`.

use std::fs;
use std::process::{Command, Output};

fn iomcopy(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_iomcopy"))
        .args(arguments)
        .output()
        .expect("the program can be run")
}

#[test]
fn a_runbook_of_the_rehearsal_tenant_is_refused_and_the_build_is_named() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let runbook = folder.path().join("rehearsal.yaml");
    let source = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/runbooks/thin/rehearsal.yaml"
    );
    fs::copy(source, &runbook).expect("the runbook can be copied");
    let output = iomcopy(&["plan", &runbook.to_string_lossy()]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(text.contains("--features rehearsal"), "{text}");
}

#[test]
fn there_is_no_rehearsal_command() {
    let output = iomcopy(&["rehearsal"]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{text}");
}
