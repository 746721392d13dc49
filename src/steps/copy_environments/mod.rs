//! Step 1, `copy-environments`.
//!
//! | Phase | Reads | Changes |
//! |---|---|---|
//! | `questions` | the copy candidates, both environments' packages | nothing; what the service does not show is a person's to look at |
//! | `capture` | the target's provider parameters, transformations, connections, environment variables, name and group; the source's flows, orchestrations, providers | nothing; seals `before-copy` |
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
use super::probes::questions;
use crate::engine::Phase;
use crate::runbook::StepName;

use self::capture::BeforeCopy;
use self::copy::CopySurvey;

/// The key of the copy's launch.
pub(super) fn copy_key(refresh: &Refresh) -> String {
    format!("copy/{}", refresh.target_id())
}

pub(super) fn phases(refresh: &Arc<Refresh>) -> Vec<Phase> {
    vec![
        questions(refresh, StepName::CopyEnvironments),
        Phase::capture("capture", BeforeCopy(Arc::clone(refresh))),
        Phase::changes("copy", CopySurvey(Arc::clone(refresh))),
    ]
}
