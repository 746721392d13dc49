//! Who signs in to each service.

use secrecy::SecretString;

use crate::clients::Identity;
use crate::engine::{Failure, FailureKind};
use crate::rehearsal;
use crate::runbook::{Credential, Runbook, Secret, ServiceKey};

/// Who signs in.
pub(super) struct Signing {
    /// The Entra tenant: its id or one of its domains.
    pub(super) tenant: String,
    /// The application id of the default credential, where it is an application.
    pub(super) application: Option<String>,
}

impl Signing {
    /// Who signs in, by the runbook; the rehearsal tenant's own application where it says nothing.
    pub(super) fn of(runbook: &Runbook) -> Self {
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

    /// The identity that speaks to a service.
    pub(super) fn identity(&self, runbook: &Runbook, key: ServiceKey) -> Result<Identity, Failure> {
        let Some(identity) = &runbook.identity else {
            if matches!(key, ServiceKey::Lcs | ServiceKey::DualWrite) {
                // They take a person's token only.
                let token = rehearsal::PERSON_TOKEN.to_owned();
                return Ok(Identity::Token(SecretString::from(token)));
            }
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
