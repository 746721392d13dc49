//! The seals' names, and what goes into them.
//!
//! The first seal holds rows of both environments, so its keys begin with the side:
//! `source/workflow/<id>`, `target/provider/<id>`. The later seals hold rows of the target alone:
//! `provider/<id>`. A table of order management is written by the word that the runbook has for it,
//! because its logical name may differ in a tenant.

use serde_json::{Map, Value};
use uuid::Uuid;

use crate::clients::{Dataverse, Query, Row};
use crate::engine::{Failure, JournalView, ListedRow};

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
    rows.into_iter()
        .filter_map(|row| {
            let id = row.id(primary_id)?;
            Some(ListedRow {
                key: format!("{prefix}/{id}"),
                etag: row.etag,
                text: row.text,
                compared: None,
            })
        })
        .collect()
}

/// Every row of a table of one environment as captures; none where it has no such table.
pub(crate) async fn capture_table(
    dataverse: &Dataverse,
    table: &str,
    prefix: &str,
) -> Result<Vec<ListedRow>, Failure> {
    let Some(table) = dataverse.table(table).await? else {
        return Ok(Vec::new());
    };
    let query = Query::new().order_by(&table.primary_id).annotated();
    let rows = dataverse.list(&table.entity_set, &query).await?;
    Ok(to_captures(prefix, &table.primary_id, rows))
}

/// The captures whose keys begin so, by the rest of their keys.
pub(crate) fn captures(journal: &JournalView, part: Part, prefix: &str) -> Vec<(String, Value)> {
    journal.captures(part.seal(), &part.key(prefix))
}

/// The captured rows of a table, by id. A capture that is not a row is left out.
pub(crate) fn rows(
    journal: &JournalView,
    part: Part,
    table: &str,
) -> Vec<(Uuid, Map<String, Value>)> {
    captures(journal, part, &format!("{table}/"))
        .into_iter()
        .filter_map(|(rest, value)| match (Uuid::try_parse(&rest), value) {
            (Ok(id), Value::Object(row)) => Some((id, row)),
            _ => None,
        })
        .collect()
}
