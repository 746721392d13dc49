//! Sets, removals, manual changes and launches, from their intent to their end.

use std::sync::Arc;

use super::Refusal;
use crate::base::json_text::JsonText;
use crate::journal::payload::{ChangeKind, Done, Ended, Intent, LaunchOutcome, Launched, Verified};
use crate::journal::record::Entry;
use crate::journal::state::{ChangeState, LaunchState, Moment, Stamped, State};

impl State {
    pub(super) fn intent(&mut self, entry: &Entry, intent: &Intent) -> Result<(), Refusal> {
        // What is found again of a task that waits is handed out again, also by `complete`.
        if intent.kind != ChangeKind::ManualTask || !self.waits_for(&intent.step, &intent.phase) {
            self.require_running(&intent.step, &intent.phase)?;
        }
        let key = intent.key.as_str();
        let change = |earlier| {
            Arc::new(ChangeState {
                intent: Stamped::new(entry, intent),
                done: None,
                earlier,
                is_forgotten: false,
            })
        };
        match intent.kind {
            ChangeKind::ManualTask => {
                self.manual_changes.insert(key, change(Vec::new()));
            }
            ChangeKind::Set | ChangeKind::Remove => {
                if self.launch(key).is_some() {
                    return Err(format!("`{key}` is a launch"));
                }
                let mut earlier: Vec<JsonText> = Vec::new();
                for value in self.set(key).iter().flat_map(|set| set.values()) {
                    let is_known = [&intent.before, &intent.after].contains(&value);
                    if !is_known && !earlier.contains(value) {
                        earlier.push(value.clone());
                    }
                }
                self.sets.insert(key, change(earlier));
            }
            ChangeKind::Launch => {
                let launch = LaunchState {
                    intent: Stamped::new(entry, intent),
                    attempt: self.next_attempt(key)?,
                    failures: self.failures_before(key),
                    launched: None,
                    ended: None,
                    verified: None,
                };
                self.launches.insert(key.into(), Arc::new(launch));
            }
        }
        self.touch(&intent.step);
        Ok(())
    }

    /// The number of the attempt that a new intent of this launch begins, if it may begin.
    fn next_attempt(&self, key: &str) -> Result<u32, Refusal> {
        if self.set(key).is_some() {
            return Err(format!("`{key}` is not a launch"));
        }
        let Some(launch) = self.launch(key) else {
            return Ok(1);
        };
        match launch.outcome() {
            None => Err(format!("it is not known how the launch `{key}` ended")),
            // A verified launch whose effect is missing later may be requested again.
            Some(LaunchOutcome::Succeeded) if launch.verified.is_none() => Err(format!(
                "the launch `{key}` has succeeded and is not verified"
            )),
            Some(_) => Ok(launch.attempt.saturating_add(1)),
        }
    }

    /// How many attempts of this launch failed since it last succeeded, or its step was opened
    /// again.
    fn failures_before(&self, key: &str) -> u32 {
        let Some(launch) = self.launch(key) else {
            return 0;
        };
        if launch.intent.number < self.reopening_of(&launch.intent.step) {
            return 0;
        }
        let opened = self.opened.as_ref().map_or(0, |opened| opened.number);
        match launch.outcome() {
            None | Some(LaunchOutcome::Succeeded) => 0,
            // An earlier process ended before the service had its request: nothing failed.
            Some(LaunchOutcome::Absent)
                if launch.intent.number < opened && !launch.was_refused() =>
            {
                launch.failures
            }
            Some(LaunchOutcome::Absent | LaunchOutcome::Failed) => {
                launch.failures.saturating_add(1)
            }
            Some(LaunchOutcome::GivenUp) => launch.failures,
        }
    }

    pub(super) fn launched(&mut self, entry: &Entry, launched: &Launched) -> Result<(), Refusal> {
        let key = &launched.key;
        let launch = self.launches.get_mut(key.as_str());
        let launch = launch.ok_or_else(|| format!("there is no intent for the launch `{key}`"))?;
        let is_verified = launch.verified.is_some();
        // A newer operation of the same request may be found after the first has ended.
        if is_verified
            || matches!(launch.outcome(), Some(outcome) if outcome != LaunchOutcome::Succeeded)
        {
            return Err(format!("the launch `{key}` has already ended"));
        }
        if launch
            .handle()
            .is_some_and(|handle| *handle == launched.handle)
        {
            return Err(format!("the launch `{key}` already has this handle"));
        }
        let launch = Arc::make_mut(launch);
        launch.launched = Some(Stamped::new(entry, launched));
        launch.ended = None;
        Ok(())
    }

    pub(super) fn ended(&mut self, entry: &Entry, ended: &Ended) -> Result<(), Refusal> {
        // The service reported success, and the tenant itself shows otherwise.
        if ended.outcome == LaunchOutcome::Failed
            && let Some(launch) = self.launches.get_mut(ended.key.as_str())
            && launch.outcome() == Some(LaunchOutcome::Succeeded)
            && launch.verified.is_none()
        {
            Arc::make_mut(launch).ended = Some(Stamped::new(entry, ended));
            return Ok(());
        }
        let launch = self.open_launch(&ended.key)?;
        launch.ended = Some(Stamped::new(entry, ended));
        Ok(())
    }

    /// The launch with this key, if it has an intent and no end.
    fn open_launch(&mut self, key: &str) -> Result<&mut LaunchState, Refusal> {
        match self.launches.get_mut(key) {
            None => Err(format!("there is no intent for the launch `{key}`")),
            Some(launch) if launch.ended.is_some() => {
                Err(format!("the launch `{key}` has already ended"))
            }
            Some(launch) => Ok(Arc::make_mut(launch)),
        }
    }

    pub(super) fn verified(&mut self, entry: &Entry, verified: &Verified) -> Result<(), Refusal> {
        let key = &verified.key;
        match self.launches.get_mut(key.as_str()) {
            Some(launch) if launch.outcome() == Some(LaunchOutcome::Succeeded) => {
                Arc::make_mut(launch).verified = Some(Stamped::new(entry, verified));
                self.refused.remove(key.as_str());
                Ok(())
            }
            Some(_) => Err(format!("the launch `{key}` has not succeeded")),
            None => Err(format!("there is no intent for the launch `{key}`")),
        }
    }

    pub(super) fn done(&mut self, entry: &Entry, done: &Done) -> Result<(), Refusal> {
        let key = done.key.as_str();
        // An automatic and a manual change may have the same key; the newer intent applies.
        let manual = self.manual_changes.get(key).map(|set| set.intent.number);
        let automatic = self.sets.get(key).map(|set| set.intent.number);
        let changes = if manual > automatic {
            &mut self.manual_changes
        } else {
            &mut self.sets
        };
        match changes.get_mut(key) {
            None => Err(format!("there is no intent for `{key}`")),
            Some(change) if change.done.is_some() => Err(format!("`{key}` is already done")),
            Some(change) => {
                Arc::make_mut(change).done = Some(Moment {
                    number: entry.number,
                    time: entry.time,
                });
                self.refused.remove(key);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::record::Record;
    use crate::journal::testing::{
        done, ended, in_phase, intent, launched, next, opened, phase_began, step_began, verified,
    };

    fn launch() -> Record {
        intent("s", "p", "copy", ChangeKind::Launch)
    }

    /// It is closed, and not verified; if it is wanted again later, it may be requested again.
    #[test]
    fn a_launch_that_was_given_up_is_neither_in_doubt_nor_verified() {
        let mut state = in_phase("s", "p");
        next(&mut state, launch()).unwrap();
        next(&mut state, ended("copy", LaunchOutcome::GivenUp)).unwrap();
        assert_eq!(state.launches_in_doubt().count(), 0);
        assert!(next(&mut state, launched("copy")).is_err());
        assert!(next(&mut state, verified("copy")).is_err());
        assert!(next(&mut state, ended("copy", LaunchOutcome::Succeeded)).is_err());
        next(&mut state, launch()).unwrap();
        let again = state.launch("copy").unwrap();
        assert_eq!((again.attempt, again.failures), (2, 0));
    }

    #[test]
    fn a_launch_goes_from_intent_to_verified_in_order() {
        let mut state = in_phase("s", "p");
        let refused = [
            launched("copy"),
            ended("copy", LaunchOutcome::Absent),
            verified("copy"),
        ];
        for record in refused {
            let why = next(&mut state, record).unwrap_err();
            assert!(why.contains("no intent"), "{why}");
        }
        next(&mut state, launch()).unwrap();
        assert_eq!(state.launches_in_doubt().count(), 1);
        assert!(next(&mut state, done("copy")).is_err());
        assert!(next(&mut state, verified("copy")).is_err());
        assert!(
            next(&mut state, launch())
                .unwrap_err()
                .contains("not known")
        );
        next(&mut state, launched("copy")).unwrap();
        assert!(next(&mut state, launched("copy")).is_err());
        next(&mut state, ended("copy", LaunchOutcome::Succeeded)).unwrap();
        assert!(next(&mut state, ended("copy", LaunchOutcome::Succeeded)).is_err());
        assert!(next(&mut state, ended("copy", LaunchOutcome::Absent)).is_err());
        let why = next(&mut state, launch()).unwrap_err();
        assert!(why.contains("not verified"), "{why}");
        next(&mut state, verified("copy")).unwrap();
        assert!(next(&mut state, ended("copy", LaunchOutcome::Failed)).is_err());
        assert_eq!(state.launches_in_doubt().count(), 0);
    }

    #[test]
    fn another_operation_of_the_same_request_replaces_the_first() {
        let mut state = in_phase("s", "p");
        let another = || {
            Record::from(Launched {
                key: "copy".to_owned(),
                handle: serde_json::json!({"operation": "op-2"}),
                service_date: None,
            })
        };
        assert!(next(&mut state, another()).is_err(), "without an intent");
        next(&mut state, launch()).unwrap();
        next(&mut state, launched("copy")).unwrap();
        next(&mut state, ended("copy", LaunchOutcome::Succeeded)).unwrap();
        next(&mut state, another()).unwrap();
        let copy = state.launch("copy").unwrap();
        assert_eq!(copy.handle().unwrap()["operation"], "op-2");
        assert_eq!((copy.outcome(), copy.attempt), (None, 1));
        next(&mut state, ended("copy", LaunchOutcome::Failed)).unwrap();
        assert!(next(&mut state, launched("copy")).is_err(), "after its end");
    }

    #[test]
    fn the_tenant_overrides_what_the_service_reported() {
        let mut state = in_phase("s", "p");
        next(&mut state, launch()).unwrap();
        next(&mut state, launched("copy")).unwrap();
        next(&mut state, ended("copy", LaunchOutcome::Succeeded)).unwrap();
        next(&mut state, ended("copy", LaunchOutcome::Failed)).unwrap();
        assert!(next(&mut state, verified("copy")).is_err());
        next(&mut state, launch()).unwrap();
        assert_eq!(state.launch("copy").unwrap().attempt, 2);
    }

    #[test]
    fn a_verified_launch_whose_effect_is_missing_may_be_launched_again() {
        let mut state = in_phase("s", "p");
        next(&mut state, launch()).unwrap();
        next(&mut state, ended("copy", LaunchOutcome::Succeeded)).unwrap();
        next(&mut state, verified("copy")).unwrap();
        next(&mut state, launch()).unwrap();
        let again = state.launch("copy").unwrap();
        assert!(again.attempt == 2 && again.verified.is_none());
    }

    #[test]
    fn a_launch_is_tried_again_only_after_it_failed_or_was_absent() {
        let mut state = in_phase("s", "p");
        for (attempt, outcome) in [(1, LaunchOutcome::Absent), (2, LaunchOutcome::Failed)] {
            next(&mut state, launch()).unwrap();
            assert_eq!(state.launch("copy").unwrap().attempt, attempt);
            next(&mut state, ended("copy", outcome)).unwrap();
            assert!(next(&mut state, verified("copy")).is_err());
        }
        next(&mut state, launch()).unwrap();
        let third = state.launch("copy").unwrap();
        assert_eq!(third.attempt, 3);
        assert!(third.handle().is_none() && third.outcome().is_none());
    }

    #[test]
    fn only_a_try_after_a_failure_is_another_attempt() {
        let mut state = in_phase("s", "p");
        let failures = |state: &State| state.launch("copy").unwrap().failures;
        // Its process was killed before the service had the request: a resume is no attempt.
        next(&mut state, launch()).unwrap();
        for record in [
            opened("ops-1").into(),
            step_began("s"),
            phase_began("s", "p"),
        ] {
            next(&mut state, record).unwrap();
        }
        next(&mut state, ended("copy", LaunchOutcome::Absent)).unwrap();
        next(&mut state, launch()).unwrap();
        assert_eq!(failures(&state), 0);
        next(&mut state, ended("copy", LaunchOutcome::Failed)).unwrap();
        next(&mut state, launch()).unwrap();
        assert_eq!(failures(&state), 1);
        next(&mut state, ended("copy", LaunchOutcome::Succeeded)).unwrap();
        next(&mut state, verified("copy")).unwrap();
        assert_eq!(failures(&state), 1);
        // It succeeded and is needed again.
        next(&mut state, launch()).unwrap();
        assert_eq!(
            (failures(&state), state.launch("copy").unwrap().attempt),
            (0, 4)
        );
    }

    #[test]
    fn a_set_is_done_once_for_each_intent() {
        let mut state = in_phase("s", "p");
        let set = || intent("s", "p", "flow/1", ChangeKind::Set);
        assert!(next(&mut state, done("flow/1")).is_err());
        next(&mut state, set()).unwrap();
        next(&mut state, done("flow/1")).unwrap();
        assert!(next(&mut state, done("flow/1")).is_err());
        // The value has changed again, or the process did not know whether it was written.
        next(&mut state, set()).unwrap();
        assert!(state.set("flow/1").unwrap().done.is_none());
        next(&mut state, done("flow/1")).unwrap();
    }

    #[test]
    fn a_key_is_a_launch_or_not_for_the_whole_run() {
        let mut state = in_phase("s", "p");
        next(&mut state, launch()).unwrap();
        let set = intent("s", "p", "copy", ChangeKind::Set);
        assert!(next(&mut state, set).unwrap_err().contains("is a launch"));
        next(&mut state, intent("s", "p", "flow/1", ChangeKind::Remove)).unwrap();
        let launch = intent("s", "p", "flow/1", ChangeKind::Launch);
        assert!(
            next(&mut state, launch)
                .unwrap_err()
                .contains("is not a launch")
        );
    }

    #[test]
    fn an_intent_belongs_to_the_phase_that_runs() {
        let mut state = in_phase("s", "p");
        let why = next(&mut state, intent("s", "q", "k", ChangeKind::Set)).unwrap_err();
        assert_eq!(why, "the phase `s/q` is not running");
    }
}
