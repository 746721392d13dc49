//! Dataverse, read only. The source is reached through this type, which has no method that writes.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use uuid::Uuid;

use super::metadata::Metadata;
use super::query::{ANNOTATIONS, Query, encoded};
use super::rows::{Row, page};
use super::who::WhoAmI;
use crate::clients::error::{Error, ErrorKind};
use crate::clients::http::{Method, Pages, Request, Response, Service, Wait, WaitReason};

/// The root of the Web API.
pub(super) const ROOT: &str = "/api/data/v9.2/";

/// How often an organization is asked whether it has provisioned the caller, and for how long at
/// most: the Terraform provider for Power Platform asks every 15 seconds for 10 minutes.
const ADMISSION_POLL: Duration = Duration::from_secs(15);

/// The Dataverse of one environment, for reading.
#[derive(Clone, Debug)]
pub struct Dataverse {
    pub(super) service: Service,
    pub(super) metadata: Arc<Metadata>,
    /// The directory object id of the user that is acted as.
    caller: Option<Uuid>,
}

impl Dataverse {
    /// Takes the service that it is reached through, whose origin is the environment's own.
    pub fn new(service: Service) -> Self {
        Self {
            service,
            metadata: Arc::default(),
            caller: None,
        }
    }

    /// The same, acting as another user, by the object id in the directory (`CallerObjectId`). The
    /// rights are what both have in common.
    #[must_use]
    pub fn acting_as(&self, directory_object: Uuid) -> Self {
        Self {
            caller: Some(directory_object),
            ..self.clone()
        }
    }

    /// The name under which errors speak of it.
    pub fn name(&self) -> &str {
        self.service.name()
    }

    /// All rows of a table that a query selects, of every page, or an error: never the rows so far.
    /// Takes the entity set's name, or a path to related rows such as
    /// `systemusers(<id>)/teammembership_association`.
    pub async fn list(&self, set: &str, query: &Query) -> Result<Vec<Row>, Error> {
        let prefer = query.preference();
        let preferring = |request: Request| match &prefer {
            Some(prefer) => request.header("prefer", prefer.clone()),
            None => request,
        };
        let mut pages = Pages::default();
        let mut rows = Vec::new();
        let mut request = preferring(self.reading(&format!("{set}{}", query.text()))?);
        loop {
            let answer = self.service.send(&request).await?;
            let (more, next) = page(&answer)?;
            rows.extend(more);
            let Some(next) = next else {
                return Ok(rows);
            };
            let url = pages.next(&self.service, &answer, &next)?;
            request = preferring(self.with_headers(Request::get_link(url)));
        }
    }

    /// One row by its id, with formatted values; none where it does not exist. All columns where
    /// `select` is empty. A table that does not exist is an error.
    pub async fn get(&self, set: &str, id: Uuid, select: &[&str]) -> Result<Option<Row>, Error> {
        let query = Query::new().select(select);
        let path = format!("{set}({id}){}", query.text());
        let request = self.reading(&path)?.header("prefer", ANNOTATIONS);
        match self.service.send(&request).await {
            Ok(answer) => Row::from_answer(&answer).map(Some),
            Err(error) if error.is_missing_row() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Any JSON that a GET of a path (with its query, percent-encoded) answers; none on any 404.
    pub async fn get_path(&self, path_and_query: &str) -> Result<Option<Value>, Error> {
        match self.read(path_and_query).await {
            Ok(answer) => answer.value().map(Some),
            Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Waits until the organization lets the caller in, at most for `limit` of the program's time.
    /// A new organization answers 403 until it has provisioned the caller, and so does a copied one.
    /// What waiting cannot cure is returned at once: administration mode (0x8004a113).
    pub async fn wait_until_admitted(&self, limit: Duration) -> Result<WhoAmI, Error> {
        let clock = self.service.http().clock();
        let end = clock.elapsed() + limit;
        let mut attempt = 1;
        loop {
            let error = match self.who_am_i().await {
                Ok(caller) => return Ok(caller),
                Err(error) => error,
            };
            let is_closed = error.code.as_deref() == Some("0x8004a113");
            let is_over = clock.elapsed() + ADMISSION_POLL > end;
            if error.kind != ErrorKind::Forbidden || is_closed || is_over {
                return Err(error);
            }
            let wait = Wait {
                service: self.name().to_owned(),
                reason: WaitReason::NotYetProvisioned,
                duration: ADMISSION_POLL,
                attempt,
                message: error.message.clone(),
            };
            self.service.http().pause(wait, &error.what).await?;
            attempt += 1;
        }
    }

    /// Sends a GET of a path that is relative to the Web API's root.
    pub(super) async fn read(&self, path_and_query: &str) -> Result<Response, Error> {
        self.service.send(&self.reading(path_and_query)?).await
    }

    fn reading(&self, path_and_query: &str) -> Result<Request, Error> {
        let path = self.path(path_and_query)?;
        // The text `null` keeps a proxy's cache out (Microsoft Learn, *Compose HTTP requests*).
        let request = self.with_headers(Request::get(path));
        Ok(request.header("if-none-match", "null"))
    }

    /// A request with the headers that every request of the Web API carries.
    pub(super) fn with_headers(&self, request: Request) -> Request {
        let request = request
            .header("odata-maxversion", "4.0")
            .header("odata-version", "4.0");
        match self.caller {
            Some(caller) => request.header("callerobjectid", caller.to_string()),
            None => request,
        }
    }

    /// A request of a path under the Web API's root.
    pub(super) fn request(&self, method: Method, path: &str) -> Result<Request, Error> {
        Ok(self.with_headers(Request::new(method, self.path(path)?)))
    }

    /// The path under the Web API's root. What would lead out of it is refused.
    fn path(&self, relative: &str) -> Result<String, Error> {
        let before_query = relative.split(['?', '#']).next().unwrap_or_default();
        let leads_out = before_query.starts_with('/')
            || before_query.contains('\\')
            || before_query.split('/').any(|segment| {
                let segment = segment.to_ascii_lowercase().replace("%2e", ".");
                segment == ".." || segment == "."
            });
        if leads_out {
            let why = "a path of the Web API is relative to its root and stays under it";
            let what = crate::clients::error::presentable(before_query);
            return Err(Error::new(
                ErrorKind::Configuration,
                self.name(),
                &what,
                why,
            ));
        }
        Ok(format!("{ROOT}{relative}"))
    }
}

/// A key in a path: `EntityDefinitions(LogicalName='x')`.
pub(super) fn by_key(set: &str, key: &str, value: &str) -> String {
    let literal = super::query::literal(value);
    format!("{set}({key}={})", encoded(&literal))
}
