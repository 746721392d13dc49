//! A tenant's names for the tables, columns and requests of Intelligent Order Management.
//!
//! Some logical names are public (the Microsoft Learn pages of the Intelligent Order Management
//! entities), the others are the most likely ones. Each can be overridden, and is checked against
//! the tenant's metadata before it is used.

use std::collections::BTreeMap;

use serde_json::json;

use super::binding::{binding, definition_name};
use super::keywords::{Keyword, find_keyword, keywords};
use super::request::IomRequest;
use super::template::RequestBinding;
use crate::runbook::grammar::keys::section;
use crate::runbook::grammar::kind::{Kind, map_of};
use crate::runbook::grammar::scalars::text;
use crate::runbook::grammar::{Binder, Field};
use crate::runbook::source::Located;

/// Declares [`keywords!`] that name tables or columns, each with its logical name in a tenant whose
/// runbook gives no other.
macro_rules! names {
    (
        $(#[$attribute:meta])*
        pub enum $name:ident {
            $($(#[doc = $doc:literal])+ $variant:ident = $word:literal => $default:literal,)+
        }
    ) => {
        keywords! {
            $(#[$attribute])*
            pub enum $name {
                $($(#[doc = $doc])+ $variant = $word,)+
            }
        }

        impl $name {
            /// The logical name if the runbook gives no other.
            pub fn default_name(self) -> &'static str {
                [$($default),+][self as usize]
            }
        }
    };
}

names! {
    /// A table of Intelligent Order Management, by its key in a runbook.
    pub enum IomTable {
        /// Installed providers.
        Provider = "provider" => "msdyn_iomprovider",
        /// The library that providers are installed from.
        ProviderDefinition = "provider-definition" => "msdyn_iomproviderdefinition",
        /// The actions that tiles of an orchestration refer to.
        ProviderAction = "provider-action" => "msdyn_iomprovideraction",
        /// A provider's connections.
        ProviderConnectionReference = "provider-connection-reference" => "msdyn_iomproviderconnectionreference",
        /// The connections that a definition needs.
        ProviderDefinitionConnectionReference = "provider-definition-connection-reference" => "msdyn_iomproviderdefinitionconnectionref",
        /// A provider's parameters.
        ProviderParameter = "provider-parameter" => "msdyn_iomproviderparameter",
        /// The parameters that a definition needs.
        ProviderDefinitionParameter = "provider-definition-parameter" => "msdyn_iomproviderdefinitionparameter",
        /// A provider's transformations.
        ProviderTransformation = "provider-transformation" => "msdyn_iomprovidertransformation",
        /// The transformations of a definition.
        ProviderDefinitionTransformation = "provider-definition-transformation" => "msdyn_iomproviderdefinitiontransformation",
        /// The logic of a definition: actions and message handlers.
        LogicDefinition = "logic-definition" => "msdyn_iomproviderdefinitionlogicdefinition",
        /// The connections of the platform itself.
        PlatformConnectionReference = "platform-connection-reference" => "msdyn_iomplatformconnectionreference",
        /// Orchestration flows, drawn in the designer.
        Orchestration = "orchestration" => "msdyn_iomdesigner",
        /// Policies.
        Policy = "policy" => "msdyn_iompolicy",
        /// The steps of an orchestration.
        OrchestrationStep = "orchestration-step" => "msdyn_iomstep",
        /// The provider that fulfils for each warehouse.
        WarehouseMapping = "warehouse-mapping" => "msdyn_iomwarehousemapping",
    }
}

names! {
    /// A column that the program uses, by its key `table.column` in a runbook.
    pub enum IomColumn {
        /// An orchestration's graph, as JSON.
        OrchestrationGraph = "orchestration.graph" => "msdyn_graph",
        /// The definition that a provider was installed from.
        ProviderDefinition = "provider.definition" => "msdyn_providerdefinitionid",
        /// Why a provider's activation failed.
        ProviderActivationError = "provider.activation-error" => "msdyn_activationerror",
        /// A definition's logical name.
        ProviderDefinitionLogicalName = "provider-definition.logical-name" => "msdyn_logicalname",
        /// Whether a definition can be installed.
        ProviderDefinitionIsActive = "provider-definition.is-active" => "msdyn_isactive",
        /// The provider that an action belongs to.
        ProviderActionProvider = "provider-action.provider" => "msdyn_providerid",
        /// The logic definition that an action was made from.
        ProviderActionLogicDefinition = "provider-action.logic-definition" => "msdyn_logicdefinitionid",
        /// The provider definition that a logic definition belongs to.
        LogicDefinitionDefinition = "logic-definition.definition" => "msdyn_providerdefinitionid",
        /// A logic definition's logical name.
        LogicDefinitionLogicalName = "logic-definition.logical-name" => "msdyn_logicalname",
        /// Whether a logic definition is a provider action or a message handler.
        LogicDefinitionLogicType = "logic-definition.logic-type" => "msdyn_logictype",
        /// The provider that a parameter belongs to.
        ProviderParameterProvider = "provider-parameter.provider" => "msdyn_providerid",
        /// The definition of a parameter.
        ProviderParameterDefinition = "provider-parameter.definition" => "msdyn_parameterdefinitionid",
        /// A parameter's value.
        ProviderParameterValue = "provider-parameter.value" => "msdyn_value",
        /// The provider definition that a parameter definition belongs to.
        ProviderDefinitionParameterDefinition = "provider-definition-parameter.definition" => "msdyn_providerdefinitionid",
        /// A parameter definition's logical name.
        ProviderDefinitionParameterLogicalName = "provider-definition-parameter.logical-name" => "msdyn_logicalname",
        /// The provider that a transformation belongs to.
        ProviderTransformationProvider = "provider-transformation.provider" => "msdyn_providerid",
        /// The definition of a transformation.
        ProviderTransformationDefinition = "provider-transformation.definition" => "msdyn_transformationdefinitionid",
        /// A transformation's script.
        ProviderTransformationScript = "provider-transformation.script" => "msdyn_transformation",
        /// A transformation definition's logical name.
        ProviderDefinitionTransformationLogicalName = "provider-definition-transformation.logical-name" => "msdyn_logicalname",
        /// The provider that a connection reference belongs to.
        ProviderConnectionReferenceProvider = "provider-connection-reference.provider" => "msdyn_providerid",
        /// The definition of a provider's connection reference.
        ProviderConnectionReferenceDefinition = "provider-connection-reference.definition" => "msdyn_connectionreferencedefinitionid",
        /// The address of the connection of a provider's reference.
        ProviderConnectionReferenceConnectionUrl = "provider-connection-reference.connection-url" => "msdyn_connectionurl",
        /// The provider definition that a reference's definition belongs to.
        ProviderDefinitionConnectionReferenceDefinition = "provider-definition-connection-reference.definition" => "msdyn_providerdefinitionid",
        /// The logical name of a reference's definition.
        ProviderDefinitionConnectionReferenceLogicalName = "provider-definition-connection-reference.logical-name" => "msdyn_logicalname",
        /// The address of the connection of one of IOM's own references.
        PlatformConnectionReferenceConnectionUrl = "platform-connection-reference.connection-url" => "msdyn_connectionurl",
        /// The provider that fulfils for a warehouse.
        WarehouseMappingProvider = "warehouse-mapping.provider" => "msdyn_providerid",
    }
}

impl IomColumn {
    /// The word of the table that the column belongs to.
    pub fn table_keyword(self) -> &'static str {
        self.keyword().split('.').next().unwrap_or_default()
    }
}

section! {
    /// This tenant's names for the tables and columns of Intelligent Order Management, and its
    /// requests. The maps hold only what is written; [`table`](Self::table),
    /// [`column`](Self::column) and [`request`](Self::request) know the defaults.
    #[derive(Default)]
    pub struct Iom {
        /// Logical names of tables in this tenant.
        "tables" tables: BTreeMap<IomTable, Located<String>> = or_default(names(
            "{ provider: msdyn_iomprovider }",
            "`iom.tables`",
            IomTable::default_name,
        ));
        /// Logical names of columns in this tenant, by `table.column`.
        "columns" columns: BTreeMap<IomColumn, Located<String>> = or_default(names(
            "{ orchestration.graph: msdyn_graph }",
            "`iom.columns`",
            IomColumn::default_name,
        ));
        /// How each unpublished write is made: `guided` by a person, or with a request that was
        /// recorded and confirmed.
        "requests" requests: BTreeMap<IomRequest, Located<RequestBinding>> = or_default(requests());
    }
}

impl Iom {
    /// A table's logical name.
    pub fn table(&self, table: IomTable) -> &str {
        self.tables
            .get(&table)
            .map_or(table.default_name(), |name| name.value.as_str())
    }

    /// A column's logical name.
    pub fn column(&self, column: IomColumn) -> &str {
        self.columns
            .get(&column)
            .map_or(column.default_name(), |name| name.value.as_str())
    }

    /// Whether the runbook itself names a table (`provider`) or a column (`orchestration.graph`).
    pub fn is_override(&self, key: &str) -> bool {
        self.name_written(key).is_some()
    }

    /// The name that the runbook itself gives a table or a column, and its place.
    pub fn name_written(&self, key: &str) -> Option<&Located<String>> {
        let table = find_keyword::<IomTable>(key).and_then(|table| self.tables.get(&table));
        table.or_else(|| self.columns.get(&find_keyword::<IomColumn>(key)?))
    }

    /// How a request is made: guided unless the runbook binds it.
    pub fn request(&self, request: IomRequest) -> &RequestBinding {
        self.requests
            .get(&request)
            .map_or(&RequestBinding::Guided, |binding| &binding.value)
    }
}

/// A map with a key for each word of a list, whose value is a logical name.
fn names<K: Keyword + Ord>(
    example: &'static str,
    of: &'static str,
    default_name: fn(K) -> &'static str,
) -> Kind<BTreeMap<K, Located<String>>> {
    map_of(example, move |keys| {
        keys.set_title(of);
        keys.each_keyword(|_| logical_name(), |word| json!(default_name(word)))
    })
}

fn requests() -> Kind<BTreeMap<IomRequest, Located<RequestBinding>>> {
    map_of("{ activate-system: guided }", |keys| {
        keys.set_title("`iom.requests`");
        keys.each_keyword(
            |request| binding(request).defined_as(definition_name(request)),
            |_| json!("guided"),
        )
    })
}

/// A logical name of Dataverse: lower-case letters, digits and underscores.
pub(super) fn logical_name() -> Kind<Located<String>> {
    let read = |binder: &mut Binder, field: Field<'_>| {
        let name = text().read(binder, field)?;
        if is_logical_name(&name) {
            return Some(name);
        }
        let message = format!("{} is not a logical name", binder.subject(name.span, &name));
        let help = "logical names are lower-case letters, digits and underscores, such as \
                    `msdyn_iomprovider`; they differ from schema names and display names";
        binder.refuse(name.span, message, help)
    };
    Kind::new(
        read,
        || json!({ "type": ["string", "integer", "boolean"], "pattern": "^[a-z0-9_]+$", "minimum": 0 }),
    )
}

/// Is this a logical name of Dataverse?
pub(super) fn is_logical_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    !name.is_empty() && name.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runbook::source::Span;

    #[test]
    fn absent_names_have_their_defaults() {
        let mut iom = Iom::default();
        assert_eq!(iom.table(IomTable::Orchestration), "msdyn_iomdesigner");
        assert_eq!(iom.column(IomColumn::OrchestrationGraph), "msdyn_graph");
        assert_eq!(find_keyword::<IomColumn>("orchestration.colour"), None);
        assert_eq!(
            iom.request(IomRequest::ActivateSystem),
            &RequestBinding::Guided
        );
        let written = |name: &str| Located::new(name.to_owned(), Span::default());
        iom.tables
            .insert(IomTable::Orchestration, written("new_flow"));
        iom.columns
            .insert(IomColumn::OrchestrationGraph, written("new_json"));
        assert_eq!(iom.table(IomTable::Orchestration), "new_flow");
        assert_eq!(iom.column(IomColumn::OrchestrationGraph), "new_json");
        assert!(iom.is_override("orchestration") && iom.is_override("orchestration.graph"));
        assert!(!iom.is_override("provider") && !iom.is_override("provider.definition"));
    }

    #[test]
    fn every_column_belongs_to_a_table() {
        for column in IomColumn::ALL {
            let table = column.table_keyword();
            assert!(
                IomTable::ALL.iter().any(|known| known.keyword() == table),
                "{column}"
            );
        }
    }
}
