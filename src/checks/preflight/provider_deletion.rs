//! Do rows block the deletion of a provider that step 6 deletes? Then a person must empty their
//! lookups in the middle of the run, which is better known before the window is booked.

use uuid::Uuid;

use super::snapshot::{Snapshot, old_providers};
use crate::base::text::count;
use crate::checks::check::Check;
use crate::checks::check_result::CheckResult;
use crate::checks::table_reads::available;
use crate::domain::RefreshContext;
use crate::domain::failure::unless_interrupted;
use crate::domain::view::View;
use crate::engine::Failure;
use crate::runbook::StepName;
use crate::steps::reinstall_providers::{BlockingRow, blocking_rows};

/// Checks the rows of the source against its metadata's rules for a deletion; nothing if step 6
/// is skipped.
pub(super) async fn run_checks(
    refresh: &RefreshContext,
    snapshot: &Snapshot,
) -> Result<Option<CheckResult>, Failure> {
    if refresh.runbook.steps.reinstall_providers.is_skipped() {
        return Ok(None);
    }
    let check = Check::protecting(
        StepName::ReinstallProviders,
        "nothing forbids the deletion of a provider of the source",
        "rows of the source forbid the deletion of providers",
        "step reinstall-providers will wait for a person who empties these lookups: have a person \
         ready, or empty them in the source before the copy",
    );
    let ids: Vec<Uuid> = match available(&snapshot.catalogue) {
        Ok(catalogue) => old_providers(catalogue).into_iter().collect(),
        Err(failure) => return Ok(Some(check.settle(Err(failure)))),
    };
    let view = View::AsIs(&refresh.source.dataverse);
    let rows = unless_interrupted(blocking_rows(refresh, view, &ids).await)?;
    let answer = rows.map(|rows| judge(&check, &rows, ids.len()));
    Ok(Some(check.settle(answer)))
}

fn judge(check: &Check, rows: &[BlockingRow], providers: usize) -> CheckResult {
    let held: Vec<String> = rows
        .iter()
        .map(|row| format!("{} '{}' ({})", row.table_name, row.title, row.column))
        .collect();
    check.warn_of(&held, &count(providers, "provider"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::verdict::Verdict;

    #[test]
    fn a_row_that_blocks_a_deletion_is_named_and_stops_nothing() {
        let check = Check::new("nothing forbids it", "a problem", "empty it");
        let row = BlockingRow {
            table: "msdyn_iomwarehousemapping".to_owned(),
            id: Uuid::from_u128(1),
            table_name: "IOM Warehouse Mapping".to_owned(),
            title: "127".to_owned(),
            column: "msdyn_providerid".to_owned(),
        };
        let held = judge(&check, &[row], 12);
        assert_eq!(held.verdict, Verdict::Unknown);
        assert_eq!(held.found, "IOM Warehouse Mapping '127' (msdyn_providerid)");
        assert_eq!(judge(&check, &[], 12).verdict, Verdict::Pass);
    }
}
