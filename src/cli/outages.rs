//! Checks that could not be made because a service does not answer: one block for all of them.

use super::preflight::protection;
use crate::base::redaction::redacted_line;
use crate::base::text::{REQUEST_ID, count, escape};
use crate::checks::CheckResult;
use crate::clients::NOT_AVAILABLE_FOR;

/// A service that did not answer, and why.
#[derive(PartialEq)]
struct Outage<'a> {
    service: &'a str,
    why: &'a str,
    remedy: Option<&'a str>,
}

/// Groups what is shown: the checks that a service did not answer for the same reason are together,
/// at the place of the first one; each other check is alone.
pub(super) fn grouped<'a>(shown: &[&'a CheckResult]) -> Vec<Vec<&'a CheckResult>> {
    let mut groups: Vec<Vec<&'a CheckResult>> = Vec::new();
    for &finding in shown {
        let outage = outage(finding);
        let known = groups.iter_mut().find(|group| {
            outage.is_some() && outage == group.first().and_then(|it| self::outage(it))
        });
        match known {
            Some(group) => group.push(finding),
            None => groups.push(vec![finding]),
        }
    }
    groups
}

/// Why a check could not be made, if a service did not answer.
fn outage(finding: &CheckResult) -> Option<Outage<'_>> {
    if !finding.is_unavailable() {
        return None;
    }
    let (service, request) = finding.found.split_once(NOT_AVAILABLE_FOR)?;
    let (_, why) = request.split_once(": ")?;
    Some(Outage {
        service,
        why: why.split(REQUEST_ID).next().unwrap_or(why),
        remedy: finding.remedy.as_deref(),
    })
}

/// The block of a group of more than one check, after its word; `None` for another group.
pub(super) fn block(group: &[&CheckResult]) -> Option<String> {
    let outage = group
        .first()
        .filter(|_| group.len() > 1)
        .and_then(|it| outage(it))?;
    let mut text = format!(
        "{} could not be made: {} is not available\n         found: {}\n",
        count(group.len(), "check"),
        escape(outage.service),
        redacted_line(outage.why)
    );
    if let Some(remedy) = outage.remedy {
        text += &format!("         fix: {}\n", redacted_line(remedy));
    }
    for finding in group {
        let name = escape(&finding.check);
        text += &format!("         - {name}{}\n", protection(finding));
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::verdict::Verdict;
    use crate::engine::FailureKind;

    #[test]
    fn the_checks_that_one_service_did_not_answer_are_one_block() {
        let unread = |check: &str, service: &str, request: u32| {
            let found = format!(
                "{service}{NOT_AVAILABLE_FOR}GET /t{request}: the connection failed (request id \
                 {request})"
            );
            let mut finding = CheckResult::with_verdict(check, Verdict::Unknown);
            finding.kind = FailureKind::Temporary;
            finding.found = found;
            finding.remedy = Some("run again".to_owned());
            finding
        };
        let mut refused = unread("d", "Prod", 4);
        refused.kind = FailureKind::NotAllowed;
        let findings = [
            unread("a", "Prod", 1),
            unread("b", "UAT", 2),
            unread("c", "Prod", 3),
            refused,
        ];
        let shown: Vec<&CheckResult> = findings.iter().collect();
        let groups = grouped(&shown);
        let blocks: Vec<Option<String>> = groups.iter().map(|group| block(group)).collect();
        let expected = "2 checks could not be made: Prod is not available\n         found: the \
                        connection failed\n         fix: run again\n         - a\n         - c\n";
        assert_eq!(blocks, [Some(expected.to_owned()), None, None]);
    }
}
