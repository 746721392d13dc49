//! Jobs that waited in the source and have ended in the target before this run could cancel them:
//! somebody opened the target, and they may have sent or called.

use jiff::Timestamp;

use super::super::kind::SurfaceKind as _;
use super::super::scope::{Scope, integer};
use super::super::surface::Surface;
use super::jobs::{COLUMNS, Jobs, TABLE, only_copied, type_in_words};
use super::openings::acted_or;
use crate::clients::Operation;
use crate::domain::RefreshContext;
use crate::domain::environments::copy_key;
use crate::domain::names::text;
use crate::domain::view::View;
use crate::engine::{Failure, JournalView};

/// How it shows that a job may have acted.
pub(crate) const ENDED: &str = "it waited in the source, and it ended in the target before this run \
                                could cancel it";

/// The jobs that have ended in the target since the copy, except those that were canceled. Nothing
/// before the copy, or if the service does not say when the copy ended.
pub(super) async fn ended_jobs(scope: &Scope<'_>) -> Result<Vec<Surface>, Failure> {
    let copied = scope.journal.and_then(|it| copy_ended(scope.refresh, it));
    let (View::AsIs(_), Some(copied)) = (scope.view, copied) else {
        return Ok(Vec::new());
    };
    let rows = scope
        .rows(TABLE, &COLUMNS, Some(&ended_since(copied)))
        .await?;
    let rows = only_copied(scope, rows).await?;
    let surfaces = rows.into_iter().filter_map(|(id, row)| {
        let title = type_in_words(integer(&row.value, "operationtype"))?;
        let name = text(&row.value, "name").unwrap_or_else(|| id.to_string());
        let state = acted_or(scope.policy.keeps(Jobs.key(), &name), ENDED);
        Some(Jobs.surface(&id, name, title.to_owned(), state))
    });
    Ok(surfaces.collect())
}

/// When the copy ended, by the service's own time. Until then the target was closed.
fn copy_ended(refresh: &RefreshContext, journal: &JournalView) -> Option<Timestamp> {
    let launch = journal.launch(&copy_key(refresh))?;
    let operation = Operation::from_value(&launch.ended.as_ref()?.detail)?;
    operation.ended?.parse().ok()
}

/// The filter that selects the jobs that have ended since then and were not canceled (`statuscode`
/// 32), in whole seconds: a service may round the time of a job.
fn ended_since(time: Timestamp) -> String {
    let second = time.as_second();
    let time = Timestamp::from_second(second).unwrap_or(time);
    format!("statecode eq 3 and statuscode ne 32 and completedon ge {time}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_that_ended_in_the_second_in_which_the_copy_ended_are_found() {
        let ended = "2026-08-20T09:00:12.9234567Z".parse().unwrap();
        assert_eq!(
            ended_since(ended),
            "statecode eq 3 and statuscode ne 32 and completedon ge 2026-08-20T09:00:12Z"
        );
    }
}
