//! A graph as SVG: layers of boxes with arrows.

use maud::{Markup, html};

use super::MARKED;
use super::arrows::Link;
use super::layout::{BOX_WIDTH, Drawing, LINE_HEIGHT, PlacedTile};
use crate::base::text::count;
use crate::report::page::safe;
use crate::report::run_report::break_commands;
use crate::report::run_report::pictures::{Mark, OrchestrationPicture, Stage};

/// The style of a separate file; a page has the same classes. It is light or dark as the viewer
/// is.
const STYLE: &str = "svg{color-scheme:light dark;--paper:#fff;--ink:#1f2328;--faint:#59636e;--good:#1a7f37;\
--bad:#cf222e;--notable:#9a6700}\
@media (prefers-color-scheme:dark){svg{--paper:#0d1117;--ink:#e6edf3;--faint:#9aa4af;--good:#3fb950;\
--bad:#f85149;--notable:#d29922}}\
.paper{fill:var(--paper)}text{font:12px system-ui,sans-serif;fill:var(--ink)}.name{font-weight:600}\
.title{font-size:15px;font-weight:600}.branch{font-size:11px;stroke:var(--paper);stroke-width:4px;\
paint-order:stroke}.tile{fill:var(--paper);stroke:var(--faint)}\
.old{stroke:var(--notable);stroke-width:2.5}.new{stroke:var(--good);stroke-width:4}\
.empty{stroke:var(--ink);stroke-dasharray:2 4;stroke-width:2}\
.dangling{stroke:var(--bad);stroke-dasharray:9 4;stroke-width:2.5}\
.arrow{fill:none;stroke:var(--faint);stroke-width:1.5}.back{stroke-dasharray:5 4}.head{fill:var(--faint)}";

/// The space around and between the stages of a file.
const SPACE: f64 = 24.0;

/// Where the stages of a file begin, below the name and their titles.
const TOP: f64 = 76.0;

/// The file, without a final line break.
pub(super) fn render(picture: &OrchestrationPicture) -> String {
    let mut left = SPACE;
    let mut bottom = TOP;
    let mut placed = Vec::new();
    for stage in &picture.stages {
        let drawing = Drawing::new(stage);
        let (width, height) = (drawing.width, drawing.height);
        placed.push((stage, drawing, left));
        left += width + SPACE;
        bottom = f64::max(bottom, TOP + height);
    }
    let (width, height) = (number(left), number(bottom + SPACE));
    let descriptions: Vec<String> = picture
        .stages
        .iter()
        .map(|stage| description(&picture.name, stage))
        .collect();
    let file = html! {
        svg xmlns="http://www.w3.org/2000/svg" viewBox=(format!("0 0 {width} {height}")) width=(width)
            height=(height) role="img" aria-labelledby="title desc" {
            title id="title" { (safe(&picture.name)) }
            desc id="desc" { (descriptions.join("; ")) }
            style { (STYLE) }
            rect.paper width=(width) height=(height) {}
            text.title x=(number(SPACE)) y="30" { (safe(&picture.name)) }
            @for (stage, drawing, left) in &placed {
                g transform=(format!("translate({} {TOP})", number(*left))) {
                    text.title x="4" y="-14" { (stage.title) }
                    (content(drawing))
                }
            }
        }
    };
    break_commands(&file.into_string())
}

/// A stage for a page.
pub(in super::super) fn drawing(name: &str, stage: &Stage) -> Markup {
    let drawing = Drawing::new(stage);
    let (width, height) = (number(drawing.width), number(drawing.height));
    let view = format!("0 0 {width} {height}");
    html! {
        svg viewBox=(view) width=(width) height=(height) role="img" aria-label=(description(name, stage)) {
            (content(&drawing))
        }
    }
}

/// A coordinate with one decimal.
fn number(value: f64) -> String {
    format!("{value:.1}")
}

/// The class of a tile with this mark.
pub(in super::super) fn class(mark: Mark) -> &'static str {
    match mark {
        Mark::Plain => "tile",
        Mark::Old => "tile old",
        Mark::Empty => "tile empty",
        Mark::New => "tile new",
        Mark::Dangling => "tile dangling",
    }
}

/// What a picture shows, for a reader who does not see it.
pub(in super::super) fn description(name: &str, stage: &Stage) -> String {
    let mut text = format!(
        "{} of '{}': {}",
        stage.title,
        safe(name),
        count(stage.tiles.len(), "tile")
    );
    for mark in MARKED {
        let marked = stage.tiles.iter().filter(|tile| tile.mark == mark).count();
        if marked > 0 {
            text += &format!(", {}", mark.counted(marked));
        }
    }
    text
}

fn content(drawing: &Drawing) -> Markup {
    html! {
        @for link in &drawing.links { (arrow(link)) }
        @for tile in &drawing.tiles { (tile_box(tile)) }
    }
}

fn arrow(link: &Link) -> Markup {
    let class = if link.is_back { "arrow back" } else { "arrow" };
    let (x, y) = link.end;
    let (left, right, above) = (x - 5.0, x + 5.0, y - 9.0);
    let head = format!("M{x:.1} {y:.1}L{left:.1} {above:.1}H{right:.1}Z");
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
    f64::from(lines) + 1.1
}

#[cfg(test)]
mod tests {
    use quick_xml::Reader;
    use quick_xml::events::Event;

    use super::super::tests::picture;

    #[test]
    fn a_file_is_well_formed_and_has_a_box_for_each_tile() {
        let file = picture().to_svg();
        let mut reader = Reader::from_str(&file);
        reader.config_mut().check_end_names = true;
        let mut boxes = Vec::new();
        loop {
            match reader.read_event().expect("it is well-formed") {
                Event::Start(element) if element.name().as_ref() == b"rect" => {
                    let class = element.attributes().flatten();
                    let mut class = class.filter(|it| it.key.as_ref() == b"class");
                    let class = class.next().expect("a box has a class").value;
                    boxes.push(String::from_utf8_lossy(&class).into_owned());
                }
                Event::Eof => break,
                _ => {}
            }
        }
        assert_eq!(boxes, ["paper", "tile", "tile old", "tile dangling"]);
        for part in [
            "<svg xmlns=\"http://www.w3.org/2000/svg\"",
            "<title id=\"title\">Order `1` &amp; more</title>",
            "Now of &#39;Order",
            "3 tiles, 1 old action, 1 dangling",
            "Send &quot;it&quot; &lt;now&gt;",
            "● old action",
        ] {
            let shown = file.replace('\'', "&#39;");
            assert!(shown.contains(part), "{part}\n{file}");
        }
        assert_eq!(file.matches("<path class=\"arrow\"").count(), 2);
    }
}
