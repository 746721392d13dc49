//! The lease: the lock of a copy.
//!
//! A lease that is renewed in time is never lost to a process that only asks. It is lost if another
//! process breaks it (`--takeover`), or if it could not be renewed. Then this process must stop
//! before its next request; the callback sees to that. It is called before the lease's end, by this
//! machine's clock; and the service refuses every append without the lease anyway.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use azure_storage_blob::models::{BlobClientAcquireLeaseOptions, BlobClientBreakLeaseOptions};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};
use uuid::Uuid;

use super::container::Container;
use super::errors::{Refusal, copy_error, refusal};
use crate::base::elsewhere::{CopyError, CopyErrorKind};
use crate::base::sync::lock;

/// How long a lease lasts. The service accepts 15 to 60 seconds (Microsoft Learn, *Lease Blob*).
const SECONDS: i32 = 60;
const LASTS: Duration = Duration::from_mins(1);
/// How often it is renewed, and how long after a failed attempt.
const RENEW: Duration = Duration::from_secs(15);
const AGAIN: Duration = Duration::from_secs(2);
/// How long before its end it counts as lost.
const MARGIN: Duration = Duration::from_secs(5);

type Tell = Box<dyn FnOnce(CopyError) + Send>;

/// A lease on the parts of a copy.
pub(super) struct Lease {
    id: Uuid,
    /// The blobs that are leased.
    names: Mutex<Vec<String>>,
    state: Mutex<State>,
}

struct State {
    /// It is certain until then.
    until: Instant,
    lost: Option<CopyError>,
    tell: Option<Tell>,
}

/// The option that ends a lease now.
pub(super) fn at_once<'a>() -> BlobClientBreakLeaseOptions<'a> {
    BlobClientBreakLeaseOptions {
        break_period: Some(0),
        ..BlobClientBreakLeaseOptions::default()
    }
}

impl Lease {
    /// Takes the lease of a blob; with `takeover`, from the process that has it.
    pub(super) async fn acquire(
        container: &Container,
        name: &str,
        takeover: bool,
    ) -> Result<Self, CopyError> {
        let lease = Self {
            id: Uuid::new_v4(),
            names: Mutex::default(),
            state: Mutex::new(State {
                until: Instant::now() + LASTS,
                lost: None,
                tell: None,
            }),
        };
        lease.take(container, name, takeover).await?;
        Ok(lease)
    }

    /// Takes the same lease of a later part. This process has the lease of the first, so nobody
    /// else may have this one.
    pub(super) async fn include(&self, container: &Container, name: &str) -> Result<(), CopyError> {
        self.take(container, name, true).await
    }

    async fn take(
        &self,
        container: &Container,
        name: &str,
        takeover: bool,
    ) -> Result<(), CopyError> {
        let blob = container.blob(name);
        let mut may_break = takeover;
        let mut attempts = 5;
        loop {
            let options = BlobClientAcquireLeaseOptions {
                proposed_lease_id: Some(self.id()),
                ..BlobClientAcquireLeaseOptions::default()
            };
            let Err(error) = blob.acquire_lease(SECONDS, Some(options)).await else {
                break;
            };
            match refusal(&error) {
                Refusal::Lease if may_break => {
                    may_break = false;
                    let broken = blob.break_lease(Some(at_once())).await;
                    broken.map_err(|error| copy_error("ending the other lease", &error))?;
                }
                // The same id may be asked for again.
                Refusal::Unavailable if attempts > 0 => {
                    attempts -= 1;
                    sleep(AGAIN).await;
                }
                _ => return Err(copy_error("taking its lease", &error)),
            }
        }
        lock(&self.names).push(name.to_owned());
        Ok(())
    }

    /// Its id, as a request names it.
    pub(super) fn id(&self) -> String {
        self.id.to_string()
    }

    /// Leaves a part out: it is about to be deleted.
    pub(super) fn exclude(&self, name: &str) {
        lock(&self.names).retain(|leased| leased != name);
    }

    /// Calls `tell` when the lease is lost, or now if it is.
    pub(super) fn when_lost(&self, tell: Tell) {
        let mut state = lock(&self.state);
        match state.lost.clone() {
            Some(error) => {
                drop(state);
                tell(error);
            }
            None => state.tell = Some(tell),
        }
    }

    /// Renews the lease until it is lost.
    pub(super) async fn keep(self: Arc<Self>, container: Container) {
        let mut next = Instant::now() + RENEW;
        loop {
            sleep_until(next).await;
            let end = lock(&self.state).until - MARGIN;
            let sent = Instant::now();
            let renewed = timeout_at(end, self.renew(&container)).await;
            let failed = match renewed {
                Ok(Ok(())) => {
                    // From before the request, so that the end is never too late.
                    lock(&self.state).until = sent + LASTS;
                    next = sent + RENEW;
                    continue;
                }
                Ok(Err(error)) => error,
                Err(_) => CopyError::new(
                    CopyErrorKind::Unavailable,
                    "its lease could not be renewed in time",
                ),
            };
            next = Instant::now() + AGAIN;
            if failed.kind != CopyErrorKind::Unavailable || next >= end {
                return self.lose(failed);
            }
        }
    }

    async fn renew(&self, container: &Container) -> Result<(), CopyError> {
        let names = lock(&self.names).clone();
        for name in names {
            let renewed = container.blob(&name).renew_lease(self.id(), None).await;
            renewed.map_err(|error| copy_error("renewing its lease", &error))?;
        }
        Ok(())
    }

    fn lose(&self, error: CopyError) {
        let mut state = lock(&self.state);
        state.lost = Some(error.clone());
        let tell = state.tell.take();
        drop(state);
        if let Some(tell) = tell {
            tell(error);
        }
    }

    /// Ends the lease, so that the next process need not wait.
    pub(super) async fn release(&self, container: &Container) {
        let names = lock(&self.names).clone();
        for name in names.iter().rev() {
            // A lease that remains ends by itself.
            drop(container.blob(name).release_lease(self.id(), None).await);
        }
    }
}
