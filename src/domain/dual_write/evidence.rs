//! What Dataverse and Finance and Operations show of dual-write now: the evidence for what a person
//! did, and for what was done through the gateway. Both are documented reads.
//!
//! Unknown is never pass. While no map runs, there are no projects and no runtime configuration,
//! and that proves neither a reset nor that a map was stopped.

use std::collections::{BTreeMap, BTreeSet};

use tokio::try_join;
use uuid::Uuid;

use super::capture::{PROJECTS, RUNTIME_CONFIGURATION};
use super::recorded::RecordedMap;
use super::tables::{Configuration, Project};
use crate::base::text::count;
use crate::clients::{Dataverse, Query};
use crate::domain::RefreshContext;
use crate::domain::environments::host;
use crate::domain::seals::{self, Part};
use crate::domain::verdict::Answer;
use crate::engine::{Failure, JournalView};

/// What both sides show.
#[derive(Clone, Debug, Default)]
pub(crate) struct Evidence {
    /// The projects of Finance and Operations.
    pub(crate) projects: Vec<Project>,
    /// The active runtime configuration of Dataverse.
    pub(crate) configurations: Vec<Configuration>,
    /// The ids of the runtime configuration that the first seal holds: a row with one of them is
    /// from before the copy.
    pub(crate) old: BTreeSet<Uuid>,
    /// The host of the target's Dataverse.
    pub(crate) dataverse: Option<String>,
}

impl Evidence {
    /// Reads both. Fails if one cannot be read.
    pub(crate) async fn read(
        refresh: &RefreshContext,
        journal: &JournalView,
    ) -> Result<Self, Failure> {
        let finance = refresh.target.finance.as_ref().ok_or_else(|| {
            Failure::failed("no Finance and Operations is linked with the target").permanent()
        })?;
        // Without `cross-company` only the default company would be read; the client asks for all.
        let every = Query::new();
        let projects = async { Ok::<_, Failure>(finance.list(PROJECTS, &every).await?) };
        let (projects, configurations) =
            try_join!(projects, active_configurations(&refresh.target.dataverse))?;
        let projects = projects
            .iter()
            .filter_map(|row| Project::from_row(&row.value))
            .collect();
        let dataverse = refresh.target.environment.dataverse.as_ref();
        Ok(Self {
            projects,
            configurations,
            old: old(journal),
            dataverse: dataverse.and_then(|d| host(d.url.as_deref()?)),
        })
    }

    /// The projects that are connected to another Dataverse than the target's.
    pub(crate) fn foreign(&self) -> Vec<String> {
        let is_foreign = |project: &&Project| {
            project
                .url
                .as_deref()
                .is_some_and(|url| host(url) != self.dataverse)
        };
        let foreign = self.projects.iter().filter(is_foreign);
        foreign
            .map(|project| {
                let url = project.url.as_deref().unwrap_or_default();
                format!("'{}' is connected to {url}", project.map)
            })
            .collect()
    }

    /// The maps that still have runtime configuration from before the copy.
    pub(crate) fn stale(&self) -> Vec<String> {
        let stale = self
            .configurations
            .iter()
            .filter(|row| self.old.contains(&row.id));
        stale.map(|row| format!("'{}'", row.map)).collect()
    }

    /// Was the link reset since the copy?
    pub(crate) fn is_reset(&self) -> Answer {
        let (stale, foreign) = (self.stale(), self.foreign());
        if !stale.is_empty() {
            let what = count(stale.len(), "row");
            return Answer::Fail(format!(
                "{what} of runtime configuration from before the copy"
            ));
        }
        if let Some(first) = foreign.first() {
            return Answer::Fail(format!("the project {first}"));
        }
        let connected = self.projects.iter().filter(|project| project.url.is_some());
        match connected.count() {
            0 => Answer::Unknown(
                "no map has run since the reset, and only a running map shows its link".to_owned(),
            ),
            projects => Answer::Pass(format!(
                "{} of Finance and Operations connected to the target's Dataverse, and no runtime \
                 configuration is from before the copy",
                count(projects, "project")
            )),
        }
    }

    /// Does a map run as it is recorded, in both directions together?
    pub(crate) fn runs(&self, map: &RecordedMap) -> Answer {
        let projects: Vec<&Project> = self.projects_of(&map.name);
        if projects.is_empty() {
            return Answer::Fail("Finance and Operations has no project of it".to_owned());
        }
        for project in &projects {
            if project.status != "Enabled" {
                return Answer::Fail(format!("a project of it is {}", project.status));
            }
            let connected = project.url.as_deref().and_then(host);
            if connected.is_none() || connected != self.dataverse {
                return Answer::Fail("a project of it is not connected to the target".to_owned());
            }
            if let (Some(wanted), Some(key)) = (&map.key, &project.key)
                && wanted != key
            {
                return Answer::Fail(format!("its integration key is {}", key.join(", ")));
            }
        }
        let configuration = self
            .configurations
            .iter()
            .find(|row| row.map == map.name && !self.old.contains(&row.id));
        match (configuration, map.configured) {
            (None, true) => Answer::Fail("Dataverse has no runtime configuration of it".to_owned()),
            (Some(row), _) if map.version.is_some() && row.version != map.version => {
                let version = row.version.map(|version| version.to_string());
                Answer::Fail(format!(
                    "its version is {}, not {}",
                    version.unwrap_or_else(|| "not shown".to_owned()),
                    map.shown_version()
                ))
            }
            _ => Answer::Pass(format!("it runs with {}", count(projects.len(), "project"))),
        }
    }

    /// The names of the maps that run: with a project that is enabled, or with runtime
    /// configuration. An empty list means that no map runs, because [`Evidence::read`] fails if a
    /// side cannot be read.
    pub(crate) fn running(&self) -> BTreeMap<String, String> {
        let mut running = BTreeMap::new();
        for row in &self.configurations {
            if !self.old.contains(&row.id) {
                running.insert(row.map.clone(), "runtime configuration".to_owned());
            }
        }
        for project in &self.projects {
            if project.status != "Disabled" {
                running.insert(project.map.clone(), format!("project {}", project.status));
            }
        }
        running
    }

    fn projects_of(&self, map: &str) -> Vec<&Project> {
        self.projects
            .iter()
            .filter(|project| project.map == map)
            .collect()
    }
}

/// The active rows of the runtime configuration. Without that table, an empty list.
async fn active_configurations(dataverse: &Dataverse) -> Result<Vec<Configuration>, Failure> {
    let Some(table) = dataverse.table(RUNTIME_CONFIGURATION).await? else {
        return Ok(Vec::new());
    };
    let query = Query::new().order_by(&table.primary_id);
    let rows = dataverse.list(&table.entity_set, &query).await?;
    let rows = rows
        .iter()
        .filter_map(|row| Configuration::from_row(row.id(&table.primary_id)?, &row.value));
    Ok(rows.filter(|row| row.active).collect())
}

/// The ids of the runtime configuration that the first seal holds, of both environments.
fn old(journal: &JournalView) -> BTreeSet<Uuid> {
    [Part::Source, Part::Target]
        .into_iter()
        .flat_map(|part| seals::rows(journal, part, RUNTIME_CONFIGURATION))
        .map(|(id, _)| id)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::dual_write::recorded::RecordedDualWrite;
    use crate::domain::dual_write::recorded::tests::sealed;
    use serde_json::json;

    const ORDERS: &str = "salesorders - CDS sales order headers";

    fn project(status: &str, url: &str) -> Project {
        Project {
            map: ORDERS.to_owned(),
            status: status.to_owned(),
            url: Some(url.to_owned()),
            key: None,
        }
    }

    fn configuration(id: u128, version: &str) -> Configuration {
        Configuration {
            id: Uuid::from_u128(id),
            map: ORDERS.to_owned(),
            active: true,
            version: version.parse().ok(),
        }
    }

    fn evidence(projects: Vec<Project>, configurations: Vec<Configuration>) -> Evidence {
        Evidence {
            projects,
            configurations,
            old: BTreeSet::from([Uuid::from_u128(1)]),
            dataverse: Some("orguat.crm4.dynamics.com".to_owned()),
        }
    }

    const UAT: &str = "https://orguat.crm4.dynamics.com";
    const PROD: &str = "https://orgprod.crm4.dynamics.com";

    fn recorded() -> RecordedMap {
        let unsecure = json!({"SourceEntityName": "salesorders", "DestinationEntityName":
            "CDS sales order headers", "EntityMapVersion": {"Major": 1, "Minor": 0, "Build": 1, "Revision": 6}});
        let journal = sealed(&[(
            "target/msdyn_dualwriteruntimeconfig/00000000-0000-0000-0000-000000000001",
            json!({"statecode": 0, "msdyn_unsecure": unsecure.to_string()}),
        )]);
        RecordedDualWrite::from_journal(&journal)
            .maps
            .remove(ORDERS)
            .unwrap()
    }

    #[test]
    fn a_reset_is_unknown_until_a_map_runs_and_refuted_by_what_is_old_or_foreign() {
        let unknown = evidence(Vec::new(), Vec::new()).is_reset();
        assert!(matches!(unknown, Answer::Unknown(_)), "{unknown:?}");
        let stale = evidence(
            vec![project("Enabled", UAT)],
            vec![configuration(1, "1.0.1.6")],
        );
        assert!(matches!(stale.is_reset(), Answer::Fail(_)));
        let foreign = evidence(vec![project("Enabled", PROD)], Vec::new());
        assert!(foreign.is_reset().found().contains("orgprod"));
        let done = evidence(
            vec![project("Disabled", UAT)],
            vec![configuration(2, "1.0.1.6")],
        );
        assert!(done.is_reset().is_pass());
    }

    #[test]
    fn a_map_runs_when_both_directions_say_so_at_the_recorded_version() {
        let map = recorded();
        let of = |projects, configurations| evidence(projects, configurations).runs(&map);
        let both = || vec![project("Enabled", UAT), project("Enabled", UAT)];
        assert!(of(both(), vec![configuration(2, "1.0.1.6")]).is_pass());
        for (answer, why) in [
            (
                of(Vec::new(), vec![configuration(2, "1.0.1.6")]),
                "no project",
            ),
            (
                of(
                    vec![project("Enabled", UAT), project("Disabled", UAT)],
                    vec![configuration(2, "1.0.1.6")],
                ),
                "Disabled",
            ),
            (
                of(
                    vec![project("Enabled", PROD)],
                    vec![configuration(2, "1.0.1.6")],
                ),
                "not connected to the target",
            ),
            (of(both(), Vec::new()), "no runtime configuration"),
            (
                of(both(), vec![configuration(1, "1.0.1.6")]),
                "no runtime configuration",
            ),
            (
                of(both(), vec![configuration(2, "1.0.1.5")]),
                "1.0.1.5, not 1.0.1.6",
            ),
        ] {
            assert!(
                matches!(&answer, Answer::Fail(read) if read.contains(why)),
                "{why}: {answer:?}"
            );
        }
    }

    #[test]
    fn a_map_that_one_side_shows_as_running_is_not_stopped() {
        assert!(evidence(Vec::new(), Vec::new()).running().is_empty());
        assert!(
            evidence(vec![project("Disabled", UAT)], Vec::new())
                .running()
                .is_empty()
        );
        for running in [
            evidence(vec![project("Enabled", UAT)], Vec::new()),
            evidence(vec![project("Queueing", UAT)], Vec::new()),
            evidence(Vec::new(), vec![configuration(2, "1.0.0.0")]),
        ] {
            assert_eq!(running.running().len(), 1);
        }
    }
}
