//! Dual-write of the target: what was recorded of it, and what both sides show now.
//!
//! ```text
//! recorded.rs     what the first seal holds: maps, versions, filters, companies
//! capture.rs      what the first seal takes
//! tables.rs       rows of the tables that describe maps
//! evidence.rs     what Dataverse and Finance and Operations show of running maps
//! gateway.rs      the undocumented gateway, if the runbook acknowledges it: its maps, and
//!                 changes of them
//! guard.rs        no pair but the target's own is ever reset
//! root_team.rs    the root business unit's team, and the teams, users and roles that
//!                 dual-write needs
//! error_codes.rs  Microsoft's error codes and their remedies
//! ```

pub(crate) mod capture;
pub(crate) mod error_codes;
pub(crate) mod evidence;
pub(crate) mod gateway;
pub(crate) mod guard;
pub(crate) mod recorded;
pub(crate) mod root_team;
pub(crate) mod tables;

use serde::Serialize;

use self::capture::RUNTIME_CONFIGURATION;
use self::gateway::GatewayState;
use self::recorded::{PreviousState, RecordedDualWrite};
use super::RefreshContext;
use super::keys::{self, MapChange};
use super::names::is_active;
use super::view::View;
use crate::base::text;
use crate::clients::{Dataverse, Query};
use crate::engine::{Failure, JournalView};
use crate::runbook::{PausedMaps, StepName};

/// The key of the reset's launch.
pub(crate) fn reset_key(refresh: &RefreshContext) -> String {
    keys::dual_write_reset(refresh.target_id())
}

/// Does the runbook leave dual-write to a person altogether?
pub(crate) fn is_left_out(refresh: &RefreshContext) -> bool {
    refresh.runbook.steps.reconfigure_dual_write.is_skipped()
}

/// Is there something to do, and through the gateway?
pub(crate) fn by_gateway(refresh: &RefreshContext, recorded: &RecordedDualWrite) -> bool {
    recorded.in_use() && !is_left_out(refresh) && refresh.services.dual_write.is_some()
}

/// What the gateway shows after the reset; `None` before it, so that a forecast finds everything to
/// do.
pub(crate) async fn read_link_after_reset(
    refresh: &RefreshContext,
    journal: &JournalView,
) -> Result<Option<GatewayState>, Failure> {
    let to_come = matches!(refresh.view(journal), View::AfterCopy(_))
        || (journal.is_planning() && !journal.is_launch_proved(&reset_key(refresh)));
    if to_come {
        return Ok(None);
    }
    GatewayState::read(refresh).await.map(Some)
}

/// What the first seal holds of dual-write, read as the runbook wants it: maps that were paused run
/// again if it says so.
pub(crate) fn recorded_for(refresh: &RefreshContext, journal: &JournalView) -> RecordedDualWrite {
    let recorded = RecordedDualWrite::from_journal(journal);
    let options = &refresh.runbook.steps.reconfigure_dual_write.options;
    match options.paused_maps.value {
        PausedMaps::Run => recorded.with_paused_maps_running(),
        PausedMaps::Leave => recorded,
    }
}

/// How many maps of the target run again.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct MapCount {
    /// How many should run: those that synchronized before the copy, and those that were paused
    /// if the runbook runs them again.
    pub ran: usize,
    /// How many of them run again.
    pub run_again: usize,
    /// How many were paused, and are left stopped.
    pub paused: usize,
    /// How many were not running, and are left so.
    pub left_stopped: usize,
}

impl MapCount {
    /// The figures as a line for a person.
    pub(crate) fn line(&self) -> String {
        let Self {
            ran,
            run_again,
            paused,
            left_stopped,
        } = self;
        if *ran == 0 && *paused == 0 {
            return "dual-write was not in use in the target".to_owned();
        }
        let paused = match paused {
            0 => String::new(),
            paused => format!(", {paused} paused before and left stopped"),
        };
        format!(
            "{run_again} of {} running again{paused}, {left_stopped} left stopped",
            text::count(*ran, "dual-write map")
        )
    }
}

/// Counts, by the journal alone.
pub(crate) fn count_maps(refresh: &RefreshContext, journal: &JournalView) -> MapCount {
    let by_hand = journal.is_completed(&keys::task(
        StepName::ReconfigureDualWrite,
        keys::DUAL_WRITE_MAPS,
    ));
    let mut count = MapCount::default();
    for map in recorded_for(refresh, journal).maps.values() {
        let start = keys::dual_write_map(&map.name, MapChange::Start);
        match map.state_before {
            _ if map.ran() => {
                count.ran += 1;
                count.run_again += usize::from(by_hand || journal.maker(&start).is_some());
            }
            PreviousState::Paused => count.paused += 1,
            PreviousState::Stopped => count.left_stopped += 1,
            PreviousState::Running | PreviousState::Unknown(_) => {}
        }
    }
    count
}

/// Is dual-write in use in an environment, by the active runtime configuration of its Dataverse?
/// Fails if that cannot be read.
pub(crate) async fn has_running_maps(dataverse: &Dataverse) -> Result<bool, Failure> {
    let Some(table) = dataverse.table(RUNTIME_CONFIGURATION).await? else {
        return Ok(false);
    };
    let query = Query::new().order_by(&table.primary_id);
    let rows = dataverse.list(&table.entity_set, &query).await?;
    Ok(rows.iter().any(|row| is_active(&row.value)))
}

/// Was dual-write in use in the target before the copy?
pub(crate) fn was_in_use(journal: &JournalView) -> bool {
    RecordedDualWrite::from_journal(journal).in_use()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paused_maps_are_counted_apart_from_stopped_ones() {
        let count = MapCount {
            ran: 4,
            run_again: 4,
            paused: 1,
            left_stopped: 2,
        };
        assert_eq!(
            count.line(),
            "4 of 4 dual-write maps running again, 1 paused before and left stopped, 2 left stopped"
        );
        let none = MapCount { paused: 0, ..count };
        assert_eq!(
            none.line(),
            "4 of 4 dual-write maps running again, 2 left stopped"
        );
        assert_eq!(
            MapCount::default().line(),
            "dual-write was not in use in the target"
        );
    }
}
