//! Does the tenant forbid the deletion of a provider that step 6 deletes? Then a person frees it in
//! the middle of the run: better known before the window is booked.

use uuid::Uuid;

use super::sight::{Sight, old_providers};
use crate::base::text::count;
use crate::checks::finding::{Finding, Probe};
use crate::checks::reading::{kept, told};
use crate::domain::Refresh;
use crate::domain::view::View;
use crate::engine::Failure;
use crate::steps::reinstall_providers::{Forbidding, forbidding};

/// Judges the rows of the source by what its metadata says of a deletion; nothing where step 6 is
/// skipped.
pub(super) async fn ask(refresh: &Refresh, sight: &Sight) -> Result<Option<Finding>, Failure> {
    if refresh.runbook.steps.reinstall_providers.skip.is_some() {
        return Ok(None);
    }
    let probe = Probe::new(
        "nothing forbids the deletion of a provider of the source",
        "step reinstall-providers will wait for a person who empties these lookups: have somebody \
         ready, or empty them in the source before the copy",
    );
    let ids: Vec<Uuid> = match told(&sight.catalogue) {
        Ok(catalogue) => old_providers(catalogue).into_iter().collect(),
        Err(failure) => return Ok(Some(probe.settle(Err(failure)))),
    };
    let view = View::Target(&refresh.source);
    let rows = kept(forbidding(refresh, view, &ids).await)?;
    let answer = rows.map(|rows| judged(&probe, &rows, ids.len()));
    Ok(Some(probe.settle(answer)))
}

fn judged(probe: &Probe, rows: &[Forbidding], providers: usize) -> Finding {
    let held: Vec<String> = rows
        .iter()
        .map(|row| format!("{} '{}' ({})", row.called, row.title, row.column))
        .collect();
    probe.unless_any(&held, &count(providers, "provider"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::finding::Verdict;

    #[test]
    fn what_forbids_a_deletion_is_named_and_stops_nothing() {
        let probe = Probe::new("nothing forbids it", "empty it");
        let row = Forbidding {
            table: "msdyn_iomwarehousemapping".to_owned(),
            id: Uuid::from_u128(1),
            called: "IOM Warehouse Mapping".to_owned(),
            title: "127".to_owned(),
            column: "msdyn_providerid".to_owned(),
        };
        let held = judged(&probe, &[row], 12);
        assert_eq!(held.verdict, Verdict::Unknown);
        assert_eq!(held.read, "IOM Warehouse Mapping '127' (msdyn_providerid)");
        assert_eq!(judged(&probe, &[], 12).verdict, Verdict::Pass);
    }
}
