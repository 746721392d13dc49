//! Stopping, once and twice.
//!
//! The first Ctrl-C asks the run to begin nothing new: requests in flight are answered and
//! recorded. The second asks it to stop at once; the journal is right all the same. A journal that
//! can no longer be written halts the run: from then on no request may leave, because what it does
//! could not be recorded.

use tokio_util::sync::CancellationToken;

/// The wishes to stop that every module can hear. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Cancellation {
    gently: CancellationToken,
    now: CancellationToken,
    halted: CancellationToken,
}

impl Cancellation {
    /// A cancellation that nobody has asked for yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks once: begin nothing new.
    pub fn ask(&self) {
        self.gently.cancel();
    }

    /// Asks twice: stop at once.
    pub fn insist(&self) {
        self.gently.cancel();
        self.now.cancel();
    }

    /// Forbids every further request, and asks to stop. In effect when this returns.
    pub fn halt(&self) {
        self.halted.cancel();
        self.gently.cancel();
    }

    /// Is every further request forbidden?
    pub fn halted(&self) -> bool {
        self.halted.is_cancelled()
    }

    /// Returns when every further request is forbidden.
    pub async fn on_halt(&self) {
        self.halted.cancelled().await;
    }

    /// Was it asked, once or twice?
    pub fn asked(&self) -> bool {
        self.gently.is_cancelled()
    }

    /// Returns when it has been asked once.
    pub async fn on_ask(&self) {
        self.gently.cancelled().await;
    }

    /// Returns when it has been asked twice.
    pub async fn on_insist(&self) {
        self.now.cancelled().await;
    }
}
