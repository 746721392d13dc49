//! One project: trigger, status, history, environments.

use std::sync::{Arc, Mutex, MutexGuard};

use jiff::Timestamp;
use serde_json::Value;

use super::envelope::{Envelope, field, parse_lcs_time, text};
use super::environment::LcsEnvironment;
use super::history::HistoryEntry;
use super::state::RefreshState;
use crate::base::encoding::{ALL_BUT_HYPHEN, percent_encode};
use crate::base::sync::lock;
use crate::clients::error::{Error, ErrorKind};
use crate::clients::http::{Method, Request, Response, Service, server_date};

/// The API version in every request.
const VERSION: &str = "2017-09-15";

/// More pages than any list of a project has.
const MAX_PAGES: u32 = 200;

/// One project of Lifecycle Services. Clones share the facts about the service.
#[derive(Clone, Debug)]
pub struct Lcs {
    service: Service,
    project: u64,
    facts: Arc<Mutex<ServiceFacts>>,
}

/// Facts about the service that its responses contain.
#[derive(Debug, Default)]
struct ServiceFacts {
    end_of_life: Option<String>,
    /// The `Date` of the last response.
    date: Option<Timestamp>,
}

/// An accepted refresh.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Triggered {
    /// The operation's id.
    pub activity: String,
    /// The `Date` header of the response.
    pub service_date: Option<String>,
}

/// The status of an operation.
#[derive(Clone, Debug, PartialEq)]
pub struct RefreshStatus {
    /// Its state.
    pub state: RefreshState,
    /// When it ended, if the service says so.
    pub completed: Option<Timestamp>,
    /// The whole response.
    pub raw: Value,
}

impl Lcs {
    /// Takes the API's service and the project's number.
    pub fn new(service: Service, project: u64) -> Self {
        Self {
            service,
            project,
            facts: Arc::default(),
        }
    }

    /// Starts the refresh of one environment's database from another's. The target's database is
    /// overwritten, and the refresh cannot be stopped. Sent at most once. A lost response, or one
    /// that does not say whether the refresh was accepted, is [`ErrorKind::Ambiguous`]; a refusal
    /// is [`ErrorKind::Refused`], see [`super::Quota`].
    pub async fn refresh(&self, source: &str, target: &str) -> Result<Triggered, Error> {
        let path = format!(
            "/databasemovement/v1/refresh/project/{}/source/{}/target/{}",
            self.project,
            encode(source),
            encode(target)
        );
        let request = versioned(Request::new(Method::POST, path)).once();
        let response = self.service.send(&request).await?;
        let envelope = Envelope::open(&response, ErrorKind::Ambiguous)?;
        self.record_facts(&response, &envelope);
        let activity = envelope.call.ok_or_else(|| {
            let why = "it was accepted, but its response has no operation id";
            response.error(ErrorKind::Ambiguous, why)
        })?;
        Ok(Triggered {
            activity,
            service_date: response.date(),
        })
    }

    /// The status of an operation on an environment (for a refresh: its target). Takes the id that
    /// the trigger returned. The response contains two ids: `ActivityId` is that operation, and
    /// `OperationActivityId` is the id of this call.
    pub async fn status(&self, environment: &str, activity: &str) -> Result<RefreshStatus, Error> {
        let path = format!(
            "/databasemovement/v1/fetchstatus/project/{}/environment/{}/operationactivity/{}",
            self.project,
            encode(environment),
            encode(activity)
        );
        let (response, envelope) = self.get(&path).await?;
        let body = envelope.body;
        let found = text(&body, "ActivityId");
        if found.is_some_and(|found| !found.eq_ignore_ascii_case(activity)) {
            return Err(response.malformed("the response is about another operation"));
        }
        let word = text(&body, "OperationStatus")
            .ok_or_else(|| response.malformed("the response has no status"))?;
        Ok(RefreshStatus {
            state: RefreshState::from_word(&word),
            completed: text(&body, "CompletionDate").and_then(|time| parse_lcs_time(&time)),
            raw: body,
        })
    }

    /// The history of an environment: all of it, or, if the list runs from new to old, at least
    /// back to `since`.
    pub async fn history(
        &self,
        environment: &str,
        since: Option<Timestamp>,
    ) -> Result<Vec<HistoryEntry>, Error> {
        let path = format!(
            "/environmentinfo/v1/history/project/{}/environment/{}/",
            self.project,
            encode(environment)
        );
        let is_enough = |entries: &[HistoryEntry]| {
            since.is_some_and(|since| is_descending(entries) && reaches_back(entries, since))
        };
        self.pages(&path, HistoryEntry::from_value, is_enough).await
    }

    /// One environment of the project; `None` if the project does not have it.
    pub async fn environment(&self, id: &str) -> Result<Option<LcsEnvironment>, Error> {
        let path = format!(
            "/environmentinfo/v1/detail/project/{}/?environmentId={}",
            self.project,
            encode(id)
        );
        let (response, envelope) = self.get(&path).await?;
        let (environments, _) = parse_page(&response, &envelope.body, LcsEnvironment::from_value)?;
        let found = environments
            .into_iter()
            .find(|environment| environment.id.eq_ignore_ascii_case(id));
        Ok(found)
    }

    /// When this version of the service ends, if any response has said so: a time as the service
    /// writes it.
    pub fn end_of_life(&self) -> Option<String> {
        self.facts().end_of_life.clone()
    }

    /// The `Date` of the service's last response.
    pub fn service_date(&self) -> Option<Timestamp> {
        self.facts().date
    }

    fn facts(&self) -> MutexGuard<'_, ServiceFacts> {
        lock(&self.facts)
    }

    async fn get(&self, path: &str) -> Result<(Response, Envelope), Error> {
        let response = self.service.send(&versioned(Request::get(path))).await?;
        let envelope = Envelope::open(&response, ErrorKind::Malformed)?;
        self.record_facts(&response, &envelope);
        Ok((response, envelope))
    }

    async fn pages<T>(
        &self,
        path: &str,
        parse: impl Fn(&Value) -> Option<T>,
        is_enough: impl Fn(&[T]) -> bool,
    ) -> Result<Vec<T>, Error> {
        let mut items = Vec::new();
        for number in 1..=MAX_PAGES {
            let (response, envelope) = self.get(&format!("{path}?page={number}")).await?;
            let (more, has_more) = parse_page(&response, &envelope.body, &parse)?;
            let is_empty = more.is_empty();
            items.extend(more);
            if has_more == Some(false) || is_enough(&items) {
                return Ok(items);
            }
            match has_more {
                // Only an empty page shows the end then.
                None if is_empty => return Ok(items),
                Some(true) if is_empty => {
                    return Err(response.malformed("an empty page says that more pages follow"));
                }
                _ => {}
            }
        }
        let why = format!("its list does not end: more than {MAX_PAGES} pages");
        Err(Error::new(
            ErrorKind::Malformed,
            self.service.name(),
            &format!("GET {path}"),
            &why,
        ))
    }

    fn record_facts(&self, response: &Response, envelope: &Envelope) {
        let date = server_date(response.headers());
        let mut facts = self.facts();
        facts.date = date
            .and_then(|date| Timestamp::try_from(date).ok())
            .or(facts.date);
        if envelope.end_of_life.is_some() {
            facts.end_of_life.clone_from(&envelope.end_of_life);
        }
    }
}

/// An id in a path or a query, percent-encoded.
fn encode(id: &str) -> String {
    percent_encode(id, ALL_BUT_HYPHEN)
}

fn versioned(request: Request) -> Request {
    request
        .header("x-ms-version", VERSION)
        .header("content-type", "application/json")
}

/// The items of a page, and whether more pages follow, if the response says that.
fn parse_page<T>(
    response: &Response,
    body: &Value,
    parse: impl Fn(&Value) -> Option<T>,
) -> Result<(Vec<T>, Option<bool>), Error> {
    let items = response.parse_items(field(body, "Data"), "'Data'", parse)?;
    let has_more = field(body, "ResultHasMorePages").and_then(Value::as_bool);
    Ok((items, has_more))
}

/// Whether the list, as far as it has been read, runs from new to old.
fn is_descending(entries: &[HistoryEntry]) -> bool {
    entries
        .windows(2)
        .all(|pair| pair[0].started >= pair[1].started)
}

fn reaches_back(entries: &[HistoryEntry], since: Timestamp) -> bool {
    let last = entries.last().and_then(|entry| entry.started);
    last.is_some_and(|started| started < since)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::testing::{Listener, Reply, Setup};
    use serde_json::json;

    fn lcs(setup: &Setup, url: &str) -> Lcs {
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
    async fn a_trigger_has_project_source_and_target_and_returns_the_operation() {
        let setup = Setup::new(1_000.0);
        let listener = Listener::replying(vec![enveloped(true, json!({}))]).await;
        let lcs = lcs(&setup, &listener.url);
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

    /// The status is always 200: a client that checks only the status reports success.
    #[tokio::test]
    async fn pitfall_1_a_refusal_comes_with_status_200() {
        let setup = Setup::new(1_000.0);
        let message = "Maximum allowed API operations are 3 from 2026-02-13T22:01:01.9999999";
        let refused = enveloped(false, json!({ "ErrorMessage": message }));
        let listener = Listener::replying(vec![refused]).await;
        let lcs = lcs(&setup, &listener.url);
        for error in [
            lcs.refresh("s", "t").await.unwrap_err(),
            lcs.status("t", "a").await.unwrap_err(),
            lcs.history("t", None).await.unwrap_err(),
        ] {
            assert_eq!(error.kind, ErrorKind::Refused);
            assert_eq!(error.message, message);
        }
        assert_eq!(listener.count(), 3, "a refusal is not sent again");
    }

    /// In the response to a status call `OperationActivityId` is the id of the call.
    #[tokio::test]
    async fn pitfall_2_the_operation_is_the_activity_id() {
        let setup = Setup::new(1_000.0);
        let running = json!({"ActivityId": "OP-7", "OperationStatus": "InProgress"});
        let other = json!({"ActivityId": "op-8", "OperationStatus": "Completed"});
        let replies = vec![enveloped(true, running), enveloped(true, other)];
        let listener = Listener::replying(replies).await;
        let lcs = lcs(&setup, &listener.url);
        let status = lcs.status("t", "op-7").await.unwrap();
        assert_eq!(status.state, RefreshState::InProgress);
        let error = lcs.status("t", "op-7").await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Malformed, "another operation's end");
        let path = &listener.received()[0].path;
        assert!(path.ends_with("/environment/t/operationactivity/op-7"));
    }

    /// A refresh destroys the target, and the quota is three a day: a trigger whose response was
    /// lost is ambiguous and is never retried automatically.
    #[tokio::test]
    async fn pitfall_4_a_lost_trigger_is_ambiguous_and_sent_once() {
        for lost in [
            Reply::HangUp,
            Reply::json(500, ""),
            Reply::json(200, "<html>"),
            Reply::json(200, r#"{"IsSuccess":true}"#),
        ] {
            let setup = Setup::new(1_000.0);
            let listener = Listener::replying(vec![lost.clone()]).await;
            let error = lcs(&setup, &listener.url)
                .refresh("s", "t")
                .await
                .unwrap_err();
            assert_eq!(error.kind, ErrorKind::Ambiguous, "{lost:?}");
            assert_eq!(listener.count(), 1, "{lost:?}");
        }
    }

    #[tokio::test]
    async fn a_history_is_read_page_after_page_as_far_back_as_requested() {
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
        let lcs = lcs(&setup, &listener.url);
        assert_eq!(lcs.history("t", None).await.unwrap().len(), 4);
        let since = "2026-02-18T12:00:00Z".parse().ok();
        assert_eq!(lcs.history("t", since).await.unwrap().len(), 2);
        assert_eq!(
            listener.received()[0].path,
            "/environmentinfo/v1/history/project/1234567/environment/t/?page=1"
        );
    }

    /// A short history would show that a refresh did not begin.
    #[tokio::test]
    async fn a_page_that_does_not_say_whether_more_follow_is_not_the_last() {
        let setup = Setup::new(1_000.0);
        let page = |number: u32| {
            let day = 20 - number;
            let start = format!("2026-02-{day}T03:00:00");
            let entry = json!({"Type": "SFSourceDbToSandbox", "StartDateTimeUTC": start});
            enveloped(true, json!({ "Data": [entry] }))
        };
        let end = enveloped(true, json!({ "Data": [] }));
        let listener = Listener::replying(vec![page(1), page(2), end]).await;
        let history = lcs(&setup, &listener.url).history("t", None).await.unwrap();
        assert_eq!((history.len(), listener.count()), (2, 3));
    }

    #[tokio::test]
    async fn a_throttled_request_waits_as_long_as_the_service_asks() {
        let setup = Setup::new(1_000.0);
        let throttled = Reply::json(429, "").with("retry-after", "37");
        let list = json!({"Data": [], "ResultHasMorePages": false});
        let listener = Listener::replying(vec![throttled, enveloped(true, list)]).await;
        lcs(&setup, &listener.url).history("t", None).await.unwrap();
        // The clock is fast, so it has advanced a few seconds when the wait begins.
        assert!(setup.waits.all()[0].duration.as_secs() >= 30);
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
        let lcs = lcs(&setup, &listener.url);
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
        let lcs = lcs(&setup, &listener.url);
        lcs.history("t", None).await.unwrap();
        assert_eq!(lcs.end_of_life().as_deref(), Some("2026-12-31T00:00:00"));
        assert_eq!(lcs.service_date(), "2026-03-06T20:00:00Z".parse().ok());
    }
}
