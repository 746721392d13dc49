//! Repoints flows from the source's identifiers of custom connectors to the target's.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::Arc;

use uuid::Uuid;

use super::name_of;
use super::replace::{apply, difference, replace_text};
use crate::domain::connections::custom_connectors::CustomConnectors;
use crate::domain::flows::FlowDefinition;
use crate::domain::iom_change::sign_in_instruction;
use crate::domain::names::{Fields, text};
use crate::domain::refused_change::by_hand_where_refused;
use crate::domain::seals::{self, Part};
use crate::domain::{RefreshContext, keys};
use crate::engine::{Action, Change, JournalView, ManualTask};

/// The prefix of flows in the seals.
const WORKFLOW: &str = "workflow";

/// What repointing needs to know.
pub(super) struct Repointing<'a> {
    refresh: &'a Arc<RefreshContext>,
    journal: &'a JournalView,
    custom: CustomConnectors,
    /// The flows whose definitions a seal holds.
    recorded: BTreeSet<Uuid>,
    entity_set: String,
    acting_as: Option<Uuid>,
}

impl<'a> Repointing<'a> {
    pub(super) fn new(
        refresh: &'a Arc<RefreshContext>,
        journal: &'a JournalView,
        custom: CustomConnectors,
        entity_set: &str,
        acting_as: Option<Uuid>,
    ) -> Self {
        // A flow's definition is the source's until this step changes it.
        let mut recorded = BTreeSet::new();
        for part in [Part::Source, Part::FlowDefinitions] {
            recorded.extend(seals::ids(journal, part, WORKFLOW));
        }
        Self {
            refresh,
            journal,
            custom,
            recorded,
            entity_set: entity_set.to_owned(),
            acting_as,
        }
    }

    /// The change of a flow that is off and names a connector by the source's identifier, which does
    /// not exist in the target. A flow that is newer than the seals is left as it is.
    pub(super) fn change(&self, id: Uuid, row: &Fields) -> Option<Change> {
        if !self.recorded.is_empty() && !self.recorded.contains(&id) {
            return None;
        }
        let data = text(row, "clientdata")?;
        let definition = FlowDefinition::from_text(&data)?;
        let moved = self.custom.moved(&definition.connectors());
        let pairs = spellings(&moved, &data);
        let new = apply(&pairs, &data);
        if new == data {
            return None;
        }
        let keeps_references = references_of(&new) == Some(definition.references());
        let by_hand = ManualTask {
            advice: vec![sign_in_instruction(self.refresh)],
            instructions: instructions(&name_of(row), &moved),
            evidence: "no cloud flow that should be on names a custom connector of the source"
                .to_owned(),
            ..ManualTask::default()
        };
        let change = Change {
            key: keys::flow_connectors(id),
            name: format!(
                "repoint cloud flow '{}' to the custom connectors of this environment",
                name_of(row)
            ),
            before: difference(&pairs, &data).into(),
            after: difference(&pairs, &new).into(),
            follows: Vec::new(),
            action: replace_text(self.refresh, &self.entity_set, id, &pairs, self.acting_as),
        };
        Some(if keeps_references {
            by_hand_where_refused(change, self.journal, by_hand)
        } else {
            // The name of a connection reference contains the identifier, and must stay as it is.
            let action = Action::ManualTask(by_hand);
            Change { action, ..change }
        })
    }
}

/// The edits of a flow by hand, one line for each connector.
fn instructions(flow: &str, moved: &[(String, String)]) -> Vec<String> {
    let edits = moved.iter().map(|(used, here)| {
        format!(
            "Power Automate > Solutions > Default Solution > Cloud flows > '{flow}' > Edit: leave \
             the flow off; replace each action of custom connector {used}, and save the flow with \
             the same actions of {here}"
        )
    });
    edits.collect()
}

/// The texts to replace: each identifier as the definition writes it, the longest first, because one
/// may begin like another.
fn spellings(moved: &[(String, String)], data: &str) -> Vec<(String, String)> {
    let lower = data.to_ascii_lowercase();
    let found: BTreeSet<(String, String)> = moved
        .iter()
        .flat_map(|(used, here)| {
            let places = lower.match_indices(used.as_str());
            places.map(|(at, _)| (data[at..at + used.len()].to_owned(), here.clone()))
        })
        .collect();
    let mut found: Vec<(String, String)> = found.into_iter().collect();
    found.sort_by_key(|(used, _)| Reverse(used.len()));
    found
}

/// The connection references that a definition uses.
fn references_of(data: &str) -> Option<BTreeSet<String>> {
    Some(FlowDefinition::from_text(data)?.references())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_spelling_of_an_identifier_is_replaced_and_the_longest_first() {
        let moved = [
            ("shared_a-5f1234".to_owned(), "shared_a-5f9999".to_owned()),
            ("shared_a-5f123456".to_owned(), "shared_a-5f8888".to_owned()),
        ];
        let data = r#"{"x":"shared_a-5F1234","y":"/apis/shared_a-5f123456","z":"other"}"#;
        let pairs = spellings(&moved, data);
        assert_eq!(
            apply(&pairs, data),
            r#"{"x":"shared_a-5f9999","y":"/apis/shared_a-5f8888","z":"other"}"#
        );
    }

    #[test]
    fn a_definition_shows_which_references_it_uses() {
        let data = json!({"properties": {"connectionReferences": {"shared_a-5f1234": {
            "connection": {"connectionReferenceLogicalName": "new_shared_a-5f1234_x"},
            "api": {"name": "shared_a-5f1234"}}}}})
        .to_string();
        let moved = [("shared_a-5f1234".to_owned(), "shared_a-5f9999".to_owned())];
        let new = apply(&spellings(&moved, &data), &data);
        assert_ne!(references_of(&new), references_of(&data));
        assert_eq!(references_of("no JSON"), None);
    }
}
