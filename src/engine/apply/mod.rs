//! Applying a change: [`set`] for sets and removals, [`launch`] for launches.

pub(super) mod launch;
pub(super) mod set;

use std::time::Duration;

use serde_json::Value;
use tokio::sync::Notify;

use crate::base::text::duration;
use crate::engine::context::poll_interval;
use crate::engine::{Change, Context, Failure};
use crate::journal::Intent;

/// Where a change is applied: its step and its phase.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    /// The step's name.
    pub(super) step: &'a str,
    /// The phase's name.
    pub(super) phase: &'a str,
    /// Notified when a launch is accepted.
    pub(super) accepted: &'a Notify,
}

/// Waits before a request that was refused is sent again, because something at the service must end
/// first. Takes when the change began on the program's clock, how long it is worth waiting, and the
/// refusal. Fails once that time is over: nothing was applied, and a later run sends it again.
pub(super) async fn wait_for_release(
    context: &Context,
    place: Place<'_>,
    change: &Change,
    began: Duration,
    limit: Duration,
    refusal: Failure,
) -> Result<(), Failure> {
    let waited = context.clock.elapsed().saturating_sub(began);
    if waited > limit {
        let failure = Failure::temporary(refusal.message)
            .during(format!("still refused after {}", duration(waited)));
        return Err(Failure {
            help: refusal.help,
            ..failure
        });
    }
    let note = format!("not possible yet: {}", refusal.message);
    context
        .events
        .progress(place.step, &change.name, &note, waited);
    context.pause(poll_interval(waited)).await
}

/// The intent of a change in this step and phase. Takes what a launch probed.
pub(super) fn intent(step: &str, phase: &str, change: &Change, detail: Value) -> Intent {
    Intent {
        step: step.to_owned(),
        phase: phase.to_owned(),
        key: change.key.clone(),
        kind: change.kind(),
        name: change.name.clone(),
        before: change.before.clone(),
        after: change.after.clone(),
        detail,
    }
}
