//! A finished run, surveyed again.

use serde_json::json;

use super::run_end::count_results;
use crate::base::clock::Clock;
use crate::base::text::count;
use crate::cli::common_arguments::Output;
use crate::cli::connect::Connected;
use crate::cli::exit_code::{DONE, FAILED};
use crate::cli::session::Session;
use crate::engine::{EventKind, Failure, JournalView, Plan};
use crate::journal::{Closed, LockedStateFile, OpenStateFile};
use crate::report::plan_text;
use crate::steps;

/// Surveys every phase of a finished run again, with reads only. Exit 0 if nothing is left to do;
/// otherwise it shows the differences, changes nothing, and exits 1.
pub(super) async fn survey_again(
    session: &Session,
    connected: &Connected,
    locked: LockedStateFile,
) -> Result<u8, Failure> {
    let journal = JournalView::from_journal(locked.state()).for_planning();
    let plan = Plan::make(&connected.steps, journal).await?;
    let state_file = locked.open(Clock::new(1.0))?;
    session.warn(&state_file.warnings);
    let exit = if plan.is_empty() { DONE } else { FAILED };
    if session.output == Output::Human {
        let target = &connected.refresh.runbook.target.name.value;
        let line = if plan.is_empty() {
            format!("This run has finished, and nothing is left to do in '{target}'.")
        } else {
            plan_text(&plan, target, session.data_palette())
        };
        session.printer.data(line.trim_end());
    }
    close(connected, &state_file, &plan, exit).await?;
    if exit == FAILED {
        let remedies: Vec<String> = plan
            .steps
            .iter()
            .filter(|step| step.skip.is_none() && !step.changes.is_empty())
            .map(|step| {
                format!(
                    "\nhelp: {}: {}",
                    step.name,
                    steps::manual_remedy(&step.name)
                )
            })
            .collect();
        session.printer.info(&format!(
            "This run has finished, and the target has changed since. This command changed nothing.{}",
            remedies.concat()
        ));
    }
    Ok(exit)
}

/// Closes the state file, and emits the last event.
async fn close(
    connected: &Connected,
    state_file: &OpenStateFile,
    plan: &Plan,
    exit: u8,
) -> Result<(), Failure> {
    let message = (!plan.is_empty())
        .then(|| format!("{} since it finished", count(plan.len(), "difference")));
    // A process that was killed after the run's last record has left no figures.
    let closed = Closed {
        figures: count_results(connected, state_file).map(|figures| json!(figures)),
        ..Closed::new("finished", exit, message.clone())
    };
    state_file.journal.append(closed).await?;
    connected.events.emit(EventKind::RunEnded {
        outcome: "finished".to_owned(),
        exit,
        message,
        help: None,
        kind: None,
        diagnostics: Vec::new(),
        failures: Vec::new(),
        summary: json!({ "changes": plan.len() }),
    });
    Ok(())
}
