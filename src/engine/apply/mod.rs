//! Applying a change, one file a kind: [`set`] for sets and removals, [`launch`] for launches, which
//! follow the table of [`ruling`].

pub(super) mod launch;
mod ruling;
pub(super) mod set;

use tokio::sync::Notify;

/// Where a change is applied: its step and its phase.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    /// The step's name.
    pub(super) step: &'a str,
    /// The phase's name.
    pub(super) phase: &'a str,
    /// Who waits for a launch to be accepted is told here.
    pub(super) accepted: &'a Notify,
}
