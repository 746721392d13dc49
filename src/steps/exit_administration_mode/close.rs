//! Phase `close`: what must not run is taken out while administration mode keeps it from running.
//!
//! Rows of `msdyn_dualwriteruntimeconfig` that the copy brought name the source's organization, and
//! Dataverse then refuses every write to a mapped table (Microsoft Learn, *Troubleshoot live
//! synchronization issues*: `SecureConfig Organization does not match`). Flows that the source's
//! providers deployed, and flows that start by themselves, would fetch the production shop's orders.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use uuid::Uuid;

use super::read;
use crate::base::text::count;
use crate::clients::Row;
use crate::domain::dual_write::capture::RUNTIME_CONFIGURATION;
use crate::domain::flows::rules::Rules;
use crate::domain::flows::{Definition, cloud_flows, switch, switch_value, switched};
use crate::domain::names::{Fields, text};
use crate::domain::tenant_set::{Request, RowReader, TenantSet};
use crate::domain::view::View;
use crate::domain::{Refresh, flows, sealed_row, seals};
use crate::engine::{Action, Change, Failure, Known, Reading, Survey};
use crate::runbook::Method;

/// Finds what must not run.
pub(super) struct Close(pub(super) Arc<Refresh>);

#[async_trait]
impl Survey for Close {
    async fn survey(&self, known: &Known) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        let view = refresh.view(known);
        let mut changes = self.stale_configuration(known, view).await?;
        if let View::Target(_) = view
            && is_closed(refresh).await?
        {
            changes.extend(self.running_flows(known, view).await?);
        }
        Ok(changes)
    }

    async fn notes(&self, known: &Known) -> Result<Vec<String>, Failure> {
        let refresh = &self.0;
        let view = refresh.view(known);
        if !is_closed(refresh).await? {
            return Ok(Vec::new());
        }
        let (_, rows) = configuration(view).await?.unwrap_or_default();
        let recorded = recorded(known);
        let unknown = rows
            .iter()
            .filter(|(id, _)| !recorded.contains_key(id))
            .count();
        Ok((unknown > 0)
            .then(|| {
                format!(
                    "{} of {RUNTIME_CONFIGURATION} in the target came neither from the recorded \
                     source nor are recorded themselves; they are left alone",
                    count(unknown, "row")
                )
            })
            .into_iter()
            .collect())
    }
}

impl Close {
    /// Only ids of the first seal are removed: rows that dual-write makes later have others.
    async fn stale_configuration(
        &self,
        known: &Known,
        view: View<'_>,
    ) -> Result<Vec<Change>, Failure> {
        let Some((entity_set, rows)) = configuration(view).await? else {
            return Ok(Vec::new());
        };
        let recorded = recorded(known);
        Ok(rows
            .into_iter()
            .filter_map(|(id, row)| {
                let sealed = recorded.get(&id)?;
                Some(remove(&self.0, &entity_set, id, &row, sealed))
            })
            .collect())
    }

    /// The copy should have left every flow off; what is on all the same and would speak to the
    /// production shop, or names the source, is switched off. By the caller and not as another user, whom administration
    /// mode may keep out.
    async fn running_flows(&self, known: &Known, view: View<'_>) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        let rules = Rules::read(refresh, known).await?;
        let running: Vec<(Uuid, Fields)> = cloud_flows(view)
            .await?
            .into_iter()
            .filter(|(_, row)| flows::is_on(row))
            .filter(|(id, row)| {
                let name = text(row, "name").unwrap_or_default();
                rules.is_deployed(&name)
                    || Definition::of(row).is_some_and(|d| d.recurs())
                    || !rules.named_by(*id, row).is_empty()
            })
            .collect();
        if running.is_empty() {
            return Ok(Vec::new());
        }
        let table = view.table("workflow").await?;
        Ok(running
            .iter()
            .map(|(id, row)| Change {
                key: format!("flow/{id}/off"),
                name: format!(
                    "turn off cloud flow '{}'",
                    text(row, "name").unwrap_or_default()
                ),
                before: switch_value(row),
                after: switched(false),
                follows: Vec::new(),
                action: switch(refresh, &table.entity_set, *id, false, None),
            })
            .collect())
    }
}

async fn is_closed(refresh: &Refresh) -> Result<bool, Failure> {
    Ok(read(refresh).await?.runtime_state.as_deref() != Some("Enabled"))
}

/// The source's runtime configuration in the first seal.
fn recorded(known: &Known) -> BTreeMap<Uuid, Fields> {
    let rows = seals::rows(
        known,
        seals::BEFORE_COPY,
        &format!("source/{RUNTIME_CONFIGURATION}"),
    );
    rows.into_iter().collect()
}

/// The table's entity set and its rows; none where the environment has no dual-write.
async fn configuration(view: View<'_>) -> Result<Option<(String, Vec<(Uuid, Fields)>)>, Failure> {
    let Some(table) = view.optional_table(RUNTIME_CONFIGURATION).await? else {
        return Ok(None);
    };
    let rows = view.by_id(RUNTIME_CONFIGURATION).await?;
    Ok(Some((table.entity_set, rows.into_iter().collect())))
}

fn remove(
    refresh: &Arc<Refresh>,
    entity_set: &str,
    id: Uuid,
    row: &Fields,
    sealed: &Fields,
) -> Change {
    let request = Request {
        method: Method::Delete,
        path: format!("{entity_set}({id})"),
        body: None,
        creates: false,
        acting_as: None,
    };
    let sealed = sealed.clone();
    let before = sealed_row::compared("present", &sealed, row);
    let map = text(row, "msdyn_internalentityname").unwrap_or_else(|| id.to_string());
    Change {
        key: format!("runtime-configuration/{id}"),
        name: format!("remove the source's dual-write runtime configuration of '{map}'"),
        before,
        after: Value::Null,
        follows: Vec::new(),
        action: Action::Remove {
            set: Arc::new(TenantSet {
                refresh: Arc::clone(refresh),
                reader: RowReader::of(refresh, entity_set, id, move |row: Option<&Row>| {
                    Reading::of(row.map_or(Value::Null, |row| {
                        sealed_row::compared("present", &sealed, &row.value)
                    }))
                }),
                request: move |_: &Reading| Ok(request.clone()),
                patience: Duration::from_mins(1),
            }),
            seal: seals::BEFORE_COPY,
            captured: format!("source/{RUNTIME_CONFIGURATION}/{id}"),
            sealed: json!({ "present": true }),
        },
    }
}
