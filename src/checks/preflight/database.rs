//! The database of Finance and Operations: who manages it, whether the runbook agrees, and what
//! Lifecycle Services shows of both environments.

use tokio::try_join;

use super::copy_pair::check_pair;
use super::solutions::parts;
use crate::checks::check::Check;
use crate::checks::check_result::CheckResult;
use crate::clients::{Environment, Error, ErrorKind, HistoryEntry, Lcs, LcsEnvironment, Query};
use crate::domain::RefreshContext;
use crate::domain::dual_write::capture::APPLICATIONS;
use crate::domain::environments::database_history::{
    SpentQuota, describe_entry, running_operation,
};
use crate::domain::environments::{is_guided, is_lcs_managed};
use crate::domain::failure::unless_interrupted;
use crate::domain::finance_users::{FinanceUsers, is_kept_enabled, read_roles};
use crate::domain::verdict::Verdict;
use crate::engine::Failure;
use crate::runbook::{self, StepName};

/// Checks the runbook and both descriptions; if LCS manages the target, also what LCS shows.
pub(super) async fn run_checks(refresh: &RefreshContext) -> Result<Vec<CheckResult>, Failure> {
    let (source, target) = (&refresh.source.environment, &refresh.target.environment);
    let mut results = vec![
        check_pair(refresh).await?,
        section(
            is_lcs_managed(refresh),
            refresh.runbook.lcs.is_some(),
            is_guided(refresh),
        ),
    ];
    if !is_lcs_managed(refresh) {
        return Ok(results);
    }
    let options = &refresh.runbook.steps.copy_environments.options;
    results.push(transactions(options.transactionless.value));
    results.push(access_after_refresh(refresh).await?);
    results.extend(lost_users(refresh).await?);
    let (Some(lcs), Some(pair)) = (&refresh.services.lcs, &refresh.runbook.lcs) else {
        return Ok(results);
    };
    results.push(ids(&pair.value, source, target));
    results.extend(lifecycle_services(refresh, lcs, &pair.value).await?);
    Ok(results)
}

fn section(is_lcs_managed: bool, has_section: bool, is_guided: bool) -> CheckResult {
    let check = Check::protecting(
        StepName::CopyEnvironments,
        "the runbook says who manages the target's database",
        "the runbook is wrong about who manages the target's database",
        if is_lcs_managed {
            "write an `lcs` section with project, source and target; or `finops: guided`, and a \
             person refreshes it in LCS"
        } else {
            "leave out `lcs` and `finops: guided`: one copy carries both halves of this target"
        },
    )
    .invalid_input();
    let read = match (is_lcs_managed, has_section, is_guided) {
        (true, _, true) => "LCS does, and a person refreshes it",
        (true, true, false) => "LCS does, and the runbook has an `lcs` section",
        (true, false, false) => "LCS does, and the runbook has no `lcs` section",
        (false, true, _) => "the Power Platform does, and the runbook has an `lcs` section",
        (false, false, true) => "the Power Platform does, and the runbook says `finops: guided`",
        (false, false, false) => "the Power Platform does",
    };
    let good = is_lcs_managed == (has_section || is_guided);
    check.pass_if(good, read)
}

/// Only the copy of a unified environment can leave the transactions behind (Microsoft Learn, *Copy
/// an environment*, transaction-less copy); a refresh in LCS brings the whole database.
fn transactions(left_behind: bool) -> CheckResult {
    let check = Check::protecting(
        StepName::CopyEnvironments,
        "both halves bring the same transactions",
        "the two halves bring different transactions",
        "write `transactionless: false`: a refresh in LCS brings every transaction",
    );
    let read = if left_behind {
        "the runbook says `transactionless: true`, and LCS has no such refresh"
    } else {
        "the copy and the refresh bring every transaction"
    };
    check.invalid_input().pass_if(!left_behind, read)
}

/// Are both environments linked to the LCS environments that the runbook names?
fn ids(pair: &runbook::Lcs, source: &Environment, target: &Environment) -> CheckResult {
    let check = Check::protecting(
        StepName::CopyEnvironments,
        "the LCS environments of the runbook are those of the pair",
        "the LCS environments of the runbook are not those of the pair",
        "write the ids under `lcs` that the environments are linked to: a refresh of another \
         environment cannot be undone",
    )
    .invalid_input();
    // Some tenants write GUIDs with hyphens, some without.
    let bare = |id: &str| id.replace('-', "").to_ascii_lowercase();
    let mut bad = Vec::new();
    let mut not_shown = Vec::new();
    for (side, written, environment) in [
        ("source", &pair.source.value, source),
        ("target", &pair.target.value, target),
    ] {
        let app = environment.finance_operations.as_ref();
        match app.and_then(|app| app.id.as_deref()) {
            Some(id) if bare(id) == bare(written) => {}
            Some(id) => bad.push(format!(
                "{side}: the runbook has {written}, the environment is linked to {id}"
            )),
            None => not_shown.push(format!("{side}: its description shows no id")),
        }
    }
    if bad.is_empty() {
        check.warn_of(
            &not_shown,
            "both environments are linked to the LCS environments that the runbook names",
        )
    } else {
        check.none_of(&bad, "")
    }
}

/// Can the program still sign in after the refresh, which brings the source's registrations and
/// leaves only `Admin` and `DBMovementAPI` enabled?
async fn access_after_refresh(refresh: &RefreshContext) -> Result<CheckResult, Failure> {
    let check = Check::protecting(
        StepName::CopyEnvironments,
        "Finance and Operations of the target lets the program in after the refresh",
        "after the refresh, Finance and Operations of the target does not let the program in",
        "in the source, register the application as user Admin, or create the user DBMovementAPI with \
         its roles and register it as that; otherwise copy-environments waits for a person to let it in \
         again",
    );
    let (Some(source), Some(application)) = (&refresh.source.finance, &refresh.caller.application)
    else {
        let found = "not checked: the program does not sign in as an application, or the source has no \
                     Finance and Operations";
        return Ok(check.unknown(found));
    };
    let rows = match source.list(APPLICATIONS, &Query::new()).await {
        Ok(rows) => rows,
        Err(error) => return Ok(check.settle(unless_interrupted(Err(error.into()))?)),
    };
    let users = FinanceUsers::from_rows(&[], &rows);
    let user = users
        .applications()
        .find(|registered| registered.id.eq_ignore_ascii_case(application))
        .and_then(|registered| registered.user.as_deref());
    Ok(match user {
        Some(user) if is_kept_enabled(user) => {
            check.pass(format!("in the source it signs in as '{user}'"))
        }
        Some(user) => check.warn(format!(
            "in the source it signs in as '{user}', which the refresh disables"
        )),
        None => check.warn("in the source it is not registered"),
    })
}

/// Which users that programs sign in as does the refresh remove, because the source does not have them?
async fn lost_users(refresh: &RefreshContext) -> Result<Option<CheckResult>, Failure> {
    let (Some(source), Some(target)) = (&refresh.source.finance, &refresh.target.finance) else {
        return Ok(None);
    };
    let act_as = refresh.runbook.act_as_name();
    let read = async {
        let (source, target) = try_join!(FinanceUsers::read(source), FinanceUsers::read(target))?;
        let needed = target.needed_users(act_as).into_iter();
        let lost: Vec<String> = needed
            .filter(|user| source.user(user).is_none())
            .cloned()
            .collect();
        Ok((target, lost))
    };
    let answer = match unless_interrupted(read.await)? {
        Ok((users, lost)) => {
            let roles = unless_interrupted(read_roles(target, &lost).await)?;
            let roles = roles.unwrap_or_default();
            Ok((users.with_roles(&roles), lost))
        }
        Err(failure) => Err(failure),
    };
    Ok(Some(judge_lost_users(answer)))
}

/// Takes the target's users with the roles of those that the source does not have, and those.
fn judge_lost_users(answer: Result<(FinanceUsers, Vec<String>), Failure>) -> CheckResult {
    let unread = answer.as_ref().map_or_else(
        |_| Vec::new(),
        |(users, lost)| {
            let unread = lost
                .iter()
                .filter(|user| users.roles(user).next().is_none());
            unread.map(|user| format!("'{user}'")).collect()
        },
    );
    let recreate = "the run captures what the program can read of them, and asks a person to recreate \
                    them after the refresh";
    let advice = match unread.as_slice() {
        [] => recreate.to_owned(),
        users => format!(
            "note the security roles of {}: the copy removes them; {recreate}",
            users.join(", ")
        ),
    };
    let check = Check::protecting(
        StepName::CopyEnvironments,
        "the source has every user of the target's Finance and Operations that programs sign in as",
        "the refresh removes users of the target's Finance and Operations that programs sign in as",
        advice,
    );
    check.settle(answer.map(|(users, lost)| {
        let described = lost
            .iter()
            .map(|user| format!("'{user}': {}", users.description(user)));
        let described: Vec<String> = described.collect();
        check.warn_of(&described, "none is missing")
    }))
}

/// What Lifecycle Services shows: both environments, and the target's history.
async fn lifecycle_services(
    refresh: &RefreshContext,
    lcs: &Lcs,
    pair: &runbook::Lcs,
) -> Result<Vec<CheckResult>, Failure> {
    let access = Check::protecting(
        StepName::CopyEnvironments,
        "LCS lets the caller see both environments",
        "the caller cannot see both environments in LCS",
        "correct `project` and both environments under `lcs`; LCS takes a user's token only, never an \
         application's: write one for `lcs` under `identity`, of a project owner or environment manager \
         who has accepted the invitation; or `finops: guided`",
    )
    .not_allowed();
    let mut sides = Vec::new();
    for id in [&pair.source.value, &pair.target.value] {
        match lcs.environment(id).await {
            Ok(Some(environment)) => sides.push(environment),
            Ok(None) => {
                let read = format!("project {} has no environment {id}", pair.project.value);
                return Ok(vec![access.fail(read)]);
            }
            Err(error) => return unreadable(refresh, &access, error),
        }
    }
    let history = match lcs.history(&pair.target.value, None).await {
        Ok(history) => history,
        Err(error) => return unreadable(refresh, &access, error),
    };
    let [source, target] = [&sides[0], &sides[1]];
    let mut results = vec![access.pass(format!("{} and {}", name(source), name(target)))];
    results.extend(judge(source, target));
    let guided = is_guided(refresh);
    results.extend(judge_history(&history, lcs.service_date(), guided));
    results.push(version(lcs.end_of_life()));
    Ok(results)
}

/// For a manual refresh the program needs no access.
fn unreadable(
    refresh: &RefreshContext,
    access: &Check,
    error: Error,
) -> Result<Vec<CheckResult>, Failure> {
    if error.kind == ErrorKind::Cancelled {
        return Err(error.into());
    }
    Ok(vec![judge_error(access, &error, is_guided(refresh))])
}

fn judge_error(access: &Check, error: &Error, is_guided: bool) -> CheckResult {
    let refused = if is_no(error) {
        access.fail(error.to_string())
    } else {
        access.refused(error)
    };
    if is_guided && refused.verdict == Verdict::Fail {
        access.unknown(error.to_string())
    } else {
        refused
    }
}

/// Does LCS say that the caller may not see the project, or that there is none? Its refusals come with
/// status 200, so the message alone tells such an answer from a failure of the service.
fn is_no(error: &Error) -> bool {
    /// What the messages about the caller and the project contain.
    const NO: [&str; 7] = [
        "not a member",
        "not authorized",
        "unauthorized",
        "access denied",
        "access is denied",
        "not have access",
        "not have permission",
    ];
    let message = error.message.to_lowercase();
    let is_about_project = message.contains("project")
        && ["not found", "does not exist", "could not be found"]
            .iter()
            .any(|words| message.contains(words));
    match error.kind {
        ErrorKind::NotFound => true,
        ErrorKind::Refused => is_about_project || NO.iter().any(|words| message.contains(words)),
        _ => false,
    }
}

fn name(environment: &LcsEnvironment) -> String {
    format!(
        "'{}'",
        environment.name.as_deref().unwrap_or(&environment.id)
    )
}

/// Checks what Lifecycle Services shows of both environments (Microsoft Learn, *Refresh database*).
fn judge(source: &LcsEnvironment, target: &LcsEnvironment) -> Vec<CheckResult> {
    let both = |of: fn(&LcsEnvironment) -> &Option<String>| {
        let shown = |side| of(side).clone().unwrap_or_else(|| "not shown".to_owned());
        format!("source {}, target {}", shown(source), shown(target))
    };
    let equal = |check: Check, of: fn(&LcsEnvironment) -> &Option<String>| {
        if of(source).is_none() || of(target).is_none() {
            return check.unknown(both(of));
        }
        check.pass_if(of(source) == of(target), both(of))
    };
    let is = |shown: &Option<String>, word: &str| {
        shown
            .as_deref()
            .is_some_and(|shown| shown.eq_ignore_ascii_case(word))
    };
    vec![
        release(source, target),
        equal(
            Check::protecting(
                StepName::CopyEnvironments,
                "the databases are in one geography",
                "the databases are in different geographies",
                "a refresh stays within a geography: choose another pair",
            ),
            |side| &side.location,
        ),
        Check::protecting(
            StepName::CopyEnvironments,
            "the target is not a production environment in LCS",
            "the target is a production environment in LCS",
            "nothing is refreshed into production: choose another target",
        )
        .pass_if(
            !is(&target.kind, "Production"),
            target
                .kind
                .clone()
                .unwrap_or_else(|| "not shown".to_owned()),
        ),
        Check::protecting(
            StepName::CopyEnvironments,
            "the target is deployed, and not in maintenance",
            "the target is not deployed, or in maintenance",
            "look at the environment's page in LCS; wait, or end what runs there",
        )
        .pass_if(
            is(&target.status, "Deployed"),
            target
                .status
                .clone()
                .unwrap_or_else(|| "not shown".to_owned()),
        ),
    ]
}

/// Since 2025-09 the source's release may be lower than the target's (Microsoft's documentation
/// repository, unified-operations-public, pull request 5130). A higher one is not always refused.
fn release(source: &LcsEnvironment, target: &LcsEnvironment) -> CheckResult {
    let check = Check::protecting(
        StepName::CopyEnvironments,
        "the source's release of the application is not above the target's",
        "the source's release of the application is above the target's",
        "update the target to the source's release first: a refresh brings a database of that release",
    );
    let shown = |side: &LcsEnvironment| {
        side.release
            .clone()
            .unwrap_or_else(|| "not shown".to_owned())
    };
    let read = format!("source {}, target {}", shown(source), shown(target));
    let numbers = |side: &LcsEnvironment| side.release.as_deref().and_then(parts);
    match (numbers(source), numbers(target)) {
        (Some(source), Some(target)) if source == target => check.pass(read),
        (Some(source), Some(target)) if source < target => {
            check.pass(format!("{read}; a lower one is allowed since 2025-09"))
        }
        (Some(_), Some(_)) => check.warn(read),
        _ => check.unknown(read),
    }
}

/// Checks the target's history: nothing running, and a database movement left for the day.
fn judge_history(
    history: &[HistoryEntry],
    now: Option<jiff::Timestamp>,
    is_guided: bool,
) -> Vec<CheckResult> {
    let idle = Check::protecting(
        StepName::CopyEnvironments,
        "no operation is running on the target in LCS",
        "an operation is running on the target in LCS",
        "a person started it, or a request whose response was lost; wait for its end, then \
         run again",
    );
    let running = running_operation(history);
    let mut results = vec![idle.pass_if(
        running.is_none(),
        running.map_or_else(
            || "LCS shows no running operation".to_owned(),
            describe_entry,
        ),
    )];
    // The quota does not refuse refreshes that people start.
    if !is_guided {
        let left = Check::protecting(
            StepName::CopyEnvironments,
            "the quota of database movements leaves one for the refresh",
            "the quota of database movements is spent",
            "run again then; what people start in LCS counts as well",
        )
        .temporary();
        results.push(match now {
            None => left.unknown("LCS did not send its time"),
            Some(now) => match SpentQuota::from_history(history, now) {
                None => left.pass("it does"),
                Some(spent) => left.fail(spent.explained()),
            },
        });
    }
    results
}

fn version(end_of_life: Option<String>) -> CheckResult {
    let check = Check::protecting(
        StepName::CopyEnvironments,
        "the version of the LCS API that the program uses has no end date",
        "Microsoft will end the version of the LCS API that the program uses",
        "a newer version of this program may be needed by then",
    );
    match end_of_life {
        None => check.pass("LCS announces no end date"),
        Some(end) => check.warn(format!("it ends {end}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::finance_users::tests::finance_users;
    use crate::domain::verdict::Verdict;
    use crate::engine::FailureKind;
    use serde_json::{Value, json};

    #[test]
    fn a_user_that_the_refresh_removes_is_described_and_unread_roles_are_to_be_noted() {
        let users = || finance_users(&[("svcwms", true)], &[("wms", "svcwms")]);
        let none = judge_lost_users(Ok((users(), Vec::new())));
        assert_eq!(none.verdict, Verdict::Pass);
        let lost = judge_lost_users(Ok((users(), vec!["svcwms".to_owned()])));
        assert_eq!(lost.label(), "warning");
        let found = "'svcwms': alias svcwms@contoso.com, its security roles were not read";
        assert_eq!(lost.found, found);
        let remedy = lost.remedy.unwrap();
        assert!(
            remedy.starts_with("note the security roles of 'svcwms'"),
            "{remedy}"
        );
        let unread = judge_lost_users(Err(Failure::failed("no")));
        assert_eq!(unread.verdict, Verdict::Unknown);
    }

    #[test]
    fn a_definite_refusal_of_lcs_fails_and_a_failure_of_the_service_is_unknown() {
        let access = Check::new("it may", "it may not", "correct it").not_allowed();
        let judge = |kind, message: &str, is_guided| {
            let error = Error::new(kind, "Lifecycle Services", "GET /project/99", message);
            judge_error(&access, &error, is_guided).verdict
        };
        for (kind, message) in [
            (
                ErrorKind::Refused,
                "The user is not a member of the project 99.",
            ),
            (ErrorKind::Refused, "Project 99 does not exist."),
            (ErrorKind::Forbidden, "no"),
            (ErrorKind::NotFound, "no such page"),
        ] {
            assert_eq!(judge(kind, message, false), Verdict::Fail, "{message}");
            let by_hand = judge(kind, message, true);
            assert_eq!(by_hand, Verdict::Unknown, "a person refreshes: {message}");
        }
        for (kind, message) in [
            (ErrorKind::Refused, "it gives no reason"),
            (ErrorKind::Refused, "An unexpected error occurred."),
            (ErrorKind::Unavailable, "not a member of the project"),
            (ErrorKind::Malformed, "project not found"),
        ] {
            assert_eq!(judge(kind, message, false), Verdict::Unknown, "{message}");
        }
    }

    #[test]
    fn pitfall_17_a_refresh_in_lcs_leaves_no_transactions_behind() {
        assert_eq!(transactions(false).verdict, Verdict::Pass);
        let result = transactions(true);
        assert_eq!(result.verdict, Verdict::Fail);
        assert!(result.remedy.unwrap().contains("`transactionless: false`"));
    }

    #[test]
    fn runbook_and_link_must_say_the_same() {
        let of = |linked, section_there, guided| section(linked, section_there, guided).verdict;
        assert_eq!(of(true, true, false), Verdict::Pass);
        assert_eq!(of(true, false, true), Verdict::Pass);
        assert_eq!(of(false, false, false), Verdict::Pass);
        for wrong in [
            (true, false, false),
            (false, true, false),
            (false, false, true),
        ] {
            let (linked, section_there, guided) = wrong;
            let result = section(linked, section_there, guided);
            assert_eq!(result.verdict, Verdict::Fail, "{wrong:?}");
            assert_eq!(result.kind, FailureKind::InvalidInput);
        }
    }

    fn side(changed: &[(&str, Value)]) -> LcsEnvironment {
        let mut side = LcsEnvironment {
            id: "e".to_owned(),
            name: None,
            kind: Some("Sandbox".to_owned()),
            release: Some("10.0.44".to_owned()),
            location: Some("East US".to_owned()),
            status: Some("Deployed".to_owned()),
            url: None,
            raw: Value::Null,
        };
        for (field, value) in changed {
            let value = value.as_str().map(str::to_owned);
            match *field {
                "release" => side.release = value,
                "location" => side.location = value,
                "kind" => side.kind = value,
                _ => side.status = value,
            }
        }
        side
    }

    /// A refresh needs one geography; equal releases are not needed.
    #[test]
    fn pitfall_19_releases_and_geographies_are_compared() {
        let failed = |changed: &[(&str, Value)]| -> Vec<String> {
            let results = judge(&side(&[]), &side(changed));
            let failed = results.into_iter().filter(|f| f.verdict == Verdict::Fail);
            failed.map(|result| result.check).collect()
        };
        assert!(failed(&[]).is_empty());
        for (field, value, expected) in [
            ("location", "West Europe", "one geography"),
            ("kind", "Production", "production"),
            ("status", "In Maintenance", "maintenance"),
        ] {
            let failed = failed(&[(field, json!(value))]);
            assert!(
                failed.len() == 1 && failed[0].contains(expected),
                "{failed:?}"
            );
        }
    }

    #[test]
    fn a_lower_release_passes_and_a_higher_one_is_a_warning() {
        let of = |source: &str, target: &str| {
            let side = |shown: &str| side(&[("release", json!(shown))]);
            let result = release(&side(source), &side(target));
            (result.verdict, result.label())
        };
        for (source, target) in [
            ("10.0.44", "10.0.44"),
            ("10.0.43", "10.0.44"),
            ("9.9", "10.0.1"),
        ] {
            assert_eq!(
                of(source, target),
                (Verdict::Pass, "pass"),
                "{source} {target}"
            );
        }
        assert_eq!(of("10.0.45", "10.0.44"), (Verdict::Unknown, "warning"));
        assert_eq!(of("PU68", "10.0.44"), (Verdict::Unknown, "unknown"));
    }
}
