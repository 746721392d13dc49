//! Policies, then orchestrations: published, and proved by what publishing compiled.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::domain::connections::acting_as;
use crate::domain::flows::COMPILED;
use crate::domain::graph::{Content, Slot};
use crate::domain::iom_change::{Fill, IomChange, launched_by};
use crate::domain::names::{Fields, Names, is_labelled, label, text};
use crate::domain::orchestrations::{Recorded, is_published, old_catalogue, recorded, state_of};
use crate::domain::providers::Catalogue;
use crate::domain::tenant_set::{Reader, RowReader};
use crate::domain::view::View;
use crate::domain::{Refresh, flows, graph, seals};
use crate::engine::{
    Change, Failure, Found, Known, Launch, Progress, Reading, Repeat, Started, Survey, Trace,
    Verdict, WriteError,
};
use crate::runbook::{IomRequest, IomTable, Publish};

/// The orchestrations that shall be published at the end.
fn to_publish(refresh: &Refresh, known: &Known, old: &Catalogue) -> Result<Vec<Recorded>, Failure> {
    let all = recorded(refresh, known, old)?;
    Ok(
        match refresh
            .runbook
            .steps
            .restore_provider_actions
            .options
            .publish
            .value
        {
            Publish::PreviouslyPublished => all.into_iter().filter(|o| o.published).collect(),
            Publish::All => all,
            Publish::None => Vec::new(),
        },
    )
}

pub(super) struct PublishPolicies(pub(super) Arc<Refresh>);

#[async_trait]
impl Survey for PublishPolicies {
    async fn survey(&self, known: &Known) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        let names = Names::of(refresh);
        let old = old_catalogue(refresh, known)?;
        let view = refresh.view(known);
        let graphs = seals::rows(known, seals::ORCHESTRATIONS, "orchestration");
        let mut graph_of = BTreeMap::new();
        for (id, row) in graphs {
            graph_of.insert(
                id,
                names.text(&row, "orchestration.graph")?.unwrap_or_default(),
            );
        }
        let wanted: Vec<String> = to_publish(refresh, known, &old)?
            .iter()
            .filter_map(|orchestration| graph_of.get(&orchestration.id))
            .map(|graph| graph.to_ascii_lowercase())
            .collect();
        let table = view.table(names.table(IomTable::Policy)).await?;
        let acting_as = acting_as(refresh, view).await?;
        let mut changes = Vec::new();
        for (id, row) in view.by_id(&table.logical_name).await? {
            // A policy is used where its id stands, in whatever form the graph writes references.
            let used = wanted.iter().any(|graph| graph.contains(&id.to_string()));
            if !used || is_labelled(&row, "statecode", "Published") {
                continue;
            }
            let name = names.title(IomTable::Policy, &row, id);
            let after = json!({ "state": "Published" });
            changes.push(
                IomChange {
                    key: format!("policy/{id}/publish"),
                    name: format!("publish policy '{name}'"),
                    before: json!({ "state": label(&row, "statecode") }),
                    after,
                    request: IomRequest::PublishPolicy,
                    by_hand: vec![format!(
                        "IOM app > Orchestrations > Policies > '{name}': publish it"
                    )],
                    evidence: "every policy that a published orchestration uses is published"
                        .to_owned(),
                    patience: Duration::from_mins(10),
                }
                .filled(
                    refresh,
                    RowReader::of(refresh, &table.entity_set, id, state_of),
                    Fill::id(id).acting_as(acting_as),
                ),
            );
        }
        Ok(changes)
    }
}

pub(super) struct PublishOrchestrations(pub(super) Arc<Refresh>);

#[async_trait]
impl Survey for PublishOrchestrations {
    async fn survey(&self, known: &Known) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        let names = Names::of(refresh);
        let old = old_catalogue(refresh, known)?;
        let view = refresh.view(known);
        let table = view.table(names.table(IomTable::Orchestration)).await?;
        let rows = view.by_id(&table.logical_name).await?;
        // The flows that publishing compiles belong to whoever publishes.
        let acting_as = acting_as(refresh, view).await?;
        let compiled_now = compiled_flows(view).await?;
        let mut changes = Vec::new();
        for orchestration in to_publish(refresh, known, &old)? {
            let compiled = compiled_in_source(refresh, known, &orchestration);
            let Some(row) = rows.get(&orchestration.id) else {
                continue;
            };
            let missing = compiled_now.missing(&compiled, None);
            let before = publication(is_published(row), missing.is_empty());
            let after = publication(true, true);
            // What still holds an old action is going to be stopped and edited first.
            let graph = names.text(row, "orchestration.graph")?.unwrap_or_default();
            if before == after && !holds_old(&graph, &orchestration.slots, &old) {
                continue;
            }
            let (id, name) = (orchestration.id, orchestration.name);
            let reader = Arc::new(PublicationReader {
                refresh: Arc::clone(refresh),
                entity_set: table.entity_set.clone(),
                id,
                compiled,
            });
            let change = IomChange {
                key: format!("orchestration/{id}/publish"),
                name: format!("publish orchestration '{name}'"),
                before: json!({ "state": "Unpublished" }),
                after,
                request: IomRequest::PublishOrchestration,
                by_hand: vec![format!(
                    "IOM app > Orchestrations > Flows > '{name}': publish it"
                )],
                evidence: "every orchestration that was published is published and compiled"
                    .to_owned(),
                patience: Duration::from_mins(15),
            };
            let fill = Fill::id(id).acting_as(acting_as);
            let change = change.filled(refresh, Arc::clone(&reader) as Arc<dyn Reader>, fill);
            changes.push(launched_by(change, |launch| Publication { launch, reader }));
        }
        Ok(changes)
    }
}

/// Does one of these slots still hold an action of an old provider?
fn holds_old(graph: &str, slots: &[Slot], old: &Catalogue) -> bool {
    slots.iter().any(|slot| {
        matches!(graph::content(graph, slot), Ok(Content::Id(id)) if old.actions.contains_key(&id))
    })
}

/// The compiled flows that this orchestration's tiles had, on, in the source. A policy's flow is
/// the policy's: it is no proof of an orchestration.
fn compiled_in_source(refresh: &Refresh, known: &Known, recorded: &Recorded) -> BTreeSet<String> {
    let policies: BTreeSet<String> = seals::rows(known, seals::ORCHESTRATIONS, "policy")
        .iter()
        .map(|(id, row)| refresh.names.title(IomTable::Policy, row, *id))
        .collect();
    let tiles: BTreeSet<String> = graph::names(&recorded.graph)
        .into_iter()
        .filter(|name| !policies.contains(name))
        .map(|name| format!("{COMPILED}{name}"))
        .collect();
    seals::rows(known, seals::BEFORE_COPY, "source/workflow")
        .into_iter()
        .filter(|(_, row)| flows::is_on(row))
        .filter_map(|(_, row)| text(&row, "name"))
        .filter(|name| tiles.contains(name))
        .collect()
}

/// Reads which compiled flows are on.
async fn compiled_flows(view: View<'_>) -> Result<CompiledFlows, Failure> {
    let rows = view
        .rows_where("workflow", Some("category eq 5 and type eq 1".to_owned()))
        .await?;
    let mut compiled = CompiledFlows::default();
    for row in rows.iter().filter(|row| flows::is_on(&row.value)) {
        let name = row.string("name").unwrap_or_default();
        if name.starts_with(COMPILED) {
            let newest = newest_time(&row.value);
            let known = compiled.on.entry(name.to_owned()).or_insert(newest);
            *known = (*known).max(newest);
        }
    }
    Ok(compiled)
}

/// The compiled flows that are on, with the service's time of their last change, where it says one.
#[derive(Default)]
struct CompiledFlows {
    on: BTreeMap<String, Option<Timestamp>>,
}

impl CompiledFlows {
    /// Those of `wanted` that are not on, or that were changed last before `since`.
    fn missing<'a>(
        &self,
        wanted: &'a BTreeSet<String>,
        since: Option<Timestamp>,
    ) -> Vec<&'a String> {
        let is_there = |name: &String| {
            self.on
                .get(name)
                .is_some_and(|changed| since.is_none() || changed.is_none() || *changed >= since)
        };
        wanted.iter().filter(|name| !is_there(name)).collect()
    }
}

/// The later of a row's creation and last change.
fn newest_time(row: &Fields) -> Option<Timestamp> {
    let time = |column: &str| text(row, column)?.parse::<Timestamp>().ok();
    time("createdon").max(time("modifiedon"))
}

/// The moment that an HTTP `Date` says.
fn moment(date: &str) -> Option<Timestamp> {
    Timestamp::try_from(httpdate::parse_http_date(date).ok()?).ok()
}

fn publication(published: bool, compiled: bool) -> Value {
    json!({
        "state": if published { "Published" } else { "Unpublished" },
        "compiled": published && compiled,
    })
}

/// Reads whether an orchestration is published and what it compiled is on.
struct PublicationReader {
    refresh: Arc<Refresh>,
    entity_set: String,
    id: Uuid,
    compiled: BTreeSet<String>,
}

impl PublicationReader {
    /// Reads it; what was compiled before `since` does not count.
    async fn read_since(&self, since: Option<Timestamp>) -> Result<Reading, Failure> {
        let row = self
            .refresh
            .target
            .get(&self.entity_set, self.id, &[])
            .await?;
        let Some(row) = row else {
            return Ok(Reading::of(Value::Null));
        };
        let flows = compiled_flows(View::Target(&self.refresh.target)).await?;
        let missing = flows.missing(&self.compiled, since);
        let published = is_published(&row.value);
        let said = if published {
            format!(
                "{} of its compiled flows are not on yet, or older than the publishing",
                missing.len()
            )
        } else {
            format!(
                "it is {}",
                label(&row.value, "statecode").unwrap_or_default()
            )
        };
        Ok(Reading {
            value: publication(published, missing.is_empty()),
            etag: row.etag,
            basis: Value::from(said),
        })
    }
}

#[async_trait]
impl Reader for PublicationReader {
    async fn read(&self) -> Result<Reading, Failure> {
        self.read_since(None).await
    }
}

/// The member of the handle that says when the service accepted the request, by its own clock.
const ACCEPTED: &str = "accepted";

/// A publishing whose proof must be newer than its request: a state that was merely set, over
/// flows that an earlier publishing compiled, is no proof.
struct Publication {
    launch: Arc<dyn Launch>,
    reader: Arc<PublicationReader>,
}

#[async_trait]
impl Launch for Publication {
    fn repeat(&self) -> Repeat {
        self.launch.repeat()
    }

    async fn probe(&self) -> Result<Value, Failure> {
        self.launch.probe().await
    }

    async fn request(&self) -> Result<Started, WriteError> {
        let mut started = self.launch.request().await?;
        if let Some(date) = &started.service_date {
            started.handle[ACCEPTED] = Value::from(date.as_str());
        }
        Ok(started)
    }

    async fn find(&self, probed: &Value) -> Result<Found, Failure> {
        self.launch.find(probed).await
    }

    async fn trace(&self, probed: &Value) -> Result<Trace, Failure> {
        self.launch.trace(probed).await
    }

    fn has_operation(&self) -> bool {
        self.launch.has_operation()
    }

    async fn poll(&self, handle: &Value) -> Result<Progress, Failure> {
        self.launch.poll(handle).await
    }

    async fn verify(&self, handle: &Value) -> Result<Verdict, Failure> {
        let since = handle[ACCEPTED].as_str().and_then(moment);
        let reading = self.reader.read_since(since).await?;
        if reading.value == publication(true, true) {
            return Ok(Verdict::Proved(reading.value));
        }
        Ok(Verdict::NotYet(
            reading.basis.as_str().unwrap_or("it is gone").to_owned(),
        ))
    }

    fn expected(&self) -> Duration {
        self.launch.expected()
    }

    fn timeout(&self) -> Duration {
        self.launch.timeout()
    }

    fn patience(&self) -> Duration {
        self.launch.patience()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_compiled_before_the_launch_is_no_proof() {
        let time = |text: &str| Some(text.parse::<Timestamp>().unwrap());
        let flows = CompiledFlows {
            on: BTreeMap::from([
                ("old".to_owned(), time("2026-03-01T09:59:59Z")),
                ("new".to_owned(), time("2026-03-01T10:00:00Z")),
                ("silent".to_owned(), None),
            ]),
        };
        let wanted = ["old", "new", "silent", "off"].map(str::to_owned).into();
        let launched = moment("Sun, 01 Mar 2026 10:00:00 GMT");
        assert!(launched.is_some());
        assert_eq!(flows.missing(&wanted, launched), ["off", "old"]);
        assert_eq!(flows.missing(&wanted, None), ["off"]);
    }
}
