//! The lease: the lock of a copy.
//!
//! A lease that is renewed in time is never lost to a process that only asks. It is lost if another
//! process breaks it (`--takeover`), or if it could not be renewed. Then this process must stop
//! before its next request; the callback sees to that. It is called before the lease's end, by this
//! machine's clock; and the service refuses every append without the lease anyway. Before a request
//! to another service, the lease is renewed if the service has not confirmed it for a second.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use azure_storage_blob::models::{BlobClientAcquireLeaseOptions, BlobClientBreakLeaseOptions};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};
use uuid::Uuid;

use super::container::Container;
use super::errors::{Refusal, copy_error, refusal};
use crate::base::remote_state::{RemoteStateError, RemoteStateErrorKind};
use crate::base::sync::lock;

/// How long a lease lasts. The service accepts 15 to 60 seconds (Microsoft Learn, *Lease Blob*).
const SECONDS: i32 = 60;
const LASTS: Duration = Duration::from_mins(1);
/// How often it is renewed, and how long after a failed attempt.
const RENEW: Duration = Duration::from_secs(15);
const AGAIN: Duration = Duration::from_secs(2);
/// How long before its end it counts as lost.
const MARGIN: Duration = Duration::from_secs(5);
/// How long after a response of the service the lease counts as certain, and how long a request may
/// wait for that.
const CERTAIN: Duration = Duration::from_secs(1);
const CONFIRM: Duration = Duration::from_secs(10);

type Callback = Box<dyn FnOnce(RemoteStateError) + Send>;

/// A lease on the parts of a copy.
pub(super) struct Lease {
    id: Uuid,
    /// The blobs that are leased.
    names: Mutex<Vec<String>>,
    state: Mutex<State>,
    /// Held by the task that asks the service.
    confirming: tokio::sync::Mutex<()>,
}

struct State {
    /// It lasts until then.
    until: Instant,
    /// When the last request was sent that the service accepted with this lease.
    confirmed: Instant,
    lost: Option<RemoteStateError>,
    callback: Option<Callback>,
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
    ) -> Result<Self, RemoteStateError> {
        let now = Instant::now();
        let lease = Self {
            id: Uuid::new_v4(),
            names: Mutex::default(),
            state: Mutex::new(State {
                until: now + LASTS,
                confirmed: now,
                lost: None,
                callback: None,
            }),
            confirming: tokio::sync::Mutex::default(),
        };
        lease.take(container, name, takeover).await?;
        Ok(lease)
    }

    /// Takes the same lease of a later part. This process has the lease of the first, so nobody
    /// else may have this one.
    pub(super) async fn include(
        &self,
        container: &Container,
        name: &str,
    ) -> Result<(), RemoteStateError> {
        self.take(container, name, true).await
    }

    async fn take(
        &self,
        container: &Container,
        name: &str,
        takeover: bool,
    ) -> Result<(), RemoteStateError> {
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

    /// Calls `callback` when the lease is lost, or now if it is.
    pub(super) fn when_lost(&self, callback: Callback) {
        let mut state = lock(&self.state);
        match state.lost.clone() {
            Some(error) => {
                drop(state);
                callback(error);
            }
            None => state.callback = Some(callback),
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
                    self.note_renewed(sent);
                    next = sent + RENEW;
                    continue;
                }
                Ok(Err(error)) => error,
                Err(_) => RemoteStateError::new(
                    RemoteStateErrorKind::Unavailable,
                    "its lease could not be renewed in time",
                ),
            };
            next = Instant::now() + AGAIN;
            if failed.kind != RemoteStateErrorKind::Unavailable || next >= end {
                return self.lose(failed);
            }
        }
    }

    /// Was the lease certain a moment ago?
    pub(super) fn is_certain(&self) -> bool {
        lock(&self.state).confirmed.elapsed() < CERTAIN
    }

    /// Renews the lease unless it is certain, or loses it. What a service that does not respond means
    /// is decided by [`keep`](Self::keep).
    pub(super) async fn confirm(&self, container: &Container) {
        let turn = self.confirming.lock().await;
        if self.is_certain() || lock(&self.state).lost.is_some() {
            return;
        }
        let sent = Instant::now();
        match timeout_at(sent + CONFIRM, self.renew(container)).await {
            Ok(Ok(())) => self.note_renewed(sent),
            Ok(Err(error)) if error.kind != RemoteStateErrorKind::Unavailable => self.lose(error),
            Ok(Err(_)) | Err(_) => {}
        }
        drop(turn);
    }

    /// The service has renewed the lease. The time is from before the request, so that the end is
    /// never too late.
    fn note_renewed(&self, sent: Instant) {
        let mut state = lock(&self.state);
        state.until = state.until.max(sent + LASTS);
        state.confirmed = state.confirmed.max(sent);
    }

    /// The service has accepted a request with this lease, which was sent at this time.
    pub(super) fn note_accepted(&self, sent: Instant) {
        let mut state = lock(&self.state);
        state.confirmed = state.confirmed.max(sent);
    }

    /// As if a second had passed.
    #[cfg(test)]
    pub(super) fn make_uncertain(&self) {
        let mut state = lock(&self.state);
        state.confirmed = state.confirmed.checked_sub(CERTAIN).unwrap();
    }

    async fn renew(&self, container: &Container) -> Result<(), RemoteStateError> {
        let names = lock(&self.names).clone();
        for name in names {
            let renewed = container.blob(&name).renew_lease(self.id(), None).await;
            renewed.map_err(|error| copy_error("renewing its lease", &error))?;
        }
        Ok(())
    }

    fn lose(&self, error: RemoteStateError) {
        let mut state = lock(&self.state);
        state.lost = Some(error.clone());
        let callback = state.callback.take();
        drop(state);
        if let Some(callback) = callback {
            callback(error);
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
