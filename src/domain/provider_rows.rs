//! The rows that belong to one installed provider: parameters, transformations and connection
//! references. Its definition has a row that declares each of them and survives the reinstallation.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use tokio::try_join;
use uuid::Uuid;

use super::RefreshContext;
use super::names::{Fields, Names};
use super::providers::{Catalogue, Provider};
use super::seals::{self, Part};
use super::view::View;
use crate::base::secrets;
use crate::engine::{Failure, JournalView};
use crate::runbook::{IomColumn, IomTable, Keyword as _};

/// A kind of these rows. The kinds differ only in names.
pub(crate) struct RowKind {
    pub(crate) noun: &'static str,
    pub(crate) table: IomTable,
    /// The lookup to the provider.
    pub(crate) provider: IomColumn,
    /// The lookup to the row that declares it.
    pub(crate) declared_by: IomColumn,
    pub(crate) value: IomColumn,
    /// May the value be a secret?
    is_secret: bool,
    /// May the value be empty? A transformation is never.
    pub(crate) can_be_empty: bool,
    /// The table of the rows that declare them.
    pub(crate) declarations: IomTable,
    logical_name: IomColumn,
}

pub(crate) const PARAMETER: RowKind = RowKind {
    noun: "parameter",
    table: IomTable::ProviderParameter,
    provider: IomColumn::ProviderParameterProvider,
    declared_by: IomColumn::ProviderParameterDefinition,
    value: IomColumn::ProviderParameterValue,
    is_secret: true,
    can_be_empty: true,
    declarations: IomTable::ProviderDefinitionParameter,
    logical_name: IomColumn::ProviderDefinitionParameterLogicalName,
};

pub(crate) const TRANSFORMATION: RowKind = RowKind {
    noun: "transformation",
    table: IomTable::ProviderTransformation,
    provider: IomColumn::ProviderTransformationProvider,
    declared_by: IomColumn::ProviderTransformationDefinition,
    value: IomColumn::ProviderTransformationScript,
    is_secret: true,
    can_be_empty: false,
    declarations: IomTable::ProviderDefinitionTransformation,
    logical_name: IomColumn::ProviderDefinitionTransformationLogicalName,
};

pub(crate) const CONNECTION_REFERENCE: RowKind = RowKind {
    noun: "connection reference",
    table: IomTable::ProviderConnectionReference,
    provider: IomColumn::ProviderConnectionReferenceProvider,
    declared_by: IomColumn::ProviderConnectionReferenceDefinition,
    value: IomColumn::ProviderConnectionReferenceConnectionUrl,
    is_secret: false,
    can_be_empty: true,
    declarations: IomTable::ProviderDefinitionConnectionReference,
    logical_name: IomColumn::ProviderDefinitionConnectionReferenceLogicalName,
};

/// One of these rows.
pub(crate) struct InstanceRow {
    pub(crate) id: Uuid,
    /// Its display name.
    pub(crate) title: String,
    pub(crate) provider: Option<Uuid>,
    pub(crate) declared_by: Option<Uuid>,
    /// The value; none if it is empty too.
    pub(crate) value: Option<String>,
    pub(crate) fields: Fields,
}

impl InstanceRow {
    /// Its value, if it has one: an empty text means no value, as Dataverse stores it.
    pub(crate) fn present_value(&self) -> Option<&str> {
        self.value.as_deref().filter(|value| !value.is_empty())
    }
}

/// By definition and the row's logical name: the row's id and its value.
pub(crate) type ValuesByName = BTreeMap<(String, String), (Uuid, String)>;

/// By definition and the row's logical name: the row's id and its value, which may be empty.
pub(crate) type RowsByName = BTreeMap<(String, String), (Uuid, Option<String>)>;

impl RowKind {
    pub(crate) fn parse(
        &self,
        names: &Names,
        rows: impl IntoIterator<Item = (Uuid, Fields)>,
    ) -> Result<Vec<InstanceRow>, Failure> {
        rows.into_iter()
            .map(|(id, fields)| {
                let value = names.text(&fields, self.value)?;
                // Hides the value in every text in which a service repeats it.
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

    /// Fails if a column that is needed to read these rows is not found.
    pub(crate) fn require_columns(&self, names: &Names) -> Result<(), Failure> {
        let columns = [
            self.value,
            self.provider,
            self.declared_by,
            IomColumn::ProviderDefinition,
        ];
        columns
            .into_iter()
            .try_for_each(|column| names.column(column).map(drop))
    }

    pub(crate) fn recorded(
        &self,
        names: &Names,
        journal: &JournalView,
        part: Part,
    ) -> Result<Vec<InstanceRow>, Failure> {
        self.parse(
            names,
            seals::fields_by_id(journal, part, self.table.keyword()),
        )
    }

    /// The logical names of the rows that declare these.
    pub(crate) fn logical_names(
        &self,
        names: &Names,
        journal: &JournalView,
        part: Part,
    ) -> BTreeMap<Uuid, String> {
        let rows = seals::rows(journal, part, self.declarations.keyword());
        self.names_among(names, rows.iter().map(|(id, row)| (id, &**row)))
    }

    /// The same, of these rows.
    pub(crate) fn names_among<'r>(
        &self,
        names: &Names,
        rows: impl Iterator<Item = (&'r Uuid, &'r Fields)>,
    ) -> BTreeMap<Uuid, String> {
        names.logical_names(self.logical_name, rows)
    }

    /// The target's values before the copy, of the providers that this accepts.
    pub(crate) fn target_values(
        &self,
        names: &Names,
        journal: &JournalView,
        is_accepted: impl Fn(&Provider) -> bool,
    ) -> Result<ValuesByName, Failure> {
        let rows = self.target_rows(names, journal, is_accepted)?;
        Ok(rows
            .into_iter()
            .filter_map(|(at, (id, value))| Some((at, (id, value?))))
            .collect())
    }

    /// The target's rows before the copy, of the providers that this accepts: also those without a
    /// value.
    pub(crate) fn target_rows(
        &self,
        names: &Names,
        journal: &JournalView,
        is_accepted: impl Fn(&Provider) -> bool,
    ) -> Result<RowsByName, Failure> {
        let before = Catalogue::sealed(names, journal, Part::Target)?;
        let logical_names = self.logical_names(names, journal, Part::Target);
        let rows = self.recorded(names, journal, Part::Target)?;
        Ok(by_name(&before, &logical_names, &rows, is_accepted))
    }

    /// Production's rows, as step 6 recorded them before it deleted the copied providers; none
    /// before. Takes the ids of the source's providers.
    pub(crate) fn production_rows(
        &self,
        names: &Names,
        journal: &JournalView,
        source: &BTreeSet<Uuid>,
    ) -> Result<RowsByName, Failure> {
        let rows = self.recorded(names, journal, Part::Providers)?;
        self.of_production(names, journal, source, &rows)
    }

    /// The same rows with the values that the library gives them.
    pub(crate) fn shipped_rows(
        &self,
        names: &Names,
        journal: &JournalView,
        source: &BTreeSet<Uuid>,
    ) -> Result<RowsByName, Failure> {
        let declarations =
            seals::fields_by_id(journal, Part::Providers, self.declarations.keyword());
        let mut rows = self.recorded(names, journal, Part::Providers)?;
        for row in &mut rows {
            let declaration = row.declared_by.and_then(|id| declarations.get(&id));
            let shipped = declaration.map(|fields| names.text(fields, self.value));
            row.value = shipped.transpose()?.flatten();
        }
        self.of_production(names, journal, source, &rows)
    }

    /// Those of the recorded rows that belong to providers of the source.
    fn of_production(
        &self,
        names: &Names,
        journal: &JournalView,
        source: &BTreeSet<Uuid>,
        rows: &[InstanceRow],
    ) -> Result<RowsByName, Failure> {
        let catalogue = Catalogue::sealed_whole(names, journal, Part::Providers)?;
        let logical_names = self.logical_names(names, journal, Part::Providers);
        let of = |is_active: bool| {
            by_name(&catalogue, &logical_names, rows, |provider| {
                source.contains(&provider.id) && provider.active == is_active
            })
        };
        // Of two providers of one definition, the one that is in use counts.
        let mut found = of(false);
        found.extend(of(true));
        Ok(found)
    }
}

/// Rows by their definitions and logical names, of the providers that this accepts.
pub(crate) fn by_name(
    catalogue: &Catalogue,
    logical_names: &BTreeMap<Uuid, String>,
    rows: &[InstanceRow],
    is_accepted: impl Fn(&Provider) -> bool,
) -> RowsByName {
    let mut found = BTreeMap::new();
    for row in rows {
        let provider = row.provider.and_then(|id| catalogue.providers.get(&id));
        let definition = provider
            .filter(|provider| is_accepted(provider))
            .and_then(|provider| catalogue.definition_of(provider));
        let name = row.declared_by.and_then(|id| logical_names.get(&id));
        if let (Some(definition), Some(name)) = (definition, name) {
            let at = (definition.logical_name.clone(), name.clone());
            let value = row.present_value().map(str::to_owned);
            found.insert(at, (row.id, value));
        }
    }
    found
}

/// What the target's own active providers have now, by name; nothing if it does not have the table. A
/// provider that has the id of one in the source came with a copy.
pub(crate) async fn own_rows(
    kind: &RowKind,
    refresh: &RefreshContext,
    in_source: &BTreeSet<Uuid>,
) -> Result<RowsByName, Failure> {
    let target = View::AsIs(&refresh.target.dataverse);
    let table = refresh.names.table(kind.table);
    if target.optional_table(table).await?.is_none() {
        return Ok(RowsByName::new());
    }
    let now = NamedRows::read(kind, refresh, target).await?;
    Ok(now.by_name(|it| it.active && !in_source.contains(&it.id)))
}

/// The rows of one kind in one environment, with what they hang on.
pub(crate) struct NamedRows {
    pub(crate) catalogue: Catalogue,
    pub(crate) rows: Vec<InstanceRow>,
    declarations: BTreeMap<Uuid, Fields>,
    pub(crate) logical_names: BTreeMap<Uuid, String>,
}

impl NamedRows {
    pub(crate) async fn read(
        kind: &RowKind,
        refresh: &RefreshContext,
        view: View<'_>,
    ) -> Result<Self, Failure> {
        let names = &refresh.names;
        let (declarations, catalogue, rows) = try_join!(
            view.by_id(names.table(kind.declarations)),
            Catalogue::read(refresh, view),
            view.by_id(names.table(kind.table)),
        )?;
        Ok(Self {
            catalogue,
            rows: kind.parse(names, rows)?,
            logical_names: kind.names_among(names, declarations.iter()),
            declarations,
        })
    }

    /// The rows of some providers by name.
    pub(crate) fn by_name(&self, is_wanted: impl Fn(&Provider) -> bool) -> RowsByName {
        by_name(&self.catalogue, &self.logical_names, &self.rows, is_wanted)
    }

    /// The rows of active providers by name, with the values that the library gives them.
    pub(crate) fn shipped_by_name(
        &self,
        kind: &RowKind,
        names: &Names,
    ) -> Result<RowsByName, Failure> {
        let mut rows = self.by_name(|it| it.active);
        for setting in self.settings() {
            let at = (setting.definition.to_owned(), setting.name.to_owned());
            if let Some((_, value)) = rows.get_mut(&at) {
                *value = names.text(setting.declaration, kind.value)?;
            }
        }
        Ok(rows)
    }

    /// The settings of active providers.
    pub(crate) fn settings(&self) -> impl Iterator<Item = Setting<'_>> {
        self.rows.iter().filter_map(|row| {
            let provider = self.catalogue.providers.get(&row.provider?)?;
            let definition = self.catalogue.definition_of(provider)?;
            Some(Setting {
                provider,
                definition: &definition.logical_name,
                name: self.logical_names.get(&row.declared_by?)?,
                declaration: self.declarations.get(&row.declared_by?)?,
                value: row.present_value(),
            })
            .filter(|_| provider.active)
        })
    }
}

/// A setting of an active provider.
pub(crate) struct Setting<'a> {
    pub(crate) provider: &'a Provider,
    /// The logical name of the provider's definition.
    pub(crate) definition: &'a str,
    /// The setting's logical name.
    pub(crate) name: &'a str,
    /// The row that declares it.
    pub(crate) declaration: &'a Fields,
    pub(crate) value: Option<&'a str>,
}

/// Does a declaring row say this of what it declares? Nobody has published these columns; a Boolean
/// column whose name contains the word counts (`msdyn_issecret`, `msdyn_isrequired`).
pub(crate) fn is_declared(declaration: &Fields, word: &str) -> bool {
    declaration
        .iter()
        .any(|(column, value)| column.contains(word) && value == &Value::Bool(true))
}

/// Does a declaring row give a value to what it declares?
pub(crate) fn has_default(declaration: &Fields) -> bool {
    default_texts(declaration).next().is_some()
}

/// Is this the value that a declaring row gives?
pub(crate) fn is_default(declaration: &Fields, value: &str) -> bool {
    default_texts(declaration).any(|text| text == value)
}

/// The texts in the columns of a default value; their names are not published either.
fn default_texts(declaration: &Fields) -> impl Iterator<Item = &str> {
    declaration
        .iter()
        .filter(|(column, _)| column.contains("default") && !column.contains('@'))
        .filter_map(|(_, value)| value.as_str())
        .filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_declaration_shows_what_is_secret_or_required() {
        let row = json!({"msdyn_issecret": true, "msdyn_isrequired": false, "secretname": "x"});
        let row = row.as_object().unwrap();
        assert!(is_declared(row, "secret"));
        assert!(!is_declared(row, "required"));
        assert!(!is_declared(&Fields::new(), "secret"));
        let default = |value| json!({ "msdyn_defaultvalue": value });
        assert!(has_default(default("No").as_object().unwrap()));
        assert!(is_default(default("No").as_object().unwrap(), "No"));
        assert!(!is_default(default("No").as_object().unwrap(), "Yes"));
        assert!(!has_default(default("").as_object().unwrap()) && !has_default(row));
    }
}
