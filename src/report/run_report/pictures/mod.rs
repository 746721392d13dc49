//! What a report shows as pictures: content without any drawing, made from a state file.
//!
//! ```text
//! timeline.rs        when each step, operation at the service and wait for a person was
//! timeline/          its axis
//! orchestrations.rs  each orchestration's tiles before, detached and after
//! stages.rs          the tiles of one stage
//! connections.rs     each connection reference: the connection before and the one it has now
//! ```

mod connections;
mod orchestrations;
mod stages;
mod timeline;

pub(super) use connections::{Connection, Wire, planned as planned_wires};
pub use orchestrations::{GraphOutline, OutlineArrow, OutlineTile};
pub(super) use orchestrations::{
    Mark, OrchestrationPicture, Stage, TilePicture, planned as planned_stages,
    present as present_stage,
};
pub(super) use timeline::{Bar, BarKind, Row, Timeline};

use jiff::Timestamp;
use serde_json::Value;

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
        timeline: timeline::gather(contents, steps, None),
        orchestrations: Vec::new(),
        wires: connections::gather(&contents.state),
    }
}

/// The timeline of a run on which a process works, until now.
pub(super) fn timeline_until(
    contents: &StateFileContents,
    steps: &[&str],
    now: Timestamp,
) -> Option<Timeline> {
    timeline::gather(contents, steps, Some(now))
}

/// The orchestrations of a run. `outline` parses the text of a graph.
pub(super) fn gather_orchestrations(
    contents: &StateFileContents,
    outline: impl Fn(&str) -> Option<GraphOutline>,
) -> Vec<OrchestrationPicture> {
    orchestrations::gather(&contents.state, &outline, &|_: &Value| None)
}

/// The same, with those that the run recorded and did not change. Takes also what reads an
/// orchestration's name from its row.
pub(super) fn gather_all_orchestrations(
    contents: &StateFileContents,
    outline: impl Fn(&str) -> Option<GraphOutline>,
    title: impl Fn(&Value) -> Option<String>,
) -> Vec<OrchestrationPicture> {
    orchestrations::gather(&contents.state, &outline, &title)
}
