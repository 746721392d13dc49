//! Does the target hold the source's rows? A copy keeps row ids, so the rows that the seal
//! `before-copy` holds of the source are in its copy. Nothing else shows whose content a target has:
//! another administrator may have copied another environment onto it.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::environments::copy_key;
use super::seals::Part;
use super::view::View;
use super::{RefreshContext, seals};
use crate::base::text::count;
use crate::engine::{Failure, JournalView};
use crate::runbook::{IomTable, Keyword as _};

/// Fails if the target, after the proved copy, does not hold the source's rows.
pub(crate) async fn require_sources_content(
    refresh: &RefreshContext,
    journal: &JournalView,
) -> Result<(), Failure> {
    if !journal.is_launch_proved(&copy_key(refresh)) {
        return Ok(());
    }
    let tables = [IomTable::Provider, IomTable::Orchestration]
        .map(|table| (refresh.names.table(table), table.keyword()));
    let mut missing = Vec::new();
    for (table, word) in tables.into_iter().chain([("workflow", "workflow")]) {
        let sealed: BTreeSet<Uuid> = seals::ids(journal, Part::Source, word)
            .into_iter()
            .collect();
        if sealed.is_empty() {
            continue;
        }
        let now = View::AsIs(&refresh.target.dataverse)
            .ids(table, None)
            .await?;
        if is_copy_of(&sealed, &now) {
            continue;
        }
        // The seal may be older than the copy: somebody may have reinstalled everything in the source,
        // or the captures are those of an earlier run.
        let source = View::AsIs(&refresh.source.dataverse)
            .ids(table, None)
            .await?;
        if !is_copy_of(&source, &now) {
            let found = sealed.intersection(&now).count();
            let rows = count(sealed.len(), "row");
            missing.push(format!("{found} of the source's {rows} of {table}"));
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    Err(not_the_sources(refresh, &missing))
}

/// May these rows be a copy of those? Environments that have nothing to do with each other share the
/// rows that came with a managed solution, and a few rows may have been deleted between the seal and
/// the copy: so half of them decide.
fn is_copy_of(original: &BTreeSet<Uuid>, now: &BTreeSet<Uuid>) -> bool {
    original.intersection(now).count() * 2 >= original.len()
}

fn not_the_sources(refresh: &RefreshContext, missing: &[String]) -> Failure {
    let runbook = &refresh.runbook;
    let target = &runbook.target.name.value;
    Failure::failed(format!(
        "'{target}' does not have the source's content: it has {}. Somebody else has copied or restored \
         something else onto it; nothing was changed or opened in it",
        missing.join(", ")
    ))
    .permanent()
    .with_help(format!(
        "look at the history of '{target}' in the admin center, and agree with whoever did it; to copy \
         again, run `iomcopy run RUNBOOK --fresh --abandon-captures --from-capture FILE`, where FILE is \
         the sealed copy 'before-copy' of this run"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(from: u128, to: u128) -> BTreeSet<Uuid> {
        (from..to).map(Uuid::from_u128).collect()
    }

    #[test]
    fn rows_of_a_shared_solution_do_not_make_a_copy_and_a_deleted_row_does_not_unmake_one() {
        let source = ids(0, 89);
        assert!(is_copy_of(&source, &ids(0, 88)));
        assert!(is_copy_of(&source, &ids(0, 200)));
        assert!(!is_copy_of(&source, &ids(84, 108)), "5 of 89 in common");
        assert!(!is_copy_of(&source, &ids(100, 189)));
        assert!(!is_copy_of(&ids(0, 1), &BTreeSet::new()));
    }
}
