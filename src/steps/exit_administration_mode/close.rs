//! Phase `close`: removes or turns off what must not run, while administration mode still keeps it
//! from running.
//!
//! Rows of `msdyn_dualwriteruntimeconfig` that the copy brought name the source's organization, and
//! Dataverse then refuses every write to a mapped table (Microsoft Learn, *Troubleshoot live
//! synchronization issues*: `SecureConfig Organization does not match`). Flows that the source's
//! providers deployed, and scheduled flows, would fetch orders from the production shop.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;
use tokio::try_join;
use uuid::Uuid;

use crate::base::text::count;
use crate::domain::dual_write::capture::RUNTIME_CONFIGURATION;
use crate::domain::environments::{has_opened, read_target};
use crate::domain::flows::rules::Rules;
use crate::domain::flows::{FlowDefinition, SurveyedFlow, SwitchColumns, cloud_flows, switch};
use crate::domain::names::{Fields, text};
use crate::domain::sealed_row::SealedRow;
use crate::domain::seals::Part;
use crate::domain::view::View;
use crate::domain::{RefreshContext, flows, keys, seals};
use crate::engine::{Change, Failure, JournalView, Note, Survey};

/// Finds runtime configuration and flows that must not run.
pub(super) struct Close(pub(super) Arc<RefreshContext>);

#[async_trait]
impl Survey for Close {
    async fn survey(&self, journal: &JournalView) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        let view = refresh.view(journal);
        let running = async {
            if let View::AsIs(_) = view
                && is_before_opening(refresh, journal).await?
            {
                return self.running_flows(journal, view).await;
            }
            Ok(Vec::new())
        };
        let (mut changes, running) = try_join!(self.stale_configuration(journal, view), running)?;
        changes.extend(running);
        Ok(changes)
    }

    async fn notes(&self, journal: &JournalView) -> Result<Vec<Note>, Failure> {
        let refresh = &self.0;
        let view = refresh.view(journal);
        if !is_before_opening(refresh, journal).await? {
            return Ok(Vec::new());
        }
        let (_, rows) = runtime_configuration(view).await?.unwrap_or_default();
        let recorded = recorded_configuration(journal);
        let unknown = rows
            .iter()
            .filter(|(id, _)| !recorded.contains_key(id))
            .count();
        Ok((unknown > 0)
            .then(|| {
                format!(
                    "{RUNTIME_CONFIGURATION} in the target has {} that the seal `before-copy` does \
                     not hold; they are left unchanged",
                    count(unknown, "row")
                )
                .into()
            })
            .into_iter()
            .collect())
    }
}

impl Close {
    /// Removes only ids of the first seal: rows that dual-write creates later have other ids.
    async fn stale_configuration(
        &self,
        journal: &JournalView,
        view: View<'_>,
    ) -> Result<Vec<Change>, Failure> {
        let Some((entity_set, rows)) = runtime_configuration(view).await? else {
            return Ok(Vec::new());
        };
        let recorded = recorded_configuration(journal);
        Ok(rows
            .into_iter()
            .filter_map(|(id, row)| {
                let sealed = recorded.get(&id)?;
                Some(remove_configuration(&self.0, &entity_set, id, &row, sealed))
            })
            .collect())
    }

    /// The copy should have turned every flow off. This turns off flows that are on nevertheless
    /// and would contact the production shop, or name the source. The caller does it and not the
    /// user that `act-as` names, because administration mode may keep that user out.
    async fn running_flows(
        &self,
        journal: &JournalView,
        view: View<'_>,
    ) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        let rules = Rules::read(refresh, journal).await?;
        let must_not_run = |id, row: Fields| {
            let name = text(&row, "name").unwrap_or_default();
            let is_found = flows::is_on(&row)
                && (rules.is_deployed(&name)
                    || FlowDefinition::from_row(&row).is_some_and(|d| d.recurs())
                    || !rules.named_now(id, &row).is_empty());
            is_found.then(|| (name, SwitchColumns::from_row(&row)))
        };
        let running = cloud_flows(view, must_not_run).await?;
        if running.is_empty() {
            return Ok(Vec::new());
        }
        let table = view.table("workflow").await?;
        Ok(running
            .into_iter()
            .map(|(id, (name, columns))| {
                let name = format!("turn off cloud flow '{name}'");
                let off = switch(refresh, SurveyedFlow::new(&table, id, columns), false, None);
                off.into_change(keys::flow_stop(id), name, Vec::new())
            })
            .collect())
    }
}

/// Is administration mode on, or was the target opened by somebody else and not by this run?
async fn is_before_opening(
    refresh: &RefreshContext,
    journal: &JournalView,
) -> Result<bool, Failure> {
    Ok(!has_opened(refresh, journal)
        || read_target(refresh).await?.runtime_state.as_deref() != Some("Enabled"))
}

/// The source's runtime configuration in the first seal.
fn recorded_configuration(journal: &JournalView) -> BTreeMap<Uuid, Fields> {
    seals::fields_by_id(journal, Part::Source, RUNTIME_CONFIGURATION)
}

/// The table's entity set and its rows; none if the environment has no dual-write.
async fn runtime_configuration(
    view: View<'_>,
) -> Result<Option<(String, Vec<(Uuid, Fields)>)>, Failure> {
    let Some(table) = view.optional_table(RUNTIME_CONFIGURATION).await? else {
        return Ok(None);
    };
    let rows = view.by_id(RUNTIME_CONFIGURATION).await?;
    Ok(Some((table.entity_set.clone(), rows.into_iter().collect())))
}

fn remove_configuration(
    refresh: &Arc<RefreshContext>,
    entity_set: &str,
    id: Uuid,
    row: &Fields,
    sealed: &Fields,
) -> Change {
    let copied = SealedRow {
        entity_set,
        id,
        captured: (Part::Source, format!("{RUNTIME_CONFIGURATION}/{id}")),
        columns: sealed.clone(),
    };
    let map = text(row, "msdyn_internalentityname").unwrap_or_else(|| id.to_string());
    Change {
        key: keys::runtime_configuration(id),
        name: format!("remove the source's dual-write runtime configuration of '{map}'"),
        before: copied.compared(Some(row)).into(),
        after: Value::Null.into(),
        follows: Vec::new(),
        action: copied.removal(refresh),
    }
}
