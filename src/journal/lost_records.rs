//! Does a state file lack records that its run has written? What such a file shows may be out of
//! date, and `run` and `complete` refuse it.

use std::path::Path;

use super::error::JournalError;
use super::line::Chain;
use super::mark::Mark;
use super::replay::Replay;
use super::seal_backups;
use super::state::State;
use crate::base::shell::quote_argument;

/// What a command that only reads says of a state file that lacks records of its run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostRecords {
    evidence: String,
    check: String,
}

impl LostRecords {
    /// For a file with this evidence; `None` without any.
    pub(super) fn of(path: &Path, evidence: &[JournalError]) -> Option<Self> {
        let evidence = evidence.first()?.to_string();
        let path = path.display().to_string();
        Some(Self {
            evidence,
            check: format!("iomcopy state check {}", quote_argument(&path)),
        })
    }

    /// What is missing, and what that means for what is shown; without `warning:`.
    #[must_use]
    pub fn message(&self) -> String {
        format!("{}. What is shown here may be out of date", self.evidence)
    }

    /// The command that shows what is missing and what to do. To continue the run is refused.
    #[must_use]
    pub fn check(&self) -> &str {
        &self.check
    }
}

/// The evidence that a file without damage lacks records: its mark, which the caller has read
/// before the file, and the copies of its seals. A run that writes at the same time is then not
/// taken for a loss. Fails if the folder cannot be listed.
pub(super) fn find(
    path: &Path,
    mark: Option<&Mark>,
    (state, chain): (&State, &Chain),
    replay: &Replay,
) -> Result<Vec<JournalError>, JournalError> {
    let mut found = Vec::new();
    if let Some(Err(error)) = mark.map(|mark| mark.require(path, chain, replay)) {
        found.push(error);
    }
    let ahead = seal_backups::find_newer_backups(path, state, chain, replay)?;
    if !ahead.is_empty() {
        found.push(seal_backups::newer_backups_error(path, &ahead));
    }
    Ok(found)
}
