//! How long changes took.

use std::time::Duration;

use jiff::Timestamp;

use super::state::{ChangeState, LaunchState, State, StepState};

/// How long a change took, or what is known about that.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ChangeTime {
    /// It took so long, by the program's clock.
    Known(Duration),
    /// It ended between these times, while no process read it, and the service does not say when.
    Between(Timestamp, Timestamp),
}

impl ChangeTime {
    /// How long it took, if that is known.
    pub fn known(self) -> Option<Duration> {
        match self {
            Self::Known(time) => Some(time),
            Self::Between(..) => None,
        }
    }
}

impl State {
    /// How long a set, a removal or a manual change took: the work on it, by the program's clock.
    /// None unless it is done.
    pub fn set_time(&self, set: &ChangeState) -> Option<ChangeTime> {
        let done = set.done.as_ref()?;
        let worked = self.work.worked(set.intent.time, done.time);
        Some(ChangeTime::Known(worked))
    }

    /// How long a launch took, from its request to its proof. Its operation continues between two
    /// processes. None unless it is verified.
    ///
    /// If no process waited for its end, the time of the proof says nothing, so only the service's
    /// own times count.
    pub fn launch_time(&self, launch: &LaunchState) -> Option<ChangeTime> {
        let verified = launch.verified.as_ref()?;
        match verified.unread_since {
            // An earlier process read the end, and this one only the proof.
            Some(_) => self.operation_time(launch),
            None => self.time_until(launch, verified.time),
        }
    }

    /// How long the operation of a launch took, from its request to its end. None if it has not
    /// ended.
    pub fn operation_time(&self, launch: &LaunchState) -> Option<ChangeTime> {
        self.time_until(launch, launch.ended.as_ref()?.time)
    }

    fn time_until(&self, launch: &LaunchState, end: Timestamp) -> Option<ChangeTime> {
        let ended = launch.ended.as_ref()?;
        let requested = launch.intent.time;
        let has_pause = ended.unread_since.is_some() || self.work.is_resumed(requested, end);
        let verified = launch.verified.as_ref().filter(|_| has_pause);
        if let Some(seconds) = verified.and_then(|verified| verified.service_seconds) {
            return Some(ChangeTime::Known(Duration::from_secs(seconds)));
        }
        Some(match ended.unread_since {
            Some(since) => ChangeTime::Between(since, ended.time),
            None => ChangeTime::Known(self.work.elapsed(requested, end)),
        })
    }

    /// How long a step took since it was last opened again; if it never was, in all: the work of the
    /// processes, by the program's clock, and those of its operations that continued between two
    /// processes. So a step is not shorter than a change of it that was interrupted.
    pub fn step_duration(&self, step: &StepState) -> Duration {
        let worked = step.worked_since_reopening();
        let since = step.reopened.map_or(0, |reopened| reopened.number);
        let launches = self.launches.values();
        let here = launches
            .filter(|launch| launch.intent.step == step.step && launch.intent.number > since);
        let times = here.filter_map(|launch| {
            let (from, to) = (launch.intent.time, launch.verified.as_ref()?.time);
            let time = self.launch_time(launch)?.known()?;
            let unread = time.saturating_sub(self.work.worked(from, to));
            let is_resumed = self.work.is_resumed(from, to);
            is_resumed.then(|| worked.saturating_add(unread).max(time))
        });
        times.max().unwrap_or(worked).max(worked)
    }

    /// How long the run took: the work of all processes, by the program's clock, and the operations
    /// of its steps that continued between two of them.
    pub fn run_duration(&self) -> Duration {
        let steps = self.steps.iter();
        let unread = steps.map(|step| {
            let now = self.step_duration(step);
            let all = step.took_before_reopening().saturating_add(now);
            all.saturating_sub(step.worked)
        });
        unread.fold(self.work.total(), Duration::saturating_add)
    }

    /// How much of that is in no step's duration: surveys that changed nothing, and the work on a
    /// step before it was last opened again.
    pub fn time_outside_steps(&self) -> Duration {
        let steps = self.steps.iter();
        let in_steps = steps.map(|step| self.step_duration(step));
        let in_steps = in_steps.fold(Duration::ZERO, Duration::saturating_add);
        self.run_duration().saturating_sub(in_steps)
    }

    /// How long a step took until its run finished for the first time: the work on it, or the longest
    /// of its operations, which continue between two processes. None if that is not known of one of
    /// them.
    pub fn step_time(&self, step: &StepState) -> Option<Duration> {
        let launches = self.launches.values();
        let here = launches.filter(|launch| launch.intent.step == step.step);
        let times = here.filter_map(|launch| self.launch_time(launch));
        times
            .map(ChangeTime::known)
            .try_fold(step.worked_once(), |longest, time| Some(longest.max(time?)))
    }

    /// The same for the automatic change of this key; none unless it is done or verified.
    pub fn automatic_change_time(&self, key: &str) -> Option<ChangeTime> {
        match self.launch(key) {
            Some(launch) => self.launch_time(launch),
            None => self.set_time(self.set(key)?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::payload::{
        ChangeKind, Closed, Ended, Finished, LaunchOutcome, Reopened, StepBegan, StepOutcome,
        Verified,
    };
    use crate::journal::record::{Entry, Record};
    use crate::journal::testing::{
        began, done, entry, fold, intent, opened, phase_began, step_began, step_ended, time,
    };

    fn after(seconds: u64) -> Timestamp {
        time() + Duration::from_secs(seconds)
    }

    fn ended(unread_since: Option<Timestamp>) -> Record {
        Record::from(Ended {
            key: "copy".to_owned(),
            outcome: LaunchOutcome::Succeeded,
            detail: serde_json::Value::Null,
            unread_since,
        })
    }

    fn verified(unread_since: Option<Timestamp>, service_seconds: Option<u64>) -> Record {
        Record::from(Verified {
            key: "copy".to_owned(),
            observed: serde_json::Value::Null,
            unread_since,
            service_seconds,
        })
    }

    /// The time of a launch that is requested after 10 seconds. Takes what follows.
    fn time_of(records: Vec<(u64, Record)>) -> Option<ChangeTime> {
        state_of(records).automatic_change_time("copy")
    }

    fn state_of(records: Vec<(u64, Record)>) -> State {
        let step = || {
            Record::from(StepBegan {
                step: "s".to_owned(),
                speed: None,
                services_stop: false,
            })
        };
        let mut all = vec![
            (0, opened("ops-1").into()),
            (10, step()),
            (10, phase_began("s", "p")),
            (10, intent("s", "p", "copy", ChangeKind::Launch)),
        ];
        for (seconds, record) in records {
            let opens = matches!(record, Record::Opened(_));
            all.push((seconds, record));
            if opens {
                all.extend([(seconds, step()), (seconds, phase_began("s", "p"))]);
            }
        }
        let mut state = fold(vec![began().into()]);
        add(&mut state, all);
        state
    }

    fn add(state: &mut State, records: Vec<(u64, Record)>) {
        for (seconds, record) in records {
            let next = Entry {
                time: after(seconds),
                ..entry(state.next_number, record)
            };
            state.next(&next).unwrap();
        }
    }

    fn pause(records: Vec<(u64, Record)>) -> Vec<(u64, Record)> {
        let closed = Closed::new("interrupted", 130, None);
        let mut all = vec![(60, closed.into()), (3600, opened("ops-1").into())];
        all.extend(records);
        all
    }

    #[test]
    fn an_operation_that_a_process_waited_for_took_until_its_proof() {
        let known = |seconds| Some(ChangeTime::Known(Duration::from_secs(seconds)));
        let records = vec![(70, ended(None)), (80, verified(None, Some(55)))];
        assert_eq!(time_of(records), known(70));
        // A later process waited for it.
        let records = pause(vec![(4000, ended(None)), (4010, verified(None, None))]);
        assert_eq!(time_of(records), known(4000));
        // It was proved by a later process.
        let mut records = vec![(50, ended(None))];
        records.extend(pause(vec![(3605, verified(Some(after(10)), None))]));
        assert_eq!(time_of(records), known(40));
        assert_eq!(time_of(vec![(70, ended(None))]), None);
    }

    #[test]
    fn a_step_is_not_shorter_than_its_operation_that_continued_without_a_process() {
        let records = pause(vec![(4000, ended(None)), (4010, verified(None, None))]);
        let state = state_of(records);
        let step = state.step("s").unwrap();
        // Processes worked for 460 of the 4000 seconds.
        assert_eq!(step.worked, Duration::from_secs(460));
        assert_eq!(state.step_duration(step), Duration::from_secs(4000));
        assert_eq!(state.run_duration(), Duration::from_secs(4000));
        assert_eq!(state.time_outside_steps(), Duration::ZERO);
        // What a process read until its end took no other time.
        let state = state_of(vec![(70, ended(None)), (80, verified(None, Some(55)))]);
        let step = state.step("s").unwrap();
        assert_eq!(state.step_duration(step), step.worked);
    }

    #[test]
    fn the_steps_explain_the_time_of_a_run_also_after_a_step_was_opened_again() {
        let reopened = Reopened {
            provider: "msdyn_fedex".to_owned(),
            seals: Vec::new(),
            steps: vec!["s".to_owned()],
            who: "ada".to_owned(),
        };
        let records = pause(vec![
            (4000, ended(None)),
            (4010, verified(None, None)),
            (4010, step_ended("s", StepOutcome::Done)),
            (4010, Finished {}.into()),
        ]);
        let mut state = state_of(records);
        let again = vec![
            (5000, opened("ops-1").into()),
            (5000, reopened.into()),
            (5000, step_began("s")),
            (5000, phase_began("s", "p")),
            (5000, intent("s", "p", "x", ChangeKind::Set)),
            (5060, done("x")),
            (5060, step_ended("s", StepOutcome::Done)),
        ];
        add(&mut state, again);
        let step = state.step("s").unwrap();
        let (before, now) = (step.took_before_reopening(), state.step_duration(step));
        assert_eq!(before, Duration::from_secs(4000), "with its operation");
        assert_eq!(now, Duration::from_mins(1));
        assert_eq!(state.run_duration(), before + now);
    }

    #[test]
    fn an_operation_that_ended_unread_took_as_long_as_the_service_says_or_it_is_unknown() {
        let unread = Some(after(10));
        let end = |seconds| {
            let proof = verified(unread, seconds);
            time_of(pause(vec![(3605, ended(unread)), (3605, proof)]))
        };
        let said = Duration::from_mins(15);
        assert_eq!(end(Some(900)), Some(ChangeTime::Known(said)));
        let unknown = ChangeTime::Between(after(10), after(3605));
        assert_eq!(end(None), Some(unknown));
        assert_eq!(unknown.known(), None);
    }
}
