//! IOM's names in the metadata, and the library as runbook and source need it: definitions,
//! parameters, lists of providers.

use std::collections::{BTreeMap, BTreeSet};

use super::snapshot::{Snapshot, reinstalled};
use crate::base::text::count;
use crate::checks::check::Check;
use crate::checks::check_result::CheckResult;
use crate::checks::table_reads::available;
use crate::domain::RefreshContext;
use crate::domain::lost_providers::{lost_line, why_lost};
use crate::domain::names::Missing;
use crate::domain::needs::Need;
use crate::domain::providers::{Catalogue, Provider, ProviderDefinition};
use crate::engine::Failure;
use crate::runbook::{IomColumn, Located, ProviderChoice, Secret, StepName};

/// Checks names, and the library as far as step 6 needs it.
pub(super) fn run_checks(refresh: &RefreshContext, snapshot: &Snapshot) -> Vec<CheckResult> {
    let mut results = names(refresh);
    if refresh.runbook.steps.reinstall_providers.is_skipped() {
        return results;
    }
    let options = &refresh.runbook.steps.reinstall_providers.options;
    let catalogue = available(&snapshot.catalogue);
    let check = definitions_check();
    results.push(check.settle(catalogue.clone().map(|catalogue| {
        let choice = &options.providers.value;
        definitions(
            &check,
            &reinstalled(catalogue, choice),
            &lost(catalogue, choice),
        )
    })));
    results.push(secrets(refresh));
    let check = parameters_check();
    results.push(check.settle(catalogue.clone().and_then(|catalogue| {
        let declared = declared(refresh, snapshot, catalogue)?;
        let place = |value: &Located<Secret>| refresh.runbook.place(value.span);
        Ok(parameters(&check, &options.parameters, place, &declared))
    })));
    results
}

/// Do the tables and columns that the unskipped steps use exist, under a name that was found?
fn names(refresh: &RefreshContext) -> Vec<CheckResult> {
    let steps = refresh.runbook.steps.each();
    let runs = |step: &StepName| {
        steps
            .iter()
            .any(|view| view.name == *step && view.skip.is_none())
    };
    match refresh.names.unread() {
        Some(failure) => vec![needed_check(None).unread(failure.clone())],
        None => judge_names(refresh.names.missing(), &runs),
    }
}

/// The check of what steps cannot do without. Takes the first step that lacks something.
fn needed_check(step: Option<StepName>) -> Check {
    Check::protecting(
        step.unwrap_or(StepName::ReconfigureConnections),
        "IOM's tables and columns are found in the source's metadata",
        "tables or columns of IOM are missing in the source's metadata",
        "write the names that this tenant uses under `iom.tables` and `iom.columns`",
    )
    .invalid_input()
}

/// What is missing, as two results: what a step that runs cannot do without, and what is optional.
fn judge_names(missing: &[Missing], runs: &dyn Fn(&StepName) -> bool) -> Vec<CheckResult> {
    let mut needed = Vec::new();
    let mut optional = Vec::new();
    let mut first = None;
    for Missing {
        key,
        looked_for,
        need,
        is_written,
    } in missing
    {
        match need {
            Need::Steps(steps) => {
                let steps: Vec<StepName> = steps.iter().copied().filter(|it| runs(it)).collect();
                let Some(step) = steps.iter().min() else {
                    continue;
                };
                first = Some(first.map_or(*step, |first: StepName| first.min(*step)));
                let steps: Vec<String> = steps.iter().map(StepName::to_string).collect();
                needed.push(format!("{key} ('{looked_for}'), for {}", steps.join(", ")));
            }
            // A name that the runbook writes should be right.
            Need::Optional(_) if *is_written => needed.push(format!("{key} ('{looked_for}')")),
            Need::Optional(lost) => optional.push(format!("{key} ('{looked_for}'): {lost}")),
        }
    }
    let lacking = Check::protecting(
        StepName::ReinstallProviders,
        "IOM's optional tables and columns are found in the source's metadata",
        "optional tables or columns of IOM are missing in the source's metadata",
        "if this tenant has them under other names, write these under `iom.tables` and \
         `iom.columns`; the run continues without them",
    );
    vec![
        needed_check(first).none_of(&needed, "every name that the steps need"),
        lacking.warn_of(&optional, "every optional name"),
    ]
}

fn definitions_check() -> Check {
    Check::protecting(
        StepName::ReinstallProviders,
        "every provider to be reinstalled has an active definition in the library",
        "providers to be reinstalled have no active definition in the library",
        "bring the definition back before the copy: without it the provider could not be reinstalled",
    )
}

/// The providers that step 6 deletes and does not reinstall, each with the reason.
fn lost(catalogue: &Catalogue, choice: &ProviderChoice) -> Vec<String> {
    let providers = catalogue.providers.values();
    let lost = providers.filter_map(|provider| {
        let why = why_lost(choice, provider, catalogue.definition_of(provider))?;
        Some(format!("'{}' ({why})", provider.name))
    });
    lost.collect()
}

/// Can every provider be reinstalled? Deleting one that cannot is the one mistake that nothing
/// repairs. Takes also those that nobody wants to be reinstalled, which are only named.
fn definitions(
    check: &Check,
    again: &[(&Provider, Option<&ProviderDefinition>)],
    lost: &[String],
) -> CheckResult {
    let missing: Vec<String> = again
        .iter()
        .filter_map(|(provider, definition)| match definition {
            Some(definition) if definition.active => None,
            Some(definition) => Some(format!(
                "'{}': '{}' is not active",
                provider.name, definition.logical_name
            )),
            None => Some(format!("'{}': it has none", provider.name)),
        })
        .collect();
    let unwanted = lost_line(lost).map(|line| format!("; {line}"));
    let good = count(again.len(), "provider") + unwanted.as_deref().unwrap_or_default();
    check.none_of(&missing, &good)
}

/// Can every secret of the parameters be read now? In the middle of a run it would be too late.
fn secrets(refresh: &RefreshContext) -> CheckResult {
    let parameters = &refresh.runbook.steps.reinstall_providers.options.parameters;
    let each = parameters.iter().flat_map(|(definition, values)| {
        values.iter().map(move |(name, secret)| {
            let place = refresh.runbook.place(secret.span);
            (format!("{definition}.{name} ({place})"), &secret.value)
        })
    });
    judge_secrets(each, |secret| refresh.secret(secret).map(drop))
}

fn judge_secrets<'a>(
    secrets: impl Iterator<Item = (String, &'a Secret)>,
    read: impl Fn(&Secret) -> Result<(), Failure>,
) -> CheckResult {
    let check = Check::protecting(
            StepName::ReinstallProviders,
        "every secret of `parameters` can be read", "secrets of `parameters` cannot be read",
        "set the variable or write the file before the run: the value is needed in the middle of it",
    )
    .invalid_input();
    let mut checked = 0;
    let missing: Vec<String> = secrets
        .inspect(|_| checked += 1)
        .filter_map(|(name, secret)| {
            let failure = read(secret).err()?;
            Some(format!("{name}: {}", failure.message))
        })
        .collect();
    check.none_of(&missing, &count(checked, "secret"))
}

/// The parameters that each definition declares, by logical names in lower case.
type Declared = BTreeMap<String, BTreeSet<String>>;

fn declared(
    refresh: &RefreshContext,
    snapshot: &Snapshot,
    catalogue: &Catalogue,
) -> Result<Declared, Failure> {
    let names = &refresh.names;
    let mut declared: Declared = catalogue
        .definitions
        .values()
        .map(|definition| {
            (
                definition.logical_name.to_ascii_lowercase(),
                BTreeSet::new(),
            )
        })
        .collect();
    let parameters = available(&snapshot.parameters)?;
    let column = IomColumn::ProviderDefinitionParameterLogicalName;
    let logical_names = names.logical_names(column, parameters.iter());
    for (id, row) in parameters {
        let definition = names
            .lookup(row, IomColumn::ProviderDefinitionParameterDefinition)?
            .and_then(|id| catalogue.definitions.get(&id));
        if let (Some(definition), Some(name)) = (definition, logical_names.get(id)) {
            declared
                .entry(definition.logical_name.to_ascii_lowercase())
                .or_default()
                .insert(name.to_ascii_lowercase());
        }
    }
    Ok(declared)
}

fn parameters_check() -> Check {
    Check::protecting(
        StepName::ReinstallProviders,
        "every key of `parameters` names a definition and a parameter of the library",
        "keys of `parameters` name no definition or parameter of the library",
        "correct the key: a value under a wrong name would never be set",
    )
    .invalid_input()
}

fn parameters<T>(
    check: &Check,
    written: &BTreeMap<String, BTreeMap<String, T>>,
    place: impl Fn(&T) -> String,
    declared: &Declared,
) -> CheckResult {
    let mut unknown = Vec::new();
    for (definition, values) in written {
        let Some(known) = declared.get(&definition.to_ascii_lowercase()) else {
            let at = values.values().next().map(&place).unwrap_or_default();
            unknown.push(format!("there is no definition '{definition}' ({at})"));
            continue;
        };
        for (name, value) in values {
            if !known.contains(&name.to_ascii_lowercase()) {
                let has: Vec<&str> = known.iter().map(String::as_str).collect();
                unknown.push(format!(
                    "'{definition}' has no parameter '{name}' ({}), but {}",
                    place(value),
                    if has.is_empty() {
                        "none".to_owned()
                    } else {
                        has.join(", ")
                    }
                ));
            }
        }
    }
    check.none_of(
        &unknown,
        &count(written.values().map(BTreeMap::len).sum(), "key"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::verdict::Verdict;
    use crate::runbook::Keyword as _;
    use uuid::Uuid;

    fn definition(active: bool) -> ProviderDefinition {
        ProviderDefinition {
            id: Uuid::from_u128(1),
            logical_name: "msdyn_finops".to_owned(),
            name: "Finance".to_owned(),
            active,
        }
    }

    #[test]
    fn a_column_is_demanded_only_by_the_step_that_needs_it() {
        use crate::domain::needs;
        let missing = |column: IomColumn, is_written| Missing {
            key: column.keyword(),
            looked_for: "x of y".to_owned(),
            need: needs::of_column(column),
            is_written,
        };
        let of = |missing: Missing, runs: &dyn Fn(&StepName) -> bool| {
            let results = judge_names(&[missing], runs);
            let labels: Vec<&str> = results.iter().map(CheckResult::label).collect();
            let step = results[0].protects.clone().map(|step| step.to_string());
            (
                labels.join(" "),
                step.unwrap_or_default(),
                results[0].found.clone(),
            )
        };
        let (labels, step, found) = of(missing(IomColumn::OrchestrationGraph, false), &|_| true);
        assert_eq!(labels, "failed pass");
        assert_eq!(step, "detach-provider-actions");
        assert_eq!(
            found,
            "orchestration.graph ('x of y'), for detach-provider-actions, restore-provider-actions"
        );
        let only_seven = |step: &StepName| *step == StepName::RestoreProviderActions;
        let (_, step, _) = of(missing(IomColumn::OrchestrationGraph, false), &only_seven);
        assert_eq!(step, "restore-provider-actions");
        let (labels, ..) = of(missing(IomColumn::OrchestrationGraph, false), &|_| false);
        assert_eq!(labels, "pass pass");
        let optional = IomColumn::ProviderActivationError;
        assert_eq!(of(missing(optional, false), &|_| true).0, "pass warning");
        // A name that the runbook writes should be right.
        assert_eq!(of(missing(optional, true), &|_| true).0, "failed pass");
    }

    #[test]
    fn a_provider_without_an_active_definition_is_lost() {
        let provider = Provider {
            id: Uuid::from_u128(2),
            name: "F&O".to_owned(),
            definition: None,
            active: true,
        };
        let of = |definition: Option<&ProviderDefinition>| {
            definitions(&definitions_check(), &[(&provider, definition)], &[])
        };
        assert_eq!(of(Some(&definition(true))).verdict, Verdict::Pass);
        let inactive = of(Some(&definition(false)));
        assert_eq!(inactive.verdict, Verdict::Fail);
        assert_eq!(inactive.found, "'F&O': 'msdyn_finops' is not active");
        assert_eq!(of(None).verdict, Verdict::Fail);
    }

    #[test]
    fn a_provider_that_is_not_active_is_named_as_not_reinstalled() {
        let provider = Provider {
            id: Uuid::from_u128(2),
            name: "F&O 1".to_owned(),
            definition: None,
            active: false,
        };
        let catalogue = Catalogue {
            providers: BTreeMap::from([(provider.id, provider)]),
            ..Catalogue::default()
        };
        let lost = lost(&catalogue, &ProviderChoice::PreviouslyActive);
        let check = definitions(&definitions_check(), &[], &lost);
        assert_eq!(check.verdict, Verdict::Pass);
        assert_eq!(
            check.found,
            "0 providers; 1 provider is deleted and not reinstalled: 'F&O 1' (it is not active)"
        );
    }

    #[test]
    fn a_missing_secret_is_named_and_no_secret_is_shown() {
        let secret = Secret::Variable("HASH".to_owned());
        let ask = |readable: bool| {
            let one = [("msdyn_bigcommerce.hash".to_owned(), &secret)];
            judge_secrets(one.into_iter(), |secret| {
                if readable {
                    Ok(())
                } else {
                    Err(Failure::failed(format!("{} is not set", secret.place())))
                }
            })
        };
        assert_eq!(ask(true).verdict, Verdict::Pass);
        let result = ask(false);
        assert_eq!(result.verdict, Verdict::Fail);
        assert_eq!(result.kind, crate::engine::FailureKind::InvalidInput);
        assert!(
            result.found.starts_with("msdyn_bigcommerce.hash: "),
            "{}",
            result.found
        );
    }

    #[test]
    fn a_parameter_is_named_as_the_library_declares_it() {
        let declared = Declared::from([(
            "msdyn_avalara".to_owned(),
            BTreeSet::from(["companycode".to_owned()]),
        )]);
        let of = |definition: &str, name: &str| {
            let written = BTreeMap::from([(
                definition.to_owned(),
                BTreeMap::from([(name.to_owned(), "value")]),
            )]);
            parameters(
                &parameters_check(),
                &written,
                |_| "x.yaml:1:1".to_owned(),
                &declared,
            )
        };
        assert_eq!(of("msdyn_Avalara", "CompanyCode").verdict, Verdict::Pass);
        let wrong = of("msdyn_avalara", "company");
        assert_eq!(wrong.verdict, Verdict::Fail);
        assert_eq!(
            wrong.found,
            "'msdyn_avalara' has no parameter 'company' (x.yaml:1:1), but companycode"
        );
        assert_eq!(of("msdyn_avalra", "companycode").verdict, Verdict::Fail);
    }
}
