//! Tests of many requests that share one service's limit, in virtual time: the real chain, and a
//! service that is a few lines long.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::header::HeaderMap;
use url::Url;

use super::attempt::{Attempt, AttemptOutcome};
use super::chain::Chain;
use super::policy::{Gate, Limits};
use super::{Http, Method, Origin, Request, Response};
use crate::base::clock::Clock;
use crate::base::sync::lock;
use crate::clients::error::{Error, ErrorKind};
use crate::clients::identity::{GivenToken, Identity, TokenSource, Tokens};
use crate::clients::testing::{Setup, application};

const ROW: &str = "https://contoso.example/row";

/// From the request to its response.
const LATENCY: Duration = Duration::from_millis(100);

/// Microsoft Learn, *Service protection API limits*: 6,000 requests in 300 seconds.
const WINDOW: Duration = Duration::from_mins(5);
const IN_WINDOW: usize = 6_000;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn response(url: &str, status: u16, headers: &[(&'static str, String)], body: &str) -> Attempt {
    let headers: HeaderMap = headers
        .iter()
        .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
        .collect();
    let outcome = AttemptOutcome::Responded(Box::new(Response {
        status,
        headers,
        body: body.to_owned().into(),
        url: Url::parse(url).unwrap(),
        service: "Dataverse".to_owned(),
        what: "PATCH /row".to_owned(),
        client_request_id: "1".to_owned(),
    }));
    let id = "1".to_owned();
    Attempt { id, outcome }
}

/// A service with Dataverse's limits.
struct Limited {
    clock: Clock,
    /// Its `x-ms-dop-hint`.
    hint: Option<usize>,
    in_window: usize,
    /// How long each request executes, and how long all of a window may.
    executes: Duration,
    executing_in_window: Duration,
    at_once: usize,
    state: Mutex<Received>,
}

#[derive(Default)]
struct Received {
    /// When the requests of the last 300 seconds were accepted.
    accepted: VecDeque<Duration>,
    in_flight: usize,
    highest: usize,
    /// Before the first response.
    highest_at_first: usize,
    responses: usize,
    refused: usize,
    /// Until when the client knows that it must not send.
    closed_until: Duration,
    /// How many were sent before that.
    too_early: usize,
}

impl Limited {
    fn new(clock: &Clock, hint: Option<usize>) -> Self {
        Self {
            clock: clock.clone(),
            hint,
            in_window: usize::MAX,
            executes: LATENCY,
            executing_in_window: Duration::MAX,
            at_once: usize::MAX,
            state: Mutex::default(),
        }
    }

    async fn answer(&self) -> Attempt {
        {
            let mut state = lock(&self.state);
            state.too_early += usize::from(self.clock.elapsed() < state.closed_until);
            state.in_flight += 1;
            state.highest = state.highest.max(state.in_flight);
            if state.responses == 0 {
                state.highest_at_first = state.highest;
            }
        }
        self.clock.sleep(self.executes / 2).await;
        let delay = self.judge();
        self.clock.sleep(self.executes / 2).await;
        let mut state = lock(&self.state);
        state.in_flight -= 1;
        state.responses += 1;
        let hint = self.hint.map(|hint| ("x-ms-dop-hint", hint.to_string()));
        let Some(delay) = delay else {
            return response(ROW, 204, hint.as_slice(), "");
        };
        state.refused += 1;
        state.closed_until = self.clock.elapsed() + delay;
        let headers = [("retry-after", delay.as_secs().to_string())];
        let body = r#"{"error":{"code":"0x80072322","message":"Too many."}}"#;
        response(ROW, 429, &headers, body)
    }

    /// `None` if it accepts a request, else how long to wait: whole seconds.
    fn judge(&self) -> Option<Duration> {
        let now = self.clock.elapsed();
        let mut state = lock(&self.state);
        if state.in_flight > self.at_once {
            return Some(seconds(1));
        }
        while state.accepted.front().is_some_and(|at| *at + WINDOW <= now) {
            state.accepted.pop_front();
        }
        let accepted = u32::try_from(state.accepted.len()).unwrap();
        let is_executing = self.executes * accepted < self.executing_in_window;
        if state.accepted.len() < self.in_window && is_executing {
            state.accepted.push_back(now);
            return None;
        }
        let free = *state.accepted.front()? + WINDOW;
        let milliseconds = free.saturating_sub(now).as_millis();
        Some(seconds(
            u64::try_from(milliseconds).unwrap().div_ceil(1_000),
        ))
    }
}

/// A client of the service, without a network.
struct Client {
    clock: Clock,
    http: Arc<Http>,
    token: Arc<TokenSource>,
    gate: Arc<Gate>,
}

impl Client {
    fn new() -> Self {
        let clock = Clock::in_virtual_time();
        let http = Setup::with_clock(clock.clone(), Limits::default()).http;
        let tokens = Tokens::new(&http, "https://login.microsoftonline.com").unwrap();
        let identity = Identity::Token(GivenToken("a-token".to_owned().into()));
        let origin = Origin::parse("https://contoso.example").unwrap();
        Self {
            clock,
            token: tokens.source(&identity, "https://contoso.example/.default"),
            gate: http.gate(&origin, &identity),
            http,
        }
    }

    async fn send<A: Future<Output = Attempt>>(
        &self,
        url: &str,
        request: &Request,
        answer: impl Fn() -> A,
    ) -> Result<Response, Error> {
        let chain = Chain {
            http: &self.http,
            service: "Dataverse",
            token: &self.token,
            gate: &self.gate,
        };
        let url = Url::parse(url).unwrap();
        chain
            .attempt(&url, request, "PATCH /row", |_| answer())
            .await
    }

    /// Sends this many changes, `concurrency` of them at once. Returns how long it took.
    fn change_all(&self, service: &Limited, changes: usize, concurrency: usize) -> Duration {
        let began = self.clock.elapsed();
        let number = AtomicUsize::new(0);
        let patch = Request::new(Method::PATCH, "/row").json_text("{}");
        let worker = || async {
            while number.fetch_add(1, Ordering::SeqCst) < changes {
                let sent = self.send(ROW, &patch, || service.answer()).await;
                sent.unwrap();
            }
        };
        let workers = (0..concurrency).map(|_| worker());
        self.clock.run(futures_util::future::join_all(workers));
        self.clock.elapsed().saturating_sub(began)
    }
}

#[test]
fn requests_in_flight_start_low_and_rise_to_what_the_service_recommends() {
    for (hint, highest) in [(None, 16), (Some(20), 20), (Some(52), 52), (Some(100), 52)] {
        let client = Client::new();
        let service = Limited::new(&client.clock, hint);
        let duration = client.change_all(&service, 1_000, 60);
        let state = lock(&service.state);
        assert_eq!((state.highest_at_first, state.highest), (4, highest));
        // ceil(N/C) x L, and half a second to rise.
        let rounds = u32::try_from(1_000_usize.div_ceil(highest)).unwrap();
        let bound = LATENCY * rounds * 105 / 100 + Duration::from_millis(500);
        assert!(duration <= bound, "{hint:?}: {duration:?}, not {bound:?}");
    }
}

#[test]
fn a_lower_concurrency_of_the_step_stays_the_ceiling() {
    let client = Client::new();
    let service = Limited::new(&client.clock, Some(52));
    let duration = client.change_all(&service, 100, 4);
    assert_eq!(lock(&service.state).highest, 4);
    assert_eq!(duration, LATENCY * 25);
}

#[test]
fn a_throttled_run_takes_the_time_of_the_limit_itself() {
    let client = Client::new();
    let service = Limited {
        in_window: IN_WINDOW,
        ..Limited::new(&client.clock, Some(52))
    };
    // Six full windows, and two thirds of the seventh.
    let duration = client.change_all(&service, 40_000, 52);
    let limit = WINDOW * 6;
    let state = lock(&service.state);
    assert_eq!(state.too_early, 0, "of {} responses", state.responses);
    assert!(state.refused > 0 && state.highest <= 52);
    assert!(duration >= limit, "{duration:?}");
    let bound = limit * 102 / 100;
    assert!(duration <= bound, "{duration:?}, not {bound:?}");
}

/// Microsoft Learn, *Service protection API limits*: 1,200 seconds of execution in 300 seconds, which
/// bind before the number of requests does if each of them executes for more than 0.2 seconds.
#[test]
fn a_run_whose_requests_execute_long_takes_the_time_of_the_limit_itself() {
    let client = Client::new();
    let service = Limited {
        in_window: IN_WINDOW,
        executes: Duration::from_millis(400),
        executing_in_window: seconds(1_200),
        ..Limited::new(&client.clock, Some(52))
    };
    // 3,000 requests in a window: six full windows, and two thirds of the seventh.
    let duration = client.change_all(&service, 20_000, 52);
    let limit = WINDOW * 6;
    let state = lock(&service.state);
    assert_eq!(state.too_early, 0, "of {} responses", state.responses);
    assert!(state.refused > 0 && state.highest <= 52);
    let bound = limit * 102 / 100;
    assert!(
        (limit..=bound).contains(&duration),
        "{duration:?}, not {bound:?}"
    );
}

#[test]
fn requests_in_flight_are_halved_where_the_service_bears_fewer() {
    let client = Client::new();
    let service = Limited {
        at_once: 10,
        ..Limited::new(&client.clock, Some(52))
    };
    client.change_all(&service, 2_000, 52);
    let state = lock(&service.state);
    assert_eq!(state.too_early, 0, "of {} responses", state.responses);
    // Each refusal costs a wait, so they are few.
    assert!(state.refused < 200, "{}", state.refused);
}

#[test]
fn each_user_of_a_service_has_their_own_limit() {
    let client = Client::new();
    let origin = |url| Origin::parse(url).unwrap();
    let (own, other) = (
        origin("https://contoso.example"),
        origin("https://b.example"),
    );
    let given = Identity::Token(GivenToken("a-token".to_owned().into()));
    assert!(Arc::ptr_eq(&client.gate, &client.http.gate(&own, &given)));
    let others = [
        client.http.gate(&own, &application()),
        client.http.gate(&other, &given),
    ];
    assert!(others.iter().all(|gate| !Arc::ptr_eq(&client.gate, gate)));
}

#[test]
fn an_operation_is_polled_when_its_retry_after_is_over() {
    const OPERATION: &str = "https://contoso.example/operations/1";
    let client = Client::new();
    let at = Mutex::new(Vec::new());
    // Sends a request, at once for the caller, and returns when the service received it.
    let send = async |url: &str, request: &Request, retry_after: &str| {
        let answered = client.send(url, request, || async {
            lock(&at).push(client.clock.elapsed());
            let headers = [
                ("retry-after", retry_after.to_owned()),
                ("location", "/operations/1".to_owned()),
            ];
            response(url, 202, &headers, "{}")
        });
        answered.await.unwrap();
        lock(&at).last().copied().unwrap()
    };
    let poll = Request::get("/operations/1");
    client.clock.run(async {
        let copy = Request::new(Method::POST, "/copy").once();
        let accepted = send("https://contoso.example/copy", &copy, "30").await;
        assert_eq!(accepted, Duration::ZERO);
        let other = send("https://contoso.example/operations/2", &poll, "7").await;
        assert_eq!(other, Duration::ZERO);
        assert_eq!(send(OPERATION, &poll, "10").await, seconds(30));
        assert_eq!(send(OPERATION, &poll, "900").await, seconds(40));
        assert_eq!(send(OPERATION, &poll, "5").await, seconds(100));
        // The caller waits longer than that by itself.
        client.clock.sleep(seconds(20)).await;
        assert_eq!(send(OPERATION, &poll, "5").await, seconds(120));
        client.http.cancellation().request_stop();
        let stopped = client.send(OPERATION, &poll, || async {
            response(OPERATION, 200, &[], "{}")
        });
        assert_eq!(stopped.await.unwrap_err().kind, ErrorKind::Cancelled);
    });
}
