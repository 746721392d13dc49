//! Reports of waits and requests: no request waits in silence.

use std::time::Duration;

/// Receives every request that is sent and every wait before one. Implemented by a module above.
pub trait Observer: Send + Sync {
    /// A wait begins.
    fn waiting(&self, wait: &Wait);

    /// A request is about to be sent: the service's name, and the HTTP method.
    fn requested(&self, _service: &str, _method: &str) {}

    /// A read, or a request for a token, has no response yet, although one was due: the service's
    /// name, and its address with the port.
    fn silent(&self, _service: &str, _address: &str) {}

    /// A write has no response yet, although writes are usually answered by now.
    fn slow_write(&self, _write: &SlowWrite) {}

    /// The response to a write that was reported has begun, or there will be none.
    fn slow_write_ended(&self, _write: &SlowWrite) {}
}

/// A write without a response for longer than usual.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SlowWrite {
    /// The name of the service.
    pub service: String,
    /// Its host and port.
    pub address: String,
    /// Method and path.
    pub request: String,
    /// How long ago it was sent, on the program's clock.
    pub duration: Duration,
}

/// An observer that ignores every report.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {
    fn waiting(&self, _wait: &Wait) {}
}

/// A wait before a request is sent, or sent again.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Wait {
    /// The name of the service.
    pub service: String,
    /// Why.
    pub reason: WaitReason,
    /// How long, on the program's clock.
    pub duration: Duration,
    /// The number of attempts so far.
    pub attempt: u32,
    /// The service's message, or the transport error.
    pub message: String,
}

/// Why a request waits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum WaitReason {
    /// The service received too many requests, from this program or from others that share the
    /// limit.
    Throttled,
    /// The service does not respond, or responds that it is unavailable.
    Unavailable,
    /// The organization has not provisioned the caller yet, as for some minutes after a copy.
    NotYetProvisioned,
    /// The sign-in service is unavailable while a token is needed.
    TokenRenewal,
}
