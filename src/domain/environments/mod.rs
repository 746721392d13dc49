//! The pair of environments: what replaces the target, and whether that may be under way.
//!
//! ```text
//! database_history.rs  database movements of an environment that Lifecycle Services list
//! ```

pub(crate) mod database_history;

use super::Refresh;
use crate::engine::Known;
use crate::runbook::{FinopsMode, StepName, Word as _};

/// The phase in which a person begins the refresh, and its manual task.
pub(crate) const REFRESH_BY_HAND: &str = "refresh-by-hand";

/// The key of the copy's launch.
pub(crate) fn copy_key(refresh: &Refresh) -> String {
    format!("copy/{}", refresh.target_id())
}

/// The key of the refresh's launch.
pub(crate) fn refresh_key(refresh: &Refresh) -> String {
    format!("database-refresh/{}", refresh.target_id())
}

/// May what replaces the target be under way? From the intent of a launch on; of a refresh that a
/// person begins, from the moment when the worksheet was handed out.
pub(crate) fn has_begun(refresh: &Refresh, known: &Known) -> bool {
    let task = format!("{}/{REFRESH_BY_HAND}", StepName::CopyEnvironments.word());
    let launches = [copy_key(refresh), refresh_key(refresh)];
    launches.iter().any(|key| known.launch(key).is_some()) || known.is_handed_out(&task)
}

/// Do Lifecycle Services manage the target's Finance and Operations? `Linked` says so (as
/// d365bap.tools tells the kinds apart).
pub(crate) fn is_linked(refresh: &Refresh) -> bool {
    let app = refresh.target_environment.finance_operations.as_ref();
    app.and_then(|app| app.kind.as_deref())
        .is_some_and(|kind| kind.eq_ignore_ascii_case("Linked"))
}

/// Does a person refresh the database?
pub(crate) fn is_guided(refresh: &Refresh) -> bool {
    let options = &refresh.runbook.steps.copy_environments.options;
    options.finops.value == FinopsMode::Guided
}

/// Is the target's Finance and Operations the source's already?
pub(crate) fn is_replaced(refresh: &Refresh, known: &Known) -> bool {
    if is_guided(refresh) {
        // The copy begins after the refresh, and its phase ends with it.
        known.launch_proved(&copy_key(refresh))
    } else {
        known.launch_proved(&refresh_key(refresh))
    }
}

/// What to do about an unfinished run.
pub(crate) const UNFINISHED_RUN: &str = "resume the earlier run with its state file; or run with \
     --from-capture and the copy of its seal 'before-copy'; or accept with --abandon-captures that \
     the target's own provider settings are lost, and what it holds now is taken for them";
