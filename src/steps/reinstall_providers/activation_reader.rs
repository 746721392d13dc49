//! Reads the progress of an activation: the provider's row, and once that is active its actions.

use std::collections::BTreeSet;
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::try_join;
use uuid::Uuid;

use super::shared_readings::Present;
use crate::base::sync::lock;
use crate::clients::Row;
use crate::domain::RefreshContext;
use crate::domain::names::{is_labelled, text};
use crate::domain::providers::{Catalogue, Provider};
use crate::domain::row_changes::Reader;
use crate::domain::view::View;
use crate::engine::{Failure, Reading};
use crate::runbook::{IomColumn, IomTable};

/// The compared fields of an activation: the status, and the logical names of the actions.
pub(super) fn activation(active: bool, actions: &BTreeSet<String>) -> Value {
    json!({
        "status": if active { "Active" } else { "Inactive" },
        "actions": actions,
    })
}

/// The same, of a provider of a catalogue.
pub(super) fn activation_of(catalogue: &Catalogue, provider: &Provider) -> Value {
    activation(provider.active, &catalogue.actions_of(provider.id))
}

/// Reads the progress of an activation.
pub(super) struct ActivationReader {
    pub(super) refresh: Arc<RefreshContext>,
    pub(super) id: Uuid,
    /// The logical names of the actions that the provider should have.
    pub(super) expected: BTreeSet<String>,
    /// What the survey read: the library's names.
    pub(super) before: Arc<Present>,
    pub(super) rows: Mutex<LatestRows>,
    /// The provider that is activated next, if there is one.
    pub(super) next: Option<Uuid>,
    pub(super) shared: Arc<SharedReadings>,
    /// Has the activation been looked at since its request?
    pub(super) has_looked: AtomicBool,
}

/// What the readers of one survey share. Providers are activated one after another.
#[derive(Default)]
pub(super) struct SharedReadings {
    /// The reading of the next provider, made while the end of the last one was proved.
    upcoming: Mutex<Option<(Uuid, Progress)>>,
    /// Had the last activation ended when it was first looked at? Then the next one is likely to
    /// end as fast, and everything that proves its end is read at once.
    ends_at_once: AtomicBool,
}

/// A provider's row, and the logical names of its actions.
type Progress = (ProviderRow, BTreeSet<String>);

impl SharedReadings {
    pub(super) fn ends_at_once(&self) -> bool {
        self.ends_at_once.load(Ordering::Relaxed)
    }

    /// Notes whether an activation had ended at the first look.
    pub(super) fn learn(&self, had_ended: bool) {
        self.ends_at_once.store(had_ended, Ordering::Relaxed);
    }
}

/// Rows that were read, each until it is used once.
#[derive(Default)]
pub(super) struct LatestRows {
    /// Read by the poll that the next reading belongs to.
    polled: Option<ProviderRow>,
    /// Read by the last reading, for the request that follows it.
    read: Option<ProviderRow>,
    /// Is the next reading likely to show the end?
    is_end_expected: bool,
}

/// What one read of the provider's row shows.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct ProviderRow {
    /// Is it active? `None` if the row does not exist.
    pub(super) active: Option<bool>,
    pub(super) error: ErrorText,
}

/// The error text of a provider's activation, and the time of the row's last change.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct ErrorText {
    pub(super) text: Option<String>,
    pub(super) changed: Option<String>,
}

#[async_trait]
impl Reader for ActivationReader {
    async fn read(&self) -> Result<Reading, Failure> {
        let (polled, is_end_expected) = {
            let mut rows = lock(&self.rows);
            (rows.polled.take(), mem::take(&mut rows.is_end_expected))
        };
        let actions = self.actions(self.id);
        let (row, actions) = match polled {
            Some(row) => {
                let (actions, ()) = try_join!(actions, self.read_upcoming())?;
                (row, actions)
            }
            None if is_end_expected => {
                let row = self.row(self.id);
                let (row, actions, ()) = try_join!(row, actions, self.read_upcoming())?;
                (row, actions)
            }
            None => try_join!(self.row(self.id), actions)?,
        };
        Ok(self.reading((row, actions)))
    }

    async fn read_before(&self) -> Result<Reading, Failure> {
        let upcoming = lock(&self.shared.upcoming).take();
        match upcoming {
            Some((id, progress)) if id == self.id => Ok(self.reading(progress)),
            _ => self.read().await,
        }
    }
}

impl ActivationReader {
    fn reading(&self, (row, actions): Progress) -> Reading {
        let reading = match row.active {
            None => Reading::of(Value::Null),
            Some(active) => Reading {
                basis: Value::String(self.describe_progress(active, &actions)),
                ..Reading::of(activation(active, &actions))
            },
        };
        lock(&self.rows).read = Some(row);
        reading
    }

    /// Reads the provider that is activated next, together with what proves the end of this one.
    async fn read_upcoming(&self) -> Result<(), Failure> {
        let Some(next) = self.next else {
            return Ok(());
        };
        let read = try_join!(self.row(next), self.actions(next));
        // If it cannot be read now, the next activation reads it first, and then fails or waits.
        *lock(&self.shared.upcoming) = read.ok().map(|progress| (next, progress));
        Ok(())
    }

    /// The next reading is likely to show the end.
    pub(super) fn expect_end(&self) {
        lock(&self.rows).is_end_expected = true;
    }

    /// The next reading adds the actions to this row, which was just read.
    pub(super) fn go_on_from(&self, row: ProviderRow) {
        lock(&self.rows).polled = Some(row);
    }

    /// The row of the last reading; read now if that was used.
    pub(super) async fn last_row(&self) -> Result<ProviderRow, Failure> {
        let last = lock(&self.rows).read.take();
        match last {
            Some(row) => Ok(row),
            None => self.row(self.id).await,
        }
    }

    /// Reads a provider's row: one request for each poll of an activation.
    pub(super) async fn row(&self, id: Uuid) -> Result<ProviderRow, Failure> {
        let (target, names) = (&self.refresh.target.dataverse, &self.refresh.names);
        let table = View::AsIs(target)
            .table(names.table(IomTable::Provider))
            .await?;
        // Without a known error column, the program only waits for the status.
        let error = names.optional(IomColumn::ProviderActivationError);
        let mut columns = vec!["statuscode", "modifiedon"];
        columns.extend(error);
        columns.retain(|column| table.has_column(column));
        let row = target.get(&table.entity_set, id, &columns).await?;
        Ok(row.map_or_else(ProviderRow::default, |row| parse_row(&row, error)))
    }

    /// The logical names of the actions that a provider has.
    async fn actions(&self, provider_id: Uuid) -> Result<BTreeSet<String>, Failure> {
        let (target, names) = (&self.refresh.target.dataverse, &self.refresh.names);
        let view = View::AsIs(target);
        let table = view.table(names.table(IomTable::ProviderAction)).await?;
        let provider = names.column(IomColumn::ProviderActionProvider)?;
        let logic = names.column(IomColumn::ProviderActionLogicDefinition)?;
        let logic = format!("_{logic}_value");
        let filter = format!("_{provider}_value eq {provider_id}");
        let rows = view.selected(&table, &[&logic], Some(&filter)).await?;
        let logic = rows.iter().filter_map(|row| row.id(&logic));
        Ok(logic
            .filter_map(|id| Some(self.before.now.logic.get(&id)?.logical_name.clone()))
            .collect())
    }

    /// The progress in words.
    pub(super) fn describe_progress(&self, active: bool, present: &BTreeSet<String>) -> String {
        let missing = self.expected.difference(present);
        let missing: Vec<&str> = missing.map(String::as_str).collect();
        let status = if active {
            "it is active"
        } else {
            "it is not active yet"
        };
        if missing.is_empty() {
            return status.to_owned();
        }
        format!("{status}; missing: {}", missing.join(", "))
    }
}

fn parse_row(row: &Row, error: Option<&str>) -> ProviderRow {
    let error = error.and_then(|column| text(&row.value, column));
    ProviderRow {
        active: Some(is_labelled(&row.value, "statuscode", "Active")),
        error: ErrorText {
            text: error.filter(|error| !error.trim().is_empty()),
            changed: text(&row.value, "modifiedon"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_shows_the_status_by_its_label_and_an_error_that_says_something() {
        let row = |label: &str, error: &str| {
            let value = json!({
                "statuscode": 1,
                "statuscode@OData.Community.Display.V1.FormattedValue": label,
                "modifiedon": "2026-03-06T20:04:36Z",
                "msdyn_activationerror": error,
            });
            Row {
                etag: None,
                text: value.to_string(),
                value: value.as_object().cloned().unwrap_or_default(),
            }
        };
        let column = Some("msdyn_activationerror");
        let failed = parse_row(&row("Inactive", "no connection"), column);
        assert_eq!(failed.active, Some(false));
        assert_eq!(failed.error.text.as_deref(), Some("no connection"));
        assert_eq!(
            failed.error.changed.as_deref(),
            Some("2026-03-06T20:04:36Z")
        );
        let done = parse_row(&row("active", " "), column);
        assert_eq!((done.active, done.error.text), (Some(true), None));
        assert_eq!(parse_row(&row("Active", "x"), None).error.text, None);
    }
}
