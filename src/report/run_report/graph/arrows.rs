//! The arrows of a stage: paths between the boxes.

use super::layout::{BOX_WIDTH, LINE, PlacedTile};
use crate::report::run_report::pictures::OutlineArrow;
use crate::report::shorten::shortened;

/// How long the head of an arrow is.
pub(super) const HEAD: f64 = 8.0;

/// How far an arrow that closes a loop is from the boxes, and from the next such arrow.
pub(super) const LOOP_GAP: f64 = 8.0;

/// An arrow with its path.
pub(super) struct Link {
    pub(super) path: String,
    /// Where its head is.
    pub(super) end: (f64, f64),
    pub(super) is_back: bool,
    pub(super) label: Option<(String, (f64, f64))>,
}

/// An arrow that leads up, with its path: below its layer to the right edge, and back above the
/// layer of its end. Takes the place of its part at the edge.
pub(super) fn link_around(tiles: &[PlacedTile], arrow: &OutlineArrow, side: f64) -> Link {
    let (from, to) = (&tiles[arrow.from], &tiles[arrow.to]);
    // Right of the middle, where the other arrows are.
    let place = |tile: &PlacedTile| tile.x + BOX_WIDTH * 0.75;
    let (below, above) = (from.layer_end + LOOP_GAP, to.y - HEAD - LOOP_GAP);
    let end = (place(to), to.y);
    let path = format!(
        "M{:.1} {:.1}V{below:.1}H{side:.1}V{above:.1}H{:.1}V{:.1}",
        place(from),
        from.y + from.height,
        end.0,
        end.1
    );
    let middle = (f64::midpoint(place(from), side), below + 4.0);
    let label = arrow.label.as_deref();
    Link {
        path,
        end,
        is_back: true,
        label: label.map(|label| (shortened(label, LINE), middle)),
    }
}

/// An arrow that leads down, with its path. Takes its places in the layers that it passes.
pub(super) fn link(tiles: &[PlacedTile], arrow: &OutlineArrow, lanes: &[(f64, f64, f64)]) -> Link {
    let (from, to) = (&tiles[arrow.from], &tiles[arrow.to]);
    let middle = |tile: &PlacedTile| tile.x + BOX_WIDTH / 2.0;
    let label = arrow.label.as_deref().map(|label| shortened(label, LINE));
    // Beside a higher tile, the arrow goes straight down until it has passed it.
    let start = (middle(from), from.layer_end);
    let (mut x, mut y) = start;
    let mut path = format!("M{x:.1} {:.1}V{y:.1}", from.y + from.height);
    let mut curve = |to_x: f64, to_y: f64| {
        let half = f64::midpoint(y, to_y);
        path += &format!("C{x:.1} {half:.1} {to_x:.1} {half:.1} {to_x:.1} {to_y:.1}");
        (x, y) = (to_x, to_y);
    };
    for (lane, top, bottom) in lanes {
        curve(*lane, *top);
        curve(*lane, *bottom);
    }
    // The last part leads straight into the head.
    let end = (middle(to), to.y);
    curve(end.0, end.1 - HEAD);
    path += &format!("V{:.1}", end.1);
    let first = lanes.first().map_or(end, |(x, top, _)| (*x, *top));
    let place = (
        f64::midpoint(start.0, first.0),
        f64::midpoint(start.1, first.1 - HEAD) + 4.0,
    );
    Link {
        path,
        end,
        is_back: false,
        label: label.map(|label| (label, place)),
    }
}
