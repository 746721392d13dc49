//! Shared by the tests of this module: a listener on the loopback that sends given replies and
//! records each request byte for byte; and services that use it.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::http::{
    Http, Limits, Method, Observer, Request, Service, ServiceEndpoint, SlowWrite, Wait,
};
use super::identity::{ClientSecret, GivenToken, Identity, Tokens};
use super::{CopyRequest, CopyType};
use crate::base::cancellation::Cancellation;
use crate::base::clock::Clock;

/// A request as it was received.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) method: String,
    /// With its query.
    pub(crate) path: String,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
    pub(crate) at: Instant,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self
            .headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

/// The reply to a request.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// A status, headers and a body.
    Response(u16, Vec<(&'static str, String)>, String),
    /// Status 200 and this body, compressed with gzip.
    Gzip(Vec<u8>),
    /// None: the connection is closed.
    HangUp,
    /// None: the connection stays open.
    Silence,
    /// A body shorter than its announced length.
    CutOff(u16),
}

impl Reply {
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a JSON value written in the call reads best without a reference"
    )]
    pub(crate) fn json(status: u16, body: impl ToString) -> Self {
        Self::Response(status, Vec::new(), body.to_string())
    }

    pub(crate) fn with(self, name: &'static str, value: impl Into<String>) -> Self {
        match self {
            Self::Response(status, mut headers, body) => {
                headers.push((name, value.into()));
                Self::Response(status, headers, body)
            }
            other => other,
        }
    }
}

/// A listener on the loopback. It stops when it is dropped.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) url: String,
    received: Arc<Mutex<Vec<Received>>>,
    task: JoinHandle<()>,
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Listener {
    /// Replies by a function of the request and the number of requests before it.
    pub(crate) async fn start(
        reply: impl Fn(&Received, usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let received = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&received);
        let reply = Arc::new(reply);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (shared, reply) = (Arc::clone(&shared), Arc::clone(&reply));
                tokio::spawn(async move {
                    serve(stream, &shared, reply.as_ref()).await;
                });
            }
        });
        Self {
            url,
            received,
            task,
        }
    }

    /// Sends these replies in turn, and repeats the last one.
    pub(crate) async fn replying(replies: Vec<Reply>) -> Self {
        Self::start(move |_, before| replies[before.min(replies.len() - 1)].clone()).await
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.received.lock().unwrap().len()
    }
}

async fn serve(
    mut stream: TcpStream,
    received: &Mutex<Vec<Received>>,
    reply: &(impl Fn(&Received, usize) -> Reply + ?Sized),
) {
    let Some(request) = read_request(&mut stream).await else {
        return;
    };
    let before = {
        let mut received = received.lock().unwrap();
        received.push(request.clone());
        received.len() - 1
    };
    let mut compressed = Vec::new();
    let text = match reply(&request, before) {
        Reply::Gzip(bytes) => {
            let length = bytes.len();
            compressed = bytes;
            format!(
                "HTTP/1.1 200 x\r\nconnection: close\r\ncontent-length: {length}\r\ncontent-encoding: gzip\r\n\r\n"
            )
        }
        Reply::HangUp => return,
        Reply::Silence => {
            tokio::time::sleep(Duration::from_mins(1)).await;
            return;
        }
        Reply::CutOff(status) => format!("HTTP/1.1 {status} x\r\ncontent-length: 100\r\n\r\n{{"),
        Reply::Response(status, headers, body) => {
            let lines = headers
                .iter()
                .map(|(name, value)| [name, ": ", value, "\r\n"].concat());
            let headers = lines.collect::<Vec<_>>().concat();
            let length = body.len();
            format!(
                "HTTP/1.1 {status} x\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
            )
        }
    };
    // The client may have closed the connection.
    stream
        .write_all(&[text.as_bytes(), &compressed].concat())
        .await
        .ok();
    stream.shutdown().await.ok();
}

async fn read_request(stream: &mut TcpStream) -> Option<Received> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).ok()?;
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ');
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let mut received = Received {
        method: first.next()?.to_owned(),
        path: first.next()?.to_owned(),
        headers,
        body: String::new(),
        at: Instant::now(),
    };
    let length: usize = received
        .header("content-length")
        .and_then(|l| l.parse().ok())
        .unwrap_or(0);
    while bytes.len() < end + 4 + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    received.body = String::from_utf8(bytes[end + 4..end + 4 + length].to_vec()).ok()?;
    Some(received)
}

/// An observer that records waits, and the services that did not answer in time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Waits {
    all: Arc<Mutex<Vec<Wait>>>,
    silent: Arc<Mutex<Vec<String>>>,
    slow: Arc<Mutex<Vec<String>>>,
}

impl Waits {
    pub(crate) fn all(&self) -> Vec<Wait> {
        self.all.lock().unwrap().clone()
    }

    pub(crate) fn silent(&self) -> Vec<String> {
        self.silent.lock().unwrap().clone()
    }

    pub(crate) fn slow_writes(&self) -> Vec<String> {
        self.slow.lock().unwrap().clone()
    }
}

impl Observer for Waits {
    fn waiting(&self, wait: &Wait) {
        self.all.lock().unwrap().push(wait.clone());
    }

    fn silent(&self, service: &str, address: &str) {
        let line = format!("{service} at {address}");
        self.silent.lock().unwrap().push(line);
    }

    fn slow_write(&self, write: &SlowWrite) {
        let line = format!("{} at {}", write.request, write.address);
        self.slow.lock().unwrap().push(line);
    }

    fn slow_write_ended(&self, write: &SlowWrite) {
        let line = format!("ended: {}", write.request);
        self.slow.lock().unwrap().push(line);
    }
}

/// The clients of a test: a fast clock and short limits.
pub(crate) struct Setup {
    pub(crate) http: Arc<Http>,
    pub(crate) waits: Waits,
    pub(crate) cancellation: Cancellation,
}

impl Setup {
    pub(crate) fn new(speed: f64) -> Self {
        let limits = Limits {
            request: Duration::from_millis(400),
            body: 64 * 1024,
            ..Limits::default()
        };
        Self::with_limits(speed, limits)
    }

    pub(super) fn with_limits(speed: f64, limits: Limits) -> Self {
        Self::with_clock(Clock::new(speed), limits)
    }

    pub(super) fn with_clock(clock: Clock, limits: Limits) -> Self {
        let (waits, cancellation) = (Waits::default(), Cancellation::new());
        let observer = Arc::new(waits.clone());
        let http = Http::with_limits(clock, observer, cancellation.clone(), limits).unwrap();
        Self {
            http,
            waits,
            cancellation,
        }
    }

    /// A service at this address, signed in with a given token.
    pub(crate) fn service(&self, url: &str) -> Service {
        let tokens = Tokens::new(&self.http, "https://login.microsoftonline.com").unwrap();
        let identity = Identity::Token(GivenToken("a-token".to_owned().into()));
        Service::new(
            &tokens,
            &identity,
            &ServiceEndpoint::with_own_scope(url),
            "the test service",
        )
        .unwrap()
    }

    /// A service at this address that gets its tokens from an authority.
    pub(crate) fn signed_in(&self, authority: &str, url: &str) -> Service {
        let tokens = Tokens::new(&self.http, authority).unwrap();
        Service::new(
            &tokens,
            &application(),
            &ServiceEndpoint::with_own_scope(url),
            "the test service",
        )
        .unwrap()
    }
}

/// A clock for tests of retries, whose waits are then short.
pub(super) const FAST: f64 = 1_000.0;

/// Limits with which each request is late at once, and sent once.
pub(super) fn silent_limits() -> Limits {
    Limits {
        request: Duration::from_millis(50),
        silence: Duration::ZERO,
        slow_write: Duration::ZERO,
        tries: 1,
        ..Limits::default()
    }
}

/// A write of a row.
pub(super) fn patch() -> Request {
    Request::new(Method::PATCH, "/row").json_text(r#"{"a":1}"#)
}

/// A reply that every request accepts.
pub(super) fn ok() -> Reply {
    Reply::json(200, "{}")
}

/// A copy onto the environment `Contoso UAT`.
pub(super) fn copy_request() -> CopyRequest {
    CopyRequest {
        source: Uuid::from_u128(1),
        copy_type: CopyType::Full,
        name: "Contoso UAT".to_owned(),
        security_group: None,
        skip_audit_data: true,
        transactionless: false,
    }
}

pub(crate) fn application() -> Identity {
    Identity::ClientSecret(ClientSecret {
        tenant: "contoso.onmicrosoft.com".to_owned(),
        client: "0f0f0f0f-0000-4000-8000-000000000000".to_owned(),
        secret: "not a secret".to_owned().into(),
    })
}

/// An authority that issues `token-1`, `token-2`, …, valid for this number of seconds.
pub(crate) async fn authority(expires_in: u64) -> Listener {
    Listener::start(move |_, before| {
        let token = format!("token-{}", before + 1);
        let body = format!(
            r#"{{"token_type":"Bearer","expires_in":{expires_in},"ext_expires_in":{expires_in},"access_token":"{token}"}}"#
        );
        Reply::json(200, body).with("content-type", "application/json")
    })
    .await
}
