//! The state file on this machine and its remote state, made equal before the file is opened.
//!
//! The copy decides. A record is acknowledged only when it is in both, and it is written here
//! first, so a file that is longer than the copy ends with records that no request relied on.
//!
//! | this file                     | what is done                                       |
//! |-------------------------------|----------------------------------------------------|
//! | is missing                    | it is written from the copy                        |
//! | is the beginning of the copy  | the rest is appended to it                         |
//! | continues the copy            | the rest is appended to the copy                   |
//! | differs at its end            | it is kept beside, and written from the copy;      |
//! |                               | refused if what differs was acknowledged: then the |
//! |                               | run went on in both                                |
//! | is of another run             | kept beside if that run has finished; else refused |

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use super::exists;
use crate::base::clock::Clock;
use crate::base::files::{Access, Existing, write_atomically};
use crate::base::remote_state::RemoteState;
use crate::journal::error::JournalError;
use crate::journal::file;
use crate::journal::inspect::StateFileContents;
use crate::journal::lock::{Lock, Occupancy};
use crate::journal::mark::Mark;
use crate::journal::record::{FORMAT, RunId};
use crate::journal::replay::{self, Entries, Replay};
use crate::journal::state::State;

/// Makes the state file equal to its copy, or the copy to it. This process holds the lock of the
/// file and the lease of the copy. Returns what the user should know, one line each.
pub(super) fn synchronize(
    path: &Path,
    lock: &Lock,
    copy: &dyn RemoteState,
) -> Result<Vec<String>, JournalError> {
    file::refuse_link(path)?;
    let remote = read_copy(copy)?;
    if !exists(path) {
        if let Some((_, replay)) = &remote {
            require_mark(path, lock, replay)?;
            forget_mark_of_another_run(path, lock, replay)?;
        }
        return remote.map_or(Ok(Vec::new()), |(bytes, _)| {
            write_file(path, &bytes, Existing::Keep)?;
            Ok(vec![format!(
                "{} is written from its copy in {}",
                path.display(),
                copy.place()
            )])
        });
    }
    let opened = file::open_private(path, lock.owner())?;
    let local = file::read_all(&opened, path)?;
    let Some((remote, theirs)) = remote else {
        append_to_copy(path, copy, 0, &local)?;
        return Ok(vec![format!(
            "{} is copied to {}",
            path.display(),
            copy.place()
        )]);
    };
    if local.starts_with(&remote) {
        append_to_copy(path, copy, remote.len(), &local)?;
        return Ok(Vec::new());
    }
    if remote.starts_with(&local) {
        append_to_file(path, &opened, &remote[local.len()..])?;
        return Ok(Vec::new());
    }
    drop(opened);
    replace_file(path, lock, copy, &local, (&remote, &theirs))
}

/// The copy's content, verified, and what it consists of, without the state; `None` if it is empty.
fn read_copy(copy: &dyn RemoteState) -> Result<Option<(Vec<u8>, Replay)>, JournalError> {
    let bytes = copy
        .read()
        .map_err(|error| JournalError::remote_state(copy, error))?;
    if bytes.is_empty() {
        return Ok(None);
    }
    let place = Path::new(copy.place());
    let mut replay = replay::replay_state(place, &bytes);
    replay.require_readable(place)?;
    // It has the texts of all captures, because there is no such file.
    replay.state = None;
    Ok(Some((bytes, replay)))
}

/// Appends what the copy lacks: whole records only. A torn end is cut off later.
fn append_to_copy(
    path: &Path,
    copy: &dyn RemoteState,
    at: usize,
    local: &[u8],
) -> Result<(), JournalError> {
    if local.len() <= at {
        return Ok(());
    }
    let replay = replay::replay_state(path, local);
    replay.require_writable(path)?;
    let end = replay.ends.last().copied().unwrap_or(0);
    let end = usize::try_from(end).unwrap_or(local.len());
    if end <= at {
        return Ok(());
    }
    copy.append(at as u64, &local[at..end])
        .map_err(|error| JournalError::remote_state(copy, error))
}

fn append_to_file(path: &Path, mut opened: &File, bytes: &[u8]) -> Result<(), JournalError> {
    opened
        .write_all(bytes)
        .and_then(|()| file::sync_data(opened))
        .map_err(JournalError::io("writing the state file", path))
}

fn write_file(path: &Path, bytes: &[u8], existing: Existing) -> Result<(), JournalError> {
    write_atomically(path, bytes, Access::ReadWrite, existing)
        .map_err(JournalError::io("writing the state file", path))
}

/// Puts the copy in the place of a file that differs from it, and keeps the file beside.
fn replace_file(
    path: &Path,
    lock: &Lock,
    copy: &dyn RemoteState,
    local: &[u8],
    (remote, theirs): (&[u8], &Replay),
) -> Result<Vec<String>, JournalError> {
    let ours = replay::replay_state(path, local);
    // A damaged file stays an error, even with a good copy.
    let (state, chain) = ours.require_readable(path)?;
    if Some(chain.run) != run_of(theirs) && state.finished.is_none() {
        return Err(JournalError::AnotherRun {
            path: path.to_owned(),
            run: chain.run,
            place: copy.place().to_owned(),
        });
    }
    require_mark(path, lock, theirs)?;
    let aside = file::save_aside(path, "replaced", local)?;
    forget_mark_of_another_run(path, lock, theirs)?;
    write_file(path, remote, Existing::Replace)?;
    Ok(vec![format!(
        "{} differed from its copy in {}, which another machine has continued: it is kept as {}, \
         and written from the copy",
        path.display(),
        copy.place(),
        aside.display()
    )])
}

/// The content of a copy, for a command that shows it without a state file on this machine. Takes
/// where the copy is, its bytes, and who has its lease.
///
/// Fails if the bytes are damaged or hold no whole record.
pub fn parse_copy(
    place: &str,
    bytes: &[u8],
    occupancy: impl FnOnce(&State) -> Occupancy,
) -> Result<StateFileContents, JournalError> {
    let place = Path::new(place);
    let replay = replay::replay_bytes(place, bytes, Entries::WithoutValues);
    let state = replay.require_readable(place)?.0.clone();
    Ok(StateFileContents {
        newer_format: state.began.format > FORMAT,
        // The copy decides: it lacks nothing that was acknowledged.
        lost: None,
        occupancy: occupancy(&state),
        entries: replay.entries,
        state,
        torn: replay.torn,
    })
}

fn run_of(replay: &Replay) -> Option<RunId> {
    replay.chain.map(|chain| chain.run)
}

/// Refuses a copy that lacks a record of its run that was acknowledged on this machine.
fn require_mark(path: &Path, lock: &Lock, theirs: &Replay) -> Result<(), JournalError> {
    match (lock.mark(), theirs.chain) {
        (Some(mark), Some(chain)) if mark.run() == chain.run => mark.require(path, &chain, theirs),
        _ => Ok(()),
    }
}

/// The mark in the lock file belongs to the last run on this machine. Another machine may have
/// begun a new one since then, and then the mark says nothing about it.
fn forget_mark_of_another_run(
    path: &Path,
    lock: &Lock,
    replay: &Replay,
) -> Result<(), JournalError> {
    let is_of_another = |mark: Mark| Some(mark.run()) != run_of(replay);
    if lock.mark().is_some_and(is_of_another) {
        lock.clear_mark()
            .map_err(JournalError::io("writing the lock file of", path))?;
    }
    Ok(())
}

/// Brings the state file on this machine up to its copy, for a command that only reads. Does
/// nothing while a process on this machine holds the file, which is then the newest, and where the
/// two differ otherwise: the next run decides that.
///
/// Fails if the copy cannot be read.
pub fn refresh_from_copy(path: &Path, copy: &dyn RemoteState) -> Result<(), JournalError> {
    let Some((remote, theirs)) = read_copy(copy)? else {
        return Ok(());
    };
    let time = Clock::new(1.0).time_of_day();
    let lock = match Lock::acquire(path, time) {
        Ok(lock) => lock,
        Err(JournalError::Locked { .. }) => return Ok(()),
        Err(error) => return Err(error),
    };
    if !exists(path) {
        forget_mark_of_another_run(path, &lock, &theirs)?;
        return write_file(path, &remote, Existing::Keep);
    }
    let opened = file::open_private(path, lock.owner())?;
    let local = file::read_all(&opened, path)?;
    if remote.len() > local.len() && remote.starts_with(&local) {
        append_to_file(path, &opened, &remote[local.len()..])?;
    }
    Ok(())
}
