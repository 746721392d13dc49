//! The orchestrations of a run: a legend, and each one's stages with a table of its slots.

use maud::{Markup, html};

use crate::report::page::{breakable, safe, table};
use crate::report::run_report::graph::{MARKED, class, description, drawing};
use crate::report::run_report::pictures::{Mark, OrchestrationPicture, Stage};

/// How many tiles are drawn in all: the rest is only listed, so that the file stays small.
const TILES: usize = 2000;

/// How many orchestrations may be unfolded at once.
const UNFOLDED: usize = 4;

/// All orchestrations.
pub(super) fn orchestrations(pictures: &[&OrchestrationPicture]) -> Markup {
    let mut tiles = 0;
    html! {
        ul.legend {
            @for mark in MARKED {
                li {
                    svg.key viewBox="0 0 40 14" aria-hidden="true" focusable="false" {
                        rect class=(class(mark)) x="3" y="2" width="34" height="10" {}
                    }
                    " " (mark.as_text())
                }
            }
        }
        @for picture in pictures {
            @let own: usize = picture.stages.iter().map(|stage| stage.tiles.len()).sum();
            @let fits = { tiles += own; tiles <= TILES };
            details open[pictures.len() <= UNFOLDED] {
                summary { h3 { (safe(&picture.name)) } " " span.faint { (summary(picture)) } }
                @if fits {
                    div.stages { @for stage in &picture.stages { (stage_figure(&picture.name, stage)) } }
                } @else {
                    p.faint { "Not drawn: the report would be too large." }
                }
                (slots(picture))
            }
        }
    }
}

/// How many tiles of the last stage have each mark, so that a folded graph says something too.
fn summary(picture: &OrchestrationPicture) -> String {
    let Some(last) = picture.stages.last() else {
        return String::new();
    };
    let counted = MARKED.into_iter().filter_map(|mark| {
        let number = last.tiles.iter().filter(|tile| tile.mark == mark).count();
        (number > 0).then(|| mark.counted(number))
    });
    let counted: Vec<String> = counted.collect();
    format!("{}: {}", last.title.to_lowercase(), counted.join(", "))
}

fn stage_figure(name: &str, stage: &Stage) -> Markup {
    html! {
        figure {
            figcaption { (stage.title) }
            div.scroll tabindex="0" role="group" aria-label=(description(name, stage)) {
                (drawing(name, stage))
            }
        }
    }
}

/// The slots as a table: tile by tile what it held and what it holds.
fn slots(picture: &OrchestrationPicture) -> Markup {
    let Some(first) = picture.stages.first() else {
        return html! {};
    };
    let marked: Vec<usize> = (0..first.tiles.len())
        .filter(|at| first.tiles[*at].mark != Mark::Plain)
        .collect();
    // A stage whose tiles were taken out has other indexes; its tiles hold nothing.
    let stages: Vec<&Stage> = picture
        .stages
        .iter()
        .filter(|stage| stage.tiles.len() == first.tiles.len())
        .collect();
    let mut head = vec!["Tile"];
    head.extend(stages.iter().map(|stage| stage.title));
    let rows = marked.iter().map(|at| {
        let mut cells = vec![breakable(&first.tiles[*at].name)];
        cells.extend(stages.iter().map(|stage| {
            let tile = &stage.tiles[*at];
            html! {
                @if tile.mark != Mark::Plain {
                    span.mark { (tile.mark.as_text()) @if tile.action.is_some() { ":" } }
                }
                @if let Some(action) = &tile.action { " " (breakable(action)) }
            }
        }));
        cells
    });
    table(&head, rows)
}
