//! The gate in front of a service, one for each user. One 429 closes it for every request that
//! shares the limit: requests during the penalty only make it longer (Microsoft Learn, *Service
//! protection API limits*). It also bounds how many requests are in flight, and keeps when an
//! operation may be polled again.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use url::Url;

use super::budget::Budget;
use super::retry::{MAX_WAIT, retry_after_hint};
use crate::base::sync::lock;
use crate::clients::error::{Error, ErrorKind};
use crate::clients::http::observer::{Wait, WaitReason};
use crate::clients::http::pacer::Pacer;
use crate::clients::http::response::Response;

/// The maximum wait for the next poll of an operation, even if the service asks for more.
const MAX_POLL_WAIT: Duration = Duration::from_mins(1);

/// The gate of one service and one user.
#[derive(Debug)]
pub(crate) struct Gate {
    /// As many as the budget allows, or those that are still in flight if it was halved.
    slots: Semaphore,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    budget: Budget,
    /// The number of slots, taken or free.
    slots: usize,
    closed: Option<Closed>,
    /// When an address may be read again, on the program's clock.
    next_polls: HashMap<Url, Duration>,
}

#[derive(Clone, Debug)]
struct Closed {
    /// On the program's clock.
    until: Duration,
    message: String,
}

/// The right to have one request in flight, until it is dropped.
pub(in crate::clients::http) struct Slot<'a> {
    gate: &'a Gate,
    permit: Option<SemaphorePermit<'a>>,
    /// The number of halvings when it was taken.
    halvings: u64,
}

impl Default for Gate {
    fn default() -> Self {
        let budget = Budget::default();
        Self {
            slots: Semaphore::new(budget.limit()),
            state: Mutex::new(State {
                slots: budget.limit(),
                budget,
                closed: None,
                next_polls: HashMap::new(),
            }),
        }
    }
}

impl Gate {
    /// Closes the gate until this time on the program's clock, unless it is closed for longer.
    pub(in crate::clients::http) fn close(&self, until: Duration, message: &str) {
        let closed = &mut lock(&self.state).closed;
        if closed.as_ref().is_none_or(|closed| closed.until < until) {
            *closed = Some(Closed {
                until,
                message: message.to_owned(),
            });
        }
    }

    /// Whether nothing may be sent at this time on the program's clock.
    pub(in crate::clients::http) fn is_closed(&self, now: Duration) -> bool {
        self.still_closed(now).is_some()
    }

    /// Waits for a free slot and an open gate. The service, the request's description and the
    /// number of the attempt are for the observer and for errors.
    pub(in crate::clients::http) async fn enter(
        &self,
        pacer: &Pacer,
        service: &str,
        what: &str,
        attempt: u32,
    ) -> Result<Slot<'_>, Error> {
        loop {
            let slot = tokio::select! {
                biased;
                () = pacer.cancellation.wait_for_immediate_stop() => {
                    return Err(Error::cancelled(service, what));
                }
                permit = self.slots.acquire() => Slot {
                    gate: self,
                    // The semaphore is never closed, so this cannot fail.
                    permit: permit.ok(),
                    halvings: lock(&self.state).budget.halvings(),
                },
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

    /// How long to wait before this address may be read, by the `Retry-After` of an earlier
    /// response.
    pub(in crate::clients::http) fn time_to_next_poll(&self, url: &Url, now: Duration) -> Duration {
        let at = lock(&self.state).next_polls.remove(url);
        at.unwrap_or_default().saturating_sub(now)
    }

    /// Keeps when the operation of a successful response may be polled, if the service asks to
    /// wait: the address of a read, or where the response to a write says that the operation is.
    pub(in crate::clients::http) fn keep_next_poll(
        &self,
        response: &Response,
        is_read: bool,
        now: Duration,
    ) {
        let Some(delay) = response.retry_after() else {
            return;
        };
        let url = if is_read {
            Some(response.url.clone())
        } else {
            let links = ["operation-location", "location"];
            let link = links.iter().find_map(|name| response.header(name));
            link.and_then(|link| response.url.join(link).ok())
        };
        if let Some(url) = url {
            let at = now.saturating_add(delay.min(MAX_POLL_WAIT));
            lock(&self.state).keep_next_poll(url, at, now);
        }
    }

    fn still_closed(&self, now: Duration) -> Option<Closed> {
        let state = lock(&self.state);
        state.closed.clone().filter(|closed| closed.until > now)
    }
}

impl State {
    /// Nobody may ever poll an operation, so what is past is forgotten: it delays no poll.
    fn keep_next_poll(&mut self, url: Url, at: Duration, now: Duration) {
        self.next_polls.retain(|_, at| *at > now);
        self.next_polls.insert(url, at);
    }
}

impl Slot<'_> {
    /// The service recommends this number of requests in flight.
    pub(in crate::clients::http) fn recommend(&self, number: usize) {
        self.change(|budget| budget.recommend(number));
    }

    /// Its request succeeded. If no slot was left for another request, there will be more.
    pub(in crate::clients::http) fn succeed(&self) {
        if self.gate.slots.available_permits() == 0 {
            self.change(Budget::rise);
        }
    }

    /// Its request received a 429: fewer requests at once from now on.
    pub(in crate::clients::http) fn halve(&self) {
        self.change(|budget| budget.halve(self.halvings));
    }

    /// Changes the budget, and the number of slots with it. Slots that are taken go when they are
    /// given back.
    fn change(&self, change: impl FnOnce(&mut Budget)) {
        let mut state = lock(&self.gate.state);
        let before = state.budget.limit();
        change(&mut state.budget);
        let limit = state.budget.limit();
        if limit > state.slots {
            self.gate.slots.add_permits(limit - state.slots);
            state.slots = limit;
        } else {
            state.slots -= self.gate.slots.forget_permits(state.slots - limit);
        }
        if limit < before {
            tracing::debug!(limit, before, "fewer requests at once");
        }
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        let mut state = lock(&self.gate.state);
        match self.permit.take() {
            Some(permit) if state.slots > state.budget.limit() => {
                permit.forget();
                state.slots -= 1;
            }
            permit => drop(permit),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_poll_of_an_operation_that_nobody_polls_is_forgotten() {
        let gate = Gate::default();
        for number in 0..100 {
            let url = Url::parse(&format!("https://one.test/operations/{number}")).unwrap();
            let now = Duration::from_secs(number);
            lock(&gate.state).keep_next_poll(url, now + Duration::from_secs(5), now);
        }
        assert_eq!(lock(&gate.state).next_polls.len(), 5);
        let last = Url::parse("https://one.test/operations/99").unwrap();
        let wait = gate.time_to_next_poll(&last, Duration::from_secs(100));
        assert_eq!(wait, Duration::from_secs(4));
    }
}
