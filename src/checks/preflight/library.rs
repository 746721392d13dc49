//! Names that metadata shows, and what the runbook and the source say of the library: definitions,
//! parameters, lists of providers.

use std::collections::{BTreeMap, BTreeSet};

use super::sight::{Sight, reinstalled};
use crate::base::text::count;
use crate::checks::finding::{Finding, Probe};
use crate::checks::reading::told;
use crate::domain::Refresh;
use crate::domain::names::Names;
use crate::domain::providers::{Catalogue, Definition, Provider};
use crate::engine::Failure;
use crate::runbook::{IomTable, Located, Secret, Word as _};

/// Judges names, and the library as far as step 6 needs it.
pub(super) fn ask(refresh: &Refresh, sight: &Sight) -> Vec<Finding> {
    let mut findings = vec![names(refresh)];
    if refresh.runbook.steps.reinstall_providers.skip.is_some() {
        return findings;
    }
    let options = &refresh.runbook.steps.reinstall_providers.options;
    let catalogue = told(&sight.catalogue);
    let probe = definitions_probe();
    findings.push(probe.settle(
        catalogue.clone().map(|catalogue| {
            definitions(&probe, &reinstalled(catalogue, &options.providers.value))
        }),
    ));
    findings.push(secrets(refresh));
    let probe = parameters_probe();
    findings.push(probe.settle(catalogue.clone().and_then(|catalogue| {
        let declared = declared(refresh, sight, catalogue)?;
        let place = |value: &Located<Secret>| refresh.runbook.place(value.span);
        Ok(parameters(&probe, &options.parameters, place, &declared))
    })));
    findings
}

/// Do the tables and columns that the steps use exist, under a name that was found?
fn names(refresh: &Refresh) -> Finding {
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
    let probe = Probe::new(
        "IOM's tables and columns are found in the source's metadata",
        "write the names that this tenant uses under `iom.tables` and `iom.columns`",
    )
    .wrong();
    match refresh.names.unread() {
        Some(failure) => probe.unread(failure.clone()),
        None => probe.none_of(&missing, "all found"),
    }
}

fn definitions_probe() -> Probe {
    Probe::new(
        "every provider to be reinstalled has an active definition in the library",
        "bring the definition back before the copy: without it the provider could not be reinstalled",
    )
}

/// Can every provider be installed again? Deleting one that cannot is the one mistake that nothing
/// mends.
fn definitions(probe: &Probe, again: &[(&Provider, Option<&Definition>)]) -> Finding {
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
    probe.none_of(&lost, &count(again.len(), "provider"))
}

/// Can every secret of the parameters be read now? In the middle of a run it would be too late.
fn secrets(refresh: &Refresh) -> Finding {
    let parameters = &refresh.runbook.steps.reinstall_providers.options.parameters;
    let each = parameters.iter().flat_map(|(definition, values)| {
        values.iter().map(move |(name, secret)| {
            let place = refresh.runbook.place(secret.span);
            (format!("{definition}.{name} ({place})"), &secret.value)
        })
    });
    secrets_judged(each, |secret| refresh.secret(secret).map(drop))
}

fn secrets_judged<'a>(
    secrets: impl Iterator<Item = (String, &'a Secret)>,
    read: impl Fn(&Secret) -> Result<(), Failure>,
) -> Finding {
    let probe = Probe::new(
        "every secret of `parameters` can be read",
        "set the variable or write the file before the run: the value is needed in the middle of it",
    )
    .wrong();
    let mut asked = 0;
    let missing: Vec<String> = secrets
        .inspect(|_| asked += 1)
        .filter_map(|(name, secret)| {
            let failure = read(secret).err()?;
            Some(format!("{name}: {}", failure.message))
        })
        .collect();
    probe.none_of(&missing, &format!("{asked} read"))
}

/// The parameters that each definition declares, by logical names in lower case.
type Declared = BTreeMap<String, BTreeSet<String>>;

fn declared(refresh: &Refresh, sight: &Sight, catalogue: &Catalogue) -> Result<Declared, Failure> {
    let names = Names::of(refresh);
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
    for row in told(&sight.parameters)?.values() {
        let definition = names
            .lookup(row, "provider-definition-parameter.definition")?
            .and_then(|id| catalogue.definitions.get(&id));
        let name = names.text(row, "provider-definition-parameter.logical-name")?;
        if let (Some(definition), Some(name)) = (definition, name) {
            declared
                .entry(definition.logical_name.to_ascii_lowercase())
                .or_default()
                .insert(name.to_ascii_lowercase());
        }
    }
    Ok(declared)
}

fn parameters_probe() -> Probe {
    Probe::new(
        "every key of `parameters` names a definition and a parameter of the library",
        "correct the key: a value under a wrong name would never be set",
    )
    .wrong()
}

fn parameters<T>(
    probe: &Probe,
    written: &BTreeMap<String, BTreeMap<String, T>>,
    place: impl Fn(&T) -> String,
    declared: &Declared,
) -> Finding {
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
    probe.none_of(&unknown, "all do")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::finding::Verdict;
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
            definitions(&definitions_probe(), &[(&provider, definition)])
        };
        assert_eq!(of(Some(&definition(true))).verdict, Verdict::Pass);
        let inactive = of(Some(&definition(false)));
        assert_eq!(inactive.verdict, Verdict::Fail);
        assert_eq!(inactive.read, "'F&O': 'msdyn_finops' is not active");
        assert_eq!(of(None).verdict, Verdict::Fail);
    }

    #[test]
    fn a_secret_that_is_missing_is_named_and_none_is_shown() {
        let secret = Secret::Variable("HASH".to_owned());
        let ask = |readable: bool| {
            let one = [("msdyn_bigcommerce.hash".to_owned(), &secret)];
            secrets_judged(one.into_iter(), |secret| {
                if readable {
                    Ok(())
                } else {
                    Err(Failure::failed(format!("{} is not set", secret.place())))
                }
            })
        };
        assert_eq!(ask(true).verdict, Verdict::Pass);
        let finding = ask(false);
        assert_eq!(finding.verdict, Verdict::Fail);
        assert_eq!(finding.kind, crate::engine::FailureKind::Wrong);
        assert!(
            finding.read.starts_with("msdyn_bigcommerce.hash: "),
            "{}",
            finding.read
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
                &parameters_probe(),
                &written,
                |_| "x.yaml:1:1".to_owned(),
                &declared,
            )
        };
        assert_eq!(of("msdyn_Avalara", "CompanyCode").verdict, Verdict::Pass);
        let wrong = of("msdyn_avalara", "company");
        assert_eq!(wrong.verdict, Verdict::Fail);
        assert_eq!(
            wrong.read,
            "'msdyn_avalara' has no parameter 'company' (x.yaml:1:1), but companycode"
        );
        assert_eq!(of("msdyn_avalra", "companycode").verdict, Verdict::Fail);
    }
}
