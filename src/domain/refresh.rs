//! What every step is given: the runbook, both environments and the services.

use std::ffi::OsString;
use std::sync::Arc;

use secrecy::{ExposeSecret as _, SecretString};
use uuid::Uuid;

use crate::base::clock::Clock;
use crate::clients::{
    Bap, Dataverse, DataverseWriter, DualWriteGateway, Environment, FinanceOperations,
    FinanceOperationsWriter, Lcs, PowerPlatform, SignIn,
};
use crate::engine::{Failure, FailureKind, JournalView};
use crate::runbook::{Runbook, Secret, SecretError, ServiceKey};

use super::environments::copy_key;
use super::known_names::KnownNames;
use super::names::Names;
use super::own_settings::OwnSettings;
use super::view::{ForecastCache, View};

/// One refresh: the runbook, both environments, and the services that act on them.
pub struct RefreshContext {
    /// What the user wants.
    pub runbook: Arc<Runbook>,
    /// The environment that is copied.
    pub source: Source,
    /// The environment that the copy replaces.
    pub target: Target,
    /// The services that act on environments.
    pub services: Services,
    /// The identity that the program signs in with.
    pub caller: Caller,
    /// IOM's names, as the source's metadata shows them: the copy brings them to the target.
    pub names: Names,
    /// The names of the owners that surveys have met.
    pub known_names: KnownNames,
    /// The source's rows, read once for a forecast.
    pub forecast: ForecastCache,
    /// Reads a secret from where the runbook says it is; only `cli` reads the process environment.
    pub secrets: Secrets,
    /// Reads a variable of the process environment that is not a secret.
    pub process_variables: ProcessVariables,
    /// The program's clock, to measure durations.
    pub clock: Clock,
    /// Where the run has the target's own settings from, if another copy has replaced them.
    pub own_settings: OwnSettings,
}

/// The source, through types that have no method that writes.
pub struct Source {
    /// Its Dataverse.
    pub dataverse: Dataverse,
    /// Its Finance and Operations, if one is linked.
    pub finance: Option<FinanceOperations>,
    /// The environment as the admin API described it when the program connected.
    pub environment: Environment,
}

/// The target.
pub struct Target {
    /// Its Dataverse.
    pub dataverse: DataverseWriter,
    /// Its Finance and Operations, if one is linked.
    pub finance: Option<FinanceOperationsWriter>,
    /// The environment as the admin API described it when the program connected.
    pub environment: Environment,
}

/// The services that act on environments.
pub struct Services {
    /// The Power Platform API.
    pub power_platform: PowerPlatform,
    /// The older admin API: administration mode, lifecycle operations, environment details.
    pub bap: Bap,
    /// The project of Lifecycle Services, if the runbook has an `lcs` section.
    pub lcs: Option<Lcs>,
    /// The dual-write gateway of the target, only if the runbook acknowledges that Microsoft
    /// does not support it.
    pub dual_write: Option<DualWriteGateway>,
}

/// The identity that the program signs in with.
pub struct Caller {
    /// The application id, if it is an application.
    pub application: Option<String>,
    /// How the program signs in to each service that the runbook uses.
    pub sign_ins: Vec<(ServiceKey, SignIn)>,
}

/// Reads a secret from where it is kept.
pub type Secrets = Box<dyn Fn(&Secret) -> Result<SecretString, SecretError> + Send + Sync>;

/// Reads a variable of the process environment.
pub type ProcessVariables = Box<dyn Fn(&str) -> Option<OsString> + Send + Sync>;

impl RefreshContext {
    /// The text of a secret.
    pub(crate) fn secret(&self, secret: &Secret) -> Result<String, Failure> {
        (self.secrets)(secret)
            .map(|text| text.expose_secret().to_owned())
            .map_err(|error| {
                let failure = Failure::new(FailureKind::InvalidInput, error.to_string());
                match error.help() {
                    Some(help) => failure.with_help(help),
                    None => failure,
                }
            })
    }

    /// The target environment's id.
    pub fn target_id(&self) -> Uuid {
        self.runbook.target.environment.value
    }

    /// The target's rows as they are, or, before the copy, as the copy will leave them.
    pub(crate) fn view(&self, journal: &JournalView) -> View<'_> {
        let copied = self.runbook.steps.copy_environments.is_skipped()
            || journal.is_launch_proved(&copy_key(self));
        if copied {
            View::AsIs(&self.target.dataverse)
        } else {
            View::AfterCopy(self)
        }
    }
}
