//! What a provider's deletion does to the rows that lead to it, read from metadata before anything
//! is deleted: Microsoft does not publish it, and tenants may differ.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};
use uuid::Uuid;

use super::Old;
use crate::clients::literal;
use crate::domain::Refresh;
use crate::domain::names::{Names, text};
use crate::domain::view::View;
use crate::engine::{Action, Ask, Change, Failure, Known, Survey};
use crate::runbook::IomTable;

/// How many ids one filter names: an address may not become too long.
const IDS_A_FILTER: usize = 20;

/// A lookup to providers and what becomes of its row.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Cascade {
    /// The table that leads to providers.
    pub(super) table: String,
    /// Its lookup.
    pub(super) column: String,
    /// `Cascade`, `RemoveLink`, `Restrict`, `NoCascade`, …, as the service says it.
    pub(super) on_delete: Option<String>,
}

/// Reads them all; none where the metadata does not say.
pub(super) async fn cascades(refresh: &Refresh, view: View<'_>) -> Result<Vec<Cascade>, Failure> {
    let provider = Names::of(refresh).table(IomTable::Provider);
    let path = format!(
        "EntityDefinitions(LogicalName={})/OneToManyRelationships\
         ?$select=SchemaName,ReferencingEntity,ReferencingAttribute,CascadeConfiguration",
        literal(provider)
    );
    let found = match view {
        View::Target(target) => target.get_path(&path).await?,
        View::AfterCopy(refresh) => refresh.source.get_path(&path).await?,
    };
    Ok(found.as_ref().map(judged).unwrap_or_default())
}

fn judged(metadata: &Value) -> Vec<Cascade> {
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

/// Does a deletion take the rows of this table along? Yes where nothing says otherwise.
pub(super) fn takes_along(cascades: &[Cascade], table: &str) -> bool {
    let rule = cascades.iter().find(|cascade| cascade.table == table);
    rule.and_then(|cascade| cascade.on_delete.as_deref())
        .is_none_or(|rule| rule.eq_ignore_ascii_case("Cascade"))
}

/// What forbids the deletion while it is there.
fn restricting(cascades: &[Cascade]) -> impl Iterator<Item = &Cascade> {
    cascades.iter().filter(|cascade| {
        let rule = cascade.on_delete.as_deref();
        rule.is_some_and(|rule| rule.eq_ignore_ascii_case("Restrict"))
    })
}

/// Finds the rows that forbid the deletion of an old provider, before anything is deleted.
pub(super) struct Release(pub(super) Arc<Refresh>);

#[async_trait]
impl Survey for Release {
    async fn survey(&self, known: &Known) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        let old = Old::of(refresh, known)?;
        let view = refresh.view(known);
        let names = Names::of(refresh);
        let here = view.by_id(names.table(IomTable::Provider)).await?;
        let ids: Vec<Uuid> = old
            .ids
            .iter()
            .copied()
            .filter(|id| here.contains_key(id))
            .collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mapping = names.table(IomTable::WarehouseMapping);
        let rows = forbidding(refresh, view, &ids).await?;
        Ok(rows.iter().map(|row| release(row, mapping)).collect())
    }
}

fn release(row: &Forbidding, mapping: &str) -> Change {
    let Forbidding {
        table,
        id,
        called,
        title,
        column,
    } = row;
    let after = if table == mapping {
        "it is captured, and put back to the new provider"
    } else {
        "write down which provider it was: nothing puts it back"
    };
    Change {
        key: format!("release/{table}/{id}"),
        name: format!("release {called} '{title}' from its old provider"),
        before: json!({ "leads-to": "an old provider" }),
        after: Value::Null,
        follows: Vec::new(),
        action: Action::Ask(Ask {
            instructions: vec![format!(
                "{called} '{title}': empty its provider ({column}), because the tenant forbids deleting a provider that it leads to; {after}"
            )],
            evidence: "no row leads to an old provider by a lookup that forbids its deletion"
                .to_owned(),
        }),
    }
}

/// A row that leads to a provider by a lookup that forbids the provider's deletion.
pub(crate) struct Forbidding {
    /// Its table.
    pub(crate) table: String,
    /// Its id.
    pub(crate) id: Uuid,
    /// What people call its table.
    pub(crate) called: String,
    /// What people call it.
    pub(crate) title: String,
    /// The lookup.
    pub(crate) column: String,
}

/// Finds the rows that forbid the deletion of any of these providers.
pub(crate) async fn forbidding(
    refresh: &Refresh,
    view: View<'_>,
    providers: &[Uuid],
) -> Result<Vec<Forbidding>, Failure> {
    let mut found = Vec::new();
    for cascade in restricting(&cascades(refresh, view).await?) {
        let Some(table) = view.optional_table(&cascade.table).await? else {
            continue;
        };
        for row in leading(view, cascade, providers).await? {
            let Some(id) = row.id(&table.primary_id) else {
                continue;
            };
            let title = table.primary_name.as_deref();
            let title = title.and_then(|column| text(&row.value, column));
            found.push(Forbidding {
                table: cascade.table.clone(),
                id,
                called: table
                    .display_name
                    .clone()
                    .unwrap_or_else(|| cascade.table.clone()),
                title: title.unwrap_or_else(|| id.to_string()),
                column: cascade.column.clone(),
            });
        }
    }
    Ok(found)
}

async fn leading(
    view: View<'_>,
    cascade: &Cascade,
    ids: &[Uuid],
) -> Result<Vec<crate::clients::Row>, Failure> {
    let mut rows = Vec::new();
    for some in ids.chunks(IDS_A_FILTER) {
        let terms: BTreeSet<String> = some
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
    fn only_a_restriction_forbids_and_only_a_cascade_takes_along() {
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
        let found = judged(&metadata);
        assert_eq!(found.len(), 4);
        let forbidding: Vec<&str> = restricting(&found).map(|c| c.table.as_str()).collect();
        assert_eq!(forbidding, ["mapping"]);
        assert!(takes_along(&found, "action"));
        assert!(!takes_along(&found, "event"));
        assert!(takes_along(&found, "odd") && takes_along(&[], "action"));
        assert!(judged(&json!({})).is_empty());
    }
}
