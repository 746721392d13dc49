//! The tables of a Dataverse organization, as data. Metadata, OData reads and writes, and cascading
//! deletes all follow from them.
//!
//! - `column`: columns and their types.
//! - `table`: tables, and how the data files write them.
//! - `navigation`: from a row to its related rows.
//! - `table_names`: other names for the tables of Intelligent Order Management.
//! - `platform.json`, `flows.json`, `order_management.json`, `dual_write.json`, `outside.json`: the
//!   tables themselves. A column is its schema name, display name and kind.
//! - `finance_operations`: the entity sets of Finance and Operations, which are not tables of
//!   Dataverse.
//!
//! Columns and values of the platform's tables are those of Microsoft Learn's Dataverse table
//! reference. Of Intelligent Order Management, the logical names of provider, definition and their
//! connections, parameters and transformations, of logic definition, policy, rule and designer are
//! public (Microsoft Learn, Intelligent Order Management: application lifecycle management), logic
//! types too (create a new provider), and the execution results of actions (*Troubleshoot errors*);
//! its other tables and columns are invented. Rows of `flowrun` appear late or not at all: the Flow
//! service keeps the details of a run.

pub(crate) mod column;
pub(crate) mod finance_operations;
pub(crate) mod navigation;
pub(crate) mod table;
pub(crate) mod table_names;

use self::column::{Choice, Kind, StatusChoice};
use self::table::{Intersect, Table};

/// The files with the tables.
const FILES: [&str; 5] = [
    include_str!("platform.json"),
    include_str!("flows.json"),
    include_str!("order_management.json"),
    include_str!("dual_write.json"),
    include_str!("outside.json"),
];

/// The many-to-many relationships: name, table of the pairs, and the tables of both sides.
const INTERSECTS: [(&str, &str, [&str; 2]); 3] = [
    (
        "systemuserroles_association",
        "systemuserroles",
        ["systemuser", "role"],
    ),
    (
        "teammembership_association",
        "teammembership",
        ["systemuser", "team"],
    ),
    ("teamroles_association", "teamroles", ["team", "role"]),
];

/// All tables, and the many-to-many relationships between them.
#[derive(Debug)]
pub(crate) struct Schema {
    tables: Vec<Table>,
    intersects: Vec<Intersect>,
}

impl Schema {
    /// The tables of an organization with Intelligent Order Management and dual-write installed.
    pub(crate) fn standard() -> Self {
        let tables = FILES.iter().flat_map(|file| {
            serde_json::from_str::<Vec<Table>>(file)
                .expect("the file is part of the program, and every test of the schema reads it")
        });
        let intersects = INTERSECTS.iter().map(|(name, table, sides)| Intersect {
            name: (*name).to_owned(),
            table: (*table).to_owned(),
            sides: sides.map(|side| (side.to_owned(), format!("{side}id"))),
        });
        Self {
            tables: tables.collect(),
            intersects: intersects.collect(),
        }
    }

    /// The same in a tenant where the status alone says that an orchestration is published: its state
    /// is *Active*, as that of most rows.
    pub(crate) fn publishing_by_status(mut self) -> Self {
        let choice = |value, label: &str| Choice {
            value,
            label: label.to_owned(),
        };
        let status = |value, label: &str, state| StatusChoice {
            value,
            label: label.to_owned(),
            state,
        };
        let is_designer = |table: &&mut Table| table.logical_name == "msdyn_iomdesigner";
        let designers = self.tables.iter_mut().filter(is_designer);
        for column in designers.flat_map(|table| &mut table.columns) {
            match column.logical_name.as_str() {
                "statecode" => {
                    column.kind = Kind::State(vec![choice(0, "Active"), choice(1, "Inactive")]);
                }
                "statuscode" => {
                    column.kind = Kind::Status(vec![
                        status(1, "Draft", 0),
                        status(2, "Published", 0),
                        status(3, "Inactive", 1),
                    ]);
                }
                _ => {}
            }
        }
        self
    }

    pub(crate) fn tables(&self) -> &[Table] {
        &self.tables
    }

    /// All many-to-many relationships.
    pub(crate) fn intersects(&self) -> &[Intersect] {
        &self.intersects
    }

    /// The table with a logical name.
    pub(crate) fn table(&self, logical_name: &str) -> Option<&Table> {
        self.tables
            .iter()
            .find(|table| table.logical_name == logical_name)
    }

    /// The table with an entity set name.
    pub(crate) fn set(&self, set: &str) -> Option<&Table> {
        self.tables.iter().find(|table| table.set == set)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_lookups_refer_to_tables() {
        let schema = Schema::standard();
        let mut names = BTreeSet::new();
        for table in schema.tables() {
            assert!(names.insert(&table.logical_name), "{}", table.logical_name);
            let mut columns = BTreeSet::new();
            for column in &table.columns {
                assert!(
                    columns.insert(&column.logical_name),
                    "{}",
                    column.logical_name
                );
                if let Kind::Lookup(lookup) = &column.kind {
                    for target in &lookup.targets {
                        assert!(
                            schema.table(target).is_some(),
                            "{}.{} refers to {target}",
                            table.logical_name,
                            column.logical_name
                        );
                    }
                }
            }
            assert!(table.column(&table.primary_id).is_some());
            if let Some(name) = &table.primary_name {
                assert!(table.column(name).is_some(), "{}", table.logical_name);
            }
        }
    }
}
