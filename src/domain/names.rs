//! IOM's tables and columns, by the names that this tenant uses.
//!
//! Some logical names are published, the others are likely guesses, and a tenant may differ. So a
//! name is resolved in this order, and nothing is used that metadata does not show: what the
//! runbook writes; the likely logical name; the display name; the relationship to a table that is
//! known.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::needs::{self, Need};
use crate::clients::{Column, Dataverse, Table};
use crate::engine::Failure;
use crate::runbook::{Iom, IomColumn, IomTable, Keyword as _};

/// A row's members by name.
pub(crate) type Fields = Map<String, Value>;

/// The names that this tenant uses.
#[derive(Clone, Debug, Default)]
pub struct Names {
    tables: BTreeMap<IomTable, String>,
    columns: BTreeMap<IomColumn, String>,
    titles: BTreeMap<IomTable, String>,
    /// What could not be resolved.
    missing: Vec<Missing>,
    /// Why the source's metadata could not be read, if so: then the names are of the target, or
    /// unchecked.
    unread: Option<Failure>,
}

/// A table or column that the metadata does not show.
#[derive(Clone, Debug)]
pub(crate) struct Missing {
    /// Its key in the runbook.
    pub(crate) key: &'static str,
    /// The name that was looked for.
    pub(crate) looked_for: String,
    /// What it means. A name that the runbook writes is never optional.
    pub(crate) need: Need,
    /// Does the runbook write its name?
    pub(crate) is_written: bool,
}

/// The display names of each table (Microsoft Learn, *Application lifecycle management* of IOM, and
/// the forms in its labs).
fn display_names(table: IomTable) -> &'static [&'static str] {
    match table {
        IomTable::Provider => &["Provider", "IOM Provider"],
        IomTable::ProviderDefinition => &["Provider Definition", "IOM Provider Definition"],
        IomTable::ProviderAction => &["Provider Action", "IOM Provider Action"],
        IomTable::ProviderConnectionReference => &[
            "Provider Connection Reference",
            "IOM Provider Connection Reference",
        ],
        IomTable::ProviderDefinitionConnectionReference => {
            &["Provider Definition Connection Reference"]
        }
        IomTable::ProviderParameter => &["Provider Parameter"],
        IomTable::ProviderDefinitionParameter => &["Provider Definition Parameter"],
        IomTable::ProviderTransformation => &["Provider Transformation"],
        IomTable::ProviderDefinitionTransformation => &[
            "Provider Definition Transformation",
            "Provider Transformation Definition",
        ],
        IomTable::LogicDefinition => &["Provider Definition Logic Definition", "Logic Definition"],
        IomTable::PlatformConnectionReference => &[
            "Platform Connection Reference",
            "IOM Platform Connection Reference",
        ],
        IomTable::Orchestration => &["Designer", "Orchestration"],
        IomTable::Policy => &["Policy", "IOM Policy"],
        IomTable::OrchestrationStep => &["Step", "Orchestration Step"],
        IomTable::WarehouseMapping => &["IOM Warehouse Mapping", "Warehouse Mapping"],
    }
}

/// How a column is found if its likely name is not there.
enum ColumnMatch {
    /// The only lookup to this table.
    LookupTo(IomTable),
    /// A column with one of these display names.
    DisplayName(&'static [&'static str]),
    /// A memo column with one of these display names, or the table's only memo column.
    Memo(&'static [&'static str]),
}

fn column_match(column: IomColumn) -> ColumnMatch {
    use ColumnMatch::{DisplayName, LookupTo, Memo};
    match column {
        IomColumn::OrchestrationGraph => {
            Memo(&["Graph", "Designer JSON", "Definition", "Journey JSON"])
        }
        IomColumn::ProviderTransformationScript => Memo(&["Transformation"]),
        IomColumn::ProviderActivationError => {
            DisplayName(&["Activation Error Log", "Activation Error", "Error Log"])
        }
        IomColumn::ProviderDefinitionIsActive => DisplayName(&["Is Active"]),
        IomColumn::LogicDefinitionLogicType => DisplayName(&["Logic Type"]),
        IomColumn::ProviderParameterValue => DisplayName(&["Value"]),
        IomColumn::ProviderDefinitionLogicalName
        | IomColumn::LogicDefinitionLogicalName
        | IomColumn::ProviderDefinitionParameterLogicalName
        | IomColumn::ProviderDefinitionTransformationLogicalName
        | IomColumn::ProviderDefinitionConnectionReferenceLogicalName => {
            DisplayName(&["Logical Name"])
        }
        IomColumn::ProviderConnectionReferenceConnectionUrl
        | IomColumn::PlatformConnectionReferenceConnectionUrl => DisplayName(&["Connection URL"]),
        IomColumn::ProviderDefinition
        | IomColumn::LogicDefinitionDefinition
        | IomColumn::ProviderDefinitionParameterDefinition
        | IomColumn::ProviderDefinitionConnectionReferenceDefinition => {
            LookupTo(IomTable::ProviderDefinition)
        }
        IomColumn::ProviderActionLogicDefinition => LookupTo(IomTable::LogicDefinition),
        IomColumn::ProviderParameterDefinition => LookupTo(IomTable::ProviderDefinitionParameter),
        IomColumn::ProviderTransformationDefinition => {
            LookupTo(IomTable::ProviderDefinitionTransformation)
        }
        IomColumn::ProviderConnectionReferenceDefinition => {
            LookupTo(IomTable::ProviderDefinitionConnectionReference)
        }
        IomColumn::ProviderActionProvider
        | IomColumn::ProviderParameterProvider
        | IomColumn::ProviderTransformationProvider
        | IomColumn::ProviderConnectionReferenceProvider
        | IomColumn::WarehouseMappingProvider => LookupTo(IomTable::Provider),
    }
}

impl Names {
    /// Resolves every name against an organization's metadata, with reads alone. What is not found
    /// is remembered, and reported where it is used.
    pub async fn resolve(dataverse: &Dataverse, iom: &Iom) -> Result<Self, Failure> {
        let mut names = Self::default();
        let mut found: BTreeMap<&'static str, Table> = BTreeMap::new();
        // All at once: the client caches the responses, and the loop below reports failures.
        let likely = IomTable::ALL
            .iter()
            .map(|table| dataverse.table(iom.table(*table)));
        drop(join_all(likely).await);
        for table in IomTable::ALL {
            let likely = iom.table(*table).to_owned();
            if let Some(resolved) = find_table(dataverse, iom, *table).await? {
                names.tables.insert(*table, resolved.logical_name.clone());
                if let Some(title) = &resolved.primary_name {
                    names.titles.insert(*table, title.clone());
                }
                found.insert(table.keyword(), resolved);
            } else {
                names.missing.push(Missing {
                    key: table.keyword(),
                    looked_for: likely.clone(),
                    need: needs::of_table(*table),
                    is_written: iom.is_override(table.keyword()),
                });
                names.tables.insert(*table, likely);
            }
        }
        for column in IomColumn::ALL.iter().copied() {
            let Some(table) = found.get(column.table_keyword()) else {
                continue;
            };
            if let Some(name) = names.find_column(iom, column, table) {
                names.columns.insert(column, name);
            } else {
                names.missing.push(Missing {
                    key: column.keyword(),
                    looked_for: format!("{} of {}", iom.column(column), table.logical_name),
                    need: needs::of_column(column),
                    is_written: iom.is_override(column.keyword()),
                });
            }
        }
        Ok(names)
    }

    /// The runbook's names and the likely ones, unchecked: for an organization that cannot be read,
    /// so that the read itself reports why.
    pub fn unchecked(iom: &Iom) -> Self {
        Self {
            tables: IomTable::ALL
                .iter()
                .map(|table| (*table, iom.table(*table).to_owned()))
                .collect(),
            columns: IomColumn::ALL
                .iter()
                .map(|column| (*column, iom.column(*column).to_owned()))
                .collect(),
            ..Self::default()
        }
    }

    /// The same names, with why the source's metadata could not be read.
    #[must_use]
    pub fn without_source(mut self, why: Failure) -> Self {
        self.unread = Some(why);
        self
    }

    /// Why the source's metadata could not be read, if so.
    pub(crate) fn unread(&self) -> Option<&Failure> {
        self.unread.as_ref()
    }

    fn find_column(&self, iom: &Iom, column: IomColumn, table: &Table) -> Option<String> {
        let likely = iom.column(column);
        if table.has_column(likely) {
            return Some(likely.to_owned());
        }
        if iom.is_override(column.keyword()) {
            return None;
        }
        let called = |names: &[&str]| {
            table
                .columns
                .iter()
                .find(|column| is_called(column.display_name.as_deref(), names))
        };
        match column_match(column) {
            ColumnMatch::LookupTo(to) => {
                let to = self.tables.get(&to)?;
                let mut lookups = table.lookups.iter().filter(|lookup| lookup.table == *to);
                let only = lookups.next()?;
                lookups.next().is_none().then(|| only.column.clone())
            }
            ColumnMatch::DisplayName(names) => {
                called(names).map(|column| column.logical_name.clone())
            }
            ColumnMatch::Memo(names) => {
                let is_long = |column: &&Column| column.kind.as_deref() == Some("Memo");
                let by_name = called(names).filter(is_long);
                let mut long = table.columns.iter().filter(is_long);
                let only = match (long.next(), long.next()) {
                    (Some(only), None) => Some(only),
                    _ => None,
                };
                by_name.or(only).map(|column| column.logical_name.clone())
            }
        }
    }

    /// What could not be resolved.
    pub(crate) fn missing(&self) -> &[Missing] {
        &self.missing
    }

    /// The logical name of a table.
    pub(crate) fn table(&self, table: IomTable) -> &str {
        self.tables
            .get(&table)
            .map_or_else(|| table.default_name(), String::as_str)
    }

    /// The logical name of a column.
    pub(crate) fn column(&self, column: IomColumn) -> Result<&str, Failure> {
        self.columns
            .get(&column)
            .map(String::as_str)
            .ok_or_else(|| {
                Failure::failed(format!(
                    "the column '{column}' is not found in the metadata"
                ))
                .with_help(format!(
                    "write its logical name under `iom.columns` in the runbook: `{column}: …`"
                ))
                .permanent()
            })
    }

    /// The logical name of a column that the tenant may lack.
    pub(crate) fn optional(&self, column: IomColumn) -> Option<&str> {
        self.columns.get(&column).map(String::as_str)
    }

    /// The logical names of rows of a library: what the column holds, or, if this tenant has no
    /// such column, each row's name. A name that several rows of one definition share does not
    /// identify any of them, so these rows get no logical name.
    pub(crate) fn logical_names<'r>(
        &self,
        column: IomColumn,
        rows: impl Iterator<Item = (&'r Uuid, &'r Fields)>,
    ) -> BTreeMap<Uuid, String> {
        if let Some(column) = self.optional(column) {
            return rows
                .filter_map(|(id, row)| Some((*id, text(row, column)?)))
                .collect();
        }
        let is_own = |table: &&IomTable| table.keyword() == column.table_keyword();
        let Some(table) = IomTable::ALL.iter().find(is_own) else {
            return BTreeMap::new();
        };
        let definition = definition_of(column).and_then(|column| self.optional(column));
        let mut named = BTreeMap::new();
        let mut uses: BTreeMap<(Option<Uuid>, String), usize> = BTreeMap::new();
        for (id, row) in rows {
            let title = self.title(*table, row, *id);
            let group = definition.and_then(|column| lookup(row, column));
            let place = (group, title.to_lowercase());
            *uses.entry(place.clone()).or_default() += 1;
            named.insert(*id, (title, place));
        }
        named.retain(|_, (_, place)| uses.get(place) == Some(&1));
        named
            .into_iter()
            .map(|(id, (title, _))| (id, title))
            .collect()
    }

    /// A row's name: the text of its table's primary name column, else its id.
    pub(crate) fn title(&self, table: IomTable, row: &Fields, id: Uuid) -> String {
        text(row, self.title_column(table)).unwrap_or_else(|| id.to_string())
    }

    /// The primary name column of a table.
    pub(crate) fn title_column(&self, table: IomTable) -> &str {
        self.titles.get(&table).map_or("msdyn_name", String::as_str)
    }

    /// The id that a lookup column holds.
    pub(crate) fn lookup(&self, row: &Fields, column: IomColumn) -> Result<Option<Uuid>, Failure> {
        Ok(lookup(row, self.column(column)?))
    }

    /// The text that a column holds.
    pub(crate) fn text(&self, row: &Fields, column: IomColumn) -> Result<Option<String>, Failure> {
        Ok(text(row, self.column(column)?))
    }
}

/// The lookup to the provider definition, beside this logical name.
fn definition_of(logical_name: IomColumn) -> Option<IomColumn> {
    match logical_name {
        IomColumn::LogicDefinitionLogicalName => Some(IomColumn::LogicDefinitionDefinition),
        IomColumn::ProviderDefinitionParameterLogicalName => {
            Some(IomColumn::ProviderDefinitionParameterDefinition)
        }
        IomColumn::ProviderDefinitionConnectionReferenceLogicalName => {
            Some(IomColumn::ProviderDefinitionConnectionReferenceDefinition)
        }
        _ => None,
    }
}

/// The table by its written or likely name, else by its display name.
async fn find_table(
    dataverse: &Dataverse,
    iom: &Iom,
    table: IomTable,
) -> Result<Option<Table>, Failure> {
    let found = dataverse.table(iom.table(table)).await?;
    if found.is_some() || iom.is_override(table.keyword()) {
        return Ok(found.map(|table| (*table).clone()));
    }
    let custom = dataverse.tables().await?;
    let called = custom
        .iter()
        .find(|candidate| is_called(candidate.display_name.as_deref(), display_names(table)));
    let Some(called) = called else {
        return Ok(None);
    };
    Ok(dataverse
        .table(&called.logical_name)
        .await?
        .map(|table| (*table).clone()))
}

fn is_called(display_name: Option<&str>, names: &[&str]) -> bool {
    display_name.is_some_and(|found| names.iter().any(|name| name.eq_ignore_ascii_case(found)))
}

/// The id in `_column_value`, as the Web API gives lookups.
pub(crate) fn lookup(row: &Fields, column: &str) -> Option<Uuid> {
    let value = row
        .get(&format!("_{column}_value"))
        .or_else(|| row.get(column))?;
    Uuid::try_parse(value.as_str()?).ok()
}

/// The text of a column; none if it is null, absent or no text.
pub(crate) fn text(row: &Fields, column: &str) -> Option<String> {
    row.get(column)?.as_str().map(str::to_owned)
}

/// The English labels that Dataverse gives to the states 0 and 1 of every table. They do not show
/// whether a row is published.
const GENERIC_STATES: [&str; 2] = ["Active", "Inactive"];

/// The label of a choice, state or status column. A status is known by its label: the numbers
/// behind IOM's labels are not published.
pub(crate) fn label(row: &Fields, column: &str) -> Option<String> {
    text(
        row,
        &format!("{column}@OData.Community.Display.V1.FormattedValue"),
    )
}

/// Does a column have this label, regardless of case?
pub(crate) fn is_labelled(row: &Fields, column: &str, expected: &str) -> bool {
    label(row, column).is_some_and(|label| label.eq_ignore_ascii_case(expected))
}

/// The label of a row's state, if Dataverse gives that label to every table: of the states 0 and 1. In
/// English they are [`GENERIC_STATES`].
pub(crate) fn generic_state_label(row: &Fields) -> Option<String> {
    let state = row.get("statecode").and_then(Value::as_i64)?;
    label(row, "statecode").filter(|_| matches!(state, 0 | 1))
}

/// Is this one of the labels that Dataverse gives to the states of every table?
pub(crate) fn is_generic_state(label: &str) -> bool {
    let mut generic = GENERIC_STATES.iter();
    generic.any(|one| one.eq_ignore_ascii_case(label))
}

/// Is a row active, by its state number (`statecode` 0 in every table of the platform)?
pub(crate) fn is_active(row: &Fields) -> bool {
    row.get("statecode").and_then(Value::as_i64) == Some(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn without_the_column_a_row_is_known_by_its_name_unless_another_has_it_too() {
        let column = IomColumn::ProviderDefinitionParameterLogicalName;
        let mut names = Names::unchecked(&Iom::default());
        let row = |name: &str, definition: u128| {
            let definition = Uuid::from_u128(definition).to_string();
            let row = json!({
                "msdyn_name": name, "msdyn_logicalname": format!("msdyn_{name}"),
                "_msdyn_providerdefinitionid_value": definition,
            });
            row.as_object().cloned().unwrap_or_default()
        };
        let rows = [row("Key", 1), row("Key", 2), row("Host", 1), row("host", 1)];
        let rows: BTreeMap<Uuid, Fields> = (0_u128..)
            .zip(rows)
            .map(|(id, row)| (Uuid::from_u128(id), row))
            .collect();
        let found = |names: &Names| -> Vec<String> {
            names
                .logical_names(column, rows.iter())
                .into_values()
                .collect()
        };
        assert_eq!(found(&names).len(), 4);
        names.columns.remove(&column);
        assert_eq!(found(&names), ["Key", "Key"]);
    }
}
