//! A finished run, reopened for one provider (`--again`). `plan` uses it for `run --dry-run
//! --again`.

use std::sync::Arc;

use crate::cli::actor::current_actor;
use crate::cli::did_you_mean;
use crate::domain::RefreshContext;
use crate::engine::{Failure, FailureKind};
use crate::journal::{Reopened, State};
use crate::runbook::Keyword as _;
use crate::steps::{self, LibraryDefinition};

/// The record that reopens steps 5 to 7 for one provider, which is given by the logical name or the
/// display name of its definition: what they remove is sealed and confirmed again. `None` if this run
/// was reopened for that provider and has not finished since. Fails if the run has not finished, and
/// with exit code 3 if no provider of this definition is installed.
pub(in crate::cli) async fn reopen(
    refresh: &Arc<RefreshContext>,
    state: &State,
    provider: &str,
) -> Result<Option<Reopened>, Failure> {
    if state.finished.is_none() {
        let Some(last) = state.reopened.last() else {
            return Err(not_finished());
        };
        if last.provider.eq_ignore_ascii_case(provider) {
            return Ok(None);
        }
        // The provider itself may be deleted by now; its definition stays.
        let library = steps::library_definitions(refresh).await?;
        return if has_display_name(&library, &last.provider, provider) {
            Ok(None)
        } else {
            Err(not_finished())
        };
    }
    let mut installed = steps::library_definitions(refresh).await?;
    installed.retain(|definition| definition.installed > 0);
    let Some(name) = find_installed(&installed, provider) else {
        let names = installed.iter().map(|it| it.logical_name.as_str());
        let names: Vec<&str> = names.collect();
        return Err(Failure::new(
            FailureKind::InvalidInput,
            format!(
                "no provider of the definition '{provider}' is installed in '{}'",
                refresh.runbook.target.name.value
            ),
        )
        .with_help(did_you_mean::advice(provider, &names, "installed")));
    };
    Ok(Some(Reopened {
        provider: name.to_owned(),
        seals: steps::SEALS_OF_A_REINSTALLATION.map(str::to_owned).to_vec(),
        steps: steps::STEPS_OF_A_REINSTALLATION
            .map(|step| step.keyword().to_owned())
            .to_vec(),
        who: current_actor(),
    }))
}

/// Finds an installed definition by its logical name, or by its display name if only one installed
/// provider has it. Returns the logical name.
fn find_installed<'a>(installed: &'a [LibraryDefinition], given: &str) -> Option<&'a str> {
    let by_logical_name = installed
        .iter()
        .find(|definition| definition.logical_name.eq_ignore_ascii_case(given));
    if let Some(definition) = by_logical_name {
        return Some(&definition.logical_name);
    }
    let mut named = installed
        .iter()
        .filter(|definition| is_same_name(&definition.name, given));
    match (named.next(), named.next()) {
        (Some(definition), None) if definition.installed == 1 => Some(&definition.logical_name),
        _ => None,
    }
}

/// Does the definition with this logical name have this display name?
fn has_display_name(library: &[LibraryDefinition], logical_name: &str, given: &str) -> bool {
    library.iter().any(|definition| {
        definition.logical_name.eq_ignore_ascii_case(logical_name)
            && is_same_name(&definition.name, given)
    })
}

fn is_same_name(name: &str, given: &str) -> bool {
    name.to_lowercase() == given.to_lowercase()
}

/// The state after this record.
pub(in crate::cli) fn state_after(
    state: &State,
    reopened: &Reopened,
) -> Result<Arc<State>, Failure> {
    let state = state.as_reopened(reopened);
    state
        .map(Arc::new)
        .map_err(|error| Failure::refused(error.to_string()))
}

/// Refuses `--again` unless the run has finished, or was reopened for a provider.
pub(super) fn require_finished(state: Option<&State>) -> Result<(), Failure> {
    let is_ready = |state: &State| state.finished.is_some() || !state.reopened.is_empty();
    if state.is_some_and(is_ready) {
        Ok(())
    } else {
        Err(not_finished())
    }
}

/// The refusal of `--again` for a run that has not finished.
pub(in crate::cli) fn not_finished() -> Failure {
    Failure::refused("this run has not finished; --again needs a finished run")
        .with_help("run without --again first")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition(logical_name: &str, name: &str, installed: usize) -> LibraryDefinition {
        LibraryDefinition {
            logical_name: logical_name.to_owned(),
            name: name.to_owned(),
            installed,
        }
    }

    #[test]
    fn a_definition_is_meant_by_its_logical_name_or_by_a_display_name_that_one_provider_has() {
        let installed = [
            definition("msdyn_fedex", "FedEx", 1),
            definition("msdyn_ups", "UPS", 2),
            definition("msdyn_shop", "Shop", 1),
            definition("new_shop", "shop", 1),
        ];
        for (given, meant) in [
            ("msdyn_fedex", Some("msdyn_fedex")),
            ("MSDYN_UPS", Some("msdyn_ups")),
            ("FedEx", Some("msdyn_fedex")),
            ("fedex", Some("msdyn_fedex")),
            // Two providers have it.
            ("UPS", None),
            ("Shop", None),
            ("Fed", None),
            ("", None),
        ] {
            assert_eq!(find_installed(&installed, given), meant, "{given}");
        }
    }

    #[test]
    fn a_reinstallation_is_resumed_by_the_display_name_too() {
        // Its provider is deleted at this moment.
        let library = [
            definition("msdyn_fedex", "FedEx", 0),
            definition("msdyn_ups", "UPS", 1),
        ];
        assert!(has_display_name(&library, "msdyn_fedex", "fedex"));
        assert!(!has_display_name(&library, "msdyn_fedex", "UPS"));
        assert!(!has_display_name(&library, "msdyn_other", "FedEx"));
    }
}
