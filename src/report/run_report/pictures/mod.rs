//! What a report shows as pictures: content without any drawing, made from a state file.
//!
//! ```text
//! timeline.rs        when each step, operation at the service and wait for a person was
//! orchestrations.rs  each orchestration's tiles before, detached and after
//! wiring.rs          each connection reference: the connection before and the one it has now
//! ```

mod orchestrations;
mod timeline;
mod wiring;

pub use orchestrations::{GraphOutline, OutlineArrow, OutlineTile};
pub(super) use orchestrations::{Mark, OrchestrationPicture, Stage, TilePicture};
pub(super) use timeline::{Bar, BarKind, Row, Timeline};
pub(super) use wiring::{Connection, Wire};

use crate::journal::StateFileContents;

/// Everything of a report that is shown as a picture.
#[derive(Debug, Default)]
pub(super) struct Pictures {
    pub(super) timeline: Option<Timeline>,
    pub(super) orchestrations: Vec<OrchestrationPicture>,
    pub(super) wires: Vec<Wire>,
}

/// The pictures of a run, without its orchestrations. Takes the names of all steps in order.
pub(super) fn gather(contents: &StateFileContents, steps: &[&str]) -> Pictures {
    Pictures {
        timeline: timeline::gather(contents, steps),
        orchestrations: Vec::new(),
        wires: wiring::gather(&contents.state),
    }
}

/// The orchestrations of a run. Takes what reads a graph's outline from its text.
pub(super) fn gather_orchestrations(
    contents: &StateFileContents,
    outline: impl Fn(&str) -> Option<GraphOutline>,
) -> Vec<OrchestrationPicture> {
    orchestrations::gather(&contents.state, &outline)
}
