//! The way from `azure_identity` to our own connections: one proxy setting, one TLS stack and one
//! pool for tokens and services, and the answer kept beside what the library makes of it.
//!
//! The library refuses an authority that is not `https`. So it is given the `https` twin of a
//! loopback authority, and the scheme is put back here.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use azure_core::error::{Error as AzureError, ErrorKind as AzureErrorKind};
use azure_core::http::headers::{HeaderName, HeaderValue, Headers};
use azure_core::http::{AsyncRawResponse, Body, HttpClient, Request};
use bytes::Bytes;
use reqwest::header::HeaderMap;

use crate::clients::http::{Http, Origin, capped_body, causes};

/// A sign-in answer is a few kilobytes.
const LONGEST_ANSWER: usize = 1024 * 1024;

/// What became of one request to the authority.
#[derive(Clone, Debug)]
pub(super) enum Exchange {
    /// It was answered.
    Answered(Answer),
    /// It was not answered, and why.
    Failed(String),
}

/// The authority's answer.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// Sends the library's requests to one authority and nowhere else, and remembers the last answer.
pub(super) struct AuthorityTransport {
    http: Arc<Http>,
    authority: Origin,
    last: Mutex<Option<Exchange>>,
}

impl AuthorityTransport {
    pub(super) fn new(http: Arc<Http>, authority: Origin) -> Arc<Self> {
        Arc::new(Self {
            http,
            authority,
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

    async fn exchange(&self, request: &Request) -> Result<Answer, String> {
        // The twin's address is on the authority by everything but its scheme.
        let path = request.path_and_query();
        self.authority
            .secured()
            .holds(request.url())
            .map_err(|error| error.to_string())?;
        let url = self
            .authority
            .join(&path)
            .map_err(|error| error.to_string())?;
        let Body::Bytes(body) = request.body().clone() else {
            return Err("the sign-in library sends a stream, which is not expected".to_owned());
        };
        let method = reqwest::Method::from_bytes(request.method().as_str().as_bytes())
            .map_err(|error| error.to_string())?;
        let mut builder = self.http.client_for(&url).request(method, url).body(body);
        for (name, value) in request.headers().iter() {
            builder = builder.header(name.as_str(), value.as_str());
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
            body,
        })
    }
}

#[async_trait]
impl HttpClient for AuthorityTransport {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let result = self.exchange(request).await;
        let exchange = match &result {
            Ok(answer) => Exchange::Answered(answer.clone()),
            Err(why) => Exchange::Failed(why.clone()),
        };
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(exchange);
        let answer = result.map_err(|why| AzureError::with_message(AzureErrorKind::Io, why))?;
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

impl fmt::Debug for AuthorityTransport {
    /// Without the last answer, which holds a token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorityTransport")
            .field("authority", &self.authority)
            .finish_non_exhaustive()
    }
}
