//! The names by which a tenant's Intelligent Order Management is known: tables, columns, requests.
//!
//! Some logical names are public (the Microsoft Learn pages of the Intelligent Order Management
//! entities), the others are the likeliest ones; every one can be overridden, and is checked
//! against the tenant's metadata before it is used.

use std::collections::BTreeMap;

use serde::Serialize;

use super::request::IomRequest;
use super::template::RequestBinding;
use super::words::{find, words};
use crate::runbook::source::Located;

words! {
    /// A table of Intelligent Order Management, by the word a runbook has for it.
    pub enum IomTable {
        /// Installed providers.
        Provider = "provider",
        /// The library that providers are installed from.
        ProviderDefinition = "provider-definition",
        /// What tiles of an orchestration point at.
        ProviderAction = "provider-action",
        /// A provider's connections.
        ProviderConnectionReference = "provider-connection-reference",
        /// What connections a definition wants.
        ProviderDefinitionConnectionReference = "provider-definition-connection-reference",
        /// A provider's parameters.
        ProviderParameter = "provider-parameter",
        /// What parameters a definition wants.
        ProviderDefinitionParameter = "provider-definition-parameter",
        /// A provider's transformations.
        ProviderTransformation = "provider-transformation",
        /// The transformations of a definition.
        ProviderDefinitionTransformation = "provider-definition-transformation",
        /// The logic that a definition brings: actions and message handlers.
        LogicDefinition = "logic-definition",
        /// The connections of the platform itself.
        PlatformConnectionReference = "platform-connection-reference",
        /// Orchestration flows, drawn in the designer.
        Orchestration = "orchestration",
        /// Policies.
        Policy = "policy",
        /// The steps of an orchestration.
        OrchestrationStep = "orchestration-step",
        /// Which provider fulfils for which warehouse.
        WarehouseMapping = "warehouse-mapping",
    }
}

impl IomTable {
    /// The table's logical name where the runbook gives no other.
    pub fn default_name(self) -> &'static str {
        match self {
            Self::Provider => "msdyn_iomprovider",
            Self::ProviderDefinition => "msdyn_iomproviderdefinition",
            Self::ProviderAction => "msdyn_iomprovideraction",
            Self::ProviderConnectionReference => "msdyn_iomproviderconnectionreference",
            Self::ProviderDefinitionConnectionReference => {
                "msdyn_iomproviderdefinitionconnectionref"
            }
            Self::ProviderParameter => "msdyn_iomproviderparameter",
            Self::ProviderDefinitionParameter => "msdyn_iomproviderdefinitionparameter",
            Self::ProviderTransformation => "msdyn_iomprovidertransformation",
            Self::ProviderDefinitionTransformation => "msdyn_iomproviderdefinitiontransformation",
            Self::LogicDefinition => "msdyn_iomproviderdefinitionlogicdefinition",
            Self::PlatformConnectionReference => "msdyn_iomplatformconnectionreference",
            Self::Orchestration => "msdyn_iomdesigner",
            Self::Policy => "msdyn_iompolicy",
            Self::OrchestrationStep => "msdyn_iomstep",
            Self::WarehouseMapping => "msdyn_iomwarehousemapping",
        }
    }
}

/// Every column that the program names, as `table.column`, with its logical name where the runbook
/// gives no other.
pub const IOM_COLUMNS: [(&str, &str); 26] = [
    ("orchestration.graph", "msdyn_graph"),
    ("provider.definition", "msdyn_providerdefinitionid"),
    ("provider.activation-error", "msdyn_activationerror"),
    ("provider-definition.logical-name", "msdyn_logicalname"),
    ("provider-definition.is-active", "msdyn_isactive"),
    ("provider-action.provider", "msdyn_providerid"),
    (
        "provider-action.logic-definition",
        "msdyn_logicdefinitionid",
    ),
    ("logic-definition.definition", "msdyn_providerdefinitionid"),
    ("logic-definition.logical-name", "msdyn_logicalname"),
    ("logic-definition.logic-type", "msdyn_logictype"),
    ("provider-parameter.provider", "msdyn_providerid"),
    (
        "provider-parameter.definition",
        "msdyn_parameterdefinitionid",
    ),
    ("provider-parameter.value", "msdyn_value"),
    (
        "provider-definition-parameter.definition",
        "msdyn_providerdefinitionid",
    ),
    (
        "provider-definition-parameter.logical-name",
        "msdyn_logicalname",
    ),
    ("provider-transformation.provider", "msdyn_providerid"),
    (
        "provider-transformation.definition",
        "msdyn_transformationdefinitionid",
    ),
    ("provider-transformation.script", "msdyn_transformation"),
    (
        "provider-definition-transformation.logical-name",
        "msdyn_logicalname",
    ),
    ("provider-connection-reference.provider", "msdyn_providerid"),
    (
        "provider-connection-reference.definition",
        "msdyn_connectionreferencedefinitionid",
    ),
    (
        "provider-connection-reference.connection-url",
        "msdyn_connectionurl",
    ),
    (
        "provider-definition-connection-reference.definition",
        "msdyn_providerdefinitionid",
    ),
    (
        "provider-definition-connection-reference.logical-name",
        "msdyn_logicalname",
    ),
    (
        "platform-connection-reference.connection-url",
        "msdyn_connectionurl",
    ),
    ("warehouse-mapping.provider", "msdyn_providerid"),
];

/// What the runbook says of this tenant's Intelligent Order Management. The maps hold only what is
/// written; [`table`](Self::table), [`column`](Self::column) and [`request`](Self::request) answer
/// with the defaults.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Iom {
    /// Logical names of tables.
    pub tables: BTreeMap<IomTable, Located<String>>,
    /// Logical names of columns, by `table.column`.
    pub columns: BTreeMap<String, Located<String>>,
    /// The requests that somebody has confirmed, and those that are guided expressly.
    pub requests: BTreeMap<IomRequest, Located<RequestBinding>>,
}

impl Iom {
    /// A table's logical name.
    pub fn table(&self, table: IomTable) -> &str {
        self.tables
            .get(&table)
            .map_or(table.default_name(), |name| name.value.as_str())
    }

    /// A column's logical name by its `table.column`, or nothing for a column that is not one of
    /// [`IOM_COLUMNS`].
    pub fn column(&self, key: &str) -> Option<&str> {
        if let Some(name) = self.columns.get(key) {
            return Some(&name.value);
        }
        IOM_COLUMNS
            .iter()
            .find(|(column, _)| *column == key)
            .map(|(_, name)| *name)
    }

    /// Whether the runbook itself names a table (`provider`) or a column (`orchestration.graph`).
    pub fn is_override(&self, key: &str) -> bool {
        self.name_written(key).is_some()
    }

    /// What the runbook itself says of a table or a column, and where, for a check that finds no
    /// such name in the tenant.
    pub fn name_written(&self, key: &str) -> Option<&Located<String>> {
        find::<IomTable>(key)
            .and_then(|table| self.tables.get(&table))
            .or_else(|| self.columns.get(key))
    }

    /// How a request is made: guided unless the runbook binds it.
    pub fn request(&self, request: IomRequest) -> &RequestBinding {
        self.requests
            .get(&request)
            .map_or(&RequestBinding::Guided, |binding| &binding.value)
    }
}

/// Whether `key` is one of [`IOM_COLUMNS`].
pub(in crate::runbook) fn is_column(key: &str) -> bool {
    IOM_COLUMNS.iter().any(|(column, _)| *column == key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runbook::Word as _;
    use crate::runbook::source::Span;

    #[test]
    fn what_is_not_written_has_its_default() {
        let mut iom = Iom::default();
        assert_eq!(iom.table(IomTable::Orchestration), "msdyn_iomdesigner");
        assert_eq!(iom.column("orchestration.graph"), Some("msdyn_graph"));
        assert_eq!(iom.column("orchestration.colour"), None);
        assert_eq!(
            iom.request(IomRequest::ActivateSystem),
            &RequestBinding::Guided
        );
        let written = |name: &str| Located::new(name.to_owned(), Span::default());
        iom.tables
            .insert(IomTable::Orchestration, written("new_flow"));
        iom.columns
            .insert("orchestration.graph".to_owned(), written("new_json"));
        assert_eq!(iom.table(IomTable::Orchestration), "new_flow");
        assert_eq!(iom.column("orchestration.graph"), Some("new_json"));
        assert!(iom.is_override("orchestration") && iom.is_override("orchestration.graph"));
        assert!(!iom.is_override("provider") && !iom.is_override("provider.definition"));
    }

    #[test]
    fn every_column_belongs_to_a_table() {
        for (key, _) in IOM_COLUMNS {
            let table = key.split('.').next().unwrap_or_default();
            assert!(
                IomTable::ALL.iter().any(|known| known.word() == table),
                "{key}"
            );
        }
    }
}
