use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::*;
use crate::base::cancellation::Cancellation;
use crate::base::platform;
use crate::base::remote_state::RemoteStateErrorKind;
use crate::journal::inspect::read_state_file;
use crate::journal::opening::{
    OpenStateFile, ResumeOptions, begin, begin_with_copy, lock_state_file_with,
};
use crate::journal::payload::{Closed, Finished, Planned};
use crate::journal::record::Record;
use crate::journal::testing::{
    MemoryCopy, began, captures, clock, lines, opened, time, write_private,
};

const NAME: &str = "uat.iomcopy.jsonl";

fn planned(digest: &str) -> Planned {
    Planned {
        digest: digest.to_owned(),
        steps: BTreeMap::new(),
        names: BTreeMap::new(),
    }
}

/// A new run with this copy.
fn begin_in(folder: &Path, copy: &MemoryCopy) -> OpenStateFile {
    begin_with_copy(&folder.join(NAME), clock(), began(), Some(copy.shared())).unwrap()
}

/// Resumes the run of this copy in a folder, without `--takeover`.
fn resume_in(folder: &Path, copy: &MemoryCopy) -> Result<OpenStateFile, JournalError> {
    let copy = copy.shared();
    let options = ResumeOptions {
        remote_state: Some(&copy),
        ..ResumeOptions::default()
    };
    lock_state_file_with(&folder.join(NAME), time(), options)?.open(clock())
}

fn text(folder: &Path) -> String {
    fs::read_to_string(folder.join(NAME)).unwrap()
}

#[tokio::test]
async fn every_acknowledged_record_is_in_the_copy() {
    let folder = tempfile::tempdir().unwrap();
    let copy = MemoryCopy::default();
    let opening = begin_in(folder.path(), &copy);
    assert_eq!(copy.text(), text(folder.path()));
    opening.journal.append(planned("d")).await.unwrap();
    assert_eq!(copy.text(), text(folder.path()));
    assert!(copy.text().contains("\"planned\""));
    // A group of records is one append.
    let before = copy.contents().appends;
    let summary = opening.journal.seal("target", captures()).await.unwrap();
    assert_eq!(copy.contents().appends, before + 2, "the seal, its proof");
    // The copy of the seal goes there too, before the seal counts as verified.
    let kept = copy.contents().kept.clone();
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].0, "uat.iomcopy.target.capture.jsonl");
    assert_eq!(kept[0].1, fs::read(summary.copy.unwrap()).unwrap());
}

#[tokio::test]
async fn an_outage_or_a_lost_lease_stops_before_the_record_is_acknowledged() {
    for kind in [
        RemoteStateErrorKind::Unavailable,
        RemoteStateErrorKind::Taken,
    ] {
        let folder = tempfile::tempdir().unwrap();
        let copy = MemoryCopy::default();
        let opening = begin_in(folder.path(), &copy);
        let cancellation = Cancellation::new();
        opening.journal.halt_on_failure(&cancellation);
        copy.contents().fails = Some(kind);
        let error = opening.journal.append(planned("d")).await.unwrap_err();
        assert!(
            matches!(&error, JournalError::RemoteState { error, .. } if error.kind == kind),
            "{error}"
        );
        assert!(cancellation.is_halted(), "nothing more is sent");
        assert_eq!(opening.journal.state().plan_digest, None);
        // The service is back, and it does not matter to this process.
        copy.contents().fails = None;
        assert!(opening.journal.append(planned("e")).await.is_err());
        drop(opening);
        // The next one has the record: it is in the file, and goes to the copy first.
        let opening = resume_in(folder.path(), &copy).unwrap();
        assert_eq!(opening.journal.state().plan_digest.as_deref(), Some("d"));
        assert_eq!(copy.text(), text(folder.path()));
    }
}

#[tokio::test]
async fn a_lost_lease_halts_a_run_that_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let copy = MemoryCopy::default();
    let opening = begin_in(folder.path(), &copy);
    let cancellation = Cancellation::new();
    opening.journal.halt_on_failure(&cancellation);
    copy.lose();
    assert!(cancellation.is_halted());
    let error = opening.journal.failure().unwrap();
    assert!(error.help().contains("--takeover"), "{}", error.help());
}

#[tokio::test]
async fn a_copy_of_a_seal_that_cannot_be_stored_stops_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let copy = MemoryCopy::default();
    let opening = begin_in(folder.path(), &copy);
    opening.journal.append(planned("d")).await.unwrap();
    copy.contents().kept_fails = true;
    let sealed = opening.journal.seal("target", captures()).await;
    assert!(matches!(
        sealed.unwrap_err(),
        JournalError::RemoteState { .. }
    ));
    assert!(opening.journal.state().verified_seal("target").is_none());
    assert!(opening.journal.failure().is_some());
}

#[tokio::test]
async fn another_machine_goes_on_from_the_copy_without_a_file() {
    let gone = tempfile::tempdir().unwrap();
    let copy = MemoryCopy::default();
    let opening = begin_in(gone.path(), &copy);
    opening.journal.seal("target", captures()).await.unwrap();
    let run = opening.journal.state().run;
    // The other machine vanished without a word.
    drop(opening);
    drop(gone);
    let elsewhere = tempfile::tempdir().unwrap();
    let opening = resume_in(elsewhere.path(), &copy).unwrap();
    assert_eq!(opening.journal.state().run, run);
    assert!(opening.resumed);
    assert_eq!(opening.warnings.len(), 1, "{:?}", opening.warnings);
    assert_eq!(opening.journal.verify_seal("target").unwrap().count, 2);
    assert_eq!(copy.text(), text(elsewhere.path()));
    platform::testing::assert_mode(&elsewhere.path().join(NAME), 0o600);
}

#[tokio::test]
async fn the_lease_stands_for_takeover_and_the_record_says_who_was_there() {
    let copy = MemoryCopy::default();
    let written = lines(vec![began().into(), opened("another-machine").into()]).concat();
    copy.contents().bytes = written.clone().into_bytes();
    let folder = tempfile::tempdir().unwrap();
    let opening = resume_in(folder.path(), &copy).unwrap();
    drop(opening);
    assert!(copy.text().contains("\"takeover\""));
    // Without a copy it needs --takeover.
    let alone = tempfile::tempdir().unwrap();
    write_private(&alone.path().join(NAME), written.as_bytes());
    let options = ResumeOptions::default();
    let error = lock_state_file_with(&alone.path().join(NAME), time(), options).unwrap_err();
    assert!(matches!(error, JournalError::OtherMachine { .. }));
}

#[tokio::test]
async fn a_file_that_is_behind_or_differs_becomes_the_copy() {
    let folder = tempfile::tempdir().unwrap();
    let copy = MemoryCopy::default();
    drop(begin_in(folder.path(), &copy));
    let behind = text(folder.path());
    // Another machine continues.
    let elsewhere = tempfile::tempdir().unwrap();
    drop(resume_in(elsewhere.path(), &copy).unwrap());
    let opening = resume_in(folder.path(), &copy).unwrap();
    assert!(opening.warnings.is_empty(), "{:?}", opening.warnings);
    drop(opening);
    assert_eq!(copy.text(), text(folder.path()));
    // This machine has another last record than the copy.
    let path = folder.path().join(NAME);
    fs::write(&path, behind).unwrap();
    let alone = begin_again_alone(&path);
    alone.journal.append(planned("mine")).await.unwrap();
    drop(alone);
    // The lock file says that the record was acknowledged: the run went on in both.
    let mine = text(folder.path());
    let error = resume_in(folder.path(), &copy).unwrap_err();
    assert!(matches!(error, JournalError::Older { .. }), "{error}");
    assert_eq!(text(folder.path()), mine);
    // It does not: the process ended before the copy had the record.
    fs::remove_file(file::append_suffix(&path, ".lock")).unwrap();
    let opening = resume_in(folder.path(), &copy).unwrap();
    assert!(
        opening.warnings[0].contains("replaced-1"),
        "{:?}",
        opening.warnings
    );
    drop(opening);
    assert_eq!(copy.text(), text(folder.path()));
}

/// Adds records to a file without its copy.
fn begin_again_alone(path: &Path) -> OpenStateFile {
    fs::remove_file(file::append_suffix(path, ".lock")).unwrap();
    let locked = lock_state_file_with(path, time(), ResumeOptions::default());
    locked.unwrap().open(clock()).unwrap()
}

#[tokio::test]
async fn a_run_that_began_here_gets_a_copy_and_a_torn_end_does_not_go_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(NAME);
    drop(begin(&path, clock(), began()).unwrap());
    let whole = text(folder.path());
    fs::write(&path, format!("{whole}{{\"n\":3,\"pre")).unwrap();
    let copy = MemoryCopy::default();
    let opening = resume_in(folder.path(), &copy).unwrap();
    assert!(opening.repair.is_some());
    drop(opening);
    assert!(copy.text().starts_with(&whole) && !copy.text().contains("{\"n\":3,\"pre{"));
    assert_eq!(copy.text(), text(folder.path()));
}

#[tokio::test]
async fn a_file_of_another_run_is_kept_only_if_that_run_has_finished() {
    let copy = MemoryCopy::default();
    let elsewhere = tempfile::tempdir().unwrap();
    drop(begin_in(elsewhere.path(), &copy));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(NAME);
    drop(begin(&path, clock(), began()).unwrap());
    let error = resume_in(folder.path(), &copy).unwrap_err();
    assert!(matches!(error, JournalError::AnotherRun { .. }), "{error}");
    let finished = begin_again_alone(&path);
    finished.journal.append(Finished {}).await.unwrap();
    drop(finished);
    drop(resume_in(folder.path(), &copy).unwrap());
    assert!(folder.path().join(format!("{NAME}.replaced-1")).exists());
    assert_eq!(copy.text(), text(folder.path()));
}

#[tokio::test]
async fn a_copy_that_has_lost_its_end_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let copy = MemoryCopy::default();
    let opening = begin_in(folder.path(), &copy);
    let before = copy.contents().bytes.clone();
    opening.journal.append(planned("d")).await.unwrap();
    let closed = Closed::new("waiting", 10, None);
    opening.journal.append(closed).await.unwrap();
    drop(opening);
    // An older copy was put back, and the file is gone; the mark in the lock file remains.
    copy.contents().bytes = before;
    fs::remove_file(folder.path().join(NAME)).unwrap();
    let error = resume_in(folder.path(), &copy).unwrap_err();
    assert!(matches!(error, JournalError::Older { .. }), "{error}");
    // Damage in the copy is damage.
    copy.contents().bytes[10] = b'x';
    let other = tempfile::tempdir().unwrap();
    let error = resume_in(other.path(), &copy).unwrap_err();
    assert!(matches!(error, JournalError::Damaged { .. }), "{error}");
    assert!(!other.path().join(NAME).exists());
}

#[tokio::test]
async fn an_archived_run_is_kept_beside_the_copy_of_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let copy = MemoryCopy::default();
    drop(begin_in(folder.path(), &copy));
    let shared = copy.shared();
    let options = ResumeOptions {
        remote_state: Some(&shared),
        ..ResumeOptions::default()
    };
    let path = folder.path().join(NAME);
    let locked = lock_state_file_with(&path, time(), options).unwrap();
    let archived = folder.path().join("uat.iomcopy.old.jsonl");
    let opening = locked.replace(&archived, clock(), began()).await.unwrap();
    let kept = copy.contents().kept.clone();
    assert_eq!(kept[0].0, "uat.iomcopy.old.jsonl");
    assert_eq!(kept[0].1, fs::read(&archived).unwrap());
    assert_eq!(copy.text(), text(folder.path()));
    assert_eq!(opening.journal.state().openings, 1);
}

#[tokio::test]
async fn a_command_that_reads_brings_the_file_up_to_the_copy() {
    let copy = MemoryCopy::default();
    let machine = tempfile::tempdir().unwrap();
    let opening = begin_in(machine.path(), &copy);
    let here = tempfile::tempdir().unwrap();
    let path = here.path().join(NAME);
    let empty = MemoryCopy::default();
    refresh_from_copy(&path, &empty).unwrap();
    assert!(!path.exists());
    refresh_from_copy(&path, &copy).unwrap();
    assert_eq!(copy.text(), text(here.path()));
    opening.journal.append(planned("d")).await.unwrap();
    refresh_from_copy(&path, &copy).unwrap();
    assert_eq!(copy.text(), text(here.path()));
    // The process that holds the file has the newest.
    let held = machine.path().join(NAME);
    refresh_from_copy(&held, &copy).unwrap();
    copy.contents().fails = Some(RemoteStateErrorKind::Unavailable);
    assert!(refresh_from_copy(&path, &copy).is_err());
}

#[test]
fn the_mark_of_an_earlier_run_is_no_evidence_against_the_copy() {
    let copy = MemoryCopy::default();
    let elsewhere = tempfile::tempdir().unwrap();
    let _opening = begin_in(elsewhere.path(), &copy);
    let here = tempfile::tempdir().unwrap();
    let path = here.path().join(NAME);
    drop(begin(&path, clock(), began()).unwrap());
    fs::remove_file(&path).unwrap();
    refresh_from_copy(&path, &copy).unwrap();
    assert_eq!(read_state_file(&path).unwrap().lost, None);
}

/// `fleet` parses the copies of many runs.
#[tokio::test]
async fn a_copy_is_shown_without_the_texts_of_captures() {
    let folder = tempfile::tempdir().unwrap();
    let copy = MemoryCopy::default();
    let opening = begin_in(folder.path(), &copy);
    opening.journal.seal("target", captures()).await.unwrap();
    let bytes = copy.text();
    let shown = parse_copy("place", bytes.as_bytes(), |_| Occupancy::Free).unwrap();
    let texts = shown
        .entries
        .iter()
        .filter_map(|entry| match &entry.record {
            Record::Captured(captured) => Some(captured.text.as_str()),
            _ => None,
        });
    let texts: Vec<&str> = texts.collect();
    assert_eq!(texts.len(), captures().len());
    assert!(
        texts.iter().all(|text| text.ends_with("left out>")),
        "{texts:?}"
    );
    let seal = shown.state.verified_seal("target").unwrap();
    let first = shown.state.text_of(seal, &seal.captures[0]).unwrap();
    assert_eq!(first, captures()[0].text, "the state has them");
}
