//! A finished run, surveyed again.

use serde_json::json;

use super::run_end::{count_results, joined, lost_orchestrations, open_surfaces};
use crate::base::clock::Clock;
use crate::base::text::count;
use crate::cli::common_arguments::{Output, RunFiles};
use crate::cli::connect::Connected;
use crate::cli::exit_code::{DONE, FAILED};
use crate::cli::plan_notes;
use crate::cli::session::{Session, run_ended_event};
use crate::domain::flows::rules::held_flows;
use crate::domain::summary::Summary;
use crate::engine::{Failure, JournalView, Location, Plan, PlannedChange, PlannedStep};
use crate::journal::{Closed, LockedStateFile, OpenStateFile};
use crate::report::{PlanReport, plan_text};
use crate::runbook::{Keyword as _, StepName};
use crate::steps::{self, held_remedy};

/// Surveys every phase of a finished run again, with reads only. Exit 0 if nothing is left to do and
/// no flow that should be on is left off for what it names, nothing can act on the outside world that
/// the runbook does not allow, and every orchestration of the source works; otherwise it shows what
/// is left, changes nothing, and exits 1.
pub(super) async fn survey_again(
    session: &Session,
    files: &RunFiles,
    connected: &Connected,
    locked: LockedStateFile,
) -> Result<u8, Failure> {
    let journal = JournalView::from_journal(locked.state()).for_planning();
    let plan = Plan::make(&connected.steps, journal.clone()).await?;
    let held = held_flows(&connected.refresh, &journal).await?;
    let state_file = locked.open(Clock::new(1.0))?;
    session.warn(&state_file.warnings);
    let mut figures = count_results(&connected.refresh, &state_file);
    let mut open = open_surfaces(connected, &journal, &mut figures).await;
    let restores = StepName::RestoreProviderActions.keyword();
    let mut steps = plan.steps.iter();
    // What the plan restores it names already; without figures, everything is unknown.
    if figures.is_ok() && !steps.any(|step| step.name == restores && !step.changes.is_empty()) {
        open = joined(open, lost_orchestrations(connected, &journal, files).await);
    }
    let found = Found { plan, held, open };
    let Found { plan, held, .. } = &found;
    let arguments = files.as_arguments();
    let exit = if found.is_nothing() { DONE } else { FAILED };
    if session.output == Output::Human {
        let target = &connected.refresh.runbook.target.name.value;
        let text = if found.is_nothing() {
            format!("This run has finished, and nothing is left to do in '{target}'.")
        } else if plan.is_empty() {
            "This run has finished, and nothing is left for it to do.".to_owned()
        } else {
            let report = PlanReport {
                lost_providers: plan_notes::lost_providers(plan),
                names: connected.refresh.known_names.all(),
                ..PlanReport::of(plan, target)
            };
            plan_text(&report, session.data_palette(), session.verbose)
        };
        session.printer.data(text.trim_end());
        if !held.is_empty() {
            session.printer.data(&left_off(target, held));
        }
        if let Some(open) = &found.open {
            session.printer.data(&open.message);
        }
    }
    let failure = found.failure(&connected.refresh.runbook.target.name.value, &arguments);
    close(
        connected,
        &state_file,
        failure.as_ref(),
        plan,
        exit,
        figures.ok(),
    )
    .await?;
    if !held.is_empty() {
        session
            .printer
            .info(&format!("help: {}", held_remedy(&arguments)));
    }
    if let Some(help) = found.open.as_ref().and_then(|open| open.help.as_ref()) {
        session.printer.info(&format!("help: {help}"));
    }
    if !plan.is_empty() {
        let changed = plan.steps.iter().filter(|step| !step.changes.is_empty());
        let mut remedies = String::new();
        for step in changed {
            let remedy = steps::repair_remedy(&arguments, &step.name);
            remedies += &format!("\nhelp: {}: {remedy}", step.name);
        }
        session.printer.info(&format!(
            "This run has finished, and the target has changed since. This command changed nothing.{remedies}"
        ));
    }
    Ok(exit)
}

/// What is not as it should be in the target of a finished run.
struct Found {
    /// What the run would do again.
    plan: Plan,
    /// The flows that are left off for what they name.
    held: Vec<String>,
    /// What can act on the outside world, although nobody allowed it, and which orchestrations do not
    /// work.
    open: Option<Failure>,
}

impl Found {
    fn is_nothing(&self) -> bool {
        self.plan.is_empty() && self.held.is_empty() && self.open.is_none()
    }

    /// All findings as one failure, `None` without a finding. The message is that of the first; the
    /// others are its items. Takes the target's name, and the arguments that name the run's files.
    fn failure(&self, target: &str, arguments: &str) -> Option<Failure> {
        let left = (!self.held.is_empty()).then(|| {
            Failure::failed(left_off(target, &self.held)).with_help(held_remedy(arguments))
        });
        let found = joined(differences(&self.plan, arguments), left);
        joined(found, self.open.clone())
    }
}

/// Closes the state file, and emits the last event.
async fn close(
    connected: &Connected,
    state_file: &OpenStateFile,
    failure: Option<&Failure>,
    plan: &Plan,
    exit: u8,
    figures: Option<Summary>,
) -> Result<(), Failure> {
    let message = failure.map(|failure| failure.message.clone());
    // A process that was killed after the run's last record has left no figures.
    let closed = Closed {
        figures: figures.map(|figures| json!(figures)),
        ..Closed::new("finished", exit, message)
    };
    state_file.journal.append(closed).await?;
    let outcome = failure.map_or("finished", |_| "failed");
    let summary = json!({ "changes": plan.len() });
    let event = run_ended_event(outcome, exit, failure, summary);
    connected.events.emit(event);
    Ok(())
}

/// The flows that keep a target from being as it should be, although the run is done.
fn left_off(target: &str, held: &[String]) -> String {
    let (flows, who) = match held {
        [_] => ("1 cloud flow that should be on is".to_owned(), "it"),
        held => (
            format!("{} cloud flows that should be on are", held.len()),
            "they",
        ),
    };
    format!(
        "{flows} left off in '{target}', because {who} would act on production: {}",
        held.join("; ")
    )
}

/// What differs in the target since the run finished, as a failure with an item for each change. Takes
/// the arguments that name the run's files.
fn differences(plan: &Plan, arguments: &str) -> Option<Failure> {
    let item = |step: &PlannedStep, change: &PlannedChange| Failure {
        location: Some(Box::new(Location {
            step: step.name.clone(),
            phase: change.phase.clone(),
            change: Some(change.key.clone()),
            name: Some(change.name.clone()),
        })),
        ..Failure::failed(format!("to do again: {}", change.name))
            .with_help(steps::repair_remedy(arguments, &step.name))
    };
    let steps = plan.steps.iter();
    let items = steps.flat_map(|step| step.changes.iter().map(move |change| item(step, change)));
    let failures: Vec<Failure> = items.collect();
    let message = format!("{} since it finished", count(plan.len(), "difference"));
    (!failures.is_empty()).then(|| Failure {
        failures,
        ..Failure::failed(message)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_finding_names_a_flow_left_off_and_an_open_surface() {
        let found = Found {
            plan: Plan { steps: Vec::new() },
            held: vec!["'Notify'".to_owned()],
            open: Some(Failure::failed("5 things can act").with_help("verify names them")),
        };
        assert!(!found.is_nothing());
        let failure = found.failure("UAT", "uat.yaml").unwrap();
        for part in ["1 cloud flow", "5 things can act"] {
            assert!(failure.message.contains(part), "{}", failure.message);
        }
        let help = failure.help.unwrap();
        assert!(help.contains("verify names them"), "{help}");
        assert!(
            help.contains("`iomcopy run uat.yaml --only activate-flows`"),
            "{help}"
        );
    }

    #[test]
    fn a_finished_run_whose_target_has_changed_lists_each_difference_as_a_failure() {
        let empty = Plan { steps: Vec::new() };
        assert!(differences(&empty, "uat.yaml").is_none());
        let steps = json!([{ "name": "activate-flows", "changes": [{
            "phase": "turn-on", "key": "flow/1", "kind": "set", "name": "turn on 'A'",
            "before": null, "after": null, "destructive": false, "expected-seconds": 1,
        }] }]);
        let plan = Plan {
            steps: serde_json::from_value(steps).unwrap(),
        };
        let failure = differences(&plan, "uat.yaml").unwrap();
        assert_eq!(failure.message, "1 difference since it finished");
        let items = failure.items();
        assert_eq!(items.len(), 1);
        assert_eq!(items[0].step.as_deref(), Some("activate-flows"));
        assert_eq!(items[0].change.as_deref(), Some("flow/1"));
        assert_eq!(items[0].message, "to do again: turn on 'A'");
        let help = items[0].help.as_deref().unwrap_or_default();
        assert!(
            help.starts_with("`iomcopy run uat.yaml --only activate-flows`"),
            "{help}"
        );
    }
}
