//! Who signs in, and the tokens that come of it.
//!
//! - [`Identity`]: the kinds of credentials, one file a kind: `client_secret`, `workload_identity`,
//!   `managed_identity`, `azure_pipelines`, `github_oidc`, `azure_cli`, `token_command`.
//! - `asking`: one fetch, and what becomes of it; `azure_identity`'s credentials are made anew for
//!   each.
//! - `transport`: the way from `azure_identity` to our own connections.
//! - `program`: a program that is run for a token, with a limit to its time.
//! - [`token_cache`]: one token for each identity and scope, renewed five minutes before its end on
//!   the program's clock, by one fetch at a time.
//! - `claims`: what a token says of itself.
//! - [`sign_in`]: what can be told of a service's credential before it is needed.

mod asking;
mod azure_cli;
mod azure_pipelines;
mod claims;
mod client_secret;
mod github_oidc;
mod managed_identity;
mod program;
mod sign_in;
#[cfg(test)]
mod tests;
mod token_cache;
mod token_command;
mod transport;
mod workload_identity;

use std::path::PathBuf;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};

use crate::base::text;

pub use sign_in::{Holder, Lasting, SignIn, TokenFacts};
pub(crate) use token_cache::TokenSource;
pub use token_cache::Tokens;

/// Who signs in.
#[derive(Clone, Debug)]
pub enum Identity {
    /// An application with a secret.
    ClientSecret {
        /// The tenant: its id or one of its domains.
        tenant: String,
        /// The application's (client's) id.
        client: String,
        /// The secret's value.
        secret: SecretString,
    },
    /// An application that trusts who wrote a file, as Kubernetes does. The file is read again for
    /// each token.
    WorkloadIdentity {
        /// The tenant: its id or one of its domains.
        tenant: String,
        /// The application's id.
        client: String,
        /// The file with the assertion.
        token_file: PathBuf,
    },
    /// The identity of the machine.
    ManagedIdentity {
        /// The client id of a user-assigned identity; else the machine's own.
        client: Option<String>,
        /// The address that hands out its tokens.
        endpoint: MachineEndpoint,
    },
    /// A service connection of Azure Pipelines.
    AzurePipelines {
        /// The tenant: its id or one of its domains.
        tenant: String,
        /// The application's id.
        client: String,
        /// The service connection's id.
        service_connection: String,
        /// Where the job asks for its assertions: what `SYSTEM_OIDCREQUESTURI` holds, which the
        /// library reads itself.
        request_url: String,
        /// The job's access token.
        access_token: SecretString,
    },
    /// The identity of a GitHub Actions job.
    GithubOidc {
        /// The tenant: its id or one of its domains.
        tenant: String,
        /// The application's id.
        client: String,
        /// The audience that the application's federated credential names.
        audience: String,
        /// Where the job asks for its assertions: `ACTIONS_ID_TOKEN_REQUEST_URL`.
        request_url: String,
        /// With what it asks: `ACTIONS_ID_TOKEN_REQUEST_TOKEN`.
        request_token: SecretString,
    },
    /// Whoever is signed in with the Azure CLI.
    AzureCli {
        /// The tenant: its id or one of its domains.
        tenant: String,
    },
    /// A program that prints a token.
    TokenCommand {
        /// The program: a name to be found on the path, or a path.
        program: PathBuf,
        /// Its arguments.
        arguments: Vec<String>,
    },
    /// A token that somebody else fetched. It cannot be renewed.
    Token(SecretString),
}

/// Where a machine hands out the tokens of its managed identity.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum MachineEndpoint {
    /// The metadata service of virtual machines. Another host (scheme, host and port) is named where
    /// it is not at its fixed address.
    Metadata(Option<String>),
    /// The identity endpoint of App Service and its kin: what `IDENTITY_ENDPOINT` holds, which the
    /// library reads itself.
    AppService(String),
}

impl Identity {
    /// Its kind, by the key of a runbook.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::ClientSecret { .. } => "client-secret",
            Self::WorkloadIdentity { .. } => "workload-identity",
            Self::ManagedIdentity { .. } => "managed-identity",
            Self::AzurePipelines { .. } => "azure-pipelines",
            Self::GithubOidc { .. } => "github-oidc",
            Self::AzureCli { .. } => "azure-cli",
            Self::TokenCommand { .. } => "token-command",
            Self::Token(_) => "token",
        }
    }

    /// The application's id, where it is an application whose id is known.
    pub fn application(&self) -> Option<&str> {
        match self {
            Self::ClientSecret { client, .. }
            | Self::WorkloadIdentity { client, .. }
            | Self::AzurePipelines { client, .. }
            | Self::GithubOidc { client, .. } => Some(client),
            Self::ManagedIdentity { client, .. } => client.as_deref(),
            Self::AzureCli { .. } | Self::TokenCommand { .. } | Self::Token(_) => None,
        }
    }

    /// Who asks, where its kind tells; the others' tokens tell themselves.
    pub fn holder(&self) -> Option<Holder> {
        match self {
            Self::ClientSecret { .. }
            | Self::WorkloadIdentity { .. }
            | Self::ManagedIdentity { .. }
            | Self::AzurePipelines { .. }
            | Self::GithubOidc { .. } => Some(Holder::Application),
            Self::AzureCli { .. } | Self::TokenCommand { .. } | Self::Token(_) => None,
        }
    }

    /// What is equal for equal identities, and does not give a secret away.
    fn key(&self) -> String {
        let secret = |secret: &SecretString| text::sha256(secret.expose_secret().as_bytes());
        let kind = self.kind();
        match self {
            Self::ClientSecret {
                tenant,
                client,
                secret: own,
            } => format!("{kind} {tenant} {client} {}", secret(own)),
            Self::WorkloadIdentity {
                tenant,
                client,
                token_file,
            } => format!("{kind} {tenant} {client} {}", token_file.display()),
            Self::ManagedIdentity { client, endpoint } => {
                format!("{kind} {client:?} {endpoint:?}")
            }
            Self::AzurePipelines {
                tenant,
                client,
                service_connection,
                request_url,
                access_token,
            } => format!(
                "{kind} {tenant} {client} {service_connection} {request_url} {}",
                secret(access_token)
            ),
            Self::GithubOidc {
                tenant,
                client,
                audience,
                request_url,
                request_token,
            } => format!(
                "{kind} {tenant} {client} {audience} {request_url} {}",
                secret(request_token)
            ),
            Self::AzureCli { tenant } => format!("{kind} {tenant}"),
            Self::TokenCommand { program, arguments } => {
                format!("{kind} {} {arguments:?}", program.display())
            }
            Self::Token(token) => format!("{kind} {}", secret(token)),
        }
    }
}

/// A token as it was fetched.
#[derive(Debug)]
struct Fetched {
    token: SecretString,
    /// How long it lives from its fetch; none where nobody says.
    life: Option<Duration>,
}
