//! More of the same, for measurements: flows that are on and references with a connection, all
//! alike, in the source of a new world.

use super::Seeder;
use super::flows::{FlowState, insert_empty};
use super::ids::id;
use super::references::{DATAVERSE, insert_core};

/// How many more flows and references a new world has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Volume {
    /// Cloud flows that are on, each with the reference for Dataverse.
    pub flows: u32,
    /// Connection references of the customer's, each with a connection.
    pub references: u32,
}

/// The first number of what is added: the seed's own numbers are below.
const FIRST: u32 = 100_000;

pub(super) fn insert(seeder: &mut Seeder<'_, '_>, volume: Volume) {
    if !seeder.side.is_source() {
        return;
    }
    for number in FIRST..FIRST + volume.flows {
        let name = format!("Contoso - Flow {number}");
        insert_empty(seeder, &id("30", number), &name, FlowState::ON);
    }
    let connection = seeder.catalogue.connection(DATAVERSE.0, seeder.side);
    for number in FIRST..FIRST + volume.references {
        let title = format!("Contoso Dataverse {number}");
        let name = format!("contoso_dataverse_{number}");
        insert_core(seeder, number, &title, (DATAVERSE.0, &name), connection);
    }
}
