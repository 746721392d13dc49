//! Phase `variables`: restores the target's own values of environment variables.
//!
//! The copy brings the source's values, and a variable usually holds an address or an account of
//! one environment (Microsoft Learn, *Environment variables overview*). So the target's own values
//! are restored while administration mode is still on. Definitions are matched by their schema
//! names. A variable for which the target had no value keeps the copied one, with a note.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::base::redaction::fingerprint;
use crate::base::text::escape;
use crate::clients::Row;
use crate::domain::names::{Fields, lookup, text};
use crate::domain::seals::Part;
use crate::domain::tenant_set::{Request, row_set};
use crate::domain::view::View;
use crate::domain::{RefreshContext, keys, seals};
use crate::engine::{Action, Change, Failure, JournalView, Survey};

const DEFINITION: &str = "environmentvariabledefinition";
const VALUE: &str = "environmentvariablevalue";

/// Finds the variables that do not have the target's own value.
pub(super) struct Variables(pub(super) Arc<RefreshContext>);

/// The variables of one environment at one time.
#[derive(Debug, Default)]
struct VariableValues {
    /// Definitions by schema name.
    definitions: BTreeMap<String, Uuid>,
    /// The row of each definition's value, and the value.
    values: BTreeMap<Uuid, (Uuid, Option<String>)>,
}

impl VariableValues {
    fn from_rows(
        definitions: impl IntoIterator<Item = (Uuid, Fields)>,
        values: impl IntoIterator<Item = (Uuid, Fields)>,
    ) -> Self {
        Self {
            definitions: definitions
                .into_iter()
                .filter_map(|(id, row)| Some((text(&row, "schemaname")?, id)))
                .collect(),
            values: values
                .into_iter()
                .filter_map(|(id, row)| {
                    let definition = lookup(&row, "environmentvariabledefinitionid")?;
                    Some((definition, (id, text(&row, "value"))))
                })
                .collect(),
        }
    }

    /// The target's variables before the copy, from the first seal.
    fn recorded(journal: &JournalView) -> Self {
        let rows = |table| seals::rows(journal, Part::Target, table);
        Self::from_rows(rows(DEFINITION), rows(VALUE))
    }

    async fn read(view: View<'_>) -> Result<Self, Failure> {
        let (definitions, values) = (view.by_id(DEFINITION).await?, view.by_id(VALUE).await?);
        Ok(Self::from_rows(definitions, values))
    }

    fn value(&self, schema_name: &str) -> Option<&(Uuid, Option<String>)> {
        self.values.get(self.definitions.get(schema_name)?)
    }
}

#[async_trait]
impl Survey for Variables {
    async fn survey(&self, journal: &JournalView) -> Result<Vec<Change>, Failure> {
        let recorded = VariableValues::recorded(journal);
        if recorded.values.is_empty() {
            return Ok(Vec::new());
        }
        let view = self.0.view(journal);
        let table = view.table(VALUE).await?;
        let definitions = view.table(DEFINITION).await?;
        let now = VariableValues::read(view).await?;
        let mut changes = Vec::new();
        for schema_name in recorded.definitions.keys() {
            let Some((_, Some(wanted))) = recorded.value(schema_name) else {
                continue;
            };
            let Some(definition) = now.definitions.get(schema_name) else {
                continue;
            };
            let current = now.values.get(definition);
            if current.is_some_and(|(_, value)| value.as_ref() == Some(wanted)) {
                continue;
            }
            let key = keys::variable(schema_name);
            let new_id = || journal.new_row_id(seals::BEFORE_COPY, &key);
            let id = current.map_or_else(new_id, |(id, _)| *id);
            let request = if current.is_some() {
                Request::patch(&table.entity_set, id, &json!({ "value": wanted }))
            } else {
                let definition = format!("/{}({definition})", definitions.entity_set);
                create_value(&table.entity_set, id, &definition, wanted)
            };
            changes.push(Change {
                key,
                name: format!("restore environment variable '{}'", escape(schema_name)),
                before: compared(current.and_then(|(_, value)| value.as_deref())),
                after: compared(Some(wanted)),
                follows: Vec::new(),
                action: Action::Set(row_set(
                    &self.0,
                    &table.entity_set,
                    id,
                    |row: Option<&Row>| compared(row.and_then(|row| row.string("value"))),
                    request,
                    Duration::from_mins(1),
                )),
            });
        }
        Ok(changes)
    }

    async fn notes(&self, journal: &JournalView) -> Result<Vec<String>, Failure> {
        let now = VariableValues::read(self.0.view(journal)).await?;
        Ok(copied_values(&VariableValues::recorded(journal), &now)
            .into_iter()
            .map(|name| {
                format!(
                    "environment variable '{}' has the source's value, because the target had none \
                     before the copy",
                    escape(name)
                )
            })
            .collect())
    }
}

/// The variables that have a value now and had none in the target.
fn copied_values<'a>(recorded: &VariableValues, now: &'a VariableValues) -> Vec<&'a str> {
    now.definitions
        .keys()
        .filter(|name| now.value(name).is_some_and(|(_, value)| value.is_some()))
        .filter(|name| !matches!(recorded.value(name), Some((_, Some(_)))))
        .map(String::as_str)
        .collect()
}

/// The compared field. A value may be a signed address or lead to a secret, so only its fingerprint
/// is shown.
fn compared(value: Option<&str>) -> Value {
    json!({ "value": value.map(fingerprint) })
}

/// Creates the row of a value. Takes the definition as a reference binds it.
fn create_value(entity_set: &str, id: Uuid, definition: &str, value: &str) -> Request {
    let body = json!({
        "value": value,
        "EnvironmentVariableDefinitionId@odata.bind": definition,
    });
    Request::create(entity_set, id, &body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(variables: &[(&str, Option<&str>)]) -> VariableValues {
        let mut held = VariableValues::default();
        for (number, (name, value)) in variables.iter().enumerate() {
            let id = Uuid::from_u128(number as u128 + 1);
            held.definitions.insert((*name).to_owned(), id);
            if let Some(value) = value {
                held.values.insert(id, (id, Some((*value).to_owned())));
            }
        }
        held
    }

    #[test]
    fn a_value_that_the_target_did_not_have_is_reported() {
        let target = values(&[("contoso_Shop", Some("uat")), ("contoso_Mail", None)]);
        let now = values(&[
            ("contoso_Shop", Some("prod")),
            ("contoso_Mail", Some("prod@contoso.com")),
            ("contoso_New", Some("x")),
            ("contoso_Empty", None),
        ]);
        assert_eq!(
            copied_values(&target, &now),
            ["contoso_Mail", "contoso_New"]
        );
    }

    #[test]
    fn a_value_is_found_by_the_schema_name_of_its_definition() {
        let definition = json!({ "schemaname": "contoso_Shop" });
        let value = json!({
            "value": "uat",
            "_environmentvariabledefinitionid_value": Uuid::from_u128(1).to_string(),
        });
        let (Value::Object(definition), Value::Object(value)) = (definition, value) else {
            unreachable!("both are objects");
        };
        let held = VariableValues::from_rows(
            [(Uuid::from_u128(1), definition)],
            [(Uuid::from_u128(2), value)],
        );
        assert_eq!(
            held.value("contoso_Shop"),
            Some(&(Uuid::from_u128(2), Some("uat".to_owned())))
        );
        assert_eq!(held.value("contoso_Mail"), None);
    }

    #[test]
    fn a_value_is_never_compared() {
        let compared = compared(Some("https://shop/?key=secret")).to_string();
        assert!(compared.contains("sha256:") && !compared.contains("secret"));
    }
}
