//! Three ways to stop a run.
//!
//! - A stop request (the first Ctrl-C): nothing new begins; the responses to requests in flight are
//!   completed and recorded.
//! - An immediate stop (the second Ctrl-C): it waits for nothing. The journal stays valid.
//! - A halt (the journal cannot be written): no request may be sent, because its effect could not
//!   be recorded.

use std::sync::{Arc, Mutex, Weak};

use tokio_util::sync::CancellationToken;

use super::remote_copy::RemoteCopy;
use super::sync::lock;

/// The requests to stop, shared by all clones.
#[derive(Clone, Debug, Default)]
pub struct Cancellation {
    stop: CancellationToken,
    immediate: CancellationToken,
    halted: CancellationToken,
    /// The copy of the journal whose lease must be certain before a request is sent. The journal owns
    /// it, and releases the lease when it ends.
    copy: Arc<Mutex<Option<Weak<dyn RemoteCopy>>>>,
}

impl Cancellation {
    /// Nothing is requested yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Requests that nothing new begins.
    pub fn request_stop(&self) {
        self.stop.cancel();
    }

    /// Requests an immediate stop.
    pub fn request_immediate_stop(&self) {
        self.stop.cancel();
        self.immediate.cancel();
    }

    /// Forbids every further request, and requests a stop. In effect when this returns.
    pub fn halt(&self) {
        self.halted.cancel();
        self.stop.cancel();
    }

    /// Is every further request forbidden?
    pub fn is_halted(&self) -> bool {
        self.halted.is_cancelled()
    }

    /// Returns when every further request is forbidden.
    pub async fn wait_for_halt(&self) {
        self.halted.cancelled().await;
    }

    /// Makes the lease of this copy a condition of every further request.
    pub fn require_lease(&self, copy: &Arc<dyn RemoteCopy>) {
        *lock(&self.copy) = Some(Arc::downgrade(copy));
    }

    /// Confirms the lease, if there is a remote copy. A run whose lease is lost is halted when this
    /// returns.
    pub async fn confirm_lease(&self) {
        let copy = lock(&self.copy).as_ref().and_then(Weak::upgrade);
        if let Some(copy) = copy {
            copy.confirm_lease().await;
        }
    }

    /// Was a stop requested, immediate or not?
    pub fn is_stop_requested(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Returns when a stop is requested, immediate or not.
    pub async fn wait_for_stop_request(&self) {
        self.stop.cancelled().await;
    }

    /// Returns when an immediate stop is requested.
    pub async fn wait_for_immediate_stop(&self) {
        self.immediate.cancelled().await;
    }
}
