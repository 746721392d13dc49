//! The set-up tables of Intelligent Order Management.
//!
//! The logical names of provider, definition and their connections, parameters and transformations,
//! of logic definition, policy, rule and designer are public (Microsoft Learn, Intelligent Order
//! Management: application lifecycle management); the other tables and the columns are invented.
//! Logic types are Microsoft's (create a new provider).

use super::column::{Kind, OnDelete};
use super::table::Table;

const DEFINITION: &str = "msdyn_iomproviderdefinition";
const PROVIDER: &str = "msdyn_iomprovider";

/// The tables.
pub(super) fn tables() -> Vec<Table> {
    let mut tables = library();
    tables.extend(providers());
    tables.extend(orchestrations());
    tables
}

fn table(schema_name: &str, set: &str, display: (&str, &str)) -> Table {
    Table::of_solution((schema_name, set), display)
        .owned()
        .named("msdyn_name", "Name", 200)
}

fn definition_child(schema_name: &str, set: &str, display: (&str, &str)) -> Table {
    table(schema_name, set, display)
        .text("msdyn_logicalname", "Logical Name", 200)
        .custom_lookup(
            "msdyn_ProviderDefinitionId",
            "Provider Definition",
            DEFINITION,
            OnDelete::Cascade,
        )
        .active_or_inactive()
}

fn library() -> Vec<Table> {
    vec![
        table(
            "msdyn_IOMProviderDefinition",
            "msdyn_iomproviderdefinitions",
            ("Provider Definition", "Provider Definitions"),
        )
        .text("msdyn_logicalname", "Logical Name", 200)
        .memo("msdyn_description", "Description")
        .choice(
            "msdyn_servicetype",
            "Service Type",
            &[
                (192_350_000, "Order Intake"),
                (192_350_001, "Fulfillment"),
                (192_350_002, "Delivery"),
                (192_350_003, "Tax Service"),
                (192_350_004, "Insights"),
                (192_350_005, "Unspecified"),
            ],
        )
        .with("msdyn_isactive", "Is Active", Kind::Boolean)
        .active_or_inactive()
        .key("msdyn_logicalname", &["msdyn_logicalname"]),
        definition_child(
            "msdyn_IOMProviderDefinitionConnectionRef",
            "msdyn_iomproviderdefinitionconnectionrefs",
            (
                "Provider Definition Connection Reference",
                "Provider Definition Connection References",
            ),
        )
        .text("msdyn_connectorid", "Connector", 1000),
        definition_child(
            "msdyn_IOMProviderDefinitionParameter",
            "msdyn_iomproviderdefinitionparameters",
            (
                "Provider Definition Parameter",
                "Provider Definition Parameters",
            ),
        )
        .text("msdyn_defaultvalue", "Default Value", 4000)
        .with("msdyn_issecret", "Is Secret", Kind::Boolean),
        definition_child(
            "msdyn_IOMProviderDefinitionTransformation",
            "msdyn_iomproviderdefinitiontransformations",
            (
                "Provider Definition Transformation",
                "Provider Definition Transformations",
            ),
        )
        .memo("msdyn_transformation", "Transformation"),
        logic_definition(),
    ]
}

fn logic_definition() -> Table {
    definition_child(
        "msdyn_IOMProviderDefinitionLogicDefinition",
        "msdyn_iomproviderdefinitionlogicdefinitions",
        (
            "Provider Definition Logic Definition",
            "Provider Definition Logic Definitions",
        ),
    )
    .choice(
        "msdyn_logictype",
        "Logic Type",
        &[
            (192_350_000, "Message Handler"),
            (192_350_001, "Provider Action"),
            (192_350_002, "Child Flow"),
            (192_350_003, "Message Puller"),
        ],
    )
    .with("msdyn_timeoutminutes", "Timeout Minutes", Kind::Integer)
    .with(
        "msdyn_maxretryattempts",
        "Max Retry Attempts",
        Kind::Integer,
    )
    .memo("msdyn_clientdata", "Client Data")
}

fn provider_child(schema_name: &str, set: &str, display: (&str, &str)) -> Table {
    table(schema_name, set, display).custom_lookup(
        "msdyn_ProviderId",
        "Provider",
        PROVIDER,
        OnDelete::Cascade,
    )
}

fn providers() -> Vec<Table> {
    vec![
        table(
            "msdyn_IOMProvider",
            "msdyn_iomproviders",
            ("Provider", "Providers"),
        )
        .custom_lookup(
            "msdyn_ProviderDefinitionId",
            "Provider Definition",
            DEFINITION,
            OnDelete::Restrict,
        )
        .memo("msdyn_activationerror", "Activation Error")
        .active_or_inactive(),
        connection_states(
            provider_child(
                "msdyn_IOMProviderConnectionReference",
                "msdyn_iomproviderconnectionreferences",
                (
                    "Provider Connection Reference",
                    "Provider Connection References",
                ),
            )
            .custom_lookup(
                "msdyn_ConnectionReferenceDefinitionId",
                "Provider Definition Connection Reference",
                "msdyn_iomproviderdefinitionconnectionref",
                OnDelete::Restrict,
            )
            .text("msdyn_connectionurl", "Connection URL", 2000),
        ),
        provider_child(
            "msdyn_IOMProviderParameter",
            "msdyn_iomproviderparameters",
            ("Provider Parameter", "Provider Parameters"),
        )
        .custom_lookup(
            "msdyn_ParameterDefinitionId",
            "Provider Definition Parameter",
            "msdyn_iomproviderdefinitionparameter",
            OnDelete::Restrict,
        )
        .text("msdyn_value", "Value", 4000)
        .active_or_inactive(),
        provider_child(
            "msdyn_IOMProviderTransformation",
            "msdyn_iomprovidertransformations",
            ("Provider Transformation", "Provider Transformations"),
        )
        .custom_lookup(
            "msdyn_TransformationDefinitionId",
            "Provider Definition Transformation",
            "msdyn_iomproviderdefinitiontransformation",
            OnDelete::Restrict,
        )
        .memo("msdyn_transformation", "Transformation")
        .active_or_inactive(),
        provider_child(
            "msdyn_IOMProviderAction",
            "msdyn_iomprovideractions",
            ("Provider Action", "Provider Actions"),
        )
        .custom_lookup(
            "msdyn_LogicDefinitionId",
            "Provider Definition Logic Definition",
            "msdyn_iomproviderdefinitionlogicdefinition",
            OnDelete::Restrict,
        )
        .active_or_inactive(),
        warehouse_mapping(),
    ]
}

fn warehouse_mapping() -> Table {
    table(
        "msdyn_IOMWarehouseMapping",
        "msdyn_iomwarehousemappings",
        ("IOM Warehouse Mapping", "IOM Warehouse Mappings"),
    )
    .custom_lookup(
        "msdyn_ProviderId",
        "IOM Provider",
        PROVIDER,
        OnDelete::RemoveLink,
    )
    .text("msdyn_externalfieldname", "External Field Name", 200)
    .text("msdyn_externalfieldvalue", "External Field Value", 200)
    .active_or_inactive()
}

fn connection_states(table: Table) -> Table {
    table.states(
        &[(0, "Active"), (1, "Inactive")],
        &[
            (1, "Active", 0),
            (192_350_000, "Incomplete", 0),
            (2, "Inactive", 1),
        ],
    )
}

/// The result of each execution of a provider action (Microsoft Learn, *Troubleshoot errors*).
fn execution_result() -> Table {
    table(
        "msdyn_IOMProviderActionExecutionResult",
        "msdyn_iomprovideractionexecutionresults",
        (
            "Provider Action Execution Result",
            "Provider Action Execution Results",
        ),
    )
    .custom_lookup(
        "msdyn_ProviderActionId",
        "Provider Action",
        "msdyn_iomprovideraction",
        OnDelete::RemoveLink,
    )
    .text("msdyn_result", "Result", 100)
    .memo("msdyn_resultdetails", "Result Details")
    .active_or_inactive()
}

fn orchestrations() -> Vec<Table> {
    let designer = "msdyn_iomdesigner";
    vec![
        connection_states(
            table(
                "msdyn_IOMPlatformConnectionReference",
                "msdyn_iomplatformconnectionreferences",
                (
                    "Platform Connection Reference",
                    "Platform Connection References",
                ),
            )
            .text("msdyn_connectionurl", "Connection URL", 2000),
        ),
        table(
            "msdyn_IOMDesigner",
            "msdyn_iomdesigners",
            ("Designer", "Designers"),
        )
        .memo("msdyn_graph", "Graph")
        .text("msdyn_orchestrationtype", "Orchestration Type", 100)
        .states(
            &[(0, "Unpublished"), (1, "Published")],
            &[(1, "Draft", 0), (2, "Live", 1)],
        ),
        table(
            "msdyn_IOMPolicy",
            "msdyn_iompolicies",
            ("Policy", "Policies"),
        )
        .choice(
            "msdyn_policytype",
            "Type",
            &[(192_350_000, "Filter"), (192_350_001, "Execution")],
        )
        .states(
            &[(0, "Published"), (1, "Unpublished")],
            &[(1, "Active", 0), (2, "Inactive", 1)],
        ),
        table("msdyn_IOMRule", "msdyn_iomrules", ("Rule", "Rules"))
            .custom_lookup(
                "msdyn_PolicyId",
                "Policy",
                "msdyn_iompolicy",
                OnDelete::Cascade,
            )
            .memo("msdyn_ruledefinition", "Rule Definition")
            .active_or_inactive(),
        execution_result(),
        table("msdyn_IOMStep", "msdyn_iomsteps", ("Step", "Steps"))
            .custom_lookup("msdyn_DesignerId", "Designer", designer, OnDelete::Cascade)
            .custom_lookup(
                "msdyn_WorkflowId",
                "Workflow",
                "workflow",
                OnDelete::RemoveLink,
            )
            .active_or_inactive(),
    ]
}
