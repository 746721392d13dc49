//! The state file: records, append, replay, seal, lock.
//!
//! One append-only JSON Lines file is the only truth about a run. It can be read with `less` and
//! `jq`; deletion, reordering, splicing and a second writer are seen; what has been acknowledged
//! survives a kill and a loss of power.
//!
//! ```text
//!   begin, resume (opening) ── Lock ── who else?
//!        │
//!     Journal (handle) ─── append, seal, close ──▶ Writer (writer): one thread, one sync a group
//!        │                                             │ numbers and links: Chain (line)
//!      State (state) ◀── the one fold (fold) ──────────┤ and asks the fold before it writes
//!                              ▲                       ▼
//!      read, check, cut ── replay (replay) ◀────── the file (file)
//! ```
//!
//! - `record`, `payload`: what stands in a line. A kind of record that is unknown here stops a run
//!   and is kept by [`read`].
//! - `line`: one line to bytes and back; the checksum comes last and is compared as text.
//! - `state`, `fold`: what the records add up to. One function decides which record may follow
//!   which, live and on replay. `work`: how long processes worked, by the program's clock.
//! - `opening`, `handle`: taking a file (held first, without a write; then opened), and what everyone
//!   else writes and reads by.
//! - `replay`: reads and verifies; tells a torn end (a write that did not finish) from damage.
//! - `writer`: the one thread that writes. After a failed write or sync nothing is written again.
//! - `seal`: captures closed, read back from a fresh handle and copied into a read-only file.
//! - `poison`: the first failed write, and the runs that it halts.
//! - `copies`: the copies of seals beside the file, compared with it.
//! - `mark`: the newest durable record, noted in the lock file: shows an end that was lost.
//! - `lock`, `file`: who holds the file, who may read it, and what must be synced with it.
//! - `hiding`: what a service said is recorded without known secret values.
//! - `inspect`: `read`, `check` and `cut`, for when no run holds the file.
//! - `error`: what can go wrong, in words for the person who has to act.

mod copies;
mod error;
mod file;
mod fold;
mod handle;
mod hiding;
mod inspect;
mod line;
mod lock;
mod mark;
mod opening;
mod payload;
mod poison;
mod record;
mod replay;
mod seal;
mod state;
#[cfg(test)]
mod testing;
mod work;
mod writer;

pub use error::{IllegalTransition, JournalError};
pub use handle::Journal;
pub use inspect::{CutSummary, Reading, check, cut, read};
pub use lock::{Holder, Lock, Occupancy, this_host};
pub use opening::{Held, Opening, Repair, Resume, begin, exists, hold, hold_with, resume};
pub use payload::{
    Abandoned, Began, Captured, ChangeKind, Closed, Completed, Confirmed, Cut, Done, Ended, Failed,
    Finished, HumanEditDetected, Intent, LaunchOutcome, Launched, Opened, OverwriteConfirmed,
    PhaseBegan, PhaseEnded, Pinned, PinnedTarget, Planned, Reopened, Repinned, RunbookChanged,
    SealVerified, Sealed, StepBegan, StepEnded, StepOutcome, Takeover, Verified, Waiting,
};
pub use record::{Entry, FORMAT, Record, RunId};
pub use replay::{Damage, Torn};
pub use seal::{Capture, CaptureCopy, SealSummary, read_copy};
pub use state::{
    CapturedRow, ChangeState, EditState, LaunchState, Manifest, PhaseState, Progress, SealState,
    Stamped, State, StepState, TaskState,
};
pub use work::WorkTimes;
