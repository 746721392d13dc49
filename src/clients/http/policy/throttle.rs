//! The gate in front of a host. One 429 closes it for every request that shares the limit: requests
//! during the penalty only make it longer (Microsoft Learn, *Service protection API limits*).

use std::sync::Mutex;
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};

use super::retry::{MAX_WAIT, retry_after_hint};
use crate::base::sync::lock;
use crate::clients::error::{Error, ErrorKind};
use crate::clients::http::observer::{Wait, WaitReason};
use crate::clients::http::pacer::Pacer;

/// The maximum number of parallel requests to one host. Dataverse refuses from 52 on; the engine
/// uses four.
const MAX_PARALLEL: usize = 16;

/// The gate of one host.
#[derive(Debug)]
pub(crate) struct Gate {
    slots: Semaphore,
    closed: Mutex<Option<Closed>>,
}

#[derive(Clone, Debug)]
struct Closed {
    /// On the program's clock.
    until: Duration,
    message: String,
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            slots: Semaphore::new(MAX_PARALLEL),
            closed: Mutex::new(None),
        }
    }
}

impl Gate {
    /// Closes the gate until this time on the program's clock, unless it is closed for longer.
    pub(in crate::clients::http) fn close(&self, until: Duration, message: &str) {
        let mut closed = lock(&self.closed);
        if closed.as_ref().is_none_or(|closed| closed.until < until) {
            *closed = Some(Closed {
                until,
                message: message.to_owned(),
            });
        }
    }

    /// Waits for a free slot and an open gate. The service, the request's description and the
    /// number of the attempt are for the observer and for errors.
    pub(in crate::clients::http) async fn enter(
        &self,
        pacer: &Pacer,
        service: &str,
        what: &str,
        attempt: u32,
    ) -> Result<Option<SemaphorePermit<'_>>, Error> {
        loop {
            let slot = tokio::select! {
                biased;
                () = pacer.cancellation.wait_for_immediate_stop() => {
                    return Err(Error::cancelled(service, what));
                }
                // The semaphore is never closed, so this cannot fail.
                slot = self.slots.acquire() => slot.ok(),
            };
            let Some(closed) = self.still_closed(pacer.clock.elapsed()) else {
                return Ok(slot);
            };
            drop(slot);
            let remaining = closed.until.saturating_sub(pacer.clock.elapsed());
            if remaining > MAX_WAIT {
                let error = Error::new(ErrorKind::Throttled, service, what, &closed.message);
                return Err(error.with_help(retry_after_hint(remaining)));
            }
            let wait = Wait {
                service: service.to_owned(),
                reason: WaitReason::Throttled,
                duration: remaining,
                attempt,
                message: closed.message,
            };
            pacer.pause(wait, what).await?;
        }
    }

    fn still_closed(&self, now: Duration) -> Option<Closed> {
        lock(&self.closed)
            .clone()
            .filter(|closed| closed.until > now)
    }
}
