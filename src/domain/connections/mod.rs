//! Which connection and which owner a reference should have, which user writes it, and the URL by
//! which IOM's own references name a connection.
//!
//! ```text
//! choices.rs           the runbook's choices, against the connections that the target has
//! core_references.rs   Dataverse's own connection references
//! custom_connectors.rs connectors that each environment knows by another identifier
//! ```

pub(crate) mod choices;
pub(crate) mod core_references;
pub(crate) mod custom_connectors;

use url::Url;
use uuid::Uuid;

use super::RefreshContext;
use super::names::{Fields, text};
use super::view::View;
use crate::clients::{Connection, Error, Row, literal};
use crate::engine::{Failure, JournalView};
use crate::runbook::{ConnectionChoice, ConnectionChoices, Owner, Runbook};

/// The last segment of a connector's id, lower case: `shared_bigcommerce`. The two services prefix
/// it differently.
pub(crate) fn connector_name(connector: &str) -> String {
    connector
        .rsplit('/')
        .next()
        .unwrap_or(connector)
        .to_ascii_lowercase()
}

/// The runbook's choice for a reference: by its logical name, else by its connector. Looks in the
/// given section first, then in step 3's.
pub(crate) fn find_choice<'a>(
    runbook: &'a Runbook,
    section: Option<&'a ConnectionChoices>,
    logical_name: &str,
    connector: &str,
) -> Option<&'a ConnectionChoice> {
    find_choice_among(runbook, section, logical_name, &[connector])
}

/// The same, where a connector has several names.
pub(crate) fn find_choice_among<'a>(
    runbook: &'a Runbook,
    section: Option<&'a ConnectionChoices>,
    logical_name: &str,
    connectors: &[&str],
) -> Option<&'a ConnectionChoice> {
    let shared = &runbook.steps.reconfigure_connections.options.connections;
    section.into_iter().chain([shared]).find_map(|section| {
        let by = |wanted: &str| {
            section
                .iter()
                .find(|(key, _)| key.eq_ignore_ascii_case(wanted))
                .map(|(_, choice)| &choice.value)
        };
        by(logical_name).or_else(|| connectors.iter().copied().find_map(by))
    })
}

/// Why a choice matches no connection of a list: words that follow the environment's name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum NotChosen {
    /// None has this id.
    NoSuchId(String),
    /// None is of this account and connector; it may yet be made.
    NotYet(String),
    /// More than one is.
    Several(String),
}

impl std::fmt::Display for NotChosen {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Self::NoSuchId(why) | Self::NotYet(why) | Self::Several(why)) = self;
        formatter.write_str(why)
    }
}

/// The one connection of a list that a choice means.
pub(crate) fn resolve_choice<'a>(
    connections: &'a [Connection],
    choice: &ConnectionChoice,
    connector: &str,
) -> Result<&'a Connection, NotChosen> {
    let account = match choice {
        ConnectionChoice::Id(id) => {
            return connections
                .iter()
                .find(|connection| connection.id.eq_ignore_ascii_case(id))
                .ok_or_else(|| NotChosen::NoSuchId(format!("has no connection {id}")));
        }
        ConnectionChoice::Account(account) => account,
    };
    let mut fitting = connections.iter().filter(|connection| {
        connector_name(connection.connector.as_deref().unwrap_or_default()) == connector
            && connection
                .account
                .as_deref()
                .is_some_and(|a| a.eq_ignore_ascii_case(account))
    });
    match (fitting.next(), fitting.next()) {
        (Some(connection), None) => Ok(connection),
        (None, _) => Err(NotChosen::NotYet(format!(
            "has no {connector} connection of {account}"
        ))),
        (Some(one), Some(other)) => Err(NotChosen::Several(format!(
            "has more than one {connector} connection of {account}: {} and {}; name the id of one",
            one.id, other.id
        ))),
    }
}

/// The target's connections as the service lists them; read once for a plan, under which none
/// changes.
pub(crate) async fn list_connections(
    refresh: &RefreshContext,
    journal: &JournalView,
) -> Result<Vec<Connection>, Error> {
    let read = || {
        refresh
            .services
            .power_platform
            .connections(refresh.target_id())
    };
    if journal.is_planning() {
        let cell = &refresh.forecast.connections;
        return cell.get_or_try_init(read).await.cloned();
    }
    read().await
}

/// The target's connections. None where the list cannot be read, and where it is empty: a caller
/// who may not see other people's connections is shown a shorter list and no error, so an empty one
/// proves nothing.
pub(crate) async fn visible_connections(
    refresh: &RefreshContext,
    journal: &JournalView,
) -> Result<Option<Vec<Connection>>, Failure> {
    match list_connections(refresh, journal)
        .await
        .map_err(Failure::from)
    {
        Ok(connections) => Ok(Some(connections).filter(|connections| !connections.is_empty())),
        // An unavailable service answers later; one that refuses shows nothing, now or later.
        Err(failure) if failure.leaves_a_read_open() => Err(failure),
        Err(_) => Ok(None),
    }
}

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
    /// The instruction for a person who saves a row that it should own.
    pub(crate) fn instruction(owner: Option<&Self>) -> String {
        owner.map_or_else(String::new, |owner| {
            format!("; its owner must be {}", owner.name)
        })
    }

    /// Its id as text; where the runbook names no owner, the present one.
    pub(crate) fn id_or(owner: Option<&Self>, current: Option<String>) -> Option<String> {
        owner.map(|owner| owner.id.to_string()).or(current)
    }

    /// As a bind: `systemusers(<guid>)`.
    pub(crate) fn bind(&self) -> String {
        format!("{}({})", self.entity_set, self.id)
    }
}

/// Finds the owner that the runbook names, among the users and teams that the target has (after
/// a copy: the source's). None where the runbook names none.
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
    Ok(Some(OwnerRow {
        entity_set,
        id,
        name,
    }))
}

/// The directory object of the user that `act-as` names, among the users that the target has
/// (after a copy: the source's). None where the runbook names no user.
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

/// A condition by id where the text is one, else by name.
fn named(id_column: &str, name_column: &str, text: &str) -> String {
    match Uuid::try_parse(text) {
        Ok(id) => format!("{id_column} eq {id}"),
        Err(_) => format!("{name_column} eq {}", literal(text)),
    }
}

/// The connector that a connection URL names: `apiName=shared_azureblob`, or the segment after
/// `connections`.
pub(crate) fn connector_of_url(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    let by_query = url
        .query_pairs()
        .find(|(key, _)| key.eq_ignore_ascii_case("apiName"))
        .map(|(_, name)| name.to_ascii_lowercase());
    by_query.or_else(|| {
        let mut segments = url.path_segments()?;
        segments.find(|segment| segment.eq_ignore_ascii_case("connections"))?;
        let connector = segments.next().filter(|connector| !connector.is_empty())?;
        Some(connector.to_ascii_lowercase())
    })
}

/// A connection URL like this one, for another environment and connection. IOM's forms take the
/// address of a connection's page, `https://<region>.flow.microsoft.com/manage/environments/<id>/
/// connections?apiName=…&connectionName=…` (seen in Microsoft's own guide to setting up providers);
/// newer portals write `…/environments/<id>/connections/<connector>/<connection>/details`. Host and
/// form are kept as this tenant has them.
pub(crate) fn connection_url(
    template: &str,
    environment: Uuid,
    connection: &str,
) -> Option<String> {
    let mut url = Url::parse(template).ok()?;
    let environment = environment.to_string();
    let mut segments: Vec<String> = url.path_segments()?.map(str::to_owned).collect();
    let after = |segments: &[String], word: &str, distance: usize| {
        let place = segments.iter().position(|s| s.eq_ignore_ascii_case(word))? + distance;
        segments
            .get(place)
            .is_some_and(|s| !s.is_empty())
            .then_some(place)
    };
    if let Some(place) = after(&segments, "environments", 1) {
        segments[place] = environment;
    }
    if let Some(place) = after(&segments, "connections", 2) {
        connection.clone_into(&mut segments[place]);
    }
    url.path_segments_mut().ok()?.clear().extend(segments);
    if url.query().is_none() {
        return Some(url.into());
    }
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
pub(crate) fn is_in_environment(url: &str, environment: Uuid) -> bool {
    url.to_ascii_lowercase().contains(&environment.to_string())
}

/// The owner's id that a row shows.
pub(crate) fn owner_id(row: &Fields) -> Option<String> {
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
        assert!(is_in_environment(&new, target) && !is_in_environment(old, target));
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

    #[test]
    fn a_connection_url_of_the_newer_form_is_rewritten_too() {
        let old = "https://make.powerautomate.com/environments/11111111-1111-1111-1111-111111111111/connections/shared_azureblob/abc/details";
        let target = Uuid::try_parse("22222222-2222-2222-2222-222222222222").unwrap();
        assert_eq!(connector_of_url(old).as_deref(), Some("shared_azureblob"));
        assert_eq!(
            connection_url(old, target, "new").as_deref(),
            Some(
                "https://make.powerautomate.com/environments/22222222-2222-2222-2222-222222222222/connections/shared_azureblob/new/details"
            )
        );
    }

    fn connection(id: &str, connector: &str, account: &str) -> Connection {
        Connection {
            id: id.to_owned(),
            connector: Some(connector.to_owned()),
            display_name: None,
            account: Some(account.to_owned()),
            statuses: Vec::new(),
            error: None,
            raw: serde_json::Value::Null,
        }
    }

    #[test]
    fn a_choice_means_exactly_one_connection() {
        let list = [
            connection("a1", "shared_blob", "svc@contoso.com"),
            connection("b2", "shared_blob", "SVC@contoso.com"),
            connection("c3", "shared_cds", "svc@contoso.com"),
        ];
        let account = ConnectionChoice::Account("svc@contoso.com".to_owned());
        let of = |choice: &ConnectionChoice, connector: &str| {
            resolve_choice(&list, choice, connector).map(|connection| connection.id.clone())
        };
        assert_eq!(of(&account, "shared_cds"), Ok("c3".to_owned()));
        assert!(
            of(&account, "shared_blob")
                .unwrap_err()
                .to_string()
                .contains("a1 and b2")
        );
        assert!(
            of(&account, "shared_x")
                .unwrap_err()
                .to_string()
                .contains("no shared_x connection")
        );
        assert_eq!(
            of(&ConnectionChoice::Id("A1".to_owned()), "any"),
            Ok("a1".to_owned())
        );
        assert!(of(&ConnectionChoice::Id("z9".to_owned()), "any").is_err());
    }

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
