//! The connections that the runbook names: do they exist, are they connected, do they fit the
//! connector?

use std::collections::BTreeMap;

use crate::base::text::count;
use crate::checks::check::Check;
use crate::checks::check_result::CheckResult;
use crate::checks::table_reads::{ReadResult, available};
use crate::clients::Connection;
use crate::domain::RefreshContext;
use crate::domain::connections::{NotChosen, connector_name, resolve_choice};
use crate::runbook::{ConnectionChoice, ConnectionChoices, Located, StepName};

/// The connector that a key of the runbook means: that of a reference with this name, or the key
/// itself.
pub(super) type Connectors = BTreeMap<String, String>;

/// A connection that the runbook names.
struct Named<'a> {
    /// The key, and the position of its value.
    shown: String,
    choice: &'a ConnectionChoice,
    /// The connector that it must belong to, if the key shows it.
    connector: Option<String>,
    key: String,
}

/// The connections of some sections of the runbook, judged against those that the target has.
pub(super) fn run_checks(
    refresh: &RefreshContext,
    connectors: &Connectors,
    connections: &ReadResult<Vec<Connection>>,
    sections: &[&ConnectionChoices],
) -> Vec<CheckResult> {
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
    let there = Check::protecting(
        StepName::ReconfigureConnections,
        format!("every connection that the runbook names is in '{target}'"),
        format!("connections that the runbook names are missing in '{target}'"),
        "create it in the maker portal and name its id, or correct the runbook",
    )
    .invalid_input()
    .before(StepName::ReconfigureConnections);
    let connected = Check::protecting(
        StepName::ReconfigureConnections,
        format!("every connection that the runbook names is connected in '{target}'"),
        format!("connections that the runbook names are not connected in '{target}'"),
        "open it in the maker portal (Connections) and sign in again",
    )
    .before(StepName::ReconfigureConnections);
    let fitting = Check::protecting(
        StepName::ReconfigureConnections,
        "every connection that the runbook names is of the connector it is named for",
        "the runbook names connections of another connector",
        "name a connection of the right connector in the runbook",
    )
    .invalid_input();
    let connections = match available(connections) {
        // A list that shows nothing may be one that the caller may not see.
        Ok(connections) if connections.is_empty() && !named.is_empty() => {
            let read = "the service shows the caller no connection at all; it may not be allowed to \
                        see them";
            return vec![there.unknown(read)];
        }
        Ok(connections) => connections,
        Err(failure) => return vec![there.settle(Err(failure))],
    };
    let problems = Problems::find(&named, connections);
    vec![
        there.fail_or_warn(
            &problems.missing,
            &problems.not_yet,
            &count(named.len(), "connection"),
        ),
        connected.fail_or_warn(&problems.broken, &problems.odd, "all are connected"),
        fitting.none_of(&problems.others, "all are"),
    ]
}

/// The problems of the connections that the runbook names.
#[derive(Default)]
struct Problems {
    missing: Vec<String>,
    /// An account may get its connection after the copy.
    not_yet: Vec<String>,
    broken: Vec<String>,
    /// A status that is neither good nor bad.
    odd: Vec<String>,
    others: Vec<String>,
}

impl Problems {
    fn find(named: &[Named<'_>], connections: &[Connection]) -> Self {
        let mut problems = Self::default();
        for one in named {
            let connector = one.connector.as_ref().unwrap_or(&one.key);
            match resolve_choice(connections, one.choice, connector) {
                Ok(connection) => problems.judge(one, connection),
                Err(why) => {
                    let line = format!("{}: it {why}", one.shown);
                    match why {
                        NotChosen::NotYet(_) => problems.not_yet.push(line),
                        NotChosen::NoSuchId(_) | NotChosen::Several(_) => {
                            problems.missing.push(line);
                        }
                    }
                }
            }
        }
        problems
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
                    "it shows no status".to_owned()
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

/// Keys of the runbook that match no reference and no connector of one: otherwise a misspelled name
/// would go unnoticed.
pub(super) fn unused(
    refresh: &RefreshContext,
    connectors: &Connectors,
    sections: &[&ConnectionChoices],
) -> CheckResult {
    let check = Check::protecting(
        StepName::ReconfigureConnections,
        "every key of `connections` is a reference of the source, or the connector of one",
        "keys of `connections` match no reference of the source and no connector of one",
        "correct the key, or leave it out; it connects no reference",
    );
    let idle: Vec<String> = sections
        .iter()
        .flat_map(|section| section.iter())
        .filter(|(key, _)| !connectors.contains_key(&key.to_ascii_lowercase()))
        .map(|(key, choice)| format!("`{key}` ({})", refresh.runbook.place(choice.span)))
        .collect();
    check.warn_of(&idle, "all are")
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
        let problems = Problems::find(&named, &connections);
        assert_eq!(
            problems.missing,
            ["`shared_e`: it has no connection 'gone'"]
        );
        assert_eq!(problems.broken, ["`shared_b`: broken: Error"]);
        // An unknown status is not called broken.
        assert_eq!(
            problems.odd,
            [
                "`shared_c`: mute: it shows no status",
                "`shared_f`: new: Novelty"
            ]
        );
        assert_eq!(
            problems.others,
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
        let of = |connector: &str| Problems::find(&[named(connector, &account)], &connections);
        assert!(of("shared_a").missing.is_empty() && of("shared_a").not_yet.is_empty());
        assert!(of("shared_b").missing[0].contains("more than one"));
        assert!(of("shared_z").missing.is_empty());
        assert!(of("shared_z").not_yet[0].contains("SVC@contoso.com"));
    }
}
