//! Does dual-write work as before the copy? Microsoft's health check, rebuilt, and each map.

use crate::base::text::count;
use crate::checks::check::{Check, Remedy};
use crate::checks::check_result::CheckResult;
use crate::domain::RefreshContext;
use crate::domain::dual_write::was_in_use;
use crate::domain::verdict::Verdict;
use crate::engine::{Failure, FailureKind, JournalView};
use crate::steps::reconfigure_dual_write::{MapAnswer, check_health, map_answers};

/// No checks if dual-write was not in use before the copy, or without a journal.
pub(super) async fn run_checks(
    refresh: &RefreshContext,
    journal: Option<&JournalView>,
) -> Result<Vec<CheckResult>, Failure> {
    let Some(journal) = journal.filter(|journal| was_in_use(journal)) else {
        return Ok(Vec::new());
    };
    let mut results = Vec::new();
    match check_health(refresh, journal).await {
        Ok(checks) => results.extend(checks.iter().map(|health| {
            let look = "Finance and Operations > Data management > Dual-write: Health check";
            let remedy = Remedy::ByHand(health.remedy.clone());
            let check = Check::new(health.title(), health.problem(), look).if_failed(remedy);
            check.answered(health.answer())
        })),
        Err(failure) if failure.kind == FailureKind::Interrupted => return Err(failure),
        Err(failure) => {
            let check = Check::new(
                "dual-write is healthy",
                "dual-write is not healthy",
                "check whether Dataverse answers",
            );
            results.push(check.unread(failure));
        }
    }
    results.push(maps(refresh, journal).await?);
    Ok(results)
}

async fn maps(refresh: &RefreshContext, journal: &JournalView) -> Result<CheckResult, Failure> {
    let check = Check::new(
        "every dual-write map does what it did before the copy",
        "dual-write maps differ from their state before the copy",
        format!(
            "{}; the state file holds the version, key and filters that each map had before the copy",
            crate::checks::verify::remaining_changes::remedy(
                refresh,
                journal,
                "reconfigure-dual-write"
            )
        ),
    );
    match map_answers(refresh, journal).await {
        Ok(answers) => Ok(judge(&check, &answers)),
        Err(failure) if failure.kind == FailureKind::Interrupted => Err(failure),
        Err(failure) => Ok(check.unread(failure)),
    }
}

fn judge(check: &Check, answers: &[MapAnswer]) -> CheckResult {
    let with = |verdict| -> Vec<String> {
        let these = answers.iter().filter(|one| one.answer.verdict() == verdict);
        these
            .map(|one| format!("'{}': {}", one.map, one.answer.found()))
            .collect()
    };
    let good = count(answers.len(), "dual-write map");
    check.fail_or_warn(&with(Verdict::Fail), &with(Verdict::Unknown), &good)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::verdict::Answer;

    #[test]
    fn one_map_that_differs_fails_and_is_named() {
        let found = || "a project of it is Disabled".to_owned();
        let map = |map: &str, answer: fn(String) -> Answer| MapAnswer {
            map: map.to_owned(),
            answer: answer(found()),
        };
        let check = Check::new("maps", "a problem", "run");
        let verdict = |answers: &[MapAnswer]| judge(&check, answers);
        let passing = map("a", Answer::Pass);
        assert_eq!(
            verdict(std::slice::from_ref(&passing)).verdict,
            Verdict::Pass
        );
        assert_eq!(
            verdict(&[passing, map("b", Answer::Unknown)]).verdict,
            Verdict::Unknown
        );
        let bad = verdict(&[map("a", Answer::Fail), map("b", Answer::Unknown)]);
        assert_eq!(bad.verdict, Verdict::Fail);
        assert_eq!(bad.found, "'a': a project of it is Disabled");
    }
}
