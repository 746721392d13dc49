//! Tables, and how the data files write them.

use std::sync::OnceLock;

use serde::Deserialize;
use serde_json::Value;

use super::column::{Choice, Column, Kind, Lookup, OnDelete, StatusChoice};

/// A table of an organization.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "TableData")]
pub(crate) struct Table {
    /// The logical name, such as `workflow`.
    pub(crate) logical_name: String,
    /// The schema name, such as `Workflow`.
    pub(crate) schema_name: String,
    /// The entity set name, such as `workflows`.
    pub(crate) set: String,
    pub(crate) display_name: String,
    /// The plural of the display name.
    pub(crate) display_plural: String,
    /// The primary key's column.
    pub(crate) primary_id: String,
    /// The column whose text names a row.
    pub(crate) primary_name: Option<String>,
    /// The owner of its rows.
    pub(crate) ownership: Ownership,
    /// Whether a solution brought it.
    pub(crate) custom: bool,
    pub(crate) columns: Vec<Column>,
    /// Its alternate keys: a name, and the columns.
    pub(crate) keys: Vec<(String, Vec<String>)>,
    /// Its metadata as the service shows it, once it was asked for: a table does not change.
    pub(crate) shown: Shown,
}

/// The metadata of a table in the form of a service.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shown {
    pub(crate) definition: OnceLock<Value>,
    pub(crate) attributes: OnceLock<Vec<Value>>,
    pub(crate) many_to_one: OnceLock<Vec<Value>>,
}

/// The owner of a table's rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ownership {
    /// A user or a team.
    User,
    Organization,
}

/// A many-to-many relationship and the table with its pairs.
#[derive(Clone, Debug)]
pub(crate) struct Intersect {
    /// The navigation property, on both sides.
    pub(crate) name: String,
    /// The table of the pairs.
    pub(crate) table: String,
    /// The two sides: a table, and the column of the pair with its key.
    pub(crate) sides: [(String, String); 2],
}

/// A table as a data file writes it, without the columns that every table has.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct TableData {
    schema_name: String,
    set: String,
    display: (String, String),
    #[serde(default)]
    custom: bool,
    /// Whether a user or a team owns its rows.
    #[serde(default)]
    owned: bool,
    primary_name: Option<String>,
    /// The primary key's column, if its name does not follow the rule.
    #[serde(default)]
    primary_id: Option<String>,
    columns: Vec<ColumnData>,
    #[serde(default)]
    keys: Vec<(String, Vec<String>)>,
}

/// A column as a data file writes it: its schema name, display name and kind.
#[derive(Deserialize)]
#[serde(untagged)]
enum ColumnData {
    Group(ColumnGroup),
    Writable(String, String, Kind),
    Marked(String, String, Kind, Mark),
}

/// Columns that many tables have.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum ColumnGroup {
    /// The columns of solution components.
    Component,
    /// The states of most tables.
    ActiveOrInactive,
}

/// What requests cannot do with a column.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Mark {
    /// Set it.
    Fixed,
    /// Read it.
    WriteOnly,
}

impl From<TableData> for Table {
    fn from(data: TableData) -> Self {
        let logical_name = data.schema_name.to_lowercase();
        let primary_id = data
            .primary_id
            .unwrap_or_else(|| format!("{logical_name}id"));
        let mut table = Self {
            logical_name,
            schema_name: data.schema_name,
            set: data.set,
            display_name: data.display.0,
            display_plural: data.display.1,
            primary_id: primary_id.clone(),
            primary_name: data.primary_name,
            ownership: Ownership::Organization,
            custom: data.custom,
            columns: Vec::new(),
            keys: data.keys,
            shown: Shown::default(),
        };
        table.add(&primary_id, "Identifier", Kind::Identifier, false);
        table.add("createdon", "Created On", Kind::DateTime, false);
        table.add("modifiedon", "Modified On", Kind::DateTime, false);
        table.add("createdby", "Created By", lookup(&["systemuser"]), false);
        table.add("modifiedby", "Modified By", lookup(&["systemuser"]), false);
        table.add("versionnumber", "Version Number", Kind::BigInteger, false);
        if data.owned {
            table.ownership = Ownership::User;
            table.add("ownerid", "Owner", lookup(&["systemuser", "team"]), true);
            let unit = lookup(&["businessunit"]);
            table.add("owningbusinessunit", "Owning Business Unit", unit, false);
        }
        for column in data.columns {
            match column {
                ColumnData::Group(group) => table.add_group(&group),
                ColumnData::Writable(name, display, kind) => table.add(&name, &display, kind, true),
                ColumnData::Marked(name, display, kind, mark) => {
                    table.add(&name, &display, kind, mark == Mark::WriteOnly);
                    if let Some(column) = table.columns.last_mut() {
                        column.readable = mark == Mark::Fixed;
                    }
                }
            }
        }
        table
    }
}

impl Table {
    fn add(&mut self, schema_name: &str, display: &str, mut kind: Kind, writable: bool) {
        if let Kind::Lookup(lookup) = &mut kind
            && lookup.navigation.is_empty()
        {
            schema_name.clone_into(&mut lookup.navigation);
        }
        let logical_name = schema_name.to_lowercase();
        let property = match kind {
            Kind::Lookup(_) => format!("_{logical_name}_value"),
            _ => logical_name.clone(),
        };
        self.columns.push(Column {
            logical_name,
            schema_name: schema_name.to_owned(),
            display_name: display.to_owned(),
            kind,
            writable,
            readable: true,
            property,
        });
    }

    fn add_group(&mut self, group: &ColumnGroup) {
        match group {
            ColumnGroup::Component => {
                self.add("ismanaged", "Is Managed", Kind::Boolean, false);
                self.add("iscustomizable", "Customizable", Kind::Managed, true);
                self.add("componentstate", "Component State", Kind::Integer, false);
                self.add("solutionid", "Solution", Kind::Identifier, false);
            }
            ColumnGroup::ActiveOrInactive => {
                let values = [(0, 1, "Active"), (1, 2, "Inactive")];
                let label = str::to_owned;
                let states = values.map(|(value, _, text)| Choice {
                    value,
                    label: label(text),
                });
                let statuses = values.map(|(state, value, text)| StatusChoice {
                    value,
                    label: label(text),
                    state,
                });
                self.add("statecode", "Status", Kind::State(states.into()), true);
                let statuses = Kind::Status(statuses.into());
                self.add("statuscode", "Status Reason", statuses, true);
            }
        }
    }

    pub(crate) fn column(&self, logical_name: &str) -> Option<&Column> {
        self.columns
            .iter()
            .find(|column| column.logical_name == logical_name)
    }

    /// A column by its property in JSON.
    pub(crate) fn property(&self, property: &str) -> Option<&Column> {
        self.columns
            .iter()
            .find(|column| column.property == property)
    }

    /// A column that requests can read, by its property in JSON.
    pub(crate) fn readable(&self, property: &str) -> Option<&Column> {
        self.property(property).filter(|column| column.readable)
    }

    /// The default status of a state: its first one.
    pub(crate) fn default_status(&self, state: i64) -> Option<i64> {
        self.statuses()
            .iter()
            .find(|status| status.state == state)
            .map(|status| status.value)
    }

    /// The values of the status column.
    pub(crate) fn statuses(&self) -> &[StatusChoice] {
        match self.column("statuscode").map(|column| &column.kind) {
            Some(Kind::Status(statuses)) => statuses,
            _ => &[],
        }
    }
}

/// A lookup of the platform: its navigation property is the column's name.
fn lookup(targets: &[&str]) -> Kind {
    Kind::Lookup(Lookup {
        targets: targets.iter().map(|target| (*target).to_owned()).collect(),
        navigation: String::new(),
        on_delete: OnDelete::RemoveLink,
    })
}
