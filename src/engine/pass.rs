//! One pass over the changes of a phase: in parallel, each after the changes that it follows, a
//! launch after the one whose acceptance it awaits.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::sync::Notify;
use tracing::Instrument as _;

use super::apply::{PhaseRef, launch, set};
use super::edits::{self, FirstSeen};
use super::event::seconds;
use super::intents::{IntentsAhead, IntentsWritten};
use super::pass_queue::PassQueue;
use super::waiver::with_waiver;
use super::{Action, Change, EventKind, Executor, Failure, FailureKind, Phase, Step, spans};
use crate::base::json_text::JsonText;
use crate::base::sync::lock;
use crate::journal::{ChangeKind, ChangeTime, LaunchOutcome, LaunchState};

/// The input of a pass.
pub(super) struct Pass<'a> {
    /// What the first survey of this process found.
    pub(super) first_seen: &'a FirstSeen,
    /// The changes that failed permanently in earlier passes.
    pub(super) failed: &'a BTreeMap<String, Failure>,
    /// Is it the last one that may apply changes?
    pub(super) is_last: bool,
}

/// What came of a pass.
#[derive(Default)]
pub(super) struct PassResult {
    /// How many changes were applied. The changes themselves are no longer needed: a large tenant
    /// has many.
    pub(super) applied: usize,
    /// The changes that failed or did not begin, and why.
    pub(super) failed: Vec<(Change, Failure)>,
}

/// The state of the changes of a pass.
#[derive(Default)]
struct PassState {
    /// The changes that have not ended, of those that others wait for.
    open: BTreeSet<String>,
    /// The changes that have begun and not ended.
    begun: BTreeSet<String>,
    /// The changes that failed, and whether another pass may help.
    failed: BTreeMap<String, bool>,
    /// The changes that begin without waiting for others, because they follow each other in a
    /// circle.
    released: BTreeSet<String>,
}

/// May a change begin?
enum Readiness {
    Ready,
    Later,
    /// It does not begin in this pass; the reason.
    Never(Failure),
}

impl Executor {
    /// Applies changes in parallel, up to `concurrency` at once, each after those it follows. Once
    /// the run is asked to stop, it begins nothing new and waits for the changes that are being
    /// applied. When it returns, everything that they recorded is durable, unless the journal has
    /// failed: then it halts the run.
    pub(super) async fn apply_all(
        &self,
        step: &Step,
        phase: &Phase,
        changes: Vec<Change>,
        pass: &Pass<'_>,
    ) -> Result<PassResult, Failure> {
        let (accepted, acceptance) = (Mutex::default(), Notify::new());
        let phase_ref = PhaseRef {
            step: &step.name,
            phase: phase.name,
            accepted: &accepted,
            acceptance: &acceptance,
        };
        let mut state = PassState {
            open: awaited_changes(&changes),
            // A change that failed permanently in an earlier pass is not tried again.
            failed: pass.failed.keys().map(|key| (key.clone(), false)).collect(),
            ..PassState::default()
        };
        let in_flight = phase.concurrency.unwrap_or(step.concurrency);
        let mut intents = IntentsAhead::new(&self.context.journal, pass.first_seen, in_flight);
        let mut queue = PassQueue::new(changes);
        let mut running = FuturesUnordered::new();
        let mut results = PassResult::default();
        let mut stopping = false;
        loop {
            queue.check_awaiting();
            results
                .failed
                .extend(self.check_queue(&mut queue, &mut state));
            while !stopping
                && (running.len() < in_flight
                    || (running.len() == in_flight && may_overlap(phase, &state, &accepted)))
                && let Some(change) = queue.take_ready()
            {
                state.begun.insert(change.key.clone());
                let intent = intents.begin(phase_ref, &change, &queue);
                running.push(async move {
                    let span = spans::of_change(&change);
                    let applied = self.apply(phase_ref, &change, pass, intent);
                    let result = applied.instrument(span.clone()).await;
                    spans::record_failure(&span, &result);
                    (change, result)
                });
            }
            if running.is_empty()
                && !stopping
                && let Some(first) = queue.check_first()
            {
                // Changes that follow each other in a circle begin anyway: the service decides.
                state.released.insert(first.to_owned());
                continue;
            }
            let next = tokio::select! {
                next = running.next() => next,
                () = acceptance.notified() => continue,
            };
            let Some((change, result)) = next else {
                break;
            };
            state.open.remove(&change.key);
            state.begun.remove(&change.key);
            queue.ended(&change.key);
            match result {
                Ok(()) => results.applied += 1,
                Err(failure) => {
                    state.failed.insert(change.key.clone(), failure.retryable);
                    stopping |= failure.ends_the_run();
                    results.failed.push((change, failure));
                }
            }
            stopping |= self.context.cancellation.is_stop_requested();
        }
        self.context.journal.sync().await?;
        Ok(results)
    }

    /// Checks which changes may begin, and takes out those that will not, with the reason.
    fn check_queue(&self, queue: &mut PassQueue, state: &mut PassState) -> Vec<(Change, Failure)> {
        let mut never = Vec::new();
        while let Some((index, change)) = queue.next_unchecked() {
            match self.readiness(change, state) {
                Readiness::Ready => queue.set_ready(index, true),
                Readiness::Later => queue.set_ready(index, false),
                Readiness::Never(failure) => {
                    if let Some(change) = queue.take(index) {
                        state.open.remove(&change.key);
                        state.failed.insert(change.key.clone(), failure.retryable);
                        queue.ended(&change.key);
                        never.push((change, failure));
                    }
                }
            }
        }
        never
    }

    /// Whether a change may begin: the changes that it follows have succeeded, and the launch that
    /// it awaits is accepted.
    fn readiness(&self, change: &Change, state: &PassState) -> Readiness {
        let is_open = |key: &str| state.open.contains(key) && !state.released.contains(&change.key);
        let failed = change
            .follows
            .iter()
            .find_map(|key| state.failed.get_key_value(key));
        if let Some((first, retryable)) = failed {
            return Readiness::Never(not_begun(
                &format!("it follows {first}, which failed"),
                *retryable,
            ));
        }
        if change.follows.iter().any(|key| is_open(key)) {
            return Readiness::Later;
        }
        let journal = self.context.journal.state();
        let launch = |key: &str| journal.launch(key).filter(|launch| still_counts(launch));
        // A launch that was requested before only continues to its end.
        let Some(first) = change.awaits().filter(|_| launch(&change.key).is_none()) else {
            return Readiness::Ready;
        };
        if launch(first).is_some_and(|launch| launch.handle().is_some()) {
            Readiness::Ready
        } else if let Some(retryable) = state.failed.get(first) {
            Readiness::Never(not_begun(&format!("{first} was not accepted"), *retryable))
        } else if is_open(first) {
            Readiness::Later
        } else {
            Readiness::Ready
        }
    }

    /// Applies a change, and emits its events.
    async fn apply(
        &self,
        phase_ref: PhaseRef<'_>,
        change: &Change,
        pass: &Pass<'_>,
        intent: Option<IntentsWritten>,
    ) -> Result<(), Failure> {
        let events = &self.context.events;
        events.emit(EventKind::ChangeBegan {
            step: phase_ref.step.to_owned(),
            phase: phase_ref.phase.to_owned(),
            key: change.key.clone(),
            name: change.name.clone(),
            kind: change.kind(),
        });
        let first_seen = pass.first_seen.get(&change.key);
        let result = self
            .apply_action(phase_ref, change, first_seen, intent)
            .await
            .map_err(|failure| with_waiver(failure, change, &self.context.journal.state()));
        match &result {
            Ok(()) => {
                let (step, phase) = (phase_ref.step, phase_ref.phase);
                self.emit_done(step, phase, &change.key, &change.name, change.kind());
            }
            // It has not failed: the next run continues it, and the end of this run says so.
            Err(failure) if failure.kind == FailureKind::Interrupted => {}
            Err(failure) if change.is_launch() && self.is_open(&change.key) => {
                events.emit(EventKind::ChangeOpen {
                    step: phase_ref.step.to_owned(),
                    phase: phase_ref.phase.to_owned(),
                    key: change.key.clone(),
                    name: change.name.clone(),
                    message: failure.message.clone(),
                    help: failure.help.clone(),
                });
            }
            Err(failure) => events.emit(EventKind::ChangeFailed {
                step: phase_ref.step.to_owned(),
                phase: phase_ref.phase.to_owned(),
                key: change.key.clone(),
                name: change.name.clone(),
                message: failure.message.clone(),
                help: failure.help.clone(),
                again: failure.retryable && !failure.ends_the_run() && !pass.is_last,
            }),
        }
        result
    }

    /// Emits that a change is done, and how long it took: as the state file has it, and so every
    /// report.
    pub(super) fn emit_done(
        &self,
        step: &str,
        phase: &str,
        key: &str,
        name: &str,
        kind: ChangeKind,
    ) {
        let written = self.context.journal.written_state();
        let time = written.automatic_change_time(key);
        let time = time.unwrap_or(ChangeTime::Known(Duration::ZERO));
        let unread_since = match time {
            ChangeTime::Known(_) => None,
            ChangeTime::Between(since, _) => Some(format!("{since:.0}")),
        };
        self.context.events.emit(EventKind::ChangeDone {
            step: step.to_owned(),
            phase: phase.to_owned(),
            key: key.to_owned(),
            name: name.to_owned(),
            kind,
            elapsed: time.known().map(seconds),
            unread_since,
        });
    }

    /// Has a launch begun, or may it have begun, without a known end?
    fn is_open(&self, key: &str) -> bool {
        let state = self.context.journal.state();
        state
            .launch(key)
            .is_some_and(|launch| launch.verified.is_none() && still_counts(launch))
    }

    async fn apply_action(
        &self,
        phase_ref: PhaseRef<'_>,
        change: &Change,
        first_seen: Option<&JsonText>,
        intent: Option<IntentsWritten>,
    ) -> Result<(), Failure> {
        if change.needs_confirmation() && !self.confirmed.contains(&change.key) {
            return Err(unconfirmed());
        }
        // An intent that was written ahead has been checked for edits already.
        if intent.is_none() {
            edits::refuse_overwrite(&self.context, phase_ref, change, first_seen).await?;
        }
        match &change.action {
            Action::Set(set) => {
                set::apply(&self.context, phase_ref, change, set.as_ref(), intent).await
            }
            Action::Remove {
                set,
                seal,
                captured,
                ..
            } => {
                self.require_captured(seal, captured)?;
                set::apply(&self.context, phase_ref, change, set.as_ref(), None).await
            }
            Action::Launch(launch) => {
                launch::apply(&self.context, phase_ref, change, launch.as_ref()).await
            }
            Action::ManualTask(_) => Ok(()),
        }
    }

    /// Fails unless a verified seal holds what is removed. The seal is read back from the disk
    /// first.
    fn require_captured(&self, seal: &str, captured: &str) -> Result<(), Failure> {
        let seal = &self.journal_view().seal_name(seal);
        if self.context.journal.verify_capture(seal, captured)? {
            return Ok(());
        }
        Err(Failure::refused(format!(
            "it is not in the seal '{seal}' ({captured}), so it is not removed"
        ))
        .with_help(
            "it appeared after the capture: look at it in the target, remove it there if nobody \
             needs it, then run again",
        ))
    }
}

/// The keys of those changes that others follow or await.
fn awaited_changes(changes: &[Change]) -> BTreeSet<String> {
    let awaited = changes.iter().flat_map(|change| {
        let follows = change.follows.iter().map(String::as_str);
        follows.chain(change.awaits())
    });
    let awaited: BTreeSet<&str> = awaited.collect();
    let keys = changes.iter().map(|change| &change.key);
    keys.filter(|key| awaited.contains(key.as_str()))
        .cloned()
        .collect()
}

/// May one more change begin, because the service has accepted the requests of all that run?
fn may_overlap(phase: &Phase, state: &PassState, accepted: &Mutex<BTreeSet<String>>) -> bool {
    let overlap = phase.overlap.as_ref();
    overlap.is_some_and(|overlap| overlap.is_allowed()) && state.begun.is_subset(&lock(accepted))
}

/// Does this attempt of a launch still count: running, in doubt, or succeeded?
fn still_counts(launch: &LaunchState) -> bool {
    !matches!(
        launch.outcome(),
        Some(LaunchOutcome::Failed | LaunchOutcome::Absent | LaunchOutcome::GivenUp)
    )
}

/// The failure of a change that does not begin because another one failed. Another pass may help if
/// it may help the other one.
fn not_begun(why: &str, retryable: bool) -> Failure {
    Failure {
        retryable,
        ..Failure::failed(format!("not begun: {why}"))
    }
}

fn unconfirmed() -> Failure {
    Failure::new(
        FailureKind::Unconfirmed,
        "it cannot be undone, and it was not in the plan that was confirmed",
    )
    .with_help(
        "run again and confirm what is left: at a terminal the run asks, elsewhere give \
         --confirm-target; the same command with --dry-run lists it first",
    )
}
