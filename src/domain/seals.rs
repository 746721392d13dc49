//! The seals' names, and what goes into them.
//!
//! The first seal holds rows of both environments, so its keys begin with the side:
//! `source/workflow/<id>`, `target/provider/<id>`. The later seals hold rows of the target alone:
//! `provider/<id>`. A table of order management is written by the word that the runbook has for it,
//! because its logical name may differ in a tenant.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use serde_json::{Map, Value};
use uuid::Uuid;

use super::view::{View, every_whole_row};
use crate::base::sync::lock;
use crate::clients::{Dataverse, Query, Row, Table};
use crate::engine::{Failure, JournalView, ListedRow, Listing};

/// Before step 1 sends anything: what the copy will destroy, and what the source must become.
pub(crate) const BEFORE_COPY: &str = "before-copy";
/// Before step 2 closes anything: everything that could act on the outside world.
pub(crate) const SURFACES: &str = "surfaces";
/// Before step 4 replaces text: every cloud flow.
pub(crate) const FLOW_DEFINITIONS: &str = "flows";
/// Before step 5 clears anything: every orchestration and what its slots mean.
pub(crate) const ORCHESTRATIONS: &str = "orchestrations";
/// Before step 6 deletes anything: every provider and all that is configured for it.
pub(crate) const PROVIDERS: &str = "providers";

/// The captures of one environment in one seal.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Part {
    /// The source, in the first seal.
    Source,
    /// The target before the copy, in the first seal.
    Target,
    /// The target, in the seal of what could act on the outside world.
    Surfaces,
    /// The target, in the seal of flow definitions.
    FlowDefinitions,
    /// The target, in the seal of orchestrations.
    Orchestrations,
    /// The target, in the seal of providers.
    Providers,
}

impl Part {
    /// The name of the seal.
    pub(crate) fn seal(self) -> &'static str {
        match self {
            Self::Source | Self::Target => BEFORE_COPY,
            Self::Surfaces => SURFACES,
            Self::FlowDefinitions => FLOW_DEFINITIONS,
            Self::Orchestrations => ORCHESTRATIONS,
            Self::Providers => PROVIDERS,
        }
    }

    /// The key of a capture, or the beginning of keys: `workflow` is `source/workflow` in the first
    /// seal.
    pub(crate) fn key(self, rest: &str) -> String {
        match self {
            Self::Source => format!("source/{rest}"),
            Self::Target => format!("target/{rest}"),
            Self::Surfaces | Self::FlowDefinitions | Self::Orchestrations | Self::Providers => {
                rest.to_owned()
            }
        }
    }
}

/// The rows of one table as captures: key `{prefix}/{id}`, the service's bytes verbatim.
pub(crate) fn to_captures(prefix: &str, primary_id: &str, rows: Vec<Row>) -> Vec<ListedRow> {
    let rows = rows.into_iter();
    rows.filter_map(|row| to_capture(prefix, primary_id, row))
        .collect()
}

/// One row as a capture.
fn to_capture(prefix: &str, primary_id: &str, row: Row) -> Option<ListedRow> {
    let id = row.id(primary_id)?;
    Some(ListedRow {
        key: format!("{prefix}/{id}"),
        etag: row.etag,
        text: row.text,
        compared: None,
    })
}

/// What is read of each row of a table.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Extent {
    /// Everything, as it is sealed.
    Whole,
    /// Its id and its version, to compare two listings.
    Version,
}

/// Every row of a table of one environment as captures; none if it has no such table. A table whose
/// rows have no versions is always read whole.
pub(crate) async fn capture_table(
    dataverse: &Dataverse,
    table: &str,
    prefix: &str,
    extent: Extent,
) -> Result<Listing, Failure> {
    let Some(table) = dataverse.table(table).await? else {
        return Ok(Listing::default());
    };
    if extent == Extent::Version {
        let query = Query::new().order_by(&table.primary_id);
        let query = query.select(&[table.primary_id.as_str()]);
        let listing = list_captures(dataverse, &table, prefix, &query).await?;
        if listing.has_versions() {
            return Ok(listing);
        }
    }
    list_captures(dataverse, &table, prefix, &every_whole_row(&table)).await
}

/// Adds a row to a listing as it arrives: of the whole table only the packed texts are in memory.
fn pack(listing: &Mutex<Listing>, prefix: &str, primary_id: &str, row: Row) -> Option<()> {
    let captured = to_capture(prefix, primary_id, row)?;
    lock(listing).push(captured);
    None
}

async fn list_captures(
    dataverse: &Dataverse,
    table: &Table,
    prefix: &str,
    query: &Query,
) -> Result<Listing, Failure> {
    let listing = Mutex::new(Listing::default());
    let capture = |row| pack(&listing, prefix, &table.primary_id, row);
    dataverse
        .list_mapped(&table.entity_set, query, capture)
        .await?;
    Ok(listing.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// The rows of a table that a filter selects as captures.
pub(crate) async fn capture_rows(
    view: View<'_>,
    table: &str,
    prefix: &str,
    filter: &str,
) -> Result<Listing, Failure> {
    let primary_id = view.table(table).await?.primary_id.clone();
    let listing = Mutex::new(Listing::default());
    let capture = |row| pack(&listing, prefix, &primary_id, row);
    view.rows_mapped(table, Some(filter.to_owned()), capture)
        .await?;
    Ok(listing.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// The same rows as they are, for a small table.
pub(crate) async fn list_table(
    dataverse: &Dataverse,
    table: &str,
    prefix: &str,
) -> Result<Vec<ListedRow>, Failure> {
    let Some(table) = dataverse.table(table).await? else {
        return Ok(Vec::new());
    };
    let query = every_whole_row(&table);
    let rows = dataverse.list(&table.entity_set, &query).await?;
    Ok(to_captures(prefix, &table.primary_id, rows))
}

/// The captures whose keys begin so, by the rest of their keys.
pub(crate) fn captures(journal: &JournalView, part: Part, prefix: &str) -> Vec<(String, Value)> {
    sealed_captures(journal, part.seal(), &part.key(prefix))
}

/// The same for any seal, by whole beginnings of keys.
pub(crate) fn sealed_captures(
    journal: &JournalView,
    seal: &str,
    prefix: &str,
) -> Vec<(String, Value)> {
    let captures = journal.captures(seal, prefix).into_iter();
    captures
        .map(|(rest, value)| (rest, Arc::unwrap_or_clone(value)))
        .collect()
}

/// Is there a capture whose key begins so?
pub(crate) fn has_captures(journal: &JournalView, part: Part, prefix: &str) -> bool {
    journal.has_captures(part.seal(), &part.key(prefix))
}

/// A captured row, shared with everyone who reads it.
#[derive(Clone, Debug)]
pub(crate) struct CapturedRow(Arc<Value>);

impl CapturedRow {
    /// The row, if this capture is one.
    fn new(value: Arc<Value>) -> Option<Self> {
        value.is_object().then_some(Self(value))
    }

    /// The row as a value that can be changed.
    pub(crate) fn into_fields(self) -> Map<String, Value> {
        match Arc::unwrap_or_clone(self.0) {
            Value::Object(fields) => fields,
            _ => Map::new(),
        }
    }
}

impl Deref for CapturedRow {
    type Target = Map<String, Value>;

    fn deref(&self) -> &Self::Target {
        static EMPTY: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);
        self.0.as_object().unwrap_or(&EMPTY)
    }
}

/// The captured rows of a table, by id. A capture that is not a row is left out.
pub(crate) fn rows(journal: &JournalView, part: Part, table: &str) -> Vec<(Uuid, CapturedRow)> {
    let mut rows = Vec::new();
    each_row(journal, part, table, |id, row| rows.push((id, row)));
    rows
}

/// The ids of the captured rows of a table, without reading the rows.
pub(crate) fn ids(journal: &JournalView, part: Part, table: &str) -> Vec<Uuid> {
    let keys = journal.capture_keys(part.seal(), &part.key(&format!("{table}/")));
    keys.iter()
        .filter_map(|id| Uuid::try_parse(id).ok())
        .collect()
}

/// The same rows by id, to be changed: for small tables.
pub(crate) fn fields_by_id(
    journal: &JournalView,
    part: Part,
    table: &str,
) -> BTreeMap<Uuid, Map<String, Value>> {
    let rows = rows(journal, part, table).into_iter();
    rows.map(|(id, row)| (id, row.into_fields())).collect()
}

/// Passes on the same rows one after the other: for tables of any size.
pub(crate) fn each_row(
    journal: &JournalView,
    part: Part,
    table: &str,
    mut each: impl FnMut(Uuid, CapturedRow),
) {
    let prefix = part.key(&format!("{table}/"));
    journal.each_capture(part.seal(), &prefix, |rest, value| {
        if let (Ok(id), Some(row)) = (Uuid::try_parse(rest), CapturedRow::new(value)) {
            each(id, row);
        }
    });
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::clients::testing::{Listener, Reply, Setup};

    /// The rows of a table can be large, and the first of two listings keeps none of them.
    #[tokio::test]
    async fn a_listing_of_versions_reads_no_more_than_ids_unless_rows_have_no_versions() {
        let id = Uuid::from_u128(7);
        for (has_versions, lists) in [(true, 1), (false, 2)] {
            let mut row = json!({ "ruleid": id, "text": "long" });
            if has_versions {
                row["@odata.etag"] = json!("W/\"7\"");
            }
            let page = json!({ "value": [row] });
            let table = json!({"LogicalName": "rule", "EntitySetName": "rules",
                "PrimaryIdAttribute": "ruleid", "Attributes": [], "ManyToOneRelationships": []});
            let listener = Listener::start(move |request, _| {
                let is_list = request.path.contains("/rules?");
                Reply::json(200, if is_list { &page } else { &table })
            })
            .await;
            let setup = Setup::new(1_000.0);
            let source = Dataverse::new(setup.service(&listener.url));
            let listed = capture_table(&source, "rule", "rules", Extent::Version).await;
            let listed = listed.unwrap();
            assert_eq!(listed.len(), 1);
            assert_eq!(listed.has_versions(), has_versions);
            let received = listener.received();
            let paths = received.iter().map(|request| request.path.as_str());
            let paths: Vec<&str> = paths.filter(|path| path.contains("/rules?")).collect();
            assert_eq!(paths.len(), lists, "{paths:?}");
            assert!(paths[0].contains("$select=ruleid&"), "{paths:?}");
            let is_whole = |path: &&str| !path.contains("$select");
            assert_eq!(paths.iter().any(is_whole), !has_versions, "{paths:?}");
        }
    }
}
