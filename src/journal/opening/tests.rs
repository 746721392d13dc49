use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::*;
use crate::base::platform::testing;
use crate::journal::error::JournalError;
use crate::journal::file;
use crate::journal::inspect::{check, cut, read_state_file};
use crate::journal::lock::Occupancy;
use crate::journal::payload::{Closed, Planned};
use crate::journal::record::Record;
use crate::journal::seal::read_copy;
use crate::journal::testing::{began, captures, clock, lines, opened, step_began, write_private};

fn planned(digest: &str) -> Planned {
    Planned {
        digest: digest.to_owned(),
        steps: [].into(),
        names: [].into(),
    }
}

fn kinds(path: &Path) -> Vec<String> {
    let reading = read_state_file(path).unwrap();
    let kinds = reading.entries.iter().map(|entry| entry.record.kind());
    kinds.map(str::to_owned).collect()
}

#[tokio::test]
async fn a_run_begins_closes_and_is_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("uat.iomcopy.jsonl");
    assert!(!exists(&path));
    let opening = begin(&path, clock(), began()).unwrap();
    assert!(!opening.resumed && opening.repair.is_none() && exists(&path));
    testing::assert_mode(&path, 0o600);
    let run = opening.journal.state().run;
    opening.journal.append(planned("d")).await.unwrap();
    let message = Some("waits for s/p".to_owned());
    opening.journal.close("waiting", 10, message).await.unwrap();
    let late = opening.journal.append(planned("e")).await.unwrap_err();
    assert!(matches!(late, JournalError::Illegal { .. }), "{late}");
    drop(opening);

    let opening = resume(&path, clock(), false).unwrap();
    let state = opening.journal.state();
    assert!(opening.resumed && opening.repair.is_none());
    assert_eq!((state.run, state.openings), (run, 2));
    assert_eq!(state.plan_digest.as_deref(), Some("d"));
    assert!(state.is_open());
    drop(opening);
    assert_eq!(
        kinds(&path),
        ["began", "opened", "planned", "closed", "opened"]
    );
    // No file is left except the lock file.
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[tokio::test]
async fn a_file_that_is_locked_and_not_opened_keeps_every_byte() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("uat.jsonl");
    drop(begin(&path, clock(), began()).unwrap());
    let torn = [&fs::read(&path).unwrap()[..], b"{\"n\":3,"].concat();
    write_private(&path, &torn);
    let held = lock_state_file(&path, clock().time_of_day(), true).unwrap();
    assert_eq!(held.state().openings, 1);
    let second = resume(&path, clock(), false).unwrap_err();
    assert!(matches!(second, JournalError::Locked { .. }), "{second}");
    drop(held);
    assert_eq!(fs::read(&path).unwrap(), torn);
    // The file and its lock file: the torn end is not saved either.
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[tokio::test]
async fn a_run_is_archived_and_another_begins_under_one_lock() {
    let folder = tempfile::tempdir().unwrap();
    let (path, archived) = (folder.path().join("uat.jsonl"), folder.path().join("old"));
    drop(begin(&path, clock(), began()).unwrap());
    let held = lock_state_file(&path, clock().time_of_day(), false).unwrap();
    let old = held.state().run;
    let opening = held.replace(&archived, clock(), began()).await.unwrap();
    assert!(!opening.resumed);
    assert_ne!(opening.journal.state().run, old);
    assert_eq!(kinds(&path), ["began", "opened"]);
    assert_eq!(kinds(&archived), ["began", "opened", "opened", "closed"]);
    assert_eq!(read_state_file(&archived).unwrap().state.run, old);
    let second = resume(&path, clock(), false).unwrap_err();
    assert!(matches!(second, JournalError::Locked { .. }), "{second}");
}

#[tokio::test]
async fn one_process_at_a_time_opens_a_state_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("uat.jsonl");
    let opening = begin(&path, clock(), began()).unwrap();
    for second in [begin(&path, clock(), began()), resume(&path, clock(), true)] {
        let error = second.unwrap_err();
        assert!(matches!(error, JournalError::Locked { .. }), "{error}");
        assert!(error.to_string().contains(&std::process::id().to_string()));
    }
    assert!(matches!(
        read_state_file(&path).unwrap().occupancy,
        Occupancy::Held(_)
    ));
    // The writer guards the file even if the opening's own lock is dropped.
    let OpenStateFile { journal, lock, .. } = opening;
    drop(lock);
    assert!(resume(&path, clock(), false).is_err());
    drop(journal);
    assert_eq!(read_state_file(&path).unwrap().occupancy, Occupancy::Free);
    assert!(resume(&path, clock(), false).is_ok());
}

#[test]
fn a_run_does_not_begin_over_an_existing_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("uat.jsonl");
    write_private(&path, b"");
    let error = begin(&path, clock(), began()).unwrap_err();
    assert!(
        matches!(error, JournalError::AlreadyExists { .. }),
        "{error}"
    );
    assert_eq!(fs::read(&path).unwrap(), b"");
    // An empty file is not a new run: what its run has done is unknown.
    let error = resume(&path, clock(), false).unwrap_err();
    assert!(
        matches!(error, JournalError::Damaged { line: 1, .. }),
        "{error}"
    );
}

#[test]
fn a_missing_file_is_not_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("uat.jsonl");
    let error = resume(&path, clock(), false).unwrap_err();
    assert!(matches!(error, JournalError::NotFound { .. }), "{error}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_torn_end_is_saved_cut_off_and_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("uat.jsonl");
    drop(begin(&path, clock(), began()).unwrap());
    let whole = fs::read(&path).unwrap();
    for (round, torn) in [&b"{\"n\":3,\"prev\":\"0"[..], b"\0\0\0\0"]
        .into_iter()
        .enumerate()
    {
        let before = fs::read(&path).unwrap();
        write_private(&path, &[&before, torn].concat());
        assert_eq!(
            read_state_file(&path).unwrap().torn.unwrap().at,
            before.len() as u64
        );

        let opening = resume(&path, clock(), false).unwrap();
        let repair = opening.repair.clone().unwrap();
        assert_eq!(
            (repair.at, repair.bytes),
            (before.len() as u64, torn.len() as u64)
        );
        let saved = folder.path().join(format!("uat.jsonl.torn-{}", round + 1));
        assert_eq!(Path::new(&repair.saved_to), saved);
        assert_eq!(fs::read(&saved).unwrap(), torn);
        opening.journal.append(planned("d")).await.unwrap();
    }
    let expected = [
        "began", "opened", "opened", "cut", "planned", "opened", "cut", "planned",
    ];
    assert_eq!(kinds(&path), expected);
    assert!(fs::read(&path).unwrap().starts_with(&whole));
}

#[test]
fn a_write_that_was_killed_at_any_byte_is_repaired() {
    let folder = tempfile::tempdir().unwrap();
    let records = vec![
        began().into(),
        opened(&platform::host_name()).into(),
        step_began("s"),
        planned("d").into(),
    ];
    let lines = lines(records);
    let bytes = lines.concat().into_bytes();
    let acknowledged = lines[..3].concat().len();
    for length in acknowledged..=bytes.len() {
        let path = folder.path().join(format!("{length}.jsonl"));
        write_private(&path, &bytes[..length]);
        let opening = resume(&path, clock(), false).unwrap();
        let whole = length == bytes.len();
        assert_eq!(opening.repair.is_some(), !whole && length > acknowledged);
        let state = opening.journal.state();
        assert_eq!(state.plan_digest.is_some(), whole, "{length}");
        assert_eq!(state.steps.len(), 1);
    }
}

#[test]
fn damage_is_refused_and_nothing_is_changed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("uat.jsonl");
    drop(begin(&path, clock(), began()).unwrap());
    drop(resume(&path, clock(), false).unwrap());
    let damaged = fs::read_to_string(&path)
        .unwrap()
        .replacen("opened", "openee", 1);
    write_private(&path, damaged.as_bytes());
    let error = resume(&path, clock(), false).unwrap_err();
    assert!(
        matches!(error, JournalError::Damaged { line: 2, .. }),
        "{error}"
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), damaged);
}

#[test]
fn an_open_file_of_another_machine_needs_a_takeover() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("uat.jsonl");
    let lines = lines(vec![began().into(), opened("another-machine").into()]);
    write_private(&path, lines.concat().as_bytes());
    let error = resume(&path, clock(), false).unwrap_err();
    assert!(
        matches!(error, JournalError::OtherMachine { .. }),
        "{error}"
    );
    assert!(error.to_string().contains("another-machine"), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), lines.concat());

    drop(resume(&path, clock(), true).unwrap());
    assert_eq!(kinds(&path), ["began", "opened", "opened", "takeover"]);
    let reading = read_state_file(&path).unwrap();
    let Record::Takeover(takeover) = &reading.entries[3].record else {
        panic!("the last record is a takeover");
    };
    assert_eq!(takeover.previous["host"], "another-machine");
    // It is ours now.
    drop(resume(&path, clock(), false).unwrap());
}

#[test]
fn a_closed_file_of_another_machine_is_resumed_without_a_takeover() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("uat.jsonl");
    let closed = Closed::new("failed", 1, None);
    let records = vec![
        began().into(),
        opened("another-machine").into(),
        closed.into(),
    ];
    write_private(&path, lines(records).concat().as_bytes());
    drop(resume(&path, clock(), false).unwrap());
    assert_eq!(kinds(&path), ["began", "opened", "closed", "opened"]);
    // The flag of a pipeline that always gives it takes nothing over either.
    drop(resume(&path, clock(), true).unwrap());
    let all = ["began", "opened", "closed", "opened", "opened"];
    assert_eq!(kinds(&path), all);
}

#[test]
fn a_new_file_is_synced_with_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    drop(file::observed::FOLDERS.take());
    drop(begin(&folder.path().join("uat.jsonl"), clock(), began()).unwrap());
    assert_eq!(file::observed::FOLDERS.take(), [folder.path()]);
}

#[test]
fn the_mark_of_an_earlier_run_is_cleared_before_a_new_file_appears() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("uat.jsonl");
    file::observed::FILES.set(0);
    drop(begin(&path, clock(), began()).unwrap());
    // The lock file before the state file has its name, and once more with the new mark.
    let synced = [
        file::observed::FILES_BEFORE_FOLDER.get(),
        file::observed::FILES.get(),
    ];
    assert_eq!(synced, [1, 2]);
}

#[test]
fn a_new_run_is_marked_before_its_first_record_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("uat.jsonl");
    drop(begin(&path, clock(), began()).unwrap());
    let whole = fs::read_to_string(&path).unwrap();
    let first = whole.split_inclusive('\n').next().unwrap();
    write_private(&path, first.as_bytes());
    let error = resume(&path, clock(), false).unwrap_err();
    let says = "has written 2 records, and the file ends after record 1";
    assert!(error.to_string().contains(says), "{error}");
}

/// The contents of a folder's files, by name.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap();
    entries
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect()
}

#[tokio::test]
async fn missing_records_at_the_end_are_detected() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("uat.jsonl");
    let opening = begin(&path, clock(), began()).unwrap();
    for digest in ["a", "b", "c"] {
        opening.journal.append(planned(digest)).await.unwrap();
    }
    drop(opening);
    let whole = fs::read(&path).unwrap();
    let ends: Vec<usize> = (0..whole.len()).filter(|at| whole[*at] == b'\n').collect();
    for (index, end) in ends[..ends.len() - 1].iter().enumerate() {
        for torn in [&b""[..], b"{\"n\":"] {
            write_private(&path, &[&whole[..=*end], torn].concat());
            let before = contents(folder.path());
            let error = resume(&path, clock(), true).unwrap_err();
            assert!(matches!(error, JournalError::Older { .. }), "{error}");
            let kept = index + 1;
            let says = format!("has written 5 records, and the file ends after record {kept}");
            assert!(error.to_string().contains(&says), "{error}");
            let help = format!("uat.jsonl --at {kept}` accepts the loss");
            assert!(error.help().contains(&help), "{}", error.help());
            assert_eq!(contents(folder.path()), before, "nothing is changed");
            let found = check(&path).unwrap();
            assert_eq!(found[0].line, kept as u64 + 1);
            assert!(found[0].why.contains(&says), "{}", found[0].why);
        }
    }
    write_private(&path, &whole);
    assert_eq!(check(&path).unwrap(), []);
    drop(resume(&path, clock(), false).unwrap());
}

#[tokio::test]
async fn an_accepted_loss_is_recorded_and_the_run_continues() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("uat.jsonl");
    let opening = begin(&path, clock(), began()).unwrap();
    let older = fs::read(&path).unwrap();
    opening.journal.append(planned("a")).await.unwrap();
    drop(opening);
    write_private(&path, &older);
    assert!(resume(&path, clock(), false).is_err());
    let summary = cut(&path, clock(), 2).unwrap();
    assert_eq!((summary.kept, summary.lines, summary.bytes), (2, 0, 0));
    assert_eq!(check(&path).unwrap(), []);
    drop(resume(&path, clock(), false).unwrap());
    assert_eq!(kinds(&path), ["began", "opened", "cut", "opened"]);
    // Without a loss there is nothing to accept.
    assert!(cut(&path, clock(), 4).is_err());
}

#[tokio::test]
async fn an_older_file_that_was_continued_elsewhere_is_detected() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("uat.jsonl");
    let opening = begin(&path, clock(), began()).unwrap();
    let older = fs::read(&path).unwrap();
    opening.journal.append(planned("a")).await.unwrap();
    drop(opening);
    let elsewhere = tempfile::tempdir().unwrap();
    let copy = elsewhere.path().join("uat.jsonl");
    write_private(&copy, &older);
    // Without its lock file, nothing shows that it is older.
    let opening = resume(&copy, clock(), false).unwrap();
    opening.journal.append(planned("b")).await.unwrap();
    drop(opening);
    fs::copy(&copy, &path).unwrap();
    let error = resume(&path, clock(), false).unwrap_err();
    assert!(error.to_string().contains("continued elsewhere"), "{error}");
}

#[test]
fn the_file_of_another_run_is_detected_and_a_new_run_is_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("uat.jsonl");
    drop(begin(&path, clock(), began()).unwrap());
    let first = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    drop(begin(&path, clock(), began()).unwrap());
    drop(resume(&path, clock(), false).unwrap());
    write_private(&path, &first);
    let error = resume(&path, clock(), false).unwrap_err();
    assert!(
        error.to_string().contains("it belongs to the run"),
        "{error}"
    );
    assert!(matches!(error, JournalError::Older { .. }), "{error}");
}

fn resume_given(path: &Path, given: ResumeOptions<'_>) -> Result<OpenStateFile, JournalError> {
    lock_state_file_with(path, clock().time_of_day(), given)?.open(clock())
}

#[tokio::test]
async fn a_file_older_than_its_sealed_copies_is_refused_until_it_has_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("uat.jsonl");
    let opening = begin(&path, clock(), began()).unwrap();
    let older = fs::read(&path).unwrap();
    let seal = opening.journal.seal("providers", captures()).await.unwrap();
    let copy = seal.copy.unwrap();
    drop(opening);
    // The file was put back alone, or together with an older lock file.
    write_private(&path, &older);
    fs::remove_file(folder.path().join("uat.jsonl.lock")).unwrap();
    let error = resume(&path, clock(), false).unwrap_err();
    assert!(matches!(error, JournalError::Older { .. }), "{error}");
    assert!(error.to_string().contains("'providers'"), "{error}");
    let given = format!("--from-capture {}", copy.display());
    assert!(error.help().contains(&given), "{}", error.help());
    let found = check(&path).unwrap();
    assert!(found[0].why.contains("'providers'"), "{}", found[0].why);

    // A process that is killed before it has put the copy into the file changes nothing.
    let given = ResumeOptions {
        takeover: false,
        backups: std::slice::from_ref(&copy),
        ..ResumeOptions::default()
    };
    drop(resume_given(&path, given).unwrap());
    assert!(resume(&path, clock(), false).is_err());
    let opening = resume_given(&path, given).unwrap();
    let rows = read_copy(&copy).unwrap().captures;
    opening.journal.seal("providers", rows).await.unwrap();
    drop(opening);
    drop(resume(&path, clock(), false).unwrap());
    assert_eq!(check(&path).unwrap(), []);
}

#[tokio::test]
async fn copies_of_other_runs_and_of_restarted_seals_prove_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("uat.jsonl");
    let opening = begin(&path, clock(), began()).unwrap();
    drop(opening.journal.seal("target", captures()).await.unwrap());
    drop(opening);
    let file = fs::read(&path).unwrap();
    // Killed between the copy and the record that the seal is verified.
    let end = file[..file.len() - 1]
        .iter()
        .rposition(|byte| *byte == b'\n')
        .unwrap();
    write_private(&path, &file[..=end]);
    fs::remove_file(folder.path().join("uat.jsonl.lock")).unwrap();
    let opening = resume(&path, clock(), false).unwrap();
    drop(
        opening
            .journal
            .seal("target", captures()[..1].to_vec())
            .await
            .unwrap(),
    );
    drop(opening);
    drop(resume(&path, clock(), false).unwrap());
    // A new run finds both copies of the old one beside it.
    fs::remove_file(&path).unwrap();
    drop(begin(&path, clock(), began()).unwrap());
    drop(resume(&path, clock(), false).unwrap());
    assert_eq!(check(&path).unwrap(), []);
}

#[tokio::test]
async fn a_missing_copy_is_written_again_and_a_changed_one_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("uat.jsonl");
    let opening = begin(&path, clock(), began()).unwrap();
    let journal = &opening.journal;
    let copy = journal
        .seal("providers", captures())
        .await
        .unwrap()
        .copy
        .unwrap();
    let original = fs::read(&copy).unwrap();
    assert!(journal.verify_seal("providers").is_ok());

    fs::remove_file(&copy).unwrap();
    let error = journal.verify_seal("providers").unwrap_err();
    assert!(matches!(error, JournalError::CopyBroken { .. }), "{error}");
    assert!(error.to_string().contains("is missing"), "{error}");
    assert_eq!(check(&path).unwrap().len(), 1);
    drop(opening);
    let opening = resume(&path, clock(), false).unwrap();
    assert_eq!(opening.warnings.len(), 1);
    assert!(
        opening.warnings[0].contains("is written again"),
        "{:?}",
        opening.warnings
    );
    assert_eq!(fs::read(&copy).unwrap(), original);
    assert!(opening.journal.verify_seal("providers").is_ok());
    assert_eq!(check(&path).unwrap(), []);

    fs::remove_file(&copy).unwrap();
    let text = String::from_utf8(original.clone()).unwrap();
    fs::write(&copy, text.replacen("Ship", "Skip", 1)).unwrap();
    let error = opening.journal.verify_seal("providers").unwrap_err();
    assert!(
        error.to_string().contains("is not what was written"),
        "{error}"
    );
    assert!(error.help().contains("move"), "{}", error.help());
    drop(opening);
    assert_eq!(
        check(&path).unwrap()[0].line,
        5,
        "the line that closes the seal"
    );
    let opening = resume(&path, clock(), false).unwrap();
    assert!(opening.warnings[0].contains("is not what was written"));
    assert_eq!(check(&path).unwrap().len(), 1, "it is not changed");
    drop(opening);
    fs::rename(&copy, folder.path().join("changed")).unwrap();
    drop(resume(&path, clock(), false).unwrap());
    assert_eq!(fs::read(&copy).unwrap(), original);
}

#[cfg(unix)]
#[test]
fn a_fifo_in_place_of_the_state_file_is_refused_without_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("uat.jsonl");
    testing::create_fifo(&path);
    for error in [
        resume(&path, clock(), false).unwrap_err(),
        read_state_file(&path).unwrap_err(),
        check(&path).unwrap_err(),
        cut(&path, clock(), 1).unwrap_err(),
        read_copy(&path).unwrap_err(),
    ] {
        assert!(error.to_string().contains("it is a FIFO"), "{error}");
    }
}

#[cfg(unix)]
#[test]
fn a_file_that_others_may_read_or_that_is_a_link_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("uat.jsonl");
    drop(begin(&path, clock(), began()).unwrap());
    let link = folder.path().join("link.jsonl");
    testing::symlink(&path, &link).unwrap();
    let error = resume(&link, clock(), false).unwrap_err();
    assert!(matches!(error, JournalError::Unsafe { .. }), "{error}");
    testing::set_mode(&path, 0o644);
    let error = resume(&path, clock(), false).unwrap_err();
    assert!(matches!(error, JournalError::Unsafe { .. }), "{error}");
    assert!(read_state_file(&path).is_ok());
}

// On Windows nobody can replace an open state file.
#[cfg(unix)]
#[tokio::test]
async fn a_file_that_was_replaced_is_not_written_any_more() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("uat.jsonl");
    let opening = begin(&path, clock(), began()).unwrap();
    // An editor saves by writing another file and renaming it.
    let saved = folder.path().join("saved");
    fs::copy(&path, &saved).unwrap();
    fs::rename(&saved, &path).unwrap();
    let error = opening.journal.append(planned("d")).await.unwrap_err();
    assert!(matches!(error, JournalError::Poisoned { .. }), "{error}");
    assert!(
        error
            .to_string()
            .contains("another file has taken its place"),
        "{error}"
    );
}
