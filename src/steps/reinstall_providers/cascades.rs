//! What a provider's deletion does to the rows that reference it. The program reads it from
//! metadata before it deletes anything, because Microsoft does not publish it and tenants may
//! differ.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::try_join_all;
use serde_json::{Value, json};
use uuid::Uuid;

use super::shared_readings::Shared;
use crate::clients::literal;
use crate::domain::manual_change::ManualChange;
use crate::domain::names::text;
use crate::domain::view::View;
use crate::domain::{RefreshContext, keys};
use crate::engine::{Change, Failure, JournalView, Survey};
use crate::runbook::IomTable;

/// How many ids one filter names, to keep the address short enough.
const IDS_PER_FILTER: usize = 20;

/// A lookup to providers, and what a deletion does to its rows.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Cascade {
    /// The table with the lookup.
    pub(super) table: String,
    /// The lookup's column.
    pub(super) column: String,
    /// `Cascade`, `RemoveLink`, `Restrict`, `NoCascade`, …, in the service's words.
    pub(super) on_delete: Option<String>,
}

/// Reads every lookup to providers; none if the metadata does not list them.
pub(super) async fn read_cascades(
    refresh: &RefreshContext,
    view: View<'_>,
) -> Result<Vec<Cascade>, Failure> {
    let provider = refresh.names.table(IomTable::Provider);
    let path = format!(
        "EntityDefinitions(LogicalName={})/OneToManyRelationships\
         ?$select=SchemaName,ReferencingEntity,ReferencingAttribute,CascadeConfiguration",
        literal(provider)
    );
    let found = match view {
        View::AsIs(target) => target.get_path(&path).await?,
        View::AfterCopy(refresh) => refresh.source.dataverse.get_path(&path).await?,
    };
    Ok(found.as_ref().map(parse_cascades).unwrap_or_default())
}

fn parse_cascades(metadata: &Value) -> Vec<Cascade> {
    let list = metadata.get("value").and_then(Value::as_array);
    list.into_iter()
        .flatten()
        .filter_map(|relationship| {
            let text = |member: &str| relationship.get(member)?.as_str().map(str::to_owned);
            let on_delete = relationship.pointer("/CascadeConfiguration/Delete");
            Some(Cascade {
                table: text("ReferencingEntity")?,
                column: text("ReferencingAttribute")?,
                on_delete: on_delete.and_then(Value::as_str).map(str::to_owned),
            })
        })
        .collect()
}

/// Does the deletion of a provider delete its rows in this table too? Yes if the metadata is
/// silent.
pub(super) fn deletes_rows_of(cascades: &[Cascade], table: &str) -> bool {
    let rule = cascades.iter().find(|cascade| cascade.table == table);
    rule.and_then(|cascade| cascade.on_delete.as_deref())
        .is_none_or(|rule| rule.eq_ignore_ascii_case("Cascade"))
}

/// The lookups whose rows block the deletion.
fn restrictions(cascades: &[Cascade]) -> impl Iterator<Item = &Cascade> {
    cascades.iter().filter(|cascade| {
        let rule = cascade.on_delete.as_deref();
        rule.is_some_and(|rule| rule.eq_ignore_ascii_case("Restrict"))
    })
}

/// Finds the rows that block the deletion of an old provider, before anything is deleted.
pub(super) struct Release(pub(super) Arc<Shared>);

#[async_trait]
impl Survey for Release {
    async fn survey(&self, journal: &JournalView) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0.refresh;
        let (old, present) = self.0.old_and_present(journal, &[]).await?;
        let ids: Vec<Uuid> = old
            .ids
            .iter()
            .copied()
            .filter(|id| present.now.providers.contains_key(id))
            .collect();
        let mut changes = Vec::new();
        if !ids.is_empty() {
            let mapping = refresh.names.table(IomTable::WarehouseMapping);
            let cascades = self.0.cascades(journal).await?;
            let rows = rows_that_block(refresh.view(journal), &cascades, &ids).await?;
            changes.extend(rows.iter().map(|row| release(row, mapping)));
        }
        self.0.hand_on(journal, &changes, &present);
        Ok(changes)
    }
}

fn release(row: &BlockingRow, mapping: &str) -> Change {
    let BlockingRow {
        table,
        id,
        table_name,
        title,
        column,
    } = row;
    let restored = if table == mapping {
        "a later phase points it to the new provider"
    } else {
        "note which provider it was: no phase restores it"
    };
    ManualChange {
        key: keys::release(table, *id),
        name: format!("release {table_name} '{title}' from its old provider"),
        before: json!({ "leads-to": "an old provider" }),
        after: Value::Null,
        instructions: vec![format!(
            "{table_name} '{title}': empty its provider ({column}), because the tenant does not \
             allow deleting a provider that a row references; {restored}"
        )],
        evidence: "no row references an old provider in a lookup that blocks its deletion"
            .to_owned(),
    }
    .into_change()
}

/// A row that references a provider in a lookup that blocks the provider's deletion.
pub(crate) struct BlockingRow {
    /// The table's logical name.
    pub(crate) table: String,
    pub(crate) id: Uuid,
    /// The table's display name.
    pub(crate) table_name: String,
    /// The row's display name.
    pub(crate) title: String,
    /// The lookup's column.
    pub(crate) column: String,
}

/// Finds the rows that block the deletion of any of these providers.
pub(crate) async fn blocking_rows(
    refresh: &RefreshContext,
    view: View<'_>,
    providers: &[Uuid],
) -> Result<Vec<BlockingRow>, Failure> {
    let cascades = read_cascades(refresh, view).await?;
    rows_that_block(view, &cascades, providers).await
}

/// The same, by lookups that were read before.
async fn rows_that_block(
    view: View<'_>,
    cascades: &[Cascade],
    providers: &[Uuid],
) -> Result<Vec<BlockingRow>, Failure> {
    let found = restrictions(cascades).map(|cascade| rows_in(view, cascade, providers));
    Ok(try_join_all(found).await?.into_iter().flatten().collect())
}

/// The rows of one lookup.
async fn rows_in(
    view: View<'_>,
    cascade: &Cascade,
    providers: &[Uuid],
) -> Result<Vec<BlockingRow>, Failure> {
    let Some(table) = view.optional_table(&cascade.table).await? else {
        return Ok(Vec::new());
    };
    let rows = referencing_rows(view, cascade, providers).await?;
    let found = rows.iter().filter_map(|row| {
        let id = row.id(&table.primary_id)?;
        let title = table.primary_name.as_deref();
        let title = title.and_then(|column| text(&row.value, column));
        Some(BlockingRow {
            table: cascade.table.clone(),
            id,
            table_name: table
                .display_name
                .clone()
                .unwrap_or_else(|| cascade.table.clone()),
            title: title.unwrap_or_else(|| id.to_string()),
            column: cascade.column.clone(),
        })
    });
    Ok(found.collect())
}

async fn referencing_rows(
    view: View<'_>,
    cascade: &Cascade,
    ids: &[Uuid],
) -> Result<Vec<crate::clients::Row>, Failure> {
    let mut rows = Vec::new();
    for chunk in ids.chunks(IDS_PER_FILTER) {
        let terms: BTreeSet<String> = chunk
            .iter()
            .map(|id| format!("_{}_value eq {id}", cascade.column))
            .collect();
        let terms: Vec<String> = terms.into_iter().collect();
        rows.extend(
            view.rows_where(&cascade.table, Some(terms.join(" or ")))
                .await?,
        );
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_restriction_blocks_and_only_a_cascade_deletes_rows() {
        let relationship = |table: &str, rule: Value| {
            json!({ "ReferencingEntity": table, "ReferencingAttribute": "p",
                "CascadeConfiguration": { "Delete": rule } })
        };
        let metadata = json!({ "value": [
            relationship("action", json!("Cascade")),
            relationship("mapping", json!("Restrict")),
            relationship("event", json!("RemoveLink")),
            relationship("odd", Value::Null),
            { "SchemaName": "without the rest" },
        ] });
        let found = parse_cascades(&metadata);
        assert_eq!(found.len(), 4);
        let blocking: Vec<&str> = restrictions(&found).map(|c| c.table.as_str()).collect();
        assert_eq!(blocking, ["mapping"]);
        assert!(deletes_rows_of(&found, "action"));
        assert!(!deletes_rows_of(&found, "event"));
        assert!(deletes_rows_of(&found, "odd") && deletes_rows_of(&[], "action"));
        assert!(parse_cascades(&json!({})).is_empty());
    }
}
