//! Applying a change: [`set`] for sets and removals, [`launch`] for launches.

pub(super) mod launch;
pub(super) mod set;

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::Notify;

use crate::base::sync::lock;
use crate::base::text::duration;
use crate::engine::context::poll_interval;
use crate::engine::{Change, Context, Failure};
use crate::journal::Intent;

/// Where a change is applied: its step and its phase.
#[derive(Clone, Copy, Debug)]
pub(super) struct PhaseRef<'a> {
    /// The step's name.
    pub(super) step: &'a str,
    /// The phase's name.
    pub(super) phase: &'a str,
    /// The keys of the changes whose requests the service has accepted, in this pass.
    pub(super) accepted: &'a Mutex<BTreeSet<String>>,
    /// Notified when one is added.
    pub(super) acceptance: &'a Notify,
}

impl PhaseRef<'_> {
    /// The service has accepted the request of this change: what waits for that may begin.
    fn accept(&self, change: &Change) {
        lock(self.accepted).insert(change.key.clone());
        self.acceptance.notify_one();
    }
}

/// Waits before a request that was refused is sent again, because something at the service must end
/// first. `began` is on the program's clock. Fails with the refusal after `limit`: nothing was
/// applied, and a later run sends it again.
pub(super) async fn wait_for_release(
    context: &Context,
    phase_ref: PhaseRef<'_>,
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
        .progress(phase_ref.step, &change.name, &note, waited);
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
