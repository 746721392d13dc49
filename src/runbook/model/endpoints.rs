//! Which address and which credential belong to which service.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};
use url::Url;
use uuid::Uuid;

use super::secret::Secret;
use super::words::words;
use crate::runbook::source::Located;

words! {
    /// A service that has an address or a credential of its own.
    pub enum ServiceKey {
        /// Every service that has no credential of its own.
        Default = "default",
        /// Where tokens come from.
        Authority = "authority",
        /// The Power Platform API.
        PowerPlatform = "power-platform",
        /// The older admin API, the Business Application Platform.
        Bap = "bap",
        /// The Power Apps API.
        PowerApps = "power-apps",
        /// Dataverse of the source.
        DataverseSource = "dataverse-source",
        /// Dataverse of the target.
        DataverseTarget = "dataverse-target",
        /// Finance and Operations of the target.
        Finops = "finops",
        /// Lifecycle Services.
        Lcs = "lcs",
        /// The dual-write gateway.
        DualWrite = "dual-write",
    }
}

impl ServiceKey {
    /// The services that have an address: all but the default, which is only a credential.
    pub(in crate::runbook) fn with_address() -> impl Iterator<Item = Self> {
        let all = <Self as super::words::Word>::ALL.iter().copied();
        all.filter(|key| *key != Self::Default)
    }

    /// The services that have a credential: all but the authority, of which tokens are asked.
    pub(in crate::runbook) fn with_credential() -> impl Iterator<Item = Self> {
        let all = <Self as super::words::Word>::ALL.iter().copied();
        all.filter(|key| *key != Self::Authority)
    }
}

/// Services that every run speaks to, so that each needs a credential.
pub(in crate::runbook) const ALWAYS_SPOKEN_TO: [ServiceKey; 5] = [
    ServiceKey::PowerPlatform,
    ServiceKey::Bap,
    ServiceKey::DataverseSource,
    ServiceKey::DataverseTarget,
    ServiceKey::Finops,
];

/// What the endpoints of a rehearsal tenant must hold where any is written.
pub(in crate::runbook) const REHEARSAL_NEEDS: [ServiceKey; 3] = [
    ServiceKey::Authority,
    ServiceKey::PowerPlatform,
    ServiceKey::Bap,
];

/// The addresses that differ from the cloud's own.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Endpoints {
    /// How many times faster than real time the service lives; only a rehearsal tenant does.
    pub speed: Option<Located<f64>>,
    /// The written services.
    pub services: BTreeMap<ServiceKey, Endpoint>,
}

/// One service's address.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Endpoint {
    /// Its origin: scheme, host and port, no path. `http:` for loopback only.
    #[serde(serialize_with = "as_text")]
    pub url: Located<Url>,
    /// The scope to ask a token for, where it is not the service's usual one.
    pub scope: Option<Located<String>>,
}

fn as_text<S: Serializer>(url: &Located<Url>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(url.as_str())
}

/// Who the program is.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Identity {
    /// The Entra tenant: a domain name or a GUID.
    pub tenant: Located<String>,
    /// A credential for a service, or for every service without one of its own.
    pub credentials: BTreeMap<ServiceKey, Located<Credential>>,
}

impl Identity {
    /// The credential that speaks to a service: its own, else the default one.
    pub fn credential(&self, service: ServiceKey) -> Option<&Located<Credential>> {
        self.credentials
            .get(&service)
            .or_else(|| self.credentials.get(&ServiceKey::Default))
    }
}

/// A way to come by a token. Names and places only; a runbook holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Credential {
    /// An application with a client secret.
    #[serde(rename_all = "kebab-case")]
    ClientSecret {
        /// The application's id.
        client: Uuid,
        /// Where its secret is.
        secret: Secret,
    },
    /// A token that somebody else has fetched.
    Token(Secret),
    /// A program that prints a token, and its arguments. A program named with a slash is relative
    /// to the runbook.
    TokenCommand(Vec<String>),
    /// Whoever is signed in with the Azure CLI.
    AzureCli,
    /// A federated token in a file, as Kubernetes gives it. What is not written comes from
    /// `AZURE_CLIENT_ID` and `AZURE_FEDERATED_TOKEN_FILE`.
    #[serde(rename_all = "kebab-case")]
    WorkloadIdentity {
        /// The application's id.
        client: Option<Uuid>,
        /// The file, relative to the runbook.
        token_file: Option<String>,
    },
    /// The identity of the machine.
    #[serde(rename_all = "kebab-case")]
    ManagedIdentity {
        /// The client id of a user-assigned identity; else the system's own.
        client: Option<Uuid>,
    },
    /// A service connection of Azure Pipelines.
    #[serde(rename_all = "kebab-case")]
    AzurePipelines {
        /// The application's id.
        client: Uuid,
        /// The service connection's id.
        service_connection: String,
        /// Where the job's access token is; `SYSTEM_ACCESSTOKEN` unless it is written.
        access_token: Secret,
    },
    /// The identity token of a GitHub Actions job.
    #[serde(rename_all = "kebab-case")]
    GithubOidc {
        /// The application's id.
        client: Uuid,
        /// The audience that the federated credential of the application names.
        audience: String,
    },
}

words! {
    /// The kinds of credential, by their keys.
    pub enum CredentialKind {
        /// An application with a client secret.
        ClientSecret = "client-secret",
        /// A token that somebody else has fetched; it does not last.
        Token = "token",
        /// A program that prints a token, and its arguments. A program named with a slash is relative
        /// to the runbook.
        TokenCommand = "token-command",
        /// Whoever is signed in with the Azure CLI.
        AzureCli = "azure-cli",
        /// A federated token in a file, as Kubernetes gives it.
        WorkloadIdentity = "workload-identity",
        /// The identity of the machine.
        ManagedIdentity = "managed-identity",
        /// A service connection of Azure Pipelines.
        AzurePipelines = "azure-pipelines",
        /// The identity token of a GitHub Actions job.
        GithubOidc = "github-oidc",
    }
}

impl Credential {
    /// Its kind, for a message and for a refusal of what is not there yet.
    pub fn kind(&self) -> CredentialKind {
        match self {
            Self::ClientSecret { .. } => CredentialKind::ClientSecret,
            Self::Token(_) => CredentialKind::Token,
            Self::TokenCommand(_) => CredentialKind::TokenCommand,
            Self::AzureCli => CredentialKind::AzureCli,
            Self::WorkloadIdentity { .. } => CredentialKind::WorkloadIdentity,
            Self::ManagedIdentity { .. } => CredentialKind::ManagedIdentity,
            Self::AzurePipelines { .. } => CredentialKind::AzurePipelines,
            Self::GithubOidc { .. } => CredentialKind::GithubOidc,
        }
    }
}
