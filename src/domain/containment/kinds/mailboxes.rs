//! Mailboxes: what sends, receives and synchronises. A mailbox whose delivery methods are *None*
//! does nothing. Its address is not touched, because an approval may be lost with it, and nothing
//! tests and enables it: one Exchange address synchronises with one environment, and *Test & Enable*
//! would take it from production.

use async_trait::async_trait;
use serde_json::json;

use super::super::kind::SurfaceKind;
use super::super::scope::{STATE, Scope, integer, may_be_active, unread_columns};
use super::super::sealed_state::waiver;
use super::super::surface::{Closing, RowWrite, Surface, SurfaceState};
use crate::domain::keys;
use crate::domain::names::{Fields, text};
use crate::engine::Failure;
use crate::runbook::StepName;

const TABLE: &str = "mailbox";

const COLUMNS: [&str; 7] = [
    "name",
    "emailaddress",
    "incomingemaildeliverymethod",
    "outgoingemaildeliverymethod",
    "actdeliverymethod",
    "testemailconfigurationscheduled",
    "statecode",
];

/// What decides whether a mailbox acts.
const METHODS: [&str; 4] = [
    "incomingemaildeliverymethod",
    "outgoingemaildeliverymethod",
    "actdeliverymethod",
    STATE,
];

const READ_IT: &str = "open the mailbox in the target; set its synchronization methods to None, or allow \
                       it by its name under `containment.allow`";

/// The kind.
pub(crate) struct Mailboxes;

/// A mailbox that sends although mailboxes are turned off.
pub(in crate::domain::containment) struct Sender {
    pub(super) name: String,
    pub(super) address: String,
    /// The entry or the waiver that allows it.
    pub(super) by: String,
}

/// The mailboxes that still send, because the runbook or a waiver allows them one by one. None is
/// read if nothing can be allowed.
pub(in crate::domain::containment) async fn senders(
    scope: &Scope<'_>,
) -> Result<Vec<Sender>, Failure> {
    let task = keys::task(StepName::ExitAdministrationMode, keys::CONTAIN);
    let is_waived = scope
        .journal
        .is_some_and(|journal| journal.is_waived(&task));
    if !is_waived && !scope.policy.allows_something() {
        return Ok(Vec::new());
    }
    let columns = [
        "name",
        "emailaddress",
        "outgoingemaildeliverymethod",
        "statecode",
    ];
    let rows = scope.rows(TABLE, &columns, None).await?;
    let senders = rows.into_iter().filter_map(|(id, row)| {
        let sends = integer(&row.value, "outgoingemaildeliverymethod") != Some(0);
        if !sends || !may_be_active(&row.value) {
            return None;
        }
        let name = text(&row.value, "name").unwrap_or_else(|| id.to_string());
        let address = text(&row.value, "emailaddress").unwrap_or_default();
        let waiver = || waiver(scope.journal?, Mailboxes.key(), &id.to_string());
        let by = scope
            .policy
            .keeps_mailbox(&name, &address)
            .or_else(waiver)?;
        Some(Sender { name, address, by })
    });
    Ok(senders.collect())
}

/// What a mailbox does by itself. Delivery methods: 0 none, 1 Outlook, 2 the server, 3 a forward
/// mailbox; of appointments: 0 Outlook, 1 the server, 2 none. Outlook is a person's program, but
/// `incoming` and `outgoing` are closed with it, as Microsoft's checklist for copies does.
fn acts(row: &Fields) -> Vec<&'static str> {
    let method = |column: &str| integer(row, column).unwrap_or(0);
    let mut acts = Vec::new();
    if method("outgoingemaildeliverymethod") != 0 {
        acts.push("sends e-mail");
    }
    if method("incomingemaildeliverymethod") != 0 {
        acts.push("receives e-mail");
    }
    if method("actdeliverymethod") == 1 {
        acts.push("synchronises appointments");
    }
    if row.get("testemailconfigurationscheduled") == Some(&json!(true)) {
        acts.push("is about to be tested and enabled");
    }
    acts
}

#[async_trait]
impl SurfaceKind for Mailboxes {
    fn key(&self) -> &'static str {
        "mailbox"
    }

    fn title(&self) -> &'static str {
        "mailboxes"
    }

    async fn find(&self, scope: &Scope<'_>) -> Result<Vec<Surface>, Failure> {
        let rows = scope.rows(TABLE, &COLUMNS, None).await?;
        let mut surfaces = Vec::new();
        for (id, row) in rows {
            if !may_be_active(&row.value) {
                continue;
            }
            let acts = acts(&row.value);
            let name = text(&row.value, "name").unwrap_or_else(|| id.to_string());
            let address = text(&row.value, "emailaddress").unwrap_or_default();
            let allowed = scope.policy.keeps_mailbox(&name, &address);
            if acts.is_empty() {
                if let Some(why) = unread_columns(&row.value, &METHODS) {
                    let state = SurfaceState::allowed_or_unclear(allowed, &why, READ_IT);
                    let reach = format!("may send or receive e-mail as {address}");
                    surfaces.push(self.surface(&id, name, reach, state));
                }
                continue;
            }
            let (state, closing) = SurfaceState::allowed_or(allowed, || {
                let change = format!("turn off mailbox '{name}'");
                let values = [
                    ("incomingemaildeliverymethod", json!(0)),
                    ("outgoingemaildeliverymethod", json!(0)),
                    ("actdeliverymethod", json!(2)),
                    ("testemailconfigurationscheduled", json!(false)),
                ];
                Closing::Set(RowWrite::new(TABLE, id, &row, change, values))
            });
            let reach = format!("{} as {address}", acts.join(", "));
            surfaces.push(self.surface(&id, name, reach, (state, closing)));
        }
        Ok(surfaces)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mailbox_whose_methods_or_state_cannot_be_read_may_act() {
        let why = |value: serde_json::Value| {
            let row = value.as_object().unwrap().clone();
            let is_clear = acts(&row).is_empty() && may_be_active(&row);
            is_clear.then(|| unread_columns(&row, &METHODS)).flatten()
        };
        let off = json!({"incomingemaildeliverymethod": 0, "outgoingemaildeliverymethod": 0,
            "actdeliverymethod": 2, "statecode": 0});
        assert_eq!(why(off.clone()), None);
        for column in METHODS {
            let mut row = off.clone();
            row.as_object_mut().unwrap().remove(column);
            assert_eq!(why(row.clone()), Some(format!("{column} cannot be read")));
            row[column] = serde_json::Value::Null;
            assert_eq!(why(row), Some(format!("{column} cannot be read")));
        }
        let inactive = json!({"statecode": 1});
        assert_eq!(why(inactive), None);
    }

    #[test]
    fn a_mailbox_without_delivery_methods_does_nothing() {
        let acts = |value: serde_json::Value| acts(value.as_object().unwrap()).len();
        assert_eq!(acts(json!({"actdeliverymethod": 0})), 0);
        assert_eq!(
            acts(
                json!({"incomingemaildeliverymethod": 0, "outgoingemaildeliverymethod": 0,
                "actdeliverymethod": 2, "testemailconfigurationscheduled": false})
            ),
            0
        );
        assert_eq!(
            acts(
                json!({"incomingemaildeliverymethod": 3, "outgoingemaildeliverymethod": 2,
                "actdeliverymethod": 1, "testemailconfigurationscheduled": true})
            ),
            4
        );
    }
}
