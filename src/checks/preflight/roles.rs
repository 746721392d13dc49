//! Has whoever shall own references and flows a security role? Without one a user or team cannot own
//! a row (Dataverse, 0x80040231), and the copy brings the source's assignments.

use serde_json::Value;
use uuid::Uuid;

use crate::checks::finding::{Finding, Probe};
use crate::checks::reading::kept;
use crate::clients::{Query, Row};
use crate::domain::Refresh;
use crate::domain::connections::owner_filter;
use crate::engine::Failure;
use crate::runbook::{Located, Owner};

/// Judges `owner` and `act-as`; nothing where no step uses them.
pub(super) async fn ask(refresh: &Refresh) -> Result<Vec<Finding>, Failure> {
    let steps = &refresh.runbook.steps;
    if steps.reconfigure_connections.skip.is_some() && steps.reinstall_providers.skip.is_some() {
        return Ok(Vec::new());
    }
    let act_as = refresh.runbook.act_as.as_ref();
    let act_as = act_as.map(|user| Located::new(Owner::User(user.value.clone()), user.span));
    let mut findings = Vec::new();
    for (key, owner) in [
        ("owner", &steps.reconfigure_connections.options.owner),
        ("act-as", &act_as),
    ] {
        let Some(owner) = owner else { continue };
        let probe = Probe::new(
            format!("`{key}` has a security role in the source"),
            format!(
                "give it one in the source, which the copy brings to the target, or name another at {}",
                refresh.runbook.place(owner.span)
            ),
        )
        .wrong();
        let read = kept(read(refresh, &owner.value).await)?;
        let answer = read.map(|holder| judged(&probe, holder.as_ref()));
        findings.push(probe.settle(answer));
    }
    Ok(findings)
}

/// A user or team of the source, and what it may do.
struct Holder {
    name: String,
    roles: Vec<String>,
}

/// None where the source has no such user or team: another question says so.
async fn read(refresh: &Refresh, owner: &Owner) -> Result<Option<Holder>, Failure> {
    let (set, key, roles) = match owner {
        Owner::User(_) => ("systemusers", "systemuserid", "systemuserroles_association"),
        Owner::Team(_) => ("teams", "teamid", "teamroles_association"),
    };
    let query = Query::new()
        .filter(owner_filter(owner))
        .expand(format!("{roles}($select=name)"));
    let found = refresh.source.list(set, &query).await?;
    let Some(row) = found.first() else {
        return Ok(None);
    };
    let (Owner::User(name) | Owner::Team(name)) = owner;
    let mut holder = Holder {
        name: name.clone(),
        roles: roles_in(row, roles),
    };
    if let (Owner::User(_), Some(id)) = (owner, row.id(key)) {
        holder.roles.extend(of_teams(refresh, id).await?);
    }
    Ok(Some(holder))
}

/// The roles that a user has through teams.
async fn of_teams(refresh: &Refresh, user: Uuid) -> Result<Vec<String>, Failure> {
    let query = Query::new()
        .select(&["teamid"])
        .expand("teamroles_association($select=name)");
    let path = format!("systemusers({user})/teammembership_association");
    let teams = refresh.source.list(&path, &query).await?;
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

fn judged(probe: &Probe, holder: Option<&Holder>) -> Finding {
    let Some(holder) = holder else {
        return probe.unknown("the source has none of that name or id");
    };
    let read = match holder.roles.as_slice() {
        [] => format!("{} has none", holder.name),
        roles => format!("{}: {}", holder.name, roles.join(", ")),
    };
    probe.judged(!holder.roles.is_empty(), read)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::finding::Verdict;

    #[test]
    fn an_owner_has_a_role_of_its_own_or_by_a_team() {
        let probe = Probe::new("role", "give it one");
        let of = |roles: &[&str]| {
            let holder = Holder {
                name: "svc".to_owned(),
                roles: roles.iter().map(|role| (*role).to_owned()).collect(),
            };
            judged(&probe, Some(&holder))
        };
        assert_eq!(of(&["Basic User"]).verdict, Verdict::Pass);
        let bare = of(&[]);
        assert_eq!(
            (bare.verdict, bare.read.as_str()),
            (Verdict::Fail, "svc has none")
        );
        assert_eq!(judged(&probe, None).verdict, Verdict::Unknown);
    }
}
