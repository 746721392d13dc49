//! A graph as a Mermaid flowchart (Mermaid's documentation, *Flowcharts Syntax*).

use super::MARKED;
use crate::base::text::escape;
use crate::report::run_report::break_commands;
use crate::report::run_report::pictures::{Mark, OrchestrationPicture, Stage};

/// The flowchart, without a final line break.
pub(super) fn render(picture: &OrchestrationPicture) -> String {
    let mut lines = vec![
        format!("%% {}", escape(&picture.name)),
        "flowchart LR".to_owned(),
    ];
    for (number, stage) in picture.stages.iter().enumerate() {
        lines.extend(subgraph(number, stage));
    }
    if picture.stages.len() > 1 {
        // Links that are not drawn put the stages in their order, from left to right.
        let stages: Vec<String> = (0..picture.stages.len())
            .map(|at| format!("s{at}"))
            .collect();
        lines.push(format!("  {}", stages.join(" ~~~ ")));
    }
    let occurs = |mark: Mark| {
        let mut tiles = picture.stages.iter().flat_map(|stage| &stage.tiles);
        tiles.any(|tile| tile.mark == mark)
    };
    for mark in MARKED.into_iter().filter(|mark| occurs(*mark)) {
        lines.push(format!("  classDef {} {}", class(mark), style(mark)));
    }
    break_commands(&lines.join("\n"))
}

fn subgraph(number: usize, stage: &Stage) -> Vec<String> {
    let mut lines = vec![
        format!("  subgraph s{number} [\"{}\"]", text(stage.title)),
        "    direction TB".to_owned(),
    ];
    for (at, tile) in stage.tiles.iter().enumerate() {
        let mut label = text(&tile.name);
        for line in [Some(tile.mark.as_text()), tile.action.as_deref()] {
            if let Some(line) = line.filter(|line| !line.is_empty()) {
                label += "<br/>";
                label += &text(line);
            }
        }
        let class = match tile.mark {
            Mark::Plain => String::new(),
            mark => format!(":::{}", class(mark)),
        };
        lines.push(format!("    s{number}t{at}[\"{label}\"]{class}"));
    }
    for arrow in &stage.arrows {
        let label = arrow.label.as_deref().map(text);
        let label = label.map_or(String::new(), |label| format!("|\"{label}\"|"));
        let (from, to) = (arrow.from, arrow.to);
        lines.push(format!("    s{number}t{from} -->{label} s{number}t{to}"));
    }
    lines.push("  end".to_owned());
    lines
}

/// The name of a mark's style.
fn class(mark: Mark) -> &'static str {
    match mark {
        Mark::Plain => "plain",
        Mark::Old => "old",
        Mark::Empty => "empty",
        Mark::New => "new",
        Mark::Dangling => "dangling",
    }
}

/// Only borders: what draws the graph chooses its colours for light and dark.
fn style(mark: Mark) -> &'static str {
    match mark {
        Mark::Plain => "stroke-width:1px",
        Mark::Old => "stroke:#9a6700,stroke-width:3px",
        Mark::Empty => "stroke-width:2px,stroke-dasharray:2 4",
        Mark::New => "stroke:#1a7f37,stroke-width:4px",
        Mark::Dangling => "stroke:#cf222e,stroke-width:3px,stroke-dasharray:9 4",
    }
}

/// A text within quotes. Mermaid writes a special character as `#NUMBER;`.
fn text(given: &str) -> String {
    let mut safe = String::with_capacity(given.len());
    for character in escape(given).chars() {
        if "\"#<>&`\\[]{}|;".contains(character) {
            safe.push('#');
            safe += &u32::from(character).to_string();
            safe.push(';');
        } else {
            safe.push(character);
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::super::tests::picture;
    use super::*;

    #[test]
    fn a_graph_is_a_flowchart_with_a_subgraph_for_each_stage() {
        let expected = "%% Order `1` & more
flowchart LR
  subgraph s0 [\"Now\"]
    direction TB
    s0t0[\"start\"]
    s0t1[\"Send #34;it#34; #60;now#62;<br/>● old action<br/>msdyn_x/msdyn_x_send\"]:::old
    s0t2[\"Release<br/>! dangling<br/>dead\"]:::dangling
    s0t0 --> s0t1
    s0t1 -->|\"a#124;b\"| s0t2
  end
  classDef old stroke:#9a6700,stroke-width:3px
  classDef dangling stroke:#cf222e,stroke-width:3px,stroke-dasharray:9 4";
        assert_eq!(picture().to_mermaid(), expected);
    }

    #[test]
    fn no_name_ends_its_label() {
        assert_eq!(text("a\"];b"), "a#34;#93;#59;b");
        assert_eq!(text("one\ntwo"), "one#92;ntwo");
    }
}
