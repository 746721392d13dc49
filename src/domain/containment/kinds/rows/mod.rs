//! Tables whose rows hold an address: a new one is one entry of the list in `tables.rs`.

mod tables;

use std::collections::BTreeSet;

use async_trait::async_trait;
use serde_json::{Map, Value};
use uuid::Uuid;

pub(crate) use self::tables::{
    BOTS, CHANNELS, CONNECTOR_SOURCES, CONNECTORS, DATA_SOURCES, DOCUMENT_LOCATIONS, KEY_VAULTS,
    ODATA_SOURCES, POWER_PAGES, SHAREPOINT_SITES, SYNAPSE_LINKS,
};

use super::super::Treatment;
use super::super::hosts::{hosts_in, hosts_of_address};
use super::super::kind::SurfaceKind;
use super::super::scope::Scope;
use super::super::sealed::SealedSurface;
use super::super::surface::{CapturedRow, Closing, RowWrite, Surface, SurfaceState, is_protected};
use crate::clients::Row;
use crate::domain::failure::unless_interrupted;
use crate::domain::names::{Fields, text};
use crate::domain::view::View;
use crate::engine::Failure;

/// A table whose rows hold an address.
pub(crate) struct AddressRows {
    key: &'static str,
    title: &'static str,
    table: &'static str,
    /// The column with the row's name.
    name: &'static str,
    /// The columns with addresses, or with text that holds them. No column with secrets is read.
    addresses: &'static [&'static str],
    /// The columns that say whether the row is in use.
    states: &'static [&'static str],
    /// Is the row in use?
    is_used: fn(&Fields) -> bool,
    /// What a row does, before its hosts.
    does: &'static str,
    /// Why it is unknown whether it acts after a copy, if so.
    doubt: Option<&'static str>,
    /// May the program write the columns with addresses?
    may_write: bool,
    /// Does a row that is in use act without an address too?
    acts_without_address: bool,
    /// May a copy leave such rows in the source? Those have a line in the target too, because a
    /// forecast lists them.
    may_stay_behind: bool,
    remedy: &'static str,
}

#[async_trait]
impl SurfaceKind for AddressRows {
    fn key(&self) -> &'static str {
        self.key
    }

    fn title(&self) -> &'static str {
        self.title
    }

    async fn find(&self, scope: &Scope<'_>) -> Result<Vec<Surface>, Failure> {
        let columns: Vec<&str> = [self.name]
            .iter()
            .chain(self.addresses)
            .chain(self.states)
            .copied()
            .collect();
        let rows = scope.rows(self.table, &columns, None).await?;
        let used = rows.iter().filter(|(_, row)| (self.is_used)(&row.value));
        let mut surfaces: Vec<Surface> = used
            .filter_map(|(id, row)| self.judge(scope, *id, row))
            .collect();
        if self.may_stay_behind && matches!(scope.view, View::AsIs(_)) {
            let copied: BTreeSet<Uuid> = rows.iter().map(|(id, _)| *id).collect();
            surfaces.extend(self.left_behind(scope, &columns, &copied).await?);
        }
        Ok(surfaces)
    }
}

/// A surface of the source that the copy did not bring.
fn left_behind(surface: Surface) -> Surface {
    Surface {
        state: SurfaceState::Closed("the copy did not bring it".to_owned()),
        closing: Closing::Nothing,
        ..surface
    }
}

impl AddressRows {
    /// The surfaces of the source that the copy did not bring. Takes the rows of the target.
    async fn left_behind(
        &self,
        scope: &Scope<'_>,
        columns: &[&str],
        copied: &BTreeSet<Uuid>,
    ) -> Result<Vec<Surface>, Failure> {
        // What is in the source acts from there, so a read that fails hides nothing.
        let in_source = scope.rows_in_source(self.table, columns).await;
        let in_source = unless_interrupted(in_source)?.unwrap_or_default();
        let came = |id: &Uuid| {
            let recorded = scope.sealed.get(&format!("{}/{id}", self.key));
            let was_there = |it: &SealedSurface| !matches!(it.state, SurfaceState::Closed(_));
            copied.contains(id) || recorded.is_some_and(was_there)
        };
        let behind = in_source
            .iter()
            .filter(|(id, row)| !came(id) && (self.is_used)(&row.value))
            .filter_map(|(id, row)| self.judge(scope, *id, row));
        Ok(behind.map(left_behind).collect())
    }

    fn judge(&self, scope: &Scope<'_>, id: Uuid, row: &Row) -> Option<Surface> {
        let values: Vec<(&str, String)> = self
            .addresses
            .iter()
            .filter_map(|column| Some((*column, text(&row.value, column)?)))
            .filter(|(_, value)| !value.trim().is_empty())
            .collect();
        if values.is_empty() && !self.acts_without_address {
            return None;
        }
        let name = text(&row.value, self.name).unwrap_or_else(|| id.to_string());
        let hosts: BTreeSet<String> = values.iter().flat_map(|(_, value)| hosts(value)).collect();
        let (state, closing) = self.treat(scope, id, row, &name, &values, &hosts);
        Some(self.surface(
            &id,
            name,
            self.reach(scope, &values, hosts),
            (state, closing),
        ))
    }

    fn treat(
        &self,
        scope: &Scope<'_>,
        id: Uuid,
        row: &Row,
        name: &str,
        values: &[(&str, String)],
        hosts: &BTreeSet<String>,
    ) -> (SurfaceState, Closing) {
        let policy = &scope.policy;
        let treated: Vec<(&str, Treatment)> = values
            .iter()
            .map(|(column, value)| {
                let key = format!("{}/{id}", self.key);
                let found = self::hosts(value);
                (*column, scope.treat(&key, name, (value, &found)))
            })
            .collect();
        let mut after = Map::new();
        let mut rules = BTreeSet::new();
        for (column, treatment) in &treated {
            if let Treatment::Replace { text, how } = treatment {
                after.insert((*column).to_owned(), Value::from(text.clone()));
                rules.insert(how.clone());
            }
        }
        if !after.is_empty() && self.may_write {
            let rules = rules.into_iter().collect::<Vec<_>>().join(", ");
            let change = format!("replace {rules} in '{name}' ({})", self.title);
            let before = after.keys().map(|column| {
                let now = row.value.get(column).cloned();
                (column.clone(), now.unwrap_or(Value::Null))
            });
            let write = RowWrite {
                row: CapturedRow::from_row(self.table, id, row),
                name: change,
                before: before.collect(),
                after,
                replaces: Some(rules),
                is_protected: is_protected(row),
                is_destructive: false,
            };
            return (SurfaceState::Open, Closing::Set(write));
        }
        let all: Vec<&str> = values.iter().map(|(_, value)| value.as_str()).collect();
        if let Some(by) = scope.allows(name, (&all.join("\n"), hosts)) {
            return (SurfaceState::Allowed(by), Closing::Nothing);
        }
        let replaced = treated.iter().find_map(|(_, treatment)| match treatment {
            Treatment::Replaced(how) => Some(how.clone()),
            _ => None,
        });
        // One column that is replaced says nothing about another that still acts.
        let is_settled = treated
            .iter()
            .zip(values)
            .all(|((_, treatment), (_, value))| {
                matches!(treatment, Treatment::Replaced(_) | Treatment::Allowed(_))
                    || self::hosts(value).is_empty() && scope.names_production(value).is_empty()
            });
        if let Some(how) = replaced.filter(|_| is_settled) {
            return (SurfaceState::Replaced(how), Closing::Nothing);
        }
        if let Some(by) = policy.keeps_everything() {
            return (SurfaceState::Allowed(by), Closing::Nothing);
        }
        let state = match self.doubt {
            Some(doubt) => SurfaceState::Unclear(doubt.to_owned()),
            None => SurfaceState::Open,
        };
        (state, Closing::Finding(self.remedy.to_owned()))
    }

    /// What a row does, and where: hosts where there are any, and what of production it names.
    fn reach(
        &self,
        scope: &Scope<'_>,
        values: &[(&str, String)],
        hosts: BTreeSet<String>,
    ) -> String {
        let mut parts: BTreeSet<String> = hosts;
        for (_, value) in values {
            parts.extend(scope.names_production(value));
        }
        if values.is_empty() {
            return self.does.to_owned();
        }
        if parts.is_empty() {
            return format!("{} an address that is not shown", self.does);
        }
        let parts = parts.into_iter().collect::<Vec<_>>().join(", ");
        format!("{} {parts}", self.does)
    }
}

/// The hosts of a value: an address, text with addresses, or a description of an API, whose `host`
/// has no scheme.
fn hosts(value: &str) -> BTreeSet<String> {
    let described = serde_json::from_str::<Value>(value).ok();
    let host = described
        .as_ref()
        .and_then(|described| described.get("host")?.as_str())
        .map(hosts_of_address);
    match host {
        Some(host) => host,
        None if described.is_some() => hosts_in(value),
        None => hosts_of_address(value),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_suspended_profile_exports_again_and_an_ended_one_does_not() {
        let is_used = |state: Value| {
            let row = json!({ "profilestate": state });
            (SYNAPSE_LINKS.is_used)(row.as_object().unwrap())
        };
        for state in [1, 2, 6, 7] {
            assert!(is_used(json!(state)), "{state}");
        }
        for state in [0, 3, 5, 8] {
            assert!(!is_used(json!(state)), "{state}");
        }
        assert!(is_used(Value::Null), "it is not known");
    }

    #[test]
    fn what_a_copy_leaves_in_the_source_is_closed() {
        let surface = left_behind(Surface {
            kind: SYNAPSE_LINKS.key,
            id: "1".to_owned(),
            name: "Contoso lake".to_owned(),
            reach: "exports rows to contosolake.dfs.core.windows.net".to_owned(),
            state: SurfaceState::Unclear("who knows".to_owned()),
            closing: Closing::Finding("unlink it".to_owned()),
        });
        assert_eq!(surface.state.label(), "closed");
        assert!(matches!(surface.closing, Closing::Nothing));
    }

    #[test]
    fn the_host_of_an_api_is_found_in_its_description() {
        let of = |value: &str| hosts(value).into_iter().collect::<Vec<_>>();
        assert_eq!(
            of(r#"{"host":"bin.contoso.com","info":{"contact":{"url":"https://contoso.com"}}}"#),
            ["bin.contoso.com"]
        );
        assert_eq!(
            of(r#"{"uri":"https://erp.contoso.com/odata"}"#),
            ["erp.contoso.com"]
        );
        assert_eq!(
            of("https://contoso.sharepoint.com/sites/x"),
            ["contoso.sharepoint.com"]
        );
        assert_eq!(of("returns.contoso.com"), ["returns.contoso.com"]);
    }
}
