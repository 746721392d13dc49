//! The tenant's services over HTTP, one file per service.
//!
//! - `message`: a request and a response.
//! - `connection`: sockets, and connections that end when the tenant stops; `tls`: the certificates.
//! - `serve`: the handling of a request, faults.
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

/// One of the environments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// The one that is copied.
    Source,
    /// The one that is overwritten.
    Target,
    /// Another one that is overwritten, by its number from 2.
    AnotherTarget(u8),
}

/// Another target: its environment's id, and the names of its listeners in the world's file.
struct AnotherTarget {
    environment: &'static str,
    dataverse: &'static str,
    finance: &'static str,
}

/// Declares the other targets by their numbers.
macro_rules! other_targets {
    ($($number:literal: $environment:literal,)+) => {
        &[$(AnotherTarget {
            environment: $environment,
            dataverse: concat!("dataverse-target-", $number),
            finance: concat!("finance-operations-target-", $number),
        },)+]
    };
}

/// The other targets, from number 2 on.
static OTHER_TARGETS: &[AnotherTarget] = other_targets! {
    2: "33333333-3333-3333-3333-333333333333",
    3: "44444444-4444-4444-4444-444444444444",
    4: "55555555-5555-5555-5555-555555555555",
    5: "66666666-6666-6666-6666-666666666666",
    6: "77777777-7777-7777-7777-777777777777",
    7: "88888888-8888-8888-8888-888888888888",
    8: "99999999-9999-9999-9999-999999999999",
};

/// The other target with a number from 2 to 8.
fn another_target(number: u8) -> &'static AnotherTarget {
    &OTHER_TARGETS[usize::from(number.clamp(2, 8)) - 2]
}

impl Side {
    /// The environment's id.
    pub(crate) fn environment(self) -> &'static str {
        match self {
            Self::Source => SOURCE_ENVIRONMENT,
            Self::Target => TARGET_ENVIRONMENT,
            Self::AnotherTarget(number) => another_target(number).environment,
        }
    }

    /// This many other targets, and all of them for a larger number.
    pub(crate) fn other_targets(count: u8) -> impl Iterator<Item = Self> {
        (2..=8).take(usize::from(count)).map(Self::AnotherTarget)
    }
}

impl Listener {
    /// The listeners of a tenant with one target.
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

    /// All listeners of a tenant with this many other targets.
    pub(crate) fn all(other_targets: u8) -> Vec<Self> {
        let others = Side::other_targets(other_targets);
        let others = others.flat_map(|side| [Self::Dataverse(side), Self::FinanceOperations(side)]);
        Self::ALL.into_iter().chain(others).collect()
    }

    /// Its name in the world's file.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Authority => "authority",
            Self::Machine => "machine",
            Self::PowerPlatform => "power-platform",
            Self::Bap => "bap",
            Self::PowerApps => "power-apps",
            Self::Dataverse(Side::Source) => "dataverse-source",
            Self::Dataverse(Side::Target) => "dataverse-target",
            Self::Dataverse(Side::AnotherTarget(number)) => another_target(number).dataverse,
            Self::FinanceOperations(Side::Source) => "finance-operations-source",
            Self::FinanceOperations(Side::Target) => "finance-operations-target",
            Self::FinanceOperations(Side::AnotherTarget(number)) => another_target(number).finance,
            Self::DualWrite => "dual-write",
            Self::Lcs => "lcs",
        }
    }
}

/// How many targets a tenant has after the first. Takes whether it has a listener of this name.
pub(crate) fn count_other_targets(has_listener: impl Fn(&str) -> bool) -> u8 {
    let others = Side::other_targets(u8::MAX);
    let found = others.filter(|side| has_listener(Listener::Dataverse(*side).name()));
    u8::try_from(found.count()).unwrap_or_default()
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
    pub(crate) fn origin_of(&self, listener: Listener) -> String {
        let port = self.ports.get(listener.name()).copied().unwrap_or_default();
        let scheme = match listener {
            Listener::Machine => "http",
            _ if self.secure => "https",
            _ => "http",
        };
        format!("{scheme}://127.0.0.1:{port}")
    }

    /// How many targets the tenant has after the first.
    pub(crate) fn other_targets(&self) -> u8 {
        count_other_targets(|name| self.ports.contains_key(name))
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
