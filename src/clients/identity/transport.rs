//! The way from `azure_identity` to our own connections: one proxy setting, one TLS stack and one
//! pool for tokens and services, and the answer kept beside what the library makes of it.
//!
//! A request goes where a route leads and nowhere else. A route may lead elsewhere than the library
//! knows: it refuses an authority that is not `https`, so it is given the `https` twin of one on the
//! loopback, and it has the address of the machines' metadata service built in.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use azure_core::error::{Error as AzureError, ErrorKind as AzureErrorKind};
use azure_core::http::headers::{HeaderName, HeaderValue, Headers};
use azure_core::http::{AsyncRawResponse, Body, HttpClient, Request};
use bytes::Bytes;
use reqwest::header::HeaderMap;
use serde_json::Value;
use url::Url;

use super::asking::{LATEST, authority_name};
use crate::clients::http::{Http, Origin, capped_body, causes};

/// A sign-in answer is a few kilobytes.
const LONGEST_ANSWER: usize = 1024 * 1024;

/// One place that may be asked: its name for people, its address as the library knows it, and where
/// it is. Of both addresses scheme, host and port count.
#[derive(Clone, Debug)]
pub(super) struct Route {
    pub(super) name: String,
    pub(super) known: Url,
    pub(super) real: Url,
}

impl Route {
    /// To the authority, which the library knows by its `https` twin.
    pub(super) fn to_authority(authority: &Origin) -> Option<Self> {
        Some(Self {
            name: authority_name(authority),
            known: Url::parse(&authority.secured().to_string()).ok()?,
            real: Url::parse(&authority.to_string()).ok()?,
        })
    }

    /// To a place that the library knows as it is.
    pub(super) fn to(name: &str, place: Url) -> Self {
        Self {
            name: name.to_owned(),
            known: place.clone(),
            real: place,
        }
    }

    /// Where a URL leads, if this is its route.
    fn lead(&self, url: &Url) -> Option<Url> {
        let plain = url.username().is_empty() && url.password().is_none();
        if !plain || url.origin() != self.known.origin() {
            return None;
        }
        let mut real = self.real.clone();
        real.set_path(url.path());
        real.set_query(url.query());
        real.set_fragment(None);
        Some(real)
    }
}

/// One request, who was asked, and what became of it.
#[derive(Clone, Debug)]
pub(super) struct Exchange {
    /// The name of who was asked.
    pub(super) service: String,
    pub(super) outcome: Outcome,
}

/// What became of one request.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    /// It was answered.
    Answered(Answer),
    /// It was not answered, and why.
    Failed(String),
}

/// An answer.
#[derive(Clone)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl fmt::Debug for Answer {
    /// Without its body, which may hold a token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

/// Sends the library's requests where its routes lead, and remembers the last exchange.
pub(super) struct SignInTransport {
    http: Arc<Http>,
    routes: Vec<Route>,
    last: Mutex<Option<Exchange>>,
}

impl SignInTransport {
    pub(super) fn new(http: Arc<Http>, routes: Vec<Route>) -> Arc<Self> {
        Arc::new(Self {
            http,
            routes,
            last: Mutex::default(),
        })
    }

    /// What became of the last request, if one was sent.
    pub(super) fn last(&self) -> Option<Exchange> {
        self.last
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Who is asked, and where, by a request of the library.
    fn lead(&self, url: &Url) -> Option<(String, Url)> {
        self.routes
            .iter()
            .find_map(|route| Some((route.name.clone(), route.lead(url)?)))
    }

    async fn exchange(&self, request: &Request, url: Url) -> Result<Answer, String> {
        let Body::Bytes(body) = request.body().clone() else {
            return Err("the sign-in library sends a stream, which is not expected".to_owned());
        };
        let method = reqwest::Method::from_bytes(request.method().as_str().as_bytes())
            .map_err(|error| error.to_string())?;
        let headers = request.headers().iter();
        let headers: Vec<_> = headers.map(|(n, v)| (n.as_str(), v.as_str())).collect();
        exchange(&self.http, method, url, &headers, body).await
    }
}

/// One request for a token or an assertion, by our own connections. The error says why there is no
/// answer.
pub(super) async fn exchange(
    http: &Http,
    method: reqwest::Method,
    url: Url,
    headers: &[(&str, &str)],
    body: Bytes,
) -> Result<Answer, String> {
    let mut builder = http.client_for(&url).request(method, url).body(body);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    let response = builder.send().await.map_err(|error| causes(&error))?;
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    let body = capped_body(response, LONGEST_ANSWER)
        .await
        .map_err(|broken| broken.to_string())?;
    Ok(Answer {
        status,
        headers,
        body: with_sane_times(body),
    })
}

/// The members of a token's answer that are lengths of time or moments, in seconds (RFC 6749, section
/// 5.1; Microsoft Learn, *Microsoft identity platform and OAuth 2.0 client credentials flow* and *How
/// to use managed identities on a virtual machine*).
const TIMES: [&str; 6] = [
    "expires_in",
    "ext_expires_in",
    "refresh_in",
    "expires_on",
    "ext_expires_on",
    "not_before",
];

/// The body of an answer, with times that no calendar holds brought back to the last moment that is
/// reckoned with: the library adds them to the time of day, and its addition panics where the sum is
/// out of range. Every other body stays as it is.
fn with_sane_times(body: Bytes) -> Bytes {
    let Ok(Value::Object(mut members)) = serde_json::from_slice(&body) else {
        return body;
    };
    let mut is_changed = false;
    for name in TIMES {
        let Some(value) = members.get_mut(name) else {
            continue;
        };
        let number = match &*value {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => text.trim().parse::<f64>().ok(),
            _ => None,
        };
        #[expect(clippy::cast_precision_loss, reason = "the bound is exact as an f64")]
        let latest = LATEST as f64;
        let sane = match number {
            Some(number) if number > latest => LATEST,
            Some(number) if number < 0.0 => 0,
            _ => continue,
        };
        *value = match &*value {
            Value::String(_) => sane.to_string().into(),
            _ => sane.into(),
        };
        is_changed = true;
    }
    if !is_changed {
        return body;
    }
    serde_json::to_vec(&members).map_or(body, Bytes::from)
}

#[async_trait]
impl HttpClient for SignInTransport {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        // An error of this kind is final for the library: one of its credentials retries for itself
        // whatever its options say, and the waits must be ours.
        let ended = |why: String| AzureError::with_message(AzureErrorKind::Credential, why);
        let Some((service, url)) = self.lead(request.url()) else {
            let host = request.url().host_str().unwrap_or_default();
            return Err(ended(format!("no token request goes to '{host}'")));
        };
        let result = self.exchange(request, url).await;
        let outcome = match &result {
            Ok(answer) => Outcome::Answered(answer.clone()),
            Err(why) => Outcome::Failed(why.clone()),
        };
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(Exchange { service, outcome });
        let answer = result.map_err(ended)?;
        if !(200..300).contains(&answer.status) {
            return Err(ended(format!("status {}", answer.status)));
        }
        let headers: HashMap<HeaderName, HeaderValue> = answer
            .headers
            .iter()
            .filter_map(|(name, value)| {
                let name = HeaderName::from(name.as_str().to_owned());
                Some((name, HeaderValue::from(value.to_str().ok()?.to_owned())))
            })
            .collect();
        let status = answer.status.into();
        Ok(AsyncRawResponse::from_bytes(
            status,
            Headers::from(headers),
            answer.body,
        ))
    }
}

impl fmt::Debug for SignInTransport {
    /// Without the last answer, which holds a token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignInTransport")
            .field("routes", &self.routes)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn no_time_in_an_answer_is_beyond_the_calendar(
            name in proptest::sample::select(TIMES.to_vec()),
            number in "-?[1-9][0-9]{0,40}(\\.[0-9]{1,3})?(e[1-9][0-9]?)?",
            quoted: bool,
        ) {
            let written = if quoted { format!("\"{number}\"") } else { number };
            let body = format!("{{\"access_token\":\"t\",\"{name}\":{written}}}");
            let sane = with_sane_times(Bytes::from(body));
            let read: Value = serde_json::from_slice(&sane).unwrap();
            let told = match &read[name] {
                Value::String(text) => text.parse::<f64>().unwrap(),
                number => number.as_f64().unwrap(),
            };
            proptest::prop_assert!((0.0..=1e10).contains(&told), "{told}");
            proptest::prop_assert_eq!(read["access_token"].as_str(), Some("t"));
        }
    }

    #[test]
    fn what_is_sane_stays_byte_for_byte() {
        for body in [
            "",
            "{",
            "[1]",
            "{ \"expires_in\" : 3599, \"expires_on\":\"1900000000\" }",
        ] {
            let kept = with_sane_times(Bytes::from(body));
            assert_eq!(kept, body.as_bytes());
        }
    }

    #[test]
    fn a_route_leads_what_it_knows_and_nothing_else() {
        let url = |text: &str| Url::parse(text).unwrap();
        let authority = Origin::parse("http://127.0.0.1:4000").unwrap();
        let route = Route::to_authority(&authority).unwrap();
        let lead = |text: &str| route.lead(&url(text)).map(String::from);
        assert_eq!(
            lead("https://127.0.0.1:4000/t/oauth2/v2.0/token?a=b").as_deref(),
            Some("http://127.0.0.1:4000/t/oauth2/v2.0/token?a=b")
        );
        for other in [
            "https://127.0.0.1:4001/t",
            "http://127.0.0.1:4000/t",
            "https://login.microsoftonline.com/t",
            "https://user@127.0.0.1:4000/t",
            "https://127.0.0.1.evil.example:4000/t",
        ] {
            assert_eq!(lead(other), None, "{other}");
        }
        let metadata = Route {
            name: "the machine".to_owned(),
            known: url("http://169.254.169.254"),
            real: url("http://127.0.0.1:9"),
        };
        let moved = metadata.lead(&url("http://169.254.169.254/metadata?x=y"));
        assert_eq!(moved, Some(url("http://127.0.0.1:9/metadata?x=y")));
    }
}
