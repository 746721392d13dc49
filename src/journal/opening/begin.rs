//! Creates the state file of a new run.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::{OpenStateFile, exists, this_process};
use crate::base::clock::Clock;
use crate::base::remote_state::RemoteState;
use crate::journal::error::JournalError;
use crate::journal::file;
use crate::journal::handle::Journal;
use crate::journal::line::Chain;
use crate::journal::lock::Lock;
use crate::journal::mark::Mark;
use crate::journal::payload::Began;
use crate::journal::record::{FORMAT, Record, RunId};
use crate::journal::state::State;
use crate::journal::writer::Writer;

/// Begins a run: creates the state file, private and locked, with `began` and `opened` durable in
/// it. Fails with [`JournalError::AlreadyExists`] if there is a file, and with
/// [`JournalError::Locked`] if another process creates it at the same time.
///
/// The format is always [`FORMAT`], not that of `began`. The file appears with both records in it
/// or not at all, so a killed process leaves no empty file.
pub fn begin(path: &Path, clock: Clock, began: Began) -> Result<OpenStateFile, JournalError> {
    begin_with_copy(path, clock, began, None)
}

/// As [`begin`], with a remote state that gets every record. The remote state must be empty.
pub fn begin_with_copy(
    path: &Path,
    clock: Clock,
    began: Began,
    copy: Option<Arc<dyn RemoteState>>,
) -> Result<OpenStateFile, JournalError> {
    let lock = Lock::acquire(path, clock.time_of_day())?;
    begin_locked(path, lock, clock, began, copy)
}

/// Begins a run under a lock that this process already holds.
pub(super) fn begin_locked(
    path: &Path,
    lock: Lock,
    clock: Clock,
    began: Began,
    copy: Option<Arc<dyn RemoteState>>,
) -> Result<OpenStateFile, JournalError> {
    file::refuse_link(path)?;
    if !exists(path) {
        // The mark belongs to an earlier run at this path. A process that is killed between the new
        // file and its first mark must not leave the two together.
        lock.clear_mark()
            .map_err(JournalError::io("writing the lock file of", path))?;
    }
    let (chain, state, lines) = first_records(path, &clock, began)?;
    match file::create_atomically(path, lines.as_bytes(), file::Access::ReadWrite) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return Err(JournalError::AlreadyExists {
                path: path.to_owned(),
            });
        }
        Err(error) => return Err(JournalError::io("creating the state file", path)(error)),
    }
    if let Some(copy) = &copy {
        copy.append(0, lines.as_bytes())
            .map_err(|error| JournalError::remote_state(copy.as_ref(), error))?;
    }
    lock.write_mark(&Mark::of(&chain), true)
        .map_err(JournalError::io("writing the lock file of", path))?;
    let file = file::open_private(path, lock.owner())?;
    let length = lines.len() as u64;
    let writer = Writer::of_file(path, (file, &lock), clock, chain, length, state);
    let writer = writer.with_copy(copy);
    Ok(OpenStateFile {
        journal: Journal::start(path, writer, lock.clone())?,
        resumed: false,
        repair: None,
        warnings: Vec::new(),
        lock,
    })
}

/// The lines of `began` and `opened`, with the end of their chain and the state after them.
fn first_records(
    path: &Path,
    clock: &Clock,
    began: Began,
) -> Result<(Chain, State, String), JournalError> {
    let began = Began {
        format: FORMAT,
        ..began
    };
    let illegal = |transition| JournalError::Illegal {
        path: path.to_owned(),
        transition,
    };
    let unwritable =
        |why: String| JournalError::io("writing the first record of", path)(io::Error::other(why));
    let time = clock.time_of_day();
    let run = RunId::new(time);
    let mut chain = Chain::new(run);
    let (first, mut lines) = chain.link(time, Record::from(began)).map_err(unwritable)?;
    let mut state = State::first(run, &first).map_err(illegal)?;
    let (second, line) = chain
        .link(time, Record::from(this_process()))
        .map_err(unwritable)?;
    state.next(&second).map_err(illegal)?;
    lines.push_str(&line);
    Ok((chain, state, lines))
}
