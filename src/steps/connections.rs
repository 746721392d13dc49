//! Which connection and which owner a reference shall have, and the URL by which IOM's own
//! references name a connection.

use serde_json::Value;
use url::Url;
use uuid::Uuid;

use super::Refresh;
use super::names::text;
use super::view::View;
use crate::clients::literal;
use crate::engine::Failure;
use crate::runbook::{ConnectionChoice, ConnectionChoices, Owner, Runbook};

/// The last segment of a connector's id, lower case: `shared_bigcommerce`. The two services prefix
/// it differently.
pub(super) fn connector_name(connector: &str) -> String {
    connector
        .rsplit('/')
        .next()
        .unwrap_or(connector)
        .to_ascii_lowercase()
}

/// The runbook's choice for a reference: by its logical name, else by its connector. Looks in the
/// given section first, then in step 3's.
pub(super) fn choice<'a>(
    runbook: &'a Runbook,
    section: Option<&'a ConnectionChoices>,
    logical_name: &str,
    connector: &str,
) -> Option<&'a ConnectionChoice> {
    let shared = &runbook.steps.reconfigure_connections.options.connections;
    section.into_iter().chain([shared]).find_map(|section| {
        let by = |wanted: &str| {
            section
                .iter()
                .find(|(key, _)| key.eq_ignore_ascii_case(wanted))
                .map(|(_, choice)| &choice.value)
        };
        by(logical_name).or_else(|| by(connector))
    })
}

/// The connection id of a choice. A choice by account is looked up among the target's connections.
pub(super) async fn resolve(
    refresh: &Refresh,
    choice: &ConnectionChoice,
    connector: &str,
) -> Result<String, Failure> {
    let account = match choice {
        ConnectionChoice::Id(id) => return Ok(id.clone()),
        ConnectionChoice::Account(account) => account,
    };
    let connections = refresh
        .power_platform
        .connections(refresh.target_id())
        .await?;
    let mut fitting = connections.into_iter().filter(|connection| {
        connector_name(connection.connector.as_deref().unwrap_or_default()) == connector
            && connection
                .account
                .as_deref()
                .is_some_and(|a| a.eq_ignore_ascii_case(account))
    });
    match (fitting.next(), fitting.next()) {
        (Some(connection), None) => Ok(connection.id),
        (None, _) => Err(Failure::failed(format!(
            "'{}' has no {connector} connection of {account}",
            refresh.runbook.target.name
        ))
        .with_help("create it in the maker portal, or name its id in the runbook")
        .lasting()),
        (Some(one), Some(other)) => Err(Failure::failed(format!(
            "{account} has more than one {connector} connection: {} and {}",
            one.id, other.id
        ))
        .with_help("name the id of the right one in the runbook")
        .lasting()),
    }
}

/// Who shall own references and flows.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct OwnerRow {
    /// `systemusers` or `teams`.
    pub(super) entity_set: &'static str,
    pub(super) id: Uuid,
}

impl OwnerRow {
    /// As a bind: `systemusers(<guid>)`.
    pub(super) fn bind(&self) -> String {
        format!("{}({})", self.entity_set, self.id)
    }
}

/// Finds the owner that the runbook names, among the users and teams that the target has (after
/// a copy: the source's). None where the runbook names none.
pub(super) async fn owner(refresh: &Refresh, view: View<'_>) -> Result<Option<OwnerRow>, Failure> {
    let runbook = &refresh.runbook;
    let (table, column, entity_set, wanted) =
        match &runbook.steps.reconfigure_connections.options.owner {
            Some(owner) => match &owner.value {
                Owner::User(user) => ("systemuser", "domainname", "systemusers", user),
                Owner::Team(team) => ("team", "name", "teams", team),
            },
            None => match &runbook.act_as {
                Some(user) => ("systemuser", "domainname", "systemusers", &user.value),
                None => return Ok(None),
            },
        };
    let filter = format!("{column} eq {}", literal(wanted));
    let rows = view.rows_where(table, Some(filter)).await?;
    let id = rows.iter().find_map(|row| row.id(&format!("{table}id")));
    let id = id.ok_or_else(|| {
        Failure::failed(format!(
            "no {table} '{wanted}' is in the environment to own references"
        ))
        .with_help(
            "the copy brings the source's users: add it to the source, or name another owner",
        )
        .lasting()
    })?;
    Ok(Some(OwnerRow { entity_set, id }))
}

/// The connector that a connection URL names (`apiName=shared_azureblob`).
pub(super) fn connector_of_url(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    let (_, name) = url
        .query_pairs()
        .find(|(key, _)| key.eq_ignore_ascii_case("apiName"))?;
    Some(name.to_ascii_lowercase())
}

/// A connection URL like this one, for another environment and connection. IOM's forms take the
/// address of a connection's page, `https://<region>.flow.microsoft.com/manage/environments/<id>/
/// connections?apiName=…&connectionName=…` (seen in Microsoft's own guide to setting up providers);
/// host and form are kept as this tenant has them.
pub(super) fn connection_url(
    template: &str,
    environment: Uuid,
    connection: &str,
) -> Option<String> {
    let mut url = Url::parse(template).ok()?;
    let mut after_environments = false;
    let segments: Vec<String> = url
        .path_segments()?
        .map(|segment| {
            let is_id = std::mem::replace(
                &mut after_environments,
                segment.eq_ignore_ascii_case("environments"),
            );
            if is_id {
                environment.to_string()
            } else {
                segment.to_owned()
            }
        })
        .collect();
    url.path_segments_mut().ok()?.clear().extend(segments);
    let pairs: Vec<(String, String)> = url
        .query_pairs()
        .map(|(key, value)| {
            let is_connection = key.eq_ignore_ascii_case("connectionName");
            (
                key.into_owned(),
                if is_connection {
                    connection.to_owned()
                } else {
                    value.into_owned()
                },
            )
        })
        .collect();
    url.query_pairs_mut().clear().extend_pairs(pairs);
    Some(url.into())
}

/// Does a connection URL lead into this environment?
pub(super) fn leads_into(url: &str, environment: Uuid) -> bool {
    url.to_ascii_lowercase().contains(&environment.to_string())
}

/// The owner's id that a row shows.
pub(super) fn owner_of(row: &serde_json::Map<String, Value>) -> Option<String> {
    text(row, "_ownerid_value").map(|id| id.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_url_keeps_its_form_and_changes_environment_and_connection() {
        let old = "https://europe.flow.microsoft.com/manage/environments/11111111-1111-1111-1111-111111111111/connections?apiName=shared_azureblob&connectionName=abc";
        let target = Uuid::try_parse("22222222-2222-2222-2222-222222222222").unwrap();
        let new = connection_url(old, target, "x y&z").unwrap();
        assert_eq!(
            new,
            "https://europe.flow.microsoft.com/manage/environments/22222222-2222-2222-2222-222222222222/connections?apiName=shared_azureblob&connectionName=x+y%26z"
        );
        assert!(leads_into(&new, target) && !leads_into(old, target));
        assert_eq!(connector_of_url(&new).as_deref(), Some("shared_azureblob"));
        assert_eq!(connection_url("not a url", target, "x"), None);
    }

    #[test]
    fn connectors_are_compared_by_their_last_segment() {
        assert_eq!(
            connector_name("/providers/Microsoft.PowerApps/apis/Shared_Blob"),
            "shared_blob"
        );
        assert_eq!(connector_name("shared_blob"), "shared_blob");
    }
}
