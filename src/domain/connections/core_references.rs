//! Dataverse's own connection references, which flows use.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::{connector_name, owner_id};
use crate::domain::RefreshContext;
use crate::domain::names::{Fields, text};
use crate::domain::view::{SourceRows, View, source_rows};
use crate::engine::Failure;

/// An active connection reference of Dataverse. Its row would take several times the memory, and
/// there may be thousands.
pub(crate) struct CoreReference {
    pub(crate) id: Uuid,
    pub(crate) logical_name: String,
    pub(crate) connector: String,
    pub(crate) connection: Option<String>,
    pub(crate) owner: Option<String>,
    pub(crate) etag: Option<String>,
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

/// What `map` keeps of the row of each connection reference, by id.
pub(crate) async fn map_references<T>(
    view: View<'_>,
    map: impl Fn(&Fields) -> Option<T>,
) -> Result<BTreeMap<Uuid, T>, Failure> {
    let table = view.table("connectionreference").await?;
    view.selected_by_id(&table, &COLUMNS, None, |_, row| map(&row))
        .await
}

/// The rows of the source's connection references, read one after the other.
pub(crate) async fn source_reference_rows(refresh: &RefreshContext) -> Result<SourceRows, Failure> {
    source_rows(refresh, "connectionreference", &COLUMNS, None).await
}

/// Every active connection reference, with the columns that the program uses.
pub(crate) async fn core_references(view: View<'_>) -> Result<Vec<CoreReference>, Failure> {
    let table = view.table("connectionreference").await?;
    let reference = |id, row: Fields| {
        Some(CoreReference {
            id,
            logical_name: text(&row, "connectionreferencelogicalname")?,
            connector: connector_name(&text(&row, "connectorid").unwrap_or_default()),
            connection: text(&row, "connectionid"),
            owner: owner_id(&row),
            etag: text(&row, "@odata.etag"),
        })
    };
    let references = view.selected_by_id(&table, &COLUMNS, Some("statecode eq 0"), reference);
    Ok(references.await?.into_values().collect())
}
