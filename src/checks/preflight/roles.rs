//! Does the future owner of references and flows have a security role? Without one, a user or team
//! cannot own a row (Dataverse, 0x80040231), and the copy brings the source's assignments.

use serde_json::Value;
use uuid::Uuid;

use crate::checks::check::Check;
use crate::checks::check_result::CheckResult;
use crate::clients::{Query, Row};
use crate::domain::RefreshContext;
use crate::domain::connections::owner_filter;
use crate::domain::failure::unless_interrupted;
use crate::engine::Failure;
use crate::runbook::{Located, Owner, StepName};

/// Checks `owner` and `act-as`; nothing if no step uses them.
pub(super) async fn run_checks(refresh: &RefreshContext) -> Result<Vec<CheckResult>, Failure> {
    let steps = &refresh.runbook.steps;
    if steps.reconfigure_connections.is_skipped() && steps.reinstall_providers.is_skipped() {
        return Ok(Vec::new());
    }
    let act_as = refresh.runbook.act_as.as_ref();
    let act_as = act_as.map(|user| Located::new(Owner::User(user.value.clone()), user.span));
    let mut results = Vec::new();
    for (key, owner) in [
        ("owner", &steps.reconfigure_connections.options.owner),
        ("act-as", &act_as),
    ] {
        let Some(owner) = owner else { continue };
        let check = Check::protecting(
            StepName::ReconfigureConnections,
            format!("`{key}` has a security role in the source"), format!("`{key}` has no security role in the source"),
            format!(
                "give it one in the source, which the copy brings to the target, or name another at {}",
                refresh.runbook.place(owner.span)
            ),
        )
        .invalid_input();
        let read = unless_interrupted(read_roles(refresh, &owner.value).await)?;
        let answer = read.map(|owner_roles| judge(&check, owner_roles.as_ref()));
        results.push(check.settle(answer));
    }
    Ok(results)
}

/// A user or team of the source, and what it may do.
struct OwnerRoles {
    name: String,
    roles: Vec<String>,
}

/// None if the source has no such user or team: another check reports that.
async fn read_roles(
    refresh: &RefreshContext,
    owner: &Owner,
) -> Result<Option<OwnerRoles>, Failure> {
    let (set, key, roles) = match owner {
        Owner::User(_) => ("systemusers", "systemuserid", "systemuserroles_association"),
        Owner::Team(_) => ("teams", "teamid", "teamroles_association"),
    };
    let query = Query::new()
        .filter(owner_filter(owner))
        .expand(format!("{roles}($select=name)"));
    let found = refresh.source.dataverse.list(set, &query).await?;
    let Some(row) = found.first() else {
        return Ok(None);
    };
    let (Owner::User(name) | Owner::Team(name)) = owner;
    let mut owner_roles = OwnerRoles {
        name: name.clone(),
        roles: roles_in(row, roles),
    };
    if let (Owner::User(_), Some(id)) = (owner, row.id(key)) {
        owner_roles.roles.extend(of_teams(refresh, id).await?);
    }
    Ok(Some(owner_roles))
}

/// The roles that a user has through teams.
async fn of_teams(refresh: &RefreshContext, user: Uuid) -> Result<Vec<String>, Failure> {
    let query = Query::new()
        .select(&["teamid"])
        .expand("teamroles_association($select=name)");
    let path = format!("systemusers({user})/teammembership_association");
    let teams = refresh.source.dataverse.list(&path, &query).await?;
    let roles = teams
        .iter()
        .flat_map(|team| roles_in(team, "teamroles_association"));
    Ok(roles.collect())
}

fn roles_in(row: &Row, association: &str) -> Vec<String> {
    let roles = row.value.get(association).and_then(Value::as_array);
    roles
        .into_iter()
        .flatten()
        .filter_map(|role| role.get("name")?.as_str().map(str::to_owned))
        .collect()
}

fn judge(check: &Check, owner_roles: Option<&OwnerRoles>) -> CheckResult {
    let Some(owner_roles) = owner_roles else {
        return check.unknown("the source has no such name or id");
    };
    let read = match owner_roles.roles.as_slice() {
        [] => format!("{} has none", owner_roles.name),
        roles => format!("{}: {}", owner_roles.name, roles.join(", ")),
    };
    check.pass_if(!owner_roles.roles.is_empty(), read)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::verdict::Verdict;

    #[test]
    fn an_owner_has_its_own_role_or_one_of_a_team() {
        let check = Check::new("role", "a problem", "give it one");
        let of = |roles: &[&str]| {
            let owner_roles = OwnerRoles {
                name: "svc".to_owned(),
                roles: roles.iter().map(|role| (*role).to_owned()).collect(),
            };
            judge(&check, Some(&owner_roles))
        };
        assert_eq!(of(&["Basic User"]).verdict, Verdict::Pass);
        let bare = of(&[]);
        assert_eq!(
            (bare.verdict, bare.found.as_str()),
            (Verdict::Fail, "svc has none")
        );
        assert_eq!(judge(&check, None).verdict, Verdict::Unknown);
    }
}
