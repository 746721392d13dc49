//! Edits of people: a value that a person wrote after this run first surveyed an object is never
//! overwritten or removed in this run, unless a confirmation names the object.
//!
//! A value is *ours* if an intent of this run named it as before or after (so that a late read of
//! our own write is not an edit), if the seal holds it (a removal), or else if the first survey of
//! this process found it. Every other value is a person's. It is recorded, so that later passes and
//! later processes of the run know it; the record is closed when its phase ends.
//!
//! A change of some sets that an earlier process proved, in a phase that ended, stays done: if it reads
//! as before again, a person has undone it, and that is an edit too; see [`Set::asks_when_undone`].
//!
//! Values are compared member by member: a survey that shows fewer members than before does not
//! show an edit. Members that the service itself changes are left out; see
//! [`Set::only_people_write`].

use std::collections::BTreeMap;

use serde_json::Value;

use super::apply::PhaseRef;
use super::{Action, Change, Context, Failure, Set};
use crate::base::json_text::JsonText;
use crate::journal::{HumanEditDetected, State};

/// The first value of each change's object that this process surveyed, by key. They are kept as
/// texts: parsed, they would take several times the memory.
#[derive(Debug, Default)]
pub(super) struct FirstSeen(BTreeMap<Box<str>, JsonText>);

impl FirstSeen {
    /// Adds what a survey found; what an earlier survey found stays.
    pub(super) fn add(&mut self, changes: &[Change]) {
        for change in changes {
            self.0
                .entry(change.key.as_str().into())
                .or_insert_with(|| change.before.clone());
        }
    }

    /// The first value of the object of this change.
    pub(super) fn get(&self, key: &str) -> Option<&JsonText> {
        self.0.get(key)
    }
}

/// Fails if the change would overwrite or remove what a person wrote, and records a new edit. Takes
/// what the first survey of this process found. It is called before the change's intent is written,
/// because an intent makes its values ours.
pub(super) async fn refuse_overwrite(
    context: &Context,
    phase_ref: PhaseRef<'_>,
    change: &Change,
    first_seen: Option<&JsonText>,
) -> Result<(), Failure> {
    let (set, sealed) = match &change.action {
        Action::Set(set) => (set, None),
        Action::Remove { set, sealed, .. } => (set, Some(sealed)),
        Action::Launch(_) | Action::ManualTask(_) => return Ok(()),
    };
    let state = context.journal.state();
    if let Some(edit) = state.edit(&change.key)
        && edit.detected.found == change.before
    {
        return match edit.confirmed {
            Some(_) => Ok(()),
            None => Err(edited_by_person(&edit.detected)),
        };
    }
    match expected_instead(&state, change, first_seen, sealed, set.as_ref()) {
        Some(expected) => {
            let found = change.before.value();
            record_edit(context, phase_ref, change, &expected, &found).await
        }
        None => Ok(()),
    }
}

/// The value of this run that the survey did not find, if a person wrote what it found.
fn expected_instead(
    state: &State,
    change: &Change,
    first_seen: Option<&JsonText>,
    sealed: Option<&Value>,
    set: &dyn Set,
) -> Option<Value> {
    undone(state, change, first_seen, set).or_else(|| {
        let mut ours = our_values(state, &change.key, first_seen, sealed);
        is_edit(&change.before.value(), &ours, set).then(|| ours.pop())?
    })
}

/// Would the change overwrite what a person wrote? True also if only [`refuse_overwrite`] can tell.
/// `first_seen` is what the first survey of this process found.
pub(super) fn would_overwrite(
    state: &State,
    change: &Change,
    first_seen: Option<&JsonText>,
) -> bool {
    let Action::Set(set) = &change.action else {
        return true;
    };
    state.edit(&change.key).is_some()
        || expected_instead(state, change, first_seen, None, set.as_ref()).is_some()
}

/// The value that this run had given the object, if a person has put back what was there before: an
/// earlier process proved the change, its phase ended, and the first survey of this process found it
/// undone, so it is no late read of our own write. What was opened again is a new decision.
fn undone(
    state: &State,
    change: &Change,
    first_seen: Option<&JsonText>,
    set: &dyn Set,
) -> Option<Value> {
    let made = state.set(&change.key).filter(|_| set.asks_when_undone())?;
    let opened = state.opened.as_ref().map_or(0, |opened| opened.number);
    let is_earlier = made.done.is_some_and(|done| done.number < opened);
    let phase = state.step(&made.intent.step)?.phase(&made.intent.phase)?;
    let is_proved = is_earlier && phase.passes > 0 && made.values().next().is_some();
    if !is_proved || first_seen != Some(&change.before) {
        return None;
    }
    let (after, ours) = (
        made.intent.after.value(),
        our_values(state, &change.key, None, None),
    );
    let mut leaves = Vec::new();
    let found = change.before.value();
    collect_leaves(&found, String::new(), &mut leaves);
    let is_put_back = |(pointer, leaf): &(String, &Value)| {
        after.pointer(pointer) != Some(*leaf)
            && ours
                .iter()
                .any(|value| value.pointer(pointer) == Some(*leaf))
    };
    leaves.iter().any(is_put_back).then_some(after)
}

/// Explains a reading that shows neither the change's `before` nor its `after`, after its intent
/// was written. Records a person's edit; a value that the service changed is surveyed again.
pub(super) async fn explain_reading(
    context: &Context,
    phase_ref: PhaseRef<'_>,
    change: &Change,
    set: &dyn Set,
    found: &Value,
) -> Failure {
    let state = context.journal.state();
    let ours = our_values(&state, &change.key, None, None);
    if is_edit(found, &ours, set) {
        let before = change.before.value();
        let recorded = record_edit(context, phase_ref, change, &before, found).await;
        // Recording an edit always returns a failure.
        return recorded.err().unwrap_or_else(Failure::interrupted);
    }
    Failure::failed(format!(
        "it changed after the survey: expected {}, found {found}",
        change.before
    ))
    .with_help("run again: the next survey starts from the current value")
}

/// The values of an object that belong to this run; the last is the one that is expected now. What
/// this process surveyed first counts only if neither the journal nor a seal knows the object: an
/// edit that an earlier process found does not become ours because this process finds it again.
fn our_values(
    state: &State,
    key: &str,
    first_seen: Option<&JsonText>,
    sealed: Option<&Value>,
) -> Vec<Value> {
    let mut ours: Vec<Value> = sealed.into_iter().cloned().collect();
    ours.extend(state.edit(key).map(|edit| edit.detected.expected.clone()));
    if let Some(set) = state.set(key).filter(|set| set.values().next().is_some()) {
        ours.extend(set.values().map(JsonText::value));
        ours.push(match &set.done {
            Some(_) => set.intent.after.value(),
            None => set.intent.before.value(),
        });
    }
    if ours.is_empty() {
        ours.extend(first_seen.map(JsonText::value));
    }
    ours
}

/// Does this value have a member that does not belong to this run?
fn is_edit(value: &Value, ours: &[Value], set: &dyn Set) -> bool {
    let mut leaves = Vec::new();
    collect_leaves(value, String::new(), &mut leaves);
    leaves.into_iter().any(|(pointer, leaf)| {
        let member = pointer.split('/').nth(1).unwrap_or_default();
        set.only_people_write(member)
            && !ours
                .iter()
                .any(|value| value.pointer(&pointer) == Some(leaf))
    })
}

/// Every member that is not an object itself, with its JSON pointer.
fn collect_leaves<'a>(value: &'a Value, pointer: String, leaves: &mut Vec<(String, &'a Value)>) {
    let Value::Object(members) = value else {
        leaves.push((pointer, value));
        return;
    };
    for (name, member) in members {
        let name = name.replace('~', "~0").replace('/', "~1");
        collect_leaves(member, format!("{pointer}/{name}"), leaves);
    }
}

/// Records an edit, and returns the failure that describes it.
async fn record_edit(
    context: &Context,
    phase_ref: PhaseRef<'_>,
    change: &Change,
    expected: &Value,
    found: &Value,
) -> Result<(), Failure> {
    let edit = HumanEditDetected {
        step: phase_ref.step.to_owned(),
        phase: phase_ref.phase.to_owned(),
        key: change.key.clone(),
        name: change.name.clone(),
        expected: expected.clone(),
        found: found.clone(),
    };
    let refusal = edited_by_person(&edit);
    context.record(edit).await?;
    Err(refusal)
}

fn edited_by_person(edit: &HumanEditDetected) -> Failure {
    Failure::failed(format!(
        "somebody edited it during this run, so it is left as it is: expected {}, found {}",
        edit.expected, edit.found
    ))
    .with_help(format!(
        "undo the edit, or set the intended value yourself, then run again; to let the run overwrite \
         the edit, run again with {}",
        confirming_flag(&edit.key)
    ))
    .permanent()
}

/// The flag that confirms that an edit may be overwritten, ready to paste into a shell.
fn confirming_flag(key: &str) -> String {
    format!("--confirm-overwrite '{}'", key.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use serde_json::json;

    use super::*;
    use crate::engine::{Reading, WriteError, Written};

    #[test]
    fn an_edit_has_two_ways_on_and_neither_keeps_it() {
        let refusal = edited_by_person(&HumanEditDetected {
            step: "activate-flows".to_owned(),
            phase: "turn-on".to_owned(),
            key: "flow/1".to_owned(),
            name: "cloud flow 'Orders'".to_owned(),
            expected: json!(1),
            found: json!(2),
        });
        assert_eq!(
            refusal.help.as_deref(),
            Some(
                "undo the edit, or set the intended value yourself, then run again; to let the run \
                 overwrite the edit, run again with --confirm-overwrite 'flow/1'"
            )
        );
    }

    struct Values;

    #[async_trait]
    impl Set for Values {
        async fn read(&self) -> Result<Reading, Failure> {
            Ok(Reading::of(Value::Null))
        }

        async fn write(&self, _reading: &Reading) -> Result<Written, WriteError> {
            Ok(Written::default())
        }

        fn only_people_write(&self, member: &str) -> bool {
            member != "state"
        }
    }

    #[test]
    fn a_value_is_an_edit_if_a_member_does_not_belong_to_this_run() {
        let ours = [
            json!({"value": "old", "slots": {"/a/b": "x", "c~d": null}}),
            json!({"value": "new"}),
        ];
        for (value, edit) in [
            (json!({"value": "old"}), false),
            (json!({"value": "new", "state": "on"}), false),
            (json!({"slots": {"/a/b": "x"}}), false),
            (json!({"slots": {"c~d": null}}), false),
            (json!({"slots": {"c~d": "y"}}), true),
            (json!({"value": "typed"}), true),
            (json!({"more": 1}), true),
            (Value::Null, true),
            (json!({}), false),
        ] {
            assert_eq!(is_edit(&value, &ours, &Values), edit, "{value}");
        }
    }

    #[test]
    fn the_flag_is_ready_to_paste() {
        assert_eq!(
            confirming_flag("parameter/a b"),
            "--confirm-overwrite 'parameter/a b'"
        );
        assert_eq!(confirming_flag("it's"), r"--confirm-overwrite 'it'\''s'");
    }
}
