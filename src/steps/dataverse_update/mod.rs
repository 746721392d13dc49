//! The custom step `dataverse-update`: sets columns of the rows that a filter selects.
//!
//! | Phase | Reads | Changes |
//! |---|---|---|
//! | `record` | the rows that the filter selects, with the columns that the step sets | nothing; seals `own-STEP-VERSION` |
//! | `update` | the same rows; the first seal, for values that the target had before the copy | one set for each row that has another value, with the version that was read |
//!
//! Only a row of the seal is written: its value before is recorded. A row that the filter selects
//! later is a change that fails, and a person decides. Once the step has ended, the target is in
//! use and new rows do not concern it: they are noted. A row that a later step of this run has set
//! is noted, too: the order of the steps decides, also in a resumed run. If the filter selects more
//! rows than `at-most`, nothing is written. An edit of the step's table, filter or columns during a
//! run makes another version, which is recorded again. A resumed run surveys again.
//!
//! ```text
//! mod.rs             the phases
//! values.rs          the values, as the columns take them
//! unchanged_rows.rs  the selected rows that the step leaves as they are, and why
//! ```

mod unchanged_rows;
mod values;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use uuid::Uuid;

use self::unchanged_rows::{LaterSets, UnchangedReason};
use self::values::{Resolved, resolve};
use super::CustomStepRunner;
use crate::base::text::count;
use crate::clients::{Row, Table};
use crate::domain::custom_steps::{
    self, NamedRows, RowsBeforeCopy, columns_to_read, find_table, invalid, rows_before_copy,
    version,
};
use crate::domain::row_changes::{Request, surveyed, surveyed_row_set};
use crate::domain::seals::to_captures;
use crate::domain::verdict::Answer;
use crate::domain::view::View;
use crate::domain::{RefreshContext, keys};
use crate::engine::{
    Action, CaptureSource, Change, Failure, JournalView, Listing, Note, Phase, Reading, Set,
    Survey, WriteError, Written,
};
use crate::runbook::{CustomStep, DataverseUpdate};

/// The phase that writes.
const UPDATE: &str = "update";

/// One step of this kind.
#[derive(Clone)]
struct Update {
    refresh: Arc<RefreshContext>,
    step: CustomStep,
    options: DataverseUpdate,
    /// The name of its seal.
    seal: String,
}

/// The rows that a step's filter selects, and what each of them gets.
struct Selected {
    table: Arc<Table>,
    rows: Vec<Row>,
    resolved: Resolved,
}

/// What the program does for a step.
pub(super) fn runner(
    refresh: &Arc<RefreshContext>,
    step: &CustomStep,
    options: &DataverseUpdate,
) -> Box<dyn CustomStepRunner> {
    Box::new(Update {
        refresh: Arc::clone(refresh),
        step: step.clone(),
        options: options.clone(),
        seal: format!("own-{}-{}", step.name, version(options)),
    })
}

#[async_trait]
impl CustomStepRunner for Update {
    fn phases(&self) -> Vec<Phase> {
        vec![
            Phase::capture("record", self.clone()),
            Phase::changes(UPDATE, self.clone()),
        ]
    }

    async fn forecast(&self) -> Result<Answer, Failure> {
        custom_steps::forecast(self.try_out().await)
    }

    fn unknown_in_plan(&self, is_forecast: bool) -> Option<String> {
        is_forecast.then(|| "the rows are those of the source now".to_owned())
    }
}

#[async_trait]
impl CaptureSource for Update {
    fn seal(&self) -> &str {
        &self.seal
    }

    async fn list(&self, journal: &JournalView) -> Result<Listing, Failure> {
        let selected = self.read(self.refresh.view(journal)).await?;
        let rows = to_captures("row", &selected.table.primary_id, selected.rows);
        Ok(rows.into())
    }
}

#[async_trait]
impl Survey for Update {
    async fn survey(&self, journal: &JournalView) -> Result<Vec<Change>, Failure> {
        let (table, outcomes) = self.judge(journal).await?;
        let changes = outcomes.into_iter().filter_map(|outcome| match outcome {
            RowOutcome::Set(row) => Some(self.change(&table, *row)),
            RowOutcome::Left(_) => None,
        });
        Ok(changes.collect())
    }

    async fn notes(&self, journal: &JournalView) -> Result<Vec<Note>, Failure> {
        let has_ended = journal.has_phase_ever_ended(&self.step.name, UPDATE);
        if !has_ended && !self.options.has_captured_values() {
            return Ok(Vec::new());
        }
        let (table, outcomes) = self.judge(journal).await?;
        let count_left = |why: UnchangedReason| {
            let left = outcomes.iter();
            left.filter(|outcome| matches!(outcome, RowOutcome::Left(found) if *found == why))
                .count()
        };
        let notes = UnchangedReason::ALL.into_iter().filter_map(|why| {
            let rows = count_left(why);
            let name = &table.logical_name;
            (rows > 0).then(|| {
                let rows = count(rows, "row");
                format!("left unchanged: {rows} of {name}, because {}", why.reason()).into()
            })
        });
        Ok(notes.collect())
    }
}

/// A row that has another value than the step gives.
struct RowToSet {
    id: Uuid,
    row: Row,
    before: Value,
    resolved: Resolved,
    is_recorded: bool,
}

/// The outcome for a selected row that has another value.
enum RowOutcome {
    /// It is set.
    Set(Box<RowToSet>),
    /// It stays as it is.
    Left(UnchangedReason),
}

impl Update {
    /// The rows that the filter selects, with the columns that the step needs. Fails if a column or
    /// a value is invalid, and if there are more rows than the runbook allows.
    async fn read(&self, view: View<'_>) -> Result<Selected, Failure> {
        let table = find_table(&self.refresh, view, &self.options.table).await?;
        let resolved = resolve(&self.refresh, &self.options, &table)?;
        if let Some(column) = &self.options.matched_by
            && !table.has_column(column)
        {
            let message = format!(
                "the table '{}' has no column '{column}'",
                table.logical_name
            );
            let help = "write the column's logical name";
            return Err(invalid(&self.refresh, column.span, &message, help));
        }
        let most = self.options.at_most.value;
        let named = NamedRows {
            table: &table,
            filter: &self.options.filter,
            columns: columns_to_read(&self.options).collect(),
            limit: most + 1,
        };
        let rows = named.read(&self.refresh, view).await?;
        if rows.len() as u64 <= most {
            return Ok(Selected {
                table,
                rows,
                resolved,
            });
        }
        let message = format!(
            "the filter selects more than {most} rows of {}; no row is changed",
            table.logical_name
        );
        let help = "narrow the filter, or raise `at-most` if all of these rows should change";
        Err(invalid(
            &self.refresh,
            self.options.at_most.span,
            &message,
            help,
        ))
    }

    /// The key of the change of a row.
    fn row_key(&self, id: Uuid) -> String {
        keys::own_row(&self.step.name, &version(&self.options), id)
    }

    /// The outcome for each selected row that has another value.
    async fn judge(&self, journal: &JournalView) -> Result<(Arc<Table>, Vec<RowOutcome>), Failure> {
        let Selected {
            table,
            rows,
            resolved,
        } = self.read(self.refresh.view(journal)).await?;
        let before_copy = self.rows_before_copy(journal)?;
        let recorded: BTreeSet<Uuid> = journal
            .captures(&self.seal, "row/")
            .iter()
            .filter_map(|(id, _)| Uuid::try_parse(id).ok())
            .collect();
        let has_ended = journal.has_phase_ever_ended(&self.step.name, UPDATE);
        let later = LaterSets(journal.sets_besides(&format!("own/{}/", self.step.name)));
        let sealed = journal.seal_number(&self.seal).unwrap_or(u64::MAX);
        let mut outcomes = Vec::new();
        for row in rows {
            let Some(id) = row.id(&table.primary_id) else {
                continue;
            };
            let resolved = match &before_copy {
                None => resolved.clone(),
                Some(rows) => {
                    let Some(row) = rows.find(id, &row.value) else {
                        outcomes.push(RowOutcome::Left(UnchangedReason::NotBeforeCopy));
                        continue;
                    };
                    resolved.with_captured(row)
                }
            };
            let (before, after) = (resolved.compare(Some(&row)), resolved.for_plan());
            if before == after {
                continue;
            }
            let is_recorded = recorded.contains(&id);
            let since = journal.set_number(&self.row_key(id)).unwrap_or(sealed);
            outcomes.push(if has_ended && !is_recorded {
                RowOutcome::Left(UnchangedReason::New)
            } else if later.have_set(id, since, &before, &after) {
                RowOutcome::Left(UnchangedReason::SetLater)
            } else {
                RowOutcome::Set(Box::new(RowToSet {
                    id,
                    row,
                    before,
                    resolved,
                    is_recorded,
                }))
            });
        }
        Ok((table, outcomes))
    }

    /// The rows that the target had before the copy, if the step needs them.
    fn rows_before_copy(&self, journal: &JournalView) -> Result<Option<RowsBeforeCopy>, Failure> {
        if !self.options.has_captured_values() {
            return Ok(None);
        }
        RowsBeforeCopy::read(&self.refresh, &self.step, &self.options, journal).map(Some)
    }

    fn change(&self, table: &Table, row: RowToSet) -> Change {
        let RowToSet {
            id,
            row,
            before,
            resolved,
            is_recorded,
        } = row;
        let surveyed = surveyed(table, &before, &row.value);
        let request = Request::patch(&table.entity_set, id, &resolved.body());
        let columns: Vec<&str> = self.options.values.keys().map(String::as_str).collect();
        let after = resolved.for_plan();
        let set = surveyed_row_set(
            &self.refresh,
            &table.entity_set,
            (id, surveyed),
            move |row: Option<&Row>| resolved.compare(row),
            request,
            Duration::from_mins(1),
        );
        Change {
            key: self.row_key(id),
            name: format!("set {} of {} {id}", columns.join(", "), table.logical_name),
            before: before.into(),
            after: after.into(),
            follows: Vec::new(),
            action: Action::Set(if is_recorded {
                set
            } else {
                Arc::new(NotRecorded(set))
            }),
        }
    }

    /// Reads what the step would read in a run, before the copy.
    async fn try_out(&self) -> Result<String, Failure> {
        let Selected { table, rows, .. } =
            self.read(self.refresh.view(&JournalView::empty())).await?;
        if self.options.has_captured_values() {
            let (table, rows) = rows_before_copy(&self.refresh, &self.options).await?;
            RowsBeforeCopy::check(&self.refresh, &self.options, &table, rows)?;
        }
        Ok(format!(
            "the filter selects {} of {}",
            count(rows.len(), "row"),
            table.logical_name
        ))
    }
}

/// A set of a row that the seal does not hold: it is never written.
struct NotRecorded(Arc<dyn Set>);

#[async_trait]
impl Set for NotRecorded {
    async fn read(&self) -> Result<Reading, Failure> {
        self.0.read().await
    }

    async fn write(&self, _reading: &Reading) -> Result<Written, WriteError> {
        let failure = Failure::failed(
            "the filter selects it only since this step has recorded its rows, so its value \
             before is not recorded and it is not changed",
        );
        let help = "change the row by hand, or narrow the filter, which records the rows again";
        Err(WriteError::Refused(failure.with_help(help).permanent()))
    }

    fn only_people_write(&self, member: &str) -> bool {
        self.0.only_people_write(member)
    }
}
