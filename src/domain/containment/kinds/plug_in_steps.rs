//! Plug-in steps (`sdkmessageprocessingstep`): what Dataverse calls when a row is written. Two kinds
//! of surface read them.
//!
//! A step is enabled by `statecode` 0. Synchronous steps run in administration mode too (Microsoft
//! Learn, *Administration mode*: it stops asynchronous operations, plug-ins continue).

use serde_json::json;
use uuid::Uuid;

use super::super::Closing;
use super::super::scope::{Scope, integer};
use super::super::surface::{RowWrite, Surface, SurfaceState};
use crate::clients::Row;
use crate::domain::names::{lookup, text};
use crate::engine::Failure;

pub(super) const TABLE: &str = "sdkmessageprocessingstep";

/// The columns that are read. The secure configuration is another table's, and never read.
const COLUMNS: [&str; 9] = [
    "name",
    "_sdkmessageprocessingstepsecureconfigid_value",
    "statecode",
    "statuscode",
    "mode",
    "configuration",
    "_eventhandler_value",
    "ismanaged",
    "iscustomizable",
];

/// A step that is enabled.
pub(super) struct PlugInStep {
    pub(super) id: Uuid,
    pub(super) name: String,
    pub(super) handler: Option<Uuid>,
    /// Does it have a configuration that nobody can read?
    pub(super) has_secret: bool,
    pub(super) row: Row,
}

/// Every step that is enabled.
pub(super) async fn enabled(scope: &Scope<'_>) -> Result<Vec<PlugInStep>, Failure> {
    let rows = scope.rows(TABLE, &COLUMNS, None).await?;
    let enabled = rows
        .into_iter()
        .filter(|(_, row)| integer(&row.value, "statecode") == Some(0));
    let steps = enabled.map(|(id, row)| PlugInStep {
        id,
        name: text(&row.value, "name").unwrap_or_else(|| id.to_string()),
        handler: lookup(&row.value, "eventhandler"),
        has_secret: lookup(&row.value, "sdkmessageprocessingstepsecureconfigid").is_some(),
        row,
    });
    Ok(steps.collect())
}

impl PlugInStep {
    /// `synchronously` or `asynchronously`, and whether it may refuse.
    pub(super) fn manner(&self) -> String {
        let mode = match integer(&self.row.value, "mode") {
            Some(0) => "synchronously, also in administration mode",
            Some(1) => "asynchronously",
            _ => "in a mode that is not known",
        };
        let is_managed = self.row.boolean("ismanaged") == Some(true);
        let managed = if is_managed {
            "; part of a managed solution, which may refuse to be disabled"
        } else {
            ""
        };
        format!("{mode}{managed}")
    }

    /// The closing that disables it.
    pub(super) fn disable(&self) -> Closing {
        Closing::Set(self.disabling())
    }

    /// The write that disables it.
    pub(super) fn disabling(&self) -> RowWrite {
        RowWrite::new(
            TABLE,
            self.id,
            &self.row,
            format!("disable plug-in step '{}'", self.name),
            [("statecode", json!(1)), ("statuscode", json!(2))],
        )
    }

    /// The surface of this step.
    pub(super) fn surface(
        &self,
        kind: &'static str,
        reach: String,
        state: SurfaceState,
        closing: Closing,
    ) -> Surface {
        Surface {
            kind,
            id: self.id.to_string(),
            name: self.name.clone(),
            reach,
            state,
            closing,
        }
    }
}
