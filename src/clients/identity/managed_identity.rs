//! The identity of the machine, through `azure_identity`'s own credential: a virtual machine's
//! metadata service, or the identity endpoint of App Service and its kin.
//!
//! Neither is reached through a proxy, and neither is another host than the machine's own.

use azure_core::credentials::TokenCredential as _;
use azure_identity::{ManagedIdentityCredential, ManagedIdentityCredentialOptions, UserAssignedId};
use url::Url;

use super::asking::{Asking, NoToken, first_line};
use super::transport::{Outcome, Route};
use super::{Fetched, MachineEndpoint};
use crate::clients::error::ErrorKind;
use crate::clients::http::is_machines_own;

const NAME: &str = "the managed identity of this machine";

/// The metadata service of virtual machines (Microsoft Learn, *How to use managed identities on a
/// virtual machine*). The library has it built in.
const METADATA: &str = "http://169.254.169.254";

const NO_MACHINE: &str = "managed identities are there on Azure's machines and services only: run it \
                          there with an identity assigned, or use another kind of credential";

/// Fetches a token once.
pub(super) async fn fetch(
    asking: Asking<'_>,
    client: Option<&str>,
    endpoint: &MachineEndpoint,
) -> Result<Fetched, NoToken> {
    let route = route(endpoint).ok_or_else(|| {
        let message = match endpoint {
            MachineEndpoint::Metadata(_) => "its address is no machine's own",
            MachineEndpoint::AppService(_) => "IDENTITY_ENDPOINT is no machine's own address",
        };
        asking
            .failed(ErrorKind::Configuration, NAME, message)
            .or_help(
                "its tokens are asked of this machine only: http on the loopback or link-local",
            )
    })?;
    let transport = asking.transport(vec![route]);
    let options = ManagedIdentityCredentialOptions {
        user_assigned_id: client.map(|client| UserAssignedId::ClientId(client.to_owned())),
        client_options: asking.options(&transport),
    };
    let credential = ManagedIdentityCredential::new(Some(options)).map_err(|error| {
        let message = first_line(&error.to_string());
        asking
            .failed(ErrorKind::Configuration, NAME, &message)
            .or_help("virtual machines and App Service are supported; use another kind elsewhere")
    })?;
    let result = credential.get_token(&[asking.scope], None).await;
    let last = transport.last();
    asking.settle(result, &transport).map_err(|mut no_token| {
        match last.map(|last| last.outcome) {
            // It is being updated (same page, *Error handling*).
            Some(Outcome::Answered(answer)) if matches!(answer.status, 404 | 410) => {
                no_token.error.kind = ErrorKind::Unavailable;
                no_token
            }
            Some(Outcome::Answered(answer)) if answer.status == 400 => no_token.or_help(
                "assign the identity to this machine; a user-assigned one needs its `client` under \
                 `identity`",
            ),
            // Where it has never answered, there is none, and waiting helps nobody.
            Some(Outcome::Failed(_)) if !asking.before => {
                no_token.error.kind = ErrorKind::NotSignedIn;
                no_token.or_help(NO_MACHINE)
            }
            _ => no_token,
        }
    })
}

/// The way to the endpoint, if it is this machine's own.
fn route(endpoint: &MachineEndpoint) -> Option<Route> {
    let (known, real) = match endpoint {
        MachineEndpoint::Metadata(None) => (METADATA, METADATA),
        MachineEndpoint::Metadata(Some(host)) => (METADATA, host.as_str()),
        MachineEndpoint::AppService(address) => (address.as_str(), address.as_str()),
    };
    let (known, real) = (Url::parse(known).ok()?, Url::parse(real).ok()?);
    is_machines_own(&real).then(|| Route {
        name: NAME.to_owned(),
        known,
        real,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_machines_own_addresses_are_asked() {
        let metadata = |host: &str| MachineEndpoint::Metadata(Some(host.to_owned()));
        let service = |host: &str| MachineEndpoint::AppService(host.to_owned());
        for endpoint in [
            MachineEndpoint::Metadata(None),
            metadata("http://127.0.0.1:40342"),
            service("http://127.0.0.1:41741/msi/token"),
            service("http://localhost:12356/msi/token"),
            service("http://169.254.129.4:8081/msi/token"),
        ] {
            assert!(route(&endpoint).is_some(), "{endpoint:?}");
        }
        for endpoint in [
            metadata("http://10.0.0.4"),
            metadata("http://169.254.169.254.evil.example"),
            metadata("http://user@169.254.169.254"),
            metadata("not a url"),
            service("http://evil.example/msi/token"),
            service("file:///msi/token"),
        ] {
            assert!(route(&endpoint).is_none(), "{endpoint:?}");
        }
    }
}
