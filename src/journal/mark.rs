//! The mark: how far a state file reaches, recorded outside it.
//!
//! Each line of the file proves the line before it, and nothing proves the last one. So the writer
//! records the newest durable record in the lock file. The mark is written after the record, so it
//! is ahead of the file only if the file lost its end or was replaced by an older copy. A missing
//! mark proves nothing: earlier versions wrote none, and a file may be moved without it.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::error::JournalError;
use super::line::Chain;
use super::payload::{ChangeKind, Intent};
use super::record::{Record, RunId};
use super::replay::Replay;
use crate::base::text::count;

/// The newest durable record of a state file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    run: RunId,
    /// The record's number.
    last: u64,
    /// The record's checksum, as written in its line.
    checksum: String,
}

impl Mark {
    /// The mark of a file that ends with this chain.
    pub(super) fn of(chain: &Chain) -> Self {
        Self {
            run: chain.run,
            last: chain.number,
            checksum: chain.checksum.to_string(),
        }
    }

    /// The run that it belongs to.
    pub(super) fn run(&self) -> RunId {
        self.run
    }

    /// Refuses a file that has lost records which this mark names. `replay` is its replay.
    pub(super) fn require(
        &self,
        path: &Path,
        chain: &Chain,
        replay: &Replay,
    ) -> Result<(), JournalError> {
        let (last, end) = (self.last, chain.number);
        let why = if self.run != chain.run {
            format!(
                "it belongs to the run {}, and the last run at this path is {}",
                chain.run, self.run
            )
        } else if last > end {
            format!(
                "the run has written {}, and the file ends after record {end}: {}",
                count(usize::try_from(last).unwrap_or(usize::MAX), "record"),
                match last - end {
                    1 => "the last record is missing".to_owned(),
                    missing => format!("the last {missing} records are missing"),
                }
            )
        } else if line_checksum(last, replay).as_ref() != Some(&self.checksum) {
            format!(
                "its record {last} is not the one that the run wrote: an older copy of the file \
                 was continued elsewhere"
            )
        } else {
            return Ok(());
        };
        Err(JournalError::Older {
            path: path.to_owned(),
            why,
            help: format!(
                "restore the newest file; if it is lost, `iomcopy state cut {} --at {end}` \
                 accepts the loss: the run then does not know what it did after record {end}",
                path.display()
            ),
        })
    }
}

/// The checksum of a record's line, as written; none if the file has no such record.
pub(super) fn line_checksum(number: u64, replay: &Replay) -> Option<String> {
    let index = usize::try_from(number.checked_sub(1)?).ok()?;
    Some(replay.checksums.get(index)?.to_string())
}

/// Does something irreversible follow this record? Then the mark must survive a loss of power.
/// After any other record, a mark may be one group behind: the next survey finds the rest again.
pub(super) fn is_milestone(record: &Record) -> bool {
    match record {
        Record::Intent(Intent { kind, .. }) => {
            matches!(kind, ChangeKind::Launch | ChangeKind::Remove)
        }
        Record::Launched(_)
        | Record::Ended(_)
        | Record::Sealed(_)
        | Record::SealVerified(_)
        | Record::PhaseEnded(_)
        | Record::StepEnded(_)
        | Record::Confirmed(_)
        | Record::Completed(_)
        | Record::Repinned(_)
        | Record::Abandoned(_)
        | Record::Reopened(_)
        | Record::RepairBegan(_)
        | Record::Cut(_)
        | Record::Finished(_) => true,
        _ => false,
    }
}
