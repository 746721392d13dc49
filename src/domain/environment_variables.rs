//! Environment variables: their values in one environment, and those that are secrets.
//!
//! The value of a secret names a secret of a key vault. Dataverse checks on every write that the
//! caller may read it there (Microsoft Learn, *Use environment variables for Azure Key Vault
//! secrets*), so a caller without a role in the vault cannot write the value.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use tokio::try_join;
use uuid::Uuid;

use super::containment::Policy;
use super::names::{Fields, lookup, text};
use super::seals::{self, Part};
use super::view::View;
use crate::engine::{Failure, JournalView};

pub(crate) const DEFINITION: &str = "environmentvariabledefinition";
pub(crate) const VALUE: &str = "environmentvariablevalue";

/// `environmentvariabledefinition.type`, in Dataverse's published list of choices.
const SECRET: i64 = 100_000_005;

/// The remedy for a caller who may not write a secret's value.
pub(crate) const VAULT_ROLE: &str = "give the caller the role 'Key Vault Secrets User' on the vault that the \
                                     value names, because Dataverse checks that on every write; or a \
                                     person who has it sets the value (maker portal > Solutions > \
                                     Default Solution > Environment variables)";

/// Is this definition of the type secret?
pub(crate) fn is_secret(definition: &Fields) -> bool {
    definition.get("type").and_then(Value::as_i64) == Some(SECRET)
}

/// The variables of one environment at one time.
#[derive(Debug, Default)]
pub(crate) struct VariableValues {
    /// Definitions by schema name.
    pub(crate) definitions: BTreeMap<String, Uuid>,
    /// The schema names of secrets.
    pub(crate) secrets: BTreeSet<String>,
    /// The row of each definition's value, and the value.
    pub(crate) values: BTreeMap<Uuid, (Uuid, Option<String>)>,
    /// The default values of definitions that have one, by schema name: a variable without a value
    /// has its default (Microsoft Learn, *Environment variables overview*).
    pub(crate) defaults: BTreeMap<String, String>,
    /// The versions of the rows of values.
    pub(crate) versions: BTreeMap<Uuid, String>,
    /// The rows of values that a managed solution brought: Dataverse refuses to delete those
    /// (Microsoft Learn, *Managed and unmanaged solutions*).
    pub(crate) managed: BTreeSet<Uuid>,
}

impl VariableValues {
    pub(crate) fn from_rows(
        definitions: impl IntoIterator<Item = (Uuid, Fields)>,
        values: impl IntoIterator<Item = (Uuid, Fields)>,
    ) -> Self {
        let definitions: Vec<(Uuid, Fields)> = definitions.into_iter().collect();
        let values: Vec<(Uuid, Fields)> = values.into_iter().collect();
        let managed = values
            .iter()
            .filter(|(_, row)| row.get("ismanaged").and_then(Value::as_bool) == Some(true));
        let managed = managed.map(|(id, _)| *id).collect();
        let versions = values
            .iter()
            .filter_map(|(id, row)| Some((*id, text(row, "@odata.etag")?)))
            .collect();
        let secrets = definitions.iter().filter(|(_, row)| is_secret(row));
        let defaults = definitions.iter().filter_map(|(_, row)| {
            let default = text(row, "defaultvalue").filter(|default| !default.is_empty())?;
            Some((text(row, "schemaname")?, default))
        });
        Self {
            defaults: defaults.collect(),
            secrets: secrets
                .filter_map(|(_, row)| text(row, "schemaname"))
                .collect(),
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
            versions,
            managed,
        }
    }

    /// The target's variables before the copy, from the first seal.
    pub(crate) fn recorded(journal: &JournalView) -> Self {
        Self::sealed(journal, Part::Target)
    }

    /// The variables of one side, from the first seal.
    pub(crate) fn sealed(journal: &JournalView, side: Part) -> Self {
        let rows = |table| seals::fields_by_id(journal, side, table);
        Self::from_rows(rows(DEFINITION), rows(VALUE))
    }

    pub(crate) async fn read(view: View<'_>) -> Result<Self, Failure> {
        if view.optional_table(DEFINITION).await?.is_none() {
            return Ok(Self::default());
        }
        let (definitions, values) = try_join!(view.by_id(DEFINITION), view.by_id(VALUE))?;
        Ok(Self::from_rows(definitions, values))
    }

    pub(crate) fn value(&self, schema_name: &str) -> Option<&(Uuid, Option<String>)> {
        self.values.get(self.definitions.get(schema_name)?)
    }

    /// The text of a variable's value.
    pub(crate) fn text(&self, schema_name: &str) -> Option<&String> {
        self.value(schema_name)?.1.as_ref()
    }

    /// What a variable gives: its value, else its default.
    pub(crate) fn given(&self, schema_name: &str) -> Option<&String> {
        let value = self.text(schema_name);
        value.or_else(|| self.defaults.get(schema_name))
    }

    /// Does a variable have this text as its value or as its default?
    pub(crate) fn has(&self, schema_name: &str, wanted: &str) -> bool {
        let default = self.defaults.get(schema_name);
        [self.text(schema_name), default]
            .into_iter()
            .flatten()
            .any(|held| held == wanted)
    }
}

/// A default that the copy brought, and the one that the target had; none if it had none.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct CopiedDefault<'a> {
    pub(crate) schema_name: &'a str,
    pub(crate) definition: Uuid,
    pub(crate) own: Option<&'a String>,
}

/// The definitions whose default the copy brought from the source and that had another in the
/// target. A definition that the target did not have came with a solution, so its default is
/// production's only if it names production. Takes the variables of both environments before the
/// copy, and whether a text names production.
pub(crate) fn copied_defaults<'a>(
    (source, target): (&VariableValues, &'a VariableValues),
    now: &'a VariableValues,
    names_production: impl Fn(&str) -> bool,
) -> Vec<CopiedDefault<'a>> {
    let is_copied = |name: &String| {
        let (held, own) = (now.defaults.get(name), target.defaults.get(name));
        let is_known = target.definitions.contains_key(name);
        source.definitions.contains_key(name)
            && held == source.defaults.get(name)
            && held != own
            && (is_known || held.is_some_and(|held| names_production(held)))
    };
    let definitions = now.definitions.iter().filter(|(name, _)| is_copied(name));
    definitions
        .map(|(name, definition)| CopiedDefault {
            schema_name: name,
            definition: *definition,
            own: target.defaults.get(name),
        })
        .collect()
}

/// The variables that have a value which the copy brought and had none in the target, with the rows
/// of these values. Takes the source's rows of values in the first seal: without them nothing is
/// known to be copied.
pub(crate) fn copied_values<'a>(
    recorded: &VariableValues,
    now: &'a VariableValues,
    copied: &BTreeMap<Uuid, Fields>,
) -> Vec<(&'a str, Uuid)> {
    now.definitions
        .keys()
        .filter(|name| !matches!(recorded.value(name), Some((_, Some(_)))))
        .filter_map(|name| match now.value(name) {
            Some((id, Some(_))) if copied.contains_key(id) => Some((name.as_str(), *id)),
            _ => None,
        })
        .collect()
}

/// Why a variable keeps the value that the copy brought, if it does.
pub(crate) fn keeps(policy: &Policy, schema_name: &str) -> Option<String> {
    policy
        .keeps_everything()
        .or_else(|| policy.allows_name(schema_name))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

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
    fn a_copied_value_that_the_target_did_not_have_is_found_and_nothing_on_an_unknown() {
        let target = values(&[("contoso_Shop", Some("uat")), ("contoso_Mail", None)]);
        let now = values(&[
            ("contoso_Shop", Some("prod")),
            ("contoso_Mail", Some("prod@contoso.com")),
            ("contoso_New", Some("x")),
            ("contoso_Empty", None),
        ]);
        let row = |id: u128| (Uuid::from_u128(id), Fields::new());
        // The row of `contoso_New` is not in the seal: somebody made it since.
        let copied = BTreeMap::from([row(1), row(2)]);
        assert_eq!(
            copied_values(&target, &now, &copied),
            [("contoso_Mail", Uuid::from_u128(2))]
        );
        assert!(copied_values(&target, &now, &BTreeMap::new()).is_empty());
    }

    #[test]
    fn a_default_of_the_source_gives_way_to_the_targets_own() {
        let with = |defaults: &[(&str, &str)]| {
            let names: Vec<(&str, Option<&str>)> =
                defaults.iter().map(|(name, _)| (*name, None)).collect();
            let mut held = values(&names);
            let given = defaults.iter().filter(|(_, default)| !default.is_empty());
            held.defaults = given
                .map(|(name, default)| ((*name).to_owned(), (*default).to_owned()))
                .collect();
            held
        };
        let target = with(&[("a_Shop", "https://uat"), ("b_Same", "x"), ("c_None", "")]);
        let source = with(&[
            ("a_Shop", "https://prod"),
            ("b_Same", "x"),
            ("c_None", "prod"),
            ("d_New", "https://prod"),
            ("e_New", "7"),
        ]);
        let find = |now: &VariableValues| -> Vec<(String, Option<String>)> {
            let found = copied_defaults((&source, &target), now, |text| text.contains("prod"));
            found
                .into_iter()
                .map(|found| (found.schema_name.to_owned(), found.own.cloned()))
                .collect()
        };
        assert_eq!(
            find(&source),
            [
                ("a_Shop".to_owned(), Some("https://uat".to_owned())),
                ("c_None".to_owned(), None),
                ("d_New".to_owned(), None),
            ]
        );
        // Somebody gave it another default since.
        let edited = with(&[("a_Shop", "https://new"), ("b_Same", "x"), ("c_None", "")]);
        assert!(find(&edited).is_empty());
        assert_eq!(
            source.given("a_Shop").map(String::as_str),
            Some("https://prod")
        );
        assert!(target.has("a_Shop", "https://uat") && !target.has("a_Shop", "https://prod"));
    }

    #[test]
    fn a_value_is_found_by_the_schema_name_of_its_definition() {
        let definition = json!({ "schemaname": "contoso_Shop" });
        let value = json!({
            "value": "uat",
            "ismanaged": true,
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
        assert!(held.managed.contains(&Uuid::from_u128(2)));
    }
}
