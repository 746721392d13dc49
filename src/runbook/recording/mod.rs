//! A browser's recording of one click becomes an entry of `iom.requests`, for a person to check and
//! confirm.
//!
//! ```text
//! HAR ── har ──> Recorded ── draft ──> Draft ── entry ──> text of a runbook
//! ```
//!
//! - `har`: the writes below the Dataverse Web API root, those inside a batch too. Nothing else of
//!   a recording is kept: it holds cookies, tokens and hosts.
//! - `draft`: ids and values that differ for each row become placeholders, if they can be
//!   recognised; any other recorded text is left out, because it may be a secret.
//! - `guess`: which request a write is, by its table and its method.
//! - `texts`: what a recorded text is: an id, the address of a row, an owner.
//! - `entry`: the drafts as text of a runbook, with what was replaced and what is still invalid.

mod draft;
mod entry;
mod guess;
mod har;
#[cfg(test)]
mod tests;
mod texts;

pub use draft::{Draft, Replaced};
pub use entry::format_entries;
pub use har::{Recorded, RecordingError, read_writes};
