//! The rehearsal tenant in this process. Only this file depends on whether the program was built
//! with it (cargo feature `rehearsal`); without it, `cloud: rehearsal` is an error.

use std::collections::BTreeMap;

pub(super) use self::tenant::{RunningTenant, default_identity, default_tenant};
use crate::clients::ServiceEndpoint;
use crate::runbook::ServiceKey;

/// Whether a tenant in this process leaves its world behind.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum World {
    /// In the file beside the runbook, for the next command.
    Kept,
    /// A new world is gone with the tenant. One that is there is used.
    Temporary,
}

/// The addresses of the tenant in this process.
pub(super) struct TenantAddresses {
    /// Scheme and host of the token endpoint.
    pub(super) authority: String,
    /// The services that a runbook can name.
    pub(super) services: BTreeMap<ServiceKey, ServiceEndpoint>,
    /// How many times faster than real time the tenant's clock runs.
    pub(super) speed: f64,
}

#[cfg(feature = "rehearsal")]
mod tenant {
    use tempfile::TempDir;

    use super::{TenantAddresses, World};
    use crate::clients::{ClientSecret, GivenToken, Identity, ServiceEndpoint};
    use crate::engine::Failure;
    use crate::rehearsal::{self, DualWrite, Management, Rehearsal, Variant};
    use crate::runbook::{Cloud, Runbook, ServiceKey, find_keyword};

    /// How many times faster than real time the tenant runs by default.
    const SPEED: f64 = 1000.0;

    /// A rehearsal tenant that runs in this process.
    pub(in crate::cli::connect) struct RunningTenant {
        tenant: Rehearsal,
        /// The folder of a temporary world; removed when it is dropped.
        folder: Option<TempDir>,
    }

    impl RunningTenant {
        /// Starts the tenant if the runbook needs one in this process: `cloud: rehearsal` without
        /// the address of another.
        pub(in crate::cli::connect) async fn start(
            runbook: &Runbook,
            world: World,
        ) -> Result<Option<Self>, Failure> {
            let elsewhere = runbook
                .endpoints
                .services
                .contains_key(&ServiceKey::Authority);
            if runbook.cloud.value != Cloud::Rehearsal || elsewhere {
                return Ok(None);
            }
            let speed = runbook.endpoints.speed.as_ref();
            let name = format!("{}.world.jsonl", runbook.name.value);
            let beside = runbook.file().with_file_name(&name);
            let folder = if world == World::Temporary && !beside.exists() {
                let folder = TempDir::new().map_err(|error| not_started(&error))?;
                Some(folder)
            } else {
                None
            };
            let options = rehearsal::Options {
                world: folder
                    .as_ref()
                    .map_or(beside, |folder| folder.path().join(name)),
                speed: speed.map_or(SPEED, |speed| speed.value),
                faults: Vec::new(),
                seed: rehearsal::Seed::default(),
                table_names: rehearsal::TableNames::Usual,
                variant: variant(runbook),
                volume: rehearsal::Volume::default(),
                latency: std::time::Duration::ZERO,
                limits: false,
                tls: false,
            };
            // Each of its errors contains the remedy.
            match Rehearsal::start(options).await {
                Ok(tenant) => Ok(Some(Self { tenant, folder })),
                Err(error) => Err(not_started(&error)),
            }
        }

        pub(in crate::cli::connect) fn addresses(&self) -> TenantAddresses {
            let endpoints = self.tenant.endpoints();
            let services = endpoints.services.iter().filter_map(|service| {
                let key = find_keyword::<ServiceKey>(service.key)?;
                let (url, scope) = (service.url.clone(), service.scope.clone());
                Some((key, ServiceEndpoint { url, scope }))
            });
            TenantAddresses {
                authority: endpoints.authority.clone(),
                services: services.collect(),
                speed: endpoints.speed,
            }
        }

        pub(in crate::cli::connect) async fn stop(self) {
            self.tenant.stop().await;
            drop(self.folder);
        }
    }

    fn not_started(error: &dyn std::fmt::Display) -> Failure {
        Failure::failed(format!("the rehearsal tenant did not start: {error}"))
    }

    /// The kind of tenant that the runbook describes: with an `lcs` section, Lifecycle Services
    /// manages it and it uses dual-write; without, it is unified and does not use dual-write.
    fn variant(runbook: &Runbook) -> Variant {
        match runbook.lcs {
            Some(_) => Variant {
                target: Management::LcsLinked,
                dual_write: DualWrite::On,
            },
            None => Variant::default(),
        }
    }

    /// The Entra tenant and the application of a runbook without `identity`.
    pub(in crate::cli::connect) fn default_tenant() -> (String, Option<String>) {
        (
            rehearsal::TENANT.to_owned(),
            Some(rehearsal::CLIENT.to_owned()),
        )
    }

    /// The identity for a service of a runbook without `identity`.
    #[expect(
        clippy::unnecessary_wraps,
        reason = "a program without the tenant has no such identity"
    )]
    pub(in crate::cli::connect) fn default_identity(key: ServiceKey) -> Result<Identity, Failure> {
        // Two services accept only a user's token.
        let token = |token: &str| Identity::Token(GivenToken(token.to_owned().into()));
        Ok(match key {
            ServiceKey::Lcs => token(rehearsal::LCS_TOKEN),
            ServiceKey::DualWrite => token(rehearsal::DUAL_WRITE_TOKEN),
            _ => Identity::ClientSecret(ClientSecret {
                tenant: rehearsal::TENANT.to_owned(),
                client: rehearsal::CLIENT.to_owned(),
                secret: rehearsal::SECRET.to_owned().into(),
            }),
        })
    }
}

#[cfg(not(feature = "rehearsal"))]
mod tenant {
    use super::{TenantAddresses, World};
    use crate::clients::Identity;
    use crate::engine::{Failure, FailureKind};
    use crate::runbook::{Cloud, Runbook, ServiceKey};

    /// A tenant that cannot exist: the program was built without it.
    pub(in crate::cli::connect) enum RunningTenant {}

    impl RunningTenant {
        /// Refuses a runbook of the rehearsal tenant.
        #[expect(clippy::unused_async, reason = "starting a tenant waits for its ports")]
        pub(in crate::cli::connect) async fn start(
            runbook: &Runbook,
            _world: World,
        ) -> Result<Option<Self>, Failure> {
            if runbook.cloud.value == Cloud::Rehearsal {
                return Err(missing());
            }
            Ok(None)
        }

        pub(in crate::cli::connect) fn addresses(&self) -> TenantAddresses {
            match *self {}
        }

        #[expect(
            clippy::unused_async,
            reason = "stopping a tenant waits for its listeners"
        )]
        pub(in crate::cli::connect) async fn stop(self) {
            match self {}
        }
    }

    fn missing() -> Failure {
        let message = "`cloud: rehearsal`: this program was built without the rehearsal tenant";
        Failure::new(FailureKind::InvalidInput, message)
            .with_help("build it with `cargo build --release --features rehearsal`")
    }

    /// Only a runbook of the rehearsal tenant has no `identity`, and [`RunningTenant::start`]
    /// refused it.
    pub(in crate::cli::connect) fn default_tenant() -> (String, Option<String>) {
        (String::new(), None)
    }

    /// Only a runbook of the rehearsal tenant has no `identity`.
    pub(in crate::cli::connect) fn default_identity(_: ServiceKey) -> Result<Identity, Failure> {
        Err(missing())
    }
}
