//! Every wait: the clock it uses, the observer it is reported to, the cancellation that ends it.

use std::sync::Arc;
use std::time::Duration;

use super::observer::{Observer, Wait};
use crate::base::cancellation::Cancellation;
use crate::base::clock::Clock;
use crate::clients::error::Error;

/// The clock, the observer and the cancellation that all requests share.
pub(crate) struct Pacer {
    pub(super) clock: Clock,
    pub(super) observer: Arc<dyn Observer>,
    pub(super) cancellation: Cancellation,
}

impl Pacer {
    /// Reports the wait to the observer, then waits. Ends early with [`Error::cancelled`] when the
    /// run is asked to stop.
    pub(super) async fn pause(&self, wait: Wait, what: &str) -> Result<(), Error> {
        if self.cancellation.is_stop_requested() {
            return Err(Error::cancelled(&wait.service, what));
        }
        self.observer.waiting(&wait);
        self.sleep(wait.duration, &wait.service, what).await
    }

    /// Waits without a report, for a caller that has reported what it waits for, such as for an
    /// operation. Ends early like [`Self::pause`].
    pub(super) async fn sleep(
        &self,
        duration: Duration,
        service: &str,
        what: &str,
    ) -> Result<(), Error> {
        if duration.is_zero() {
            return Ok(());
        }
        tokio::select! {
            biased;
            () = self.cancellation.wait_for_stop_request() => Err(Error::cancelled(service, what)),
            () = self.clock.sleep(duration) => Ok(()),
        }
    }
}
