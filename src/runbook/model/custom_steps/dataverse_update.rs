//! The options of `dataverse-update`: which rows of the target get which values.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::json;

use super::filter;
use crate::runbook::grammar::keys::section;
use crate::runbook::grammar::kind::{Kind, by_name, map_of};
use crate::runbook::grammar::scalars::{keyword, text, whole_number};
use crate::runbook::grammar::{Binder, Field};
use crate::runbook::model::iom::{is_logical_name, logical_name};
use crate::runbook::model::keywords::keywords;
use crate::runbook::model::secret::{Secret, secret};
use crate::runbook::source::Located;
use crate::runbook::tree::Content;

/// The rows that a step may change if the runbook sets no limit. Each row is one request.
const ROWS: u64 = 1_000;
/// More rows than this would take many hours, one request each.
const MOST_ROWS: u64 = 100_000;

section! {
    /// Options of `dataverse-update`.
    pub struct DataverseUpdate {
        /// The table's logical name.
        "table" table: Located<String> = required(logical_name().with_example("contact"));
        /// The condition that selects the rows, as in the query option `$filter` of the Web API.
        "filter" filter: Located<String> = required(filter());
        /// What each column gets, by its logical name: a string, number or boolean; `null`, which
        /// empties it; `{ env: NAME }` or `{ file: PATH }` for a secret; `{ captured: before-copy }`
        /// for the value that the row had in the target before the copy.
        "values" values: BTreeMap<String, Located<ColumnValue>> = required(values());
        /// The column by which a captured row is found again; the primary key by default. A row
        /// for which nothing was captured stays as it is.
        "match" matched_by: Option<Located<String>> = optional(logical_name());
        /// How many rows the filter may select; if it selects more, the step changes none.
        "at-most" at_most: Located<u64> = with_default(whole_number(1..=MOST_ROWS), ROWS);
    }
}

/// What a column gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ColumnValue {
    /// No value.
    Null,
    /// What the runbook writes.
    Literal(Literal),
    /// A value that the program recorded.
    Captured(Captured),
    /// What is at a secret's place.
    Secret(Secret),
}

/// A value as the runbook writes it. The column's type decides what it means: `0123` is a text in a
/// column of text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Literal {
    /// The text.
    pub text: String,
    /// Is it without quotes, so that it may be a number or a boolean?
    pub plain: bool,
}

keywords! {
    /// When a value was recorded.
    pub enum Captured {
        /// What the row had in the target before the copy.
        BeforeCopy = "before-copy",
    }
}

impl DataverseUpdate {
    /// Do some of its values come from the target as it was before the copy?
    pub fn has_captured_values(&self) -> bool {
        let mut values = self.values.values();
        values.any(|value| matches!(value.value, ColumnValue::Captured(_)))
    }
}

const VALUES_HELP: &str = "write `COLUMN: VALUE`, such as `emailaddress1: null`";

/// A map from columns to values, with at least one column.
fn values() -> Kind<BTreeMap<String, Located<ColumnValue>>> {
    let value = column_value();
    let described = value.clone();
    let named = value.clone().read_by(move |binder, field| {
        let value = value.read(binder, field);
        if !is_logical_name(field.name) {
            let subject = binder.subject(field.key, field.name);
            let message = format!("{subject} is not a logical name");
            let help = "write the column's logical name: lower-case letters, digits and \
                        underscores, such as `emailaddress1`";
            return binder.refuse(field.key, message, help);
        }
        value
    });
    let schema = move || {
        json!({
            "type": "object",
            "minProperties": 1,
            "propertyNames": { "pattern": "^[a-z0-9_]+$" },
            "additionalProperties": described.schema(),
        })
    };
    by_name(named, VALUES_HELP)
        .and_then(|binder, field, values| {
            if values.is_empty() {
                let message = format!("{} has no column", field.title());
                return binder.refuse(field.span(), message, VALUES_HELP);
            }
            Some(values)
        })
        .described_by(schema)
        .with_example("{ COLUMN: VALUE }")
}

fn column_value() -> Kind<Located<ColumnValue>> {
    let captured = map_of("{ captured: before-copy }", |keys| {
        let documentation = "The value that the row had at this time.";
        keys.required(
            "captured",
            documentation,
            &keyword::<Captured>().with_example("before-copy"),
        )
    });
    let described = captured.clone();
    let read = move |binder: &mut Binder, field: Field<'_>| {
        let value = match &field.node.content {
            Content::Empty => {
                let span = field.node.span;
                let written = binder.source.text().get(span.start..span.end);
                if written.is_none_or(|written| written.trim().is_empty()) {
                    let message = format!("{} has neither a value nor `null`", field.title());
                    let help = "write `null` to empty the column, or its new value";
                    return binder.refuse(field.span(), message, help);
                }
                ColumnValue::Null
            }
            Content::Text { text: given, .. } if given.trim().is_empty() => {
                let message = format!("{} is empty", field.title());
                let help = "write `null` without quotes to empty the column";
                return binder.refuse(field.node.span, message, help);
            }
            Content::Text { text, plain } => ColumnValue::Literal(Literal {
                text: text.clone(),
                plain: *plain,
            }),
            Content::Map(entries) if entries.iter().any(|entry| *entry.key == "captured") => {
                ColumnValue::Captured(captured.read(binder, field)?.value)
            }
            Content::Map(_) => ColumnValue::Secret(secret().read(binder, field)?.value),
            Content::List(_) | Content::Broken => {
                let help = "write a string, a number, a boolean, `null`, `{ env: NAME }` or \
                            `{ captured: before-copy }`";
                return binder.wrong_type(field, "one value", help);
            }
        };
        Some(Located::new(value, field.span()))
    };
    let schema = move || {
        json!({ "anyOf": [
            text().schema(),
            { "type": "null" },
            described.schema(),
            secret().schema(),
        ] })
    };
    Kind::new(read, schema)
}
