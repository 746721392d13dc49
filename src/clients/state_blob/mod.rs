//! The copy of a state file in an append blob of Azure Storage, under a lease.
//!
//! ```text
//! mod.rs        StateBlob: opened, read, appended to, released
//! listing.rs    StateContainer: many copies, read without a lease
//! container.rs  the requests, through `azure_storage_blob`
//! lease.rs      the lease: acquired, renewed, lost
//! errors.rs     what the service's responses mean
//! token.rs      our tokens as the library's credential
//! ```
//!
//! The lease is the lock. It lasts a minute and is renewed four times in that time, so another
//! machine can continue a minute after a process has vanished. Every append names the lease and the
//! position at which it must land: the service refuses a process that has lost either, whatever
//! that process believes.
//!
//! An append blob has at most 50,000 blocks (Microsoft Learn, *Append Block*), and an append is a
//! block. Before the last of them, the next blob takes the content: `NAME`, `NAME.2`, `NAME.3`.

mod container;
mod errors;
mod lease;
mod listing;
#[cfg(test)]
mod tests;
mod token;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Mutex, oneshot};
use tokio::time::Instant;
use url::Url;

use self::container::{Appended, Container, Part, part_name};
use self::lease::Lease;
use super::identity::SignIn;
use crate::base::remote_state::{RemoteState, RemoteStateError, RemoteStateErrorKind};

pub use self::listing::{StateContainer, StoredCopy};
pub use self::token::is_storage_host;

/// How long a process that ends waits for its lease to be released.
const RELEASE: Duration = Duration::from_secs(5);
/// The largest append in bytes. Versions of the service before 2022-11-02 take 4 MiB, later ones
/// 100 MiB (Microsoft Learn, *Append Block*).
const LARGEST_APPEND: usize = 4 * 1024 * 1024;
/// The number of appends after which another blob takes the content, below the service's
/// 50,000.
const MOST_BLOCKS: i32 = 49_000;

/// Where a state file's copy is, and who may use it.
#[derive(Clone)]
pub struct StateBlobAddress {
    /// The container, with a shared access signature if that is how it is used.
    pub container: Url,
    /// The sign-in, unless the address has a signature.
    pub sign_in: Option<SignIn>,
    /// The blob's name.
    pub name: String,
}

/// The copy of a state file in an append blob.
pub struct StateBlob {
    inner: Arc<Inner>,
    requests: Requests,
}

/// Runs the requests. Callers block, and some of them are tasks of another runtime, so they cannot
/// run the requests themselves; and there, a [`Runtime`] must not be dropped as it is.
struct Requests(Option<Runtime>);

struct Inner {
    container: Container,
    name: String,
    place: String,
    /// `None` if the copy is only read.
    lease: Option<Arc<Lease>>,
    /// The blob that is appended to.
    tail: Mutex<Tail>,
    most_blocks: i32,
}

/// The blob that is appended to: the last part of the content.
#[derive(Clone, Copy, Debug, Default)]
struct Tail {
    /// Its number, from 1.
    number: u32,
    /// How many bytes are in the parts before it.
    before: u64,
    /// What it holds.
    part: Part,
}

impl StateBlob {
    /// Takes the lease, and creates the blob if there is none. With `takeover`, a lease that another
    /// process has is broken; otherwise that fails with [`RemoteStateErrorKind::Taken`]. Blocks.
    pub fn open(address: StateBlobAddress, takeover: bool) -> Result<Self, RemoteStateError> {
        let container = Container::new(&address)?;
        Self::open_in(container, address.name, takeover, MOST_BLOCKS)
    }

    fn open_in(
        container: Container,
        name: String,
        takeover: bool,
        most_blocks: i32,
    ) -> Result<Self, RemoteStateError> {
        let requests = Requests::new()?;
        let opening = async move {
            container.create(&name).await?;
            let lease = Lease::acquire(&container, &name, takeover).await?;
            let tail = find_tail(&container, &name).await?;
            if tail.number > 1 {
                let last = part_name(&name, tail.number);
                lease.include(&container, &last).await?;
            }
            Ok(Inner {
                place: container.place(&name),
                container,
                name,
                lease: Some(Arc::new(lease)),
                tail: Mutex::new(tail),
                most_blocks,
            })
        };
        let inner = Arc::new(requests.wait_for(opening)?);
        if let Some(lease) = inner.lease.clone() {
            requests.spawn(lease.keep(inner.container.clone()));
        }
        Ok(Self { inner, requests })
    }

    /// The copy to read from, without a lease.
    pub fn reader(address: StateBlobAddress) -> Result<Self, RemoteStateError> {
        let container = Container::new(&address)?;
        let inner = Inner {
            place: container.place(&address.name),
            container,
            name: address.name,
            lease: None,
            tail: Mutex::default(),
            most_blocks: MOST_BLOCKS,
        };
        Ok(Self {
            inner: Arc::new(inner),
            requests: Requests::new()?,
        })
    }

    /// Does a process have the lease? Blocks.
    pub fn is_leased(&self) -> Result<bool, RemoteStateError> {
        self.call(|inner| async move {
            let part = inner.container.part(&inner.name).await?;
            Ok(part.is_some_and(|part| part.is_leased))
        })
    }

    fn call<T, F>(&self, work: impl FnOnce(Arc<Inner>) -> F) -> Result<T, RemoteStateError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, RemoteStateError>> + Send + 'static,
    {
        self.requests.wait_for(work(Arc::clone(&self.inner)))
    }
}

impl RemoteState for StateBlob {
    fn place(&self) -> &str {
        &self.inner.place
    }

    fn read(&self) -> Result<Vec<u8>, RemoteStateError> {
        self.call(|inner| async move { read_parts(&inner.container, &inner.name).await })
    }

    fn append(&self, at: u64, bytes: &[u8]) -> Result<(), RemoteStateError> {
        let bytes = bytes.to_vec();
        self.call(|inner| async move { inner.append(at, &bytes).await })
    }

    fn keep(&self, name: &str, bytes: &[u8]) -> Result<(), RemoteStateError> {
        let (name, bytes) = (name.to_owned(), bytes.to_vec());
        self.call(|inner| async move { inner.container.keep(&name, bytes).await })
    }

    fn clear(&self) -> Result<(), RemoteStateError> {
        self.call(|inner| async move { inner.clear().await })
    }

    fn when_lost(&self, callback: Box<dyn FnOnce(RemoteStateError) + Send>) {
        if let Some(lease) = &self.inner.lease {
            lease.when_lost(callback);
        }
    }

    fn confirm_lease(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async move {
            let Some(lease) = self.inner.lease.clone().filter(|it| !it.is_certain()) else {
                return;
            };
            let container = self.inner.container.clone();
            let (sender, receiver) = oneshot::channel();
            self.requests.spawn(async move {
                lease.confirm(&container).await;
                _ = sender.send(());
            });
            _ = receiver.await;
        })
    }
}

impl Inner {
    fn lease(&self) -> Result<&Lease, RemoteStateError> {
        self.lease.as_deref().ok_or_else(|| {
            let message = "it was opened to be read";
            RemoteStateError::new(RemoteStateErrorKind::Refused, message)
        })
    }

    /// Appends whole lines, in blocks that the service takes.
    async fn append(&self, at: u64, bytes: &[u8]) -> Result<(), RemoteStateError> {
        let mut tail = self.tail.lock().await;
        let end = tail.before + tail.part.length;
        if end != at {
            let message = format!("it has {end} bytes, and the next record belongs at byte {at}");
            return Err(RemoteStateError::new(RemoteStateErrorKind::Taken, message));
        }
        for block in blocks(bytes) {
            if tail.part.blocks >= self.most_blocks {
                *tail = self.next_part(*tail).await?;
            }
            let name = part_name(&self.name, tail.number);
            let lease = self.lease()?;
            let sent = Instant::now();
            let Appended { blocks } = self
                .container
                .append(&name, lease, tail.part.length, block)
                .await?;
            lease.note_accepted(sent);
            tail.part.length += block.len() as u64;
            tail.part.blocks = blocks.unwrap_or(tail.part.blocks + 1);
        }
        Ok(())
    }

    /// Creates the next blob for the content, under the same lease.
    async fn next_part(&self, tail: Tail) -> Result<Tail, RemoteStateError> {
        let number = tail.number + 1;
        let name = part_name(&self.name, number);
        self.container.create(&name).await?;
        self.lease()?.include(&self.container, &name).await?;
        Ok(Tail {
            number,
            before: tail.before + tail.part.length,
            part: Part::default(),
        })
    }

    /// Empties the first part, which empties the whole; then deletes the others.
    async fn clear(&self) -> Result<(), RemoteStateError> {
        let mut tail = self.tail.lock().await;
        let lease = self.lease()?;
        self.container.empty(&self.name, lease).await?;
        delete_later_parts(&self.container, &self.name, Some(lease)).await?;
        *tail = Tail {
            number: 1,
            ..Tail::default()
        };
        Ok(())
    }
}

impl fmt::Debug for StateBlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StateBlob")
            .field("place", &self.inner.place)
            .finish_non_exhaustive()
    }
}

impl Drop for StateBlob {
    /// Releases the lease, so that the next process need not wait for its end. If that fails, the
    /// lease ends by itself.
    fn drop(&mut self) {
        if let Some(lease) = self.inner.lease.clone() {
            let container = self.inner.container.clone();
            let (sender, receiver) = mpsc::channel();
            self.requests.spawn(async move {
                lease.release(&container).await;
                _ = sender.send(());
            });
            _ = receiver.recv_timeout(RELEASE);
        }
    }
}

/// The content of all parts of a copy. Nothing after an empty first part counts: that is how a copy
/// is cleared.
async fn read_parts(container: &Container, name: &str) -> Result<Vec<u8>, RemoteStateError> {
    let mut bytes = Vec::new();
    for number in 1.. {
        let name = part_name(name, number);
        match container.part(&name).await? {
            Some(part) if part.length > 0 => {
                bytes.extend(container.read_range(&name, 0, part.length).await?);
            }
            _ => break,
        }
    }
    Ok(bytes)
}

/// The last part with content, after what an interrupted clear has left was removed.
async fn find_tail(container: &Container, name: &str) -> Result<Tail, RemoteStateError> {
    let first = container.part(name).await?.unwrap_or_default();
    let mut tail = Tail {
        number: 1,
        before: 0,
        part: first,
    };
    if first.length == 0 {
        delete_later_parts(container, name, None).await?;
        return Ok(tail);
    }
    while let Some(part) = container.part(&part_name(name, tail.number + 1)).await? {
        tail = Tail {
            number: tail.number + 1,
            before: tail.before + tail.part.length,
            part,
        };
    }
    Ok(tail)
}

/// Deletes the parts after the first.
async fn delete_later_parts(
    container: &Container,
    name: &str,
    lease: Option<&Lease>,
) -> Result<(), RemoteStateError> {
    for number in 2.. {
        let later = part_name(name, number);
        if container.part(&later).await?.is_none() {
            break;
        }
        if let Some(lease) = lease {
            lease.exclude(&later);
        }
        container.delete(&later).await?;
    }
    Ok(())
}

/// Splits whole lines into blocks of at most [`LARGEST_APPEND`] bytes that end with a line; a longer
/// line is split too.
fn blocks(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let most = &rest[..rest.len().min(LARGEST_APPEND)];
        let end = if most.len() == rest.len() {
            most.len()
        } else {
            let line_end = most.iter().rposition(|byte| *byte == b'\n');
            line_end.map_or(most.len(), |at| at + 1)
        };
        let (block, later) = rest.split_at(end);
        rest = later;
        Some(block)
    })
}

impl Requests {
    fn new() -> Result<Self, RemoteStateError> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("state-copy")
            .enable_all()
            .build();
        runtime.map(|runtime| Self(Some(runtime))).map_err(|error| {
            let message = format!("a thread for it cannot be started: {error}");
            RemoteStateError::new(RemoteStateErrorKind::Unavailable, message)
        })
    }

    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        if let Some(runtime) = &self.0 {
            runtime.spawn(work);
        }
    }

    /// Blocks until the requests have ended.
    fn wait_for<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, RemoteStateError>> + Send + 'static,
    ) -> Result<T, RemoteStateError> {
        let (sender, receiver) = mpsc::channel();
        self.spawn(async move {
            drop(sender.send(work.await));
        });
        receiver.recv().unwrap_or_else(|_| Err(ended()))
    }
}

impl Drop for Requests {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

fn ended() -> RemoteStateError {
    RemoteStateError::new(
        RemoteStateErrorKind::Unavailable,
        "the requests to it were stopped",
    )
}
