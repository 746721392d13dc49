//! Deletion with the rows that depend on the deleted row, as the relationships define it.

use super::organization::{Organization, text};
use crate::rehearsal::odata::error::ODataError;
use crate::rehearsal::schema::column::OnDelete;
use crate::rehearsal::schema::table::Table;

/// Deletes a row. Rows that refer to it are deleted, lose their lookup, or prevent the deletion.
pub(super) fn delete(
    organization: &mut Organization,
    table: &Table,
    id: &str,
) -> Result<(), ODataError> {
    let schema = organization.schema;
    organization.remove_row(&table.logical_name, id);
    for relationship in schema.relationships_to(table) {
        let other = relationship.referencing;
        let column = &relationship.column.logical_name;
        for mut row in organization.rows_referencing(&other.logical_name, column, id) {
            match relationship.on_delete() {
                OnDelete::Cascade => {
                    let child = text(&row, &other.primary_id).unwrap_or_default().to_owned();
                    delete(organization, other, &child)?;
                }
                OnDelete::RemoveLink => {
                    row.remove(column);
                    organization.save(other, row);
                }
                OnDelete::Restrict => {
                    let message = format!(
                        "The object you tried to delete is associated with another object and \
                         cannot be deleted: {} leads to it by {column}.",
                        other.logical_name
                    );
                    return Err(ODataError::new(405, "0x80048d21", message));
                }
            }
        }
    }
    for intersect in schema.intersects() {
        for (side, column) in &intersect.sides {
            if *side == table.logical_name {
                remove_pairs(organization, &intersect.table, column, id);
            }
        }
    }
    Ok(())
}

fn remove_pairs(organization: &mut Organization, pairs: &str, column: &str, id: &str) {
    let Some(table) = organization.schema.table(pairs) else {
        return;
    };
    for pair in organization.rows(pairs) {
        if text(&pair, column) == Some(id) {
            let pair_id = text(&pair, &table.primary_id)
                .unwrap_or_default()
                .to_owned();
            organization.remove_row(pairs, &pair_id);
        }
    }
}
