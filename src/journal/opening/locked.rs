//! An existing state file: locked and verified first, then opened to write.
//!
//! The two are separate because a command may be refused after it has read the file: then the file
//! keeps every byte.

use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;

use super::begin::begin_locked;
use super::{OpenStateFile, exists, remote_state, this_process};
use crate::base::clock::Clock;
use crate::base::platform;
use crate::base::remote_state::RemoteState;
use crate::journal::error::JournalError;
use crate::journal::file;
use crate::journal::handle::Journal;
use crate::journal::line::Chain;
use crate::journal::lock::Lock;
use crate::journal::payload::{Began, Cut, Opened, Takeover};
use crate::journal::record::Record;
use crate::journal::replay::{self, Entries, TornRecord};
use crate::journal::seal_backups::{self, BackupProblem, BackupProblemKind};
use crate::journal::state::{Stamped, State};
use crate::journal::writer::Writer;

/// What the user has decided about a file that is resumed.
#[derive(Clone, Copy, Debug, Default)]
pub struct ResumeOptions<'a> {
    /// Continue a file that another machine left open.
    pub takeover: bool,
    /// The copies of seals that are put into the file next, because it has lost them.
    pub backups: &'a [PathBuf],
    /// The remote state of the file, whose lease this process has.
    pub remote_state: Option<&'a Arc<dyn RemoteState>>,
}

/// A state file that this process has locked and verified, and has not written.
///
/// A command that is refused drops it. A command that continues opens it.
#[derive(Debug)]
pub struct LockedStateFile {
    path: PathBuf,
    lock: Lock,
    file: File,
    /// The file's length in bytes, with a torn end.
    length: u64,
    torn: Option<TornRecord>,
    chain: Chain,
    state: Arc<State>,
    problems: Vec<BackupProblem>,
    remote_state: Option<Arc<dyn RemoteState>>,
    /// The notes of the synchronization of the file and its copy, for the user.
    notes: Vec<String>,
}

/// Resumes a run: [`lock_state_file`], then [`LockedStateFile::open`].
pub fn resume(path: &Path, clock: Clock, takeover: bool) -> Result<OpenStateFile, JournalError> {
    lock_state_file(path, clock.time_of_day(), takeover)?.open(clock)
}

/// Takes the lock of a state file at `time` and verifies every line, without writing anything.
///
/// Without `takeover` it fails with [`JournalError::OtherMachine`] if the last process ran on
/// another machine and did not close the file. It also refuses damage, a newer format, records of
/// unknown kinds, and a file that lacks records or seals of its run ([`JournalError::Older`]).
pub fn lock_state_file(
    path: &Path,
    time: Timestamp,
    takeover: bool,
) -> Result<LockedStateFile, JournalError> {
    let options = ResumeOptions {
        takeover,
        ..ResumeOptions::default()
    };
    lock_state_file_with(path, time, options)
}

/// As [`lock_state_file`], with everything that the user may decide. With a remote state,
/// the two are made equal first, and `takeover` is not needed: the copy's lease shows that no other
/// machine writes.
pub fn lock_state_file_with(
    path: &Path,
    time: Timestamp,
    options: ResumeOptions<'_>,
) -> Result<LockedStateFile, JournalError> {
    let not_found = || JournalError::NotFound {
        path: path.to_owned(),
    };
    if options.remote_state.is_none() && !exists(path) {
        // Checked first, so that no lock file is left behind.
        return Err(not_found());
    }
    let lock = Lock::acquire(path, time)?;
    let mut notes = Vec::new();
    if let Some(copy) = options.remote_state {
        notes = remote_state::synchronize(path, &lock, copy.as_ref())?;
        if !exists(path) {
            return Err(not_found());
        }
    }
    let mut locked = verify(path, lock, options)?;
    locked.remote_state = options.remote_state.cloned();
    locked.notes = notes;
    Ok(locked)
}

/// Verifies every line of a state file whose lock this process has.
fn verify(
    path: &Path,
    lock: Lock,
    ResumeOptions {
        takeover,
        backups,
        remote_state,
    }: ResumeOptions<'_>,
) -> Result<LockedStateFile, JournalError> {
    let file = file::open_private(path, lock.owner())?;
    let replay = replay::replay_file(path, &file, Entries::None)
        .map_err(JournalError::io("reading the state file", path))?;
    let (state, chain) = replay.require_writable(path)?;
    if let Some(opened) = left_open_elsewhere(state)
        && !takeover
        && remote_state.is_none()
    {
        return Err(JournalError::OtherMachine {
            path: path.to_owned(),
            host: opened.host.clone(),
            pid: opened.pid,
            since: opened.time,
        });
    }
    if let Some(mark) = lock.mark() {
        mark.require(path, &chain, &replay)?;
    }
    let given: Vec<_> = backups.iter().flat_map(fs::canonicalize).collect();
    let mut newer = seal_backups::find_newer_backups(path, state, &chain, &replay)?;
    newer.retain(|newer| !fs::canonicalize(&newer.copy).is_ok_and(|copy| given.contains(&copy)));
    if !newer.is_empty() {
        return Err(seal_backups::newer_backups_error(path, &newer));
    }
    let problems = seal_backups::find_problems(path, state);
    let (state, torn) = (Arc::new(state.clone()), replay.torn);
    Ok(LockedStateFile {
        path: path.to_owned(),
        lock,
        file,
        length: replay.length,
        torn,
        chain,
        state,
        problems,
        remote_state: None,
        notes: Vec::new(),
    })
}

/// The last process that opened the file, if it ran on another machine and did not close the file.
pub fn left_open_elsewhere(state: &State) -> Option<&Stamped<Opened>> {
    let last = state.opened.as_ref().filter(|_| state.is_open());
    last.filter(|opened| opened.host != platform::host_name())
}

impl LockedStateFile {
    /// The state after the file's last record.
    pub fn state(&self) -> Arc<State> {
        Arc::clone(&self.state)
    }

    /// Continues the run: cuts off a torn end (and keeps it in `<file>.torn-<n>`), and writes
    /// `opened`, with `cut` and `takeover` if they apply. Before it, writes missing copies of seals
    /// again, unless the run has finished.
    pub fn open(self, clock: Clock) -> Result<OpenStateFile, JournalError> {
        let Self {
            path,
            lock,
            file,
            length,
            torn,
            chain,
            state,
            problems,
            remote_state,
            notes,
        } = self;
        let mut warnings = notes;
        for problem in problems {
            let is_missing = problem.kind == BackupProblemKind::Missing;
            if is_missing && (remote_state.is_some() || state.finished.is_none()) {
                let restored = seal_backups::restore_backup(&path, &problem)?;
                // On another machine than the one that sealed, every copy is missing.
                warnings.extend(Some(restored).filter(|_| remote_state.is_none()));
            } else {
                warnings.push(format!("{}; {}", problem.message(), problem.help()));
            }
        }
        let repair = torn.map(|torn| cut_torn(&path, &file, torn)).transpose()?;
        let foreign = left_open_elsewhere(&state);
        let mut records = vec![Record::from(this_process())];
        records.extend(repair.clone().map(Record::from));
        records.extend(foreign.map(|opened| Takeover::of(opened, opened.time).into()));
        let length = repair.as_ref().map_or(length, |cut| cut.at);
        let state = State::clone(&state);
        let writer = Writer::of_file(&path, (file, &lock), clock, chain, length, state);
        let mut writer = writer.with_copy(remote_state);
        writer.write(records)?;
        Ok(OpenStateFile {
            journal: Journal::start(&path, writer, lock.clone())?,
            resumed: true,
            repair,
            warnings,
            lock,
        })
    }

    /// Closes the run, moves its file to `archived`, and begins a new run in its place. Holds the
    /// lock all the time, so that no other process can take the path in between.
    pub async fn replace(
        self,
        archived: &Path,
        clock: Clock,
        began: Began,
    ) -> Result<OpenStateFile, JournalError> {
        let (path, lock) = (self.path.clone(), self.lock.clone());
        let remote_state = self.remote_state.clone();
        let old = self.open(clock.clone())?;
        old.journal.close("archived", 0, None).await?;
        drop(old);
        // The name contains the run's id, and nobody else may write here: nothing is overwritten.
        fs::rename(&path, archived).map_err(JournalError::io("archiving the state file", &path))?;
        file::sync_folder(&path).map_err(JournalError::io("syncing the folder of", &path))?;
        if let Some(copy) = &remote_state {
            archive_remotely(archived, copy.as_ref())?;
        }
        begin_locked(&path, lock, clock, began, remote_state)
    }
}

/// Keeps an archived run beside the remote state too, and empties the remote state for the next run. A
/// process that is killed in between leaves the old run there, or an empty remote state and no file.
fn archive_remotely(archived: &Path, copy: &dyn RemoteState) -> Result<(), JournalError> {
    let bytes = fs::read(archived).map_err(JournalError::io("reading the state file", archived))?;
    let name = archived.file_name().unwrap_or_default().to_string_lossy();
    copy.keep(&name, &bytes)
        .and_then(|()| copy.clear())
        .map_err(|error| JournalError::remote_state(copy, error))
}

/// Saves the torn end in its own file, and only then cuts it off.
fn cut_torn(path: &Path, file: &File, torn: TornRecord) -> Result<Cut, JournalError> {
    let mut opened = file;
    let mut end = Vec::new();
    opened
        .seek(SeekFrom::Start(torn.at))
        .and_then(|_| opened.read_to_end(&mut end))
        .map_err(JournalError::io("reading the state file", path))?;
    let saved_to = file::save_aside(path, "torn", &end)?;
    file::truncate(file, path, torn.at)?;
    Ok(Cut {
        at: torn.at,
        bytes: torn.bytes,
        saved_to: saved_to.display().to_string(),
    })
}
