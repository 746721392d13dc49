//! The copy against a service in memory that loses responses, is down, and whose lease another
//! process takes. It behaves as Azurite 3.37 and Microsoft Learn (*Append Block*, *Lease Blob*) say.

use std::collections::BTreeMap;
use std::sync::Mutex;

use async_trait::async_trait;
use azure_core::http::headers::{HeaderName, Headers};
use azure_core::http::{AsyncRawResponse, Body, HttpClient, Method, Request};

use super::*;
use crate::base::sync::lock;

const NAME: &str = "uat.iomcopy.jsonl";

#[derive(Default)]
struct Blob {
    bytes: Vec<u8>,
    blocks: usize,
    lease: Option<String>,
    is_append: bool,
}

#[derive(Default)]
struct Contents {
    blobs: BTreeMap<String, Blob>,
    /// The number of next requests that are applied without a response.
    lost: usize,
    /// The number of next requests that are refused as the service does when it is busy.
    busy: usize,
    /// Does a HEAD response lack the blob's length?
    lacks_length: bool,
    appends: usize,
}

/// An account of Azure Storage in memory.
#[derive(Clone, Default)]
struct Service(Arc<Mutex<Contents>>);

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Service")
    }
}

/// A status, an error code, headers and a body.
struct Answer(u16, &'static str, Vec<(&'static str, String)>, Vec<u8>);

fn plain(status: u16) -> Answer {
    Answer(status, "", Vec::new(), Vec::new())
}

fn refused(status: u16, code: &'static str) -> Answer {
    Answer(status, code, Vec::new(), Vec::new())
}

#[async_trait]
impl HttpClient for Service {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let mut contents = lock(&self.0);
        if contents.busy > 0 {
            contents.busy -= 1;
            return Ok(response(refused(503, "ServerBusy")));
        }
        let answer = contents.answer(request);
        if contents.lost > 0 {
            contents.lost -= 1;
            let kind = azure_core::error::ErrorKind::Io;
            return Err(azure_core::Error::with_message(kind, "lost"));
        }
        Ok(response(answer))
    }
}

fn response(Answer(status, code, more, body): Answer) -> AsyncRawResponse {
    let mut headers = Headers::new();
    if !code.is_empty() {
        headers.insert("x-ms-error-code", code);
    }
    for (name, value) in more {
        headers.insert(name, value);
    }
    AsyncRawResponse::from_bytes(status.into(), headers, body)
}

fn header(request: &Request, name: &'static str) -> Option<String> {
    let name = HeaderName::from_static(name);
    request.headers().get_optional_string(&name)
}

impl Contents {
    fn answer(&mut self, request: &Request) -> Answer {
        let name = request.url().path_segments().and_then(Iterator::last);
        let name = name.unwrap_or_default().to_owned();
        let query: BTreeMap<String, String> = request.url().query_pairs().into_owned().collect();
        let lease = header(request, "x-ms-lease-id");
        match (request.method(), query.get("comp").map(String::as_str)) {
            (Method::Put, Some("lease")) => self.lease(&name, request),
            (Method::Put, Some("appendblock")) => {
                self.appends += 1;
                let at = header(request, "x-ms-blob-condition-appendpos");
                self.append(&name, lease.as_ref(), at.as_ref(), request.body())
            }
            (Method::Put, _) => self.put(&name, lease, request),
            (Method::Get, Some("list")) => self.list(query.get("marker")),
            (Method::Head | Method::Get, _) => self.read(&name, request),
            (Method::Delete, _) => match self.blobs.remove(&name) {
                Some(_) => plain(202),
                None => refused(404, "BlobNotFound"),
            },
            _ => plain(400),
        }
    }

    /// A page of two blobs (Microsoft Learn, *List Blobs*).
    fn list(&self, marker: Option<&String>) -> Answer {
        let later = |name: &&String| marker.is_none_or(|marker| *name >= marker);
        let mut names = self.blobs.keys().filter(later);
        let page: Vec<&String> = names.by_ref().take(2).collect();
        let blobs = page.iter().map(|name| {
            let lease = match self.blobs[*name].lease {
                Some(_) => "leased",
                None => "available",
            };
            format!(
                "<Blob><Name>{name}</Name><Properties><BlobType>AppendBlob</BlobType>\
                 <LeaseState>{lease}</LeaseState></Properties></Blob>"
            )
        });
        let (blobs, next) = (blobs.collect::<String>(), names.next());
        let next = next.map(String::as_str).unwrap_or_default();
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><EnumerationResults \
             ServiceEndpoint=\"https://contoso.blob.core.windows.net/\" ContainerName=\"runs\">\
             <Blobs>{blobs}</Blobs><NextMarker>{next}</NextMarker></EnumerationResults>"
        );
        Answer(200, "", Vec::new(), body.into_bytes())
    }

    fn lease(&mut self, name: &str, request: &Request) -> Answer {
        let Some(blob) = self.blobs.get_mut(name) else {
            return refused(404, "BlobNotFound");
        };
        let action = header(request, "x-ms-lease-action");
        let given = header(request, "x-ms-lease-id");
        let proposed = header(request, "x-ms-proposed-lease-id");
        match action.as_deref() {
            Some("acquire") if blob.lease.is_none() || blob.lease == proposed => {
                blob.lease = proposed;
                plain(201)
            }
            Some("acquire") => refused(409, "LeaseAlreadyPresent"),
            Some("break") => {
                blob.lease = None;
                plain(202)
            }
            _ if blob.lease != given => refused(409, "LeaseIdMismatchWithLeaseOperation"),
            Some("release") => {
                blob.lease = None;
                plain(200)
            }
            _ => plain(200),
        }
    }

    fn append(
        &mut self,
        name: &str,
        lease: Option<&String>,
        at: Option<&String>,
        body: &Body,
    ) -> Answer {
        let Some(blob) = self.blobs.get_mut(name) else {
            return refused(404, "BlobNotFound");
        };
        if blob.lease.as_ref() != lease {
            return refused(412, "LeaseIdMismatchWithBlobOperation");
        }
        if at != Some(&blob.bytes.len().to_string()) {
            return refused(412, "AppendPositionConditionNotMet");
        }
        blob.bytes.extend(bytes_of(body));
        blob.blocks += 1;
        let blocks = ("x-ms-blob-committed-block-count", blob.blocks.to_string());
        Answer(201, "", vec![blocks], Vec::new())
    }

    fn put(&mut self, name: &str, lease: Option<String>, request: &Request) -> Answer {
        let standing = self.blobs.get(name);
        if standing.is_some() && header(request, "if-none-match").is_some() {
            return refused(409, "BlobAlreadyExists");
        }
        if standing.is_some_and(|blob| blob.lease != lease) {
            return refused(412, "LeaseIdMissing");
        }
        let kind = header(request, "x-ms-blob-type");
        let blob = Blob {
            bytes: bytes_of(request.body()),
            blocks: 0,
            lease,
            is_append: kind.as_deref() == Some("AppendBlob"),
        };
        self.blobs.insert(name.to_owned(), blob);
        plain(201)
    }

    fn read(&self, name: &str, request: &Request) -> Answer {
        let Some(blob) = self.blobs.get(name) else {
            return refused(404, "BlobNotFound");
        };
        let kind = if blob.is_append {
            "AppendBlob"
        } else {
            "BlockBlob"
        };
        let state = if blob.lease.is_some() {
            "leased"
        } else {
            "available"
        };
        let mut headers = vec![
            ("x-ms-blob-type", kind.to_owned()),
            ("x-ms-lease-state", state.to_owned()),
            ("x-ms-blob-committed-block-count", blob.blocks.to_string()),
            ("etag", format!("\"{}\"", blob.bytes.len())),
        ];
        if request.method() == Method::Head {
            if !self.lacks_length {
                headers.push(("content-length", blob.bytes.len().to_string()));
            }
            return Answer(200, "", headers, Vec::new());
        }
        let range = header(request, "x-ms-range").or_else(|| header(request, "range"));
        let range = range.unwrap_or_default();
        let (from, to) = range
            .strip_prefix("bytes=")
            .and_then(|range| range.split_once('-'))
            .expect("reads name a range");
        let from: usize = from.parse().unwrap();
        let to = to.parse::<usize>().unwrap().min(blob.bytes.len() - 1);
        let part = blob.bytes[from..=to].to_vec();
        headers.push(("content-length", part.len().to_string()));
        let total = blob.bytes.len();
        headers.push(("content-range", format!("bytes {from}-{to}/{total}")));
        Answer(206, "", headers, part)
    }
}

fn bytes_of(body: &Body) -> Vec<u8> {
    match body {
        Body::Bytes(bytes) => bytes.to_vec(),
        Body::SeekableStream(_) => panic!("no request streams"),
    }
}

impl Service {
    fn open(&self, takeover: bool) -> Result<StateBlob, RemoteStateError> {
        self.open_with(takeover, MOST_BLOCKS)
    }

    fn open_with(&self, takeover: bool, most_blocks: i32) -> Result<StateBlob, RemoteStateError> {
        StateBlob::open_in(self.container()?, NAME.to_owned(), takeover, most_blocks)
    }

    /// A copy of two lines, each in a part of its own.
    fn open_in_two_parts(&self) -> StateBlob {
        let copy = self.open_with(false, 1).unwrap();
        copy.append(0, b"one\n").unwrap();
        copy.append(4, b"two\n").unwrap();
        copy
    }

    fn container(&self) -> Result<Container, RemoteStateError> {
        let address = StateBlobAddress {
            container: Url::parse("https://contoso.blob.core.windows.net/runs?sig=abc").unwrap(),
            sign_in: None,
            name: NAME.to_owned(),
        };
        Container::with_transport(&address, Arc::new(self.clone()))
    }

    fn contents(&self) -> std::sync::MutexGuard<'_, Contents> {
        lock(&self.0)
    }
}

#[test]
fn what_is_appended_is_read_by_the_next_process() {
    let service = Service::default();
    let copy = service.open(false).unwrap();
    assert_eq!(
        copy.place(),
        "https://contoso.blob.core.windows.net/runs/uat.iomcopy.jsonl"
    );
    assert_eq!(copy.read().unwrap(), b"");
    copy.append(0, b"one\n").unwrap();
    copy.append(4, b"two\n").unwrap();
    assert!(copy.is_leased().unwrap());
    drop(copy);
    // The lease is released: the next process need not wait.
    let copy = service.open(false).unwrap();
    assert_eq!(copy.read().unwrap(), b"one\ntwo\n");
    copy.append(8, b"three\n").unwrap();
}

#[test]
fn a_lost_response_is_compared_with_what_the_service_has() {
    let service = Service::default();
    let copy = service.open(false).unwrap();
    service.contents().lost = 1;
    copy.append(0, b"one\n").unwrap();
    assert_eq!(copy.read().unwrap(), b"one\n");
    assert_eq!(service.contents().appends, 2, "sent again, and refused");
    service.contents().busy = 2;
    copy.append(4, b"two\n").unwrap();
    // The same for what is created.
    service.contents().lost = 1;
    copy.keep("a.capture.jsonl", b"x").unwrap();
    copy.keep("a.capture.jsonl", b"y").unwrap();
    let contents = service.contents();
    assert_eq!(contents.blobs["a.capture.jsonl"].bytes, b"x");
    assert_eq!(contents.blobs["a.capture-2.jsonl"].bytes, b"y");
    assert_eq!(contents.blobs[NAME].bytes, b"one\ntwo\n");
}

#[tokio::test]
async fn a_task_may_open_use_and_drop_a_copy() {
    let service = Service::default();
    let copy = service.open(false).unwrap();
    copy.append(0, b"one\n").unwrap();
    assert!(service.open(false).is_err());
    drop(copy);
    assert!(service.open(false).is_ok());
}

#[test]
fn a_second_process_is_refused_and_a_takeover_stops_the_first() {
    let service = Service::default();
    let first = service.open(false).unwrap();
    first.append(0, b"one\n").unwrap();
    let error = service.open(false).unwrap_err();
    assert_eq!(error.kind, RemoteStateErrorKind::Taken);
    let second = service.open(true).unwrap();
    let error = first.append(4, b"two\n").unwrap_err();
    assert_eq!(error.kind, RemoteStateErrorKind::Taken);
    assert!(!error.message.contains("abc"), "{error}");
    second.append(4, b"2\n").unwrap();
    // The first does not release what is not its own.
    drop(first);
    second.append(6, b"3\n").unwrap();
    assert_eq!(second.read().unwrap(), b"one\n2\n3\n");
}

#[tokio::test]
async fn a_lease_is_confirmed_before_a_request_and_not_twice_in_a_second() {
    let service = Service::default();
    let first = service.open(false).unwrap();
    let lost: Arc<std::sync::Mutex<Option<RemoteStateError>>> = Arc::default();
    let found = Arc::clone(&lost);
    first.when_lost(Box::new(move |error| *lock(&found) = Some(error)));
    let lease = first.inner.lease.clone().unwrap();
    lease.make_uncertain();
    first.confirm_lease().await;
    assert!(lease.is_certain());
    assert!(lock(&lost).is_none());
    // A service that does not respond has not said that the lease is lost.
    lease.make_uncertain();
    service.contents().busy = 1;
    first.confirm_lease().await;
    assert!(!lease.is_certain() && lock(&lost).is_none());
    first.append(0, b"one\n").unwrap();
    assert!(lease.is_certain(), "an append shows it too");
    let second = service.open(true).unwrap();
    first.confirm_lease().await;
    assert!(lock(&lost).is_none(), "the service is not asked again");
    lease.make_uncertain();
    first.confirm_lease().await;
    let error = lock(&lost).clone().unwrap();
    assert_eq!(error.kind, RemoteStateErrorKind::Taken);
    drop(second);
}

#[test]
fn a_write_past_the_lease_is_detected_by_its_position() {
    let service = Service::default();
    let copy = service.open(false).unwrap();
    copy.append(0, b"one\n").unwrap();
    let with_lease = |change: &dyn Fn(&mut Blob)| {
        change(service.contents().blobs.get_mut(NAME).unwrap());
    };
    with_lease(&|blob| blob.bytes.extend(b"x\n"));
    let error = copy.append(4, b"2\n").unwrap_err();
    assert_eq!(error.kind, RemoteStateErrorKind::Taken);
    // Even if the length is what an append that was lost would have left.
    assert!(error.message.contains("something else"), "{error}");
    service.contents().blobs.remove(NAME);
    let error = copy.append(4, b"2\n").unwrap_err();
    assert_eq!(error.kind, RemoteStateErrorKind::Taken);
}

#[test]
fn another_blob_takes_the_content_before_one_is_full() {
    let service = Service::default();
    let copy = service.open_with(false, 2).unwrap();
    let mut expected: Vec<u8> = Vec::new();
    for number in 0..5 {
        let line = format!("line {number}\n");
        copy.append(expected.len() as u64, line.as_bytes()).unwrap();
        expected.extend(line.as_bytes());
    }
    let names: Vec<String> = service.contents().blobs.keys().cloned().collect();
    assert_eq!(names, [NAME, &format!("{NAME}.2"), &format!("{NAME}.3")]);
    assert_eq!(copy.read().unwrap(), expected);
    // Another process takes all of them, and appends to the last.
    let second = service.open_with(true, 2).unwrap();
    assert_eq!(second.read().unwrap(), expected);
    assert!(copy.append(expected.len() as u64, b"x\n").is_err());
    second.append(expected.len() as u64, b"more\n").unwrap();
    assert_eq!(service.contents().blobs[&format!("{NAME}.3")].blocks, 2);
    // A new run begins with an empty first blob.
    second.clear().unwrap();
    assert_eq!(second.read().unwrap(), b"");
    assert_eq!(service.contents().blobs.len(), 1);
    second.append(0, b"new\n").unwrap();
    assert_eq!(second.read().unwrap(), b"new\n");
}

#[test]
fn every_copy_of_a_container_is_listed_and_read_without_a_lease() {
    let service = Service::default();
    let copy = service.open_in_two_parts();
    copy.keep("uat.iomcopy.01a1.jsonl", b"old\n").unwrap();
    for name in ["a.iomcopy.jsonl", "eu/z.iomcopy.jsonl"] {
        let other = Blob {
            bytes: b"x\n".to_vec(),
            is_append: true,
            ..Blob::default()
        };
        service.contents().blobs.insert(name.to_owned(), other);
    }
    let container = StateContainer::with_container(service.container().unwrap()).unwrap();
    let found = container.list(".iomcopy.jsonl").unwrap();
    let names: Vec<(&str, bool)> = found
        .iter()
        .map(|copy| (copy.name.as_str(), copy.is_leased))
        .collect();
    assert_eq!(
        names,
        [
            ("a.iomcopy.jsonl", false),
            ("eu/z.iomcopy.jsonl", false),
            (NAME, true)
        ]
    );
    // A blob that is gone since then does not hide the others.
    service.contents().blobs.remove("a.iomcopy.jsonl");
    let appends = service.contents().appends;
    let contents = container.read(&found);
    assert_eq!(contents[0].clone().unwrap(), b"");
    assert_eq!(contents[2].clone().unwrap(), b"one\ntwo\n");
    assert_eq!(service.contents().appends, appends);
    assert!(service.contents().blobs[NAME].lease.is_some());
}

#[test]
fn what_an_interrupted_clear_leaves_does_not_count() {
    let service = Service::default();
    let copy = service.open_in_two_parts();
    drop(copy);
    service
        .contents()
        .blobs
        .get_mut(NAME)
        .unwrap()
        .bytes
        .clear();
    let copy = service.open(false).unwrap();
    assert_eq!(copy.read().unwrap(), b"");
    assert_eq!(service.contents().blobs.len(), 1);
}

/// A proxy may remove the header. Then the first part must not count as empty, which would delete the
/// others.
#[test]
fn a_blob_of_unknown_length_is_not_empty() {
    let service = Service::default();
    let copy = service.open_in_two_parts();
    service.contents().lacks_length = true;
    let error = copy.read().unwrap_err();
    assert_eq!(error.kind, RemoteStateErrorKind::Unavailable);
    drop(copy);
    let error = service.open(false).unwrap_err();
    assert_eq!(error.kind, RemoteStateErrorKind::Unavailable, "{error:?}");
    assert_eq!(service.contents().blobs.len(), 2);
    service.contents().lacks_length = false;
    let copy = service.open(false).unwrap();
    assert_eq!(copy.read().unwrap(), b"one\ntwo\n");
}

#[test]
fn a_blob_of_another_kind_is_refused() {
    let service = Service::default();
    service
        .contents()
        .blobs
        .insert(NAME.to_owned(), Blob::default());
    let error = service.open(false).unwrap_err();
    assert_eq!(error.kind, RemoteStateErrorKind::Refused);
}

#[test]
fn blocks_end_with_lines_and_are_not_too_long() {
    let line = format!("{}\n", "x".repeat(LARGEST_APPEND / 2));
    let text = format!("{line}{line}{line}");
    let found: Vec<usize> = blocks(text.as_bytes()).map(<[u8]>::len).collect();
    assert_eq!(found, [line.len(), line.len(), line.len()]);
    let long = "x".repeat(LARGEST_APPEND + 1);
    let found: Vec<usize> = blocks(long.as_bytes()).map(<[u8]>::len).collect();
    assert_eq!(found, [LARGEST_APPEND, 1]);
    assert_eq!(blocks(b"").count(), 0);
}
