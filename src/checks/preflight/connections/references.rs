//! The references of the source: does the runbook have a connection for each?

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::{Reference, joined};
use crate::base::text::count;
use crate::checks::check::Check;
use crate::checks::check_result::CheckResult;
use crate::checks::preflight::flows::wanted_on;
use crate::checks::preflight::snapshot::Snapshot;
use crate::checks::table_reads::available;
use crate::domain::connections::choices::ChosenConnection;
use crate::domain::connections::custom_connectors::CustomConnectors;
use crate::domain::connections::{connection_url, find_choice, is_in_environment, reference_key};
use crate::domain::flows::FlowDefinition;
use crate::domain::{RefreshContext, flows};
use crate::engine::Failure;
use crate::runbook::{ConnectionChoices, Span, StepName};

/// Does the runbook choose a connection for a reference of this name and connector?
type Chosen<'a> = dyn Fn(&str, &str) -> bool + 'a;

/// Does the runbook choose a connection for a reference, by any name of its connector?
fn is_chosen(
    refresh: &RefreshContext,
    custom: &CustomConnectors,
    section: Option<&ConnectionChoices>,
    name: &str,
    connector: &str,
) -> bool {
    find_choice(&refresh.runbook, custom, section, name, connector).is_some()
}

/// Does every system reference show its connector? One without a URL was never saved: a person
/// chooses its connection in the app.
pub(super) fn check_readable(system: &Result<Vec<Reference>, Failure>) -> CheckResult {
    let check = Check::protecting(
            StepName::ReconfigureConnections,
        "every system connection reference holds a URL that can be read", "system connection references hold no readable URL",
        "IOM app > Core settings > Admin home > Connection references: open it, choose a connection \
         of this environment, save it",
    )
    .before(StepName::ReconfigureConnections);
    let answer = system.as_ref().map_err(Clone::clone);
    check.settle(answer.map(|references| {
        let blank: Vec<String> = references
            .iter()
            .filter(|reference| !is_readable(reference))
            .map(|reference| format!("'{}'", reference.name))
            .collect();
        check.warn_of(&blank, &count(references.len(), "reference"))
    }))
}

fn is_readable(reference: &Reference) -> bool {
    let url = reference.url.as_deref();
    let any = ChosenConnection::default();
    url.is_some_and(|url| connection_url(url, Uuid::nil(), &any).is_some())
}

pub(super) fn check_system(
    refresh: &RefreshContext,
    custom: &CustomConnectors,
    system: Result<Vec<Reference>, Failure>,
) -> CheckResult {
    let check = Check::protecting(
        StepName::ReconfigureConnections,
        "every system connection reference of the source has a connection in the runbook",
        "the runbook has no connection for system connection references of the source",
        add_under(refresh, refresh.runbook.steps.reconfigure_connections.span),
    )
    .invalid_input();
    let chosen = |name: &str, connector: &str| is_chosen(refresh, custom, None, name, connector);
    check.settle(
        system.map(|references| judge_system(&check, &references, &chosen, refresh.target_id())),
    )
}

fn add_under(refresh: &RefreshContext, step: Span) -> String {
    format!(
        "add the keys that are named under `connections` of the step at {}",
        refresh.runbook.place(step)
    )
}

fn judge_system(
    check: &Check,
    references: &[Reference],
    chosen: &Chosen<'_>,
    target: Uuid,
) -> CheckResult {
    let lacking: Vec<String> = references
        .iter()
        .filter(|reference| is_readable(reference))
        .filter(|reference| !chosen(&reference.name, &reference.connector))
        .filter(|reference| {
            !is_in_environment(reference.url.as_deref().unwrap_or_default(), target)
        })
        .map(|reference| key(&reference.name, &reference.connector))
        .collect();
    check.none_of(&lacking, &count(references.len(), "reference"))
}

/// A reference with the key that the runbook lacks for it.
fn key(name: &str, connector: &str) -> String {
    let key = reference_key(name, connector);
    format!("'{name}': add `{key}: <connection id>`")
}

pub(super) fn check_flows(
    refresh: &RefreshContext,
    custom: &CustomConnectors,
    snapshot: &Snapshot,
    core: &Result<Vec<Reference>, Failure>,
) -> CheckResult {
    let check = Check::protecting(
        StepName::ActivateFlows,
        "every connection reference of a flow that should be on has a connection in the runbook",
        "the runbook has no connection for references of flows that should be on",
        format!(
            "{}, or leave the flow off by `except` of activate-flows",
            add_under(refresh, refresh.runbook.steps.reconfigure_connections.span)
        ),
    )
    .invalid_input();
    let chosen = |name: &str, connector: &str| is_chosen(refresh, custom, None, name, connector);
    let answer = wanted_on(refresh, snapshot).and_then(|wanted| {
        let references: BTreeMap<String, Reference> = available(core)?
            .iter()
            .cloned()
            .map(|reference| (reference.name.to_ascii_lowercase(), reference))
            .collect();
        let used = wanted
            .filter_map(|(id, row)| Some((flows::name(id, &row), FlowDefinition::from_row(&row)?)));
        Ok(judge_core(&check, used, &references, &chosen))
    });
    check.settle(answer)
}

fn judge_core(
    check: &Check,
    flows: impl Iterator<Item = (String, FlowDefinition)>,
    references: &BTreeMap<String, Reference>,
    chosen: &Chosen<'_>,
) -> CheckResult {
    let mut lacking: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let (mut unknown, mut checked) = (Vec::new(), 0);
    for (flow, definition) in flows {
        checked += 1;
        for name in definition.references() {
            match references.get(&name) {
                Some(reference) if !chosen(&reference.name, &reference.connector) => {
                    lacking
                        .entry(reference.name.to_ascii_lowercase())
                        .or_default()
                        .push(flow.clone());
                }
                Some(_) => {}
                None => unknown.push(format!("'{flow}' uses '{name}', which the source lacks")),
            }
        }
        unknown.extend(definition.unreferenced().iter().map(|connector| {
            format!("'{flow}' is bound to a {connector} connection without a reference")
        }));
    }
    if lacking.is_empty() {
        return check.warn_of(&unknown, &format!("{checked} flows checked"));
    }
    let lacking: Vec<String> = lacking
        .into_iter()
        .filter_map(|(name, flows)| {
            let reference = references.get(&name)?;
            let first = flows.first()?;
            let key = key(&reference.name, &reference.connector);
            Some(match flows.len() - 1 {
                0 => format!("{key} (for '{first}')"),
                more => format!("{key} (for '{first}' and {more} more)"),
            })
        })
        .collect();
    check.none_of(&lacking, "")
}

pub(super) fn check_reinstalled(
    refresh: &RefreshContext,
    custom: &CustomConnectors,
    snapshot: &Snapshot,
    wanted: Result<Vec<Reference>, Failure>,
) -> CheckResult {
    let check = Check::protecting(
        StepName::ReinstallProviders,
        "every connection of a provider to be reinstalled is named, or the target has one",
        "connections of providers to be reinstalled are neither in the runbook nor in the target",
        add_under(refresh, refresh.runbook.steps.reinstall_providers.span),
    )
    .invalid_input();
    let section = &refresh
        .runbook
        .steps
        .reinstall_providers
        .options
        .connections;
    let chosen =
        |name: &str, connector: &str| is_chosen(refresh, custom, Some(section), name, connector);
    let answer = wanted.map(|wanted| {
        let kept = kept_in_target(refresh, snapshot);
        judge_provider(&check, &wanted, kept.as_ref().ok(), &chosen)
    });
    check.settle(answer)
}

/// The connections that the target's own providers have before the copy, by definition and name.
fn kept_in_target(
    refresh: &RefreshContext,
    snapshot: &Snapshot,
) -> Result<BTreeSet<(String, String)>, Failure> {
    let target = &snapshot.target;
    let references = joined(
        &refresh.names,
        available(&target.catalogue)?,
        available(&target.provider_references)?,
        available(&target.reference_definitions)?,
        |_| true,
    )?;
    let id = refresh.target_id();
    Ok(references
        .into_iter()
        .filter(|reference| {
            reference
                .url
                .as_deref()
                .is_some_and(|url| is_in_environment(url, id))
        })
        .filter_map(|reference| Some((reference.definition?, reference.name)))
        .collect())
}

fn judge_provider(
    check: &Check,
    wanted: &[Reference],
    kept: Option<&BTreeSet<(String, String)>>,
    chosen: &Chosen<'_>,
) -> CheckResult {
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
        return check.warn_of(&lacking, "");
    }
    check.none_of(&lacking, &count(wanted.len(), "connection"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::verdict::Verdict;
    use serde_json::json;

    const TARGET: Uuid = Uuid::from_u128(0x2222);

    fn reference(name: &str, connector: &str, url: Option<&str>) -> Reference {
        Reference {
            name: name.to_owned(),
            connector: connector.to_owned(),
            url: url.map(str::to_owned),
            definition: Some("msdyn_finops".to_owned()),
        }
    }

    fn check() -> Check {
        Check::new("wired", "a problem", "wire it")
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
            judge_system(&check(), &references, &|_: &str, _: &str| chosen, TARGET)
        };
        assert_eq!(of(Some(away), true).verdict, Verdict::Pass);
        assert_eq!(of(Some(&there), false).verdict, Verdict::Pass);
        let lacking = of(Some(away), false);
        assert_eq!(lacking.verdict, Verdict::Fail);
        assert_eq!(lacking.found, "'Blob': add `shared_a: <connection id>`");
        let readable = |url: Option<&str>| check_readable(&Ok(vec![reference("Blob", "", url)]));
        assert_eq!(readable(Some(away)).verdict, Verdict::Pass);
        for url in [None, Some("no url")] {
            assert_eq!(of(url, false).verdict, Verdict::Pass);
            let result = readable(url);
            assert_eq!(
                (result.verdict, result.found.as_str()),
                (Verdict::Unknown, "'Blob'")
            );
            assert!(result.task.is_some());
        }
    }

    #[test]
    fn a_flow_that_should_be_on_wants_a_connection_for_each_reference() {
        let references =
            BTreeMap::from([("ref_1".to_owned(), reference("Ref_1", "shared_a", None))]);
        let flow = |reference: &str, unreferenced: &[&str]| {
            let mut used = json!({"r": {"api": {"name": "shared_a"},
                "connection": {"connectionReferenceLogicalName": reference}}});
            for connector in unreferenced {
                used[*connector] = json!({"api": {"name": connector}, "connection": {}});
            }
            let data = json!({"properties": {"connectionReferences": used}});
            let row = json!({"clientdata": data.to_string()});
            let definition = FlowDefinition::from_row(row.as_object().unwrap()).unwrap();
            [("Flow".to_owned(), definition)]
        };
        let of = |flows: [(String, FlowDefinition); 1], chosen: bool| {
            let flows = flows.into_iter();
            judge_core(&check(), flows, &references, &|_: &str, _: &str| chosen)
        };
        assert_eq!(of(flow("ref_1", &[]), true).verdict, Verdict::Pass);
        let lacking = of(flow("ref_1", &[]), false);
        assert_eq!(lacking.verdict, Verdict::Fail);
        assert!(lacking.found.contains("add `shared_a"), "{}", lacking.found);
        assert_eq!(of(flow("ref_2", &[]), true).verdict, Verdict::Unknown);
        assert_eq!(
            of(flow("ref_1", &["shared_b"]), true).verdict,
            Verdict::Unknown
        );
    }

    #[test]
    fn a_providers_connection_is_named_or_was_the_targets_own() {
        let wanted = [reference("dataverse", "shared_a", None)];
        let kept = BTreeSet::from([("msdyn_finops".to_owned(), "dataverse".to_owned())]);
        let none = BTreeSet::new();
        let of = |kept, chosen: bool| {
            judge_provider(&check(), &wanted, kept, &|_: &str, _: &str| chosen).verdict
        };
        assert_eq!(of(Some(&none), true), Verdict::Pass);
        assert_eq!(of(Some(&kept), false), Verdict::Pass);
        assert_eq!(of(Some(&none), false), Verdict::Fail);
        assert_eq!(of(None, false), Verdict::Unknown);
    }
}
