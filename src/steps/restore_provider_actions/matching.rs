//! Which new action replaces an old one.
//!
//! A definition of the library and its logic definitions survive the reinstallation; an action does
//! not. So an old action is matched with a new one by its logic definition; if that row was
//! recreated, by the logical names of definition and logic definition; and if an action names no
//! logic definition, by its name or an alias. Only the new instance of the same definition is
//! searched, because a name can mean different actions in different providers. A person decides
//! what is still ambiguous.

use std::collections::BTreeSet;

use uuid::Uuid;

use crate::domain::RefreshContext;
use crate::domain::providers::{Catalogue, Provider, ProviderAction};
use crate::domain::sealed_orchestrations::old_catalogue;
use crate::domain::view::View;
use crate::engine::{Failure, JournalView};
use crate::runbook::RestoreProviderActions;

/// The names that Microsoft's own pages use for one action of the Finance and Operations provider
/// (*Copy environments that use Intelligent Order Management*, *Finance and operations integration
/// scenarios*, *Policy-based fulfillment*, and the release notes of July 2025).
const ALIASES: [(&str, &[&str]); 1] = [(
    "msdyn_finops_releaseordertosync",
    &[
        "Send for Fulfillment",
        "Send order to fulfillment",
        "Send sales order to fulfillment",
        "Release to Fulfillment",
    ],
)];

/// Finds the new action for an old one.
pub(super) struct ActionMatcher {
    /// The recorded providers and actions.
    pub(super) old: Catalogue,
    /// The present providers and actions.
    pub(super) new: Catalogue,
    /// Other names of actions, by the logic definition's logical name.
    aliases: Vec<(String, Vec<String>)>,
}

/// The result of a search for the new action.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Match {
    /// One action: its id and its name.
    One(Uuid, String),
    /// No action matches.
    None,
    /// These actions match equally well.
    Several(Vec<Uuid>),
}

impl ActionMatcher {
    pub(super) async fn read(
        refresh: &RefreshContext,
        journal: &JournalView,
        view: View<'_>,
    ) -> Result<Self, Failure> {
        Ok(Self {
            old: old_catalogue(&refresh.names, journal)?,
            new: Catalogue::read(refresh, view).await?,
            aliases: aliases(&refresh.runbook.steps.restore_provider_actions.options),
        })
    }

    /// The new action that replaces an old one, in words.
    pub(super) fn describe_replacement(&self, old_action: Uuid) -> Option<String> {
        Some(format!("new action of {}", self.old.described(old_action)?))
    }

    /// The id in the slot of an old action, in the same words.
    pub(super) fn describe(&self, old_action: Uuid, id: Uuid) -> Option<String> {
        if self.old.actions.contains_key(&id) {
            return self.old.described(id);
        }
        match self.replacement(old_action) {
            Match::One(replacement, _) if replacement == id => {
                self.describe_replacement(old_action)
            }
            _ => Some(format!("new action of {}", self.new.described(id)?)),
        }
    }

    /// The new instance of an old action's definition.
    pub(super) fn instance(&self, old_action: Uuid) -> Option<&Provider> {
        let definition = self.old.definition_of_action(old_action)?;
        let old = self.old.provider_ids();
        self.new.new_instance(definition.id, &old).or_else(|| {
            // The definition was imported again under another id.
            let same = self.new.definitions.values().find(|candidate| {
                candidate
                    .logical_name
                    .eq_ignore_ascii_case(&definition.logical_name)
            })?;
            self.new.new_instance(same.id, &old)
        })
    }

    /// The new action that replaces an old one.
    pub(super) fn replacement(&self, old_action: Uuid) -> Match {
        let (Some(old), Some(instance)) =
            (self.old.actions.get(&old_action), self.instance(old_action))
        else {
            return Match::None;
        };
        let candidates: Vec<&ProviderAction> = self
            .new
            .actions
            .values()
            .filter(|action| action.provider == Some(instance.id))
            .collect();
        let described = self.old.described_by_logic(old_action);
        let names = self.possible_names(old);
        let by_logic = |action: &ProviderAction| old.logic.is_some() && action.logic == old.logic;
        let by_logical_names = |action: &ProviderAction| {
            let new = self.new.described_by_logic(action.id);
            described
                .as_deref()
                .zip(new.as_deref())
                .is_some_and(|(one, other)| one.eq_ignore_ascii_case(other))
        };
        // A different logic definition outweighs an equal name.
        let by_name = |action: &ProviderAction| {
            (old.logic.is_none() || action.logic.is_none())
                && names.contains(&action.name.to_lowercase())
        };
        let tiers: [&dyn Fn(&ProviderAction) -> bool; 3] = [&by_logic, &by_logical_names, &by_name];
        for fits in tiers {
            let fitting: Vec<&ProviderAction> =
                candidates.iter().copied().filter(|a| fits(a)).collect();
            match fitting.as_slice() {
                [] => {}
                [one] => return Match::One(one.id, one.name.clone()),
                several => return Match::Several(several.iter().map(|a| a.id).collect()),
            }
        }
        Match::None
    }

    /// The names that an action may have, in lower case: its own and its aliases.
    fn possible_names(&self, old: &ProviderAction) -> BTreeSet<String> {
        let logic = old.logic.and_then(|id| self.old.logic.get(&id));
        let own = old.name.to_lowercase();
        let groups = self.aliases.iter().filter(|(key, names)| match logic {
            Some(logic) => key.eq_ignore_ascii_case(&logic.logical_name),
            None => names.iter().any(|name| name.to_lowercase() == own),
        });
        groups
            .flat_map(|(_, names)| names)
            .map(|name| name.to_lowercase())
            .chain([own.clone()])
            .collect()
    }

    /// The failure of a search that did not find exactly one action, with the candidates. Takes the
    /// result, the slot's place (`orchestration 'X', tile 'Y'`), and the old action.
    pub(super) fn match_failure(&self, found: &Match, place: &str, old_action: Uuid) -> Failure {
        let wanted = self
            .old
            .described(old_action)
            .unwrap_or_else(|| old_action.to_string());
        let list_actions = |actions: &mut dyn Iterator<Item = &ProviderAction>| -> String {
            let listed: Vec<String> = actions
                .map(|action| format!("'{}' ({})", action.name, action.id))
                .collect();
            listed.join(", ")
        };
        if let Match::Several(ids) = found {
            let mut candidates = ids.iter().filter_map(|id| self.new.actions.get(id));
            return Failure::failed(format!(
                "{place}: more than one new action could be {wanted}: {}",
                list_actions(&mut candidates)
            ))
            .with_help("choose one in the designer, or delete the others, then run again")
            .permanent();
        }
        let instance = self.instance(old_action);
        let failure = Failure::failed(format!("{place}: no new action of {wanted} was found"));
        match instance {
            None => failure.with_help(
                "its provider has no new instance: check step reinstall-providers, or clear the slot \
                 in the designer if the provider should not be reinstalled",
            ),
            Some(instance) => {
                let mut own = self
                    .new
                    .actions
                    .values()
                    .filter(|action| action.provider == Some(instance.id));
                failure.with_help(format!(
                    "provider '{}' has the actions {}; if one of them is the same under another \
                     name, add it under `aliases` of restore-provider-actions",
                    instance.name,
                    list_actions(&mut own)
                ))
            }
        }
    }
}

fn aliases(options: &RestoreProviderActions) -> Vec<(String, Vec<String>)> {
    let written = options.aliases.iter().map(|(key, names)| {
        let names = names.iter().map(|name| name.value.clone());
        (key.clone(), names.collect())
    });
    let built_in = ALIASES.iter().map(|(key, names)| {
        let names = names.iter().map(|name| (*name).to_owned());
        ((*key).to_owned(), names.collect())
    });
    written.chain(built_in).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::providers::{LogicDefinition, ProviderDefinition};

    const FINOPS: Uuid = Uuid::from_u128(1);
    const OLD_PROVIDER: Uuid = Uuid::from_u128(0x10);
    const NEW_PROVIDER: Uuid = Uuid::from_u128(0x11);
    const LOGIC: Uuid = Uuid::from_u128(0x100);
    const OLD: Uuid = Uuid::from_u128(0x200);
    const NEW: Uuid = Uuid::from_u128(0x210);

    fn catalogue(provider: Uuid, actions: &[(Uuid, &str, Option<Uuid>)]) -> Catalogue {
        let mut catalogue = Catalogue::default();
        catalogue.definitions.insert(
            FINOPS,
            ProviderDefinition {
                id: FINOPS,
                logical_name: "msdyn_finops".to_owned(),
                name: "Finance".to_owned(),
                active: true,
            },
        );
        catalogue.providers.insert(
            provider,
            Provider {
                id: provider,
                name: "Finance".to_owned(),
                definition: Some(FINOPS),
                active: true,
            },
        );
        catalogue.logic.insert(
            LOGIC,
            LogicDefinition {
                logical_name: "msdyn_finops_releaseordertosync".to_owned(),
                definition: Some(FINOPS),
                is_action: true,
            },
        );
        for (id, name, logic) in actions {
            catalogue.actions.insert(
                *id,
                ProviderAction {
                    id: *id,
                    name: (*name).to_owned(),
                    provider: Some(provider),
                    logic: *logic,
                },
            );
        }
        catalogue
    }

    fn matcher(old: (&str, Option<Uuid>), new: &[(Uuid, &str, Option<Uuid>)]) -> ActionMatcher {
        ActionMatcher {
            old: catalogue(OLD_PROVIDER, &[(OLD, old.0, old.1)]),
            new: catalogue(NEW_PROVIDER, new),
            aliases: ALIASES
                .iter()
                .map(|(key, names)| {
                    let names = names.iter().map(|name| (*name).to_owned());
                    ((*key).to_owned(), names.collect())
                })
                .collect(),
        }
    }

    #[test]
    fn the_logic_definition_outweighs_every_name() {
        let other = Uuid::from_u128(0x101);
        let matcher = matcher(
            ("Send", Some(LOGIC)),
            &[
                (NEW, "Send for Fulfillment", Some(LOGIC)),
                (Uuid::from_u128(0x211), "Send", Some(other)),
            ],
        );
        let expected = Match::One(NEW, "Send for Fulfillment".to_owned());
        assert_eq!(matcher.replacement(OLD), expected);
        assert_eq!(
            matcher.describe(OLD, NEW),
            matcher.describe_replacement(OLD)
        );
    }

    #[test]
    fn a_recreated_logic_definition_is_matched_by_its_logical_names() {
        let recreated = Uuid::from_u128(0x102);
        let mut matcher = matcher(
            ("Send", Some(LOGIC)),
            &[(NEW, "Other words", Some(recreated))],
        );
        let logic = matcher.new.logic.remove(&LOGIC).unwrap();
        matcher.new.logic.insert(recreated, logic);
        assert_eq!(
            matcher.replacement(OLD),
            Match::One(NEW, "Other words".to_owned())
        );
        assert_eq!(
            matcher.describe(OLD, NEW),
            matcher.describe_replacement(OLD)
        );
    }

    #[test]
    fn an_alias_is_the_last_resort_and_never_matches_another_provider() {
        let match_by =
            |new: &[(Uuid, &str, Option<Uuid>)]| matcher(("Send order to fulfillment", None), new);
        let found = match_by(&[(NEW, "send FOR fulfillment", None)]);
        assert_eq!(
            found.replacement(OLD),
            Match::One(NEW, "send FOR fulfillment".to_owned())
        );
        assert_eq!(found.describe(OLD, NEW), found.describe_replacement(OLD));
        assert_eq!(
            match_by(&[(NEW, "Bill", None)]).replacement(OLD),
            Match::None
        );
        let mut elsewhere = match_by(&[(NEW, "Send for Fulfillment", None)]);
        let action = elsewhere.new.actions.get_mut(&NEW).unwrap();
        action.provider = Some(Uuid::from_u128(0x99));
        assert_eq!(elsewhere.replacement(OLD), Match::None);
    }

    #[test]
    fn two_equal_matches_are_a_failure_that_names_both() {
        let twin = Uuid::from_u128(0x211);
        let matcher = matcher(
            ("Send", Some(LOGIC)),
            &[(NEW, "One", Some(LOGIC)), (twin, "Two", Some(LOGIC))],
        );
        let found = matcher.replacement(OLD);
        assert_eq!(found, Match::Several(vec![NEW, twin]));
        let failure = matcher.match_failure(&found, "orchestration 'X', tile 'Y'", OLD);
        assert!(failure.message.contains("'One'") && failure.message.contains("'Two'"));
        assert!(!failure.retryable);
    }
}
