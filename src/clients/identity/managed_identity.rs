//! The identity of the machine, through `azure_identity`'s own credential: a virtual machine's
//! metadata service, or the identity endpoint of App Service and similar services.
//!
//! Both are on the machine itself, and neither is reached through a proxy.

use async_trait::async_trait;
use azure_core::credentials::TokenCredential as _;
use azure_identity::{ManagedIdentityCredential, ManagedIdentityCredentialOptions, UserAssignedId};
use url::Url;

use super::credential_kind::{CredentialKind, KindFacts};
use super::sign_in_transport::{Outcome, Route};
use super::token_request::{FetchedToken, TokenError, TokenRequest};
use crate::clients::error::ErrorKind;
use crate::clients::http::is_local_to_machine;

/// The identity of the machine.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct ManagedIdentity {
    /// The client id of a user-assigned identity; `None` for the machine's own.
    pub client: Option<String>,
    /// The address that provides its tokens.
    pub endpoint: MachineEndpoint,
}

/// Where a machine provides the tokens of its managed identity.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum MachineEndpoint {
    /// The metadata service of virtual machines: at its fixed address, or at another host (scheme,
    /// host and port).
    Metadata(Option<String>),
    /// The identity endpoint of App Service and similar services: the value of `IDENTITY_ENDPOINT`,
    /// which the library reads itself.
    AppService(String),
}

const NAME: &str = "the managed identity of this machine";

/// The metadata service of virtual machines (Microsoft Learn, *How to use managed identities on a
/// virtual machine*). The library has it built in.
const METADATA: &str = "http://169.254.169.254";

const NOT_LOCAL: &str =
    "its tokens come from this machine only: http on the loopback or a link-local address";

const UNSUPPORTED: &str =
    "virtual machines and App Service are supported; use another kind elsewhere";

const NOT_ASSIGNED: &str = "assign the identity to this machine; a user-assigned one needs its `client` \
                            under `identity`";

const NO_MACHINE: &str = "managed identities exist on Azure's machines and services only: run this there \
                          with an identity assigned, or use another kind of credential";

#[async_trait]
impl CredentialKind for ManagedIdentity {
    fn facts(&self) -> KindFacts<'_> {
        KindFacts::application("managed-identity", self.client.as_deref())
    }

    async fn fetch(&self, request: TokenRequest<'_>) -> Result<FetchedToken, TokenError> {
        let route = self.endpoint.route().ok_or_else(|| {
            let message = match self.endpoint {
                MachineEndpoint::Metadata(_) => "its address is not on this machine",
                MachineEndpoint::AppService(_) => {
                    "the address in IDENTITY_ENDPOINT is not on this machine"
                }
            };
            request
                .error(ErrorKind::Configuration, NAME, message)
                .or_help(NOT_LOCAL)
        })?;
        let transport = request.transport(vec![route]);
        let client_id = self.client.clone();
        let options = ManagedIdentityCredentialOptions {
            user_assigned_id: client_id.map(UserAssignedId::ClientId),
            client_options: request.client_options(&transport),
        };
        let credential = ManagedIdentityCredential::new(Some(options)).map_err(|error| {
            request
                .invalid_credential(NAME, &error)
                .or_help(UNSUPPORTED)
        })?;
        let result = credential.get_token(&[request.scope], None).await;
        let last = transport.last();
        request.finish(result, &transport).map_err(|mut failed| {
            match last.map(|last| last.outcome) {
                // It is being updated (same page, *Error handling*).
                Some(Outcome::Responded(response)) if matches!(response.status, 404 | 410) => {
                    failed.error.kind = ErrorKind::Unavailable;
                    failed
                }
                Some(Outcome::Responded(response)) if response.status == 400 => {
                    failed.or_help(NOT_ASSIGNED)
                }
                // If it has never responded, it does not exist, and waiting does not help.
                Some(Outcome::Failed(_)) if !request.fetched_before => {
                    failed.error.kind = ErrorKind::NotSignedIn;
                    failed.or_help(NO_MACHINE)
                }
                _ => failed,
            }
        })
    }
}

impl MachineEndpoint {
    /// The route to the endpoint, if it is on this machine.
    fn route(&self) -> Option<Route> {
        let (known, real) = match self {
            Self::Metadata(None) => (METADATA, METADATA),
            Self::Metadata(Some(host)) => (METADATA, host.as_str()),
            Self::AppService(address) => (address.as_str(), address.as_str()),
        };
        let (known, real) = (Url::parse(known).ok()?, Url::parse(real).ok()?);
        is_local_to_machine(&real).then(|| Route {
            name: NAME.to_owned(),
            known,
            real,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_machine_itself_are_used() {
        let metadata = |host: &str| MachineEndpoint::Metadata(Some(host.to_owned()));
        let service = |host: &str| MachineEndpoint::AppService(host.to_owned());
        for endpoint in [
            MachineEndpoint::Metadata(None),
            metadata("http://127.0.0.1:40342"),
            service("http://127.0.0.1:41741/msi/token"),
            service("http://localhost:12356/msi/token"),
            service("http://169.254.129.4:8081/msi/token"),
        ] {
            assert!(endpoint.route().is_some(), "{endpoint:?}");
        }
        for endpoint in [
            metadata("http://10.0.0.4"),
            metadata("http://169.254.169.254.evil.example"),
            metadata("http://user@169.254.169.254"),
            metadata("not a url"),
            service("http://evil.example/msi/token"),
            service("file:///msi/token"),
        ] {
            assert!(endpoint.route().is_none(), "{endpoint:?}");
        }
    }
}
