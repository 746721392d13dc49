//! Reads a HAR file (HTTP Archive 1.2) and keeps of it only the writes below the Dataverse Web API
//! root.

use serde::Deserialize;

use crate::runbook::model::keywords::find_keyword;
use crate::runbook::model::request::Method;

/// A recording that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("this is not a HAR file: {0}")]
pub struct RecordingError(#[from] serde_json::Error);

/// One write as the browser sent it, without its host and its headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The method.
    pub method: Method,
    /// What follows the Web API root, with its query.
    pub path: String,
    /// The body's text, if there was one.
    pub body: Option<String>,
    /// The response's status; nothing for a request inside a batch.
    pub status: Option<u16>,
    /// The id of the created row, if the response has it (`OData-EntityId`).
    pub created: Option<String>,
}

#[derive(Deserialize)]
struct Har {
    log: Log,
}

#[derive(Deserialize)]
struct Log {
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    request: Request,
    #[serde(default)]
    response: Response,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    method: String,
    url: String,
    #[serde(default)]
    post_data: Option<PostData>,
}

#[derive(Deserialize)]
struct PostData {
    #[serde(default)]
    text: String,
}

#[derive(Default, Deserialize)]
struct Response {
    #[serde(default)]
    status: u16,
    #[serde(default)]
    headers: Vec<Header>,
}

#[derive(Deserialize)]
struct Header {
    name: String,
    value: String,
}

/// Every write below the Dataverse Web API root, in the order of the recording. Reads and requests
/// to other services are left out.
pub fn read_writes(text: &str) -> Result<Vec<Recorded>, RecordingError> {
    let har: Har = serde_json::from_str(text.trim_start_matches('\u{feff}'))?;
    let mut writes = Vec::new();
    for Entry { request, response } in har.log.entries {
        let Some(path) = below_root(&request.url) else {
            continue;
        };
        let body = request.post_data.map(|data| data.text).unwrap_or_default();
        if path.eq_ignore_ascii_case("$batch") {
            writes.extend(read_batch(&body));
            continue;
        }
        let created = response
            .headers
            .iter()
            .find(|header| header.name.eq_ignore_ascii_case("odata-entityid"))
            .and_then(|header| row_id(&header.value));
        writes.extend(
            find_keyword::<Method>(&request.method).map(|method| Recorded {
                method,
                path: path.to_owned(),
                body: Some(body).filter(|body| !body.trim().is_empty()),
                status: Some(response.status).filter(|status| *status > 0),
                created,
            }),
        );
    }
    Ok(writes)
}

/// What follows `/api/data/vN.N/` in an address or an absolute path, without a fragment.
fn below_root(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("/api/data/v")?;
    let (version, path) = rest.split_once('/')?;
    let is_version = version.chars().all(|c| c.is_ascii_digit() || c == '.');
    let path = path.split('#').next().unwrap_or_default();
    (is_version && !path.is_empty()).then_some(path)
}

/// The id in the last parentheses of a row's address.
fn row_id(url: &str) -> Option<String> {
    let (_, rest) = url.rsplit_once('(')?;
    Some(rest.split(')').next()?.to_owned())
}

/// The writes inside a multipart batch: each begins with its request line, has headers, an empty
/// line and a body, and ends before the next boundary.
fn read_batch(text: &str) -> Vec<Recorded> {
    let mut writes = Vec::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let mut words = line.split_ascii_whitespace();
        let (Some(method), Some(url), Some(protocol)) = (words.next(), words.next(), words.next())
        else {
            continue;
        };
        let Some(method) = find_keyword::<Method>(method).filter(|_| protocol.starts_with("HTTP/"))
        else {
            continue;
        };
        // A request inside a batch may be written relative to the root.
        let path = below_root(url).unwrap_or(url.trim_start_matches('/'));
        while lines.next_if(|line| !line.trim().is_empty()).is_some() {}
        let mut body = Vec::new();
        while let Some(line) = lines.next_if(|line| !line.starts_with("--")) {
            body.push(line);
        }
        let body = body.join("\n").trim().to_owned();
        writes.push(Recorded {
            method,
            path: path.to_owned(),
            body: Some(body).filter(|body| !body.is_empty()),
            status: None,
            created: None,
        });
    }
    writes
}
