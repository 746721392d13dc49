//! The handle by which everyone else writes to the journal and reads its state.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;

use tokio::sync::oneshot;
use tokio::task;

use super::copies;
use super::error::{IllegalTransition, JournalError};
use super::lock::Lock;
use super::payload::{Closed, SealVerified};
use super::poison::Poison;
use super::record::Record;
use super::seal::{self, Capture, ReadBack, SealSummary};
use super::state::State;
use super::writer::{Request, Shown, Writer};
use crate::base::cancellation::Cancellation;

/// A handle to the one writer of an open state file. Clones share it; when the last is gone the
/// writer ends.
#[derive(Clone, Debug)]
pub struct Journal {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    shown: Arc<Shown>,
    poison: Arc<Poison>,
    sender: Option<Sender<Request>>,
    thread: Option<JoinHandle<()>>,
}

impl Journal {
    /// Starts the writer; it holds `lock` until it ends.
    pub(super) fn start(path: &Path, writer: Writer, lock: Lock) -> Result<Self, JournalError> {
        let (shown, poison) = (writer.shown(), writer.poison());
        let (sender, thread) = writer.start(lock)?;
        Ok(Self {
            inner: Arc::new(Inner {
                path: path.to_owned(),
                shown,
                poison,
                sender: Some(sender),
                thread: Some(thread),
            }),
        })
    }

    /// The state file's path.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// What the journal knows, as of the last acknowledged record. It is a snapshot and does not
    /// change.
    pub fn state(&self) -> Arc<State> {
        self.inner.shown.get()
    }

    /// The first failure to write a record, after which none is written.
    pub fn failure(&self) -> Option<JournalError> {
        self.inner.poison.get()
    }

    /// Halts this run when a record cannot be written: when the failed [`append`](Self::append)
    /// returns, and whenever [`failure`](Self::failure) returns one, no request leaves any more.
    pub fn halt_on_failure(&self, cancellation: &Cancellation) {
        self.inner.poison.halts(cancellation);
    }

    /// Writes one record and returns when it is durable. What has queued meanwhile is written and
    /// synced together. Fails with [`JournalError::Illegal`] where it may not follow those before
    /// it, and after any failed write with that failure, always.
    ///
    /// A caller that stops waiting does not take the record back.
    pub async fn append(&self, record: impl Into<Record>) -> Result<(), JournalError> {
        self.append_all(vec![record.into()]).await
    }

    /// Writes several records with nothing between them; where one of them may not follow, none is
    /// written. Otherwise as [`append`](Self::append). A kill in mid-write may leave the first few
    /// of them, none of which was acknowledged.
    pub async fn append_all(&self, records: Vec<Record>) -> Result<(), JournalError> {
        let (answer, answered) = oneshot::channel();
        let records = records.into_iter().map(Record::without_secrets).collect();
        let request = Request { records, answer };
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
    /// and their manifest, reads both back from a fresh handle and compares, writes the read-only
    /// copy, and records that the seal is verified.
    ///
    /// A seal that was closed and not verified begins anew; one that is verified is refused with
    /// [`JournalError::Illegal`], as is a key that comes twice.
    pub async fn seal(
        &self,
        seal: &str,
        captures: Vec<Capture>,
    ) -> Result<SealSummary, JournalError> {
        if !seal::is_name(seal) {
            return Err(JournalError::Illegal {
                path: self.inner.path.clone(),
                transition: IllegalTransition {
                    number: self.state().next_number,
                    kind: "sealed".to_owned(),
                    why: format!("`{seal}` is no name for a seal"),
                },
            });
        }
        self.append_all(seal::records(seal, captures)).await?;
        let journal = self.clone();
        let name = seal.to_owned();
        let copying = task::spawn_blocking(move || {
            let ReadBack { mut summary, lines } = journal.read_back(&name)?;
            summary.copy = Some(seal::write_copy(&journal.inner.path, &name, &lines)?);
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

    /// Reads a seal from a fresh handle and compares it with what this process knows of it, and its
    /// read-only copy with both: what is about to be removed has to be recorded in both places.
    /// Reads and verifies the whole file, on the thread that calls it.
    pub fn verify_seal(&self, seal: &str) -> Result<SealSummary, JournalError> {
        let ReadBack { summary, lines } = self.read_back(seal)?;
        let state = self.state();
        let flaw = state
            .verified_seal(seal)
            .and_then(|known| copies::flaw(&self.inner.path, known, &lines));
        match flaw {
            None => Ok(summary),
            Some(flaw) => Err(JournalError::CopyBroken {
                why: flaw.message(),
                help: flaw.help(),
            }),
        }
    }

    fn read_back(&self, name: &str) -> Result<ReadBack, JournalError> {
        let state = self.state();
        let known = state.seal(name).ok_or_else(|| JournalError::SealBroken {
            path: self.inner.path.clone(),
            seal: name.to_owned(),
            why: "there is none of this name".to_owned(),
        })?;
        seal::read_back(&self.inner.path, known)
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
        // The writer ends when its last sender is gone; whoever takes the lock next finds nothing
        // still being written.
        drop(self.sender.take());
        if let Some(thread) = self.thread.take() {
            // It has nothing to say at its end: each request had its answer.
            drop(thread.join());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::base::clock::Clock;
    use crate::journal::opening::{Opening, begin, resume};
    use crate::journal::seal::read_copy;
    use crate::journal::testing::{began, captures};

    fn run(folder: &Path) -> Opening {
        begin(&folder.join("uat.iomcopy.jsonl"), Clock::new(1.0), began()).unwrap()
    }

    /// Writes into the file behind the journal's back.
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
        let mode = fs::metadata(&copy).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o400);

        let state = journal.state();
        let seal = state.verified_seal("target-before").unwrap();
        assert_eq!(seal.capture("flow/1").unwrap().text, captures()[0].text);
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
    async fn a_seal_that_is_cut_off_or_replaced_is_missed() {
        let folder = tempfile::tempdir().unwrap();
        let opening = run(folder.path());
        let journal = &opening.journal;
        let before = fs::read(journal.path()).unwrap();
        journal.seal("target", captures()).await.unwrap();
        // Whole lines, each right, and the seal is gone.
        fs::write(journal.path(), &before).unwrap();
        let error = journal.verify_seal("target").unwrap_err();
        assert!(matches!(error, JournalError::SealBroken { .. }), "{error}");
        // A right file of the same name, with another seal of the same name in it.
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
    async fn a_verified_seal_is_final_and_bad_ones_are_refused() {
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
