//! Which steps need a table or column of Intelligent Order Management.
//!
//! Microsoft does not publish IOM's columns, so a tenant may lack one. A column is required only if
//! a step that runs cannot work without it. Everything else has a fallback, and preflight reports
//! what is lost.

use crate::runbook::StepName::{
    self, ActivateFlows, DetachProviderActions, ReconfigureConnections, ReinstallProviders,
    RestoreProviderActions,
};
use crate::runbook::{IomColumn, IomTable};

/// What a missing table or column means.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Need {
    /// These steps cannot work without it.
    Steps(&'static [StepName]),
    /// Every step works without it; what is lost.
    Optional(&'static str),
}

const PROVIDERS: Need = Need::Steps(&[
    DetachProviderActions,
    ReinstallProviders,
    RestoreProviderActions,
]);
const ORCHESTRATIONS: Need = Need::Steps(&[DetachProviderActions, RestoreProviderActions]);
const SETTINGS: Need = Need::Steps(&[ReinstallProviders]);

/// The rows of a definition are then matched by their names.
const BY_NAME: Need = Need::Optional("its rows are known by their names");

/// What needs a table.
pub(crate) fn of_table(table: IomTable) -> Need {
    match table {
        IomTable::Provider => Need::Steps(&[
            ActivateFlows,
            DetachProviderActions,
            ReinstallProviders,
            RestoreProviderActions,
        ]),
        IomTable::ProviderDefinition | IomTable::ProviderAction | IomTable::LogicDefinition => {
            PROVIDERS
        }
        IomTable::Policy => Need::Steps(&[ActivateFlows, RestoreProviderActions]),
        IomTable::Orchestration => ORCHESTRATIONS,
        IomTable::PlatformConnectionReference => Need::Steps(&[ReconfigureConnections]),
        IomTable::OrchestrationStep => Need::Optional("steps of orchestrations are not captured"),
        IomTable::WarehouseMapping => Need::Optional("there are no warehouse mappings to restore"),
        IomTable::ProviderConnectionReference
        | IomTable::ProviderDefinitionConnectionReference
        | IomTable::ProviderParameter
        | IomTable::ProviderDefinitionParameter
        | IomTable::ProviderTransformation
        | IomTable::ProviderDefinitionTransformation => SETTINGS,
    }
}

/// What needs a column.
pub(crate) fn of_column(column: IomColumn) -> Need {
    match column {
        IomColumn::OrchestrationGraph => ORCHESTRATIONS,
        IomColumn::PlatformConnectionReferenceConnectionUrl => {
            Need::Steps(&[ReconfigureConnections])
        }
        IomColumn::ProviderDefinition
        | IomColumn::ProviderDefinitionLogicalName
        | IomColumn::ProviderActionProvider
        | IomColumn::ProviderActionLogicDefinition
        | IomColumn::LogicDefinitionDefinition => PROVIDERS,
        IomColumn::ProviderActivationError => {
            Need::Optional("a failed activation is noticed late, and without its reason")
        }
        IomColumn::ProviderDefinitionIsActive => Need::Optional(
            "every definition counts as active, so IOM itself may refuse to install one",
        ),
        IomColumn::LogicDefinitionLogicalName
        | IomColumn::ProviderDefinitionParameterLogicalName
        | IomColumn::ProviderDefinitionTransformationLogicalName
        | IomColumn::ProviderDefinitionConnectionReferenceLogicalName => BY_NAME,
        IomColumn::WarehouseMappingProvider => {
            Need::Optional("warehouse mappings do not get the new providers")
        }
        // The row's own lookup shows what a new row declares.
        IomColumn::ProviderDefinitionConnectionReferenceDefinition => {
            Need::Optional("no step uses it")
        }
        IomColumn::ProviderDefinitionParameterDefinition => {
            Need::Optional("the keys of `parameters` are not checked before the copy")
        }
        // Without this column it is unknown which actions an activation must make; without the
        // others, settings cannot be restored.
        IomColumn::LogicDefinitionLogicType
        | IomColumn::ProviderParameterProvider
        | IomColumn::ProviderParameterDefinition
        | IomColumn::ProviderParameterValue
        | IomColumn::ProviderTransformationProvider
        | IomColumn::ProviderTransformationDefinition
        | IomColumn::ProviderTransformationScript
        | IomColumn::ProviderConnectionReferenceProvider
        | IomColumn::ProviderConnectionReferenceDefinition
        | IomColumn::ProviderConnectionReferenceConnectionUrl => SETTINGS,
    }
}
