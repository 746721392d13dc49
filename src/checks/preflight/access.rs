//! The caller in both environments, and the owner that references and flows should have.

use uuid::Uuid;

use crate::checks::check::{Check, CheckResult};
use crate::checks::table_reads::ReadResult;
use crate::clients::{ErrorKind, literal};
use crate::domain::RefreshContext;
use crate::domain::failure::unless_interrupted;
use crate::domain::names::{Fields, text};
use crate::domain::view::View;
use crate::engine::Failure;
use crate::runbook::{Owner, Span};

/// A team that gives access to rows and cannot own any (Dataverse, `team`, `teamtype`).
const ACCESS_TEAM: i64 = 1;

/// Is the caller System Administrator here? In the source it must be too: the copy replaces the
/// target's users by the source's, so the copy would remove a caller that the source does not know.
pub(super) async fn caller(refresh: &RefreshContext, side: &str) -> Result<CheckResult, Failure> {
    let (dataverse, check) = if side == "source" {
        let check = Check::new(
            "the caller is System Administrator in the source, and so survives the copy",
            "the caller is not System Administrator in the source, so the copy removes it",
            "add the caller (the application user, or the person) to the source with the System \
             Administrator role: the copy replaces the target's users by the source's",
        );
        (&refresh.source.dataverse, check)
    } else {
        let check = Check::new(
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
    if steps.reconfigure_connections.skip.is_some() && steps.reinstall_providers.skip.is_some() {
        return Ok(results);
    }
    if let Some(owner) = &steps.reconfigure_connections.options.owner {
        results.push(owner_finding(refresh, "owner", &owner.value, owner.span).await?);
    }
    if let Some(user) = &refresh.runbook.act_as {
        let owner = Owner::User(user.value.clone());
        results.push(owner_finding(refresh, "act-as", &owner, user.span).await?);
    }
    Ok(results)
}

async fn owner_finding(
    refresh: &RefreshContext,
    key: &str,
    owner: &Owner,
    span: Span,
) -> Result<CheckResult, Failure> {
    let (what, column, wanted) = match owner {
        Owner::User(wanted) => ("user", "domainname", wanted),
        Owner::Team(wanted) => ("team", "name", wanted),
    };
    let table = if what == "user" { "systemuser" } else { "team" };
    let check = Check::new(
        format!("`{key}`, {what} '{wanted}', can own in the source"),
        format!("`{key}`, {what} '{wanted}', cannot own rows in the source"),
        format!(
            "the copy brings the source's users and teams: add it to the source (a user enabled, a \
             team of type owner or Entra group), or name another at {}",
            refresh.runbook.place(span)
        ),
    )
    .invalid_input();
    let mut filter = format!("{column} eq {}", literal(wanted));
    if let Ok(id) = Uuid::try_parse(wanted) {
        filter = format!("{filter} or {table}id eq {id} or azureactivedirectoryobjectid eq {id}");
    }
    let view = View::Target(&refresh.source.dataverse);
    let rows: ReadResult<_> = unless_interrupted(view.rows_where(table, Some(filter)).await)?;
    Ok(check.settle(rows.map(|rows| {
        let rows: Vec<&Fields> = rows.iter().map(|row| &row.value).collect();
        can_own(&check, what == "team", &rows)
    })))
}

fn can_own(check: &Check, is_team: bool, rows: &[&Fields]) -> CheckResult {
    let Some(row) = rows.first() else {
        return check.fail("the source has none of that name or id");
    };
    if is_team {
        return match row.get("teamtype").and_then(serde_json::Value::as_i64) {
            Some(ACCESS_TEAM) => check.fail("it is an access team, which cannot own rows"),
            Some(_) => check.pass("it exists"),
            None => check.unknown("the source does not show the team's type"),
        };
    }
    match row.get("isdisabled").and_then(serde_json::Value::as_bool) {
        Some(true) => check.fail("the user is disabled"),
        Some(false) => check.pass(text(row, "fullname").unwrap_or_else(|| "enabled".to_owned())),
        None => check.unknown("the source does not show whether the user is enabled"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::verdict::Verdict;
    use serde_json::json;

    fn verdict(is_team: bool, row: Option<serde_json::Value>) -> Verdict {
        let row = row.map(|row| row.as_object().unwrap().clone());
        let rows: Vec<&Fields> = row.iter().collect();
        can_own(&Check::new("owner", "a problem", "add it"), is_team, &rows).verdict
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
