//! What a run passes along: journal, clock, cancellation, events.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;

use super::event::seconds;
use super::{Event, EventKind, Failure, Listener};
use crate::base::cancellation::Cancellation;
use crate::base::clock::Clock;
use crate::journal::{Intent, Journal, LaunchState, Record};

/// Numbers events, adds the time and passes them to every listener. Clones share the numbering.
#[derive(Clone)]
pub struct EventSink {
    clock: Clock,
    listeners: Arc<Vec<Box<dyn Listener>>>,
    last: Arc<AtomicU64>,
}

impl EventSink {
    /// A sink that calls these listeners in order.
    pub fn new(clock: Clock, listeners: Vec<Box<dyn Listener>>) -> Self {
        Self {
            clock,
            listeners: Arc::new(listeners),
            last: Arc::new(AtomicU64::new(0)),
        }
    }

    /// Passes an event to every listener.
    pub fn emit(&self, kind: EventKind) {
        let event = Event {
            seq: self.last.fetch_add(1, Ordering::SeqCst) + 1,
            time: format!("{:.3}", self.clock.time_of_day()),
            kind,
        };
        for listener in self.listeners.iter() {
            listener.on_event(&event);
        }
    }

    /// Emits that the run waits for `name`, what the service reports about it, and for how long.
    pub fn progress(&self, step: &str, name: &str, note: &str, elapsed: Duration) {
        self.emit(EventKind::Progress {
            step: step.to_owned(),
            name: name.to_owned(),
            note: note.to_owned(),
            elapsed: seconds(elapsed),
        });
    }
}

/// How long a launch has run at the service, by the program's clock, before the last record.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LaunchAge {
    /// All of it: the operation continues between two processes.
    pub(super) elapsed: Duration,
    /// What of it processes waited. Only this counts towards the launch's timeout: an operation that
    /// nobody read may have ended, and a resumed run must have the time to see it.
    pub(super) waited: Duration,
}

/// The journal, the clock, the cancellation and the events of a run.
#[derive(Clone)]
pub struct Context {
    /// The state file's only writer.
    pub journal: Journal,
    /// The program's clock.
    pub clock: Clock,
    /// Whether the run was asked to stop.
    pub cancellation: Cancellation,
    /// Where events go.
    pub events: EventSink,
    /// Is a person at the terminal, so that the run can wait for them?
    pub attended: bool,
}

impl Context {
    /// Waits for `duration` of the program's time. Fails at once if the run is asked to stop.
    pub async fn pause(&self, duration: Duration) -> Result<(), Failure> {
        tokio::select! {
            () = self.clock.sleep(duration) => Ok(()),
            () = self.cancellation.wait_for_stop_request() => Err(Failure::interrupted()),
        }
    }

    /// How long the launch of this key has run since it was accepted (or requested, if no response is
    /// known). Zero for a launch that has not begun.
    pub(super) fn launch_age(&self, key: &str) -> LaunchAge {
        let state = self.journal.state();
        let Some(launch) = state.launch(key) else {
            return LaunchAge::default();
        };
        let launched = launch.launched.as_ref();
        let began = launched.map_or(launch.intent.time, |launched| launched.time);
        LaunchAge {
            elapsed: state.work.elapsed(began, state.last_time),
            waited: state.work.worked(began, state.last_time),
        }
    }

    /// When an earlier process requested this launch; none if this process did.
    pub(super) fn requested_earlier(&self, launch: &LaunchState) -> Option<Timestamp> {
        let state = self.journal.state();
        let opened = state.opened.as_ref().map_or(0, |opened| opened.number);
        (launch.intent.number < opened).then_some(launch.intent.time)
    }

    /// How long ago the last change of this phase was made, by the program's clock. The wait for
    /// its effects began then, also in an earlier process.
    pub(super) fn since_last_change(&self, step: &str, phase: &str) -> Duration {
        let state = self.journal.state();
        let here = |intent: &Intent| intent.step == step && intent.phase == phase;
        let sets = state.sets.values().chain(state.manual_changes.values());
        let sets = sets
            .filter(|set| here(&set.intent))
            .filter_map(|set| Some(set.done.as_ref()?.time));
        let launches = state.launches.values();
        let launches = launches
            .filter(|launch| here(&launch.intent))
            .filter_map(|launch| Some(launch.verified.as_ref()?.time));
        let last = sets.chain(launches).max();
        last.map_or(Duration::ZERO, |last| {
            state.work.elapsed(last, state.last_time)
        })
    }

    /// Writes one record and returns when it is durable.
    pub(super) async fn record(&self, record: impl Into<Record>) -> Result<(), Failure> {
        Ok(self.journal.append(record).await?)
    }

    /// Writes one record that is durable with the next one, or at the end of the pass. See
    /// [`Journal::append_unsynced`].
    pub(super) async fn record_unsynced(&self, record: impl Into<Record>) -> Result<(), Failure> {
        Ok(self.journal.append_unsynced(record).await?)
    }

    /// Fails if the run was asked to stop: nothing new may begin.
    pub fn may_begin(&self) -> Result<(), Failure> {
        if self.cancellation.is_stop_requested() {
            Err(Failure::interrupted())
        } else {
            Ok(())
        }
    }
}

/// How long to wait before the next poll of an operation: a twentieth of the time it has run, at
/// least five seconds and at most a minute. A fixed interval would be late for short operations and
/// needlessly busy for long ones. A `Retry-After` of the service holds back the poll itself.
pub(super) fn poll_interval(elapsed: Duration) -> Duration {
    (elapsed / 20).clamp(Duration::from_secs(5), Duration::from_mins(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The polls of an operation of this duration by a process that begins to poll after `before`,
    /// and how late the last one sees the end.
    fn polls(duration: Duration, before: Duration) -> (u32, Duration) {
        let (mut elapsed, mut count) = (before, 1);
        while elapsed < duration {
            elapsed += poll_interval(elapsed);
            count += 1;
        }
        (count, elapsed.saturating_sub(duration))
    }

    #[test]
    fn the_end_of_an_operation_is_seen_within_a_twentieth_of_its_duration() {
        for seconds in (10..36_000).step_by(7) {
            let duration = Duration::from_secs(seconds);
            let bound = (duration / 20).clamp(Duration::from_secs(5), Duration::from_mins(1));
            for before in [Duration::ZERO, duration / 3] {
                let (_, late) = polls(duration, before);
                assert!(late <= bound, "{duration:?} from {before:?}: {late:?}");
            }
        }
    }

    #[test]
    fn an_operation_of_an_hour_is_polled_fewer_than_150_times() {
        let hour = Duration::from_hours(1);
        let (count, _) = polls(hour, Duration::ZERO);
        assert!(count < 150, "{count}");
        // A process that continues after half an hour does not begin with the shortest interval.
        let (rest, _) = polls(hour, hour / 2);
        assert_eq!(rest, 31);
    }
}
