//! Tables of the platform: organization, users, solutions, jobs.
//!
//! Columns and values are those of Microsoft Learn's Dataverse table reference.

use super::column::Kind;
use super::table::{Intersect, Table};

/// The tables.
pub(super) fn tables() -> Vec<Table> {
    let mut tables = users_and_teams();
    tables.extend(roles());
    tables.extend(solutions());
    tables.push(
        Table::of_platform(
            ("Organization", "organizations"),
            ("Organization", "Organizations"),
        )
        .named("name", "Organization Name", 160)
        .fixed("isdisabled", "Is Organization Disabled", Kind::Boolean)
        .fixed("disabledreason", "Disabled Reason", Kind::Text(500))
        .with(
            "flowruntimetoliveinseconds",
            "Flow Run Time To Live",
            Kind::Integer,
        )
        .with("languagecode", "Language", Kind::Integer)
        .with("isauditenabled", "Is Auditing Enabled", Kind::Boolean),
    );
    tables.push(asynchronous_operation());
    tables
}

/// The many-to-many relationships.
pub(super) fn intersects() -> Vec<Intersect> {
    let pair = |name: &str, table: &str, first: &str, second: &str| Intersect {
        name: name.to_owned(),
        table: table.to_owned(),
        sides: [
            (first.to_owned(), format!("{first}id")),
            (second.to_owned(), format!("{second}id")),
        ],
    };
    vec![
        pair(
            "systemuserroles_association",
            "systemuserroles",
            "systemuser",
            "role",
        ),
        pair(
            "teammembership_association",
            "teammembership",
            "systemuser",
            "team",
        ),
        pair("teamroles_association", "teamroles", "team", "role"),
    ]
}

fn users_and_teams() -> Vec<Table> {
    vec![
        Table::of_platform(
            ("BusinessUnit", "businessunits"),
            ("Business Unit", "Business Units"),
        )
        .named("name", "Name", 160)
        .lookup(
            "parentbusinessunitid",
            "Parent Business",
            &["businessunit"],
            "parentbusinessunitid",
        )
        .with("isdisabled", "Is Disabled", Kind::Boolean),
        Table::of_platform(("SystemUser", "systemusers"), ("User", "Users"))
            .named("fullname", "Full Name", 200)
            .text("domainname", "User Name", 1024)
            .text("internalemailaddress", "Primary Email", 100)
            .with(
                "azureactivedirectoryobjectid",
                "Entra ID Object ID",
                Kind::Identifier,
            )
            .with("applicationid", "Application ID", Kind::Identifier)
            .with("isdisabled", "Status", Kind::Boolean)
            .choice(
                "accessmode",
                "Access Mode",
                &[
                    (0, "Read-Write"),
                    (1, "Administrative"),
                    (2, "Read"),
                    (3, "Support User"),
                    (4, "Non-interactive"),
                    (5, "Delegated Admin"),
                ],
            )
            .with("islicensed", "User Licensed", Kind::Boolean)
            .lookup(
                "businessunitid",
                "Business Unit",
                &["businessunit"],
                "businessunitid",
            ),
        Table::of_platform(("Team", "teams"), ("Team", "Teams"))
            .named("name", "Team Name", 160)
            .choice(
                "teamtype",
                "Team Type",
                &[
                    (0, "Owner"),
                    (1, "Access"),
                    (2, "Security Group"),
                    (3, "Office Group"),
                ],
            )
            .fixed("isdefault", "Is Default", Kind::Boolean)
            .with(
                "azureactivedirectoryobjectid",
                "Object Id for a group",
                Kind::Identifier,
            )
            .lookup(
                "businessunitid",
                "Business Unit",
                &["businessunit"],
                "businessunitid",
            ),
    ]
}

fn roles() -> Vec<Table> {
    vec![
        Table::of_platform(
            ("RoleTemplate", "roletemplates"),
            ("Role Template", "Role Templates"),
        )
        .named("name", "Name", 100),
        Table::of_platform(("Role", "roles"), ("Security Role", "Security Roles"))
            .named("name", "Name", 100)
            .lookup(
                "businessunitid",
                "Business Unit",
                &["businessunit"],
                "businessunitid",
            )
            .lookup(
                "roletemplateid",
                "Role Template",
                &["roletemplate"],
                "roletemplateid",
            )
            .lookup(
                "parentrootroleid",
                "Parent Root Role",
                &["role"],
                "parentrootroleid",
            )
            .fixed("ismanaged", "Is Managed", Kind::Boolean),
        pairs(
            "SystemUserRoles",
            "systemuserrolescollection",
            ["systemuserid", "roleid"],
        ),
        pairs(
            "TeamMembership",
            "teammemberships",
            ["systemuserid", "teamid"],
        ),
        pairs("TeamRoles", "teamrolescollection", ["teamid", "roleid"]),
    ]
}

fn pairs(schema_name: &str, set: &str, columns: [&str; 2]) -> Table {
    let [first, second] = columns;
    Table::of_platform((schema_name, set), (schema_name, schema_name))
        .fixed(first, first, Kind::Identifier)
        .fixed(second, second, Kind::Identifier)
}

fn solutions() -> Vec<Table> {
    vec![
        Table::of_platform(("Solution", "solutions"), ("Solution", "Solutions"))
            .named("friendlyname", "Display Name", 256)
            .text("uniquename", "Name", 65)
            .text("version", "Version", 256)
            .fixed("ismanaged", "Package Type", Kind::Boolean)
            .fixed("isvisible", "Is Visible Outside Platform", Kind::Boolean)
            .fixed("installedon", "Installed On", Kind::DateTime),
        Table::of_platform(
            ("SolutionComponent", "solutioncomponents"),
            ("Solution Component", "Solution Components"),
        )
        .fixed("objectid", "Regarding", Kind::Identifier)
        .choice(
            "componenttype",
            "Object Type Code",
            &[
                (1, "Entity"),
                (29, "Workflow"),
                (380, "Environment Variable Definition"),
                (381, "Environment Variable Value"),
                (10_163, "Connection Reference"),
            ],
        )
        .lookup("solutionid", "Solution", &["solution"], "solutionid")
        .fixed("rootcomponentbehavior", "Include Behavior", Kind::Integer)
        .fixed("ismetadata", "Is this component metadata", Kind::Boolean),
        Table::of_platform(("CustomAPI", "customapis"), ("Custom API", "Custom APIs"))
            .named("name", "Name", 100)
            .text("uniquename", "Unique Name", 128)
            .text("boundentitylogicalname", "Bound Entity Logical Name", 100)
            .with("isfunction", "Is Function", Kind::Boolean)
            .choice(
                "bindingtype",
                "Binding Type",
                &[(0, "Global"), (1, "Entity"), (2, "EntityCollection")],
            ),
    ]
}

fn asynchronous_operation() -> Table {
    Table::of_platform(
        ("AsyncOperation", "asyncoperations"),
        ("System Job", "System Jobs"),
    )
    .owned()
    .named("name", "System Job Name", 256)
    .choice(
        "operationtype",
        "System Job Type",
        &[
            (10, "Workflow"),
            (54, "Execute Async Request"),
            (75, "Flow Notification"),
            (101, "Update Modern Flow"),
        ],
    )
    .fixed("startedon", "Started On", Kind::DateTime)
    .fixed("completedon", "Completed On", Kind::DateTime)
    .with("errorcode", "Error Code", Kind::Integer)
    .memo("message", "Message")
    .memo("friendlymessage", "Friendly Message")
    .lookup(
        "regardingobjectid",
        "Regarding",
        &["connectionreference", "workflow"],
        "regardingobjectid",
    )
    .states(
        &[
            (0, "Ready"),
            (1, "Suspended"),
            (2, "Locked"),
            (3, "Completed"),
        ],
        &[
            (0, "Waiting For Resources", 0),
            (10, "Waiting", 1),
            (20, "In Progress", 2),
            (21, "Pausing", 2),
            (22, "Canceling", 2),
            (30, "Succeeded", 3),
            (31, "Failed", 3),
            (32, "Canceled", 3),
        ],
    )
}
