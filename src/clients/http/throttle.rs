//! The gate before a host. One 429 shuts it for every request that shares the limit: whoever goes
//! on asking only makes the penalty longer (Microsoft Learn, *Service protection API limits*).

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};

use super::client::Http;
use super::observer::{Wait, WaitReason};
use super::retry::{LONGEST_WAIT, come_back};
use crate::clients::error::{Error, ErrorKind};

/// How many requests one host is asked at the same time. Dataverse refuses from 52 on; the work
/// above asks for four.
const AT_THE_SAME_TIME: usize = 16;

/// The gate of one host.
#[derive(Debug)]
pub(crate) struct Gate {
    places: Semaphore,
    shut: Mutex<Option<Shut>>,
}

#[derive(Clone, Debug)]
struct Shut {
    /// On the program's clock.
    until: Duration,
    message: String,
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            places: Semaphore::new(AT_THE_SAME_TIME),
            shut: Mutex::new(None),
        }
    }
}

impl Gate {
    /// Shuts the gate until then, on the program's clock. A gate that is shut for longer stays so.
    pub(super) fn shut(&self, until: Duration, message: &str) {
        let mut shut = self.lock();
        if shut.as_ref().is_none_or(|shut| shut.until < until) {
            *shut = Some(Shut {
                until,
                message: message.to_owned(),
            });
        }
    }

    /// Waits for a free place and an open gate. Takes who asks for what, and in which attempt.
    pub(super) async fn enter(
        &self,
        http: &Http,
        service: &str,
        what: &str,
        attempt: u32,
    ) -> Result<Option<SemaphorePermit<'_>>, Error> {
        loop {
            let place = tokio::select! {
                biased;
                () = http.cancellation().on_insist() => {
                    return Err(Error::cancelled(service, what));
                }
                // The semaphore is never closed, so the only answer is a place.
                place = self.places.acquire() => place.ok(),
            };
            let Some(shut) = self.still_shut(http.clock().elapsed()) else {
                return Ok(place);
            };
            drop(place);
            let left = shut.until.saturating_sub(http.clock().elapsed());
            if left > LONGEST_WAIT {
                let error = Error::new(ErrorKind::Throttled, service, what, &shut.message);
                return Err(error.with_help(come_back(left)));
            }
            let wait = Wait {
                service: service.to_owned(),
                reason: WaitReason::Throttled,
                duration: left,
                attempt,
                message: shut.message,
            };
            http.pause(wait, what).await?;
        }
    }

    fn still_shut(&self, now: Duration) -> Option<Shut> {
        self.lock().clone().filter(|shut| shut.until > now)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Shut>> {
        self.shut.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
