//! Our tokens as the library's credential: one sign-in code for all services.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use azure_core::Error;
use azure_core::credentials::{AccessToken, Secret, TokenCredential, TokenRequestOptions};
use azure_core::error::ErrorKind;
use azure_core::time::OffsetDateTime;
use secrecy::ExposeSecret as _;
use url::Url;

use crate::clients::identity::SignIn;

/// How long the library keeps a token. Ours decides when it is renewed.
const KEPT: Duration = Duration::from_mins(6);

/// The hosts that belong to Azure Storage in each cloud, by their ends (Microsoft Learn, *Storage
/// account overview*, and the clouds' lists of endpoints). A token for storage opens every account
/// of its user, so it is sent to no other host.
const HOSTS: [&str; 4] = [
    ".blob.core.windows.net",
    ".blob.storage.azure.net",
    ".blob.core.usgovcloudapi.net",
    ".blob.core.chinacloudapi.cn",
];

/// May a token for storage be sent to this address?
pub fn is_storage_host(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    url.scheme() == "https" && HOSTS.iter().any(|end| host.ends_with(end))
}

/// A sign-in as a credential of the library.
pub(super) struct StorageToken(SignIn);

impl StorageToken {
    pub(super) fn credential(sign_in: SignIn) -> Arc<dyn TokenCredential> {
        Arc::new(Self(sign_in))
    }
}

impl fmt::Debug for StorageToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StorageToken")
    }
}

#[async_trait]
impl TokenCredential for StorageToken {
    async fn get_token(
        &self,
        _scopes: &[&str],
        _options: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        let token = self.0.token().await.map_err(|error| {
            let kind = if error.is_temporary() {
                ErrorKind::Io
            } else {
                ErrorKind::Credential
            };
            Error::with_message(kind, error.to_string())
        })?;
        let secret = Secret::new(token.expose_secret().to_owned());
        Ok(AccessToken::new(secret, OffsetDateTime::now_utc() + KEPT))
    }
}
