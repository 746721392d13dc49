//! What every step is given.

use std::sync::Arc;

use secrecy::{ExposeSecret as _, SecretString};
use uuid::Uuid;

use crate::base::clock::Clock;
use crate::clients::{
    Bap, Dataverse, DataverseWriter, DualWriteGateway, Environment, FinanceOperations,
    FinanceOperationsWriter, Lcs, PowerPlatform, SignIn,
};
use crate::engine::{Failure, FailureKind, Known};
use crate::runbook::{Runbook, Secret, SecretError, ServiceKey};

use super::environments::copy_key;
use super::names::Names;
use super::view::{Forecast, View};

/// One refresh: the runbook, the clients that speak to its services, and both environments as
/// they were read when the program connected. The source is reached through a type that has no
/// method that writes.
pub struct Refresh {
    /// What was asked for.
    pub runbook: Arc<Runbook>,
    /// The Power Platform API.
    pub power_platform: PowerPlatform,
    /// The older admin API: administration mode, lifecycle operations, environment details.
    pub bap: Bap,
    /// The source's Dataverse: reads only.
    pub source: Dataverse,
    /// The target's Dataverse.
    pub target: DataverseWriter,
    /// The source's Finance and Operations, where one is linked: reads only.
    pub source_finance: Option<FinanceOperations>,
    /// The target's Finance and Operations, where one is linked.
    pub target_finance: Option<FinanceOperationsWriter>,
    /// The dual-write gateway of the target, where the runbook acknowledges that Microsoft does not
    /// support it; else it is never asked.
    pub dual_write: Option<DualWriteGateway>,
    /// The project of Lifecycle Services, where the runbook has an `lcs` section.
    pub lcs: Option<Lcs>,
    /// The source environment as the admin API describes it.
    pub source_environment: Environment,
    /// The target environment as the admin API described it before anything was done.
    pub target_environment: Environment,
    /// IOM's names, as the source's metadata shows them: the copy brings them to the target.
    pub names: Names,
    /// The source's rows, read once for a forecast.
    pub forecast: Forecast,
    /// Reads a secret from where the runbook says it is; the environment is read by `cli` alone.
    pub secrets: Secrets,
    /// The program's clock, for how long something has been so.
    pub clock: Clock,
    /// The application id that the program signs in with, where it is an application.
    pub application: Option<String>,
    /// Does the operator accept that an unfinished run has left traces in the target, so that what
    /// the target had before it is lost or comes from a copy of a seal?
    pub accepts_traces: bool,
    /// How each service is signed in to that the runbook speaks to.
    pub sign_ins: Vec<(ServiceKey, SignIn)>,
}

/// Reads a secret from where it is kept.
pub type Secrets = Box<dyn Fn(&Secret) -> Result<SecretString, SecretError> + Send + Sync>;

impl Refresh {
    /// The text of a secret.
    pub(crate) fn secret(&self, secret: &Secret) -> Result<String, Failure> {
        (self.secrets)(secret)
            .map(|text| text.expose_secret().to_owned())
            .map_err(|error| Failure::new(FailureKind::Wrong, error.to_string()))
    }

    /// The target environment's id.
    pub fn target_id(&self) -> Uuid {
        self.runbook.target.environment.value
    }

    /// The target's rows as they are, or, before the copy, as the copy will leave them.
    pub(crate) fn view(&self, known: &Known) -> View<'_> {
        let copied = self.runbook.steps.copy_environments.skip.is_some()
            || known.launch_proved(&copy_key(self));
        if copied {
            View::Target(&self.target)
        } else {
            View::AfterCopy(self)
        }
    }
}
