//! Is dual-write in use in the target, and can it be linked again?

use super::snapshot::Snapshot;
use crate::base::text::count;
use crate::checks::check::Check;
use crate::checks::check_result::CheckResult;
use crate::checks::table_reads::Rows;
use crate::domain::RefreshContext;
use crate::domain::dual_write::guard::own_link;
use crate::domain::names::is_active;
use crate::engine::{Failure, FailureKind};
use crate::runbook::StepName;

/// Checks the target's dual-write runtime configuration, and the link if the gateway is
/// acknowledged.
pub(super) async fn run_checks(
    refresh: &RefreshContext,
    snapshot: &Snapshot,
) -> Result<Vec<CheckResult>, Failure> {
    if refresh.services.dual_write.is_some() {
        return Ok(vec![link(refresh).await?]);
    }
    let skipped = refresh.runbook.steps.reconfigure_dual_write.skip.as_ref();
    let skip = skipped.map(|reason| reason.value.as_str());
    let check = check(skip);
    let rows = snapshot.target.dual_write.clone();
    Ok(vec![check.settle(rows.map(|rows| judge(&check, &rows)))])
}

/// Does the gateway's record of the link describe the target only? A reset goes to the pair that it
/// describes.
async fn link(refresh: &RefreshContext) -> Result<CheckResult, Failure> {
    let check = Check::protecting(
        StepName::ReconfigureDualWrite,
        "the dual-write link that the gateway shows is the target's own",
        "the dual-write link that the gateway shows is not the target's own",
        "look at the link in Finance and Operations of the target (Data management > Dual-write), and \
         at `dual-write` under `endpoints` and `identity`; or take `gateway` out and continue by hand",
    );
    match own_link(refresh).await {
        Ok(read) => Ok(check.pass(read)),
        Err(failure) if failure.kind == FailureKind::Interrupted => Err(failure),
        Err(failure) if failure.kind == FailureKind::Refused => Ok(check.fail(failure.message)),
        Err(failure) if failure.kind == FailureKind::NotAllowed => {
            Ok(check.not_allowed().fail(failure.message))
        }
        Err(failure) => Ok(check.unread(failure)),
    }
}

fn check(skip: Option<&str>) -> Check {
    Check::protecting(
            StepName::ReconfigureDualWrite,
        "dual-write is not in use in the target, or a person is ready to link it again", "dual-write is in use in the target, and a person must link it again",
        match skip {
            None => {
                "before the copy a person stops the target's maps; after it step \
                 reconfigure-dual-write waits for a person: Reset link, Health check, set up as for a \
                 new environment"
                    .to_owned()
            }
            Some(reason) => format!(
                "reconfigure-dual-write is skipped (\"{reason}\"): stop the maps and link dual-write \
                 again by hand, or take the `skip` out"
            ),
        },
    )
}

fn judge(check: &Check, rows: &Rows) -> CheckResult {
    let active = rows.values().filter(|row| is_active(row)).count();
    match active {
        0 => check.pass("no dual-write map with Dataverse as a sender is running in the target"),
        maps => check.warn(format!(
            "{} with Dataverse as a sender; a map with only Finance and Operations as its sender is \
             not among them, and is also to be stopped",
            count(maps, "running map")
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::verdict::Verdict;
    use serde_json::json;
    use uuid::Uuid;

    #[test]
    fn only_active_maps_are_in_use() {
        let row = |state: i64| json!({"statecode": state}).as_object().unwrap().clone();
        let rows = |states: &[i64]| -> Rows {
            let of = |(n, state): (usize, &i64)| (Uuid::from_u128(n as u128), row(*state));
            states.iter().enumerate().map(of).collect()
        };
        assert_eq!(judge(&check(None), &rows(&[1])).verdict, Verdict::Pass);
        let used = judge(&check(Some("not ours")), &rows(&[0, 1]));
        assert_eq!(used.verdict, Verdict::Unknown);
        let counted = "1 running map with Dataverse as a sender; a map with only Finance";
        assert!(used.found.starts_with(counted), "{}", used.found);
        assert!(used.remedy.unwrap().contains("not ours"));
    }
}
