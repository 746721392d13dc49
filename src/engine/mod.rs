//! The engine: survey, change, verify. It knows no service.
//!
//! A [`Step`] is an ordered list of [`Phase`]s. The [`executor`](Executor) takes each phase to its
//! fixpoint: survey, apply the [`Change`]s found, survey again, until none is left or the attempts
//! are used. So a dry run is a printed survey ([`Plan`]), a resume is a survey that finds less to
//! do, and a finished phase is a survey that finds nothing.
//!
//! ```text
//! step.rs         Step, Phase, Survey, CaptureSource, Barrier: what a step consists of
//! change.rs       Change, and the traits of its kinds: Set, Launch; a removal is a set of "gone"
//! journal_view.rs what the journal knows, for a survey
//! listing.rs      what a capture source listed
//! plan.rs         the plan: every phase surveyed, nothing applied
//! executor.rs     the run: every step, every phase
//! run_progress.rs what failed so far, and which steps do not begin because of it
//! capture_phase.rs change_phase.rs pass.rs pass_queue.rs manual_task.rs
//!                 its parts: a capture, a phase to its fixpoint, one pass and the changes that it
//!                 has not begun, what a person does
//! intents.rs      the intents of sets, written a group at a time
//! edits.rs        protects what a person wrote during the run
//! apply/          one module for each kind of change: set (and remove), launch
//! context.rs      what all of these share: journal, clock, cancellation, events
//! event.rs        events for reports
//! spans.rs        the spans of steps, phases and changes, for a trace
//! failure.rs      what failed, where, and what to do now
//! verdict.rs      pass, fail or unknown
//! ```

mod apply;
mod capture_phase;
mod change;
mod change_phase;
mod context;
mod edits;
mod event;
mod executor;
mod failure;
mod intents;
mod journal_view;
mod listing;
mod manual_task;
mod pass;
mod pass_queue;
mod plan;
mod run_progress;
mod spans;
mod step;
#[cfg(test)]
mod tests;
mod verdict;

/// The records from which a test of `domain` makes a state.
#[cfg(test)]
pub(crate) use crate::journal as records;
pub use change::{
    Action, Change, Found, Launch, ManualTask, Progress, Proof, Reading, Repeat, Set, Started,
    TargetComparison, WriteError, Written,
};
pub use context::{Context, EventSink};
pub use event::{Event, EventKind, Listener, StepLine, StepTotal};
pub use executor::{Executor, Outcome};
pub use failure::{Failure, FailureItem, FailureKind, Location, RunbookPlace, Scope};
pub use journal_view::{DerivedFromSeal, JournalView, Maker};
pub use listing::Listing;
pub use manual_task::{Worksheet, completed, done_by_hand, unreadable_evidence, with_link};
pub use plan::{Plan, PlannedChange, PlannedStep};
pub use step::{Barrier, CaptureSource, ListedRow, Needs, Overlap, Phase, Step, Survey, Work};
pub use verdict::Verdict;
