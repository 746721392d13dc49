//! What the tenant's services answer over HTTP, one file a service.
//!
//! - `message`: a request and an answer.
//! - `serve`: sockets, the order in which a request is handled, faults.
//! - `connection`: a connection that ends when the tenant stops.
//! - `authentication`: tokens, and who has sent one.
//! - `authority`: the token endpoint; `assertions`: what it takes in place of a secret.
//! - `machine`: what the machine hands out that the program runs on: managed identity, assertions.
//! - `power_platform`, `inventory`, `bap`: the two families of the admin API; `power_apps`: the third.
//! - `dataverse`: the Web API.
//! - `finance_operations`: the data services of Finance and Operations.

mod assertions;
mod authentication;
mod authority;
mod bap;
pub(crate) mod connection;
mod dataverse;
mod finance_operations;
mod inventory;
mod machine;
pub(crate) mod message;
mod power_apps;
mod power_platform;
pub(crate) mod serve;

use std::collections::BTreeMap;

pub(super) use self::assertions::Issuer;
pub(super) use self::machine::AUDIENCE as TOKEN_EXCHANGE;
use self::message::{Answer, Request};
use super::application::{SOURCE_ENVIRONMENT, TARGET_ENVIRONMENT};
use super::schema::Schema;
use super::world::store::Draft;

/// A listener: a service on a port of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listener {
    /// The token endpoint.
    Authority,
    /// What the machine hands out that the program runs on.
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
    /// Every listener.
    pub(crate) const ALL: [Self; 9] = [
        Self::Authority,
        Self::Machine,
        Self::PowerPlatform,
        Self::Bap,
        Self::PowerApps,
        Self::Dataverse(Side::Source),
        Self::Dataverse(Side::Target),
        Self::FinanceOperations(Side::Source),
        Self::FinanceOperations(Side::Target),
    ];

    /// The name it has in the world's file.
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
        }
    }
}

/// Where each listener listens.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origins {
    ports: BTreeMap<&'static str, u16>,
}

impl Origins {
    /// The origins of listeners on ports.
    pub(crate) fn new(ports: BTreeMap<&'static str, u16>) -> Self {
        Self { ports }
    }

    /// The origin of a listener: scheme, host and port.
    pub(crate) fn of(&self, listener: Listener) -> String {
        let port = self.ports.get(listener.name()).copied().unwrap_or_default();
        format!("http://127.0.0.1:{port}")
    }

    /// The ports by the listeners' names.
    pub(crate) fn ports(&self) -> &BTreeMap<&'static str, u16> {
        &self.ports
    }
}

/// A request in the middle of being answered.
#[derive(Debug)]
pub(crate) struct Turn<'turn, 'world> {
    /// The world, to be read and changed.
    pub(crate) draft: Draft<'world>,
    /// The tables of Dataverse.
    pub(crate) schema: &'turn Schema,
    /// Where the listeners are.
    pub(crate) origins: &'turn Origins,
    /// The request.
    pub(crate) request: &'turn Request,
    /// Where it came in.
    pub(crate) listener: Listener,
    /// Who has sent it, once that is known.
    pub(crate) caller: Option<String>,
}

/// Answers a request.
pub(crate) fn answer(turn: &mut Turn<'_, '_>) -> Answer {
    let result = match turn.listener {
        Listener::Authority => authority::answer(turn),
        Listener::Machine => machine::answer(turn),
        Listener::PowerPlatform => power_platform::answer(turn),
        Listener::Bap => bap::answer(turn),
        Listener::PowerApps => power_apps::answer(turn),
        Listener::Dataverse(side) => dataverse::answer(turn, side),
        Listener::FinanceOperations(side) => finance_operations::answer(turn, side),
    };
    result.unwrap_or_else(|refused| refused)
}
