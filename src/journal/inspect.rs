//! What can be done with a state file outside a run: read it, check it, cut it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::base::clock::Clock;
use crate::base::files;

use super::error::JournalError;
use super::line::Chain;
use super::lock::{self, Lock, Occupancy};
use super::payload::Cut;
use super::record::{Entry, FORMAT, Record};
use super::replay::{self, Damage, Replay, Torn};
use super::state::State;
use super::writer::{StateFile, Writer};
use super::{copies, file};

/// A state file as it was read, by someone who does not write it.
#[derive(Clone, Debug)]
pub struct Reading {
    /// Its records, in order. A kind that is unknown here is kept as [`Record::Unknown`].
    pub entries: Vec<Entry>,
    /// What they add up to. In a newer format, records that this program would not have written
    /// are passed over.
    pub state: State,
    /// A torn end, which the next run cuts off; while a process holds the file it may be a record
    /// on its way.
    pub torn: Option<Torn>,
    /// Is the file of a newer format than this program writes? What it says may then be
    /// incomplete.
    pub newer_format: bool,
    /// Who holds the file.
    pub occupancy: Occupancy,
}

/// What cutting a state file did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CutSummary {
    /// The number of the last record that was kept.
    pub kept: u64,
    /// How many lines were cut off, whole or not.
    pub lines: u64,
    /// How many bytes were cut off.
    pub bytes: u64,
    /// The copy of the whole file as it was.
    pub saved_to: PathBuf,
}

/// Reads a state file. Takes no lock and repairs nothing. Fails where there is none, and where it
/// is damaged.
pub fn read(path: &Path) -> Result<Reading, JournalError> {
    // Seen first: a process that ends between the two leaves a file that is read as it left it.
    let occupancy = lock::occupancy(path)?;
    let bytes = bytes_of(path)?;
    let replay = replay::replay(path, &bytes);
    let state = replay.readable(path)?.0.clone();
    Ok(Reading {
        newer_format: state.began.format > FORMAT,
        entries: replay.entries,
        state,
        torn: replay.torn,
        occupancy,
    })
}

/// Lists everything that is wrong with a state file, a torn end, records that are missing at its
/// end and the copies of its seals included; nothing where it is valid. Takes no lock and repairs
/// nothing.
pub fn check(path: &Path) -> Result<Vec<Damage>, JournalError> {
    let bytes = bytes_of(path)?;
    let replay = replay::replay(path, &bytes);
    let mut damage = replay.damage.clone();
    if let Ok((state, chain)) = replay.readable(path) {
        damage.extend(beside(path, (state, &chain), &replay, &bytes)?);
    }
    if replay.damage.is_empty()
        && let Err(error) = replay.writable(path)
    {
        let line = match &error {
            JournalError::UnknownRecord { line, .. } => *line,
            _ => 1,
        };
        damage.push(Damage {
            line,
            at: 0,
            why: error.to_string(),
            help: error.help(),
        });
    }
    if let Some(torn) = replay.torn {
        damage.push(Damage {
            line: torn.number,
            at: torn.at,
            why: format!(
                "the last {} bytes are no record: a write did not finish",
                torn.bytes
            ),
            help: "nothing: the next run keeps them aside and cuts them off".to_owned(),
        });
    }
    Ok(damage)
}

/// Cuts a state file after record `at_record`: keeps the whole file aside as
/// `<file>.before-cut-<n>`, cuts, and writes a `cut`. The records up to there have to hold. What
/// the service was told in the records after it is then unknown to the run. Where the file has lost
/// its end, `at_record` may be its last record: nothing is cut off, and the loss is accepted.
pub fn cut(path: &Path, clock: Clock, at_record: u64) -> Result<CutSummary, JournalError> {
    let cannot = |why: String| JournalError::CannotCut {
        path: path.to_owned(),
        record: at_record,
        why,
    };
    if at_record == 0 {
        return Err(cannot("the first record has to stay".to_owned()));
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
    let whole = replay::replay(path, &bytes);
    // A file that has lost its end has nothing to cut off: what is cut is the claim to more.
    let is_short = whole.readable(path).is_ok_and(|(_, chain)| {
        let mark = lock.mark();
        mark.is_some_and(|mark| mark.require(path, &chain, &whole, &bytes).is_err())
    });
    let keep = usize::try_from(at_record)
        .ok()
        .filter(|keep| *keep < lines.len() || is_short && *keep == lines.len())
        .ok_or_else(|| cannot(format!("the file has {} lines", lines.len())))?;
    let end: usize = lines[..keep].iter().map(|line| line.len()).sum();
    let replay = replay::replay(path, &bytes[..end]);
    let (state, chain) = replay.writable(path)?;
    if replay.torn.is_some() {
        return Err(cannot("that line is itself no record".to_owned()));
    }
    let saved_to = file::keep_aside(path, "before-cut", &bytes)?;
    lock.clear_mark()
        .map_err(JournalError::io("writing the lock file of", path))?;
    file::cut_at(&file, path, end as u64)?;
    let summary = CutSummary {
        kept: at_record,
        lines: (lines.len() - keep) as u64,
        bytes: (bytes.len() - end) as u64,
        saved_to,
    };
    let storage = StateFile {
        file,
        path: path.to_owned(),
        lock: lock.clone(),
    };
    let mut writer = Writer::new(
        path,
        Box::new(storage),
        clock,
        chain,
        end as u64,
        state.clone(),
    );
    writer.write(vec![Record::from(Cut {
        at: end as u64,
        bytes: summary.bytes,
        saved_to: summary.saved_to.display().to_string(),
    })])?;
    drop(lock);
    Ok(summary)
}

/// What is wrong with a file that is whole in itself, seen from what is kept beside it: its lock
/// file's mark and the copies of its seals.
fn beside(
    path: &Path,
    (state, chain): (&State, &Chain),
    replay: &Replay,
    bytes: &[u8],
) -> Result<Vec<Damage>, JournalError> {
    let after_the_last = |why: String, help: String| Damage {
        line: chain.number + 1,
        at: replay.ends.last().copied().unwrap_or_default(),
        why,
        help,
    };
    let mut found = Vec::new();
    let mark = lock::read_mark(path);
    if let Some(Err(error)) = mark.map(|mark| mark.require(path, chain, replay, bytes)) {
        found.push(after_the_last(error.to_string(), error.help()));
    }
    let ahead = copies::ahead(path, state, chain, replay, bytes)?;
    if !ahead.is_empty() {
        let error = copies::refusal(path, &ahead);
        found.push(after_the_last(error.to_string(), error.help()));
    }
    for flaw in copies::flaws(path, state, replay, bytes) {
        let manifest = state
            .seal(&flaw.seal)
            .and_then(|seal| seal.manifest.as_ref());
        let line = manifest.map_or(0, |manifest| manifest.records.1);
        let before = usize::try_from(line).unwrap_or_default().checked_sub(2);
        let at = before.and_then(|index| replay.ends.get(index).copied());
        found.push(Damage {
            line,
            at: at.unwrap_or_default(),
            why: flaw.message(),
            help: flaw.help(),
        });
    }
    Ok(found)
}

fn bytes_of(path: &Path) -> Result<Vec<u8>, JournalError> {
    files::read(path).map_err(|error| file::missing_or(error, "reading the state file", path))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::journal::opening::{begin, resume};
    use crate::journal::testing::{began, lines, story};

    fn write_private(path: &Path, bytes: &[u8]) {
        fs::write(path, bytes).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn clock() -> Clock {
        Clock::new(1.0)
    }

    #[test]
    fn reading_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("uat.jsonl");
        let bytes = [lines(story()).concat().as_bytes(), b"{\"n\":"].concat();
        write_private(&path, &bytes);
        let reading = read(&path).unwrap();
        assert_eq!(reading.entries.len(), story().len());
        assert_eq!(reading.state.steps.len(), 2);
        assert_eq!(reading.torn.unwrap().bytes, 5);
        assert_eq!(reading.occupancy, Occupancy::Free);
        assert_eq!(fs::read(&path).unwrap(), bytes);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        let missing = read(&folder.path().join("none")).unwrap_err();
        assert!(
            matches!(missing, JournalError::NotFound { .. }),
            "{missing}"
        );
    }

    #[test]
    fn check_lists_everything_that_is_wrong() {
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
        assert_eq!(found, [4, 10, lines.len() as u64]);
    }

    #[test]
    fn a_damaged_file_is_cut_and_gone_on_from() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("uat.jsonl");
        let mut lines = lines(story());
        lines[5] = lines[5].replace("capture", "Capture");
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
        let reading = read(&path).unwrap();
        assert_eq!(reading.entries[5].record.kind(), "cut");
        assert!(resume(&path, clock(), true).is_ok());
    }

    #[test]
    fn only_whole_files_are_cut_and_never_to_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("uat.jsonl");
        let opening = begin(&path, clock(), began()).unwrap();
        let held = cut(&path, clock(), 1).unwrap_err();
        assert!(matches!(held, JournalError::Locked { .. }), "{held}");
        drop(opening);
        for at in [0, 2, 3, u64::MAX] {
            let error = cut(&path, clock(), at).unwrap_err();
            assert!(matches!(error, JournalError::CannotCut { .. }), "{error}");
        }
        assert_eq!(cut(&path, clock(), 1).unwrap().lines, 1);
        let missing = cut(&folder.path().join("none"), clock(), 1).unwrap_err();
        assert!(
            matches!(missing, JournalError::NotFound { .. }),
            "{missing}"
        );
    }
}
