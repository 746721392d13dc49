//! The requests to the container of a state file's copy.
//!
//! Each may be sent again after a lost response: an append names its position, a lease its id, and
//! whatever is created is compared with what was there. So the library's own retries are off, and
//! one loop here repeats them.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use azure_core::Bytes;
use azure_core::http::{ClientOptions, HttpClient, Response, RetryOptions, Transport};
use azure_storage_blob::models::{
    AppendBlobClientAppendBlockOptions, AppendBlobClientAppendBlockResultHeaders as _,
    AppendBlobClientCreateOptions, BlobClientDeleteOptions, BlobClientDownloadOptions,
    BlobClientGetPropertiesResultHeaders as _, BlobClientUploadOptions,
    BlobContainerClientListBlobsOptions, BlobItem, BlobType, LeaseState,
};
use azure_storage_blob::{BlobClient, BlobContainerClient, BlobContainerClientOptions};
use futures_util::TryStreamExt as _;
use tokio::time::{Instant, sleep};
use url::{Host, Url};

use super::StateBlobAddress;
use super::errors::{Refusal, copy_error, refusal};
use super::lease::Lease;
use super::token::StorageToken;
use crate::base::remote_state::{RemoteStateError, RemoteStateErrorKind};

/// How long a request may take, and how long a connection.
const REQUEST: Duration = Duration::from_secs(20);
const CONNECT: Duration = Duration::from_secs(5);
/// How long requests are repeated while the service is not available. A lease lasts longer.
const RETRY_LIMIT: Duration = Duration::from_secs(30);
/// The first wait between two attempts; each later one is twice as long, up to the second.
const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// The container of a state file's copy.
#[derive(Clone)]
pub(super) struct Container {
    client: Arc<BlobContainerClient>,
    /// Its address without a signature.
    place: Arc<str>,
}

/// One blob of the content.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Part {
    /// In bytes.
    pub(super) length: u64,
    /// How many appends it has taken.
    pub(super) blocks: i32,
    /// Does a process have its lease?
    pub(super) is_leased: bool,
}

/// Does a process have the lease?
pub(super) fn is_leased(state: Option<&LeaseState>) -> bool {
    matches!(state, Some(LeaseState::Leased | LeaseState::Breaking))
}

/// The outcome of an append.
pub(super) struct Appended {
    /// How many blocks the blob has now, if the response said so.
    pub(super) blocks: Option<i32>,
}

/// The name of a part, from 1.
pub(super) fn part_name(name: &str, number: u32) -> String {
    match number {
        1 => name.to_owned(),
        _ => format!("{name}.{number}"),
    }
}

impl Container {
    pub(super) fn new(address: &StateBlobAddress) -> Result<Self, RemoteStateError> {
        Self::with_transport(address, transport(&address.container)?)
    }

    pub(super) fn with_transport(
        address: &StateBlobAddress,
        transport: Arc<dyn HttpClient>,
    ) -> Result<Self, RemoteStateError> {
        let invalid = |message: &str| RemoteStateError::new(RemoteStateErrorKind::Refused, message);
        let options = BlobContainerClientOptions {
            client_options: ClientOptions {
                retry: RetryOptions::none(),
                transport: Some(Transport::new(transport)),
                ..ClientOptions::default()
            },
            ..BlobContainerClientOptions::default()
        };
        let credential = address.sign_in.clone().map(StorageToken::credential);
        let client = BlobContainerClient::new(address.container.clone(), credential, Some(options))
            .map_err(|_| invalid("its address is not the https address of a container"))?;
        let mut place = address.container.clone();
        place.set_query(None);
        Ok(Self {
            client: Arc::new(client),
            place: place.as_str().trim_end_matches('/').into(),
        })
    }

    /// The address of a blob, without a signature.
    pub(super) fn place(&self, name: &str) -> String {
        format!("{}/{name}", self.place)
    }

    pub(super) fn blob(&self, name: &str) -> BlobClient {
        self.client.blob_client(name)
    }

    /// Reads what is known about a part; `None` if there is none.
    pub(super) async fn part(&self, name: &str) -> Result<Option<Part>, RemoteStateError> {
        let blob = self.blob(name);
        let found = repeat(|| blob.get_properties(None)).await;
        let headers = match found {
            Ok(headers) => headers,
            Err(error) if refusal(&error) == Refusal::NoBlob => return Ok(None),
            Err(error) => return Err(copy_error("reading it", &error)),
        };
        let read = || -> azure_core::Result<(Option<Part>, bool)> {
            let Some(length) = headers.content_length()? else {
                return Ok((None, true));
            };
            let part = Part {
                length,
                blocks: headers.blob_committed_block_count()?.unwrap_or(0),
                is_leased: is_leased(headers.lease_state()?.as_ref()),
            };
            let is_append_blob = headers.blob_type()?;
            Ok((Some(part), is_append_blob == Some(BlobType::AppendBlob)))
        };
        let (part, is_append_blob) = read().map_err(|error| copy_error("reading it", &error))?;
        if !is_append_blob {
            let message = "a blob of this name exists, and it is not an append blob";
            return Err(RemoteStateError::new(
                RemoteStateErrorKind::Refused,
                message,
            ));
        }
        // A blob of unknown length must not count as empty: an empty first part means that the later
        // ones are deleted.
        let part = part.ok_or_else(|| {
            let message = "reading it: the response does not say how long the blob is";
            RemoteStateError::new(RemoteStateErrorKind::Unavailable, message)
        });
        part.map(Some)
    }

    /// The container's blobs after a marker, and the marker of those that follow.
    pub(super) async fn list(
        &self,
        marker: Option<String>,
    ) -> Result<(Vec<BlobItem>, Option<String>), RemoteStateError> {
        let listed = repeat(|| async {
            let options = BlobContainerClientListBlobsOptions {
                marker: marker.clone(),
                ..BlobContainerClientListBlobsOptions::default()
            };
            let mut pages = self.client.list_blobs(Some(options))?.into_pages();
            let page = pages.try_next().await?;
            page.map(Response::into_model).transpose()
        });
        let page = listed
            .await
            .map_err(|error| copy_error("listing its blobs", &error))?;
        let page = page.unwrap_or_default();
        let next = page.next_marker.filter(|marker| !marker.is_empty());
        Ok((page.blob_items, next))
    }

    /// Creates an empty append blob, if there is none.
    pub(super) async fn create(&self, name: &str) -> Result<(), RemoteStateError> {
        if self.part(name).await?.is_some() {
            return Ok(());
        }
        let blob = self.blob(name).append_blob_client();
        let created = repeat(|| async {
            let options = AppendBlobClientCreateOptions::default().if_not_exists();
            blob.create(Some(options)).await
        });
        match created.await {
            Ok(_) => Ok(()),
            // Another process, or our own request whose response was lost.
            Err(error) if matches!(refusal(&error), Refusal::Exists | Refusal::Lease) => Ok(()),
            Err(error) => Err(copy_error("creating it", &error)),
        }
    }

    /// Empties a part that this process has the lease of.
    pub(super) async fn empty(&self, name: &str, lease: &Lease) -> Result<(), RemoteStateError> {
        let blob = self.blob(name).append_blob_client();
        let emptied = repeat(|| async {
            let options = AppendBlobClientCreateOptions {
                lease_id: Some(lease.id()),
                ..AppendBlobClientCreateOptions::default()
            };
            blob.create(Some(options)).await
        });
        let emptied = emptied.await.map(drop);
        emptied.map_err(|error| copy_error("emptying it", &error))
    }

    pub(super) async fn delete(&self, name: &str) -> Result<(), RemoteStateError> {
        let blob = self.blob(name);
        // A lease of a process that has ended must not stop it.
        drop(blob.break_lease(Some(super::lease::at_once())).await);
        let deleted = repeat(|| async {
            let options = BlobClientDeleteOptions::default();
            blob.delete(Some(options)).await
        });
        match deleted.await {
            Ok(_) => Ok(()),
            Err(error) if refusal(&error) == Refusal::NoBlob => Ok(()),
            Err(error) => Err(copy_error("deleting an old part", &error)),
        }
    }

    /// `length` bytes of a blob, from its byte `at`.
    pub(super) async fn read_range(
        &self,
        name: &str,
        at: u64,
        length: u64,
    ) -> Result<Vec<u8>, RemoteStateError> {
        let blob = self.blob(name);
        let read = repeat(|| async {
            let options = BlobClientDownloadOptions {
                range: Some((at..at + length).into()),
                ..BlobClientDownloadOptions::default()
            };
            blob.download(Some(options)).await?.body.collect().await
        });
        let bytes = read
            .await
            .map_err(|error| copy_error("reading it", &error))?;
        if bytes.len() as u64 != length {
            let message = format!("{} of {length} bytes could be read", bytes.len());
            return Err(RemoteStateError::new(
                RemoteStateErrorKind::Unavailable,
                message,
            ));
        }
        Ok(bytes.to_vec())
    }

    /// Appends a block at a position of a part. If the service says that the part does not end
    /// there, an earlier attempt may have arrived whose response was lost: then the part ends after
    /// exactly these bytes.
    pub(super) async fn append(
        &self,
        name: &str,
        lease: &Lease,
        at: u64,
        block: &[u8],
    ) -> Result<Appended, RemoteStateError> {
        let blob = self.blob(name).append_blob_client();
        let (body, length) = (Bytes::copy_from_slice(block), block.len() as u64);
        let appended = repeat(|| async {
            let options = AppendBlobClientAppendBlockOptions {
                append_position: i64::try_from(at).ok(),
                lease_id: Some(lease.id()),
                ..AppendBlobClientAppendBlockOptions::default()
            };
            blob.append_block(body.clone().into(), length, Some(options))
                .await
        });
        let what = "appending to it";
        match appended.await {
            Ok(response) => Ok(Appended {
                blocks: response.blob_committed_block_count().unwrap_or_default(),
            }),
            Err(error) if refusal(&error) == Refusal::Position => {
                let part = self.part(name).await?.unwrap_or_default();
                let is_ours =
                    part.length == at + length && self.read_range(name, at, length).await? == block;
                if is_ours {
                    Ok(Appended {
                        blocks: Some(part.blocks),
                    })
                } else {
                    Err(copy_error(what, &error))
                }
            }
            Err(error) => Err(copy_error(what, &error)),
        }
    }

    /// Stores a separate blob under this name, or with a number if there is another blob of this
    /// name. Nothing is overwritten.
    pub(super) async fn keep(&self, name: &str, bytes: Vec<u8>) -> Result<(), RemoteStateError> {
        let bytes = Bytes::from(bytes);
        for number in 1.. {
            let name = numbered(name, number);
            let blob = self.blob(&name);
            let stored = repeat(|| async {
                let options = BlobClientUploadOptions::default().if_not_exists();
                blob.upload(bytes.clone().into(), Some(options)).await
            });
            match stored.await {
                Ok(_) => return Ok(()),
                Err(error) if refusal(&error) == Refusal::Exists => {
                    if self.holds(&name, &bytes).await? {
                        return Ok(());
                    }
                }
                Err(error) => return Err(copy_error("storing a copy beside it", &error)),
            }
        }
        Ok(())
    }

    async fn holds(&self, name: &str, bytes: &[u8]) -> Result<bool, RemoteStateError> {
        let blob = self.blob(name);
        let found = repeat(|| blob.get_properties(None))
            .await
            .and_then(|headers| headers.content_length());
        let length = found.map_err(|error| copy_error("reading a copy", &error))?;
        let expected = bytes.len() as u64;
        Ok(length == Some(expected)
            && (expected == 0 || self.read_range(name, 0, expected).await? == bytes))
    }
}

/// `uat.capture.jsonl`, `uat.capture-2.jsonl`, and so on.
fn numbered(name: &str, number: u32) -> String {
    match (number, name.rsplit_once('.')) {
        (1, _) => name.to_owned(),
        (_, Some((stem, extension))) => format!("{stem}-{number}.{extension}"),
        (_, None) => format!("{name}-{number}"),
    }
}

/// Sends a request until the service has responded, or [`RETRY_LIMIT`] has ended.
async fn repeat<T, F>(request: impl Fn() -> F) -> azure_core::Result<T>
where
    F: Future<Output = azure_core::Result<T>>,
{
    let end = Instant::now() + RETRY_LIMIT;
    let mut wait = FIRST_WAIT;
    loop {
        let error = match request().await {
            Ok(response) => return Ok(response),
            Err(error) => error,
        };
        if refusal(&error) != Refusal::Unavailable || Instant::now() + wait >= end {
            return Err(error);
        }
        sleep(wait).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

/// Our own connections: no redirects, because a signature or a token must not go where a header
/// points; no decompression, which the library does not expect; no proxy to this machine.
fn transport(container: &Url) -> Result<Arc<dyn HttpClient>, RemoteStateError> {
    let is_local = match container.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("iomcopy/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .timeout(REQUEST)
        .connect_timeout(CONNECT)
        .no_gzip()
        .referer(false);
    if is_local {
        builder = builder.no_proxy();
    }
    let client = builder.build().map_err(|error| {
        let message = format!("HTTPS cannot be set up: {}", error.without_url());
        RemoteStateError::new(RemoteStateErrorKind::Refused, message)
    })?;
    Ok(Arc::new(client))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_copy_of_a_name_gets_a_number() {
        let name = "uat.iomcopy.target.capture.jsonl";
        assert_eq!(numbered(name, 1), name);
        assert_eq!(numbered(name, 2), "uat.iomcopy.target.capture-2.jsonl");
        assert_eq!(part_name("uat.jsonl", 1), "uat.jsonl");
        assert_eq!(part_name("uat.jsonl", 3), "uat.jsonl.3");
    }
}
