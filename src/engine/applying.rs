//! One pass over the changes of a phase: side by side, each after those it follows, a launch after
//! the one whose acceptance it awaits.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use serde_json::Value;
use tokio::sync::Notify;

use super::apply::{Place, launch, set};
use super::edits::{self, FirstSeen};
use super::event::seconds;
use super::{Action, Change, EventKind, Executor, Failure, FailureKind, Phase, Step};
use crate::journal::{LaunchOutcome, LaunchState};

/// The changes of a pass that have not ended, those that failed, and those that wait for nothing.
#[derive(Default)]
struct Standing {
    open: BTreeSet<String>,
    /// Those that failed, and whether another pass may help.
    failed: BTreeMap<String, bool>,
    freed: BTreeSet<String>,
}

/// What a pass goes by.
pub(super) struct Pass<'a> {
    /// What the first survey of this process found.
    pub(super) first_seen: &'a FirstSeen,
    /// The changes that failed for good in earlier passes.
    pub(super) failed: &'a BTreeMap<String, Failure>,
    /// Is it the last one that may apply changes?
    pub(super) is_last: bool,
}

/// Whether a change may begin.
enum Turn {
    Now,
    Later,
    /// Never in this pass; why.
    Never(Failure),
}

impl Executor {
    /// Applies changes side by side, `concurrency` at once, each after those it follows. Once the
    /// run is asked to stop, nothing new is begun and what is under way is awaited.
    pub(super) async fn apply_all(
        &self,
        step: &Step,
        phase: &Phase,
        changes: Vec<Change>,
        pass: &Pass<'_>,
    ) -> Vec<(Change, Result<(), Failure>)> {
        let accepted = Notify::new();
        let place = Place {
            step: step.name,
            phase: phase.name,
            accepted: &accepted,
        };
        let mut standing = Standing {
            open: changes.iter().map(|change| change.key.clone()).collect(),
            // What has failed for good in an earlier pass is not tried again.
            failed: pass.failed.keys().map(|key| (key.clone(), false)).collect(),
            ..Standing::default()
        };
        let mut queue = changes;
        let mut running = FuturesUnordered::new();
        let mut results = Vec::new();
        let mut stopping = false;
        loop {
            let mut held_back = Vec::new();
            for change in std::mem::take(&mut queue) {
                match self.turn(&change, &standing) {
                    Turn::Never(failure) => {
                        standing.open.remove(&change.key);
                        standing.failed.insert(change.key.clone(), failure.passing);
                        results.push((change, Err(failure)));
                    }
                    Turn::Now if !stopping && running.len() < step.concurrency => {
                        running.push(async move {
                            let result = self.apply(place, &change, pass).await;
                            (change, result)
                        });
                    }
                    Turn::Now | Turn::Later => held_back.push(change),
                }
            }
            queue = held_back;
            if running.is_empty() && !stopping && !queue.is_empty() {
                // What follows each other in a circle is begun all the same: the service decides.
                standing.freed.insert(queue[0].key.clone());
                continue;
            }
            let next = tokio::select! {
                next = running.next() => next,
                () = accepted.notified() => continue,
            };
            let Some((change, result)) = next else {
                break;
            };
            standing.open.remove(&change.key);
            if let Err(failure) = &result {
                standing.failed.insert(change.key.clone(), failure.passing);
                stopping |= failure.ends_the_run();
            }
            stopping |= self.context.cancellation.asked();
            results.push((change, result));
        }
        results
    }

    /// Whether a change may begin: what it follows has ended well, and what it awaits is accepted.
    fn turn(&self, change: &Change, standing: &Standing) -> Turn {
        let is_open =
            |key: &str| standing.open.contains(key) && !standing.freed.contains(&change.key);
        let failed = change
            .follows
            .iter()
            .find_map(|key| standing.failed.get_key_value(key));
        if let Some((first, passing)) = failed {
            return Turn::Never(not_begun(
                &format!("it follows {first}, which failed"),
                *passing,
            ));
        }
        if change.follows.iter().any(|key| is_open(key)) {
            return Turn::Later;
        }
        let state = self.context.journal.state();
        let launch = |key: &str| state.launch(key).filter(|launch| stands(launch));
        // What has been requested already is only followed to its end.
        let Some(first) = change.awaits().filter(|_| launch(&change.key).is_none()) else {
            return Turn::Now;
        };
        if launch(first).is_some_and(|launch| launch.handle().is_some()) {
            Turn::Now
        } else if let Some(passing) = standing.failed.get(first) {
            Turn::Never(not_begun(&format!("{first} was not accepted"), *passing))
        } else if is_open(first) {
            Turn::Later
        } else {
            Turn::Now
        }
    }

    async fn apply(
        &self,
        place: Place<'_>,
        change: &Change,
        pass: &Pass<'_>,
    ) -> Result<(), Failure> {
        let narrator = &self.context.narrator;
        let began = self.context.clock.elapsed();
        narrator.tell(EventKind::ChangeBegan {
            step: place.step.to_owned(),
            phase: place.phase.to_owned(),
            key: change.key.clone(),
            name: change.name.clone(),
            kind: change.kind(),
        });
        let result = self
            .apply_kind(place, change, pass.first_seen.of(&change.key))
            .await;
        match &result {
            Ok(()) => narrator.tell(EventKind::ChangeDone {
                step: place.step.to_owned(),
                phase: place.phase.to_owned(),
                key: change.key.clone(),
                name: change.name.clone(),
                kind: change.kind(),
                elapsed: seconds(self.context.clock.elapsed().saturating_sub(began)),
            }),
            // It has not failed: it is left where it is, and the end of the run says so.
            Err(failure) if failure.kind == FailureKind::Interrupted => {}
            Err(failure) if change.is_launch() && self.is_open(&change.key) => {
                narrator.tell(EventKind::ChangeOpen {
                    step: place.step.to_owned(),
                    phase: place.phase.to_owned(),
                    key: change.key.clone(),
                    name: change.name.clone(),
                    message: failure.message.clone(),
                    help: failure.help.clone(),
                });
            }
            Err(failure) => narrator.tell(EventKind::ChangeFailed {
                step: place.step.to_owned(),
                phase: place.phase.to_owned(),
                key: change.key.clone(),
                name: change.name.clone(),
                message: failure.message.clone(),
                help: failure.help.clone(),
                again: failure.passing && !failure.ends_the_run() && !pass.is_last,
            }),
        }
        result
    }

    /// Has a launch begun, or may it have, without an end that is known?
    fn is_open(&self, key: &str) -> bool {
        let state = self.context.journal.state();
        state
            .launch(key)
            .is_some_and(|launch| launch.verified.is_none() && stands(launch))
    }

    async fn apply_kind(
        &self,
        place: Place<'_>,
        change: &Change,
        first_seen: Option<&Value>,
    ) -> Result<(), Failure> {
        if change.is_destructive() && !self.confirmed.contains(&change.key) {
            return Err(unconfirmed(change));
        }
        edits::guard(&self.context, place, change, first_seen).await?;
        match &change.action {
            Action::Set(set) => set::apply(&self.context, place, change, set.as_ref()).await,
            Action::Remove {
                set,
                seal,
                captured,
                ..
            } => {
                self.require_captured(seal, captured)?;
                set::apply(&self.context, place, change, set.as_ref()).await
            }
            Action::Launch(launch) => {
                launch::apply(&self.context, place, change, launch.as_ref()).await
            }
            Action::Ask(_) => Ok(()),
        }
    }

    /// Only what is in a verified seal may be removed; the seal is read back from the disk first.
    fn require_captured(&self, seal: &str, captured: &str) -> Result<(), Failure> {
        let seal = &self.known().seal_name(seal);
        self.context.journal.verify_seal(seal)?;
        let state = self.context.journal.state();
        let holds = state
            .verified_seal(seal)
            .is_some_and(|held| held.capture(captured).is_some());
        if holds {
            return Ok(());
        }
        Err(Failure::refused(format!(
            "it is not in the seal '{seal}' ({captured}): not removed"
        ))
        .with_help("it appeared after the capture; look at it, then begin a new run"))
    }
}

/// Does this attempt of a launch still count: under way, in doubt, or ended well?
fn stands(launch: &LaunchState) -> bool {
    !matches!(
        launch.outcome(),
        Some(LaunchOutcome::Failed | LaunchOutcome::Absent)
    )
}

/// A change that does not begin because of another one's failure; it may begin in another pass where
/// that one may.
fn not_begun(why: &str, passing: bool) -> Failure {
    Failure {
        passing,
        ..Failure::failed(format!("not begun: {why}"))
    }
}

fn unconfirmed(change: &Change) -> Failure {
    Failure::new(
        FailureKind::Unconfirmed,
        format!(
            "{}: it cannot be undone, and it was not in the plan that was confirmed",
            change.name
        ),
    )
    .with_help("look at `iomcopy plan`, then run again and confirm")
}
