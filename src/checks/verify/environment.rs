//! The target itself: open, answering, with the correct name of its root team.

use super::snapshot::Snapshot;
use crate::checks::check::{Check, Remedy};
use crate::checks::check_result::CheckResult;
use crate::checks::table_reads::{Rows, available};
use crate::clients::{Environment, ErrorKind};
use crate::domain::RefreshContext;
use crate::domain::dual_write::root_team::RootTeam;
use crate::domain::dual_write::was_in_use;
use crate::domain::environments::finance_replacement::finance_replaced;
use crate::domain::names::is_active;
use crate::domain::verdict::{Answer, Verdict};
use crate::engine::{Failure, FailureKind, JournalView};

/// Is administration mode off, and do background operations run?
pub(super) fn open(environment: &Environment) -> CheckResult {
    let check = Check::new(
        "administration mode is off and background operations are on",
        "administration mode is on, or background operations are off",
        "an unfinished run resumes with step exit-administration-mode; after a finished run, use the \
         environment's page in the admin center",
    );
    let read = environment.describe_states();
    let states = [
        environment.runtime_state.as_deref(),
        environment.background_operations.as_deref(),
    ];
    if states.iter().all(|state| *state == Some("Enabled")) {
        check.pass(read)
    } else if states.contains(&Some("AdminMode")) || states.contains(&Some("Disabled")) {
        check.fail(read)
    } else {
        check.unknown(read)
    }
}

/// Does the target's Dataverse let the caller in?
pub(super) async fn dataverse(refresh: &RefreshContext) -> Result<CheckResult, Failure> {
    let check = Check::new(
        "Dataverse of the target answers",
        "Dataverse of the target refuses the caller",
        "a copied organization refuses for some minutes; then look at the caller's rights in it",
    );
    match refresh.target.dataverse.who_am_i().await {
        Ok(caller) => Ok(check.pass(format!("user {}", caller.user))),
        Err(error) if error.kind == ErrorKind::Cancelled => Err(error.into()),
        Err(error) => Ok(check.refused(&error)),
    }
}

/// Did the copy replace Finance and Operations as well? No result if it carries none.
pub(super) async fn finance(
    refresh: &RefreshContext,
    journal: Option<&JournalView>,
) -> Result<Option<CheckResult>, Failure> {
    let Some(journal) = journal else {
        return Ok(None);
    };
    let check = Check::new(
        "the copy replaced Finance and Operations",
        "the copy may have left Finance and Operations as they were",
        "check in Finance and Operations whether its data are the source's. If they are not, the pair \
         is mismatched: do not let anybody work in it, and look at 'Copy an LCS environment to a \
         unified environment' for the pairs that Microsoft supports",
    );
    let answer = match finance_replaced(refresh, journal).await {
        Ok(answer) => answer,
        Err(failure) if failure.kind == FailureKind::Interrupted => return Err(failure),
        Err(failure) => return Ok(Some(check.unread(failure))),
    };
    Ok(answer.map(|answer| match answer {
        // Somebody may have added again since what shows it.
        Answer::Fail(found) => check.warn(found),
        answer => check.answered(&answer),
    }))
}

/// Does the root business unit's default team have the business unit's name? A copy may rename one
/// of the two, and dual-write's initial sync finds the team by the name (Microsoft Learn, *Copy
/// environments that use Intelligent Order Management*; health-check code DWFOEV1006).
pub(super) fn team(
    refresh: &RefreshContext,
    snapshot: &Snapshot,
    journal: Option<&JournalView>,
) -> CheckResult {
    let before = journal.is_some_and(was_in_use);
    let check = Check::new(
        "the root business unit's default team has the business unit's name",
        "the root business unit's default team has another name than the business unit",
        "give the team the business unit's name (Dataverse, Settings > Security > Teams)",
    )
    .if_failed(Remedy::ByHand(format!(
        "then, in Finance and Operations of '{}', Data management > Dual-write: Health check; only \
         if it still names the team, Reset link",
        refresh.runbook.target.name
    )));
    let answer = available(&snapshot.business_units).and_then(|units| {
        let teams = available(&snapshot.teams)?;
        let judge = |in_use| judge_team(&check, units, teams, in_use);
        match available(&snapshot.dual_write) {
            _ if before => Ok(judge(true)),
            Ok(rows) => Ok(judge(rows.values().any(is_active))),
            // Where the names agree, it does not matter whether dual-write is in use.
            Err(failure) => match judge(false) {
                pass if pass.verdict == Verdict::Pass => Ok(pass),
                _ => Err(failure),
            },
        }
    });
    check.settle(answer)
}

fn judge_team(check: &Check, units: &Rows, teams: &Rows, dual_write: bool) -> CheckResult {
    let root = RootTeam::among(units, teams);
    if root.team.is_none() {
        return check.unknown("Dataverse shows no default team of a root business unit");
    }
    let (unit, team) = (root.unit_name, root.team_name);
    let shown = |name: &Option<String>| name.clone().unwrap_or_default();
    let read = format!("business unit '{}', team '{}'", shown(&unit), shown(&team));
    if unit == team {
        check.pass(read)
    } else if dual_write {
        check.fail(read)
    } else {
        check.warn(format!("{read}; dual-write, which needs it, is not in use"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
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
            judge_team(
                &Check::new("team", "a problem", "reset"),
                &units,
                &teams,
                dual_write,
            )
            .verdict
        };
        assert_eq!(of("org1", true), Verdict::Pass);
        assert_eq!(of("orgprod", true), Verdict::Fail);
        assert_eq!(of("orgprod", false), Verdict::Unknown);
        let check = Check::new("team", "a problem", "reset");
        assert_eq!(
            judge_team(&check, &units, &Rows::new(), true).verdict,
            Verdict::Unknown
        );
        assert_eq!(
            judge_team(&check, &Rows::new(), &Rows::new(), true).verdict,
            Verdict::Unknown
        );
    }
}
