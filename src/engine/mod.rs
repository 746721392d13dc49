//! The engine: survey, change, verify. It knows no service.
//!
//! A [`Step`] is an ordered list of [`Phase`]s. The [`executor`](Executor) takes each phase to its
//! fixpoint: survey, apply the [`Change`]s found, survey again, until none is left or the attempts
//! are spent. So a dry run is a survey that is printed ([`Plan`]), a resume is a survey that finds
//! less to do, and a finished phase is a survey that finds nothing.
//!
//! ```text
//! step.rs      Step, Phase, Survey, Capture, Barrier: what a step is made of
//! change.rs    Change, and the traits of its kinds: Set, Launch; remove is a set of "gone"
//! known.rs     what the journal knows, as a survey sees it
//! plan.rs      the plan: every phase surveyed, nothing applied
//! executor.rs  the run: every step, every phase
//! capturing.rs converging.rs manual.rs applying.rs
//!              its parts: a capture, a phase to its fixpoint, what a person does, one pass
//! edits.rs     what a person wrote meanwhile is not overwritten
//! apply/       one file a kind of change: set (and remove), launch
//! context.rs   what all of these carry: journal, clock, cancellation, events
//! event.rs     what a reporter hears
//! failure.rs   what went wrong, for whom, and what to do now
//! ```

mod apply;
mod applying;
mod capturing;
mod change;
mod context;
mod converging;
mod edits;
mod event;
mod executor;
mod failure;
mod known;
mod manual;
mod plan;
mod step;
#[cfg(test)]
mod tests;

pub use change::{
    Action, Ask, Change, Found, Launch, Progress, Reading, Repeat, Set, Started, Trace, Verdict,
    WriteError, Written,
};
pub use context::{Context, Narrator};
pub use event::{Event, EventKind, Listener, StepLine};
pub use executor::{Executor, Outcome};
pub use failure::{Failure, FailureKind, Mark, Scope};
pub use known::{Known, Maker};
pub use manual::{Worksheet, done_by_hand, proved, unreadable_evidence};
pub use plan::{Plan, PlannedChange, PlannedStep};
pub use step::{Barrier, Capture, Captured, Phase, Step, Survey, Work};
