//! The runbook's choices of connections, against the connections that the target has.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::references::core_references;
use crate::clients::Connection;
use crate::engine::{Action, Ask, Change, Failure, Known, Survey};
use crate::runbook::{ConnectionChoice, IomTable};
use crate::steps::Refresh;
use crate::steps::connections::{choice, chosen, connector_of_url, visible};
use crate::steps::names::Names;

/// What the target's list of connections tells of the runbook's choices.
pub(super) struct Choices {
    /// None where the list says nothing.
    connections: Option<Vec<Connection>>,
    /// Is the survey only shown? Then what does not exist yet is described.
    planning: bool,
}

impl Choices {
    pub(super) async fn read(refresh: &Refresh, known: &Known) -> Result<Self, Failure> {
        Ok(Self {
            connections: visible(refresh).await?,
            planning: known.is_planning(),
        })
    }

    /// The id of the connection that a choice means. In a plan, what cannot be told yet is described.
    pub(super) fn connection(
        &self,
        refresh: &Refresh,
        choice: &ConnectionChoice,
        connector: &str,
    ) -> Result<String, Failure> {
        let account = match choice {
            ConnectionChoice::Id(id) => return Ok(id.clone()),
            ConnectionChoice::Account(account) => account,
        };
        let why = match &self.connections {
            Some(connections) => match chosen(connections, choice, connector) {
                Ok(connection) => return Ok(connection.id.clone()),
                Err(why) => why,
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
                .lasting(),
        )
    }

    /// Is this connection one of the target's? Where the list says nothing: not known to be.
    pub(super) fn has(&self, connection: Option<&str>) -> bool {
        let Some((connection, connections)) = connection.zip(self.connections.as_ref()) else {
            return false;
        };
        connections
            .iter()
            .any(|known| known.id.eq_ignore_ascii_case(connection))
    }

    /// What a person must do before this choice can be used; none where nothing is known against it.
    fn trouble(&self, choice: &ConnectionChoice, connector: &str) -> Option<String> {
        match chosen(self.connections.as_ref()?, choice, connector) {
            Err(why) => Some(why),
            Ok(connection) => {
                let is_broken = connection
                    .statuses
                    .iter()
                    .any(|status| status.eq_ignore_ascii_case("Error"));
                let said = connection.error.as_deref().unwrap_or("no reason given");
                is_broken
                    .then(|| format!("has connection {}, which is broken: {said}", connection.id))
            }
        }
    }
}

/// Finds the connections that the runbook chose and that a person must make or mend.
pub(super) struct Chosen(pub(super) Arc<Refresh>);

#[async_trait]
impl Survey for Chosen {
    async fn survey(&self, known: &Known) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        let choices = Choices::read(refresh, known).await?;
        let mut asks = BTreeMap::new();
        for (logical_name, connector) in named_references(refresh, known).await? {
            let Some(choice) = choice(&refresh.runbook, None, &logical_name, &connector) else {
                continue;
            };
            if let Some(trouble) = choices.trouble(choice, &connector) {
                let ask = ask(refresh, choice, &connector, &trouble);
                asks.insert(ask.key.clone(), ask);
            }
        }
        Ok(asks.into_values().collect())
    }
}

fn ask(refresh: &Refresh, choice: &ConnectionChoice, connector: &str, trouble: &str) -> Change {
    let target = &refresh.runbook.target.name;
    let meant = match choice {
        ConnectionChoice::Id(id) => id,
        ConnectionChoice::Account(account) => account,
    };
    Change {
        key: format!("connection/{connector}/{meant}"),
        name: format!("make or mend the {connector} connection {meant}"),
        before: json!({ "connection": "not usable" }),
        after: json!({ "connection": "usable" }),
        follows: Vec::new(),
        action: Action::Ask(Ask {
            instructions: vec![
                format!("'{target}' {trouble}"),
                format!(
                    "make.powerapps.com > environment '{target}' > Connections: make it or sign in \
                     again, for connector {connector}"
                ),
                "or correct `connections` of reconfigure-connections in the runbook".to_owned(),
            ],
            evidence: format!(
                "the connections of '{target}', as the Power Platform API lists them"
            ),
        }),
    }
}

/// The references of Dataverse, of IOM and of its providers: name and connector.
async fn named_references(
    refresh: &Refresh,
    known: &Known,
) -> Result<BTreeSet<(String, String)>, Failure> {
    let view = refresh.view(known);
    let names = Names::of(refresh);
    let mut found: BTreeSet<(String, String)> = core_references(view)
        .await?
        .into_iter()
        .map(|reference| (reference.logical_name, reference.connector))
        .collect();
    let url_column = names.column("platform-connection-reference.connection-url")?;
    let table = IomTable::PlatformConnectionReference;
    for (id, row) in view.by_id(names.table(table)).await? {
        let url = row.get(url_column).and_then(Value::as_str);
        if let Some(connector) = url.and_then(connector_of_url) {
            found.insert((names.title(table, &row, id), connector));
        }
    }
    Ok(found)
}

/// Choices of step 3 that mean no reference: a misspelt name would else go unseen. Providers'
/// references use them too.
pub(super) async fn unused_choices(
    refresh: &Refresh,
    known: &Known,
) -> Result<Vec<String>, Failure> {
    let view = refresh.view(known);
    let names = Names::of(refresh);
    let mut used: BTreeSet<String> = named_references(refresh, known)
        .await?
        .into_iter()
        .flat_map(|(name, connector)| [name, connector])
        .map(|word| word.to_ascii_lowercase())
        .collect();
    let url_column = names.column("provider-connection-reference.connection-url")?;
    let table = names.table(IomTable::ProviderConnectionReference);
    for row in view.rows(table).await? {
        let connector = row.string(url_column).and_then(connector_of_url);
        used.extend(connector);
    }
    let name_column = names.column("provider-definition-connection-reference.logical-name")?;
    let table = names.table(IomTable::ProviderDefinitionConnectionReference);
    for row in view.rows(table).await? {
        used.extend(row.string(name_column).map(str::to_ascii_lowercase));
    }
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
        .map(|key| format!("the runbook chooses a connection for '{key}', and no reference is called so or uses such a connector"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(id: &str, status: &str) -> Connection {
        Connection {
            id: id.to_owned(),
            connector: Some("shared_blob".to_owned()),
            display_name: None,
            account: Some("svc@contoso.com".to_owned()),
            statuses: vec![status.to_owned()],
            error: Some("expired".to_owned()),
            created_by: None,
            raw: Value::Null,
        }
    }

    fn choices(connections: Option<Vec<Connection>>) -> Choices {
        Choices {
            connections,
            planning: false,
        }
    }

    #[test]
    fn a_list_that_cannot_be_read_is_held_against_no_choice() {
        let id = ConnectionChoice::Id("a1".to_owned());
        assert_eq!(choices(None).trouble(&id, "shared_blob"), None);
        assert!(!choices(None).has(Some("a1")));
    }

    #[test]
    fn a_connection_that_is_missing_or_broken_is_a_task_and_an_unknown_status_is_not() {
        let id = ConnectionChoice::Id("a1".to_owned());
        let trouble = |connections| choices(Some(connections)).trouble(&id, "shared_blob");
        assert!(
            trouble(vec![connection("b2", "Connected")])
                .unwrap()
                .contains("no connection a1")
        );
        assert!(
            trouble(vec![connection("a1", "Error")])
                .unwrap()
                .contains("expired")
        );
        assert_eq!(trouble(vec![connection("a1", "Connected")]), None);
        assert_eq!(trouble(vec![connection("a1", "Novelty")]), None);
        assert!(choices(Some(vec![connection("A1", "Connected")])).has(Some("a1")));
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
