//! Tables whose rows hold an address: a new one is one entry of a list.

use std::collections::BTreeSet;

use async_trait::async_trait;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::super::Treatment;
use super::super::hosts::{hosts_in, hosts_of_address};
use super::super::kind::SurfaceKind;
use super::super::scope::{Scope, integer};
use super::super::surface::{CapturedRow, Closing, RowWrite, Surface, SurfaceState, is_protected};
use crate::clients::Row;
use crate::domain::names::{Fields, is_active, text};
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
    remedy: &'static str,
}

fn always(_: &Fields) -> bool {
    true
}

/// Microsoft's checklist for copies: deactivate SharePoint sites or point them elsewhere.
pub(crate) const SHAREPOINT_SITES: AddressRows = AddressRows {
    key: "sharepoint-site",
    title: "SharePoint sites",
    table: "sharepointsite",
    name: "name",
    addresses: &["absoluteurl"],
    states: &["statecode"],
    is_used: is_active,
    does: "documents are read from and written to",
    doubt: None,
    may_write: true,
    remedy: "write a rule for its address under `containment.replace`, deactivate it in the target, \
             or allow its host under `containment.allow`",
};

/// A location without its own address follows its site.
pub(crate) const DOCUMENT_LOCATIONS: AddressRows = AddressRows {
    key: "document-location",
    title: "SharePoint document locations",
    table: "sharepointdocumentlocation",
    name: "name",
    addresses: &["absoluteurl"],
    states: &["statecode"],
    is_used: is_active,
    does: "documents are read from and written to",
    doubt: None,
    may_write: true,
    remedy: "write a rule for its address under `containment.replace`, deactivate it in the target, \
             or allow its host under `containment.allow`",
};

/// A virtual table reads and writes its rows where its data source points. `connectiondefinitionsecrets`
/// can be read, so it is not among the columns.
pub(crate) const DATA_SOURCES: AddressRows = AddressRows {
    key: "data-source",
    title: "data sources of virtual tables",
    table: "entitydatasource",
    name: "name",
    addresses: &["connectiondefinition"],
    states: &[],
    is_used: always,
    does: "a virtual table reads and writes",
    doubt: None,
    may_write: true,
    remedy: "write a rule for its address under `containment.replace`, give it the target's own \
             address, or allow its host under `containment.allow`",
};

/// The same, of the OData v4 provider.
pub(crate) const ODATA_SOURCES: AddressRows = AddressRows {
    key: "odata-data-source",
    title: "OData data sources of virtual tables",
    table: "msdyn_odatav4ds",
    name: "msdyn_name",
    addresses: &["msdyn_uri"],
    states: &[],
    is_used: always,
    does: "a virtual table reads and writes",
    doubt: None,
    may_write: true,
    remedy: DATA_SOURCES.remedy,
};

/// A custom connector is reached only through a connection, and step 3 gives every reference a
/// connection of the target. Its state does not stop its API (inferred).
pub(crate) const CONNECTORS: AddressRows = AddressRows {
    key: "custom-connector",
    title: "custom connectors",
    table: "connector",
    name: "name",
    addresses: &["openapidefinition"],
    states: &["connectortype"],
    is_used: |row| integer(row, "connectortype") == Some(1),
    does: "a flow with a connection calls",
    doubt: Some("it acts only if the target has a connection of it"),
    may_write: false,
    remedy: "give the connector the target's own host in the maker portal, leave it without a \
             connection, or allow its host under `containment.allow`",
};

/// Microsoft Learn says about a migrated site that it serves nothing until it is activated again;
/// of a copied one nothing.
pub(crate) const POWER_PAGES: AddressRows = AddressRows {
    key: "power-pages-site",
    title: "Power Pages sites",
    table: "powerpagesite",
    name: "name",
    addresses: &["primarydomainname", "content"],
    states: &["statecode"],
    is_used: is_active,
    does: "serves",
    doubt: Some(
        "it should serve nothing until it is activated again, which is not documented for a copy",
    ),
    may_write: false,
    remedy: "do not activate the site in the target before its addresses are the target's own; or \
             allow its host under `containment.allow`",
};

/// Microsoft wrote in 2021 that profiles are not copied; newer pages say nothing.
pub(crate) const SYNAPSE_LINKS: AddressRows = AddressRows {
    key: "synapse-link-profile",
    title: "Synapse Link profiles",
    table: "synapselinkprofile",
    name: "name",
    addresses: &["containerendpoint"],
    states: &["profilestate"],
    is_used: |row| integer(row, "profilestate") == Some(1),
    does: "exports rows to",
    doubt: Some("profiles should not come with a copy, and this one is here"),
    may_write: false,
    remedy: "unlink the profile in the target's maker portal (Azure Synapse Link), or allow its host \
             under `containment.allow`",
};

/// Reconnecting a copied bot breaks the source's (Microsoft Learn, *Copy an environment with
/// omnichannel*).
pub(crate) const BOTS: AddressRows = AddressRows {
    key: "bot",
    title: "bots",
    table: "bot",
    name: "name",
    addresses: &["configuration", "applicationmanifestinformation"],
    states: &["statecode", "statuscode"],
    is_used: |row| integer(row, "statecode") == Some(0) && integer(row, "statuscode") == Some(1),
    does: "answers in channels",
    doubt: Some("whether a copied bot answers is not documented"),
    may_write: false,
    remedy: "do not reconnect the bot in the target (that breaks the source's): publish it there \
             under another registration, or allow it by its name under `containment.allow`",
};

/// End points of channels are copied: delete them and set them up again (the same page).
pub(crate) const CHANNELS: AddressRows = AddressRows {
    key: "channel",
    title: "channels of omnichannel",
    table: "msdyn_channelinstance",
    name: "msdyn_name",
    addresses: &["msdyn_contactpoint"],
    states: &["statecode"],
    is_used: is_active,
    does: "sends and receives as",
    doubt: None,
    may_write: false,
    remedy: "delete the channel in the target and set it up again, or allow it by its name under \
             `containment.allow`",
};

/// Variables of kind secret and managed identities read production's vault.
pub(crate) const KEY_VAULTS: AddressRows = AddressRows {
    key: "key-vault",
    title: "key vault references",
    table: "keyvaultreference",
    name: "name",
    addresses: &["keyvaulturi"],
    states: &["statecode"],
    is_used: is_active,
    does: "reads secrets of",
    doubt: Some("whether the target's identity may read this vault cannot be seen"),
    may_write: true,
    remedy: "write a rule for its address under `containment.replace`, or allow its host under \
             `containment.allow`",
};

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
        Ok(used
            .filter_map(|(id, row)| self.judge(scope, *id, row))
            .collect())
    }
}

impl AddressRows {
    fn judge(&self, scope: &Scope<'_>, id: Uuid, row: &Row) -> Option<Surface> {
        let values: Vec<(&str, String)> = self
            .addresses
            .iter()
            .filter_map(|column| Some((*column, text(&row.value, column)?)))
            .filter(|(_, value)| !value.trim().is_empty())
            .collect();
        if values.is_empty() {
            return None;
        }
        let name = text(&row.value, self.name).unwrap_or_else(|| id.to_string());
        let hosts: BTreeSet<String> = values.iter().flat_map(|(_, value)| hosts(value)).collect();
        let (state, closing) = self.treat(scope, id, row, &name, &values, &hosts);
        Some(Surface {
            kind: self.key,
            id: id.to_string(),
            name,
            reach: self.reach(scope, &values, hosts),
            state,
            closing,
        })
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
        // One column that is replaced says nothing of another that still acts.
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
    use super::*;

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
