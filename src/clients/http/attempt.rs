//! The outcome of one attempt to send a request.

use super::response::Response;
use super::transport::TransportError;

/// One attempt: the request id it was sent with, and its outcome.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) id: String,
    pub(super) outcome: AttemptOutcome,
}

impl Attempt {
    /// How many requests at once the service recommends, if its response says so. Microsoft Learn,
    /// *Send parallel requests*: the header `x-ms-dop-hint`.
    pub(super) fn recommended_parallelism(&self) -> Option<usize> {
        let AttemptOutcome::Responded(response) = &self.outcome else {
            return None;
        };
        response.header("x-ms-dop-hint")?.trim().parse().ok()
    }
}

/// How far an attempt came.
#[derive(Debug)]
pub(super) enum AttemptOutcome {
    /// The whole response arrived.
    Responded(Box<Response>),
    /// There was no connection, so nothing was sent.
    NotConnected(TransportError),
    /// The request could not be built.
    InvalidRequest(TransportError),
    /// It was sent, or may have been, and no whole response arrived.
    Incomplete(TransportError),
    /// The response is longer than the limit.
    BodyTooLong(TransportError),
    /// The run was asked to stop at once while the request was in flight.
    Interrupted,
    /// The run is halted, so nothing was sent.
    Halted,
}
