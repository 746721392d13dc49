//! The state file: records, append, replay, seal, lock.
//!
//! The words: a *set* is a change that is written and proved, a *removal* is a set that deletes, a
//! *launch* starts a long operation at a service, and a *seal* closes a list of captures.
//!
//! One append-only JSON Lines file is the only record of a run. It can be read with `less` and
//! `jq`. Deletion, reordering, splicing and a second writer are detected. Acknowledged records
//! survive a killed process and a loss of power, with one exception:
//!
//! The end of a set (`done`) is acknowledged when it is written, and becomes durable with the next
//! record that must be: an intent of the next sets, and at the latest the end of the pass. So a loss
//! of power can take the ends of the last few sets, never an intent, a launch or a
//! removal. Such a set is then in doubt, as after a crash between its request and its end: the next
//! survey reads it again, and finds it done or still to do. Nothing decides from a record that is not
//! durable: [`Journal::state`] does not contain it yet.
//!
//! ```text
//!   begin, resume (opening) ── Lock ── other processes
//!        │
//!     Journal (handle) ─── append, seal, close ──▶ Writer (writer): one thread, one sync per group
//!        │                                             │ numbers and links lines: Chain (line)
//!      State (state) ◀── the one fold (fold) ──────────┤ and calls the fold before it writes
//!                              ▲                       ▼
//!      read, check, cut ── replay (replay) ◀────── the file (file)
//! ```
//!
//! - `record`, `payload`: the content of a line. A record of an unknown kind stops a run;
//!   [`read_state_file`] keeps it.
//! - `line`: encodes and decodes one line; the checksum comes last and is compared as text.
//! - `state`, `fold` (with `fold/`): the state after a list of records. One function decides which
//!   record may follow which, live and on replay. `shared_map`: the changes by key, cheap to clone.
//!   `work`: how long processes worked, by the program's clock. `change_times`: how long changes
//!   took.
//! - `opening`: begins a file, or locks, verifies and opens an existing one.
//! - `handle`: through which other modules append records and read the state.
//! - `replay`: reads and verifies; distinguishes a torn end (a write that did not finish) from
//!   damage.
//! - `writer`: the one thread that writes. After a failed write or sync it writes nothing more. If
//!   the run has a remote state, it also appends to that before it acknowledges a durable record.
//! - `seal`: captures that are closed, read back from a new handle and copied to a read-only file.
//! - `sealed_row`: the rows of a seal, whose texts stay in the file and are read when needed.
//! - `poison`: the first failed write, and the runs that it halts.
//! - `seal_backups`: compares the read-only copies of seals next to the file with the file.
//! - `mark`: the newest durable record, recorded in the lock file: reveals a lost end.
//!   `lost_records`: whether a file lacks records, by its mark and the copies of its seals.
//! - `lock`, `lock_holder`, `file`: who holds the file, who may read it, and what must be synced
//!   with it.
//! - `hiding`: removes secret values from free texts before they are recorded.
//! - `inspect`: `read_state_file`, `read_records`, `check` and `cut`, for when no run holds the file.
//! - `error`: what can go wrong, with remedies for the user.
//! - `testing`: what the tests of this module and of others use.

mod change_times;
mod error;
mod file;
mod fold;
mod handle;
mod hiding;
mod inspect;
mod line;
mod lock;
mod lock_holder;
mod lost_records;
mod mark;
mod opening;
mod payload;
mod poison;
mod record;
mod replay;
mod seal;
mod seal_backups;
mod sealed_row;
mod shared_map;
mod state;
#[cfg(test)]
pub(crate) mod testing;
mod work;
mod writer;

pub use change_times::ChangeTime;
pub use error::{IllegalTransition, JournalError};
pub use handle::Journal;
pub use inspect::{CutSummary, StateFileContents, check, cut, read_records, read_state_file};
pub use lock::{Lock, Occupancy};
pub use lock_holder::LockHolder;
pub use lost_records::LostRecords;
pub use opening::{
    LockedStateFile, OpenStateFile, ResumeOptions, begin, begin_with_copy, exists,
    left_open_elsewhere, lock_state_file, lock_state_file_with, parse_copy, refresh_from_copy,
    resume,
};
pub use payload::{
    Abandoned, Began, Captured, ChangeKind, Closed, Completed, Confirmed, Cut, Done, Ended, Failed,
    Finished, Hindrance, HumanEditDetected, Intent, LaunchOutcome, Launched, Noted, Opened,
    OverwriteConfirmed, PhaseBegan, PhaseEnded, Pinned, PinnedTarget, Planned, Reopened,
    RepairBegan, Repinned, RunbookChanged, SealVerified, Sealed, SealedRefresh, StepBegan,
    StepEnded, StepForecast, StepOutcome, Takeover, TimeSource, Verified, Waiting,
};
pub use record::{Entry, FORMAT, Record, RunId};
pub use replay::{Damage, TornRecord};
pub use seal::{RowToSeal, SealBackup, SealSummary, read_copy};
pub use sealed_row::{ParseCache, ParsedCaptures, SealedRow, fits, parse_capture};
pub use shared_map::SharedMap;
pub use state::{
    ChangeCounts, ChangeState, EditState, LaunchState, Manifest, Moment, PhaseState, ProvedThing,
    ReopenedBy, SealState, Stamped, State, StepReopening, StepState, TaskState,
};
pub use work::WorkTimes;
