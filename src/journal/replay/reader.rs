//! Takes the lines of a journal one by one: each must be valid, in its place, and allowed to follow
//! the records before it.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use serde_json::Value;

use super::{Damage, Replay, TornRecord};
use crate::base::json_text::JsonText;
use crate::journal::error::IllegalTransition;
use crate::journal::line::{self, Chain, Line, LineError};
use crate::journal::record::{FORMAT, Record};
use crate::journal::sealed_row::{CaptureFile, Span};
use crate::journal::state::State;

/// What a replay keeps of the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::journal) enum Entries {
    /// All of them.
    #[cfg(test)]
    Whole,
    /// All of them; of the text of a capture only how long it is.
    WithoutTexts,
    /// The same; of a change also without its values and what was read back, which only the state
    /// shows.
    WithoutValues,
    /// None: only the state is wanted.
    None,
}

/// Leaves out of a record what nobody asked for.
fn leave_out(entries: Entries, record: &mut Record) {
    match (entries, record) {
        (Entries::WithoutTexts | Entries::WithoutValues, Record::Captured(captured)) => {
            captured.text = format!("<{} bytes, left out>", captured.text.len());
        }
        (Entries::WithoutValues, Record::Intent(intent)) => {
            (intent.before, intent.after) = (JsonText::null(), JsonText::null());
        }
        (Entries::WithoutValues, Record::Done(done)) => done.observed = Value::Null,
        _ => {}
    }
}

/// Reads all bytes. Never fails: the result describes what is wrong. `path` is for messages, and for
/// reading the texts of captures later: if there is such a file, it must have these bytes.
pub(in crate::journal) fn replay_bytes(path: &Path, mut bytes: &[u8], entries: Entries) -> Replay {
    read(path, &mut bytes, entries).expect("reading from memory does not fail")
}

/// As [`replay_bytes`], with all records.
#[cfg(test)]
pub(in crate::journal) fn replay(path: &Path, bytes: &[u8]) -> Replay {
    replay_bytes(path, bytes, Entries::Whole)
}

/// As [`replay_bytes`], without the records.
pub(in crate::journal) fn replay_state(path: &Path, bytes: &[u8]) -> Replay {
    replay_bytes(path, bytes, Entries::None)
}

/// As [`replay_bytes`], of the file at `path`, which is read line by line: it need not fit into memory.
pub(in crate::journal) fn replay_file(
    path: &Path,
    file: &File,
    entries: Entries,
) -> io::Result<Replay> {
    read(
        path,
        &mut BufReader::with_capacity(64 * 1024, file),
        entries,
    )
}

fn read(path: &Path, bytes: &mut impl BufRead, entries: Entries) -> io::Result<Replay> {
    let mut reader = Reader {
        path,
        entries,
        replay: Replay::default(),
        expected: None,
        newer: false,
    };
    let mut invalid: Vec<InvalidLine> = Vec::new();
    // The bytes from the first invalid line on.
    let mut rest: Vec<u8> = Vec::new();
    let mut text = Vec::new();
    let (mut at, mut number) = (0, 0);
    while bytes.read_until(b'\n', &mut text)? > 0 {
        number += 1;
        let line = match text.strip_suffix(b"\n") {
            Some(whole) => line::decode(whole),
            // Even if the record itself is whole, the write did not finish.
            None => Err(LineError::NotWhole),
        };
        match line {
            Ok(line) => {
                // Something valid follows, so the invalid lines before it are damage.
                for line in invalid.drain(..) {
                    reader.add_damage(line.number, line.at, line.why);
                }
                rest.clear();
                reader.accept(number, at, text.len(), line);
            }
            Err(error) => {
                rest.extend(&text);
                invalid.push(InvalidLine {
                    number,
                    at,
                    why: error.to_string(),
                });
            }
        }
        at += text.len();
        text.clear();
    }
    if let Some(first) = invalid.first() {
        if contains_valid_line(&rest) {
            for line in invalid {
                reader.add_damage(line.number, line.at, line.why);
            }
        } else {
            reader.replay.torn = Some(TornRecord {
                number: first.number,
                at: first.at as u64,
                bytes: rest.len() as u64,
            });
        }
    }
    reader.replay.length = at as u64;
    Ok(reader.replay)
}

/// Bytes between two line feeds that are not a valid line.
struct InvalidLine {
    number: u64,
    at: usize,
    why: String,
}

/// Does a valid line begin anywhere in these bytes? A flipped line feed joins two lines into an
/// invalid one, of which the second half is a valid line.
fn contains_valid_line(bytes: &[u8]) -> bool {
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

/// The format and program of a first record that only a newer program can parse.
fn newer_first_record(number: u64, line: &Line) -> Option<(u32, String)> {
    let (1, Some(_), Record::Unknown { data, .. }) = (number, &line.unreadable, &line.entry.record)
    else {
        return None;
    };
    let format = u32::try_from(data.get("format")?.as_u64()?).ok()?;
    let program = data
        .get("program")
        .and_then(serde_json::Value::as_str)
        .unwrap_or("of a later version");
    (format > FORMAT).then(|| (format, program.to_owned()))
}

struct Reader<'a> {
    path: &'a Path,
    entries: Entries,
    replay: Replay,
    /// What the next line should link to; none before the first line and after a damaged one.
    expected: Option<Chain>,
    /// Was the file begun in a newer format than this program's?
    newer: bool,
}

impl Reader<'_> {
    fn add_damage(&mut self, line: u64, at: usize, why: String) {
        let path = self.path.display();
        let help = if line == 1 {
            "restore the file from a backup: its first record binds the run to its target"
                .to_owned()
        } else {
            format!(
                "restore the file from a backup; or `iomcopy state cut {path} --at {0}` keeps the \
                 records up to {0}",
                line - 1
            )
        };
        self.replay.damage.push(Damage {
            line,
            at: at as u64,
            why,
            help,
        });
        self.expected = None;
    }

    /// Takes a line that matches its own checksum.
    fn accept(&mut self, number: u64, at: usize, length: usize, mut line: Line) {
        self.replay.unsupported = self
            .replay
            .unsupported
            .take()
            .or_else(|| newer_first_record(number, &line));
        if self.replay.unsupported.is_some() {
            return;
        }
        let before = self.replay.damage.len();
        if let Some(why) = self.find_misplacement(number, &line) {
            self.add_damage(number, at, why);
        }
        self.expected = Some(Chain {
            run: line.run,
            number: line.entry.number,
            checksum: line.checksum,
        });
        if self.replay.damage.len() == before
            && let Some(why) = self.find_invalid_payload(&line)
        {
            self.replay.damage.push(Damage {
                line: number,
                at: at as u64,
                why,
                help: "a fault in the iomcopy that wrote it: keep the file and report it".into(),
            });
        }
        // After damage the state is unknown.
        if self.replay.damage.is_empty() {
            match self.fold(&line, Span::new(at as u64, length)) {
                Ok(()) => {
                    if let Record::Unknown { kind, .. } = &line.entry.record {
                        self.replay
                            .unknown
                            .get_or_insert_with(|| (number, kind.clone()));
                    }
                    self.replay.chain = self.expected;
                    self.replay.ends.push((at + length) as u64);
                    self.replay.checksums.push(line.checksum);
                    if self.entries != Entries::None {
                        leave_out(self.entries, &mut line.entry.record);
                        self.replay.entries.push(line.entry);
                    }
                }
                Err(transition) => self.add_damage(number, at, transition.to_string()),
            }
        }
    }

    /// Why the line does not belong in its place.
    fn find_misplacement(&self, number: u64, line: &Line) -> Option<String> {
        let Some(expected) = self.expected.or_else(|| {
            // Only the first line follows nothing.
            (number == 1).then(|| Chain::new(line.run))
        }) else {
            return (line.entry.number != number).then(|| {
                format!(
                    "it is record {}, so records are missing or out of order",
                    line.entry.number
                )
            });
        };
        let wanted = expected.number.saturating_add(1);
        if line.entry.number != wanted {
            return Some(format!(
                "it is record {} where record {wanted} should be, so records are missing, \
                 repeated or out of order",
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

    /// Why a record of a known kind cannot be parsed. In a newer format that is not a flaw.
    fn find_invalid_payload(&self, line: &Line) -> Option<String> {
        let why = line.unreadable.as_ref()?;
        (!self.newer).then(|| {
            format!(
                "the fields of its `{}` are invalid: {why}",
                line.entry.record.kind()
            )
        })
    }

    fn fold(&mut self, line: &Line, place: Span) -> Result<(), IllegalTransition> {
        let entry = &line.entry;
        match &mut self.replay.state {
            None => {
                let mut state = State::first(line.run, entry)?;
                state.file = CaptureFile::open(self.path);
                self.newer = state.began.format > FORMAT;
                self.replay.state = Some(state);
            }
            Some(state) => match state.next_line(entry, Some(place)) {
                // A newer program may allow what this one does not.
                Err(_) if self.newer => state.skip(entry),
                folded => folded?,
            },
        }
        Ok(())
    }
}
