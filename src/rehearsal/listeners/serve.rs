//! Sockets, the order in which a request is handled, and faults.
//!
//! One request at a time: timers that are due are carried out, the service answers, a fault may
//! strike, the request's line is written; only then is the answer sent.

use std::future;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Response, StatusCode};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::connection::EndingListener;
use super::dataverse::skin::Fitting;
use super::message::{Answer, Request};
use super::{Listener, Origins, Turn, tls};
use crate::rehearsal::behaviour::operations::FATE;
use crate::rehearsal::behaviour::timers;
use crate::rehearsal::clock::Moment;
use crate::rehearsal::faults::{Fault, FaultKind};
use crate::rehearsal::schema::Schema;
use crate::rehearsal::schema::skin::Dictionary;
use crate::rehearsal::world::World;
use crate::rehearsal::world::log::{LogError, RequestFacts};
use crate::rehearsal::world::store::Draft;

/// How large a request's body may be.
const BODY_LIMIT: usize = 16 * 1024 * 1024;

/// What the listeners share.
#[derive(Debug)]
pub(crate) struct Tenant {
    /// The world; nothing once the tenant has stopped.
    pub(crate) world: Mutex<Option<World>>,
    /// The tables of Dataverse.
    pub(crate) schema: Schema,
    /// The names that callers of Dataverse see; nothing where they are the tenant's own.
    pub(crate) dictionary: Option<Dictionary>,
    /// What goes wrong on purpose.
    pub(crate) faults: Vec<Fault>,
    /// Where the listeners are.
    pub(crate) origins: Origins,
}

/// What becomes of a handled request.
enum Handled {
    /// It is answered.
    Answered(Answer),
    /// It is never answered.
    Held,
    /// Its connection ends before its answer.
    Lost,
}

/// Answers what comes to a socket, secured where the tenant speaks TLS, until the token is cancelled.
pub(crate) async fn serve(
    tenant: Arc<Tenant>,
    listener: Listener,
    socket: TcpListener,
    tls: Option<TlsAcceptor>,
    ending: CancellationToken,
) {
    let router = Router::new()
        .fallback(handle)
        .with_state((tenant, listener));
    let plain = EndingListener::new(socket, ending.clone());
    // Serving ends by itself only when accepting does, which never happens.
    let Some(acceptor) = tls.filter(|_| listener != Listener::Machine) else {
        tokio::select! {
            () = ending.cancelled() => {}
            _result = axum::serve(plain, router) => {}
        }
        return;
    };
    // A socket that does not know its own address cannot be served.
    let Ok((secured, securing)) = tls::secure(plain, acceptor) else {
        return;
    };
    tokio::select! {
        () = ending.cancelled() => {}
        () = securing => {}
        _result = axum::serve(secured, router) => {}
    }
}

async fn handle(
    State((tenant, listener)): State<(Arc<Tenant>, Listener)>,
    request: axum::extract::Request,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let answer = match axum::body::to_bytes(body, BODY_LIMIT).await {
        Err(_) => Answer::error(413, "RequestEntityTooLarge", "The body is too large."),
        Ok(body) => {
            let request = Request::new(
                parts.method.as_str(),
                parts.uri.path(),
                parts.uri.query(),
                parts.headers,
                body.to_vec(),
            );
            match tenant.handle(listener, &request) {
                Ok(Handled::Answered(answer)) => answer,
                Ok(Handled::Held) => future::pending().await,
                Ok(Handled::Lost) => return cut_off(),
                Err(error) => Answer::error(500, "InternalServerError", &error.to_string()),
            }
        }
    };
    response(answer)
}

/// Whether a fault that lasts for a while still lasts; one that has not begun begins now. Every other
/// fault lasts.
fn is_under_way(draft: &Draft<'_>, fault: &Fault, now: Moment) -> bool {
    let FaultKind::Away(minutes) = fault.kind() else {
        return true;
    };
    let began = draft.get(&away_key(fault)).and_then(Value::as_u64);
    let lasted = began.map_or(0, |began| now.milliseconds().saturating_sub(began));
    lasted < u64::from(minutes) * 60_000
}

/// Where the tenant keeps when a service went away.
fn away_key(fault: &Fault) -> String {
    format!("counter/away/{fault}")
}

/// What a request that was applied is answered with on purpose: a redirect leads elsewhere, and every
/// other status says, in the services' own form, that it was not applied.
fn answered_with(status: u16) -> Answer {
    let text = "The rehearsal tenant answers this on purpose.";
    let answer = Answer::error(status, "AnsweredOnPurpose", text);
    if status < 400 {
        answer.with("Location", "https://login.example/".to_owned())
    } else {
        answer
    }
}

/// An answer whose body never comes: the connection ends.
fn cut_off() -> Response<Body> {
    let gone = futures_util::stream::once(async {
        Err::<Vec<u8>, std::io::Error>(std::io::ErrorKind::ConnectionReset.into())
    });
    Response::new(Body::from_stream(gone))
}

fn response(answer: Answer) -> Response<Body> {
    let mut builder = Response::builder().status(answer.status);
    for (name, value) in answer.headers {
        builder = builder.header(name, value);
    }
    builder
        .body(answer.body.map_or_else(Body::empty, Body::from))
        .unwrap_or_else(|_| {
            // A header that HTTP cannot carry; none of ours is.
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            response
        })
}

impl Tenant {
    fn handle(&self, listener: Listener, request: &Request) -> Result<Handled, LogError> {
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(world) = world.as_mut() else {
            return Ok(Handled::Held);
        };
        let mut draft = world.draft();
        let now = draft.now();
        timers::advance(&mut draft, &self.schema);
        let before = draft.changes();
        let dictionary = self.dictionary.as_ref();
        let fitting = dictionary
            .filter(|_| matches!(listener, Listener::Dataverse(_)))
            .map(|dictionary| Fitting::of(dictionary, request));
        let mut turn = Turn {
            draft,
            schema: &self.schema,
            origins: &self.origins,
            request: fitting.as_ref().map_or(request, |one| &one.request),
            listener,
            caller: None,
        };
        let counted = self.count_faults(&turn.draft, request);
        let struck = counted.iter().find(|(fault, number)| {
            fault.strikes(*number) && is_under_way(&turn.draft, fault, now)
        });
        let struck = struck.map(|(fault, _)| *fault);
        if let Some(FaultKind::Doom(fate)) = struck.map(Fault::kind) {
            turn.draft.put(FATE.to_owned(), serde_json::json!(fate));
        }
        let answer = match struck.map(Fault::kind) {
            Some(FaultKind::Throttle) => {
                Answer::error(429, "TooManyRequests", "Too many requests.")
                    .with("Retry-After", "30")
            }
            Some(FaultKind::Refuse(status)) => {
                let text = "The rehearsal tenant refuses this on purpose.";
                Answer::error(status, "RefusedOnPurpose", text)
            }
            Some(FaultKind::Echo(status)) => {
                let body = String::from_utf8_lossy(&request.body);
                let text = format!("The rehearsal tenant does not understand this: {body}");
                Answer::error(status, "RefusedOnPurpose", &text)
            }
            Some(FaultKind::Away(_)) => Answer::error(503, "AwayOnPurpose", ""),
            _ => super::answer(&mut turn),
        };
        turn.draft.delete(FATE);
        let answer = answer.with("Date", now.in_header());
        let answer = match &fitting {
            Some(fitting) => fitting.dress(answer),
            None => answer,
        };
        let Turn {
            mut draft, caller, ..
        } = turn;
        if answer.status >= 400 && !answer.keeps_changes {
            draft.restore(before.clone());
        }
        let answered_well = answer.status < 400;
        let struck = struck.filter(|fault| {
            !matches!(
                fault.kind(),
                FaultKind::AcceptAndIgnore | FaultKind::Doom(_) | FaultKind::Answer(_)
            ) || answered_well
        });
        let kind = struck.map(Fault::kind);
        if kind == Some(FaultKind::AcceptAndIgnore) {
            draft.restore(before);
        }
        let answer = match kind {
            Some(FaultKind::Answer(status)) => answered_with(status),
            _ => answer,
        };
        for (fault, number) in counted {
            let is_away = matches!(fault.kind(), FaultKind::Away(_)) && fault.strikes(number);
            if is_away && draft.get(&away_key(fault)).is_none() {
                draft.put(away_key(fault), now.milliseconds().into());
            }
            draft.put(format!("counter/fault/{fault}"), number.into());
        }
        let facts = RequestFacts {
            listener: listener.name().to_owned(),
            method: request.method.clone(),
            path: request.path.clone(),
            query: request.raw_query.clone(),
            user_agent: request.header("User-Agent").map(str::to_owned),
            caller,
            status: answer.status,
            fault: struck.map(Fault::to_string),
        };
        let changes = draft.into_changes();
        world.commit(now, facts, changes)?;
        Ok(match kind {
            Some(FaultKind::Hold) => Handled::Held,
            Some(FaultKind::Lose | FaultKind::Away(_)) => Handled::Lost,
            _ => Handled::Answered(answer),
        })
    }

    /// The faults that look at a request, and how many such requests there are with it.
    fn count_faults(&self, draft: &Draft<'_>, request: &Request) -> Vec<(&Fault, u64)> {
        let query = request.raw_query.as_deref();
        self.faults
            .iter()
            .filter(|fault| fault.looks_at(&request.method, &request.path, query))
            .map(|fault| {
                let counter = draft.get(&format!("counter/fault/{fault}"));
                (fault, counter.and_then(Value::as_u64).unwrap_or(0) + 1)
            })
            .collect()
    }
}
