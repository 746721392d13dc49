//! From a row to its related rows: lookups, the rows that refer to it, and many-to-many
//! relationships.

use super::Schema;
use super::column::{Column, Lookup, OnDelete};
use super::table::Table;

/// A navigation property of a table.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Navigation<'schema> {
    /// To one row: a lookup column of the table itself.
    One(&'schema Column),
    /// To the rows of another table whose lookup refers to this one.
    Many {
        /// The other table.
        table: &'schema Table,
        /// Its lookup column.
        column: &'schema Column,
    },
    /// To rows of another table through a table of pairs.
    Pairs {
        /// The other table.
        table: &'schema Table,
        pairs: &'schema Table,
        /// The pair's column for this side.
        here: &'schema str,
        /// The pair's column for the other side.
        there: &'schema str,
    },
}

/// A one-to-many relationship.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Relationship<'schema> {
    /// The table that the lookup refers to.
    pub(crate) referenced: &'schema Table,
    /// The table with the lookup.
    pub(crate) referencing: &'schema Table,
    /// The lookup column.
    pub(crate) column: &'schema Column,
}

impl Relationship<'_> {
    /// The relationship's name, which is also the navigation property of the referenced table.
    pub(crate) fn name(&self) -> String {
        collection_name(self.referenced, self.referencing, self.column)
    }

    /// What happens to the referencing rows when the referenced row is deleted.
    pub(crate) fn on_delete(&self) -> OnDelete {
        self.column
            .lookup()
            .map_or(OnDelete::RemoveLink, |lookup| lookup.on_delete)
    }
}

impl Schema {
    /// The navigation property with this name; case-sensitive.
    pub(crate) fn navigation<'schema>(
        &'schema self,
        table: &'schema Table,
        name: &str,
    ) -> Option<Navigation<'schema>> {
        let lookup = table.columns.iter().find(|column| {
            column
                .lookup()
                .is_some_and(|lookup| is_navigation(lookup, name))
        });
        if let Some(column) = lookup {
            return Some(Navigation::One(column));
        }
        if let Some(pairs) = self.pairs(table, name) {
            return Some(pairs);
        }
        self.relationships_to(table)
            .find(|relationship| relationship.name() == name)
            .map(|relationship| Navigation::Many {
                table: relationship.referencing,
                column: relationship.column,
            })
    }

    fn pairs<'schema>(&'schema self, table: &Table, name: &str) -> Option<Navigation<'schema>> {
        self.intersects().iter().find_map(|intersect| {
            if intersect.name != name {
                return None;
            }
            let [first, second] = &intersect.sides;
            let (here, there) = if first.0 == table.logical_name {
                (first, second)
            } else if second.0 == table.logical_name {
                (second, first)
            } else {
                return None;
            };
            Some(Navigation::Pairs {
                table: self.table(&there.0)?,
                pairs: self.table(&intersect.table)?,
                here: &here.1,
                there: &there.1,
            })
        })
    }

    /// The relationships in which other tables refer to this one.
    pub(crate) fn relationships_to<'schema>(
        &'schema self,
        table: &'schema Table,
    ) -> impl Iterator<Item = Relationship<'schema>> {
        self.tables()
            .iter()
            .flat_map(|referencing| {
                referencing
                    .columns
                    .iter()
                    .map(move |column| (referencing, column))
            })
            .filter(|(_, column)| {
                column
                    .lookup()
                    .is_some_and(|lookup| lookup.targets.contains(&table.logical_name))
            })
            .map(|(referencing, column)| Relationship {
                referenced: table,
                referencing,
                column,
            })
    }
}

/// A lookup of several tables also has a navigation property for each of them (Microsoft Learn,
/// Web API: polymorphic lookups).
fn is_navigation(lookup: &Lookup, name: &str) -> bool {
    let Some(rest) = name.strip_prefix(&lookup.navigation) else {
        return false;
    };
    let is_table = |table: &str| lookup.targets.iter().any(|target| target == table);
    rest.is_empty() || lookup.targets.len() > 1 && rest.strip_prefix('_').is_some_and(is_table)
}

/// The name of a collection follows a rule, except for those that Microsoft's pages name.
fn collection_name(referenced: &Table, referencing: &Table, column: &Column) -> String {
    if referencing.logical_name == "environmentvariablevalue" && !is_common(column) {
        return "environmentvariabledefinition_environmentvariablevalue".to_owned();
    }
    format!(
        "{}_{}_{}",
        referenced.logical_name, referencing.logical_name, column.logical_name
    )
}

fn is_common(column: &Column) -> bool {
    ["ownerid", "createdby", "modifiedby", "owningbusinessunit"]
        .contains(&column.logical_name.as_str())
}
