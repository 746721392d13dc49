//! Verbs: the eight standard steps, and the kinds of custom steps, which the customer adds in the
//! runbook.
//!
//! `DEFINITIONS` is the list, in order, on one screen. A step is a file or a directory that opens
//! with a table of its phases: what each reads and changes, and what a resumed run does while an
//! outcome is unknown. In these tables, *the first seal* is `before-copy`, which step 1 makes
//! before the copy; `domain/seals.rs` lists all seals.
//!
//! `custom_step_runner` is the list of the kinds of custom steps, which run where the runbook has
//! them. A new kind of custom step is one directory here and one line in that list (its options are
//! a file and a line in `runbook/model/custom_steps`).
//!
//! No step imports another; what two steps need is in `domain`.
//!
//! ```text
//! copy_environments/          step 1
//! exit_administration_mode/   step 2
//! reconfigure_connections/    step 3
//! activate_flows/             step 4
//! detach_provider_actions.rs  step 5
//! reinstall_providers/        step 6
//! restore_provider_actions/   step 7
//! reconfigure_dual_write/     step 8
//! guided/ dataverse_update/ command/
//!                             the kinds of custom steps
//! tasks.rs                    the phases that may hand out a manual task, for shell completion
//! launches_in_doubt_tests.rs  every kind of launch, with lost responses and outages
//! ```

mod activate_flows;
mod command;
mod copy_environments;
mod dataverse_update;
mod detach_provider_actions;
mod exit_administration_mode;
mod guided;
#[cfg(test)]
mod launches_in_doubt_tests;
pub(crate) mod reconfigure_connections;
pub(crate) mod reconfigure_dual_write;
pub(crate) mod reinstall_providers;
mod restore_provider_actions;
mod tasks;

use std::sync::Arc;
use std::time::Duration;

pub use self::reinstall_providers::{
    LibraryDefinition, SEALS_OF_A_REINSTALLATION, STEPS_OF_A_REINSTALLATION, library_definitions,
};
pub use self::tasks::task_names;
use async_trait::async_trait;

use crate::domain::RefreshContext;
use crate::domain::custom_steps::first_before_opening;
use crate::domain::verdict::Answer;
use crate::engine::{Failure, JournalView, Needs, Phase, Step};
use crate::runbook::{
    CustomStep, CustomStepOptions, Keyword as _, ListedStep, OnFailure, Runbook, StepName, StepView,
};

/// The eight standard steps, in order. A new standard step is one directory and one line here.
const DEFINITIONS: &[StepDefinition] = &[
    copy_environments::DEFINITION,
    exit_administration_mode::DEFINITION,
    reconfigure_connections::DEFINITION,
    activate_flows::DEFINITION,
    detach_provider_actions::DEFINITION,
    reinstall_providers::DEFINITION,
    restore_provider_actions::DEFINITION,
    reconfigure_dual_write::DEFINITION,
];

/// What the program must know about a step to run it. How many changes of a step run at once is in
/// the runbook, which allows only one if order management must not do two things at once.
struct StepDefinition {
    /// Its name in the runbook.
    name: StepName,
    /// The earlier steps that it needs: it does not begin while one of them has failed or was not
    /// begun. A failure of any other step does not stop it.
    needs: &'static [StepName],
    /// Does its first phase repeat the checks that `preflight` left unknown?
    repeats_open_checks: bool,
    /// Makes the other phases, in order.
    phases: fn(&Arc<RefreshContext>) -> Vec<Phase>,
    /// What a user does about the changes that the step still finds after its run has finished. A
    /// finished run changes nothing, and nobody wants a new copy because somebody turned off a
    /// flow.
    manual_remedy: &'static str,
}

/// Makes the phase that repeats the checks of a step that `preflight` left unknown.
pub type OpenChecksPhase = fn(&Arc<RefreshContext>, StepName) -> Phase;

/// How long an operation may take if neither the runbook nor the step sets a timeout.
const OPERATION_TIMEOUT: Duration = Duration::from_hours(2);

/// The names of the eight steps, in order.
pub fn names() -> Vec<&'static str> {
    let names = DEFINITIONS
        .iter()
        .map(|definition| definition.name.keyword());
    names.collect()
}

/// The names of the steps of this runbook, in order.
pub fn names_of(runbook: &Runbook) -> Vec<&str> {
    let steps = runbook.steps.in_order();
    steps.iter().map(ListedStep::name).collect()
}

/// How long the operation with this launch's key takes at most, as a rule; `None` if that is not
/// documented.
pub fn documented_duration(key: &str) -> Option<Duration> {
    copy_environments::documented_duration(key)
}

/// All steps of this runbook in order, standard and custom. `open_checks` makes the phase that
/// repeats the checks of a standard step that `preflight` left unknown.
pub fn all(refresh: &Arc<RefreshContext>, open_checks: OpenChecksPhase) -> Vec<Step> {
    let mut definitions = DEFINITIONS.iter();
    // The custom steps so far whose failure stops everything after them.
    let mut stopping: Vec<String> = Vec::new();
    let mut steps = Vec::new();
    for listed in refresh.runbook.steps.in_order() {
        match listed {
            ListedStep::Standard(step) => steps.extend(
                definitions
                    .next()
                    .map(|definition| definition.step(refresh, step, &stopping, open_checks)),
            ),
            ListedStep::Custom(step) => {
                steps.push(custom_step(refresh, step));
                if step.on_failure.value == OnFailure::Stop {
                    stopping.push(step.name.value.clone());
                }
            }
        }
    }
    steps
}

impl StepDefinition {
    /// The step with the options of this runbook. `stopping` are the custom steps before it that it
    /// needs.
    fn step(
        &self,
        refresh: &Arc<RefreshContext>,
        step: StepView<'_>,
        stopping: &[String],
        open_checks: OpenChecksPhase,
    ) -> Step {
        let head = self
            .repeats_open_checks
            .then(|| open_checks(refresh, self.name));
        let needs = self.needs.iter().map(|step| step.keyword().to_owned());
        Step {
            name: self.name.keyword().to_owned(),
            needs: Needs::Only(needs.chain(stopping.iter().cloned()).collect()),
            skip: step.skip.map(|reason| reason.value.clone()),
            attempts: step.common.attempts,
            concurrency: step.common.concurrency,
            barrier_timeout: step.common.timeout.unwrap_or(OPERATION_TIMEOUT),
            phases: head.into_iter().chain((self.phases)(refresh)).collect(),
        }
    }
}

/// What the program does for a custom step. Each kind implements it in its directory.
#[async_trait]
pub(crate) trait CustomStepRunner: Send + Sync {
    /// Its phases, in order.
    fn phases(&self) -> Vec<Phase>;

    /// Could the step succeed? Answered before the copy, with reads only. A mistake in the runbook
    /// is a failed answer that names its place.
    async fn forecast(&self) -> Result<Answer, Failure>;

    /// What a plan cannot show of the step, if there is something. `is_forecast`: the copy is still
    /// to be made, so the plan reads the source.
    fn unknown_in_plan(&self, _is_forecast: bool) -> Option<String> {
        None
    }

    /// Is the target as the step leaves it? None if the surveys of its phases already say so.
    async fn verify(&self, _journal: Option<&JournalView>) -> Result<Option<Answer>, Failure> {
        Ok(None)
    }
}

/// Makes the runner of a custom step. A new kind of custom step is one directory and one line here.
pub(crate) fn custom_step_runner(
    refresh: &Arc<RefreshContext>,
    step: &CustomStep,
) -> Box<dyn CustomStepRunner> {
    match &step.options {
        CustomStepOptions::Guided(options) => guided::runner(refresh, step, options),
        CustomStepOptions::DataverseUpdate(options) => {
            dataverse_update::runner(refresh, step, options)
        }
        CustomStepOptions::Command(options) => command::runner(refresh, step, options),
    }
}

/// A custom step. It needs everything before it: only the customer knows what it
/// relies on. The first one before step 2 begins as step 2 does, because surfaces that act on
/// writes act on its writes too.
fn custom_step(refresh: &Arc<RefreshContext>, step: &CustomStep) -> Step {
    let first = first_before_opening(&refresh.runbook);
    let head = first
        .filter(|first| first.name.value == step.name.value)
        .map(|_| exit_administration_mode::before_writes(refresh));
    let own = custom_step_runner(refresh, step).phases();
    Step {
        name: step.name.value.clone(),
        needs: Needs::EveryEarlier,
        skip: step.skip.as_ref().map(|reason| reason.value.clone()),
        attempts: step.common.attempts,
        concurrency: step.common.concurrency,
        barrier_timeout: step.common.timeout.unwrap_or(OPERATION_TIMEOUT),
        phases: head.into_iter().flatten().chain(own).collect(),
    }
}

/// What helps about the changes that a step still finds after its run has finished: the repair by the
/// program, and what a person can do instead. Takes the arguments that name the run's files, and the
/// step's name.
pub(crate) fn repair_remedy(arguments: &str, step: &str) -> String {
    let by_hand = manual_remedy(step);
    match repair_command(arguments, step) {
        Some(command) => format!("`{command}` makes these changes; or by hand: {by_hand}"),
        None => by_hand.to_owned(),
    }
}

/// The command that repairs this step of a finished run; `None` for the step that copies, which is
/// never repeated. Takes the arguments that name the run's files, and the step's name.
pub(crate) fn repair_command(arguments: &str, step: &str) -> Option<String> {
    let copies = step == StepName::CopyEnvironments.keyword();
    (!copies).then(|| format!("iomcopy run {arguments} --only {step}"))
}

/// What helps after a run if flows are left off because they would act on production. Takes the
/// arguments that name the run's files.
pub(crate) fn held_remedy(arguments: &str) -> String {
    let step = StepName::ActivateFlows.keyword();
    format!(
        "write what each names under `replace` of {step}, `containment.replace` or \
         `containment.allow`, then `iomcopy run {arguments} --only {step}`; or correct it in the \
         designer and turn it on; or, if it should be off, write the flow under `except`"
    )
}

/// What a user does by hand about the changes that a step still finds after its run has finished.
/// Takes the step's name.
pub(crate) fn manual_remedy(step: &str) -> &'static str {
    DEFINITIONS
        .iter()
        .find(|definition| definition.name.keyword() == step)
        .map_or("make each listed change by hand", |definition| {
            definition.manual_remedy
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_has_every_step_of_the_runbook_in_its_order() {
        let names: Vec<StepName> = DEFINITIONS
            .iter()
            .map(|definition| definition.name)
            .collect();
        assert_eq!(names, StepName::ALL);
    }

    #[test]
    fn a_step_needs_only_earlier_steps_and_all_need_the_copy() {
        let mut after_copy = vec![StepName::CopyEnvironments];
        for (at, definition) in DEFINITIONS.iter().enumerate().skip(1) {
            let earlier: Vec<StepName> = DEFINITIONS[..at].iter().map(|step| step.name).collect();
            let name = definition.name;
            for needed in definition.needs {
                assert!(earlier.contains(needed), "{name:?} needs {needed:?}");
            }
            assert!(
                definition
                    .needs
                    .iter()
                    .any(|needed| after_copy.contains(needed)),
                "{name:?}"
            );
            after_copy.push(name);
        }
    }

    /// Orchestrations are not emptied before what fills them again can begin.
    #[test]
    fn the_step_that_empties_needs_what_the_steps_that_fill_need() {
        let needs = |name: StepName| {
            let definition = DEFINITIONS.iter().find(|found| found.name == name);
            definition.map_or(&[][..], |definition| definition.needs)
        };
        let emptying = StepName::DetachProviderActions;
        for filling in [
            StepName::ReinstallProviders,
            StepName::RestoreProviderActions,
        ] {
            for needed in needs(filling) {
                let is_later = *needed == emptying || *needed == StepName::ReinstallProviders;
                assert!(is_later || needs(emptying).contains(needed), "{needed:?}");
            }
        }
    }

    #[test]
    fn no_manual_remedy_destroys_anything() {
        for step in names().into_iter().chain(["own-step"]) {
            let remedy = manual_remedy(step).to_ascii_lowercase();
            for word in ["--fresh", "--again", "delete", "reset", "reinstall the"] {
                assert!(!remedy.contains(word), "{step}: {remedy}");
            }
        }
    }
}
