//! What the tests of several files use.

use std::collections::BTreeMap;

use uuid::Uuid;

/// The id of the one known action.
pub(super) const OLD: &str = "20000000-0000-4000-8000-000000000301";

pub(super) fn actions() -> BTreeMap<Uuid, String> {
    BTreeMap::from([(Uuid::try_parse(OLD).unwrap(), "Bulk Upload".to_owned())])
}
