//! A browser's recording of one click becomes an entry of `iom.requests`, for a person to look at
//! and confirm.
//!
//! ```text
//! HAR ── har ──> Recorded ── draft ──> Draft ── entry ──> text of a runbook
//! ```
//!
//! - `har`: the writes below the Dataverse Web API root, those inside a batch too. Nothing else of a
//!   recording is kept: it holds cookies, tokens and hosts.
//! - `draft`: ids and values that are another row's next time become placeholders, where it can be
//!   told which is which.
//! - `entry`: the drafts as text of a runbook, with what was replaced and what is not right yet.

mod draft;
mod entry;
mod har;
#[cfg(test)]
mod tests;

pub use draft::{Draft, Replaced};
pub use entry::entries;
pub use har::{Recorded, RecordingError, writes};
