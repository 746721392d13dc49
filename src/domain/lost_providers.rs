//! Providers that step 6 deletes and does not reinstall. Microsoft's guide deletes every installed
//! provider and reinstalls the required ones (*Copy environments*, step 6): those that were active,
//! or those that the runbook lists. Nothing brings the others back, so whoever approves the
//! deletion reads which they are, and why.

use super::providers::{Provider, ProviderDefinition};
use crate::base::text::{count, escape};
use crate::engine::Plan;
use crate::runbook::ProviderChoice;

/// Does the runbook want the provider of this definition to be reinstalled?
pub(crate) fn is_wanted(choice: &ProviderChoice, definition: Option<&ProviderDefinition>) -> bool {
    match choice {
        ProviderChoice::PreviouslyActive => true,
        ProviderChoice::Definitions(names) => definition.is_some_and(|definition| {
            let mut names = names.iter();
            names.any(|name| name.value.eq_ignore_ascii_case(&definition.logical_name))
        }),
    }
}

/// Why a deleted provider is not reinstalled; none if it is.
pub(crate) fn why_lost(
    choice: &ProviderChoice,
    provider: &Provider,
    definition: Option<&ProviderDefinition>,
) -> Option<String> {
    if !provider.active {
        return Some("it is not active".to_owned());
    }
    if is_wanted(choice, definition) {
        return None;
    }
    let what = definition.map_or_else(
        || "it has no definition".to_owned(),
        |definition| format!("the runbook does not list `{}`", definition.logical_name),
    );
    Some(what)
}

const DELETE: &str = "delete provider ";
const LOST: &str = " (not reinstalled: ";

/// The name of the change that deletes a provider, with the reason if it is not reinstalled.
pub(crate) fn deletion_name(provider: &str, why_lost: Option<&str>) -> String {
    let why = why_lost.map(|why| format!("{LOST}{why})"));
    format!("{DELETE}'{provider}'{}", why.unwrap_or_default())
}

/// The providers that a plan deletes and does not reinstall, each with the reason:
/// `'BigCommerce 1' (it is not active)`.
pub(crate) fn lost_in_plan(plan: &Plan) -> Vec<String> {
    let changes = plan.steps.iter().flat_map(|step| &step.changes);
    changes
        .filter(|change| change.key.starts_with("provider/") && change.key.ends_with("/delete"))
        .filter_map(|change| {
            let (provider, why) = change.name.strip_prefix(DELETE)?.rsplit_once(LOST)?;
            Some(format!("{provider} ({why}"))
        })
        .collect()
}

/// `1 provider is deleted and not reinstalled: 'BigCommerce 1' (it is not active)`; none for none.
pub(crate) fn lost_line(lost: &[String]) -> Option<String> {
    let verb = match lost.len() {
        0 => return None,
        1 => "is",
        _ => "are",
    };
    Some(format!(
        "{} {verb} deleted and not reinstalled: {}",
        count(lost.len(), "provider"),
        escape(&lost.join(", "))
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::domain::keys;

    #[test]
    fn a_plan_names_the_providers_that_nothing_brings_back() {
        let change = |key: String, name: String| {
            json!({
                "phase": "delete", "key": key, "kind": "remove", "name": name, "before": null,
                "after": null, "destructive": true, "expected-seconds": 1,
            })
        };
        let delete = |number: u128, name: &str, why: Option<&str>| {
            let key = keys::provider_delete(Uuid::from_u128(number));
            change(key, deletion_name(name, why))
        };
        let plan = |changes: &[serde_json::Value]| Plan {
            steps: serde_json::from_value(json!([
                { "name": "reinstall-providers", "changes": changes }
            ]))
            .unwrap(),
        };
        let again = delete(1, "FedEx", None);
        assert_eq!(
            lost_line(&lost_in_plan(&plan(std::slice::from_ref(&again)))),
            None
        );
        let lost = lost_in_plan(&plan(&[
            again,
            delete(2, "Copy (not reinstalled: x)", Some("it is not active")),
            delete(3, "B", Some("the runbook does not list `msdyn_b`")),
            change("other".to_owned(), deletion_name("C", Some("no"))),
        ]));
        assert_eq!(
            lost_line(&lost).unwrap(),
            "2 providers are deleted and not reinstalled: 'Copy (not reinstalled: x)' (it is not \
             active), 'B' (the runbook does not list `msdyn_b`)"
        );
    }

    #[test]
    fn an_active_provider_that_the_runbook_wants_is_not_lost() {
        let definition = ProviderDefinition {
            id: Uuid::from_u128(7),
            logical_name: "msdyn_fedex".to_owned(),
            name: "FedEx".to_owned(),
            active: true,
        };
        let why = |choice: &ProviderChoice, active: bool| {
            let provider = Provider {
                id: Uuid::from_u128(1),
                name: "FedEx".to_owned(),
                definition: Some(definition.id),
                active,
            };
            why_lost(choice, &provider, Some(&definition))
        };
        let listed = ProviderChoice::Definitions(Vec::new());
        assert_eq!(why(&ProviderChoice::PreviouslyActive, true), None);
        assert_eq!(
            why(&ProviderChoice::PreviouslyActive, false).as_deref(),
            Some("it is not active")
        );
        assert_eq!(
            why(&listed, true).as_deref(),
            Some("the runbook does not list `msdyn_fedex`")
        );
    }
}
