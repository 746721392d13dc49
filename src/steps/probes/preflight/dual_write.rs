//! Is dual-write in use in the target, and who links it again?

use serde_json::Value;

use super::sight::Sight;
use crate::steps::Refresh;
use crate::steps::probes::finding::{Finding, Probe};
use crate::steps::probes::reading::Rows;
use crate::text::count;

/// Judges the target's dual-write runtime configuration.
pub(super) fn ask(refresh: &Refresh, sight: &Sight) -> Finding {
    let skipped = refresh.runbook.steps.reconfigure_dual_write.skip.as_ref();
    let skip = skipped.map(|reason| reason.value.as_str());
    let probe = probe(skip);
    probe.settle(
        sight
            .target
            .dual_write
            .clone()
            .map(|rows| judged(&probe, &rows)),
    )
}

fn probe(skip: Option<&str>) -> Probe {
    Probe::new(
        "dual-write is not in use in the target, or a person is ready to link it again",
        match skip {
            None => {
                "step reconfigure-dual-write will wait for a person: security roles, Reset link, \
                 Health check, set up as for a new environment"
                    .to_owned()
            }
            Some(reason) => format!(
                "reconfigure-dual-write is skipped (\"{reason}\"): link dual-write again by hand, or \
                 take the `skip` out"
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
        0 => probe.pass("no map runs in the target"),
        maps => probe.unknown(format!("{} in the target", count(maps, "running map"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steps::probes::finding::Verdict;
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
