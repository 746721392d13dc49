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
    /// The format and program of a file whose first record is of a newer format and cannot even be
    /// read here.
    pub(super) illegible: Option<(u32, String)>,
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
            illegible: None,
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

/// The format and program of a first record that only a newer program can read.
fn newer_beginning(number: u64, line: &Line) -> Option<(u32, String)> {
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
        self.found.illegible = self
            .found
            .illegible
            .take()
            .or_else(|| newer_beginning(number, &line));
        if self.found.illegible.is_some() {
            return;
        }
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
        if let Some((format, program)) = &self.illegible {
            return Err(JournalError::NewerFormat {
                path: path.to_owned(),
                format: *format,
                program: program.clone(),
            });
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::line::BEGINNING;
    use crate::journal::payload::{Began, Opened, Planned};
    use crate::journal::record::RunId;
    use crate::journal::testing::{began, lines, opened, story, time};

    fn of(bytes: &[u8]) -> Replay {
        replay(Path::new("uat.jsonl"), bytes)
    }

    /// A line with another content and the checksum that belongs to it.
    fn rewritten(line: &str, from: &str, to: &str) -> String {
        let (covered, _) = line.rsplit_once(",\"crc\"").unwrap();
        assert!(covered.contains(from));
        let covered = covered.replace(from, to);
        let checksum = crc32fast::hash(covered.as_bytes());
        format!("{covered},\"crc\":\"{checksum:08x}\"}}\n")
    }

    fn short_story() -> Vec<String> {
        let mut records = story();
        records.truncate(9);
        lines(records)
    }

    #[test]
    fn a_whole_journal_is_read_as_it_was_written() {
        let lines = lines(story());
        let replay = of(lines.concat().as_bytes());
        assert!(
            replay.damage.is_empty() && replay.torn.is_none(),
            "{replay:?}"
        );
        let records: Vec<Record> = replay.entries.into_iter().map(|e| e.record).collect();
        assert_eq!(records, story());
        assert_eq!(*replay.ends.last().unwrap(), lines.concat().len() as u64);
    }

    #[test]
    fn every_prefix_holds_exactly_the_records_that_were_written_whole() {
        let lines = lines(story());
        let bytes = lines.concat().into_bytes();
        let mut whole = 0;
        let mut end = 0;
        for length in 0..=bytes.len() {
            if lines
                .get(whole)
                .is_some_and(|line| length == end + line.len())
            {
                end = length;
                whole += 1;
            }
            let replay = of(&bytes[..length]);
            assert!(replay.damage.is_empty(), "{length}: {:?}", replay.damage);
            assert_eq!(replay.entries.len(), whole, "{length}");
            let torn = (length > end).then(|| Torn {
                number: whole as u64 + 1,
                at: end as u64,
                bytes: (length - end) as u64,
            });
            assert_eq!(replay.torn, torn, "{length}");
        }
        assert_eq!(whole, lines.len());
    }

    #[test]
    fn a_torn_end_may_be_of_zeroes_or_garbage() {
        let lines = lines(story());
        let held = lines[..4].concat().into_bytes();
        let next = lines[4].as_bytes();
        for filler in [0_u8, 0xa5, b'\n', b'{'] {
            for kept in [0, 1, next.len() / 2, next.len() - 1] {
                let mut bytes = held.clone();
                bytes.extend_from_slice(&next[..kept]);
                bytes.extend(std::iter::repeat_n(filler, 600));
                let replay = of(&bytes);
                // The record itself is whole where only its line feed was lost and garbage
                // supplied it.
                let whole = if filler == b'\n' && kept == next.len() - 1 {
                    5
                } else {
                    4
                };
                assert!(replay.damage.is_empty(), "{:?}", replay.damage);
                assert_eq!(replay.entries.len(), whole);
                assert!(replay.torn.is_some());
            }
        }
    }

    #[test]
    fn every_flipped_bit_is_seen() {
        let lines = short_story();
        let bytes = lines.concat().into_bytes();
        let last_begins = bytes.len() - lines.last().unwrap().len();
        let mut flipped = bytes.clone();
        for bit in 0..bytes.len() * 8 {
            flipped[bit / 8] ^= 1 << (bit % 8);
            let replay = of(&flipped);
            if bit / 8 < last_begins {
                assert!(!replay.damage.is_empty(), "bit {bit} of {}", bytes.len());
            } else {
                // In the last record it cannot be told from a torn end; that record is cut.
                assert!(replay.damage.is_empty());
                assert_eq!(replay.torn.unwrap().at, last_begins as u64, "bit {bit}");
            }
            flipped[bit / 8] = bytes[bit / 8];
        }
    }

    #[test]
    fn what_is_deleted_repeated_or_moved_is_seen() {
        let lines = lines(story());
        for at in 0..lines.len() - 1 {
            let mut deleted = lines.clone();
            deleted.remove(at);
            let damage = of(deleted.concat().as_bytes()).damage;
            assert_eq!(damage[0].line, at as u64 + 1, "deleted {at}");

            let mut repeated = lines.clone();
            repeated.insert(at + 1, lines[at].clone());
            let damage = of(repeated.concat().as_bytes()).damage;
            assert_eq!(damage[0].line, at as u64 + 2, "repeated {at}");

            let mut swapped = lines.clone();
            swapped.swap(at, at + 1);
            let damage = of(swapped.concat().as_bytes()).damage;
            assert_eq!(damage[0].line, at as u64 + 1, "swapped {at}");
        }
    }

    #[test]
    fn a_line_of_another_file_is_seen() {
        let ours = lines(story());
        // The same records of another run: every line agrees with its own checksum.
        let theirs = lines(story());
        for at in 1..ours.len() {
            let spliced = [ours[..at].concat(), theirs[at..].concat()].concat();
            let damage = of(spliced.as_bytes()).damage;
            assert_eq!(damage[0].line, at as u64 + 1);
            assert!(
                damage[0].why.contains("two files were mixed"),
                "{}",
                damage[0].why
            );
        }
    }

    #[test]
    fn two_processes_that_append_at_once_are_seen() {
        let mut records = story();
        records.truncate(4);
        let mut chain = Chain::new(RunId::new(time()));
        let mut bytes = String::new();
        for record in records {
            bytes.push_str(&chain.link(time(), record).unwrap().1);
        }
        let mut other = chain;
        let planned = |digest: &str| {
            Record::from(Planned {
                digest: digest.into(),
            })
        };
        bytes.push_str(&chain.link(time(), planned("one")).unwrap().1);
        bytes.push_str(&other.link(time(), planned("two")).unwrap().1);
        let damage = of(bytes.as_bytes()).damage;
        assert_eq!(damage.len(), 1);
        assert!(
            damage[0].why.contains("record 5 where record 6"),
            "{}",
            damage[0].why
        );
    }

    #[test]
    fn damage_names_its_line_and_the_command_that_helps() {
        let mut lines = lines(story());
        lines[4] = lines[4].replace("copy-environments", "copy-environment");
        lines[6] = lines[6].replace('\n', "\r\n");
        let bytes = lines.concat();
        let replay = of(bytes.as_bytes());
        assert_eq!(replay.entries.len(), 4);
        let at: Vec<u64> = replay.damage.iter().map(|damage| damage.line).collect();
        assert_eq!(at, [5, 7]);
        assert!(replay.damage[0].why.contains("checksum"));
        assert!(replay.damage[1].why.contains("editor"));
        let error = replay.readable(Path::new("uat.jsonl")).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("line 5 of the state file uat.jsonl is damaged")
        );
        assert!(
            error.help().contains("iomcopy state cut --at 4 uat.jsonl"),
            "{}",
            error.help()
        );
        assert!(bytes.as_bytes().starts_with(BEGINNING));
    }

    #[test]
    fn a_file_that_no_run_could_have_written_is_refused() {
        let mut records = story();
        // A handle without an intent: the lines are right, and the story is not.
        records.retain(|record| record.kind() != "intent");
        let replay = of(lines(records).concat().as_bytes());
        assert!(
            replay.damage[0].why.contains("`launched`"),
            "{:?}",
            replay.damage
        );
    }

    #[test]
    fn an_empty_file_is_not_a_new_one() {
        let error = of(b"").writable(Path::new("uat.jsonl")).unwrap_err();
        assert!(error.to_string().contains("no whole record"), "{error}");
    }

    #[test]
    fn a_kind_of_tomorrow_is_read_and_not_gone_on_from() {
        let mut chain = Chain::new(RunId::new(time()));
        let mut bytes = String::new();
        for record in [Record::from(began()), Record::from(opened("ops-1"))] {
            bytes.push_str(&chain.link(time(), record).unwrap().1);
        }
        // The same line with another kind and its own right checksum.
        let (_, line) = chain.link(time(), Record::from(opened("ops-1"))).unwrap();
        bytes.push_str(&rewritten(&line, "\"opened\"", "\"foreseen\""));

        let replay = of(bytes.as_bytes());
        let path = Path::new("uat.jsonl");
        assert!(replay.readable(path).is_ok());
        assert_eq!(replay.entries[2].record.kind(), "foreseen");
        let error = replay.writable(path).unwrap_err();
        assert!(
            matches!(error, JournalError::UnknownRecord { line: 3, .. }),
            "{error}"
        );
    }

    #[test]
    fn a_newer_format_is_read_and_not_gone_on_from() {
        let newer = Began {
            format: FORMAT + 1,
            program: "9.0.0".to_owned(),
            ..began()
        };
        // In tomorrow's format a run may perhaps be opened without a beginning of its own.
        let records = vec![
            newer.into(),
            opened("ops-1").into(),
            Record::from(Planned { digest: "d".into() }),
            crate::journal::testing::launched("copy"),
        ];
        let replay = of(lines(records).concat().as_bytes());
        let path = Path::new("uat.jsonl");
        let (state, _) = replay.readable(path).unwrap();
        assert_eq!(state.plan_digest.as_deref(), Some("d"));
        assert_eq!(state.next_number, 5);
        let error = replay.writable(path).unwrap_err();
        assert!(
            matches!(error, JournalError::NewerFormat { format: 2, .. }),
            "{error}"
        );
        assert!(error.help().contains("9.0.0"));
    }

    #[test]
    fn a_first_record_that_only_tomorrow_understands_is_named_as_such() {
        let lines = lines(vec![began().into()]);
        let line = rewritten(&lines[0], "\"format\":1", "\"format\":7");
        let bytes = rewritten(&line, "\"pinned\"", "\"bound\"");
        let error = of(bytes.as_bytes())
            .readable(Path::new("uat.jsonl"))
            .unwrap_err();
        assert!(
            matches!(error, JournalError::NewerFormat { format: 7, .. }),
            "{error}"
        );
    }

    #[test]
    fn a_record_that_lacks_a_field_is_damage() {
        let mut chain = Chain::new(RunId::new(time()));
        let (_, first) = chain.link(time(), began().into()).unwrap();
        let opened = Opened {
            host: String::new(),
            ..opened("")
        };
        let (_, line) = chain.link(time(), opened.into()).unwrap();
        let bytes = first + &rewritten(&line, "\"host\":\"\",", "");
        let damage = of(bytes.as_bytes()).damage;
        assert!(
            damage[0].why.contains("missing field `host`"),
            "{}",
            damage[0].why
        );
    }
}
