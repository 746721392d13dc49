//! Mailboxes: they send, receive and synchronize while background operations are on, if the address
//! is approved and the mailbox was tested.

use serde_json::{Value, json};

use super::calls::{self, Call};
use super::hosts;
use crate::rehearsal::behaviour::environments;
use crate::rehearsal::behaviour::organization::{
    Organization, Row, lookup, number, set_state, text,
};

/// Server-side synchronization, for incoming and for outgoing mail.
const SERVER_SIDE: i64 = 2;
/// A forward mailbox: it reads the mail of many users.
const FORWARD: i64 = 3;

/// The server that a profile without addresses means: Exchange Online.
const EXCHANGE_ONLINE: &str = "outlook.office365.com";

/// Each mailbox that can act does so once.
pub(super) fn act_all(organization: &mut Organization<'_, '_>) {
    for mailbox in organization.rows("mailbox") {
        act(organization, &mailbox, "background operations are on");
    }
}

/// A mailbox that was changed acts if it can.
pub(super) fn after_change(organization: &mut Organization<'_, '_>, id: &str) {
    if let Some(mailbox) = organization
        .row("mailbox", id)
        .filter(|_| is_open(organization))
    {
        if mailbox.get("testemailconfigurationscheduled") == Some(&json!(true)) {
            test_and_enable(organization, &mailbox);
        }
        act(organization, &mailbox, "the mailbox was changed");
    }
}

/// The mailboxes of a changed profile act if they can.
pub(super) fn after_profile_change(organization: &mut Organization<'_, '_>, id: &str) {
    if is_open(organization) {
        for mailbox in organization.rows_referencing("mailbox", "emailserverprofile", id) {
            act(
                organization,
                &mailbox,
                "the e-mail server profile was changed",
            );
        }
    }
}

fn is_open(organization: &Organization<'_, '_>) -> bool {
    environments::runs_background_operations(organization.draft, &organization.environment)
}

/// The profile of a mailbox that can act.
fn profile_of_able(organization: &Organization<'_, '_>, mailbox: &Row) -> Option<Row> {
    let is = |column: &str| mailbox.get(column) == Some(&Value::Bool(true));
    let approved = is("isemailaddressapprovedbyo365admin")
        || number(mailbox, "emailrouteraccessapproval") == Some(1);
    let active = |row: &Row| number(row, "statecode") == Some(0);
    let profile = lookup(mailbox, "emailserverprofile")
        .and_then(|id| organization.row("emailserverprofile", id))
        .filter(active);
    profile.filter(|_| approved && active(mailbox))
}

fn act(organization: &mut Organization<'_, '_>, mailbox: &Row, why: &str) {
    let Some(profile) = profile_of_able(organization, mailbox) else {
        return;
    };
    let is = |column: &str| mailbox.get(column) == Some(&Value::Bool(true));
    let method = |column: &str| number(mailbox, column).unwrap_or_default();
    let (incoming, outgoing) = (
        method("incomingemaildeliverymethod"),
        method("outgoingemaildeliverymethod"),
    );
    let address = text(mailbox, "emailaddress").unwrap_or_default();
    let by = format!("mailbox '{address}'");
    let call = |organization: &mut Organization<'_, '_>, host: &str, what: &str| {
        let why = format!("{what}: {why}");
        let call = Call {
            by: by.clone(),
            host,
            with: Some(address),
            why: &why,
        };
        calls::record(organization, &call);
    };
    let receives = matches!(incoming, SERVER_SIDE | FORWARD) && is("enabledforincomingemail");
    if receives {
        call(
            organization,
            &location(&profile, "incomingserverlocation"),
            "receives mail",
        );
    }
    if method("actdeliverymethod") == 1 && is("enabledforact") {
        call(
            organization,
            &location(&profile, "incomingserverlocation"),
            "synchronizes",
        );
    }
    if outgoing == SERVER_SIDE && is("enabledforoutgoingemail") {
        let host = location(&profile, "outgoingserverlocation");
        for email in pending(organization, address) {
            let subject = text(&email, "subject").unwrap_or_default().to_owned();
            call(organization, &host, &format!("sends '{subject}'"));
            let id = text(&email, "activityid").unwrap_or_default();
            organization.change_row("email", id, |row| set_state(row, 1, 3));
        }
        call(organization, &host, "connects to send mail");
    }
}

/// The mail of an address that is pending or being sent.
fn pending(organization: &Organization<'_, '_>, address: &str) -> Vec<Row> {
    organization.rows_where("email", |row| {
        text(row, "sender") == Some(address)
            && number(row, "statuscode").is_some_and(|status| matches!(status, 6 | 7))
    })
}

fn location(profile: &Row, column: &str) -> String {
    let of = |column: &str| hosts::of_location(text(profile, column)?);
    of(column)
        .or_else(|| of("defaultserverlocation"))
        .unwrap_or_else(|| EXCHANGE_ONLINE.to_owned())
}

fn first_host(organization: &Organization<'_, '_>, column: &str, method: &str) -> Option<String> {
    let mailboxes = organization.rows_where("mailbox", |row| {
        number(row, method).is_some_and(|method| method >= SERVER_SIDE)
    });
    let mailbox = mailboxes.first()?;
    Some(location(&profile_of_able(organization, mailbox)?, column))
}

/// The server that sends this organization's mail, if it has a mailbox that sends.
pub(super) fn outgoing_host(organization: &Organization<'_, '_>) -> Option<String> {
    first_host(
        organization,
        "outgoingserverlocation",
        "outgoingemaildeliverymethod",
    )
}

/// The server that receives this organization's mail, if it has a mailbox that receives.
pub(super) fn incoming_host(organization: &Organization<'_, '_>) -> Option<String> {
    first_host(
        organization,
        "incomingserverlocation",
        "incomingemaildeliverymethod",
    )
}

/// *Test & Enable*: the mailbox takes the address over, and the rows of other environments with
/// this address are disabled (power-platform PR 2729).
fn test_and_enable(organization: &mut Organization<'_, '_>, mailbox: &Row) {
    let address = mailbox.get("emailaddress").cloned().unwrap_or_default();
    let own = format!("row/{}/", organization.id);
    let others: Vec<(String, Value)> = organization
        .draft
        .under("row/")
        .filter(|(key, row)| {
            key.contains("/mailbox/") && !key.starts_with(&own) && row["emailaddress"] == address
        })
        .map(|(key, row)| (key.to_owned(), row.clone()))
        .collect();
    for (key, mut row) in others {
        for column in ["enabledforincomingemail", "enabledforoutgoingemail"] {
            row[column] = json!(false);
        }
        organization.draft.put(key, row);
    }
}

/// An address that was changed is no longer approved (inferred from *Approve e-mail addresses*).
pub(in crate::rehearsal::behaviour) fn before_update(before: &Row, after: &mut Row) {
    if before.get("emailaddress") != after.get("emailaddress") {
        after.insert("isemailaddressapprovedbyo365admin".to_owned(), json!(false));
        after.insert("emailrouteraccessapproval".to_owned(), json!(2));
    }
}
