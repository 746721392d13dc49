//! Checks: read-only, each answered pass, fail or unknown, with what was found and what
//! to do. Reading is separate from judging, so that a unit test can judge rows.
//!
//! ```text
//! check.rs        a question, and how what was read becomes its result
//! check_result.rs the result: its verdict, what was found, and what to do
//! table_reads.rs  rows read once for many checks; a read that failed is kept
//! text_scan.rs    a last scan of rows that no check knows
//! finance_reachable.rs
//!                 does Finance and Operations answer? Used by preflight and verify
//! open_checks.rs  checks that preflight could not answer, repeated before the step that needs them
//! preflight/      could a run succeed? before the copy, of both environments
//! verify/         is order management usable now? of the target
//! ```

mod check;
mod check_result;
mod finance_reachable;
mod open_checks;
mod preflight;
mod table_reads;
mod text_scan;
mod verify;

pub use crate::domain::verdict::Verdict;
pub use check_result::CheckResult;
pub(crate) use open_checks::open_checks_phase;
pub use preflight::{preflight, repeated_by};
pub use verify::{step_to_repair, verify};
