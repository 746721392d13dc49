//! The tenant as a whole: its world, its listeners, its life.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Deserialize as _;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::faults::Fault;
use super::listeners::serve::{self, Tenant};
use super::listeners::tls::{Certificates, TlsError};
use super::listeners::{Listener, Origins};
use super::ports::{keepers, on_a_port_to_keep, on_its_own_port};
use super::schema::Schema;
use super::schema::skin::{Dictionary, Skin};
use super::seed::{self, Seed};
use super::variant::Variant;
use super::world::log::LogError;
use super::world::{Opened, World};

/// The fastest speed; beyond it a copy ends between two requests.
const FASTEST: f64 = 1_000_000.0;

/// The slowest that a tenant's time may run.
const SLOWEST: f64 = 0.01;

/// How a rehearsal tenant is started.
#[derive(Clone, Debug)]
pub struct Options {
    /// The world's file, `<name>.world.jsonl`. It is seeded where it is not there; otherwise the
    /// tenant goes on from it, with the same ports.
    pub world: PathBuf,
    /// How many times faster than the wall clock the tenant's time runs.
    pub speed: f64,
    /// What goes wrong on purpose.
    pub faults: Vec<Fault>,
    /// What a new world holds; a world that is there already stays what it is.
    pub seed: Seed,
    /// Which names a new world's Dataverse shows; a world that is there already stays what it is.
    pub skin: Skin,
    /// Which kind of tenant a new world is; a world that is there already stays what it is.
    pub variant: Variant,
    /// Whether a new world is spoken to over TLS; a world that is there already stays what it is.
    pub tls: bool,
}

/// A tenant that cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The world's file cannot be used.
    #[error(transparent)]
    World(#[from] LogError),
    /// The speed is not from 0.01 to a million.
    #[error("a rehearsal cannot run at speed {speed}; give a number from 0.01 to 1000000")]
    Speed {
        /// The speed.
        speed: f64,
    },
    /// TLS cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] TlsError),
    /// The world does not say on which ports it listened.
    #[error(
        "the world file {} does not say on which ports the tenant listened; delete it, and the state file beside it, to begin anew",
        path.display()
    )]
    Ports {
        /// The world's file.
        path: PathBuf,
    },
    /// A port cannot be had.
    #[error(
        "cannot listen on 127.0.0.1:{port} for {listener}: {source}; the world keeps this port, and another process listens on it now: end that process (`ss -ltnp` shows it) and start again, or delete the world and the state file beside it to start over"
    )]
    Port {
        /// The port; 0 where any would do.
        port: u16,
        /// The listener's name.
        listener: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
}

/// A running rehearsal tenant. It ends when it is dropped or stopped, as suddenly as if it had been
/// killed; started again on its world's file, it goes on.
#[derive(Debug)]
pub struct Rehearsal {
    tenant: Arc<Tenant>,
    endpoints: Endpoints,
    root: Option<String>,
    ending: CancellationToken,
    listeners: Vec<JoinHandle<()>>,
}

/// Where the tenant listens. Its text is one line of YAML, to be pasted into a runbook.
#[derive(Clone, Debug, PartialEq)]
pub struct Endpoints {
    /// How many times faster than the wall clock the tenant's time runs.
    pub speed: f64,
    /// The authority's origin, `http://127.0.0.1:PORT`, or `https` where the tenant speaks TLS.
    pub authority: String,
    /// The services that a runbook can name; Dataverse and Finance and Operations are found
    /// through the environments.
    pub services: Vec<ServiceEndpoint>,
}

/// Where one service listens, and what to ask tokens for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceEndpoint {
    /// The runbook's key of the service.
    pub key: &'static str,
    /// The service's origin.
    pub url: String,
    /// The scope of its tokens.
    pub scope: String,
}

impl Rehearsal {
    /// Starts a tenant: opens or seeds its world, and listens on a port of the loopback
    /// interface for each listener.
    ///
    /// # Errors
    ///
    /// When the world's file cannot be used or is in use, when its ports cannot be had, or when the
    /// speed makes no sense.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let speed = options.speed;
        if !(SLOWEST..=FASTEST).contains(&speed) {
            return Err(StartError::Speed { speed });
        }
        let schema = Schema::standard();
        let (world, origins, sockets) = match World::open(&options.world, speed)? {
            Opened::World(world) => {
                let ports = ports_of(&world).ok_or_else(|| StartError::Ports {
                    path: options.world.clone(),
                })?;
                let secure = world.object("tls").is_some();
                let (origins, sockets) = bind(&options.world, &ports, secure).await?;
                (*world, origins, sockets)
            }
            Opened::Empty(log) => {
                let (origins, sockets) =
                    bind(&options.world, &BTreeMap::new(), options.tls).await?;
                let mut objects = seed::objects(options.seed, options.variant, &schema, &origins);
                objects.insert("ports".to_owned(), json!(origins.ports()));
                objects.insert("skin".to_owned(), json!(options.skin.word()));
                if options.tls {
                    objects.insert("tls".to_owned(), json!(Certificates::make()?));
                }
                (World::seed(log, speed, objects)?, origins, sockets)
            }
        };
        let certificates = world.object("tls").map(Certificates::deserialize);
        let certificates = certificates.and_then(Result::ok);
        let tls = certificates
            .as_ref()
            .map(Certificates::acceptor)
            .transpose()?;
        let endpoints = endpoints(speed, &origins);
        let skin = world.object("skin").and_then(Value::as_str);
        let dictionary = (skin == Some(Skin::Renamed.word())).then(|| Dictionary::new(&schema));
        let tenant = Arc::new(Tenant {
            world: Mutex::new(Some(world)),
            schema,
            dictionary,
            faults: options.faults,
            origins,
        });
        let ending = CancellationToken::new();
        let listeners = sockets
            .into_iter()
            .map(|(listener, socket)| {
                let (tenant, tls) = (tenant.clone(), tls.clone());
                let serving = serve::serve(tenant, listener, socket, tls, ending.clone());
                tokio::spawn(serving)
            })
            .collect();
        Ok(Self {
            tenant,
            endpoints,
            root: certificates.map(|certificates| certificates.root),
            ending,
            listeners,
        })
    }

    /// Where the tenant listens.
    pub fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// The certificate in PEM that whoever speaks to the tenant must trust, where it speaks TLS.
    pub fn root_certificate(&self) -> Option<&str> {
        self.root.as_deref()
    }

    /// Ends the tenant. When this returns, its ports and its world's file are free.
    pub async fn stop(mut self) {
        self.end();
        for listener in std::mem::take(&mut self.listeners) {
            // A listener that panicked has ended too.
            let _ended = listener.await;
        }
    }

    /// Does something with the world.
    #[cfg(test)]
    pub(super) fn with_world<T>(&self, act: impl FnOnce(&mut World) -> T) -> Option<T> {
        let mut world = self
            .tenant
            .world
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        world.as_mut().map(act)
    }

    fn end(&self) {
        self.ending.cancel();
        let world = self.tenant.world.lock();
        // Dropping the world closes and unlocks its file.
        drop(world.unwrap_or_else(PoisonError::into_inner).take());
    }
}

impl Drop for Rehearsal {
    fn drop(&mut self) {
        self.end();
    }
}

fn ports_of(world: &World) -> Option<BTreeMap<String, u16>> {
    let ports = world.object("ports").and_then(Value::as_object)?;
    ports
        .iter()
        .map(|(name, port)| Some((name.clone(), u16::try_from(port.as_u64()?).ok()?)))
        .collect()
}

type Sockets = Vec<(Listener, TcpListener)>;

/// Listens for every listener, on its port or on one that is free.
async fn bind(
    world: &Path,
    ports: &BTreeMap<String, u16>,
    secure: bool,
) -> Result<(Origins, Sockets), StartError> {
    let keepers = keepers();
    let mut sockets = Vec::new();
    let mut bound = BTreeMap::new();
    for listener in Listener::ALL {
        let kept = ports.get(listener.name()).copied();
        let port = kept.unwrap_or(0);
        let fault = |source| StartError::Port {
            port,
            listener: listener.name(),
            source,
        };
        let socket = match kept {
            Some(port) => on_its_own_port(port).await,
            None => on_a_port_to_keep(&keepers, world).await,
        };
        let socket = socket.map_err(fault)?;
        let address = socket.local_addr().map_err(fault)?;
        bound.insert(listener.name(), address.port());
        sockets.push((listener, socket));
    }
    Ok((Origins::new(bound, secure), sockets))
}

fn endpoints(speed: f64, origins: &Origins) -> Endpoints {
    let service = |key, listener, resource: &str| ServiceEndpoint {
        key,
        url: origins.of(listener),
        scope: format!("{resource}/.default"),
    };
    Endpoints {
        speed,
        authority: origins.of(Listener::Authority),
        services: vec![
            service(
                "power-platform",
                Listener::PowerPlatform,
                "https://api.powerplatform.com",
            ),
            service("bap", Listener::Bap, "https://service.powerapps.com"),
            service(
                "lcs",
                Listener::Lcs,
                &format!("{}/", origins.of(Listener::Lcs)),
            ),
            service(
                "dual-write",
                Listener::DualWrite,
                "https://IntegratorApp.com",
            ),
            service(
                "power-apps",
                Listener::PowerApps,
                "https://service.powerapps.com",
            ),
        ],
    }
}

impl fmt::Display for Endpoints {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            speed,
            authority,
            services,
        } = self;
        write!(
            formatter,
            "endpoints: {{ speed: {speed}, authority: {{ url: \"{authority}\" }}"
        )?;
        for ServiceEndpoint { key, url, scope } in services {
            write!(
                formatter,
                ", {key}: {{ url: \"{url}\", scope: \"{scope}\" }}"
            )?;
        }
        formatter.write_str(" }")
    }
}
