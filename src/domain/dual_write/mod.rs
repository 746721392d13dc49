//! Dual-write of the target: what was recorded of it, and what both sides show now.
//!
//! ```text
//! record.rs    what the first seal says: maps, versions, filters, companies
//! capture.rs   what the first seal takes
//! tables.rs    rows of the tables that describe maps
//! evidence.rs  what Dataverse and Finance and Operations show of running maps
//! gateway.rs   the undocumented gateway, where the runbook acknowledges it: its maps, sets on them
//! guard.rs     no pair but the target's own is ever reset
//! people.rs    teams and users that dual-write needs
//! findings.rs  Microsoft's error codes and their remedies
//! ```

pub(crate) mod capture;
pub(crate) mod evidence;
pub(crate) mod findings;
pub(crate) mod gateway;
pub(crate) mod guard;
pub(crate) mod people;
pub(crate) mod record;
pub(crate) mod tables;

use serde::Serialize;
use serde_json::Value;

use self::capture::RUNTIME_CONFIGURATION;
use self::gateway::Linked;
use self::record::{Recorded, Was};
use super::Refresh;
use super::view::View;
use crate::base::text;
use crate::clients::{Dataverse, Query, Row};
use crate::engine::{Failure, Known};

/// The key of the reset's launch.
pub(crate) fn reset_key(refresh: &Refresh) -> String {
    format!("dual-write/reset/{}", refresh.target_id())
}

/// Does the runbook leave dual-write to a person altogether?
pub(crate) fn is_left_out(refresh: &Refresh) -> bool {
    refresh.runbook.steps.reconfigure_dual_write.skip.is_some()
}

/// Is there something to do, and through the gateway?
pub(crate) fn by_gateway(refresh: &Refresh, recorded: &Recorded) -> bool {
    recorded.in_use() && !is_left_out(refresh) && refresh.dual_write.is_some()
}

/// What the gateway shows since the reset; none where that is still to come, so that a forecast finds
/// everything to do.
pub(crate) async fn now(refresh: &Refresh, known: &Known) -> Result<Option<Linked>, Failure> {
    let to_come = matches!(refresh.view(known), View::AfterCopy(_))
        || (known.is_planning() && !known.launch_proved(&reset_key(refresh)));
    if to_come {
        return Ok(None);
    }
    Linked::read(refresh).await.map(Some)
}

/// The key of a map's start.
pub(crate) fn start_key(map: &str) -> String {
    format!("dual-write/map/{map}/start")
}

/// What became of the maps of the target.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct MapCount {
    /// How many synchronized before the copy.
    pub ran: usize,
    /// How many of them run again.
    pub run_again: usize,
    /// How many were not running, and are left so.
    pub left_stopped: usize,
}

impl MapCount {
    /// The figures as a line for a person.
    pub(crate) fn line(&self) -> String {
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
pub(crate) fn count(known: &Known) -> MapCount {
    let recorded = Recorded::of(known);
    let ran: Vec<_> = recorded.running().collect();
    let by_hand = known.is_completed("reconfigure-dual-write/maps");
    let again = ran
        .iter()
        .filter(|map| by_hand || known.maker(&start_key(&map.name)).is_some());
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
pub(crate) async fn has_running_maps(dataverse: &Dataverse) -> Result<bool, Failure> {
    let Some(table) = dataverse.table(RUNTIME_CONFIGURATION).await? else {
        return Ok(false);
    };
    let query = Query::new().order_by(&table.primary_id);
    let rows = dataverse.list(&table.entity_set, &query).await?;
    let is_active = |row: &Row| row.value.get("statecode").and_then(Value::as_i64) == Some(0);
    Ok(rows.iter().any(is_active))
}

/// Was dual-write in use in the target before the copy?
pub(crate) fn was_in_use(known: &Known) -> bool {
    Recorded::of(known).in_use()
}
