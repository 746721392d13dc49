//! Three ways to stop a run, and the lease that every request needs if the state is in Azure Storage:
//! without it, the run is halted.
//!
//! - A stop request (the first Ctrl-C): nothing new begins; the responses to requests in flight are
//!   completed and recorded.
//! - An immediate stop (the second Ctrl-C): it waits for nothing. The journal stays valid.
//! - A halt (the journal cannot be written): no request may be sent, because its effect could not
//!   be recorded.

use std::sync::{Arc, Mutex, Weak};

use tokio_util::sync::CancellationToken;

use super::remote_state::RemoteState;
use super::sync::lock;

/// The requests to stop, shared by all clones.
#[derive(Clone, Debug, Default)]
pub struct Cancellation {
    stop: CancellationToken,
    immediate: CancellationToken,
    halted: CancellationToken,
    /// The remote state whose lease must be certain before a request is sent. The journal owns it,
    /// and releases the lease when it ends.
    remote_state: Arc<Mutex<Option<Weak<dyn RemoteState>>>>,
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

    /// Makes the lease of this remote state a condition of every further request.
    pub fn require_lease(&self, state: &Arc<dyn RemoteState>) {
        *lock(&self.remote_state) = Some(Arc::downgrade(state));
    }

    /// Confirms the lease, if there is a remote state. A run whose lease is lost is halted when this
    /// returns.
    pub async fn confirm_lease(&self) {
        let state = lock(&self.remote_state).as_ref().and_then(Weak::upgrade);
        if let Some(state) = state {
            state.confirm_lease().await;
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
