//! How long processes worked on a run, by the program's clock.
//!
//! Records contain the time of day. A rehearsal's clock runs faster, and between two processes
//! nobody works; so each period of work is kept with its clock speed.

use std::time::Duration;

use jiff::Timestamp;

use super::payload::StepBegan;
use crate::base::clock::between;

/// The periods in which a process was in a step, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WorkTimes {
    periods: Vec<Period>,
}

#[derive(Clone, Debug, PartialEq)]
struct Period {
    from: Timestamp,
    to: Timestamp,
    speed: f64,
    /// Does the time of the services stop with the process?
    services_stop: bool,
    /// Which process it was, counted from 1.
    process: u32,
}

impl WorkTimes {
    /// A step begins, at this time, in process number `process`.
    pub(super) fn begin(&mut self, time: Timestamp, began: &StepBegan, process: u32) {
        let speed = began
            .speed
            .filter(|speed| speed.is_finite() && *speed > 0.0);
        let speed = speed.unwrap_or(1.0);
        let continues = self.periods.last().is_some_and(|last| {
            last.process == process && last.speed.to_bits() == speed.to_bits() && last.to == time
        });
        if !continues {
            self.periods.push(Period {
                from: time,
                to: time,
                speed,
                services_stop: began.services_stop,
                process,
            });
        }
    }

    /// A record was written in the step that began last. Returns the program's time since the
    /// previous record.
    pub(super) fn extend(&mut self, time: Timestamp) -> Duration {
        let Some(last) = self.periods.last_mut() else {
            return Duration::ZERO;
        };
        let added = scaled(between(last.to, time), last.speed);
        last.to = last.to.max(time);
        added
    }

    /// How long processes worked between two times, by the program's clock.
    pub fn worked(&self, from: Timestamp, to: Timestamp) -> Duration {
        self.sum(|period| scaled(period.within(from, to), period.speed))
    }

    /// The time between two times for an operation at the service, which continues while nobody
    /// works: by the program's clock. A pause counts at the speed of the process before it, because
    /// the clock of a rehearsal's services does not stop with that process, unless they are a part of
    /// it.
    pub fn elapsed(&self, from: Timestamp, to: Timestamp) -> Duration {
        let (mut covered, mut speed, mut pauses) = (from, 1.0, Duration::ZERO);
        let mut add_pause = |from, to, speed| {
            pauses = pauses.saturating_add(scaled(between(from, to), speed));
        };
        for period in &self.periods {
            add_pause(covered, period.from.min(to), speed);
            covered = covered.max(period.to);
            speed = period.pause_speed();
        }
        add_pause(covered, to, speed);
        self.worked(from, to).saturating_add(pauses)
    }

    /// How many times faster than the wall clock the time of the services has run since the last
    /// process ended.
    pub fn pause_speed(&self) -> f64 {
        self.periods.last().map_or(1.0, Period::pause_speed)
    }

    /// Did more than one process work between two times?
    pub(super) fn is_resumed(&self, from: Timestamp, to: Timestamp) -> bool {
        let here = self
            .periods
            .iter()
            .filter(|period| period.to >= from && period.from <= to);
        let mut openings = here.map(|period| period.process);
        let first = openings.next();
        openings.any(|process| Some(process) != first)
    }

    /// How long all work took, by the program's clock.
    pub fn total(&self) -> Duration {
        self.sum(|period| scaled(between(period.from, period.to), period.speed))
    }

    /// How long all work took, by the wall clock.
    pub fn real(&self) -> Duration {
        self.sum(|period| between(period.from, period.to))
    }

    fn sum(&self, length: impl Fn(&Period) -> Duration) -> Duration {
        let lengths = self.periods.iter().map(length);
        lengths.fold(Duration::ZERO, Duration::saturating_add)
    }

    /// How many times faster than the wall clock the last process's clock ran; none at speed 1.
    pub fn speed(&self) -> Option<f64> {
        let speed = self.periods.last()?.speed;
        (speed.to_bits() != 1.0_f64.to_bits()).then_some(speed)
    }
}

impl Period {
    /// The speed of the services' time after it.
    fn pause_speed(&self) -> f64 {
        if self.services_stop { 0.0 } else { self.speed }
    }

    /// The part of it between two times, by the wall clock.
    fn within(&self, from: Timestamp, to: Timestamp) -> Duration {
        between(self.from.max(from), self.to.min(to))
    }
}

fn scaled(real: Duration, speed: f64) -> Duration {
    Duration::try_from_secs_f64(real.as_secs_f64() * speed).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::payload::{ChangeKind, Closed, StepBegan, StepOutcome};
    use crate::journal::record::{Entry, Record};
    use crate::journal::state::State;
    use crate::journal::testing::{
        began, done, entry, fold, intent, opened, phase_began, phase_ended, step_ended, time,
    };

    /// Folds these records, each written so many seconds after the first.
    fn at(records: Vec<(i64, Record)>) -> State {
        let mut state = fold(vec![began().into()]);
        for (seconds, record) in records {
            let time = time() + Duration::from_secs(seconds.unsigned_abs());
            let next = Entry {
                time,
                ..entry(state.next_number, record)
            };
            state.next(&next).unwrap();
        }
        state
    }

    fn began_at(speed: Option<f64>) -> StepBegan {
        StepBegan {
            step: "s".to_owned(),
            speed,
            services_stop: false,
        }
    }

    fn step(speed: Option<f64>) -> Record {
        Record::from(began_at(speed))
    }

    fn closed() -> Record {
        Closed::new("waiting", 10, None).into()
    }

    #[test]
    fn a_pause_between_two_processes_is_not_work() {
        let state = at(vec![
            (0, opened("ops-1").into()),
            (10, step(None)),
            (10, phase_began("s", "p")),
            (70, closed()),
            (172_800, opened("ops-1").into()),
            (172_810, step(None)),
            (172_810, phase_began("s", "p")),
            (172_840, phase_ended("s", "p")),
            (172_841, step_ended("s", StepOutcome::Done)),
            (172_900, closed()),
        ]);
        let step = state.step("s").unwrap();
        assert_eq!(step.worked, Duration::from_secs(91));
        assert_eq!(step.phase("p").unwrap().worked, Duration::from_secs(90));
        assert_eq!(state.work.total(), Duration::from_secs(91));
        // For an operation at the service the pause counts.
        let since = state
            .work
            .elapsed(time(), time() + Duration::from_secs(172_840));
        assert_eq!(since, Duration::from_secs(172_840));
    }

    #[test]
    fn a_process_that_was_killed_worked_until_its_last_record() {
        let state = at(vec![
            (0, opened("ops-1").into()),
            (0, step(None)),
            (60, phase_began("s", "p")),
            (9000, opened("ops-1").into()),
            (9000, step(None)),
            (9030, step_ended("s", StepOutcome::Done)),
        ]);
        assert_eq!(state.step("s").unwrap().worked, Duration::from_secs(90));
    }

    #[test]
    fn a_survey_of_a_step_that_was_done_does_not_make_it_longer() {
        let mut records = vec![
            (0, opened("ops-1").into()),
            (0, step(None)),
            (60, step_ended("s", StepOutcome::Done)),
            (60, closed()),
            (100, opened("ops-1").into()),
            (100, step(None)),
            (100, phase_began("s", "p")),
            (130, phase_ended("s", "p")),
            (131, step_ended("s", StepOutcome::Done)),
            (200, opened("ops-1").into()),
            (200, step(None)),
            (200, phase_began("s", "p")),
        ];
        let worked = |records: &Vec<(i64, Record)>| at(records.clone()).step("s").unwrap().worked;
        assert_eq!(worked(&records), Duration::from_mins(1));
        // What the survey has found is work, and so is the survey.
        records.push((220, intent("s", "p", "a", ChangeKind::Set)));
        records.push((230, done("a")));
        assert_eq!(worked(&records), Duration::from_secs(90));
    }

    #[test]
    fn a_rehearsal_is_measured_by_its_clock_also_between_two_processes() {
        let run = |services_stop: bool| {
            let step = || StepBegan {
                services_stop,
                ..began_at(Some(1000.0))
            };
            at(vec![
                (0, opened("ops-1").into()),
                (0, step().into()),
                (6, closed()),
                (600, opened("ops-1").into()),
                (600, step().into()),
                (601, step_ended("s", StepOutcome::Done)),
            ])
        };
        let inside = run(true).work;
        let since = inside.elapsed(time(), time() + Duration::from_secs(601));
        assert_eq!(
            since,
            Duration::from_secs(7000),
            "they stop with the process"
        );
        let state = run(false);
        assert_eq!(state.step("s").unwrap().worked, Duration::from_secs(7000));
        assert_eq!(state.work.speed(), Some(1000.0));
        let since = state
            .work
            .elapsed(time(), time() + Duration::from_secs(601));
        assert_eq!(since, Duration::from_secs(601_000), "its services go on");
        let later = state.work.elapsed(
            time() + Duration::from_secs(5),
            time() + Duration::from_secs(8),
        );
        assert_eq!(later, Duration::from_mins(50));
    }

    #[test]
    fn a_clock_that_was_set_back_or_an_invalid_speed_does_not_panic() {
        let mut work = WorkTimes::default();
        assert_eq!(work.extend(time()), Duration::ZERO);
        work.begin(
            time() + Duration::from_mins(1),
            &began_at(Some(f64::NAN)),
            1,
        );
        assert_eq!(work.extend(time()), Duration::ZERO);
        assert_eq!(
            work.elapsed(time() + Duration::from_secs(9), time()),
            Duration::ZERO
        );
        work.begin(time(), &began_at(Some(f64::MAX)), 2);
        assert_eq!(work.extend(time() + Duration::from_secs(9)), Duration::MAX);
        assert_eq!(work.total(), Duration::MAX);
    }
}
