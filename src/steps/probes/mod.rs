//! Probes: read-only questions, each answered pass, fail or unknown, with what was read and what to
//! do. What is judged stands apart from what is read, so that every verdict can be tried on rows.
//!
//! ```text
//! finding.rs    a question before it is answered, and its answer
//! reading.rs    rows read once for many questions; a reading that failed is kept
//! flow.rs       what a cloud flow's definition says: triggers, references, connectors
//! dangling.rs   places of an orchestration that hold an id which is no action's
//! services.rs   what both ask of a service: is Finance and Operations there?
//! preflight/    could a run succeed? asked before the copy, of both environments
//! verify/       is order management usable now? asked of the target
//! ```

mod dangling;
mod finding;
mod flow;
mod preflight;
mod reading;
mod services;
mod verify;

pub use finding::{Finding, Verdict};
pub use preflight::preflight;
pub use verify::verify;
