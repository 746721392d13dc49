//! Reads a journal's bytes, verifies every line, and tells a torn end from damage.
//!
//! A write that did not finish leaves bytes at the end that are no record, and nothing valid after
//! them: that is a torn end, nobody was told that it was written, and it may be cut off. A bad line
//! with something valid after it is damage, and nothing may be guessed about it.

use std::path::Path;

use super::error::{IllegalTransition, JournalError};
use super::line::{self, Chain, Line, LineError};
use super::record::{Entry, FORMAT, Record};
use super::state::State;

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

/// The end of a state file that is no record: a write that did not finish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Torn {
    /// The number of the record that was being written.
    pub number: u64,
    /// The byte at which it begins, from 0.
    pub at: u64,
    /// How many bytes there are.
    pub bytes: u64,
}

/// What was found in a journal's bytes.
#[derive(Debug)]
pub(super) struct Replay {
    /// The records that hold, up to the first damage.
    pub(super) entries: Vec<Entry>,
    /// Where each of them ends, its line feed included.
    pub(super) ends: Vec<u64>,
    /// What they add up to; none where not even the first is whole.
    pub(super) state: Option<State>,
    /// The end of the chain they make.
    pub(super) chain: Option<Chain>,
    /// A torn end.
    pub(super) torn: Option<Torn>,
    /// Everything that is wrong, in the order of the lines.
    pub(super) damage: Vec<Damage>,
    /// The first record of a kind that is unknown here: its line and kind.
    pub(super) unknown: Option<(u64, String)>,
}

/// A stretch of bytes between line feeds that is no line.
struct Bad {
    line: u64,
    at: usize,
    why: String,
}

/// Reads what there is. Never fails: what is wrong is told in the answer. `path` is only for the
/// words.
pub(super) fn replay(path: &Path, bytes: &[u8]) -> Replay {
    let mut reader = Reader {
        path,
        found: Replay {
            entries: Vec::new(),
            ends: Vec::new(),
            state: None,
            chain: None,
            torn: None,
            damage: Vec::new(),
            unknown: None,
        },
        expected: None,
        newer: false,
    };
    let mut bad: Vec<Bad> = Vec::new();
    let mut at = 0;
    for (index, text) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let number = index as u64 + 1;
        let line = match text.strip_suffix(b"\n") {
            Some(whole) => line::decode(whole),
            // Even where the record itself is whole, the write was not.
            None => Err(LineError::NotWhole),
        };
        match line {
            Ok(line) => {
                // Something valid follows, so what was bad before is damage.
                for bad in bad.drain(..) {
                    reader.damaged(bad.line, bad.at, bad.why);
                }
                reader.take(number, at, text.len(), line);
            }
            Err(error) => bad.push(Bad {
                line: number,
                at,
                why: error.to_string(),
            }),
        }
        at += text.len();
    }
    if let Some(first) = bad.first() {
        let rest = &bytes[first.at..];
        if hides_a_line(rest) {
            for bad in bad {
                reader.damaged(bad.line, bad.at, bad.why);
            }
        } else {
            reader.found.torn = Some(Torn {
                number: first.line,
                at: first.at as u64,
                bytes: rest.len() as u64,
            });
        }
    }
    reader.found
}

/// Does a whole line begin anywhere in these bytes? A flipped line feed joins two lines into one
/// that is bad, and the second of them is valid all the same.
fn hides_a_line(bytes: &[u8]) -> bool {
    bytes
        .windows(line::BEGINNING.len())
        .enumerate()
        .filter(|(_, window)| *window == line::BEGINNING)
        .any(|(start, _)| {
            let rest = &bytes[start..];
            rest.iter()
                .position(|byte| *byte == b'\n')
                .is_some_and(|end| line::decode(&rest[..end]).is_ok())
        })
}

struct Reader<'a> {
    path: &'a Path,
    found: Replay,
    /// What the next line should link to; none before the first, and after a damaged one.
    expected: Option<Chain>,
    /// Was the file begun in a format newer than this program's?
    newer: bool,
}

impl Reader<'_> {
    fn damaged(&mut self, line: u64, at: usize, why: String) {
        let path = self.path.display();
        let help = if line == 1 {
            format!(
                "its first record tells what the run is bound to: put the file back from a \
                 backup; `iomcopy state check {path}` lists every flaw"
            )
        } else {
            format!(
                "put the file back from a backup; or see with `iomcopy state check {path}` what \
                 is wrong, and with `iomcopy state cut --at {} {path}` go back to the record \
                 before it",
                line - 1
            )
        };
        self.found.damage.push(Damage {
            line,
            at: at as u64,
            why,
            help,
        });
        self.expected = None;
    }

    /// Takes a line that agrees with its own checksum.
    fn take(&mut self, number: u64, at: usize, length: usize, line: Line) {
        let before = self.found.damage.len();
        if let Some(why) = self.misplaced(number, &line) {
            self.damaged(number, at, why);
        }
        self.expected = Some(Chain {
            run: line.run,
            number: line.entry.number,
            checksum: line.checksum,
        });
        if self.found.damage.len() == before
            && let Some(why) = self.unreadable(&line)
        {
            self.found.damage.push(Damage {
                line: number,
                at: at as u64,
                why,
                help: "a fault in the iomcopy that wrote it: keep the file and report it".into(),
            });
        }
        // After damage nothing adds up any more.
        if self.found.damage.is_empty() {
            match self.fold(&line) {
                Ok(()) => {
                    if let Record::Unknown { kind, .. } = &line.entry.record {
                        self.found
                            .unknown
                            .get_or_insert_with(|| (number, kind.clone()));
                    }
                    self.found.chain = self.expected;
                    self.found.ends.push((at + length) as u64);
                    self.found.entries.push(line.entry);
                }
                Err(transition) => self.damaged(number, at, transition.to_string()),
            }
        }
    }

    /// Why the line does not belong where it stands.
    fn misplaced(&self, number: u64, line: &Line) -> Option<String> {
        let Some(expected) = self.expected.or_else(|| {
            // Only the first line stands behind nothing.
            (number == 1).then(|| Chain::new(line.run))
        }) else {
            return (line.entry.number != number).then(|| {
                format!(
                    "it is record {}, so records are missing or not in order",
                    line.entry.number
                )
            });
        };
        let wanted = expected.number.saturating_add(1);
        if line.entry.number != wanted {
            return Some(format!(
                "it is record {} where record {wanted} should stand, so records are missing, \
                 repeated or not in order",
                line.entry.number
            ));
        }
        if line.previous != expected.checksum.to_string() {
            return Some(
                "it does not continue the record before it, so two files were mixed or two \
                 processes wrote"
                    .to_owned(),
            );
        }
        if line.run != expected.run {
            return Some(format!(
                "it belongs to the run {}, and the line before it to {}",
                line.run, expected.run
            ));
        }
        None
    }

    /// Why a record of a known kind cannot be understood. In a newer format that is no flaw.
    fn unreadable(&self, line: &Line) -> Option<String> {
        let why = line.unreadable.as_ref()?;
        (!self.newer).then(|| {
            format!(
                "its `{}` has not the fields it should have: {why}",
                line.entry.record.kind()
            )
        })
    }

    fn fold(&mut self, line: &Line) -> Result<(), IllegalTransition> {
        let entry = &line.entry;
        match &mut self.found.state {
            None => {
                let state = State::first(line.run, entry)?;
                self.newer = state.began.format > FORMAT;
                self.found.state = Some(state);
            }
            Some(state) => match state.next(entry) {
                // A newer program may allow what this one does not.
                Err(_) if self.newer => state.step_over(entry),
                folded => folded?,
            },
        }
        Ok(())
    }
}

impl Replay {
    /// The state and the chain's end, where the file may be read: not empty, and not damaged.
    pub(super) fn readable(&self, path: &Path) -> Result<(&State, Chain), JournalError> {
        if let Some(damage) = self.damage.first() {
            return Err(JournalError::Damaged {
                path: path.to_owned(),
                line: damage.line,
                why: damage.why.clone(),
                help: damage.help.clone(),
            });
        }
        match (&self.state, self.chain) {
            (Some(state), Some(chain)) => Ok((state, chain)),
            _ => Err(JournalError::Damaged {
                path: path.to_owned(),
                line: 1,
                why: "it holds no whole record, so what was done under it cannot be told".into(),
                help: "put the file back from a backup; delete it only where you know that no \
                       run has sent anything"
                    .into(),
            }),
        }
    }

    /// As [`readable`](Self::readable), where the file may be written too: this program knows its
    /// format and every record in it.
    pub(super) fn writable(&self, path: &Path) -> Result<(&State, Chain), JournalError> {
        let (state, chain) = self.readable(path)?;
        if state.began.format > FORMAT {
            return Err(JournalError::NewerFormat {
                path: path.to_owned(),
                format: state.began.format,
                program: state.began.program.clone(),
            });
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
