//! `reconfigure-connections`, and the connections that step 6 names as well.

use super::fields::Fields;
use super::scalar::{parse_guid, text};
use super::{Binder, Field};
use crate::runbook::model::options::{
    ConnectionChoice, ConnectionChoices, Owner, ReconfigureConnections,
};
use crate::runbook::source::Located;
use crate::runbook::tree::Content;

pub(super) fn reconfigure_connections(
    binder: &mut Binder<'_>,
    fields: &mut Fields<'_>,
) -> Option<ReconfigureConnections> {
    let owner = fields.optional(binder, "owner", owner);
    let connections = fields.or(binder, "connections", ConnectionChoices::new(), connections);
    Some(ReconfigureConnections {
        owner: owner?,
        connections: connections?,
    })
}

fn owner(binder: &mut Binder<'_>, field: Field<'_>) -> Option<Located<Owner>> {
    let help = "write `owner: { user: NAME@DOMAIN }` or `owner: { team: NAME }`";
    if matches!(field.node.content, Content::Text { .. }) {
        binder.wrong_kind(field, "a user or a team", help);
        return None;
    }
    let mut fields = Fields::open(binder, field, help)?;
    let user = fields.optional(binder, "user", user);
    let team = fields.optional(binder, "team", text);
    let all_known = fields.close(binder);
    let owner = match (user?, team?) {
        (Some(user), None) => Owner::User(user.value),
        (None, Some(team)) => Owner::Team(team.value),
        (Some(_), Some(_)) => {
            binder.error(field.key, "`owner` names a user and a team", help);
            return None;
        }
        // A misspelled key was reported; it is why nobody is named.
        (None, None) if !all_known => return None,
        (None, None) => {
            binder.error(field.key, "`owner` names nobody", help);
            return None;
        }
    };
    Some(Located::new(owner, field.key))
}

/// A user by user principal name or object id.
pub(super) fn user(binder: &mut Binder<'_>, field: Field<'_>) -> Option<Located<String>> {
    let user = text(binder, field)?;
    let is_name = user.split_once('@').is_some_and(|(name, domain)| {
        !name.is_empty() && domain.contains('.') && !user.contains(char::is_whitespace)
    });
    if is_name || parse_guid(&user).is_some() {
        return Some(user);
    }
    let help = "write a user principal name, `svc-iom@contoso.com`, or an object id";
    binder.not_a(field, "a user", help);
    None
}

/// Connections by reference or connector: a connection id, or `{ account: … }`.
pub(super) fn connections(binder: &mut Binder<'_>, field: Field<'_>) -> Option<ConnectionChoices> {
    let entries = binder.entries(field, "write `shared_bigcommerce: CONNECTION ID`")?;
    binder.each(entries, |binder, field| {
        let choice = match &field.node.content {
            Content::Map(_) => {
                let help = "write `{ account: NAME@DOMAIN }`";
                let mut fields = Fields::open(binder, field, help)?;
                let account = fields.required(binder, "account", "account: NAME@DOMAIN", text);
                fields.close(binder);
                account.map(|account| account.map(ConnectionChoice::Account))
            }
            _ => connection_id(binder, field),
        };
        Some((field.name.to_owned(), choice?))
    })
}

/// A connection's id is an opaque text; a pasted address of one is the usual mistake.
fn connection_id(binder: &mut Binder<'_>, field: Field<'_>) -> Option<Located<ConnectionChoice>> {
    let id = text(binder, field)?;
    if id.contains(|c: char| c == '/' || c.is_whitespace() || c.is_control()) {
        let quoted = binder.quoted(id.span, &id);
        let message = format!("{quoted} is not a connection id");
        let help = "of the connection's address, write the part after the connector's name; or \
                    `{ account: NAME@DOMAIN }`";
        binder.error(id.span, message, help);
        return None;
    }
    Some(id.map(ConnectionChoice::Id))
}
