//! Who signs in, and the tokens that come of it.
//!
//! - [`Identity`]: the kinds of credentials.
//! - [`token_cache`]: one token for each identity and scope, renewed five minutes before its end on
//!   the program's clock, by one fetch at a time.
//! - `client_secret`: `azure_identity`'s credential, made anew for every fetch.
//! - `transport`: the way from `azure_identity` to our own connections.

mod client_secret;
mod token_cache;
mod transport;

use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};

use crate::text;

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
    /// A token that somebody else fetched. It cannot be renewed.
    Token(SecretString),
}

impl Identity {
    /// What is equal for equal identities, and does not give the secret away.
    fn key(&self) -> String {
        match self {
            Self::ClientSecret {
                tenant,
                client,
                secret,
            } => {
                let secret = text::sha256(secret.expose_secret().as_bytes());
                format!("client-secret {tenant} {client} {secret}")
            }
            Self::Token(token) => {
                format!("token {}", text::sha256(token.expose_secret().as_bytes()))
            }
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
