//! What all services share: the connections, the clock, the observer, the wish to stop.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use reqwest::header::{DATE, HeaderMap};
use url::Url;

use super::observer::{Observer, Wait};
use super::origin::{Origin, is_machines_own};
use super::paging::ListBudget;
use super::send::causes;
use super::throttle::Gate;
use crate::base::cancellation::Cancellation;
use crate::base::clock::Clock;
use crate::clients::error::{Error, ErrorKind};

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
    /// How much of one list is held, over all its pages.
    pub list: ListBudget,
    /// How long a program may take that is run for a token, in real time.
    pub command: Duration,
}

impl Default for Limits {
    /// Two minutes for a request, because switching a flow on may take that long; ten seconds for a
    /// connection; six attempts; 64 MiB; a list's own budget; one minute for a program.
    fn default() -> Self {
        Self {
            request: Duration::from_mins(2),
            connect: Duration::from_secs(10),
            tries: 6,
            body: 64 * 1024 * 1024,
            list: ListBudget::default(),
            command: Duration::from_mins(1),
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
    /// The newest time that a service told, in seconds since 1970, and when by the program's clock.
    heard: Mutex<Option<(Duration, Duration)>>,
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
            heard: Mutex::default(),
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

    /// A service has told its time, with an answer.
    pub(super) fn hear_time(&self, headers: &HeaderMap) {
        let date = headers.get(DATE).and_then(|date| date.to_str().ok());
        let date = date.and_then(|date| httpdate::parse_http_date(date).ok());
        let since = date.and_then(|date| date.duration_since(UNIX_EPOCH).ok());
        if let Some(since) = since {
            let heard = Some((since, self.clock.elapsed()));
            *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = heard;
        }
    }

    /// The services' own time now, since 1970: what the last answer told, and how long ago that was.
    /// Nothing before any has answered.
    pub(crate) fn service_time(&self) -> Option<Duration> {
        let heard = *self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let (told, at) = heard?;
        Some(told + self.clock.elapsed().saturating_sub(at))
    }

    /// The connections that lead to this URL.
    pub(crate) fn client_for(&self, url: &Url) -> &reqwest::Client {
        if is_machines_own(url) {
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
