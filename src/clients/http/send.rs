//! One attempt on the wire, and how far it came.

use std::error::Error as _;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use reqwest::header::{AUTHORIZATION, HeaderValue};
use url::Url;
use uuid::Uuid;

use super::client::Http;
use super::request::Request;
use super::response::Response;

/// One attempt: the id it was sent with, and how far it came.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) id: String,
    pub(super) sent: Sent,
}

/// How far an attempt came. The texts say why it came no further.
#[derive(Debug)]
pub(super) enum Sent {
    /// A whole answer came.
    Answered(Box<Response>),
    /// Nothing was sent: there was no connection.
    Never(String),
    /// It could not even be put together.
    Impossible(String),
    /// It was sent, or may have been, and no whole answer came.
    InDoubt(String),
    /// It was answered with more than is read.
    TooLong(String),
    /// Stopping at once was asked for while it was on its way.
    Stopped,
    /// Nothing was sent: the run is halted.
    Withheld,
}

/// Sends once. The authorization goes to this URL, which the caller has checked against its origin.
pub(super) async fn send(
    http: &Http,
    service: &str,
    what: &str,
    url: &Url,
    request: &Request,
    authorization: &HeaderValue,
) -> Attempt {
    let id = Uuid::new_v4().to_string();
    let client = http.client_for(url);
    let mut builder = client
        .request(request.method.on_the_wire(), url.clone())
        .header(AUTHORIZATION, authorization)
        .header("x-ms-client-request-id", &id);
    if !request.headers.iter().any(|(name, _)| *name == "accept") {
        builder = builder.header("accept", "application/json");
    }
    for (name, value) in &request.headers {
        builder = builder.header(*name, value);
    }
    if let Some(body) = &request.body {
        builder = builder.body(body.clone());
    }
    if let Some(within) = request
        .within
        .filter(|within| *within > http.limits().request)
    {
        builder = builder.timeout(within);
    }
    // Asked here and not earlier: between here and the wire nothing is waited for.
    if http.cancellation().halted() {
        let sent = Sent::Withheld;
        return Attempt { id, sent };
    }
    http.observer().requested(service, request.method.name());
    let began = Instant::now();
    let exchange = async {
        let response = builder.send().await.map_err(Broken::Transport)?;
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        http.hear_time(&headers);
        let body = capped_body(response, http.limits().body).await?;
        Ok((status, headers, body))
    };
    let result = tokio::select! {
        biased;
        () = http.cancellation().on_insist() => Err(None::<Broken>),
        // It may still be looking for a connection; what it does could not be recorded.
        () = http.cancellation().on_halt() => Err(None),
        result = exchange => result.map_err(Some),
    };
    let outcome = match &result {
        Ok((status, ..)) => status.to_string(),
        Err(Some(broken)) => broken.to_string(),
        Err(None) => "stopped".to_owned(),
    };
    note(service, what, &outcome, began.elapsed(), &id);
    let sent = match result {
        Ok((status, headers, body)) => Sent::Answered(Box::new(Response {
            status,
            headers,
            body,
            url: url.clone(),
            service: service.to_owned(),
            what: what.to_owned(),
            client_request_id: id.clone(),
        })),
        Err(Some(Broken::TooLong(_))) => Sent::TooLong(outcome),
        Err(Some(Broken::Transport(error))) if error.is_connect() => Sent::Never(outcome),
        Err(Some(Broken::Transport(error))) if error.is_builder() => Sent::Impossible(outcome),
        Err(Some(Broken::Transport(_))) => Sent::InDoubt(outcome),
        Err(None) => Sent::Stopped,
    };
    Attempt { id, sent }
}

fn note(service: &str, what: &str, outcome: &str, took: Duration, id: &str) {
    let milliseconds = took.as_millis();
    tracing::debug!(service, what, outcome, milliseconds, id, "request");
}

/// Why no whole answer came.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    /// The connection failed, or the time was over.
    #[error("{}", causes(.0))]
    Transport(reqwest::Error),
    /// The answer is longer than this many bytes.
    #[error("its answer is longer than {0} bytes")]
    TooLong(usize),
}

/// Reads a body of at most `limit` bytes, counted after decompression.
pub(crate) async fn capped_body(
    mut response: reqwest::Response,
    limit: usize,
) -> Result<Bytes, Broken> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(Broken::Transport)? {
        if body.len() + chunk.len() > limit {
            return Err(Broken::TooLong(limit));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// What failed, from the outside in: `error sending request: client error (Connect): tcp connect
/// error: Connection refused (os error 111)`. Never with the URL, which may hold what is secret.
pub(crate) fn causes(error: &reqwest::Error) -> String {
    let mut text = if error.is_timeout() {
        "no answer in time".to_owned()
    } else if error.is_connect() {
        "no connection".to_owned()
    } else {
        "the connection failed".to_owned()
    };
    let mut cause = error.source();
    let mut last = None;
    while let Some(error) = cause {
        last = Some(error.to_string());
        cause = error.source();
    }
    if let Some(last) = last {
        text.push_str(": ");
        text.push_str(&last);
    }
    text
}
