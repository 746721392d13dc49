//! The span of one request on the wire, for a trace. The names of its fields are those of
//! OpenTelemetry: <https://opentelemetry.io/docs/specs/semconv/http/http-spans/>. It has
//! only host and path of the address: a query may hold values.

use tracing::Span;
use tracing::field::Empty;
use url::Url;

/// The span of a request. Costs nothing unless somebody collects spans.
pub(crate) fn request_span(service: &str, what: &str, method: &str, url: &Url) -> Span {
    tracing::debug_span!(
        "request",
        otel.kind = "client",
        otel.name = %format_args!("{method} {service}"),
        http.request.method = method,
        server.address = url.host_str(),
        server.port = url.port_or_known_default(),
        url.path = url.path(),
        iomcopy.purpose = what,
        http.response.status_code = Empty,
        "error.type" = Empty,
        otel.status_code = Empty,
        otel.status_description = Empty,
    )
}

/// Records how a request ended: its status, or why there is none.
pub(crate) fn record_status(span: &Span, outcome: Result<u16, &str>) {
    match outcome {
        Ok(status) => {
            span.record("http.response.status_code", status);
            if status >= 400 {
                span.record("error.type", status.to_string());
                span.record("otel.status_code", "ERROR");
            }
        }
        Err(why) => {
            span.record("error.type", "no response");
            span.record("otel.status_code", "ERROR");
            span.record("otel.status_description", why);
        }
    }
}
