//! What dual-write was in the target before the copy, read from the first seal: which maps there
//! were, which ran, at which version, with which keys and filters.
//!
//! The gateway's data are used if they were captured. Otherwise the same is put together from
//! Dataverse's runtime configuration and saved versions and from the projects of Finance and
//! Operations; what these do not show stays unknown.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use uuid::Uuid;

use super::capture::{
    COMPANIES, ENTITY_MAPS, FINANCE, GATEWAY, PROJECTS, RUNTIME_CONFIGURATION, SOLUTIONS,
};
use super::tables::{Configuration, Project, SavedVersion};
use crate::clients::{ConnectionSet, EntityMap, FieldMappings, Leg, MapState, MapVersion};
use crate::domain::names::text;
use crate::domain::seals::{self, Part};
use crate::engine::JournalView;

/// What a map did before the copy.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum PreviousState {
    /// It synchronized.
    Running,
    /// It did not.
    Stopped,
    /// It queued changes. What was queued belongs to the world before the copy.
    Paused,
    /// Its state is unknown.
    Unknown(String),
}

/// Which rows a map takes in each direction; none if it takes all.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Filters {
    /// Of Finance and Operations' rows.
    pub(crate) finance: Option<String>,
    /// Of Dataverse's rows.
    pub(crate) dataverse: Option<String>,
}

/// A map as it was before the copy.
#[derive(Clone, Debug)]
pub(crate) struct RecordedMap {
    /// Its name: `accounts - Customers V3`.
    pub(crate) name: String,
    /// What it did.
    pub(crate) state_before: PreviousState,
    /// Had it been initialised?
    pub(crate) initialised: bool,
    /// Its active version, if that is recorded.
    pub(crate) version: Option<MapVersion>,
    /// Its saved versions, if it is not recorded which of them was active.
    pub(crate) saved: BTreeSet<MapVersion>,
    /// Does the runbook run it again, although it was paused?
    pub(crate) resumes: bool,
    /// The entity set of Dataverse.
    pub(crate) table: Option<String>,
    /// Its integration key, if that is recorded.
    pub(crate) key: Option<Vec<String>>,
    /// Its filters, if they are recorded.
    pub(crate) filters: Option<Filters>,
    /// The unique name of the solution that its version is in, if one is known.
    pub(crate) solution: Option<String>,
    /// Did it have runtime configuration in Dataverse? Only maps that Dataverse sends for have it.
    pub(crate) configured: bool,
}

/// Dual-write of the target before the copy.
#[derive(Clone, Debug, Default)]
pub(crate) struct RecordedDualWrite {
    /// Its maps, by name.
    pub(crate) maps: BTreeMap<String, RecordedMap>,
    /// The companies that synchronized, if the gateway showed them.
    pub(crate) legal_entities: Option<Vec<String>>,
    /// The companies of Finance and Operations, by their codes.
    pub(crate) companies: BTreeSet<String>,
}

impl RecordedMap {
    fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            state_before: PreviousState::Stopped,
            initialised: true,
            version: None,
            saved: BTreeSet::new(),
            resumes: false,
            table: name.split(" - ").next().map(str::to_owned),
            key: None,
            filters: None,
            solution: None,
            configured: false,
        }
    }

    /// Should it run again?
    pub(crate) fn ran(&self) -> bool {
        self.state_before == PreviousState::Running
            || (self.state_before == PreviousState::Paused && self.resumes)
    }

    /// Its version for people, to be read after the word `version`.
    pub(crate) fn shown_version(&self) -> String {
        if let Some(version) = self.version {
            return version.to_string();
        }
        let saved: Vec<String> = self.saved.iter().map(ToString::to_string).collect();
        match saved.as_slice() {
            [] => "not recorded".to_owned(),
            [only] => format!("{only} (the only one that was saved)"),
            several => format!(
                "one of {} (which of them was active is not recorded)",
                several.join(", ")
            ),
        }
    }
}

impl Filters {
    /// The filters of a leg. It leads from Finance and Operations to Dataverse (recorded by
    /// *Dual-write-automations*: `sourceFilter` and `reversedSourceFilter`).
    pub(crate) fn from_leg(leg: &Leg) -> Self {
        Self {
            finance: leg.filter.clone(),
            dataverse: leg.reversed_filter.clone(),
        }
    }
}

impl RecordedDualWrite {
    /// Reads the seal, or what it would hold now.
    pub(crate) fn from_journal(journal: &JournalView) -> Self {
        let mut recorded = Self {
            companies: companies(journal),
            ..Self::default()
        };
        recorded.add_tables(journal);
        recorded.add_gateway(journal);
        recorded.find_versions(journal);
        recorded
    }

    /// The same for a runbook that runs maps again that were paused.
    pub(crate) fn with_paused_maps_running(mut self) -> Self {
        for map in self.maps.values_mut() {
            map.resumes = true;
        }
        self
    }

    /// Was dual-write in use: did any map synchronize or queue, or may one have?
    pub(crate) fn in_use(&self) -> bool {
        self.maps
            .values()
            .any(|map| map.state_before != PreviousState::Stopped)
    }

    /// The maps that should run again.
    pub(crate) fn running(&self) -> impl Iterator<Item = &RecordedMap> {
        self.maps.values().filter(|map| map.ran())
    }

    /// The maps that should be as they were, running or not: those that had been initialised.
    pub(crate) fn initialised(&self) -> impl Iterator<Item = &RecordedMap> {
        self.maps.values().filter(|map| map.initialised)
    }

    fn map(&mut self, name: &str) -> &mut RecordedMap {
        self.maps
            .entry(name.to_owned())
            .or_insert_with(|| RecordedMap::new(name))
    }

    fn add_tables(&mut self, journal: &JournalView) {
        for (_, value) in seals::captures(journal, Part::Target, &format!("{FINANCE}/{PROJECTS}/"))
        {
            let Some(project) = value.as_object().and_then(Project::from_row) else {
                continue;
            };
            let map = self.map(&project.map);
            // One of the two rows may be behind the other: the livelier one counts.
            let status = match project.status.as_str() {
                "Enabled" => PreviousState::Running,
                "Disabled" => PreviousState::Stopped,
                "Queueing" => PreviousState::Paused,
                other => PreviousState::Unknown(other.to_owned()),
            };
            if map.state_before == PreviousState::Stopped || status == PreviousState::Running {
                map.state_before = status;
            }
            map.key = map.key.take().or(project.key);
        }
        let rows = seals::rows(journal, Part::Target, RUNTIME_CONFIGURATION);
        for (id, row) in rows {
            let Some(configuration) = Configuration::from_row(id, &row).filter(|one| one.active)
            else {
                continue;
            };
            let map = self.map(&configuration.map);
            map.configured = true;
            map.version = configuration.version;
            if map.state_before == PreviousState::Stopped {
                map.state_before = PreviousState::Running;
            }
        }
    }

    fn add_gateway(&mut self, journal: &JournalView) {
        let captures =
            |prefix: &str| seals::captures(journal, Part::Target, &format!("{GATEWAY}/{prefix}"));
        let set = captures("connection-set")
            .into_iter()
            .find_map(|(_, value)| ConnectionSet::from_value(value));
        let Some(set) = set else { return };
        self.legal_entities = Some(set.legal_entities.clone());
        let projects: BTreeMap<String, FieldMappings> = captures("project/")
            .into_iter()
            .filter_map(|(name, value)| Some((name, FieldMappings::from_value(value)?)))
            .collect();
        let listed: Vec<EntityMap> = captures("map/")
            .into_iter()
            .filter_map(|(_, value)| EntityMap::from_value(&value))
            .collect();
        // A map that the gateway does not list does not exist, even if a leftover row names it.
        let names: BTreeSet<&str> = listed.iter().map(|map| map.name.as_str()).collect();
        self.maps.retain(|name, _| names.contains(name.as_str()));
        for listed in &listed {
            let map = self.map(&listed.name);
            map.state_before = match &listed.state {
                state if state.is_running() => PreviousState::Running,
                state if state.is_stopped() => PreviousState::Stopped,
                MapState::Paused => PreviousState::Paused,
                other => PreviousState::Unknown(other.to_string()),
            };
            map.initialised = listed.project.is_some();
            map.version = listed.template.version;
            map.table.clone_from(&listed.dataverse_table);
            let key = listed.dataverse_table.as_deref();
            map.key = key.and_then(|table| set.key(table)).map(<[_]>::to_vec);
            let project = projects.get(&listed.name);
            map.filters = project
                .and_then(|project| project.legs.first())
                .map(Filters::from_leg);
        }
    }

    /// The solution of each map's version, and its filters if the gateway did not show them.
    fn find_versions(&mut self, journal: &JournalView) {
        let solutions: BTreeMap<Uuid, String> = seals::rows(journal, Part::Target, SOLUTIONS)
            .into_iter()
            .filter_map(|(id, row)| Some((id, text(&row, "uniquename")?)))
            .collect();
        let rows = seals::rows(journal, Part::Target, ENTITY_MAPS);
        for (_, row) in rows {
            let Some(saved) = SavedVersion::from_row(&row) else {
                continue;
            };
            let Some(map) = self.maps.get_mut(&saved.map) else {
                continue;
            };
            if map.version.is_none() {
                map.saved.extend(saved.version);
            }
            if map.version.is_none() || map.version != saved.version {
                continue;
            }
            if map.filters.is_none() {
                map.filters = Some(saved.filters);
            }
            let solution = saved.solution.and_then(|id| solutions.get(&id));
            // An unmanaged version is in no solution that could be applied.
            let named = solution.filter(|name| !matches!(name.as_str(), "Active" | "Default"));
            map.solution = map.solution.take().or(named.cloned());
        }
    }
}

/// The companies of Finance and Operations before the copy.
fn companies(journal: &JournalView) -> BTreeSet<String> {
    seals::captures(journal, Part::Target, &format!("{FINANCE}/{COMPANIES}/"))
        .into_iter()
        .filter_map(|(_, row): (String, Value)| {
            Some(row["LegalEntityId"].as_str()?.to_ascii_lowercase())
        })
        .collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::engine::ListedRow;
    use serde_json::json;

    /// A known world with these captures in the first seal.
    pub(crate) fn sealed(captures: &[(&str, Value)]) -> JournalView {
        let rows = captures.iter().map(|(key, value)| ListedRow {
            key: (*key).to_owned(),
            etag: None,
            text: value.to_string(),
            compared: None,
        });
        JournalView::empty().with_assumed(seals::BEFORE_COPY, rows.collect())
    }

    fn project(name: &str, status: &str) -> Value {
        json!({"ProjectName": name, "InternalEntityName": "Customers V3", "ExternalEntityName": "accounts",
            "Status": status, "IntegrationKey": "accountnumber,msdyn_company.cdm_companycode"})
    }

    #[test]
    fn pitfall_12_no_runtime_configuration_does_not_mean_that_a_map_is_stopped() {
        let journal = sealed(&[
            (
                "target/finance/DualWriteProjectConfigurations/a",
                project("a", "Enabled"),
            ),
            (
                "target/finance/DualWriteProjectConfigurations/b",
                project("b", "Disabled"),
            ),
        ]);
        let recorded = RecordedDualWrite::from_journal(&journal);
        let map = &recorded.maps["accounts - Customers V3"];
        assert!(map.ran() && !map.configured && recorded.in_use());
        assert_eq!(map.key.as_ref().unwrap().len(), 2);
        assert_eq!(map.version, None, "no supported read shows it");
    }

    #[test]
    fn pitfall_13_a_paused_map_did_not_run() {
        let journal = sealed(&[(
            "target/finance/DualWriteProjectConfigurations/a",
            project("a", "Queueing"),
        )]);
        let recorded = RecordedDualWrite::from_journal(&journal);
        let map = recorded.maps.values().next().unwrap();
        assert_eq!(map.state_before, PreviousState::Paused);
        assert!(!map.ran() && recorded.in_use());
    }

    #[test]
    fn a_paused_map_runs_again_only_if_the_runbook_says_so() {
        let journal = sealed(&[(
            "target/finance/DualWriteProjectConfigurations/a",
            project("a", "Queueing"),
        )]);
        let left = RecordedDualWrite::from_journal(&journal);
        assert_eq!(left.running().count(), 0);
        let resumed = left.with_paused_maps_running();
        assert_eq!(resumed.running().count(), 1);
        let stopped = sealed(&[(
            "target/finance/DualWriteProjectConfigurations/a",
            project("a", "Disabled"),
        )]);
        let stopped = RecordedDualWrite::from_journal(&stopped).with_paused_maps_running();
        assert_eq!(stopped.running().count(), 0, "it was not paused");
    }

    #[test]
    fn a_version_that_is_not_recorded_is_one_of_the_saved_ones() {
        let version = |id: u32, version: &str| {
            (
                format!("target/msdyn_dualwriteentitymap/00000000-0000-0000-0000-00000000000{id}"),
                json!({"msdyn_name": "x_[accounts - Customers V3]", "msdyn_version": version}),
            )
        };
        let shown = |versions: &[(String, Value)]| {
            let mut captures = vec![(
                "target/finance/DualWriteProjectConfigurations/a",
                project("a", "Enabled"),
            )];
            captures.extend(
                versions
                    .iter()
                    .map(|(key, row)| (key.as_str(), row.clone())),
            );
            let recorded = RecordedDualWrite::from_journal(&sealed(&captures));
            let map = &recorded.maps["accounts - Customers V3"];
            assert_eq!(map.version, None);
            map.shown_version()
        };
        assert_eq!(shown(&[]), "not recorded");
        assert_eq!(
            shown(&[version(1, "1.0.0.14")]),
            "1.0.0.14 (the only one that was saved)"
        );
        assert_eq!(
            shown(&[version(1, "1.0.0.14"), version(2, "1.0.0.9")]),
            "one of 1.0.0.9, 1.0.0.14 (which of them was active is not recorded)"
        );
    }

    #[test]
    fn dual_write_was_not_in_use_if_no_map_ran() {
        let journal = sealed(&[(
            "target/finance/DualWriteProjectConfigurations/a",
            project("a", "Disabled"),
        )]);
        assert!(!RecordedDualWrite::from_journal(&journal).in_use());
        assert!(!RecordedDualWrite::from_journal(&JournalView::empty()).in_use());
        let journal = sealed(&[(
            "target/finance/DualWriteProjectConfigurations/a",
            project("a", "Resting"),
        )]);
        assert!(
            RecordedDualWrite::from_journal(&journal).in_use(),
            "an unknown state is not stopped"
        );
    }

    #[test]
    fn versions_filters_and_solutions_are_put_together_from_the_tables() {
        let (row, saved, solution) = (
            "00000000-0000-0000-0000-000000000001",
            "00000000-0000-0000-0000-000000000002",
            "00000000-0000-0000-0000-000000000003",
        );
        let unsecure = json!({"SourceEntityName": "accounts", "DestinationEntityName": "Customers V3",
            "EntityMapVersion": {"Major": 1, "Minor": 0, "Build": 0, "Revision": 14}});
        let mapping = json!({"name": "accounts - Customers V3",
            "legs": [{"sourceFilter": "", "reversedSourceFilter": "statecode eq 0"}]});
        let journal = sealed(&[
            (
                &format!("target/msdyn_dualwriteruntimeconfig/{row}"),
                json!({"statecode": 0, "msdyn_unsecure": unsecure.to_string()}),
            ),
            (
                &format!("target/msdyn_dualwriteentitymap/{saved}"),
                json!({"msdyn_name": "x", "msdyn_version": "1.0.0.14", "solutionid": solution,
                    "msdyn_mapping": mapping.to_string()}),
            ),
            (
                &format!("target/dual-write-solution/{solution}"),
                json!({"uniquename": "Maps"}),
            ),
        ]);
        let recorded = RecordedDualWrite::from_journal(&journal);
        let map = &recorded.maps["accounts - Customers V3"];
        assert!(map.ran() && map.configured);
        assert_eq!(map.version.unwrap().to_string(), "1.0.0.14");
        assert_eq!(map.solution.as_deref(), Some("Maps"));
        let filters = map.filters.as_ref().unwrap();
        assert_eq!(filters.dataverse.as_deref(), Some("statecode eq 0"));
        assert_eq!(filters.finance, None);
    }
}
