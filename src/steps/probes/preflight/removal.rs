//! Does the tenant forbid the deletion of a provider that step 6 deletes? Then a person frees it in
//! the middle of the run: better known before the window is booked.

use uuid::Uuid;

use super::sight::{Sight, old_providers};
use crate::engine::Failure;
use crate::steps::Refresh;
use crate::steps::probes::finding::{Finding, Probe};
use crate::steps::probes::reading::{kept, told};
use crate::steps::reinstall_providers::forbidding;
use crate::steps::view::View;
use crate::text::count;

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
    Ok(Some(probe.settle(rows.map(|rows| {
        let held: Vec<String> = rows
            .iter()
            .map(|row| format!("{} '{}' ({})", row.called, row.title, row.column))
            .collect();
        probe.unless_any(&held, &count(ids.len(), "provider"))
    }))))
}
