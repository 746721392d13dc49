//! The eight steps, and what is common to them.

use std::time::Duration;

use serde::{Serialize, Serializer};

use super::options::{
    ActivateFlows, CopyEnvironments, DetachProviderActions, ExitAdministrationMode,
    ReconfigureConnections, ReconfigureDualWrite, ReinstallProviders, RestoreProviderActions,
};
use super::words::words;
use crate::runbook::source::{Located, Span};

words! {
    /// A step by its name in the runbook, in the order in which steps run.
    pub enum StepName {
        /// Step 1: what the copy will destroy is captured; then Finance and Operations and Dataverse
        /// are copied onto the target.
        CopyEnvironments = "copy-environments",
        /// Step 2: what must not run is taken out; then administration mode is left and background
        /// operations are turned on.
        ExitAdministrationMode = "exit-administration-mode",
        /// Step 3: every connection reference is wired to a connection of the target and owned by
        /// the right user; then *Activate system*.
        ReconfigureConnections = "reconfigure-connections",
        /// Step 4: the cloud flows that should be on are turned on, children first.
        ActivateFlows = "activate-flows",
        /// Step 5: every provider action of every orchestration is recorded durably, then removed.
        DetachProviderActions = "detach-provider-actions",
        /// Step 6: the installed providers are deleted and installed again from the library.
        ReinstallProviders = "reinstall-providers",
        /// Step 7: the new actions are put where the old ones were, and what was published is
        /// published again.
        RestoreProviderActions = "restore-provider-actions",
        /// Step 8: where dual-write was in use, it is linked again and its maps are running again.
        ReconfigureDualWrite = "reconfigure-dual-write",
    }
}

impl StepName {
    /// Whether one change follows the other, always: so where providers are reinstalled and
    /// orchestrations published.
    pub(in crate::runbook) fn is_one_by_one(self) -> bool {
        matches!(
            self,
            Self::ReinstallProviders | Self::RestoreProviderActions
        )
    }
}

/// The eight steps.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Steps {
    /// Step 1.
    pub copy_environments: Step<CopyEnvironments>,
    /// Step 2.
    pub exit_administration_mode: Step<ExitAdministrationMode>,
    /// Step 3.
    pub reconfigure_connections: Step<ReconfigureConnections>,
    /// Step 4.
    pub activate_flows: Step<ActivateFlows>,
    /// Step 5.
    pub detach_provider_actions: Step<DetachProviderActions>,
    /// Step 6.
    pub reinstall_providers: Step<ReinstallProviders>,
    /// Step 7.
    pub restore_provider_actions: Step<RestoreProviderActions>,
    /// Step 8.
    pub reconfigure_dual_write: Step<ReconfigureDualWrite>,
}

/// What every step has, whatever its options are.
#[derive(Debug, Clone, Copy)]
pub struct StepView<'a> {
    /// Which step.
    pub name: StepName,
    /// Where its name stands.
    pub span: Span,
    /// Why it is skipped, if it is.
    pub skip: Option<&'a Located<String>>,
    /// What is common to all steps.
    pub common: &'a Common,
}

impl Steps {
    /// The eight in their order, without their options.
    pub fn each(&self) -> [StepView<'_>; 8] {
        [
            self.copy_environments.view(StepName::CopyEnvironments),
            self.exit_administration_mode
                .view(StepName::ExitAdministrationMode),
            self.reconfigure_connections
                .view(StepName::ReconfigureConnections),
            self.activate_flows.view(StepName::ActivateFlows),
            self.detach_provider_actions
                .view(StepName::DetachProviderActions),
            self.reinstall_providers.view(StepName::ReinstallProviders),
            self.restore_provider_actions
                .view(StepName::RestoreProviderActions),
            self.reconfigure_dual_write
                .view(StepName::ReconfigureDualWrite),
        ]
    }
}

/// A step with its options.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Step<T> {
    /// Where its name stands; the place of what is not written.
    #[serde(skip)]
    pub span: Span,
    /// Why it is skipped, if it is.
    pub skip: Option<Located<String>>,
    /// What is common to all steps.
    pub common: Common,
    /// What only this step has.
    pub options: T,
}

impl<T> Step<T> {
    fn view(&self, name: StepName) -> StepView<'_> {
        StepView {
            name,
            span: self.span,
            skip: self.skip.as_ref(),
            common: &self.common,
        }
    }
}

/// What is common to all steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Common {
    /// How long an operation at the service may last, in the program's time; the step's own limit
    /// where it is not written.
    #[serde(serialize_with = "in_seconds")]
    pub timeout: Option<Duration>,
    /// How many passes a phase gets: 3.
    pub attempts: u32,
    /// How many changes run at once: 4, in steps 6 and 7 always 1.
    pub concurrency: usize,
}

#[expect(clippy::ref_option, reason = "serde gives the field by reference")]
fn in_seconds<S: Serializer>(
    duration: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    duration
        .map(|duration| duration.as_secs_f64())
        .serialize(serializer)
}
