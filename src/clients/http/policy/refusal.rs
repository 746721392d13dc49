//! A response that is not 2xx as an error.

use super::remedies::remedy;
use crate::clients::error::{Detail, Error, ErrorKind, presentable};
use crate::clients::http::parsing::ServiceError;
use crate::clients::http::response::Response;

/// The error of a response that is not 2xx. The kind follows from the status; a code in the body
/// may make a conflict [`ErrorKind::Busy`].
pub(super) fn refusal_error(response: &Response, kind: ErrorKind) -> Error {
    let body = response.maybe_value();
    let mut parsed = ServiceError::parse(body.as_ref(), response.body());
    if let Some(challenge) = response.header("www-authenticate") {
        if response.body().is_empty() {
            challenge.clone_into(&mut parsed.message);
        } else if challenge.contains("insufficient_claims") {
            // Continuous access evaluation: only the header names the missing claims.
            parsed.message = format!("{} ({challenge})", parsed.message);
        }
    }
    let is_busy = parsed.code.as_deref() == Some("OperationNotStartable");
    let kind = match kind {
        ErrorKind::Conflict if is_busy => ErrorKind::Busy,
        kind => kind,
    };
    let detail = Detail {
        service: response.service.clone(),
        what: response.what.clone(),
        status: Some(response.status),
        request_id: Some(response.request_id()),
        body,
        ..Detail::default()
    };
    parsed.into_error(kind, detail)
}

impl ServiceError {
    /// The error of a request that failed with this service error, with a remedy if one is known.
    /// The detail describes the request.
    pub(crate) fn into_error(self, kind: ErrorKind, detail: Detail) -> Error {
        let help = remedy(kind, &self).map(str::to_owned);
        let detail = Detail {
            code: self.code.as_deref().map(presentable),
            inner_code: self.inner_code.as_deref().map(presentable),
            message: presentable(&self.message),
            ..detail
        };
        Error::from_detail(kind, detail, help)
    }
}
