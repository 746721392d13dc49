//! The handle through which other modules append to the journal and read its state.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use tokio::sync::oneshot;
use tokio::task;

use super::error::{IllegalTransition, JournalError};
use super::lock::Lock;
use super::payload::{Closed, SealVerified, SealedRefresh};
use super::poison::Poison;
use super::record::Record;
use super::seal::{self, ReadBack, RowToSeal, SealRecords, SealSummary};
use super::seal_backups::{self, Stamp};
use super::sealed_row::read_back_row;
use super::state::State;
use super::writer::{Durability, Request, SharedState, Writer};
use crate::base::cancellation::Cancellation;
use crate::base::files;
use crate::base::remote_state::RemoteState;
use crate::base::sync::lock;

/// A handle to the one writer of an open state file. Clones share it; the writer ends when the last
/// one is dropped.
#[derive(Clone, Debug)]
pub struct Journal {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    shared: Arc<SharedState>,
    written: Arc<SharedState>,
    poison: Arc<Poison>,
    /// Where the copies of seals go too.
    remote_state: Option<Arc<dyn RemoteState>>,
    sender: Option<Sender<Request>>,
    thread: Option<JoinHandle<()>>,
    /// The seals that this process has verified: the digest of each, and which file its copy was.
    verified: Mutex<BTreeMap<String, (String, Option<Stamp>)>>,
}

impl Journal {
    /// Starts the writer; it holds `lock` until it ends.
    pub(super) fn start(path: &Path, writer: Writer, lock: Lock) -> Result<Self, JournalError> {
        let (shared, written, poison) = (writer.shared(), writer.written(), writer.poison());
        let remote_state = writer.copy();
        let (sender, thread) = writer.start(lock)?;
        Ok(Self {
            inner: Arc::new(Inner {
                path: path.to_owned(),
                shared,
                written,
                poison,
                remote_state,
                sender: Some(sender),
                thread: Some(thread),
                verified: Mutex::default(),
            }),
        })
    }

    /// The state file's path.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// The state after the last durable record: a snapshot, which does not change.
    pub fn state(&self) -> Arc<State> {
        self.inner.shared.get()
    }

    /// The state after the last written record, which may not be durable: to show, not to decide from.
    pub fn written_state(&self) -> Arc<State> {
        self.inner.written.get()
    }

    /// The first failure to write a record. No record is written after it.
    pub fn failure(&self) -> Option<JournalError> {
        self.inner.poison.first_failure()
    }

    /// Halts this run when a record cannot be written: once the failed [`append`](Self::append) has
    /// returned, or [`failure`](Self::failure) returns an error, no request is sent. The same when the
    /// lease of the remote state is lost.
    pub fn halt_on_failure(&self, cancellation: &Cancellation) {
        self.inner.poison.halt_on_failure(cancellation);
        if let Some(copy) = &self.inner.remote_state {
            cancellation.require_lease(copy);
        }
    }

    /// Writes one record and returns when it is durable. Queued records are written and synced
    /// together. Fails with [`JournalError::Illegal`] if the record is not allowed here, and after
    /// a failed write always with that failure.
    ///
    /// The record is written even if the caller stops waiting.
    pub async fn append(&self, record: impl Into<Record>) -> Result<(), JournalError> {
        self.append_all(vec![record.into()]).await
    }

    /// Writes several records with nothing between them; if one of them is not allowed, none is
    /// written. Otherwise as [`append`](Self::append). A process that is killed while it writes may
    /// leave the first few of them, none of which was acknowledged.
    ///
    /// After a capture could not be read back, nothing is written: what a survey found since may
    /// rest on an incomplete list.
    pub async fn append_all(&self, records: Vec<Record>) -> Result<(), JournalError> {
        self.request(records, Durability::Synced).await
    }

    /// Writes one record and returns when it is written: for what the tenant shows again if the
    /// record is lost, such as the end of a set. A killed process does not lose it; a loss of power
    /// may, until the record is durable: with the next [`append`](Self::append), with
    /// [`sync`](Self::sync), a moment later if nothing else is written, or when the journal is
    /// dropped. [`state`](Self::state) shows it from then on. Otherwise as [`append`](Self::append).
    pub async fn append_unsynced(&self, record: impl Into<Record>) -> Result<(), JournalError> {
        self.request(vec![record.into()], Durability::Written).await
    }

    /// Returns when everything that was written is durable, and [`state`](Self::state) shows it.
    pub async fn sync(&self) -> Result<(), JournalError> {
        self.request(Vec::new(), Durability::Synced).await
    }

    async fn request(
        &self,
        records: Vec<Record>,
        durability: Durability,
    ) -> Result<(), JournalError> {
        if let Some(error) = self.state().unread() {
            return Err(self.inner.poison.set(error));
        }
        let (answer, answered) = oneshot::channel();
        let records = records.into_iter().map(Record::without_secrets).collect();
        let request = Request {
            records,
            durability,
            answer,
        };
        let stopped = || {
            let path = self.inner.path.clone();
            self.inner.poison.set(JournalError::WriterStopped { path })
        };
        self.inner
            .sender
            .as_ref()
            .and_then(|sender| sender.send(request).ok())
            .ok_or_else(stopped)?;
        answered.await.map_err(|_| stopped())?
    }

    /// Seals these captures under a name of lower-case letters, digits and hyphens: writes them
    /// and their manifest, reads both back from a new handle and compares, writes the read-only
    /// copy, and records that the seal is verified.
    ///
    /// A seal that was closed and not verified is started over. A seal that is verified is refused
    /// with [`JournalError::Illegal`], and so is a duplicate key.
    pub async fn seal(
        &self,
        seal: &str,
        captures: impl IntoIterator<Item = RowToSeal, IntoIter: Send> + Send,
    ) -> Result<SealSummary, JournalError> {
        let refused = |why: String| JournalError::Illegal {
            path: self.inner.path.clone(),
            transition: IllegalTransition {
                number: self.state().next_number,
                kind: "sealed".to_owned(),
                why,
            },
        };
        if !seal::is_valid_name(seal) {
            return Err(refused(format!("`{seal}` is not a valid name of a seal")));
        }
        let refresh = SealedRefresh::from(&self.state().began.pinned);
        for batch in SealRecords::new(seal, Some(refresh), captures) {
            let duplicate = |key| refused(format!("the seal `{seal}` contains `{key}` twice"));
            self.append_all(batch.map_err(duplicate)?).await?;
        }
        let journal = self.clone();
        let name = seal.to_owned();
        let copying = task::spawn_blocking(move || {
            let ReadBack { mut summary, lines } = journal.read_back(&name)?;
            let copy = seal::write_copy(&journal.inner.path, &name, lines)?;
            journal.keep_remotely(&copy)?;
            summary.copy = Some(copy);
            Ok::<_, JournalError>(summary)
        });
        let summary = copying.await.map_err(|_| JournalError::WriterStopped {
            path: self.inner.path.clone(),
        })??;
        self.append(SealVerified {
            seal: seal.to_owned(),
            copy: summary.copy.as_ref().map(|copy| copy.display().to_string()),
        })
        .await?;
        Ok(summary)
    }

    /// Reads a seal from a new file handle, and compares it with this process's state and with its
    /// read-only copy: what is about to be removed must be recorded in both files. Blocks the thread
    /// that calls it.
    pub fn verify_seal(&self, seal: &str) -> Result<SealSummary, JournalError> {
        let path = &self.inner.path;
        let state = self.state();
        let ReadBack { summary, lines } = self.read_back(seal)?;
        let known = state.verified_seal(seal);
        // Looked at before the copy is read: a change in between is noticed the next time.
        let stamp = known.and_then(|known| seal_backups::stamp(path, known));
        if let Some(problem) =
            known.and_then(|known| seal_backups::find_problem(path, known, lines))
        {
            return Err(JournalError::CopyBroken {
                why: problem.message(),
                help: problem.help(),
            });
        }
        let verified = (summary.sha256.clone(), stamp);
        lock(&self.inner.verified).insert(seal.to_owned(), verified);
        Ok(summary)
    }

    /// Is what has this key in a verified seal on the disk? Verifies the whole seal with
    /// [`verify_seal`](Self::verify_seal) once in each process, and again after its copy was
    /// touched. Each call reads the row itself from a new handle of the state file and compares it
    /// with what was sealed.
    pub fn verify_capture(&self, seal: &str, key: &str) -> Result<bool, JournalError> {
        let path = &self.inner.path;
        let state = self.state();
        let is_verified = state.verified_seal(seal).is_some_and(|known| {
            let manifest = known.manifest.as_ref();
            let sha256 = manifest.map(|manifest| manifest.sha256.clone());
            let now = sha256.map(|sha256| (sha256, seal_backups::stamp(path, known)));
            lock(&self.inner.verified).get(seal) == now.as_ref()
        });
        if !is_verified {
            self.verify_seal(seal)?;
        }
        let Some(row) = state
            .verified_seal(seal)
            .and_then(|known| known.capture(key))
        else {
            return Ok(false);
        };
        read_back_row(path, row).map_err(|why| JournalError::SealBroken {
            path: path.clone(),
            seal: seal.to_owned(),
            why: format!("the capture `{key}` cannot be read back: {why}"),
        })?;
        Ok(true)
    }

    /// Stores the copy of a seal beside the copy of the file, if there is one.
    fn keep_remotely(&self, copy: &Path) -> Result<(), JournalError> {
        let Some(remote_state) = &self.inner.remote_state else {
            return Ok(());
        };
        let name = copy.file_name().unwrap_or_default().to_string_lossy();
        let lines =
            files::read(copy).map_err(JournalError::io("reading the copy of a seal", copy))?;
        remote_state.keep(&name, &lines).map_err(|error| {
            let error = JournalError::remote_state(remote_state.as_ref(), error);
            self.inner.poison.set(error)
        })
    }

    fn read_back(&self, name: &str) -> Result<ReadBack, JournalError> {
        let state = self.state();
        let known = state.seal(name).ok_or_else(|| JournalError::SealBroken {
            path: self.inner.path.clone(),
            seal: name.to_owned(),
            why: "there is no such seal".to_owned(),
        })?;
        seal::read_back(&self.inner.path, state.run, known)
    }

    /// Records how this process leaves the file. Nothing can be appended after it.
    pub async fn close(
        &self,
        reason: &str,
        exit: u8,
        message: Option<String>,
    ) -> Result<(), JournalError> {
        self.append(Closed::new(reason, exit, message)).await
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // The writer ends when its last sender is dropped. Waiting for it ensures that nothing is
        // still being written when another process takes the lock.
        drop(self.sender.take());
        if let Some(thread) = self.thread.take() {
            // Its result says nothing: each request has had its own.
            drop(thread.join());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::base::clock::Clock;
    use crate::base::platform::testing;
    use crate::journal::opening::{OpenStateFile, begin, resume};
    use crate::journal::seal::read_copy;
    use crate::journal::testing::{began, captures};

    fn run(folder: &Path) -> OpenStateFile {
        begin(&folder.join("uat.iomcopy.jsonl"), Clock::new(1.0), began()).unwrap()
    }

    /// Edits the file without the journal.
    fn edit(path: &Path, from: &str, to: &str) {
        let text = fs::read_to_string(path).unwrap();
        assert!(text.contains(from));
        fs::write(path, text.replace(from, to)).unwrap();
    }

    #[tokio::test]
    async fn a_seal_is_read_back_and_copied() {
        let folder = tempfile::tempdir().unwrap();
        let opening = run(folder.path());
        let journal = &opening.journal;
        let summary = journal.seal("target-before", captures()).await.unwrap();
        assert_eq!(summary.count, 2);
        let copy = folder
            .path()
            .join("uat.iomcopy.target-before.capture.jsonl");
        assert_eq!(summary.copy.as_deref(), Some(copy.as_path()));
        testing::assert_mode(&copy, 0o400);

        let state = journal.state();
        let seal = state.verified_seal("target-before").unwrap();
        let row = seal.capture("flow/1").unwrap();
        assert_eq!(state.text_of(seal, row).unwrap(), captures()[0].text);
        assert_eq!(journal.verify_seal("target-before").unwrap(), summary);

        let read = read_copy(&copy).unwrap();
        assert_eq!(read.captures, captures());
        assert_eq!((read.run, read.seal.as_str()), (state.run, "target-before"));
        assert_eq!(read.sha256, summary.sha256);

        drop(opening);
        let opening = resume(
            &folder.path().join("uat.iomcopy.jsonl"),
            Clock::new(1.0),
            false,
        );
        let journal = opening.unwrap().journal;
        assert_eq!(journal.verify_seal("target-before").unwrap(), summary);
    }

    #[tokio::test]
    async fn an_edited_capture_breaks_its_seal() {
        let folder = tempfile::tempdir().unwrap();
        let opening = run(folder.path());
        let journal = &opening.journal;
        journal.seal("target", captures()).await.unwrap();
        edit(journal.path(), "Ship – order", "Skip – order");
        let error = journal.verify_seal("target").unwrap_err();
        assert!(
            matches!(error, JournalError::Damaged { line: 3, .. }),
            "{error}"
        );
    }

    #[tokio::test]
    async fn a_verified_seal_that_changes_later_is_detected() {
        let text = |path: &Path| fs::read_to_string(path).unwrap();
        for changed in ["a capture in the file", "the copy", "an earlier record"] {
            let folder = tempfile::tempdir().unwrap();
            let opening = run(folder.path());
            let journal = &opening.journal;
            let copy = journal.seal("target", captures()).await.unwrap().copy;
            let summary = journal.verify_seal("target").unwrap();
            assert_eq!(journal.verify_seal("target").unwrap(), summary, "again");
            match changed {
                "a capture in the file" => edit(journal.path(), "Ship – order", "Skip – order"),
                "the copy" => fs::remove_file(copy.unwrap()).unwrap(),
                // The seal is still in both files; only a resumed run depends on the rest.
                _ => {
                    let first = text(journal.path()).replacen("\"began\"", "\"BEGAN\"", 1);
                    fs::write(journal.path(), first).unwrap();
                    assert_eq!(journal.verify_seal("target").unwrap(), summary);
                    continue;
                }
            }
            journal.verify_seal("target").expect_err(changed);
        }
    }

    #[tokio::test]
    async fn a_removal_reads_its_own_row_and_the_seal_once() {
        let folder = tempfile::tempdir().unwrap();
        let opening = run(folder.path());
        let journal = &opening.journal;
        let copy = journal.seal("target", captures()).await.unwrap().copy;
        assert!(journal.verify_capture("target", "flow/1").unwrap());
        assert!(!journal.verify_capture("target", "flow/2").unwrap());
        assert!(journal.verify_capture("nowhere", "flow/1").is_err());
        // The other row is not read again; the whole seal is when it is asked for.
        edit(journal.path(), "Ship – order", "Skip – order");
        assert!(journal.verify_capture("target", "parameter/2").unwrap());
        let error = journal.verify_capture("target", "flow/1").unwrap_err();
        assert!(error.to_string().contains("cannot be read back"), "{error}");
        edit(journal.path(), "Skip – order", "Ship – order");
        assert!(journal.verify_capture("target", "flow/1").unwrap());
        // A copy that was touched is compared again.
        fs::remove_file(copy.unwrap()).unwrap();
        let error = journal.verify_capture("target", "flow/1").unwrap_err();
        assert!(matches!(error, JournalError::CopyBroken { .. }), "{error}");
    }

    #[tokio::test]
    async fn a_seal_that_is_cut_off_or_replaced_is_detected() {
        let folder = tempfile::tempdir().unwrap();
        let opening = run(folder.path());
        let journal = &opening.journal;
        let before = fs::read(journal.path()).unwrap();
        journal.seal("target", captures()).await.unwrap();
        // Only whole, valid lines, and the seal is missing.
        fs::write(journal.path(), &before).unwrap();
        let error = journal.verify_seal("target").unwrap_err();
        assert!(matches!(error, JournalError::SealBroken { .. }), "{error}");
        // A valid file of the same name, with another seal of the same name.
        let elsewhere = tempfile::tempdir().unwrap();
        let other = run(elsewhere.path());
        other
            .journal
            .seal("target", captures()[..1].to_vec())
            .await
            .unwrap();
        fs::copy(other.journal.path(), journal.path()).unwrap();
        let error = journal.verify_seal("target").unwrap_err();
        assert!(error.to_string().contains("another manifest"), "{error}");
        let error = journal.verify_seal("nowhere").unwrap_err();
        assert!(matches!(error, JournalError::SealBroken { .. }), "{error}");
    }

    #[tokio::test]
    async fn a_verified_seal_is_final_and_invalid_ones_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let opening = run(folder.path());
        let journal = &opening.journal;
        let twice = [captures(), captures()].concat();
        for (name, captures) in [
            ("target", twice),
            ("../escape", captures()),
            ("", captures()),
        ] {
            let error = journal.seal(name, captures).await.unwrap_err();
            assert!(matches!(error, JournalError::Illegal { .. }), "{error}");
        }
        assert_eq!(journal.state().seals.len(), 0);
        journal.seal("target", captures()).await.unwrap();
        let error = journal.seal("target", captures()).await.unwrap_err();
        assert!(error.to_string().contains("closed and verified"), "{error}");
        journal.seal("empty", vec![]).await.unwrap();
        assert_eq!(
            journal
                .state()
                .verified_seal("empty")
                .unwrap()
                .captures
                .len(),
            0
        );
    }

    #[tokio::test]
    async fn a_copy_never_overwrites_another() {
        let folder = tempfile::tempdir().unwrap();
        let opening = run(folder.path());
        let standing = folder.path().join("uat.iomcopy.target.capture.jsonl");
        fs::write(&standing, "an earlier run's").unwrap();
        let summary = opening.journal.seal("target", captures()).await.unwrap();
        let copy = folder.path().join("uat.iomcopy.target-2.capture.jsonl");
        assert_eq!(summary.copy, Some(copy));
        assert_eq!(fs::read_to_string(&standing).unwrap(), "an earlier run's");
    }

    #[tokio::test]
    async fn an_edited_copy_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let opening = run(folder.path());
        let copy = opening
            .journal
            .seal("target", captures())
            .await
            .unwrap()
            .copy
            .unwrap();
        let lines: Vec<String> = fs::read_to_string(&copy)
            .unwrap()
            .split_inclusive('\n')
            .map(str::to_owned)
            .collect();
        let variants = [
            lines[..2].concat(),
            lines[1..].concat(),
            [&lines[..], &lines[..1]].concat().concat(),
            lines.concat().replace("flow/1", "flow/3"),
            String::new(),
        ];
        for (number, text) in variants.into_iter().enumerate() {
            let edited = folder.path().join(format!("edited-{number}"));
            fs::write(&edited, text).unwrap();
            assert!(read_copy(&edited).is_err(), "variant {number}");
        }
        let error = read_copy(&folder.path().join("uat.iomcopy.jsonl")).unwrap_err();
        let says = "uat.iomcopy.jsonl is not a sealed copy; it begins like a state file";
        assert!(error.to_string().ends_with(says), "{error}");
        assert!(error.help().contains(".capture.jsonl"), "{}", error.help());
    }

    #[tokio::test]
    async fn a_snapshot_does_not_change() {
        let folder = tempfile::tempdir().unwrap();
        let opening = run(folder.path());
        let before = opening.journal.state();
        opening.journal.close("failed", 1, None).await.unwrap();
        assert!(before.is_open() && !opening.journal.state().is_open());
    }
}
