//! Which connection and which owner a reference should have, which user writes it, and the URL by
//! which IOM's own references name a connection.
//!
//! ```text
//! choices.rs           the runbook's choices, against the connections that the target has
//! connection_url.rs    the URL by which IOM's own references name a connection
//! core_references.rs   Dataverse's own connection references
//! custom_connectors.rs connectors that each environment knows by another identifier
//! owners.rs            who should own references and flows, and which user writes them
//! ```

pub(crate) mod choices;
mod connection_url;
pub(crate) mod core_references;
pub(crate) mod custom_connectors;
mod owners;

pub(crate) use self::connection_url::{connection_url, connector_of_url, is_in_environment};
pub(crate) use self::owners::{OwnerRow, find_acting_user, find_owner, owner_filter, owner_id};

use self::custom_connectors::CustomConnectors;
use super::RefreshContext;
use crate::clients::{Connection, Error};
use crate::engine::{Failure, JournalView};
use crate::runbook::{ConnectionChoice, ConnectionChoices, Runbook};

/// The last segment of a connector's id, lower case: `shared_bigcommerce`. The two services prefix
/// it differently.
pub(crate) fn connector_name(connector: &str) -> String {
    connector
        .rsplit('/')
        .next()
        .unwrap_or(connector)
        .to_ascii_lowercase()
}

/// The key by which a runbook may choose a connection for a reference: its connector; its name if
/// it shows no connector.
pub(crate) fn reference_key<'a>(name: &'a str, connector: &'a str) -> &'a str {
    if connector.is_empty() {
        name
    } else {
        connector
    }
}

/// The runbook's choice for a reference: by its logical name, else by any name of its connector.
/// Looks in the given section first, then in step 3's.
pub(crate) fn find_choice<'a>(
    runbook: &'a Runbook,
    custom: &CustomConnectors,
    section: Option<&'a ConnectionChoices>,
    logical_name: &str,
    connector: &str,
) -> Option<&'a ConnectionChoice> {
    let connectors = custom.aliases(connector);
    let shared = &runbook.steps.reconfigure_connections.options.connections;
    section.into_iter().chain([shared]).find_map(|section| {
        let by = |wanted: &str| {
            section
                .iter()
                .find(|(key, _)| key.eq_ignore_ascii_case(wanted))
                .map(|(_, choice)| &choice.value)
        };
        by(logical_name).or_else(|| connectors.iter().find_map(|connector| by(connector)))
    })
}

/// Why a choice matches no connection of a list: words that follow the environment's name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum NotChosen {
    /// None has this id.
    NoSuchId(String),
    /// No connection belongs to this account and connector yet; a person may still create it.
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
                .ok_or_else(|| NotChosen::NoSuchId(format!("has no connection '{id}'")));
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

/// The target's connections. None if the list cannot be read, and if it is empty: a caller
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_without_a_connector_is_named_by_itself() {
        assert_eq!(
            reference_key("Blob", "shared_azureblob"),
            "shared_azureblob"
        );
        assert_eq!(reference_key("Blob", ""), "Blob");
    }

    #[test]
    fn connectors_are_compared_by_their_last_segment() {
        assert_eq!(
            connector_name("/providers/Microsoft.PowerApps/apis/Shared_Blob"),
            "shared_blob"
        );
        assert_eq!(connector_name("shared_blob"), "shared_blob");
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
}
