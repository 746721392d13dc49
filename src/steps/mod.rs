//! Verbs: the eight steps, and the kinds of the customer's own.
//!
//! `DEFINITIONS` is the list, in order, on one screen. A step is a file or a directory that opens
//! with a table of its phases: what each reads and changes, and what a resumed run does while an
//! outcome is unknown. In these tables, *the first seal* is `before-copy`, which step 1 makes
//! before the copy; `domain/seals.rs` lists all seals.
//!
//! `own_step_runner` is the list of the kinds of the customer's own steps, which run where the
//! runbook has them. A new kind is one folder here and one line in that list (its options are a
//! file and a line in `runbook/model/own_steps`).
//!
//! `tasks` lists the phases that may hand out a manual task, for shells.
//!
//! No step imports another; what two steps need is in `domain`.

mod activate_flows;
mod command;
mod copy_environments;
mod dataverse_update;
mod detach_provider_actions;
mod exit_administration_mode;
mod guided;
#[cfg(test)]
mod launches_in_doubt;
pub(crate) mod reconfigure_connections;
pub(crate) mod reconfigure_dual_write;
pub(crate) mod reinstall_providers;
mod restore_provider_actions;
mod tasks;

use std::sync::Arc;
use std::time::Duration;

pub use self::reinstall_providers::{
    LibraryDefinition, SEALS_OF_A_REINSTALLATION, library_definitions,
};
pub use self::tasks::task_names;
use async_trait::async_trait;

use crate::domain::RefreshContext;
use crate::domain::own_steps::first_before_opening;
use crate::domain::verdict::Answer;
use crate::engine::{Failure, JournalView, Needs, Phase, Step};
use crate::runbook::{
    Keyword as _, ListedStep, OnFailure, OwnOptions, OwnStep, Runbook, StepName, StepView,
};

/// The eight steps, in order. A new kind of step is one directory and one line here.
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
    /// Does its first phase ask again what `preflight` could not answer?
    has_questions: bool,
    /// Makes the other phases, in order.
    phases: fn(&Arc<RefreshContext>) -> Vec<Phase>,
    /// What a user does about the changes that the step still finds after its run has finished. A
    /// finished run changes nothing, and nobody wants a new copy because somebody turned off a
    /// flow.
    manual_remedy: &'static str,
}

/// Makes the phase that asks again what `preflight` could not answer about a step.
pub type QuestionsPhase = fn(&Arc<RefreshContext>, StepName) -> Phase;

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

/// The steps of this runbook in order, the customer's own too. Takes what makes the phase with the
/// questions of one of the eight.
pub fn all(refresh: &Arc<RefreshContext>, questions: QuestionsPhase) -> Vec<Step> {
    let mut definitions = DEFINITIONS.iter();
    // The customer's own steps so far whose failure stops what comes after them.
    let mut stopping: Vec<String> = Vec::new();
    let mut steps = Vec::new();
    for listed in refresh.runbook.steps.in_order() {
        match listed {
            ListedStep::Standard(step) => steps.extend(
                definitions
                    .next()
                    .map(|definition| definition.step(refresh, step, &stopping, questions)),
            ),
            ListedStep::Own(step) => {
                steps.push(own_step(refresh, step));
                if step.on_failure.value == OnFailure::Stop {
                    stopping.push(step.name.value.clone());
                }
            }
        }
    }
    steps
}

impl StepDefinition {
    /// The step with the options of this runbook. Takes the customer's own steps before it that it
    /// needs.
    fn step(
        &self,
        refresh: &Arc<RefreshContext>,
        step: StepView<'_>,
        own: &[String],
        questions: QuestionsPhase,
    ) -> Step {
        let head = self.has_questions.then(|| questions(refresh, self.name));
        let needs = self.needs.iter().map(|step| step.keyword().to_owned());
        Step {
            name: self.name.keyword().to_owned(),
            needs: Needs::Only(needs.chain(own.iter().cloned()).collect()),
            skip: step.skip.map(|reason| reason.value.clone()),
            attempts: step.common.attempts,
            concurrency: step.common.concurrency,
            timeout: step.common.timeout.unwrap_or(OPERATION_TIMEOUT),
            phases: head.into_iter().chain((self.phases)(refresh)).collect(),
        }
    }
}

/// What the program does for one of the customer's own steps. Each kind implements it in its
/// folder.
#[async_trait]
pub(crate) trait OwnStepRunner: Send + Sync {
    /// Its phases, in order.
    fn phases(&self) -> Vec<Phase>;

    /// Could the step succeed? Answered before the copy, with reads only. A mistake in the runbook
    /// is a failed answer that names its place.
    async fn forecast(&self) -> Result<Answer, Failure>;

    /// What a plan cannot show of the step, if there is something. Takes whether the copy is still to
    /// be made, so that the plan reads the source.
    fn unknown_in_plan(&self, _is_forecast: bool) -> Option<String> {
        None
    }

    /// Is the target as the step leaves it? None if the surveys of its phases already say so.
    async fn verify(&self, _journal: Option<&JournalView>) -> Result<Option<Answer>, Failure> {
        Ok(None)
    }
}

/// The kinds of the customer's own steps. A new kind is one folder and one line here.
pub(crate) fn own_step_runner(
    refresh: &Arc<RefreshContext>,
    step: &OwnStep,
) -> Box<dyn OwnStepRunner> {
    match &step.options {
        OwnOptions::Guided(options) => guided::runner(refresh, step, options),
        OwnOptions::DataverseUpdate(options) => dataverse_update::runner(refresh, step, options),
        OwnOptions::Command(options) => command::runner(refresh, step, options),
    }
}

/// One of the customer's own steps. It needs everything before it: only the customer knows what it
/// relies on. The first one before step 2 begins as step 2 does, because surfaces that act on
/// writes act on its writes too.
fn own_step(refresh: &Arc<RefreshContext>, step: &OwnStep) -> Step {
    let first = first_before_opening(&refresh.runbook);
    let head = first
        .filter(|first| first.name.value == step.name.value)
        .map(|_| exit_administration_mode::before_writes(refresh));
    let own = own_step_runner(refresh, step).phases();
    Step {
        name: step.name.value.clone(),
        needs: Needs::EveryEarlier,
        skip: step.skip.as_ref().map(|reason| reason.value.clone()),
        attempts: step.common.attempts,
        concurrency: step.common.concurrency,
        timeout: step.common.timeout.unwrap_or(OPERATION_TIMEOUT),
        phases: head.into_iter().flatten().chain(own).collect(),
    }
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
