//! E-mail that waits to be sent: `statuscode` 6 (pending send) and 7 (sending), both of a completed
//! activity. It goes out when its sender's mailbox does; with mailboxes off it stays.

use async_trait::async_trait;

use super::super::kind::SurfaceKind;
use super::super::scope::Scope;
use super::super::surface::{Closing, Surface, SurfaceState};
use crate::domain::names::text;
use crate::engine::Failure;

const TABLE: &str = "email";

/// The state of what only a mailbox sends.
pub(super) fn state_by_mailboxes(scope: &Scope<'_>) -> SurfaceState {
    match scope.policy.keeps_mailboxes() {
        Some(by) => SurfaceState::Allowed(by),
        None => SurfaceState::Closed("mailboxes are off".to_owned()),
    }
}

/// The kind.
pub(crate) struct WaitingEmails;

#[async_trait]
impl SurfaceKind for WaitingEmails {
    fn key(&self) -> &'static str {
        "waiting-email"
    }

    fn title(&self) -> &'static str {
        "e-mails that wait to be sent"
    }

    async fn find(&self, scope: &Scope<'_>) -> Result<Vec<Surface>, Failure> {
        let waiting = Some("statuscode eq 6 or statuscode eq 7");
        let rows = scope
            .rows(TABLE, &["subject", "statuscode"], waiting)
            .await?;
        let state = state_by_mailboxes(scope);
        let surfaces = rows.into_iter().map(|(id, row)| Surface {
            kind: self.key(),
            id: id.to_string(),
            name: text(&row.value, "subject").unwrap_or_else(|| id.to_string()),
            reach: "is sent when its sender's mailbox sends".to_owned(),
            state: state.clone(),
            closing: Closing::Nothing,
        });
        Ok(surfaces.collect())
    }
}
