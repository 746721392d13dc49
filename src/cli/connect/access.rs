//! What every request needs: the addresses, the tokens, the clock, and the events of waiting.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use super::addresses::{Addresses, resolve_addresses};
use super::credentials::Credentials;
use super::rehearsal::{RunningTenant, World};
use crate::base::clock::Clock;
use crate::base::sync::lock;
use crate::base::text::escape;
use crate::cli::session::Session;
use crate::clients::{Http, Observer, Service, ServiceEndpoint, SlowWrite, Tokens, Wait};
use crate::engine::{EventKind, EventSink, Failure};
use crate::report::Printer;
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
    /// credentials. `world` says whether that tenant leaves its world behind; `event_sink` creates
    /// the event sink once the clock is known.
    pub(super) async fn open(
        session: &Session,
        runbook: &Runbook,
        world: World,
        event_sink: impl FnOnce(Clock) -> EventSink,
    ) -> Result<Self, Failure> {
        let rehearsal = RunningTenant::start(runbook, world).await?;
        let listening = rehearsal.as_ref().map(RunningTenant::addresses);
        let addresses = resolve_addresses(runbook, listening)?;
        let clock = match &rehearsal {
            Some(_) => Clock::of_services_in_this_process(addresses.speed),
            None => Clock::new(addresses.speed),
        };
        let events = event_sink(clock.clone());
        let waits = Arc::new(WaitEvents {
            events: events.clone(),
            printer: Arc::clone(&session.printer),
            named: Mutex::default(),
        });
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

/// Emits each wait of the HTTP chain and each slow write as an event, and names a service that does
/// not answer a read.
struct WaitEvents {
    events: EventSink,
    printer: Arc<Printer>,
    /// The addresses that were named, each only once.
    named: Mutex<BTreeSet<String>>,
}

impl Observer for WaitEvents {
    fn silent(&self, service: &str, address: &str) {
        if lock(&self.named).insert(address.to_owned()) {
            self.printer.info(&silence_note(service, address));
        }
    }

    fn waiting(&self, wait: &Wait) {
        self.events.emit(EventKind::Waiting {
            service: wait.service.clone(),
            reason: wait.message.clone(),
            seconds: wait.duration.as_secs_f64(),
            attempt: wait.attempt,
        });
    }

    fn slow_write(&self, write: &SlowWrite) {
        self.events.emit(EventKind::SlowWrite {
            service: name_without_host(&write.service, &write.address).to_owned(),
            address: write.address.clone(),
            request: write.request.clone(),
            elapsed: write.duration.as_secs_f64(),
        });
    }

    fn slow_write_ended(&self, write: &SlowWrite) {
        self.events.emit(EventKind::SlowWriteEnded {
            address: write.address.clone(),
            request: write.request.clone(),
        });
    }
}

/// The note about a service that has not answered.
fn silence_note(service: &str, address: &str) -> String {
    let name = name_without_host(service, address);
    let (name, address) = (escape(name), escape(address));
    format!("note: {name} at {address} has not answered yet; waiting for it")
}

/// A service's name without the host at its end, if it has it: the address beside it has it too.
fn name_without_host<'a>(service: &'a str, address: &str) -> &'a str {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    service.strip_suffix(host).unwrap_or(service).trim_end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_service_is_named_with_host_and_port_once() {
        for (service, address, named) in [
            (
                "the sign-in service login.microsoftonline.com",
                "login.microsoftonline.com:443",
                "the sign-in service at login.microsoftonline.com:443",
            ),
            (
                "Dataverse of UAT",
                "uat.crm.dynamics.com:443",
                "Dataverse of UAT at uat.crm.dynamics.com:443",
            ),
        ] {
            assert_eq!(
                silence_note(service, address),
                format!("note: {named} has not answered yet; waiting for it")
            );
        }
    }
}
