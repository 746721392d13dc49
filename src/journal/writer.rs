//! The one writer: a thread that writes and syncs what has queued, a group at a time.
//!
//! While one group is being synced the next queues up, so many workers share a sync and a single
//! one waits for one sync a record. Nothing is acknowledged, and no state shown, before it is
//! durable. After a failed write or sync the journal is poisoned: Linux may mark the lost pages
//! clean, so that the next sync of the same file would succeed without them.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::{self, JoinHandle};

use tokio::sync::oneshot;

use crate::base::clock::Clock;

use super::error::{IllegalTransition, JournalError};
use super::file;
use super::line::Chain;
use super::lock::Lock;
use super::mark::{self, Mark};
use super::poison::Poison;
use super::record::Record;
use super::state::State;

/// How many requests one group takes at most, so that the first of them does not wait for long.
const GROUP: usize = 1024;

/// What the writer writes to.
pub(super) trait Storage: Send {
    /// The length, in bytes, of the file that stands at the state file's path.
    fn length(&self) -> io::Result<u64>;
    /// Writes all of `bytes` behind what there is.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Returns when what was written is durable.
    fn sync(&mut self) -> io::Result<()>;
    /// Notes, outside the file, how far it reaches; `durably` where it has to survive a loss of
    /// power.
    fn mark(&mut self, mark: &Mark, durably: bool) -> io::Result<()>;
}

/// The state file, opened to append.
pub(super) struct StateFile {
    pub(super) file: File,
    pub(super) path: PathBuf,
    /// Holds the mark, beside the right to write.
    pub(super) lock: Lock,
}

impl Storage for StateFile {
    fn length(&self) -> io::Result<u64> {
        let metadata = self.file.metadata()?;
        if file::stands_at(&metadata, &self.path)? {
            Ok(metadata.len())
        } else {
            // An editor that saves by renaming does this; what was written to the old file now
            // would be lost with it.
            Err(io::Error::other("another file has taken its place"))
        }
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        file::sync_data(&self.file)
    }

    fn mark(&mut self, mark: &Mark, durably: bool) -> io::Result<()> {
        self.lock.write_mark(mark, durably)
    }
}

/// The state that is shown to everyone, as of the last acknowledged record.
#[derive(Debug)]
pub(super) struct Shown(RwLock<Arc<State>>);

impl Shown {
    pub(super) fn get(&self) -> Arc<State> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn set(&self, state: State) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(state);
    }
}

/// Some records to be written together and in their order, and who waits for them.
pub(super) struct Request {
    pub(super) records: Vec<Record>,
    pub(super) answer: oneshot::Sender<Result<(), JournalError>>,
}

/// Writes groups of records. It does so on the thread that calls it; [`start`](Self::start) gives
/// it one of its own.
pub(super) struct Writer {
    path: PathBuf,
    storage: Box<dyn Storage>,
    clock: Clock,
    chain: Chain,
    /// The length this process left the file with.
    length: u64,
    shown: Arc<Shown>,
    /// The first failure, which is every later answer.
    poison: Arc<Poison>,
}

impl Writer {
    /// A writer that goes on behind `chain`, at `length` bytes, from `state`.
    pub(super) fn new(
        path: &Path,
        storage: Box<dyn Storage>,
        clock: Clock,
        chain: Chain,
        length: u64,
        state: State,
    ) -> Self {
        Self {
            path: path.to_owned(),
            storage,
            clock,
            chain,
            length,
            shown: Arc::new(Shown(RwLock::new(Arc::new(state)))),
            poison: Arc::default(),
        }
    }

    /// The state as of the last acknowledged record, kept up to date.
    pub(super) fn shown(&self) -> Arc<Shown> {
        Arc::clone(&self.shown)
    }

    /// The first failure, kept up to date.
    pub(super) fn poison(&self) -> Arc<Poison> {
        Arc::clone(&self.poison)
    }

    /// Writes these records, all or none, and returns when they are durable.
    pub(super) fn write(&mut self, records: Vec<Record>) -> Result<(), JournalError> {
        let mut answers = self.commit(vec![records]);
        answers.pop().unwrap_or(Ok(()))
    }

    /// Writes the records of several requests with one sync, and answers each. The records of one
    /// request stay together; where one of them may not follow, none of that request is written.
    fn commit(&mut self, requests: Vec<Vec<Record>>) -> Vec<Result<(), JournalError>> {
        if let Some(poison) = self.poison.get() {
            return requests.iter().map(|_| Err(poison.clone())).collect();
        }
        let is_milestone = requests.iter().flatten().any(mark::is_milestone);
        let mut state = State::clone(&self.shown.get());
        let mut chain = self.chain;
        let mut bytes = String::new();
        let mut answers: Vec<_> = requests
            .into_iter()
            .map(|records| self.stage(records, &mut state, &mut chain, &mut bytes))
            .collect();
        if bytes.is_empty() {
            return answers;
        }
        match self.put(bytes.as_bytes(), &Mark::of(&chain), is_milestone) {
            Ok(()) => {
                self.chain = chain;
                self.shown.set(state);
            }
            Err(poison) => {
                let poison = self.poison.set(poison);
                for answer in answers.iter_mut().filter(|answer| answer.is_ok()) {
                    *answer = Err(poison.clone());
                }
            }
        }
        answers
    }

    /// Adds the lines of one request to `bytes`, or leaves everything as it was.
    fn stage(
        &self,
        records: Vec<Record>,
        state: &mut State,
        chain: &mut Chain,
        bytes: &mut String,
    ) -> Result<(), JournalError> {
        // A single record is refused before it changes anything; only several need a trial.
        let before = (records.len() > 1).then(|| state.clone());
        let (chain_before, bytes_before) = (*chain, bytes.len());
        for record in records {
            if let Err(transition) = self.stage_one(record, state, chain, bytes) {
                if let Some(before) = before {
                    *state = before;
                }
                *chain = chain_before;
                bytes.truncate(bytes_before);
                return Err(JournalError::Illegal {
                    path: self.path.clone(),
                    transition,
                });
            }
        }
        Ok(())
    }

    fn stage_one(
        &self,
        record: Record,
        state: &mut State,
        chain: &mut Chain,
        bytes: &mut String,
    ) -> Result<(), IllegalTransition> {
        let kind = record.kind().to_owned();
        let number = state.next_number;
        let refused = |why: String| IllegalTransition { number, kind, why };
        if matches!(record, Record::Unknown { .. }) {
            return Err(refused("a record of an unknown kind is only read".into()));
        }
        let (entry, line) = chain
            .link(self.clock.time_of_day(), record)
            .map_err(|why| refused(format!("it could not be read back: {why}")))?;
        state.next(&entry)?;
        bytes.push_str(&line);
        Ok(())
    }

    /// Appends and syncs, where the file is as this process left it, and then marks how far it
    /// reaches: a mark that came first could say more than the file holds.
    fn put(&mut self, bytes: &[u8], mark: &Mark, durably: bool) -> Result<(), JournalError> {
        let path = &self.path;
        let poisoned = |cause| JournalError::Poisoned {
            path: path.clone(),
            cause: Arc::new(cause),
        };
        let found = self.storage.length().map_err(poisoned)?;
        if found != self.length {
            return Err(JournalError::SecondWriter {
                path: path.clone(),
                expected: self.length,
                found,
            });
        }
        self.storage.append(bytes).map_err(poisoned)?;
        self.storage.sync().map_err(poisoned)?;
        self.storage.mark(mark, durably).map_err(poisoned)?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Gives the writer a thread. It ends when every sender is gone, and lets go of `lock` only
    /// then.
    pub(super) fn start(
        mut self,
        lock: Lock,
    ) -> Result<(Sender<Request>, JoinHandle<()>), JournalError> {
        let (sender, receiver) = channel();
        let path = self.path.clone();
        let thread = thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || {
                self.serve(&receiver);
                drop(lock);
            })
            .map_err(JournalError::io("starting the writer of", &path))?;
        Ok((sender, thread))
    }

    /// Answers requests until every sender is gone.
    fn serve(&mut self, receiver: &Receiver<Request>) {
        while let Ok(first) = receiver.recv() {
            let group = std::iter::once(first).chain(receiver.try_iter().take(GROUP - 1));
            let (records, waiting): (Vec<_>, Vec<_>) = group
                .map(|request| (request.records, request.answer))
                .unzip();
            for (answer, waiter) in self.commit(records).into_iter().zip(waiting) {
                // Who no longer waits was cancelled; the record stands all the same.
                drop(waiter.send(answer));
            }
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if thread::panicking() {
            // Nothing is recorded any more, as after a failed write.
            let path = self.path.clone();
            drop(self.poison.set(JournalError::WriterStopped { path }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::cancellation::Cancellation;
    use crate::journal::handle::Journal;
    use crate::journal::payload::Planned;
    use crate::journal::record::{Entry, RunId};
    use crate::journal::replay;
    use crate::journal::testing::{
        Memory, began, done, intent, launched, opened, phase_began, step_began, time,
    };
    use crate::journal::{ChangeKind, Waiting};

    /// A writer behind a `began` and an `opened` in memory.
    fn writer(memory: &Memory) -> Writer {
        let run = RunId::new(time());
        let mut chain = Chain::new(run);
        let (first, mut lines) = chain.link(time(), began().into()).unwrap();
        let (second, line) = chain.link(time(), opened("ops-1").into()).unwrap();
        lines.push_str(&line);
        let mut state = State::first(run, &first).unwrap();
        state.next(&second).unwrap();
        let length = lines.len() as u64;
        {
            let mut contents = memory.0.lock().unwrap();
            contents.durable = lines.len();
            contents.bytes = lines.into_bytes();
        }
        let storage = Box::new(memory.clone());
        let path = Path::new("uat.jsonl");
        Writer::new(path, storage, Clock::new(1.0), chain, length, state)
    }

    fn journal(folder: &Path, writer: Writer) -> Journal {
        let path = folder.join("uat.jsonl");
        let lock = Lock::acquire(&path, time()).unwrap();
        Journal::start(&path, writer, lock).unwrap()
    }

    /// What a new process would find after a loss of power.
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
        }
        .into()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn what_queues_together_is_synced_together() {
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

    #[test]
    fn the_state_file_is_synced_by_the_system() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("uat.jsonl");
        let lock = Lock::acquire(&path, time()).unwrap();
        // A pipe takes what is written and cannot be synced: only a real sync fails.
        let (_reader, pipe) = io::pipe().unwrap();
        let file = File::from(std::os::fd::OwnedFd::from(pipe));
        let mut storage = StateFile { file, path, lock };
        storage.append(b"{}").unwrap();
        assert!(storage.sync().is_err());
    }

    #[tokio::test]
    async fn what_is_marked_is_durable_and_never_more() {
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
    async fn a_failed_write_halts_the_run_before_anybody_learns_of_it() {
        for fails in ["sync", "space", "second writer", "mark"] {
            let folder = tempfile::tempdir().unwrap();
            let memory = Memory::default();
            let journal = journal(folder.path(), writer(&memory));
            let cancellation = Cancellation::new();
            journal.halt_on_failure(&cancellation);
            journal.append(planned(1)).await.unwrap();
            assert!(!cancellation.halted() && journal.failure().is_none());
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
                    assert!(cancellation.halted() && cancellation.asked(), "{error}");
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
            assert!(late.halted());
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
        fn mark(&mut self, _mark: &Mark, _durably: bool) -> io::Result<()> {
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
        assert!(cancellation.halted());
    }

    #[test]
    fn a_writer_that_panics_halts_the_run_also_where_nobody_waits_for_its_answer() {
        let folder = tempfile::tempdir().unwrap();
        let writer = broken();
        let cancellation = Cancellation::new();
        writer.poison().halts(&cancellation);
        let lock = Lock::acquire(&folder.path().join("uat.jsonl"), time()).unwrap();
        let (sender, thread) = writer.start(lock).unwrap();
        let (answer, answered) = oneshot::channel();
        drop(answered);
        let records = vec![planned(1)];
        assert!(sender.send(Request { records, answer }).is_ok());
        assert!(thread.join().is_err(), "it panicked");
        assert!(cancellation.halted());
    }

    #[tokio::test]
    async fn one_after_the_other_each_has_its_sync() {
        let folder = tempfile::tempdir().unwrap();
        let memory = Memory::default();
        let journal = journal(folder.path(), writer(&memory));
        for number in 0..5 {
            journal.append(planned(number)).await.unwrap();
        }
        assert_eq!(memory.0.lock().unwrap().syncs, 5);
    }

    #[tokio::test]
    async fn after_a_failed_write_nothing_is_written_any_more() {
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
    async fn after_a_failed_sync_it_is_never_synced_again() {
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
    async fn a_second_writer_is_seen_before_the_next_write() {
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
        // Even where the file looks right again.
        memory.0.lock().unwrap().bytes.pop();
        let later = journal.append(planned(3)).await.unwrap_err();
        assert_eq!(later.to_string(), error.to_string());
    }

    #[tokio::test]
    async fn a_refused_record_is_not_written_and_does_no_harm() {
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
        assert!(error.to_string().contains("done already"), "{error}");
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
        let answers = writer.commit(vec![
            vec![step_began("s")],
            vec![waiting(), step_began("t")],
            vec![phase_began("s", "p")],
        ]);
        let went_well: Vec<bool> = answers.iter().map(Result::is_ok).collect();
        assert_eq!(went_well, [true, false, true]);
        let kinds: Vec<String> = durable_entries(&memory)
            .iter()
            .map(|entry| entry.record.kind().to_owned())
            .collect();
        assert_eq!(kinds, ["began", "opened", "step-began", "phase-began"]);
        assert_eq!(writer.shown().get().waiting().count(), 0);
    }
}
