//! Tables, and the functions that define them.

use super::column::{Choice, Column, Kind, Lookup, OnDelete, StatusChoice};

/// A table of an organization.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    /// The logical name, such as `workflow`.
    pub(crate) logical_name: String,
    /// The schema name, such as `Workflow`.
    pub(crate) schema_name: String,
    /// The entity set name, such as `workflows`.
    pub(crate) set: String,
    /// The display name.
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
    /// Its columns.
    pub(crate) columns: Vec<Column>,
    /// Its alternate keys: a name, and the columns.
    pub(crate) keys: Vec<(String, Vec<String>)>,
}

/// The owner of a table's rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ownership {
    /// A user or a team.
    User,
    /// The organization.
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

impl Table {
    /// A table of the platform. `names` are the schema name and the entity set name.
    pub(crate) fn of_platform(names: (&str, &str), display: (&str, &str)) -> Self {
        let logical_name = names.0.to_lowercase();
        let primary_id = format!("{logical_name}id");
        let table = Self {
            logical_name,
            schema_name: names.0.to_owned(),
            set: names.1.to_owned(),
            display_name: display.0.to_owned(),
            display_plural: display.1.to_owned(),
            primary_id: primary_id.clone(),
            primary_name: None,
            ownership: Ownership::Organization,
            custom: false,
            columns: Vec::new(),
            keys: Vec::new(),
        };
        table
            .fixed(&primary_id, "Identifier", Kind::Identifier)
            .fixed("createdon", "Created On", Kind::DateTime)
            .fixed("modifiedon", "Modified On", Kind::DateTime)
            .fixed_lookup("createdby", "Created By", "systemuser")
            .fixed_lookup("modifiedby", "Modified By", "systemuser")
            .fixed("versionnumber", "Version Number", Kind::BigInteger)
    }

    /// A table that a solution brought.
    pub(crate) fn of_solution(names: (&str, &str), display: (&str, &str)) -> Self {
        Self {
            custom: true,
            ..Self::of_platform(names, display)
        }
    }

    /// A user or team owns its rows.
    pub(crate) fn owned(mut self) -> Self {
        self.ownership = Ownership::User;
        self.lookup("ownerid", "Owner", &["systemuser", "team"], "ownerid")
            .fixed_lookup("owningbusinessunit", "Owning Business Unit", "businessunit")
    }

    /// The column whose text names a row, with its maximum length.
    pub(crate) fn named(mut self, schema_name: &str, display: &str, length: usize) -> Self {
        self.primary_name = Some(schema_name.to_lowercase());
        self.column_of(schema_name, display, Kind::Text(length), true)
    }

    /// A text column.
    pub(crate) fn text(self, schema_name: &str, display: &str, length: usize) -> Self {
        self.column_of(schema_name, display, Kind::Text(length), true)
    }

    /// A long text column.
    pub(crate) fn memo(self, schema_name: &str, display: &str) -> Self {
        self.column_of(schema_name, display, Kind::Memo(1_048_576), true)
    }

    /// A column of another kind.
    pub(crate) fn with(self, schema_name: &str, display: &str, kind: Kind) -> Self {
        self.column_of(schema_name, display, kind, true)
    }

    /// A column that requests cannot set.
    pub(crate) fn fixed(self, schema_name: &str, display: &str, kind: Kind) -> Self {
        self.column_of(schema_name, display, kind, false)
    }

    /// A choice column.
    pub(crate) fn choice(self, schema_name: &str, display: &str, values: &[(i64, &str)]) -> Self {
        self.column_of(schema_name, display, Kind::Choice(choices(values)), true)
    }

    /// A lookup that is cleared when the referenced row is deleted.
    pub(crate) fn lookup(
        self,
        logical_name: &str,
        display: &str,
        targets: &[&str],
        navigation: &str,
    ) -> Self {
        let lookup = lookup(targets, navigation, OnDelete::RemoveLink);
        self.column_of(logical_name, display, Kind::Lookup(lookup), true)
    }

    /// A lookup of a solution's table: its navigation property is its schema name.
    pub(crate) fn custom_lookup(
        self,
        schema_name: &str,
        display: &str,
        target: &str,
        on_delete: OnDelete,
    ) -> Self {
        let lookup = lookup(&[target], schema_name, on_delete);
        self.column_of(schema_name, display, Kind::Lookup(lookup), true)
    }

    fn fixed_lookup(self, logical_name: &str, display: &str, target: &str) -> Self {
        let lookup = lookup(&[target], logical_name, OnDelete::RemoveLink);
        self.column_of(logical_name, display, Kind::Lookup(lookup), false)
    }

    /// State and status columns. A status is its value, its label, and the state it belongs to.
    pub(crate) fn states(self, states: &[(i64, &str)], statuses: &[(i64, &str, i64)]) -> Self {
        let statuses = statuses
            .iter()
            .map(|(value, label, state)| StatusChoice {
                value: *value,
                label: (*label).to_owned(),
                state: *state,
            })
            .collect();
        self.column_of("statecode", "Status", Kind::State(choices(states)), true)
            .column_of("statuscode", "Status Reason", Kind::Status(statuses), true)
    }

    /// The states of most tables: active and inactive.
    pub(crate) fn active_or_inactive(self) -> Self {
        self.states(
            &[(0, "Active"), (1, "Inactive")],
            &[(1, "Active", 0), (2, "Inactive", 1)],
        )
    }

    /// An alternate key.
    pub(crate) fn key(mut self, name: &str, columns: &[&str]) -> Self {
        let columns = columns.iter().map(|column| (*column).to_owned()).collect();
        self.keys.push((name.to_owned(), columns));
        self
    }

    /// The columns of solution components: managed, customizable, state, solution.
    pub(crate) fn component(self) -> Self {
        self.fixed("ismanaged", "Is Managed", Kind::Boolean)
            .with("iscustomizable", "Customizable", Kind::Managed)
            .fixed("componentstate", "Component State", Kind::Integer)
            .fixed("solutionid", "Solution", Kind::Identifier)
    }

    fn column_of(mut self, schema_name: &str, display: &str, kind: Kind, writable: bool) -> Self {
        self.columns.push(Column {
            logical_name: schema_name.to_lowercase(),
            schema_name: schema_name.to_owned(),
            display_name: display.to_owned(),
            kind,
            writable,
        });
        self
    }

    /// A column by its logical name.
    pub(crate) fn column(&self, logical_name: &str) -> Option<&Column> {
        self.columns
            .iter()
            .find(|column| column.logical_name == logical_name)
    }

    /// A column by its property in JSON.
    pub(crate) fn property(&self, property: &str) -> Option<&Column> {
        self.columns
            .iter()
            .find(|column| column.property() == property)
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

fn choices(values: &[(i64, &str)]) -> Vec<Choice> {
    values
        .iter()
        .map(|(value, label)| Choice {
            value: *value,
            label: (*label).to_owned(),
        })
        .collect()
}

fn lookup(targets: &[&str], navigation: &str, on_delete: OnDelete) -> Lookup {
    Lookup {
        targets: targets.iter().map(|target| (*target).to_owned()).collect(),
        navigation: navigation.to_owned(),
        on_delete,
    }
}
