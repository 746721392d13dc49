//! Step 8, `reconfigure-dual-write`: restores dual-write if the target used it.
//!
//! | Phase | Reads | Changes |
//! |---|---|---|
//! | `access` | users, teams, roles and companies of Dataverse; users and applications of Finance and Operations | roles, owning teams, registrations, a disabled user; a person adds a missing application user |
//! | `link` | the gateway's record of the link, compared with the target; or both sides' tables | resets the link, never another pair's |
//! | `health-check` | the same rows as Microsoft's health check | nothing; a person repairs what fails, by its code |
//! | `solutions` | the maps that the gateway lists | applies solutions, one by one |
//! | `versions` | each map's project and version | initialises, switches to the recorded version |
//! | `integration-keys` | the connection set | sets the recorded keys |
//! | `legal-entities` | the connection set | nothing; a person corrects a different set |
//! | `refresh-tables` | the journal | refreshes each map's tables; only a map's start can show that this did not work |
//! | `filters` | the active versions' filters | nothing; a person corrects a different filter |
//! | `maps` | each map's state | starts maps that ran, in order and without initial synchronization; stops maps that were stopped |
//!
//! Dual-write was in use if the first seal holds a map that synchronized or queued. Microsoft
//! publishes requests only for the tables of `access`. So the gateway is used only if the
//! runbook acknowledges that it is unsupported. Otherwise `link`, `filters` and `maps` are
//! worksheets, and the evidence is read from Dataverse and Finance and Operations.
//!
//! Step 1 captures dual-write and stops the maps; step 2 removes the source's runtime
//! configuration.
//!
//! ```text
//! mod.rs             the phases
//! access.rs finance_access.rs
//!                    access, in Dataverse and in Finance and Operations
//! link.rs            link
//! health.rs          health-check
//! solutions.rs       solutions
//! versions.rs        versions
//! settings.rs        integration-keys, legal-entities
//! refresh_tables.rs  refresh-tables
//! filters.rs         filters
//! maps.rs            maps
//! ```

mod access;
mod filters;
mod finance_access;
mod health;
mod link;
mod maps;
mod refresh_tables;
mod settings;
mod solutions;
mod versions;

use std::sync::Arc;

use super::StepDefinition;
use crate::domain::RefreshContext;
use crate::domain::dual_write::gateway::GatewayState;
use crate::domain::dual_write::recorded::RecordedDualWrite;
use crate::domain::dual_write::{by_gateway, is_left_out, read_link_after_reset, recorded_for};
use crate::engine::{Failure, JournalView, Phase};
use crate::runbook::StepName;
pub(crate) use health::check_health;
pub(crate) use maps::{MapAnswer, map_answers};

pub(super) const DEFINITION: StepDefinition = StepDefinition {
    name: StepName::ReconfigureDualWrite,
    needs: &[StepName::ExitAdministrationMode],
    repeats_open_checks: false,
    phases,
    manual_remedy: "Finance and Operations > Data management > Dual-write: set what is listed",
};

fn phases(refresh: &Arc<RefreshContext>) -> Vec<Phase> {
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

/// The recorded dual-write of the target; none if it was not in use, or the runbook skips the
/// step.
fn recorded_to_restore(
    refresh: &RefreshContext,
    journal: &JournalView,
) -> Option<RecordedDualWrite> {
    let recorded = recorded_for(refresh, journal);
    (recorded.in_use() && !is_left_out(refresh)).then_some(recorded)
}

/// The same; none if the runbook does not acknowledge the gateway.
fn recorded_for_gateway(
    refresh: &RefreshContext,
    journal: &JournalView,
) -> Option<RecordedDualWrite> {
    let recorded = recorded_to_restore(refresh, journal);
    recorded.filter(|recorded| by_gateway(refresh, recorded))
}

/// The same, and the link as it is now: none if the reset is still to come.
async fn recorded_and_now(
    refresh: &RefreshContext,
    journal: &JournalView,
) -> Result<Option<(RecordedDualWrite, Option<GatewayState>)>, Failure> {
    let Some(recorded) = recorded_for_gateway(refresh, journal) else {
        return Ok(None);
    };
    let now = read_link_after_reset(refresh, journal).await?;
    Ok(Some((recorded, now)))
}
