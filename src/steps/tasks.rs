//! The phases of the eight steps that may hand out a manual task, for a shell that completes their
//! names. Persisted names only grow: a phase that is added to a step is added here. The end-to-end
//! test of `--output json` compares this list with the phases of a run.

use std::sync::LazyLock;

use crate::domain::keys::{
    CONTAIN, DISABLE_STEPS, DUAL_WRITE_MAPS, JOBS, QUESTIONS, REFRESH_BY_HAND, TURN_ON, task,
};
use crate::runbook::StepName;

/// The phases that change something, and those that ask a question.
const PHASES: [(StepName, &[&str]); 8] = [
    (
        StepName::CopyEnvironments,
        &[QUESTIONS, "stop-maps", REFRESH_BY_HAND, "copy", "put-back"],
    ),
    (
        StepName::ExitAdministrationMode,
        &[
            "admit",
            DISABLE_STEPS,
            CONTAIN,
            "close",
            "variables",
            JOBS,
            "open",
        ],
    ),
    (
        StepName::ReconfigureConnections,
        &[
            QUESTIONS,
            "connection-references",
            "platform-references",
            "activate-system",
        ],
    ),
    (StepName::ActivateFlows, &[QUESTIONS, "replace", TURN_ON]),
    (StepName::DetachProviderActions, &["stop", "clear"]),
    (
        StepName::ReinstallProviders,
        &[
            "vanished",
            "release",
            "deactivate",
            "delete",
            "leftovers",
            "orphan-flows",
            "install",
            "name",
            "parameters",
            "transformations",
            "mappings",
            "connections",
            "activate-connections",
            "activate",
        ],
    ),
    (
        StepName::RestoreProviderActions,
        &["stop", "restore", "publish-policies", "publish"],
    ),
    (
        StepName::ReconfigureDualWrite,
        &[
            "access",
            "link",
            "health-check",
            "solutions",
            "versions",
            "integration-keys",
            "legal-entities",
            "refresh-tables",
            "filters",
            DUAL_WRITE_MAPS,
        ],
    ),
];

static NAMES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let named = |(step, phases): &(StepName, &[&str])| -> Vec<String> {
        phases.iter().map(|phase| task(*step, phase)).collect()
    };
    PHASES.iter().flat_map(named).collect()
});

/// The names of the manual tasks that the eight steps may hand out: `STEP/PHASE`.
pub fn task_names() -> Vec<&'static str> {
    NAMES.iter().map(String::as_str).collect()
}
