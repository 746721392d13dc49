//! The custom step `guided`: a person does it.
//!
//! | Phase | Reads | Changes |
//! |---|---|---|
//! | `by-hand` | the rows of the target that show that it is done | nothing; a person acts |
//!
//! Without such rows, a person confirms the step with a waiver, which the state file keeps with the
//! reason and who gave it.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::json;

use super::CustomStepRunner;
use crate::base::text::escape;
use crate::domain::custom_steps::{self, NamedRows, find_table};
use crate::domain::manual_change::ManualChange;
use crate::domain::verdict::Answer;
use crate::domain::view::View;
use crate::domain::{RefreshContext, keys};
use crate::engine::{Change, Failure, JournalView, Phase, Survey};
use crate::runbook::{CustomStep, Evidence, EvidenceRows, ExpectedRows, Guided};

/// The phase in which a person acts.
const BY_HAND: &str = "by-hand";

/// One step of this kind.
#[derive(Clone)]
struct ByHand {
    refresh: Arc<RefreshContext>,
    step: CustomStep,
    options: Guided,
}

/// What the program does for a step.
pub(super) fn runner(
    refresh: &Arc<RefreshContext>,
    step: &CustomStep,
    options: &Guided,
) -> Box<dyn CustomStepRunner> {
    Box::new(ByHand {
        refresh: Arc::clone(refresh),
        step: step.clone(),
        options: options.clone(),
    })
}

#[async_trait]
impl CustomStepRunner for ByHand {
    fn phases(&self) -> Vec<Phase> {
        vec![Phase::changes(BY_HAND, self.clone())]
    }

    async fn forecast(&self) -> Result<Answer, Failure> {
        let Evidence::Rows(rows) = &self.options.evidence.value else {
            let found = "a person confirms it with a waiver: nothing in the tenant shows it";
            return Ok(Answer::Pass(found.to_owned()));
        };
        let view = self.refresh.view(&JournalView::empty());
        let found = format!("the evidence can be read: rows of {}", rows.table);
        custom_steps::forecast(self.has_rows(rows, view).await.map(|_| found))
    }
}

#[async_trait]
impl Survey for ByHand {
    async fn survey(&self, journal: &JournalView) -> Result<Vec<Change>, Failure> {
        if let Evidence::Rows(rows) = &self.options.evidence.value {
            let view = self.refresh.view(journal);
            if is_proof(self.has_rows(rows, view).await?, rows.rows.value) {
                return Ok(Vec::new());
            }
        }
        Ok(vec![self.change()])
    }
}

impl ByHand {
    /// Does the filter select a row?
    async fn has_rows(&self, rows: &EvidenceRows, view: View<'_>) -> Result<bool, Failure> {
        let table = find_table(&self.refresh, view, &rows.table).await?;
        let named = NamedRows {
            table: &table,
            filter: &rows.filter,
            columns: Vec::new(),
            limit: 1,
        };
        let found = named.read(&self.refresh, view).await?;
        Ok(!found.is_empty())
    }

    fn change(&self) -> Change {
        let mut instructions: Vec<String> = vec![self.options.title.value.clone()];
        let lines = self.options.instructions.iter();
        instructions.extend(lines.map(|line| line.value.clone()));
        let evidence = match &self.options.evidence.value {
            Evidence::Rows(rows) => describe_evidence(rows),
            Evidence::None => "none; a person confirms with --waive that it is done".to_owned(),
        };
        let change = ManualChange {
            key: keys::own_task(&self.step.name),
            name: escape(&self.options.title).into_owned(),
            before: json!({ "done": false }),
            after: json!({ "done": true, "evidence": evidence }),
            instructions,
            evidence,
        };
        match &self.options.evidence.value {
            Evidence::Rows(_) => change.into_change(),
            Evidence::None => change.into_unprovable_change(),
        }
    }
}

/// Do these rows show that the step is done?
fn is_proof(has_rows: bool, expected: ExpectedRows) -> bool {
    match expected {
        ExpectedRows::None => !has_rows,
        ExpectedRows::Some => has_rows,
    }
}

fn describe_evidence(rows: &EvidenceRows) -> String {
    let number = match rows.rows.value {
        ExpectedRows::None => "no row",
        ExpectedRows::Some => "a row",
    };
    format!("{} has {number} where {}", rows.table, rows.filter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_proof_as_the_runbook_says() {
        for (has_rows, expected, proof) in [
            (false, ExpectedRows::None, true),
            (true, ExpectedRows::None, false),
            (true, ExpectedRows::Some, true),
            (false, ExpectedRows::Some, false),
        ] {
            assert_eq!(is_proof(has_rows, expected), proof);
        }
    }
}
