//! The copies of state files in a container of Azure Storage, read without a lease.

use std::path::Path;

use url::Url;

use super::{NAME, NAME_PATTERN, describe};
use crate::base::remote_state::{RemoteStateError, RemoteStateErrorKind};
use crate::base::shell::quote_argument;
use crate::cli::status::remote_holder;
use crate::clients::{StateContainer, StoredCopy};
use crate::engine::{Failure, FailureKind};
use crate::journal::{self, JournalError, Occupancy, State};
use crate::report::{FleetRun, unreadable_run};
use crate::runbook::{ContainerError, parse_container};

/// How many blobs are read at the same time.
const AT_ONCE: usize = 8;

/// The copies of state files in a container.
pub(super) struct Copies {
    pub(super) container: StateContainer,
    /// Its address, without a signature.
    pub(super) address: Url,
    /// The blob, if the address names one.
    pub(super) only: Option<String>,
    /// Does a run that continues one of them need `--state` with the address?
    pub(super) is_argument: bool,
    /// The runbook that was given.
    pub(super) runbook: Option<GivenRunbook>,
}

/// The runbook that the command line names.
#[derive(Clone)]
pub(super) struct GivenRunbook {
    /// Its name.
    pub(super) name: String,
    /// The arguments that name its files.
    pub(super) arguments: String,
}

/// The container that an argument names, and the blob if the address ends with a state file's name;
/// `None` for a path.
pub(super) fn parse_address(path: &Path) -> Result<Option<(Url, Option<String>)>, Failure> {
    let text = path.to_string_lossy();
    if !text.starts_with("https://") && !text.starts_with("http://") {
        return Ok(None);
    }
    let (container, only) = match text.rsplit_once('/') {
        Some((container, name)) if name.ends_with(NAME) => (container, Some(name.to_owned())),
        _ => (text.trim_end_matches('/'), None),
    };
    match parse_container(container, false) {
        Ok(url) => Ok(Some((url, only))),
        // The address is not repeated: it may have a signature.
        Err(error) => {
            let help = match error {
                ContainerError::Signed => {
                    "others can read a command line: set AZURE_STORAGE_SAS_TOKEN to the signature"
                }
                ContainerError::Invalid(_) => {
                    "write `https://ACCOUNT.blob.core.windows.net/CONTAINER`"
                }
            };
            let message = format!("the container's address: {error}");
            Err(Failure::new(FailureKind::InvalidInput, message).with_help(help))
        }
    }
}

impl Copies {
    /// Each copy as a run. If the container cannot be listed, that is a row.
    pub(super) fn runs(&self) -> Vec<FleetRun> {
        let address = self.address.as_str();
        let copies = match self.container.list(self.only.as_deref().unwrap_or(NAME)) {
            Ok(copies) => copies,
            Err(error) => return vec![out_of_reach(address, &error)],
        };
        let is_wanted = |copy: &&StoredCopy| self.only.as_ref().is_none_or(|it| *it == copy.name);
        let copies: Vec<StoredCopy> = copies.iter().filter(is_wanted).cloned().collect();
        if copies.is_empty() {
            let name = self.only.as_deref().unwrap_or(NAME_PATTERN);
            let why = format!("the container has no blob `{name}`");
            return vec![unreadable_run(address, &why, None)];
        }
        let mut runs = Vec::new();
        for copies in copies.chunks(AT_ONCE) {
            let contents = self.container.read(copies);
            let read = copies.iter().zip(contents);
            runs.extend(read.map(|(copy, bytes)| self.run(copy, bytes)));
        }
        runs
    }

    /// One copy as a run.
    fn run(&self, copy: &StoredCopy, bytes: Result<Vec<u8>, RemoteStateError>) -> FleetRun {
        let place = self.container.place(&copy.name);
        let occupancy = |state: &State| {
            if copy.is_leased && state.is_open() {
                remote_holder(state)
            } else {
                Occupancy::Free
            }
        };
        let bytes = match bytes {
            Ok(bytes) => bytes,
            Err(error) => return out_of_reach(&place, &error),
        };
        match journal::parse_copy(&place, &bytes, occupancy) {
            Ok(contents) => {
                let runbook = self.runbook.as_ref();
                let runbook = runbook.filter(|given| given.name == contents.state.began.runbook);
                let runbook = runbook.map_or("RUNBOOK", |given| &given.arguments);
                let arguments = if self.is_argument {
                    let state = quote_argument(self.address.as_str());
                    format!("{runbook} --state {state}")
                } else {
                    runbook.to_owned()
                };
                describe(Path::new(&place), &arguments, &contents)
            }
            Err(error) => invalid_copy(&place, &error),
        }
    }
}

/// The row of a copy whose content is not that of a state file.
fn invalid_copy(place: &str, error: &JournalError) -> FleetRun {
    let help = match error {
        JournalError::Damaged { .. } => {
            "download the blob; `iomcopy state check FILE` lists all damage".to_owned()
        }
        error => error.help(),
    };
    unreadable_run(place, &error.to_string(), Some(&help))
}

/// The row of a container, or of a blob in it, that the service does not let us read.
fn out_of_reach(place: &str, error: &RemoteStateError) -> FleetRun {
    let help = match error.kind {
        RemoteStateErrorKind::Denied => {
            "sign in as an identity with the role Storage Blob Data Reader on the container (`az login`, \
             the AZURE_* variables, or --runbook), or set AZURE_STORAGE_SAS_TOKEN to a signature with \
             read and list"
        }
        RemoteStateErrorKind::Unavailable => "check the address and the network, then try again",
        RemoteStateErrorKind::Taken | RemoteStateErrorKind::Refused => {
            "check the address: it must be that of a container with append blobs"
        }
    };
    unreadable_run(place, &error.message, Some(help))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Clock;
    use crate::cli::testing::{began, fleet_json};
    use crate::journal::Closed;

    #[test]
    fn an_address_names_a_container_or_one_blob_in_it() {
        let of = |text: &str| parse_address(Path::new(text));
        let container = "https://contoso.blob.core.windows.net/iomcopy";
        let (url, only) = of(&format!("{container}/")).unwrap().unwrap();
        assert_eq!((url.as_str(), only), (container, None));
        let (url, only) = of(&format!("{container}/uat.iomcopy.jsonl"))
            .unwrap()
            .unwrap();
        assert_eq!(url.as_str(), container);
        assert_eq!(only.as_deref(), Some("uat.iomcopy.jsonl"));
        assert!(of("states/uat.iomcopy.jsonl").unwrap().is_none());
        let failure = of(&format!("{container}?sig=s3cr3t")).unwrap_err();
        assert_eq!(failure.kind, FailureKind::InvalidInput);
        assert!(!failure.message.contains("s3cr3t"), "{}", failure.message);
    }

    fn copies(is_argument: bool) -> Copies {
        let address = Url::parse("https://contoso.blob.core.windows.net/iomcopy").unwrap();
        Copies {
            container: StateContainer::open(address.clone(), None).unwrap(),
            address,
            only: None,
            is_argument,
            runbook: None,
        }
    }

    #[tokio::test]
    async fn a_copy_is_a_row_and_its_lease_shows_that_a_process_works() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("uat.iomcopy.jsonl");
        let open = journal::begin(&file, Clock::new(1.0), began()).unwrap();
        let bytes = std::fs::read(&file).unwrap();
        let copy = |is_leased| StoredCopy {
            name: "uat.iomcopy.jsonl".to_owned(),
            is_leased,
        };
        let copies_of = |is_argument: bool, is_leased: bool, bytes: &[u8]| {
            let run = copies(is_argument).run(&copy(is_leased), Ok(bytes.to_vec()));
            fleet_json(vec![run])["runs"][0].clone()
        };
        let place = "https://contoso.blob.core.windows.net/iomcopy/uat.iomcopy.jsonl";
        let running = copies_of(true, true, &bytes);
        assert_eq!(running["state"], "running");
        assert_eq!(running["state-file"], place);
        // Its machine is gone: the command continues it from the container.
        let killed = copies_of(true, false, &bytes);
        assert_eq!(killed["state"], "stopped");
        let again = "iomcopy run RUNBOOK --state https://contoso.blob.core.windows.net/iomcopy";
        assert_eq!(killed["to-do"], again);
        assert_eq!(
            copies_of(false, false, &bytes)["to-do"],
            "iomcopy run RUNBOOK"
        );
        // Of two runbooks, the one that has its name.
        for (name, command) in [
            (began().runbook, "iomcopy run uat.yaml --values eu.yaml"),
            ("another".to_owned(), "iomcopy run RUNBOOK"),
        ] {
            let runbook = Some(GivenRunbook {
                name,
                arguments: "uat.yaml --values eu.yaml".to_owned(),
            });
            let copies = Copies {
                runbook,
                ..copies(false)
            };
            let run = copies.run(&copy(false), Ok(bytes.clone()));
            assert_eq!(fleet_json(vec![run])["runs"][0]["to-do"], command);
        }
        let closed = Closed::new("temporary", 75, Some("Dataverse is busy".to_owned()));
        open.journal.append(closed).await.unwrap();
        drop(open);
        // Listed while it was leased, and read after it was closed.
        let closed = copies_of(true, true, &std::fs::read(&file).unwrap());
        assert_eq!(closed["state"], "stopped");
        for damaged in [&b""[..], b"{}\n{}\n"] {
            let damaged = copies_of(true, false, damaged);
            assert_eq!(damaged["condition"], "unreadable");
            assert_eq!(damaged["state-file"], place);
            let to_do = damaged["to-do"].as_str().unwrap();
            assert!(to_do.starts_with("download the blob; "), "{to_do}");
        }
        let error = RemoteStateError::new(RemoteStateErrorKind::Denied, "HTTP 403");
        let denied = fleet_json(vec![copies(true).run(&copy(false), Err(error))]);
        assert_eq!(denied["runs"][0]["condition"], "unreadable");
        assert_eq!(denied["runs"][0]["reason"], "HTTP 403");
        let to_do = denied["runs"][0]["to-do"].as_str().unwrap();
        assert!(to_do.contains("Storage Blob Data Reader"), "{to_do}");
    }
}
