//! Pure functions of bytes: they send nothing, wait for nothing and decide nothing.
//!
//! - `service_error`: the error body of every service family.
//! - `headers`: `Retry-After` in all its forms, and dates.
//! - `json_size`: how much memory a JSON text would take, measured before it is parsed.
//! - [`origin`]: addresses and links; a token belongs to one exact origin.

mod headers;
mod json_size;
mod origin;
mod service_error;

pub(crate) use headers::{retry_after, server_date};
pub(crate) use json_size::{MAX_DEPTH, MAX_VALUES, measure_json};
pub(crate) use origin::{LinkError, has_no_user, is_dns_label, is_local_to_machine};
pub use origin::{Origin, OriginError};
pub(crate) use service_error::{ServiceError, WEB_PAGE};
