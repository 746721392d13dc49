//! Does dual-write do what it did before the copy? Microsoft's health check, rebuilt, and each map.

use crate::checks::finding::{Cure, Finding, Probe};
use crate::domain::Refresh;
use crate::domain::dual_write::was_in_use;
use crate::engine::{Failure, FailureKind, Known};
use crate::steps::reconfigure_dual_write::{MapAnswer, health_check, map_answers};

/// Asks nothing where dual-write was not in use before the copy, or where no journal tells.
pub(super) async fn ask(refresh: &Refresh, known: Option<&Known>) -> Result<Vec<Finding>, Failure> {
    let Some(known) = known.filter(|known| was_in_use(known)) else {
        return Ok(Vec::new());
    };
    let mut findings = Vec::new();
    match health_check(refresh, known).await {
        Ok(checks) => findings.extend(checks.iter().map(|check| {
            let look = "Finance and Operations > Data management > Dual-write: Health check";
            let cure = Cure::ByHand(check.remedy.clone());
            let probe = Probe::new(check.title(), look).if_failed(cure);
            match check.verdict() {
                (Some(good), read) => probe.judged(good, read),
                (None, read) => probe.unknown(read),
            }
        })),
        Err(failure) if failure.kind == FailureKind::Interrupted => return Err(failure),
        Err(failure) => {
            let probe = Probe::new("dual-write is healthy", "look whether Dataverse answers");
            findings.push(probe.unread(failure));
        }
    }
    findings.push(maps(refresh, known).await?);
    Ok(findings)
}

async fn maps(refresh: &Refresh, known: &Known) -> Result<Finding, Failure> {
    let probe = Probe::new(
        "every dual-write map does what it did before the copy",
        format!(
            "{}; the state file holds each map's version, key and filters of before the copy",
            crate::checks::verify::left::cure(refresh, known, "reconfigure-dual-write")
        ),
    );
    match map_answers(refresh, known).await {
        Ok(answers) => Ok(judged(&probe, &answers)),
        Err(failure) if failure.kind == FailureKind::Interrupted => Err(failure),
        Err(failure) => Ok(probe.unread(failure)),
    }
}

fn judged(probe: &Probe, answers: &[MapAnswer]) -> Finding {
    let told = |wanted: Option<bool>| -> Vec<String> {
        let these = answers.iter().filter(|answer| answer.as_before == wanted);
        these
            .map(|answer| format!("'{}': {}", answer.map, answer.read))
            .collect()
    };
    let (bad, unknown) = (told(Some(false)), told(None));
    if bad.is_empty() {
        probe.unless_any(&unknown, &format!("{} do", answers.len()))
    } else {
        probe.none_of(&bad, "")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::finding::Verdict;

    #[test]
    fn one_map_that_does_otherwise_fails_and_is_named() {
        let answer = |map: &str, as_before| MapAnswer {
            map: map.to_owned(),
            as_before,
            read: "a project of it is Disabled".to_owned(),
        };
        let probe = Probe::new("maps", "run");
        let of = |answers: &[MapAnswer]| judged(&probe, answers);
        assert_eq!(of(&[answer("a", Some(true))]).verdict, Verdict::Pass);
        assert_eq!(
            of(&[answer("a", Some(true)), answer("b", None)]).verdict,
            Verdict::Unknown
        );
        let bad = of(&[answer("a", Some(false)), answer("b", None)]);
        assert_eq!(bad.verdict, Verdict::Fail);
        assert_eq!(bad.read, "'a': a project of it is Disabled");
    }
}
