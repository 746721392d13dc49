//! A finished run: looked at again, or opened again for one provider.

use std::sync::Arc;

use serde_json::json;

use super::actor::who;
use super::arguments::Output;
use super::connect::Connected;
use super::ending::figures;
use super::exit::{DONE, FAILED};
use super::session::Session;
use crate::base::clock::Clock;
use crate::base::text::count;
use crate::domain::Refresh;
use crate::engine::{EventKind, Failure, FailureKind, Known, Plan};
use crate::journal::{Closed, Held, Reopened, State};
use crate::report::plan_text;
use crate::steps;

/// What opens steps 5 to 7 again for one provider: what they remove is sealed and confirmed again.
/// None where this run was opened for that provider already and has not finished since. Fails where
/// the run has not finished, and with exit code 3 where no provider of this definition is installed.
pub(super) async fn reopened(
    refresh: &Arc<Refresh>,
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
    let installed = steps::installed_definitions(refresh).await?;
    let installed = Vec::from_iter(installed);
    let Some(name) = installed
        .iter()
        .find(|name| name.eq_ignore_ascii_case(provider))
    else {
        return Err(Failure::new(
            FailureKind::Wrong,
            format!(
                "no provider of the definition '{provider}' is installed in '{}'",
                refresh.runbook.target.name.value
            ),
        )
        .with_help(format!("installed: {}", installed.join(", "))));
    };
    Ok(Some(Reopened {
        provider: name.clone(),
        seals: steps::RESEALED.map(str::to_owned).to_vec(),
        who: who(),
    }))
}

/// The state as it will be once that is recorded.
pub(super) fn as_reopened(state: &State, reopened: &Reopened) -> Result<Arc<State>, Failure> {
    let state = state.as_reopened(reopened);
    state
        .map(Arc::new)
        .map_err(|error| Failure::refused(error.to_string()))
}

/// Why `--again` is refused.
pub(super) fn not_finished() -> Failure {
    Failure::refused("this run has not finished; --again is for one that has")
        .with_help("run without --again first")
}

/// A finished run surveys every phase again and sends only reads.
pub(super) async fn look_again(
    session: &Session,
    connected: &Connected,
    held: Held,
) -> Result<u8, Failure> {
    let refresh = &connected.refresh;
    let known = Known::from_journal(held.state()).for_planning();
    let plan = Plan::make(&steps::all(refresh, crate::checks::questions), known).await?;
    let opening = held.open(Clock::new(1.0))?;
    session.warn(&opening.warnings);
    let exit = if plan.is_empty() { DONE } else { FAILED };
    if session.output == Output::Human {
        let target = &refresh.runbook.target.name.value;
        let line = if plan.is_empty() {
            format!(
                "This run has finished, and nothing is left to do: '{target}' is as it should be."
            )
        } else {
            plan_text(&plan, target, session.data_palette())
        };
        session.printer.data(line.trim_end());
    }
    let message = (!plan.is_empty())
        .then(|| format!("{} since it finished", count(plan.len(), "difference")));
    // A process that was killed after the run's last record has left no figures.
    let closed = Closed {
        figures: figures(connected, &opening).map(|figures| json!(figures)),
        ..Closed::new("finished", exit, message.clone())
    };
    opening.journal.append(closed).await?;
    connected.narrator.tell(EventKind::RunEnded {
        outcome: "finished".to_owned(),
        exit,
        message,
        help: None,
        kind: None,
        diagnostics: Vec::new(),
        summary: json!({ "changes": plan.len() }),
    });
    if exit == FAILED {
        let cures: Vec<String> = plan
            .steps
            .iter()
            .filter(|step| step.skip.is_none() && !step.changes.is_empty())
            .map(|step| format!("\nhelp: {}: {}", step.name, steps::by_hand(&step.name)))
            .collect();
        session.printer.remark(&format!(
            "This run has finished, and the target has changed since. Nothing was changed now.{}",
            cures.concat()
        ));
    }
    Ok(exit)
}
