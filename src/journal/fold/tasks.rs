//! Manual tasks: handed out, completed or waived, and handed out again.

use std::sync::Arc;

use super::Refusal;
use crate::journal::payload::{Completed, Waiting};
use crate::journal::record::Entry;
use crate::journal::state::{ProvedThing, Stamped, State, TaskState};

impl State {
    /// A task waits. An earlier task of the same name is kept, if it has ended or if some of it is
    /// done: the new one has only what is left.
    pub(super) fn waits(&mut self, entry: &Entry, waiting: &Waiting) {
        if let Some((step, phase)) = waiting.task.split_once('/') {
            self.forget_failures(step, phase);
            self.touch(step);
        }
        let proved = self.proved_things(&waiting.task);
        let task = TaskState {
            waiting: Stamped::new(entry, waiting),
            completed: None,
            proved: Vec::new(),
        };
        let replaced = self
            .tasks
            .insert(waiting.task.as_str().into(), Arc::new(task));
        let Some(mut replaced) = replaced else {
            return;
        };
        if replaced.completed.is_none() {
            Arc::make_mut(&mut replaced).proved = proved;
        }
        if replaced.completed.is_some() || !replaced.proved.is_empty() {
            self.earlier_tasks.push(replaced);
        }
    }

    /// Does the manual task of this phase wait for a person?
    pub(super) fn waits_for(&self, step: &str, phase: &str) -> bool {
        let task = self.tasks.get(format!("{step}/{phase}").as_str());
        task.is_some_and(|task| task.completed.is_none())
    }

    pub(super) fn completed(
        &mut self,
        entry: &Entry,
        completed: &Completed,
    ) -> Result<(), Refusal> {
        let proved = self.proved_things(&completed.task);
        match self.tasks.get_mut(completed.task.as_str()) {
            None => Err(format!("no task `{}` is waiting", completed.task)),
            Some(task) if task.completed.is_some() => Err(format!(
                "the task `{}` is already completed",
                completed.task
            )),
            Some(task) => {
                let task = Arc::make_mut(task);
                task.completed = Some(Stamped::new(entry, completed));
                task.proved = proved;
                Ok(())
            }
        }
    }

    /// The things that were handed out in the open task of this name (`STEP/PHASE`) and are done now:
    /// the tenant showed it, after a person or the program did it.
    fn proved_things(&self, task: &str) -> Vec<ProvedThing> {
        let Some(open) = self.tasks.get(task).filter(|it| it.completed.is_none()) else {
            return Vec::new();
        };
        let asked = self.manual_changes.values().filter(|change| {
            let intent = &change.intent;
            open.waiting.task.split_once('/') == Some((&intent.step, &intent.phase))
        });
        let proved = asked.filter_map(|change| {
            let intent = &change.intent;
            let by_program = || {
                let set = self.set(&intent.key).and_then(|set| set.done);
                let launch = self.launch(&intent.key);
                let launch = launch.and_then(|launch| launch.verified.as_ref());
                set.map(|done| done.time).or(launch.map(|it| it.time))
            };
            let time = if self.is_newest(intent) {
                change.done.map(|done| done.time)
            } else {
                by_program()
            };
            Some(ProvedThing {
                key: intent.key.clone(),
                name: intent.name.clone(),
                time: time?,
            })
        });
        let things = open.things();
        proved
            .filter(|thing| things.has(&thing.key, &thing.name))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::journal::payload::{ChangeKind, Completed, Finished, Waiting};
    use crate::journal::record::Record;
    use crate::journal::state::State;
    use crate::journal::testing::{
        began, completed, done, fold, intent, next, opened, phase_began, step_began, waiting,
    };

    fn open() -> State {
        fold(vec![began().into(), opened("ops-1").into()])
    }

    /// Hands out these things in the task `s/p`.
    fn hand_out(state: &mut State, keys: &[&str]) {
        let changes: Vec<_> = keys
            .iter()
            .map(|key| json!({ "key": key, "name": format!("the thing {key}") }))
            .collect();
        let worksheet = json!({ "changes": changes });
        let task = "s/p".to_owned();
        next(state, Waiting { task, worksheet }.into()).unwrap();
        for key in keys {
            next(state, intent("s", "p", key, ChangeKind::ManualTask)).unwrap();
        }
    }

    fn waiver() -> Record {
        Record::from(Completed {
            task: "s/p".to_owned(),
            evidence: json!("waived"),
            who: "ada".to_owned(),
            waived: Some("seen".to_owned()),
        })
    }

    fn begun() -> State {
        let mut state = open();
        next(&mut state, step_began("s")).unwrap();
        next(&mut state, phase_began("s", "p")).unwrap();
        state
    }

    #[test]
    fn a_task_is_completed_once_and_may_wait_again() {
        let mut state = open();
        assert!(next(&mut state, completed("s/p")).is_err());
        next(&mut state, waiting("s/p")).unwrap();
        assert!(next(&mut state, Finished {}.into()).is_err());
        next(&mut state, completed("s/p")).unwrap();
        assert!(next(&mut state, completed("s/p")).is_err());
        assert_eq!(state.waiting().count(), 0);
        next(&mut state, waiting("s/p")).unwrap();
        assert_eq!(state.waiting().count(), 1);
    }

    #[test]
    fn a_task_that_is_handed_out_again_leaves_the_earlier_one_as_it_ended() {
        let mut state = begun();
        hand_out(&mut state, &["a", "b"]);
        next(&mut state, done("a")).unwrap();
        next(&mut state, waiver()).unwrap();
        hand_out(&mut state, &["a"]);
        assert_eq!(state.waiting().count(), 1);
        let [earlier] = state.earlier_tasks.as_slice() else {
            panic!("{:?}", state.earlier_tasks);
        };
        assert!(earlier.completed.as_ref().unwrap().waived.is_some());
        let proved: Vec<&str> = earlier.proved.iter().map(|it| it.key.as_str()).collect();
        assert_eq!(proved, ["a"], "what is asked again stays done in its time");
    }

    #[test]
    fn what_is_found_again_of_an_open_task_is_handed_out_again_without_a_running_phase() {
        let mut state = begun();
        hand_out(&mut state, &["a"]);
        next(&mut state, done("a")).unwrap();
        next(&mut state, opened("ops-1").into()).unwrap();
        let again = || intent("s", "p", "a", ChangeKind::ManualTask);
        next(&mut state, again()).unwrap();
        assert_eq!(state.by_hand("s").done, 0);
        next(&mut state, waiver()).unwrap();
        assert!(next(&mut state, again()).is_err(), "it no longer waits");
    }

    #[test]
    fn a_larger_worksheet_takes_over_only_what_is_left() {
        let mut state = begun();
        hand_out(&mut state, &["a", "b"]);
        // Nothing of it is done: the new one has everything.
        hand_out(&mut state, &["a", "b", "c"]);
        assert!(state.earlier_tasks.is_empty());
        next(&mut state, done("a")).unwrap();
        hand_out(&mut state, &["b", "c", "d"]);
        let proved = |state: &State| state.earlier_tasks[0].proved.len();
        assert_eq!((state.earlier_tasks.len(), proved(&state)), (1, 1));
        next(&mut state, completed("s/p")).unwrap();
        assert!(state.tasks["s/p"].proved.is_empty(), "`a` is not its thing");
    }
}
