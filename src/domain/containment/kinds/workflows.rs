//! Classic workflows (`workflow`, category 0) and actions of the customer's own processes (category
//! 3) that are on and call an address or send e-mail. A
//! copy leaves them on: Microsoft Learn says only that cloud flows arrive off. A background
//! workflow runs when background operations do; a real-time one also in administration mode
//! (inferred).

use async_trait::async_trait;
use serde_json::json;

use super::super::hosts::hosts_in;
use super::super::kind::SurfaceKind;
use super::super::scope::{Scope, integer};
use super::super::surface::{Closing, RowWrite, Surface, SurfaceState};
use super::emails::state_by_mailboxes;
use crate::clients::Row;
use crate::domain::keys;
use crate::domain::names::text;
use crate::engine::Failure;

const TABLE: &str = "workflow";

const COLUMNS: [&str; 7] = [
    "name",
    "statecode",
    "statuscode",
    "mode",
    "xaml",
    "ismanaged",
    "iscustomizable",
];

/// Definitions of classic workflows and of actions that are on.
const ON: &str = "(category eq 0 or category eq 3) and type eq 1 and statecode eq 1";

/// Namespaces of the definition's own language, which name a host and reach nothing.
const LANGUAGE: [&str; 2] = ["schemas.microsoft.com", "schemas.openxmlformats.org"];

const UNREADABLE: &str = "its definition cannot be read, so what it reaches is unknown";

const READ_IT: &str = "open it in the maker portal; turn it off there if it reaches production, or allow \
                       it by its name under `containment.allow`";

/// The kind.
pub(crate) struct Workflows;

#[async_trait]
impl SurfaceKind for Workflows {
    fn key(&self) -> &'static str {
        "classic-workflow"
    }

    fn title(&self) -> &'static str {
        "classic workflows and actions that call an address or send e-mail"
    }

    fn phase(&self) -> Option<&'static str> {
        Some(keys::DISABLE_STEPS)
    }

    async fn find(&self, scope: &Scope<'_>) -> Result<Vec<Surface>, Failure> {
        let rows = scope.rows(TABLE, &COLUMNS, Some(ON)).await?;
        let mut surfaces = Vec::new();
        for (id, row) in &rows {
            surfaces.extend(self.judge(scope, *id, row).await?);
        }
        Ok(surfaces)
    }
}

impl Workflows {
    async fn judge(
        &self,
        scope: &Scope<'_>,
        id: uuid::Uuid,
        row: &Row,
    ) -> Result<Option<Surface>, Failure> {
        let name = text(&row.value, "name").unwrap_or_else(|| id.to_string());
        let manner = match integer(&row.value, "mode") {
            Some(1) => "at once",
            _ => "in the background",
        };
        let Some(xaml) = text(&row.value, "xaml") else {
            let allowed = scope.policy.allows_name(&name);
            let allowed = allowed.or_else(|| scope.policy.keeps_everything());
            let state = SurfaceState::allowed_or_unclear(allowed, UNREADABLE, READ_IT);
            return Ok(Some(self.surface(
                &id,
                name,
                format!("runs {manner}"),
                state,
            )));
        };
        let mut hosts = hosts_in(&xaml);
        hosts.retain(|host| !LANGUAGE.contains(&host.as_str()));
        let named = scope.names_production(&xaml);
        let mails = xaml.contains("SendEmail");
        if hosts.is_empty() && named.is_empty() && !mails {
            return Ok(None);
        }
        let mut reach: Vec<String> = hosts.iter().cloned().chain(named.clone()).collect();
        if mails {
            reach.push("e-mail".to_owned());
        }
        let only_mails = hosts.is_empty() && named.is_empty();
        let allowed = scope.allows(&name, (&xaml, &hosts));
        let allowed = allowed.or_else(|| scope.policy.keeps_everything());
        let (state, closing) = if allowed.is_none() && only_mails {
            state_by_mailboxes(scope, &name, None).await?
        } else {
            SurfaceState::allowed_or(allowed, || {
                let change = format!("turn off classic workflow '{name}'");
                let values = [("statecode", json!(0)), ("statuscode", json!(1))];
                Closing::Set(RowWrite::new(TABLE, id, row, change, values))
            })
        };
        let reach = format!("reaches {} {manner}", reach.join(", "));
        Ok(Some(self.surface(&id, name, reach, (state, closing))))
    }
}
