//! Phase `variables`: restores the target's own values of environment variables.
//!
//! The copy brings the source's values, and a variable usually holds an address or an account of
//! one environment (Microsoft Learn, *Environment variables overview*). So the target's own values
//! are restored while administration mode is still on. Definitions are matched by their schema
//! names. The copied value of a variable for which the target had none is removed: 'no value' is the
//! target's own state too. Only rows that the first seal holds as the source's are removed.
//! A variable without a value has its definition's default, which the copy replaces too: so the
//! target's own default is restored, or its absence.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::try_join;
use uuid::Uuid;

use super::secret_variables::SecretVariables;
use super::surfaces;
use crate::base::redaction::fingerprint;
use crate::base::text::escape;
use crate::clients::Row;
use crate::domain::containment::kind::SurfaceKind as _;
use crate::domain::containment::variables::EnvironmentVariables;
use crate::domain::containment::{Policy, Scope};
use crate::domain::environment_variables::{
    CopiedDefault, DEFINITION, VALUE, VariableValues, copied_defaults, copied_values, keeps,
};
use crate::domain::manual_change::ManualChange;
use crate::domain::names::Fields;
use crate::domain::own_settings;
use crate::domain::refused_change::announcing_task;
use crate::domain::row_changes::{Request, row_set, surveyed_row_set, surveyed_version};
use crate::domain::sealed_row::SealedRow;
use crate::domain::seals::Part;
use crate::domain::{RefreshContext, keys, seals};
use crate::engine::{Action, Change, Failure, JournalView, Note, Survey};

/// Finds the variables that do not have the target's own value.
pub(super) struct Variables(Arc<RefreshContext>, SecretVariables);

impl Variables {
    pub(super) fn new(refresh: &Arc<RefreshContext>) -> Self {
        Self(Arc::clone(refresh), SecretVariables::default())
    }
}

#[async_trait]
impl Survey for Variables {
    async fn survey(&self, journal: &JournalView) -> Result<Vec<Change>, Failure> {
        let recorded = VariableValues::recorded(journal);
        let copied = copied_rows(journal);
        if recorded.definitions.is_empty() && copied.is_empty() {
            return Ok(Vec::new());
        }
        let view = self.0.view(journal);
        let table = view.table(VALUE).await?;
        let definitions = view.table(DEFINITION).await?;
        let (rows, values) = try_join!(view.by_id(DEFINITION), view.by_id(VALUE))?;
        let now = VariableValues::from_rows(rows, values.clone());
        let mut changes = Vec::new();
        for schema_name in recorded.definitions.keys() {
            let Some((captured, Some(wanted))) = recorded.value(schema_name) else {
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
            let before = compared(current.and_then(|(_, value)| value.as_deref()));
            let surveyed = surveyed_version(&table, &before, now.versions.get(&id).cloned());
            let change = Change {
                key,
                name: format!("restore environment variable '{}'", escape(schema_name)),
                before: before.into(),
                after: compared(Some(wanted)).into(),
                follows: Vec::new(),
                action: Action::Set(surveyed_row_set(
                    &self.0,
                    &table.entity_set,
                    (id, surveyed),
                    |row: Option<&Row>| compared(row.and_then(|row| row.string("value"))),
                    request,
                    Duration::from_mins(1),
                )),
            };
            changes.push(if now.secrets.contains(schema_name) {
                let capture = Part::Target.key(&format!("{VALUE}/{captured}"));
                let file = journal.state_file_argument();
                let place =
                    format!("what `iomcopy state show {file} {capture} --column value` shows");
                self.1.once(journal, change, schema_name, &place)
            } else {
                change
            });
        }
        let scope = Scope::survey(&self.0, journal, true);
        let set = definitions.entity_set.as_str();
        changes.extend(self.restore_defaults(&scope, journal, set, &recorded, &now));
        let mut surplus = copied_values(&recorded, &now, &copied);
        surplus.retain(|(schema_name, id)| {
            keeps(&scope.policy, schema_name).is_none() && !now.managed.contains(id)
        });
        changes.extend(surplus.into_iter().map(|(schema_name, id)| {
            let sealed = copied.get(&id).cloned().unwrap_or_default();
            self.remove(
                &table.entity_set,
                schema_name,
                (id, values.get(&id)),
                sealed,
            )
        }));
        Ok(changes)
    }

    async fn notes(&self, journal: &JournalView) -> Result<Vec<Note>, Failure> {
        if !own_settings::are_captured(journal) {
            let scope = Scope::survey(&self.0, journal, true);
            let found = EnvironmentVariables.find(&scope).await?;
            return Ok(surfaces::notes(EnvironmentVariables.title(), &found));
        }
        let now = VariableValues::read(self.0.view(journal)).await?;
        let copied = copied_rows(journal);
        let policy = Policy::from_runbook(&self.0.runbook);
        let recorded = VariableValues::recorded(journal);
        Ok(copied_values(&recorded, &now, &copied)
            .into_iter()
            .filter_map(|(schema_name, id)| {
                let value = format!(
                    "environment variable '{}' has the source's value, because the target had none \
                     before the copy, and",
                    escape(schema_name)
                );
                match keeps(&policy, schema_name) {
                    Some(by) => Some(format!("{value} the runbook allows it ({by})").into()),
                    None if now.managed.contains(&id) => Some(Note::new(
                        format!(
                            "{value} the program cannot remove it, because a managed solution brought \
                             it"
                        ),
                        "set the target's own value in the maker portal",
                    )),
                    None => None,
                }
            })
            .collect())
    }
}

impl Variables {
    /// Gives definitions the default that they had in the target, or none.
    fn restore_defaults(
        &self,
        scope: &Scope<'_>,
        journal: &JournalView,
        entity_set: &str,
        recorded: &VariableValues,
        now: &VariableValues,
    ) -> Vec<Change> {
        let source = VariableValues::sealed(journal, Part::Source);
        let copied = copied_defaults((&source, recorded), now, |text| {
            !scope.names_production(text).is_empty()
        });
        let copied = copied.into_iter().filter(|copied| {
            copied.own.is_some() || keeps(&scope.policy, copied.schema_name).is_none()
        });
        copied
            .map(|copied| self.restore_default(journal, entity_set, &copied, recorded, now))
            .collect()
    }

    fn restore_default(
        &self,
        journal: &JournalView,
        entity_set: &str,
        copied: &CopiedDefault<'_>,
        recorded: &VariableValues,
        now: &VariableValues,
    ) -> Change {
        let name = copied.schema_name;
        let key = keys::variable_default(name);
        let title = match copied.own {
            Some(_) => format!(
                "restore the default of environment variable '{}'",
                escape(name)
            ),
            None => format!(
                "remove the source's default of environment variable '{}', for which the target had \
                 none",
                escape(name)
            ),
        };
        let held = now.defaults.get(name).map(String::as_str);
        let own = copied.own.map(String::as_str);
        let (before, after) = (compared_default(held), compared_default(own));
        if let Some(why) = journal.permanent_failure(&key) {
            let place = match (copied.own, recorded.definitions.get(name)) {
                (Some(_), Some(captured)) => {
                    let capture = Part::Target.key(&format!("{DEFINITION}/{captured}"));
                    let file = journal.state_file_argument();
                    format!("`iomcopy state show {file} {capture} --column defaultvalue` shows it")
                }
                _ => "leave it empty".to_owned(),
            };
            return ManualChange {
                key,
                name: title,
                before,
                after,
                instructions: vec![format!(
                    "maker portal > Solutions > Default Solution > Environment variables > '{}': set \
                     the default value ({place}). The service refused to change it: {why}",
                    escape(name)
                )],
                evidence: format!(
                    "environment variable '{}' has the target's own default",
                    escape(name)
                ),
            }
            .into_change();
        }
        let id = copied.definition;
        announcing_task(Change {
            key,
            name: title,
            before: before.into(),
            after: after.into(),
            follows: Vec::new(),
            action: Action::Set(row_set(
                &self.0,
                entity_set,
                id,
                |row: Option<&Row>| {
                    let held = row.and_then(|row| row.string("defaultvalue"));
                    compared_default(held.filter(|held| !held.is_empty()))
                },
                Request::patch(entity_set, id, &json!({ "defaultvalue": own })),
                Duration::from_mins(1),
            )),
        })
    }

    /// Removes the copied value of a variable for which the target had none. The first seal holds
    /// the row, because a copied row has the id that it has in the source. Takes the row's id and
    /// its columns as they are now, and those in the seal.
    fn remove(
        &self,
        entity_set: &str,
        schema_name: &str,
        (id, now): (Uuid, Option<&Fields>),
        sealed: Fields,
    ) -> Change {
        let copied = SealedRow {
            entity_set,
            id,
            captured: (Part::Source, format!("{VALUE}/{id}")),
            columns: sealed,
        };
        Change {
            key: keys::variable_removed(schema_name),
            name: format!(
                "remove the source's value of environment variable '{}', for which the target had \
                 none",
                escape(schema_name)
            ),
            before: copied.compared(now).into(),
            after: Value::Null.into(),
            follows: Vec::new(),
            action: copied.removal(&self.0),
        }
    }
}

/// The source's rows of values in the first seal.
fn copied_rows(journal: &JournalView) -> BTreeMap<Uuid, Fields> {
    seals::fields_by_id(journal, Part::Source, VALUE)
}

/// The compared field. A value may be a signed address or lead to a secret, so only its fingerprint
/// is shown.
fn compared(value: Option<&str>) -> Value {
    json!({ "value": value.map(fingerprint) })
}

/// The compared field of a definition.
fn compared_default(default: Option<&str>) -> Value {
    json!({ "default": default.map(fingerprint) })
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

    #[test]
    fn a_value_is_never_compared() {
        let compared = compared(Some("https://shop/?key=secret")).to_string();
        assert!(compared.contains("sha256:") && !compared.contains("secret"));
    }
}
