//! Service level agreements (`sla`) that are active: a warning or a failure of one may send e-mail
//! (inferred; its workflow is a separate surface). State 0 is a draft, 1 is active.

use async_trait::async_trait;
use serde_json::json;

use super::super::kind::SurfaceKind;
use super::super::scope::Scope;
use super::super::surface::{Closing, RowWrite, Surface, SurfaceState};
use crate::domain::keys;
use crate::domain::names::text;
use crate::engine::Failure;

const TABLE: &str = "sla";

const COLUMNS: [&str; 5] = [
    "name",
    "statecode",
    "statuscode",
    "ismanaged",
    "iscustomizable",
];

const ACTIVE: &str = "statecode eq 1";

/// The kind.
pub(crate) struct Slas;

#[async_trait]
impl SurfaceKind for Slas {
    fn key(&self) -> &'static str {
        "sla"
    }

    fn title(&self) -> &'static str {
        "service level agreements"
    }

    /// A written row starts their timers.
    fn phase(&self) -> Option<&'static str> {
        Some(keys::DISABLE_STEPS)
    }

    async fn find(&self, scope: &Scope<'_>) -> Result<Vec<Surface>, Failure> {
        let rows = scope.rows(TABLE, &COLUMNS, Some(ACTIVE)).await?;
        let surfaces = rows.into_iter().map(|(id, row)| {
            let name = text(&row.value, "name").unwrap_or_else(|| id.to_string());
            let allowed = scope.policy.allows_name(&name);
            let allowed = allowed.or_else(|| scope.policy.keeps_mailboxes());
            let (state, closing) = SurfaceState::allowed_or(allowed, || {
                let change = format!("deactivate service level agreement '{name}'");
                let values = [("statecode", json!(0)), ("statuscode", json!(1))];
                Closing::Set(RowWrite::new(TABLE, id, &row, change, values))
            });
            let reach = "may send e-mail when a time limit nears or passes".to_owned();
            self.surface(&id, name, reach, (state, closing))
        });
        Ok(surfaces.collect())
    }
}
