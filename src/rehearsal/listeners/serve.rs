//! The handling of a request, and faults.
//!
//! The tenant handles one request at a time: it runs the timers that are due, lets the service
//! respond, applies a fault if one matches, writes the request's line, and only then sends the
//! response.

use std::future;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::StatusCode;
use hyper::body::Incoming;
use serde_json::Value;

use super::dataverse::aliases::RenamedRequest;
use super::dataverse::batch;
use super::message::{Request, Response};
use super::{Listener, Origins, RequestContext, authentication};
use crate::rehearsal::behaviour::due_timers;
use crate::rehearsal::behaviour::operations::FAILURE_MODE;
use crate::rehearsal::clock::Moment;
use crate::rehearsal::faults::{Fault, FaultKind, RefusalCodes};
use crate::rehearsal::odata::error::ODataError;
use crate::rehearsal::odata::preferences::Preferences;
use crate::rehearsal::protection::Protection;
use crate::rehearsal::schema::Schema;
use crate::rehearsal::schema::table_names::Dictionary;
use crate::rehearsal::world::World;
use crate::rehearsal::world::log::{LogError, RequestFacts};
use crate::rehearsal::world::store::Draft;

/// The maximum size of a request's body.
const BODY_LIMIT: usize = 16 * 1024 * 1024;

/// The data that the listeners share.
#[derive(Debug)]
pub(crate) struct Tenant {
    /// The world; `None` after the tenant has stopped.
    pub(crate) world: Mutex<Option<World>>,
    /// The tables of Dataverse.
    pub(crate) schema: Schema,
    /// The aliases in Dataverse, with renamed tables.
    pub(crate) dictionary: Option<Dictionary>,
    /// Failures on purpose.
    pub(crate) faults: Vec<Fault>,
    /// How long every response takes, in real time.
    pub(crate) latency: Duration,
    /// Dataverse's limits for each user, if they are applied.
    pub(crate) protection: Option<Protection>,
    /// The origins of the listeners.
    pub(crate) origins: Origins,
}

/// The result of handling a request.
enum Handled {
    /// The response is sent.
    Respond(Response),
    /// The client gets no response.
    Hold,
    /// The connection ends before the response.
    Disconnect,
}

/// The HTTP response to a request. An error ends the connection without a response.
pub(super) async fn respond(
    tenant: &Tenant,
    listener: Listener,
    request: hyper::Request<Incoming>,
) -> io::Result<hyper::Response<Full<Bytes>>> {
    let (parts, body) = request.into_parts();
    let body = match Limited::new(body, BODY_LIMIT).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            let (code, text) = ("RequestEntityTooLarge", "The body is too large.");
            return Ok(into_http(Response::error(413, code, text)));
        }
        // The client broke off.
        Err(error) => return Err(io::Error::other(error)),
    };
    let request = Request::new(
        parts.method.as_str(),
        parts.uri.path(),
        parts.uri.query(),
        parts.headers,
        body.into(),
    );
    let handled = tenant.handle(listener, &request);
    // The response is on its way: meanwhile the tenant handles other requests. Even a sleep of no
    // time takes a tick of the timer, a millisecond.
    if !tenant.latency.is_zero() {
        tokio::time::sleep(tenant.latency).await;
    }
    match handled {
        Ok(Handled::Respond(response)) => Ok(into_http(response)),
        Ok(Handled::Hold) => future::pending().await,
        Ok(Handled::Disconnect) => Err(io::ErrorKind::ConnectionReset.into()),
        Err(error) => {
            let response = Response::error(500, "InternalServerError", &error.to_string());
            Ok(into_http(response))
        }
    }
}

/// Whether a fault with a duration has not ended; one that has not started starts now. Faults
/// without a duration do not end.
fn is_in_effect(draft: &Draft<'_>, fault: &Fault, now: Moment) -> bool {
    time_left(draft, fault, now).is_none_or(|left| left > 0)
}

/// How long a fault still lasts, in milliseconds; none if it has no end.
fn time_left(draft: &Draft<'_>, fault: &Fault, now: Moment) -> Option<u64> {
    let duration = fault.kind().duration()?;
    let began = draft
        .get(&in_effect_since_key(fault))
        .and_then(Value::as_u64);
    let elapsed = began.map_or(0, |began| now.milliseconds().saturating_sub(began));
    Some(duration.saturating_sub(elapsed))
}

/// The key of the moment when a fault with a duration began.
fn in_effect_since_key(fault: &Fault) -> String {
    format!("counter/away/{fault}")
}

/// The response with this status to a request that was applied: a redirect to another host, or an
/// error in the form of the services.
fn response_on_purpose(status: u16) -> Response {
    let text = "The rehearsal tenant answers this on purpose.";
    let response = Response::error(status, "AnsweredOnPurpose", text);
    if status < 400 {
        response.with("Location", "https://login.example/".to_owned())
    } else {
        response
    }
}

/// A refusal with these codes, in the form of the service.
fn refusal_with_codes(
    status: u16,
    codes: &RefusalCodes,
    text: &str,
    listener: Listener,
    request: &Request,
) -> Response {
    if !matches!(listener, Listener::Dataverse(_)) {
        return Response::error(status, &codes.code, text);
    }
    let behind = match status {
        403 => "Forbidden",
        404 => "NotFound",
        _ => "BadRequest",
    };
    let error = match &codes.inner {
        Some(inner) => ODataError::flow_service(behind, inner, text),
        None => ODataError::new(status, "", text),
    };
    let prefer = request.header("Prefer").unwrap_or_default();
    let annotated = Preferences::parse(prefer).wants("Microsoft.PowerApps.CDS.ErrorDetails.Error");
    let mut body = error.body(annotated);
    body["error"]["code"] = Value::from(codes.code.as_str());
    Response::json(status, &body)
}

/// The response with the first half of its body.
fn cut_in_the_middle(mut response: Response) -> Response {
    response.body = response
        .body
        .map(|body| body.chars().take(body.chars().count() / 2).collect());
    response
}

fn into_http(response: Response) -> hyper::Response<Full<Bytes>> {
    let mut builder = hyper::Response::builder().status(response.status);
    for (name, value) in response.headers {
        builder = builder.header(name, value);
    }
    let body = response.body.map(Bytes::from).unwrap_or_default();
    builder.body(Full::new(body)).unwrap_or_else(|_| {
        // An invalid header; the tenant sends none.
        let mut failed = hyper::Response::default();
        *failed.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        failed
    })
}

impl Tenant {
    fn handle(&self, listener: Listener, request: &Request) -> Result<Handled, LogError> {
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(world) = world.as_mut() else {
            return Ok(Handled::Hold);
        };
        let mut draft = world.draft();
        let now = draft.now();
        due_timers::run(&mut draft, &self.schema);
        let before = draft.savepoint();
        let counted = self.count_faults(&draft, request);
        let fault = counted
            .iter()
            .find(|(fault, number)| fault.applies_to(*number) && is_in_effect(&draft, fault, now))
            .map(|(fault, _)| *fault);
        let (mut draft, caller, response) = match self.excess(&draft, listener, request) {
            Some(response) => (draft, None, response),
            None => self.respond(draft, listener, request, fault),
        };
        let response = response.with("Date", now.to_http_date());
        let succeeded = response.status < 400;
        if !succeeded && !response.keeps_changes {
            draft.roll_back(before);
        }
        // These faults only change a response that succeeds.
        let fault = fault.filter(|fault| {
            succeeded
                || !matches!(
                    fault.kind(),
                    FaultKind::AcceptAndIgnore
                        | FaultKind::FailOperation(_)
                        | FaultKind::Answer(_)
                        | FaultKind::Garble
                )
        });
        let kind = fault.map(Fault::kind);
        if kind == Some(FaultKind::AcceptAndIgnore) {
            draft.roll_back(before);
        }
        let response = match kind {
            Some(FaultKind::Answer(status)) => response_on_purpose(status),
            Some(FaultKind::Garble) => cut_in_the_middle(response),
            _ => response,
        };
        save_counts(&mut draft, counted, now);
        let facts = RequestFacts {
            listener: listener.name().to_owned(),
            method: request.method.clone(),
            path: request.path.clone(),
            query: request.raw_query.clone(),
            user_agent: request.header("User-Agent").map(str::to_owned),
            caller,
            status: response.status,
            fault: fault.map(Fault::to_string),
        };
        let changes = draft.into_changes();
        world.commit(now, facts, changes)?;
        Ok(match kind {
            Some(FaultKind::Hold) => Handled::Hold,
            Some(FaultKind::Lose | FaultKind::Unavailable(_)) => Handled::Disconnect,
            _ => Handled::Respond(response),
        })
    }

    /// The refusal of a request that exceeds a limit of Dataverse for its user.
    fn excess(&self, draft: &Draft<'_>, listener: Listener, request: &Request) -> Option<Response> {
        let protection = self.protection.as_ref()?;
        let Listener::Dataverse(side) = listener else {
            return None;
        };
        let user = authentication::client_of(draft, request)?;
        let user = format!("{}/{user}", side.environment());
        let excess = protection.accept(&user, draft.now()).err()?;
        let error = ODataError::new(429, excess.code, excess.message);
        let response = Response::json(429, &error.body(false));
        Some(response.with("Retry-After", excess.retry_after.to_string()))
    }

    /// Lets the service respond, or the fault instead. Returns the draft, the caller and the
    /// response.
    fn respond<'world>(
        &self,
        draft: Draft<'world>,
        listener: Listener,
        request: &Request,
        fault: Option<&Fault>,
    ) -> (Draft<'world>, Option<String>, Response) {
        let own = fault.and_then(|fault| {
            let left = time_left(&draft, fault, draft.now()).unwrap_or_default();
            response_of_fault(fault, left, listener, request)
        });
        if own.is_none() && matches!(listener, Listener::Dataverse(_)) && batch::is_batch(request) {
            return batch::handle(request, draft, &mut |draft, part| {
                self.respond(draft, listener, part, None)
            });
        }
        let dictionary = self.dictionary.as_ref();
        let renamed = dictionary
            .filter(|_| matches!(listener, Listener::Dataverse(_)))
            .map(|dictionary| RenamedRequest::new(dictionary, request));
        let mut context = RequestContext {
            draft,
            schema: &self.schema,
            origins: &self.origins,
            request: renamed.as_ref().map_or(request, |one| &one.request),
            listener,
            caller: None,
        };
        let kind = fault.map(Fault::kind);
        if let Some(FaultKind::FailOperation(mode)) = kind {
            let mode = serde_json::json!(mode);
            context.draft.put(FAILURE_MODE.to_owned(), mode);
        }
        let response = own.unwrap_or_else(|| super::handle(&mut context));
        context.draft.delete(FAILURE_MODE);
        let response = match &renamed {
            Some(renamed) => renamed.replace_usual_names(response),
            None => response,
        };
        (context.draft, context.caller, response)
    }

    /// The faults that match a request, each with the number of matching requests so far.
    fn count_faults(&self, draft: &Draft<'_>, request: &Request) -> Vec<(&Fault, u64)> {
        let query = request.raw_query.as_deref();
        self.faults
            .iter()
            .filter(|fault| fault.matches_request(&request.method, &request.path, query))
            .map(|fault| {
                let counter = draft.get(&format!("counter/fault/{fault}"));
                (fault, counter.and_then(Value::as_u64).unwrap_or(0) + 1)
            })
            .collect()
    }
}

/// The response of a fault that replaces the service's response. Takes for how many milliseconds the
/// fault still lasts.
fn response_of_fault(
    fault: &Fault,
    left: u64,
    listener: Listener,
    request: &Request,
) -> Option<Response> {
    match fault.kind() {
        FaultKind::ThrottleFor(_) => {
            let seconds = left.div_ceil(1000).to_string();
            let response = Response::error(429, "TooManyRequests", "Too many requests.");
            Some(response.with("Retry-After", seconds))
        }
        FaultKind::Throttle => Some(
            Response::error(429, "TooManyRequests", "Too many requests.").with("Retry-After", "30"),
        ),
        FaultKind::Refuse(status) => {
            let text = "The rehearsal tenant refuses this on purpose.";
            Some(match fault.codes() {
                Some(codes) => refusal_with_codes(status, codes, text, listener, request),
                None => Response::error(status, "RefusedOnPurpose", text),
            })
        }
        FaultKind::Echo(status) => {
            let body = String::from_utf8_lossy(&request.body);
            let text = format!("The rehearsal tenant does not understand this: {body}");
            Some(Response::error(status, "RefusedOnPurpose", &text))
        }
        FaultKind::Unavailable(_) => Some(Response::error(503, "AwayOnPurpose", "")),
        _ => None,
    }
}

/// Saves the numbers of matching requests, and when a fault with a duration began.
fn save_counts(draft: &mut Draft<'_>, counted: Vec<(&Fault, u64)>, now: Moment) {
    for (fault, number) in counted {
        let lasts = fault.kind().duration().is_some() && fault.applies_to(number);
        let since = in_effect_since_key(fault);
        if lasts && draft.get(&since).is_none() {
            draft.put(since, now.milliseconds().into());
        }
        draft.put(format!("counter/fault/{fault}"), number.into());
    }
}
