//! Step 4, `activate-flows`.
//!
//! | Phase | Reads | Changes |
//! |---|---|---|
//! | `turn-on` | the target's cloud flows; what was on in the source, from the first seal | switches on each flow that should be on, children before parents |
//!
//! Keyed on `workflowid`, which survives the copy. Left alone: what the old providers deployed (step
//! 6 makes it anew) and the compiled flows of tiles (step 7 compiles them anew); the compiled flows
//! of policies are switched on. A resume surveys again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use uuid::Uuid;
use wildmatch::WildMatch;

use super::Refresh;
use super::flows::{self, COMPILED};
use super::names::{Fields, text};
use super::seals;
use super::tenant_set::{Request, RowReader, TenantSet};
use crate::clients::Row;
use crate::engine::{Action, Change, Failure, FailureKind, Known, Phase, Reading, Survey};
use crate::runbook::{IomTable, TurnOn};

pub(super) fn phases(refresh: &Arc<Refresh>) -> Vec<Phase> {
    vec![Phase::changes("turn-on", TurnOnSurvey(Arc::clone(refresh)))]
}

/// Should a flow be on, and if not, why not?
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Wanted {
    On,
    Off(&'static str),
}

/// What decides which flows should be on.
pub(super) struct Rules<'a> {
    refresh: &'a Refresh,
    on_in_source: BTreeSet<Uuid>,
    old_providers: BTreeSet<Uuid>,
    policies: BTreeSet<String>,
}

impl<'a> Rules<'a> {
    /// The rules of this run: the runbook's, and what the first seal says of the source.
    pub(super) fn of(refresh: &'a Refresh, known: &Known) -> Self {
        let source =
            |table: &str| seals::rows(known, seals::BEFORE_COPY, &format!("source/{table}"));
        Self {
            refresh,
            on_in_source: source("workflow")
                .into_iter()
                .filter(|(_, row)| flows::is_cloud_flow(row) && flows::is_on(row))
                .map(|(id, _)| id)
                .collect(),
            old_providers: source("provider").into_iter().map(|(id, _)| id).collect(),
            policies: source("policy")
                .iter()
                .map(|(id, row)| refresh.names.title(IomTable::Policy, row, *id))
                .collect(),
        }
    }

    /// Should this flow be on?
    pub(super) fn wanted(&self, id: Uuid, name: &str) -> Wanted {
        if flows::is_deployed_by(name, &self.old_providers) {
            return Wanted::Off("deployed by a provider that is reinstalled");
        }
        if let Some(part) = name.strip_prefix(COMPILED)
            && !self.policies.contains(part)
        {
            return Wanted::Off("compiled from an orchestration that is published again");
        }
        let options = &self.refresh.runbook.steps.activate_flows.options;
        if options
            .except
            .iter()
            .any(|pattern| names(&pattern.value, id, name))
        {
            return Wanted::Off("excepted by the runbook");
        }
        match &options.turn_on.value {
            TurnOn::All => Wanted::On,
            TurnOn::AsInSource if self.on_in_source.contains(&id) => Wanted::On,
            TurnOn::AsInSource => Wanted::Off("off in the source"),
            TurnOn::Flows(patterns) if patterns.iter().any(|p| names(&p.value, id, name)) => {
                Wanted::On
            }
            TurnOn::Flows(_) => Wanted::Off("not named by the runbook"),
        }
    }

    /// A pattern that matches nothing is a mistake in the runbook: say where.
    fn check(&self, flows: &BTreeMap<Uuid, Fields>) -> Result<(), Failure> {
        let options = &self.refresh.runbook.steps.activate_flows.options;
        let turned_on = match &options.turn_on.value {
            TurnOn::Flows(patterns) => patterns.as_slice(),
            TurnOn::All | TurnOn::AsInSource => &[],
        };
        for pattern in turned_on.iter().chain(&options.except) {
            let matches = flows.iter().any(|(id, row)| {
                names(&pattern.value, *id, &text(row, "name").unwrap_or_default())
            });
            if !matches {
                let diagnostic = self.refresh.runbook.diagnostic(
                    pattern.span,
                    &format!("no cloud flow matches '{}'", pattern.value),
                    Some("correct the pattern, or leave it out; `*` matches any run of characters"),
                );
                return Err(Failure::new(FailureKind::Wrong, diagnostic.to_string()));
            }
        }
        Ok(())
    }
}

/// Does a pattern of the runbook (a glob over names, or a workflow id) name this flow?
fn names(pattern: &str, id: Uuid, name: &str) -> bool {
    Uuid::try_parse(pattern).is_ok_and(|wanted| wanted == id)
        || WildMatch::new_case_insensitive(pattern).matches(name)
}

struct TurnOnSurvey(Arc<Refresh>);

#[async_trait]
impl Survey for TurnOnSurvey {
    async fn survey(&self, known: &Known) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        let view = refresh.view(known);
        let table = view.table("workflow").await?;
        let flows: BTreeMap<Uuid, Fields> = view
            .by_id("workflow")
            .await?
            .into_iter()
            .filter(|(_, row)| flows::is_cloud_flow(row))
            .collect();
        let rules = Rules::of(refresh, known);
        rules.check(&flows)?;
        let todo: BTreeMap<&Uuid, &Fields> = flows
            .iter()
            .filter(|(id, row)| {
                let name = text(row, "name").unwrap_or_default();
                !flows::is_on(row) && rules.wanted(**id, &name) == Wanted::On
            })
            .collect();
        Ok(todo
            .iter()
            .map(|(id, row)| {
                let children = flows::children(row);
                let follows = children.iter().filter(|child| todo.contains_key(child));
                Change {
                    key: key(**id),
                    name: format!(
                        "turn on cloud flow '{}'",
                        text(row, "name").unwrap_or_default()
                    ),
                    before: json!({ "state": flows::state(row) }),
                    after: json!({ "state": "on" }),
                    follows: follows
                        .filter(|child| child != id)
                        .map(|child| key(*child))
                        .collect(),
                    action: switch_on(refresh, &table.entity_set, **id),
                }
            })
            .collect())
    }
}

/// The key of a flow's change.
pub(super) fn key(flow: Uuid) -> String {
    format!("flow/{flow}")
}

fn switch_on(refresh: &Arc<Refresh>, entity_set: &str, id: Uuid) -> Action {
    let body = json!({ "statecode": 1, "statuscode": 2 });
    let request = Request::patch(entity_set, id, &body);
    Action::Set(Arc::new(TenantSet {
        refresh: Arc::clone(refresh),
        reader: Arc::new(RowReader {
            refresh: Arc::clone(refresh),
            entity_set: entity_set.to_owned(),
            id,
            project: |row: Option<&Row>| {
                Reading::of(row.map_or(
                    Value::Null,
                    |row| json!({ "state": flows::state(&row.value) }),
                ))
            },
        }),
        request: move |_: &Reading| Ok(request.clone()),
        patience: Duration::from_mins(2),
    }))
}
