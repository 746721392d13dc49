//! The timeline as rows: text, and below it a lane whose bars are parts of its width.
//!
//! The lanes are drawn without text and stretched to the page, so that the text keeps its size on a
//! phone. A reader who sees no picture reads the same facts.

use maud::{Markup, html};

use crate::report::page::{breakable, safe, time};
use crate::report::run_report::pictures::{Bar, BarKind, Row, Timeline};

/// The width of a lane in its own units.
const WIDTH: f64 = 1000.0;

/// The height of a lane in its own units.
const HEIGHT: f64 = 14.0;

/// The whole timeline.
pub(super) fn timeline(timeline: &Timeline) -> Markup {
    let kinds = [
        (BarKind::Step, "Steps"),
        (BarKind::Operation, "Operations at the service"),
        (BarKind::HumanWait, "Waits for a person"),
        (BarKind::Pause, "No process worked"),
    ];
    html! {
        p { "Begun " (time(&timeline.began)) ". Each lane is the whole time, from left to right." }
        ul.legend {
            @for (kind, _) in kinds { li { (key(kind)) " " (kind.as_text()) } }
            li { (failure_key()) " failure" }
        }
        div.axis aria-hidden="true" {
            @for (at, tick) in timeline.ticks.iter().enumerate() {
                span.quarter[at % 2 == 1] { (tick) }
            }
        }
        @for (kind, title) in kinds {
            @let rows: Vec<&Row> = timeline.rows.iter().filter(|row| row.kind == kind).collect();
            @if !rows.is_empty() {
                h3 { (title) }
                ol.lanes { @for row in rows { li { (lane(row, timeline.length)) } } }
            }
        }
        @if let Some(left_out) = &timeline.left_out { p.faint { (left_out) } }
    }
}

fn lane(row: &Row, length: u64) -> Markup {
    html! {
        p { strong { (breakable(&row.label)) } }
        svg.lane viewBox="0 0 1000 14" preserveAspectRatio="none" aria-hidden="true" focusable="false" {
            rect.rail x="0" y="0" width="1000" height="14" {}
            path.quarter d="M250 0V14M500 0V14M750 0V14" {}
            @for bar in &row.bars { (shape(row.kind, place(bar, length))) }
            @for failure in &row.failures {
                @let x = number(share(*failure, length));
                line.failure x1=(x) y1="0" x2=(x) y2="14" {}
            }
        }
        p.faint { (safe(&row.text)) }
    }
}

/// Where a bar is in its lane: its left end and its width, which is never invisible.
fn place(bar: &Bar, length: u64) -> (f64, f64) {
    let (left, right) = (share(bar.from, length), share(bar.to, length));
    let width = (right - left).max(2.0);
    (left.min(WIDTH - width), width)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a place in a picture, not a figure"
)]
fn share(part: u64, whole: u64) -> f64 {
    part as f64 / whole.max(1) as f64 * WIDTH
}

/// A coordinate with one decimal.
fn number(value: f64) -> String {
    format!("{value:.1}")
}

/// A bar. Each kind has its own shape, because a colour alone says nothing to some.
fn shape(kind: BarKind, (left, width): (f64, f64)) -> Markup {
    let (x, w) = (number(left), number(width));
    let end = number(left + width);
    html! {
        @match kind {
            BarKind::Step => rect.step x=(x) y="0" width=(w) height=(HEIGHT) {},
            BarKind::Operation => rect.operation x=(x) y="4" width=(w) height="6" {},
            BarKind::HumanWait => rect.wait x=(x) y="2" width=(w) height="10" {},
            BarKind::Pause => line.pause x1=(x) y1="7" x2=(end) y2="7" {},
        }
    }
}

fn key(kind: BarKind) -> Markup {
    html! {
        svg.key viewBox="0 0 1000 14" preserveAspectRatio="none" aria-hidden="true" focusable="false" {
            (shape(kind, (20.0, 960.0)))
        }
    }
}

fn failure_key() -> Markup {
    html! {
        svg.key viewBox="0 0 1000 14" preserveAspectRatio="none" aria-hidden="true" focusable="false" {
            rect.rail x="0" y="0" width="1000" height="14" {}
            line.failure x1="500" y1="0" x2="500" y2="14" {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bar_is_within_its_lane_and_can_be_seen() {
        for (from, to) in [(0, 100), (100, 100), (50, 50), (0, 0), (99, 100)] {
            let (left, width) = place(&Bar { from, to }, 100);
            assert!(left >= 0.0 && width >= 2.0, "{from}-{to}");
            assert!(left + width <= WIDTH, "{from}-{to}: {left} {width}");
        }
    }

    #[test]
    fn a_label_is_text_and_never_markup() {
        let row = Row {
            kind: BarKind::Operation,
            label: "copy '<script>' & \"B\"".to_owned(),
            bars: vec![Bar { from: 0, to: 5 }],
            text: "<b>".to_owned(),
            failures: vec![3],
            is_open: false,
        };
        let drawn = lane(&row, 10).into_string();
        assert!(drawn.contains("copy '&lt;script&gt;' &amp; &quot;B&quot;"));
        assert!(drawn.contains("&lt;b&gt;"), "{drawn}");
        assert!(
            drawn.contains(r#"<line class="failure" x1="300.0""#),
            "{drawn}"
        );
    }
}
