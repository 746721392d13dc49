//! Step 1, `copy-environments`.
//!
//! | Phase | Reads | Changes |
//! |---|---|---|
//! | `capture` | the target's provider parameters, transformations, connections, environment variables, name and group, dual-write; the source's flows, orchestrations, providers | nothing; seals `before-copy` |
//! | `stop-maps` | the target's dual-write maps, where dual-write is in use | stops them, through the acknowledged gateway or by a person |
//! | `copy` | the journal; operations and state of the target | launches one environment copy, which carries Dataverse and Finance and Operations of a unified target |
//!
//! In doubt (an intent without a handle): every operation of the target is listed by the service,
//! so a copy from us that began after the intent is adopted; none after two minutes means that it
//! did not begin. The end is proved from the environment itself: ready, administration mode on,
//! background operations off.

mod capture;
mod copy;

use std::sync::Arc;

use super::Refresh;
use super::reconfigure_dual_write::StopMaps;
use crate::engine::Phase;

use self::capture::BeforeCopy;
use self::copy::CopySurvey;

/// The key of the copy's launch.
pub(super) fn copy_key(refresh: &Refresh) -> String {
    format!("copy/{}", refresh.target_id())
}

/// The target's dual-write maps are stopped as long as nothing has been launched onto it.
fn stop_maps(refresh: &Arc<Refresh>) -> StopMaps {
    StopMaps {
        refresh: Arc::clone(refresh),
        too_late: vec![copy_key(refresh)],
    }
}

pub(super) fn phases(refresh: &Arc<Refresh>) -> Vec<Phase> {
    vec![
        Phase::capture("capture", BeforeCopy(Arc::clone(refresh))),
        Phase::changes("stop-maps", stop_maps(refresh)),
        Phase::changes("copy", CopySurvey(Arc::clone(refresh))),
    ]
}
