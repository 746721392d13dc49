//! The tables of a Dataverse organization, as data. Metadata, OData reads and writes, and cascading
//! deletes all follow from them.
//!
//! - `column`: columns and their types.
//! - `table`: tables, and the functions that define them.
//! - `navigation`: from a row to its related rows.
//! - `skin`: other names for the tables of Intelligent Order Management.
//! - `platform`, `flows`, `order_management`, `dual_write`: the tables themselves.
//! - `finance_operations`: the entity sets of Finance and Operations, which are not tables of
//!   Dataverse.

pub(crate) mod column;
mod dual_write;
pub(crate) mod finance_operations;
mod flows;
pub(crate) mod navigation;
mod order_management;
mod platform;
pub(crate) mod skin;
pub(crate) mod table;

use self::table::{Intersect, Table};

/// All tables, and the many-to-many relationships between them.
#[derive(Debug)]
pub(crate) struct Schema {
    tables: Vec<Table>,
    intersects: Vec<Intersect>,
}

impl Schema {
    /// The tables of an organization with Intelligent Order Management and dual-write installed.
    pub(crate) fn standard() -> Self {
        let mut tables = platform::tables();
        tables.extend(flows::tables());
        tables.extend(order_management::tables());
        tables.extend(dual_write::tables());
        Self {
            tables,
            intersects: platform::intersects(),
        }
    }

    /// All tables.
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

    use super::column::Kind;
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
