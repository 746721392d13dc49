//! The values of a step, as its table's columns take them.

use serde_json::{Map, Value, json};

use crate::base::redaction::fingerprint;
use crate::clients::{Column, Row, Table};
use crate::domain::RefreshContext;
use crate::domain::custom_steps::{invalid, secret_text};
use crate::domain::names::Fields;
use crate::engine::Failure;
use crate::runbook::{ColumnValue, DataverseUpdate, Literal, Located};

/// What each column of a row gets.
#[derive(Clone, Debug)]
pub(super) struct Resolved(Vec<Wanted>);

/// What one column gets.
#[derive(Clone, Debug)]
struct Wanted {
    column: String,
    value: Value,
    /// The value as it may be shown.
    shown: Value,
    /// Does the value come from the row as it was before the copy?
    is_captured: bool,
}

/// Why a column or its value is invalid, and what to write.
type Mistake = (String, &'static str);

/// The values of a step for this table. A column that the table does not have or does not take, and
/// a value that its column does not take, are mistakes in the runbook.
pub(super) fn resolve(
    refresh: &RefreshContext,
    options: &DataverseUpdate,
    table: &Table,
) -> Result<Resolved, Failure> {
    let values = options.values.iter();
    let wanted = values.map(|(name, written)| resolve_column(refresh, table, name, written));
    wanted.collect::<Result<Vec<_>, _>>().map(Resolved)
}

fn resolve_column(
    refresh: &RefreshContext,
    table: &Table,
    name: &str,
    written: &Located<ColumnValue>,
) -> Result<Wanted, Failure> {
    let refuse = |(message, help): Mistake| invalid(refresh, written.span, &message, help);
    let column = writable_column(table, name).map_err(refuse)?;
    let (value, shown) = match &written.value {
        ColumnValue::Null | ColumnValue::Captured(_) => (Value::Null, Value::Null),
        ColumnValue::Literal(literal) => {
            let value = typed(column, literal).map_err(refuse)?;
            (value.clone(), value)
        }
        ColumnValue::Secret(place) => {
            let text = secret_text(refresh, written.span, place)?;
            let secret = Literal { text, plain: true };
            // The mistake's own message would repeat the secret.
            let value = typed(column, &secret).map_err(|(_, help)| {
                let message = format!("the column '{name}' does not take the value of this secret");
                refuse((message, help))
            })?;
            (value, json!(fingerprint(&secret.text)))
        }
    };
    Ok(Wanted {
        column: name.to_owned(),
        value,
        shown,
        is_captured: matches!(written.value, ColumnValue::Captured(_)),
    })
}

/// The column, if a step may write it.
fn writable_column<'t>(table: &'t Table, name: &str) -> Result<&'t Column, Mistake> {
    let table_name = &table.logical_name;
    let Some(column) = table.column(name) else {
        let message = format!("the table '{table_name}' has no column '{name}'");
        return Err((message, "write the column's logical name"));
    };
    if name == table.primary_id || !column.writable {
        let message = format!("the column '{name}' of '{table_name}' cannot be written");
        return Err((message, "remove it from `values`"));
    }
    Ok(column)
}

/// A written value as the column's type takes it.
fn typed(column: &Column, literal: &Literal) -> Result<Value, Mistake> {
    let text = literal.text.as_str();
    let name = &column.logical_name;
    let kind = column.kind.as_deref().unwrap_or("String");
    let wrong = |expected: &str, help| Err((format!("the column '{name}' takes {expected}"), help));
    match kind {
        "String" | "Memo" | "DateTime" | "Uniqueidentifier" | "EntityName" => Ok(json!(text)),
        "Boolean" => match text {
            "true" if literal.plain => Ok(json!(true)),
            "false" if literal.plain => Ok(json!(false)),
            _ => wrong("a boolean", "write `true` or `false`, without quotes"),
        },
        "Integer" | "BigInt" | "Picklist" | "State" | "Status" => match text.parse::<i64>() {
            Ok(number) if literal.plain => Ok(json!(number)),
            _ => wrong(
                "a whole number",
                "write the number without quotes; for a choice, the option's number",
            ),
        },
        "Decimal" | "Double" | "Money" => match serde_json::from_str::<serde_json::Number>(text) {
            Ok(number) if literal.plain => Ok(Value::Number(number)),
            _ => wrong("a number", "write it without quotes, such as `1.5`"),
        },
        other => {
            let message =
                format!("this step cannot set the column '{name}', whose type is {other}");
            Err((
                message,
                "remove it, and set it with a step `command` or `guided`",
            ))
        }
    }
}

impl Resolved {
    /// The values with those that come from a row as it was before the copy.
    pub(super) fn with_captured(&self, row: &Fields) -> Self {
        let wanted = self.0.iter().map(|wanted| {
            if !wanted.is_captured {
                return wanted.clone();
            }
            let value = row.get(&wanted.column).cloned().unwrap_or_default();
            Wanted {
                shown: fingerprint_text(&value),
                value,
                ..wanted.clone()
            }
        });
        Self(wanted.collect())
    }

    /// The compared fields of a row: every column that the step sets. Null for a row that is gone.
    pub(super) fn compare(&self, row: Option<&Row>) -> Value {
        let Some(row) = row else {
            return Value::Null;
        };
        let columns = self.0.iter().map(|wanted| {
            let now = row.value.get(&wanted.column).unwrap_or(&Value::Null);
            let shown = if is_same(now, &wanted.value) {
                wanted.shown.clone()
            } else {
                fingerprint_text(now)
            };
            (wanted.column.clone(), shown)
        });
        Value::Object(columns.collect())
    }

    /// The compared fields as the step leaves them.
    pub(super) fn for_plan(&self) -> Value {
        let columns = self.0.iter();
        let columns = columns.map(|wanted| (wanted.column.clone(), wanted.shown.clone()));
        Value::Object(columns.collect())
    }

    /// The body of the request.
    pub(super) fn body(&self) -> Value {
        let columns = self.0.iter();
        let body: Map<String, Value> = columns
            .map(|wanted| (wanted.column.clone(), wanted.value.clone()))
            .collect();
        Value::Object(body)
    }
}

/// Are two values the same to Dataverse? `1` and `1.0` are the same number.
fn is_same(one: &Value, other: &Value) -> bool {
    match (one.as_f64(), other.as_f64()) {
        (Some(one), Some(other)) => one.to_bits() == other.to_bits(),
        _ => one == other,
    }
}

/// A value of a row as it may be shown: a text may be personal or a secret, so it is a fingerprint.
fn fingerprint_text(value: &Value) -> Value {
    match value {
        Value::String(text) => json!(fingerprint(text)),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, kind: &str) -> Column {
        Column {
            logical_name: name.to_owned(),
            kind: Some(kind.to_owned()),
            display_name: None,
            writable: true,
        }
    }

    fn literal(text: &str, plain: bool) -> Literal {
        Literal {
            text: text.to_owned(),
            plain,
        }
    }

    fn row(value: Value) -> Row {
        let Value::Object(fields) = value else {
            panic!("{value} is not a row");
        };
        Row {
            etag: None,
            text: String::new(),
            value: fields,
        }
    }

    #[test]
    fn the_columns_type_decides_what_a_written_value_is() {
        for (kind, text, plain, value) in [
            ("String", "0123", true, Some(json!("0123"))),
            ("Memo", "true", true, Some(json!("true"))),
            ("Boolean", "true", true, Some(json!(true))),
            ("Boolean", "true", false, None),
            ("Boolean", "yes", true, None),
            ("Picklist", "7", true, Some(json!(7))),
            ("Integer", "7", false, None),
            ("Integer", "1.5", true, None),
            ("Money", "1.50", true, Some(json!(1.5))),
            ("Lookup", "x", true, None),
        ] {
            let found = typed(&column("c", kind), &literal(text, plain)).ok();
            assert_eq!(found, value, "{kind} {text}");
        }
    }

    #[test]
    fn a_column_that_is_missing_or_cannot_be_written_is_refused() {
        let mut fixed = column("createdon", "DateTime");
        fixed.writable = false;
        let table = Table {
            logical_name: "contact".to_owned(),
            primary_id: "contactid".to_owned(),
            columns: vec![
                column("contactid", "Uniqueidentifier"),
                column("emailaddress1", "String"),
                fixed,
            ],
            ..Table::default()
        };
        assert!(writable_column(&table, "emailaddress1").is_ok());
        for (name, problem) in [
            ("contactid", "cannot be written"),
            ("createdon", "cannot be written"),
            ("email", "has no column 'email'"),
        ] {
            let (message, _) = writable_column(&table, name).unwrap_err();
            assert!(message.contains(problem), "{message}");
        }
    }

    #[test]
    fn a_text_that_is_there_is_never_shown_and_the_wanted_one_is() {
        let wanted = |column: &str, value: Value, is_captured| Wanted {
            column: column.to_owned(),
            shown: value.clone(),
            value,
            is_captured,
        };
        let resolved = Resolved(vec![
            wanted("mail", json!("nobody@example.invalid"), false),
            wanted("size", json!(1), false),
            wanted("note", Value::Null, true),
        ]);
        let there = row(json!({ "mail": "ada@contoso.com", "size": 1.0, "note": "old note" }));
        let compared = resolved.compare(Some(&there));
        assert_eq!(compared["size"], json!(1), "the same number");
        assert!(compared["mail"].as_str().unwrap().starts_with("sha256:"));
        assert_eq!(resolved.for_plan()["mail"], json!("nobody@example.invalid"));
        assert_eq!(resolved.compare(None), Value::Null);

        let captured = row(json!({ "note": "the target's note" }));
        let resolved = resolved.with_captured(&captured.value);
        assert_eq!(resolved.body()["note"], json!("the target's note"));
        assert!(
            !resolved
                .for_plan()
                .to_string()
                .contains("the target's note")
        );
        let done = row(resolved.body());
        assert_eq!(resolved.compare(Some(&done)), resolved.for_plan());
    }
}
