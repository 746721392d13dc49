//! What all services share: the connections, the clock, the observer, the wish to stop.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use url::Url;

use super::observer::{Observer, Wait};
use super::origin::Origin;
use super::send::causes;
use super::throttle::Gate;
use crate::cancellation::Cancellation;
use crate::clients::error::{Error, ErrorKind};
use crate::clock::Clock;

/// The bounds of every request.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How long a request may take from its first byte to the last of its answer, in real time.
    pub request: Duration,
    /// How long a connection may take to be made, in real time.
    pub connect: Duration,
    /// After how many attempts a request is given up.
    pub tries: u32,
    /// How many bytes of an answer are read, after decompression.
    pub body: usize,
}

impl Default for Limits {
    /// Two minutes for a request, because switching a flow on may take that long; ten seconds for a
    /// connection; six attempts; 64 MiB.
    fn default() -> Self {
        Self {
            request: Duration::from_mins(2),
            connect: Duration::from_secs(10),
            tries: 6,
            body: 64 * 1024 * 1024,
        }
    }
}

/// What all services share. One of it is made for a run.
pub struct Http {
    /// Every service and the sign-in, through the system's proxy where there is one.
    remote: reqwest::Client,
    /// The same for this machine alone: no proxy can reach our loopback.
    loopback: reqwest::Client,
    clock: Clock,
    observer: Arc<dyn Observer>,
    cancellation: Cancellation,
    limits: Limits,
    gates: Mutex<HashMap<Origin, Arc<Gate>>>,
}

impl Http {
    /// Takes the program's clock, who hears of waits, and the wish to stop. Fails where TLS cannot
    /// be set up.
    pub fn new(
        clock: Clock,
        observer: Arc<dyn Observer>,
        cancellation: Cancellation,
    ) -> Result<Arc<Self>, Error> {
        Self::with_limits(clock, observer, cancellation, Limits::default())
    }

    /// The same with other bounds.
    pub fn with_limits(
        clock: Clock,
        observer: Arc<dyn Observer>,
        cancellation: Cancellation,
        limits: Limits,
    ) -> Result<Arc<Self>, Error> {
        let build = |builder: reqwest::ClientBuilder| {
            builder.build().map_err(|error| {
                let why = causes(&error);
                Error::new(ErrorKind::Configuration, "HTTPS", "any request", &why)
                    .with_help("look whether this machine has its CA certificates installed")
            })
        };
        Ok(Arc::new(Self {
            remote: build(builder(limits))?,
            loopback: build(builder(limits).no_proxy())?,
            clock,
            observer,
            cancellation,
            limits,
            gates: Mutex::default(),
        }))
    }

    /// The program's clock.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(crate) fn observer(&self) -> &dyn Observer {
        self.observer.as_ref()
    }

    pub(crate) fn cancellation(&self) -> &Cancellation {
        &self.cancellation
    }

    /// The connections that lead to this URL.
    pub(crate) fn client_for(&self, url: &Url) -> &reqwest::Client {
        let is_loopback = Origin::parse(&url.origin().ascii_serialization())
            .is_ok_and(|origin| origin.is_loopback());
        if is_loopback {
            &self.loopback
        } else {
            &self.remote
        }
    }

    /// The gate of a host; the same for every service on it.
    pub(super) fn gate(&self, origin: &Origin) -> Arc<Gate> {
        let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(gates.entry(origin.clone()).or_default())
    }

    /// Waits, after telling the observer. Ends early, as cancelled, when stopping is asked for.
    pub(crate) async fn pause(&self, wait: Wait, what: &str) -> Result<(), Error> {
        if self.cancellation.asked() {
            return Err(Error::cancelled(&wait.service, what));
        }
        self.observer.waiting(&wait);
        tokio::select! {
            biased;
            () = self.cancellation.on_ask() => Err(Error::cancelled(&wait.service, what)),
            () = self.clock.sleep(wait.duration) => Ok(()),
        }
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// No redirects, because a token must not travel where a header points. No cookies, because
/// Dataverse's affinity cookie would tie every request to one server and its limit. What HTTP/2
/// says was never processed, reqwest itself sends again; that is left on, all else is off by
/// default.
fn builder(limits: Limits) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .user_agent(concat!("iomcopy/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .timeout(limits.request)
        .connect_timeout(limits.connect)
        .referer(false)
}
