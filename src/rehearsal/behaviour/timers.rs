//! Timers: delayed effects. They are objects of the world and run before the first request after
//! the moment when they are due, with the time of that moment (`due_timers`).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::organization::{Caller, Organization};
use crate::rehearsal::world::store::Draft;

/// What a timer does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub(crate) enum Timer {
    EndCopy {
        operation: String,
    },
    /// A database refresh enters its next state.
    #[serde(rename = "go-on-with-refresh")]
    AdvanceRefresh {
        activity: String,
    },
    /// An edit of an environment ends.
    EndEdit {
        operation: String,
    },
    /// A system job ends, if background operations run.
    EndJob {
        /// The organization.
        place: Place,
        /// The job's row.
        job: String,
    },
    /// *Activate system* ends.
    ActivateSystem {
        /// The organization.
        place: Place,
    },
    /// A provider becomes active.
    ActivateProvider {
        /// The organization.
        place: Place,
        /// The provider's row.
        provider: String,
    },
    /// An orchestration becomes published.
    PublishOrchestration {
        /// The organization.
        place: Place,
        /// The orchestration's row.
        orchestration: String,
    },
    /// A request to the dual-write gateway ends.
    EndDualWriteRequest {
        request: String,
    },
}

/// The organization in which a timer runs, and its caller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    pub(crate) environment: String,
    pub(crate) organization: String,
    /// The user of the request that set the timer.
    pub(crate) caller: Caller,
}

impl Place {
    /// The organization and caller of a request.
    pub(crate) fn of_request(organization: &Organization) -> Self {
        Self {
            environment: organization.environment.clone(),
            organization: organization.id.clone(),
            caller: organization.caller.clone(),
        }
    }
}

/// Sets a timer that is due after a time.
pub(crate) fn set(draft: &mut Draft<'_>, after: Duration, timer: &Timer) {
    let due = draft.now() + after;
    let number = draft.count("timers");
    // The keys sort in the order in which timers are due.
    let key = format!("timer/{:015}-{number:06}", due.milliseconds());
    draft.save(key, timer);
}

pub(crate) fn is_set(draft: &Draft<'_>, matches: impl Fn(&Timer) -> bool) -> bool {
    draft.load_under::<Timer>("timer/").iter().any(matches)
}
