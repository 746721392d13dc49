//! Phase `variables`: environment variables have again the values that the target had.
//!
//! The copy brings the source's values, and what a variable holds is mostly an address or an account
//! of one environment (Microsoft Learn, *Environment variables overview*). So the target's own are
//! put back while it is still closed. Definitions are known again by their schema names. A variable
//! for which the target had no value of its own is left as the copy brought it, and noted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::base::text::{escape, fingerprint};
use crate::clients::Row;
use crate::domain::names::{Fields, lookup, text};
use crate::domain::tenant_set::{Request, RowReader, TenantSet};
use crate::domain::view::View;
use crate::domain::{Refresh, seals};
use crate::engine::{Action, Change, Failure, Known, Reading, Survey};
use crate::runbook::Method;

const DEFINITION: &str = "environmentvariabledefinition";
const VALUE: &str = "environmentvariablevalue";

/// Finds the variables that do not hold what the target had.
pub(super) struct Variables(pub(super) Arc<Refresh>);

/// The variables of one environment at one time.
#[derive(Debug, Default)]
struct Held {
    /// Definitions by schema name.
    definitions: BTreeMap<String, Uuid>,
    /// The row of each definition's value, and the value.
    values: BTreeMap<Uuid, (Uuid, Option<String>)>,
}

impl Held {
    fn of<'a>(
        definitions: impl IntoIterator<Item = (Uuid, &'a Fields)>,
        values: impl IntoIterator<Item = (Uuid, &'a Fields)>,
    ) -> Self {
        Self {
            definitions: definitions
                .into_iter()
                .filter_map(|(id, row)| Some((text(row, "schemaname")?, id)))
                .collect(),
            values: values
                .into_iter()
                .filter_map(|(id, row)| {
                    let definition = lookup(row, "environmentvariabledefinitionid")?;
                    Some((definition, (id, text(row, "value"))))
                })
                .collect(),
        }
    }

    /// What the target had before the copy, from the first seal.
    fn recorded(known: &Known) -> Self {
        let rows = |table| seals::rows(known, seals::BEFORE_COPY, &format!("target/{table}"));
        let (definitions, values) = (rows(DEFINITION), rows(VALUE));
        Self::of(
            definitions.iter().map(|(id, row)| (*id, row)),
            values.iter().map(|(id, row)| (*id, row)),
        )
    }

    async fn read(view: View<'_>) -> Result<Self, Failure> {
        let (definitions, values) = (view.by_id(DEFINITION).await?, view.by_id(VALUE).await?);
        Ok(Self::of(
            definitions.iter().map(|(id, row)| (*id, row)),
            values.iter().map(|(id, row)| (*id, row)),
        ))
    }

    fn value(&self, schema_name: &str) -> Option<&(Uuid, Option<String>)> {
        self.values.get(self.definitions.get(schema_name)?)
    }
}

#[async_trait]
impl Survey for Variables {
    async fn survey(&self, known: &Known) -> Result<Vec<Change>, Failure> {
        let recorded = Held::recorded(known);
        if recorded.values.is_empty() {
            return Ok(Vec::new());
        }
        let view = self.0.view(known);
        let table = view.table(VALUE).await?;
        let definitions = view.table(DEFINITION).await?;
        let now = Held::read(view).await?;
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
            let key = format!("variable/{schema_name}");
            let request = match current {
                Some((id, _)) => {
                    Request::patch(&table.entity_set, *id, &json!({ "value": wanted }))
                }
                None => create(
                    &table.entity_set,
                    known.made_id(seals::BEFORE_COPY, &key),
                    &format!("/{}({definition})", definitions.entity_set),
                    wanted,
                ),
            };
            let id = current.map_or_else(|| known.made_id(seals::BEFORE_COPY, &key), |(id, _)| *id);
            changes.push(Change {
                key,
                name: format!("put back environment variable '{}'", escape(schema_name)),
                before: shown(current.and_then(|(_, value)| value.as_deref())),
                after: shown(Some(wanted)),
                follows: Vec::new(),
                action: Action::Set(Arc::new(TenantSet {
                    refresh: Arc::clone(&self.0),
                    reader: RowReader::of(&self.0, &table.entity_set, id, |row: Option<&Row>| {
                        Reading::of(shown(row.and_then(|row| row.string("value"))))
                    }),
                    request: move |_: &Reading| Ok(request.clone()),
                    patience: Duration::from_mins(1),
                })),
            });
        }
        Ok(changes)
    }

    async fn notes(&self, known: &Known) -> Result<Vec<String>, Failure> {
        let now = Held::read(self.0.view(known)).await?;
        Ok(brought(&Held::recorded(known), &now)
            .into_iter()
            .map(|name| {
                format!(
                    "environment variable '{}' holds what the copy brought from the source: the \
                     target had no value of its own for it",
                    escape(name)
                )
            })
            .collect())
    }
}

/// The variables that hold a value now and had none in the target.
fn brought<'a>(recorded: &Held, now: &'a Held) -> Vec<&'a str> {
    now.definitions
        .keys()
        .filter(|name| now.value(name).is_some_and(|(_, value)| value.is_some()))
        .filter(|name| !matches!(recorded.value(name), Some((_, Some(_)))))
        .map(String::as_str)
        .collect()
}

/// A value may be a secret's place or a signed address: it is shown as a fingerprint.
fn shown(value: Option<&str>) -> Value {
    json!({ "value": value.map(fingerprint) })
}

/// A new row under an id of ours, so that a lost reply cannot make a second one.
fn create(entity_set: &str, id: Uuid, definition: &str, value: &str) -> Request {
    let body = json!({
        "value": value,
        "EnvironmentVariableDefinitionId@odata.bind": definition,
    });
    Request {
        method: Method::Patch,
        path: format!("{entity_set}({id})"),
        body: Some(body.to_string()),
        creates: true,
        acting_as: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(variables: &[(&str, Option<&str>)]) -> Held {
        let mut held = Held::default();
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
    fn what_the_copy_brought_where_the_target_had_nothing_is_told() {
        let target = held(&[("contoso_Shop", Some("uat")), ("contoso_Mail", None)]);
        let now = held(&[
            ("contoso_Shop", Some("prod")),
            ("contoso_Mail", Some("prod@contoso.com")),
            ("contoso_New", Some("x")),
            ("contoso_Empty", None),
        ]);
        assert_eq!(brought(&target, &now), ["contoso_Mail", "contoso_New"]);
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
        let held = Held::of(
            [(Uuid::from_u128(1), &definition)],
            [(Uuid::from_u128(2), &value)],
        );
        assert_eq!(
            held.value("contoso_Shop"),
            Some(&(Uuid::from_u128(2), Some("uat".to_owned())))
        );
        assert_eq!(held.value("contoso_Mail"), None);
    }

    #[test]
    fn a_value_is_never_shown() {
        let shown = shown(Some("https://shop/?key=secret")).to_string();
        assert!(shown.contains("sha256:") && !shown.contains("secret"));
    }
}
