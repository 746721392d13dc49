//! Are all providers complete, and are the flows of deleted providers off?

use std::collections::BTreeSet;

use uuid::Uuid;

use super::snapshot::Snapshot;
use crate::base::text::count;
use crate::checks::check::{Check, Remedy};
use crate::checks::check_result::CheckResult;
use crate::checks::table_reads::{Rows, available};
use crate::domain::containment::Policy;
use crate::domain::failure::unless_interrupted;
use crate::domain::flows::{Deployer, deployer, is_deployed_by, is_on};
use crate::domain::provider_rows::{
    NamedRows, PARAMETER, RowKind, RowsByName, TRANSFORMATION, by_name,
};
use crate::domain::provider_settings::{left_as_installed, source_providers, takes_production};
use crate::domain::providers::{Catalogue, Provider};
use crate::domain::seals::{self, Part};
use crate::domain::view::View;
use crate::domain::{RefreshContext, flows};
use crate::engine::{Failure, JournalView};
use crate::runbook::{IomTable, Keyword as _};

/// Checks actions, deployed flows and settings.
pub(super) async fn run_checks(
    refresh: &RefreshContext,
    snapshot: &Snapshot,
    journal: Option<&JournalView>,
) -> Result<Vec<CheckResult>, Failure> {
    let runbook = refresh.runbook.as_argument();
    let whole = Check::new(
        "every active provider has an action for each action of its definition",
        "active providers lack actions of their definitions",
        "wait six minutes after an activation and verify again; then activate the provider again \
         (IOM app > Providers > Installed)",
    );
    let on = Check::new(
        "the flows that active providers deployed are on",
        "flows that active providers deployed are off",
        "turn them on in the maker portal (Solutions > Cloud flows)",
    );
    let orphans = Check::new(
        "no flow of a provider that is gone is on",
        "flows of deleted providers are on",
        "turn it off: it may process each message a second time",
    );
    let options = &refresh.runbook.steps.activate_flows.options;
    let excepted = |id: Uuid, name: &str| {
        options
            .except
            .iter()
            .any(|pattern| flows::is_named(&pattern.value, id, name))
    };
    let old: BTreeSet<Uuid> = journal
        .map(|journal| seals::rows(journal, Part::Providers, IomTable::Provider.keyword()))
        .unwrap_or_default()
        .into_iter()
        .map(|(id, _)| id)
        .collect();
    let catalogue = available(&snapshot.catalogue);
    let mut results = vec![
        whole.settle(
            catalogue
                .clone()
                .map(|catalogue| actions(&whole, &runbook, catalogue)),
        ),
        on.settle(
            catalogue
                .clone()
                .and_then(|c| Ok(deployed(&on, c, available(&snapshot.flows)?, excepted))),
        ),
        orphans.settle(
            catalogue.and_then(|c| Ok(orphaned(&orphans, c, available(&snapshot.flows)?, &old))),
        ),
    ];
    // Production's values as the refresh recorded them, also after a provider was reinstalled.
    if let Some(journal) = journal.map(|journal| journal.clone().before_reopening()) {
        results.push(parameters(refresh, snapshot, &journal).await?);
        results.push(transformations(refresh, snapshot, &journal).await?);
    }
    Ok(results)
}

/// The settings of one kind in production.
struct Production {
    rows: RowsByName,
    /// The same with the values that the library gives them.
    shipped: RowsByName,
}

impl Production {
    /// As step 6 recorded them; if it recorded none, as they are now.
    async fn read(
        kind: &RowKind,
        refresh: &RefreshContext,
        journal: &JournalView,
    ) -> Result<Self, Failure> {
        let names = &refresh.names;
        let source = source_providers(refresh, journal).await?;
        let rows = kind.production_rows(names, journal, &source)?;
        if !rows.is_empty() {
            let shipped = kind.shipped_rows(names, journal, &source)?;
            return Ok(Self { rows, shipped });
        }
        let view = View::AsIs(&refresh.source.dataverse);
        let now = NamedRows::read(kind, refresh, view).await?;
        Ok(Self {
            rows: now.by_name(|it| it.active),
            shipped: now.shipped_by_name(kind, names)?,
        })
    }
}

/// Which parameters were not taken from production and still have no value?
async fn parameters(
    refresh: &RefreshContext,
    snapshot: &Snapshot,
    journal: &JournalView,
) -> Result<CheckResult, Failure> {
    let check = Check::new(
        "every provider parameter that has a value in production has one",
        "provider parameters were not taken from production, and have no value",
        "set it if order management needs it (IOM app > Providers > Installed > Parameters); for the \
         next refresh write it under `parameters` of reinstall-providers",
    );
    let names = &refresh.names;
    let production = unless_interrupted(Production::read(&PARAMETER, refresh, journal).await)?;
    let answer = available(&snapshot.catalogue).and_then(|catalogue| {
        let rows = available(&snapshot.parameters)?.clone();
        let logical_names = PARAMETER.logical_names(names, journal, Part::Providers);
        let now = by_name(
            catalogue,
            &logical_names,
            &PARAMETER.parse(names, rows)?,
            |provider| provider.active,
        );
        Ok(judge_parameters(&check, &production?.rows, &now))
    });
    Ok(check.settle(answer))
}

/// Which transformations were not taken from production and still have the library's text?
async fn transformations(
    refresh: &RefreshContext,
    snapshot: &Snapshot,
    journal: &JournalView,
) -> Result<CheckResult, Failure> {
    let check = Check::new(
        "no provider transformation has the library's text where production has its own",
        "provider transformations were not taken from production, and have the library's text",
        "set it if order management needs it (IOM app > Providers > Installed > Transformations)",
    );
    let (names, kind) = (&refresh.names, &TRANSFORMATION);
    let policy = Policy::from_runbook(&refresh.runbook);
    let production = unless_interrupted(Production::read(kind, refresh, journal).await)?;
    let answer = available(&snapshot.catalogue).and_then(|catalogue| {
        let rows = available(&snapshot.transformations)?.clone();
        let logical_names = kind.logical_names(names, journal, Part::Providers);
        let rows = kind.parse(names, rows)?;
        let now = by_name(catalogue, &logical_names, &rows, |provider| provider.active);
        let Production {
            rows: production,
            shipped,
        } = production?;
        // A value that the target had, or that the runbook takes, is a change that is still to do.
        let own = kind.target_values(names, journal, |provider| provider.active)?;
        let left = left_as_installed(&production, &shipped, &now).filter(|at| {
            !own.contains_key(*at) && takes_production(&policy, &at.0, &at.1).is_none()
        });
        let left: Vec<String> = left
            .map(|(definition, name)| format!("'{name}' of '{definition}'"))
            .collect();
        Ok(check.warn_of(&left, &count(now.len(), "transformation")))
    });
    Ok(check.settle(answer))
}

fn judge_parameters(check: &Check, production: &RowsByName, now: &RowsByName) -> CheckResult {
    let unset: Vec<String> = now
        .iter()
        .filter(|(at, (_, value))| {
            let had = production.get(*at);
            value.is_none() && had.is_some_and(|(_, value)| value.is_some())
        })
        .map(|((definition, name), _)| format!("'{name}' of '{definition}'"))
        .collect();
    check.warn_of(&unset, &count(now.len(), "parameter"))
}

fn active(catalogue: &Catalogue) -> impl Iterator<Item = &Provider> {
    catalogue.providers.values().filter(|p| p.active)
}

fn actions(check: &Check, runbook: &str, catalogue: &Catalogue) -> CheckResult {
    let mut lacking = Vec::new();
    let mut wrong = None;
    for provider in active(catalogue) {
        let Some(definition) = provider.definition else {
            lacking.push(format!("'{}' has no definition", provider.name));
            continue;
        };
        let has = catalogue.actions_of(provider.id);
        for missing in catalogue.expected_actions(definition).difference(&has) {
            lacking.push(format!("'{}' lacks '{missing}'", provider.name));
            wrong = wrong.or_else(|| catalogue.definition_of(provider));
        }
    }
    let check = match wrong {
        Some(definition) => &check.clone().if_failed(Remedy::Reinstall {
            runbook: runbook.to_owned(),
            definition: definition.logical_name.clone(),
        }),
        None => check,
    };
    check.none_of(&lacking, &count(active(catalogue).count(), "provider"))
}

fn deployed(
    check: &Check,
    catalogue: &Catalogue,
    flows: &Rows,
    excepted: impl Fn(Uuid, &str) -> bool,
) -> CheckResult {
    let mut off = Vec::new();
    let mut without = Vec::new();
    let mut seen = 0;
    for provider in active(catalogue) {
        let ids = BTreeSet::from([provider.id]);
        let before = seen;
        for (id, row) in flows {
            let name = flows::name(*id, row);
            if !is_deployed_by(&name, &ids) {
                continue;
            }
            seen += 1;
            if !is_on(row) && !excepted(*id, &name) {
                off.push(format!("'{name}' of '{}'", provider.name));
            }
        }
        let acts = provider
            .definition
            .is_some_and(|definition| !catalogue.expected_actions(definition).is_empty());
        if acts && seen == before {
            without.push(format!("'{}' has no deployed flow", provider.name));
        }
    }
    if off.is_empty() && seen == 0 && !without.is_empty() {
        // This tenant may name deployed flows differently.
        return check.unknown("no flow's name holds the id of a provider");
    }
    off.extend(without);
    check.none_of(&off, &format!("{seen} flows"))
}

fn orphaned(
    check: &Check,
    catalogue: &Catalogue,
    flows: &Rows,
    old: &BTreeSet<Uuid>,
) -> CheckResult {
    let mut sure = Vec::new();
    let mut perhaps = Vec::new();
    for (id, row) in flows.iter().filter(|(_, row)| is_on(row)) {
        let name = flows::name(*id, row);
        match deployer(&name) {
            Some(Deployer::Surely(id) | Deployer::Perhaps(id))
                if catalogue.providers.contains_key(&id) => {}
            Some(Deployer::Surely(_)) => sure.push(format!("'{name}'")),
            Some(Deployer::Perhaps(id)) if old.contains(&id) => sure.push(format!("'{name}'")),
            Some(Deployer::Perhaps(_)) => perhaps.push(format!("'{name}' may belong to one")),
            None => {}
        }
    }
    if sure.is_empty() {
        return check.warn_of(&perhaps, &count(flows.len(), "cloud flow"));
    }
    sure.extend(perhaps);
    check.fail(crate::checks::check::named(&sure))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::providers::{LogicDefinition, ProviderAction};
    use crate::domain::verdict::Verdict;
    use serde_json::json;

    const PROVIDER: Uuid = Uuid::from_u128(0x10);
    const GONE: Uuid = Uuid::from_u128(0x11);
    const DEFINITION: Uuid = Uuid::from_u128(0x20);
    const LOGIC: Uuid = Uuid::from_u128(0x30);
    const ACTION: Uuid = Uuid::from_u128(0x40);

    fn catalogue(with_action: bool) -> Catalogue {
        let mut catalogue = Catalogue::default();
        catalogue.providers.insert(
            PROVIDER,
            Provider {
                id: PROVIDER,
                name: "F&O".to_owned(),
                definition: Some(DEFINITION),
                active: true,
            },
        );
        catalogue.logic.insert(
            LOGIC,
            LogicDefinition {
                logical_name: "send".to_owned(),
                definition: Some(DEFINITION),
                is_action: true,
            },
        );
        if with_action {
            catalogue.actions.insert(
                ACTION,
                ProviderAction {
                    id: ACTION,
                    name: "Send".to_owned(),
                    provider: Some(PROVIDER),
                    logic: Some(LOGIC),
                },
            );
        }
        catalogue
    }

    fn flows(flows: &[(&str, i64)]) -> Rows {
        let row = |(n, (name, state)): (usize, &(&str, i64))| {
            let value = json!({"name": name, "statecode": state});
            (
                Uuid::from_u128(n as u128),
                value.as_object().unwrap().clone(),
            )
        };
        flows.iter().enumerate().map(row).collect()
    }

    fn check() -> Check {
        Check::new("whole", "a problem", "reinstall")
    }

    #[test]
    fn an_active_provider_has_every_action_of_its_definition() {
        assert_eq!(
            actions(&check(), "uat.yaml", &catalogue(true)).verdict,
            Verdict::Pass
        );
        let half = actions(&check(), "uat.yaml", &catalogue(false));
        assert_eq!(
            (half.verdict, half.found.as_str()),
            (Verdict::Fail, "'F&O' lacks 'send'")
        );
    }

    #[test]
    fn a_parameter_that_was_not_taken_is_named_until_it_has_a_value() {
        let rows = |value: Option<&str>| {
            let at = ("msdyn_fedex".to_owned(), "key".to_owned());
            RowsByName::from([(at, (Uuid::nil(), value.map(str::to_owned)))])
        };
        let of = |production, now| judge_parameters(&check(), &rows(production), &rows(now));
        let unset = of(Some("prod"), None);
        assert_eq!(
            (unset.label(), unset.found.as_str()),
            ("warning", "'key' of 'msdyn_fedex'")
        );
        assert!(!unset.found.contains("prod"));
        assert_eq!(of(Some("prod"), Some("uat")).verdict, Verdict::Pass);
        assert_eq!(of(None, None).verdict, Verdict::Pass);
    }

    #[test]
    fn flows_of_a_provider_are_on_unless_the_runbook_excepts_them() {
        let name = format!("iom_{PROVIDER}_send");
        let of = |rows: &[(&str, i64)], excepted: bool| {
            deployed(&check(), &catalogue(true), &flows(rows), |_, _| excepted).verdict
        };
        assert_eq!(of(&[(&name, 1)], false), Verdict::Pass);
        assert_eq!(of(&[(&name, 0)], false), Verdict::Fail);
        assert_eq!(of(&[(&name, 0)], true), Verdict::Pass);
        assert_eq!(of(&[("Other", 1)], false), Verdict::Unknown);
        let mut two = catalogue(true);
        let mut second = two.providers[&PROVIDER].clone();
        second.id = GONE;
        two.providers.insert(GONE, second);
        let result = deployed(&check(), &two, &flows(&[(&name, 1)]), |_, _| false);
        assert_eq!(result.verdict, Verdict::Fail);
    }

    #[test]
    fn an_enabled_flow_of_a_deleted_provider_is_an_orphan() {
        let of = |name: &str, state: i64, old: &[Uuid]| {
            let old = old.iter().copied().collect();
            orphaned(&check(), &catalogue(true), &flows(&[(name, state)]), &old).verdict
        };
        assert_eq!(of(&format!("iom_{PROVIDER}_send"), 1, &[]), Verdict::Pass);
        assert_eq!(of(&format!("iom_{GONE}_send"), 1, &[]), Verdict::Fail);
        assert_eq!(of(&format!("iom_{GONE}_send"), 0, &[]), Verdict::Pass);
        assert_eq!(of(&format!("Send ({GONE})"), 1, &[]), Verdict::Unknown);
        assert_eq!(of(&format!("Send ({GONE})"), 1, &[GONE]), Verdict::Fail);
    }
}
