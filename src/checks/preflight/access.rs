//! The caller in both environments, and the owner that references and flows should have.

use serde_json::Value;
use uuid::Uuid;

use crate::checks::check::Check;
use crate::checks::check_result::CheckResult;
use crate::checks::table_reads::ReadResult;
use crate::clients::{ErrorKind, literal};
use crate::domain::RefreshContext;
use crate::domain::failure::unless_interrupted;
use crate::domain::names::{Fields, text};
use crate::domain::view::View;
use crate::engine::Failure;
use crate::runbook::{Owner, Span, StepName};

/// A team that gives access to rows and cannot own any (Dataverse, `team`, `teamtype`).
const ACCESS_TEAM: i64 = 1;

/// The access mode of a user who signs in and reads and writes (Dataverse, `systemuser`,
/// `accessmode`).
const READ_WRITE: i64 = 0;

/// The access modes of users who own nothing (the same).
const OWNS_NOTHING: [(i64, &str); 3] = [(1, "Administrative"), (2, "Read"), (3, "Support")];

/// Is the caller System Administrator here? In the source it must be too: the copy replaces the
/// target's users by the source's, so the copy would remove a caller that the source does not know.
pub(super) async fn caller(refresh: &RefreshContext, side: &str) -> Result<CheckResult, Failure> {
    let (dataverse, check) = if side == "source" {
        let check = Check::protecting(
            StepName::ExitAdministrationMode,
            "the caller is System Administrator in the source, and so survives the copy",
            "the caller is not System Administrator in the source, so the copy removes it",
            "add the caller (the application user, or the person) to the source with the System \
             Administrator role: the copy replaces the target's users by the source's",
        );
        (&refresh.source.dataverse, check)
    } else {
        let check = Check::protecting(
            StepName::CopyEnvironments,
            "the caller is System Administrator in the target",
            "the caller is not System Administrator in the target",
            "give the caller the System Administrator role in the target",
        );
        (&*refresh.target.dataverse, check)
    };
    let check = check.not_allowed();
    let answer = match dataverse.who_am_i().await {
        Ok(caller) => dataverse
            .is_system_administrator(caller.user)
            .await
            .map(|is| (is, caller.user)),
        Err(error) => Err(error),
    };
    match answer {
        Ok((is_administrator, user)) => Ok(check.pass_if(is_administrator, format!("user {user}"))),
        Err(error) if error.kind == ErrorKind::Cancelled => Err(error.into()),
        Err(error) => Ok(check.refused(&error)),
    }
}

/// Are the owners that the runbook names among the source's users and teams?
pub(super) async fn owners(refresh: &RefreshContext) -> Result<Vec<CheckResult>, Failure> {
    let steps = &refresh.runbook.steps;
    let mut results = Vec::new();
    if steps.reconfigure_connections.is_skipped() && steps.reinstall_providers.is_skipped() {
        return Ok(results);
    }
    if let Some(owner) = &steps.reconfigure_connections.options.owner {
        results.extend(owner_findings(refresh, "owner", &owner.value, owner.span).await?);
    }
    if let Some(user) = &refresh.runbook.act_as {
        let owner = Owner::User(user.value.clone());
        results.extend(owner_findings(refresh, "act-as", &owner, user.span).await?);
    }
    Ok(results)
}

async fn owner_findings(
    refresh: &RefreshContext,
    key: &str,
    owner: &Owner,
    span: Span,
) -> Result<Vec<CheckResult>, Failure> {
    let (what, column, wanted) = match owner {
        Owner::User(wanted) => ("user", "domainname", wanted),
        Owner::Team(wanted) => ("team", "name", wanted),
    };
    let table = if what == "user" { "systemuser" } else { "team" };
    let check = Check::protecting(
            StepName::ReconfigureConnections,
        format!("`{key}`, {what} '{wanted}', can own in the source"),
        format!("`{key}`, {what} '{wanted}', cannot own rows in the source"),
        format!(
            "the copy brings the source's users and teams: add it to the source (a user enabled, with \
             access mode Read-Write or Non-interactive; a team of type owner or Entra group), or \
             name another at {}",
            refresh.runbook.place(span)
        ),
    )
    .invalid_input();
    let mut filter = format!("{column} eq {}", literal(wanted));
    if let Ok(id) = Uuid::try_parse(wanted) {
        filter = format!("{filter} or {table}id eq {id} or azureactivedirectoryobjectid eq {id}");
    }
    let view = View::AsIs(&refresh.source.dataverse);
    let rows: ReadResult<_> = unless_interrupted(view.rows_where(table, Some(filter)).await)?;
    let licence = Check::protecting(
        StepName::ActivateFlows,
        format!("`{key}`, {what} '{wanted}', has a licence where it needs one"),
        format!("`{key}`, {what} '{wanted}', has no licence"),
        "the Flow service may refuse the flows of an owner without a licence \
         (MissingAdequateQuotaPolicy): assign one that covers Power Automate, or name another owner",
    );
    let mut results = Vec::new();
    let first = rows.map(|rows| rows.into_iter().next().map(|row| row.value));
    if let Ok(Some(row)) = &first
        && what == "user"
    {
        results.extend(has_licence(&licence, row));
    }
    let owns = first.map(|row| can_own(&check, what == "team", row.as_ref()));
    results.insert(0, check.settle(owns));
    Ok(results)
}

/// Whether a user who signs in has a licence. A user who does not (an application, access mode
/// Non-interactive) needs none; if the row does not show a licence, there is nothing to say.
fn has_licence(check: &Check, row: &Fields) -> Option<CheckResult> {
    let is_licensed = row.get("islicensed").and_then(Value::as_bool)?;
    let signs_in = row.get("accessmode").and_then(Value::as_i64) == Some(READ_WRITE)
        && text(row, "applicationid").is_none();
    Some(match (is_licensed, signs_in) {
        (true, _) => check.pass("it has one"),
        (false, false) => check.pass("it does not sign in interactively, and needs no licence"),
        (false, true) => check.warn("its row shows no licence (`islicensed`)"),
    })
}

fn can_own(check: &Check, is_team: bool, row: Option<&Fields>) -> CheckResult {
    let Some(row) = row else {
        return check.fail("the source has no such name or id");
    };
    if is_team {
        return match row.get("teamtype").and_then(Value::as_i64) {
            Some(ACCESS_TEAM) => check.fail("it is an access team, which cannot own rows"),
            Some(_) => check.pass("it exists"),
            None => check.unknown("the source does not show the team's type"),
        };
    }
    let mode = row.get("accessmode").and_then(Value::as_i64);
    let owns_nothing = OWNS_NOTHING
        .iter()
        .find(|(number, _)| Some(*number) == mode);
    match (row.get("isdisabled").and_then(Value::as_bool), owns_nothing) {
        (Some(true), _) => check.fail("the user is disabled"),
        (_, Some((_, mode))) => check.fail(format!("the user's access mode is {mode}")),
        (Some(false), None) => {
            check.pass(text(row, "fullname").unwrap_or_else(|| "enabled".to_owned()))
        }
        (None, None) => check.unknown("the source does not show whether the user is enabled"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::verdict::Verdict;
    use serde_json::json;

    fn verdict(is_team: bool, row: Option<Value>) -> Verdict {
        let row = row.map(|row| row.as_object().unwrap().clone());
        let check = Check::new("owner", "a problem", "add it");
        can_own(&check, is_team, row.as_ref()).verdict
    }

    #[test]
    fn a_user_owns_nothing_in_some_access_modes() {
        for (mode, expected) in [
            (0, Verdict::Pass),
            (1, Verdict::Fail),
            (2, Verdict::Fail),
            (3, Verdict::Fail),
            (4, Verdict::Pass),
        ] {
            let row = json!({"isdisabled": false, "accessmode": mode});
            assert_eq!(verdict(false, Some(row)), expected, "{mode}");
        }
    }

    #[test]
    fn only_a_user_who_signs_in_needs_a_licence() {
        let check = Check::new("licence", "no licence", "assign one");
        let of = |row: Value| has_licence(&check, row.as_object().unwrap()).map(|it| it.label());
        assert_eq!(
            of(json!({"accessmode": 0, "islicensed": false})),
            Some("warning")
        );
        assert_eq!(
            of(json!({"accessmode": 0, "islicensed": true})),
            Some("pass")
        );
        assert_eq!(
            of(json!({"accessmode": 4, "islicensed": false})),
            Some("pass")
        );
        assert_eq!(of(json!({"accessmode": 0})), None);
    }

    #[test]
    fn an_owner_is_an_enabled_user_or_a_team_that_can_own() {
        assert_eq!(verdict(false, None), Verdict::Fail);
        assert_eq!(
            verdict(false, Some(json!({"isdisabled": false}))),
            Verdict::Pass
        );
        assert_eq!(
            verdict(false, Some(json!({"isdisabled": true}))),
            Verdict::Fail
        );
        assert_eq!(verdict(false, Some(json!({}))), Verdict::Unknown);
        assert_eq!(verdict(true, Some(json!({"teamtype": 0}))), Verdict::Pass);
        assert_eq!(verdict(true, Some(json!({"teamtype": 1}))), Verdict::Fail);
        assert_eq!(verdict(true, Some(json!({"teamtype": 2}))), Verdict::Pass);
        assert_eq!(verdict(true, Some(json!({}))), Verdict::Unknown);
    }
}
