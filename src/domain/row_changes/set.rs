//! A set on rows of the target: one request, and the compared fields as the proof.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use uuid::Uuid;

use super::reader::{Reader, RowReader};
use super::request::{MakeRequest, Request, send_to};
use crate::clients::{DataverseWriter, Row};
use crate::domain::{RefreshContext, service_fields};
use crate::engine::{Failure, Reading, Set, WriteError, Written};
use crate::runbook::Method;

/// A set on one row of the target: one request, and the row's compared fields as the proof.
pub(crate) fn row_set(
    refresh: &Arc<RefreshContext>,
    entity_set: &str,
    id: Uuid,
    compared: impl Fn(Option<&Row>) -> Value + Send + Sync + 'static,
    request: Request,
    settle_timeout: Duration,
) -> Arc<dyn Set> {
    let row = (id, None);
    surveyed_row_set(refresh, entity_set, row, compared, request, settle_timeout)
}

/// The same, of a row that the survey has read (see [`surveyed`](super::surveyed)): it costs one request.
pub(crate) fn surveyed_row_set(
    refresh: &Arc<RefreshContext>,
    entity_set: &str,
    (id, surveyed): (Uuid, Option<Reading>),
    compared: impl Fn(Option<&Row>) -> Value + Send + Sync + 'static,
    request: Request,
    settle_timeout: Duration,
) -> Arc<dyn Set> {
    let project = move |row: Option<&Row>| Reading::of(compared(row));
    Arc::new(TargetWrite {
        refresh: Arc::clone(refresh),
        reader: RowReader::of_surveyed(refresh, entity_set, id, project, surveyed),
        request: Box::new(move |_| Ok(request.clone())),
        settle_timeout,
        is_destructive: false,
        asks_when_undone: false,
    })
}

/// A set on the target: reads by its reader, writes by its request.
pub(crate) struct TargetWrite {
    pub(crate) refresh: Arc<RefreshContext>,
    pub(crate) reader: Arc<dyn Reader>,
    pub(crate) request: MakeRequest,
    pub(crate) settle_timeout: Duration,
    /// Does it end something that cannot be restored?
    pub(crate) is_destructive: bool,
    /// See [`Set::asks_when_undone`].
    pub(crate) asks_when_undone: bool,
}

#[async_trait]
impl Set for TargetWrite {
    async fn read(&self) -> Result<Reading, Failure> {
        self.reader.read().await
    }

    fn surveyed(&self) -> Option<Reading> {
        self.reader.surveyed()
    }

    async fn write(&self, reading: &Reading) -> Result<Written, WriteError> {
        let target = &self.refresh.target.dataverse;
        let (request, row) = write_read(target, &self.request, reading).await?;
        let observed = match row {
            Some(row) => self.reader.answered(&request.path, &row),
            None if request.method == Method::Delete => self.reader.deleted(&request.path),
            None => None,
        };
        Ok(Written {
            observed,
            ..Written::default()
        })
    }

    fn only_people_write(&self, member: &str) -> bool {
        service_fields::only_people_write(member)
    }

    fn asks_when_undone(&self) -> bool {
        self.asks_when_undone
    }

    fn is_destructive(&self) -> bool {
        self.is_destructive
    }

    fn settle_timeout(&self) -> Duration {
        self.settle_timeout
    }
}

/// Sends the write that follows from this reading, with the version that was read. Returns it, and
/// the row as the service shows it afterwards.
async fn write_read(
    target: &DataverseWriter,
    request: impl Fn(&Reading) -> Result<Request, Failure>,
    reading: &Reading,
) -> Result<(Request, Option<Row>), WriteError> {
    let request = request(reading).map_err(WriteError::Refused)?;
    match send_to(target, &request, reading.etag.as_deref()).await {
        Ok(row) => Ok((request, row)),
        Err(error) => Err(request.explain_refusal(error.into())),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::reader::read_row;
    use super::*;
    use crate::clients::testing::{Listener, Reply, Setup};

    /// A table without optimistic concurrency gives no versions. Then the row must at least exist,
    /// because a PATCH of a missing row would create it; and a row that the program creates must not.
    #[tokio::test]
    async fn a_write_without_a_version_still_has_a_condition() {
        let id = Uuid::from_u128(1);
        let listener = Listener::replying(vec![Reply::json(204, "")]).await;
        let setup = Setup::new(1_000.0);
        let target = DataverseWriter::new(setup.service(&listener.url));
        let body = json!({ "value": "two" });
        for (request, header, etag) in [
            (Request::patch("values", id, &body), "if-match", None),
            (Request::create("values", id, &body), "if-none-match", None),
            (
                Request::create("values", id, &body),
                "if-none-match",
                Some("W/\"7\"".to_owned()),
            ),
        ] {
            let reading = Reading {
                etag,
                ..Reading::of(Value::Null)
            };
            let sent = write_read(&target, |_| Ok(request.clone()), &reading).await;
            assert!(sent.is_ok(), "{sent:?}");
            let sent = listener.received().pop().unwrap();
            assert_eq!(sent.header(header), Some("*"), "{header}");
        }
    }

    /// The write of a set, a removal included, names the version that the reading gave, and a reply
    /// of 412 leads to another reading.
    #[tokio::test]
    async fn a_write_names_the_version_that_was_read() {
        let id = Uuid::from_u128(1);
        let row = |etag: &str, value: &str| {
            let row = json!({ "@odata.etag": etag, "valueid": id, "value": value });
            Reply::json(200, row)
        };
        let moved = r#"{"error":{"code":"0x80060882","message":"no"}}"#;
        let listener = Listener::replying(vec![
            row("W/\"7\"", "one"),
            Reply::json(412, moved),
            row("W/\"8\"", "one"),
            Reply::json(204, ""),
        ])
        .await;
        let setup = Setup::new(1_000.0);
        let target = DataverseWriter::new(setup.service(&listener.url));
        let project = |row: Option<&Row>| {
            Reading::of(json!({ "value": row.and_then(|row| row.string("value")) }))
        };
        let delete = Request {
            method: Method::Delete,
            path: format!("values({id})"),
            body: None,
            creates: false,
            acting_as: Some(Uuid::from_u128(9)),
            binding: None,
            shown: &[],
        };
        let patch = Request::patch("values", id, &json!({ "value": "two" }));
        for (request, etag, is_moved) in [(patch, "W/\"7\"", true), (delete, "W/\"8\"", false)] {
            let reading = read_row(&target, "values", id, project).await.unwrap();
            assert_eq!(reading.value, json!({ "value": "one" }));
            let result = write_read(&target, |_| Ok(request.clone()), &reading).await;
            assert_eq!(
                matches!(result, Err(WriteError::PreconditionFailed(_))),
                is_moved
            );
            let sent = listener.received().pop().unwrap();
            assert_eq!(sent.header("if-match"), Some(etag), "{}", sent.method);
        }
    }
}
