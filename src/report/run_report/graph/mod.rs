//! One orchestration's graph in the stages of a run: as Mermaid, as SVG, and within a page.
//!
//! ```text
//! layout.rs   gives the tiles of a stage their places
//! arrows.rs   leads arrows from one to another
//! svg.rs      draws them
//! mermaid.rs  the same as text, for what draws Mermaid: GitHub, Azure DevOps, editors
//! ```

mod arrows;
mod layout;
mod mermaid;
mod svg;

pub(super) use svg::{class, description, drawing};

use serde_json::Value;

use super::pictures::{
    GraphOutline, Mark, OrchestrationPicture, gather_all_orchestrations, planned_stages,
    present_stage,
};
use crate::engine::PlannedChange;
use crate::journal::StateFileContents;

/// The marks of the tiles that a legend and a description name.
pub(super) const MARKED: [Mark; 4] = [Mark::Old, Mark::Empty, Mark::New, Mark::Dangling];

/// One orchestration's graph, in each stage that is known.
#[derive(Debug)]
pub struct GraphPicture(OrchestrationPicture);

impl GraphPicture {
    /// A graph as an environment holds it now. Takes the orchestration's name, the graph's outline,
    /// and what its slots hold: `{"slots": {POINTER: ACTION}, "dangling": {POINTER: ID}}`.
    pub fn of_present(name: &str, outline: &GraphOutline, values: &Value) -> Self {
        Self(present_stage(name, outline, values))
    }

    /// A graph as a plan leaves it. Takes the change that clears its slots, and the one that fills
    /// them again.
    pub fn of_plan(
        name: &str,
        outline: &GraphOutline,
        clear: &PlannedChange,
        restore: Option<&PlannedChange>,
    ) -> Self {
        Self(planned_stages(name, outline, clear, restore))
    }

    pub(super) fn stages_of(&self) -> &OrchestrationPicture {
        &self.0
    }

    /// The orchestration's name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The stages that are known.
    pub fn stages(&self) -> Vec<&'static str> {
        self.0.stages.iter().map(|stage| stage.title).collect()
    }

    /// As a Mermaid flowchart: one subgraph for each stage.
    pub fn to_mermaid(&self) -> String {
        mermaid::render(&self.0)
    }

    /// As one SVG file: the stages side by side, in light and in dark.
    pub fn to_svg(&self) -> String {
        svg::render(&self.0)
    }
}

/// Every orchestration that a run recorded, by name: with the stages that it has reached.
/// `outline` parses a graph, `title` reads an orchestration's name from its row.
pub fn graph_pictures(
    contents: &StateFileContents,
    outline: impl Fn(&str) -> Option<GraphOutline>,
    title: impl Fn(&Value) -> Option<String>,
) -> Vec<GraphPicture> {
    let pictures = gather_all_orchestrations(contents, outline, title);
    pictures.into_iter().map(GraphPicture).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::report::run_report::pictures::{OutlineArrow, OutlineTile};

    /// A graph of three tiles, one with an old action, one with an id that no action has.
    pub(super) fn picture() -> GraphPicture {
        let tile = |id: &str, name: &str| OutlineTile {
            pointer: format!("/nodes/id={id}"),
            name: name.to_owned(),
        };
        let outline = GraphOutline {
            tiles: vec![
                tile("a", "start"),
                tile("b", "Send \"it\" <now>"),
                tile("c", "Release"),
            ],
            arrows: vec![
                OutlineArrow {
                    from: 0,
                    to: 1,
                    label: None,
                },
                OutlineArrow {
                    from: 1,
                    to: 2,
                    label: Some("a|b".to_owned()),
                },
            ],
        };
        let values = json!({
            "slots": { "/nodes/id=b/providerAction": "msdyn_x/msdyn_x_send" },
            "dangling": { "/nodes/id=c/providerAction": "dead" },
        });
        GraphPicture::of_present("Order `1` & more", &outline, &values)
    }

    #[test]
    fn a_present_graph_has_one_stage_with_its_marks() {
        let picture = picture();
        assert_eq!(picture.name(), "Order `1` & more");
        assert_eq!(picture.stages(), ["Now"]);
        let marks: Vec<Mark> = picture.0.stages[0].tiles.iter().map(|it| it.mark).collect();
        assert_eq!(marks, [Mark::Plain, Mark::Old, Mark::Dangling]);
    }
}
