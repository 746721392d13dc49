//! The connections that the runbook names: are they there, connected, of their connector?

use std::collections::BTreeMap;

use crate::base::text::count;
use crate::checks::finding::{Finding, Probe};
use crate::checks::reading::{Reading, told};
use crate::clients::Connection;
use crate::domain::Refresh;
use crate::domain::connections::{NotChosen, chosen, connector_name};
use crate::runbook::{ConnectionChoice, ConnectionChoices, Located, StepName};

/// Which connector a key of the runbook stands for: a reference's own, or the key is one.
pub(super) type Connectors = BTreeMap<String, String>;

/// A connection that the runbook names.
struct Named<'a> {
    /// The key, and where its value stands.
    shown: String,
    choice: &'a ConnectionChoice,
    /// The connector that it must be of, where the key tells it.
    connector: Option<String>,
    key: String,
}

/// The connections of some sections of the runbook, judged against those that the target has.
pub(super) fn ask(
    refresh: &Refresh,
    connectors: &Connectors,
    connections: &Reading<Vec<Connection>>,
    sections: &[&ConnectionChoices],
) -> Vec<Finding> {
    let named = |(key, choice): (&String, _)| -> Named<'_> {
        let choice: &Located<ConnectionChoice> = choice;
        let key_word = key.to_ascii_lowercase();
        Named {
            shown: format!("`{key}` ({})", refresh.runbook.place(choice.span)),
            choice: &choice.value,
            connector: connectors.get(&key_word).cloned(),
            key: key_word,
        }
    };
    let named: Vec<Named<'_>> = sections
        .iter()
        .flat_map(|section| section.iter())
        .map(named)
        .collect();
    let target = &refresh.runbook.target.name.value;
    let there = Probe::new(
        format!("every connection that the runbook names is in '{target}'"),
        "create it in the maker portal and name its id, or correct the runbook",
    )
    .wrong()
    .before(StepName::ReconfigureConnections);
    let connected = Probe::new(
        format!("every connection that the runbook names is connected in '{target}'"),
        "open it in the maker portal (Connections) and sign in again",
    )
    .before(StepName::ReconfigureConnections);
    let fitting = Probe::new(
        "every connection that the runbook names is of the connector it is named for",
        "name a connection of the right connector in the runbook",
    )
    .wrong();
    let connections = match told(connections) {
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
        there.judged_lists(
            &troubles.missing,
            &troubles.not_yet,
            &count(named.len(), "connection"),
        ),
        connected.judged_lists(&troubles.broken, &troubles.odd, "all are connected"),
        fitting.none_of(&troubles.others, "all are"),
    ]
}

/// What is wrong with the connections that the runbook names.
#[derive(Default)]
struct Troubles {
    missing: Vec<String>,
    /// An account may get its connection after the copy.
    not_yet: Vec<String>,
    broken: Vec<String>,
    /// A status that is neither good nor bad.
    odd: Vec<String>,
    others: Vec<String>,
}

impl Troubles {
    fn of(named: &[Named<'_>], connections: &[Connection]) -> Self {
        let mut troubles = Self::default();
        for one in named {
            let connector = one.connector.as_ref().unwrap_or(&one.key);
            match chosen(connections, one.choice, connector) {
                Ok(connection) => troubles.judge(one, connection),
                Err(why) => {
                    let told = format!("{}: it {why}", one.shown);
                    match why {
                        NotChosen::NotYet(_) => troubles.not_yet.push(told),
                        NotChosen::NoSuchId(_) | NotChosen::Several(_) => {
                            troubles.missing.push(told);
                        }
                    }
                }
            }
        }
        troubles
    }

    fn judge(&mut self, named: &Named<'_>, connection: &Connection) {
        let what = format!("{}: {}", named.shown, connection.id);
        if !connection.is_connected() {
            let is_broken = connection
                .statuses
                .iter()
                .any(|status| status.eq_ignore_ascii_case("Error"));
            let why = connection.error.clone().unwrap_or_else(|| {
                if connection.statuses.is_empty() {
                    "it tells no status".to_owned()
                } else {
                    connection.statuses.join(", ")
                }
            });
            let list = if is_broken {
                &mut self.broken
            } else {
                &mut self.odd
            };
            list.push(format!("{what}: {why}"));
        }
        let found = connection.connector.as_deref().map(connector_name);
        if let (Some(wanted), Some(found)) = (&named.connector, found)
            && *wanted != found
        {
            self.others
                .push(format!("{what} is of {found}, not of {wanted}"));
        }
    }
}

/// Keys of the runbook that mean no reference and no connector of one: a misspelt name would else go
/// unseen.
pub(super) fn unused(
    refresh: &Refresh,
    connectors: &Connectors,
    sections: &[&ConnectionChoices],
) -> Finding {
    let probe = Probe::new(
        "every key of `connections` is a reference of the source, or the connector of one",
        "correct the key, or leave it out; a reference that it was meant for is not wired by it",
    );
    let idle: Vec<String> = sections
        .iter()
        .flat_map(|section| section.iter())
        .filter(|(key, _)| !connectors.contains_key(&key.to_ascii_lowercase()))
        .map(|(key, choice)| format!("`{key}` ({})", refresh.runbook.place(choice.span)))
        .collect();
    probe.unless_any(&idle, "all are")
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

    fn named<'a>(key: &str, choice: &'a ConnectionChoice) -> Named<'a> {
        Named {
            shown: format!("`{key}`"),
            choice,
            connector: Some(key.to_owned()),
            key: key.to_owned(),
        }
    }

    #[test]
    fn a_named_connection_is_there_connected_and_of_its_connector() {
        let connections = [
            connection("good", "shared_a", &["Connected"]),
            connection("broken", "shared_b", &["Error"]),
            connection("mute", "shared_c", &[]),
            connection("new", "shared_f", &["Novelty"]),
        ];
        let id = |id: &str| ConnectionChoice::Id(id.to_owned());
        let choices = [
            ("shared_a", id("GOOD")),
            ("shared_b", id("broken")),
            ("shared_c", id("mute")),
            ("shared_d", id("good")),
            ("shared_e", id("gone")),
            ("shared_f", id("new")),
        ];
        let named: Vec<Named<'_>> = choices
            .iter()
            .map(|(key, choice)| named(key, choice))
            .collect();
        let troubles = Troubles::of(&named, &connections);
        assert_eq!(troubles.missing, ["`shared_e`: it has no connection gone"]);
        assert_eq!(troubles.broken, ["`shared_b`: broken: Error"]);
        // What is not known to be bad is not called bad.
        assert_eq!(
            troubles.odd,
            [
                "`shared_c`: mute: it tells no status",
                "`shared_f`: new: Novelty"
            ]
        );
        assert_eq!(
            troubles.others,
            ["`shared_d`: good is of shared_a, not of shared_d"]
        );
    }

    #[test]
    fn an_account_must_have_one_and_may_get_it_later() {
        let account = ConnectionChoice::Account("SVC@contoso.com".to_owned());
        let connections = [
            connection("1", "shared_a", &["Connected"]),
            connection("2", "shared_b", &["Connected"]),
            connection("3", "shared_b", &["Connected"]),
        ];
        let of = |connector: &str| Troubles::of(&[named(connector, &account)], &connections);
        assert!(of("shared_a").missing.is_empty() && of("shared_a").not_yet.is_empty());
        assert!(of("shared_b").missing[0].contains("more than one"));
        assert!(of("shared_z").missing.is_empty());
        assert!(of("shared_z").not_yet[0].contains("SVC@contoso.com"));
    }
}
