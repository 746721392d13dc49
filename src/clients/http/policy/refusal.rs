//! A response that is not 2xx as an error.

use super::refusal_codes::is_busy;
use super::remedies::{CHALLENGED, remedy};
use crate::clients::error::{Detail, Error, ErrorKind, presentable};
use crate::clients::http::parsing::ServiceError;
use crate::clients::http::response::Response;

/// The error of a response that is not 2xx. The kind follows from the status; a code in the body
/// may make a conflict [`ErrorKind::Busy`].
pub(super) fn refusal_error(response: &Response, kind: ErrorKind) -> Error {
    let body = response.maybe_value();
    let mut parsed = ServiceError::parse(body.as_ref(), response.body());
    let challenge = challenges(response);
    let lower = challenge.to_ascii_lowercase();
    if response.body().is_empty() && !challenge.is_empty() {
        parsed.message.clone_from(&challenge);
    } else if lower.contains("error=") {
        // Only the header says what is wrong with the token, and which claims are missing.
        parsed.message = format!("{} ({challenge})", parsed.message);
    }
    let kind = match kind {
        ErrorKind::Conflict if is_busy(&parsed) => ErrorKind::Busy,
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
    let error = parsed.into_error(kind, detail);
    // A challenge of continuous access evaluation (Microsoft identity platform, *Claims challenges*)
    // explains the refusal, with any code in the body.
    let is_claims_challenge = ["insufficient_claims", "insufficient_authentication_context"]
        .iter()
        .any(|word| lower.contains(word));
    if is_claims_challenge {
        return error.with_help(CHALLENGED);
    }
    error
}

/// The challenges of a response. There may be several headers, one for each scheme.
fn challenges(response: &Response) -> String {
    let headers = response.headers().get_all("www-authenticate").iter();
    let texts: Vec<&str> = headers.filter_map(|value| value.to_str().ok()).collect();
    texts.join(", ")
}

impl ServiceError {
    /// The error of a request that failed with this service error, with a remedy if one is known.
    /// The detail describes the request.
    pub(crate) fn into_error(self, kind: ErrorKind, detail: Detail) -> Error {
        let help = remedy(kind, &self);
        let detail = Detail {
            code: self.code.as_deref().map(presentable),
            inner_code: self.inner_code.as_deref().map(presentable),
            message: presentable(&self.message),
            ..detail
        };
        Error::from_detail(kind, detail, help)
    }
}
