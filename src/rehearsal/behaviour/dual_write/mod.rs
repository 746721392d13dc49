//! Dual-write: the link of an environment's two halves, its maps, and what synchronizes.
//!
//! - `catalogue`: the maps that this tenant knows.
//! - `maps`: maps, their versions and projects.
//! - `requests`: what is asked of maps, and how it ends.
//! - `runtime`: what a running map leaves in Dataverse and in Finance and Operations, and what
//!   stale configuration does.
//! - `reset`: what resetting a link clears.
//!
//! What the gateway knows of a link is in no database that a copy carries: it stays as it was, while
//! both halves are replaced under it.

pub(crate) mod catalogue;
pub(crate) mod maps;
pub(crate) mod requests;
pub(crate) mod reset;
pub(crate) mod runtime;

use serde_json::Value;

use crate::rehearsal::schema::Schema;
use crate::rehearsal::world::store::Draft;

/// The user of Finance and Operations whom the applications of dual-write enter as.
pub(crate) const USER: &str = "DualWrite";

/// Dual-write of one environment.
#[derive(Debug)]
pub(crate) struct DualWrite<'turn, 'world> {
    /// The world.
    pub(crate) draft: &'turn mut Draft<'world>,
    /// The tables of Dataverse.
    pub(crate) schema: &'turn Schema,
    /// The environment's id.
    pub(crate) environment: String,
}

/// The key of what the gateway knows of an environment's link: an object with `identifier`, the
/// host of Finance and Operations, and `set`, the connection set as it is shown.
pub(crate) fn link_key(environment: &str) -> String {
    format!("dual-write/{environment}/link")
}

/// The environment whose link fits, and the link.
pub(crate) fn linked(draft: &Draft<'_>, fits: impl Fn(&Value) -> bool) -> Option<(String, Value)> {
    draft
        .under("dual-write/")
        .filter_map(|(key, link)| {
            let environment = key.strip_prefix("dual-write/")?.strip_suffix("/link")?;
            Some((environment.to_owned(), link.clone()))
        })
        .find(|(_, link)| fits(link))
}

impl DualWrite<'_, '_> {
    /// The connection set.
    pub(crate) fn set(&self) -> Option<Value> {
        let link = self.draft.get(&link_key(&self.environment))?;
        Some(link["set"].clone())
    }

    /// Changes the connection set.
    pub(crate) fn change_set(&mut self, change: impl FnOnce(&mut Value)) {
        let key = link_key(&self.environment);
        if let Some(mut link) = self.draft.get(&key).cloned() {
            change(&mut link["set"]);
            self.draft.put(key, link);
        }
    }
}
