//! Does Dataverse give the labels of states in English? The numbers behind order management's states
//! are not published, so the program knows a state by its label. Dataverse gives labels in the
//! language of the user who asks.

use super::snapshot::Snapshot;
use crate::checks::check::Check;
use crate::checks::check_result::CheckResult;
use crate::checks::table_reads::{ReadResult, Rows, available};
use crate::domain::names::{generic_state_label, is_generic_state};
use crate::engine::Failure;
use crate::runbook::StepName;

/// Checks both environments, by tables that have no states of their own: orchestrations and policies
/// may be labelled `Published`.
pub(super) fn run_checks(snapshot: &Snapshot) -> Vec<CheckResult> {
    let source = [
        &snapshot.parameters,
        &snapshot.provider_references,
        &snapshot.reference_definitions,
    ];
    let target = [
        &snapshot.target.provider_references,
        &snapshot.target.reference_definitions,
    ];
    vec![judge("source", &source), judge("target", &target)]
}

fn judge(side: &str, tables: &[&ReadResult<Rows>]) -> CheckResult {
    let check = Check::protecting(
        StepName::CopyEnvironments,
        format!("the {side} labels states in English"),
        format!("the {side} labels states in another language, so no state can be recognized"),
        "set the display language of the user or application that the runbook signs in with to \
         English (Dataverse: personalization settings of the user, language of the user interface)",
    );
    check.settle(foreign_label(tables).map(|label| match label {
        Some(label) => check.fail(format!("a state is labelled '{label}'")),
        None => check.pass("no label of another language was found"),
    }))
}

/// A label of a state in another language; `None` if a row shows an English one or none shows any.
fn foreign_label(tables: &[&ReadResult<Rows>]) -> Result<Option<String>, Failure> {
    let mut foreign = None;
    for table in tables {
        for row in available(table)?.values() {
            let label = generic_state_label(row);
            if label.as_deref().is_some_and(is_generic_state) {
                return Ok(None);
            }
            foreign = foreign.or(label);
        }
    }
    Ok(foreign)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::domain::verdict::Verdict;

    fn rows(states: &[(i64, &str)]) -> Rows {
        let rows = (1..).zip(states).map(|(number, (state, label))| {
            let key = "statecode@OData.Community.Display.V1.FormattedValue";
            let row = json!({ "statecode": state, key: label });
            let fields = row.as_object().cloned().unwrap_or_default();
            (Uuid::from_u128(number), fields)
        });
        rows.collect()
    }

    #[test]
    fn labels_in_another_language_are_refused_before_the_copy() {
        let german = Ok(rows(&[(0, "Aktiv"), (1, "Inaktiv")]));
        let failed = judge("source", &[&Ok(Rows::new()), &german]);
        assert_eq!(failed.verdict, Verdict::Fail);
        assert!(failed.found.contains("'Aktiv'"), "{}", failed.found);
        // A customer may have renamed some.
        let english = [(0, "In use"), (1, "Inactive")];
        for states in [&english[..], &[], &[(7, "Veröffentlicht")]] {
            let result = judge("source", &[&Ok(rows(states))]);
            assert_eq!(result.verdict, Verdict::Pass);
        }
        let unread = Err(Failure::temporary("down"));
        assert_eq!(judge("source", &[&unread]).verdict, Verdict::Unknown);
    }
}
