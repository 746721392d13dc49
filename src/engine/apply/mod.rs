//! Applying a change: [`set`] for sets and removals, [`launch`] for launches.

pub(super) mod launch;
pub(super) mod set;

use serde_json::Value;
use tokio::sync::Notify;

use crate::engine::Change;
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
