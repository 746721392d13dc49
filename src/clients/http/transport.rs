//! Transport errors, and reading a body of limited size.

use std::error::Error as _;

use bytes::{Bytes, BytesMut};
use url::Url;

/// Why no whole response arrived.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TransportError {
    /// The connection failed or timed out. The error holds no URL, which may contain a secret.
    #[error("{}", describe(.error, .address.as_deref()))]
    Connection {
        #[source]
        error: reqwest::Error,
        /// The host and the port that were asked, if they may be shown.
        address: Option<String>,
    },
    /// The response is longer than this many bytes.
    #[error("its response is longer than {0} bytes")]
    BodyTooLong(usize),
}

impl From<reqwest::Error> for TransportError {
    fn from(error: reqwest::Error) -> Self {
        Self::Connection {
            error: error.without_url(),
            address: None,
        }
    }
}

impl TransportError {
    /// The same error, which names the host and the port of this URL.
    pub(crate) fn asking(self, url: &Url) -> Self {
        match self {
            Self::Connection { error, .. } => Self::Connection {
                error,
                address: Some(host_and_port(url)),
            },
            Self::BodyTooLong(_) => self,
        }
    }
}

/// `login.microsoftonline.com:443`.
pub(super) fn host_and_port(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let port = url.port_or_known_default().unwrap_or_default();
    format!("{host}:{port}")
}

/// Reads a body of at most `limit` bytes, counted after decompression.
pub(crate) async fn read_limited_body(
    mut response: reqwest::Response,
    limit: usize,
) -> Result<Bytes, TransportError> {
    // Grown step by step, a page of many rows would be in memory twice.
    let length = response.content_length().unwrap_or_default();
    let length = usize::try_from(length).map_or(limit, |length| length.min(limit));
    let mut body = BytesMut::with_capacity(length);
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > limit {
            return Err(TransportError::BodyTooLong(limit));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// The kind of failure, the address, and the innermost cause:
/// `no connection to 127.0.0.1:4001: Connection refused (os error 111)`.
fn describe(error: &reqwest::Error, address: Option<&str>) -> String {
    let named = |word: &str| address.map_or_else(String::new, |it| format!(" {word} {it}"));
    let mut text = if error.is_timeout() {
        format!("no response in time{}", named("from"))
    } else if error.is_connect() {
        format!("no connection{}", named("to"))
    } else {
        format!("the connection{} failed", named("to"))
    };
    let mut cause = error.source();
    let mut innermost = None;
    while let Some(error) = cause {
        innermost = Some(error.to_string());
        cause = error.source();
    }
    if let Some(innermost) = innermost {
        text.push_str(": ");
        text.push_str(&innermost);
    }
    text
}
