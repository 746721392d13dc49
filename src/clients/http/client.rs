//! What all services share: connections, clock, observer, cancellation, and their gates.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use reqwest::header::HeaderMap;
use url::Url;

use super::observer::{Observer, Wait};
use super::pacer::Pacer;
use super::parsing::{Origin, is_local_to_machine, server_date};
use super::policy::{Gate, Limits, no_certificates_help};
use super::transport::TransportError;
use crate::base::cancellation::Cancellation;
use crate::base::clock::Clock;
use crate::base::sync::lock;
use crate::clients::error::{Error, ErrorKind};
use crate::clients::identity::Identity;

/// What all services share. A run creates one.
pub struct Http {
    /// For every service and the sign-in, through the system's proxy if there is one.
    remote: reqwest::Client,
    /// For this machine only: no proxy can reach our loopback.
    loopback: reqwest::Client,
    pacer: Pacer,
    limits: Limits,
    gates: Mutex<HashMap<(Origin, Identity), Arc<Gate>>>,
    server_date: Mutex<Option<ServerDate>>,
}

/// The newest `Date` of a response.
#[derive(Clone, Copy)]
struct ServerDate {
    /// Since 1970.
    date: Duration,
    /// When it was received, on the program's clock.
    received: Duration,
}

impl Http {
    /// Fails if TLS cannot be set up.
    pub fn new(
        clock: Clock,
        observer: Arc<dyn Observer>,
        cancellation: Cancellation,
    ) -> Result<Arc<Self>, Error> {
        Self::with_limits(clock, observer, cancellation, Limits::default())
    }

    /// The same with other limits.
    pub fn with_limits(
        clock: Clock,
        observer: Arc<dyn Observer>,
        cancellation: Cancellation,
        limits: Limits,
    ) -> Result<Arc<Self>, Error> {
        let build = |builder: reqwest::ClientBuilder| {
            builder.build().map_err(|error| {
                let error = TransportError::from(error);
                Error::new(
                    ErrorKind::Configuration,
                    "HTTPS",
                    "any request",
                    &error.to_string(),
                )
                .with_source(error)
                .with_help(no_certificates_help())
            })
        };
        Ok(Arc::new(Self {
            remote: build(builder(limits))?,
            loopback: build(builder(limits).no_proxy())?,
            pacer: Pacer {
                clock,
                observer,
                cancellation,
            },
            limits,
            gates: Mutex::default(),
            server_date: Mutex::default(),
        }))
    }

    /// The program's clock.
    pub fn clock(&self) -> &Clock {
        &self.pacer.clock
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(crate) fn observer(&self) -> &dyn Observer {
        self.pacer.observer.as_ref()
    }

    pub(crate) fn cancellation(&self) -> &Cancellation {
        &self.pacer.cancellation
    }

    pub(super) fn pacer(&self) -> &Pacer {
        &self.pacer
    }

    /// Records the `Date` of a response, if it has one.
    pub(super) fn record_server_date(&self, headers: &HeaderMap) {
        let date = server_date(headers).and_then(|date| date.duration_since(UNIX_EPOCH).ok());
        if let Some(date) = date {
            let received = self.clock().elapsed();
            *lock(&self.server_date) = Some(ServerDate { date, received });
        }
    }

    /// The services' own time now, since 1970: the newest `Date` of a response and the time since
    /// then. `None` before the first response.
    pub(crate) fn server_time(&self) -> Option<Duration> {
        let ServerDate { date, received } = (*lock(&self.server_date))?;
        Some(date + self.clock().elapsed().saturating_sub(received))
    }

    /// The connections to use for this URL.
    pub(crate) fn client_for(&self, url: &Url) -> &reqwest::Client {
        if is_local_to_machine(url) {
            &self.loopback
        } else {
            &self.remote
        }
    }

    /// The gate of a service for one user, by its origin: a service limits the requests of each
    /// user.
    pub(super) fn gate(&self, origin: &Origin, identity: &Identity) -> Arc<Gate> {
        let mut gates = lock(&self.gates);
        let gate = gates.entry((origin.clone(), identity.clone()));
        Arc::clone(gate.or_default())
    }

    /// Reports the wait to the observer, then waits. Ends early with [`Error::cancelled`] when the
    /// run is asked to stop.
    pub(crate) async fn pause(&self, wait: Wait, what: &str) -> Result<(), Error> {
        self.pacer.pause(wait, what).await
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// No redirects, because a token must not be sent where a header points. No cookies, because
/// Dataverse's affinity cookie would tie every request to one server and its limit. reqwest itself
/// retries only what HTTP/2 reports as not processed; this is its default.
fn builder(limits: Limits) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .user_agent(concat!("iomcopy/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .timeout(limits.request)
        .connect_timeout(limits.connect)
        .referer(false)
}
