//! The notes of phase `turn-on`: what a person must know or do about cloud flows.

use std::collections::{BTreeMap, BTreeSet};

use tokio::try_join;
use uuid::Uuid;

use super::facts::{FlowFacts, FlowUses};
use crate::domain::RefreshContext;
use crate::domain::connections::custom_connectors::CustomConnectors;
use crate::domain::flows::moved_connectors;
use crate::domain::flows::reach::{FlowReach, UNREADABLE};
use crate::domain::flows::rules::{DesiredState, NAMES_PRODUCTION, Rules};
use crate::domain::source_references::SourceReference;
use crate::domain::view::View;
use crate::engine::{Failure, JournalView, Note};

/// What a survey of the cloud flows has read.
pub(super) struct FlowsRead {
    pub(super) flows: BTreeMap<Uuid, FlowFacts>,
    pub(super) custom: CustomConnectors,
}

impl FlowsRead {
    async fn read(refresh: &RefreshContext, journal: &JournalView) -> Result<Self, Failure> {
        let flows = async {
            let rules = Rules::read(refresh, journal).await?;
            FlowFacts::read(refresh.view(journal), &rules).await
        };
        let (flows, custom) = try_join!(flows, CustomConnectors::read(refresh, journal))?;
        Ok(Self { flows, custom })
    }
}

/// Notes about child flows, new URLs, custom connectors, and texts of the source. `last` is
/// what the last survey read, if nothing was written since.
pub(super) async fn flow_notes(
    refresh: &RefreshContext,
    journal: &JournalView,
    last: Option<FlowsRead>,
) -> Result<Vec<Note>, Failure> {
    let FlowsRead { flows, custom } = match last {
        Some(read) => read,
        None => FlowsRead::read(refresh, journal).await?,
    };
    let (here, source) = if custom.is_partial {
        // What could not be read before must not look as if it did not exist.
        try_join!(
            custom_connectors(refresh.view(journal)),
            custom_connectors(View::AfterCopy(refresh)),
        )?
    } else {
        (custom.of_target(), custom.of_source().clone())
    };
    let mut notes = children_left_off(&flows);
    notes.extend(new_urls(&flows));
    notes.extend(connectors_to_replace(&flows, &here, &source, &custom));
    notes.extend(production_notes(&flows));
    Ok(notes)
}

/// The flows that should be on, with what they use.
fn flows_to_turn_on(
    flows: &BTreeMap<Uuid, FlowFacts>,
) -> impl Iterator<Item = (&Uuid, &FlowFacts, &FlowUses)> {
    flows
        .iter()
        .filter_map(|(id, flow)| Some((id, flow, flow.uses.as_ref()?)))
}

/// The child flows that stay off although a flow that should be on calls them.
fn children_left_off(flows: &BTreeMap<Uuid, FlowFacts>) -> Vec<Note> {
    let mut notes = Vec::new();
    for (_, parent, uses) in flows_to_turn_on(flows) {
        for child in &uses.children {
            let parent = &parent.name;
            match flows.get(child) {
                None => notes.push(Note::from(format!(
                    "cloud flow '{parent}' calls flow {child}, which is not in the environment"
                ))),
                Some(child) => {
                    if let (DesiredState::Off(reason), false) = (&child.wanted, child.is_on) {
                        notes.push(Note::from(format!(
                            "cloud flow '{parent}' calls '{}', which stays off ({reason}): \
                             '{parent}' cannot be turned on, or fails at that call",
                            child.name
                        )));
                    }
                }
            }
        }
    }
    notes
}

/// The flows with an HTTP trigger, whose callers still use the source's URL.
fn new_urls(flows: &BTreeMap<Uuid, FlowFacts>) -> Vec<Note> {
    flows_to_turn_on(flows)
        .filter(|(_, _, uses)| uses.starts_by_http)
        .map(|(id, flow, _)| {
            Note::new(
                format!(
                    "cloud flow '{}' ({id}) has an HTTP trigger with a new URL",
                    flow.name
                ),
                "give it to the callers that should call the target; production's callers keep theirs",
            )
        })
        .collect()
}

/// The flows that name a custom connector by its id in another environment and that this step does
/// not repoint: those that are on, because the definition of such a flow cannot be changed
/// (Dataverse, 0x80060466), and those whose connector is ambiguous.
fn connectors_to_replace(
    flows: &BTreeMap<Uuid, FlowFacts>,
    here: &BTreeSet<String>,
    source: &BTreeSet<String>,
    custom: &CustomConnectors,
) -> Vec<Note> {
    let mut notes = Vec::new();
    for (id, flow, uses) in flows_to_turn_on(flows) {
        let name = &flow.name;
        let (moved, others): (BTreeSet<_>, BTreeSet<_>) = uses
            .connectors
            .iter()
            .cloned()
            .partition(|connector| custom.has_moved(connector));
        notes.extend(moved.iter().filter(|_| flow.is_on).map(|used| {
            Note::new(
                format!(
                    "cloud flow '{name}' is on and names custom connector {used}, which is {} in this \
                     environment",
                    custom.in_target(used)
                ),
                "turn it off and run again, and this step repoints it",
            )
        }));
        for (used, now) in moved_connectors(&others, here, source) {
            notes.push(match now {
                Some(now) => Note::new(
                    format!(
                        "cloud flow '{name}' names custom connector {used}, which is {now} in this \
                         environment"
                    ),
                    format!(
                        "add `{{ flow: {id}, find: {used}, with: {now} }}` under `replace` of \
                         activate-flows"
                    ),
                ),
                None => Note::new(
                    format!(
                        "cloud flow '{name}' names custom connector {used}, which is not in this \
                         environment"
                    ),
                    "install it",
                ),
            });
        }
    }
    notes
}

/// The flows that would act on production, with the `replace` rule for it; and those that may.
fn production_notes(flows: &BTreeMap<Uuid, FlowFacts>) -> Vec<Note> {
    let mut notes = Vec::new();
    for (id, flow) in flows {
        let name = &flow.name;
        let left_off = if flow.wanted == DesiredState::Off(NAMES_PRODUCTION) {
            " is left off, because it would act on production; it"
        } else {
            ""
        };
        match &flow.reach {
            FlowReach::Held(named) if named.iter().any(|it| it.what == UNREADABLE) => {
                notes.push(Note::new(
                    format!(
                        "cloud flow '{name}' has {UNREADABLE}, so it is unknown what it would act on, \
                         and it stays off"
                    ),
                    "repair it in the designer, or allow it by its name under `containment.allow`",
                ));
            }
            FlowReach::Held(named) => notes.extend(named.iter().map(|reference| {
                let what = &reference.what;
                let rule = replacement_rule(*id, reference);
                Note::new(
                    format!("cloud flow '{name}'{left_off} contains {what}"),
                    rule,
                )
            })),
            FlowReach::Allowed(by, named) if flow.wanted == DesiredState::On => {
                let named: Vec<&str> = named.iter().map(|it| it.what.as_str()).collect();
                notes.push(Note::from(format!(
                    "cloud flow '{name}' may act, as the runbook allows ({by}); it contains {}",
                    named.join(", ")
                )));
            }
            FlowReach::Allowed(..) | FlowReach::Replaced(_) | FlowReach::Nothing => {}
        }
    }
    notes
}

/// What a person writes in the runbook about one thing that a flow names.
fn replacement_rule(id: Uuid, reference: &SourceReference) -> String {
    match &reference.replacement {
        Some((find, with)) => {
            format!(
                "add `{{ flow: {id}, find: {find}, with: {with} }}` under `replace` of activate-flows"
            )
        }
        None => "add a rule for it under `replace` of activate-flows, allow it under \
             `containment.allow`, or change it in the designer"
            .to_owned(),
    }
}

/// The ids of an environment's custom connectors in lower case; none if it has no such table.
async fn custom_connectors(view: View<'_>) -> Result<BTreeSet<String>, Failure> {
    if view.optional_table("connector").await?.is_none() {
        return Ok(BTreeSet::new());
    }
    let rows = view.rows("connector").await?;
    Ok(rows
        .iter()
        .filter_map(|row| row.string("connectorinternalid"))
        .map(str::to_ascii_lowercase)
        .collect())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::steps::activate_flows::facts::ConnectorSets;

    fn flow(name: &str, wanted: DesiredState, is_on: bool, data: &Value) -> FlowFacts {
        let row = json!({ "clientdata": data.to_string() });
        let uses = FlowUses::from_row(row.as_object().unwrap(), &ConnectorSets::default());
        FlowFacts {
            name: name.to_owned(),
            is_on,
            uses: uses.filter(|_| wanted == DesiredState::On),
            wanted,
            reach: FlowReach::Nothing,
            switch: None,
        }
    }

    fn calling(children: &[Uuid]) -> Value {
        let actions: Vec<Value> = children
            .iter()
            .map(|child| json!({"type":"Workflow","inputs":{"host":{"workflowReferenceName": child}}}))
            .collect();
        json!({"properties":{"definition":{"actions": actions}}})
    }

    #[test]
    fn a_child_that_stays_off_is_noted() {
        let [parent, off, on, gone] = [1, 2, 3, 4].map(Uuid::from_u128);
        let none = json!({});
        let left_off = DesiredState::Off("off in the source");
        let flows = BTreeMap::from([
            (
                parent,
                flow(
                    "Parent",
                    DesiredState::On,
                    false,
                    &calling(&[off, on, gone]),
                ),
            ),
            (off, flow("Quiet child", left_off.clone(), false, &none)),
            (on, flow("Platform child", left_off, true, &none)),
        ]);
        let notes = children_left_off(&flows);
        assert_eq!(notes.len(), 2, "{notes:?}");
        assert!(
            notes[0].text.contains("'Quiet child'") && notes[0].text.contains("off in the source")
        );
        assert!(notes[1].text.contains(&gone.to_string()));
    }

    #[test]
    fn new_urls_are_noted_only_for_flows_that_should_be_on() {
        let data = json!({"properties":{"definition":{"triggers":{
            "manual":{"type":"Request","kind":"Http"}}}}});
        let flows = BTreeMap::from([
            (
                Uuid::from_u128(1),
                flow("Inbound", DesiredState::On, true, &data),
            ),
            (
                Uuid::from_u128(2),
                flow(
                    "Old",
                    DesiredState::Off("excepted by the runbook"),
                    false,
                    &data,
                ),
            ),
        ]);
        let notes = new_urls(&flows);
        assert_eq!(notes.len(), 1);
        assert!(notes[0].text.contains("'Inbound'") && notes[0].text.contains("new URL"));
    }

    #[test]
    fn a_connector_of_another_environment_is_noted_with_its_replace_rule() {
        let data = json!({"properties":{"connectionReferences":{"x":{
            "api":{"name":"shared_bin-5f0a1b2c3d4e5f6071"}}}}});
        let flows = BTreeMap::from([(
            Uuid::from_u128(1),
            flow("Bin", DesiredState::On, false, &data),
        )]);
        let here = BTreeSet::from(["shared_bin-5f9999999999999999".to_owned()]);
        let none = CustomConnectors::default();
        let notes = connectors_to_replace(&flows, &here, &BTreeSet::new(), &none);
        let rule = notes[0].remedy.as_deref().unwrap_or_default();
        assert!(
            rule.contains(
                "find: shared_bin-5f0a1b2c3d4e5f6071, with: shared_bin-5f9999999999999999"
            ),
            "{notes:?}"
        );
    }

    #[test]
    fn only_a_flow_that_is_on_is_noted_where_its_connector_is_known_to_have_moved() {
        const SOURCE: &str = "shared_bin-5f0a1b2c3d4e5f6071";
        let row = |id: &str| {
            let row = json!({"name": "bin", "connectorinternalid": id});
            row.as_object().unwrap().clone()
        };
        let (source, target) = ([row(SOURCE)], [row("shared_bin-5f9999999999999999")]);
        let custom = CustomConnectors::from_rows(source.iter(), target.iter());
        let data = json!({"properties":{"connectionReferences":{"x":{"api":{"name": SOURCE}}}}});
        for is_on in [true, false] {
            let flows = BTreeMap::from([(
                Uuid::from_u128(1),
                flow("Bin", DesiredState::On, is_on, &data),
            )]);
            let none = BTreeSet::new();
            let notes = connectors_to_replace(&flows, &none, &none, &custom);
            let remedies = notes.iter().filter_map(|note| note.remedy.as_deref());
            let is_noted = remedies
                .into_iter()
                .any(|remedy| remedy.contains("turn it off and run again"));
            assert_eq!(
                (is_noted, notes.len()),
                (is_on, usize::from(is_on)),
                "{notes:?}"
            );
        }
    }
}
