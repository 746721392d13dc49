//! What the runbook lists by name: providers, accepted terms, aliases. Without these checks, a name
//! that the library does not have, or that is missing in a list, would stop the run in the middle.

use std::collections::BTreeSet;

use super::snapshot::{Snapshot, reinstalled};
use crate::base::suggestions;
use crate::base::text::count;
use crate::checks::check::Check;
use crate::checks::check_result::CheckResult;
use crate::checks::table_reads::available;
use crate::domain::RefreshContext;
use crate::domain::providers::{Catalogue, Provider, ProviderDefinition};
use crate::domain::sealed_orchestrations::without_successor;
use crate::engine::Failure;
use crate::runbook::{Located, ProviderChoice, StepName};

/// Checks the lists of steps 6 and 7; nothing if step 6 is skipped.
pub(super) fn run_checks(refresh: &RefreshContext, snapshot: &Snapshot) -> Vec<CheckResult> {
    if refresh.runbook.steps.reinstall_providers.is_skipped() {
        return Vec::new();
    }
    let options = &refresh.runbook.steps.reinstall_providers.options;
    let catalogue = available(&snapshot.catalogue);
    let listed: &[Located<String>] = match &options.providers.value {
        ProviderChoice::PreviouslyActive => &[],
        ProviderChoice::Definitions(names) => names,
    };
    let listed = written(refresh, listed.iter().chain(&options.accept_terms));
    let check = listed_check();
    let mut results = vec![check.settle(catalogue.clone().map(|catalogue| {
        let definitions = catalogue.definitions.values().map(|d| &d.logical_name);
        judge_listed(&check, &listed, &lower(definitions))
    }))];
    results.extend(terms(refresh, catalogue.clone()));
    results.push(aliases(refresh, catalogue));
    results.extend(successors(refresh, snapshot));
    results
}

/// Has every action that an orchestration uses a provider that is reinstalled? Step 7 would be
/// too late: the old providers are deleted by then. Nothing if slots are not restored.
fn successors(refresh: &RefreshContext, snapshot: &Snapshot) -> Option<CheckResult> {
    let steps = &refresh.runbook.steps;
    let skipped = [
        &steps.detach_provider_actions.skip,
        &steps.restore_provider_actions.skip,
    ];
    if skipped.into_iter().any(Option::is_some) {
        return None;
    }
    let choice = steps.provider_choice();
    let check = successors_check(choice);
    let answer = available(&snapshot.graphs).and_then(|graphs| {
        let catalogue = available(&snapshot.catalogue)?;
        let again = reinstalled(catalogue, choice);
        let again = lower(again.iter().filter_map(|(_, d)| Some(&(*d)?.logical_name)));
        let (mut lost, mut used) = (Vec::new(), 0);
        for graph in graphs {
            // Another check names a graph that cannot be read.
            let slots = graph.slots.as_deref().unwrap_or_default();
            used += slots.len();
            lost.extend(without_successor(&graph.name, slots, catalogue, &again));
        }
        Ok(check.none_of(&lost, &count(used, "slot")))
    });
    Some(check.settle(answer))
}

fn successors_check(choice: &ProviderChoice) -> Check {
    let name = "every provider that an orchestration uses is installed again";
    let problem = "orchestrations use actions of providers that are not reinstalled";
    let instead = "remove the action from the tile in the designer of the source";
    match choice {
        ProviderChoice::PreviouslyActive => Check::protecting(
            StepName::RestoreProviderActions,
            name,
            problem,
            format!("the provider is not active: activate it in the source, or {instead}"),
        ),
        ProviderChoice::Definitions(_) => Check::protecting(
            StepName::RestoreProviderActions,
            name,
            problem,
            format!(
                "add the definition to `providers` of reinstall-providers (its provider must be \
                 active in the source), or {instead}"
            ),
        )
        .invalid_input(),
    }
}

/// Names that the runbook writes, each with its place.
fn written<'a>(
    refresh: &RefreshContext,
    names: impl Iterator<Item = &'a Located<String>>,
) -> Vec<(String, String)> {
    names
        .map(|name| (name.value.clone(), refresh.runbook.place(name.span)))
        .collect()
}

fn lower<'a>(names: impl Iterator<Item = &'a String>) -> BTreeSet<String> {
    names.map(|name| name.to_ascii_lowercase()).collect()
}

/// If the runbook lists accepted terms, does the list have all of them? Step 6 would be too late.
fn terms(refresh: &RefreshContext, catalogue: Result<&Catalogue, Failure>) -> Option<CheckResult> {
    let options = &refresh.runbook.steps.reinstall_providers.options;
    let first = options.accept_terms.first()?;
    let check = Check::protecting(
        StepName::ReinstallProviders,
        "the terms of every provider to be reinstalled are accepted",
        "the terms of providers to be reinstalled are not accepted",
        format!(
            "read them in the library (IOM app > Providers > Library), then add the definitions \
             that are named to `accept-terms` at {}, or take the list out: the user who installs then \
             accepts",
            refresh.runbook.place(first.span)
        ),
    );
    let accepted = lower(options.accept_terms.iter().map(|name| &name.value));
    Some(check.settle(catalogue.map(|catalogue| {
        let again = reinstalled(catalogue, &options.providers.value);
        judge_terms(&check, &again, &accepted)
    })))
}

fn judge_terms(
    check: &Check,
    again: &[(&Provider, Option<&ProviderDefinition>)],
    accepted: &BTreeSet<String>,
) -> CheckResult {
    let open: Vec<String> = again
        .iter()
        .filter_map(|(provider, definition)| Some((provider, (*definition)?)))
        .filter(|(_, definition)| !accepted.contains(&definition.logical_name.to_ascii_lowercase()))
        .map(|(provider, definition)| {
            format!("`{}` ('{}')", definition.logical_name, provider.name)
        })
        .collect();
    check.none_of(&open, &count(again.len(), "provider"))
}

/// Do the keys of `aliases` name actions of the library?
fn aliases(refresh: &RefreshContext, catalogue: Result<&Catalogue, Failure>) -> CheckResult {
    let step = &refresh.runbook.steps.restore_provider_actions;
    let check = Check::protecting(
            StepName::RestoreProviderActions,
        "every key of `aliases` names a logic definition of the library", "keys of `aliases` name no logic definition of the library",
        format!(
            "correct the key in the step at {}: another name under a wrong key would never be found",
            refresh.runbook.place(step.span)
        ),
    )
    .invalid_input();
    check.settle(catalogue.map(|catalogue| {
        let known = lower(catalogue.logic.values().map(|logic| &logic.logical_name));
        let keys = step.options.aliases.keys();
        let unknown: Vec<String> = keys
            .filter(|key| !known.contains(&key.to_ascii_lowercase()))
            .map(|key| format!("'{key}'"))
            .collect();
        check.none_of(&unknown, &count(known.len(), "logic definition"))
    }))
}

fn listed_check() -> Check {
    Check::protecting(
        StepName::ReinstallProviders,
        "`providers` and `accept-terms` name definitions of the library",
        "`providers` or `accept-terms` names a definition that the library does not have",
        "write the logical names of definitions",
    )
    .invalid_input()
}

fn judge_listed(
    check: &Check,
    listed: &[(String, String)],
    known: &BTreeSet<String>,
) -> CheckResult {
    let names: Vec<&str> = known.iter().map(String::as_str).collect();
    let unknown: Vec<String> = listed
        .iter()
        .filter(|(name, _)| !known.contains(&name.to_ascii_lowercase()))
        .map(
            |(name, place)| match suggestions::nearest(name, names.iter().copied()) {
                Some(meant) => format!("'{name}' ({place}): did you mean '{meant}'?"),
                None => format!("'{name}' ({place})"),
            },
        )
        .collect();
    let mut result = check.none_of(&unknown, &count(known.len(), "definition"));
    if let Some(remedy) = &mut result.remedy {
        remedy.push_str("; ");
        remedy.push_str(&suggestions::listed(
            &names,
            "the library of the source has",
        ));
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::verdict::Verdict;
    use uuid::Uuid;

    #[test]
    fn a_list_names_definitions_that_exist() {
        let known = BTreeSet::from(["msdyn_fedex".to_owned()]);
        let of = |name: &str| {
            let listed = [(name.to_owned(), "x.yaml:2:3".to_owned())];
            judge_listed(&listed_check(), &listed, &known)
        };
        assert_eq!(of("msdyn_FedEx").verdict, Verdict::Pass);
        let wrong = of("fedex");
        assert_eq!(
            (wrong.verdict, wrong.found.as_str()),
            (
                Verdict::Fail,
                "'fedex' (x.yaml:2:3): did you mean 'msdyn_fedex'?"
            )
        );
        let remedy = wrong.remedy.unwrap();
        assert!(
            remedy.ends_with("the library of the source has: msdyn_fedex"),
            "{remedy}"
        );
    }

    #[test]
    fn terms_that_nobody_accepted_are_named() {
        let provider = Provider {
            id: Uuid::from_u128(2),
            name: "F&O".to_owned(),
            definition: Some(Uuid::from_u128(1)),
            active: true,
        };
        let definition = ProviderDefinition {
            id: Uuid::from_u128(1),
            logical_name: "msdyn_finops".to_owned(),
            name: "Finance".to_owned(),
            active: true,
        };
        let of = |accepted: &str| {
            let accepted = BTreeSet::from([accepted.to_owned()]);
            judge_terms(
                &Check::new("accepted", "a problem", "read them"),
                &[(&provider, Some(&definition))],
                &accepted,
            )
        };
        assert_eq!(of("msdyn_finops").verdict, Verdict::Pass);
        assert_eq!(of("msdyn_fedex").found, "`msdyn_finops` ('F&O')");
    }
}
