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
//! note.rs         what the user should know and what stops nothing
//! plan.rs         the plan: every phase surveyed, nothing applied
//! executor.rs     the run: every step, every phase
//! run_progress.rs what failed so far, and which steps do not begin because of it
//! capture_phase.rs
//!                 a phase that captures and seals
//! change_phase.rs a phase of changes, pass after pass to its fixpoint
//! pass.rs         one pass: applies the changes that one survey found
//! pass_queue.rs   the changes of a pass that have not begun
//! manual_task.rs  changes that a person makes: hands them out, reads the evidence
//! waiver.rs       failures that a waived manual task may have caused
//! survey_worksheet.rs
//!                 the worksheet of what a survey found, before it is handed out
//! worksheet.rs    what is left of a worksheet that was handed out
//! intents.rs      the intents of sets, written a group at a time
//! edits.rs        protects what a person wrote during the run
//! apply/          one module for each kind of change: set (and remove), launch
//! context.rs      what all of these share: journal, clock, cancellation, events
//! event.rs        events for reports
//! spans.rs        the spans of steps, phases and changes, for a trace
//! failure.rs      what failed, where, and what to do now
//! causes.rs       several failures as text: each cause once, with the changes that share it
//! verdict.rs      pass, fail or unknown
//! ```

mod apply;
mod capture_phase;
mod causes;
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
mod note;
mod pass;
mod pass_queue;
mod plan;
mod run_progress;
mod spans;
mod step;
mod survey_worksheet;
#[cfg(test)]
mod tests;
mod verdict;
mod waiver;
mod worksheet;

/// The records from which a test of `domain` makes a state.
#[cfg(test)]
pub(crate) use crate::journal as records;
pub use causes::{Cause, FailedChange, causes};
pub use change::{
    Action, Change, Found, Launch, ManualTask, Progress, Proof, Reading, Repeat, Set, Started,
    TargetComparison, WriteError, Written,
};
pub use context::{Context, EventSink};
pub use event::{Event, EventKind, Listener, StepLine, StepTotal};
pub use executor::{Executor, Outcome};
pub use failure::{Failure, FailureItem, FailureKind, FailureScope, Location, RunbookPlace};
pub use journal_view::{DerivedFromSeal, JournalView, Maker};
pub use listing::Listing;
pub use manual_task::{
    complete_command, completed, done_by_hand, hand_out_records, unreadable_evidence,
};
pub use note::Note;
pub use plan::{Plan, PlannedChange, PlannedStep};
pub use step::{Barrier, CaptureSource, ListedRow, Needs, Overlap, Phase, Step, Survey, Work};
pub use survey_worksheet::{Worksheet, with_link};
pub use verdict::{CheckLevel, Verdict};
pub use worksheet::{OpenWorksheet, Thing, ThingState, WorksheetThing, things};
