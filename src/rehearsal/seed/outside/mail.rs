//! Mailboxes that send and receive, their server profiles, a queue, and mail that waits.

use serde_json::{Value, json};

use super::super::Seeder;
use super::super::ids::{self, id};
use crate::rehearsal::behaviour::organization::lookup_value;

pub(super) fn insert(seeder: &mut Seeder<'_, '_>) {
    insert_profiles(seeder);
    insert_mailboxes(seeder);
    let queue = json!({
        "name": "Orders", "emailaddress": "orders@contoso.com",
        "incomingemaildeliverymethod": 2, "outgoingemaildeliverymethod": 2,
        "defaultmailbox": lookup_value("mailbox", &id("ea", 1)),
    });
    seeder.insert("queue", &id("eb", 1), queue);
    let email = json!({
        "subject": "Order 1001 is on its way", "sender": "orders@contoso.com",
        "torecipients": "customer@example.com;", "directioncode": true,
        "statecode": 1, "statuscode": 6,
    });
    seeder.insert("email", &id("ec", 1), email);
}

fn insert_profiles(seeder: &mut Seeder<'_, '_>) {
    for (number, row) in [
        (
            1,
            json!({
                "name": "Contoso Exchange", "servertype": 0,
                "defaultserverlocation": "https://mail.contoso.com/EWS/Exchange.asmx",
                "incomingcredentialretrieval": 1, "incomingusername": "iom@contoso.com",
                "incomingpassword": "rehearsal-only-password", "isincomingpasswordset": true,
                "sendemailalert": true,
            }),
        ),
        (
            2,
            json!({
                "name": "Contoso SMTP", "servertype": 1,
                "incomingserverlocation": "pop.contoso.com",
                "outgoingserverlocation": "smtp.contoso.com",
                "incomingcredentialretrieval": 0, "sendemailalert": false,
            }),
        ),
    ] {
        seeder.insert("emailserverprofile", &id("e9", number), row);
    }
}

fn insert_mailboxes(seeder: &mut Seeder<'_, '_>) {
    let mailbox = |name: &str, address: &str, profile: u32, methods: [i64; 3]| {
        json!({
            "name": name, "emailaddress": address,
            "emailserverprofile": lookup_value("emailserverprofile", &id("e9", profile)),
            "incomingemaildeliverymethod": methods[0],
            "outgoingemaildeliverymethod": methods[1],
            "actdeliverymethod": methods[2],
            "enabledforincomingemail": methods[0] != 0,
            "enabledforoutgoingemail": methods[1] != 0,
            "enabledforact": methods[2] == 1,
            "incomingemailstatus": i32::from(methods[0] != 0),
            "outgoingemailstatus": i32::from(methods[1] != 0),
            "actstatus": i32::from(methods[2] == 1),
            "isemailaddressapprovedbyo365admin": true, "emailrouteraccessapproval": 1,
            "isforwardmailbox": methods[0] == 3, "processanddeleteemails": methods[0] == 3,
            "testemailconfigurationscheduled": false, "officeappsdeploymentscheduled": false,
        })
    };
    let user = |number| lookup_value("systemuser", &seeder.side.user(number));
    let queue = lookup_value("queue", &id("eb", 1));
    let rows: [(u32, Value, Value); 4] = [
        (
            1,
            mailbox("Orders", "orders@contoso.com", 1, [2, 2, 2]),
            queue,
        ),
        (
            2,
            mailbox("Cleo Clerk", "cleo@contoso.com", 1, [2, 2, 1]),
            user(ids::CLERK),
        ),
        (
            3,
            mailbox("Forwarded mail", "forward@contoso.com", 2, [3, 0, 2]),
            Value::Null,
        ),
        // Does nothing, and must stay as it is.
        (
            4,
            mailbox("Ada Admin", "ada@contoso.com", 2, [0, 0, 2]),
            user(ids::ADA),
        ),
    ];
    for (number, mut row, regarding) in rows {
        row["regardingobjectid"] = regarding;
        seeder.insert("mailbox", &id("ea", number), row);
    }
}
