//! Reads a journal's bytes, verifies every line, and distinguishes a torn end from damage.
//!
//! A write that did not finish leaves bytes at the end that are not a record, with nothing valid
//! after them. That is a torn end: it was never acknowledged, and it may be cut off. An
//! invalid line with something valid after it is damage, about which nothing may be guessed.
//!
//! - `reader`: takes the lines one by one.

mod reader;
#[cfg(test)]
mod tests;

use std::path::Path;

use super::error::JournalError;
use super::line::{Chain, Checksum};
use super::record::{Entry, FORMAT};
use super::state::State;

#[cfg(test)]
pub(super) use reader::replay;
pub(super) use reader::{Entries, replay_bytes, replay_file, replay_state};

/// A flaw in a state file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The line, from 1.
    pub line: u64,
    /// The byte at which the line begins, from 0.
    pub at: u64,
    /// What is wrong with it.
    pub why: String,
    /// What to do now.
    pub help: String,
}

/// The end of a state file that is not a record: a write that did not finish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TornRecord {
    /// The number of the record that was being written.
    pub number: u64,
    /// The byte at which it begins, from 0.
    pub at: u64,
    /// How many bytes there are.
    pub bytes: u64,
}

/// What was found in a journal's bytes.
#[derive(Debug, Default)]
pub(super) struct Replay {
    /// The valid records, up to the first damage; empty if only the state is wanted.
    pub(super) entries: Vec<Entry>,
    /// Where each of them ends, its line feed included.
    pub(super) ends: Vec<u64>,
    /// The checksum of each of their lines.
    pub(super) checksums: Vec<Checksum>,
    /// How many bytes there are, whole lines or not.
    pub(super) length: u64,
    /// The state after them; none if not even the first is whole.
    pub(super) state: Option<State>,
    /// The end of their chain.
    pub(super) chain: Option<Chain>,
    /// A torn end.
    pub(super) torn: Option<TornRecord>,
    /// Everything that is wrong, in the order of the lines.
    pub(super) damage: Vec<Damage>,
    /// The first record of an unknown kind: its line and kind.
    pub(super) unknown: Option<(u64, String)>,
    /// The format and program of a file whose first record has a newer format, and cannot even be
    /// parsed.
    pub(super) unsupported: Option<(u32, String)>,
}

impl Replay {
    /// The state and the chain's end, if the file may be read: not empty and not damaged.
    pub(super) fn require_readable(&self, path: &Path) -> Result<(&State, Chain), JournalError> {
        if let Some((format, program)) = &self.unsupported {
            return Err(newer_format(path, *format, program));
        }
        if let Some(damage) = self.damage.first() {
            return Err(JournalError::Damaged {
                path: path.to_owned(),
                line: damage.line,
                why: damage.why.clone(),
                help: format!(
                    "{}; `iomcopy state check {}` lists all damage",
                    damage.help,
                    path.display()
                ),
            });
        }
        match (&self.state, self.chain) {
            (Some(state), Some(chain)) => Ok((state, chain)),
            _ => Err(JournalError::Damaged {
                path: path.to_owned(),
                line: 1,
                why: "it contains no whole record, so what its run has done is unknown".into(),
                help: "restore the file from a backup; delete it only if you know that no run has \
                       sent anything"
                    .into(),
            }),
        }
    }

    /// As [`require_readable`](Self::require_readable), if the file may also be written: this
    /// program knows its format and every record in it.
    pub(super) fn require_writable(&self, path: &Path) -> Result<(&State, Chain), JournalError> {
        let (state, chain) = self.require_readable(path)?;
        if state.began.format > FORMAT {
            let began = &state.began;
            return Err(newer_format(path, began.format, &began.program));
        }
        if let Some((line, kind)) = &self.unknown {
            return Err(JournalError::UnknownRecord {
                path: path.to_owned(),
                line: *line,
                kind: kind.clone(),
            });
        }
        Ok((state, chain))
    }
}

fn newer_format(path: &Path, format: u32, program: &str) -> JournalError {
    JournalError::NewerFormat {
        path: path.to_owned(),
        format,
        program: program.to_owned(),
    }
}
