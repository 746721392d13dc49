//! A finished run, reopened for one provider (`--again`). `plan` uses it for `run --dry-run
//! --again`.

use std::sync::Arc;

use crate::cli::actor::current_actor;
use crate::cli::did_you_mean;
use crate::domain::RefreshContext;
use crate::engine::{Failure, FailureKind};
use crate::journal::{Reopened, State};
use crate::steps;

/// The record that reopens steps 5 to 7 for one provider: what they remove is sealed and confirmed
/// again. `None` if this run was reopened for that provider and has not finished since. Fails if
/// the run has not finished, and with exit code 3 if no provider of this definition is installed.
pub(in crate::cli) async fn reopen(
    refresh: &Arc<RefreshContext>,
    state: &State,
    provider: &str,
) -> Result<Option<Reopened>, Failure> {
    if state.finished.is_none() {
        let last = state.reopened.last();
        let is_same = last.is_some_and(|last| last.provider.eq_ignore_ascii_case(provider));
        return if is_same {
            Ok(None)
        } else {
            Err(not_finished())
        };
    }
    let installed = Vec::from_iter(steps::installed_definitions(refresh).await?);
    let Some(name) = installed
        .iter()
        .find(|name| name.eq_ignore_ascii_case(provider))
    else {
        let names: Vec<&str> = installed.iter().map(String::as_str).collect();
        return Err(Failure::new(
            FailureKind::InvalidInput,
            format!(
                "no provider of the definition '{provider}' is installed in '{}'",
                refresh.runbook.target.name.value
            ),
        )
        .with_help(did_you_mean::advice(provider, &names, "installed")));
    };
    Ok(Some(Reopened {
        provider: name.clone(),
        seals: steps::SEALS_OF_A_REINSTALLATION.map(str::to_owned).to_vec(),
        who: current_actor(),
    }))
}

/// The state after this record.
pub(in crate::cli) fn state_after(
    state: &State,
    reopened: &Reopened,
) -> Result<Arc<State>, Failure> {
    let state = state.as_reopened(reopened);
    state
        .map(Arc::new)
        .map_err(|error| Failure::refused(error.to_string()))
}

/// The refusal of `--again` for a run that has not finished.
pub(in crate::cli) fn not_finished() -> Failure {
    Failure::refused("this run has not finished; --again needs a finished run")
        .with_help("run without --again first")
}
