//! Connections: those that the runbook names, and those that the source's references will want.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::flows::wanted_on;
use super::sight::{Sight, reinstalled};
use crate::clients::Connection;
use crate::engine::Failure;
use crate::runbook::{ConnectionChoice, IomTable};
use crate::steps::Refresh;
use crate::steps::connections::{
    choice, connection_url, connector_name, connector_of_url, leads_into,
};
use crate::steps::names::{Names, text};
use crate::steps::probes::finding::{Finding, Probe};
use crate::steps::probes::flow::{self, Definition};
use crate::steps::probes::reading::{Rows, told};
use crate::steps::providers::Catalogue;

/// A reference of the source that will want a connection of the target.
#[derive(Clone, Debug)]
struct Reference {
    /// By which the runbook may choose for it.
    name: String,
    /// By which the runbook may choose for it, too.
    connector: String,
    url: Option<String>,
    /// Of a provider's reference: the logical name of the provider's definition.
    definition: Option<String>,
}

/// A connection that the runbook names.
struct Named<'a> {
    key: &'a str,
    choice: &'a ConnectionChoice,
    /// The connector that it must be of, where the key tells it.
    connector: Option<String>,
}

/// Does the runbook choose a connection for a reference of this name and connector?
type Chosen<'a> = dyn Fn(&str, &str) -> bool + 'a;

/// Judges every connection question of the steps that are not skipped.
pub(super) fn ask(refresh: &Refresh, sight: &Sight) -> Vec<Finding> {
    let steps = &refresh.runbook.steps;
    let mut findings = named_connections(refresh, sight);
    if steps.reconfigure_connections.skip.is_none() {
        findings.push(system_references(refresh, sight));
        findings.push(core_references(refresh, sight));
    }
    if steps.reinstall_providers.skip.is_none() {
        findings.push(provider_references(refresh, sight));
    }
    findings
}

/// The connections that the runbook names: there, connected, of their connector.
fn named_connections(refresh: &Refresh, sight: &Sight) -> Vec<Finding> {
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
            .none_of(&troubles.missing, &format!("{} named", named.len())),
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

/// Dataverse's connection references of the source, by logical name in lower case.
fn core(sight: &Sight) -> Result<Vec<Reference>, Failure> {
    let rows = told(&sight.references)?.values();
    Ok(rows
        .filter_map(|row| {
            Some(Reference {
                name: text(row, "connectionreferencelogicalname")?,
                connector: connector_name(&text(row, "connectorid").unwrap_or_default()),
                url: None,
                definition: None,
            })
        })
        .collect())
}

fn system(refresh: &Refresh, sight: &Sight) -> Result<Vec<Reference>, Failure> {
    let names = Names::of(refresh);
    let column = names.column("platform-connection-reference.connection-url")?;
    let rows = told(&sight.system)?.iter();
    Ok(rows
        .map(|(id, row)| {
            let url = text(row, column).filter(|url| !url.is_empty());
            Reference {
                name: names.title(IomTable::PlatformConnectionReference, row, *id),
                connector: url
                    .as_deref()
                    .and_then(connector_of_url)
                    .unwrap_or_default(),
                url,
                definition: None,
            }
        })
        .collect())
}

/// The references of the providers that are installed again.
fn of_providers(refresh: &Refresh, sight: &Sight) -> Result<Vec<Reference>, Failure> {
    let choice = &refresh
        .runbook
        .steps
        .reinstall_providers
        .options
        .providers
        .value;
    let catalogue = told(&sight.catalogue)?;
    let again: BTreeSet<Uuid> = reinstalled(catalogue, choice)
        .iter()
        .map(|(provider, _)| provider.id)
        .collect();
    let rows = told(&sight.provider_references)?;
    let definitions = told(&sight.reference_definitions)?;
    joined(Names::of(refresh), catalogue, rows, definitions, |id| {
        again.contains(&id)
    })
}

/// Providers' references with what they are called in the library.
fn joined(
    names: &Names,
    catalogue: &Catalogue,
    rows: &Rows,
    definitions: &Rows,
    wanted: impl Fn(Uuid) -> bool,
) -> Result<Vec<Reference>, Failure> {
    let logical = names.column("provider-definition-connection-reference.logical-name")?;
    let mut found = Vec::new();
    for (id, row) in rows {
        let provider = names
            .lookup(row, "provider-connection-reference.provider")?
            .filter(|provider| wanted(*provider))
            .and_then(|provider| catalogue.providers.get(&provider));
        let Some(provider) = provider else { continue };
        let called = names
            .lookup(row, "provider-connection-reference.definition")?
            .and_then(|definition| definitions.get(&definition))
            .and_then(|row| text(row, logical));
        let url = names.text(row, "provider-connection-reference.connection-url")?;
        let definition = catalogue.definition_of(provider);
        found.push(Reference {
            name: called.unwrap_or_else(|| id.to_string()),
            connector: url
                .as_deref()
                .and_then(connector_of_url)
                .unwrap_or_default(),
            url,
            definition: definition.map(|definition| definition.logical_name.clone()),
        });
    }
    Ok(found)
}

fn system_references(refresh: &Refresh, sight: &Sight) -> Finding {
    let probe = Probe::new(
        "every system connection reference of the source has a connection in the runbook",
        "add the keys that are named under `connections` of reconfigure-connections",
    )
    .wrong();
    let chosen =
        |name: &str, connector: &str| choice(&refresh.runbook, None, name, connector).is_some();
    let answer = system(refresh, sight)
        .map(|references| system_judged(&probe, &references, &chosen, refresh.target_id()));
    probe.settle(answer)
}

fn system_judged(
    probe: &Probe,
    references: &[Reference],
    chosen: &Chosen<'_>,
    target: Uuid,
) -> Finding {
    let mut lacking = Vec::new();
    let mut blank = Vec::new();
    for reference in references {
        let (name, connector) = (&reference.name, &reference.connector);
        match &reference.url {
            Some(url) if chosen(name, connector) => {
                if connection_url(url, target, "connection").is_none() {
                    blank.push(format!("'{name}' holds no URL that can be read"));
                }
            }
            Some(url) if leads_into(url, target) => {}
            Some(_) => lacking.push(key(name, connector)),
            None => blank.push(format!("'{name}' holds no URL")),
        }
    }
    if lacking.is_empty() && !blank.is_empty() {
        let read = format!("{}: open it in the IOM app and save it", blank.join("; "));
        return probe.unknown(read);
    }
    probe.none_of(&lacking, &format!("{} references", references.len()))
}

/// A reference with the key that the runbook lacks for it.
fn key(name: &str, connector: &str) -> String {
    let key = if connector.is_empty() {
        name
    } else {
        connector
    };
    format!("'{name}': add `{key}: <connection id>`")
}

fn core_references(refresh: &Refresh, sight: &Sight) -> Finding {
    let probe = Probe::new(
        "every connection reference of a flow that should be on has a connection in the runbook",
        "add the keys that are named under `connections` of reconfigure-connections, or leave the \
         flow off by `except` of activate-flows",
    )
    .wrong();
    let chosen =
        |name: &str, connector: &str| choice(&refresh.runbook, None, name, connector).is_some();
    let answer = told(&sight.flows).and_then(|flows| {
        let references: BTreeMap<String, Reference> = core(sight)?
            .into_iter()
            .map(|reference| (reference.name.to_ascii_lowercase(), reference))
            .collect();
        let wanted = wanted_on(refresh, flows, told(&sight.catalogue)?);
        let used: Vec<(String, Definition)> = wanted
            .into_iter()
            .map(|(id, row)| (flow::name(id, row), Definition::of(row)))
            .collect();
        Ok(core_judged(&probe, &used, &references, &chosen))
    });
    probe.settle(answer)
}

fn core_judged(
    probe: &Probe,
    flows: &[(String, Definition)],
    references: &BTreeMap<String, Reference>,
    chosen: &Chosen<'_>,
) -> Finding {
    let mut lacking: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut unknown = Vec::new();
    for (flow, definition) in flows {
        for name in &definition.references {
            match references.get(name) {
                Some(reference) if !chosen(&reference.name, &reference.connector) => {
                    lacking.entry(name).or_default().push(flow);
                }
                Some(_) => {}
                None => unknown.push(format!("'{flow}' uses '{name}', which the source has not")),
            }
        }
        unknown.extend(definition.unreferenced.iter().map(|connector| {
            format!("'{flow}' is bound to a {connector} connection without a reference")
        }));
    }
    if lacking.is_empty() {
        return probe.unless_any(&unknown, &format!("{} flows looked at", flows.len()));
    }
    let lacking: Vec<String> = lacking
        .into_iter()
        .filter_map(|(name, flows)| {
            let reference = references.get(name)?;
            let first = flows.first()?;
            let key = key(&reference.name, &reference.connector);
            Some(match flows.len() - 1 {
                0 => format!("{key} (for '{first}')"),
                more => format!("{key} (for '{first}' and {more} more)"),
            })
        })
        .collect();
    probe.none_of(&lacking, "")
}

fn provider_references(refresh: &Refresh, sight: &Sight) -> Finding {
    let probe = Probe::new(
        "every connection of a provider to be reinstalled is named, or the target has one",
        "add the keys that are named under `connections` of reinstall-providers",
    )
    .wrong();
    let section = &refresh
        .runbook
        .steps
        .reinstall_providers
        .options
        .connections;
    let chosen = |name: &str, connector: &str| {
        choice(&refresh.runbook, Some(section), name, connector).is_some()
    };
    let answer = of_providers(refresh, sight).map(|wanted| {
        let kept = kept_in_target(refresh, sight);
        provider_judged(&probe, &wanted, kept.as_ref().ok(), &chosen)
    });
    probe.settle(answer)
}

/// The connections that the target's own providers have before the copy, by definition and name.
fn kept_in_target(refresh: &Refresh, sight: &Sight) -> Result<BTreeSet<(String, String)>, Failure> {
    let target = &sight.target;
    let references = joined(
        Names::of(refresh),
        told(&target.catalogue)?,
        told(&target.provider_references)?,
        told(&target.reference_definitions)?,
        |_| true,
    )?;
    let id = refresh.target_id();
    Ok(references
        .into_iter()
        .filter(|reference| {
            reference
                .url
                .as_deref()
                .is_some_and(|url| leads_into(url, id))
        })
        .filter_map(|reference| Some((reference.definition?, reference.name)))
        .collect())
}

fn provider_judged(
    probe: &Probe,
    wanted: &[Reference],
    kept: Option<&BTreeSet<(String, String)>>,
    chosen: &Chosen<'_>,
) -> Finding {
    let lacking: Vec<String> = wanted
        .iter()
        .filter(|reference| {
            let definition = reference.definition.clone().unwrap_or_default();
            !chosen(&reference.name, &reference.connector)
                && !kept.is_some_and(|kept| kept.contains(&(definition, reference.name.clone())))
        })
        .map(|reference| {
            let definition = reference
                .definition
                .as_deref()
                .unwrap_or("unknown definition");
            format!(
                "{definition} {}",
                key(&reference.name, &reference.connector)
            )
        })
        .collect();
    if kept.is_none() && !lacking.is_empty() {
        // The target may have them: what it has could not be read.
        return probe.unless_any(&lacking, "");
    }
    probe.none_of(&lacking, &format!("{} connections", wanted.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steps::probes::finding::Verdict;
    use serde_json::Value;

    const TARGET: Uuid = Uuid::from_u128(0x2222);

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

    fn reference(name: &str, connector: &str, url: Option<&str>) -> Reference {
        Reference {
            name: name.to_owned(),
            connector: connector.to_owned(),
            url: url.map(str::to_owned),
            definition: Some("msdyn_finops".to_owned()),
        }
    }

    fn probe() -> Probe {
        Probe::new("wired", "wire it")
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

    #[test]
    fn a_system_reference_wants_a_key_unless_it_leads_into_the_target() {
        let there = format!(
            "https://x.flow.microsoft.com/manage/environments/{TARGET}/connections?apiName=shared_a"
        );
        let away =
            "https://x.flow.microsoft.com/manage/environments/1/connections?apiName=shared_a";
        let of = |url: Option<&str>, chosen: bool| {
            let references = [reference("Blob", "shared_a", url)];
            system_judged(&probe(), &references, &|_: &str, _: &str| chosen, TARGET)
        };
        assert_eq!(of(Some(away), true).verdict, Verdict::Pass);
        assert_eq!(of(Some(&there), false).verdict, Verdict::Pass);
        let lacking = of(Some(away), false);
        assert_eq!(lacking.verdict, Verdict::Fail);
        assert_eq!(lacking.read, "'Blob': add `shared_a: <connection id>`");
        assert_eq!(of(None, true).verdict, Verdict::Unknown);
        assert_eq!(of(Some("no url"), true).verdict, Verdict::Unknown);
    }

    #[test]
    fn a_flow_that_should_be_on_wants_a_connection_for_each_reference() {
        let references =
            BTreeMap::from([("ref_1".to_owned(), reference("Ref_1", "shared_a", None))]);
        let flow = |reference: &str, unreferenced: &[&str]| {
            let definition = Definition {
                references: BTreeSet::from([reference.to_owned()]),
                unreferenced: unreferenced.iter().map(|s| (*s).to_owned()).collect(),
                ..Definition::default()
            };
            [("Flow".to_owned(), definition)]
        };
        let of = |flows: &[(String, Definition)], chosen: bool| {
            core_judged(&probe(), flows, &references, &|_: &str, _: &str| chosen)
        };
        assert_eq!(of(&flow("ref_1", &[]), true).verdict, Verdict::Pass);
        let lacking = of(&flow("ref_1", &[]), false);
        assert_eq!(lacking.verdict, Verdict::Fail);
        assert!(lacking.read.contains("add `shared_a"), "{}", lacking.read);
        assert_eq!(of(&flow("ref_2", &[]), true).verdict, Verdict::Unknown);
        assert_eq!(
            of(&flow("ref_1", &["shared_b"]), true).verdict,
            Verdict::Unknown
        );
    }

    #[test]
    fn a_providers_connection_is_named_or_was_the_targets_own() {
        let wanted = [reference("dataverse", "shared_a", None)];
        let kept = BTreeSet::from([("msdyn_finops".to_owned(), "dataverse".to_owned())]);
        let none = BTreeSet::new();
        let of = |kept, chosen: bool| {
            provider_judged(&probe(), &wanted, kept, &|_: &str, _: &str| chosen).verdict
        };
        assert_eq!(of(Some(&none), true), Verdict::Pass);
        assert_eq!(of(Some(&kept), false), Verdict::Pass);
        assert_eq!(of(Some(&none), false), Verdict::Fail);
        assert_eq!(of(None, false), Verdict::Unknown);
    }
}
