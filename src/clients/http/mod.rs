//! One chain for every request, in one documented order: **retry, throttle, authorize, send**.
//!
//! - [`service`]: [`Service`], one origin, its name, its token; requests are paths on that origin.
//! - `chain`: the order itself, and the loop around it.
//! - `paging`: lists, page after page, within a budget.
//! - `send`: one attempt on the wire; `attempt` is its outcome.
//! - [`client`]: [`Http`], what all services share: connections, clock, observer, cancellation.
//! - `policy`: what is retried and when, how much is sent at once; the table of refusals: what each
//!   means, whether and how long to wait, whose task it is.
//! - `pacer`: every wait; [`observer`]: reports of waits and requests.
//! - `request`, `response`: what is sent, and what comes back.
//! - `span`: the span of a request, for a trace.
//! - `transport`: transport errors, and reading a body of limited size.
//! - `parsing`: error bodies, headers, dates, addresses and links: pure functions of bytes.
//! - `shared_limits_tests`: tests of many requests that share a service's limit, in virtual time.
//! - `unwelcome_responses_tests`: tests of responses that mean something else than their status says.
//!
//! Imports run down this list, never up.

mod attempt;
mod chain;
mod client;
mod observer;
mod pacer;
mod paging;
mod parsing;
mod policy;
mod request;
mod response;
mod send;
mod service;
#[cfg(test)]
mod shared_limits_tests;
mod span;
mod transport;
#[cfg(test)]
mod unwelcome_responses_tests;

pub use client::Http;
pub use observer::{Observer, Silent, SlowWrite, Wait, WaitReason};
pub use parsing::{Origin, OriginError};
pub use policy::{KnownRefusal, Limits, ListBudget, RetryAdvice, Who, note_unreadable_roots};
pub use service::{Service, ServiceEndpoint};

pub(crate) use paging::Pages;
pub(crate) use parsing::{
    ServiceError, WEB_PAGE, has_no_user, is_dns_label, is_local_to_machine, retry_after,
    server_date,
};
pub(crate) use policy::{
    Backoff, NOT_REACHED, is_untrusted_certificate, untrusted_certificate_help,
};
pub(crate) use request::{Method, Request, parse_method};
pub(crate) use response::Response;
pub(crate) use send::naming_silence;
pub(crate) use span::{record_status, request_span};
pub(crate) use transport::{TransportError, read_limited_body};
