//! Who should own references and flows, and which user writes them.

use uuid::Uuid;

use crate::clients::{Row, literal};
use crate::domain::RefreshContext;
use crate::domain::names::{Fields, text};
use crate::domain::view::View;
use crate::engine::Failure;
use crate::runbook::Owner;

/// The owner that references and flows should have.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct OwnerRow {
    /// `systemusers` or `teams`.
    pub(crate) entity_set: &'static str,
    pub(crate) id: Uuid,
    /// As the runbook names it.
    pub(crate) name: String,
}

impl OwnerRow {
    /// The part of an instruction for a person who saves a row that it should own; what the person
    /// copies follows, at the end of the line.
    pub(crate) fn instruction(owner: Option<&Self>) -> String {
        owner.map_or_else(String::new, |owner| {
            format!("the owner {} and ", owner.name)
        })
    }

    /// Its id as text; if the runbook names no owner, the present one.
    pub(crate) fn id_or(owner: Option<&Self>, current: Option<String>) -> Option<String> {
        owner.map(|owner| owner.id.to_string()).or(current)
    }

    /// As a bind: `systemusers(<guid>)`.
    pub(crate) fn bind(&self) -> String {
        format!("{}({})", self.entity_set, self.id)
    }
}

/// Finds the owner that the runbook names, among the users and teams that the target has (after
/// a copy: the source's). None if the runbook names none.
pub(crate) async fn find_owner(
    refresh: &RefreshContext,
    view: View<'_>,
) -> Result<Option<OwnerRow>, Failure> {
    let runbook = &refresh.runbook;
    let owner = match (
        &runbook.steps.reconfigure_connections.options.owner,
        &runbook.act_as,
    ) {
        (Some(owner), _) => owner.value.clone(),
        (None, Some(user)) => Owner::User(user.value.clone()),
        (None, None) => return Ok(None),
    };
    let (table, entity_set, name) = match &owner {
        Owner::User(user) => ("systemuser", "systemusers", user.clone()),
        Owner::Team(team) => ("team", "teams", team.clone()),
    };
    let filter = owner_filter(&owner);
    let rows = view.rows_where(table, Some(filter)).await?;
    let id = rows.iter().find_map(|row| row.id(&format!("{table}id")));
    let id = id.ok_or_else(|| {
        Failure::failed(format!(
            "the environment has no {table} '{name}' to own references"
        ))
        .with_help(
            "the copy brings the source's users: add it to the source, or name another owner",
        )
        .permanent()
    })?;
    refresh.known_names.record(&id.to_string(), &name);
    Ok(Some(OwnerRow {
        entity_set,
        id,
        name,
    }))
}

/// The directory object of the user that `act-as` names, among the users that the target has
/// (after a copy: the source's). None if the runbook names no user.
pub(crate) async fn find_acting_user(
    refresh: &RefreshContext,
    view: View<'_>,
) -> Result<Option<Uuid>, Failure> {
    let Some(user) = &refresh.runbook.act_as else {
        return Ok(None);
    };
    let user = &user.value;
    let rows = view
        .rows_where("systemuser", Some(user_filter(user)))
        .await?;
    directory_object(&rows).map(Some).map_err(|why| {
        Failure::failed(format!("`act-as` names {user}, {why}"))
            .with_help(
                "the copy brings the source's users: add the user to the source and enable \
                     it, or name another under `act-as`",
            )
            .permanent()
    })
}

/// The directory object of the one user found, or why it cannot be acted as.
fn directory_object(rows: &[Row]) -> Result<Uuid, &'static str> {
    let Some(row) = rows.first() else {
        return Err("who is not a user of the environment");
    };
    if row.boolean("isdisabled") == Some(true) {
        return Err("who is disabled in the environment");
    }
    row.id("azureactivedirectoryobjectid")
        .filter(|id| !id.is_nil())
        .ok_or("whose row names no object in the directory")
}

/// The condition that selects an owner among users or teams: by name, or by id.
pub(crate) fn owner_filter(owner: &Owner) -> String {
    match owner {
        Owner::User(user) => user_filter(user),
        Owner::Team(team) => named("teamid", "name", team),
    }
}

fn user_filter(user: &str) -> String {
    named("azureactivedirectoryobjectid", "domainname", user)
}

/// A condition by id if the text is one, else by name.
fn named(id_column: &str, name_column: &str, text: &str) -> String {
    match Uuid::try_parse(text) {
        Ok(id) => format!("{id_column} eq {id}"),
        Err(_) => format!("{name_column} eq {}", literal(text)),
    }
}

/// The owner's id that a row shows.
pub(crate) fn owner_id(row: &Fields) -> Option<String> {
    text(row, "_ownerid_value").map(|id| id.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_enabled_user_of_the_directory_can_be_acted_as() {
        let row = |value: serde_json::Value| Row {
            etag: None,
            text: value.to_string(),
            value: value.as_object().unwrap().clone(),
        };
        let id = "7598c284-01ee-4d11-8849-000d3a993550";
        let good = row(serde_json::json!({ "azureactivedirectoryobjectid": id }));
        assert_eq!(directory_object(&[good]), Ok(Uuid::try_parse(id).unwrap()));
        let disabled =
            serde_json::json!({ "azureactivedirectoryobjectid": id, "isdisabled": true });
        assert!(
            directory_object(&[row(disabled)])
                .unwrap_err()
                .contains("disabled")
        );
        assert!(directory_object(&[row(serde_json::json!({}))]).is_err());
        assert!(directory_object(&[]).is_err());
    }

    #[test]
    fn a_user_or_team_is_found_by_name_or_by_id() {
        assert_eq!(
            user_filter("o'x@contoso.com"),
            "domainname eq 'o''x@contoso.com'"
        );
        let id = "7598c284-01ee-4d11-8849-000d3a993550";
        assert_eq!(
            user_filter(id),
            format!("azureactivedirectoryobjectid eq {id}")
        );
        assert_eq!(named("teamid", "name", id), format!("teamid eq {id}"));
    }
}
