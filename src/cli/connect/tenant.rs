//! The environments of a tenant, before a runbook names two of them. Sends nothing but reads.

use uuid::Uuid;

use super::{Reached, reach, shown};
use crate::cli::session::Session;
use crate::clients::{Bap, Connection, Dataverse, Endpoint, Environment, PowerPlatform, Service};
use crate::engine::{Failure, Narrator};
use crate::runbook::{Runbook, ServiceKey};

/// A tenant that is signed in to.
pub(in crate::cli) struct Tenant {
    reached: Reached,
    runbook: Runbook,
    bap: Bap,
}

/// Signs in as a runbook says, and reaches no more than the admin API. What the runbook says of its
/// environments is not looked at.
pub(in crate::cli) async fn tenant(session: &Session, runbook: Runbook) -> Result<Tenant, Failure> {
    let reached = reach(session, &runbook, |clock| Narrator::new(clock, Vec::new())).await?;
    let service = Service::new(
        &reached.tokens,
        &reached.signing.identity(&runbook, ServiceKey::Bap)?,
        reached.addresses.of(ServiceKey::Bap)?,
        "the Power Platform admin API",
    )?;
    Ok(Tenant {
        reached,
        runbook,
        bap: Bap::new(service),
    })
}

impl Tenant {
    /// Every environment that the caller may see.
    pub(in crate::cli) async fn environments(&self) -> Result<Vec<Environment>, Failure> {
        Ok(self.bap.environments().await?)
    }

    /// An environment's Dataverse, read as the target's; none where it has none.
    pub(in crate::cli) fn dataverse(
        &self,
        environment: &Environment,
    ) -> Result<Option<Dataverse>, Failure> {
        let url = environment
            .dataverse
            .as_ref()
            .and_then(|it| it.url.as_ref());
        let Some(url) = url else { return Ok(None) };
        let service = Service::new(
            &self.reached.tokens,
            &self
                .reached
                .signing
                .identity(&self.runbook, ServiceKey::DataverseTarget)?,
            &Endpoint::own(url),
            format!("Dataverse of {}", shown(environment)),
        )?;
        Ok(Some(Dataverse::new(service)))
    }

    /// The connections of an environment that the caller may see.
    pub(in crate::cli) async fn connections(
        &self,
        environment: Uuid,
    ) -> Result<Vec<Connection>, Failure> {
        let key = ServiceKey::PowerPlatform;
        let service = Service::new(
            &self.reached.tokens,
            &self.reached.signing.identity(&self.runbook, key)?,
            self.reached.addresses.of(key)?,
            "the Power Platform API",
        )?;
        Ok(PowerPlatform::new(service).connections(environment).await?)
    }

    /// Ends the rehearsal tenant, if this call began one.
    pub(in crate::cli) async fn stop(self) {
        if let Some(rehearsal) = self.reached.rehearsal {
            rehearsal.stop().await;
        }
    }
}
