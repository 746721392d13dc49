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
mod filters;
mod health;
mod link;
mod maps;
mod refresh_tables;
mod settings;
mod solutions;
mod versions;

use std::sync::Arc;

use crate::domain::Refresh;
use crate::engine::Phase;

pub(crate) use health::check as health_check;
pub(crate) use maps::{MapAnswer, map_answers};

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
