//! Starting and stopping the tenant: its world and its listeners.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize as _;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::clock::Moment;
use super::faults::Fault;
use super::listeners::connection;
use super::listeners::serve::Tenant;
use super::listeners::tls::{Certificates, TlsError};
use super::listeners::{Listener, Origins, count_other_targets};
use super::ports::{bind_new_port, bind_own_port, reservations};
use super::protection::Protection;
use super::schema::Schema;
use super::schema::table_names::{Dictionary, TableNames};
use super::seed::{self, Seed, Volume};
use super::variant::Variant;
use super::world::log::LogError;
use super::world::{Opened, World};

/// The fastest speed; above it a copy ends between two requests.
const FASTEST: f64 = 1_000_000.0;

/// The slowest speed.
const SLOWEST: f64 = 0.01;

/// The object of a world in which the status alone says that an orchestration is published. Microsoft
/// has not published which column says so.
const PUBLICATION_BY_STATUS: &str = "quirk/publication-by-status";

/// How a rehearsal tenant is started.
#[derive(Clone, Debug)]
pub struct Options {
    /// The world's file, `<name>.world.jsonl`. A missing file is seeded; from an existing file the
    /// tenant continues, with the same ports.
    pub world: PathBuf,
    /// How many times faster than real time the tenant's clock runs.
    pub speed: f64,
    /// Failures on purpose.
    pub faults: Vec<Fault>,
    /// The content of a new world; ignored for an existing world.
    pub seed: Seed,
    /// The names in a new world's Dataverse; ignored for an existing world.
    pub table_names: TableNames,
    /// The kind of tenant of a new world; ignored for an existing world.
    pub variant: Variant,
    /// How much more a new world contains; ignored for an existing world.
    pub volume: Volume,
    /// How long every response takes, in real time.
    pub latency: Duration,
    /// Whether Dataverse's limits for each user are applied.
    pub limits: bool,
    /// Whether a new world uses TLS; ignored for an existing world.
    pub tls: bool,
}

/// Why a tenant cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The world's file cannot be used.
    #[error(transparent)]
    World(#[from] LogError),
    /// The speed is out of range.
    #[error("{speed} is not a valid speed; write a number from 0.01 to 1000000")]
    Speed {
        /// The speed.
        speed: f64,
    },
    /// TLS cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] TlsError),
    /// The world's file does not contain its ports.
    #[error(
        "the world file {} does not contain the tenant's ports; delete it and the state file beside it to start over",
        path.display()
    )]
    Ports {
        /// The world's file.
        path: PathBuf,
    },
    /// A port cannot be used.
    #[error(
        "cannot listen on 127.0.0.1:{port} for {listener}: {source}. Another process uses this port of the world: end that process (`ss -ltnp` shows it), or delete the world and the state file beside it to start over"
    )]
    Port {
        /// The port; 0 if any port would do.
        port: u16,
        /// The listener's name.
        listener: &'static str,
        /// The system's error.
        source: std::io::Error,
    },
}

/// A running rehearsal tenant. When it is dropped or stopped, it ends as suddenly as if it had been
/// killed. Started again on its world's file, it continues.
#[derive(Debug)]
pub struct Rehearsal {
    tenant: Arc<Tenant>,
    endpoints: Endpoints,
    root: Option<String>,
    continued_at: Option<String>,
    stop_token: CancellationToken,
    listeners: Vec<JoinHandle<()>>,
}

/// Where the tenant listens. Its `Display` is one line of YAML for a runbook.
#[derive(Clone, Debug, PartialEq)]
pub struct Endpoints {
    /// How many times faster than real time the tenant's clock runs.
    pub speed: f64,
    /// The authority's origin, `http://127.0.0.1:PORT`, or `https` if the tenant uses TLS.
    pub authority: String,
    /// The services that a runbook can name; the environments have the addresses of Dataverse and
    /// of Finance and Operations.
    pub services: Vec<ServiceEndpoint>,
}

/// Where one service listens, and the scope of its tokens.
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
    /// When the world's file or its ports cannot be used, or when the speed is invalid.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let speed = options.speed;
        if !(SLOWEST..=FASTEST).contains(&speed) {
            return Err(StartError::Speed { speed });
        }
        let schema = Schema::standard();
        let (world, origins, sockets) = open_world(&options, &schema).await?;
        let continued_at = world.continued_at().map(Moment::to_iso_seconds);
        let schema = match world.object(PUBLICATION_BY_STATUS) {
            Some(_) => schema.publishing_by_status(),
            None => schema,
        };
        let certificates = world.object("tls").map(Certificates::deserialize);
        let certificates = certificates.and_then(Result::ok);
        let tls = certificates
            .as_ref()
            .map(Certificates::acceptor)
            .transpose()?;
        let endpoints = endpoints(speed, &origins);
        let names = world.object("skin").and_then(Value::as_str);
        let dictionary =
            (names == Some(TableNames::Renamed.keyword())).then(|| Dictionary::new(&schema));
        let tenant = Arc::new(Tenant {
            world: Mutex::new(Some(world)),
            schema,
            dictionary,
            faults: options.faults,
            latency: options.latency,
            protection: (options.limits).then(|| Protection::new(options.latency, speed)),
            origins,
        });
        let stop_token = CancellationToken::new();
        let listeners = sockets
            .into_iter()
            .map(|(listener, socket)| {
                let (tenant, tls) = (tenant.clone(), tls.clone());
                let serving = connection::serve(tenant, listener, socket, tls, stop_token.clone());
                tokio::spawn(serving)
            })
            .collect();
        Ok(Self {
            tenant,
            endpoints,
            root: certificates.map(|certificates| certificates.root),
            continued_at,
            stop_token,
            listeners,
        })
    }

    /// The simulated time at which an existing world continues, such as `2026-03-06T23:10:00Z`;
    /// `None` for a new world.
    pub fn continued_at(&self) -> Option<&str> {
        self.continued_at.as_deref()
    }

    /// Where the tenant listens.
    pub fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// The root certificate in PEM that clients must trust, if the tenant uses TLS.
    pub fn root_certificate(&self) -> Option<&str> {
        self.root.as_deref()
    }

    /// Stops the tenant. When this returns, its ports and its world's file are free.
    pub async fn stop(mut self) {
        self.end();
        for listener in std::mem::take(&mut self.listeners) {
            // A listener that panicked has ended too.
            let _ended = listener.await;
        }
    }

    /// Runs a function on the world.
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
        self.stop_token.cancel();
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

/// Opens the world and binds its ports; seeds a new world.
async fn open_world(
    options: &Options,
    schema: &Schema,
) -> Result<(World, Origins, Sockets), StartError> {
    match World::open(&options.world, options.speed)? {
        Opened::World(world) => {
            let ports = read_ports(&world).ok_or_else(|| StartError::Ports {
                path: options.world.clone(),
            })?;
            let secure = world.object("tls").is_some();
            let others = count_other_targets(|name| ports.contains_key(name));
            let (origins, sockets) = bind(&options.world, &ports, others, secure).await?;
            Ok((*world, origins, sockets))
        }
        Opened::Empty(log) => {
            let (ports, others) = (BTreeMap::new(), options.volume.more_targets);
            let (origins, sockets) = bind(&options.world, &ports, others, options.tls).await?;
            let mut objects = seed::objects(
                options.seed,
                options.variant,
                options.volume,
                schema,
                &origins,
            );
            objects.insert("ports".to_owned(), json!(origins.ports()));
            objects.insert("skin".to_owned(), json!(options.table_names.keyword()));
            if options.tls {
                objects.insert("tls".to_owned(), json!(Certificates::make()?));
            }
            let world = World::seed(log, options.speed, objects)?;
            Ok((world, origins, sockets))
        }
    }
}

/// The ports that the world keeps, by listener.
fn read_ports(world: &World) -> Option<BTreeMap<String, u16>> {
    let ports = world.object("ports").and_then(Value::as_object)?;
    ports
        .iter()
        .map(|(name, port)| Some((name.clone(), u16::try_from(port.as_u64()?).ok()?)))
        .collect()
}

type Sockets = Vec<(Listener, TcpListener)>;

/// Binds a port for each listener: the one that the world keeps, or a free one. Takes how many
/// targets there are after the first.
async fn bind(
    world: &Path,
    ports: &BTreeMap<String, u16>,
    other_targets: u8,
    secure: bool,
) -> Result<(Origins, Sockets), StartError> {
    let reservations = reservations();
    let mut sockets = Vec::new();
    let mut bound = BTreeMap::new();
    for listener in Listener::all(other_targets) {
        let kept = ports.get(listener.name()).copied();
        let port = kept.unwrap_or(0);
        let error = |source| StartError::Port {
            port,
            listener: listener.name(),
            source,
        };
        let socket = match kept {
            Some(port) => bind_own_port(port).await,
            None => bind_new_port(&reservations, world).await,
        };
        let socket = socket.map_err(error)?;
        let address = socket.local_addr().map_err(error)?;
        bound.insert(listener.name(), address.port());
        sockets.push((listener, socket));
    }
    Ok((Origins::new(bound, secure), sockets))
}

fn endpoints(speed: f64, origins: &Origins) -> Endpoints {
    let service = |key, listener, resource: &str| ServiceEndpoint {
        key,
        url: origins.origin_of(listener),
        scope: format!("{resource}/.default"),
    };
    Endpoints {
        speed,
        authority: origins.origin_of(Listener::Authority),
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
                &format!("{}/", origins.origin_of(Listener::Lcs)),
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
