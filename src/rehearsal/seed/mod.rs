//! What a new world holds: the thin line of a unified tenant, one thing of each kind; or the whole
//! of one, as a real company has it.
//!
//! - `ids`: the ids of everything, and how they are made.
//! - `plots`: what differs between the two environments.
//! - `directory`: who can sign in.
//! - `environments`: the environments, their packages and connections, Finance and Operations.
//! - `people`, `solutions`, `references`, `flows`, `library`, `providers`, `policies`,
//!   `orchestrations`, `variables`: rows of Dataverse, a file for what belongs together.
//! - `whole`: the whole tenant's rows, in files of the same names.
//!
//! The source holds what a refresh must bring over. The target holds rows of its own: some that
//! the copy destroys for good, some whose values must come back.

mod directory;
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
mod whole;

use std::str::FromStr;

use serde_json::{Value, json};

use self::plots::Plot;
use super::behaviour::organization::{Caller, Organization, row_of};
use super::clock::Moment;
use super::listeners::Origins;
use super::schema::Schema;
use super::variant::Variant;
use super::world::store::{Draft, Objects};

/// When the seed's rows were created, months before the rehearsal begins.
const CREATED: &str = "2025-11-03T09:30:00Z";

/// What a new world holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Seed {
    /// One thing of each kind: one provider, one action, two orchestrations.
    Thin,
    /// A tenant as a company has it: twelve providers with 28 actions, seven orchestrations in
    /// four dialects with 25 uses of them, flows of every kind, and what goes wrong at first.
    #[default]
    Whole,
}

/// A word that names no seed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no seed; write thin or whole")]
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
pub(crate) fn objects(seed: Seed, variant: Variant, schema: &Schema, origins: &Origins) -> Objects {
    let nothing = Objects::new();
    let mut draft = Draft::new(&nothing, Moment::default());
    let kind = json!({"target": variant.target.word(), "dual-write": variant.dual_write.word()});
    draft.put("variant".to_owned(), kind);
    directory::plant(&mut draft);
    for plot in [plots::SOURCE, plots::TARGET] {
        let connections = match seed {
            Seed::Thin => references::connections(&plot),
            Seed::Whole => whole::connections(&plot),
        };
        environments::plant(&mut draft, &plot, origins, &connections);
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
        variables::plant(&mut garden);
        match seed {
            Seed::Thin => {
                references::plant(&mut garden);
                flows::plant(&mut garden);
                library::plant(&mut garden);
                providers::plant(&mut garden);
                policies::plant(&mut garden);
                orchestrations::plant(&mut garden);
            }
            Seed::Whole => whole::plant(&mut garden),
        }
    }
    draft
        .into_changes()
        .into_iter()
        .filter_map(|(key, value)| Some((key, value?)))
        .collect()
}

/// The whole tenant's connectors with the target's connections.
#[cfg(test)]
pub(crate) fn whole_connections() -> Vec<(String, String)> {
    whole::connections(&plots::TARGET)
        .into_iter()
        .map(|connection| (connection.connector, connection.name))
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::rehearsal::behaviour::organization::{Row, lookup_of};

    fn seeded(seed: Seed) -> (Schema, Objects) {
        let schema = Schema::standard();
        let objects = objects(seed, Variant::default(), &schema, &Origins::default());
        (schema, objects)
    }

    /// The rows with their organization, table and id.
    fn rows(objects: &Objects) -> impl Iterator<Item = ([&str; 3], &Row)> {
        objects.iter().filter_map(|(key, value)| {
            let mut parts = key.strip_prefix("row/")?.split('/');
            let place = [parts.next()?, parts.next()?, parts.next()?];
            Some((place, value.as_object()?))
        })
    }

    #[test]
    fn every_column_is_the_schemas_and_every_lookup_leads_to_a_row() {
        for seed in [Seed::Thin, Seed::Whole] {
            columns_and_lookups_are_right(seed);
        }
    }

    fn columns_and_lookups_are_right(seed: Seed) {
        let (schema, objects) = seeded(seed);
        for ([organization, table, id], row) in rows(&objects) {
            let table = schema.table(table).unwrap();
            assert_eq!(row[&table.primary_id], id);
            for (column, value) in row {
                let name = format!("{}.{column}", table.logical_name);
                let column = table.column(column).unwrap_or_else(|| panic!("{name}"));
                if column.lookup().is_some() {
                    let (other, id) = lookup_of(value).unwrap_or_else(|| panic!("{name}"));
                    let key = format!("row/{organization}/{other}/{id}");
                    assert!(objects.contains_key(&key), "{name} leads to {key}");
                }
            }
        }
    }

    #[test]
    fn seeds_have_words() {
        assert_eq!("thin".parse(), Ok(Seed::Thin));
        assert_eq!("whole".parse(), Ok(Seed::Whole));
        let error = "Whole".parse::<Seed>().unwrap_err();
        assert!(error.to_string().contains("thin or whole"), "{error}");
    }

    #[test]
    fn the_thin_line_has_one_thing_of_each_kind() {
        let (_, objects) = seeded(Seed::Thin);
        let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        for ([organization, table, _], _) in rows(&objects) {
            *counts.entry((organization, table)).or_default() += 1;
        }
        let count = |plot: &Plot, table| *counts.get(&(plot.organization, table)).unwrap_or(&0);
        for (table, source, target) in [
            ("workflow", 10, 4),
            ("connectionreference", 2, 2),
            ("msdyn_iomplatformconnectionreference", 1, 1),
            ("msdyn_iomprovider", 1, 1),
            ("msdyn_iomprovideraction", 1, 1),
            ("msdyn_iomproviderparameter", 1, 1),
            ("msdyn_iompolicy", 2, 0),
            ("msdyn_iomdesigner", 2, 1),
            ("msdyn_iomstep", 3, 0),
            ("msdyn_dualwriteentitymap", 0, 0),
            ("systemuser", 4, 4),
        ] {
            assert_eq!(count(&plots::SOURCE, table), source, "{table}");
            assert_eq!(count(&plots::TARGET, table), target, "{table}");
        }
    }

    #[test]
    fn what_graphs_refer_to_is_there() {
        let (_, objects) = seeded(Seed::Thin);
        for ([organization, table, _], row) in rows(&objects) {
            if table == "msdyn_iomdesigner" {
                let graph: Value =
                    serde_json::from_str(row["msdyn_graph"].as_str().unwrap()).unwrap();
                for node in graph["nodes"].as_array().unwrap() {
                    let one = [
                        ("msdyn_iomprovideraction", &node["providerAction"]),
                        ("msdyn_iompolicy", &node["filterPolicy"]),
                        ("msdyn_iompolicy", &node["executionPolicies"][0]),
                    ];
                    for (table, reference) in one {
                        if let Some(id) = reference["id"].as_str() {
                            let key = format!("row/{organization}/{table}/{id}");
                            assert!(objects.contains_key(&key), "{key}");
                        }
                    }
                }
            }
        }
    }
}
