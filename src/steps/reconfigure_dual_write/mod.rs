//! Step 8, `reconfigure-dual-write`: where dual-write was in use in the target, it is again.
//!
//! | Phase | Reads | Changes |
//! |---|---|---|
//! | `access` | users, teams, roles and companies of Dataverse; users and applications of Finance and Operations | roles, owning teams, registrations, a disabled user; an application user that is missing is a person's |
//! | `link` | the gateway's record of the link, compared with the target; or both sides' tables | resets the link, never another pair's |
//! | `health-check` | what Microsoft's health check looks at | nothing; what fails is a person's, with its code |
//! | `solutions` | the maps that the gateway lists | applies solutions, one by one |
//! | `versions` | each map's project and version | initialises, switches to the recorded version |
//! | `integration-keys` | the connection set | sets the recorded keys |
//! | `legal-entities` | the connection set | nothing; another set is a person's |
//! | `refresh-tables` | the journal | reads each map's tables anew; a start that says otherwise is the proof that it did not |
//! | `filters` | the active versions' filters | nothing; another filter is a person's |
//! | `maps` | each map's state | starts what ran, in order and without initial synchronization; stops what was stopped |
//!
//! In use means: before the copy a map synchronized or queued, by the first seal ([`record`]).
//! Microsoft publishes no request for any of it but the tables of `access`, so through the gateway it
//! goes only where the runbook acknowledges that; else `link`, `filters` and `maps` are worksheets, and
//! the evidence is read from Dataverse and Finance and Operations ([`evidence`]).
//!
//! Steps 1 and 2 have their parts here too: [`capture`], [`StopMaps`].

mod access;
mod capture;
mod evidence;
mod filters;
mod findings;
mod gateway;
mod guard;
mod health;
mod link;
mod maps;
mod people;
mod record;
mod refresh_tables;
mod settings;
mod solutions;
mod stop_maps;
mod tables;
mod versions;

use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use super::Refresh;
use super::view::View;
use crate::clients::{Dataverse, Query, Row};
use crate::engine::{Failure, Known, Phase};
use crate::text;

pub(super) use capture::{RUNTIME_CONFIGURATION, list as capture};
pub(super) use findings::decoded;
pub(super) use guard::own_link;
pub(super) use health::check as health_check;
pub(super) use maps::{MapAnswer, map_answers};
pub(super) use stop_maps::StopMaps;

use self::gateway::Linked;
use self::record::{Recorded, Was};

pub(super) fn phases(refresh: &Arc<Refresh>) -> Vec<Phase> {
    let refresh = || Arc::clone(refresh);
    vec![
        Phase::changes("access", access::Access(refresh())),
        Phase::changes("link", link::Link(refresh())),
        Phase::changes("health-check", health::HealthCheck(refresh())),
        Phase::changes("solutions", solutions::Solutions(refresh())),
        Phase::changes("versions", versions::Versions(refresh())),
        Phase::changes("integration-keys", settings::IntegrationKeys(refresh())),
        Phase::changes("legal-entities", settings::LegalEntities(refresh())),
        Phase::changes("refresh-tables", refresh_tables::RefreshTables(refresh())),
        Phase::changes("filters", filters::MapFilters(refresh())),
        Phase::changes("maps", maps::Maps(refresh())),
    ]
}

/// The key of the reset's launch.
fn reset_key(refresh: &Refresh) -> String {
    format!("dual-write/reset/{}", refresh.target_id())
}

/// Does the runbook leave dual-write to a person altogether?
fn is_left_out(refresh: &Refresh) -> bool {
    refresh.runbook.steps.reconfigure_dual_write.skip.is_some()
}

/// Is there something to do, and through the gateway?
fn by_gateway(refresh: &Refresh, recorded: &Recorded) -> bool {
    recorded.in_use() && !is_left_out(refresh) && refresh.dual_write.is_some()
}

/// What the gateway shows since the reset; none where that is still to come, so that a forecast finds
/// everything to do.
async fn now(refresh: &Refresh, known: &Known) -> Result<Option<Linked>, Failure> {
    let to_come = matches!(refresh.view(known), View::AfterCopy(_))
        || (known.is_planning() && !known.launch_proved(&reset_key(refresh)));
    if to_come {
        return Ok(None);
    }
    Linked::read(refresh).await.map(Some)
}

/// What became of the maps of the target.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct MapCount {
    /// How many synchronized before the copy.
    pub ran: usize,
    /// How many of them run again.
    pub run_again: usize,
    /// How many were not running, and are left so.
    pub left_stopped: usize,
}

impl MapCount {
    /// The figures as a line for a person.
    pub(super) fn line(&self) -> String {
        let Self {
            ran,
            run_again,
            left_stopped,
        } = self;
        if *ran == 0 {
            return "dual-write was not in use in the target".to_owned();
        }
        format!(
            "{run_again} of {} running again, {left_stopped} left stopped",
            text::count(*ran, "dual-write map")
        )
    }
}

/// Counts, by the journal alone.
pub(super) fn count(known: &Known) -> MapCount {
    let recorded = Recorded::of(known);
    let ran: Vec<_> = recorded.running().collect();
    let by_hand = known.is_completed("reconfigure-dual-write/maps");
    let again = ran
        .iter()
        .filter(|map| by_hand || known.maker(&maps::start_key(&map.name)).is_some());
    MapCount {
        ran: ran.len(),
        run_again: again.count(),
        left_stopped: recorded
            .maps
            .values()
            .filter(|map| matches!(map.was, Was::Stopped | Was::Paused))
            .count(),
    }
}

/// Is dual-write in use in an environment, by the active runtime configuration of its Dataverse?
/// Fails where that cannot be read.
pub async fn has_running_maps(dataverse: &Dataverse) -> Result<bool, Failure> {
    let Some(table) = dataverse.table(RUNTIME_CONFIGURATION).await? else {
        return Ok(false);
    };
    let query = Query::new().order_by(&table.primary_id);
    let rows = dataverse.list(&table.entity_set, &query).await?;
    let is_active = |row: &Row| row.value.get("statecode").and_then(Value::as_i64) == Some(0);
    Ok(rows.iter().any(is_active))
}

/// Was dual-write in use in the target before the copy?
pub(super) fn was_in_use(known: &Known) -> bool {
    Recorded::of(known).in_use()
}
