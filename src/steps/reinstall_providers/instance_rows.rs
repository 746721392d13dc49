//! The rows of one kind of all instances: those of the old providers, and the new ones.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::shared_readings::Present;
use crate::domain::names::Names;
pub(super) use crate::domain::provider_rows::{
    CONNECTION_REFERENCE, InstanceRow, PARAMETER, RowKind, TRANSFORMATION, ValuesByName,
};
use crate::domain::providers::Provider;
use crate::domain::seals::Part;
use crate::engine::{Failure, JournalView};

/// The rows of one kind: those of the old providers, from the seal, and the present ones.
pub(super) struct InstanceRows {
    kind: &'static RowKind,
    current: Vec<InstanceRow>,
    recorded: Vec<InstanceRow>,
    logical_names: BTreeMap<Uuid, String>,
}

impl InstanceRows {
    pub(super) fn select(
        kind: &'static RowKind,
        names: &Names,
        journal: &JournalView,
        present: &Present,
    ) -> Result<Self, Failure> {
        let current = present.rows(kind.table);
        let current = current.map(|(id, fields)| (id, fields.clone()));
        Ok(Self {
            kind,
            current: kind.parse(names, current)?,
            recorded: kind.recorded(names, journal, Part::Providers)?,
            logical_names: kind.logical_names(names, journal, Part::Providers),
        })
    }

    /// The old rows of a provider, each with the new one and its logical name.
    pub(super) fn of_instance(
        &self,
        replaced: &Provider,
        instance: Option<&Provider>,
    ) -> Vec<(&InstanceRow, Option<&InstanceRow>, String)> {
        self.recorded
            .iter()
            .filter(|old| old.provider == Some(replaced.id))
            .map(|old| {
                let new = instance.and_then(|instance| {
                    self.current.iter().find(|row| {
                        row.provider == Some(instance.id) && row.declared_by == old.declared_by
                    })
                });
                let name = old.declared_by.and_then(|id| self.logical_names.get(&id));
                (
                    old,
                    new,
                    name.cloned().unwrap_or_else(|| old.id.to_string()),
                )
            })
            .collect()
    }

    /// Fails if a new instance lacks a row which the old one had.
    pub(super) fn require(
        &self,
        name: &str,
        instance: Option<&Provider>,
        new: Option<&InstanceRow>,
    ) -> Result<(), Failure> {
        match (instance, new) {
            (Some(instance), None) => Err(Failure::failed(format!(
                "the new provider '{}' has no {} '{name}', which the old one had",
                instance.name, self.kind.noun
            ))
            .with_help(
                "its definition has changed since then; look at the provider in the IOM app",
            )),
            _ => Ok(()),
        }
    }
}
