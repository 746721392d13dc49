//! A remote state, which is the state file's content at a service: what the journal needs of it, and
//! what a client provides.

use std::fmt;
use std::future::{Future, ready};
use std::pin::Pin;

/// The content of one state file at a service, which only this process may write as long as it has
/// the lease. Every call blocks until the service has responded, or until it is certain that the
/// lease cannot be kept.
pub trait RemoteState: fmt::Debug + Send + Sync {
    /// Where it is, for messages. It contains no secret.
    fn place(&self) -> &str;

    /// The whole content; empty if nothing was appended yet.
    fn read(&self) -> Result<Vec<u8>, RemoteStateError>;

    /// Appends whole lines at byte `at`, which must be the length of the content. Returns when the
    /// service has stored all of them. A lost response is not a failure: what the service has is
    /// compared with what was sent.
    fn append(&self, at: u64, bytes: &[u8]) -> Result<(), RemoteStateError>;

    /// Stores another file next to it, under this name. An existing file is compared and never
    /// overwritten.
    fn keep(&self, name: &str, bytes: &[u8]) -> Result<(), RemoteStateError>;

    /// Empties it, for a new run whose predecessor is kept elsewhere.
    fn clear(&self) -> Result<(), RemoteStateError>;

    /// Calls `callback` once if the lease is lost or cannot be renewed, or at once if it is lost
    /// already.
    fn when_lost(&self, callback: Box<dyn FnOnce(RemoteStateError) + Send>);

    /// Asks the service whether this process still has the lease, unless the service has said so a
    /// moment ago. If the lease is lost, the callback of [`when_lost`](Self::when_lost) has been
    /// called when this returns.
    fn confirm_lease(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(ready(()))
    }
}

/// Why a remote state could not be read or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RemoteStateError {
    /// What may be done about it.
    pub kind: RemoteStateErrorKind,
    /// What failed, and what the service said. It contains no secret.
    pub message: String,
}

/// The kinds of failure of a remote state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RemoteStateErrorKind {
    /// The service did not respond, or could not: a later run may succeed.
    Unavailable,
    /// Another process has the lease, or has written: this one must stop.
    Taken,
    /// The service does not accept the credential, or the credential may not do this.
    Denied,
    /// The service refused the request for another reason.
    Refused,
}

impl RemoteStateError {
    /// An error of this kind.
    pub fn new(kind: RemoteStateErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }
}
