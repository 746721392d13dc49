//! Environments, stored as the older admin API shows them.

use serde_json::Value;

use crate::rehearsal::world::names;
use crate::rehearsal::world::store::Draft;

/// An environment's object.
pub(crate) fn environment<'draft>(draft: &'draft Draft<'_>, id: &str) -> Option<&'draft Value> {
    draft.get(&names::environment(id))
}

/// A text in an environment's object.
pub(crate) fn property<'draft>(
    draft: &'draft Draft<'_>,
    id: &str,
    pointer: &str,
) -> Option<&'draft str> {
    environment(draft, id)?.pointer(pointer)?.as_str()
}

pub(crate) fn organization(draft: &Draft<'_>, id: &str) -> Option<String> {
    property(
        draft,
        id,
        "/properties/linkedEnvironmentMetadata/resourceId",
    )
    .map(str::to_owned)
}

pub(crate) fn runs_background_operations(draft: &Draft<'_>, id: &str) -> bool {
    let pointer = "/properties/linkedEnvironmentMetadata/backgroundOperationsState";
    property(draft, id, pointer) == Some("Enabled")
}

pub(crate) fn in_administration_mode(draft: &Draft<'_>, id: &str) -> bool {
    property(draft, id, "/properties/states/runtime/id") == Some("AdminMode")
}

/// Replaces the objects under the prefix `old` by copies of those under `from`, with the prefix
/// `to`.
pub(crate) fn replace(draft: &mut Draft<'_>, old: &str, from: &str, to: &str) {
    draft.delete_under(old);
    let copied: Vec<(String, Value)> = draft
        .under(from)
        .map(|(key, value)| (format!("{to}{}", &key[from.len()..]), value.clone()))
        .collect();
    for (key, value) in copied {
        draft.put(key, value);
    }
}

/// Sets a member of an environment's object; null removes it. The parent must exist.
pub(crate) fn set(draft: &mut Draft<'_>, id: &str, pointer: &str, value: Value) {
    let key = names::environment(id);
    let Some(mut environment) = draft.get(&key).cloned() else {
        return;
    };
    let Some((parent, member)) = pointer.rsplit_once('/') else {
        return;
    };
    if let Some(Value::Object(parent)) = environment.pointer_mut(parent) {
        match value {
            Value::Null => {
                parent.shift_remove(member);
            }
            value => {
                parent.insert(member.to_owned(), value);
            }
        }
    }
    draft.put(key, environment);
}
