//! Taking a state file: a new one, or one that stands already.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;

use crate::base::clock::Clock;

use super::copies::{self, CopyFault, CopyFlaw};
use super::error::JournalError;
use super::file;
use super::handle::Journal;
use super::line::Chain;
use super::lock::{self, Lock};
use super::mark::Mark;
use super::payload::{Began, Cut, Opened, Takeover};
use super::record::{FORMAT, Record, RunId};
use super::replay::{self, Torn};
use super::state::{Stamped, State};
use super::writer::{StateFile, Writer};

/// An open state file.
#[derive(Debug)]
pub struct Opening {
    /// The journal, ready to append.
    pub journal: Journal,
    /// Does an earlier process's run go on? Otherwise it has just begun.
    pub resumed: bool,
    /// What was cut off the end, where the last write had not finished.
    pub repair: Option<Repair>,
    /// What was wrong with the copies of seals beside the file, and what was done about it: a line
    /// each, for the operator.
    pub warnings: Vec<String>,
    /// The right to write the file. The journal's writer holds it too.
    pub lock: Lock,
}

/// What a person has decided about a file that is resumed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Resume<'a> {
    /// Continue a file that another machine left open.
    pub takeover: bool,
    /// The copies of seals that are put into the file next, because it has lost them.
    pub copies: &'a [PathBuf],
}

/// A torn end that was cut off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repair {
    /// The byte at which the file was cut.
    pub at: u64,
    /// How many bytes were cut off.
    pub bytes: u64,
    /// Where they are kept.
    pub saved_to: PathBuf,
}

impl From<&Repair> for Cut {
    fn from(repair: &Repair) -> Self {
        Self {
            at: repair.at,
            bytes: repair.bytes,
            saved_to: repair.saved_to.display().to_string(),
        }
    }
}

/// Begins a run: creates the state file with mode 0600, locked, with `began` and `opened` durable
/// in it. Fails with [`JournalError::AlreadyExists`] where a file stands there, and with
/// [`JournalError::Locked`] where another process is about the same.
///
/// The format is always [`FORMAT`], whatever `began` says. The file appears with both records in it or not at all, so a kill leaves no empty one.
pub fn begin(path: &Path, clock: Clock, began: Began) -> Result<Opening, JournalError> {
    let lock = Lock::acquire(path, clock.time_of_day())?;
    begin_locked(path, lock, clock, began)
}

/// The same under a lock that this process holds already.
fn begin_locked(
    path: &Path,
    lock: Lock,
    clock: Clock,
    began: Began,
) -> Result<Opening, JournalError> {
    let began = Began {
        format: FORMAT,
        ..began
    };
    let time = clock.time_of_day();
    file::refuse_link(path)?;
    if !exists(path) {
        // The mark is of an earlier run at this path. A kill between the new file and its first
        // mark must not leave the two together.
        lock.clear_mark()
            .map_err(JournalError::io("writing the lock file of", path))?;
    }
    let run = RunId::new(time);
    let mut chain = Chain::new(run);
    let illegal = |transition| JournalError::Illegal {
        path: path.to_owned(),
        transition,
    };
    let unwritable =
        |why: String| JournalError::io("writing the first record of", path)(io::Error::other(why));
    let (first, mut lines) = chain.link(time, Record::from(began)).map_err(unwritable)?;
    let mut state = State::first(run, &first).map_err(illegal)?;
    let (second, line) = chain
        .link(time, Record::from(this_process()))
        .map_err(unwritable)?;
    state.next(&second).map_err(illegal)?;
    lines.push_str(&line);
    match file::create_whole(path, lines.as_bytes(), file::PRIVATE) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return Err(JournalError::AlreadyExists {
                path: path.to_owned(),
            });
        }
        Err(error) => return Err(JournalError::io("creating the state file", path)(error)),
    }
    lock.write_mark(&Mark::of(&chain), true)
        .map_err(JournalError::io("writing the lock file of", path))?;
    let storage = StateFile {
        file: file::open_private(path, lock.owner())?,
        path: path.to_owned(),
        lock: lock.clone(),
    };
    let length = lines.len() as u64;
    let writer = Writer::new(path, Box::new(storage), clock, chain, length, state);
    Ok(Opening {
        journal: Journal::start(path, writer, lock.clone())?,
        resumed: false,
        repair: None,
        warnings: Vec::new(),
        lock,
    })
}

/// Resumes a run: [`hold`], then [`Held::open`].
pub fn resume(path: &Path, clock: Clock, takeover: bool) -> Result<Opening, JournalError> {
    hold(path, clock.time_of_day(), takeover)?.open(clock)
}

/// A state file that this process has locked and verified, and has not written.
///
/// A command that is refused drops it, and the file keeps every byte. A command that goes on opens
/// it.
#[derive(Debug)]
pub struct Held {
    path: PathBuf,
    lock: Lock,
    file: File,
    bytes: Vec<u8>,
    torn: Option<Torn>,
    chain: Chain,
    state: Arc<State>,
    flaws: Vec<CopyFlaw>,
}

/// Takes the lock of a state file at `time` and verifies every line, without writing anything.
///
/// Without `takeover` it fails with [`JournalError::OtherMachine`] where the last process was on
/// another machine and did not close the file. Damage, a newer format and records of unknown kinds
/// are refused, and a file that lacks records or seals of its run ([`JournalError::Older`]).
pub fn hold(path: &Path, time: Timestamp, takeover: bool) -> Result<Held, JournalError> {
    let copies = &[];
    hold_with(path, time, Resume { takeover, copies })
}

/// As [`hold`], with all that a person may decide.
pub fn hold_with(
    path: &Path,
    time: Timestamp,
    Resume { takeover, copies }: Resume<'_>,
) -> Result<Held, JournalError> {
    if !exists(path) {
        // Looked for first, so that no lock file is left beside nothing.
        return Err(JournalError::NotFound {
            path: path.to_owned(),
        });
    }
    let lock = Lock::acquire(path, time)?;
    let file = file::open_private(path, lock.owner())?;
    let bytes = file::read_all(&file, path)?;
    let replay = replay::replay(path, &bytes);
    let (state, chain) = replay.writable(path)?;
    if let Some(opened) = left_open_elsewhere(state)
        && !takeover
    {
        return Err(JournalError::OtherMachine {
            path: path.to_owned(),
            host: opened.host.clone(),
            pid: opened.pid,
            since: opened.time,
        });
    }
    if let Some(mark) = lock.mark() {
        mark.require(path, &chain, &replay, &bytes)?;
    }
    let given: Vec<_> = copies.iter().flat_map(fs::canonicalize).collect();
    let mut ahead = copies::ahead(path, state, &chain, &replay, &bytes)?;
    ahead.retain(|ahead| !fs::canonicalize(&ahead.copy).is_ok_and(|copy| given.contains(&copy)));
    if !ahead.is_empty() {
        return Err(copies::refusal(path, &ahead));
    }
    let flaws = copies::flaws(path, state, &replay, &bytes);
    let (state, torn) = (Arc::new(state.clone()), replay.torn);
    Ok(Held {
        path: path.to_owned(),
        lock,
        file,
        bytes,
        torn,
        chain,
        state,
        flaws,
    })
}

/// The last process that took the file, where it was on another machine and did not close it.
fn left_open_elsewhere(state: &State) -> Option<&Stamped<Opened>> {
    let last = state.opened.as_ref().filter(|_| state.is_open());
    last.filter(|opened| opened.host != lock::this_host())
}

impl Held {
    /// What the file's records add up to.
    pub fn state(&self) -> Arc<State> {
        Arc::clone(&self.state)
    }

    /// Goes on with the run: cuts a torn end off (keeping it in `<file>.torn-<n>`), and writes
    /// `opened`, with `cut` and `takeover` where they are due. Copies of seals that are missing are
    /// written again before it, unless the run has finished.
    pub fn open(self, clock: Clock) -> Result<Opening, JournalError> {
        let Self {
            path,
            lock,
            file,
            bytes,
            torn,
            chain,
            state,
            flaws,
        } = self;
        let mut warnings = Vec::new();
        for flaw in flaws {
            warnings.push(
                if flaw.fault == CopyFault::Missing && state.finished.is_none() {
                    copies::restore(&path, &flaw)?
                } else {
                    format!("{}; {}", flaw.message(), flaw.help())
                },
            );
        }
        let repair = torn
            .map(|torn| cut_torn(&path, &file, &bytes, torn))
            .transpose()?;
        let foreign = left_open_elsewhere(&state);
        let mut records = vec![Record::from(this_process())];
        records.extend(repair.as_ref().map(|repair| Cut::from(repair).into()));
        records.extend(foreign.map(|opened| Takeover::of(opened, opened.time).into()));
        let length = repair
            .as_ref()
            .map_or(bytes.len() as u64, |repair| repair.at);
        let storage = StateFile {
            file,
            path: path.clone(),
            lock: lock.clone(),
        };
        let mut writer = Writer::new(
            &path,
            Box::new(storage),
            clock,
            chain,
            length,
            State::clone(&state),
        );
        writer.write(records)?;
        Ok(Opening {
            journal: Journal::start(&path, writer, lock.clone())?,
            resumed: true,
            repair,
            warnings,
            lock,
        })
    }

    /// Closes the run, moves its file to `archived`, and begins a new run in its place. The lock is
    /// held over all of it, so no other process can take the path in between.
    pub async fn replace(
        self,
        archived: &Path,
        clock: Clock,
        began: Began,
    ) -> Result<Opening, JournalError> {
        let (path, lock) = (self.path.clone(), self.lock.clone());
        let old = self.open(clock.clone())?;
        old.journal.close("archived", 0, None).await?;
        drop(old);
        // The name holds the run's id, and nobody else may write here: nothing is overwritten.
        fs::rename(&path, archived).map_err(JournalError::io("archiving the state file", &path))?;
        file::sync_folder(&path).map_err(JournalError::io("syncing the folder of", &path))?;
        begin_locked(&path, lock, clock, began)
    }
}

/// Does a state file stand at this path?
pub fn exists(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// Keeps the torn end aside, and only then cuts it off.
fn cut_torn(path: &Path, file: &File, bytes: &[u8], torn: Torn) -> Result<Repair, JournalError> {
    // A file that is in memory as a whole has no length beyond `usize`.
    let end = usize::try_from(torn.at).unwrap_or(bytes.len());
    let saved_to = file::keep_aside(path, "torn", &bytes[end..])?;
    file::cut_at(file, path, torn.at)?;
    Ok(Repair {
        at: torn.at,
        bytes: torn.bytes,
        saved_to,
    })
}

fn this_process() -> Opened {
    Opened {
        pid: std::process::id(),
        host: lock::this_host(),
        program: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::journal::inspect::{check, cut, read};
    use crate::journal::lock::Occupancy;
    use crate::journal::payload::{Closed, Planned};
    use crate::journal::seal::read_copy;
    use crate::journal::testing::{began, captures, lines, opened, step_began};

    fn clock() -> Clock {
        Clock::new(1.0)
    }

    fn planned(digest: &str) -> Planned {
        Planned {
            digest: digest.to_owned(),
        }
    }

    fn write_private(path: &Path, bytes: &[u8]) {
        fs::write(path, bytes).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn kinds(path: &Path) -> Vec<String> {
        let reading = read(path).unwrap();
        let kinds = reading.entries.iter().map(|entry| entry.record.kind());
        kinds.map(str::to_owned).collect()
    }

    #[tokio::test]
    async fn a_run_begins_closes_and_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("uat.iomcopy.jsonl");
        assert!(!exists(&path));
        let opening = begin(&path, clock(), began()).unwrap();
        assert!(!opening.resumed && opening.repair.is_none() && exists(&path));
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let run = opening.journal.state().run;
        opening.journal.append(planned("d")).await.unwrap();
        let message = Some("waits for s/p".to_owned());
        opening.journal.close("waiting", 10, message).await.unwrap();
        let late = opening.journal.append(planned("e")).await.unwrap_err();
        assert!(matches!(late, JournalError::Illegal { .. }), "{late}");
        drop(opening);

        let opening = resume(&path, clock(), false).unwrap();
        let state = opening.journal.state();
        assert!(opening.resumed && opening.repair.is_none());
        assert_eq!((state.run, state.openings), (run, 2));
        assert_eq!(state.plan_digest.as_deref(), Some("d"));
        assert!(state.is_open());
        drop(opening);
        assert_eq!(
            kinds(&path),
            ["began", "opened", "planned", "closed", "opened"]
        );
        // Nothing is left beside the file but its lock.
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[tokio::test]
    async fn a_file_that_is_held_and_not_opened_keeps_every_byte() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("uat.jsonl");
        drop(begin(&path, clock(), began()).unwrap());
        let torn = [&fs::read(&path).unwrap()[..], b"{\"n\":3,"].concat();
        write_private(&path, &torn);
        let held = hold(&path, clock().time_of_day(), true).unwrap();
        assert_eq!(held.state().openings, 1);
        let second = resume(&path, clock(), false).unwrap_err();
        assert!(matches!(second, JournalError::Locked { .. }), "{second}");
        drop(held);
        assert_eq!(fs::read(&path).unwrap(), torn);
        // The file and its lock: the torn end is not kept aside either.
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[tokio::test]
    async fn a_run_is_archived_and_another_begins_under_one_lock() {
        let folder = tempfile::tempdir().unwrap();
        let (path, archived) = (folder.path().join("uat.jsonl"), folder.path().join("old"));
        drop(begin(&path, clock(), began()).unwrap());
        let held = hold(&path, clock().time_of_day(), false).unwrap();
        let old = held.state().run;
        let opening = held.replace(&archived, clock(), began()).await.unwrap();
        assert!(!opening.resumed);
        assert_ne!(opening.journal.state().run, old);
        assert_eq!(kinds(&path), ["began", "opened"]);
        assert_eq!(kinds(&archived), ["began", "opened", "opened", "closed"]);
        assert_eq!(read(&archived).unwrap().state.run, old);
        let second = resume(&path, clock(), false).unwrap_err();
        assert!(matches!(second, JournalError::Locked { .. }), "{second}");
    }

    #[tokio::test]
    async fn one_process_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("uat.jsonl");
        let opening = begin(&path, clock(), began()).unwrap();
        for second in [begin(&path, clock(), began()), resume(&path, clock(), true)] {
            let error = second.unwrap_err();
            assert!(matches!(error, JournalError::Locked { .. }), "{error}");
            assert!(error.to_string().contains(&std::process::id().to_string()));
        }
        assert!(matches!(read(&path).unwrap().occupancy, Occupancy::Held(_)));
        // The writer guards the file even where the opening's own lock is dropped.
        let Opening { journal, lock, .. } = opening;
        drop(lock);
        assert!(resume(&path, clock(), false).is_err());
        drop(journal);
        assert_eq!(read(&path).unwrap().occupancy, Occupancy::Free);
        assert!(resume(&path, clock(), false).is_ok());
    }

    #[test]
    fn nothing_is_begun_over_an_existing_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("uat.jsonl");
        write_private(&path, b"");
        let error = begin(&path, clock(), began()).unwrap_err();
        assert!(
            matches!(error, JournalError::AlreadyExists { .. }),
            "{error}"
        );
        assert_eq!(fs::read(&path).unwrap(), b"");
        // An empty file is not the beginning of a run: what was done under it is unknown.
        let error = resume(&path, clock(), false).unwrap_err();
        assert!(
            matches!(error, JournalError::Damaged { line: 1, .. }),
            "{error}"
        );
    }

    #[test]
    fn what_is_not_there_is_not_resumed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("uat.jsonl");
        let error = resume(&path, clock(), false).unwrap_err();
        assert!(matches!(error, JournalError::NotFound { .. }), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_torn_end_is_kept_aside_cut_off_and_recorded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("uat.jsonl");
        drop(begin(&path, clock(), began()).unwrap());
        let whole = fs::read(&path).unwrap();
        for (round, torn) in [&b"{\"n\":3,\"prev\":\"0"[..], b"\0\0\0\0"]
            .into_iter()
            .enumerate()
        {
            let before = fs::read(&path).unwrap();
            write_private(&path, &[&before, torn].concat());
            assert_eq!(read(&path).unwrap().torn.unwrap().at, before.len() as u64);

            let opening = resume(&path, clock(), false).unwrap();
            let repair = opening.repair.clone().unwrap();
            assert_eq!(
                (repair.at, repair.bytes),
                (before.len() as u64, torn.len() as u64)
            );
            let saved = folder.path().join(format!("uat.jsonl.torn-{}", round + 1));
            assert_eq!(repair.saved_to, saved);
            assert_eq!(fs::read(&saved).unwrap(), torn);
            opening.journal.append(planned("d")).await.unwrap();
        }
        let expected = [
            "began", "opened", "opened", "cut", "planned", "opened", "cut", "planned",
        ];
        assert_eq!(kinds(&path), expected);
        assert!(fs::read(&path).unwrap().starts_with(&whole));
    }

    #[test]
    fn every_kill_in_mid_write_is_recovered_from() {
        let folder = tempfile::tempdir().unwrap();
        let records = vec![
            began().into(),
            opened(&lock::this_host()).into(),
            step_began("s"),
            planned("d").into(),
        ];
        let lines = lines(records);
        let bytes = lines.concat().into_bytes();
        let acknowledged = lines[..3].concat().len();
        for length in acknowledged..=bytes.len() {
            let path = folder.path().join(format!("{length}.jsonl"));
            write_private(&path, &bytes[..length]);
            let opening = resume(&path, clock(), false).unwrap();
            let whole = length == bytes.len();
            assert_eq!(opening.repair.is_some(), !whole && length > acknowledged);
            let state = opening.journal.state();
            assert_eq!(state.plan_digest.is_some(), whole, "{length}");
            assert_eq!(state.steps.len(), 1);
        }
    }

    #[test]
    fn damage_is_refused_and_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("uat.jsonl");
        drop(begin(&path, clock(), began()).unwrap());
        drop(resume(&path, clock(), false).unwrap());
        let damaged = fs::read_to_string(&path)
            .unwrap()
            .replacen("opened", "openee", 1);
        write_private(&path, damaged.as_bytes());
        let error = resume(&path, clock(), false).unwrap_err();
        assert!(
            matches!(error, JournalError::Damaged { line: 2, .. }),
            "{error}"
        );
        assert_eq!(fs::read_to_string(&path).unwrap(), damaged);
    }

    #[test]
    fn an_open_file_of_another_machine_needs_a_takeover() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("uat.jsonl");
        let lines = lines(vec![began().into(), opened("another-machine").into()]);
        write_private(&path, lines.concat().as_bytes());
        let error = resume(&path, clock(), false).unwrap_err();
        assert!(
            matches!(error, JournalError::OtherMachine { .. }),
            "{error}"
        );
        assert!(error.to_string().contains("another-machine"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), lines.concat());

        drop(resume(&path, clock(), true).unwrap());
        assert_eq!(kinds(&path), ["began", "opened", "opened", "takeover"]);
        let reading = read(&path).unwrap();
        let Record::Takeover(takeover) = &reading.entries[3].record else {
            panic!("the last record is a takeover");
        };
        assert_eq!(takeover.previous["host"], "another-machine");
        // It is ours now.
        drop(resume(&path, clock(), false).unwrap());
    }

    #[test]
    fn a_closed_file_of_another_machine_is_resumed_without_a_takeover() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("uat.jsonl");
        let closed = Closed::new("failed", 1, None);
        let records = vec![
            began().into(),
            opened("another-machine").into(),
            closed.into(),
        ];
        write_private(&path, lines(records).concat().as_bytes());
        drop(resume(&path, clock(), false).unwrap());
        assert_eq!(kinds(&path), ["began", "opened", "closed", "opened"]);
        // The flag of a pipeline that always gives it takes nothing over either.
        drop(resume(&path, clock(), true).unwrap());
        let all = ["began", "opened", "closed", "opened", "opened"];
        assert_eq!(kinds(&path), all);
    }

    #[test]
    fn a_new_file_is_synced_with_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        drop(file::observed::FOLDERS.take());
        drop(begin(&folder.path().join("uat.jsonl"), clock(), began()).unwrap());
        assert_eq!(file::observed::FOLDERS.take(), [folder.path()]);
    }

    #[test]
    fn the_mark_of_an_earlier_run_is_cleared_before_a_new_file_appears() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("uat.jsonl");
        file::observed::FILES.set(0);
        drop(begin(&path, clock(), began()).unwrap());
        // The lock file before the state file has its name, and once more with the new mark.
        let synced = [
            file::observed::FILES_BEFORE_FOLDER.get(),
            file::observed::FILES.get(),
        ];
        assert_eq!(synced, [1, 2]);
    }

    #[test]
    fn a_new_run_is_marked_before_its_first_record_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("uat.jsonl");
        drop(begin(&path, clock(), began()).unwrap());
        let whole = fs::read_to_string(&path).unwrap();
        let first = whole.split_inclusive('\n').next().unwrap();
        write_private(&path, first.as_bytes());
        let error = resume(&path, clock(), false).unwrap_err();
        let says = "has written 2 records, and the file ends after record 1";
        assert!(error.to_string().contains(says), "{error}");
    }

    /// The contents of a folder's files, by name.
    fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
        let entries = fs::read_dir(folder).unwrap();
        entries
            .map(|entry| entry.unwrap().path())
            .map(|path| (path.clone(), fs::read(path).unwrap()))
            .collect()
    }

    #[tokio::test]
    async fn whole_records_that_are_missing_at_the_end_are_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("uat.jsonl");
        let opening = begin(&path, clock(), began()).unwrap();
        for digest in ["a", "b", "c"] {
            opening.journal.append(planned(digest)).await.unwrap();
        }
        drop(opening);
        let whole = fs::read(&path).unwrap();
        let ends: Vec<usize> = (0..whole.len()).filter(|at| whole[*at] == b'\n').collect();
        for (index, end) in ends[..ends.len() - 1].iter().enumerate() {
            for torn in [&b""[..], b"{\"n\":"] {
                write_private(&path, &[&whole[..=*end], torn].concat());
                let before = contents(folder.path());
                let error = resume(&path, clock(), true).unwrap_err();
                assert!(matches!(error, JournalError::Older { .. }), "{error}");
                let kept = index + 1;
                let says = format!("has written 5 records, and the file ends after record {kept}");
                assert!(error.to_string().contains(&says), "{error}");
                let help = format!("iomcopy state cut --at {kept} ");
                assert!(error.help().contains(&help), "{}", error.help());
                assert_eq!(contents(folder.path()), before, "nothing is changed");
                let found = check(&path).unwrap();
                assert_eq!(found[0].line, kept as u64 + 1);
                assert!(found[0].why.contains(&says), "{}", found[0].why);
            }
        }
        write_private(&path, &whole);
        assert_eq!(check(&path).unwrap(), []);
        drop(resume(&path, clock(), false).unwrap());
    }

    #[tokio::test]
    async fn a_loss_that_a_person_accepts_is_recorded_and_the_run_continues() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("uat.jsonl");
        let opening = begin(&path, clock(), began()).unwrap();
        let older = fs::read(&path).unwrap();
        opening.journal.append(planned("a")).await.unwrap();
        drop(opening);
        write_private(&path, &older);
        assert!(resume(&path, clock(), false).is_err());
        let summary = cut(&path, clock(), 2).unwrap();
        assert_eq!((summary.kept, summary.lines, summary.bytes), (2, 0, 0));
        assert_eq!(check(&path).unwrap(), []);
        drop(resume(&path, clock(), false).unwrap());
        assert_eq!(kinds(&path), ["began", "opened", "cut", "opened"]);
        // Without a loss there is nothing to accept.
        assert!(cut(&path, clock(), 4).is_err());
    }

    #[tokio::test]
    async fn an_older_file_that_was_continued_elsewhere_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("uat.jsonl");
        let opening = begin(&path, clock(), began()).unwrap();
        let older = fs::read(&path).unwrap();
        opening.journal.append(planned("a")).await.unwrap();
        drop(opening);
        let elsewhere = tempfile::tempdir().unwrap();
        let copy = elsewhere.path().join("uat.jsonl");
        write_private(&copy, &older);
        // Without its lock file, nothing shows that it is older.
        let opening = resume(&copy, clock(), false).unwrap();
        opening.journal.append(planned("b")).await.unwrap();
        drop(opening);
        fs::copy(&copy, &path).unwrap();
        let error = resume(&path, clock(), false).unwrap_err();
        assert!(error.to_string().contains("continued elsewhere"), "{error}");
    }

    #[test]
    fn a_file_of_another_run_in_its_place_is_noticed_and_a_new_run_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("uat.jsonl");
        drop(begin(&path, clock(), began()).unwrap());
        let first = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        drop(begin(&path, clock(), began()).unwrap());
        drop(resume(&path, clock(), false).unwrap());
        write_private(&path, &first);
        let error = resume(&path, clock(), false).unwrap_err();
        assert!(error.to_string().contains("it is of the run"), "{error}");
        assert!(matches!(error, JournalError::Older { .. }), "{error}");
    }

    fn resume_given(path: &Path, given: Resume<'_>) -> Result<Opening, JournalError> {
        hold_with(path, clock().time_of_day(), given)?.open(clock())
    }

    #[tokio::test]
    async fn a_file_older_than_its_sealed_copies_is_refused_until_it_has_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("uat.jsonl");
        let opening = begin(&path, clock(), began()).unwrap();
        let older = fs::read(&path).unwrap();
        let seal = opening.journal.seal("providers", captures()).await.unwrap();
        let copy = seal.copy.unwrap();
        drop(opening);
        // The file was put back alone, or together with an older lock file.
        write_private(&path, &older);
        fs::remove_file(folder.path().join("uat.jsonl.lock")).unwrap();
        let error = resume(&path, clock(), false).unwrap_err();
        assert!(matches!(error, JournalError::Older { .. }), "{error}");
        assert!(error.to_string().contains("'providers'"), "{error}");
        let given = format!("--from-capture {}", copy.display());
        assert!(error.help().contains(&given), "{}", error.help());
        let found = check(&path).unwrap();
        assert!(found[0].why.contains("'providers'"), "{}", found[0].why);

        // A process that is killed before it has put the copy into the file changes nothing.
        let given = Resume {
            takeover: false,
            copies: std::slice::from_ref(&copy),
        };
        drop(resume_given(&path, given).unwrap());
        assert!(resume(&path, clock(), false).is_err());
        let opening = resume_given(&path, given).unwrap();
        let rows = read_copy(&copy).unwrap().captures;
        opening.journal.seal("providers", rows).await.unwrap();
        drop(opening);
        drop(resume(&path, clock(), false).unwrap());
        assert_eq!(check(&path).unwrap(), []);
    }

    #[tokio::test]
    async fn copies_of_other_runs_and_of_seals_that_were_begun_again_are_no_proof() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("uat.jsonl");
        let opening = begin(&path, clock(), began()).unwrap();
        drop(opening.journal.seal("target", captures()).await.unwrap());
        drop(opening);
        let file = fs::read(&path).unwrap();
        // Killed between the copy and the record that the seal is verified.
        let end = file[..file.len() - 1]
            .iter()
            .rposition(|byte| *byte == b'\n')
            .unwrap();
        write_private(&path, &file[..=end]);
        fs::remove_file(folder.path().join("uat.jsonl.lock")).unwrap();
        let opening = resume(&path, clock(), false).unwrap();
        drop(
            opening
                .journal
                .seal("target", captures()[..1].to_vec())
                .await
                .unwrap(),
        );
        drop(opening);
        drop(resume(&path, clock(), false).unwrap());
        // A new run finds both copies of the old one beside it.
        fs::remove_file(&path).unwrap();
        drop(begin(&path, clock(), began()).unwrap());
        drop(resume(&path, clock(), false).unwrap());
        assert_eq!(check(&path).unwrap(), []);
    }

    #[tokio::test]
    async fn a_missing_copy_is_written_again_and_a_changed_one_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("uat.jsonl");
        let opening = begin(&path, clock(), began()).unwrap();
        let journal = &opening.journal;
        let copy = journal
            .seal("providers", captures())
            .await
            .unwrap()
            .copy
            .unwrap();
        let original = fs::read(&copy).unwrap();
        assert!(journal.verify_seal("providers").is_ok());

        fs::remove_file(&copy).unwrap();
        let error = journal.verify_seal("providers").unwrap_err();
        assert!(matches!(error, JournalError::CopyBroken { .. }), "{error}");
        assert!(error.to_string().contains("is missing"), "{error}");
        assert_eq!(check(&path).unwrap().len(), 1);
        drop(opening);
        let opening = resume(&path, clock(), false).unwrap();
        assert_eq!(opening.warnings.len(), 1);
        assert!(
            opening.warnings[0].contains("is written again"),
            "{:?}",
            opening.warnings
        );
        assert_eq!(fs::read(&copy).unwrap(), original);
        assert!(opening.journal.verify_seal("providers").is_ok());
        assert_eq!(check(&path).unwrap(), []);

        fs::remove_file(&copy).unwrap();
        let text = String::from_utf8(original.clone()).unwrap();
        fs::write(&copy, text.replacen("Ship", "Skip", 1)).unwrap();
        let error = opening.journal.verify_seal("providers").unwrap_err();
        assert!(
            error.to_string().contains("is not what was written"),
            "{error}"
        );
        assert!(error.help().contains("move"), "{}", error.help());
        drop(opening);
        assert_eq!(
            check(&path).unwrap()[0].line,
            5,
            "the line that closes the seal"
        );
        let opening = resume(&path, clock(), false).unwrap();
        assert!(opening.warnings[0].contains("is not what was written"));
        assert_eq!(check(&path).unwrap().len(), 1, "it is left as it is");
        drop(opening);
        fs::rename(&copy, folder.path().join("changed")).unwrap();
        drop(resume(&path, clock(), false).unwrap());
        assert_eq!(fs::read(&copy).unwrap(), original);
    }

    #[test]
    fn a_fifo_in_the_state_files_place_is_refused_and_not_waited_for() {
        use rustix::fs::{CWD, FileType, Mode, mknodat};
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("uat.jsonl");
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        for error in [
            resume(&path, clock(), false).unwrap_err(),
            read(&path).unwrap_err(),
            check(&path).unwrap_err(),
            cut(&path, clock(), 1).unwrap_err(),
            read_copy(&path).unwrap_err(),
        ] {
            assert!(error.to_string().contains("it is a FIFO"), "{error}");
        }
    }

    #[test]
    fn a_file_that_others_may_read_or_that_is_a_link_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("uat.jsonl");
        drop(begin(&path, clock(), began()).unwrap());
        let link = folder.path().join("link.jsonl");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let error = resume(&link, clock(), false).unwrap_err();
        assert!(matches!(error, JournalError::Unsafe { .. }), "{error}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let error = resume(&path, clock(), false).unwrap_err();
        assert!(matches!(error, JournalError::Unsafe { .. }), "{error}");
        assert!(read(&path).is_ok());
    }

    #[tokio::test]
    async fn a_file_that_was_replaced_is_not_written_any_more() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("uat.jsonl");
        let opening = begin(&path, clock(), began()).unwrap();
        // An editor saves by writing another file and renaming it.
        let saved = folder.path().join("saved");
        fs::copy(&path, &saved).unwrap();
        fs::rename(&saved, &path).unwrap();
        let error = opening.journal.append(planned("d")).await.unwrap_err();
        assert!(matches!(error, JournalError::Poisoned { .. }), "{error}");
        assert!(
            error
                .to_string()
                .contains("another file has taken its place"),
            "{error}"
        );
    }
}
