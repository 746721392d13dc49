//! A request of `iom.requests`: guided, or a template whose placeholders are all valid.

use serde_json::{Value, json};

use super::keywords::{Keyword as _, all_keywords, find_keyword, quoted_list};
use super::request::{IomRequest, Method, Placeholder};
use super::template::{RequestBinding, RequestTemplate, first_placeholder, json_pieces};
use crate::runbook::grammar::keys::{Keys, Optional};
use crate::runbook::grammar::kind::{Kind, keyword_or_map, map_of};
use crate::runbook::grammar::scalars::{any_text, keyword, read_keyword, text};
use crate::runbook::grammar::{Binder, suggestion};
use crate::runbook::source::{Located, Span};
use crate::runbook::tree::Content;

/// How a request is made.
pub(in crate::runbook) fn binding(request: IomRequest) -> Kind<Located<RequestBinding>> {
    let template = map_of(
        "{ method, path, body, confirmed: \"who, when, how\" }",
        move |keys| read_template(keys, request),
    );
    keyword_or_map(
        ("guided", RequestBinding::Guided),
        template.described_by(move || describe_template(request)),
        "`guided` or a request",
        "write `guided`, or `{ method, path, body, confirmed: \"who, when, how\" }`",
    )
}

/// The binding's name under the schema's `definitions`. Requests with the same placeholders share a
/// definition.
pub(in crate::runbook) fn definition_name(request: IomRequest) -> String {
    let names = request
        .placeholders()
        .iter()
        .map(|it| without_brackets(*it));
    let names = std::iter::once("request").chain(names);
    names.collect::<Vec<_>>().join("-")
}

struct TemplateKeys {
    method: Option<Located<Method>>,
    path: Option<Located<String>>,
    body: Optional<Located<String>>,
    confirmed: Option<Located<String>>,
}

fn visit_template(keys: &mut Keys<'_>, request: IomRequest) -> TemplateKeys {
    let placeholders = request.placeholders();
    let may_use = if placeholders.is_empty() {
        "It has no placeholders.".to_owned()
    } else {
        let words = placeholders.iter().map(|placeholder| placeholder.keyword());
        format!("Placeholders: {}.", quoted_list(words))
    };
    let path = text().described_by(move || path_schema(placeholders));
    TemplateKeys {
        method: keys.required("method", "The request's HTTP method.", &method()),
        path: keys.required(
            "path",
            &format!("What follows `/api/data/v9.2/` in the recorded request. {may_use}"),
            &path.with_example("TABLE SET(<id>)"),
        ),
        body: keys.optional(
            "body",
            "The recorded body, a JSON text. A placeholder may be anywhere in a string of it; \
             `<graph>` is the whole value.",
            &body(),
        ),
        confirmed: keys.required(
            "confirmed",
            "Who confirmed the request, when and how.",
            &text().with_example("who, when, how"),
        ),
    }
}

fn read_template(keys: &mut Keys<'_>, request: IomRequest) -> Option<RequestBinding> {
    let TemplateKeys {
        method,
        path,
        body,
        confirmed,
    } = visit_template(keys, request);
    let span = keys.span();
    let binder = keys.binder()?;

    let mut used = Vec::new();
    let path_is_valid = path
        .as_ref()
        .is_some_and(|path| check_path(binder, path, request, &mut used));
    let body_is_valid = body.as_ref().is_some_and(|body| {
        body.as_ref()
            .is_none_or(|body| check_body(binder, body, request, &mut used))
    });
    let method_is_valid = match (&method, &body) {
        (Some(method), Some(body)) => check_method(binder, method, body.as_ref()),
        _ => false,
    };
    if !(path_is_valid && body_is_valid && method_is_valid) {
        return None;
    }
    let missing = request.required_placeholders().iter();
    if let Some(missing) = missing.copied().find(|needed| !used.contains(needed)) {
        let message = format!("the request for `{request}` does not use `{missing}`");
        let help = "without it the request would be the same for every row; put it where the \
                    recorded request has the row's own value";
        return binder.refuse(span, message, help);
    }
    Some(RequestBinding::Request(RequestTemplate {
        method: method?.value,
        path: path?.value,
        body: body?.map(|body| body.value),
        confirmed: confirmed?.value,
    }))
}

/// The schema of a template: its keys, and what the method and the placeholders demand.
fn describe_template(request: IomRequest) -> Value {
    let mut template = Keys::describe(&|keys| drop(visit_template(keys, request)));
    let mut rules = vec![
        json!({
            "if": { "properties": { "method": { "const": Method::Delete.keyword() } } },
            "then": { "not": { "required": ["body"] } },
        }),
        json!({
            "if": {
                "properties": { "method": { "enum": [Method::Patch.keyword(), Method::Put.keyword()] } },
            },
            "then": { "required": ["body"] },
        }),
    ];
    rules.extend(request.required_placeholders().iter().map(|needed| {
        json!({
            "anyOf": [
                { "properties": { "path": { "type": "string", "pattern": needed.keyword() } } },
                {
                    "required": ["body"],
                    "properties": { "body": { "type": "string", "pattern": needed.keyword() } },
                },
            ],
        })
    }));
    template["allOf"] = json!(rules);
    template
}

fn method() -> Kind<Located<Method>> {
    let kind = keyword::<Method>().read_by(|binder, field| {
        if matches!(field.text(), Some("GET" | "get")) {
            let help = "use the request that makes the change, not one that reads";
            return binder.refuse(field.node.span, "a GET changes nothing", help);
        }
        read_keyword(binder, field)
    });
    kind.with_example("PATCH")
}

fn body() -> Kind<Located<String>> {
    any_text().read_by(|binder, field| {
        if matches!(field.node.content, Content::Map(_)) {
            let help = "put it in single quotes: `body: '{ \"name\": \"<value>\" }'`";
            return binder.wrong_type(field, "a JSON text", help);
        }
        any_text().read(binder, field)
    })
}

/// A placeholder's word without its brackets.
fn without_brackets(placeholder: Placeholder) -> &'static str {
    placeholder.keyword().trim_matches(['<', '>'])
}

/// The schema of a path below the Web API root that uses only the request's placeholders.
fn path_schema(placeholders: &[Placeholder]) -> Value {
    let names: Vec<&str> = placeholders.iter().copied().map(without_brackets).collect();
    let foreign = if names.is_empty() {
        "<[A-Za-z0-9_-]+>".to_owned()
    } else {
        format!("<(?!(?:{})>)[A-Za-z0-9_-]+>", names.join("|"))
    };
    let all = all_keywords::<Placeholder>();
    let dot = "(?:\\.|%2[eE])";
    let end = "(?:/|\\?|$)";
    let refused = [
        // It would leave the root, or name it again.
        "^/".to_owned(),
        "://".to_owned(),
        "api/data/".to_owned(),
        // A segment is empty, `.`, `..`, or a placeholder alone.
        format!("^(?:[^?]*/)?(?:{dot}{{0,2}}|{}){end}", all.join("|")),
        "[\\s\\\\#]".to_owned(),
        foreign,
    ];
    let refused: Vec<Value> = refused
        .iter()
        .map(|pattern| json!({ "pattern": pattern }))
        .collect();
    json!({
        "type": ["string", "number", "boolean"],
        "pattern": "\\S",
        "not": { "type": "string", "anyOf": refused },
    })
}

/// Whether the method allows or needs a body.
fn check_method(
    binder: &mut Binder,
    method: &Located<Method>,
    body: Option<&Located<String>>,
) -> bool {
    let (span, message, help) = match (method.value, body) {
        (Method::Delete, Some(body)) => (
            body.span,
            "a DELETE must not have a body",
            "remove the body",
        ),
        (Method::Patch | Method::Put, None) => (
            method.span,
            "a PATCH or a PUT needs a body",
            "write `body:` with the JSON that was recorded",
        ),
        _ => return true,
    };
    binder.error(span, message, help);
    false
}

/// A path stays below the Dataverse Web API root for all values of its placeholders.
fn check_path(
    binder: &mut Binder,
    path: &Located<String>,
    request: IomRequest,
    used: &mut Vec<Placeholder>,
) -> bool {
    if let Some(error) = path_error(path) {
        let help = "write what follows `/api/data/v9.2/`, such as `msdyn_iomproviders(<id>)`";
        binder.error(path.span, error, help);
        return false;
    }
    let mut rest = path.value.as_str();
    while let Some((at, word)) = first_bracketed(rest) {
        if !check_placeholder(binder, path.span, word, request, used) {
            return false;
        }
        rest = &rest[at + word.len()..];
    }
    true
}

fn path_error(path: &str) -> Option<&'static str> {
    let plain = path.split(['?', '#']).next().unwrap_or_default();
    let climbs = |segment: &str| {
        let segment = segment.to_ascii_lowercase().replace("%2e", ".");
        matches!(segment.as_str(), "" | "." | "..")
    };
    if path.contains("://") || path.starts_with('/') || path.contains("api/data/") {
        Some("a path must be relative to the Dataverse Web API root")
    } else if plain.split('/').any(climbs) {
        Some("a path must not have empty segments, `.` or `..`")
    } else if path.contains(|c: char| c.is_whitespace() || c.is_control() || "\\#".contains(c)) {
        Some("a path must not have spaces, backslashes or a fragment")
    } else if plain
        .split('/')
        .any(|segment| find_keyword::<Placeholder>(segment).is_some())
    {
        Some("a placeholder must not be a whole segment of a path")
    } else {
        None
    }
}

/// A body is a JSON text with placeholders in its text values. Words in angle brackets that are not
/// placeholders are text (a value may be markup), but not if they are a whole value or a key in
/// parentheses.
fn check_body(
    binder: &mut Binder,
    body: &Located<String>,
    request: IomRequest,
    used: &mut Vec<Placeholder>,
) -> bool {
    let value: Value = match serde_json::from_str(body) {
        Ok(value) => value,
        Err(error) => {
            // The library's message ends with a position in the body, not in the runbook.
            let reason = error.to_string();
            let reason = reason.split(" at line ").next().unwrap_or_default();
            let message = format!(
                "the body is not JSON: {reason} at its character {}",
                error.column()
            );
            let help = match first_placeholder(body) {
                Some((_, placeholder)) => {
                    format!("a placeholder is inside a string of the JSON: `\"{placeholder}\"`")
                }
                None => "a body is a JSON text, as the browser recorded it".to_owned(),
            };
            binder.error(body.span, message, help);
            return false;
        }
    };
    if has_placeholder_key(&value) {
        let help = "use a placeholder only as a value";
        binder.error(body.span, "a key of the body contains a placeholder", help);
        return false;
    }
    let strings: Vec<String> = json_pieces(body)
        .filter_map(|piece| piece.string())
        .collect();
    strings
        .iter()
        .all(|string| check_string(binder, body.span, string, request, used))
}

fn check_string(
    binder: &mut Binder,
    span: Span,
    string: &str,
    request: IomRequest,
    used: &mut Vec<Placeholder>,
) -> bool {
    let mut at = 0;
    while let Some((offset, word)) = first_bracketed(&string[at..]) {
        let start = at + offset;
        at = start + word.len();
        let is_whole = word.len() == string.len();
        let is_key = string[..start].ends_with('(') && string[at..].starts_with(')');
        let known = find_keyword::<Placeholder>(word);
        if known.is_none() && !is_whole && !is_key {
            continue;
        }
        if known == Some(Placeholder::Graph) && !is_whole {
            let help = "write it as the whole value: `\"msdyn_graph\": \"<graph>\"`";
            let message = "`<graph>` must be the complete string value";
            binder.error(span, message, help);
            return false;
        }
        if !check_placeholder(binder, span, word, request, used) {
            return false;
        }
    }
    true
}

fn has_placeholder_key(value: &Value) -> bool {
    match value {
        Value::Object(map) => map
            .iter()
            .any(|(key, value)| first_placeholder(key).is_some() || has_placeholder_key(value)),
        Value::Array(items) => items.iter().any(has_placeholder_key),
        _ => false,
    }
}

/// The first `<word>` of a text and where it begins.
fn first_bracketed(text: &str) -> Option<(usize, &str)> {
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
    binder: &mut Binder,
    span: Span,
    word: &str,
    request: IomRequest,
    used: &mut Vec<Placeholder>,
) -> bool {
    let allowed = request.placeholders();
    match find_keyword::<Placeholder>(word) {
        Some(placeholder) if allowed.contains(&placeholder) => {
            used.push(placeholder);
            true
        }
        Some(_) => {
            let help = if allowed.is_empty() {
                format!("`{request}` has no placeholders")
            } else {
                let words = allowed.iter().map(|placeholder| placeholder.keyword());
                format!("`{request}` may use {}", quoted_list(words))
            };
            binder.error(
                span,
                format!("`{request}` has no placeholder `{word}`"),
                help,
            );
            false
        }
        None => {
            let help = suggestion(word, Placeholder::ALL.iter().map(|it| it.keyword()));
            binder.error(span, format!("`{word}` is not a placeholder"), help);
            false
        }
    }
}
