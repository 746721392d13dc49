//! A container of Azure Storage whose copies of state files are only read. A command that shows many
//! runs needs no runbook, so the variables that Microsoft's own tools read choose the sign-in, unless
//! a runbook is named.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use url::Url;

use super::state::{SCOPE, failure, require_storage_host, runbook_access};
use crate::base::cancellation::Cancellation;
use crate::base::clock::Clock;
use crate::base::secrets;
use crate::clients::{
    AzureCli, ClientSecret, CredentialSecret, Http, Identity, MachineEndpoint, ManagedIdentity,
    MicrosoftCloud, SignIn, Silent, StateContainer, Tokens, WorkloadIdentity,
};
use crate::engine::{Failure, FailureKind};
use crate::runbook::Runbook;

/// A shared access signature, as the Azure CLI reads it. Source: Microsoft Learn, *Choose how to
/// authorize access to blob data with Azure CLI*.
const SIGNATURE: &str = "AZURE_STORAGE_SAS_TOKEN";
/// The variables of Microsoft's credential libraries. Source: Microsoft Learn, *azure-identity*,
/// *Environment variables*.
const TENANT: &str = "AZURE_TENANT_ID";
const CLIENT: &str = "AZURE_CLIENT_ID";
const SECRET: &str = "AZURE_CLIENT_SECRET";
const TOKEN_FILE: &str = "AZURE_FEDERATED_TOKEN_FILE";
const AUTHORITY: &str = "AZURE_AUTHORITY_HOST";

/// How a container is read.
enum Access {
    /// With a shared access signature.
    Signature(String),
    /// With a token of this identity.
    Identity(Identity),
}

/// Opens a container to read it, with the sign-in of this runbook or with that of the environment
/// variables. Takes an address without a signature, and sends nothing yet.
pub(in crate::cli) fn open_container(
    address: &Url,
    runbook: Option<&Runbook>,
) -> Result<StateContainer, Failure> {
    let (signed, sign_in) = match runbook {
        Some(runbook) => runbook_access(runbook, address)?,
        None => variables_access(address, &|name| std::env::var_os(name))?,
    };
    StateContainer::open(signed, sign_in).map_err(|error| failure(address.as_str(), error))
}

fn variables_access(
    address: &Url,
    variable: &dyn Fn(&str) -> Option<OsString>,
) -> Result<(Url, Option<SignIn>), Failure> {
    let read = |name: &str| {
        let value = variable(name)?.into_string().ok()?;
        (!value.is_empty()).then_some(value)
    };
    let identity = match choose_access(&read)? {
        Access::Signature(signature) => {
            let mut signed = address.clone();
            signed.set_query(Some(signature.trim_start_matches('?')));
            secrets::register_secret(&signature);
            // The signature may be shown alone, in another spelling.
            for (_, part) in signed.query_pairs().filter(|(key, _)| key == "sig") {
                secrets::register_secret(&part);
            }
            return Ok((signed, None));
        }
        Access::Identity(identity) => identity,
    };
    require_storage_host(
        address,
        &format!("set `{SIGNATURE}` to a shared access signature"),
    )?;
    let http = Http::new(Clock::new(1.0), Arc::new(Silent), Cancellation::new())?;
    let tokens = Tokens::new(&http, &authority(address, read(AUTHORITY)))?;
    Ok((address.clone(), Some(tokens.sign_in(&identity, SCOPE))))
}

/// The access that the variables choose, in the order of Microsoft's libraries: a signature, an
/// application with a secret, a workload identity, a managed identity of App Service and similar
/// hosts, the account of the Azure CLI. A variable whose companions are missing is an error: it must
/// not choose another account.
fn choose_access(read: &dyn Fn(&str) -> Option<String>) -> Result<Access, Failure> {
    if let Some(signature) = read(SIGNATURE) {
        return Ok(Access::Signature(signature));
    }
    let needed = |name: &str, by: &str| {
        read(name).ok_or_else(|| {
            let message = format!("`{by}` is set, and `{name}` is not");
            let help = format!("set `{name}` too, or unset `{by}`");
            Failure::new(FailureKind::InvalidInput, message).with_help(help)
        })
    };
    let identity = if let Some(secret) = read(SECRET) {
        secrets::register_secret(&secret);
        Identity::ClientSecret(ClientSecret {
            tenant: needed(TENANT, SECRET)?,
            client: needed(CLIENT, SECRET)?,
            secret: CredentialSecret::from(secret)
                .read_from(format!("the environment variable {SECRET}")),
        })
    } else if let Some(file) = read(TOKEN_FILE) {
        Identity::WorkloadIdentity(WorkloadIdentity {
            tenant: needed(TENANT, TOKEN_FILE)?,
            client: needed(CLIENT, TOKEN_FILE)?,
            token_file: PathBuf::from(file),
        })
    } else if let (Some(address), Some(_)) = (read("IDENTITY_ENDPOINT"), read("IDENTITY_HEADER")) {
        Identity::ManagedIdentity(ManagedIdentity {
            client: read(CLIENT),
            endpoint: MachineEndpoint::AppService(address),
        })
    } else {
        Identity::AzureCli(AzureCli {
            tenant: read(TENANT),
        })
    };
    Ok(Access::Identity(identity))
}

/// The authority that issues the tokens: the given one, else that of the container's cloud.
fn authority(container: &Url, given: Option<String>) -> String {
    if let Some(given) = given {
        let given = given.trim_end_matches('/');
        // Microsoft's libraries take a host too.
        return if given.contains("://") {
            given.to_owned()
        } else {
            format!("https://{given}")
        };
    }
    let host = container.host_str().unwrap_or_default();
    let cloud = if host.ends_with(".usgovcloudapi.net") {
        MicrosoftCloud::GccHigh
    } else if host.ends_with(".chinacloudapi.cn") {
        MicrosoftCloud::China
    } else {
        MicrosoftCloud::Public
    };
    cloud.authority()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTAINER: &str = "https://contoso.blob.core.windows.net/iomcopy";

    fn access(container: &str, set: &[(&str, &str)]) -> Result<(Url, Option<SignIn>), Failure> {
        let container = Url::parse(container).unwrap();
        variables_access(&container, &|name| {
            let found = set.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| OsString::from(value))
        })
    }

    fn identity(set: &[(&str, &str)]) -> Identity {
        let read = |name: &str| {
            let found = set.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        match choose_access(&read) {
            Ok(Access::Identity(identity)) => identity,
            Ok(Access::Signature(_)) => panic!("a signature"),
            Err(failure) => panic!("{failure:?}"),
        }
    }

    #[test]
    fn the_variables_of_microsofts_tools_choose_the_sign_in() {
        let tenant = (TENANT, "contoso.onmicrosoft.com");
        let client = (CLIENT, "0f0f0f0f-0000-4000-8000-000000000000");
        let file = (TOKEN_FILE, "/var/token");
        let found = identity(&[tenant, client, (SECRET, "s3cr3t-of-fleet"), file]);
        assert!(matches!(found, Identity::ClientSecret(_)), "{found:?}");
        assert!(!format!("{found:?}").contains("s3cr3t"), "{found:?}");
        let found = identity(&[tenant, client, file]);
        assert!(matches!(found, Identity::WorkloadIdentity(_)), "{found:?}");
        let service = ("IDENTITY_ENDPOINT", "http://127.0.0.1:41741/msi/token");
        let found = identity(&[client, service, ("IDENTITY_HEADER", "x")]);
        let Identity::ManagedIdentity(ManagedIdentity { client: of, .. }) = found else {
            panic!("{found:?}");
        };
        assert_eq!(of.as_deref(), Some(client.1));
        for (set, expected) in [(vec![], None), (vec![tenant, client], Some(tenant.1))] {
            let found = identity(&set);
            let Identity::AzureCli(AzureCli { tenant }) = found else {
                panic!("{found:?}");
            };
            assert_eq!(tenant.as_deref(), expected);
        }
    }

    #[test]
    fn a_variable_without_its_companions_is_an_error() {
        let failure = access(CONTAINER, &[(SECRET, "x"), (TENANT, "t")])
            .err()
            .unwrap();
        assert_eq!(failure.kind, FailureKind::InvalidInput);
        assert_eq!(
            failure.message,
            "`AZURE_CLIENT_SECRET` is set, and `AZURE_CLIENT_ID` is not"
        );
    }

    #[test]
    fn a_signature_goes_to_the_container_and_a_token_to_storage_only() {
        let signature = (SIGNATURE, "?sv=2021-12-02&sig=abc%2Fdef");
        let (signed, sign_in) = access("http://127.0.0.1:10000/a/runs", &[signature]).unwrap();
        assert_eq!(
            signed.as_str(),
            "http://127.0.0.1:10000/a/runs?sv=2021-12-02&sig=abc%2Fdef"
        );
        assert!(sign_in.is_none());
        let (address, sign_in) = access(CONTAINER, &[]).unwrap();
        assert_eq!(address.as_str(), CONTAINER);
        assert_eq!(sign_in.unwrap().scope(), SCOPE);
        let failure = access("https://contoso.example/runs", &[]).err().unwrap();
        assert_eq!(failure.kind, FailureKind::InvalidInput);
        let begin = "contoso.example is not a host of Azure Storage";
        assert!(failure.message.starts_with(begin), "{}", failure.message);
    }

    #[test]
    fn the_authority_is_that_of_the_containers_cloud_unless_it_is_given() {
        let of = |host: &str, given: Option<&str>| {
            let container = Url::parse(&format!("https://{host}/runs")).unwrap();
            authority(&container, given.map(str::to_owned))
        };
        let public = "contoso.blob.core.windows.net";
        assert_eq!(of(public, None), "https://login.microsoftonline.com");
        assert_eq!(
            of("contoso.blob.core.usgovcloudapi.net", None),
            "https://login.microsoftonline.us"
        );
        assert_eq!(
            of("contoso.blob.core.chinacloudapi.cn", None),
            "https://login.chinacloudapi.cn"
        );
        assert_eq!(of(public, Some("login.example/")), "https://login.example");
    }
}
