//! Works on a state file outside a run: reads it, checks it, cuts it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::base::clock::Clock;
use crate::base::files;

use super::error::JournalError;
use super::line::Chain;
use super::lock::{self, Lock, Occupancy};
use super::lost_records::{self, LostRecords};
use super::mark::Mark;
use super::payload::Cut;
use super::record::{Entry, FORMAT, Record};
use super::replay::{self, Damage, Entries, Replay, TornRecord};
use super::state::State;
use super::writer::Writer;
use super::{file, seal_backups};

/// The content of a state file that is only read.
#[derive(Clone, Debug)]
pub struct StateFileContents {
    /// Its records, in order. A record of an unknown kind is kept as [`Record::Unknown`]. A
    /// capture has only the length of its text; [`State::text_of`] reads the text. A change has no
    /// values, unless [`read_records`] was asked for them.
    pub entries: Vec<Entry>,
    /// The state after them. In a newer format, records that this program would refuse are skipped.
    pub state: State,
    /// A torn end, which the next run cuts off; while a process holds the file, it may be a record
    /// that is being written.
    pub torn: Option<TornRecord>,
    /// Is the file's format newer than this program's? Then what is read may be incomplete.
    pub newer_format: bool,
    /// What the file lacks of its run, if anything; never while a process holds the file, which
    /// has checked that itself.
    pub lost: Option<LostRecords>,
    /// Who holds the file.
    pub occupancy: Occupancy,
}

/// The result of cutting a state file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CutSummary {
    /// The number of the last record that remains.
    pub kept: u64,
    /// How many lines were cut off, whole or not.
    pub lines: u64,
    /// How many bytes were cut off.
    pub bytes: u64,
    /// The copy of the whole file as it was.
    pub saved_to: PathBuf,
}

/// Reads a state file. Takes no lock and repairs nothing. Fails if there is no file, or if it is
/// damaged.
pub fn read_state_file(path: &Path) -> Result<StateFileContents, JournalError> {
    read_contents(path, Entries::WithoutValues)
}

/// As [`read_state_file`], with everything in the records but the texts of captures.
pub fn read_records(path: &Path) -> Result<StateFileContents, JournalError> {
    read_contents(path, Entries::WithoutTexts)
}

fn read_contents(path: &Path, entries: Entries) -> Result<StateFileContents, JournalError> {
    // Checked first: if the process ends in between, the file is read as it left it.
    let occupancy = lock::occupancy(path)?;
    let mark = lock::read_mark(path);
    let replay = read_file(path, entries)?;
    let (state, chain) = replay.require_readable(path)?;
    let lost = if occupancy == Occupancy::Free {
        // If the folder cannot be listed, the file is shown anyway.
        let found = lost_records::find(path, mark.as_ref(), (state, &chain), &replay);
        LostRecords::of(path, &found.unwrap_or_default())
    } else {
        None
    };
    let state = state.clone();
    Ok(StateFileContents {
        newer_format: state.began.format > FORMAT,
        entries: replay.entries,
        state,
        // A run repairs a torn end, and is refused for a lost one: the worse is said alone.
        torn: replay.torn.filter(|_| lost.is_none()),
        lost,
        occupancy,
    })
}

/// Lists everything that is wrong with a state file, including missing records at its end and the
/// copies of its seals, and a torn end if it is all that is wrong; nothing if it is valid. Takes no lock and repairs nothing.
pub fn check(path: &Path) -> Result<Vec<Damage>, JournalError> {
    let mark = lock::read_mark(path);
    let replay = read_file(path, Entries::None)?;
    let mut damage = replay.damage.clone();
    if let Ok((state, chain)) = replay.require_readable(path) {
        let of_file = (state, &chain);
        damage.extend(check_mark_and_copies(
            path,
            mark.as_ref(),
            of_file,
            &replay,
        )?);
    }
    if replay.damage.is_empty()
        && let Err(error) = replay.require_writable(path)
    {
        // The line is shown beside the text, so the text does not repeat it.
        let (line, why) = match &error {
            JournalError::UnknownRecord { line, kind, .. } => (
                *line,
                format!("it is a `{kind}`, a kind of record that this program does not know"),
            ),
            JournalError::Damaged { line, why, .. } => (*line, why.clone()),
            _ => (1, error.to_string()),
        };
        damage.push(Damage {
            line,
            at: 0,
            why,
            help: error.help(),
        });
    }
    // A run does not repair a file without a whole record, or with worse damage, so nothing is said of
    // its end.
    if let Some(torn) = replay.torn.filter(|_| replay.chain.is_some())
        && damage.is_empty()
    {
        damage.push(Damage {
            line: torn.number,
            at: torn.at,
            why: format!(
                "the last {} bytes are not a record: a write did not finish",
                torn.bytes
            ),
            help: "no action needed: the next run moves them to a file".to_owned(),
        });
    }
    Ok(damage)
}

/// Cuts a state file after record `at_record`: saves the whole file as `<file>.before-cut-<n>`,
/// cuts, and writes a `cut`. The records up to there must be valid. The run no longer knows what
/// the records after it say about the service. If the file has lost its end, `at_record` may be its
/// last record: then nothing is cut off, and the loss is accepted.
pub fn cut(path: &Path, clock: Clock, at_record: u64) -> Result<CutSummary, JournalError> {
    let cannot = |why: &str, help: String| JournalError::CannotCut {
        path: path.to_owned(),
        record: at_record,
        why: why.to_owned(),
        help,
    };
    let valid = format!(
        "`iomcopy state check {}` shows which records are valid",
        path.display()
    );
    if at_record == 0 {
        let help = format!("give a number from 1; {valid}");
        return Err(cannot("the first record must remain", help));
    }
    if fs::symlink_metadata(path).is_err() {
        return Err(JournalError::NotFound {
            path: path.to_owned(),
        });
    }
    let lock = Lock::acquire(path, clock.time_of_day())?;
    let file = file::open_private(path, lock.owner())?;
    let bytes = file::read_all(&file, path)?;
    let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    let whole = replay::replay_state(path, &bytes);
    // A file that has lost its end has nothing to cut off: only the mark is removed.
    let is_short = whole.require_readable(path).is_ok_and(|(_, chain)| {
        let mark = lock.mark();
        mark.is_some_and(|mark| mark.require(path, &chain, &whole).is_err())
    });
    let records = lines.iter().filter(|line| line.ends_with(b"\n")).count();
    let last = lines.len().saturating_sub(usize::from(!is_short));
    let keep = usize::try_from(at_record)
        .ok()
        .filter(|keep| *keep <= last)
        .ok_or_else(|| match last {
            0 => cannot(
                "the file has no record after its first",
                "nothing can be cut off".to_owned(),
            ),
            last => cannot(
                &format!("its last record is {records}"),
                format!("give a number from 1 to {last}; {valid}"),
            ),
        })?;
    let end: usize = lines[..keep].iter().map(|line| line.len()).sum();
    let replay = replay::replay_state(path, &bytes[..end]);
    let (state, chain) = replay.require_writable(path)?;
    if replay.torn.is_some() {
        let help = format!("give an earlier record; {valid}");
        return Err(cannot("that line is not a record", help));
    }
    let saved_to = file::save_aside(path, "before-cut", &bytes)?;
    lock.clear_mark()
        .map_err(JournalError::io("writing the lock file of", path))?;
    file::truncate(&file, path, end as u64)?;
    let summary = CutSummary {
        kept: at_record,
        lines: (lines.len() - keep) as u64,
        bytes: (bytes.len() - end) as u64,
        saved_to,
    };
    let (length, state) = (end as u64, state.clone());
    let mut writer = Writer::of_file(path, (file, &lock), clock, chain, length, state);
    writer.write(vec![Record::from(Cut {
        at: end as u64,
        bytes: summary.bytes,
        saved_to: summary.saved_to.display().to_string(),
    })])?;
    drop(lock);
    Ok(summary)
}

/// Compares a file without damage with its mark in the lock file and with the copies of its seals.
/// Returns what is wrong.
fn check_mark_and_copies(
    path: &Path,
    mark: Option<&Mark>,
    (state, chain): (&State, &Chain),
    replay: &Replay,
) -> Result<Vec<Damage>, JournalError> {
    let at_the_end = |why: String, help: String| Damage {
        line: chain.number + 1,
        at: replay.ends.last().copied().unwrap_or_default(),
        why,
        help,
    };
    let lost = lost_records::find(path, mark, (state, chain), replay)?;
    let mut found: Vec<Damage> = lost
        .iter()
        .map(|error| at_the_end(error.to_string(), error.help()))
        .collect();
    for problem in seal_backups::find_problems(path, state) {
        let manifest = state
            .seal(&problem.seal)
            .and_then(|seal| seal.manifest.as_ref());
        let line = manifest.map_or(0, |manifest| manifest.records.1);
        let before = usize::try_from(line).unwrap_or_default().checked_sub(2);
        let at = before.and_then(|index| replay.ends.get(index).copied());
        found.push(Damage {
            line,
            at: at.unwrap_or_default(),
            why: problem.message(),
            help: problem.help(),
        });
    }
    Ok(found)
}

fn read_file(path: &Path, entries: Entries) -> Result<Replay, JournalError> {
    files::open(path)
        .and_then(|file| replay::replay_file(path, &file, entries))
        .map_err(|error| file::not_found_or_io(error, "reading the state file", path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::opening::{begin, resume};
    use crate::journal::testing::{began, clock, lines, story, write_private};

    #[test]
    fn reading_a_state_file_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("uat.jsonl");
        let bytes = [lines(story()).concat().as_bytes(), b"{\"n\":"].concat();
        write_private(&path, &bytes);
        let reading = read_state_file(&path).unwrap();
        assert_eq!(reading.entries.len(), story().len());
        assert_eq!(reading.state.steps.len(), 2);
        assert_eq!(reading.torn.unwrap().bytes, 5);
        assert_eq!(reading.occupancy, Occupancy::Free);
        assert_eq!(fs::read(&path).unwrap(), bytes);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        let missing = read_state_file(&folder.path().join("none")).unwrap_err();
        assert!(
            matches!(missing, JournalError::NotFound { .. }),
            "{missing}"
        );
    }

    #[test]
    fn check_lists_every_invalid_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("uat.jsonl");
        let mut lines = lines(story());
        write_private(&path, lines.concat().as_bytes());
        assert_eq!(check(&path).unwrap(), []);

        lines[3] = lines[3].replace("\"bb\"", "\"bc\"");
        lines[9] = String::from("{}\n");
        lines.push("{".to_owned());
        write_private(&path, lines.concat().as_bytes());
        let found: Vec<u64> = check(&path).unwrap().iter().map(|d| d.line).collect();
        // A run is refused, so nothing is said of what it would do about the torn end.
        assert_eq!(found, [4, 10]);
    }

    #[test]
    fn a_file_without_a_whole_record_has_one_damage_that_no_run_repairs() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("uat.jsonl");
        for bytes in [&b""[..], b"{\"n\":"] {
            write_private(&path, bytes);
            let found = check(&path).unwrap();
            let [damage] = found.as_slice() else {
                panic!("{found:?}");
            };
            // The caller shows the line beside the text.
            assert_eq!(damage.line, 1);
            assert!(damage.why.starts_with("it contains no whole record"));
            assert!(damage.help.starts_with("restore the file"));
        }
    }

    #[test]
    fn a_damaged_file_is_cut_and_resumed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("uat.jsonl");
        let mut lines = lines(story());
        lines[5] = lines[5].replace("capture", "RowToSeal");
        let damaged = lines.concat();
        write_private(&path, damaged.as_bytes());
        let error = resume(&path, clock(), true).unwrap_err();
        assert!(error.help().contains("--at 5"), "{}", error.help());
        let beyond = cut(&path, clock(), 6).unwrap_err();
        assert!(matches!(beyond, JournalError::CannotCut { .. }), "{beyond}");

        let summary = cut(&path, clock(), 5).unwrap();
        assert_eq!(summary.kept, 5);
        assert_eq!(summary.lines, story().len() as u64 - 5);
        assert_eq!(summary.bytes, lines[5..].concat().len() as u64);
        assert_eq!(fs::read_to_string(&summary.saved_to).unwrap(), damaged);
        assert_eq!(check(&path).unwrap(), []);
        let reading = read_state_file(&path).unwrap();
        assert_eq!(reading.entries[5].record.kind(), "cut");
        assert!(resume(&path, clock(), true).is_ok());
    }

    #[test]
    fn only_a_free_file_is_cut_and_its_first_record_remains() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("uat.jsonl");
        let opening = begin(&path, clock(), began()).unwrap();
        let held = cut(&path, clock(), 1).unwrap_err();
        assert!(matches!(held, JournalError::Locked { .. }), "{held}");
        drop(opening);
        for (at, help) in [
            (0, "give a number from 1;"),
            (2, "give a number from 1 to 1;"),
            (u64::MAX, "give a number from 1 to 1;"),
        ] {
            let error = cut(&path, clock(), at).unwrap_err();
            assert!(matches!(error, JournalError::CannotCut { .. }), "{error}");
            assert!(error.help().starts_with(help), "{at}: {}", error.help());
        }
        assert_eq!(cut(&path, clock(), 1).unwrap().lines, 1);
        let missing = cut(&folder.path().join("none"), clock(), 1).unwrap_err();
        assert!(
            matches!(missing, JournalError::NotFound { .. }),
            "{missing}"
        );
    }
}
