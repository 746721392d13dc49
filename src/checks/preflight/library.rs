//! IOM's names in the metadata, and the library as runbook and source need it: definitions,
//! parameters, lists of providers.

use std::collections::{BTreeMap, BTreeSet};

use super::snapshot::{Snapshot, reinstalled};
use crate::base::text::count;
use crate::checks::check::{Check, CheckResult};
use crate::checks::table_reads::available;
use crate::domain::RefreshContext;
use crate::domain::providers::{Catalogue, Definition, Provider};
use crate::engine::Failure;
use crate::runbook::{IomColumn, IomTable, Located, Secret, Word as _};

/// Checks names, and the library as far as step 6 needs it.
pub(super) fn run_checks(refresh: &RefreshContext, snapshot: &Snapshot) -> Vec<CheckResult> {
    let mut results = vec![names(refresh)];
    if refresh.runbook.steps.reinstall_providers.skip.is_some() {
        return results;
    }
    let options = &refresh.runbook.steps.reinstall_providers.options;
    let catalogue = available(&snapshot.catalogue);
    let check = definitions_check();
    results.push(check.settle(
        catalogue.clone().map(|catalogue| {
            definitions(&check, &reinstalled(catalogue, &options.providers.value))
        }),
    ));
    results.push(secrets(refresh));
    let check = parameters_check();
    results.push(check.settle(catalogue.clone().and_then(|catalogue| {
        let declared = declared(refresh, snapshot, catalogue)?;
        let place = |value: &Located<Secret>| refresh.runbook.place(value.span);
        Ok(parameters(&check, &options.parameters, place, &declared))
    })));
    results
}

/// Do the tables and columns that the steps use exist, under a name that was found?
fn names(refresh: &RefreshContext) -> CheckResult {
    let optional = [IomTable::OrchestrationStep, IomTable::WarehouseMapping];
    let missing: Vec<String> = refresh
        .names
        .unresolved()
        .iter()
        .filter(|(key, _)| {
            !optional
                .iter()
                .any(|table| key.split('.').next() == Some(table.word()))
        })
        .map(|(key, name)| format!("{key} ('{name}')"))
        .collect();
    let check = Check::new(
        "IOM's tables and columns are found in the source's metadata",
        "tables or columns of IOM are missing in the source's metadata",
        "write the names that this tenant uses under `iom.tables` and `iom.columns`",
    )
    .invalid_input();
    match refresh.names.unread() {
        Some(failure) => check.unread(failure.clone()),
        None => check.none_of(&missing, "all found"),
    }
}

fn definitions_check() -> Check {
    Check::new(
        "every provider to be reinstalled has an active definition in the library",
        "providers to be reinstalled have no active definition in the library",
        "bring the definition back before the copy: without it the provider could not be reinstalled",
    )
}

/// Can every provider be installed again? Deleting one that cannot is the one mistake that nothing
/// repairs.
fn definitions(check: &Check, again: &[(&Provider, Option<&Definition>)]) -> CheckResult {
    let lost: Vec<String> = again
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
    check.none_of(&lost, &count(again.len(), "provider"))
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
    let check = Check::new(
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
    for row in available(&snapshot.parameters)?.values() {
        let definition = names
            .lookup(row, IomColumn::ProviderDefinitionParameterDefinition)?
            .and_then(|id| catalogue.definitions.get(&id));
        let name = names.text(row, IomColumn::ProviderDefinitionParameterLogicalName)?;
        if let (Some(definition), Some(name)) = (definition, name) {
            declared
                .entry(definition.logical_name.to_ascii_lowercase())
                .or_default()
                .insert(name.to_ascii_lowercase());
        }
    }
    Ok(declared)
}

fn parameters_check() -> Check {
    Check::new(
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
    check.none_of(&unknown, "all do")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::verdict::Verdict;
    use uuid::Uuid;

    fn definition(active: bool) -> Definition {
        Definition {
            id: Uuid::from_u128(1),
            logical_name: "msdyn_finops".to_owned(),
            name: "Finance".to_owned(),
            active,
        }
    }

    #[test]
    fn a_provider_without_an_active_definition_is_lost() {
        let provider = Provider {
            id: Uuid::from_u128(2),
            name: "F&O".to_owned(),
            definition: None,
            active: true,
        };
        let of = |definition: Option<&Definition>| {
            definitions(&definitions_check(), &[(&provider, definition)])
        };
        assert_eq!(of(Some(&definition(true))).verdict, Verdict::Pass);
        let inactive = of(Some(&definition(false)));
        assert_eq!(inactive.verdict, Verdict::Fail);
        assert_eq!(inactive.found, "'F&O': 'msdyn_finops' is not active");
        assert_eq!(of(None).verdict, Verdict::Fail);
    }

    #[test]
    fn a_secret_that_is_missing_is_named_and_none_is_shown() {
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
