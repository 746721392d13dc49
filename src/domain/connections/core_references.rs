//! Dataverse's own connection references, which flows use.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::connector_name;
use crate::domain::RefreshContext;
use crate::domain::names::{Fields, text};
use crate::domain::view::{SourceRows, View, source_rows};
use crate::engine::Failure;

/// An active connection reference of Dataverse.
pub(crate) struct CoreReference {
    pub(crate) id: Uuid,
    pub(crate) logical_name: String,
    pub(crate) connector: String,
    pub(crate) row: Fields,
}

/// The columns of a reference that the program uses.
const COLUMNS: [&str; 7] = [
    "connectionreferencelogicalname",
    "connectionreferencedisplayname",
    "connectorid",
    "connectionid",
    "statecode",
    "statuscode",
    "_ownerid_value",
];

/// The rows of the connection references that a filter selects, by id, with the columns that the
/// program uses.
pub(crate) async fn reference_rows(
    view: View<'_>,
    filter: Option<&str>,
) -> Result<BTreeMap<Uuid, Fields>, Failure> {
    let table = view.table("connectionreference").await?;
    view.selected_fields(&table, &COLUMNS, filter).await
}

/// The rows of the source's connection references, read one after the other.
pub(crate) async fn source_reference_rows(refresh: &RefreshContext) -> Result<SourceRows, Failure> {
    source_rows(refresh, "connectionreference", &COLUMNS, None).await
}

/// Every active connection reference, with the columns that the program uses.
pub(crate) async fn core_references(view: View<'_>) -> Result<Vec<CoreReference>, Failure> {
    let rows = reference_rows(view, Some("statecode eq 0")).await?;
    Ok(rows
        .into_iter()
        .filter_map(|(id, row)| {
            Some(CoreReference {
                id,
                logical_name: text(&row, "connectionreferencelogicalname")?,
                connector: connector_name(&text(&row, "connectorid").unwrap_or_default()),
                row,
            })
        })
        .collect())
}
