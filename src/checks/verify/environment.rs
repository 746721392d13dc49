//! The target itself: open, answering, its root team named as it should be.

use serde_json::Value;

use super::sight::Sight;
use crate::checks::finding::{Cure, Finding, Probe, Verdict};
use crate::checks::reading::{Rows, told};
use crate::clients::{Environment, ErrorKind};
use crate::domain::Refresh;
use crate::domain::dual_write::was_in_use;
use crate::domain::names::{lookup, text};
use crate::engine::{Failure, Known};

/// Is administration mode off, and do background operations run?
pub(super) fn open(environment: &Environment) -> Finding {
    let probe = Probe::new(
        "administration mode is off and background operations are on",
        "a run that has not finished goes on with step exit-administration-mode; after it, use the \
         environment's page in the admin center",
    );
    let read = environment.states();
    let states = [
        environment.runtime_state.as_deref(),
        environment.background_operations.as_deref(),
    ];
    if states.iter().all(|state| *state == Some("Enabled")) {
        probe.pass(read)
    } else if states.contains(&Some("AdminMode")) || states.contains(&Some("Disabled")) {
        probe.fail(read)
    } else {
        probe.unknown(read)
    }
}

/// Does the target's Dataverse let the caller in?
pub(super) async fn dataverse(refresh: &Refresh) -> Result<Finding, Failure> {
    let probe = Probe::new(
        "Dataverse of the target answers",
        "a copied organization refuses for some minutes; then look at the caller's rights in it",
    );
    match refresh.target.who_am_i().await {
        Ok(caller) => Ok(probe.pass(format!("user {}", caller.user))),
        Err(error) if error.kind == ErrorKind::Cancelled => Err(error.into()),
        Err(error) => Ok(probe.refused(&error)),
    }
}

/// Has the root business unit's default team the business unit's name? A copy may rename one of the
/// two, and dual-write's initial sync finds the team by the name (Microsoft Learn, *Copy
/// environments that use Intelligent Order Management*; health-check code DWFOEV1006).
pub(super) fn team(refresh: &Refresh, sight: &Sight, known: Option<&Known>) -> Finding {
    let before = known.is_some_and(was_in_use);
    let probe = Probe::new(
        "the root business unit's default team has the business unit's name",
        "give the team the business unit's name (Dataverse, Settings > Security > Teams)",
    )
    .if_failed(Cure::ByHand(format!(
        "then, in Finance and Operations of '{}', Data management > Dual-write: Health check; only \
         where it still names the team, Reset link",
        refresh.runbook.target.name
    )));
    let answer = told(&sight.business_units).and_then(|units| {
        let teams = told(&sight.teams)?;
        let judged = |in_use| team_judged(&probe, units, teams, in_use);
        match told(&sight.dual_write) {
            _ if before => Ok(judged(true)),
            Ok(rows) => {
                Ok(judged(rows.values().any(|row| {
                    row.get("statecode").and_then(Value::as_i64) == Some(0)
                })))
            }
            // Where the names agree, it does not matter whether dual-write is in use.
            Err(failure) => match judged(false) {
                pass if pass.verdict == Verdict::Pass => Ok(pass),
                _ => Err(failure),
            },
        }
    });
    probe.settle(answer)
}

fn team_judged(probe: &Probe, units: &Rows, teams: &Rows, dual_write: bool) -> Finding {
    let root = units
        .iter()
        .find(|(_, row)| lookup(row, "parentbusinessunitid").is_none());
    let Some((root, unit)) = root else {
        return probe.unknown("no root business unit is shown");
    };
    let team = teams.values().find(|row| {
        row.get("isdefault").and_then(Value::as_bool) == Some(true)
            && lookup(row, "businessunitid") == Some(*root)
    });
    let Some(team) = team else {
        return probe.unknown("no default team is shown");
    };
    let (unit, team) = (text(unit, "name"), text(team, "name"));
    let shown = |name: &Option<String>| name.clone().unwrap_or_default();
    let read = format!("business unit '{}', team '{}'", shown(&unit), shown(&team));
    if unit == team {
        probe.pass(read)
    } else if dual_write {
        probe.fail(read)
    } else {
        probe.unknown(format!("{read}; dual-write, which needs it, is not in use"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use uuid::Uuid;

    fn environment(runtime: &str, background: &str) -> Environment {
        Environment::from_value(json!({"name": "e", "properties": {
            "states": {"runtime": {"id": runtime}},
            "linkedEnvironmentMetadata": {"backgroundOperationsState": background}}}))
        .unwrap()
    }

    #[test]
    fn an_environment_is_open_only_where_both_states_say_so() {
        assert_eq!(
            open(&environment("Enabled", "Enabled")).verdict,
            Verdict::Pass
        );
        assert_eq!(
            open(&environment("AdminMode", "Enabled")).verdict,
            Verdict::Fail
        );
        assert_eq!(
            open(&environment("Enabled", "Disabled")).verdict,
            Verdict::Fail
        );
        assert_eq!(
            open(&environment("Enabled", "Soon")).verdict,
            Verdict::Unknown
        );
    }

    #[test]
    fn a_renamed_team_matters_where_dual_write_is_in_use() {
        let (unit, team) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let row = |value: Value| value.as_object().unwrap().clone();
        let units = Rows::from([(
            unit,
            row(json!({"name": "org1", "_parentbusinessunitid_value": null})),
        )]);
        let of = |name: &str, dual_write| {
            let team_row =
                row(json!({"name": name, "isdefault": true, "_businessunitid_value": unit}));
            let teams = Rows::from([(team, team_row)]);
            team_judged(&Probe::new("team", "reset"), &units, &teams, dual_write).verdict
        };
        assert_eq!(of("org1", true), Verdict::Pass);
        assert_eq!(of("orgprod", true), Verdict::Fail);
        assert_eq!(of("orgprod", false), Verdict::Unknown);
        let probe = Probe::new("team", "reset");
        assert_eq!(
            team_judged(&probe, &units, &Rows::new(), true).verdict,
            Verdict::Unknown
        );
        assert_eq!(
            team_judged(&probe, &Rows::new(), &Rows::new(), true).verdict,
            Verdict::Unknown
        );
    }
}
