//! Trigger registrations of cloud flows (`callbackregistration`): the address that Dataverse calls
//! when a row changes. It can be written and not read, so whose flow a copied registration calls is
//! not known: probably the source's. It has no state, only a deletion ends it, and a deleted one
//! cannot be restored; a flow registers again when it is turned on (inferred).

use async_trait::async_trait;

use super::super::kind::SurfaceKind;
use super::super::scope::Scope;
use super::super::surface::{Closing, RowRemoval, Surface, SurfaceState};
use crate::domain::names::text;
use crate::engine::Failure;
use crate::runbook::Callbacks as CallbacksOption;

const TABLE: &str = "callbackregistration";

const COLUMNS: [&str; 4] = ["name", "entityname", "message", "scope"];

/// The kind.
pub(crate) struct Callbacks;

#[async_trait]
impl SurfaceKind for Callbacks {
    fn key(&self) -> &'static str {
        "callback"
    }

    fn title(&self) -> &'static str {
        "trigger registrations of flows that the copy brought"
    }

    async fn find(&self, scope: &Scope<'_>) -> Result<Vec<Surface>, Failure> {
        let rows = scope.rows(TABLE, &COLUMNS, None).await?;
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        // Flows that this refresh turned on have their own registrations.
        let in_source = scope.ids_in_source(TABLE, None).await?;
        let mut surfaces = Vec::new();
        for (id, row) in rows {
            let key = format!("{}/{id}", self.key());
            if !scope.is_copied(&key, id, &in_source) {
                continue;
            }
            let name = text(&row.value, "name").unwrap_or_else(|| id.to_string());
            let table = text(&row.value, "entityname");
            let table = table.unwrap_or_else(|| "a table that cannot be read".to_owned());
            let allowed = scope.policy.allows_name(&name);
            let (state, closing) = match allowed.or_else(|| scope.policy.keeps_callbacks()) {
                Some(by) => (SurfaceState::Allowed(by), Closing::Nothing),
                None if scope.policy.callbacks() == CallbacksOption::Remove => {
                    let change = format!("delete trigger registration '{name}' of {table}");
                    let removal = RowRemoval::new(TABLE, id, &row, change);
                    (SurfaceState::Open, Closing::Remove(removal))
                }
                None => (
                    SurfaceState::Unclear(UNCLEAR.to_owned()),
                    Closing::Finding(REMEDY.to_owned()),
                ),
            };
            let reach = format!("calls a flow when a row of {table} changes");
            surfaces.push(self.surface(&id, name, reach, (state, closing)));
        }
        Ok(surfaces)
    }
}

const UNCLEAR: &str = "its address cannot be read; it may call the source's flow";

const REMEDY: &str = "write `callbacks: remove` under `containment` to delete them (flows register \
                      again when they are turned on), or `callbacks: keep`";
