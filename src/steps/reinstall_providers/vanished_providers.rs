//! Phase `vanished`: providers that were active when the copy was made and are not there any more.
//!
//! Step 6 installs again what the seal holds. What somebody deleted or deactivated between the copy
//! and the seal would be silently missing afterwards, so a person is asked.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::try_join;

use super::old_providers::OldProviders;
use super::settings::{CHECKED, has_deleted_none};
use super::shared_readings::Shared;
use crate::domain::lost_providers::is_wanted;
use crate::domain::manual_change::ManualChange;
use crate::domain::providers::{Catalogue, Provider, ProviderDefinition};
use crate::domain::seals::Part;
use crate::domain::{keys, seals};
use crate::engine::{Change, Failure, JournalView, Survey};

/// Finds active providers of the source that the seal `providers` and the target lack.
pub(super) struct Vanished(pub(super) Arc<Shared>);

#[async_trait]
impl Survey for Vanished {
    async fn survey(&self, journal: &JournalView) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0.refresh;
        self.0.forget();
        // `--again` reinstalls one installed provider, so this phase has nothing to ask then.
        if !journal.has_seal(seals::PROVIDERS) || journal.reinstalled_definition().is_some() {
            return Ok(Vec::new());
        }
        let source = Catalogue::sealed(&refresh.names, journal, Part::Source)?;
        // The tables and what else the deactivation checks, before anything is deleted.
        let is_checked = has_deleted_none(journal);
        let tables = if is_checked { &CHECKED[..] } else { &[] };
        let ahead = async {
            if is_checked {
                self.0.read_ahead(journal).await;
            }
            Ok::<_, Failure>(())
        };
        let ((old, present), ()) = try_join!(self.0.old_and_present(journal, tables), ahead)?;
        let choice = refresh.runbook.steps.provider_choice();
        let missing = vanished(&source, &old, &present.now);
        let missing = missing
            .into_iter()
            .filter(|(_, definition)| is_wanted(choice, Some(definition)));
        let changes: Vec<Change> = missing
            .map(|(provider, definition)| ask(&old, provider, definition))
            .collect();
        self.0.hand_on(journal, &changes, &present);
        Ok(changes)
    }
}

/// The providers that were active in the source, if neither the seal `providers` nor the target
/// now has an active provider of the same definition.
fn vanished<'a>(
    source: &'a Catalogue,
    old: &OldProviders,
    now: &Catalogue,
) -> Vec<(&'a Provider, &'a ProviderDefinition)> {
    let is_sealed = |definition: &ProviderDefinition| {
        let mut sealed = old.catalogue.providers.values();
        sealed.any(|provider| provider.active && provider.definition == Some(definition.id))
    };
    let is_there = |definition: &ProviderDefinition| {
        let instance = now.new_instance(definition.id, &old.ids);
        instance.is_some_and(|instance| instance.active)
    };
    source
        .providers
        .values()
        .filter(|provider| provider.active)
        .filter_map(|provider| Some((provider, source.definition_of(provider)?)))
        .filter(|(_, definition)| !is_sealed(definition) && !is_there(definition))
        .collect()
}

fn ask(old: &OldProviders, provider: &Provider, definition: &ProviderDefinition) -> Change {
    let (name, logical_name) = (&provider.name, &definition.logical_name);
    let before = if old.ids.contains(&provider.id) {
        json!({ "status": "Inactive" })
    } else {
        Value::Null
    };
    ManualChange {
        key: keys::provider_vanished(provider.id),
        name: format!(
            "install provider '{name}' of `{logical_name}`: it was active in the source and is {} in \
             the target",
            if before.is_null() { "missing" } else { "not active" }
        ),
        before,
        after: json!({ "status": "Active" }),
        instructions: vec![format!(
            "IOM app > Providers > Library > '{}': install it, set its parameters and connections, and \
             activate it; if the target should not have it, continue with `--waive \"reason\"`",
            definition.name
        )],
        evidence: "an active provider of each definition that was in use in the source".to_owned(),
    }
    .into_change()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use uuid::Uuid;

    use super::*;

    fn catalogue(providers: &[(u128, bool)]) -> Catalogue {
        let definition = Uuid::from_u128(1);
        let rows = providers.iter().map(|(id, active)| {
            let id = Uuid::from_u128(*id);
            let provider = Provider {
                id,
                name: "FedEx".to_owned(),
                definition: Some(definition),
                active: *active,
            };
            (id, provider)
        });
        let fedex = ProviderDefinition {
            id: definition,
            logical_name: "msdyn_fedex".to_owned(),
            name: "FedEx".to_owned(),
            active: true,
        };
        Catalogue {
            providers: rows.collect(),
            definitions: BTreeMap::from([(definition, fedex)]),
            ..Catalogue::default()
        }
    }

    /// How many providers are asked for. Takes those of the source, of the seal and of now.
    fn asked(source: &[(u128, bool)], sealed: &[(u128, bool)], now: &[(u128, bool)]) -> usize {
        let sealed = catalogue(sealed);
        let old = OldProviders {
            ids: sealed.provider_ids(),
            catalogue: sealed,
            to_reinstall: Vec::new(),
        };
        vanished(&catalogue(source), &old, &catalogue(now)).len()
    }

    #[test]
    fn a_provider_is_asked_for_until_a_new_instance_is_active() {
        let active = [(10, true)];
        assert_eq!(asked(&active, &active, &active), 0, "it is still there");
        assert_eq!(asked(&active, &active, &[]), 0, "step 6 has deleted it");
        assert_eq!(asked(&[(10, false)], &[], &[]), 0, "it was not active");
        assert_eq!(asked(&active, &[], &[]), 1, "it is gone");
        let inactive = [(10, false)];
        assert_eq!(asked(&active, &inactive, &inactive), 1, "it is not active");
        assert_eq!(asked(&active, &inactive, &active), 1, "the old one goes");
        assert_eq!(asked(&active, &[], &[(11, false)]), 1, "not active yet");
        assert_eq!(asked(&active, &[], &[(11, true)]), 0, "installed again");
    }
}
