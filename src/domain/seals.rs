//! The seals' names, and what goes into them.
//!
//! A key is `where/table/id`: `source/workflow/…`, `target/msdyn_iomprovider/…`. Tables are written
//! by the word of the runbook where IOM's own name may differ in a tenant.

use serde_json::{Map, Value};
use uuid::Uuid;

use crate::clients::{Dataverse, Query, Row};
use crate::engine::{Captured, Failure, Known};

/// Before step 1 sends anything: what the copy will destroy, and what the source must become.
pub(crate) const BEFORE_COPY: &str = "before-copy";
/// Before step 5 clears anything: every orchestration and what its slots mean.
pub(crate) const ORCHESTRATIONS: &str = "orchestrations";
/// Before step 6 deletes anything: every provider and all that is configured for it.
pub(crate) const PROVIDERS: &str = "providers";

/// The rows of one table as captures: key `{prefix}/{id}`, the service's bytes verbatim.
pub(crate) fn captured(prefix: &str, primary_id: &str, rows: Vec<Row>) -> Vec<Captured> {
    rows.into_iter()
        .filter_map(|row| {
            let id = row.id(primary_id)?;
            Some(Captured {
                key: format!("{prefix}/{id}"),
                etag: row.etag,
                text: row.text,
                compared: None,
            })
        })
        .collect()
}

/// Every row of a table of one environment as captures; none where it has no such table.
pub(crate) async fn list(
    dataverse: &Dataverse,
    table: &str,
    prefix: &str,
) -> Result<Vec<Captured>, Failure> {
    let Some(table) = dataverse.table(table).await? else {
        return Ok(Vec::new());
    };
    let query = Query::new().order_by(&table.primary_id).annotated();
    let rows = dataverse.list(&table.entity_set, &query).await?;
    Ok(captured(prefix, &table.primary_id, rows))
}

/// The captures of a seal below a prefix, by row id. What is not a row is left out.
pub(crate) fn rows(known: &Known, seal: &str, prefix: &str) -> Vec<(Uuid, Map<String, Value>)> {
    known
        .captures(seal, &format!("{prefix}/"))
        .into_iter()
        .filter_map(|(rest, value)| match (Uuid::try_parse(&rest), value) {
            (Ok(id), Value::Object(row)) => Some((id, row)),
            _ => None,
        })
        .collect()
}
