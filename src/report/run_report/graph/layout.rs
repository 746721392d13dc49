//! Places the tiles of a stage: layers from top to bottom, arrows between them.
//!
//! A tile's layer is below those of all that lead to it; an arrow that would lead up closes a loop
//! and is drawn around the right edge, between the layers. An arrow over several layers has a narrow
//! place for itself in each of them, so that no arrow crosses a box.

use super::arrows::{HEAD, LOOP_GAP, Link, link, link_around};
use crate::report::page::parts;
use crate::report::run_report::pictures::{Mark, Stage, TilePicture};
use crate::report::shorten::shortened;

pub(super) const BOX_WIDTH: f64 = 222.0;
pub(super) const LINE_HEIGHT: f64 = 15.0;
const GAP: f64 = 18.0;
const LAYER_GAP: f64 = 36.0;
const LANE_WIDTH: f64 = 14.0;
const MARGIN: f64 = 4.0;
/// What a box has above and below its lines, together.
const PADDING: f64 = 10.0;
/// How many characters of a line fit into a box.
pub(super) const LINE: usize = 30;
/// How many lines of a tile's name, or of its action, are shown.
const LINES: usize = 4;

/// A stage with a place for everything.
pub(super) struct Drawing {
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) tiles: Vec<PlacedTile>,
    pub(super) links: Vec<Link>,
}

/// A tile with its place.
pub(super) struct PlacedTile {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) height: f64,
    /// Where its layer ends: below its highest tile.
    pub(super) layer_end: f64,
    pub(super) mark: Mark,
    /// Its lines of text, each with: is it a line of the name?
    pub(super) lines: Vec<(bool, String)>,
}

/// What is in a layer: a tile, or the place of an arrow that passes through.
#[derive(Clone, Copy, PartialEq)]
enum Item {
    Tile(usize),
    Lane(usize),
}

impl Item {
    fn width(self) -> f64 {
        match self {
            Self::Tile(_) => BOX_WIDTH,
            Self::Lane(_) => LANE_WIDTH,
        }
    }
}

impl Drawing {
    pub(super) fn new(stage: &Stage) -> Self {
        let arrows: Vec<(usize, usize)> = stage
            .arrows
            .iter()
            .map(|arrow| (arrow.from, arrow.to))
            .collect();
        let layer = layers(stage.tiles.len(), &arrows);
        let rows = arrange(&layer, &arrows);
        let texts: Vec<Vec<(bool, String)>> = stage.tiles.iter().map(lines).collect();
        let height_of = |at: usize| LINE_HEIGHT * float(texts[at].len()) + PADDING;
        let row_width = |row: &Vec<Item>| {
            let gaps = GAP * float(row.len().saturating_sub(1));
            row.iter().map(|item| item.width()).sum::<f64>() + gaps
        };
        let widest = rows.iter().map(row_width).fold(BOX_WIDTH, f64::max);
        // The middle of each item, and the top and the bottom of its layer.
        let mut tiles: Vec<Option<PlacedTile>> = stage.tiles.iter().map(|_| None).collect();
        let mut lanes: Vec<Vec<(f64, f64, f64)>> = vec![Vec::new(); arrows.len()];
        // An arrow that closes a loop passes above its end and below its beginning.
        let closes_loop = |(from, to): &(usize, usize)| layer[*to] <= layer[*from];
        let has_loops = arrows.iter().any(closes_loop);
        let around = if has_loops { HEAD + LOOP_GAP } else { 0.0 };
        let mut top = MARGIN + around;
        for row in &rows {
            let heights = row.iter().map(|item| match item {
                Item::Tile(at) => height_of(*at),
                Item::Lane(_) => 0.0,
            });
            let height = heights.fold(0.0, f64::max);
            let mut left = MARGIN + (widest - row_width(row)) / 2.0;
            for item in row {
                match item {
                    Item::Tile(at) => {
                        tiles[*at] = Some(PlacedTile {
                            x: left,
                            y: top,
                            height: height_of(*at),
                            layer_end: top + height,
                            mark: stage.tiles[*at].mark,
                            lines: texts[*at].clone(),
                        });
                    }
                    Item::Lane(arrow) => {
                        lanes[*arrow].push((left + LANE_WIDTH / 2.0, top, top + height));
                    }
                }
                left += item.width() + GAP;
            }
            top += height + LAYER_GAP;
        }
        let tiles: Vec<PlacedTile> = tiles.into_iter().flatten().collect();
        let mut drawing = Self {
            width: widest + 2.0 * MARGIN,
            height: (top - LAYER_GAP + MARGIN + around).max(2.0 * MARGIN),
            tiles,
            links: Vec::new(),
        };
        let mut side = drawing.width;
        for (at, arrow) in stage.arrows.iter().enumerate() {
            let link = if closes_loop(&(arrow.from, arrow.to)) {
                side += LOOP_GAP;
                link_around(&drawing.tiles, arrow, side)
            } else {
                link(&drawing.tiles, arrow, &lanes[at])
            };
            drawing.links.push(link);
        }
        if has_loops {
            drawing.width = side + MARGIN;
        }
        drawing
    }
}

fn float(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

/// The layer of each tile: below all that lead to it, except where that would close a loop.
fn layers(tiles: usize, arrows: &[(usize, usize)]) -> Vec<usize> {
    let mut layer = vec![0; tiles];
    let mut open = vec![0_usize; tiles];
    for (_, to) in arrows {
        open[*to] += 1;
    }
    let mut placed = vec![false; tiles];
    for _ in 0..tiles {
        let free = (0..tiles).find(|at| !placed[*at] && open[*at] == 0);
        // Without a free tile there is a loop: it is cut at the tile that already has something
        // above it, else at the first.
        let entered = || {
            let above = |at: &usize| !placed[*at] && layer[*at] > 0;
            (0..tiles).find(above)
        };
        let next = free
            .or_else(entered)
            .or_else(|| (0..tiles).find(|at| !placed[*at]));
        let Some(next) = next else {
            break;
        };
        placed[next] = true;
        for (_, to) in arrows.iter().filter(|(from, _)| *from == next) {
            open[*to] = open[*to].saturating_sub(1);
            if !placed[*to] {
                layer[*to] = layer[*to].max(layer[next] + 1);
            }
        }
    }
    layer
}

/// The layers with the places of long arrows, each ordered by what leads to it.
fn arrange(layer: &[usize], arrows: &[(usize, usize)]) -> Vec<Vec<Item>> {
    let depth = layer.iter().max().map_or(0, |deepest| deepest + 1);
    let mut rows: Vec<Vec<Item>> = vec![Vec::new(); depth];
    for (at, layer) in layer.iter().enumerate() {
        rows[*layer].push(Item::Tile(at));
    }
    for (at, (from, to)) in arrows.iter().enumerate() {
        for row in rows.iter_mut().take(layer[*to]).skip(layer[*from] + 1) {
            row.push(Item::Lane(at));
        }
    }
    for index in 1..depth {
        let (above, below) = rows.split_at_mut(index);
        let above = &above[index - 1];
        let position = |item: Item| above.iter().position(|other| *other == item);
        let key = |item: &Item| -> usize {
            let leading = arrows
                .iter()
                .enumerate()
                .filter(|(at, (_, to))| match item {
                    Item::Tile(tile) => to == tile,
                    Item::Lane(lane) => at == lane,
                });
            let places: Vec<usize> = leading
                .filter_map(|(at, (from, _))| {
                    position(Item::Lane(at)).or_else(|| position(Item::Tile(*from)))
                })
                .collect();
            // Tenfold, because the mean of two neighbours lies between them.
            match places.len() {
                0 => 0,
                number => places.iter().sum::<usize>() * 10 / number,
            }
        };
        below[0].sort_by_cached_key(key);
    }
    rows
}

/// The lines of a tile: its name, then its mark and its action.
fn lines(tile: &TilePicture) -> Vec<(bool, String)> {
    let mut lines: Vec<(bool, String)> = Vec::new();
    lines.extend(wrapped(&tile.name).into_iter().map(|line| (true, line)));
    if tile.mark != Mark::Plain {
        lines.push((false, tile.mark.as_text().to_owned()));
    }
    let action = tile.action.as_deref().map(wrapped).unwrap_or_default();
    lines.extend(action.into_iter().map(|line| (false, line)));
    lines
}

/// A text in lines that fit into a box. Words are parted only after a sign, unless one alone is
/// longer than a line.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for part in parts(text, LINE) {
        let length = line.chars().count() + part.trim_end().chars().count();
        if length > LINE && !line.is_empty() {
            lines.push(line.trim_end().to_owned());
            line.clear();
        }
        line += &part;
    }
    lines.push(line.trim_end().to_owned());
    if lines.len() > LINES {
        lines.truncate(LINES);
        if let Some(last) = lines.last_mut() {
            *last = format!("{}…", shortened(last, LINE - 1).trim_end_matches('…'));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::run_report::pictures::OutlineArrow;

    fn stage(names: &[&str], arrows: &[(usize, usize)]) -> Stage {
        Stage {
            title: "Before",
            tiles: names
                .iter()
                .map(|name| TilePicture {
                    name: (*name).to_owned(),
                    mark: Mark::Plain,
                    action: None,
                })
                .collect(),
            arrows: arrows
                .iter()
                .map(|(from, to)| OutlineArrow {
                    from: *from,
                    to: *to,
                    label: None,
                })
                .collect(),
        }
    }

    #[test]
    fn a_tile_is_below_all_that_lead_to_it_and_a_loop_is_cut() {
        assert_eq!(layers(4, &[(0, 1), (1, 2), (0, 2), (2, 3)]), [0, 1, 2, 3]);
        assert_eq!(layers(3, &[(0, 1), (1, 2), (2, 1)]), [0, 1, 2]);
        assert_eq!(layers(2, &[(0, 1), (1, 0)]), [0, 1]);
        assert_eq!(layers(1, &[(0, 0)]), [0]);
        assert_eq!(layers(0, &[]), Vec::<usize>::new());
    }

    #[test]
    fn no_two_boxes_overlap_and_all_are_within_the_picture() {
        let names = ["a", "b", "c", "d", "e", "f"];
        let arrows = [
            (0, 1),
            (0, 2),
            (0, 5),
            (1, 3),
            (2, 3),
            (3, 4),
            (4, 5),
            (5, 0),
        ];
        let drawing = Drawing::new(&stage(&names, &arrows));
        assert_eq!((drawing.tiles.len(), drawing.links.len()), (6, 8));
        assert_eq!(drawing.links.iter().filter(|link| link.is_back).count(), 1);
        for (at, one) in drawing.tiles.iter().enumerate() {
            assert!(one.x >= 0.0 && one.x + BOX_WIDTH <= drawing.width);
            assert!(one.y >= 0.0 && one.y + one.height <= drawing.height);
            for other in &drawing.tiles[at + 1..] {
                let apart_in_x = (one.x - other.x).abs() >= BOX_WIDTH;
                let apart_in_y = one.y + one.height <= other.y || other.y + other.height <= one.y;
                assert!(apart_in_x || apart_in_y);
            }
        }
    }

    #[test]
    fn an_arrow_passes_a_higher_tile_of_its_layer_before_it_turns() {
        // Tile 2 is higher than tile 1, and the arrow of tile 1 leads to below tile 2.
        let long = "x".repeat(LINE * 3);
        let names = ["start", "low", &long, "end"];
        let drawing = Drawing::new(&stage(&names, &[(0, 1), (0, 2), (1, 3), (2, 3)]));
        let (low, high) = (&drawing.tiles[1], &drawing.tiles[2]);
        assert!((low.y - high.y).abs() < 0.1 && low.height < high.height);
        let bottom = high.y + high.height;
        let middle = low.x + BOX_WIDTH / 2.0;
        let beginning = format!("M{middle:.1} {:.1}V{bottom:.1}C", low.y + low.height);
        let path = &drawing.links[2].path;
        assert!(path.starts_with(&beginning), "{path}");
    }

    #[test]
    fn an_arrow_that_closes_a_loop_crosses_no_box() {
        // The loop begins at the left of two tiles, and leads to the first.
        let names = ["start", "left", "right", "end"];
        let drawing = Drawing::new(&stage(&names, &[(0, 1), (0, 2), (1, 3), (1, 0)]));
        let link = &drawing.links[3];
        assert!(link.is_back);
        let number = |text: &str| text.parse::<f64>().unwrap();
        let path = link.path.trim_start_matches('M').replace(['V', 'H'], " ");
        let numbers: Vec<f64> = path.split(' ').map(number).collect();
        let [x, y, below, side, above, back, end] = numbers[..] else {
            panic!("{path}");
        };
        assert!(side < drawing.width && above > 0.0 && y < below);
        assert_eq!((back, end), link.end);
        let corners = [
            (x, y),
            (x, below),
            (side, below),
            (side, above),
            (back, above),
        ];
        let lines = corners.windows(2).map(|line| (line[0], line[1]));
        for (one, other) in lines {
            for tile in &drawing.tiles {
                let is_beside = one.0.max(other.0) <= tile.x
                    || one.0.min(other.0) >= tile.x + BOX_WIDTH
                    || one.1.max(other.1) <= tile.y
                    || one.1.min(other.1) >= tile.y + tile.height;
                assert!(is_beside, "{one:?} {other:?}: {path}");
            }
        }
    }

    #[test]
    fn a_long_name_is_parted_between_words_and_after_signs() {
        let name = "Send the order to the shop of the customer";
        let expected = ["Send the order to the shop of", "the customer"];
        assert_eq!(wrapped(name), expected);
        let action = "msdyn_bigcommerce/msdyn_bigcommerce_updatesalesorderstatus";
        let lines = wrapped(action);
        assert!(
            lines.iter().all(|line| line.chars().count() <= LINE),
            "{lines:?}"
        );
        assert_eq!(lines[0], "msdyn_bigcommerce/msdyn_");
        assert_eq!(wrapped(""), [""]);
        let long = "x".repeat(200);
        assert_eq!(wrapped(&long).len(), LINES);
        assert!(wrapped(&long)[LINES - 1].ends_with('…'));
    }
}
