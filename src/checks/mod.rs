//! Probes: read-only questions, each answered pass, fail or unknown, with what was read and what to
//! do. What is judged stands apart from what is read, so that every verdict can be tried on rows.
//!
//! ```text
//! finding.rs    a question before it is answered, and its answer
//! reading.rs    rows read once for many questions; a reading that failed is kept
//! services.rs   what both ask of a service: is Finance and Operations there?
//! questions.rs  what preflight could not answer, at the head of the step that needs it
//! preflight/    could a run succeed? asked before the copy, of both environments
//! verify/       is order management usable now? asked of the target
//! ```

mod finding;
mod preflight;
mod questions;
mod reading;
mod services;
mod verify;

pub use finding::{Finding, Verdict};
pub use preflight::preflight;
pub(crate) use questions::questions;
pub use verify::verify;
