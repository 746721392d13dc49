//! IOM's tables and columns, by the names that this tenant uses.
//!
//! Some logical names are published, the others are likely guesses, and a tenant may differ. So a
//! name is resolved in this order, and nothing is used that metadata does not show: what the runbook
//! writes; the likely logical name; the display name; the relationship to a table that is known.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::Refresh;
use crate::clients::{Column, Dataverse, Table};
use crate::engine::Failure;
use crate::runbook::{IOM_COLUMNS, Iom, IomTable, Word as _};

/// A row's members by name.
pub(crate) type Fields = Map<String, Value>;

/// The names that this tenant uses.
#[derive(Clone, Debug, Default)]
pub struct Names {
    tables: BTreeMap<IomTable, String>,
    columns: BTreeMap<&'static str, String>,
    titles: BTreeMap<IomTable, String>,
    /// What could not be resolved, in the runbook's words with the name that was looked for.
    unresolved: BTreeMap<String, String>,
    /// Why the source's metadata could not be read, if so: then the names are of the target, or
    /// unchecked.
    unread: Option<Failure>,
}

/// What people call each table (Microsoft Learn, *Application lifecycle management* of IOM, and
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

/// How a column is found where its likely name is not there.
enum Sought {
    /// The only lookup to this table.
    LookupTo(IomTable),
    /// A column with one of these display names.
    Called(&'static [&'static str]),
    /// A memo column with one of these display names, or the table's only memo column.
    LongText(&'static [&'static str]),
}

fn sought(key: &str) -> Sought {
    match key {
        "orchestration.graph" => {
            Sought::LongText(&["Graph", "Designer JSON", "Definition", "Journey JSON"])
        }
        "provider-transformation.script" => Sought::LongText(&["Transformation"]),
        "provider.activation-error" => {
            Sought::Called(&["Activation Error Log", "Activation Error", "Error Log"])
        }
        "provider-definition.is-active" => Sought::Called(&["Is Active"]),
        "logic-definition.logic-type" => Sought::Called(&["Logic Type"]),
        "provider-parameter.value" => Sought::Called(&["Value"]),
        key if key.ends_with(".logical-name") => Sought::Called(&["Logical Name"]),
        key if key.ends_with(".connection-url") => Sought::Called(&["Connection URL"]),
        "provider.definition"
        | "logic-definition.definition"
        | "provider-definition-parameter.definition"
        | "provider-definition-connection-reference.definition" => {
            Sought::LookupTo(IomTable::ProviderDefinition)
        }
        "provider-action.logic-definition" => Sought::LookupTo(IomTable::LogicDefinition),
        "provider-parameter.definition" => Sought::LookupTo(IomTable::ProviderDefinitionParameter),
        "provider-transformation.definition" => {
            Sought::LookupTo(IomTable::ProviderDefinitionTransformation)
        }
        "provider-connection-reference.definition" => {
            Sought::LookupTo(IomTable::ProviderDefinitionConnectionReference)
        }
        _ => Sought::LookupTo(IomTable::Provider),
    }
}

impl Names {
    /// Resolves every name against an organization's metadata, with reads alone. What is not found
    /// is remembered, and told where it is used.
    pub async fn resolve(dataverse: &Dataverse, iom: &Iom) -> Result<Self, Failure> {
        let mut names = Self::default();
        let mut found: BTreeMap<&'static str, Table> = BTreeMap::new();
        // All at once: the answers are remembered, and what fails is told below, where it is used.
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
                found.insert(table.word(), resolved);
            } else {
                names
                    .unresolved
                    .insert(table.word().to_owned(), likely.clone());
                names.tables.insert(*table, likely);
            }
        }
        for (key, _) in IOM_COLUMNS {
            let word = key.split('.').next().unwrap_or_default();
            let Some(table) = found.get(word) else {
                continue;
            };
            if let Some(column) = names.find_column(iom, key, table) {
                names.columns.insert(key, column);
            } else {
                let likely = iom.column(key).unwrap_or_default();
                let looked_for = format!("{likely} of {}", table.logical_name);
                names.unresolved.insert(key.to_owned(), looked_for);
            }
        }
        Ok(names)
    }

    /// The runbook's names and the likely ones, unchecked: for an organization that cannot be read,
    /// so that whoever asks is told why by the read itself.
    pub fn unchecked(iom: &Iom) -> Self {
        let columns = IOM_COLUMNS.iter().map(|(key, _)| (*key, iom.column(key)));
        Self {
            tables: IomTable::ALL
                .iter()
                .map(|t| (*t, iom.table(*t).to_owned()))
                .collect(),
            columns: columns
                .filter_map(|(key, name)| Some((key, name?.to_owned())))
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

    fn find_column(&self, iom: &Iom, key: &str, table: &Table) -> Option<String> {
        let likely = iom.column(key)?;
        if table.has_column(likely) {
            return Some(likely.to_owned());
        }
        if iom.is_override(key) {
            return None;
        }
        let called = |names: &[&str]| {
            table
                .columns
                .iter()
                .find(|column| is_called(column.display_name.as_deref(), names))
        };
        match sought(key) {
            Sought::LookupTo(to) => {
                let to = self.tables.get(&to)?;
                let mut lookups = table.lookups.iter().filter(|lookup| lookup.table == *to);
                let only = lookups.next()?;
                lookups.next().is_none().then(|| only.column.clone())
            }
            Sought::Called(names) => called(names).map(|column| column.logical_name.clone()),
            Sought::LongText(names) => {
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

    /// The names of a refresh.
    pub(crate) fn of(refresh: &Refresh) -> &Self {
        &refresh.names
    }

    /// What could not be resolved: the runbook's word, and the name that was looked for.
    pub(crate) fn unresolved(&self) -> &BTreeMap<String, String> {
        &self.unresolved
    }

    /// The logical name of a table.
    pub(crate) fn table(&self, table: IomTable) -> &str {
        self.tables
            .get(&table)
            .map_or_else(|| table.default_name(), String::as_str)
    }

    /// The logical name of a column, by its key in the runbook (`provider.definition`).
    pub(crate) fn column(&self, key: &str) -> Result<&str, Failure> {
        self.columns.get(key).map(String::as_str).ok_or_else(|| {
            Failure::failed(format!("no name is known for the column '{key}'"))
                .with_help(format!(
                    "write it under `iom.columns` in the runbook: `{key}: …`"
                ))
                .lasting()
        })
    }

    /// What people call a row: the text of its table's primary name column, else its id.
    pub(crate) fn title(&self, table: IomTable, row: &Fields, id: Uuid) -> String {
        let column = self.titles.get(&table).map_or("msdyn_name", String::as_str);
        text(row, column).unwrap_or_else(|| id.to_string())
    }

    /// The id that a lookup column holds.
    pub(crate) fn lookup(&self, row: &Fields, key: &str) -> Result<Option<Uuid>, Failure> {
        Ok(lookup(row, self.column(key)?))
    }

    /// The text that a column holds.
    pub(crate) fn text(&self, row: &Fields, key: &str) -> Result<Option<String>, Failure> {
        Ok(text(row, self.column(key)?))
    }
}

/// The table by its written or likely name, else by what people call it.
async fn find_table(
    dataverse: &Dataverse,
    iom: &Iom,
    table: IomTable,
) -> Result<Option<Table>, Failure> {
    let found = dataverse.table(iom.table(table)).await?;
    if found.is_some() || iom.is_override(table.word()) {
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

/// The text of a column; none where it is null, absent or no text.
pub(crate) fn text(row: &Fields, column: &str) -> Option<String> {
    row.get(column)?.as_str().map(str::to_owned)
}

/// The label of a choice, state or status column. A status is known by its label: the numbers
/// behind IOM's labels are not published.
pub(crate) fn label(row: &Fields, column: &str) -> Option<String> {
    text(
        row,
        &format!("{column}@OData.Community.Display.V1.FormattedValue"),
    )
}

/// Does a column's label read so, whatever its case?
pub(crate) fn is_labelled(row: &Fields, column: &str, expected: &str) -> bool {
    label(row, column).is_some_and(|label| label.eq_ignore_ascii_case(expected))
}
