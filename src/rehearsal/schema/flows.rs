//! Cloud flows, connection references, connectors and environment variables.
//!
//! Columns and values are those of Microsoft Learn's Dataverse table reference.

use super::column::{Kind, OnDelete};
use super::table::Table;

/// The tables.
pub(super) fn tables() -> Vec<Table> {
    vec![
        workflow(),
        connection_reference(),
        connector(),
        environment_variable_definition(),
        environment_variable_value(),
        flow_run(),
    ]
}

fn workflow() -> Table {
    Table::of_platform(("Workflow", "workflows"), ("Process", "Processes"))
        .owned()
        .named("name", "Process Name", 100)
        .memo("description", "Description")
        .text("uniquename", "Unique Name", 256)
        .text("primaryentity", "Primary Entity", 128)
        .fixed("workflowidunique", "Process Id Unique", Kind::Identifier)
        .with("resourceid", "Resource Id", Kind::Identifier)
        .choice(
            "category",
            "Category",
            &[
                (0, "Workflow"),
                (1, "Dialog"),
                (2, "Business Rule"),
                (3, "Action"),
                (4, "Business Process Flow"),
                (5, "Modern Flow"),
                (6, "Desktop Flow"),
                (7, "AI Flow"),
            ],
        )
        .choice(
            "type",
            "Type",
            &[(1, "Definition"), (2, "Activation"), (3, "Template")],
        )
        .choice(
            "modernflowtype",
            "Modern Flow Type",
            &[(0, "PowerAutomateFlow"), (1, "CopilotStudioFlow")],
        )
        .memo("clientdata", "Client Data")
        .fixed(
            "suspensionreasondetails",
            "Suspension Reason",
            Kind::Text(500),
        )
        .component()
        .states(
            &[(0, "Draft"), (1, "Activated"), (2, "Suspended")],
            &[
                (1, "Draft", 0),
                (2, "Activated", 1),
                (3, "CompanyDLPViolation", 2),
            ],
        )
}

/// The run history of solution flows. The Flow service keeps the details of a run; rows appear late
/// or not at all.
fn flow_run() -> Table {
    Table::of_platform(("FlowRun", "flowruns"), ("Flow Run", "Flow Runs"))
        .owned()
        .named("name", "Name", 100)
        .text("status", "Status", 100)
        .text("triggertype", "Trigger Type", 100)
        .text("errorcode", "Error Code", 100)
        .memo("errormessage", "Error Message")
        .with("starttime", "Start Time", Kind::DateTime)
        .with("endtime", "End Time", Kind::DateTime)
        .with("duration", "Duration", Kind::BigInteger)
        .custom_lookup("Workflow", "Workflow", "workflow", OnDelete::Cascade)
}

fn connection_reference() -> Table {
    Table::of_platform(
        ("connectionreference", "connectionreferences"),
        ("Connection Reference", "Connection References"),
    )
    .owned()
    .named("connectionreferencedisplayname", "Display Name", 200)
    .text(
        "connectionreferencelogicalname",
        "Connection Reference Logical Name",
        200,
    )
    .text("connectorid", "Connector", 1000)
    .text("connectionid", "Connection", 1000)
    .text("description", "Description", 2000)
    .lookup(
        "customconnectorid",
        "Custom Connector",
        &["connector"],
        "CustomConnectorId",
    )
    .choice(
        "promptingbehavior",
        "Prompting Behavior",
        &[(0, "Prompt on import"), (1, "Skip prompting")],
    )
    .component()
    .active_or_inactive()
    .key(
        "connectionreferencelogicalname",
        &["connectionreferencelogicalname"],
    )
}

fn connector() -> Table {
    Table::of_platform(("connector", "connectors"), ("Connector", "Connectors"))
        .owned()
        .named("name", "Name", 500)
        .text("displayname", "Display Name", 500)
        .text("connectorinternalid", "Connector Internal ID", 400)
        .choice(
            "connectortype",
            "Connector Type",
            &[(0, "NotSpecified"), (1, "CustomConnector")],
        )
        .memo("openapidefinition", "Open API Definition")
        .component()
        .active_or_inactive()
}

fn environment_variable_definition() -> Table {
    Table::of_platform(
        (
            "EnvironmentVariableDefinition",
            "environmentvariabledefinitions",
        ),
        (
            "Environment Variable Definition",
            "Environment Variable Definitions",
        ),
    )
    .owned()
    .named("schemaname", "Schema Name", 100)
    .text("displayname", "Display Name", 100)
    .choice(
        "type",
        "Type",
        &[
            (100_000_000, "String"),
            (100_000_001, "Number"),
            (100_000_002, "Boolean"),
            (100_000_003, "JSON"),
            (100_000_004, "Data source"),
            (100_000_005, "Secret"),
        ],
    )
    .memo("defaultvalue", "Default Value")
    .with("isrequired", "Is Required", Kind::Boolean)
    .component()
    .active_or_inactive()
    .key("schemaname", &["schemaname"])
}

fn environment_variable_value() -> Table {
    let table = Table::of_platform(
        ("EnvironmentVariableValue", "environmentvariablevalues"),
        ("Environment Variable Value", "Environment Variable Values"),
    )
    .owned()
    .named("schemaname", "Schema Name", 100)
    .memo("value", "Value")
    .component()
    .active_or_inactive();
    table.custom_lookup(
        "EnvironmentVariableDefinitionId",
        "Environment Variable Definition",
        "environmentvariabledefinition",
        OnDelete::Cascade,
    )
}
