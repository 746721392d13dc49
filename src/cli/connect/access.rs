//! What every request needs: the addresses, the tokens, the clock, and the events of waiting.

use std::sync::Arc;

use super::addresses::{Addresses, resolve_addresses};
use super::credentials::Credentials;
use super::rehearsal::RunningTenant;
use crate::base::clock::Clock;
use crate::cli::session::Session;
use crate::clients::{Http, Observer, Service, ServiceEndpoint, Tokens, Wait};
use crate::engine::{EventKind, EventSink, Failure};
use crate::runbook::{Runbook, ServiceKey};

/// Access to the services of a runbook, before the first request.
pub(super) struct Access {
    pub(super) rehearsal: Option<RunningTenant>,
    pub(super) addresses: Addresses,
    pub(super) clock: Clock,
    pub(super) events: EventSink,
    pub(super) tokens: Tokens,
    pub(super) credentials: Credentials,
}

impl Access {
    /// Starts the rehearsal tenant if the runbook needs one, and resolves addresses and
    /// credentials. Takes a function that creates the event sink once the clock is known.
    pub(super) async fn open(
        session: &Session,
        runbook: &Runbook,
        event_sink: impl FnOnce(Clock) -> EventSink,
    ) -> Result<Self, Failure> {
        let rehearsal = RunningTenant::start(runbook).await?;
        let listening = rehearsal.as_ref().map(RunningTenant::addresses);
        let addresses = resolve_addresses(runbook, listening)?;
        let clock = Clock::new(addresses.speed);
        let events = event_sink(clock.clone());
        let waits = Arc::new(WaitEvents(events.clone()));
        let http = Http::new(clock.clone(), waits, session.cancellation.clone())?;
        let tokens = Tokens::new(&http, &addresses.authority)?;
        let credentials = Credentials::new(runbook);
        Ok(Self {
            rehearsal,
            addresses,
            clock,
            events,
            tokens,
            credentials,
        })
    }

    /// A service whose address is known before the first request.
    pub(super) fn service(
        &self,
        runbook: &Runbook,
        key: ServiceKey,
        name: &str,
    ) -> Result<Service, Failure> {
        self.service_at(runbook, key, name, self.addresses.of(key)?)
    }

    /// A service at this endpoint.
    pub(super) fn service_at(
        &self,
        runbook: &Runbook,
        key: ServiceKey,
        name: &str,
        endpoint: &ServiceEndpoint,
    ) -> Result<Service, Failure> {
        let identity = self.credentials.identity(runbook, key)?;
        Ok(Service::new(&self.tokens, &identity, endpoint, name)?)
    }
}

/// Emits each wait of the HTTP chain as an event.
struct WaitEvents(EventSink);

impl Observer for WaitEvents {
    fn waiting(&self, wait: &Wait) {
        self.0.emit(EventKind::Waiting {
            service: wait.service.clone(),
            reason: wait.message.clone(),
            seconds: wait.duration.as_secs_f64(),
            attempt: wait.attempt,
        });
    }
}
