//! Credentials and the tokens that they provide.
//!
//! - [`kinds`]: [`Identity`], the list of credential kinds. Each kind is one file with its
//!   configuration, how it fetches a token, and its failures: `client_secret`, `workload_identity`,
//!   `managed_identity`, `azure_pipelines`, `github_oidc`, `azure_cli`, `token_command`,
//!   `given_token`.
//! - `credential_kind`: what each kind implements.
//! - [`tokens`]: the tokens of a run.
//! - [`sign_in`]: what is known about a service's credential before it is used.
//! - `token_source`: one token for each identity and scope, renewed before it expires on the
//!   program's clock, by one fetch at a time; `token_cache`: when that is.
//! - `token_request`: one fetch and its outcome; each fetch creates a new `azure_identity`
//!   credential.
//! - `sign_in_transport`: sends the requests of `azure_identity` over our own connections.
//! - `token_times`: lifetimes in token responses.
//! - `assertion_issuer`: the address of an issuer of assertions.
//! - `program`: runs a program that prints a token, with a timeout.
//! - `claims`: the claims of a token; `holder`: who holds it.

mod assertion_issuer;
mod azure_cli;
mod azure_pipelines;
mod claims;
mod client_secret;
mod credential_kind;
mod github_oidc;
mod given_token;
mod holder;
mod kinds;
mod managed_identity;
mod program;
mod sign_in;
mod sign_in_transport;
#[cfg(test)]
mod tests;
mod token_cache;
mod token_command;
mod token_request;
mod token_source;
mod token_times;
mod tokens;
mod workload_identity;

pub use azure_cli::AzureCli;
pub use azure_pipelines::AzurePipelines;
pub use client_secret::ClientSecret;
pub use credential_kind::{CredentialLifetime, CredentialSecret};
pub use github_oidc::GithubOidc;
pub use given_token::GivenToken;
pub use holder::TokenHolder;
pub use kinds::Identity;
pub use managed_identity::{MachineEndpoint, ManagedIdentity};
pub use sign_in::{SignIn, TokenFacts};
pub use token_command::TokenCommand;
pub(crate) use token_source::TokenSource;
pub use tokens::Tokens;
pub use workload_identity::WorkloadIdentity;
