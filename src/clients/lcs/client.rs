//! One project: trigger, status, history, environments.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::envelope::{Envelope, field, lcs_time, text};
use super::environment::LcsEnvironment;
use super::history::HistoryEntry;
use super::state::RefreshState;
use crate::clients::error::{Error, ErrorKind};
use crate::clients::http::{Method, Request, Response, Service};

/// The version of the service that every request names.
const VERSION: &str = "2017-09-15";

/// What stays as it is in an id: GUIDs are written with their hyphens.
const ID: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-');

/// More pages than any list of a project has.
const MOST_PAGES: u32 = 200;

/// One project of Lifecycle Services. Clones share what is known of the service's end.
#[derive(Clone, Debug)]
pub struct Lcs {
    service: Service,
    project: u64,
    seen: Arc<Mutex<Seen>>,
}

/// What the service's answers have told besides.
#[derive(Debug, Default)]
struct Seen {
    end_of_life: Option<String>,
    time: Option<Timestamp>,
}

/// A refresh that was accepted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Triggered {
    /// The operation's id.
    pub activity: String,
    /// The service's own time of its answer (its `Date` header).
    pub service_date: Option<String>,
}

/// How an operation is doing.
#[derive(Clone, Debug, PartialEq)]
pub struct RefreshStatus {
    /// Its state.
    pub state: RefreshState,
    /// When it ended, where the service says so.
    pub completed: Option<Timestamp>,
    /// The whole answer.
    pub raw: Value,
}

impl Lcs {
    /// Takes the service that it is reached through, and the project's number.
    pub fn new(service: Service, project: u64) -> Self {
        Self {
            service,
            project,
            seen: Arc::default(),
        }
    }

    /// Starts the refresh of one environment's database from another's. The target's database is
    /// overwritten, and nothing can stop it. Sent at most once. An answer that is lost, or that does
    /// not say whether the refresh was accepted, is [`ErrorKind::Ambiguous`]; a refusal is
    /// [`ErrorKind::Refused`], see [`super::Quota`].
    pub async fn refresh(&self, source: &str, target: &str) -> Result<Triggered, Error> {
        let path = format!(
            "/databasemovement/v1/refresh/project/{}/source/{}/target/{}",
            self.project,
            encoded(source),
            encoded(target)
        );
        let request = versioned(Request::new(Method::Post, path)).once();
        let answer = self.service.send(&request).await?;
        let envelope = Envelope::open(&answer, ErrorKind::Ambiguous)?;
        self.note(&answer, &envelope);
        let activity = envelope.call.ok_or_else(|| {
            let why = "it was accepted, and its answer names no operation";
            answer.error(ErrorKind::Ambiguous, why)
        })?;
        Ok(Triggered {
            activity,
            service_date: answer.date(),
        })
    }

    /// How an operation on an environment (of a refresh: its target) is doing. Takes the id that the
    /// trigger answered. The answer holds two ids: `ActivityId` is that operation, and
    /// `OperationActivityId` is the id of this very call.
    pub async fn status(&self, environment: &str, activity: &str) -> Result<RefreshStatus, Error> {
        let path = format!(
            "/databasemovement/v1/fetchstatus/project/{}/environment/{}/operationactivity/{}",
            self.project,
            encoded(environment),
            encoded(activity)
        );
        let (answer, envelope) = self.read(&path).await?;
        let body = envelope.body;
        let about = text(&body, "ActivityId");
        if about.is_some_and(|about| !about.eq_ignore_ascii_case(activity)) {
            return Err(answer.malformed("it answers about another operation"));
        }
        let word = text(&body, "OperationStatus")
            .ok_or_else(|| answer.malformed("it answers without a status"))?;
        Ok(RefreshStatus {
            state: RefreshState::from_word(&word),
            completed: text(&body, "CompletionDate").and_then(|time| lcs_time(&time)),
            raw: body,
        })
    }

    /// What happened to an environment, as the service lists it: everything, or, where the list runs
    /// from new to old, as far back as `since` asks for.
    pub async fn history(
        &self,
        environment: &str,
        since: Option<Timestamp>,
    ) -> Result<Vec<HistoryEntry>, Error> {
        let path = format!(
            "/environmentinfo/v1/history/project/{}/environment/{}/",
            self.project,
            encoded(environment)
        );
        let is_enough = |entries: &[HistoryEntry]| {
            since.is_some_and(|since| runs_down(entries) && ends_before(entries, since))
        };
        self.pages(&path, HistoryEntry::from_value, is_enough).await
    }

    /// One environment of the project; none where the project has no such environment.
    pub async fn environment(&self, id: &str) -> Result<Option<LcsEnvironment>, Error> {
        let path = format!(
            "/environmentinfo/v1/detail/project/{}/?environmentId={}",
            self.project,
            encoded(id)
        );
        let (answer, envelope) = self.read(&path).await?;
        let (environments, _) = page(&answer, &envelope.body, LcsEnvironment::from_value)?;
        let found = environments
            .into_iter()
            .find(|environment| environment.id.eq_ignore_ascii_case(id));
        Ok(found)
    }

    /// When this version of the service ends, if any answer has said so: a time as the service
    /// writes it.
    pub fn end_of_life(&self) -> Option<String> {
        self.seen().end_of_life.clone()
    }

    /// The service's own time at its last answer, where it told it.
    pub fn time(&self) -> Option<Timestamp> {
        self.seen().time
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn read(&self, path: &str) -> Result<(Response, Envelope), Error> {
        let answer = self.service.send(&versioned(Request::get(path))).await?;
        let envelope = Envelope::open(&answer, ErrorKind::Malformed)?;
        self.note(&answer, &envelope);
        Ok((answer, envelope))
    }

    async fn pages<T>(
        &self,
        path: &str,
        read: impl Fn(&Value) -> Option<T>,
        is_enough: impl Fn(&[T]) -> bool,
    ) -> Result<Vec<T>, Error> {
        let mut items = Vec::new();
        for number in 1..=MOST_PAGES {
            let (answer, envelope) = self.read(&format!("{path}?page={number}")).await?;
            let (more, has_more) = page(&answer, &envelope.body, &read)?;
            let is_empty = more.is_empty();
            items.extend(more);
            if !has_more || is_enough(&items) {
                return Ok(items);
            }
            if is_empty {
                return Err(answer.malformed("an empty page says that more follow"));
            }
        }
        let why = format!("its list does not end: more than {MOST_PAGES} pages");
        Err(Error::new(
            ErrorKind::Malformed,
            self.service.name(),
            &format!("GET {path}"),
            &why,
        ))
    }

    fn note(&self, answer: &Response, envelope: &Envelope) {
        let date = answer.date();
        let date = date.and_then(|date| httpdate::parse_http_date(&date).ok());
        let mut seen = self.seen();
        seen.time = date
            .and_then(|date| Timestamp::try_from(date).ok())
            .or(seen.time);
        if envelope.end_of_life.is_some() {
            seen.end_of_life.clone_from(&envelope.end_of_life);
        }
    }
}

/// An id for a path or a query, percent-encoded.
fn encoded(id: &str) -> String {
    utf8_percent_encode(id, ID).to_string()
}

fn versioned(request: Request) -> Request {
    request
        .header("x-ms-version", VERSION)
        .header("content-type", "application/json")
}

/// The items of a page, and whether more follow. An item that is not understood fails the list: a
/// list with holes would be taken for the whole.
fn page<T>(
    answer: &Response,
    body: &Value,
    read: impl Fn(&Value) -> Option<T>,
) -> Result<(Vec<T>, bool), Error> {
    let items = field(body, "Data")
        .and_then(Value::as_array)
        .ok_or_else(|| answer.malformed("the list has no member 'Data'"))?;
    let items = items
        .iter()
        .map(|item| {
            let why =
                || answer.malformed(&format!("an item of the list is not understood: {item}"));
            read(item).ok_or_else(why)
        })
        .collect::<Result<_, _>>()?;
    let has_more = field(body, "ResultHasMorePages").and_then(Value::as_bool);
    Ok((items, has_more.unwrap_or(false)))
}

/// Does the list run from new to old, as far as it has been read?
fn runs_down(entries: &[HistoryEntry]) -> bool {
    entries
        .windows(2)
        .all(|pair| pair[0].started >= pair[1].started)
}

fn ends_before(entries: &[HistoryEntry], since: Timestamp) -> bool {
    let last = entries.last().and_then(|entry| entry.started);
    last.is_some_and(|started| started < since)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::testing::{Listener, Reply, Setup};
    use serde_json::json;

    fn of(setup: &Setup, url: &str) -> Lcs {
        Lcs::new(setup.service(url), 1_234_567)
    }

    fn enveloped(is_success: bool, more: Value) -> Reply {
        let mut body = json!({
            "IsSuccess": is_success,
            "OperationActivityId": "call-1",
            "ErrorMessage": null,
            "VersionEOL": "9999-12-31T23:59:59.9999999",
        });
        if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
            body.extend(more);
        }
        Reply::json(200, body)
    }

    #[tokio::test]
    async fn a_trigger_names_project_source_and_target_and_answers_the_operation() {
        let setup = Setup::new(1_000.0);
        let listener = Listener::replying(vec![enveloped(true, json!({}))]).await;
        let lcs = of(&setup, &listener.url);
        let triggered = lcs.refresh("src-1", "tgt/2").await.unwrap();
        assert_eq!(triggered.activity, "call-1");
        let request = listener.received().pop().unwrap();
        assert_eq!(
            (request.method.as_str(), request.path.as_str()),
            (
                "POST",
                "/databasemovement/v1/refresh/project/1234567/source/src-1/target/tgt%2F2"
            )
        );
        assert_eq!(request.header("x-ms-version"), Some("2017-09-15"));
        assert_eq!(lcs.end_of_life(), None);
    }

    /// The status is 200 whatever happened: a client that looks at it alone reports success.
    #[tokio::test]
    async fn pitfall_1_a_refusal_comes_with_status_200() {
        let setup = Setup::new(1_000.0);
        let said = "Maximum allowed API operations are 3 from 2026-02-13T22:01:01.9999999";
        let refused = enveloped(false, json!({ "ErrorMessage": said }));
        let listener = Listener::replying(vec![refused]).await;
        let lcs = of(&setup, &listener.url);
        for error in [
            lcs.refresh("s", "t").await.unwrap_err(),
            lcs.status("t", "a").await.unwrap_err(),
            lcs.history("t", None).await.unwrap_err(),
        ] {
            assert_eq!(error.kind, ErrorKind::Refused);
            assert_eq!(error.message, said);
        }
        assert_eq!(listener.count(), 3, "a refusal is not sent again");
    }

    /// In the answer to a status call `OperationActivityId` is the call's own id.
    #[tokio::test]
    async fn pitfall_2_the_operation_is_the_activity_id() {
        let setup = Setup::new(1_000.0);
        let running = json!({"ActivityId": "OP-7", "OperationStatus": "InProgress"});
        let other = json!({"ActivityId": "op-8", "OperationStatus": "Completed"});
        let replies = vec![enveloped(true, running), enveloped(true, other)];
        let listener = Listener::replying(replies).await;
        let lcs = of(&setup, &listener.url);
        let status = lcs.status("t", "op-7").await.unwrap();
        assert_eq!(status.state, RefreshState::InProgress);
        let error = lcs.status("t", "op-7").await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Malformed, "another operation's end");
        let path = &listener.received()[0].path;
        assert!(path.ends_with("/environment/t/operationactivity/op-7"));
    }

    /// A refresh destroys the target, and a day has three: a trigger whose answer was lost is in doubt,
    /// and is never sent again by itself.
    #[tokio::test]
    async fn pitfall_4_a_lost_trigger_is_in_doubt_and_sent_once() {
        for lost in [
            Reply::HangUp,
            Reply::json(500, ""),
            Reply::json(200, "<html>"),
            Reply::json(200, r#"{"IsSuccess":true}"#),
        ] {
            let setup = Setup::new(1_000.0);
            let listener = Listener::replying(vec![lost.clone()]).await;
            let error = of(&setup, &listener.url)
                .refresh("s", "t")
                .await
                .unwrap_err();
            assert_eq!(error.kind, ErrorKind::Ambiguous, "{lost:?}");
            assert_eq!(listener.count(), 1, "{lost:?}");
        }
    }

    #[tokio::test]
    async fn a_history_is_read_page_after_page_as_far_as_is_asked() {
        let setup = Setup::new(1_000.0);
        let listener = Listener::start(|request, _| {
            let number: u32 = request.path.rsplit('=').next().unwrap().parse().unwrap();
            let day = 20 - number;
            enveloped(
                true,
                json!({
                    "ResultPageCurrent": number,
                    "ResultHasMorePages": number < 4,
                    "Data": [{
                        "Type": "SFSourceDbToSandbox",
                        "StartDateTimeUTC": format!("2026-02-{day}T03:00:00"),
                    }],
                }),
            )
        })
        .await;
        let lcs = of(&setup, &listener.url);
        assert_eq!(lcs.history("t", None).await.unwrap().len(), 4);
        let since = "2026-02-18T12:00:00Z".parse().ok();
        assert_eq!(lcs.history("t", since).await.unwrap().len(), 2);
        assert_eq!(
            listener.received()[0].path,
            "/environmentinfo/v1/history/project/1234567/environment/t/?page=1"
        );
    }

    #[tokio::test]
    async fn a_limit_is_waited_for_as_long_as_the_service_asks() {
        let setup = Setup::new(1_000.0);
        let throttled = Reply::json(429, "").with("retry-after", "37");
        let list = json!({"Data": [], "ResultHasMorePages": false});
        let listener = Listener::replying(vec![throttled, enveloped(true, list)]).await;
        of(&setup, &listener.url).history("t", None).await.unwrap();
        assert!(setup.waits.all()[0].duration.as_secs() >= 37);
    }

    #[tokio::test]
    async fn an_environment_is_found_by_its_id() {
        let setup = Setup::new(1_000.0);
        let item = json!({
            "EnvironmentId": "e7c53b85-8b6a-4ab9-8985-1e1ea89a0f0a", "EnvironmentName": "Contoso-UAT",
            "EnvironmentInfrastructure": "SelfService", "EnvironmentType": "Sandbox",
            "EnvironmentEndpointBaseUrl": "https://contoso-uat.sandbox.operations.dynamics.com/",
            "CurrentApplicationReleaseName": "10.0.44", "CloudStorageLocation": "West Europe",
            "DeploymentStatusDisplay": "Deployed",
        });
        let list = json!({"ResultPageCurrent": 1, "ResultHasMorePages": false, "Data": [item]});
        let listener = Listener::replying(vec![enveloped(true, list)]).await;
        let lcs = of(&setup, &listener.url);
        let id = "E7C53B85-8b6a-4ab9-8985-1e1ea89a0f0a";
        let found = lcs.environment(id).await.unwrap().unwrap();
        assert_eq!(found.release.as_deref(), Some("10.0.44"));
        assert_eq!(
            found.url.as_deref(),
            Some("https://contoso-uat.sandbox.operations.dynamics.com")
        );
        assert_eq!(lcs.environment("other").await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_version_that_ends_and_the_services_time_are_remembered() {
        let setup = Setup::new(1_000.0);
        let list = json!({"Data": [], "VersionEOL": "2026-12-31T00:00:00"});
        let reply = enveloped(true, list).with("date", "Fri, 06 Mar 2026 20:00:00 GMT");
        let listener = Listener::replying(vec![reply]).await;
        let lcs = of(&setup, &listener.url);
        lcs.history("t", None).await.unwrap();
        assert_eq!(lcs.end_of_life().as_deref(), Some("2026-12-31T00:00:00"));
        assert_eq!(lcs.time(), "2026-03-06T20:00:00Z".parse().ok());
    }
}
