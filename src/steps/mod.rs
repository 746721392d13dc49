//! Verbs: the eight steps.
//!
//! `DEFINITIONS` is the list, in order, on one screen. A step is a file or a directory that opens
//! with a table of its phases: what each reads and changes, and what a resumed run does while an
//! outcome is unknown. In these tables, *the first seal* is `before-copy`, which step 1 makes
//! before the copy; `domain/seals.rs` lists all seals.
//!
//! No step imports another; what two steps need is in `domain`.

mod activate_flows;
mod copy_environments;
mod detach_provider_actions;
mod exit_administration_mode;
#[cfg(test)]
mod launches_in_doubt;
pub(crate) mod reconfigure_connections;
pub(crate) mod reconfigure_dual_write;
pub(crate) mod reinstall_providers;
mod restore_provider_actions;

use std::sync::Arc;
use std::time::Duration;

pub use self::reinstall_providers::{SEALS_OF_A_REINSTALLATION, installed_definitions};
use crate::domain::RefreshContext;
use crate::engine::{Phase, Step};
use crate::runbook::{StepName, Word as _};

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
/// the runbook, which allows only one where order management must not do two things at once.
struct StepDefinition {
    /// Its name in the runbook.
    name: StepName,
    /// Does its first phase ask again what `preflight` could not answer?
    has_questions: bool,
    /// Makes the other phases, in order.
    phases: fn(&Arc<RefreshContext>) -> Vec<Phase>,
    /// What a user does about the changes that the step still finds after its run has finished. A
    /// finished run changes nothing, and a new copy would be out of proportion to a flow that
    /// somebody turned off.
    manual_remedy: &'static str,
}

/// Makes the phase that asks again what `preflight` could not answer about a step.
pub type QuestionsPhase = fn(&Arc<RefreshContext>, StepName) -> Phase;

/// How long an operation may take where neither the runbook nor the step sets a timeout.
const OPERATION_TIMEOUT: Duration = Duration::from_hours(2);

/// The names of the eight steps, in order.
pub fn names() -> Vec<&'static str> {
    let names = DEFINITIONS.iter().map(|definition| definition.name.word());
    names.collect()
}

/// The eight steps in order, with the options of this runbook. Takes what makes the phase with
/// their questions.
pub fn all(refresh: &Arc<RefreshContext>, questions: QuestionsPhase) -> Vec<Step> {
    std::iter::zip(DEFINITIONS, refresh.runbook.steps.each())
        .map(|(definition, step)| {
            let head = definition
                .has_questions
                .then(|| questions(refresh, definition.name));
            Step {
                name: definition.name.word(),
                skip: step.skip.map(|reason| reason.value.clone()),
                attempts: step.common.attempts,
                concurrency: step.common.concurrency,
                timeout: step.common.timeout.unwrap_or(OPERATION_TIMEOUT),
                phases: head
                    .into_iter()
                    .chain((definition.phases)(refresh))
                    .collect(),
            }
        })
        .collect()
}

/// What a user does by hand about the changes that a step still finds after its run has finished.
/// Takes the step's name.
pub(crate) fn manual_remedy(step: &str) -> &'static str {
    DEFINITIONS
        .iter()
        .find(|definition| definition.name.word() == step)
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
    fn no_manual_remedy_destroys_anything() {
        for step in names().into_iter().chain(["own-step"]) {
            let remedy = manual_remedy(step).to_ascii_lowercase();
            for word in ["--fresh", "--again", "delete", "reset", "reinstall the"] {
                assert!(!remedy.contains(word), "{step}: {remedy}");
            }
        }
    }
}
