//! An orchestration's stages as layers of boxes with arrows.

use maud::{Markup, html};

use super::layout::{BOX_WIDTH, Drawing, LINE_HEIGHT, Link, PlacedTile, parts};
use super::safe;
use super::timeline::number;
use crate::base::text::count;
use crate::report::run_report::pictures::{Mark, OrchestrationPicture, Stage};

/// How many tiles are drawn in all: the rest is only listed, so that the file stays small.
const TILES: usize = 2000;

/// How many orchestrations may be unfolded at once.
const UNFOLDED: usize = 4;

/// The marks of the tiles that the legend and a description name.
const MARKED: [Mark; 4] = [Mark::Old, Mark::Empty, Mark::New, Mark::Dangling];

/// All orchestrations.
pub(super) fn orchestrations(pictures: &[OrchestrationPicture]) -> Markup {
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
                summary { h3 { (safe(&picture.name)) } }
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

fn class(mark: Mark) -> &'static str {
    match mark {
        Mark::Plain => "tile",
        Mark::Old => "tile old",
        Mark::Empty => "tile empty",
        Mark::New => "tile new",
        Mark::Dangling => "tile dangling",
    }
}

/// What a picture shows, for a reader who does not see it.
fn description(name: &str, stage: &Stage) -> String {
    let mut text = format!(
        "{} of '{}': {}",
        stage.title,
        safe(name),
        count(stage.tiles.len(), "tile")
    );
    for mark in MARKED {
        let marked = stage.tiles.iter().filter(|tile| tile.mark == mark).count();
        if marked > 0 {
            text += &format!(", {marked} {}", mark.word());
        }
    }
    text
}

fn stage_figure(name: &str, stage: &Stage) -> Markup {
    let drawing = Drawing::new(stage);
    let (width, height) = (number(drawing.width), number(drawing.height));
    let view = format!("0 0 {width} {height}");
    let described = description(name, stage);
    html! {
        figure {
            figcaption { (stage.title) }
            div.scroll tabindex="0" role="group" aria-label=(described) {
                svg viewBox=(view) width=(width) height=(height) role="img" aria-label=(described) {
                    @for link in &drawing.links { (arrow(link)) }
                    @for tile in &drawing.tiles { (tile_box(tile)) }
                }
            }
        }
    }
}

fn arrow(link: &Link) -> Markup {
    let class = if link.is_back { "arrow back" } else { "arrow" };
    let (x, y) = link.end;
    let side = if link.is_back { 9.0 } else { 0.0 };
    let head = if link.is_back {
        format!(
            "M{x:.1} {y:.1}L{:.1} {:.1}V{:.1}Z",
            x + side,
            y - 5.0,
            y + 5.0
        )
    } else {
        format!(
            "M{x:.1} {y:.1}L{:.1} {:.1}H{:.1}Z",
            x - 5.0,
            y - 9.0,
            x + 5.0
        )
    };
    html! {
        path class=(class) d=(link.path) {}
        path.head d=(head) {}
        @if let Some((label, (x, y))) = &link.label {
            text.branch x=(number(*x)) y=(number(*y)) text-anchor="middle" { (safe(label)) }
        }
    }
}

fn tile_box(tile: &PlacedTile) -> Markup {
    let middle = tile.x + BOX_WIDTH / 2.0;
    html! {
        g {
            rect class=(class(tile.mark)) x=(number(tile.x)) y=(number(tile.y)) width=(number(BOX_WIDTH))
                height=(number(tile.height)) rx="6" {}
            @for (at, (is_name, line)) in tile.lines.iter().enumerate() {
                @let y = tile.y + LINE_HEIGHT * line_number(at);
                @let class = if *is_name { "name" } else { "mark" };
                text class=(class) x=(number(middle)) y=(number(y)) text-anchor="middle" { (safe(line)) }
            }
        }
    }
}

/// The place of a line of text: its base line, counted in lines from the top of its box.
fn line_number(at: usize) -> f64 {
    let lines = u32::try_from(at).unwrap_or(u32::MAX);
    f64::from(lines) + 1.15
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
        let mut cells = vec![html! { (safe(&first.tiles[*at].name)) }];
        cells.extend(stages.iter().map(|stage| {
            let tile = &stage.tiles[*at];
            html! {
                (tile.mark.as_text())
                @if let Some(action) = &tile.action {
                    // A long name may go on in the next line, but only after a sign.
                    ": " @for part in parts(&safe(action)) { (part) wbr; }
                }
            }
        }));
        cells
    });
    super::table(&head, rows)
}
