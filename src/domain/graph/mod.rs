//! An orchestration's JSON, edited without knowing its schema.
//!
//! The schema is not published, so the code relies on as little of it as possible. A **slot** is a
//! place whose value is the id of a known provider action; it is found by that id alone, in any case
//! and with or without braces, also in JSON that is kept as a string inside JSON. Edits replace the
//! bytes of the slot and leave every other byte unchanged.
//!
//! ```text
//! json.rs        pointers, and edits that keep every other byte
//! walk.rs        the objects of a graph, with their names and types
//! slots.rs       finds the slots
//! dialect.rs     how this tenant writes an empty slot, and ids that no action has
//! slot_edits.rs  empties and fills slots, and reads what they hold
//! links.rs       finds the tile of a slot, and how it is linked to its neighbours
//! tiles.rs       removes whole tiles, joins their neighbours, and restores them
//! outline.rs     tiles and arrows, for a picture
//! testing.rs     what the tests of several files use
//! ```

mod dialect;
mod json;
mod links;
mod outline;
mod slot_edits;
mod slots;
#[cfg(test)]
mod testing;
mod tiles;
mod walk;

use std::fmt;

pub(crate) use dialect::{Dangling, Dialect, still_holds};
pub(crate) use outline::outline;
pub(crate) use slot_edits::{Content, clear, content, fill, is_gone};
pub(crate) use slots::{Slot, count_places, slots};
pub(crate) use tiles::{put_back, remove_tiles};
pub(crate) use walk::names;

/// Why a graph cannot be read or edited.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct GraphError(String);

impl fmt::Display for GraphError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "its graph cannot be edited safely: {}", self.0)
    }
}
