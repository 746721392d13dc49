//! The one writer: a thread that writes and syncs the queued records, one group at a time.
//!
//! While one group is synced, the next one queues, so many workers share a sync, and a single
//! worker waits for one sync for each record. Nothing is acknowledged, and no state is shared,
//! before it is durable. After a failed write or sync the journal is poisoned: Linux may mark the
//! lost pages clean, so that the next sync of the same file would succeed without them.
//!
//! - `storage`: where the bytes go.

mod storage;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::{self, JoinHandle};

use tokio::sync::oneshot;

use crate::base::clock::Clock;
use crate::base::elsewhere::CopyElsewhere;

use super::error::{IllegalTransition, JournalError};
use super::line::Chain;
use super::lock::Lock;
use super::mark::{self, Mark};
use super::poison::Poison;
use super::record::Record;
use super::sealed_row::{CaptureFile, Span};
use super::state::State;

use storage::StateFile;
pub(super) use storage::Storage;

/// The most requests in one group, so that the first of them does not wait for long.
const GROUP: usize = 1024;

/// The state after the last acknowledged record, shared with every reader.
#[derive(Debug)]
pub(super) struct SharedState(RwLock<Arc<State>>);

impl SharedState {
    pub(super) fn get(&self) -> Arc<State> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn set(&self, state: State) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(state);
    }
}

/// Records to write together and in this order, and the channel for the result.
pub(super) struct Request {
    pub(super) records: Vec<Record>,
    pub(super) answer: oneshot::Sender<Result<(), JournalError>>,
}

/// Writes groups of records, on the thread that calls it; [`start`](Self::start) gives it its own
/// thread.
pub(super) struct Writer {
    path: PathBuf,
    storage: Box<dyn Storage>,
    clock: Clock,
    chain: Chain,
    /// The length of the file after this process's last write.
    length: u64,
    shared: Arc<SharedState>,
    /// The first failure, which is the result of every later write.
    poison: Arc<Poison>,
    /// The copy that gets every record before it is acknowledged.
    elsewhere: Option<Arc<dyn CopyElsewhere>>,
}

impl Writer {
    /// A writer of an opened and locked state file, which continues after `chain`, at `length`
    /// bytes, from `state`.
    pub(super) fn of_file(
        path: &Path,
        (file, lock): (File, &Lock),
        clock: Clock,
        chain: Chain,
        length: u64,
        mut state: State,
    ) -> Self {
        if !state.file.is_open() {
            state.file = CaptureFile::open(path);
        }
        let storage = StateFile {
            file,
            path: path.to_owned(),
            lock: lock.clone(),
        };
        Self::new(path, Box::new(storage), clock, chain, length, state)
    }

    /// A writer that continues after `chain`, at `length` bytes, from `state`.
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
            shared: Arc::new(SharedState(RwLock::new(Arc::new(state)))),
            poison: Arc::default(),
            elsewhere: None,
        }
    }

    /// The same with a copy elsewhere, which has what the file has. If its lease is lost, the
    /// journal fails at once, before anybody relies on a record that the copy does not get.
    pub(super) fn with_copy(mut self, copy: Option<Arc<dyn CopyElsewhere>>) -> Self {
        if let Some(copy) = &copy {
            let poison = self.poison();
            let place = copy.place().to_owned();
            copy.when_lost(Box::new(move |error| {
                drop(poison.set(JournalError::Elsewhere { place, error }));
            }));
        }
        self.elsewhere = copy;
        self
    }

    /// The state after the last acknowledged record, kept up to date.
    pub(super) fn shared(&self) -> Arc<SharedState> {
        Arc::clone(&self.shared)
    }

    /// The copy elsewhere, if there is one.
    pub(super) fn copy(&self) -> Option<Arc<dyn CopyElsewhere>> {
        self.elsewhere.clone()
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

    /// Writes the records of several requests with one sync, and returns the result of each. The
    /// records of one request stay together; if one of them is not allowed, none of that request is
    /// written.
    fn commit(&mut self, requests: Vec<Vec<Record>>) -> Vec<Result<(), JournalError>> {
        if let Some(poison) = self.poison.first_failure() {
            return requests.iter().map(|_| Err(poison.clone())).collect();
        }
        let is_milestone = requests.iter().flatten().any(mark::is_milestone);
        let mut state = State::clone(&self.shared.get());
        let mut chain = self.chain;
        let mut bytes = String::new();
        let mut answers: Vec<_> = requests
            .into_iter()
            .map(|records| self.stage(records, &mut state, &mut chain, &mut bytes))
            .collect();
        if bytes.is_empty() {
            return answers;
        }
        match self.append_and_sync(bytes.as_bytes(), &Mark::of(&chain), is_milestone) {
            Ok(()) => {
                self.chain = chain;
                self.shared.set(state);
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

    /// Adds the lines of one request to `bytes`, or changes nothing.
    fn stage(
        &self,
        records: Vec<Record>,
        state: &mut State,
        chain: &mut Chain,
        bytes: &mut String,
    ) -> Result<(), JournalError> {
        // A refused record changes nothing; only after several is there something to undo.
        let before = (records.len() > 1).then(|| state.clone());
        let (chain_before, bytes_before) = (*chain, bytes.len());
        for record in records {
            if let Err(transition) = self.stage_record(record, state, chain, bytes) {
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

    fn stage_record(
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
            return Err(refused(
                "a record of an unknown kind is never written".into(),
            ));
        }
        let (entry, line) = chain
            .link(self.clock.time_of_day(), record)
            .map_err(|why| refused(format!("it could not be read back: {why}")))?;
        let start = self.length + bytes.len() as u64;
        state.next_line(&entry, Some(Span::new(start, line.len())))?;
        bytes.push_str(&line);
        Ok(())
    }

    /// Appends and syncs, if the file is as this process left it, then appends to the copy
    /// elsewhere, and then records the mark. A mark that came first could name a record that the
    /// file or the copy does not contain.
    fn append_and_sync(
        &mut self,
        bytes: &[u8],
        mark: &Mark,
        durably: bool,
    ) -> Result<(), JournalError> {
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
        if let Some(copy) = &self.elsewhere {
            copy.append(self.length, bytes)
                .map_err(|error| JournalError::elsewhere(copy.as_ref(), error))?;
        }
        self.storage.write_mark(mark, durably).map_err(poisoned)?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Starts the writer's thread. It ends when every sender is dropped, and releases `lock` only
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

    /// Serves requests until every sender is dropped.
    fn serve(&mut self, receiver: &Receiver<Request>) {
        while let Ok(first) = receiver.recv() {
            let group = std::iter::once(first).chain(receiver.try_iter().take(GROUP - 1));
            let (records, waiting): (Vec<_>, Vec<_>) = group
                .map(|request| (request.records, request.answer))
                .unzip();
            for (answer, waiter) in self.commit(records).into_iter().zip(waiting) {
                // A caller that no longer waits was cancelled; the record is written anyway.
                drop(waiter.send(answer));
            }
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if thread::panicking() {
            // Nothing more is recorded, as after a failed write.
            let path = self.path.clone();
            drop(self.poison.set(JournalError::WriterStopped { path }));
        }
    }
}
