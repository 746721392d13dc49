//! Edits of people: detected, confirmed, settled.

use std::sync::Arc;

use super::Refusal;
use crate::journal::payload::{HumanEditDetected, OverwriteConfirmed};
use crate::journal::record::Entry;
use crate::journal::state::{EditState, Stamped, State};

impl State {
    /// A newer edit of the same object replaces an older one and its confirmation.
    pub(super) fn edit_detected(
        &mut self,
        entry: &Entry,
        detected: &HumanEditDetected,
    ) -> Result<(), Refusal> {
        self.require_running(&detected.step, &detected.phase)?;
        let edit = EditState {
            detected: Stamped::new(entry, detected),
            confirmed: None,
        };
        self.edits.insert(detected.key.as_str().into(), edit);
        Ok(())
    }

    /// A confirmation covers only the value that was shown.
    pub(super) fn overwrite_confirmed(
        &mut self,
        entry: &Entry,
        confirmed: &OverwriteConfirmed,
    ) -> Result<(), Refusal> {
        let key = &confirmed.key;
        match self.edits.get_mut(key.as_str()) {
            None => Err(format!("no edit of `{key}` was detected")),
            Some(edit) if edit.detected.found != confirmed.found => {
                Err(format!("another edit of `{key}` was detected"))
            }
            Some(edit) => {
                edit.confirmed = Some(Stamped::new(entry, confirmed));
                Ok(())
            }
        }
    }

    /// A phase that has ended has nothing left to overwrite: a person has reverted its edits, or
    /// has agreed that they are overwritten.
    pub(super) fn settle_edits(&mut self, step: &str, phase: &str) {
        self.edits
            .retain(|_, edit| edit.detected.step != step || edit.detected.phase != phase);
    }

    /// Steps that are opened again start from the current values, which are planned and confirmed
    /// again.
    pub(super) fn forget_values(&mut self) {
        for change in self.sets.values_mut() {
            let change = Arc::make_mut(change);
            change.earlier.clear();
            change.is_forgotten = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::base::json_text::JsonText;
    use crate::journal::payload::{ChangeKind, Intent};
    use crate::journal::record::Record;
    use crate::journal::testing::{
        in_phase, intent, next, opened, phase_began, phase_ended, step_began,
    };

    fn detected(found: Value) -> Record {
        HumanEditDetected {
            step: "s".to_owned(),
            phase: "p".to_owned(),
            key: "k".to_owned(),
            name: "set k".to_owned(),
            expected: json!({"value": "old"}),
            found,
        }
        .into()
    }

    fn confirmed(found: Value) -> Record {
        OverwriteConfirmed {
            key: "k".to_owned(),
            found,
            who: "ada".to_owned(),
        }
        .into()
    }

    #[test]
    fn a_confirmation_covers_only_the_value_that_was_shown() {
        let mut state = in_phase("s", "p");
        let why = next(&mut state, confirmed(json!(1))).unwrap_err();
        assert!(why.contains("no edit"), "{why}");
        next(&mut state, detected(json!(1))).unwrap();
        assert!(next(&mut state, confirmed(json!(2))).is_err());
        next(&mut state, confirmed(json!(1))).unwrap();
        assert!(state.edit("k").unwrap().confirmed.is_some());
        next(&mut state, detected(json!(2))).unwrap();
        assert!(state.edit("k").unwrap().confirmed.is_none());
    }

    #[test]
    fn an_edit_outlives_its_process_but_not_its_phase() {
        let mut state = in_phase("s", "p");
        next(&mut state, detected(json!(1))).unwrap();
        next(&mut state, opened("ops-2").into()).unwrap();
        assert!(state.edit("k").is_some());
        assert!(
            next(&mut state, detected(json!(2))).is_err(),
            "no phase runs"
        );
        next(&mut state, step_began("s")).unwrap();
        next(&mut state, phase_began("s", "p")).unwrap();
        next(&mut state, phase_ended("s", "p")).unwrap();
        assert!(state.edit("k").is_none());
    }

    #[test]
    fn the_values_of_every_intent_belong_to_this_run() {
        let mut state = in_phase("s", "p");
        next(&mut state, intent("s", "p", "k", ChangeKind::Set)).unwrap();
        next(&mut state, intent("s", "p", "k", ChangeKind::Set)).unwrap();
        let values = |state: &State| -> Vec<Value> {
            let set = state.set("k").unwrap();
            set.values().map(JsonText::value).collect()
        };
        let (off, on) = (json!({"state": "off"}), json!({"state": "on"}));
        assert_eq!(values(&state), [off.clone(), on.clone()]);
        let other = Intent {
            step: "s".to_owned(),
            phase: "p".to_owned(),
            key: "k".to_owned(),
            kind: ChangeKind::Set,
            name: "k".to_owned(),
            before: json!(1).into(),
            after: on.clone().into(),
            detail: Value::Null,
        };
        next(&mut state, other.into()).unwrap();
        assert_eq!(values(&state), [off, json!(1), on]);
        state.forget_values();
        assert!(values(&state).is_empty());
    }
}
