//! One pass over the changes of a phase: side by side, each after those it follows.

use std::collections::BTreeSet;

use futures_util::stream::{FuturesUnordered, StreamExt as _};

use super::apply::{Place, launch, set};
use super::event::seconds;
use super::{Action, Change, EventKind, Executor, Failure, FailureKind, Phase, Step};

impl Executor {
    /// Applies changes side by side, `concurrency` at once, each after those it follows. Once the
    /// run is asked to stop, nothing new is begun and what is under way is awaited.
    pub(super) async fn apply_all(
        &self,
        step: &Step,
        phase: &Phase,
        changes: Vec<Change>,
        last: bool,
    ) -> Vec<(Change, Result<(), Failure>)> {
        let place = Place {
            step: step.name,
            phase: phase.name,
        };
        let mut open: BTreeSet<String> = changes.iter().map(|change| change.key.clone()).collect();
        let mut failed: BTreeSet<String> = BTreeSet::new();
        let mut queue = changes;
        let mut running = FuturesUnordered::new();
        let mut results = Vec::new();
        let mut stopping = false;
        loop {
            let mut held_back = Vec::new();
            for change in std::mem::take(&mut queue) {
                let blocked = change.follows.iter().any(|key| open.contains(key));
                if let Some(first) = change.follows.iter().find(|key| failed.contains(*key)) {
                    let failure =
                        Failure::failed(format!("not begun: it follows {first}, which failed"));
                    open.remove(&change.key);
                    failed.insert(change.key.clone());
                    results.push((change, Err(failure)));
                } else if stopping || blocked || running.len() >= step.concurrency {
                    held_back.push(change);
                } else {
                    running.push(async move {
                        let result = self.apply(place, &change, last).await;
                        (change, result)
                    });
                }
            }
            queue = held_back;
            if running.is_empty() && !stopping && !queue.is_empty() {
                // What follows each other in a circle is begun all the same: the service decides.
                let mut change = queue.remove(0);
                change.follows.clear();
                queue.insert(0, change);
                continue;
            }
            let Some((change, result)) = running.next().await else {
                break;
            };
            open.remove(&change.key);
            if let Err(failure) = &result {
                failed.insert(change.key.clone());
                stopping |= failure.ends_the_run();
            }
            stopping |= self.context.cancellation.asked();
            results.push((change, result));
        }
        results
    }

    async fn apply(&self, place: Place<'_>, change: &Change, last: bool) -> Result<(), Failure> {
        let narrator = &self.context.narrator;
        let began = self.context.clock.elapsed();
        narrator.tell(EventKind::ChangeBegan {
            step: place.step.to_owned(),
            phase: place.phase.to_owned(),
            key: change.key.clone(),
            name: change.name.clone(),
            kind: change.kind(),
        });
        let result = self.apply_kind(place, change).await;
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
            Err(failure) => narrator.tell(EventKind::ChangeFailed {
                step: place.step.to_owned(),
                phase: place.phase.to_owned(),
                key: change.key.clone(),
                name: change.name.clone(),
                message: failure.message.clone(),
                help: failure.help.clone(),
                again: failure.passing && !failure.ends_the_run() && !last,
            }),
        }
        result
    }

    async fn apply_kind(&self, place: Place<'_>, change: &Change) -> Result<(), Failure> {
        if change.is_destructive() && !self.confirmed.contains(&change.key) {
            return Err(unconfirmed(change));
        }
        match &change.action {
            Action::Set(set) => set::apply(&self.context, place, change, set.as_ref()).await,
            Action::Remove {
                set,
                seal,
                captured,
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
