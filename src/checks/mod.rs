//! Checks: read-only questions, each answered pass, fail or unknown, with what was found and what
//! to do. Reading is separate from judging, so that a unit test can judge rows.
//!
//! ```text
//! check.rs       a check and its result
//! table_reads.rs rows read once for many checks; a read that failed is kept
//! text_scan.rs   the last look at rows that no check knows
//! services.rs    a check of both: does Finance and Operations answer?
//! questions.rs   checks that preflight could not answer, repeated before the step that needs them
//! preflight/     could a run succeed? before the copy, of both environments
//! verify/        is order management usable now? of the target
//! ```

mod check;
mod preflight;
mod questions;
mod services;
mod table_reads;
mod text_scan;
mod verify;

pub use crate::domain::verdict::Verdict;
pub use check::CheckResult;
pub use preflight::preflight;
pub(crate) use questions::questions;
pub use verify::verify;
