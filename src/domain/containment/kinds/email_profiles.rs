//! E-mail server profiles: how mailboxes reach their server. An active one can mail an alert to its
//! owner by itself; without one no mailbox can be enabled.

use std::collections::BTreeSet;

use async_trait::async_trait;
use serde_json::json;

use super::super::hosts::hosts_of_address;
use super::super::kind::SurfaceKind;
use super::super::scope::{STATE, Scope, may_be_active, unread_columns};
use super::super::surface::{Closing, RowWrite, Surface, SurfaceState};
use crate::domain::names::text;
use crate::engine::Failure;

const TABLE: &str = "emailserverprofile";

const COLUMNS: [&str; 7] = [
    "name",
    "defaultserverlocation",
    "incomingserverlocation",
    "outgoingserverlocation",
    "sendemailalert",
    "statecode",
    "statuscode",
];

const READ_IT: &str = "open the profile in the target and deactivate it there, or allow it by its name \
                       under `containment.allow`";

/// The kind.
pub(crate) struct EmailProfiles;

#[async_trait]
impl SurfaceKind for EmailProfiles {
    fn key(&self) -> &'static str {
        "email-server-profile"
    }

    fn title(&self) -> &'static str {
        "e-mail server profiles"
    }

    async fn find(&self, scope: &Scope<'_>) -> Result<Vec<Surface>, Failure> {
        let rows = scope.rows(TABLE, &COLUMNS, None).await?;
        let mut surfaces = Vec::new();
        for (id, row) in rows {
            if !may_be_active(&row.value) {
                continue;
            }
            let name = text(&row.value, "name").unwrap_or_else(|| id.to_string());
            let locations = [
                "defaultserverlocation",
                "incomingserverlocation",
                "outgoingserverlocation",
            ];
            let locations = locations
                .iter()
                .filter_map(|column| text(&row.value, column));
            let hosts: BTreeSet<String> = locations
                .flat_map(|location| hosts_of_address(&location))
                .collect();
            let servers = if hosts.is_empty() {
                "a server".to_owned()
            } else {
                hosts.iter().cloned().collect::<Vec<_>>().join(", ")
            };
            let allowed = scope.policy.allows(&name, &hosts);
            let allowed = allowed.or_else(|| scope.policy.keeps_mailboxes());
            let reach = format!("connects mailboxes to {servers}");
            if let Some(why) = unread_columns(&row.value, &[STATE]) {
                let state = SurfaceState::allowed_or_unclear(allowed, &why, READ_IT);
                surfaces.push(self.surface(&id, name, reach, state));
                continue;
            }
            let (state, closing) = SurfaceState::allowed_or(allowed, || {
                let change = format!("deactivate e-mail server profile '{name}'");
                let values = [
                    ("sendemailalert", json!(false)),
                    ("statecode", json!(1)),
                    ("statuscode", json!(2)),
                ];
                Closing::Set(RowWrite::new(TABLE, id, &row, change, values))
            });
            surfaces.push(self.surface(&id, name, reach, (state, closing)));
        }
        Ok(surfaces)
    }
}
