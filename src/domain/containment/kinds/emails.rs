//! E-mail that waits to be sent: `statuscode` 6 (pending send) and 7 (sending), both of a completed
//! activity. It goes out when its sender's mailbox does; with mailboxes off it stays.

use async_trait::async_trait;

use super::super::kind::SurfaceKind;
use super::super::scope::Scope;
use super::super::surface::{Closing, Surface, SurfaceState};
use super::mailboxes::Sender;
use crate::base::text::list_first;
use crate::domain::names::text;
use crate::engine::Failure;

const TABLE: &str = "email";

/// How many mailboxes a line names.
const NAMED: usize = 5;

/// The state of what only a mailbox sends, and what a person can do about it. Takes its name, and the
/// address of its sender if that is known.
pub(super) async fn state_by_mailboxes(
    scope: &Scope<'_>,
    name: &str,
    sender: Option<&str>,
) -> Result<(SurfaceState, Closing), Failure> {
    let policy = &scope.policy;
    if let Some(by) = policy
        .keeps_mailboxes()
        .or_else(|| policy.allows_name(name))
    {
        return Ok((SurfaceState::Allowed(by), Closing::Nothing));
    }
    Ok(state_by(scope.senders().await?, sender))
}

/// The same. Takes the mailboxes that still send.
fn state_by(senders: &[Sender], sender: Option<&str>) -> (SurfaceState, Closing) {
    let closed = |how: &str| (SurfaceState::Closed(how.to_owned()), Closing::Nothing);
    if senders.is_empty() {
        return closed("mailboxes are off");
    }
    if let Some(sender) = sender {
        let its = |known: &&Sender| known.address.eq_ignore_ascii_case(sender);
        return match senders.iter().find(its) {
            Some(its) => {
                let by = format!("{}, with its sender's mailbox", its.by);
                (SurfaceState::Allowed(by), Closing::Nothing)
            }
            None => closed("its sender's mailbox is off"),
        };
    }
    let names: Vec<String> = senders
        .iter()
        .map(|sender| format!("'{}'", sender.name))
        .collect();
    let why = format!(
        "it may be sent by a mailbox that is left on: {}",
        list_first(&names, NAMED, ", ")
    );
    let remedy = "turn it off or cancel it in the target, or write its name under \
                  `containment.allow`";
    let closing = Closing::Finding(remedy.to_owned());
    (SurfaceState::Unclear(why), closing)
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
        let columns = ["subject", "sender", "statuscode"];
        let rows = scope.rows(TABLE, &columns, waiting).await?;
        let mut surfaces = Vec::new();
        for (id, row) in rows {
            let name = text(&row.value, "subject").unwrap_or_else(|| id.to_string());
            let sender = text(&row.value, "sender").filter(|sender| !sender.trim().is_empty());
            let (state, closing) = state_by_mailboxes(scope, &name, sender.as_deref()).await?;
            let reach = "is sent when its sender's mailbox sends".to_owned();
            surfaces.push(self.surface(&id, name, reach, (state, closing)));
        }
        Ok(surfaces)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_waiting_email_is_sent_by_its_senders_mailbox_alone() {
        let senders = [Sender {
            name: "Orders".to_owned(),
            address: "orders@contoso.com".to_owned(),
            by: "containment.allow: Orders".to_owned(),
        }];
        let of = |senders: &[Sender], sender| state_by(senders, sender).0.label();
        assert_eq!(of(&[], Some("orders@contoso.com")), "closed");
        assert_eq!(of(&[], None), "closed");
        assert_eq!(of(&senders, Some("Orders@contoso.com")), "allowed");
        assert_eq!(of(&senders, Some("ada@contoso.com")), "closed");
        // Whose mailbox sends it is not known.
        let (state, closing) = state_by(&senders, None);
        assert!(state.detail().is_some_and(|why| why.contains("'Orders'")));
        assert_eq!(state.label(), "unclear");
        assert!(matches!(closing, Closing::Finding(_)), "{closing:?}");
    }
}
