//! Dataverse with the right to write: the target, never the source.

use std::ops::Deref;

use serde_json::Value;
use uuid::Uuid;

use super::client::Dataverse;
use super::query::ANNOTATIONS;
use crate::clients::error::{Error, ErrorKind, presentable};
use crate::clients::http::{Method, Response, Service};

/// The Dataverse of one environment, for reading and writing.
#[derive(Clone, Debug)]
pub struct DataverseWriter {
    dataverse: Dataverse,
}

/// Under which condition a write is carried out (Microsoft Learn, *Perform conditional operations
/// using the Web API*).
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Condition {
    /// Only where this version is still there (`If-Match: <etag>`); else
    /// [`ErrorKind::PreconditionFailed`].
    Etag(String),
    /// Only where the row exists (`If-Match: *`): without it, a PATCH of a wrong id creates a row.
    Exists,
    /// Only where the row does not exist yet (`If-None-Match: *`).
    Create,
    /// Under none.
    None,
}

/// The answer to a write that was carried out or accepted. It is not yet success: the end state is
/// read back.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    /// The status: 200, 201, 202 or 204.
    pub status: u16,
    /// The URL that the answer names, on this origin (`Operation-Location`, `Location` or
    /// `OData-EntityId`): of an operation, or of the row that was created.
    pub handle: Option<String>,
    /// The URL that is not followed, because it leads to another origin.
    pub refused_link: Option<String>,
    /// The service's own time of its answer (its `Date` header).
    pub service_date: Option<String>,
    /// The body, where it was JSON.
    pub body: Option<Value>,
}

impl DataverseWriter {
    /// Takes the service that it is reached through, whose origin is the environment's own.
    pub fn new(service: Service) -> Self {
        Self {
            dataverse: Dataverse::new(service),
        }
    }

    /// The same, acting as another user, see [`Dataverse::acting_as`].
    #[must_use]
    pub fn acting_as(&self, directory_object: Uuid) -> Self {
        Self {
            dataverse: self.dataverse.acting_as(directory_object),
        }
    }

    /// Changes the members of one row that stand in `body`. Sending a value that is there already is
    /// a change all the same: plug-ins, flows and audit run.
    pub async fn update(
        &self,
        set: &str,
        id: Uuid,
        body: &Value,
        condition: Condition,
    ) -> Result<Written, Error> {
        let path = format!("{set}({id})");
        let body = body.to_string();
        self.write(Method::Patch, &path, Some(&body), condition)
            .await
    }

    /// Deletes one row. A row that is gone already is an error for which
    /// [`Error::is_missing_row`] is true.
    pub async fn delete(
        &self,
        set: &str,
        id: Uuid,
        condition: Condition,
    ) -> Result<Written, Error> {
        self.write(Method::Delete, &format!("{set}({id})"), None, condition)
            .await
    }

    /// Sends any write. Takes the method's name, a path relative to the Web API's root (with its
    /// query, percent-encoded), and the exact JSON text of the body. Sent at most once, unless it is
    /// certain that it was not processed; an answer that is lost is [`ErrorKind::Ambiguous`].
    pub async fn send(
        &self,
        method: &str,
        path: &str,
        body: Option<&str>,
        condition: Condition,
    ) -> Result<Written, Error> {
        let method = method.parse::<Method>().map_err(|error| {
            let what = format!("{} {}", presentable(method), presentable(path));
            Error::new(
                ErrorKind::Configuration,
                self.name(),
                &what,
                &error.to_string(),
            )
        })?;
        self.write(method, path, body, condition).await
    }

    async fn write(
        &self,
        method: Method,
        path: &str,
        body: Option<&str>,
        condition: Condition,
    ) -> Result<Written, Error> {
        let request = self.dataverse.request(method, path)?;
        // With annotations an error carries the inner error of the Flow service.
        let request = request.header("prefer", ANNOTATIONS);
        let request = match condition {
            Condition::Etag(etag) => request.header("if-match", etag),
            Condition::Exists => request.header("if-match", "*"),
            Condition::Create => request.header("if-none-match", "*"),
            Condition::None => request,
        };
        let request = match body {
            Some(body) => request.json_text(body),
            None => request,
        };
        let answer = self.dataverse.service.send(&request).await?;
        Ok(written(&self.dataverse.service, &answer))
    }
}

fn written(service: &Service, answer: &Response) -> Written {
    let link = ["operation-location", "location", "odata-entityid"]
        .iter()
        .find_map(|name| answer.header(name));
    let (handle, refused_link) = match link.map(|link| (link, service.link(answer, link))) {
        None => (None, None),
        Some((_, Ok(url))) => (Some(url.into()), None),
        Some((link, Err(_))) => (None, Some(presentable(link))),
    };
    Written {
        status: answer.status(),
        handle,
        refused_link,
        service_date: answer.date(),
        body: answer.maybe_value(),
    }
}

impl Deref for DataverseWriter {
    type Target = Dataverse;

    fn deref(&self) -> &Dataverse {
        &self.dataverse
    }
}
