//! Webhooks: one JSON message to one address. The address is a secret: it is in no error, no log
//! and no span. A redirect is not followed, because another host would get the message.

use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout_at};
use url::Url;

use super::http::{TransportError, is_local_to_machine, read_limited_body};

/// How much of a receiver's reply is read, in bytes. It is a word or a short sentence.
const LONGEST_REPLY: usize = 64 * 1024;
/// How much of it is shown, in characters.
const SHOWN_REPLY: usize = 200;
/// Before another attempt, after a reply that may be better in a moment.
const PAUSE: Duration = Duration::from_secs(1);

/// Sends messages to webhooks. A run has one.
pub struct WebhookClient {
    /// Through the system's proxy, if there is one.
    remote: reqwest::Client,
    /// For this machine only: no proxy can reach our loopback.
    loopback: reqwest::Client,
}

/// Why a message may not have arrived. It names neither the address nor its host.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// There is no TLS on this machine.
    #[error("no connection can be made: {0}")]
    Setup(String),
    /// The receiver did not reply in time.
    #[error("the receiver did not reply in time")]
    TooLate,
    /// The receiver replied with a redirect. Takes the status.
    #[error("the receiver redirects (status {0}), and a redirect is not followed")]
    Redirected(u16),
    /// The receiver refused the message. Takes the status and the beginning of the reply.
    #[error("the receiver refused it (status {0}){1}")]
    Refused(u16, String),
    /// No whole reply arrived.
    #[error("{0}")]
    Connection(String),
}

impl WebhookError {
    /// May the same message be accepted a moment later?
    fn may_pass(&self) -> bool {
        match self {
            Self::Refused(status, _) => *status == 429 || *status >= 500,
            Self::Connection(_) => true,
            Self::Setup(_) | Self::TooLate | Self::Redirected(_) => false,
        }
    }
}

impl From<TransportError> for WebhookError {
    fn from(error: TransportError) -> Self {
        Self::Connection(error.to_string())
    }
}

impl WebhookClient {
    /// Fails if TLS cannot be set up.
    pub fn new() -> Result<Self, WebhookError> {
        let build = |builder: reqwest::ClientBuilder| {
            let built = builder.build().map_err(TransportError::from);
            built.map_err(|error| WebhookError::Setup(error.to_string()))
        };
        Ok(Self {
            remote: build(builder())?,
            loopback: build(builder().no_proxy())?,
        })
    }

    /// Sends a message. Ends within `limit`, even if the receiver does not respond.
    pub async fn post(
        &self,
        url: &Url,
        message: &Value,
        limit: Duration,
    ) -> Result<(), WebhookError> {
        let deadline = Instant::now() + limit;
        loop {
            let sent = timeout_at(deadline, self.post_once(url, message)).await;
            let result = sent.unwrap_or(Err(WebhookError::TooLate));
            let may_pass = result.as_ref().is_err_and(WebhookError::may_pass);
            // Another attempt needs a second after the pause, too.
            if !may_pass || Instant::now() + 2 * PAUSE > deadline {
                return result;
            }
            sleep(PAUSE).await;
        }
    }

    async fn post_once(&self, url: &Url, message: &Value) -> Result<(), WebhookError> {
        let client = if is_local_to_machine(url) {
            &self.loopback
        } else {
            &self.remote
        };
        let request = client
            .post(url.clone())
            .header(CONTENT_TYPE, "application/json")
            .body(message.to_string());
        let response = request.send().await.map_err(TransportError::from)?;
        let status = response.status();
        if status.is_success() {
            return Ok(());
        }
        if status.is_redirection() {
            return Err(WebhookError::Redirected(status.as_u16()));
        }
        let body = read_limited_body(response, LONGEST_REPLY).await;
        let body = body.unwrap_or_default();
        let said: String = String::from_utf8_lossy(&body)
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
            .chars()
            .take(SHOWN_REPLY)
            .collect();
        let said = if said.is_empty() {
            said
        } else {
            format!(": {said}")
        };
        Err(WebhookError::Refused(status.as_u16(), said))
    }
}

fn builder() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .user_agent(concat!("iomcopy/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::clients::testing::{Listener, Reply};

    /// Longer than any test takes.
    const AMPLE: Duration = Duration::from_mins(5);

    async fn post_to(url: &str, limit: Duration) -> Result<(), WebhookError> {
        let client = WebhookClient::new().unwrap();
        let url = Url::parse(url).unwrap();
        client.post(&url, &json!({ "a": "ä" }), limit).await
    }

    #[tokio::test]
    async fn a_message_is_sent_as_json() {
        let receiver = Listener::replying(vec![Reply::json(202, json!({}))]).await;
        let sent = post_to(&format!("{}/x?sig=s3cr3t", receiver.url), AMPLE).await;
        assert!(sent.is_ok(), "{sent:?}");
        let requests = receiver.received();
        assert_eq!(requests.len(), 1);
        assert_eq!(requests[0].method, "POST");
        assert_eq!(requests[0].body, r#"{"a":"ä"}"#);
        assert_eq!(requests[0].header("content-type"), Some("application/json"));
        assert!(requests[0].header("authorization").is_none());
    }

    #[tokio::test]
    async fn a_redirect_is_not_followed() {
        let other = Listener::replying(vec![Reply::json(200, json!({}))]).await;
        let there = format!("{}/elsewhere", other.url);
        let moved = Reply::json(307, json!({})).with("location", there);
        let receiver = Listener::replying(vec![moved]).await;
        let error = post_to(&receiver.url, AMPLE).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "the receiver redirects (status 307), and a redirect is not followed"
        );
        assert_eq!((receiver.count(), other.count()), (1, 0));
    }

    #[tokio::test]
    async fn an_error_holds_what_the_receiver_said_and_no_address() {
        let receiver = Listener::replying(vec![Reply::json(400, json!("invalid\nblocks"))]).await;
        let error = post_to(&format!("{}/s3cr3t", receiver.url), AMPLE).await;
        let error = error.unwrap_err().to_string();
        assert_eq!(
            error,
            r#"the receiver refused it (status 400): "invalid\nblocks""#
        );
        let url = format!("{}/s3cr3t", receiver.url);
        drop(receiver);
        let error = post_to(&url, PAUSE).await.unwrap_err();
        let texts = format!("{error} {error:?}");
        assert!(
            !texts.contains("s3cr3t") && !texts.contains("127.0.0.1"),
            "{texts}"
        );
    }

    #[tokio::test]
    async fn a_busy_receiver_is_asked_once_more_and_a_silent_one_is_left() {
        let replies = vec![Reply::json(503, json!({})), Reply::json(200, json!({}))];
        let receiver = Listener::replying(replies).await;
        let sent = post_to(&receiver.url, AMPLE).await;
        assert!(sent.is_ok(), "{sent:?}");
        assert_eq!(receiver.count(), 2);
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", silent.local_addr().unwrap());
        let error = post_to(&url, Duration::from_millis(50)).await.unwrap_err();
        assert!(matches!(error, WebhookError::TooLate), "{error}");
    }
}
