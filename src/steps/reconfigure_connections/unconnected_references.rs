//! References without a connection in the target before the copy: the step empties them again.
//!
//! The copy brings the id of the source's connection, which does not exist in the target, so
//! nothing works with it; but a row that names it looks connected.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use uuid::Uuid;

use super::compared_fields;
use crate::clients::{Row, Table};
use crate::domain::connections::core_references::CoreReference;
use crate::domain::names::text;
use crate::domain::row_changes::{Request, surveyed_row_set, surveyed_version};
use crate::domain::seals::{self, Part};
use crate::domain::{RefreshContext, keys};
use crate::engine::{Action, Change, DerivedFromSeal, JournalView};

const TABLE: &str = "connectionreference";

/// The connections of both sides' references before the copy, by logical name.
pub(super) struct Recorded {
    source: BTreeMap<String, Option<String>>,
    target: BTreeMap<String, Option<String>>,
}

impl DerivedFromSeal for Recorded {
    const SEAL: &'static str = seals::BEFORE_COPY;
    type Given<'a> = ();

    fn derive(journal: &JournalView, (): ()) -> Self {
        let side = |part| {
            let mut recorded = BTreeMap::new();
            seals::each_row(journal, part, TABLE, |_, row| {
                if let Some(name) = text(&row, "connectionreferencelogicalname") {
                    let connection = text(&row, "connectionid").filter(|it| !it.is_empty());
                    recorded.insert(name.to_ascii_lowercase(), connection);
                }
            });
            recorded
        };
        Self {
            source: side(Part::Source),
            target: side(Part::Target),
        }
    }
}

impl Recorded {
    /// Does a reference have the source's connection now, and had the target none? Without a record
    /// of both it is unknown, and nothing is emptied.
    fn was_empty(&self, logical_name: &str, connection: &str) -> bool {
        let name = logical_name.to_ascii_lowercase();
        let source = self.source.get(&name).and_then(Option::as_deref);
        source.is_some_and(|source| source.eq_ignore_ascii_case(connection))
            && self.target.get(&name) == Some(&None)
    }
}

/// Empties the connection of a reference that the runbook does not name, if it was empty.
pub(super) fn empty_again(
    refresh: &Arc<RefreshContext>,
    table: &Table,
    reference: &CoreReference,
    recorded: &Recorded,
    acting_as: Option<Uuid>,
) -> Option<Change> {
    let connection = reference.connection.as_ref()?;
    if !recorded.was_empty(&reference.logical_name, connection) {
        return None;
    }
    let logical_name = &reference.logical_name;
    let body = json!({ "connectionid": Value::Null });
    let request = Request::patch(&table.entity_set, reference.id, &body).acting_as(acting_as);
    let before = json!({ "connection": connection, "owner": reference.owner });
    let surveyed = surveyed_version(table, &before, reference.etag.clone());
    Some(Change {
        key: keys::connection_reference(logical_name),
        name: format!(
            "empty connection reference '{logical_name}', which had no connection in the target"
        ),
        before: before.into(),
        after: json!({ "connection": Value::Null, "owner": reference.owner }).into(),
        follows: Vec::new(),
        action: Action::Set(surveyed_row_set(
            refresh,
            &table.entity_set,
            (reference.id, surveyed),
            |row: Option<&Row>| {
                row.map_or(Value::Null, |row| {
                    compared_fields(&row.value, "connectionid")
                })
            },
            request,
            Duration::from_mins(1),
        )),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_sources_connection_is_emptied_and_only_where_the_target_had_none() {
        let side = |list: &[(&str, Option<&str>)]| {
            let pairs = list.iter();
            pairs
                .map(|(name, id)| ((*name).to_owned(), id.map(str::to_owned)))
                .collect()
        };
        let recorded = Recorded {
            source: side(&[
                ("mail", Some("PROD")),
                ("shop", Some("prod-2")),
                ("new", Some("prod-3")),
            ]),
            target: side(&[("mail", None), ("shop", Some("uat"))]),
        };
        assert!(recorded.was_empty("Mail", "prod"));
        assert!(!recorded.was_empty("mail", "set-by-hand"));
        assert!(!recorded.was_empty("shop", "prod-2"));
        assert!(
            !recorded.was_empty("new", "prod-3"),
            "unknown to the target"
        );
    }
}
