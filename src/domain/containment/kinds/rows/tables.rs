//! The tables whose rows hold an address.

use super::AddressRows;
use crate::domain::containment::scope::integer;
use crate::domain::names::{Fields, is_active};

fn always(_: &Fields) -> bool {
    true
}

/// A table of which nothing is special; its name and its columns come from an entry below.
const PLAIN: AddressRows = AddressRows {
    key: "",
    title: "",
    table: "",
    name: "name",
    addresses: &[],
    states: &[],
    is_used: always,
    does: "",
    doubt: None,
    may_write: false,
    acts_without_address: false,
    may_stay_behind: false,
    remedy: "",
};

/// Microsoft's checklist for copies: deactivate SharePoint sites or point them elsewhere.
pub(crate) const SHAREPOINT_SITES: AddressRows = AddressRows {
    key: "sharepoint-site",
    title: "SharePoint sites",
    table: "sharepointsite",
    addresses: &["absoluteurl"],
    states: &["statecode"],
    is_used: is_active,
    does: "documents are read from and written to",
    may_write: true,
    remedy: "write a rule for its address under `containment.replace`, deactivate it in the target, \
             or allow its host under `containment.allow`",
    ..PLAIN
};

/// A location without its own address follows its site.
pub(crate) const DOCUMENT_LOCATIONS: AddressRows = AddressRows {
    key: "document-location",
    title: "SharePoint document locations",
    table: "sharepointdocumentlocation",
    ..SHAREPOINT_SITES
};

/// A virtual table reads and writes its rows where its data source points. `connectiondefinitionsecrets`
/// can be read, so it is not among the columns.
pub(crate) const DATA_SOURCES: AddressRows = AddressRows {
    key: "data-source",
    title: "data sources of virtual tables",
    table: "entitydatasource",
    addresses: &["connectiondefinition"],
    does: "a virtual table reads and writes",
    may_write: true,
    remedy: "write a rule for its address under `containment.replace`, give it the target's own \
             address, or allow its host under `containment.allow`",
    ..PLAIN
};

/// The same, of the OData v4 provider.
pub(crate) const ODATA_SOURCES: AddressRows = AddressRows {
    key: "odata-data-source",
    title: "OData data sources of virtual tables",
    table: "msdyn_odatav4ds",
    name: "msdyn_name",
    addresses: &["msdyn_uri"],
    ..DATA_SOURCES
};

/// The same, of the provider that reads and writes through a connector.
pub(crate) const CONNECTOR_SOURCES: AddressRows = AddressRows {
    key: "connector-data-source",
    title: "data sources of virtual tables that use a connector",
    table: "msdyn_connectordatasource",
    name: "msdyn_name",
    addresses: &["msdyn_host"],
    ..DATA_SOURCES
};

/// A custom connector is reached only through a connection, and step 3 gives every reference a
/// connection of the target. Its state does not stop its API, and its own policy can change the
/// host of its description (both inferred).
pub(crate) const CONNECTORS: AddressRows = AddressRows {
    key: "custom-connector",
    title: "custom connectors",
    table: "connector",
    addresses: &["openapidefinition", "policytemplateinstances"],
    states: &["connectortype"],
    is_used: |row| integer(row, "connectortype") == Some(1),
    does: "a flow with a connection calls",
    doubt: Some("it acts only if the target has a connection of it"),
    remedy: "give the connector the target's own host in the maker portal, leave it without a \
             connection, or allow its host under `containment.allow`",
    ..PLAIN
};

/// Microsoft Learn says about a migrated site that it serves nothing until it is activated again;
/// of a copied one nothing.
pub(crate) const POWER_PAGES: AddressRows = AddressRows {
    key: "power-pages-site",
    title: "Power Pages sites",
    table: "powerpagesite",
    addresses: &["primarydomainname", "content"],
    states: &["statecode"],
    is_used: is_active,
    does: "serves",
    doubt: Some(
        "it should serve nothing until it is activated again, which is not documented for a copy",
    ),
    remedy: "do not activate the site in the target before its addresses are the target's own; or \
             allow its host under `containment.allow`",
    ..PLAIN
};

/// Microsoft wrote in 2021 that profiles are not copied; newer pages say nothing. Administration mode
/// suspends a profile, which then exports again: only one that ended exports nothing.
pub(crate) const SYNAPSE_LINKS: AddressRows = AddressRows {
    key: "synapse-link-profile",
    title: "Synapse Link profiles",
    table: "synapselinkprofile",
    addresses: &["containerendpoint"],
    states: &["profilestate"],
    // Inactive, deleted, aborted, deactivated.
    is_used: |row| !matches!(integer(row, "profilestate"), Some(0 | 3 | 5 | 8)),
    does: "exports rows to",
    doubt: Some("profiles should not come with a copy"),
    remedy: "unlink the profile in the target's maker portal (Azure Synapse Link), or allow its host \
             under `containment.allow`",
    may_stay_behind: true,
    ..PLAIN
};

/// Reconnecting a copied bot breaks the source's (Microsoft Learn, *Copy an environment with
/// omnichannel*).
pub(crate) const BOTS: AddressRows = AddressRows {
    key: "bot",
    title: "bots",
    table: "bot",
    addresses: &["configuration", "applicationmanifestinformation"],
    states: &["statecode", "statuscode"],
    is_used: |row| integer(row, "statecode") == Some(0) && integer(row, "statuscode") == Some(1),
    does: "answers in channels",
    doubt: Some("whether a copied bot answers is not documented"),
    remedy: "do not reconnect the bot in the target (that breaks the source's): publish it there \
             under another registration, or allow it by its name under `containment.allow`",
    acts_without_address: true,
    ..PLAIN
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
    remedy: "delete the channel in the target and set it up again, or allow it by its name under \
             `containment.allow`",
    acts_without_address: true,
    ..PLAIN
};

/// Variables of kind secret and managed identities read production's vault.
pub(crate) const KEY_VAULTS: AddressRows = AddressRows {
    key: "key-vault",
    title: "key vault references",
    table: "keyvaultreference",
    addresses: &["keyvaulturi"],
    states: &["statecode"],
    is_used: is_active,
    does: "reads secrets of",
    doubt: Some("whether the target's identity may read this vault cannot be seen"),
    may_write: true,
    remedy: "write a rule for its address under `containment.replace`, or allow its host under \
             `containment.allow`",
    ..PLAIN
};
