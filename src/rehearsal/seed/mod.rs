//! The content of a new world: a whole tenant as a company has it, or a thin selection of it with
//! one object of each kind.
//!
//! - `ids`: the ids of the seed's objects.
//! - `sides`: what differs between source and target.
//! - `catalogue`: connectors and provider definitions, read from `library.json`; for the thin seed,
//!   the selected ones.
//! - `directory`: who can sign in.
//! - `environments`: the environments, their packages and connections.
//! - `finance_operations`: users, applications and companies of Finance and Operations.
//! - `people`, `solutions`, `variables`, `references`, `flows`, `definitions`, `providers`,
//!   `policies`, `orchestrations`: rows of Dataverse, one file for what belongs together. The
//!   graphs of orchestrations are in `graphs/`, one file each, in the dialect in which they are
//!   stored.
//! - `messages`: which tables support bulk messages, in the whole seed.
//! - `quirks`: surprising behaviour of the services, in the whole seed.
//! - `contacts`: customers, in the whole seed.
//! - `outside`: what acts on the outside for production, in the source of the whole seed.
//! - `volume`: many more flows, references and orchestrations, for measurements.
//! - `lcs`: the project of Lifecycle Services, if it manages both environments.
//! - `dual_write`: the linked environments, if the tenant uses dual-write.
//!
//! The source has what a refresh must bring over. The target has its own, older configuration:
//! rows that the copy destroys for good, and rows whose values must be restored.
//!
//! Providers, actions and orchestrations have the numbers 100 to 1200, 101 to 1201 and 100 to 700.

mod catalogue;
mod contacts;
mod definitions;
mod directory;
mod dual_write;
mod environments;
pub(crate) mod finance_operations;
mod flows;
pub(crate) mod ids;
mod lcs;
mod messages;
mod orchestrations;
mod outside;
mod people;
mod policies;
mod providers;
mod quirks;
mod references;
mod sides;
mod solutions;
#[cfg(test)]
mod tests;
mod variables;
mod volume;

#[cfg(test)]
use std::collections::BTreeMap;
use std::str::FromStr;

use serde_json::{Value, json};

use self::catalogue::Catalogue;
use self::sides::SeedSide;
pub use self::volume::Volume;
use super::behaviour::organization::{Caller, Organization, row_of};
use super::clock::Moment;
use super::listeners::Origins;
use super::schema::Schema;
use super::variant::{DualWrite, Management, Variant};
use super::world::store::{Draft, Objects};

/// When the seed's rows were created, months before the rehearsal begins.
const CREATED: &str = "2025-11-03T09:30:00Z";

/// The content of a new world.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Seed {
    /// One object of each kind: one provider, one action, two orchestrations.
    Thin,
    /// A tenant as a company has it: twelve providers with 28 actions, seven orchestrations in
    /// four dialects with 25 uses of them, flows of every kind, and failures that pass on a retry.
    #[default]
    Whole,
}

/// A word that is not a seed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a valid seed; write thin or whole")]
pub struct SeedError(String);

impl FromStr for Seed {
    type Err = SeedError;

    /// Reads `thin` or `whole`.
    fn from_str(word: &str) -> Result<Self, SeedError> {
        match word {
            "thin" => Ok(Self::Thin),
            "whole" => Ok(Self::Whole),
            _ => Err(SeedError(word.to_owned())),
        }
    }
}

/// The objects of a new world.
pub(crate) fn objects(
    seed: Seed,
    variant: Variant,
    volume: Volume,
    schema: &Schema,
    origins: &Origins,
) -> Objects {
    let nothing = Objects::new();
    let mut draft = Draft::new(&nothing, Moment::default());
    let kind =
        json!({"target": variant.target.keyword(), "dual-write": variant.dual_write.keyword()});
    draft.put("variant".to_owned(), kind);
    directory::insert(&mut draft);
    let catalogue = Catalogue::read(seed);
    let others = sides::OTHER_TARGETS.iter();
    let others = others.take(usize::from(volume.more_targets));
    for side in [&sides::SOURCE, &sides::TARGET].into_iter().chain(others) {
        environments::insert(&mut draft, side, origins, &catalogue);
        if variant.target == Management::LcsLinked && side.is_of_the_pair() {
            lcs::insert(&mut draft, side, origins);
            environments::link(&mut draft, side, lcs::id(side));
        }
        let mut seeder = Seeder {
            organization: Organization {
                draft: &mut draft,
                schema,
                id: side.organization.to_owned(),
                environment: side.environment().to_owned(),
                caller: Caller::default(),
            },
            side,
            seed,
            catalogue: &catalogue,
        };
        people::insert(&mut seeder);
        seeder.organization.caller.user = Some(side.user(ids::ADA));
        solutions::insert(&mut seeder);
        variables::insert(&mut seeder);
        references::insert(&mut seeder);
        flows::insert(&mut seeder);
        definitions::insert(&mut seeder);
        providers::insert(&mut seeder);
        policies::insert(&mut seeder);
        orchestrations::insert(&mut seeder);
        if seed == Seed::Whole {
            quirks::insert(&mut seeder);
            messages::insert(&mut seeder);
            contacts::insert(&mut seeder);
            if side.is_source() {
                outside::insert(&mut seeder);
            }
        }
        if variant.dual_write == DualWrite::On && side.is_of_the_pair() {
            dual_write::insert(&mut seeder, origins);
        }
        volume::insert(&mut seeder, volume);
    }
    draft
        .into_changes()
        .into_iter()
        .filter_map(|(key, value)| Some((key, value?)))
        .collect()
}

/// The whole tenant's connectors, by the source's identifiers: the target's identifier and
/// connection.
#[cfg(test)]
pub(crate) fn whole_connections() -> BTreeMap<String, (String, String)> {
    let catalogue = Catalogue::read(Seed::Whole);
    let connectors = catalogue.connectors.iter();
    connectors
        .map(|connector| {
            let own = connector.name_in(&sides::TARGET).to_owned();
            let connection = connector.connection(&sides::TARGET).to_owned();
            (connector.name.clone(), (own, connection))
        })
        .collect()
}

/// Inserts rows into the organization of one side.
struct Seeder<'seed, 'world> {
    organization: Organization<'seed, 'world>,
    side: &'seed SeedSide,
    seed: Seed,
    catalogue: &'seed Catalogue,
}

impl Seeder<'_, '_> {
    /// Inserts a row; columns that are null are left out. A row for a table that the schema lacks
    /// is a mistake in the seed; a test of the seed finds it, because then the row is missing.
    fn insert(&mut self, table: &str, id: &str, columns: Value) {
        if let Ok(table) = self.organization.table(table) {
            let mut row = row_of(columns);
            row.entry("createdon").or_insert_with(|| json!(CREATED));
            row.retain(|_, value| !value.is_null());
            self.organization.insert(table, id, row);
        }
    }
}
