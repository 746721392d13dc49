//! Plug-in steps (`sdkmessageprocessingstep`): what Dataverse calls when a row is written. Two kinds
//! of surface read them.
//!
//! A step is enabled by `statecode` 0. Synchronous steps run in administration mode too (Microsoft
//! Learn, *Administration mode*: it stops asynchronous operations, plug-ins continue).

use serde_json::json;
use uuid::Uuid;

use super::super::Closing;
use super::super::scope::{STATE, Scope, integer, may_be_active, unread_columns};
use super::super::surface::{RowWrite, Surface, SurfaceState};
use crate::clients::Row;
use crate::domain::names::{lookup, text};
use crate::engine::Failure;

pub(super) const TABLE: &str = "sdkmessageprocessingstep";

const READ_IT: &str = "look at the step in the target (Plug-in Registration Tool) and disable it there, or \
                       allow it by its name under `containment.allow`";

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

/// A step that is enabled, or may be.
pub(super) struct PlugInStep {
    pub(super) id: Uuid,
    pub(super) name: String,
    pub(super) handler: Option<Uuid>,
    /// Does it have a configuration that nobody can read?
    pub(super) has_secret: bool,
    pub(super) row: Row,
}

/// Every step that is enabled, or whose state cannot be read.
pub(super) async fn enabled(scope: &Scope<'_>) -> Result<Vec<PlugInStep>, Failure> {
    let rows = scope.rows(TABLE, &COLUMNS, None).await?;
    let enabled = rows
        .into_iter()
        .filter(|(_, row)| may_be_active(&row.value));
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

    /// The surface of this step. One that would be open is unclear if its state cannot be read: it may
    /// be disabled, and no write of its state could be proved.
    pub(super) fn surface(
        &self,
        kind: &'static str,
        reach: String,
        mut state: SurfaceState,
        mut closing: Closing,
    ) -> Surface {
        if state == SurfaceState::Open
            && let Some(why) = unread_columns(&self.row.value, &[STATE])
        {
            (state, closing) = SurfaceState::allowed_or_unclear(None, &why, READ_IT);
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_whose_state_cannot_be_read_is_unclear() {
        let state = |value: serde_json::Value| {
            let step = PlugInStep {
                id: Uuid::from_u128(1),
                name: "Audit".to_owned(),
                handler: None,
                has_secret: false,
                row: Row {
                    etag: None,
                    text: value.to_string(),
                    value: value.as_object().unwrap().clone(),
                },
            };
            let surface = step.surface(
                "webhook",
                "calls 'Audit'".to_owned(),
                SurfaceState::Open,
                step.disable(),
            );
            may_be_active(&step.row.value).then(|| surface.state.label())
        };
        assert_eq!(state(json!({"statecode": 0})), Some("open"));
        assert_eq!(state(json!({"statecode": 1})), None);
        assert_eq!(state(json!({"statecode": null})), Some("unclear"));
        assert_eq!(state(json!({})), Some("unclear"));
    }
}
