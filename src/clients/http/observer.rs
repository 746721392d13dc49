//! Who hears of each wait: no request waits in silence.

use std::time::Duration;

/// Is told of every request that is sent and of every wait before one. Implemented above this room.
pub trait Observer: Send + Sync {
    /// A wait begins.
    fn waiting(&self, wait: &Wait);

    /// A request is about to be sent: the service's name, and the HTTP method.
    fn requested(&self, _service: &str, _method: &str) {}
}

/// An observer that tells nobody, for tests and for questions that nobody watches.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {
    fn waiting(&self, _wait: &Wait) {}
}

/// A wait before a request is sent, or sent again.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Wait {
    /// The service that is waited for, by its name.
    pub service: String,
    /// Why.
    pub reason: WaitReason,
    /// How long, in the program's time.
    pub duration: Duration,
    /// How many attempts were made so far.
    pub attempt: u32,
    /// What the service said, or what failed on the way to it.
    pub message: String,
}

/// Why there is a wait.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum WaitReason {
    /// The service, or its limit that others share, was asked too often.
    Throttled,
    /// The service does not answer, or answers that it cannot.
    Unavailable,
    /// The organization has not provisioned the caller yet, as for some minutes after a copy.
    NotYetProvisioned,
    /// The sign-in service is away while a token is needed.
    TokenRenewal,
}
