//! The one writer: a thread that writes and syncs the queued records, one group at a time.
//!
//! While one group is synced, the next one queues, so many workers share a sync, and a single
//! worker waits for one sync for each record. No state is shared before it is durable. A record is
//! acknowledged when it is durable, or, where its writer chose so, when it is written
//! ([`Durability`]): then the next sync makes it durable, and after a moment without another record
//! the writer syncs by itself. After a failed write or sync the journal is poisoned: Linux may mark
//! the lost pages clean, so that the next sync of the same file would succeed without them.
//!
//! - `storage`: where the bytes go.

mod storage;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::base::clock::Clock;
use crate::base::remote_state::RemoteState;

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

/// How long a record that is only written waits for another one before the writer syncs it.
const IDLE: Duration = Duration::from_secs(1);

/// A state that is shared with every reader: after the last durable record, or the last written one.
#[derive(Debug)]
pub(super) struct SharedState(RwLock<Arc<State>>);

impl SharedState {
    pub(super) fn get(&self) -> Arc<State> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn set(&self, state: Arc<State>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = state;
    }
}

/// When records are acknowledged.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Durability {
    /// When they are durable.
    Synced,
    /// When they are written: a killed process does not lose them, a loss of power may.
    Written,
}

/// Records to write together and in this order, and the channel for the result.
pub(super) struct Request {
    pub(super) records: Vec<Record>,
    pub(super) durability: Durability,
    pub(super) answer: oneshot::Sender<Result<(), JournalError>>,
}

/// Lines that are not durable yet: written since the last sync, or about to be written.
struct Unsynced {
    /// The state after them.
    state: Arc<State>,
    /// Where they begin in the file, in bytes.
    start: u64,
    lines: String,
    /// Must the mark that names them survive a loss of power?
    is_milestone: bool,
}

/// Writes groups of records, on the thread that calls it; [`start`](Self::start) gives it its own
/// thread.
pub(super) struct Writer {
    path: PathBuf,
    storage: Box<dyn Storage>,
    clock: Clock,
    /// The chain after the last written record.
    chain: Chain,
    /// The length of the file after this process's last write.
    length: u64,
    /// What was written and the next sync makes durable.
    unsynced: Option<Unsynced>,
    shared: Arc<SharedState>,
    written: Arc<SharedState>,
    /// The first failure, which is the result of every later write.
    poison: Arc<Poison>,
    /// The copy that gets every record before it is acknowledged.
    remote_state: Option<Arc<dyn RemoteState>>,
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
        let state = Arc::new(state);
        Self {
            path: path.to_owned(),
            storage,
            clock,
            chain,
            length,
            unsynced: None,
            shared: Arc::new(SharedState(RwLock::new(Arc::clone(&state)))),
            written: Arc::new(SharedState(RwLock::new(state))),
            poison: Arc::default(),
            remote_state: None,
        }
    }

    /// The same with a remote state, which has what the file has. If its lease is lost, the
    /// journal fails at once, before anybody relies on a record that the copy does not get.
    pub(super) fn with_copy(mut self, copy: Option<Arc<dyn RemoteState>>) -> Self {
        if let Some(copy) = &copy {
            let poison = self.poison();
            let place = copy.place().to_owned();
            copy.when_lost(Box::new(move |error| {
                drop(poison.set(JournalError::RemoteState { place, error }));
            }));
        }
        self.remote_state = copy;
        self
    }

    /// The state after the last durable record, kept up to date.
    pub(super) fn shared(&self) -> Arc<SharedState> {
        Arc::clone(&self.shared)
    }

    /// The state after the last written record, durable or not, kept up to date.
    pub(super) fn written(&self) -> Arc<SharedState> {
        Arc::clone(&self.written)
    }

    /// The remote state, if there is one.
    pub(super) fn copy(&self) -> Option<Arc<dyn RemoteState>> {
        self.remote_state.clone()
    }

    /// The first failure, kept up to date.
    pub(super) fn poison(&self) -> Arc<Poison> {
        Arc::clone(&self.poison)
    }

    /// Writes these records, all or none, and returns when they are durable.
    pub(super) fn write(&mut self, records: Vec<Record>) -> Result<(), JournalError> {
        let mut answers = self.commit(vec![(records, Durability::Synced)]);
        answers.pop().unwrap_or(Ok(()))
    }

    /// Writes the records of several requests, with one sync if any of them must be durable, and
    /// returns the result of each. The records of one request stay together; if one of them is not
    /// allowed, none of that request is written.
    fn commit(
        &mut self,
        requests: Vec<(Vec<Record>, Durability)>,
    ) -> Vec<Result<(), JournalError>> {
        if let Some(poison) = self.poison.first_failure() {
            return requests.iter().map(|_| Err(poison.clone())).collect();
        }
        let must_sync = requests
            .iter()
            .any(|(_, durability)| *durability == Durability::Synced);
        let mut unsynced = self.unsynced.take().unwrap_or_else(|| Unsynced {
            state: self.shared.get(),
            start: self.length,
            lines: String::new(),
            is_milestone: false,
        });
        let written = unsynced.lines.len();
        let mut chain = self.chain;
        let mut answers: Vec<_> = requests
            .into_iter()
            .map(|(records, _)| self.stage(records, &mut unsynced, &mut chain))
            .collect();
        let mut result = self.append(&unsynced.lines.as_bytes()[written..]);
        if result.is_ok() {
            self.chain = chain;
            self.written.set(Arc::clone(&unsynced.state));
            if must_sync {
                result = self.sync(unsynced);
            } else if !unsynced.lines.is_empty() {
                self.unsynced = Some(unsynced);
            }
        }
        if let Err(poison) = result {
            let poison = self.poison.set(poison);
            for answer in answers.iter_mut().filter(|answer| answer.is_ok()) {
                *answer = Err(poison.clone());
            }
        }
        answers
    }

    /// Adds the lines of one request, or changes nothing.
    fn stage(
        &self,
        records: Vec<Record>,
        unsynced: &mut Unsynced,
        chain: &mut Chain,
    ) -> Result<(), JournalError> {
        // A refused record changes nothing; only after several is there something to undo.
        let before = (records.len() > 1).then(|| Arc::clone(&unsynced.state));
        let (chain_before, length_before) = (*chain, unsynced.lines.len());
        let was_milestone = unsynced.is_milestone;
        for record in records {
            if let Err(transition) = self.stage_record(record, unsynced, chain) {
                if let Some(before) = before {
                    unsynced.state = before;
                }
                *chain = chain_before;
                unsynced.lines.truncate(length_before);
                unsynced.is_milestone = was_milestone;
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
        unsynced: &mut Unsynced,
        chain: &mut Chain,
    ) -> Result<(), IllegalTransition> {
        let kind = record.kind().to_owned();
        let number = unsynced.state.next_number;
        let refused = |why: String| IllegalTransition { number, kind, why };
        if matches!(record, Record::Unknown { .. }) {
            return Err(refused(
                "a record of an unknown kind is never written".into(),
            ));
        }
        let (entry, line) = chain
            .link(self.clock.time_of_day(), record)
            .map_err(|why| refused(format!("it could not be read back: {why}")))?;
        let start = unsynced.start + unsynced.lines.len() as u64;
        let span = Span::new(start, line.len());
        Arc::make_mut(&mut unsynced.state).next_line(&entry, Some(span))?;
        unsynced.is_milestone |= mark::is_milestone(&entry.record);
        unsynced.lines.push_str(&line);
        Ok(())
    }

    /// Appends these lines, if the file is as this process left it.
    fn append(&mut self, lines: &[u8]) -> Result<(), JournalError> {
        if lines.is_empty() {
            return Ok(());
        }
        let found = self.storage.length();
        let found = found.map_err(|cause| self.poisoned(cause))?;
        if found != self.length {
            return Err(JournalError::SecondWriter {
                path: self.path.clone(),
                expected: self.length,
                found,
            });
        }
        let appended = self.storage.append(lines);
        appended.map_err(|cause| self.poisoned(cause))?;
        self.length += lines.len() as u64;
        Ok(())
    }

    /// Syncs what was written, then appends it to the remote state, then records the mark, and
    /// then shares the state. A mark that came first could name a record that the file or the copy
    /// does not contain.
    fn sync(&mut self, written: Unsynced) -> Result<(), JournalError> {
        if written.lines.is_empty() {
            return Ok(());
        }
        let synced = self.storage.sync();
        synced.map_err(|cause| self.poisoned(cause))?;
        if let Some(copy) = &self.remote_state {
            copy.append(written.start, written.lines.as_bytes())
                .map_err(|error| JournalError::remote_state(copy.as_ref(), error))?;
        }
        let mark = Mark::of(&self.chain);
        let marked = self.storage.write_mark(&mark, written.is_milestone);
        marked.map_err(|cause| self.poisoned(cause))?;
        self.shared.set(written.state);
        Ok(())
    }

    /// Syncs what was written and nobody waits for, unless the journal has failed.
    fn sync_idle(&mut self) {
        if let Some(written) = self.unsynced.take()
            && self.poison.first_failure().is_none()
            && let Err(poison) = self.sync(written)
        {
            drop(self.poison.set(poison));
        }
    }

    fn poisoned(&self, cause: io::Error) -> JournalError {
        JournalError::Poisoned {
            path: self.path.clone(),
            cause: Arc::new(cause),
        }
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
        while let Some(first) = self.next_request(receiver) {
            let group = std::iter::once(first).chain(receiver.try_iter().take(GROUP - 1));
            let (requests, waiting): (Vec<_>, Vec<_>) = group
                .map(|request| ((request.records, request.durability), request.answer))
                .unzip();
            for (answer, waiter) in self.commit(requests).into_iter().zip(waiting) {
                // A caller that no longer waits was cancelled; the record is written anyway.
                drop(waiter.send(answer));
            }
        }
    }

    /// Waits for the next request; none once every sender is dropped. What was written and not
    /// synced is synced when no request comes for a moment, and at the end.
    fn next_request(&mut self, receiver: &Receiver<Request>) -> Option<Request> {
        if self.unsynced.is_some() {
            if let Ok(request) = receiver.recv_timeout(IDLE) {
                return Some(request);
            }
            self.sync_idle();
        }
        receiver.recv().ok()
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
