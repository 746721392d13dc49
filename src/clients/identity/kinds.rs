//! The list of credential kinds.

use super::azure_cli::AzureCli;
use super::azure_pipelines::AzurePipelines;
use super::client_secret::ClientSecret;
use super::credential_kind::{CredentialKind, CredentialLifetime, KindFacts};
use super::github_oidc::GithubOidc;
use super::given_token::GivenToken;
use super::holder::TokenHolder;
use super::managed_identity::ManagedIdentity;
use super::token_command::TokenCommand;
use super::workload_identity::WorkloadIdentity;

/// A credential of any kind.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Identity {
    /// An application with a secret.
    ClientSecret(ClientSecret),
    /// An application that trusts the issuer of a token in a file, as Kubernetes provides it.
    WorkloadIdentity(WorkloadIdentity),
    /// The identity of the machine.
    ManagedIdentity(ManagedIdentity),
    /// A service connection of Azure Pipelines.
    AzurePipelines(AzurePipelines),
    /// The identity of a GitHub Actions job.
    GithubOidc(GithubOidc),
    /// The account that is signed in with the Azure CLI.
    AzureCli(AzureCli),
    /// A program that prints a token.
    TokenCommand(TokenCommand),
    /// A token that the runbook provides, which cannot be renewed.
    Token(GivenToken),
}

impl Identity {
    pub(super) fn credential(&self) -> &dyn CredentialKind {
        match self {
            Self::ClientSecret(credential) => credential,
            Self::WorkloadIdentity(credential) => credential,
            Self::ManagedIdentity(credential) => credential,
            Self::AzurePipelines(credential) => credential,
            Self::GithubOidc(credential) => credential,
            Self::AzureCli(credential) => credential,
            Self::TokenCommand(credential) => credential,
            Self::Token(credential) => credential,
        }
    }

    pub(super) fn facts(&self) -> KindFacts<'_> {
        self.credential().facts()
    }

    /// The kind's key in a runbook.
    pub fn kind(&self) -> &'static str {
        self.facts().kind
    }

    /// The application's id, if the credential belongs to an application with a known id.
    pub fn application(&self) -> Option<&str> {
        self.facts().application
    }

    /// The holder of its tokens, if the kind determines it; otherwise each token says it.
    pub fn holder(&self) -> Option<TokenHolder> {
        self.facts().holder
    }

    /// How long the credential provides tokens.
    pub fn lifetime(&self) -> CredentialLifetime {
        self.facts().lifetime
    }
}
