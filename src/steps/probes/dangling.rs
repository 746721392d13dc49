//! Places of an orchestration that look like a provider action's and hold an id which is no
//! action's. The schema is not published, so a place is known by where actions stand elsewhere: its
//! member has the name of a member that holds a known action in this or another orchestration.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use uuid::Uuid;

use crate::steps::graph::Slot;

/// The step of a slot's pointer into JSON that is kept as a string.
const INTO_STRING: &str = "~json";

/// The names of the members that hold actions, by the pointers of known slots.
pub(super) fn members<'a>(slots: impl IntoIterator<Item = &'a Slot>) -> BTreeSet<String> {
    slots
        .into_iter()
        .filter_map(|slot| {
            let step = slot.pointer.rsplit('/').find(|step| {
                // An item of a list has the list's name.
                *step != INTO_STRING && step.parse::<usize>().is_err()
            })?;
            Some(step.replace("~1", "/").replace("~0", "~"))
        })
        .collect()
}

/// The ids in such members that are no known action's. A graph that cannot be read has none.
pub(super) fn ids(
    graph: &str,
    members: &BTreeSet<String>,
    actions: &BTreeMap<Uuid, String>,
) -> BTreeSet<Uuid> {
    let mut found = BTreeSet::new();
    if let Ok(value) = serde_json::from_str(graph) {
        walk(&value, false, members, &mut found);
    }
    found.retain(|id| !id.is_nil() && !actions.contains_key(id));
    found
}

fn walk(value: &Value, is_place: bool, members: &BTreeSet<String>, found: &mut BTreeSet<Uuid>) {
    match value {
        Value::Object(object) => {
            for (key, member) in object {
                // Of a lookup object only the id is the action's.
                let is_id = is_place && key.eq_ignore_ascii_case("id");
                walk(member, is_id || members.contains(key), members, found);
            }
        }
        Value::Array(items) => {
            for item in items {
                walk(item, is_place, members, found);
            }
        }
        Value::String(text) => {
            let bare = text.trim().trim_start_matches('{').trim_end_matches('}');
            if is_place && bare.len() == 36 {
                found.extend(Uuid::try_parse(bare).ok());
            } else if text.trim_start().starts_with(['{', '['])
                && let Ok(inner) = serde_json::from_str(text)
            {
                walk(&inner, false, members, found);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steps::graph::slots;

    const KNOWN: &str = "20000000-0000-4000-8000-000000000101";
    const GONE: &str = "20000000-0000-4000-8000-000000009999";

    fn actions() -> BTreeMap<Uuid, String> {
        BTreeMap::from([(Uuid::try_parse(KNOWN).unwrap(), "Send".to_owned())])
    }

    fn dangling(graph: &str) -> Vec<String> {
        let slots = slots(graph, &actions()).unwrap();
        let found = ids(graph, &members(&slots), &actions());
        found.iter().map(Uuid::to_string).collect()
    }

    #[test]
    fn an_id_where_actions_stand_that_is_no_action_dangles() {
        let lookup = format!(
            r#"{{"tiles":[{{"action":{{"id":"{KNOWN}","name":"Send"}}}},{{"action":{{"id":"{GONE}","name":"x"}}}}],"policy":"{GONE}"}}"#
        );
        assert_eq!(dangling(&lookup), [GONE]);
        let plain = format!(r#"{{"a":{{"actionId":"{KNOWN}"}},"b":{{"actionId":"{{{GONE}}}"}}}}"#);
        assert_eq!(dangling(&plain), [GONE]);
        let inner = format!(r#"{{"a":{{"x":"{KNOWN}"}},"b":{{"x":"{GONE}"}}}}"#);
        let nested = serde_json::json!({ "json": inner }).to_string();
        assert_eq!(dangling(&nested), [GONE]);
    }

    #[test]
    fn other_ids_do_not() {
        let graph = format!(
            r#"{{"id":"{GONE}","a":{{"action":{{"id":"{KNOWN}"}}}},"b":{{"action":null}},"c":{{"action":{{"id":"00000000-0000-0000-0000-000000000000"}}}}}}"#
        );
        assert!(dangling(&graph).is_empty());
        assert!(ids("no json", &BTreeSet::new(), &actions()).is_empty());
    }
}
