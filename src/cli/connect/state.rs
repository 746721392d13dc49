//! The copy of the state file at a service: its address, its sign-in, and its lease.

use std::path::Path;
use std::sync::Arc;

use secrecy::ExposeSecret as _;
use url::Url;

use super::addresses::resolve_addresses;
use super::credentials::Credentials;
use crate::base::cancellation::Cancellation;
use crate::base::clock::Clock;
use crate::base::remote_state::{RemoteState, RemoteStateError};
use crate::base::secrets;
use crate::clients::{Http, SignIn, Silent, StateBlob, StateBlobAddress, Tokens, is_storage_host};
use crate::domain::failure_at;
use crate::engine::{Failure, FailureKind};
use crate::journal::{self, JournalError};
use crate::runbook::{
    Cloud, ContainerAddress, ContainerError, Runbook, Secret, ServiceKey, Span, parse_container,
};

/// The scope of tokens for storage, the same in every cloud. Source: Microsoft Learn, *Authorize
/// access to blobs using Microsoft Entra ID*.
pub(super) const SCOPE: &str = "https://storage.azure.com/.default";

/// Takes the lease of the state file's copy, if the runbook or the command line names a container.
/// With `takeover`, from the process that has it.
pub(in crate::cli) fn open_state_copy(
    runbook: &Runbook,
    given: Option<&str>,
    path: &Path,
    takeover: bool,
) -> Result<Option<Arc<dyn RemoteState>>, Failure> {
    let Some(address) = address(runbook, given, path)? else {
        return Ok(None);
    };
    let place = place(&address);
    let copy = StateBlob::open(address, takeover).map_err(|error| failure(&place, error))?;
    Ok(Some(Arc::new(copy)))
}

/// Brings the state file up to its copy, if there is one, for a command that only reads.
pub(in crate::cli) fn refresh_state(
    runbook: &Runbook,
    given: Option<&str>,
    path: &Path,
) -> Result<(), Failure> {
    if let Some((copy, _)) = reader(runbook, given, path)? {
        journal::refresh_from_copy(path, &copy)?;
    }
    Ok(())
}

/// Does a process, here or elsewhere, have the lease of the state file's copy?
pub(in crate::cli) fn state_is_leased(
    runbook: &Runbook,
    given: Option<&str>,
    path: &Path,
) -> Result<bool, Failure> {
    match reader(runbook, given, path)? {
        Some((copy, place)) => copy.is_leased().map_err(|error| failure(&place, error)),
        None => Ok(false),
    }
}

fn reader(
    runbook: &Runbook,
    given: Option<&str>,
    path: &Path,
) -> Result<Option<(StateBlob, String)>, Failure> {
    let Some(address) = address(runbook, given, path)? else {
        return Ok(None);
    };
    let place = place(&address);
    let copy = StateBlob::reader(address).map_err(|error| failure(&place, error))?;
    Ok(Some((copy, place)))
}

/// The blob of a state file: it has the file's name, so several runs can share a container.
fn address(
    runbook: &Runbook,
    given: Option<&str>,
    path: &Path,
) -> Result<Option<StateBlobAddress>, Failure> {
    let name = path.file_name().unwrap_or_default();
    let name = name.to_string_lossy().into_owned();
    let (container, is_signed) = match (given, &runbook.state) {
        (Some(given), _) => {
            let container = parse_container(given, false).map_err(on_command_line)?;
            (container, false)
        }
        (None, None) => return Ok(None),
        (None, Some(state)) => match &state.azure_blob.value {
            ContainerAddress::Written(url) => (url.clone(), false),
            ContainerAddress::Signed(secret) => {
                let span = state.azure_blob.span;
                (read_signed(runbook, secret, span)?, true)
            }
        },
    };
    let sign_in = if is_signed {
        None
    } else {
        Some(sign_in(runbook, &container)?)
    };
    Ok(Some(StateBlobAddress {
        container,
        sign_in,
        name,
    }))
}

/// Reads an address with a shared access signature from its place in the runbook.
fn read_signed(runbook: &Runbook, secret: &Secret, span: Span) -> Result<Url, Failure> {
    let invalid = |message: String, help: Option<&str>| {
        let block = runbook.diagnostic(span, &message, help);
        failure_at(FailureKind::InvalidInput, &block)
    };
    let text = secret
        .read(runbook.folder(), &|name| std::env::var_os(name))
        .map_err(|error| invalid(error.to_string(), error.help()))?;
    let url = parse_container(text.expose_secret(), true)
        .map_err(|error| invalid(format!("the address of the container: {error}"), None))?;
    // The signature may be shown alone, in another spelling.
    for (_, signature) in url.query_pairs().filter(|(key, _)| key == "sig") {
        secrets::register_secret(&signature);
    }
    Ok(url)
}

fn on_command_line(error: ContainerError) -> Failure {
    let failure = Failure::new(FailureKind::InvalidInput, format!("--state: {error}"));
    failure.with_help(match error {
        ContainerError::Signed => {
            "others can read a command line: put the address in a variable, and \
             `state: { azure-blob: { env: NAME } }` in the runbook"
        }
        ContainerError::Invalid(_) => "write `https://ACCOUNT.blob.core.windows.net/CONTAINER`",
    })
}

/// The container that a runbook names, without a signature; `None` if it names none.
pub(in crate::cli) fn runbook_container(runbook: &Runbook) -> Result<Option<Url>, Failure> {
    let Some(state) = &runbook.state else {
        return Ok(None);
    };
    Ok(Some(match &state.azure_blob.value {
        ContainerAddress::Written(url) => url.clone(),
        ContainerAddress::Signed(secret) => {
            without_signature(&read_signed(runbook, secret, state.azure_blob.span)?)
        }
    }))
}

/// How a runbook reads a container: with the signature that it has for this one, else with a
/// sign-in.
pub(super) fn runbook_access(
    runbook: &Runbook,
    container: &Url,
) -> Result<(Url, Option<SignIn>), Failure> {
    if let Some(state) = &runbook.state
        && let ContainerAddress::Signed(secret) = &state.azure_blob.value
    {
        let signed = read_signed(runbook, secret, state.azure_blob.span)?;
        if without_signature(&signed) == *container {
            return Ok((signed, None));
        }
    }
    Ok((container.clone(), Some(sign_in(runbook, container)?)))
}

/// Refuses a host that is not Azure Storage's, to which a token must not go. Takes what to do
/// instead.
pub(super) fn require_storage_host(container: &Url, instead: &str) -> Result<(), Failure> {
    if is_storage_host(container) {
        return Ok(());
    }
    let message = format!(
        "{} is not a host of Azure Storage, so no token is sent to it: a storage token gives access \
         to all storage accounts of its user",
        container.host_str().unwrap_or("the container's address")
    );
    let help = format!("use https://ACCOUNT.blob.core.windows.net/CONTAINER, or {instead}");
    Err(Failure::new(FailureKind::InvalidInput, message).with_help(help))
}

/// The sign-in with the credential `state`, or the default one. It has its own connections and is
/// not stopped with the run, which is recorded to its end.
fn sign_in(runbook: &Runbook, container: &Url) -> Result<SignIn, Failure> {
    require_storage_host(
        container,
        "an address with a shared access signature: `state: { azure-blob: { env: NAME } }`",
    )?;
    let is_elsewhere = runbook
        .endpoints
        .services
        .contains_key(&ServiceKey::Authority);
    if runbook.cloud.value == Cloud::Rehearsal && !is_elsewhere {
        let message = "a rehearsal cannot sign in to Azure Storage";
        let help = "use an address with a shared access signature: `state: { azure-blob: { env: \
                    NAME } }`";
        return Err(Failure::new(FailureKind::InvalidInput, message).with_help(help));
    }
    let addresses = resolve_addresses(runbook, None)?;
    let http = Http::new(Clock::new(1.0), Arc::new(Silent), Cancellation::new())?;
    let tokens = Tokens::new(&http, &addresses.authority)?;
    let identity = Credentials::new(runbook).identity(runbook, ServiceKey::State)?;
    Ok(tokens.sign_in(&identity, SCOPE))
}

fn without_signature(url: &Url) -> Url {
    let mut url = url.clone();
    url.set_query(None);
    url
}

fn place(address: &StateBlobAddress) -> String {
    let url = without_signature(&address.container);
    format!("{}/{}", url.as_str().trim_end_matches('/'), address.name)
}

pub(super) fn failure(place: &str, error: RemoteStateError) -> Failure {
    let place = place.to_owned();
    Failure::from(JournalError::RemoteState { place, error })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::testing::runbook;

    fn failure_of(cloud: &str, lines: &str, given: Option<&str>) -> Failure {
        let runbook = runbook(cloud, lines);
        address(&runbook, given, Path::new("runs/uat.iomcopy.jsonl"))
            .err()
            .unwrap()
    }

    #[test]
    fn a_token_for_storage_goes_to_storage_only() {
        let state = |host: &str| format!("state: {{ azure-blob: \"https://{host}/iomcopy\" }}\n");
        let runbook = runbook("public", &state("contoso.blob.core.windows.net"));
        let found = address(&runbook, None, Path::new("runs/uat.iomcopy.jsonl"));
        let found = found.unwrap().unwrap();
        assert_eq!(
            (found.name.as_str(), place(&found).as_str()),
            (
                "uat.iomcopy.jsonl",
                "https://contoso.blob.core.windows.net/iomcopy/uat.iomcopy.jsonl"
            )
        );
        assert_eq!(found.sign_in.unwrap().scope(), SCOPE);
        let failure = failure_of("public", &state("blob.core.windows.net.evil.example"), None);
        assert_eq!(failure.kind, FailureKind::InvalidInput);
        let begin = "blob.core.windows.net.evil.example is not a host of Azure Storage";
        assert!(failure.message.starts_with(begin), "{}", failure.message);
    }

    #[test]
    fn a_signature_is_never_on_the_command_line() {
        let given = "https://contoso.blob.core.windows.net/iomcopy?sig=abc";
        let failure = failure_of("public", "", Some(given));
        assert!(
            failure.message.contains("is a secret"),
            "{}",
            failure.message
        );
        assert!(!failure.message.contains("abc"), "{}", failure.message);
    }
}
