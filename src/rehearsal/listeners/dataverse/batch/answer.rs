//! The response to a batch: a part for each request, in order.

use hyper::StatusCode;

use crate::rehearsal::listeners::message::Response;
use crate::rehearsal::world::names;

/// The answer to a part of a batch, with the part's `Content-ID`.
#[derive(Debug)]
pub(super) enum Answer {
    Single(Option<String>, Response),
    ChangeSet(Vec<(Option<String>, Response)>),
}

impl Answer {
    /// Whether the part was refused.
    pub(super) fn is_error(&self) -> bool {
        matches!(self, Self::Single(_, response) if response.status >= 400)
    }
}

/// The response to a batch.
pub(super) fn response(status: u16, answers: &[Answer]) -> Response {
    let boundary = format!("batchresponse_{}", names::unique());
    let mut body = String::new();
    for answer in answers {
        push_line(&mut body, &format!("--{boundary}"));
        match answer {
            Answer::Single(id, response) => push_part(&mut body, id.as_deref(), response),
            Answer::ChangeSet(parts) => push_change_set(&mut body, parts),
        }
    }
    push_line(&mut body, &format!("--{boundary}--"));
    let mut response = Response::empty(status).with(
        "Content-Type",
        format!("multipart/mixed; boundary={boundary}"),
    );
    response.body = Some(body);
    response
}

fn push_change_set(body: &mut String, parts: &[(Option<String>, Response)]) {
    let boundary = format!("changesetresponse_{}", names::unique());
    push_line(
        body,
        &format!("Content-Type: multipart/mixed; boundary={boundary}"),
    );
    push_line(body, "");
    for (id, response) in parts {
        push_line(body, &format!("--{boundary}"));
        push_part(body, id.as_deref(), response);
    }
    push_line(body, &format!("--{boundary}--"));
}

fn push_part(body: &mut String, id: Option<&str>, response: &Response) {
    push_line(body, "Content-Type: application/http");
    push_line(body, "Content-Transfer-Encoding: binary");
    if let Some(id) = id {
        push_line(body, &format!("Content-ID: {id}"));
    }
    push_line(body, "");
    let status = StatusCode::from_u16(response.status).ok();
    let reason = status.and_then(|status| status.canonical_reason());
    push_line(
        body,
        &format!(
            "HTTP/1.1 {} {}",
            response.status,
            reason.unwrap_or_default()
        ),
    );
    for (name, value) in &response.headers {
        push_line(body, &format!("{name}: {value}"));
    }
    push_line(body, "");
    push_line(body, response.body.as_deref().unwrap_or_default());
}

fn push_line(body: &mut String, line: &str) {
    body.push_str(line);
    body.push_str("\r\n");
}
