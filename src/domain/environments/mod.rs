//! The pair of environments: the operations that replace the target, and whether one may be
//! running.
//!
//! ```text
//! database_history.rs  database movements of an environment that Lifecycle Services lists
//! finance_replacement.rs
//!                      whether a unified copy replaced Finance and Operations
//! ```

pub(crate) mod database_history;
pub(crate) mod finance_replacement;

use url::Url;

use super::{RefreshContext, keys};
use crate::clients::Environment;
use crate::engine::{Failure, JournalView};
use crate::runbook::{FinopsMode, Keyword as _, StepName};

/// The key of the copy's launch.
pub(crate) fn copy_key(refresh: &RefreshContext) -> String {
    keys::copy(refresh.target_id())
}

/// The key of the database refresh's launch.
pub(crate) fn refresh_key(refresh: &RefreshContext) -> String {
    keys::database_refresh(refresh.target_id())
}

/// May an operation that replaces the target be running? Yes from the intent of a launch on; for a
/// refresh that a person begins, from the moment when the worksheet is handed out.
pub(crate) fn has_begun(refresh: &RefreshContext, journal: &JournalView) -> bool {
    let task = keys::task(StepName::CopyEnvironments, keys::REFRESH_BY_HAND);
    let launches = [copy_key(refresh), refresh_key(refresh)];
    launches.iter().any(|key| journal.launch(key).is_some()) || journal.is_handed_out(&task)
}

/// Does Lifecycle Services manage the target's Finance and Operations? The admin API then calls its
/// kind `Linked` (as d365bap.tools found).
pub(crate) fn is_lcs_managed(refresh: &RefreshContext) -> bool {
    let app = refresh.target.environment.finance_operations.as_ref();
    app.and_then(|app| app.kind.as_deref())
        .is_some_and(|kind| kind.eq_ignore_ascii_case("Linked"))
}

/// Does a person refresh the database?
pub(crate) fn is_guided(refresh: &RefreshContext) -> bool {
    let options = &refresh.runbook.steps.copy_environments.options;
    options.finops.value == FinopsMode::Guided
}

/// Is the target's Finance and Operations the source's already?
pub(crate) fn is_replaced(refresh: &RefreshContext, journal: &JournalView) -> bool {
    if is_guided(refresh) {
        // The copy begins after the refresh, and its phase ends with it.
        journal.is_launch_proved(&copy_key(refresh))
    } else {
        journal.is_launch_proved(&refresh_key(refresh))
    }
}

/// Has this run taken the target out of administration mode? What is made in the target from then on
/// is the target's own, also if somebody closes it again.
pub(crate) fn has_opened(refresh: &RefreshContext, journal: &JournalView) -> bool {
    journal.has_phase_ended(StepName::ExitAdministrationMode.keyword(), keys::OPEN)
        // A request that was sent when the process was killed may have opened it.
        || journal.has_begun_set(&keys::administration_mode(refresh.target_id()))
        || journal.is_step_done(StepName::ReconfigureConnections.keyword())
}

/// Is it certain that an environment is open: administration mode off, or background operations on?
pub(crate) fn is_open(environment: &Environment) -> bool {
    let is_on = |state: &Option<String>| state.as_deref() == Some("Enabled");
    is_on(&environment.runtime_state) || is_on(&environment.background_operations)
}

/// What to do about an unfinished run.
pub(crate) const UNFINISHED_RUN: &str = "resume the earlier run with its state file; or run with \
     --from-capture and the sealed copy of its seal 'before-copy'; or accept with --abandon-captures that \
     the target's own provider settings are lost and its current ones are used instead";

/// Reads the target environment from the admin API.
pub(crate) async fn read_target(refresh: &RefreshContext) -> Result<Environment, Failure> {
    let target = refresh.target_id();
    let environment = refresh.services.bap.environment(target).await?;
    environment.ok_or_else(|| Failure::failed(format!("there is no environment {target}")))
}

/// The host of an address in lower case, with its port if that is not the scheme's own: ports
/// distinguish services of one host.
pub(crate) fn host(address: &str) -> Option<String> {
    let url = Url::parse(address).ok()?;
    let host = url.host_str()?.to_ascii_lowercase();
    Some(match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host,
    })
}
