//! An orchestration's JSON, edited without knowing its schema.
//!
//! The schema is not published, so as little as can be depends on it. A **slot** is a place whose
//! value is the id of a known provider action; it is found by that id alone, in any case and
//! with or without braces, also in JSON that is kept as a string inside JSON. Edits replace the
//! bytes of the slot and leave every other byte as it was.
//!
//! ```text
//! json.rs     pointers, and edits that keep every other byte
//! slots.rs    slots: found, emptied, filled, read
//! dialect.rs  what this tenant's empty slot looks like, and ids that no action has
//! tiles.rs    whole tiles: taken out with their neighbours joined, and put back
//! outline.rs  tiles and arrows, for a picture
//! ```

mod dialect;
mod json;
mod outline;
mod slots;
mod tiles;

use std::fmt;

pub(crate) use dialect::{Dangling, Dialect, still_holds};
pub(crate) use outline::outline;
pub(crate) use slots::{Content, Slot, clear, content, count_places, fill, is_gone, names, slots};
pub(crate) use tiles::{put_back, remove_tiles};

/// Why a graph cannot be read or edited.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct GraphError(String);

impl fmt::Display for GraphError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "its graph cannot be edited safely: {}", self.0)
    }
}
