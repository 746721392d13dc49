//! A request of `iom.requests`: guided, or a template whose placeholders are all right.

use super::fields::Fields;
use super::scalar::{any_text, text, word};
use super::{Binder, Field, suggestion, unknown_choice};
use crate::runbook::model::request::{IomRequest, Method, Placeholder};
use crate::runbook::model::template::{
    RequestBinding, RequestTemplate, first_placeholder, json_pieces,
};
use crate::runbook::model::words::{Word as _, find, quoted_list};
use crate::runbook::source::{Located, Span};
use crate::runbook::tree::Content;

const HELP: &str = "write `guided`, or `{ method, path, body, confirmed: \"who, when, how\" }`";

pub(super) fn binding(
    binder: &mut Binder<'_>,
    field: Field<'_>,
    request: IomRequest,
) -> Option<Located<RequestBinding>> {
    match &field.node.content {
        Content::Text { text, .. } if text == "guided" => {
            return Some(Located::new(RequestBinding::Guided, field.node.span));
        }
        Content::Map(_) => {}
        Content::Text { text, .. } => {
            unknown_choice(binder, field, text, &["guided"], HELP);
            return None;
        }
        _ => {
            binder.wrong_kind(field, "`guided` or a request", HELP);
            return None;
        }
    }
    let mut fields = Fields::open(binder, field, HELP)?;
    let method = fields.required(binder, "method", "method: PATCH", method);
    let path = fields.required(binder, "path", "path: TABLE SET(<id>)", text);
    let body = fields.optional(binder, "body", body_text);
    let confirmed = fields.required(binder, "confirmed", "confirmed: who, when, how", text);
    fields.close(binder);

    let mut used = Vec::new();
    let path_is_right = path
        .as_ref()
        .is_some_and(|path| check_path(binder, path, request, &mut used));
    let body_is_right = body.as_ref().is_some_and(|body| {
        body.as_ref()
            .is_none_or(|body| check_body(binder, body, request, &mut used))
    });
    let method_is_right = match (&method, &body) {
        (Some(method), Some(body)) => check_method(binder, method, body.as_ref()),
        _ => false,
    };
    if !(path_is_right && body_is_right && method_is_right) {
        return None;
    }
    let missing = request.needed_placeholders().iter();
    if let Some(missing) = missing.copied().find(|needed| !used.contains(needed)) {
        let message = format!("the request for `{request}` lacks `{missing}`");
        let help = "without it the request would say the same of every row; put it where the \
                    recorded request has the row's own value";
        binder.error(field.key, message, help);
        return None;
    }
    let (path, body) = (path?, body?);
    let template = RequestTemplate {
        method: method?.value,
        path: path.value,
        body: body.map(|body| body.value),
        confirmed: confirmed?.value,
    };
    Some(Located::new(RequestBinding::Request(template), field.key))
}

fn method(binder: &mut Binder<'_>, field: Field<'_>) -> Option<Located<Method>> {
    if let Content::Text { text, .. } = &field.node.content
        && matches!(text.as_str(), "GET" | "get")
    {
        let help = "bind the request that makes the change, not one that reads";
        binder.error(field.node.span, "a GET changes nothing", help);
        return None;
    }
    word(binder, field)
}

fn body_text(binder: &mut Binder<'_>, field: Field<'_>) -> Option<Located<String>> {
    if matches!(field.node.content, Content::Map(_)) {
        let help = "put it in single quotes: `body: '{ \"name\": \"<value>\" }'`";
        binder.wrong_kind(field, "a JSON text", help);
        return None;
    }
    any_text(binder, field)
}

/// Whether a body goes with the method.
fn check_method(
    binder: &mut Binder<'_>,
    method: &Located<Method>,
    body: Option<&Located<String>>,
) -> bool {
    let (span, message, help) = match (method.value, body) {
        (Method::Delete, Some(body)) => (body.span, "a DELETE has no body", "remove the body"),
        (Method::Patch | Method::Put, None) => (
            method.span,
            "this request changes a row and has no body",
            "write `body:` with the JSON that was recorded",
        ),
        _ => return true,
    };
    binder.error(span, message, help);
    false
}

/// A path stays below the Dataverse Web API root, whatever its placeholders become.
fn check_path(
    binder: &mut Binder<'_>,
    path: &Located<String>,
    request: IomRequest,
    used: &mut Vec<Placeholder>,
) -> bool {
    let plain = path.split(['?', '#']).next().unwrap_or_default();
    let climbs = |segment: &str| {
        let segment = segment.to_ascii_lowercase().replace("%2e", ".");
        matches!(segment.as_str(), "" | "." | "..")
    };
    let complaint = if path.contains("://") || path.starts_with('/') || path.contains("api/data/") {
        Some("a path is relative to the Dataverse Web API root")
    } else if plain.split('/').any(climbs) {
        Some("a path has no empty parts, `.` or `..`")
    } else if path.contains(|c: char| c.is_whitespace() || c.is_control() || "\\#".contains(c)) {
        Some("a path has no blanks, backslashes or fragments")
    } else if plain
        .split('/')
        .any(|segment| find::<Placeholder>(segment).is_some())
    {
        Some("a placeholder alone is no part of a path")
    } else {
        None
    };
    if let Some(complaint) = complaint {
        let help = "write what follows `/api/data/v9.2/`, such as `msdyn_iomproviders(<id>)`";
        binder.error(path.span, complaint, help);
        return false;
    }
    let mut rest = path.value.as_str();
    while let Some((at, word)) = angled(rest) {
        if !check_placeholder(binder, path.span, word, request, used) {
            return false;
        }
        rest = &rest[at + word.len()..];
    }
    true
}

/// A body is a JSON text in which a placeholder is a whole string value.
fn check_body(
    binder: &mut Binder<'_>,
    body: &Located<String>,
    request: IomRequest,
    used: &mut Vec<Placeholder>,
) -> bool {
    let value: serde_json::Value = match serde_json::from_str(body) {
        Ok(value) => value,
        Err(error) => {
            // The library's message ends with a position in the body, not in the runbook.
            let reason = error.to_string();
            let reason = reason.split(" at line ").next().unwrap_or_default();
            let message = format!(
                "the body is not JSON: {reason}, at its character {}",
                error.column()
            );
            let help = match first_placeholder(body) {
                Some((_, placeholder)) => {
                    format!("a placeholder is a whole string of the JSON: `\"{placeholder}\"`")
                }
                None => "a body is a JSON text, as the browser recorded it".to_owned(),
            };
            binder.error(body.span, message, help);
            return false;
        }
    };
    if has_placeholder_key(&value) {
        let help = "a placeholder stands for a value";
        binder.error(body.span, "a key of the body holds a placeholder", help);
        return false;
    }
    for string in json_pieces(body).filter_map(|piece| piece.string()) {
        let right = match angled(&string) {
            Some((0, word)) if word.len() == string.len() => {
                check_placeholder(binder, body.span, word, request, used)
            }
            _ if first_placeholder(&string).is_some() => {
                let help = "write it as the whole value: `\"msdyn_name\": \"<value>\"`";
                let message = "a placeholder is only a part of a text in the body";
                binder.error(body.span, message, help);
                false
            }
            _ => true,
        };
        if !right {
            return false;
        }
    }
    true
}

fn has_placeholder_key(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::Object(map) => map
            .iter()
            .any(|(key, value)| first_placeholder(key).is_some() || has_placeholder_key(value)),
        serde_json::Value::Array(items) => items.iter().any(has_placeholder_key),
        _ => false,
    }
}

/// The first `<word>` of a text and where it begins.
fn angled(text: &str) -> Option<(usize, &str)> {
    text.match_indices('<').find_map(|(at, _)| {
        let end = text[at..].find('>')?;
        let word = &text[at..=at + end];
        let inner = &word[1..word.len() - 1];
        let is_word = !inner.is_empty()
            && inner
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        is_word.then_some((at, word))
    })
}

fn check_placeholder(
    binder: &mut Binder<'_>,
    span: Span,
    word: &str,
    request: IomRequest,
    used: &mut Vec<Placeholder>,
) -> bool {
    let allowed = request.placeholders();
    match find::<Placeholder>(word) {
        Some(placeholder) if allowed.contains(&placeholder) => {
            used.push(placeholder);
            true
        }
        Some(_) => {
            let help = if allowed.is_empty() {
                format!("`{request}` takes no placeholder")
            } else {
                let words = allowed.iter().map(|placeholder| placeholder.word());
                format!("`{request}` may use {}", quoted_list(words))
            };
            binder.error(span, format!("`{word}` is not known to `{request}`"), help);
            false
        }
        None => {
            let help = suggestion(word, Placeholder::ALL.iter().map(|it| it.word()));
            binder.error(span, format!("`{word}` is not a placeholder"), help);
            false
        }
    }
}
