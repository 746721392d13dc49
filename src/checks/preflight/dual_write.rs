//! Is dual-write in use in the target, and can it be linked again?

use serde_json::Value;

use super::sight::Sight;
use crate::base::text::count;
use crate::checks::finding::{Finding, Probe};
use crate::checks::reading::Rows;
use crate::domain::Refresh;
use crate::domain::dual_write::guard::own_link;
use crate::engine::{Failure, FailureKind};

/// Judges the target's dual-write runtime configuration, and the link where the gateway is
/// acknowledged.
pub(super) async fn ask(refresh: &Refresh, sight: &Sight) -> Result<Vec<Finding>, Failure> {
    if refresh.dual_write.is_some() {
        return Ok(vec![link(refresh).await?]);
    }
    let skipped = refresh.runbook.steps.reconfigure_dual_write.skip.as_ref();
    let skip = skipped.map(|reason| reason.value.as_str());
    let probe = probe(skip);
    let rows = sight.target.dual_write.clone();
    Ok(vec![probe.settle(rows.map(|rows| judged(&probe, &rows)))])
}

/// Does the gateway's record of the link describe the target, and nothing else? A reset goes to
/// whatever it describes.
async fn link(refresh: &Refresh) -> Result<Finding, Failure> {
    let probe = Probe::new(
        "the dual-write link that the gateway shows is the target's own",
        "look at the link in Finance and Operations of the target (Data management > Dual-write), and \
         at `dual-write` under `endpoints` and `identity`; or take `gateway` out and go on by hand",
    );
    match own_link(refresh).await {
        Ok(read) => Ok(probe.pass(read)),
        Err(failure) if failure.kind == FailureKind::Interrupted => Err(failure),
        Err(failure) if failure.kind == FailureKind::Refused => Ok(probe.fail(failure.message)),
        Err(failure) if failure.kind == FailureKind::NotAllowed => {
            Ok(probe.not_allowed().fail(failure.message))
        }
        Err(failure) => Ok(probe.unread(failure)),
    }
}

fn probe(skip: Option<&str>) -> Probe {
    Probe::new(
        "dual-write is not in use in the target, or a person is ready to link it again",
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

fn judged(probe: &Probe, rows: &Rows) -> Finding {
    let active = rows
        .values()
        .filter(|row| row.get("statecode").and_then(Value::as_i64) == Some(0))
        .count();
    match active {
        0 => probe.pass("no map that Dataverse sends for runs in the target"),
        maps => probe.unknown(format!("{} in the target", count(maps, "running map"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::finding::Verdict;
    use serde_json::json;
    use uuid::Uuid;

    #[test]
    fn only_active_maps_are_in_use() {
        let row = |state: i64| json!({"statecode": state}).as_object().unwrap().clone();
        let rows = |states: &[i64]| -> Rows {
            let of = |(n, state): (usize, &i64)| (Uuid::from_u128(n as u128), row(*state));
            states.iter().enumerate().map(of).collect()
        };
        assert_eq!(judged(&probe(None), &rows(&[1])).verdict, Verdict::Pass);
        let used = judged(&probe(Some("not ours")), &rows(&[0, 1]));
        assert_eq!(used.verdict, Verdict::Unknown);
        assert!(used.read.contains("1 running map"), "{}", used.read);
        assert!(used.remedy.unwrap().contains("not ours"));
    }
}
