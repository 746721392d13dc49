//! The rows that belong to one installed provider: parameters, transformations and connection
//! references. Its definition has a row that declares each of them and survives the reinstallation.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::base::secrets;
use crate::domain::names::{Fields, Names, text};
use crate::domain::providers::{Catalogue, Provider};
use crate::domain::seals::Part;
use crate::domain::view::View;
use crate::domain::{RefreshContext, seals};
use crate::engine::{Failure, JournalView};
use crate::runbook::{IomColumn, IomTable, Word as _};

/// A kind of these rows. The kinds differ only in names.
pub(super) struct RowKind {
    pub(super) noun: &'static str,
    pub(super) table: IomTable,
    /// The lookup to the provider.
    pub(super) provider: IomColumn,
    /// The lookup to the row that declares it.
    pub(super) declared_by: IomColumn,
    pub(super) value: IomColumn,
    /// May the value be a secret?
    is_secret: bool,
    /// The table of the rows that declare them.
    declarations: IomTable,
    logical_name: IomColumn,
}

pub(super) const PARAMETER: RowKind = RowKind {
    noun: "parameter",
    table: IomTable::ProviderParameter,
    provider: IomColumn::ProviderParameterProvider,
    declared_by: IomColumn::ProviderParameterDefinition,
    value: IomColumn::ProviderParameterValue,
    is_secret: true,
    declarations: IomTable::ProviderDefinitionParameter,
    logical_name: IomColumn::ProviderDefinitionParameterLogicalName,
};

pub(super) const TRANSFORMATION: RowKind = RowKind {
    noun: "transformation",
    table: IomTable::ProviderTransformation,
    provider: IomColumn::ProviderTransformationProvider,
    declared_by: IomColumn::ProviderTransformationDefinition,
    value: IomColumn::ProviderTransformationScript,
    is_secret: true,
    declarations: IomTable::ProviderDefinitionTransformation,
    logical_name: IomColumn::ProviderDefinitionTransformationLogicalName,
};

pub(super) const CONNECTION_REFERENCE: RowKind = RowKind {
    noun: "connection reference",
    table: IomTable::ProviderConnectionReference,
    provider: IomColumn::ProviderConnectionReferenceProvider,
    declared_by: IomColumn::ProviderConnectionReferenceDefinition,
    value: IomColumn::ProviderConnectionReferenceConnectionUrl,
    is_secret: false,
    declarations: IomTable::ProviderDefinitionConnectionReference,
    logical_name: IomColumn::ProviderDefinitionConnectionReferenceLogicalName,
};

/// One of these rows.
pub(super) struct InstanceRow {
    pub(super) id: Uuid,
    /// Its display name.
    pub(super) title: String,
    provider: Option<Uuid>,
    declared_by: Option<Uuid>,
    pub(super) value: Option<String>,
    pub(super) fields: Fields,
}

/// By definition and the row's logical name: the row's id and its value.
pub(super) type ValuesByName = BTreeMap<(String, String), (Uuid, String)>;

impl RowKind {
    fn parse(
        &self,
        names: &Names,
        rows: impl IntoIterator<Item = (Uuid, Fields)>,
    ) -> Result<Vec<InstanceRow>, Failure> {
        rows.into_iter()
            .map(|(id, fields)| {
                let value = names.text(&fields, self.value)?;
                // Hides the value wherever a service repeats it.
                if let Some(value) = value.as_ref().filter(|_| self.is_secret) {
                    secrets::register_possible_secret(value);
                }
                Ok(InstanceRow {
                    id,
                    title: names.title(self.table, &fields, id),
                    provider: names.lookup(&fields, self.provider)?,
                    declared_by: names.lookup(&fields, self.declared_by)?,
                    value,
                    fields,
                })
            })
            .collect()
    }

    fn recorded(
        &self,
        names: &Names,
        journal: &JournalView,
        part: Part,
    ) -> Result<Vec<InstanceRow>, Failure> {
        self.parse(names, seals::rows(journal, part, self.table.word()))
    }

    /// The logical names of the rows that declare these; none where their column is not known.
    fn logical_names(
        &self,
        names: &Names,
        journal: &JournalView,
        part: Part,
    ) -> BTreeMap<Uuid, String> {
        let Ok(column) = names.column(self.logical_name) else {
            return BTreeMap::new();
        };
        seals::rows(journal, part, self.declarations.word())
            .into_iter()
            .filter_map(|(id, row)| Some((id, text(&row, column)?)))
            .collect()
    }

    /// Fails where the column of the logical names is not known.
    pub(super) fn require_logical_names(&self, names: &Names) -> Result<(), Failure> {
        names.column(self.logical_name).map(drop)
    }

    /// The target's values before the copy, of the providers that this accepts.
    pub(super) fn target_values(
        &self,
        names: &Names,
        journal: &JournalView,
        is_accepted: impl Fn(&Provider) -> bool,
    ) -> Result<ValuesByName, Failure> {
        let before = Catalogue::sealed(names, journal, Part::Target)?;
        let logical_names = self.logical_names(names, journal, Part::Target);
        let mut values = BTreeMap::new();
        for row in self.recorded(names, journal, Part::Target)? {
            let provider = row.provider.and_then(|id| before.providers.get(&id));
            let definition = provider
                .filter(|provider| is_accepted(provider))
                .and_then(|provider| before.definition_of(provider));
            let name = row.declared_by.and_then(|id| logical_names.get(&id));
            if let (Some(definition), Some(name), Some(value)) = (definition, name, row.value) {
                let at = (definition.logical_name.clone(), name.clone());
                values.insert(at, (row.id, value));
            }
        }
        Ok(values)
    }
}

/// The rows of one kind: those of the old providers, from the seal, and the present ones.
pub(super) struct InstanceRows {
    kind: &'static RowKind,
    current: Vec<InstanceRow>,
    recorded: Vec<InstanceRow>,
    logical_names: BTreeMap<Uuid, String>,
}

impl InstanceRows {
    pub(super) async fn read(
        kind: &'static RowKind,
        refresh: &RefreshContext,
        journal: &JournalView,
        view: View<'_>,
    ) -> Result<Self, Failure> {
        let names = &refresh.names;
        Ok(Self {
            kind,
            current: kind.parse(names, view.by_id(names.table(kind.table)).await?)?,
            recorded: kind.recorded(names, journal, Part::Providers)?,
            logical_names: kind.logical_names(names, journal, Part::Providers),
        })
    }

    /// The old rows of a provider, each with the new one and its logical name.
    pub(super) fn of_instance(
        &self,
        replaced: &Provider,
        instance: Option<&Provider>,
    ) -> Vec<(&InstanceRow, Option<&InstanceRow>, String)> {
        self.recorded
            .iter()
            .filter(|old| old.provider == Some(replaced.id))
            .map(|old| {
                let new = instance.and_then(|instance| {
                    self.current.iter().find(|row| {
                        row.provider == Some(instance.id) && row.declared_by == old.declared_by
                    })
                });
                let name = old.declared_by.and_then(|id| self.logical_names.get(&id));
                (
                    old,
                    new,
                    name.cloned().unwrap_or_else(|| old.id.to_string()),
                )
            })
            .collect()
    }

    /// Fails where a new instance lacks a row which the old one had.
    pub(super) fn require(
        &self,
        name: &str,
        instance: Option<&Provider>,
        new: Option<&InstanceRow>,
    ) -> Result<(), Failure> {
        match (instance, new) {
            (Some(instance), None) => Err(Failure::failed(format!(
                "the new provider '{}' has no {} '{name}', which the old one had",
                instance.name, self.kind.noun
            ))
            .with_help(
                "its definition has changed since then; look at the provider in the IOM app",
            )),
            _ => Ok(()),
        }
    }
}
