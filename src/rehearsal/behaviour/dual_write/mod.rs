//! Dual-write: the link between Dataverse and Finance and Operations of an environment, and its
//! maps.
//!
//! - `catalogue`: the maps of this tenant.
//! - `maps`: maps, their versions and projects.
//! - `requests`: requests to maps and solutions, and their results.
//! - `runtime`: the runtime configuration of running maps in Dataverse and in Finance and
//!   Operations, and the effects of stale configuration.
//! - `reset`: what a reset of the link clears.
//!
//! The gateway's data is in no database that a copy replaces: it stays the same while Dataverse and
//! Finance and Operations are replaced.

pub(crate) mod catalogue;
pub(crate) mod maps;
pub(crate) mod requests;
pub(crate) mod reset;
pub(crate) mod runtime;

use serde_json::Value;

use crate::rehearsal::schema::Schema;
use crate::rehearsal::world::store::Draft;

/// The user in Finance and Operations of dual-write's applications.
pub(crate) const USER: &str = "DualWrite";

#[derive(Debug)]
pub(crate) struct DualWriteEnvironment<'request, 'world> {
    pub(crate) draft: &'request mut Draft<'world>,
    /// The tables of Dataverse.
    pub(crate) schema: &'request Schema,
    /// The environment's id.
    pub(crate) environment: String,
}

/// The key of an environment's link in the gateway: an object with `identifier`, the host of
/// Finance and Operations, and `set`, the connection set as the gateway returns it.
pub(crate) fn link_key(environment: &str) -> String {
    format!("dual-write/{environment}/link")
}

/// The first environment whose link matches, and the link.
pub(crate) fn find_link(
    draft: &Draft<'_>,
    matches: impl Fn(&Value) -> bool,
) -> Option<(String, Value)> {
    draft
        .under("dual-write/")
        .filter_map(|(key, link)| {
            let environment = key.strip_prefix("dual-write/")?.strip_suffix("/link")?;
            Some((environment.to_owned(), link.clone()))
        })
        .find(|(_, link)| matches(link))
}

/// Dataverse's entry in a connection set.
fn dataverse_entry(set: &Value) -> Option<&Value> {
    let environments = set["environments"].as_object()?;
    environments
        .values()
        .find(|entry| entry["targetType"] == "CRM")
}

impl DualWriteEnvironment<'_, '_> {
    pub(crate) fn connection_set(&self) -> Option<Value> {
        let link = self.draft.get(&link_key(&self.environment))?;
        Some(link["set"].clone())
    }

    /// Changes the connection set.
    pub(crate) fn change_connection_set(&mut self, change: impl FnOnce(&mut Value)) {
        let key = link_key(&self.environment);
        if let Some(mut link) = self.draft.get(&key).cloned() {
            change(&mut link["set"]);
            self.draft.put(key, link);
        }
    }
}
