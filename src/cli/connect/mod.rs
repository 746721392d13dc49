//! The runbook's services, reached: the rehearsal tenant where one is wanted, one HTTP client, a
//! credential for each service, and both environments as the admin API describes them. Guards that
//! need no more than these descriptions stand here.
//!
//! - `tenant`: the environments of a tenant, before a runbook names two of them.
//! - `addresses`: where each service is.
//! - `signing`: who signs in to each.
//! - `guards`: the environments, and what refuses them.

mod addresses;
mod guards;
mod signing;
mod tenant;

use std::collections::BTreeMap;
use std::sync::Arc;

use self::addresses::{Addresses, addresses};
use self::guards::{dataverse_address, environment, guard};
pub(super) use self::guards::{require_sandbox, shown};
use self::signing::Signing;
pub(super) use self::tenant::{Tenant, tenant};
use super::session::Session;
use crate::base::clock::Clock;
use crate::base::secrets;
use crate::clients::{
    Bap, Dataverse, DataverseWriter, DualWriteGateway, Endpoint, Environment, FinanceOperations,
    FinanceOperationsWriter, Http, Identity, Lcs, Observer, PowerPlatform, Service, Tokens, Wait,
};
use crate::domain::{Forecast, Names, Refresh};
use crate::engine::{EventKind, Failure, Narrator};
use crate::rehearsal::{self, DualWrite, Management, Rehearsal, Variant};
use crate::runbook::{Cloud, Gateway, Runbook, Secret, ServiceKey};

/// A runbook whose services are reached.
pub(super) struct Connected {
    /// What the steps are given.
    pub(super) refresh: Arc<Refresh>,
    /// The program's clock.
    pub(super) clock: Clock,
    /// Who hears events.
    pub(super) narrator: Narrator,
    /// Each service's origin, for the state file.
    pub(super) origins: BTreeMap<String, String>,
    /// The tenant that is signed in to.
    pub(super) tenant: String,
    rehearsal: Option<Rehearsal>,
}

impl Connected {
    /// Ends the rehearsal tenant, if this call began one.
    pub(super) async fn stop(self) {
        if let Some(rehearsal) = self.rehearsal {
            rehearsal.stop().await;
        }
    }
}

/// Tells the narrator of each wait of the HTTP chain.
struct Waits(Narrator);

impl Observer for Waits {
    fn waiting(&self, wait: &Wait) {
        self.0.tell(EventKind::Waiting {
            service: wait.service.clone(),
            reason: wait.message.clone(),
            seconds: wait.duration.as_secs_f64(),
            attempt: wait.attempt,
        });
    }
}

/// What is known and begun before any service is asked.
struct Reached {
    rehearsal: Option<Rehearsal>,
    addresses: Addresses,
    clock: Clock,
    narrator: Narrator,
    tokens: Tokens,
    signing: Signing,
}

/// Begins the rehearsal tenant where one is wanted, and says where the services are and who signs
/// in to them. Takes what makes the narrator, once the clock is known.
async fn reach(
    session: &Session,
    runbook: &Runbook,
    narrator: impl FnOnce(Clock) -> Narrator,
) -> Result<Reached, Failure> {
    let rehearsal = begin_rehearsal(runbook).await?;
    let addresses = addresses(runbook, rehearsal.as_ref().map(Rehearsal::endpoints))?;
    let clock = Clock::new(addresses.speed);
    let narrator = narrator(clock.clone());
    let waits = Arc::new(Waits(narrator.clone()));
    let http = Http::new(clock.clone(), waits, session.cancellation.clone())?;
    let tokens = Tokens::new(&http, &addresses.authority)?;
    let signing = Signing::of(runbook);
    Ok(Reached {
        rehearsal,
        addresses,
        clock,
        narrator,
        tokens,
        signing,
    })
}

/// What the runbook itself says is no secret, also where a parameter holds the same.
fn publish(runbook: &Runbook) {
    let ids = [runbook.source.value, runbook.target.environment.value];
    for id in ids {
        secrets::public(&id.to_string());
    }
    secrets::public(&runbook.target.name.value);
    secrets::public(&runbook.name.value);
}

/// Reaches the services of a runbook. Takes what makes the narrator, once the clock is known.
pub(super) async fn connect(
    session: &Session,
    runbook: Runbook,
    narrator: impl FnOnce(Clock) -> Narrator,
) -> Result<Connected, Failure> {
    let Reached {
        rehearsal,
        addresses,
        clock,
        narrator,
        tokens,
        signing,
    } = reach(session, &runbook, narrator).await?;
    publish(&runbook);
    let service = |key: ServiceKey, name: &str, endpoint: &Endpoint| -> Result<Service, Failure> {
        Ok(Service::new(
            &tokens,
            &signing.identity(&runbook, key)?,
            endpoint,
            name,
        )?)
    };
    let fixed = |key: ServiceKey, name: &str| -> Result<Service, Failure> {
        service(key, name, addresses.of(key)?)
    };
    let power_platform =
        PowerPlatform::new(fixed(ServiceKey::PowerPlatform, "the Power Platform API")?);
    let bap = Bap::new(fixed(ServiceKey::Bap, "the Power Platform admin API")?);

    let source = environment(&runbook, &bap, runbook.source.value, runbook.source.span).await?;
    let target = environment(
        &runbook,
        &bap,
        runbook.target.environment.value,
        runbook.target.environment.span,
    )
    .await?;
    guard(&runbook, &target)?;
    let mut origins: BTreeMap<String, String> = addresses
        .services
        .iter()
        .map(|(key, endpoint)| (key.to_string(), endpoint.url.clone()))
        .collect();
    let mut dataverse = |key: ServiceKey, side: &Environment| -> Result<Service, Failure> {
        let address = dataverse_address(&runbook, key, side)?;
        let service = service(
            key,
            &format!("Dataverse of {}", shown(side)),
            &Endpoint::own(&address),
        )?;
        origins.insert(key.to_string(), service.origin().to_string());
        Ok(service)
    };
    let source_service = dataverse(ServiceKey::DataverseSource, &source)?;
    let target_service = dataverse(ServiceKey::DataverseTarget, &target)?;
    let finance = |side: &Environment| -> Result<Option<Service>, Failure> {
        let url = side
            .finance_operations
            .as_ref()
            .and_then(|app| app.url.as_deref());
        let Some(url) = url else { return Ok(None) };
        let name = format!("Finance and Operations of {}", shown(side));
        service(ServiceKey::Finops, &name, &Endpoint::own(url)).map(Some)
    };
    // The source's Finance and Operations is only asked whether it answers; a token that was given
    // for the target's would be refused there.
    let is_given = matches!(
        signing.identity(&runbook, ServiceKey::Finops)?,
        Identity::Token(_)
    );
    let source_finance = if is_given { None } else { finance(&source)? };
    let source_finance = source_finance.map(FinanceOperations::new);
    let target_finance = finance(&target)?.map(FinanceOperationsWriter::new);
    let dual_write = gateway(&runbook, || {
        fixed(ServiceKey::DualWrite, "the dual-write gateway")
    })?;
    let found = [
        (
            ServiceKey::DataverseSource,
            source.dataverse.as_ref().and_then(|it| it.url.as_deref()),
        ),
        (
            ServiceKey::DataverseTarget,
            target.dataverse.as_ref().and_then(|it| it.url.as_deref()),
        ),
        (
            ServiceKey::Finops,
            target
                .finance_operations
                .as_ref()
                .and_then(|it| it.url.as_deref()),
        ),
    ];
    let sign_ins = signing.sign_ins(&runbook, &tokens, &addresses, &found)?;
    let tenant = target
        .tenant
        .clone()
        .unwrap_or_else(|| signing.tenant.clone());
    let folder = runbook.folder().to_owned();
    let source_dataverse = Dataverse::new(source_service);
    // After the copy both have the same tables, so either can tell the names.
    let target_dataverse = DataverseWriter::new(target_service);
    let names = match Names::resolve(&source_dataverse, &runbook.iom).await {
        Ok(names) => names,
        Err(failure) => Names::resolve(&target_dataverse, &runbook.iom)
            .await
            .unwrap_or_else(|_| Names::unchecked(&runbook.iom))
            .without_source(failure),
    };
    let lcs = match &runbook.lcs {
        Some(lcs) => {
            let service = fixed(ServiceKey::Lcs, "Lifecycle Services")?;
            Some(Lcs::new(service, lcs.project.value))
        }
        None => None,
    };
    let refresh = Refresh {
        power_platform,
        bap,
        names,
        forecast: Forecast::default(),
        source: source_dataverse,
        target: target_dataverse,
        source_finance,
        target_finance,
        dual_write,
        lcs,
        clock: clock.clone(),
        source_environment: source,
        target_environment: target,
        secrets: Box::new(move |secret: &Secret| {
            secret.read(&folder, &|name| std::env::var_os(name))
        }),
        application: signing.application,
        accepts_traces: false,
        sign_ins,
        runbook: Arc::new(runbook),
    };
    Ok(Connected {
        refresh: Arc::new(refresh),
        clock,
        narrator,
        origins,
        tenant,
        rehearsal,
    })
}

/// The dual-write gateway, only where the runbook acknowledges that Microsoft does not support it.
fn gateway(
    runbook: &Runbook,
    service: impl FnOnce() -> Result<Service, Failure>,
) -> Result<Option<DualWriteGateway>, Failure> {
    let step = &runbook.steps.reconfigure_dual_write;
    let is_acknowledged = matches!(step.options.gateway.value, Gateway::AcknowledgedBy(_));
    if !is_acknowledged || step.skip.is_some() {
        return Ok(None);
    }
    Ok(Some(DualWriteGateway::new(service()?)?))
}

/// Begins the rehearsal tenant in this process, where the runbook wants one and names none.
async fn begin_rehearsal(runbook: &Runbook) -> Result<Option<Rehearsal>, Failure> {
    let elsewhere = runbook
        .endpoints
        .services
        .contains_key(&ServiceKey::Authority);
    if runbook.cloud.value != Cloud::Rehearsal || elsewhere {
        return Ok(None);
    }
    let options = rehearsal::Options {
        world: runbook
            .file()
            .with_file_name(format!("{}.world.jsonl", runbook.name.value)),
        speed: runbook
            .endpoints
            .speed
            .as_ref()
            .map_or(1000.0, |speed| speed.value),
        faults: Vec::new(),
        seed: rehearsal::Seed::default(),
        skin: rehearsal::Skin::Usual,
        variant: variant(runbook),
        tls: false,
    };
    // Each of its errors says what to do.
    Rehearsal::start(options)
        .await
        .map(Some)
        .map_err(|error| Failure::failed(format!("the rehearsal tenant cannot begin: {error}")))
}

/// The kind of tenant that the runbook describes: with an `lcs` section one that Lifecycle Services
/// manages and that uses dual-write, else a unified one without.
fn variant(runbook: &Runbook) -> Variant {
    match runbook.lcs {
        Some(_) => Variant {
            target: Management::LcsLinked,
            dual_write: DualWrite::On,
        },
        None => Variant::default(),
    }
}
