//! Step 1, `copy-environments`.
//!
//! A target that the Power Platform manages is copied whole:
//!
//! | Phase | Reads | Changes |
//! |---|---|---|
//! | `questions` | the copy candidates, both environments' packages | nothing; a person looks at what the service does not show |
//! | `capture` | the target's provider parameters, transformations, connections, environment variables, name and group, dual-write; the source's flows, orchestrations, providers | nothing; seals `before-copy` |
//! | `stop-maps` | the target's dual-write maps, if dual-write is in use | stops them, through the acknowledged gateway or by a person |
//! | `copy` | the journal; operations and state of the target | launches one environment copy, which carries Dataverse and Finance and Operations |
//!
//! If Lifecycle Services (LCS) manages the target, the copy carries Dataverse only, and a database
//! refresh runs next to it:
//!
//! | Phase | Reads | Changes |
//! |---|---|---|
//! | `questions` | as above | as above |
//! | `capture` | as above, and the users and registered applications of its Finance and Operations, and its history in LCS | nothing; seals `before-copy` |
//! | `stop-maps` | as above | as above |
//! | `refresh-by-hand` | with `finops: guided` only: its history in LCS; its users | a person starts the refresh |
//! | `copy` | as above, and its history in LCS | launches the refresh, which is the likelier one to be refused; once it is accepted, the environment copy next to it |
//! | `put-back` | the users and applications that the refresh left | enables the users that applications sign in as, registers the applications again |
//!
//! The barrier of `copy` waits until Finance and Operations answers again. If one half fails, the
//! other is allowed to finish. The run then reports the mismatch, and the next run starts only the
//! failed half again, after a new confirmation.
//!
//! After a crash (an intent without a handle): the service lists every operation of the target, so
//! a copy that started after the intent is adopted. If no copy is listed after two minutes (twenty
//! for a refresh), the copy did not start. The environment itself proves the end of a copy: ready,
//! administration mode on, background operations off. The target's history proves the end of a
//! refresh.
//!
//! ```text
//! mod.rs               the phases
//! capture.rs           capture
//! stop_maps.rs         stop-maps
//! manual_refresh.rs    refresh-by-hand
//! copy.rs              the copy of the environment
//! requester.rs         whether a listed copy may be this run's
//! database_refresh.rs  the refresh of the database in Lifecycle Services
//! put_back.rs          put-back
//! ```

mod capture;
mod copy;
mod database_refresh;
mod manual_refresh;
mod put_back;
mod requester;
mod stop_maps;

use std::sync::Arc;
use std::time::Duration;

use self::capture::BeforeCopy;
use self::copy::CopySurvey;
use self::manual_refresh::ManualRefresh;
use self::put_back::PutBack;
use self::stop_maps::StopMaps;
use super::StepDefinition;
use crate::domain::RefreshContext;
use crate::domain::environments::{is_guided, is_lcs_managed};
use crate::domain::keys::{COPY, DATABASE_REFRESH, REFRESH_BY_HAND};
use crate::engine::Phase;
use crate::runbook::StepName;

/// How long a copy takes: up to eight hours, a day with much data (Microsoft Learn, *Copy an
/// environment*).
const COPY_TAKES: Duration = Duration::from_hours(8);

/// How long a database refresh takes: one recorded refresh took 76 minutes; one to four hours are
/// usual (an estimate).
const REFRESH_TAKES: Duration = Duration::from_hours(4);

/// How long the operation with this key takes at most, as a rule.
pub(super) fn documented_duration(key: &str) -> Option<Duration> {
    if key.starts_with(COPY) {
        Some(COPY_TAKES)
    } else if key.starts_with(DATABASE_REFRESH) {
        Some(REFRESH_TAKES)
    } else {
        None
    }
}

pub(super) const DEFINITION: StepDefinition = StepDefinition {
    name: StepName::CopyEnvironments,
    needs: &[],
    repeats_open_checks: true,
    phases,
    manual_remedy: "set each listed value on the environment's page in the admin center, or in Finance and \
                    Operations if it is listed there",
};

fn phases(refresh: &Arc<RefreshContext>) -> Vec<Phase> {
    let is_lcs_managed = is_lcs_managed(refresh);
    let refresh_handle = || Arc::clone(refresh);
    let mut phases = vec![
        Phase::capture("capture", BeforeCopy(refresh_handle())),
        Phase::changes("stop-maps", StopMaps(refresh_handle())),
    ];
    if is_lcs_managed && is_guided(refresh) {
        phases.push(Phase::changes(
            REFRESH_BY_HAND,
            ManualRefresh(refresh_handle()),
        ));
    }
    phases.push(Phase::changes("copy", CopySurvey(refresh_handle())));
    if is_lcs_managed {
        phases.push(Phase::changes("put-back", PutBack(refresh_handle())));
    }
    phases
}
