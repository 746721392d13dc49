use std::io;
use std::task::{Context, Waker};

use super::*;
use crate::base::cancellation::Cancellation;
use crate::journal::handle::Journal;
use crate::journal::payload::Planned;
use crate::journal::record::Entry;
use crate::journal::replay;
use crate::journal::testing::{
    Memory, done, intent, launched, phase_began, step_began, time, writer_in_memory as writer,
};
use crate::journal::{ChangeKind, Waiting};

fn journal(folder: &Path, writer: Writer) -> Journal {
    let path = folder.join("uat.jsonl");
    let lock = Lock::acquire(&path, time()).unwrap();
    Journal::start(&path, writer, lock).unwrap()
}

/// The records that a new process would find after a loss of power.
fn durable_entries(memory: &Memory) -> Vec<Entry> {
    let contents = memory.0.lock().unwrap();
    let durable = &contents.bytes[..contents.durable];
    let replay = replay::replay(Path::new("uat.jsonl"), durable);
    assert!(replay.damage.is_empty() && replay.torn.is_none());
    replay.entries
}

fn planned(digest: usize) -> Record {
    Planned {
        digest: digest.to_string(),
        steps: [].into(),
        names: [].into(),
    }
    .into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn queued_records_are_synced_together() {
    let folder = tempfile::tempdir().unwrap();
    let memory = Memory::default();
    let journal = journal(folder.path(), writer(&memory));
    let appends = (0..64).map(|number| {
        let journal = journal.clone();
        let memory = memory.clone();
        tokio::spawn(async move {
            journal.append(planned(number)).await.unwrap();
            // Acknowledged means durable.
            assert!(
                durable_entries(&memory)
                    .iter()
                    .any(|e| e.record == planned(number))
            );
        })
    });
    for append in appends.collect::<Vec<_>>() {
        append.await.unwrap();
    }
    assert_eq!(durable_entries(&memory).len(), 66);
    assert_eq!(journal.state().next_number, 67);
    let contents = memory.0.lock().unwrap();
    assert!(contents.syncs < 64, "{} syncs", contents.syncs);
    assert_eq!(contents.syncs, contents.appends);
}

#[cfg(unix)]
#[test]
fn the_state_file_is_synced_by_the_system() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("uat.jsonl");
    let lock = Lock::acquire(&path, time()).unwrap();
    // A pipe takes what is written and cannot be synced: only a real sync fails.
    let (_reader, file) = crate::base::platform::testing::pipe();
    let mut storage = StateFile { file, path, lock };
    storage.append(b"{}").unwrap();
    assert!(storage.sync().is_err());
}

#[tokio::test]
async fn a_mark_never_names_a_record_that_is_not_durable() {
    let folder = tempfile::tempdir().unwrap();
    let memory = Memory::default();
    let journal = journal(folder.path(), writer(&memory));
    let milestone = |record: &Record| mark::is_milestone(record);
    let records = vec![
        planned(1),
        step_began("s"),
        phase_began("s", "p"),
        intent("s", "p", "flow/1", ChangeKind::Set),
        done("flow/1"),
        intent("s", "p", "copy", ChangeKind::Launch),
        launched("copy"),
    ];
    let expected: Vec<bool> = records.iter().map(milestone).collect();
    assert_eq!(expected, [false, false, false, false, false, true, true]);
    for record in records {
        let acknowledged = journal.append(record).await;
        acknowledged.unwrap();
        // Marked before the request that relies on the record may leave.
        let contents = memory.0.lock().unwrap();
        let (mark, durable, _) = contents.marks.last().unwrap();
        let bytes = &contents.bytes[..*durable];
        let replay = replay::replay(Path::new("uat.jsonl"), bytes);
        assert_eq!(*mark, Mark::of(&replay.chain.unwrap()));
    }
    let contents = memory.0.lock().unwrap();
    let durably: Vec<bool> = contents
        .marks
        .iter()
        .map(|(.., durably)| *durably)
        .collect();
    assert_eq!(durably, expected);
}

#[tokio::test]
async fn a_mark_that_cannot_be_written_is_a_failed_write() {
    let folder = tempfile::tempdir().unwrap();
    let memory = Memory::default();
    let journal = journal(folder.path(), writer(&memory));
    memory.0.lock().unwrap().mark_fails = true;
    let first = journal.append(planned(1)).await.unwrap_err();
    assert!(matches!(first, JournalError::Poisoned { .. }), "{first}");
    assert!(journal.append(planned(2)).await.is_err());
}

#[tokio::test]
async fn a_failed_write_halts_the_run_before_it_is_reported() {
    for fails in ["sync", "space", "second writer", "mark"] {
        let folder = tempfile::tempdir().unwrap();
        let memory = Memory::default();
        let journal = journal(folder.path(), writer(&memory));
        let cancellation = Cancellation::new();
        journal.halt_on_failure(&cancellation);
        journal.append(planned(1)).await.unwrap();
        assert!(!cancellation.is_halted() && journal.failure().is_none());
        {
            let mut contents = memory.0.lock().unwrap();
            match fails {
                "sync" => contents.sync_fails = true,
                "space" => contents.space = Some(0),
                "mark" => contents.mark_fails = true,
                _ => contents.bytes.push(b'x'),
            }
        }
        // Records that queue together fail together; each sees the halt with its own answer.
        let appends = (2..34).map(|number| {
            let (journal, cancellation) = (journal.clone(), cancellation.clone());
            tokio::spawn(async move {
                let error = journal.append(planned(number)).await.unwrap_err();
                assert!(
                    cancellation.is_halted() && cancellation.is_stop_requested(),
                    "{error}"
                );
                error.to_string()
            })
        });
        let mut said = std::collections::BTreeSet::new();
        for append in appends.collect::<Vec<_>>() {
            said.insert(append.await.unwrap());
        }
        assert_eq!(said.len(), 1, "{fails}: {said:?}");
        let failure = journal.failure().unwrap().to_string();
        assert!(said.contains(&failure));
        // A run that begins to listen only now is halted at once.
        let late = Cancellation::new();
        journal.halt_on_failure(&late);
        assert!(late.is_halted());
    }
}

/// Storage with a defect.
struct Broken;

impl Storage for Broken {
    fn length(&self) -> io::Result<u64> {
        panic!("a defect in the storage");
    }
    fn append(&mut self, _bytes: &[u8]) -> io::Result<()> {
        Ok(())
    }
    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
    fn write_mark(&mut self, _mark: &Mark, _durably: bool) -> io::Result<()> {
        Ok(())
    }
}

fn broken() -> Writer {
    let mut writer = writer(&Memory::default());
    writer.storage = Box::new(Broken);
    writer
}

#[tokio::test]
async fn a_writer_that_panics_halts_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let journal = journal(folder.path(), broken());
    let cancellation = Cancellation::new();
    journal.halt_on_failure(&cancellation);
    let error = journal.append(planned(1)).await.unwrap_err();
    assert!(
        matches!(error, JournalError::WriterStopped { .. }),
        "{error}"
    );
    assert!(cancellation.is_halted());
}

#[test]
fn a_writer_that_panics_halts_the_run_even_if_nobody_waits() {
    let folder = tempfile::tempdir().unwrap();
    let writer = broken();
    let cancellation = Cancellation::new();
    writer.poison().halt_on_failure(&cancellation);
    let lock = Lock::acquire(&folder.path().join("uat.jsonl"), time()).unwrap();
    let (sender, thread) = writer.start(lock).unwrap();
    let (answer, answered) = oneshot::channel();
    drop(answered);
    let records = vec![planned(1)];
    let request = Request {
        records,
        durability: Durability::Synced,
        answer,
    };
    assert!(sender.send(request).is_ok());
    assert!(thread.join().is_err(), "it panicked");
    assert!(cancellation.is_halted());
}

#[tokio::test]
async fn records_in_sequence_are_synced_one_by_one() {
    let folder = tempfile::tempdir().unwrap();
    let memory = Memory::default();
    let journal = journal(folder.path(), writer(&memory));
    for number in 0..5 {
        journal.append(planned(number)).await.unwrap();
    }
    assert_eq!(memory.0.lock().unwrap().syncs, 5);
}

#[tokio::test]
async fn nothing_is_written_after_a_failed_write() {
    let folder = tempfile::tempdir().unwrap();
    let memory = Memory::default();
    let journal = journal(folder.path(), writer(&memory));
    journal.append(planned(1)).await.unwrap();
    memory.0.lock().unwrap().space = Some(100);
    let first = journal.append(planned(2)).await.unwrap_err();
    assert!(matches!(first, JournalError::Poisoned { .. }), "{first}");
    // Space is there again, and it does not matter.
    memory.0.lock().unwrap().space = None;
    let (appends, syncs) = {
        let contents = memory.0.lock().unwrap();
        (contents.appends, contents.syncs)
    };
    for number in 3..6 {
        let later = journal.append(planned(number)).await.unwrap_err();
        assert_eq!(later.to_string(), first.to_string());
    }
    assert_eq!(journal.state().plan_digest.as_deref(), Some("1"));
    let contents = memory.0.lock().unwrap();
    assert_eq!((contents.appends, contents.syncs), (appends, syncs));
    // The next process finds a torn end and everything that was acknowledged.
    let replay = replay::replay(Path::new("uat.jsonl"), &contents.bytes);
    assert!(replay.damage.is_empty());
    assert_eq!(replay.torn.unwrap().bytes, 100);
    assert_eq!(replay.entries.len(), 3);
}

#[tokio::test]
async fn nothing_is_synced_after_a_failed_sync() {
    let folder = tempfile::tempdir().unwrap();
    let memory = Memory::default();
    let journal = journal(folder.path(), writer(&memory));
    memory.0.lock().unwrap().sync_fails = true;
    let first = journal.append(planned(1)).await.unwrap_err();
    assert!(first.to_string().contains("input/output error"), "{first}");
    let later = journal.append(planned(2)).await.unwrap_err();
    assert_eq!(later.to_string(), first.to_string());
    assert_eq!(memory.0.lock().unwrap().syncs, 1);
    assert_eq!(journal.state().plan_digest, None);
    assert_eq!(durable_entries(&memory).len(), 2);
}

#[tokio::test]
async fn a_second_writer_is_detected_before_the_next_write() {
    let folder = tempfile::tempdir().unwrap();
    let memory = Memory::default();
    let journal = journal(folder.path(), writer(&memory));
    journal.append(planned(1)).await.unwrap();
    memory.0.lock().unwrap().bytes.push(b'x');
    let error = journal.append(planned(2)).await.unwrap_err();
    assert!(
        matches!(error, JournalError::SecondWriter { .. }),
        "{error}"
    );
    // Even if the file looks right again.
    memory.0.lock().unwrap().bytes.pop();
    let later = journal.append(planned(3)).await.unwrap_err();
    assert_eq!(later.to_string(), error.to_string());
}

#[tokio::test]
async fn a_refused_record_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let memory = Memory::default();
    let journal = journal(folder.path(), writer(&memory));
    let error = journal.append(done("flow/1")).await.unwrap_err();
    assert!(matches!(error, JournalError::Illegal { .. }), "{error}");
    assert!(
        error.to_string().contains("no intent for `flow/1`"),
        "{error}"
    );
    let unknown = Record::Unknown {
        kind: "foreseen".to_owned(),
        data: serde_json::Value::Null,
    };
    assert!(journal.append(unknown).await.is_err());
    assert_eq!(memory.0.lock().unwrap().appends, 0);
    journal.append(planned(1)).await.unwrap();
}

#[tokio::test]
async fn several_records_are_written_all_or_none() {
    let folder = tempfile::tempdir().unwrap();
    let memory = Memory::default();
    let journal = journal(folder.path(), writer(&memory));
    let good = vec![
        step_began("s"),
        phase_began("s", "p"),
        intent("s", "p", "flow/1", ChangeKind::Set),
        done("flow/1"),
    ];
    let mut bad = good.clone();
    bad.push(done("flow/1"));
    let error = journal.append_all(bad).await.unwrap_err();
    assert!(error.to_string().contains("already done"), "{error}");
    assert!(journal.state().steps.is_empty());
    journal.append_all(good).await.unwrap();
    assert_eq!(durable_entries(&memory).len(), 6);
    assert_eq!(memory.0.lock().unwrap().syncs, 1);
}

#[test]
fn in_a_group_only_the_refused_request_is_left_out() {
    let memory = Memory::default();
    let mut writer = writer(&memory);
    let waiting = || {
        Record::from(Waiting {
            task: "s/p".to_owned(),
            worksheet: serde_json::Value::Null,
        })
    };
    let requests = vec![
        vec![step_began("s")],
        vec![waiting(), step_began("t")],
        vec![phase_began("s", "p")],
    ];
    let synced = requests
        .into_iter()
        .map(|records| (records, Durability::Synced));
    let answers = writer.commit(synced.collect());
    let went_well: Vec<bool> = answers.iter().map(Result::is_ok).collect();
    assert_eq!(went_well, [true, false, true]);
    let kinds: Vec<String> = durable_entries(&memory)
        .iter()
        .map(|entry| entry.record.kind().to_owned())
        .collect();
    assert_eq!(kinds, ["began", "opened", "step-began", "phase-began"]);
    assert_eq!(writer.shared().get().waiting().count(), 0);
}

/// A step and a phase in which sets may begin, durable.
async fn begin_phase(journal: &Journal) {
    let records = vec![step_began("s"), phase_began("s", "p")];
    journal.append_all(records).await.unwrap();
}

fn set(key: &str) -> Record {
    intent("s", "p", key, ChangeKind::Set)
}

#[tokio::test]
async fn a_written_record_is_durable_with_the_next_one_that_must_be() {
    for next in ["record", "sync", "end"] {
        let folder = tempfile::tempdir().unwrap();
        let memory = Memory::default();
        let journal = journal(folder.path(), writer(&memory));
        begin_phase(&journal).await;
        journal.append_all(vec![set("a"), set("b")]).await.unwrap();
        let syncs = memory.syncs();
        for key in ["a", "b"] {
            journal.append_unsynced(done(key)).await.unwrap();
        }
        assert_eq!(memory.syncs(), syncs, "nobody waits for a sync");
        // A killed process does not lose them, and nothing decides from them before they are durable.
        let (written, durable) = {
            let contents = memory.0.lock().unwrap();
            (contents.bytes.clone(), contents.durable)
        };
        let replay = replay::replay(Path::new("uat.jsonl"), &written);
        assert_eq!(replay.entries.len(), 2 + 2 + 4);
        assert_eq!(durable_entries(&memory).len(), 2 + 2 + 2);
        assert!(journal.state().set("a").unwrap().done.is_none());
        let mark = memory.0.lock().unwrap().marks.last().unwrap().clone();
        let replay = replay::replay(Path::new("uat.jsonl"), &written[..durable]);
        assert_eq!(mark.0, Mark::of(&replay.chain.unwrap()));
        match next {
            "record" => journal.append(set("c")).await.unwrap(),
            "sync" => journal.sync().await.unwrap(),
            _ => {}
        }
        if next == "end" {
            // The writer ends with its last handle, and syncs first.
            drop(journal);
        } else {
            assert!(journal.state().set("b").unwrap().done.is_some(), "{next}");
        }
        let kept = durable_entries(&memory);
        assert!(kept.iter().any(|entry| entry.record == done("b")), "{next}");
        assert_eq!(memory.syncs(), syncs + 1, "{next}");
    }
}

#[tokio::test]
async fn a_sync_without_written_records_costs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let memory = Memory::default();
    let journal = journal(folder.path(), writer(&memory));
    begin_phase(&journal).await;
    let syncs = memory.syncs();
    journal.sync().await.unwrap();
    assert_eq!(memory.syncs(), syncs);
}

#[test]
fn a_written_record_that_nothing_follows_is_synced_after_a_moment() {
    let memory = Memory::default();
    let mut writer = writer(&memory);
    let records = vec![step_began("s"), phase_began("s", "p"), set("a")];
    writer.write(records).unwrap();
    let written = vec![(vec![done("a")], Durability::Written)];
    assert!(writer.commit(written).iter().all(Result::is_ok));
    let durable = durable_entries(&memory).len();
    writer.sync_idle();
    assert_eq!(durable_entries(&memory).len(), durable + 1);
    assert!(writer.shared().get().set("a").unwrap().done.is_some());
}

#[tokio::test]
async fn a_written_record_that_cannot_be_synced_is_a_failed_write() {
    let folder = tempfile::tempdir().unwrap();
    let memory = Memory::default();
    let journal = journal(folder.path(), writer(&memory));
    begin_phase(&journal).await;
    journal.append(set("a")).await.unwrap();
    journal.append_unsynced(done("a")).await.unwrap();
    memory.0.lock().unwrap().sync_fails = true;
    let error = journal.sync().await.unwrap_err();
    assert!(matches!(error, JournalError::Poisoned { .. }), "{error}");
    let syncs = memory.syncs();
    assert!(journal.append_unsynced(set("b")).await.is_err());
    assert!(journal.state().set("a").unwrap().done.is_none());
    drop(journal);
    assert_eq!(memory.syncs(), syncs, "nothing is synced after it");
}

/// How many changes are in flight, and how many there are in all.
const IN_FLIGHT: usize = 16;
const CHANGES: usize = 64;

/// A change is two records, each durable before the change continues. Records that are queued while
/// others are synced share the next sync.
#[tokio::test]
async fn sixteen_changes_in_flight_need_a_quarter_of_a_sync_each() {
    let folder = tempfile::tempdir().unwrap();
    let memory = Memory::default();
    let journal = journal(folder.path(), writer(&memory));
    let records = 2 * CHANGES;
    for first in (0..records).step_by(IN_FLIGHT) {
        let appends = {
            // The disk is slow: the first record is not synced before the others are queued.
            let _disk = memory.0.lock().unwrap();
            let appends = (first..first + IN_FLIGHT).map(|number| journal.append(planned(number)));
            let mut appends: Vec<_> = appends.map(Box::pin).collect();
            let mut task = Context::from_waker(Waker::noop());
            for append in &mut appends {
                assert!(append.as_mut().poll(&mut task).is_pending());
            }
            appends
        };
        for append in appends {
            append.await.unwrap();
        }
    }
    assert_eq!(durable_entries(&memory).len(), 2 + records);
    let syncs = memory.0.lock().unwrap().syncs;
    assert!(syncs * 4 <= CHANGES, "{syncs} syncs for {CHANGES} changes");
}
