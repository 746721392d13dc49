//! Which new action replaces an old one.
//!
//! A definition of the library, and the logic definitions that it carries, survive the
//! reinstallation; an action does not. So an old action is joined to a new one by its logic
//! definition; where that row was made anew, by the logical names of definition and logic
//! definition; and where an action does not say its logic definition, by its name or an alias.
//! Always within the new instance of the old one's definition: the same name stands for different
//! things in different providers. What is still ambiguous is a person's to decide.

use std::collections::BTreeSet;

use uuid::Uuid;

use crate::domain::Refresh;
use crate::domain::orchestrations::old_catalogue;
use crate::domain::providers::{Action, Catalogue, Provider};
use crate::domain::view::View;
use crate::engine::{Failure, Known};
use crate::runbook::RestoreProviderActions;

/// The names by which Microsoft's own pages call one action of the Finance and Operations provider
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

/// What was, what is, and how the one becomes the other.
pub(super) struct Join {
    pub(super) old: Catalogue,
    pub(super) new: Catalogue,
    /// The runbook's other names of actions, by the logic definition's logical name.
    aliases: Vec<(String, Vec<String>)>,
}

/// What a search for the new action gave.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Match {
    /// This one: its id and its name.
    One(Uuid, String),
    /// None fits.
    None,
    /// Each of these fits equally well.
    Several(Vec<Uuid>),
}

impl Join {
    pub(super) async fn read(
        refresh: &Refresh,
        known: &Known,
        view: View<'_>,
    ) -> Result<Self, Failure> {
        Ok(Self {
            old: old_catalogue(refresh, known)?,
            new: Catalogue::read(refresh, view).await?,
            aliases: aliases(&refresh.runbook.steps.restore_provider_actions.options),
        })
    }

    /// The words for the new action that replaces an old one.
    pub(super) fn wanted(&self, old_action: Uuid) -> Option<String> {
        Some(format!("new action of {}", self.old.described(old_action)?))
    }

    /// What an id in the slot of an old action is, in the same words.
    pub(super) fn described(&self, old_action: Uuid, id: Uuid) -> Option<String> {
        if self.old.actions.contains_key(&id) {
            return self.old.described(id);
        }
        match self.replacement(old_action) {
            Match::One(replacement, _) if replacement == id => self.wanted(old_action),
            _ => Some(format!("new action of {}", self.new.described(id)?)),
        }
    }

    /// The new instance of an old action's definition.
    pub(super) fn instance(&self, old_action: Uuid) -> Option<&Provider> {
        let definition = self.old.definition_of_action(old_action)?;
        let old = self.old.provider_ids();
        self.new.new_instance(definition.id, &old).or_else(|| {
            // The definition was imported anew under another id.
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
        let candidates: Vec<&Action> = self
            .new
            .actions
            .values()
            .filter(|action| action.provider == Some(instance.id))
            .collect();
        let described = self.old.described_by_logic(old_action);
        let names = self.names(old);
        let by_logic = |action: &Action| old.logic.is_some() && action.logic == old.logic;
        let by_logical_names = |action: &Action| {
            let new = self.new.described_by_logic(action.id);
            described
                .as_deref()
                .zip(new.as_deref())
                .is_some_and(|(one, other)| one.eq_ignore_ascii_case(other))
        };
        // A logic definition that an action says, and that is another, outweighs its name.
        let by_name = |action: &Action| {
            (old.logic.is_none() || action.logic.is_none())
                && names.contains(&action.name.to_lowercase())
        };
        let tiers: [&dyn Fn(&Action) -> bool; 3] = [&by_logic, &by_logical_names, &by_name];
        for fits in tiers {
            let fitting: Vec<&Action> = candidates.iter().copied().filter(|a| fits(a)).collect();
            match fitting.as_slice() {
                [] => {}
                [one] => return Match::One(one.id, one.name.clone()),
                several => return Match::Several(several.iter().map(|a| a.id).collect()),
            }
        }
        Match::None
    }

    /// The names that an action may have, in lower case: its own and its aliases.
    fn names(&self, old: &Action) -> BTreeSet<String> {
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

    /// Why no single new action replaces an old one, with what could. Takes the match, where the
    /// slot is (`orchestration 'X', tile 'Y'`), and the action that it held.
    pub(super) fn refused(&self, found: &Match, place: &str, old_action: Uuid) -> Failure {
        let wanted = self
            .old
            .described(old_action)
            .unwrap_or_else(|| old_action.to_string());
        let shown = |ids: &mut dyn Iterator<Item = &Action>| -> String {
            let shown: Vec<String> = ids
                .map(|action| format!("'{}' ({})", action.name, action.id))
                .collect();
            shown.join(", ")
        };
        if let Match::Several(ids) = found {
            let candidates = shown(&mut ids.iter().filter_map(|id| self.new.actions.get(id)));
            return Failure::failed(format!(
                "{place}: more than one new action could be {wanted}: {candidates}"
            ))
            .with_help(
                "choose it in the designer, or delete the one that is too many, then run again",
            )
            .lasting();
        }
        let instance = self.instance(old_action);
        let failure = Failure::failed(format!("{place}: no new action of {wanted} was found"));
        match instance {
            None => failure.with_help(
                "its provider has no new instance: look at step reinstall-providers, or clear the \
                 slot in the designer if the provider is not to be reinstalled",
            ),
            Some(instance) => {
                let mut own = self
                    .new
                    .actions
                    .values()
                    .filter(|action| action.provider == Some(instance.id));
                failure.with_help(format!(
                    "provider '{}' has the actions {}; if one of them is the same under another \
                     name, say so under `aliases` of restore-provider-actions",
                    instance.name,
                    shown(&mut own)
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
    use crate::domain::providers::{Definition, Logic};

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
            Definition {
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
            Logic {
                logical_name: "msdyn_finops_releaseordertosync".to_owned(),
                definition: Some(FINOPS),
                is_action: true,
            },
        );
        for (id, name, logic) in actions {
            catalogue.actions.insert(
                *id,
                Action {
                    id: *id,
                    name: (*name).to_owned(),
                    provider: Some(provider),
                    logic: *logic,
                },
            );
        }
        catalogue
    }

    fn join(old: (&str, Option<Uuid>), new: &[(Uuid, &str, Option<Uuid>)]) -> Join {
        Join {
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
        let join = join(
            ("Send", Some(LOGIC)),
            &[
                (NEW, "Send for Fulfillment", Some(LOGIC)),
                (Uuid::from_u128(0x211), "Send", Some(other)),
            ],
        );
        let expected = Match::One(NEW, "Send for Fulfillment".to_owned());
        assert_eq!(join.replacement(OLD), expected);
        assert_eq!(join.described(OLD, NEW), join.wanted(OLD));
    }

    #[test]
    fn a_logic_definition_that_was_made_anew_is_known_by_its_logical_names() {
        let anew = Uuid::from_u128(0x102);
        let mut join = join(("Send", Some(LOGIC)), &[(NEW, "Other words", Some(anew))]);
        let logic = join.new.logic.remove(&LOGIC).unwrap();
        join.new.logic.insert(anew, logic);
        assert_eq!(
            join.replacement(OLD),
            Match::One(NEW, "Other words".to_owned())
        );
        assert_eq!(join.described(OLD, NEW), join.wanted(OLD));
    }

    #[test]
    fn an_alias_is_the_last_resort_and_never_leads_to_another_provider() {
        let join_by =
            |new: &[(Uuid, &str, Option<Uuid>)]| join(("Send order to fulfillment", None), new);
        let found = join_by(&[(NEW, "send FOR fulfillment", None)]);
        assert_eq!(
            found.replacement(OLD),
            Match::One(NEW, "send FOR fulfillment".to_owned())
        );
        assert_eq!(found.described(OLD, NEW), found.wanted(OLD));
        assert_eq!(
            join_by(&[(NEW, "Bill", None)]).replacement(OLD),
            Match::None
        );
        let mut elsewhere = join_by(&[(NEW, "Send for Fulfillment", None)]);
        let action = elsewhere.new.actions.get_mut(&NEW).unwrap();
        action.provider = Some(Uuid::from_u128(0x99));
        assert_eq!(elsewhere.replacement(OLD), Match::None);
    }

    #[test]
    fn two_that_fit_equally_well_stop_with_both_named() {
        let twin = Uuid::from_u128(0x211);
        let join = join(
            ("Send", Some(LOGIC)),
            &[(NEW, "One", Some(LOGIC)), (twin, "Two", Some(LOGIC))],
        );
        let found = join.replacement(OLD);
        assert_eq!(found, Match::Several(vec![NEW, twin]));
        let failure = join.refused(&found, "orchestration 'X', tile 'Y'", OLD);
        assert!(failure.message.contains("'One'") && failure.message.contains("'Two'"));
        assert!(!failure.passing);
    }
}
