//! One chain for every request, in one written order: **retry, throttle, auth, send**.
//!
//! - [`client`]: [`Http`], what all services share: the connections, the clock, the observer.
//! - [`service`]: [`Service`], one origin, its name, its token; requests are paths on that origin.
//! - `chain`: the order itself, and the loop around it.
//! - `retry`: which outcome may be sent again, and after how long.
//! - `throttle`: the gate before a host, which one 429 shuts for everybody.
//! - `send`: one attempt on the wire.
//! - [`origin`]: the one function through which every address and every link passes.
//! - `request`, `response`, `paging`: what goes out, what comes back, and page after page of it.
//! - `error_body`, `refusals`, `remedies`: what a service says when it refuses, whether repeating
//!   helps, and what to do about it.
//! - `measure`: what reading an answer would cost, before it is read.
//! - [`observer`]: who hears of each wait.

mod chain;
mod client;
mod error_body;
mod measure;
mod observer;
mod origin;
mod paging;
mod refusals;
mod remedies;
mod request;
mod response;
mod retry;
mod send;
mod service;
mod throttle;

pub use client::{Http, Limits};
pub use observer::{Observer, Silent, Wait, WaitReason};
pub use origin::{Origin, OriginError};
pub use paging::ListBudget;
pub use service::{Endpoint, Service};

pub(crate) use error_body::{Told, WEB_PAGE};
pub(crate) use origin::is_machines_own;
pub(crate) use paging::Pages;
pub(crate) use refusals::is_retryable;
pub(crate) use request::{Method, Request};
pub(crate) use response::Response;
pub(crate) use retry::{Backoff, DISTRUSTED, is_distrusted, retry_after};
pub(crate) use send::{capped_body, causes};
