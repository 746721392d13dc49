//! Step 1, `copy-environments`.
//!
//! A target that the Power Platform manages is copied whole:
//!
//! | Phase | Reads | Changes |
//! |---|---|---|
//! | `questions` | the copy candidates, both environments' packages | nothing; what the service does not show is a person's to look at |
//! | `capture` | the target's provider parameters, transformations, connections, environment variables, name and group, dual-write; the source's flows, orchestrations, providers | nothing; seals `before-copy` |
//! | `stop-maps` | the target's dual-write maps, where dual-write is in use | stops them, through the acknowledged gateway or by a person |
//! | `copy` | the journal; operations and state of the target | launches one environment copy, which carries Dataverse and Finance and Operations |
//!
//! Of a target that Lifecycle Services manage the copy carries Dataverse only, and the database is
//! refreshed beside it:
//!
//! | Phase | Reads | Changes |
//! |---|---|---|
//! | `questions` | as above | as above |
//! | `capture` | besides, the users and registered applications of its Finance and Operations, and its history in LCS | nothing |
//! | `stop-maps` | as above | as above |
//! | `refresh-by-hand` | with `finops: guided` only: its history in LCS; its users | a person begins the refresh |
//! | `copy` | as above, and its history in LCS | launches the refresh, which is refused most easily; once that is accepted, the environment copy beside it |
//! | `put-back` | the users and applications that the refresh left | enables the users whom applications enter as, registers the applications again |
//!
//! The barrier of `copy` waits until Finance and Operations answers again. If one half fails, the
//! other is let come to its end; the pair is then mismatched, which is said, and only the failed half
//! is begun again, after a new confirmation.
//!
//! In doubt (an intent without a handle): every operation of the target is listed by the service,
//! so a copy from us that began after the intent is adopted; none after two minutes (of a refresh,
//! twenty) means that it did not begin. The end is proved from the environment itself: ready,
//! administration mode on, background operations off; that of a refresh from the target's history.

mod by_hand;
mod capture;
mod copy;
mod database_refresh;
mod finance;
mod stop_maps;

use crate::domain::environments::{REFRESH_BY_HAND, has_begun, is_guided, is_linked};
use std::sync::Arc;

use self::stop_maps::StopMaps;
use super::Questions;
use crate::domain::Refresh;
use crate::engine::Phase;
use crate::runbook::StepName;

use self::by_hand::RefreshByHand;
use self::capture::BeforeCopy;
use self::copy::CopySurvey;
use self::finance::PutBack;

pub(super) fn phases(refresh: &Arc<Refresh>, questions: Questions) -> Vec<Phase> {
    let of = || Arc::clone(refresh);
    let mut phases = vec![
        questions(refresh, StepName::CopyEnvironments),
        Phase::capture("capture", BeforeCopy(of())),
        Phase::changes(
            "stop-maps",
            StopMaps {
                refresh: of(),
                too_late: has_begun,
            },
        ),
    ];
    let is_linked = is_linked(refresh);
    if is_linked && is_guided(refresh) {
        phases.push(Phase::changes(REFRESH_BY_HAND, RefreshByHand(of())));
    }
    phases.push(Phase::changes("copy", CopySurvey(of())));
    if is_linked {
        phases.push(Phase::changes("put-back", PutBack(of())));
    }
    phases
}
