//! The names of users and teams that surveys have met: a plan and a report show them beside the ids
//! that the values of changes hold.

use std::collections::BTreeMap;
use std::sync::Mutex;

use crate::base::sync::lock;

/// Names by id.
#[derive(Debug, Default)]
pub struct KnownNames {
    names: Mutex<BTreeMap<String, String>>,
}

impl KnownNames {
    /// Remembers the name of the row with this id, as [`owner_id`](super::connections::owner_id)
    /// spells it.
    pub(crate) fn record(&self, id: &str, name: &str) {
        lock(&self.names).insert(id.to_owned(), name.to_owned());
    }

    /// Every name that is known so far.
    pub(crate) fn all(&self) -> BTreeMap<String, String> {
        lock(&self.names).clone()
    }
}
