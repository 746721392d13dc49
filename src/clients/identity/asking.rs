//! One fetch of a token, and what becomes of it.
//!
//! `azure_identity`'s credential is made anew for every fetch: its cache follows the wall clock, and
//! would hand out a token that the program's clock has outlived, or one that was just refused. Its
//! retries are off, because a wait must be told to the observer. The authority is always set, so
//! that no environment variable can choose another.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use azure_core::cloud::{CloudConfiguration, CustomConfiguration};
use azure_core::credentials::AccessToken;
use azure_core::http::{ClientOptions, HttpClient, RetryOptions, Transport};
use secrecy::SecretString;
use serde_json::Value;

use super::Fetched;
use super::transport::{Answer, Exchange, Outcome, Route, SignInTransport};
use crate::clients::error::{Detail, Error, ErrorKind, presentable};
use crate::clients::http::{DISTRUSTED, Http, Origin, Told, is_distrusted, retry_after};

/// Why no token came.
#[derive(Debug)]
pub(super) struct NoToken {
    pub(super) error: Error,
    /// How long whoever was asked asks to wait, where it says so.
    pub(super) asked: Option<Duration>,
}

impl NoToken {
    /// The same with a hint, where there is none yet.
    pub(super) fn or_help(mut self, help: impl Into<String>) -> Self {
        self.error.help.get_or_insert_with(|| help.into());
        self
    }
}

/// One fetch: the connections, who is asked, and what for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asking<'a> {
    pub(super) http: &'a Arc<Http>,
    pub(super) authority: &'a Origin,
    pub(super) scope: &'a str,
    /// Has a token been fetched before in the same way?
    pub(super) before: bool,
}

impl Asking<'_> {
    /// What is asked for, in an error's words.
    pub(super) fn what(&self) -> String {
        format!("a token for {}", self.scope)
    }

    /// The authority, in an error's words.
    pub(super) fn authority_name(&self) -> String {
        authority_name(self.authority)
    }

    /// An error of this fetch. Takes who was asked.
    pub(super) fn failed(&self, kind: ErrorKind, service: &str, message: &str) -> NoToken {
        NoToken {
            error: Error::new(kind, service, &self.what(), message),
            asked: None,
        }
    }

    /// The way to the authority, and to these others.
    pub(super) fn transport(&self, others: Vec<Route>) -> Arc<SignInTransport> {
        let mut routes = others;
        routes.extend(Route::to_authority(self.authority));
        SignInTransport::new(Arc::clone(self.http), routes)
    }

    /// The options of a credential that is used once.
    pub(super) fn options(&self, transport: &Arc<SignInTransport>) -> ClientOptions {
        let mut cloud = CustomConfiguration::default();
        cloud.authority_host = self.authority.secured().to_string();
        let transport = Arc::clone(transport) as Arc<dyn HttpClient>;
        ClientOptions {
            retry: RetryOptions::none(),
            cloud: Some(Arc::new(CloudConfiguration::Custom(cloud))),
            transport: Some(Transport::new(transport)),
            ..ClientOptions::default()
        }
    }

    /// What became of a fetch: what the library made of it, judged by what was answered.
    pub(super) fn settle(
        &self,
        result: azure_core::Result<AccessToken>,
        transport: &SignInTransport,
    ) -> Result<Fetched, NoToken> {
        let Some(Exchange { service, outcome }) = transport.last() else {
            // The library would not even ask.
            let service = self.authority_name();
            let message = result.err().map_or_else(
                || "a token came without a request".to_owned(),
                |error| first_line(&error.to_string()),
            );
            return Err(self.failed(ErrorKind::Configuration, &service, &message));
        };
        match (result, outcome) {
            (_, Outcome::Failed(why)) => Err(self.unanswered(&service, &why)),
            (Ok(token), Outcome::Answered(answer)) => {
                // The library counts the life from the wall clock; ours counts from the fetch.
                let life = answer_life(&answer).ok_or_else(|| {
                    let why = "the answer does not say how long the token lives";
                    self.failed(ErrorKind::Malformed, &service, why)
                })?;
                Ok(Fetched {
                    token: SecretString::from(token.token.secret().to_owned()),
                    life: Some(life),
                })
            }
            (Err(_), Outcome::Answered(answer)) => Err(self.refused(&service, &answer)),
        }
    }

    /// No answer came.
    pub(super) fn unanswered(&self, service: &str, why: &str) -> NoToken {
        if is_distrusted(why) {
            let failed = self.failed(ErrorKind::Configuration, service, why);
            return failed.or_help(DISTRUSTED);
        }
        self.failed(ErrorKind::Unavailable, service, why)
    }

    /// What an answer says that holds no token.
    pub(super) fn refused(&self, service: &str, answer: &Answer) -> NoToken {
        let kind = match answer.status {
            429 => ErrorKind::Throttled,
            408 | 500..=599 => ErrorKind::Unavailable,
            200..=299 => ErrorKind::Malformed,
            _ => ErrorKind::NotSignedIn,
        };
        let body: Option<Value> = serde_json::from_slice(&answer.body).ok();
        // A whole answer that is not understood may hold a token: it is not shown.
        let shown: &[u8] = match kind {
            ErrorKind::Malformed => b"the answer holds no token",
            _ => &answer.body,
        };
        let told_of = body.as_ref().filter(|_| kind != ErrorKind::Malformed);
        let about = Detail {
            service: service.to_owned(),
            what: self.what(),
            status: Some(answer.status),
            request_id: body
                .as_ref()
                .and_then(|body| body["correlation_id"].as_str())
                .map(presentable),
            ..Detail::default()
        };
        NoToken {
            error: Told::read(told_of, shown).into_error(kind, about),
            asked: retry_after(&answer.headers),
        }
    }
}

/// An authority, in an error's words.
pub(super) fn authority_name(authority: &Origin) -> String {
    format!("the sign-in service {}", authority.host())
}

/// How long a token lives from its answer. `expires_on` (seconds since 1970) is measured on the
/// answer's own `Date`, because a machine's cache may hand out a token long after its issue, and
/// `expires_in` counts from the issue there (Microsoft Learn, *How to use managed identities on a
/// virtual machine*). The sign-in service itself says `expires_in` only.
fn answer_life(answer: &Answer) -> Option<Duration> {
    let body: Value = serde_json::from_slice(&answer.body).ok()?;
    let date = answer
        .headers
        .get("date")
        .and_then(|date| date.to_str().ok());
    let date = date.and_then(|date| httpdate::parse_http_date(date).ok());
    let until = seconds(body.get("expires_on"))
        .zip(date)
        .map(|(end, date)| {
            let end = UNIX_EPOCH.checked_add(end).unwrap_or(date);
            since(end, date)
        });
    until.or_else(|| seconds(body.get("expires_in")))
}

/// From one moment to a later one; nothing where it is not later.
fn since(end: SystemTime, begin: SystemTime) -> Duration {
    end.duration_since(begin).unwrap_or_default()
}

/// No moment since 1970 and no length of time in a token's answer is reckoned with beyond this many
/// seconds (the year 2286), because a server may write any number.
pub(super) const LATEST: u64 = 9_999_999_999;

/// Seconds, as a number or as text, at most [`LATEST`].
pub(super) fn seconds(value: Option<&Value>) -> Option<Duration> {
    let seconds = match value? {
        Value::Number(number) => number.as_u64()?,
        Value::String(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    Some(Duration::from_secs(seconds.min(LATEST)))
}

/// The library's own advice follows in further lines, with links to its manual.
pub(super) fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}
