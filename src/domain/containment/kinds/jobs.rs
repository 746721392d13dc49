//! Jobs that waited in the source (`asyncoperation`): they come with the copy and run as soon as
//! background operations are on. A canceled job cannot be restored: creating jobs is not supported
//! (Microsoft Learn, *Asynchronous service*).
//!
//! Jobs of the platform refuse to be canceled, and jobs that act only inside (imports, bulk
//! deletions, rollups) reach nothing: they are not surfaces. A job of a type that is not known is
//! never canceled by the program.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use serde_json::json;
use uuid::Uuid;

use super::super::kind::SurfaceKind;
use super::super::scope::{Scope, integer};
use super::super::surface::{Closing, RowWrite, Surface, SurfaceState};
use super::ended_jobs::ended_jobs;
use crate::base::text::{count, list_first};
use crate::clients::Row;
use crate::domain::environments::has_opened;
use crate::domain::keys;
use crate::domain::names::text;
use crate::engine::Failure;
use crate::runbook::WaitingJobs;

pub(super) const TABLE: &str = "asyncoperation";

pub(super) const COLUMNS: [&str; 6] = [
    "name",
    "operationtype",
    "statecode",
    "statuscode",
    "postponeuntil",
    "recurrencepattern",
];

/// Ready, suspended or locked; 3 is completed.
const WAITING: &str = "statecode ne 3";

/// How many jobs of a type a line names.
const NAMED: usize = 5;

/// What a job can do.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Class {
    /// It can send or call; the type in words.
    Outward(&'static str),
    /// It acts only inside, or is the platform's own.
    Inward,
    /// Its type is not known.
    Unknown,
}

/// The class of a job by its `operationtype`. The numbers are published; that these and no others
/// reach the outside is inferred from their names.
fn class(operation: Option<i64>) -> Class {
    match operation {
        Some(1) => Class::Outward("System Event"),
        Some(2) => Class::Outward("Bulk Email"),
        Some(10) => Class::Outward("Workflow"),
        Some(11) => Class::Outward("Quick Campaign"),
        Some(49) => Class::Outward("Yammer"),
        Some(50) => Class::Outward("Outgoing Activity"),
        Some(51) => Class::Outward("Incoming Email Processing"),
        Some(52) => Class::Outward("Mailbox Test Access"),
        Some(54) => Class::Outward("Execute Async Request"),
        Some(68) => Class::Outward("Resource Booking Sync"),
        Some(75) => Class::Outward("Flow Notification"),
        Some(79) => Class::Outward("CallbackRegistration Expander"),
        Some(92) => Class::Outward("Event Expander"),
        Some(
            3
            | 4
            | 5
            | 9
            | 13
            | 16..=20
            | 22..=25
            | 27
            | 31
            | 40
            | 57
            | 58
            | 101
            | 202..=204
            | 207
            | 208
            | 211
            | 250
            | 302
            | 308,
        ) => Class::Inward,
        _ => Class::Unknown,
    }
}

/// The kind.
pub(crate) struct Jobs;

#[async_trait]
impl SurfaceKind for Jobs {
    fn key(&self) -> &'static str {
        WORD
    }

    fn title(&self) -> &'static str {
        "jobs that waited in the source"
    }

    fn phase(&self) -> Option<&'static str> {
        Some(keys::JOBS)
    }

    async fn find(&self, scope: &Scope<'_>) -> Result<Vec<Surface>, Failure> {
        if let Some(failure) = &scope.state_not_read {
            return Err(failure.clone());
        }
        if !scope.is_before_opening {
            // The copied jobs have run or were canceled; the jobs that wait now are the target's
            // own.
            return Ok(Vec::new());
        }
        let is_opened = was_opened(scope);
        let rows = scope.rows(TABLE, &COLUMNS, Some(WAITING)).await?;
        let rows = if is_opened {
            only_copied(scope, rows).await?
        } else {
            rows
        };
        let mut surfaces = if is_opened {
            Vec::new()
        } else {
            ended_jobs(scope).await?
        };
        let mut asked: BTreeMap<(String, Class), Vec<String>> = BTreeMap::new();
        for (id, row) in rows {
            let class = class(integer(&row.value, "operationtype"));
            let title = match class {
                Class::Inward => continue,
                Class::Outward(title) => title.to_owned(),
                Class::Unknown => number_of_type(&row),
            };
            let name = text(&row.value, "name").unwrap_or_else(|| id.to_string());
            let allowed = scope.policy.allows_name(&name);
            match allowed.or_else(|| scope.policy.keeps_jobs()) {
                Some(by) => {
                    let state = SurfaceState::Allowed(by);
                    surfaces.push(surface(id, name, &title, state, Closing::Nothing));
                }
                None if scope.policy.jobs() == WaitingJobs::Cancel && class != Class::Unknown => {
                    let closing = cancel(id, &row, &name);
                    surfaces.push(surface(id, name, &title, SurfaceState::Open, closing));
                }
                None => asked.entry((title, class)).or_default().push(name),
            }
        }
        let asked = asked.into_iter();
        surfaces.extend(asked.map(|((title, class), names)| ask(&title, class, &names)));
        Ok(surfaces)
    }
}

/// The key of the kind.
pub(crate) const WORD: &str = "job";

/// What stands for a type that is not known: its number.
fn number_of_type(row: &Row) -> String {
    let number = integer(&row.value, "operationtype");
    number.map_or_else(|| "unknown".to_owned(), |number| number.to_string())
}

/// The type of a job that may reach the outside, in words; `None` if it acts only inside.
pub(super) fn type_in_words(operation: Option<i64>) -> Option<&'static str> {
    match class(operation) {
        Class::Outward(title) => Some(title),
        Class::Inward => None,
        Class::Unknown => Some("a job of a type that is not known"),
    }
}

/// Has this run opened the target before?
fn was_opened(scope: &Scope<'_>) -> bool {
    let has_opened = |journal| has_opened(scope.refresh, journal);
    scope.journal.is_some_and(has_opened)
}

/// How many ids one filter names.
const IDS: usize = 25;

/// The jobs that the copy brought: step 2 recorded them, or the source has them.
pub(super) async fn only_copied(
    scope: &Scope<'_>,
    rows: Vec<(Uuid, Row)>,
) -> Result<Vec<(Uuid, Row)>, Failure> {
    let ids: Vec<Uuid> = rows.iter().map(|(id, _)| *id).collect();
    let mut in_source = BTreeSet::new();
    for ids in ids.chunks(IDS) {
        let filter = named_by(ids);
        in_source.extend(scope.ids_in_source(TABLE, Some(&filter)).await?);
    }
    let is_copied = |id: Uuid| scope.is_copied(&format!("{WORD}/{id}"), id, &in_source);
    Ok(rows.into_iter().filter(|(id, _)| is_copied(*id)).collect())
}

/// The filter that selects these jobs.
fn named_by(ids: &[Uuid]) -> String {
    let ids = ids.iter().map(|id| format!("asyncoperationid eq {id}"));
    ids.collect::<Vec<_>>().join(" or ")
}

fn surface(id: Uuid, name: String, title: &str, state: SurfaceState, closing: Closing) -> Surface {
    Surface {
        kind: WORD,
        id: id.to_string(),
        name,
        reach: format!("{title}; it runs when background operations are on"),
        state,
        closing,
    }
}

/// The documented write that cancels a job, which nothing can make wait again.
fn cancel(id: Uuid, row: &Row, name: &str) -> Closing {
    let name = format!("cancel job '{name}'");
    let canceled = [("statecode", json!(3)), ("statuscode", json!(32))];
    let write = RowWrite::new(TABLE, id, row, name, canceled);
    Closing::Set(write.destructive())
}

/// All jobs of one type, about which a person decides.
fn ask(title: &str, class: Class, names: &[String]) -> Surface {
    let shown = list_first(names, NAMED, ", ");
    let jobs = count(names.len(), "job");
    Surface {
        kind: WORD,
        id: format!("type/{title}"),
        name: format!("{jobs} of type {title}"),
        reach: format!("{shown}; they run when background operations are on"),
        state: SurfaceState::Open,
        closing: Closing::Ask {
            instructions: vec![format!(
                "{jobs} of type {title} waited in the source and would run now: {shown}."
            )],
            advice: vec![
                "Cancel those that must not run (Settings > System > System Jobs in the target). A \
                 canceled job cannot be restored."
                    .to_owned(),
                if class == Class::Unknown {
                    "Or let them run: write their names in the runbook, under `containment.allow`; \
                     then run again. `jobs: cancel` cancels no job of a type that is not known."
                        .to_owned()
                } else {
                    "Or write in the runbook, under `containment`: `jobs: cancel` to cancel all, \
                     `jobs: keep` to let all run, or the names of some under `allow`; then run again."
                        .to_owned()
                },
            ],
            evidence: format!("no job of type {title} waits that the runbook does not allow"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_types_that_reach_the_outside_are_canceled() {
        assert_eq!(class(Some(2)), Class::Outward("Bulk Email"));
        for inward in [13, 25, 101, 203] {
            assert_eq!(class(Some(inward)), Class::Inward, "{inward}");
        }
        assert_eq!(class(Some(4711)), Class::Unknown);
        assert_eq!(class(None), Class::Unknown);
    }

    #[test]
    fn a_canceled_job_cannot_be_restored() {
        let row = Row {
            etag: None,
            text: String::new(),
            value: serde_json::Map::new(),
        };
        let closing = cancel(Uuid::from_u128(1), &row, "Spring newsletter");
        let Closing::Set(write) = closing else {
            panic!("it is written");
        };
        assert!(write.is_destructive, "a plan marks it");
        assert_eq!(write.name, "cancel job 'Spring newsletter'");
    }

    #[test]
    fn jobs_are_looked_for_in_the_source_by_their_ids() {
        let ids = [Uuid::from_u128(1), Uuid::from_u128(2)];
        assert_eq!(
            named_by(&ids),
            "asyncoperationid eq 00000000-0000-0000-0000-000000000001 or \
             asyncoperationid eq 00000000-0000-0000-0000-000000000002"
        );
    }

    #[test]
    fn many_jobs_of_a_type_are_one_line_that_names_a_few() {
        let names: Vec<String> = (1..8).map(|number| format!("job {number}")).collect();
        let asked = ask("Workflow", Class::Outward("Workflow"), &names);
        assert_eq!(asked.name, "7 jobs of type Workflow");
        assert!(asked.reach.contains("job 5, and 2 more"), "{}", asked.reach);
    }

    #[test]
    fn a_type_that_is_not_known_is_named_by_its_number_and_never_canceled() {
        let row = |value: serde_json::Value| Row {
            etag: None,
            text: String::new(),
            value: value.as_object().unwrap().clone(),
        };
        assert_eq!(number_of_type(&row(json!({}))), "unknown");
        let title = number_of_type(&row(json!({ "operationtype": 7777 })));
        let asked = ask(&title, Class::Unknown, &["Import".to_owned()]);
        assert_eq!(asked.name, "1 job of type 7777");
        let advice = |asked: Surface| match asked.closing {
            Closing::Ask { advice, .. } => advice.join(" "),
            _ => String::new(),
        };
        assert!(!advice(asked).contains("`jobs: cancel` to cancel all"));
        let known = ask(
            "Workflow",
            Class::Outward("Workflow"),
            &["Import".to_owned()],
        );
        assert!(advice(known).contains("`jobs: cancel` to cancel all"));
    }
}
