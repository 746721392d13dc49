//! State files that released versions wrote: this version resumes each of them to the correct end.
//!
//! `tests/journals/VERSION/CASE` holds what that version left: the runbook, the state file, the
//! sealed copies, and the world of the rehearsal tenant when both were killed.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use crate::harness::{CommandOutput, Stage, Tenant, sample};
use crate::{lcs, thin_run};

/// The cases of a version whose names begin with this text.
fn cases(version: &str, begins: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/journals");
    let entries = fs::read_dir(folder.join(version)).expect("the journals exist");
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

/// Copies a case with the permissions that the program requires, and restarts its tenant.
fn restore(case: &Path, arguments: &[&str]) -> (Stage, Tenant) {
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
    // The world keeps its ports, so the endpoints are those in the state file. The tenant of
    // another test may hold one of these ports until that test ends.
    let start = || stage.start_tenant(&runbook, arguments);
    for _ in 0..60 {
        if let Ok(tenant) = catch_unwind(AssertUnwindSafe(start)) {
            return (stage, tenant);
        }
        sleep(Duration::from_secs(2));
    }
    let tenant = start();
    (stage, tenant)
}

/// Resumes on this machine, which may differ from the one that wrote the state file.
fn take_over(stage: &Stage) -> CommandOutput {
    stage.call(&[
        "run",
        "rehearsal.yaml",
        "--confirm-target",
        "Contoso UAT",
        "--takeover",
    ])
}

#[test]
fn a_killed_run_of_0_1_0_is_resumed_to_the_correct_end() {
    let cases = cases("0.1.0", "killed-in-");
    assert_eq!(cases.len(), 8, "one for each step: {cases:?}");
    for case in sample(&cases, 3) {
        println!("{}", case.display());
        let (stage, _tenant) = restore(&case, &["--seed", "thin"]);
        drop(take_over(&stage).exits(0));
        let world = stage.world();
        thin_run::assert_world_is_refreshed(&world);
        assert_eq!(world.count_successful("POST", "/copy"), 1, "one copy");
        assert_eq!(
            world.count_successful("DELETE", "msdyn_iomproviders("),
            1,
            "one delete"
        );
    }
}

#[test]
fn a_finished_run_of_0_1_0_has_nothing_left_to_do() {
    let case = cases("0.1.0", "finished").remove(0);
    let (stage, _tenant) = restore(&case, &["--seed", "thin"]);
    let writes = stage.world().writes().len();
    drop(take_over(&stage).exits(0));
    assert_eq!(stage.world().writes().len(), writes, "only reads");
    thin_run::assert_world_is_refreshed(&stage.world());
}

#[test]
fn a_run_of_0_1_0_that_waits_for_a_person_still_waits_for_the_same_task() {
    let case = cases("0.1.0", "waiting").remove(0);
    let (stage, _tenant) = restore(&case, &["--seed", "thin"]);
    let answer = take_over(&stage).exits(10);
    let task = "reconfigure-connections/platform-references";
    lcs::says(&answer, &[&format!("waits for a person: {task}")]);
}

#[test]
fn runs_of_0_1_0_with_lcs_and_dual_write_are_resumed_to_the_correct_end() {
    let cases = cases("0.1.0", "lcs-");
    assert_eq!(cases.len(), 2, "{cases:?}");
    for case in cases {
        println!("{}", case.display());
        let kind = ["--management", "lcs-linked", "--dual-write", "on"];
        let arguments: Vec<&str> = ["--seed", "thin"].into_iter().chain(kind).collect();
        let (stage, _tenant) = restore(&case, &arguments);
        let before = stage.world().at_seed();
        if take_over(&stage).code != Some(0) {
            // That version did not capture them.
            drop(lcs::finish_with(&stage, "its security roles were not read").exits(0));
        }
        let after = stage.world();
        lcs::assert_pair_is_correct(&before, &after);
        assert_eq!((lcs::triggers(&after), lcs::copies(&after)), (1, 1));
    }
}
