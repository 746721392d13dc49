//! Transport errors, and reading a body of limited size.

use std::error::Error as _;

use bytes::{Bytes, BytesMut};

/// Why no whole response arrived.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TransportError {
    /// The connection failed or timed out. The error holds no URL, which may contain a secret.
    #[error("{}", describe(.0))]
    Connection(#[source] reqwest::Error),
    /// The response is longer than this many bytes.
    #[error("its response is longer than {0} bytes")]
    BodyTooLong(usize),
}

impl From<reqwest::Error> for TransportError {
    fn from(error: reqwest::Error) -> Self {
        Self::Connection(error.without_url())
    }
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

/// The kind of failure and its innermost cause: `no connection: Connection refused (os error 111)`.
fn describe(error: &reqwest::Error) -> String {
    let mut text = if error.is_timeout() {
        "no response in time".to_owned()
    } else if error.is_connect() {
        "no connection".to_owned()
    } else {
        "the connection failed".to_owned()
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
