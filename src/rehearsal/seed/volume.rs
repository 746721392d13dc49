//! More of the same, for measurements: flows that are on, references with a connection and
//! orchestrations, all of one form, in the source of a new world.

use super::Seeder;
use super::flows::{FlowState, insert_empty};
use super::ids::id;
use super::orchestrations::insert_copy;
use super::references::{DATAVERSE, insert_core};

/// How many more flows, references and orchestrations a new world has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Volume {
    /// Cloud flows that are on, each with the reference for Dataverse.
    pub flows: u32,
    /// Connection references of the customer's, each with a connection.
    pub references: u32,
    /// Orchestrations, each with the tiles of the seed's first one; every second one is published.
    pub orchestrations: u32,
    /// Targets in addition to Contoso UAT, at most 7.
    pub more_targets: u8,
}

/// The first number of the added rows: the seed's own numbers are below.
const FIRST: u32 = 100_000;

/// The numbers that an orchestration and its tiles have.
const NUMBERS: u32 = 100;

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
    for number in 0..volume.orchestrations {
        insert_copy(seeder, FIRST + number * NUMBERS, number % 2 == 1);
    }
}
