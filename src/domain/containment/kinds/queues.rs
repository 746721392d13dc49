//! Queues that receive or send e-mail by their own columns. Their credentials are on a mailbox;
//! that these columns alone do anything is not documented, so they are closed too.

use async_trait::async_trait;
use serde_json::json;

use super::super::kind::SurfaceKind;
use super::super::scope::{STATE, Scope, integer, may_be_active, unread_columns};
use super::super::surface::{Closing, RowWrite, Surface, SurfaceState};
use crate::domain::names::text;
use crate::engine::Failure;

const TABLE: &str = "queue";

const COLUMNS: [&str; 5] = [
    "name",
    "emailaddress",
    "incomingemaildeliverymethod",
    "outgoingemaildeliverymethod",
    "statecode",
];

/// By which a queue acts: 0 is none.
const METHODS: [&str; 2] = ["incomingemaildeliverymethod", "outgoingemaildeliverymethod"];

const READ_IT: &str = "open the queue in the target; set its synchronization methods to None, or allow it \
                       by its name under `containment.allow`";

/// The kind.
pub(crate) struct Queues;

#[async_trait]
impl SurfaceKind for Queues {
    fn key(&self) -> &'static str {
        "queue"
    }

    fn title(&self) -> &'static str {
        "queues that send or receive e-mail"
    }

    async fn find(&self, scope: &Scope<'_>) -> Result<Vec<Surface>, Failure> {
        let rows = scope.rows(TABLE, &COLUMNS, None).await?;
        let acting = rows.into_iter().filter(|(_, row)| {
            let acts = |column: &&str| integer(&row.value, column) != Some(0);
            may_be_active(&row.value) && METHODS.iter().any(acts)
        });
        let surfaces = acting.map(|(id, row)| {
            let name = text(&row.value, "name").unwrap_or_else(|| id.to_string());
            let address = text(&row.value, "emailaddress").unwrap_or_default();
            let allowed = scope.policy.keeps_mailbox(&name, &address);
            let reach = format!("sends or receives e-mail as {address}");
            let is_known = |column: &&str| integer(&row.value, column).is_some_and(|it| it != 0);
            if !METHODS.iter().any(is_known)
                && let Some(why) = unread_columns(&row.value, &[METHODS[0], METHODS[1], STATE])
            {
                let state = SurfaceState::allowed_or_unclear(allowed, &why, READ_IT);
                return self.surface(&id, name, reach, state);
            }
            let (state, closing) = SurfaceState::allowed_or(allowed, || {
                let change = format!("turn off e-mail of queue '{name}'");
                let values = [
                    ("incomingemaildeliverymethod", json!(0)),
                    ("outgoingemaildeliverymethod", json!(0)),
                ];
                Closing::Set(RowWrite::new(TABLE, id, &row, change, values))
            });
            self.surface(&id, name, reach, (state, closing))
        });
        Ok(surfaces.collect())
    }
}
