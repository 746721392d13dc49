//! The runbook's services, reached: the rehearsal tenant where one is wanted, one HTTP client, a
//! credential for each service, and both environments as the admin API describes them. Guards that
//! need no more than these descriptions stand here.

use std::collections::BTreeMap;
use std::sync::Arc;

use secrecy::SecretString;
use url::Url;
use uuid::Uuid;

use super::session::Session;
use crate::clients::{
    Bap, Cloud as ClientCloud, Dataverse, DataverseWriter, Endpoint, Environment,
    FinanceOperations, Http, Identity, Observer, PowerPlatform, Service, Tokens, Wait,
};
use crate::clock::Clock;
use crate::engine::{EventKind, Failure, FailureKind, Narrator};
use crate::rehearsal::{self, Rehearsal};
use crate::runbook::{Cloud, Credential, Runbook, Secret, ServiceKey};
use crate::steps::{Names, Refresh};
use crate::text::escape;

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

/// Where each service is.
struct Addresses {
    authority: String,
    services: BTreeMap<ServiceKey, Endpoint>,
    speed: f64,
}

/// Reaches the services of a runbook. Takes what makes the narrator, once the clock is known.
pub(super) async fn connect(
    session: &Session,
    runbook: Runbook,
    narrator: impl FnOnce(Clock) -> Narrator,
) -> Result<Connected, Failure> {
    let rehearsal = begin_rehearsal(&runbook).await?;
    let addresses = addresses(&runbook, rehearsal.as_ref())?;
    let clock = Clock::new(addresses.speed);
    let narrator = narrator(clock.clone());
    let waits = Arc::new(Waits(narrator.clone()));
    let http = Http::new(clock.clone(), waits, session.cancellation.clone())?;
    let tokens = Tokens::new(&http, &addresses.authority)?;
    let signing = Signing::of(&runbook);
    let service = |key: ServiceKey, name: &str, endpoint: &Endpoint| -> Result<Service, Failure> {
        Ok(Service::new(
            &tokens,
            &signing.identity(&runbook, key)?,
            endpoint,
            name,
        )?)
    };
    let fixed = |key: ServiceKey, name: &str| -> Result<Service, Failure> {
        let endpoint = addresses.services.get(&key).ok_or_else(|| {
            Failure::new(
                FailureKind::Wrong,
                format!("no address is known for the service '{key}'"),
            )
        })?;
        service(key, name, endpoint)
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
    let finance = |side: &Environment| -> Result<Option<FinanceOperations>, Failure> {
        let url = side
            .finance_operations
            .as_ref()
            .and_then(|app| app.url.as_deref());
        let Some(url) = url else { return Ok(None) };
        let name = format!("Finance and Operations of {}", shown(side));
        let service = service(ServiceKey::Finops, &name, &Endpoint::own(url))?;
        Ok(Some(FinanceOperations::new(service)))
    };
    let (source_finance, target_finance) = (finance(&source)?, finance(&target)?);
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
        Err(_) => Names::resolve(&target_dataverse, &runbook.iom)
            .await
            .unwrap_or_else(|_| Names::unchecked(&runbook.iom)),
    };
    let refresh = Refresh {
        power_platform,
        bap,
        names,
        source: source_dataverse,
        target: target_dataverse,
        source_finance,
        target_finance,
        source_environment: source,
        target_environment: target,
        secrets: Box::new(move |secret: &Secret| {
            secret.read(&folder, &|name| std::env::var_os(name))
        }),
        application: signing.application,
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
        seed: rehearsal::Seed::Thin,
        skin: rehearsal::Skin::Usual,
    };
    Rehearsal::start(options).await.map(Some).map_err(|error| {
        Failure::failed(format!("the rehearsal tenant cannot begin: {error}")).with_help(
            "to begin anew, delete the rehearsal's state file and its world file together",
        )
    })
}

fn addresses(runbook: &Runbook, rehearsal: Option<&Rehearsal>) -> Result<Addresses, Failure> {
    let mut services = BTreeMap::new();
    let mut authority = None;
    let mut speed = runbook
        .endpoints
        .speed
        .as_ref()
        .map_or(1.0, |speed| speed.value);
    if let Some(cloud) = client_cloud(runbook.cloud.value) {
        authority = Some(cloud.authority());
        services.insert(ServiceKey::PowerPlatform, cloud.power_platform());
        services.insert(ServiceKey::Bap, cloud.bap());
    }
    if let Some(rehearsal) = rehearsal {
        let endpoints = rehearsal.endpoints();
        speed = endpoints.speed;
        authority = Some(endpoints.authority.clone());
        for endpoint in &endpoints.services {
            if let Ok(key) = endpoint.key.parse::<ServiceKey>() {
                let (url, scope) = (endpoint.url.clone(), endpoint.scope.clone());
                services.insert(key, Endpoint { url, scope });
            }
        }
    }
    for (key, written) in &runbook.endpoints.services {
        let url = written.url.value.origin().ascii_serialization();
        if *key == ServiceKey::Authority {
            authority = Some(url);
            continue;
        }
        let own = Endpoint::own(&url);
        let known = services.get(key).map(|endpoint| endpoint.scope.clone());
        let scope = written
            .scope
            .as_ref()
            .map(|scope| scope.value.clone())
            .or(known);
        services.insert(
            *key,
            Endpoint {
                scope: scope.unwrap_or(own.scope),
                url,
            },
        );
    }
    let authority = authority.ok_or_else(|| {
        Failure::new(FailureKind::Wrong, "no address is known for signing in")
            .with_help("write `endpoints: { authority: { url: … } }` in the runbook")
    })?;
    Ok(Addresses {
        authority,
        services,
        speed,
    })
}

fn client_cloud(cloud: Cloud) -> Option<ClientCloud> {
    match cloud {
        Cloud::Public => Some(ClientCloud::Public),
        Cloud::Gcc => Some(ClientCloud::Gcc),
        Cloud::GccHigh => Some(ClientCloud::GccHigh),
        Cloud::Dod => Some(ClientCloud::Dod),
        Cloud::China => Some(ClientCloud::China),
        Cloud::Rehearsal => None,
    }
}

/// Who signs in.
struct Signing {
    tenant: String,
    application: Option<String>,
}

impl Signing {
    fn of(runbook: &Runbook) -> Self {
        let Some(identity) = &runbook.identity else {
            return Self {
                tenant: rehearsal::TENANT.to_owned(),
                application: Some(rehearsal::CLIENT.to_owned()),
            };
        };
        let application = identity
            .credential(ServiceKey::Default)
            .and_then(|c| match &c.value {
                Credential::ClientSecret { client, .. } => Some(client.to_string()),
                _ => None,
            });
        Self {
            tenant: identity.tenant.value.clone(),
            application,
        }
    }

    fn identity(&self, runbook: &Runbook, key: ServiceKey) -> Result<Identity, Failure> {
        let Some(identity) = &runbook.identity else {
            return Ok(Identity::ClientSecret {
                tenant: rehearsal::TENANT.to_owned(),
                client: rehearsal::CLIENT.to_owned(),
                secret: SecretString::from(rehearsal::SECRET.to_owned()),
            });
        };
        let credential = identity.credential(key).ok_or_else(|| {
            Failure::new(
                FailureKind::Wrong,
                format!("the runbook names no credential for '{key}'"),
            )
            .with_help("write one under `identity`, or a `default` for all services")
        })?;
        let read = |secret: &Secret| {
            secret
                .read(runbook.folder(), &|name| std::env::var_os(name))
                .map_err(|error| {
                    let block = runbook.diagnostic(credential.span, &error.to_string(), None);
                    Failure::new(FailureKind::Wrong, block.to_string())
                })
        };
        match &credential.value {
            Credential::ClientSecret { client, secret } => Ok(Identity::ClientSecret {
                tenant: self.tenant.clone(),
                client: client.to_string(),
                secret: read(secret)?,
            }),
            Credential::Token(secret) => Ok(Identity::Token(read(secret)?)),
            other => {
                let message = format!("signing in by `{}` is not built yet", other.kind());
                let help = Some("use `client-secret` or `token`");
                let block = runbook.diagnostic(credential.span, &message, help);
                Err(Failure::new(FailureKind::Wrong, block.to_string()))
            }
        }
    }
}

async fn environment(
    runbook: &Runbook,
    bap: &Bap,
    id: Uuid,
    span: crate::runbook::Span,
) -> Result<Environment, Failure> {
    bap.environment(id).await?.ok_or_else(|| {
        let block = runbook.diagnostic(
            span,
            &format!("the tenant has no environment {id}, or the caller may not see it"),
            Some("copy the id from the environment's page in the admin center"),
        );
        Failure::new(FailureKind::Wrong, block.to_string())
    })
}

/// The guards that need no more than the target's description. A production environment is never a
/// target, and the runbook must name the target as the admin center does.
fn guard(runbook: &Runbook, target: &Environment) -> Result<(), Failure> {
    let name = &runbook.target.name;
    let read = shown(target);
    if target.display_name.as_deref() != Some(name.value.as_str()) {
        let block = runbook.diagnostic(
            name.span,
            &format!("the environment with this id is called '{read}'"),
            Some("one of the two is wrong: look at both before you correct either"),
        );
        return Err(Failure::refused(block.to_string()));
    }
    let kind = target.sku.as_deref().unwrap_or("of an unknown kind");
    if !kind.eq_ignore_ascii_case("Sandbox") && !kind.eq_ignore_ascii_case("Developer") {
        return Err(Failure::refused(format!(
            "'{read}' is {kind}: only a sandbox is ever overwritten"
        ))
        .with_help("choose a sandbox as the target"));
    }
    Ok(())
}

/// The address of an environment's Dataverse: read from the environment; where the runbook writes
/// one down, it is checked.
fn dataverse_address(
    runbook: &Runbook,
    key: ServiceKey,
    side: &Environment,
) -> Result<String, Failure> {
    let name = shown(side);
    let address = side
        .dataverse
        .as_ref()
        .and_then(|dataverse| dataverse.url.clone());
    let url = address.ok_or_else(|| {
        Failure::refused(format!("'{name}' has no Dataverse"))
            .with_help("choose an environment with a database")
    })?;
    if let Some(written) = runbook.endpoints.services.get(&key)
        && Url::parse(&url).is_ok_and(|url| url.origin() != written.url.value.origin())
    {
        let message = format!("the Dataverse of '{name}' is at {url}");
        let block = runbook.diagnostic(
            written.url.span,
            &message,
            Some("correct it, or leave it out"),
        );
        return Err(Failure::refused(block.to_string()));
    }
    Ok(url)
}

fn shown(environment: &Environment) -> String {
    let name = environment
        .display_name
        .as_deref()
        .unwrap_or(&environment.id);
    escape(name).into_owned()
}
