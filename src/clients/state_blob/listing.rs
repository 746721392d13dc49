//! The copies in a container, for a command that shows many runs. It takes no lease and writes
//! nothing.

use futures_util::future::join_all;
use url::Url;

use super::container::{Container, is_leased};
use super::{Requests, StateBlobAddress, read_parts};
use crate::base::remote_state::RemoteStateError;
use crate::clients::identity::SignIn;

/// A container of Azure Storage with the copies of state files.
pub struct StateContainer {
    container: Container,
    requests: Requests,
}

/// A copy in a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredCopy {
    /// The blob's name.
    pub name: String,
    /// Did a process have its lease when the container was listed?
    pub is_leased: bool,
}

impl StateContainer {
    /// Takes the container's address, with a shared access signature or with a sign-in. Sends
    /// nothing yet.
    pub fn open(address: Url, sign_in: Option<SignIn>) -> Result<Self, RemoteStateError> {
        let address = StateBlobAddress {
            container: address,
            sign_in,
            name: String::new(),
        };
        Self::with_container(Container::new(&address)?)
    }

    pub(super) fn with_container(container: Container) -> Result<Self, RemoteStateError> {
        Ok(Self {
            container,
            requests: Requests::new()?,
        })
    }

    /// The address of a blob, without a signature.
    pub fn place(&self, name: &str) -> String {
        self.container.place(name)
    }

    /// The blobs whose names have this end, in the order of their names. Blocks.
    pub fn list(&self, end: &str) -> Result<Vec<StoredCopy>, RemoteStateError> {
        let (container, end) = (self.container.clone(), end.to_owned());
        self.requests.wait_for(async move {
            let mut found = Vec::new();
            let mut marker = None;
            loop {
                let (blobs, next) = container.list(marker).await?;
                for blob in blobs {
                    let lease = blob.properties.and_then(|it| it.lease_state);
                    let copy = blob.name.map(|name| StoredCopy {
                        name,
                        is_leased: is_leased(lease.as_ref()),
                    });
                    found.extend(copy.filter(|copy| copy.name.ends_with(&end)));
                }
                if next.is_none() {
                    return Ok(found);
                }
                marker = next;
            }
        })
    }

    /// The contents of these blobs, in their order, all read at the same time. Blocks.
    pub fn read(&self, copies: &[StoredCopy]) -> Vec<Result<Vec<u8>, RemoteStateError>> {
        let container = self.container.clone();
        let names: Vec<String> = copies.iter().map(|copy| copy.name.clone()).collect();
        let read = self.requests.wait_for(async move {
            let reads = names.iter().map(|name| read_parts(&container, name));
            Ok(join_all(reads).await)
        });
        read.unwrap_or_else(|error| copies.iter().map(|_| Err(error.clone())).collect())
    }
}
