//! Finance and Operations: batch jobs, e-mail, end points of business events.
//!
//! A database refresh by Lifecycle Services withholds all batch jobs, empties the mail relay and
//! removes the end points of business events (Microsoft Learn, *Database refresh*). No page lists
//! what a unified copy does to them, so a forecast of one is unclear, and afterwards they are read.
//! The program writes nothing there: which batch job is a system job that must run is not published.
//! Everything that is still on when the copy has ended is a manual task, before the target opens.

use async_trait::async_trait;
use serde_json::Value;

use super::super::hosts::hosts_of_address;
use super::super::kind::SurfaceKind;
use super::super::scope::Scope;
use super::super::surface::{Closing, Surface, SurfaceState};
use crate::base::text::{count, list_first};
use crate::clients::{ErrorKind, Query, Row};
use crate::domain::environments::is_lcs_managed;
use crate::domain::names::text;
use crate::domain::view::View;
use crate::engine::{Failure, FailureKind};

/// What a kind reads of one entity.
struct EntityRead {
    set: &'static str,
    /// The fields; never a field with a secret (`DecryptedAzureAppSecret` can be read).
    fields: &'static [&'static str],
}

/// The rows of an entity set of the environment that the scope shows; empty if that set or Finance
/// and Operations does not exist. An error in words if it cannot be read.
async fn rows(scope: &Scope<'_>, entity: &EntityRead) -> Result<Result<Vec<Row>, String>, Failure> {
    let refresh = scope.refresh;
    let finance = match scope.view {
        View::AfterCopy(_) => refresh.source.finance.as_ref(),
        View::Target(_) => refresh.target.finance.as_deref(),
    };
    let Some(finance) = finance else {
        return Ok(Ok(Vec::new()));
    };
    match finance
        .list(entity.set, &Query::new().select(entity.fields))
        .await
    {
        Ok(rows) => Ok(Ok(rows)),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(Ok(Vec::new())),
        Err(error) => match Failure::from(error) {
            failure
                if matches!(
                    failure.kind,
                    FailureKind::Temporary | FailureKind::Interrupted
                ) =>
            {
                Err(failure)
            }
            // Its own checks say what is wrong with the access; here it only cannot be read.
            failure => Ok(Err(failure.message)),
        },
    }
}

/// A surface of Finance and Operations, judged: allowed, or open, or unclear in a forecast.
fn judged(
    scope: &Scope<'_>,
    kind: &'static str,
    name: &str,
    reach: String,
    hosts: &[String],
    remedy: &str,
) -> Surface {
    let allowed = scope.policy.allows(name, hosts);
    let is_forecast = matches!(scope.view, View::AfterCopy(_));
    let state = match allowed.or_else(|| scope.policy.keeps_everything()) {
        Some(by) => SurfaceState::Allowed(by),
        None if is_forecast && is_lcs_managed(scope.refresh) => {
            SurfaceState::Closed("the database refresh turns it off".to_owned())
        }
        None if is_forecast => SurfaceState::Unclear(
            "what a unified copy does to it is not documented; it is read again afterwards, and the \
             run waits for a person if it is still on"
                .to_owned(),
        ),
        None => SurfaceState::Open,
    };
    let closing = match &state {
        // Batch jobs run without Dataverse, so a person decides before the target opens.
        SurfaceState::Open if scope.is_closed => Closing::Ask {
            instructions: vec![
                format!("'{name}' would act from the copy: {reach}."),
                format!("In Finance and Operations of the target: {remedy}; then run again."),
            ],
            evidence: format!("'{name}' can no longer act, or the runbook allows it"),
        },
        SurfaceState::Open | SurfaceState::Unclear(_) => Closing::Finding(remedy.to_owned()),
        _ => Closing::Nothing,
    };
    Surface {
        kind,
        id: name.to_owned(),
        name: name.to_owned(),
        reach,
        state,
        closing,
    }
}

/// The surface for an entity that could not be read. It may act, so a person decides while the
/// target is still closed.
fn unread(scope: &Scope<'_>, kind: &'static str, name: &str, why: String) -> Surface {
    let policy = &scope.policy;
    let allowed = policy
        .allows_name(name)
        .or_else(|| policy.keeps_everything());
    let is_asked = scope.is_closed && matches!(scope.view, View::Target(_));
    let (state, closing) = unread_state(allowed, is_asked, name, why);
    Surface {
        kind,
        id: "not-read".to_owned(),
        name: name.to_owned(),
        reach: "cannot be read in Finance and Operations".to_owned(),
        state,
        closing,
    }
}

/// Its state, and what closes it. Takes by what it is allowed, and whether a person is asked now.
fn unread_state(
    allowed: Option<String>,
    is_asked: bool,
    name: &str,
    why: String,
) -> (SurfaceState, Closing) {
    match allowed {
        Some(by) => (SurfaceState::Allowed(by), Closing::Nothing),
        None if is_asked => {
            let closing = Closing::Ask {
                instructions: vec![
                    format!("Finance and Operations did not give its {name}: {why}."),
                    format!(
                        "Look in Finance and Operations of the target whether its {name} can act, \
                         and give the caller read access there; or write '{name}' under \
                         `containment.allow` in the runbook; then run again."
                    ),
                ],
                evidence: format!(
                    "the {name} of Finance and Operations can be read, or the runbook allows '{name}'"
                ),
            };
            (SurfaceState::Open, closing)
        }
        None => {
            let remedy = format!(
                "give the caller read access in Finance and Operations; the run waits for a person \
                 while it cannot be read. Or write '{name}' under `containment.allow`"
            );
            (SurfaceState::Unclear(why), Closing::Finding(remedy))
        }
    }
}

/// Batch jobs that are not withheld.
pub(crate) struct BatchJobs;

/// The states of a batch job that runs or will run; the names are those of the client.
const RUNNABLE: [&str; 4] = ["Waiting", "Executing", "Ready", "Scheduled"];

const BATCH: &str = "withhold what must not run (System administration > Inquiries > Batch jobs), or \
                     write `batch jobs` under `containment.allow`";

#[async_trait]
impl SurfaceKind for BatchJobs {
    fn key(&self) -> &'static str {
        "batch-job"
    }

    fn title(&self) -> &'static str {
        "batch jobs of Finance and Operations"
    }

    async fn find(&self, scope: &Scope<'_>) -> Result<Vec<Surface>, Failure> {
        let entity = EntityRead {
            set: "BatchJobs",
            fields: &["BatchJobRecId", "JobDescription", "Status"],
        };
        let rows = match rows(scope, &entity).await? {
            Ok(rows) => rows,
            Err(why) => return Ok(vec![unread(scope, self.key(), "batch jobs", why)]),
        };
        let runnable: Vec<String> = rows
            .iter()
            .filter(|row| {
                let status = row.string("Status").unwrap_or_default();
                RUNNABLE.contains(&status)
            })
            .map(|row| text(&row.value, "JobDescription").unwrap_or_default())
            .collect();
        if runnable.is_empty() {
            return Ok(Vec::new());
        }
        let names: Vec<String> = runnable.iter().map(|name| format!("'{name}'")).collect();
        let reach = format!(
            "{} will run: {}",
            count(names.len(), "job"),
            list_first(&names, 5, ", ")
        );
        Ok(vec![judged(
            scope,
            self.key(),
            "batch jobs",
            reach,
            &[],
            BATCH,
        )])
    }
}

/// The mail server of Finance and Operations.
pub(crate) struct MailRelay;

const RELAY: &str = "empty the SMTP relay (System administration > Setup > Email > Email parameters), \
                     or allow its host under `containment.allow`";

#[async_trait]
impl SurfaceKind for MailRelay {
    fn key(&self) -> &'static str {
        "mail-relay"
    }

    fn title(&self) -> &'static str {
        "e-mail of Finance and Operations"
    }

    async fn find(&self, scope: &Scope<'_>) -> Result<Vec<Surface>, Failure> {
        let entity = EntityRead {
            set: "EmailParameters",
            fields: &["ID", "SMTPRelayServerName", "MailerNonInteractive"],
        };
        let rows = match rows(scope, &entity).await? {
            Ok(rows) => rows,
            Err(why) => return Ok(vec![unread(scope, self.key(), "e-mail parameters", why)]),
        };
        let servers = rows
            .iter()
            .filter_map(|row| row.string("SMTPRelayServerName"))
            .filter(|server| !server.trim().is_empty());
        let surfaces = servers.map(|server| {
            let hosts: Vec<String> = hosts_of_address(server).into_iter().collect();
            let reach = format!("sends e-mail by {server}");
            judged(scope, self.key(), "e-mail parameters", reach, &hosts, RELAY)
        });
        Ok(surfaces.collect())
    }
}

/// End points of business events that are active.
pub(crate) struct BusinessEvents;

const EVENTS: &str = "deactivate the events, or delete the end point (System administration > Setup > \
                      Business events), or allow the end point by its name under `containment.allow`";

#[async_trait]
impl SurfaceKind for BusinessEvents {
    fn key(&self) -> &'static str {
        "business-events"
    }

    fn title(&self) -> &'static str {
        "business events of Finance and Operations"
    }

    async fn find(&self, scope: &Scope<'_>) -> Result<Vec<Surface>, Failure> {
        let endpoints = EntityRead {
            set: "BusinessEventsEndpoints",
            fields: &["Name", "Type", "EventGridEndpointURL"],
        };
        let events = EntityRead {
            set: "BusinessEventsConfigurations",
            fields: &[
                "BusinessEventsTable",
                "LegalEntity",
                "BusinessEventsEndpoint_Name",
                "Disabled",
            ],
        };
        let (endpoints, events) =
            match (rows(scope, &endpoints).await?, rows(scope, &events).await?) {
                (Ok(endpoints), Ok(events)) => (endpoints, events),
                (Err(why), _) | (_, Err(why)) => {
                    return Ok(vec![unread(scope, self.key(), "business events", why)]);
                }
            };
        let is_active = |event: &Row| event.value.get("Disabled") != Some(&Value::from("Yes"));
        let mut surfaces = Vec::new();
        for endpoint in &endpoints {
            let Some(name) = endpoint.string("Name") else {
                continue;
            };
            let of_endpoint =
                |event: &&Row| event.string("BusinessEventsEndpoint_Name") == Some(name);
            let active = events
                .iter()
                .filter(of_endpoint)
                .filter(|event| is_active(event));
            let active = active.count();
            if active == 0 {
                continue;
            }
            let address = endpoint.string("EventGridEndpointURL").unwrap_or_default();
            let hosts: Vec<String> = hosts_of_address(address).into_iter().collect();
            let where_to = match hosts.as_slice() {
                [] => endpoint.string("Type").unwrap_or("an address").to_owned(),
                hosts => hosts.join(", "),
            };
            let reach = format!("{} to {where_to}", count(active, "active event"));
            surfaces.push(judged(scope, self.key(), name, reach, &hosts, EVENTS));
        }
        Ok(surfaces)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unreadable_entity_is_a_manual_task_while_the_target_is_closed() {
        let of = |allowed: Option<&str>, is_asked| {
            let allowed = allowed.map(str::to_owned);
            unread_state(allowed, is_asked, "batch jobs", "403".to_owned())
        };
        let (state, closing) = of(None, true);
        assert_eq!(state, SurfaceState::Open);
        assert!(matches!(closing, Closing::Ask { .. }), "{closing:?}");
        let (state, closing) = of(None, false);
        assert!(matches!(state, SurfaceState::Unclear(_)), "{state:?}");
        assert!(matches!(closing, Closing::Finding(_)), "{closing:?}");
        let (state, _) = of(Some("containment.allow: batch jobs"), true);
        assert!(matches!(state, SurfaceState::Allowed(_)), "{state:?}");
    }
}
