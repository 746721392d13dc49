//! A confirmed request with placeholders, and how it is filled for one row.

use std::fmt;

use serde::Serialize;
use uuid::Uuid;

use super::keywords::Keyword as _;
use super::request::{Method, Placeholder};
use crate::base::encoding::{ALL_BUT_UNRESERVED, percent_encode};

/// How a write is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RequestBinding {
    /// By a person, from a worksheet.
    Guided,
    /// By the program, with a confirmed request.
    Request(RequestTemplate),
}

/// A confirmed request with its placeholders. A template is valid: it uses only the placeholders of
/// its request, and its body is JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct RequestTemplate {
    /// The method.
    pub method: Method,
    /// The path below the Dataverse Web API root, with its query; no leading slash.
    pub path: String,
    /// The body, a JSON text; only its placeholders are replaced before it is sent.
    pub body: Option<String>,
    /// Who confirmed it, when and how.
    pub confirmed: String,
}

/// The values of the placeholders in one request.
#[derive(Debug, Clone, Copy, Default)]
pub struct Placeholders<'a> {
    /// The id of the row to act on.
    pub id: Option<Uuid>,
    /// The new row's id.
    pub new_id: Option<Uuid>,
    /// The value that is set.
    pub value: Option<&'a str>,
    /// `systemusers(<guid>)` or `teams(<guid>)`.
    pub owner: Option<&'a str>,
    /// The graph's text.
    pub graph: Option<&'a str>,
}

/// A request as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilledRequest {
    /// The method.
    pub method: Method,
    /// The path below the Dataverse Web API root, percent-encoded.
    pub path: String,
    /// The exact bytes of the body; numbers and the order of keys are those of the template.
    pub body: Option<String>,
}

/// A template uses a placeholder that has no value here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the request uses `{placeholder}`, which has no value here")]
pub struct MissingPlaceholder {
    /// The placeholder.
    pub placeholder: Placeholder,
}

impl Placeholders<'_> {
    fn text(&self, placeholder: Placeholder) -> Result<String, MissingPlaceholder> {
        match placeholder {
            Placeholder::Id => self.id.map(|id| id.to_string()),
            Placeholder::NewId => self.new_id.map(|id| id.to_string()),
            Placeholder::Value => self.value.map(str::to_owned),
            Placeholder::Owner => self.owner.map(str::to_owned),
            Placeholder::Graph => self.graph.map(str::to_owned),
        }
        .ok_or(MissingPlaceholder { placeholder })
    }
}

impl RequestTemplate {
    /// Whether the template uses a placeholder, in its path or in its body.
    pub fn uses(&self, placeholder: Placeholder) -> bool {
        let word = placeholder.to_string();
        self.path.contains(&word)
            || self.body.as_deref().is_some_and(|body| {
                json_pieces(body)
                    .filter_map(|piece| piece.string())
                    .any(|string| string.contains(&word))
            })
    }

    /// Whether this is a launch: a POST without the id of a new row, which may act twice if it is
    /// sent twice.
    pub fn is_launch(&self) -> bool {
        self.method == Method::Post && !self.uses(Placeholder::NewId)
    }

    /// The request for one row. In the path a value is percent-encoded, within a quoted OData
    /// literal with its quotes doubled; in the body it is encoded as a JSON string.
    pub fn fill(
        &self,
        placeholders: &Placeholders<'_>,
    ) -> Result<FilledRequest, MissingPlaceholder> {
        let body = self
            .body
            .as_deref()
            .map(|body| fill_body(body, placeholders))
            .transpose()?;
        Ok(FilledRequest {
            method: self.method,
            path: fill_path(&self.path, placeholders)?,
            body,
        })
    }
}

fn fill_path(path: &str, placeholders: &Placeholders<'_>) -> Result<String, MissingPlaceholder> {
    let mut filled = String::with_capacity(path.len() + 32);
    let mut rest = path;
    let mut is_quoted = false;
    while let Some((at, placeholder)) = first_placeholder(rest) {
        let before = &rest[..at];
        filled.push_str(before);
        // A quote inside an OData literal is two quotes for the parser: nothing changes.
        let quotes = before.matches('\'').count() + before.matches("%27").count();
        is_quoted ^= quotes % 2 == 1;
        let mut value = placeholders.text(placeholder)?;
        if is_quoted {
            value = value.replace('\'', "''");
        }
        filled.push_str(&percent_encode(&value, ALL_BUT_UNRESERVED));
        rest = &rest[at + placeholder.keyword().len()..];
    }
    filled.push_str(rest);
    Ok(filled)
}

fn fill_body(body: &str, placeholders: &Placeholders<'_>) -> Result<String, MissingPlaceholder> {
    let mut filled = String::with_capacity(body.len() + 64);
    for piece in json_pieces(body) {
        match piece.string() {
            Some(string) if first_placeholder(&string).is_some() => {
                let text = fill_text(&string, placeholders)?;
                filled.push_str(&serde_json::Value::from(text).to_string());
            }
            _ => filled.push_str(piece.raw),
        }
    }
    Ok(filled)
}

/// A text whose placeholders are filled from left to right: what a value contains is not filled.
fn fill_text(text: &str, placeholders: &Placeholders<'_>) -> Result<String, MissingPlaceholder> {
    let mut filled = String::with_capacity(text.len() + 32);
    let mut rest = text;
    while let Some((at, placeholder)) = first_placeholder(rest) {
        filled.push_str(&rest[..at]);
        filled.push_str(&placeholders.text(placeholder)?);
        rest = &rest[at + placeholder.keyword().len()..];
    }
    filled.push_str(rest);
    Ok(filled)
}

/// The first placeholder of a text and where it begins.
pub(in crate::runbook) fn first_placeholder(text: &str) -> Option<(usize, Placeholder)> {
    Placeholder::ALL
        .iter()
        .filter_map(|placeholder| Some((text.find(placeholder.keyword())?, *placeholder)))
        .min()
}

/// A piece of a JSON text: one whole string with its quotes, or the text between two strings.
pub(in crate::runbook) struct JsonPiece<'a> {
    raw: &'a str,
}

impl<'a> JsonPiece<'a> {
    /// The piece as it is written, quotes and escapes included.
    pub(in crate::runbook) fn raw(&self) -> &'a str {
        self.raw
    }

    /// The text of a string; nothing for a piece between strings.
    pub(in crate::runbook) fn string(&self) -> Option<String> {
        self.raw
            .starts_with('"')
            .then(|| serde_json::from_str(self.raw).ok())
            .flatten()
    }
}

/// Splits a JSON text at its strings; concatenated, the pieces are the text.
pub(in crate::runbook) fn json_pieces(text: &str) -> impl Iterator<Item = JsonPiece<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let length = if rest.starts_with('"') {
            string_length(rest)
        } else {
            rest.find('"').unwrap_or(rest.len())
        };
        let (raw, after) = rest.split_at(length);
        rest = after;
        Some(JsonPiece { raw })
    })
}

/// The length in bytes of the JSON string at the beginning of a text, with its quotes.
fn string_length(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

impl fmt::Display for RequestTemplate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.method, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(method: Method, path: &str, body: Option<&str>) -> RequestTemplate {
        RequestTemplate {
            method,
            path: path.to_owned(),
            body: body.map(str::to_owned),
            confirmed: "test".to_owned(),
        }
    }

    #[test]
    fn a_path_is_percent_encoded_and_cannot_break_out() {
        let id = Uuid::from_u128(1);
        let request = template(Method::Post, "things(<id>)/do(x='<value>')", None);
        let filled = request
            .fill(&Placeholders {
                id: Some(id),
                value: Some("it's a/b?c"),
                ..Placeholders::default()
            })
            .unwrap();
        assert_eq!(
            filled.path,
            format!("things({id})/do(x='it%27%27s%20a%2Fb%3Fc')")
        );
    }

    #[test]
    fn a_value_inside_a_quoted_literal_of_a_path_cannot_end_it() {
        let filled = |path| {
            template(Method::Post, path, None)
                .fill(&Placeholders {
                    value: Some("it's"),
                    ..Placeholders::default()
                })
                .unwrap()
                .path
        };
        assert_eq!(
            filled("do(x='a-<value>',y='<value>',z=<value>)"),
            "do(x='a-it%27%27s',y='it%27%27s',z=it%27s)"
        );
        assert_eq!(filled("do(x=%27a-<value>%27)"), "do(x=%27a-it%27%27s%27)");
    }

    #[test]
    fn a_body_keeps_its_bytes_except_for_strings_with_placeholders() {
        let body =
            r#"{ "b": 1.50, "a": "<value>", "say": "is \"so\"", "n": 12345678901234567890123 }"#;
        let filled = template(Method::Patch, "things", Some(body))
            .fill(&Placeholders {
                value: Some("a\"b\n<id>\u{e9}"),
                ..Placeholders::default()
            })
            .unwrap();
        assert_eq!(
            filled.body.unwrap(),
            "{ \"b\": 1.50, \"a\": \"a\\\"b\\n<id>\u{e9}\", \"say\": \"is \\\"so\\\"\", \
             \"n\": 12345678901234567890123 }"
        );
    }

    #[test]
    fn a_placeholder_inside_a_text_of_a_body_is_filled() {
        let id = Uuid::from_u128(1);
        let body = r#"{"d@odata.bind":"/defs(<id>)","two":"<id>: \"<value>\"","b":"<b>"}"#;
        let request = template(Method::Post, "do", Some(body));
        assert!(request.uses(Placeholder::Id) && request.uses(Placeholder::Value));
        assert!(!request.uses(Placeholder::Owner));
        let filled = request
            .fill(&Placeholders {
                id: Some(id),
                value: Some("a\"<id>\\"),
                ..Placeholders::default()
            })
            .unwrap();
        let body: serde_json::Value = serde_json::from_str(&filled.body.unwrap()).unwrap();
        assert_eq!(body["d@odata.bind"], format!("/defs({id})"));
        assert_eq!(body["two"], format!("{id}: \"a\"<id>\\\""));
        assert_eq!(body["b"], "<b>");
        let missing = request.fill(&Placeholders::default());
        assert_eq!(missing.unwrap_err().placeholder, Placeholder::Id);
    }

    #[test]
    fn a_missing_value_is_reported() {
        let request = template(Method::Patch, "things(<id>)", Some(r#"{"o":"<owner>"}"#));
        let missing = request.fill(&Placeholders {
            id: Some(Uuid::nil()),
            ..Placeholders::default()
        });
        assert_eq!(missing.unwrap_err().placeholder, Placeholder::Owner);
    }

    #[test]
    fn a_post_without_the_id_of_a_new_row_is_a_launch() {
        assert!(template(Method::Post, "do(<id>)", None).is_launch());
        assert!(!template(Method::Post, "do", Some(r#"{"id":"<new-id>"}"#)).is_launch());
        assert!(!template(Method::Patch, "things(<id>)", Some("{}")).is_launch());
    }

    #[test]
    fn the_pieces_concatenated_are_the_text() {
        for text in [r#"{"a":"b\\","c":["\"",1]}"#, "{\"never closed", "", "1"] {
            let again: String = json_pieces(text)
                .map(|piece| piece.raw.to_owned())
                .collect();
            assert_eq!(again, text);
        }
    }
}
