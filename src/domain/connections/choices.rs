//! The runbook's choices of connections, against the connections that the target has.

use std::collections::BTreeSet;

use serde_json::Value;
use tokio::try_join;

use super::core_references::core_references;
use super::custom_connectors::CustomConnectors;
use super::{connector_of_url, find_choice, resolve_choice};
use crate::clients::Connection;
use crate::domain::RefreshContext;
use crate::engine::{Failure, JournalView};
use crate::runbook::{ConnectionChoice, ConnectionChoices, IomColumn, IomTable};

/// The runbook's choices, resolved by the target's list of connections.
pub(crate) struct Choices {
    /// None if the list cannot be read or is empty.
    connections: Option<Vec<Connection>>,
    /// The connectors that the target knows by another identifier.
    pub(crate) custom: CustomConnectors,
    /// Is the survey only shown? Then what does not exist yet is described.
    planning: bool,
}

impl Choices {
    /// Reads the target's list of connections.
    pub(crate) async fn read(
        refresh: &RefreshContext,
        journal: &JournalView,
    ) -> Result<Self, Failure> {
        let (custom, connections) =
            CustomConnectors::read_with_connections(refresh, journal).await?;
        Ok(Self {
            custom,
            connections,
            planning: journal.is_planning(),
        })
    }

    /// The connection that a reference should have, found by its name or by any name of its
    /// connector; none if the runbook chooses none. Takes the section of the runbook that comes
    /// before step 3's, and the connector that the reference has now, which may be the source's.
    pub(crate) fn find(
        &self,
        refresh: &RefreshContext,
        section: Option<&ConnectionChoices>,
        name: &str,
        connector: &str,
    ) -> Result<Option<ChosenConnection>, Failure> {
        let choice = find_choice(&refresh.runbook, &self.custom, section, name, connector);
        let Some(choice) = choice else {
            return Ok(None);
        };
        let connector = self.custom.in_target(connector);
        Ok(Some(ChosenConnection {
            connection: self.connection(refresh, choice, &connector)?,
            connector,
        }))
    }

    /// The id of the connection that a choice means. A plan describes a connection that cannot be
    /// known yet.
    fn connection(
        &self,
        refresh: &RefreshContext,
        choice: &ConnectionChoice,
        connector: &str,
    ) -> Result<String, Failure> {
        let account = match choice {
            ConnectionChoice::Id(id) => return Ok(id.clone()),
            ConnectionChoice::Account(account) => account,
        };
        let why = match &self.connections {
            Some(connections) => match resolve_choice(connections, choice, connector) {
                Ok(connection) => return Ok(connection.id.clone()),
                Err(why) => why.to_string(),
            },
            None => format!(
                "does not show its connections to the caller, so the {connector} connection of \
                 {account} cannot be found"
            ),
        };
        if self.planning {
            return Ok(format!("the {connector} connection of {account}"));
        }
        Err(
            Failure::failed(format!("'{}' {why}", refresh.runbook.target.name))
                .with_help("name the id of the connection in the runbook")
                .permanent(),
        )
    }

    /// Is this connection one of the target's? False if there is no list.
    pub(crate) fn has(&self, connection: Option<&str>) -> bool {
        let Some((connection, connections)) = connection.zip(self.connections.as_ref()) else {
            return false;
        };
        connections
            .iter()
            .any(|one| one.id.eq_ignore_ascii_case(connection))
    }
}

/// What the runbook chooses for a reference.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct ChosenConnection {
    /// The id of a connection of the target.
    pub(crate) connection: String,
    /// Its connector, by the target's identifier.
    pub(crate) connector: String,
}

/// The references of Dataverse and of IOM: name and connector.
async fn named_references(
    refresh: &RefreshContext,
    journal: &JournalView,
) -> Result<BTreeSet<(String, String)>, Failure> {
    let view = refresh.view(journal);
    let names = &refresh.names;
    let url_column = names.column(IomColumn::PlatformConnectionReferenceConnectionUrl)?;
    let table = IomTable::PlatformConnectionReference;
    let (core, platform) = try_join!(core_references(view), view.by_id(names.table(table)))?;
    let mut found: BTreeSet<(String, String)> = core
        .into_iter()
        .map(|reference| (reference.logical_name, reference.connector))
        .collect();
    for (id, row) in platform {
        let url = row.get(url_column).and_then(Value::as_str);
        if let Some(connector) = url.and_then(connector_of_url) {
            found.insert((names.title(table, &row, id), connector));
        }
    }
    Ok(found)
}

/// Choices of step 3 that match no reference: otherwise a misspelled name would go unnoticed.
/// Providers' references use them too.
pub(crate) async fn unused_choices(
    refresh: &RefreshContext,
    journal: &JournalView,
) -> Result<Vec<String>, Failure> {
    let view = refresh.view(journal);
    let names = &refresh.names;
    let url_column = names.column(IomColumn::ProviderConnectionReferenceConnectionUrl)?;
    let table = IomTable::ProviderConnectionReference;
    let declarations = IomTable::ProviderDefinitionConnectionReference;
    let (custom, references, of_providers, from_library) = try_join!(
        CustomConnectors::read(refresh, journal),
        named_references(refresh, journal),
        view.rows(names.table(table)),
        view.by_id(names.table(declarations)),
    )?;
    let mut used: BTreeSet<String> = references
        .into_iter()
        .flat_map(|(name, connector)| {
            let mut words = custom.aliases(&connector);
            words.insert(name.to_ascii_lowercase());
            words
        })
        .collect();
    for row in of_providers {
        if let Some(connector) = row.string(url_column).and_then(connector_of_url) {
            used.extend(custom.aliases(&connector));
        }
    }
    let column = IomColumn::ProviderDefinitionConnectionReferenceLogicalName;
    let logical_names = names.logical_names(column, from_library.iter());
    used.extend(logical_names.values().map(|name| name.to_ascii_lowercase()));
    let choices = &refresh
        .runbook
        .steps
        .reconfigure_connections
        .options
        .connections;
    Ok(unused(choices.keys(), &used))
}

fn unused<'a>(chosen: impl Iterator<Item = &'a String>, used: &BTreeSet<String>) -> Vec<String> {
    chosen
        .filter(|key| !used.contains(&key.to_ascii_lowercase()))
        .map(|key| {
            format!(
                "the runbook chooses a connection for '{key}', but no reference has this name or \
                 connector"
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(id: &str) -> Connection {
        Connection {
            id: id.to_owned(),
            connector: Some("shared_blob".to_owned()),
            display_name: None,
            account: Some("svc@contoso.com".to_owned()),
            statuses: vec!["Connected".to_owned()],
            error: None,
            raw: Value::Null,
        }
    }

    fn choices(connections: Option<Vec<Connection>>) -> Choices {
        Choices {
            connections,
            custom: CustomConnectors::default(),
            planning: false,
        }
    }

    #[test]
    fn only_a_list_that_can_be_read_shows_what_the_target_has() {
        assert!(!choices(None).has(Some("a1")));
        assert!(choices(Some(vec![connection("A1")])).has(Some("a1")));
        assert!(!choices(Some(vec![connection("A1")])).has(None));
    }

    #[test]
    fn a_choice_for_nothing_is_named() {
        let used = BTreeSet::from(["shared_blob".to_owned()]);
        let keys = ["Shared_Blob".to_owned(), "shared_blop".to_owned()];
        let notes = unused(keys.iter(), &used);
        assert_eq!(notes.len(), 1);
        assert!(notes[0].contains("'shared_blop'"));
    }
}
