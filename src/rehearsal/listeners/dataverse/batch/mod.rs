//! `$batch`: several requests in one (Microsoft Learn, execute batch operations using the Web API).
//!
//! Each part is handled like a separate request, in order. A change set is applied completely or
//! not at all, and its later parts can name a row that an earlier part created: `$` and the
//! `Content-ID` of that part.
//!
//! - `envelope`: the parts of the body.
//! - `answer`: the body of the response.

mod answer;
mod envelope;

use std::collections::BTreeMap;

use hyper::HeaderMap;
use serde_json::Value;

use self::answer::Answer;
use self::envelope::{Item, Part};
use super::odata;
use crate::rehearsal::listeners::message::{Request, Response};
use crate::rehearsal::odata::error::ODataError;
use crate::rehearsal::odata::preferences::Preferences;
use crate::rehearsal::world::store::Draft;

/// The headers of the batch that its parts inherit: who sends them.
const INHERITED: [&str; 4] = [
    "Authorization",
    "CallerObjectId",
    "MSCRMCallerID",
    "User-Agent",
];

/// What the handling of a request returns: the draft, the caller and the response.
pub(crate) type Outcome<'world> = (Draft<'world>, Option<String>, Response);

/// The addresses of the rows that the parts of a change set created or changed, by `Content-ID`.
type References = BTreeMap<String, String>;

/// Whether a request is a batch.
pub(crate) fn is_batch(request: &Request) -> bool {
    request.path.starts_with("/api/data/") && request.path.ends_with("/$batch")
}

/// Handles a batch; `respond` handles one part.
pub(crate) fn handle<'world>(
    request: &Request,
    draft: Draft<'world>,
    respond: &mut dyn FnMut(Draft<'world>, &Request) -> Outcome<'world>,
) -> Outcome<'world> {
    let mut batch = Batch {
        request,
        root: request.path.trim_end_matches("$batch"),
        respond,
    };
    // The service admits a batch like any request; the service document needs nothing else.
    let admission = batch.admission();
    let (draft, caller, admitted) = (batch.respond)(draft, &admission);
    if admitted.status >= 400 {
        return (draft, caller, admitted);
    }
    match envelope::parse(request) {
        Ok(items) => {
            let (draft, response) = batch.run(draft, items);
            (draft, caller, response)
        }
        // A wrong envelope gets a plain error, not a multipart body.
        Err(error) => (draft, caller, error_response(&error)),
    }
}

fn error_response(error: &ODataError) -> Response {
    odata(error.status, &error.body(false))
}

struct Batch<'batch, 'world> {
    request: &'batch Request,
    /// The root of the Web API, with a slash at its end.
    root: &'batch str,
    respond: &'batch mut dyn FnMut(Draft<'world>, &Request) -> Outcome<'world>,
}

impl<'world> Batch<'_, 'world> {
    /// A read that succeeds if the batch is admitted.
    fn admission(&self) -> Request {
        Request::new("GET", self.root, None, self.inherited(), Vec::new())
    }

    fn inherited(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for name in INHERITED {
            let value = self.request.header(name).map(str::parse);
            if let Some(Ok(value)) = value {
                headers.insert(name, value);
            }
        }
        headers
    }

    /// Runs the parts. Without `odata.continue-on-error`, the first error ends the batch: the outer
    /// status is 400 and the later parts are missing.
    fn run(&mut self, mut draft: Draft<'world>, items: Vec<Item>) -> (Draft<'world>, Response) {
        let prefer = self.request.header("Prefer").unwrap_or_default();
        let preferences = Preferences::parse(prefer);
        let mut answers = Vec::new();
        let mut status = 200;
        for item in items {
            let answer;
            (draft, answer) = self.run_item(draft, item);
            let failed = answer.is_error();
            answers.push(answer);
            if failed && !preferences.continue_on_error {
                status = 400;
                break;
            }
        }
        let mut response = answer::response(status, &answers)
            .with("OData-Version", "4.0")
            .with_unique("REQ_ID")
            .with_unique("x-ms-service-request-id");
        if let Some(applied) = preferences.applied() {
            response = response.with("Preference-Applied", applied);
        }
        // Changes of the parts before an error stay.
        response.keeps_changes = true;
        (draft, response)
    }

    fn run_item(&mut self, draft: Draft<'world>, item: Item) -> (Draft<'world>, Answer) {
        match item {
            Item::Single(part) => {
                let (draft, response) = self.run_part(draft, &part, &mut References::new());
                (draft, Answer::Single(part.content_id, response))
            }
            Item::ChangeSet(parts) => self.run_change_set(draft, parts),
        }
    }

    /// A change set: the first error undoes it, and is its only answer.
    fn run_change_set(
        &mut self,
        mut draft: Draft<'world>,
        parts: Vec<Part>,
    ) -> (Draft<'world>, Answer) {
        let before = draft.savepoint();
        let mut references = References::new();
        let mut answers = Vec::new();
        for part in parts {
            let response;
            (draft, response) = self.run_part(draft, &part, &mut references);
            if response.status >= 400 {
                draft.roll_back(before);
                return (draft, Answer::Single(None, response));
            }
            answers.push((part.content_id, response));
        }
        (draft, Answer::ChangeSet(answers))
    }

    /// Runs a part; one that is refused changes nothing.
    fn run_part(
        &mut self,
        mut draft: Draft<'world>,
        part: &Part,
        references: &mut References,
    ) -> (Draft<'world>, Response) {
        let request = match self.request_of(part, references) {
            Ok(request) => request,
            Err(error) => return (draft, error_response(&error)),
        };
        let before = draft.savepoint();
        let response;
        (draft, _, response) = (self.respond)(draft, &request);
        if response.status >= 400 && !response.keeps_changes {
            draft.roll_back(before);
        }
        let mut headers = response.headers.iter();
        let entity = headers.find(|(name, _)| *name == "OData-EntityId");
        if let (Some(id), Some((_, address))) = (&part.content_id, entity) {
            references.insert(id.clone(), address.clone());
        }
        (draft, response)
    }

    /// The request that a part describes, with the rows that it refers to.
    fn request_of(&self, part: &Part, references: &References) -> Result<Request, ODataError> {
        let address = resolve(&part.address, references)?;
        let (path, query) = match address.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (address.as_str(), None),
        };
        let path = match path_of(path) {
            Some(path) => path.to_owned(),
            None => format!("{}{path}", self.root),
        };
        if path.ends_with("/$batch") {
            let text = "Batch requests cannot contain batch requests.";
            return Err(ODataError::bad_request(text));
        }
        let mut headers = self.inherited();
        headers.extend(part.headers.clone());
        let body = match serde_json::from_str::<Value>(&part.body) {
            Ok(mut body) => {
                resolve_body(&mut body, references)?;
                body.to_string()
            }
            Err(_) => part.body.clone(),
        };
        Ok(Request::new(
            &part.method,
            &path,
            query,
            headers,
            body.into_bytes(),
        ))
    }
}

/// The path of an absolute address or of one that begins at the host; `None` for one that begins at
/// the root of the Web API.
fn path_of(address: &str) -> Option<&str> {
    if address.starts_with('/') {
        return Some(address);
    }
    let (_, rest) = address.split_once("://")?;
    Some(rest.find('/').map_or("/", |start| &rest[start..]))
}

/// An address in which a leading reference is replaced by the address of its row.
fn resolve(address: &str, references: &References) -> Result<String, ODataError> {
    let Some(rest) = address.strip_prefix('$') else {
        return Ok(address.to_owned());
    };
    let end = rest.find(['/', '(', '?']).unwrap_or(rest.len());
    let (id, rest) = rest.split_at(end);
    if matches!(id, "metadata" | "batch") {
        return Ok(address.to_owned());
    }
    let row = references.get(id).ok_or_else(|| {
        ODataError::bad_request(format!(
            "Content-ID Reference: '${id}' does not exist in the batch context."
        ))
    })?;
    Ok(format!("{row}{rest}"))
}

/// Replaces the references in the binds and ids of a body.
fn resolve_body(body: &mut Value, references: &References) -> Result<(), ODataError> {
    match body {
        Value::Object(members) => {
            for (name, value) in members {
                let names_a_row = name.ends_with("@odata.bind") || name == "@odata.id";
                match value {
                    Value::String(address) if names_a_row => {
                        *address = resolve(address, references)?;
                    }
                    value => resolve_body(value, references)?,
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                resolve_body(item, references)?;
            }
        }
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_absolute_or_begins_at_the_host_or_at_the_root() {
        assert_eq!(
            path_of("https://127.0.0.1:1/api/data/v9.2/workflows"),
            Some("/api/data/v9.2/workflows")
        );
        assert_eq!(
            path_of("/api/data/v9.2/workflows"),
            Some("/api/data/v9.2/workflows")
        );
        assert_eq!(path_of("workflows(1)"), None);
    }

    #[test]
    fn a_reference_is_replaced_by_the_address_of_its_row() {
        let row = "http://h/api/data/v9.2/roles(1)".to_owned();
        let references = References::from([("1".to_owned(), row.clone())]);
        let resolved = |address: &str| resolve(address, &references);
        assert_eq!(resolved("$1").unwrap(), row);
        assert_eq!(resolved("$1/name").unwrap(), format!("{row}/name"));
        assert_eq!(resolved("roles").unwrap(), "roles");
        let error = resolved("$2").unwrap_err();
        assert!(
            error
                .message
                .contains("'$2' does not exist in the batch context"),
            "{error:?}"
        );
        let mut body = serde_json::json!({"parent@odata.bind": "$1", "name": "$1"});
        resolve_body(&mut body, &references).unwrap();
        assert_eq!(
            body,
            serde_json::json!({"parent@odata.bind": row, "name": "$1"})
        );
    }
}
