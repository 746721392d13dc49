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

use crate::clock::Clock;

use super::error::{IllegalTransition, JournalError};
use super::file;
use super::line::Chain;
use super::lock::Lock;
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
}

/// The state file, opened to append.
pub(super) struct StateFile {
    pub(super) file: File,
    pub(super) path: PathBuf,
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
        self.file.sync_data()
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
    poison: Option<JournalError>,
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
            poison: None,
        }
    }

    /// The state as of the last acknowledged record, kept up to date.
    pub(super) fn shown(&self) -> Arc<Shown> {
        Arc::clone(&self.shown)
    }

    /// Writes these records, all or none, and returns when they are durable.
    pub(super) fn write(&mut self, records: Vec<Record>) -> Result<(), JournalError> {
        let mut answers = self.commit(vec![records]);
        answers.pop().unwrap_or(Ok(()))
    }

    /// Writes the records of several requests with one sync, and answers each. The records of one
    /// request stay together; where one of them may not follow, none of that request is written.
    fn commit(&mut self, requests: Vec<Vec<Record>>) -> Vec<Result<(), JournalError>> {
        if let Some(poison) = &self.poison {
            return requests.iter().map(|_| Err(poison.clone())).collect();
        }
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
        match self.put(bytes.as_bytes()) {
            Ok(()) => {
                self.chain = chain;
                self.shown.set(state);
            }
            Err(poison) => {
                for answer in answers.iter_mut().filter(|answer| answer.is_ok()) {
                    *answer = Err(poison.clone());
                }
                self.poison = Some(poison);
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

    /// Appends and syncs, where the file is as this process left it.
    fn put(&mut self, bytes: &[u8]) -> Result<(), JournalError> {
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
