//! Did a unified copy replace Finance and Operations? The operation's own success does not prove it:
//! from a unified environment for developers onto a unified sandbox, the service reports success
//! and leaves Finance and Operations as they were (A. Blake, 2026-09-02).
//!
//! No service reads the database's origin. What differed between the two before the copy shows it:
//! the users and registered applications that only one of them had.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tokio::join;

use super::{copy_key, is_lcs_managed};
use crate::clients::Reachability;
use crate::domain::RefreshContext;
use crate::domain::failure::or_why_unknown;
use crate::domain::finance_users::FinanceUsers;
use crate::domain::verdict::Answer;
use crate::engine::{Failure, JournalView};

/// The member of the copy's intent that holds what differed before. Its own members follow.
pub(crate) const FINANCE_BEFORE: &str = "finance-before";
const ONLY_SOURCE: &str = "only-in-source";
const ONLY_TARGET: &str = "only-in-target";
const UNREAD: &str = "unread";

/// How many of each are recorded: a production environment may have thousands.
const RECORDED: usize = 20;

/// What differs now, before the copy. None if the copy carries no Finance and Operations.
pub(crate) async fn finance_before(refresh: &RefreshContext) -> Result<Option<Value>, Failure> {
    if is_lcs_managed(refresh) {
        return Ok(None);
    }
    let (Some(source), Some(target)) = (&refresh.source.finance, &refresh.target.finance) else {
        return Ok(None);
    };
    let (source, target) = join!(FinanceUsers::read(source), FinanceUsers::read(target));
    let source = or_why_unknown(source)?;
    let target = or_why_unknown(target)?;
    Ok(Some(match (source, target) {
        (Ok(source), Ok(target)) => difference(&ids(&source), &ids(&target)),
        (Err(why), _) | (_, Err(why)) => json!({ UNREAD: why }),
    }))
}

/// Whether the copy replaced Finance and Operations. None if it carries none, is not proved, or
/// was requested by an earlier version of this program, which did not record what differed.
pub(crate) async fn finance_replaced(
    refresh: &RefreshContext,
    journal: &JournalView,
) -> Result<Option<Answer>, Failure> {
    let key = copy_key(refresh);
    if is_lcs_managed(refresh) || !journal.is_launch_proved(&key) {
        return Ok(None);
    }
    let launch = journal.launch(&key);
    let before = launch.and_then(|launch| launch.intent.detail.get(FINANCE_BEFORE));
    let (Some(before), Some(finance)) = (before, &refresh.target.finance) else {
        return Ok(None);
    };
    match finance.reachability().await? {
        Reachability::Reachable => {}
        refusal => return Ok(Some(Answer::Unknown(refusal.to_string()))),
    }
    let now = or_why_unknown(FinanceUsers::read(finance).await)?;
    Ok(Some(match now {
        Ok(now) => judge(before, &ids(&now)),
        Err(why) => Answer::Unknown(why),
    }))
}

/// Every user and registered application, as people read them. Ids differ in case from response to
/// response.
fn ids(users: &FinanceUsers) -> BTreeSet<String> {
    let applications = users
        .applications()
        .map(|application| format!("application {}", application.id.to_lowercase()));
    users
        .users()
        .map(|user| format!("user {}", user.id.to_lowercase()))
        .chain(applications)
        .collect()
}

fn difference(source: &BTreeSet<String>, target: &BTreeSet<String>) -> Value {
    let only = |one: &BTreeSet<String>, other: &BTreeSet<String>| -> Vec<String> {
        one.difference(other).take(RECORDED).cloned().collect()
    };
    json!({ ONLY_SOURCE: only(source, target), ONLY_TARGET: only(target, source) })
}

fn judge(before: &Value, now: &BTreeSet<String>) -> Answer {
    if let Some(why) = before[UNREAD].as_str() {
        return Answer::Unknown(format!(
            "the users and registered applications could not be compared before the copy: {why}"
        ));
    }
    let of = |member: &str| -> Vec<&str> {
        let items = before[member].as_array().into_iter().flatten();
        items.filter_map(Value::as_str).collect()
    };
    let (of_source, of_target) = (of(ONLY_SOURCE), of(ONLY_TARGET));
    if of_source.is_empty() && of_target.is_empty() {
        let why = "before the copy, both had the same users and registered applications";
        return Answer::Unknown(why.to_owned());
    }
    let arrived = of_source.iter().filter(|id| now.contains(**id)).count();
    let left: Vec<&str> = of_target
        .iter()
        .copied()
        .filter(|id| now.contains(*id))
        .collect();
    if arrived > 0 || left.len() < of_target.len() {
        let mut found = Vec::new();
        if !of_source.is_empty() {
            let all = of_source.len();
            found.push(format!(
                "{arrived} of {all} that only the source had have arrived"
            ));
        }
        if !of_target.is_empty() {
            let (gone, all) = (of_target.len() - left.len(), of_target.len());
            found.push(format!("{gone} of {all} that only the target had are gone"));
        }
        return Answer::Pass(format!(
            "users and registered applications: {}",
            found.join(", and ")
        ));
    }
    let mut found = Vec::new();
    if let Some(first) = left.first() {
        found.push(format!("it still has what only the target had ({first})"));
    }
    if let Some(first) = of_source.first() {
        found.push(format!(
            "it contains nothing that only the source had ({first})"
        ));
    }
    Answer::Fail(found.join(", and "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::verdict::Verdict;

    fn set(ids: &[&str]) -> BTreeSet<String> {
        ids.iter().map(|id| (*id).to_owned()).collect()
    }

    #[test]
    fn rows_of_only_one_side_show_whether_finance_was_replaced() {
        let source = set(&["user admin", "user prod"]);
        let target = set(&["user admin", "user uat"]);
        let before = difference(&source, &target);
        assert_eq!(judge(&before, &source).verdict(), Verdict::Pass);
        let untouched = judge(&before, &target);
        assert_eq!(untouched.verdict(), Verdict::Fail);
        for part in ["user uat", "user prod"] {
            assert!(untouched.found().contains(part), "{}", untouched.found());
        }
        // One of the two is enough.
        let before = difference(&set(&["user admin"]), &target);
        assert_eq!(
            judge(&before, &set(&["user admin"])).verdict(),
            Verdict::Pass
        );
        assert_eq!(judge(&before, &target).verdict(), Verdict::Fail);
    }

    #[test]
    fn equal_or_unread_sides_prove_nothing() {
        let same = set(&["user admin"]);
        let before = difference(&same, &same);
        assert_eq!(judge(&before, &same).verdict(), Verdict::Unknown);
        let unread = json!({ UNREAD: "403" });
        assert_eq!(judge(&unread, &same).verdict(), Verdict::Unknown);
    }
}
