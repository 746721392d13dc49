//! The providers that the seal holds, and which of them are reinstalled.

use std::collections::BTreeSet;

use uuid::Uuid;

use crate::domain::lost_providers::is_wanted;
use crate::domain::providers::{Catalogue, Provider, ProviderDefinition};
use crate::domain::sealed_orchestrations::{
    old_catalogue, recorded_orchestrations, without_successor,
};
use crate::domain::seals::Part;
use crate::domain::{RefreshContext, keys};
use crate::engine::{Failure, JournalView};

/// The providers that were installed when the seal was made.
pub(super) struct OldProviders {
    pub(super) ids: BTreeSet<Uuid>,
    /// Everything that the seal holds.
    pub(super) catalogue: Catalogue,
    /// The providers to reinstall with their definitions, ordered by logical name.
    pub(super) to_reinstall: Vec<(Provider, ProviderDefinition)>,
}

impl OldProviders {
    /// Reads them from the seal.
    ///
    /// # Errors
    ///
    /// Fails if a provider could not be reinstalled.
    pub(super) fn recorded(
        refresh: &RefreshContext,
        journal: &JournalView,
    ) -> Result<Self, Failure> {
        let catalogue = Catalogue::sealed(&refresh.names, journal, Part::Providers)?;
        let options = &refresh.runbook.steps.reinstall_providers.options;
        let mut to_reinstall = Vec::new();
        for provider in catalogue.providers.values().filter(|p| p.active) {
            let definition = catalogue.definition_of(provider);
            if !is_wanted(&options.providers.value, definition) {
                continue;
            }
            match definition {
                Some(definition) if definition.active => {
                    if !is_accepted(refresh, definition) {
                        return Err(not_accepted(provider, definition));
                    }
                    to_reinstall.push((provider.clone(), definition.clone()));
                }
                _ => return Err(not_installable(provider, definition)),
            }
        }
        to_reinstall.sort_by(|(_, one), (_, other)| one.logical_name.cmp(&other.logical_name));
        let ids = catalogue.provider_ids();
        Ok(Self {
            ids,
            catalogue,
            to_reinstall,
        })
    }

    /// The definition of the new instance that replaces a provider, if there is one.
    pub(super) fn reinstalled_as(&self, provider: Uuid) -> Option<&ProviderDefinition> {
        let provider = self.catalogue.providers.get(&provider)?;
        self.to_reinstall
            .iter()
            .map(|(_, definition)| definition)
            .find(|definition| Some(definition.id) == provider.definition)
    }

    /// Refuses the deletion if an orchestration uses an action that nothing would replace.
    /// Preflight has checked the source; this checks what was recorded. Once a provider is deleted,
    /// a refusal protects nothing.
    pub(super) fn require_successors(
        &self,
        refresh: &RefreshContext,
        journal: &JournalView,
        now: &Catalogue,
    ) -> Result<(), Failure> {
        let is_deleted = |id: &Uuid| journal.maker(&keys::provider_delete(*id)).is_some();
        let restore = &refresh.runbook.steps.restore_provider_actions;
        // A plan refuses nothing: the run first asks a person for the providers that vanished.
        let is_exempt = restore.skip.is_some() || journal.is_planning();
        if is_exempt || self.ids.iter().any(is_deleted) {
            return Ok(());
        }
        let again = self.to_reinstall.iter().map(|(_, definition)| definition);
        let installed = now
            .definitions
            .values()
            .filter(|definition| now.new_instance(definition.id, &self.ids).is_some());
        let again: BTreeSet<String> = again
            .chain(installed)
            .map(|definition| definition.logical_name.to_ascii_lowercase())
            .collect();
        let used = old_catalogue(&refresh.names, journal)?;
        let mut lost = Vec::new();
        for found in recorded_orchestrations(&refresh.names, journal, &used)? {
            lost.extend(without_successor(&found.name, &found.slots, &used, &again));
        }
        if lost.is_empty() {
            return Ok(());
        }
        Err(Failure::refused(format!(
            "orchestrations use actions of providers that would not be reinstalled: {}",
            lost.join("; ")
        ))
        .with_help(
            "nothing was deleted; add the definitions to `providers` of reinstall-providers, or \
             install and activate these providers in the app, then run again",
        ))
    }

    /// Each provider to reinstall with its definition, and the new instance if it exists.
    pub(super) fn instances<'a>(
        &'a self,
        now: &'a Catalogue,
    ) -> impl Iterator<Item = (&'a Provider, &'a ProviderDefinition, Option<&'a Provider>)> {
        self.to_reinstall.iter().map(move |(old, definition)| {
            (old, definition, now.new_instance(definition.id, &self.ids))
        })
    }
}

/// Are a definition's terms accepted? A runbook that lists none leaves them to the user who
/// installs.
fn is_accepted(refresh: &RefreshContext, definition: &ProviderDefinition) -> bool {
    let options = &refresh.runbook.steps.reinstall_providers.options;
    let terms = &options.accept_terms;
    terms.is_empty()
        || terms
            .iter()
            .any(|name| name.value.eq_ignore_ascii_case(&definition.logical_name))
}

/// Who accepted the terms that the runbook lists: the user that this program acts as. None if it
/// lists none.
pub(super) fn terms_accepted_by(refresh: &RefreshContext) -> Option<String> {
    let options = &refresh.runbook.steps.reinstall_providers.options;
    if options.accept_terms.is_empty() {
        return None;
    }
    let person = refresh.runbook.act_as_name().map(str::to_owned);
    let application = || {
        let id = refresh.caller.application.as_ref()?;
        Some(format!("application {id}"))
    };
    Some(
        person
            .or_else(application)
            .unwrap_or_else(|| "the user who ran this runbook".to_owned()),
    )
}

fn not_accepted(provider: &Provider, definition: &ProviderDefinition) -> Failure {
    let definition = &definition.logical_name;
    Failure::refused(format!(
        "provider '{}' could not be reinstalled: the terms of its definition '{definition}' are \
         not accepted",
        provider.name
    ))
    .with_help(format!(
        "nothing was deleted; read its terms in the library, then add `{definition}` to \
         `accept-terms` of reinstall-providers"
    ))
}

fn not_installable(provider: &Provider, definition: Option<&ProviderDefinition>) -> Failure {
    let why = match definition {
        Some(definition) => format!("its definition '{}' is not active", definition.logical_name),
        None => "it has no definition in the library".to_owned(),
    };
    Failure::refused(format!(
        "provider '{}' could not be reinstalled: {why}",
        provider.name
    ))
    .with_help(
        "nothing was deleted; restore the definition (install the solution that contains it, set \
         'Is Active' to Yes), or name the providers to reinstall in the runbook",
    )
}
