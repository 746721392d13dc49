//! Queues that receive or send e-mail by their own columns. Their credentials are on a mailbox;
//! that these columns alone do anything is not documented, so they are closed too.

use async_trait::async_trait;
use serde_json::json;

use super::super::kind::SurfaceKind;
use super::super::scope::{Scope, integer};
use super::super::surface::{Closing, RowWrite, Surface, SurfaceState};
use crate::domain::names::{is_active, text};
use crate::engine::Failure;

const TABLE: &str = "queue";

const COLUMNS: [&str; 5] = [
    "name",
    "emailaddress",
    "incomingemaildeliverymethod",
    "outgoingemaildeliverymethod",
    "statecode",
];

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
            let method = |column| integer(&row.value, column).unwrap_or(0);
            is_active(&row.value)
                && (method("incomingemaildeliverymethod") != 0
                    || method("outgoingemaildeliverymethod") != 0)
        });
        let surfaces = acting.map(|(id, row)| {
            let name = text(&row.value, "name").unwrap_or_else(|| id.to_string());
            let address = text(&row.value, "emailaddress").unwrap_or_default();
            let allowed = scope.policy.keeps_mailbox(&name, &address);
            let (state, closing) = SurfaceState::allowed_or(allowed, || {
                let change = format!("turn off e-mail of queue '{name}'");
                let values = [
                    ("incomingemaildeliverymethod", json!(0)),
                    ("outgoingemaildeliverymethod", json!(0)),
                ];
                Closing::Set(RowWrite::new(TABLE, id, &row, change, values))
            });
            let reach = format!("sends or receives e-mail as {address}");
            self.surface(&id, name, reach, (state, closing))
        });
        Ok(surfaces.collect())
    }
}
