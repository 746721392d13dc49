//! Changes of rows of the target, as the engine's [`Set`] and [`Launch`]: each has one reader and
//! one write. A [`TargetWrite`] is one such write, not a collection.
//!
//! A [`Reader`] reads the current state, in the form of the change's `before` and `after`. The
//! write is a documented PATCH, or a request of the runbook's `iom:` section (`iom_change`). A
//! request that cannot be repeated blindly becomes a launch whose end is read by the same reader.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use uuid::Uuid;

use super::failure::launch_error;
use super::names::{Fields, text};
use super::{RefreshContext, service_fields};
use crate::base::sync::lock;
use crate::clients::{Condition, DataverseWriter, Error, Row, Table};
use crate::engine::{
    Failure, Found, Launch, Progress, Proof, Reading, Repeat, Set, Started, Trace, WriteError,
    Written,
};
use crate::runbook::{IomRequest, Method};

/// Reads what is there now.
#[async_trait]
pub(crate) trait Reader: Send + Sync {
    /// The compared fields, the version, and what else the write needs.
    async fn read(&self) -> Result<Reading, Failure>;

    /// The same, right before a launch: what was read a moment ago for another purpose may serve.
    async fn read_before(&self) -> Result<Reading, Failure> {
        self.read().await
    }

    /// What the survey read, if that is known with its version.
    fn surveyed(&self) -> Option<Reading> {
        None
    }

    /// The compared fields of the row in the response to a PATCH of this path; none if that is not
    /// all that this reader reads.
    fn answered(&self, _path: &str, _row: &Row) -> Option<Value> {
        None
    }

    /// The compared fields after a deletion that the service has confirmed; none if more must be
    /// gone than the row.
    fn deleted(&self, _path: &str) -> Option<Value> {
        None
    }

    /// Why it can no longer reach the wanted end, if the tenant shows that.
    async fn refusal(&self) -> Result<Option<String>, Failure> {
        Ok(None)
    }
}

/// Reads one row by id and projects it.
pub(crate) struct RowReader<P> {
    refresh: Arc<RefreshContext>,
    entity_set: String,
    id: Uuid,
    /// The compared fields of the row; of `None` if it is not there.
    project: P,
    surveyed: Option<Reading>,
}

impl<P: Fn(Option<&Row>) -> Reading + Send + Sync + 'static> RowReader<P> {
    /// A reader that several changes can share. Takes the row's entity set and id, and the function
    /// that gives its compared fields.
    pub(crate) fn shared(
        refresh: &Arc<RefreshContext>,
        entity_set: &str,
        id: Uuid,
        project: P,
    ) -> Arc<dyn Reader> {
        Self::of_surveyed(refresh, entity_set, id, project, None)
    }

    /// The same, of a row that the survey has read; see [`surveyed`].
    pub(crate) fn of_surveyed(
        refresh: &Arc<RefreshContext>,
        entity_set: &str,
        id: Uuid,
        project: P,
        surveyed: Option<Reading>,
    ) -> Arc<dyn Reader> {
        Arc::new(Self {
            refresh: Arc::clone(refresh),
            entity_set: entity_set.to_owned(),
            id,
            project,
            surveyed,
        })
    }
}

/// What a survey read of a row, for its change: the compared fields, which are the change's
/// `before`, and the version among the row's columns. None if a write cannot depend on the
/// version, so that the row has to be read right before it (Microsoft Learn, *Perform conditional
/// operations using the Web API*: `IsOptimisticConcurrencyEnabled`).
pub(crate) fn surveyed(table: &Table, before: &Value, row: &Fields) -> Option<Reading> {
    surveyed_version(table, before, text(row, "@odata.etag"))
}

/// The same, of a row with this version.
pub(crate) fn surveyed_version(
    table: &Table,
    before: &Value,
    etag: Option<String>,
) -> Option<Reading> {
    let etag = etag.filter(|_| table.optimistic_concurrency)?;
    Some(Reading {
        etag: Some(etag),
        ..Reading::of(before.clone())
    })
}

#[async_trait]
impl<P: Fn(Option<&Row>) -> Reading + Send + Sync> Reader for RowReader<P> {
    async fn read(&self) -> Result<Reading, Failure> {
        read_row(
            &self.refresh.target.dataverse,
            &self.entity_set,
            self.id,
            &self.project,
        )
        .await
    }

    fn surveyed(&self) -> Option<Reading> {
        self.surveyed.clone()
    }

    fn answered(&self, path: &str, row: &Row) -> Option<Value> {
        is_whole_row(path, &self.entity_set, self.id).then(|| (self.project)(Some(row)).value)
    }
}

/// Does a request with this path write this row, and return all of it? A request of the runbook may
/// write another row, or ask for some columns.
pub(crate) fn is_whole_row(path: &str, entity_set: &str, id: Uuid) -> bool {
    let row = format!("{entity_set}({id})");
    path.trim_start_matches('/').eq_ignore_ascii_case(&row)
}

/// Reads one row: its compared fields, and the version that a write must name.
async fn read_row(
    target: &DataverseWriter,
    entity_set: &str,
    id: Uuid,
    project: impl Fn(Option<&Row>) -> Reading,
) -> Result<Reading, Failure> {
    let row = target.get(entity_set, id, &[]).await?;
    let reading = project(row.as_ref());
    Ok(Reading {
        etag: row.and_then(|row| row.etag),
        ..reading
    })
}

/// What was read last, until it is used.
#[derive(Default)]
pub(crate) struct LatestReading(Mutex<Option<Reading>>);

impl LatestReading {
    fn set(&self, reading: Reading) {
        *lock(&self.0) = Some(reading);
    }

    fn take(&self) -> Option<Reading> {
        lock(&self.0).take()
    }
}

/// One write to the target's Web API, ready to send.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: Method,
    /// Relative to the Web API's root.
    pub(crate) path: String,
    pub(crate) body: Option<String>,
    /// Does it create a row with an id that the program chose, which must not exist yet?
    pub(crate) creates: bool,
    /// The directory object of the user that it is sent as, if it is not the caller.
    pub(crate) acting_as: Option<Uuid>,
    /// The name of the runbook's request, if the runbook binds it; a documented write has none.
    pub(crate) binding: Option<IomRequest>,
}

impl Request {
    /// A documented PATCH of one row.
    pub(crate) fn patch(entity_set: &str, id: Uuid, body: &Value) -> Self {
        Self {
            method: Method::Patch,
            path: format!("{entity_set}({id})"),
            body: Some(body.to_string()),
            creates: false,
            acting_as: None,
            binding: None,
        }
    }

    /// The creation of one row with an id from this program, so that a lost response cannot lead to
    /// a second row.
    pub(crate) fn create(entity_set: &str, id: Uuid, body: &Value) -> Self {
        Self {
            creates: true,
            ..Self::patch(entity_set, id, body)
        }
    }

    /// The deletion of one row.
    pub(crate) fn delete(entity_set: &str, id: Uuid) -> Self {
        Self {
            method: Method::Delete,
            path: format!("{entity_set}({id})"),
            body: None,
            creates: false,
            acting_as: None,
            binding: None,
        }
    }

    /// An error of this request: what does not fit is corrected where the request is written.
    fn explain(&self, mut error: Error) -> Error {
        if let Some(request) = self.binding.filter(|_| error.is_unfit_request()) {
            error.help = Some(format!(
                "the request does not fit the table: correct the request under `iom.requests` \
                 ({request})"
            ));
        }
        error
    }

    /// The same, sent as this user of the directory, if there is one.
    pub(crate) fn acting_as(self, user: Option<Uuid>) -> Self {
        Self {
            acting_as: user,
            ..self
        }
    }
}

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

/// The same, of a row that the survey has read (see [`surveyed`]): it costs one request.
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
        request: move |_: &Reading| Ok(request.clone()),
        settle_timeout,
    })
}

/// A set on the target: reads by its reader, writes by its request.
pub(crate) struct TargetWrite<W> {
    pub(crate) refresh: Arc<RefreshContext>,
    pub(crate) reader: Arc<dyn Reader>,
    /// Makes the request from what was read.
    pub(crate) request: W,
    pub(crate) settle_timeout: Duration,
}

#[async_trait]
impl<W> Set for TargetWrite<W>
where
    W: Fn(&Reading) -> Result<Request, Failure> + Send + Sync,
{
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
    let row = send_to(target, &request, reading.etag.as_deref()).await?;
    Ok((request, row))
}

/// Sends one request to the target's Web API. Takes the version that was read, if any. Returns the
/// row that a PATCH changed, if the service shows it.
pub(crate) async fn send(
    refresh: &RefreshContext,
    request: &Request,
    etag: Option<&str>,
) -> Result<Option<Row>, Error> {
    send_to(&refresh.target.dataverse, request, etag).await
}

async fn send_to(
    target: &DataverseWriter,
    request: &Request,
    etag: Option<&str>,
) -> Result<Option<Row>, Error> {
    let condition = match (request.method, etag) {
        _ if request.creates => Condition::Create,
        (Method::Patch | Method::Delete | Method::Put, Some(etag)) => {
            Condition::Etag(etag.to_owned())
        }
        (Method::Patch | Method::Put, None) => Condition::Exists,
        _ => Condition::None,
    };
    let acting = request.acting_as.map(|user| target.acting_as(user));
    let target = acting.as_ref().unwrap_or(target);
    let (path, body) = (&request.path, request.body.as_deref());
    let sent = if request.method == Method::Patch {
        target.patch(path, body, condition).await
    } else {
        let method = request.method.to_string();
        let sent = target.send(&method, path, body, condition).await;
        sent.map(|_| None)
    };
    sent.map_err(|error| request.explain(error))
}

/// Sends the request of a launch, which the service receives at most once.
async fn launch(refresh: &RefreshContext, request: &Request) -> Result<Option<String>, Error> {
    let acting = request
        .acting_as
        .map(|user| refresh.target.dataverse.acting_as(user));
    let target = acting.as_ref().unwrap_or(&refresh.target.dataverse);
    let sent = target
        .launch(&request.path, request.body.as_deref())
        .await
        .map_err(|error| request.explain(error))?;
    Ok(sent.service_date)
}

/// A launch whose end is read from the rows it changes, because the service lists no operation.
pub(crate) struct TenantLaunch<W> {
    pub(crate) refresh: Arc<RefreshContext>,
    pub(crate) reader: Arc<dyn Reader>,
    /// Makes the request from what was read.
    pub(crate) request: W,
    pub(crate) after: Value,
    pub(crate) repeat: Repeat,
    pub(crate) timeout: Duration,
    /// What the probe has read, for the request that follows it.
    pub(crate) probed: LatestReading,
}

#[async_trait]
impl<W> Launch for TenantLaunch<W>
where
    W: Fn(&Reading) -> Result<Request, Failure> + Send + Sync,
{
    fn repeat(&self) -> Repeat {
        self.repeat
    }

    async fn probe(&self) -> Result<Value, Failure> {
        let reading = self.reader.read_before().await?;
        let before = json!({ "before": reading.value });
        self.probed.set(reading);
        Ok(before)
    }

    async fn request(&self) -> Result<Started, WriteError> {
        // A second request starts from the state at that time.
        let reading = match self.probed.take() {
            Some(reading) => reading,
            None => self.reader.read().await.map_err(WriteError::Refused)?,
        };
        let request = (self.request)(&reading).map_err(WriteError::Refused)?;
        let sent = launch(&self.refresh, &request).await;
        let service_date = sent.map_err(launch_error)?;
        Ok(Started {
            handle: json!({ "requested": request.path }),
            service_date,
        })
    }

    async fn find(&self, _probed: &Value) -> Result<Found, Failure> {
        let reading = self.reader.read().await?;
        if reading.value == self.after {
            return Ok(Found::Operation(json!({ "found": reading.value })));
        }
        Ok(Found::Absent)
    }

    async fn trace(&self, probed: &Value) -> Result<Trace, Failure> {
        let reading = self.reader.read().await?;
        Ok(if probed.get("before") == Some(&reading.value) {
            Trace::Same
        } else {
            Trace::Changed(described(&reading))
        })
    }

    fn has_operation(&self) -> bool {
        false
    }

    async fn poll(&self, _handle: &Value) -> Result<Progress, Failure> {
        // No operation can be polled; `verify` reads the rows.
        Ok(Progress::Succeeded(Value::Null))
    }

    async fn verify(&self, _handle: &Value) -> Result<Proof, Failure> {
        let reading = self.reader.read().await?;
        if reading.value == self.after {
            return Ok(Proof::Proved(reading.value));
        }
        if let Some(why) = self.reader.refusal().await? {
            return Ok(Proof::Disproved(why));
        }
        Ok(Proof::NotYet(described(&reading)))
    }

    fn timeout(&self) -> Duration {
        self.timeout
    }

    fn settle_timeout(&self) -> Duration {
        self.timeout
    }
}

/// A reading in words.
fn described(reading: &Reading) -> String {
    match &reading.basis {
        Value::String(reason) => reason.clone(),
        _ => format!("it reads {}", reading.value),
    }
}

#[cfg(test)]
mod tests {
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

    /// A table without the column that a write names. Only a request of the runbook can be corrected
    /// there.
    #[tokio::test]
    async fn a_request_that_does_not_fit_is_corrected_where_it_is_written() {
        let refusal = r#"{"error":{"code":"0x80048d19","message":"Undeclared property 'x'"}}"#;
        let listener =
            Listener::replying(vec![Reply::json(400, refusal), Reply::json(400, refusal)]).await;
        let setup = Setup::new(1_000.0);
        let target = DataverseWriter::new(setup.service(&listener.url));
        let documented = Request::patch("connectionreferences", Uuid::from_u128(1), &json!({}));
        let bound = Request {
            binding: Some(IomRequest::RenameProvider),
            ..documented.clone()
        };
        for (request, is_bound) in [(documented, false), (bound, true)] {
            let result = send_to(&target, &request, None).await;
            let help = result.unwrap_err().help.unwrap_or_default();
            assert!(help.contains("does not fit the table"), "{help}");
            assert_eq!(help.contains("`iom.requests`"), is_bound, "{help}");
            assert_eq!(help.contains("rename-provider"), is_bound, "{help}");
        }
    }

    /// Otherwise the write could pass over an edit that is newer than the survey.
    #[test]
    fn a_row_without_a_version_that_a_write_can_name_is_read_first() {
        let before = json!({ "value": "one" });
        for (optimistic_concurrency, row, etag) in [
            (true, json!({ "@odata.etag": "W/\"7\"" }), Some("W/\"7\"")),
            (false, json!({ "@odata.etag": "W/\"7\"" }), None),
            (true, json!({}), None),
        ] {
            let table = Table {
                optimistic_concurrency,
                ..Table::default()
            };
            let row = row.as_object().cloned().unwrap_or_default();
            let surveyed = surveyed(&table, &before, &row);
            let found = surveyed
                .as_ref()
                .and_then(|reading| reading.etag.as_deref());
            assert_eq!(found, etag, "{row:?}");
            assert!(surveyed.is_none_or(|reading| reading.value == before));
        }
    }

    #[test]
    fn only_a_response_with_the_whole_row_can_prove_a_change() {
        let id = Uuid::from_u128(0xa1);
        let other = Uuid::from_u128(2);
        for (path, is_whole) in [
            (format!("values({id})"), true),
            (format!("/Values({})", id.to_string().to_uppercase()), true),
            (format!("values({id})?$select=value"), false),
            (format!("values({id})/value"), false),
            (format!("values({other})"), false),
            (format!("others({id})"), false),
        ] {
            assert_eq!(is_whole_row(&path, "values", id), is_whole, "{path}");
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
