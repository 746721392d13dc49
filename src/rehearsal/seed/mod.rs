//! What a new world holds.
use crate::rehearsal::listeners::Origins;
use crate::rehearsal::schema::Schema;
use crate::rehearsal::world::store::Objects;
/// The objects of a new world.
pub(crate) fn objects(_schema: &Schema, _origins: &Origins) -> Objects {
    Objects::new()
}
