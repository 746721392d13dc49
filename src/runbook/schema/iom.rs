//! `iom`: names of tables and columns, and requests.

use serde_json::{Value, json};

use super::parts::{Keys, any_text, defined, text, words};
use crate::runbook::model::iom::{IOM_COLUMNS, IomTable};
use crate::runbook::model::request::{IomRequest, Method, Placeholder};
use crate::runbook::model::words::{Word as _, quoted_list};

pub(super) fn iom() -> Value {
    Keys::new()
        .may(
            "tables",
            "Logical names of tables in this tenant.",
            tables(),
        )
        .may(
            "columns",
            "Logical names of columns in this tenant, by `table.column`.",
            columns(),
        )
        .may(
            "requests",
            "How each unpublished write is made: `guided` by a person, or with a request that \
             somebody has recorded and confirmed.",
            requests(),
        )
        .build()
}

/// A logical name of Dataverse.
fn logical_name() -> Value {
    json!({ "type": ["string", "integer", "boolean"], "pattern": "^[a-z0-9_]+$", "minimum": 0 })
}

fn tables() -> Value {
    let tables = IomTable::ALL.iter();
    let keys = tables.fold(Keys::new(), |keys, table| {
        let default = table.default_name();
        keys.with_default(table.word(), table.description(), default, logical_name())
    });
    keys.build()
}

fn columns() -> Value {
    let keys = IOM_COLUMNS.iter().fold(Keys::new(), |keys, (key, name)| {
        let (table, column) = key.split_once('.').unwrap_or((key, ""));
        let description = format!("The column of `{table}` that holds its {column}.");
        keys.with_default(key, &description, *name, logical_name())
    });
    keys.build()
}

fn requests() -> Value {
    let requests = IomRequest::ALL.iter();
    let keys = requests.fold(Keys::new(), |keys, request| {
        keys.with_default(
            request.word(),
            request.description(),
            "guided",
            defined(&definition_name(*request)),
        )
    });
    keys.build()
}

/// Requests that may leave the same things open are written alike: one definition for them all.
fn definition_name(request: IomRequest) -> String {
    let names = request.placeholders().iter().map(|it| bare(*it));
    let names = std::iter::once("request").chain(names);
    names.collect::<Vec<_>>().join("-")
}

/// How a request is bound, by the name under `definitions`.
pub(super) fn bindings() -> impl Iterator<Item = (String, Value)> {
    let requests = IomRequest::ALL.iter();
    requests.map(|request| (definition_name(*request), binding(*request)))
}

/// A placeholder's word without its brackets.
fn bare(placeholder: Placeholder) -> &'static str {
    placeholder.word().trim_matches(['<', '>'])
}

fn binding(request: IomRequest) -> Value {
    let placeholders = request.placeholders();
    let may_use = if placeholders.is_empty() {
        "It takes no placeholder.".to_owned()
    } else {
        let words = placeholders.iter().map(|placeholder| placeholder.word());
        format!("Placeholders: {}.", quoted_list(words))
    };
    let mut template = Keys::new()
        .must("method", "The request's HTTP method.", words::<Method>())
        .must(
            "path",
            &format!("What follows `/api/data/v9.2/` in the recorded request. {may_use}"),
            path(placeholders),
        )
        .may(
            "body",
            "The recorded body, a JSON text; a placeholder is a whole string in it.",
            any_text(),
        )
        .must(
            "confirmed",
            "Who confirmed the request, when and how.",
            text(),
        )
        .build();
    let mut rules = vec![
        json!({
            "if": { "properties": { "method": { "const": Method::Delete.word() } } },
            "then": { "not": { "required": ["body"] } },
        }),
        json!({
            "if": {
                "properties": { "method": { "enum": [Method::Patch.word(), Method::Put.word()] } },
            },
            "then": { "required": ["body"] },
        }),
    ];
    rules.extend(request.needed_placeholders().iter().map(|needed| {
        json!({
            "anyOf": [
                { "properties": { "path": { "type": "string", "pattern": needed.word() } } },
                {
                    "required": ["body"],
                    "properties": { "body": { "type": "string", "pattern": needed.word() } },
                },
            ],
        })
    }));
    template["allOf"] = json!(rules);
    json!({ "anyOf": [{ "const": "guided" }, template] })
}

/// A path below the Web API root: it does not leave it, and uses only the request's placeholders.
fn path(placeholders: &[Placeholder]) -> Value {
    let names: Vec<&str> = placeholders.iter().copied().map(bare).collect();
    let foreign = if names.is_empty() {
        "<[A-Za-z0-9_-]+>".to_owned()
    } else {
        format!("<(?!(?:{})>)[A-Za-z0-9_-]+>", names.join("|"))
    };
    let all: Vec<&str> = Placeholder::ALL.iter().map(|it| it.word()).collect();
    let dot = "(?:\\.|%2[eE])";
    let end = "(?:/|\\?|$)";
    let refused = [
        // It would leave the root, or name it again.
        "^/".to_owned(),
        "://".to_owned(),
        "api/data/".to_owned(),
        // A part is empty, climbs, or is a placeholder alone.
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
