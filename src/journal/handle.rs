//! The handle by which everyone else writes to the journal and reads its state.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;

use tokio::sync::oneshot;
use tokio::task;

use super::error::{IllegalTransition, JournalError};
use super::lock::Lock;
use super::payload::{Closed, SealVerified};
use super::record::Record;
use super::seal::{self, Capture, ReadBack, SealSummary};
use super::state::State;
use super::writer::{Request, Shown, Writer};

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
    sender: Option<Sender<Request>>,
    thread: Option<JoinHandle<()>>,
}

impl Journal {
    /// Starts the writer; it holds `lock` until it ends.
    pub(super) fn start(path: &Path, writer: Writer, lock: Lock) -> Result<Self, JournalError> {
        let shown = writer.shown();
        let (sender, thread) = writer.start(lock)?;
        Ok(Self {
            inner: Arc::new(Inner {
                path: path.to_owned(),
                shown,
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
        let request = Request { records, answer };
        let stopped = || JournalError::WriterStopped {
            path: self.inner.path.clone(),
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

    /// Reads a seal from a fresh handle and compares it with what this process knows of it. Reads
    /// and verifies the whole file, on the thread that calls it.
    pub fn verify_seal(&self, seal: &str) -> Result<SealSummary, JournalError> {
        self.read_back(seal).map(|read| read.summary)
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
        self.append(Closed {
            reason: reason.to_owned(),
            exit,
            message,
        })
        .await
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
