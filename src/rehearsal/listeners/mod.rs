//! The tenant's services over HTTP, one file per service.
//!
//! - `message`: a request and a response.
//! - `serve`: sockets, the handling of a request, faults.
//! - `connection`: connections that end when the tenant stops; `tls`: connections with TLS.
//! - `authentication`: tokens and their callers.
//! - `authority`: the token endpoint; `assertions`: the assertions that it accepts instead of a
//!   secret.
//! - `machine`: the token services of the machine that the program runs on: managed identity,
//!   assertions.
//! - `power_platform`, `inventory`, `bap`: the two families of the admin API; `power_apps`: the
//!   third.
//! - `dataverse`: the Web API.
//! - `dual_write`: the dual-write gateway.
//! - `lcs`: Lifecycle Services.
//! - `finance_operations`: the data services of Finance and Operations.

mod assertions;
mod authentication;
mod authority;
mod bap;
pub(crate) mod connection;
mod dataverse;
mod dual_write;
mod finance_operations;
mod inventory;
mod lcs;
mod machine;
pub(crate) mod message;
mod power_apps;
mod power_platform;
pub(crate) mod serve;
pub(crate) mod tls;

use std::collections::BTreeMap;

pub(super) use self::assertions::Issuer;
pub(super) use self::machine::AUDIENCE as TOKEN_EXCHANGE;
use self::message::{Request, Response};
use super::application::{SOURCE_ENVIRONMENT, TARGET_ENVIRONMENT};
use super::schema::Schema;
use super::world::store::Draft;

/// A listener: a service with its own port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listener {
    /// The token endpoint.
    Authority,
    /// The token services of the machine that the program runs on.
    Machine,
    /// The Power Platform API.
    PowerPlatform,
    /// The older admin API.
    Bap,
    /// The Power Apps API.
    PowerApps,
    /// The Dataverse Web API of an environment.
    Dataverse(Side),
    /// The Finance and Operations services of an environment.
    FinanceOperations(Side),
    /// The dual-write gateway.
    DualWrite,
    /// Lifecycle Services.
    Lcs,
}

/// One of the two environments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// The one that is copied.
    Source,
    /// The one that is overwritten.
    Target,
}

impl Side {
    /// The environment's id.
    pub(crate) const fn environment(self) -> &'static str {
        match self {
            Self::Source => SOURCE_ENVIRONMENT,
            Self::Target => TARGET_ENVIRONMENT,
        }
    }
}

impl Listener {
    pub(crate) const ALL: [Self; 11] = [
        Self::Authority,
        Self::Machine,
        Self::PowerPlatform,
        Self::Bap,
        Self::PowerApps,
        Self::Dataverse(Side::Source),
        Self::Dataverse(Side::Target),
        Self::FinanceOperations(Side::Source),
        Self::FinanceOperations(Side::Target),
        Self::DualWrite,
        Self::Lcs,
    ];

    /// Its name in the world's file.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Authority => "authority",
            Self::Machine => "machine",
            Self::PowerPlatform => "power-platform",
            Self::Bap => "bap",
            Self::PowerApps => "power-apps",
            Self::Dataverse(Side::Source) => "dataverse-source",
            Self::Dataverse(Side::Target) => "dataverse-target",
            Self::FinanceOperations(Side::Source) => "finance-operations-source",
            Self::FinanceOperations(Side::Target) => "finance-operations-target",
            Self::DualWrite => "dual-write",
            Self::Lcs => "lcs",
        }
    }
}

/// The origins of the listeners.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origins {
    ports: BTreeMap<&'static str, u16>,
    secure: bool,
}

impl Origins {
    /// The origins of listeners on these ports, with TLS or without. The machine's services never
    /// use TLS, as in reality.
    pub(crate) fn new(ports: BTreeMap<&'static str, u16>, secure: bool) -> Self {
        Self { ports, secure }
    }

    /// The origin of a listener: scheme, host and port.
    pub(crate) fn of(&self, listener: Listener) -> String {
        let port = self.ports.get(listener.name()).copied().unwrap_or_default();
        let scheme = match listener {
            Listener::Machine => "http",
            _ if self.secure => "https",
            _ => "http",
        };
        format!("{scheme}://127.0.0.1:{port}")
    }

    /// The ports by the listeners' names.
    pub(crate) fn ports(&self) -> &BTreeMap<&'static str, u16> {
        &self.ports
    }
}

/// A request while it is handled.
#[derive(Debug)]
pub(crate) struct RequestContext<'context, 'world> {
    /// The world with the changes of this request.
    pub(crate) draft: Draft<'world>,
    /// The tables of Dataverse.
    pub(crate) schema: &'context Schema,
    /// The origins of the listeners.
    pub(crate) origins: &'context Origins,
    pub(crate) request: &'context Request,
    /// The listener that received it.
    pub(crate) listener: Listener,
    /// The caller, once it is known.
    pub(crate) caller: Option<String>,
}

/// Handles a request.
pub(crate) fn handle(context: &mut RequestContext<'_, '_>) -> Response {
    let result = match context.listener {
        Listener::Authority => authority::handle(context),
        Listener::Machine => machine::handle(context),
        Listener::PowerPlatform => power_platform::handle(context),
        Listener::Bap => bap::handle(context),
        Listener::PowerApps => power_apps::handle(context),
        Listener::Dataverse(side) => dataverse::handle(context, side),
        Listener::FinanceOperations(side) => finance_operations::handle(context, side),
        Listener::DualWrite => dual_write::handle(context),
        Listener::Lcs => lcs::handle(context),
    };
    result.unwrap_or_else(|error| error)
}
