//! Sends the requests of `azure_identity` over our own connections: one proxy setting, one TLS
//! stack and one pool for tokens and services. The last response is kept next to the library's
//! result.
//!
//! Requests go to the routes only. The real address of a route may differ from the one that the
//! library knows: the library refuses an authority that is not `https`, so it gets the `https` twin
//! of one on the loopback; and the address of the machines' metadata service is built into it.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use azure_core::error::{Error as AzureError, ErrorKind as AzureErrorKind};
use azure_core::http::headers::{HeaderName, HeaderValue, Headers};
use azure_core::http::{AsyncRawResponse, Body, HttpClient, Request};
use bytes::Bytes;
use reqwest::header::HeaderMap;
use tracing::Instrument as _;
use url::Url;

use super::token_times::cap_times;
use crate::base::sync::lock;
use crate::clients::http::{
    Http, Method, Origin, TransportError, has_no_user, naming_silence, read_limited_body,
    record_status, request_span,
};

/// A sign-in response is a few kilobytes.
const MAX_RESPONSE: usize = 1024 * 1024;

/// The name of an authority, in errors.
pub(super) fn authority_name(authority: &Origin) -> String {
    format!("the sign-in service {}", authority.host())
}

/// One allowed destination: its name for people, its address as the library knows it, and its real
/// address. Only scheme, host and port of both addresses count.
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
            known: Url::parse(&authority.with_https().to_string()).ok()?,
            real: Url::parse(&authority.to_string()).ok()?,
        })
    }

    /// To an address that the library knows as it is.
    pub(super) fn direct(name: &str, address: Url) -> Self {
        Self {
            name: name.to_owned(),
            known: address.clone(),
            real: address,
        }
    }

    /// The real URL of a request, if this is its route.
    fn resolve(&self, url: &Url) -> Option<Url> {
        if !has_no_user(url) || url.origin() != self.known.origin() {
            return None;
        }
        let mut real = self.real.clone();
        real.set_path(url.path());
        real.set_query(url.query());
        real.set_fragment(None);
        Some(real)
    }
}

/// One request and its outcome.
#[derive(Clone, Debug)]
pub(super) struct Exchange {
    /// The name of the service that was asked.
    pub(super) service: String,
    pub(super) outcome: Outcome,
}

/// The outcome of one request.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    Responded(SignInResponse),
    Failed(Arc<ExchangeError>),
}

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
pub(super) enum ExchangeError {
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The library sent a request that this transport cannot send.
    #[error("{0}")]
    InvalidRequest(String),
}

/// A response.
#[derive(Clone)]
pub(super) struct SignInResponse {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl fmt::Debug for SignInResponse {
    /// Without the body, which may contain a token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignInResponse")
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

/// Sends the library's requests to its routes, and keeps the last exchange.
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

    /// The last exchange, if a request was sent.
    pub(super) fn last(&self) -> Option<Exchange> {
        lock(&self.last).clone()
    }

    /// The name and the real URL of the destination of a request.
    fn resolve(&self, url: &Url) -> Option<(String, Url)> {
        self.routes
            .iter()
            .find_map(|route| Some((route.name.clone(), route.resolve(url)?)))
    }

    async fn send(
        &self,
        service: &str,
        request: &Request,
        url: Url,
    ) -> Result<SignInResponse, Arc<ExchangeError>> {
        let invalid = |why: String| Arc::new(ExchangeError::InvalidRequest(why));
        let Body::Bytes(body) = request.body().clone() else {
            return Err(invalid(
                "the sign-in library sends a stream, which is not supported".to_owned(),
            ));
        };
        let method = Method::from_bytes(request.method().as_str().as_bytes())
            .map_err(|error| invalid(error.to_string()))?;
        let headers = request.headers().iter();
        let headers: Vec<_> = headers.map(|(n, v)| (n.as_str(), v.as_str())).collect();
        exchange(&self.http, service, method, url, &headers, body).await
    }
}

/// One request for a token or an assertion, over our own connections. Takes the name of the service
/// that is asked.
pub(super) async fn exchange(
    http: &Http,
    service: &str,
    method: Method,
    url: Url,
    headers: &[(&str, &str)],
    body: Bytes,
) -> Result<SignInResponse, Arc<ExchangeError>> {
    let failed = |error: TransportError| Arc::new(ExchangeError::from(error.asking(&url)));
    let span = request_span("sign-in", "a token", method.as_str(), &url);
    let mut builder = http.client_for(&url).request(method, url.clone());
    builder = builder.body(body);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    let sent = naming_silence(http, service, &url, builder.send());
    let response = sent.instrument(span.clone()).await.map_err(|error| {
        let error = TransportError::from(error);
        record_status(&span, Err(&error.to_string()));
        failed(error)
    })?;
    let status = response.status().as_u16();
    record_status(&span, Ok(status));
    let headers = response.headers().clone();
    let body = read_limited_body(response, MAX_RESPONSE)
        .await
        .map_err(failed)?;
    Ok(SignInResponse {
        status,
        headers,
        body: cap_times(body),
    })
}

#[async_trait]
impl HttpClient for SignInTransport {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        // An error of this kind is final for the library: one of its credentials retries regardless
        // of its options, and the waits must be ours.
        let failed = |why: String| AzureError::with_message(AzureErrorKind::Credential, why);
        let Some((service, url)) = self.resolve(request.url()) else {
            let host = request.url().host_str().unwrap_or_default();
            return Err(failed(format!("token requests are not sent to '{host}'")));
        };
        let result = self.send(&service, request, url).await;
        let outcome = match &result {
            Ok(response) => Outcome::Responded(response.clone()),
            Err(error) => Outcome::Failed(Arc::clone(error)),
        };
        *lock(&self.last) = Some(Exchange { service, outcome });
        let response = result.map_err(|error| failed(error.to_string()))?;
        if !(200..300).contains(&response.status) {
            return Err(failed(format!("status {}", response.status)));
        }
        let headers: HashMap<HeaderName, HeaderValue> = response
            .headers
            .iter()
            .filter_map(|(name, value)| {
                let name = HeaderName::from(name.as_str().to_owned());
                Some((name, HeaderValue::from(value.to_str().ok()?.to_owned())))
            })
            .collect();
        let status = response.status.into();
        Ok(AsyncRawResponse::from_bytes(
            status,
            Headers::from(headers),
            response.body,
        ))
    }
}

impl fmt::Debug for SignInTransport {
    /// Without the last response, which contains a token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignInTransport")
            .field("routes", &self.routes)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_maps_its_own_address_and_no_other() {
        let url = |text: &str| Url::parse(text).unwrap();
        let authority = Origin::parse("http://127.0.0.1:4000").unwrap();
        let route = Route::to_authority(&authority).unwrap();
        let resolve = |text: &str| route.resolve(&url(text)).map(String::from);
        assert_eq!(
            resolve("https://127.0.0.1:4000/t/oauth2/v2.0/token?a=b").as_deref(),
            Some("http://127.0.0.1:4000/t/oauth2/v2.0/token?a=b")
        );
        for other in [
            "https://127.0.0.1:4001/t",
            "http://127.0.0.1:4000/t",
            "https://login.microsoftonline.com/t",
            "https://user@127.0.0.1:4000/t",
            "https://127.0.0.1.evil.example:4000/t",
        ] {
            assert_eq!(resolve(other), None, "{other}");
        }
        let metadata = Route {
            name: "the machine".to_owned(),
            known: url("http://169.254.169.254"),
            real: url("http://127.0.0.1:9"),
        };
        let moved = metadata.resolve(&url("http://169.254.169.254/metadata?x=y"));
        assert_eq!(moved, Some(url("http://127.0.0.1:9/metadata?x=y")));
    }
}
