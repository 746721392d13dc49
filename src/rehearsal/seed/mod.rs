//! What a new world holds: the thin line of a unified tenant, one thing of each kind.
//!
//! - `ids`: the ids of everything, and how they are made.
//! - `plots`: what differs between the two environments.
//! - `environments`: the environments, their packages and connections, Finance and Operations.
//! - `people`, `solutions`, `references`, `flows`, `library`, `providers`, `policies`,
//!   `orchestrations`, `variables`: rows of Dataverse, a file for what belongs together.
//!
//! The source holds what a refresh must bring over. The target holds rows of its own: some that
//! the copy destroys for good, some whose values must come back.

mod environments;
mod flows;
pub(crate) mod ids;
mod library;
mod orchestrations;
mod people;
mod plots;
mod policies;
mod providers;
mod references;
mod solutions;
mod variables;

use serde_json::{Value, json};

use self::plots::Plot;
use super::behaviour::organization::{Caller, Organization, row_of};
use super::clock::Moment;
use super::listeners::Origins;
use super::schema::Schema;
use super::world::store::{Draft, Objects};

/// When the seed's rows were created, months before the rehearsal begins.
const CREATED: &str = "2025-11-03T09:30:00Z";

/// The objects of a new world.
pub(crate) fn objects(schema: &Schema, origins: &Origins) -> Objects {
    let nothing = Objects::new();
    let mut draft = Draft::new(&nothing, Moment::default());
    for plot in [plots::SOURCE, plots::TARGET] {
        environments::plant(&mut draft, &plot, origins);
        let mut garden = Garden {
            organization: Organization {
                draft: &mut draft,
                schema,
                id: plot.organization.to_owned(),
                environment: plot.side.environment().to_owned(),
                caller: Caller::default(),
            },
            plot: &plot,
        };
        people::plant(&mut garden);
        garden.organization.caller.user = Some(plot.user(ids::ADA));
        solutions::plant(&mut garden);
        references::plant(&mut garden);
        variables::plant(&mut garden);
        flows::plant(&mut garden);
        library::plant(&mut garden);
        providers::plant(&mut garden);
        policies::plant(&mut garden);
        orchestrations::plant(&mut garden);
    }
    draft
        .into_changes()
        .into_iter()
        .filter_map(|(key, value)| Some((key, value?)))
        .collect()
}

/// An organization that is being filled.
struct Garden<'garden, 'world> {
    organization: Organization<'garden, 'world>,
    plot: &'garden Plot,
}

impl Garden<'_, '_> {
    /// Adds a row. A table that the schema does not have would be a mistake of the seed; the seed's
    /// test finds it, because then the row is missing.
    fn plant(&mut self, table: &str, id: &str, columns: Value) {
        if let Ok(table) = self.organization.table(table) {
            let mut row = row_of(columns);
            row.entry("createdon").or_insert_with(|| json!(CREATED));
            row.retain(|_, value| !value.is_null());
            self.organization.insert(&table, id, row);
        }
    }
}
