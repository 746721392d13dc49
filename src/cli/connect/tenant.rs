//! The environments of a tenant, before a runbook names two of them. Sends only reads.

use uuid::Uuid;

use super::access::Access;
use super::rehearsal::World;
use super::sides::dataverse_url;
use super::{ADMIN_API, POWER_PLATFORM, display_name};
use crate::cli::session::Session;
use crate::clients::{Bap, Connection, Dataverse, Environment, PowerPlatform, ServiceEndpoint};
use crate::engine::{EventSink, Failure};
use crate::runbook::{Runbook, ServiceKey};

/// A tenant with a connected admin API.
pub(in crate::cli) struct Tenant {
    access: Access,
    runbook: Runbook,
    bap: Bap,
}

/// Connects to the admin API with the runbook's identity. The environments in the runbook are
/// ignored.
pub(in crate::cli) async fn connect_tenant(
    session: &Session,
    runbook: Runbook,
) -> Result<Tenant, Failure> {
    let without_listeners = |clock| EventSink::new(clock, Vec::new());
    let access = Access::open(session, &runbook, World::Temporary, without_listeners).await?;
    let bap = Bap::new(access.service(&runbook, ServiceKey::Bap, ADMIN_API)?);
    Ok(Tenant {
        access,
        runbook,
        bap,
    })
}

impl Tenant {
    /// Every environment that the caller can see.
    pub(in crate::cli) async fn environments(&self) -> Result<Vec<Environment>, Failure> {
        Ok(self.bap.environments().await?)
    }

    /// The Dataverse of an environment, read with the credential for the target's; `None` if it has
    /// none.
    pub(in crate::cli) fn dataverse(
        &self,
        environment: &Environment,
    ) -> Result<Option<Dataverse>, Failure> {
        let Some(url) = dataverse_url(environment) else {
            return Ok(None);
        };
        let key = ServiceKey::DataverseTarget;
        let name = format!("Dataverse of {}", display_name(environment));
        let endpoint = ServiceEndpoint::with_own_scope(url);
        let service = self
            .access
            .service_at(&self.runbook, key, &name, &endpoint)?;
        Ok(Some(Dataverse::new(service)))
    }

    /// The connections of an environment that the caller can see.
    pub(in crate::cli) async fn connections(
        &self,
        environment: Uuid,
    ) -> Result<Vec<Connection>, Failure> {
        let key = ServiceKey::PowerPlatform;
        let service = self.access.service(&self.runbook, key, POWER_PLATFORM)?;
        Ok(PowerPlatform::new(service).connections(environment).await?)
    }

    /// Stops the rehearsal tenant, if this process started one.
    pub(in crate::cli) async fn stop(self) {
        if let Some(rehearsal) = self.access.rehearsal {
            rehearsal.stop().await;
        }
    }
}
