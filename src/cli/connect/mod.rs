//! Connects to the services of a runbook, and refuses a target that must not be overwritten.
//!
//! ```text
//! access.rs       addresses, tokens and clock: what every request needs
//! addresses.rs    the address of each service
//! credentials.rs  the identity that signs in to each service
//! rehearsal.rs    the rehearsal tenant in this process, if the program was built with it
//! guards.rs       both environments, and what refuses them
//! sides.rs        the clients of the source and the target
//! state.rs        the remote state: the state file's content in Azure Storage
//! container.rs    a container with the state of many runs, for `fleet`
//! tenant.rs       the environments of a tenant, for `init`
//! ```

mod access;
mod addresses;
mod container;
mod credentials;
mod guards;
mod rehearsal;
mod sides;
mod state;
mod tenant;

use std::collections::BTreeMap;
use std::sync::Arc;

use self::access::Access;
pub(super) use self::container::open_container;
pub(super) use self::guards::{display_name, require_overwritable_kind};
use self::guards::{read_environment, require_overwritable_target};
use self::rehearsal::{RunningTenant, World};
use self::sides::{Sides, connect_sides};
pub(super) use self::state::{open_state_copy, refresh_state, runbook_container, state_is_leased};
pub(super) use self::tenant::{Tenant, connect_tenant};
use super::session::Session;
use crate::base::clock::Clock;
use crate::base::secrets;
use crate::checks;
use crate::clients::{Bap, DualWriteGateway, Lcs, PowerPlatform};
use crate::domain::{
    Caller, ForecastCache, KnownNames, Names, OwnSettings, RefreshContext, Services, Source, Target,
};
use crate::engine::{EventSink, Failure, Step};
use crate::runbook::{Gateway, Runbook, Secret, ServiceKey};
use crate::steps;

/// A runbook with connected services.
pub(super) struct Connected {
    pub(super) refresh: Arc<RefreshContext>,
    /// All steps of this runbook, in order.
    pub(super) steps: Arc<[Step]>,
    /// The program's clock.
    pub(super) clock: Clock,
    pub(super) events: EventSink,
    /// The origin of each service, for the state file.
    pub(super) origins: BTreeMap<String, String>,
    /// The tenant of the target.
    pub(super) tenant: String,
    rehearsal: Option<RunningTenant>,
}

impl Connected {
    /// Stops the rehearsal tenant, if this process started one.
    pub(super) async fn stop(self) {
        if let Some(rehearsal) = self.rehearsal {
            rehearsal.stop().await;
        }
    }
}

/// Connects for a command that emits no events, does its work, and stops the rehearsal tenant also
/// if the work fails.
pub(super) async fn with_services<T>(
    session: &Session,
    runbook: Runbook,
    work: impl AsyncFnOnce(&Connected) -> Result<T, Failure>,
) -> Result<T, Failure> {
    with_own_settings(session, runbook, OwnSettings::default(), work).await
}

/// The same for a command that judges as a run would that has the target's own settings from there.
pub(super) async fn with_own_settings<T>(
    session: &Session,
    runbook: Runbook,
    own_settings: OwnSettings,
    work: impl AsyncFnOnce(&Connected) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let without_listeners = |clock| EventSink::new(clock, Vec::new());
    let connected = connect_services(session, runbook, own_settings, without_listeners).await?;
    let result = work(&connected).await;
    connected.stop().await;
    result
}

/// Connects to the services of a runbook. `own_settings`: where the run has the target's own settings
/// from. `event_sink` creates the event sink once the clock is known.
pub(super) async fn connect_services(
    session: &Session,
    runbook: Runbook,
    own_settings: OwnSettings,
    event_sink: impl FnOnce(Clock) -> EventSink,
) -> Result<Connected, Failure> {
    let access = Access::open(session, &runbook, World::Kept, event_sink).await?;
    register_public_names(&runbook);
    let power_platform = access.service(&runbook, ServiceKey::PowerPlatform, POWER_PLATFORM)?;
    let bap = Bap::new(access.service(&runbook, ServiceKey::Bap, ADMIN_API)?);
    let source = read_environment(&runbook, &bap, &runbook.source).await?;
    let target = read_environment(&runbook, &bap, &runbook.target.environment).await?;
    require_overwritable_target(&runbook, &target)?;
    let sides = connect_sides(&access, &runbook, source, target)?;
    let dual_write = connect_dual_write(&access, &runbook)?;
    let sign_ins = access.credentials.sign_ins(
        &runbook,
        &access.tokens,
        &access.addresses,
        &sides.found_addresses(),
    )?;
    let Sides {
        source,
        target,
        origins,
    } = sides;
    let names = resolve_names(&runbook, &source, &target).await;
    let lcs = connect_lcs(&access, &runbook)?;
    let tenant = target.environment.tenant.clone();
    let tenant = tenant.unwrap_or_else(|| access.credentials.tenant.clone());
    let folder = runbook.folder().to_owned();
    let refresh = Arc::new(RefreshContext {
        source,
        target,
        services: Services {
            power_platform: PowerPlatform::new(power_platform),
            bap,
            lcs,
            dual_write,
        },
        caller: Caller {
            application: access.credentials.application,
            sign_ins,
        },
        names,
        known_names: KnownNames::default(),
        forecast: ForecastCache::default(),
        secrets: Box::new(move |secret: &Secret| {
            secret.read(&folder, &|name| std::env::var_os(name))
        }),
        process_variables: Box::new(|name| std::env::var_os(name)),
        clock: access.clock.clone(),
        own_settings,
        runbook: Arc::new(runbook),
    });
    Ok(Connected {
        steps: steps::all(&refresh, checks::open_checks_phase).into(),
        refresh,
        clock: access.clock,
        events: access.events,
        origins,
        tenant,
        rehearsal: access.rehearsal,
    })
}

/// The services' names in messages.
const POWER_PLATFORM: &str = "the Power Platform API";
const ADMIN_API: &str = "the Power Platform admin API";

/// Marks the runbook's own names and ids as public, also where a parameter has the same value.
fn register_public_names(runbook: &Runbook) {
    let ids = [runbook.source.value, runbook.target.environment.value];
    for id in ids {
        secrets::register_public(&id.to_string());
    }
    secrets::register_public(&runbook.target.name.value);
    secrets::register_public(&runbook.name.value);
}

/// Resolves IOM's names in the source's metadata. After the copy both environments have the same
/// tables, so the target's metadata serves if the source cannot be read.
async fn resolve_names(runbook: &Runbook, source: &Source, target: &Target) -> Names {
    match Names::resolve(&source.dataverse, &runbook.iom).await {
        Ok(names) => names,
        Err(failure) => Names::resolve(&target.dataverse, &runbook.iom)
            .await
            .unwrap_or_else(|_| Names::unchecked(&runbook.iom))
            .without_source(failure),
    }
}

fn connect_lcs(access: &Access, runbook: &Runbook) -> Result<Option<Lcs>, Failure> {
    let Some(lcs) = &runbook.lcs else {
        return Ok(None);
    };
    let service = access.service(runbook, ServiceKey::Lcs, "Lifecycle Services")?;
    Ok(Some(Lcs::new(service, lcs.project.value)))
}

/// The dual-write gateway, only if the runbook acknowledges that Microsoft does not support it.
fn connect_dual_write(
    access: &Access,
    runbook: &Runbook,
) -> Result<Option<DualWriteGateway>, Failure> {
    let step = &runbook.steps.reconfigure_dual_write;
    let is_acknowledged = matches!(step.options.gateway.value, Gateway::AcknowledgedBy(_));
    if !is_acknowledged || step.skip.is_some() {
        return Ok(None);
    }
    let service = access.service(runbook, ServiceKey::DualWrite, "the dual-write gateway")?;
    Ok(Some(DualWriteGateway::new(service)?))
}
