//! State files that released programs wrote: this program resumes each of them to the right end.
//!
//! `tests/journals/VERSION/CASE` holds what that program left: the runbook, the state file, the sealed
//! copies, and the world of the rehearsal tenant at the moment when both were killed.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use crate::harness::{Answer, Stage, Tenant};
use crate::{lcs, thin_line};

/// The cases of a version that begin with this text, by name.
fn cases(version: &str, begins: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/journals");
    let entries = fs::read_dir(folder.join(version)).expect("the journals are there");
    let mut found: Vec<PathBuf> = entries
        .map(|entry| entry.expect("the entry can be read").path())
        .filter(|path| name(path).starts_with(begins))
        .collect();
    found.sort();
    found
}

fn name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// A copy of a case with the permissions that the program demands, and its tenant running again.
fn restored(case: &Path, arguments: &[&str]) -> (Stage, Tenant) {
    let stage = Stage::new();
    for entry in fs::read_dir(case).expect("the case can be read") {
        let from = entry.expect("the entry can be read").path();
        let to = stage.path(&name(&from));
        fs::copy(&from, &to).expect("the file can be copied");
        let mode = if name(&from).ends_with(".capture.jsonl") {
            0o400
        } else {
            0o600
        };
        fs::set_permissions(&to, fs::Permissions::from_mode(mode)).expect("its mode can be set");
    }
    let runbook = fs::read_to_string(stage.runbook()).expect("the runbook can be read");
    // The world keeps its ports, so the endpoints are those that the state file names. Another test's
    // tenant may hold one of them for as long as that test lasts.
    let start = || stage.tenant_of(&runbook, arguments);
    for _ in 0..60 {
        if let Ok(tenant) = catch_unwind(AssertUnwindSafe(start)) {
            return (stage, tenant);
        }
        sleep(Duration::from_secs(2));
    }
    let tenant = start();
    (stage, tenant)
}

/// Resumes on this machine, which may not be the one that wrote the state file.
fn taken_over(stage: &Stage) -> Answer {
    stage.call(&[
        "run",
        "rehearsal.yaml",
        "--confirm-target",
        "Contoso UAT",
        "--takeover",
    ])
}

#[test]
fn a_killed_run_of_0_1_0_is_resumed_to_the_right_end() {
    let cases = cases("0.1.0", "killed-in-");
    assert_eq!(cases.len(), 8, "one for each step: {cases:?}");
    for case in cases {
        println!("{}", case.display());
        let (stage, _tenant) = restored(&case, &["--seed", "thin"]);
        drop(taken_over(&stage).exits(0));
        let world = stage.world();
        thin_line::the_world_is_right(&world);
        assert_eq!(world.heard("POST", "/copy"), 1, "one copy");
        assert_eq!(
            world.heard("DELETE", "msdyn_iomproviders("),
            1,
            "one delete"
        );
    }
}

#[test]
fn a_finished_run_of_0_1_0_has_nothing_left_to_do() {
    let case = cases("0.1.0", "finished").remove(0);
    let (stage, _tenant) = restored(&case, &["--seed", "thin"]);
    let writes = stage.world().writes().len();
    drop(taken_over(&stage).exits(0));
    assert_eq!(stage.world().writes().len(), writes, "only reads");
    thin_line::the_world_is_right(&stage.world());
}

#[test]
fn a_run_of_0_1_0_that_waits_for_a_person_still_waits_for_the_same_task() {
    let case = cases("0.1.0", "waiting").remove(0);
    let (stage, _tenant) = restored(&case, &["--seed", "thin"]);
    let answer = taken_over(&stage).exits(10);
    let task = "reconfigure-connections/platform-references";
    lcs::says(&answer, &[&format!("waits for a person: {task}")]);
}

#[test]
fn runs_of_0_1_0_with_lcs_and_dual_write_are_resumed_to_the_right_end() {
    let cases = cases("0.1.0", "lcs-");
    assert_eq!(cases.len(), 2, "{cases:?}");
    for case in cases {
        println!("{}", case.display());
        let kind = ["--target", "lcs-linked", "--dual-write", "on"];
        let arguments: Vec<&str> = ["--seed", "thin"].into_iter().chain(kind).collect();
        let (stage, _tenant) = restored(&case, &arguments);
        let before = stage.world().as_seeded();
        if taken_over(&stage).code != Some(0) {
            drop(lcs::finish(&stage).exits(0));
        }
        let after = stage.world();
        lcs::the_pair_is_right(&before, &after);
        assert_eq!((lcs::triggers(&after), lcs::copies(&after)), (1, 1));
    }
}
