//! The connections that the runbook names: are they there, connected, of their connector?

use std::collections::BTreeMap;

use super::{core, of_providers, system};
use crate::clients::Connection;
use crate::runbook::ConnectionChoice;
use crate::steps::Refresh;
use crate::steps::connections::connector_name;
use crate::steps::probes::finding::{Finding, Probe};
use crate::steps::probes::preflight::sight::Sight;
use crate::steps::probes::reading::told;
use crate::text::count;

/// A connection that the runbook names.
struct Named<'a> {
    key: &'a str,
    choice: &'a ConnectionChoice,
    /// The connector that it must be of, where the key tells it.
    connector: Option<String>,
}

/// The connections that the runbook names: there, connected, of their connector.
pub(super) fn ask(refresh: &Refresh, sight: &Sight) -> Vec<Finding> {
    let steps = &refresh.runbook.steps;
    let connectors = connectors(refresh, sight);
    let shared = (steps.reconfigure_connections.skip.is_none())
        .then_some(&steps.reconfigure_connections.options.connections);
    let own = (steps.reinstall_providers.skip.is_none())
        .then_some(&steps.reinstall_providers.options.connections);
    let named: Vec<Named<'_>> = shared
        .into_iter()
        .chain(own)
        .flatten()
        .map(|(key, choice)| Named {
            key,
            choice: &choice.value,
            connector: connectors.get(&key.to_ascii_lowercase()).cloned(),
        })
        .collect();
    let target = &refresh.runbook.target.name.value;
    let there = Probe::new(
        format!("every connection that the runbook names is in '{target}'"),
        "create it in the maker portal and name its id, or correct the runbook",
    );
    let connected = Probe::new(
        format!("every connection that the runbook names is connected in '{target}'"),
        "open it in the maker portal and sign in again",
    );
    let fitting = Probe::new(
        "every connection that the runbook names is of the connector it is named for",
        "name a connection of the right connector in the runbook",
    );
    let connections = match told(&sight.connections) {
        // A list that shows nothing may be one that the caller may not see.
        Ok(connections) if connections.is_empty() && !named.is_empty() => {
            let read = "the service shows the caller no connection at all; it may not be allowed to \
                        see them";
            return vec![there.unknown(read)];
        }
        Ok(connections) => connections,
        Err(failure) => return vec![there.settle(Err(failure))],
    };
    let troubles = Troubles::of(&named, connections);
    vec![
        there
            .wrong()
            .none_of(&troubles.missing, &count(named.len(), "connection")),
        connected.none_of(&troubles.broken, "all are connected"),
        fitting.wrong().none_of(&troubles.others, "all are"),
    ]
}

/// Which connector a key of the runbook stands for: a reference's own, or the key is one.
fn connectors(refresh: &Refresh, sight: &Sight) -> BTreeMap<String, String> {
    let mut known = BTreeMap::new();
    let references = [
        core(sight),
        system(refresh, sight),
        of_providers(refresh, sight),
    ];
    for reference in references.into_iter().flatten().flatten() {
        if !reference.connector.is_empty() {
            known.insert(reference.connector.clone(), reference.connector.clone());
            known.insert(reference.name.to_ascii_lowercase(), reference.connector);
        }
    }
    known
}

/// What is wrong with the connections that the runbook names.
#[derive(Default)]
struct Troubles {
    missing: Vec<String>,
    broken: Vec<String>,
    others: Vec<String>,
}

impl Troubles {
    fn of(named: &[Named<'_>], connections: &[Connection]) -> Self {
        let mut troubles = Self::default();
        for one in named {
            match one.choice {
                ConnectionChoice::Id(id) => {
                    let found = connections.iter().find(|c| c.id.eq_ignore_ascii_case(id));
                    match found {
                        Some(connection) => troubles.judge(one, connection),
                        None => troubles.missing.push(format!("`{}`: {id}", one.key)),
                    }
                }
                ConnectionChoice::Account(account) => {
                    let fitting: Vec<&Connection> = connections
                        .iter()
                        .filter(|c| {
                            let is = |text: &Option<String>, expected: &str| {
                                text.as_deref()
                                    .is_some_and(|t| t.eq_ignore_ascii_case(expected))
                            };
                            is(&c.account, account)
                                && one.connector.as_ref().is_none_or(|connector| {
                                    connector_of(c).is_none_or(|found| found == *connector)
                                })
                        })
                        .collect();
                    match fitting.as_slice() {
                        [connection] => troubles.judge(one, connection),
                        [] => troubles
                            .missing
                            .push(format!("`{}`: of {account}", one.key)),
                        many => troubles.missing.push(format!(
                            "`{}`: {} connections of {account}, name the id of one",
                            one.key,
                            many.len()
                        )),
                    }
                }
            }
        }
        troubles
    }

    fn judge(&mut self, named: &Named<'_>, connection: &Connection) {
        let what = format!("`{}`: {}", named.key, connection.id);
        if !connection.is_connected() {
            let why = connection.error.clone().unwrap_or_else(|| {
                if connection.statuses.is_empty() {
                    "it tells no status".to_owned()
                } else {
                    connection.statuses.join(", ")
                }
            });
            self.broken.push(format!("{what}: {why}"));
        }
        if let (Some(wanted), Some(found)) = (&named.connector, connector_of(connection))
            && *wanted != found
        {
            self.others
                .push(format!("{what} is of {found}, not of {wanted}"));
        }
    }
}

fn connector_of(connection: &Connection) -> Option<String> {
    connection.connector.as_deref().map(connector_name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn connection(id: &str, connector: &str, status: &[&str]) -> Connection {
        Connection {
            id: id.to_owned(),
            connector: Some(connector.to_owned()),
            display_name: None,
            account: Some("svc@contoso.com".to_owned()),
            statuses: status.iter().map(|s| (*s).to_owned()).collect(),
            error: None,
            created_by: None,
            raw: Value::Null,
        }
    }

    #[test]
    fn a_named_connection_is_there_connected_and_of_its_connector() {
        let connections = [
            connection("good", "shared_a", &["Connected"]),
            connection("broken", "shared_b", &["Error"]),
            connection("mute", "shared_c", &[]),
        ];
        let id = |id: &str| ConnectionChoice::Id(id.to_owned());
        let choices = [
            ("shared_a", id("GOOD")),
            ("shared_b", id("broken")),
            ("shared_c", id("mute")),
            ("shared_d", id("good")),
            ("shared_e", id("gone")),
        ];
        let named: Vec<Named<'_>> = choices
            .iter()
            .map(|(key, choice)| Named {
                key,
                choice,
                connector: Some((*key).to_owned()),
            })
            .collect();
        let troubles = Troubles::of(&named, &connections);
        assert_eq!(troubles.missing, ["`shared_e`: gone"]);
        assert_eq!(
            troubles.broken,
            [
                "`shared_b`: broken: Error",
                "`shared_c`: mute: it tells no status"
            ]
        );
        assert_eq!(
            troubles.others,
            ["`shared_d`: good is of shared_a, not of shared_d"]
        );
    }

    #[test]
    fn an_account_must_have_exactly_one() {
        let account = ConnectionChoice::Account("SVC@contoso.com".to_owned());
        let named = |connector: &str| Named {
            key: "key",
            choice: &account,
            connector: Some(connector.to_owned()),
        };
        let connections = [
            connection("1", "shared_a", &["Connected"]),
            connection("2", "shared_b", &["Connected"]),
            connection("3", "shared_b", &["Connected"]),
        ];
        assert!(
            Troubles::of(&[named("shared_a")], &connections)
                .missing
                .is_empty()
        );
        assert!(
            Troubles::of(&[named("shared_b")], &connections).missing[0].contains("2 connections")
        );
        assert!(Troubles::of(&[named("shared_z")], &connections).missing[0].contains("SVC@"));
    }
}
