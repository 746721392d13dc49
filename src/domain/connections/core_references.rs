//! Dataverse's own connection references, which flows use.

use uuid::Uuid;

use super::connector_name;
use crate::domain::names::Fields;
use crate::domain::view::View;
use crate::engine::Failure;

/// An active connection reference of Dataverse.
pub(crate) struct CoreReference {
    pub(crate) id: Uuid,
    pub(crate) logical_name: String,
    pub(crate) connector: String,
    pub(crate) row: Fields,
}

/// Every active connection reference.
pub(crate) async fn core_references(view: View<'_>) -> Result<Vec<CoreReference>, Failure> {
    let rows = view
        .rows_where("connectionreference", Some("statecode eq 0".to_owned()))
        .await?;
    Ok(rows
        .into_iter()
        .filter_map(|row| {
            Some(CoreReference {
                id: row.id("connectionreferenceid")?,
                logical_name: row.string("connectionreferencelogicalname")?.to_owned(),
                connector: connector_name(row.string("connectorid").unwrap_or_default()),
                row: row.value,
            })
        })
        .collect())
}
