//! Phase `turn-on`.

use crate::domain::flows::key;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use uuid::Uuid;

use super::replace::{apply, difference, reading};
use crate::clients::Row;
use crate::domain::connections::custom_connectors::CustomConnectors;
use crate::domain::connections::{OwnerRow, acting_as, owner, owner_of};
use crate::domain::flows::rules::{NAMES_PRODUCTION, Rules, Wanted};
use crate::domain::flows::{
    Definition, cloud_flows, moved_connectors, switch, switch_value, switched,
};
use crate::domain::names::{Fields, text};
use crate::domain::source_references::Marks;
use crate::domain::tenant_set::{Request, RowReader, TenantSet};
use crate::domain::view::View;
use crate::domain::{Refresh, flows};
use crate::engine::{Action, Change, Failure, Known, Reading, Survey};

fn owner_key(flow: Uuid) -> String {
    format!("flow-owner/{flow}")
}

fn name_of(row: &Fields) -> String {
    text(row, "name").unwrap_or_default()
}

/// Finds the flows that should be on and are not.
pub(super) struct TurnOn(pub(super) Arc<Refresh>);

#[async_trait]
impl Survey for TurnOn {
    async fn survey(&self, known: &Known) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        let view = refresh.view(known);
        let table = view.table("workflow").await?;
        let flows = cloud_flows(view).await?;
        let rules = Rules::read(refresh, known).await?;
        rules.check(&flows)?;
        let owner = owner(refresh, view).await?;
        let acting_as = acting_as(refresh, view).await?;
        let todo: BTreeMap<&Uuid, &Fields> = flows
            .iter()
            .filter(|(id, row)| !flows::is_on(row) && rules.wanted(**id, row) == Wanted::On)
            .collect();
        let custom = CustomConnectors::read(refresh).await?;
        let mut changes: Vec<Change> = flows
            .iter()
            .filter(|(id, row)| flows::is_on(row) && !rules.named_by(**id, row).is_empty())
            .map(|(id, row)| Change {
                key: format!("flow-off/{id}"),
                name: format!(
                    "turn off cloud flow '{}', which {NAMES_PRODUCTION}",
                    name_of(row)
                ),
                before: switch_value(row),
                after: switched(false),
                follows: Vec::new(),
                action: switch(refresh, &table.entity_set, *id, false, acting_as),
            })
            .collect();
        for (id, row) in &todo {
            let children = Definition::of(row)
                .map(|d| d.children())
                .unwrap_or_default();
            let mut follows: Vec<String> = children
                .iter()
                .filter(|child| *child != *id && todo.contains_key(child))
                .map(|child| key(*child))
                .collect();
            if let Some(change) = owner
                .as_ref()
                .and_then(|owner| own(refresh, &table.entity_set, **id, row, owner, acting_as))
            {
                follows.push(change.key.clone());
                changes.push(change);
            }
            if let Some(change) = repoint(refresh, &table.entity_set, **id, row, &custom, acting_as)
            {
                follows.push(change.key.clone());
                changes.push(change);
            }
            changes.push(Change {
                key: key(**id),
                name: format!("turn on cloud flow '{}'", name_of(row)),
                before: switch_value(row),
                after: switched(true),
                follows,
                action: switch(refresh, &table.entity_set, **id, true, acting_as),
            });
        }
        Ok(changes)
    }

    async fn notes(&self, known: &Known) -> Result<Vec<String>, Failure> {
        let refresh = &self.0;
        let view = refresh.view(known);
        let flows = cloud_flows(view).await?;
        let rules = Rules::read(refresh, known).await?;
        let wanted: BTreeMap<Uuid, Seen> = flows
            .iter()
            .map(|(id, row)| (*id, Seen::of(&rules, *id, row)))
            .collect();
        let mut notes = children_left_off(&wanted);
        notes.extend(new_addresses(&wanted));
        let here = custom_connectors(view).await?;
        let source = custom_connectors(View::AfterCopy(refresh)).await?;
        notes.extend(connectors_to_replace(&wanted, &here, &source));
        let marks = Marks::of(&refresh.source_environment, &refresh.target_environment);
        notes.extend(traces(&flows, &rules, &marks.with_recorded(known)));
        Ok(notes)
    }
}

/// Gives a flow that is off its owner: a flow that is on refuses another (Dataverse, 0x8004500c).
fn own(
    refresh: &Arc<Refresh>,
    entity_set: &str,
    id: Uuid,
    row: &Fields,
    owner: &OwnerRow,
    acting_as: Option<Uuid>,
) -> Option<Change> {
    let value = |owner: Option<String>| json!({ "owner": owner });
    let (before, after) = (value(owner_of(row)), value(Some(owner.id.to_string())));
    if before == after {
        return None;
    }
    let body = json!({ "ownerid@odata.bind": owner.bind() });
    let request = Request::patch(entity_set, id, &body).acting_as(acting_as);
    Some(Change {
        key: owner_key(id),
        name: format!("give cloud flow '{}' its owner", name_of(row)),
        before,
        after,
        follows: Vec::new(),
        action: Action::Set(Arc::new(TenantSet {
            refresh: Arc::clone(refresh),
            reader: RowReader::of(refresh, entity_set, id, move |row: Option<&Row>| {
                Reading::of(row.map_or(Value::Null, |row| value(owner_of(&row.value))))
            }),
            request: move |_: &Reading| Ok(request.clone()),
            patience: Duration::from_mins(1),
        })),
    })
}

/// Repoints a flow that is off from the source's identifiers of custom connectors to the target's: in
/// the target the others lead nowhere.
fn repoint(
    refresh: &Arc<Refresh>,
    entity_set: &str,
    id: Uuid,
    row: &Fields,
    custom: &CustomConnectors,
    acting_as: Option<Uuid>,
) -> Option<Change> {
    let used = Definition::of(row)?.connectors();
    let pairs: Vec<(String, String)> = used
        .into_iter()
        .filter(|connector| custom.has_moved(connector))
        .map(|connector| {
            let here = custom.in_target(&connector);
            (connector, here)
        })
        .collect();
    let data = text(row, "clientdata")?;
    let new = apply(&pairs, &data);
    if new == data {
        return None;
    }
    let request = {
        let (entity_set, pairs) = (entity_set.to_owned(), pairs.clone());
        move |reading: &Reading| {
            let data = reading.basis.as_str().unwrap_or_default();
            let body = json!({ "clientdata": apply(&pairs, data) });
            Ok(Request::patch(&entity_set, id, &body).acting_as(acting_as))
        }
    };
    Some(Change {
        key: format!("flow-connectors/{id}"),
        name: format!(
            "repoint cloud flow '{}' to the custom connectors of this environment",
            name_of(row)
        ),
        before: difference(&pairs, &data),
        after: difference(&pairs, &new),
        follows: Vec::new(),
        action: Action::Set(Arc::new(TenantSet {
            refresh: Arc::clone(refresh),
            reader: RowReader::of(refresh, entity_set, id, move |row: Option<&Row>| {
                reading(&pairs, row)
            }),
            request,
            patience: Duration::from_mins(2),
        })),
    })
}

/// A flow as the notes look at it.
struct Seen {
    name: String,
    is_on: bool,
    wanted: Wanted,
    definition: Option<Definition>,
}

impl Seen {
    fn of(rules: &Rules<'_>, id: Uuid, row: &Fields) -> Self {
        let name = name_of(row);
        Self {
            is_on: flows::is_on(row),
            wanted: rules.wanted(id, row),
            definition: Definition::of(row),
            name,
        }
    }
}

/// The flows that should be on, with their definitions.
fn wanted(flows: &BTreeMap<Uuid, Seen>) -> impl Iterator<Item = (&Uuid, &Seen, &Definition)> {
    flows
        .iter()
        .filter(|(_, flow)| flow.wanted == Wanted::On)
        .filter_map(|(id, flow)| Some((id, flow, flow.definition.as_ref()?)))
}

/// What a flow that should be on calls and nobody turns on.
fn children_left_off(flows: &BTreeMap<Uuid, Seen>) -> Vec<String> {
    let mut notes = Vec::new();
    for (_, parent, definition) in wanted(flows) {
        for child in definition.children() {
            let parent = &parent.name;
            match flows.get(&child) {
                None => notes.push(format!(
                    "cloud flow '{parent}' calls flow {child}, which the environment does not have"
                )),
                Some(child) => {
                    if let (Wanted::Off(reason), false) = (&child.wanted, child.is_on) {
                        notes.push(format!(
                            "cloud flow '{parent}' calls '{}', which stays off ({reason}): it \
                             cannot be turned on, or fails when it calls",
                            child.name
                        ));
                    }
                }
            }
        }
    }
    notes
}

/// The flows whose callers hold the address of the source's flow.
fn new_addresses(flows: &BTreeMap<Uuid, Seen>) -> Vec<String> {
    wanted(flows)
        .filter(|(_, _, definition)| definition.starts_by_http())
        .map(|(id, flow, _)| {
            format!(
                "cloud flow '{}' ({id}) starts by an HTTP request: its address is another in this \
                 environment, and its callers need the new address",
                flow.name
            )
        })
        .collect()
}

/// The flows that name a custom connector by the id that another environment gave it.
fn connectors_to_replace(
    flows: &BTreeMap<Uuid, Seen>,
    here: &BTreeSet<String>,
    source: &BTreeSet<String>,
) -> Vec<String> {
    let mut notes = Vec::new();
    for (id, flow, definition) in wanted(flows) {
        for (used, now) in moved_connectors(&definition.connectors(), here, source) {
            let name = &flow.name;
            notes.push(match now {
                Some(now) => format!(
                    "cloud flow '{name}' names custom connector {used}, which is {now} in this \
                     environment: add `{{ flow: {id}, find: {used}, with: {now} }}` under `replace`"
                ),
                None => format!(
                    "cloud flow '{name}' names custom connector {used}, which this environment \
                     does not have: install it"
                ),
            });
        }
    }
    notes
}

/// The flows that hold a fixed text of the source, with the rule that mends what can be told.
fn traces(flows: &BTreeMap<Uuid, Fields>, rules: &Rules<'_>, marks: &Marks) -> Vec<String> {
    let mut notes = Vec::new();
    for (id, row) in flows {
        let name = name_of(row);
        let data = text(row, "clientdata").unwrap_or_default();
        if rules.made_anew(&name).is_some() {
            continue;
        }
        let left_off = if rules.wanted(*id, row) == Wanted::Off(NAMES_PRODUCTION) {
            " is left off, because it would act on production; it"
        } else {
            ""
        };
        for mark in marks.found_in(&data) {
            let rule = match &mark.replacement {
                Some((find, with)) => {
                    format!("add `{{ flow: {id}, find: {find}, with: {with} }}` under `replace`")
                }
                None => {
                    "add a rule for it under `replace`, or change it in the designer".to_owned()
                }
            };
            notes.push(format!(
                "cloud flow '{name}'{left_off} holds {}: {rule}",
                mark.what
            ));
        }
    }
    notes
}

/// The ids of an environment's custom connectors, lower case; none where it has no such table.
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
    use super::*;

    fn flow(name: &str, wanted: Wanted, is_on: bool, data: &Value) -> Seen {
        let row = json!({ "clientdata": data.to_string() });
        Seen {
            name: name.to_owned(),
            is_on,
            wanted,
            definition: Definition::of(row.as_object().unwrap()),
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
    fn a_child_that_nobody_turns_on_is_named() {
        let [parent, off, on, gone] = [1, 2, 3, 4].map(Uuid::from_u128);
        let none = json!({});
        let left_off = Wanted::Off("off in the source");
        let flows = BTreeMap::from([
            (
                parent,
                flow("Parent", Wanted::On, false, &calling(&[off, on, gone])),
            ),
            (off, flow("Quiet child", left_off.clone(), false, &none)),
            (on, flow("Platform child", left_off, true, &none)),
        ]);
        let notes = children_left_off(&flows);
        assert_eq!(notes.len(), 2, "{notes:?}");
        assert!(notes[0].contains("'Quiet child'") && notes[0].contains("off in the source"));
        assert!(notes[1].contains(&gone.to_string()));
    }

    #[test]
    fn callers_are_noted_for_flows_that_shall_be_on_alone() {
        let data = json!({"properties":{"definition":{"triggers":{
            "manual":{"type":"Request","kind":"Http"}}}}});
        let flows = BTreeMap::from([
            (Uuid::from_u128(1), flow("Inbound", Wanted::On, true, &data)),
            (
                Uuid::from_u128(2),
                flow("Old", Wanted::Off("excepted by the runbook"), false, &data),
            ),
        ]);
        let notes = new_addresses(&flows);
        assert_eq!(notes.len(), 1);
        assert!(notes[0].contains("'Inbound'") && notes[0].contains("new address"));
    }

    #[test]
    fn a_connector_of_another_environment_comes_with_the_rule_that_mends_it() {
        let data = json!({"properties":{"connectionReferences":{"x":{
            "api":{"name":"shared_bin-5f0a1b2c3d4e5f6071"}}}}});
        let flows = BTreeMap::from([(Uuid::from_u128(1), flow("Bin", Wanted::On, false, &data))]);
        let here = BTreeSet::from(["shared_bin-5f9999999999999999".to_owned()]);
        let notes = connectors_to_replace(&flows, &here, &BTreeSet::new());
        assert!(
            notes[0].contains(
                "find: shared_bin-5f0a1b2c3d4e5f6071, with: shared_bin-5f9999999999999999"
            ),
            "{notes:?}"
        );
    }
}
