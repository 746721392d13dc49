//! One attempt on the wire, and how far it came.

use std::time::Instant;

use reqwest::header::{AUTHORIZATION, HeaderValue};
use tracing::Instrument as _;
use url::Url;
use uuid::Uuid;

use super::attempt::{Attempt, AttemptOutcome};
use super::client::Http;
use super::observer::SlowWrite;
use super::request::Request;
use super::response::Response;
use super::span::{record_status, request_span};
use super::transport::{TransportError, host_and_port, read_limited_body};

/// Sends a request once. The authorization goes to this URL, which the caller has checked against
/// the service's origin.
pub(super) async fn send(
    http: &Http,
    service: &str,
    what: &str,
    url: &Url,
    request: &Request,
    authorization: &HeaderValue,
) -> Attempt {
    let id = Uuid::new_v4().to_string();
    let builder = build(http, url, request, authorization, &id);
    // Asked again only if the sign-in has taken longer than the last answer counts.
    http.cancellation().confirm_lease().await;
    // Checked here and not earlier: nothing is awaited between this line and the wire.
    if http.cancellation().is_halted() {
        let outcome = AttemptOutcome::Halted;
        return Attempt { id, outcome };
    }
    http.observer().requested(service, request.method.as_str());
    let started = Instant::now();
    let span = request_span(service, what, request.method.as_str(), url);
    let exchange = async {
        let sent = builder.send();
        let response = if request.is_read() {
            naming_silence(http, service, url, sent).await?
        } else {
            naming_slow_write(http, service, what, url, sent).await?
        };
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        http.record_server_date(&headers);
        let body = read_limited_body(response, http.limits().body).await?;
        Ok((status, headers, body))
    };
    let exchange = exchange.instrument(span.clone());
    let result: Option<Result<_, TransportError>> = tokio::select! {
        biased;
        () = http.cancellation().wait_for_immediate_stop() => None,
        // The request may still be connecting; what it would do could not be recorded.
        () = http.cancellation().wait_for_halt() => None,
        result = exchange => Some(result),
    };
    let summary = match &result {
        Some(Ok((status, ..))) => status.to_string(),
        Some(Err(error)) => error.to_string(),
        None => "stopped".to_owned(),
    };
    let status = match &result {
        Some(Ok((status, ..))) => Ok(*status),
        _ => Err(summary.as_str()),
    };
    record_status(&span, status);
    let milliseconds = started.elapsed().as_millis();
    tracing::debug!(
        service,
        what,
        outcome = summary.as_str(),
        milliseconds,
        id = id.as_str(),
        "request"
    );
    let outcome = match result {
        Some(Ok((status, headers, body))) => AttemptOutcome::Responded(Box::new(Response {
            status,
            headers,
            body,
            url: url.clone(),
            service: service.to_owned(),
            what: what.to_owned(),
            client_request_id: id.clone(),
        })),
        Some(Err(error)) => classify(error.asking(url)),
        None => AttemptOutcome::Interrupted,
    };
    Attempt { id, outcome }
}

/// Waits for the beginning of a response. Reports a service that does not answer in time.
pub(crate) async fn naming_silence<T>(
    http: &Http,
    service: &str,
    url: &Url,
    response: impl Future<Output = T>,
) -> T {
    let mut response = std::pin::pin!(response);
    tokio::select! {
        biased;
        response = &mut response => return response,
        () = tokio::time::sleep(http.limits().silence) => {}
    }
    http.observer().silent(service, &host_and_port(url));
    response.await
}

/// The same for a write: a read that takes seconds is worth a line, a write is not.
async fn naming_slow_write<T>(
    http: &Http,
    service: &str,
    what: &str,
    url: &Url,
    response: impl Future<Output = T>,
) -> T {
    let began = http.clock().elapsed();
    let limits = http.limits();
    // On a fast clock, a service that answers at once would be late.
    let usual = http.clock().real(limits.slow_write).max(limits.silence);
    let mut response = std::pin::pin!(response);
    tokio::select! {
        biased;
        response = &mut response => return response,
        () = tokio::time::sleep(usual) => {}
    }
    let write = SlowWrite {
        service: service.to_owned(),
        address: host_and_port(url),
        request: what.to_owned(),
        duration: http.clock().elapsed().saturating_sub(began),
    };
    http.observer().slow_write(&write);
    let response = response.await;
    http.observer().slow_write_ended(&write);
    response
}

fn build(
    http: &Http,
    url: &Url,
    request: &Request,
    authorization: &HeaderValue,
    id: &str,
) -> reqwest::RequestBuilder {
    let mut builder = http
        .client_for(url)
        .request(request.method.clone(), url.clone())
        .header(AUTHORIZATION, authorization)
        .header("x-ms-client-request-id", id);
    if !request.headers.iter().any(|(name, _)| *name == "accept") {
        builder = builder.header("accept", "application/json");
    }
    for (name, value) in &request.headers {
        builder = builder.header(*name, value);
    }
    if let Some(body) = &request.body {
        builder = builder.body(body.clone());
    }
    match request.timeout {
        Some(timeout) if timeout > http.limits().request => builder.timeout(timeout),
        _ => builder,
    }
}

fn classify(error: TransportError) -> AttemptOutcome {
    match &error {
        TransportError::BodyTooLong(_) => AttemptOutcome::BodyTooLong(error),
        TransportError::Connection { error: cause, .. } if cause.is_connect() => {
            AttemptOutcome::NotConnected(error)
        }
        TransportError::Connection { error: cause, .. } if cause.is_builder() => {
            AttemptOutcome::InvalidRequest(error)
        }
        TransportError::Connection { .. } => AttemptOutcome::Incomplete(error),
    }
}
