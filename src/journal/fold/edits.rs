//! Edits of people that a run found: detected, confirmed, settled.

use std::sync::Arc;

use super::Refused;
use crate::journal::payload::{HumanEditDetected, OverwriteConfirmed};
use crate::journal::record::Entry;
use crate::journal::state::{EditState, Stamped, State};

impl State {
    /// A newer edit of the same object takes the place of an older one, with its confirmation.
    pub(super) fn edit_detected(
        &mut self,
        entry: &Entry,
        detected: &HumanEditDetected,
    ) -> Result<(), Refused> {
        self.require_running(&detected.step, &detected.phase)?;
        let edit = EditState {
            detected: Stamped::new(entry, detected),
            confirmed: None,
        };
        self.edits.insert(detected.key.as_str().into(), edit);
        Ok(())
    }

    /// A confirmation covers the value that was shown, and no other.
    pub(super) fn overwrite_confirmed(
        &mut self,
        entry: &Entry,
        confirmed: &OverwriteConfirmed,
    ) -> Result<(), Refused> {
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

    /// A phase that has ended has nothing left to overwrite: its edits were put right by a person,
    /// or overwritten with a person's consent.
    pub(super) fn settle_edits(&mut self, step: &str, phase: &str) {
        self.edits
            .retain(|_, edit| edit.detected.step != step || edit.detected.phase != phase);
    }

    /// Steps that are opened again start from what is there: it is planned and confirmed again.
    pub(super) fn forget_values(&mut self) {
        for change in self.sets.values_mut() {
            Arc::make_mut(change).values.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::journal::payload::ChangeKind;
    use crate::journal::record::Record;
    use crate::journal::testing::{
        began, entry, fold, intent, opened, phase_began, phase_ended, step_began,
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

    fn next(state: &mut State, record: Record) -> Result<(), String> {
        state
            .next(&entry(state.next_number, record))
            .map_err(|illegal| illegal.why)
    }

    fn in_a_phase() -> State {
        fold(vec![
            began().into(),
            opened("ops-1").into(),
            step_began("s"),
            phase_began("s", "p"),
        ])
    }

    #[test]
    fn a_confirmation_covers_the_value_that_was_shown_and_no_other() {
        let mut state = in_a_phase();
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
    fn an_edit_outlives_the_process_and_not_the_end_of_its_phase() {
        let mut state = in_a_phase();
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
    fn the_values_of_every_intent_are_this_runs() {
        let mut state = in_a_phase();
        next(&mut state, intent("s", "p", "k", ChangeKind::Set)).unwrap();
        next(&mut state, intent("s", "p", "k", ChangeKind::Set)).unwrap();
        let values = &state.set("k").unwrap().values;
        assert_eq!(values, &[json!({"state": "off"}), json!({"state": "on"})]);
    }
}
