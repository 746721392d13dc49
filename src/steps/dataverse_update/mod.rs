//! The customer's own step `dataverse-update`: sets columns of the rows that a filter selects.
//!
//! | Phase | Reads | Changes |
//! |---|---|---|
//! | `record` | the rows that the filter selects, with the columns that the step sets | nothing; seals `own-STEP-VERSION` |
//! | `update` | the same rows; the first seal, for values that the target had before the copy | one set for each row that has another value, with the version that was read |
//!
//! Only a row of the seal is written: its value before is recorded. A row that the filter selects
//! later is a change that fails, and a person decides. If the filter selects more rows than
//! `at-most`, nothing is written. An edit of the step's table, filter or columns during a run makes
//! another version, which is recorded again. A resumed run surveys again.

mod values;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use uuid::Uuid;

use self::values::{Resolved, resolve};
use super::OwnVerbs;
use crate::base::text::count;
use crate::clients::{Row, Table};
use crate::domain::own_steps::{
    NamedRows, RowsBeforeCopy, find_table, invalid, mistake, rows_before_copy, version,
    wait_for_organization,
};
use crate::domain::seals::to_captures;
use crate::domain::tenant_set::{Request, row_set};
use crate::domain::verdict::Answer;
use crate::domain::view::View;
use crate::domain::{RefreshContext, keys};
use crate::engine::{
    Action, CaptureSource, Change, Failure, FailureKind, JournalView, ListedRow, Phase, Reading,
    Set, Survey, WriteError, Written,
};
use crate::runbook::{DataverseUpdate, OwnStep};

/// One step of this kind.
#[derive(Clone)]
struct Update {
    refresh: Arc<RefreshContext>,
    step: OwnStep,
    options: DataverseUpdate,
    /// The name of its seal.
    seal: String,
}

/// The rows that a step's filter selects, and what each of them gets.
struct Selected {
    table: Table,
    rows: Vec<Row>,
    resolved: Resolved,
}

/// What the program does for a step.
pub(super) fn verbs(
    refresh: &Arc<RefreshContext>,
    step: &OwnStep,
    options: &DataverseUpdate,
) -> Box<dyn OwnVerbs> {
    Box::new(Update {
        refresh: Arc::clone(refresh),
        step: step.clone(),
        options: options.clone(),
        seal: format!("own-{}-{}", step.name, version(options)),
    })
}

#[async_trait]
impl OwnVerbs for Update {
    fn phases(&self) -> Vec<Phase> {
        vec![
            Phase::capture("record", self.clone()),
            Phase::changes("update", self.clone()),
        ]
    }

    async fn forecast(&self) -> Result<Answer, Failure> {
        match self.try_out().await {
            Ok(found) => Ok(Answer::Pass(found)),
            Err(failure) if failure.kind == FailureKind::InvalidInput => {
                Ok(Answer::Fail(mistake(&failure)))
            }
            Err(failure) => Err(failure),
        }
    }
}

#[async_trait]
impl CaptureSource for Update {
    fn seal(&self) -> &str {
        &self.seal
    }

    async fn list(&self, journal: &JournalView) -> Result<Vec<ListedRow>, Failure> {
        let selected = self.read(self.refresh.view(journal)).await?;
        Ok(to_captures(
            "row",
            &selected.table.primary_id,
            selected.rows,
        ))
    }
}

#[async_trait]
impl Survey for Update {
    async fn survey(&self, journal: &JournalView) -> Result<Vec<Change>, Failure> {
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
        let mut changes = Vec::new();
        for row in rows {
            let Some(id) = row.id(&table.primary_id) else {
                continue;
            };
            let resolved = match &before_copy {
                None => resolved.clone(),
                Some(rows) => match rows.of(id, &row.value) {
                    Some(row) => resolved.with_captured(row),
                    None => continue,
                },
            };
            let before = resolved.compare(Some(&row));
            if before != resolved.shown() {
                let is_recorded = recorded.contains(&id);
                changes.push(self.change(&table, id, before, resolved, is_recorded));
            }
        }
        Ok(changes)
    }

    async fn notes(&self, journal: &JournalView) -> Result<Vec<String>, Failure> {
        let Some(before_copy) = self.rows_before_copy(journal)? else {
            return Ok(Vec::new());
        };
        let Selected { table, rows, .. } = self.read(self.refresh.view(journal)).await?;
        let is_new = |row: &&Row| {
            row.id(&table.primary_id)
                .is_some_and(|id| before_copy.of(id, &row.value).is_none())
        };
        let new = rows.iter().filter(is_new).count();
        Ok((new > 0)
            .then(|| {
                format!(
                    "{} of {} were not in the target before the copy, and stay as they are",
                    count(new, "row"),
                    table.logical_name
                )
            })
            .into_iter()
            .collect())
    }
}

impl Update {
    /// The rows that the filter selects, with the columns that the step needs. Fails if a column or
    /// a value is invalid, and if there are more rows than the runbook allows.
    async fn read(&self, view: View<'_>) -> Result<Selected, Failure> {
        wait_for_organization(&self.refresh, &self.step, view).await?;
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
        let columns = self.options.values.keys().map(String::as_str);
        let matched_by = self
            .options
            .matched_by
            .as_ref()
            .map(|column| column.as_str());
        let most = self.options.at_most.value;
        let named = NamedRows {
            table: &self.options.table,
            filter: &self.options.filter,
            columns: columns.chain(matched_by).collect(),
            most: most + 1,
        };
        let (table, rows) = named.read(&self.refresh, view).await?;
        if rows.len() as u64 <= most {
            return Ok(Selected {
                table,
                rows,
                resolved,
            });
        }
        let message = format!(
            "the filter selects more than {most} rows of {}; none is changed",
            table.logical_name
        );
        let help = "narrow the filter, or raise `at-most` if so many rows are meant";
        Err(invalid(
            &self.refresh,
            self.options.at_most.span,
            &message,
            help,
        ))
    }

    /// The rows that the target had before the copy, if the step needs them.
    fn rows_before_copy(&self, journal: &JournalView) -> Result<Option<RowsBeforeCopy>, Failure> {
        if !self.options.has_captured_values() {
            return Ok(None);
        }
        RowsBeforeCopy::read(&self.refresh, &self.step, &self.options, journal).map(Some)
    }

    fn change(
        &self,
        table: &Table,
        id: Uuid,
        before: Value,
        resolved: Resolved,
        is_recorded: bool,
    ) -> Change {
        let request = Request::patch(&table.entity_set, id, &resolved.body());
        let columns: Vec<&str> = self.options.values.keys().map(String::as_str).collect();
        let after = resolved.shown();
        let set = row_set(
            &self.refresh,
            &table.entity_set,
            id,
            move |row: Option<&Row>| resolved.compare(row),
            request,
            Duration::from_mins(1),
        );
        Change {
            key: keys::own_row(&self.step.name, &version(&self.options), id),
            name: format!("set {} of {} {id}", columns.join(", "), table.logical_name),
            before,
            after,
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
            rows_before_copy(&self.refresh, &self.options).await?;
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
