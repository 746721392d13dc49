//! Phases `publish-policies` and `publish`: policies, then orchestrations, with the compiled flows
//! as the proof.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::try_join;
use uuid::Uuid;

use crate::base::text::{count, list_first};
use crate::domain::connections::find_acting_user;
use crate::domain::extended_launch::{LaunchExtension, extend_launch};
use crate::domain::flows::{CLOUD_FLOWS, COMPILED};
use crate::domain::graph::{Content, Slot};
use crate::domain::iom_change::{Fill, IomChange};
use crate::domain::names::{Fields, Names, text};
use crate::domain::providers::Catalogue;
use crate::domain::publication::{PUBLISHED, UNPUBLISHED, is_published, publication_state};
use crate::domain::row_changes::{Reader, RowReader};
use crate::domain::sealed_orchestrations::{
    RecordedOrchestration, old_catalogue, recorded_orchestrations, state_of,
};
use crate::domain::seals::Part;
use crate::domain::view::View;
use crate::domain::{RefreshContext, flows, graph, keys, seals};
use crate::engine::{
    Action, Change, DerivedFromSeal, Failure, JournalView, Launch, ManualTask, Proof, Reading,
    Started, Survey, WriteError,
};
use crate::runbook::{IomColumn, IomRequest, IomTable, Keyword as _, Publish};

/// How many compiled flows a message names.
const NAMED: usize = 5;

/// The orchestrations that should be published at the end.
fn orchestrations_to_publish(
    refresh: &RefreshContext,
    journal: &JournalView,
    old: &Catalogue,
) -> Result<Vec<RecordedOrchestration>, Failure> {
    let all = recorded_orchestrations(&refresh.names, journal, old)?;
    let options = &refresh.runbook.steps.restore_provider_actions.options;
    // If this step stopped an orchestration before an edit, it had been published, even if only
    // during the run.
    let was_published = |one: &RecordedOrchestration| {
        let stopped = keys::orchestration_stop_again(one.id);
        one.published || journal.maker(&stopped).is_some()
    };
    Ok(match options.publish.value {
        Publish::PreviouslyPublished => all.into_iter().filter(was_published).collect(),
        Publish::All => all,
        Publish::None => Vec::new(),
    })
}

/// Finds the policies that those orchestrations use and that are not published.
pub(super) struct PublishPolicies(pub(super) Arc<RefreshContext>);

#[async_trait]
impl Survey for PublishPolicies {
    async fn survey(&self, journal: &JournalView) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        let names = &refresh.names;
        let old = old_catalogue(&refresh.names, journal)?;
        let view = refresh.view(journal);
        let wanted: Vec<String> = orchestrations_to_publish(refresh, journal, &old)?
            .iter()
            .map(|orchestration| orchestration.graph.to_ascii_lowercase())
            .collect();
        let table = view.table(names.table(IomTable::Policy)).await?;
        let (acting_as, rows) = try_join!(
            find_acting_user(refresh, view),
            view.by_id(&table.logical_name),
        )?;
        let mut changes = Vec::new();
        for (id, row) in rows {
            // The form of a graph is not published, so its text is searched. An id is unique, so it
            // cannot occur there by chance; `verify` searches in the same way.
            let used = wanted.iter().any(|graph| graph.contains(&id.to_string()));
            if !used || is_published(&row) {
                continue;
            }
            let name = names.title(IomTable::Policy, &row, id);
            let after = json!({ "state": PUBLISHED });
            changes.push(
                IomChange {
                    key: keys::policy_publish(id),
                    name: format!("publish policy '{name}'"),
                    before: json!({ "state": publication_state(&row) }),
                    after,
                    request: IomRequest::PublishPolicy,
                    by_hand: vec![format!(
                        "IOM app > Orchestrations > Policies > '{name}': publish it"
                    )],
                    evidence: "every policy that a published orchestration uses is published"
                        .to_owned(),
                    settle_timeout: Duration::from_mins(10),
                }
                .filled(
                    refresh,
                    RowReader::shared(refresh, &table.entity_set, id, state_of),
                    Fill::id(id).acting_as(acting_as),
                ),
            );
        }
        Ok(changes)
    }
}

/// Finds the orchestrations that are not published and compiled.
pub(super) struct PublishOrchestrations(pub(super) Arc<RefreshContext>);

#[async_trait]
impl Survey for PublishOrchestrations {
    async fn survey(&self, journal: &JournalView) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        let names = &refresh.names;
        let old = old_catalogue(&refresh.names, journal)?;
        let view = refresh.view(journal);
        let table = view.table(names.table(IomTable::Orchestration)).await?;
        // The flows that publishing compiles belong to the user who publishes.
        let (rows, acting_as, compiled_now) = try_join!(
            view.by_id(&table.logical_name),
            find_acting_user(refresh, view),
            compiled_flows(view),
        )?;
        let mut changes = Vec::new();
        for orchestration in orchestrations_to_publish(refresh, journal, &old)? {
            let compiled = compiled_in_source(names, journal, &orchestration);
            let Some(row) = rows.get(&orchestration.id) else {
                changes.push(bring_back(&orchestration));
                continue;
            };
            let graph = names
                .text(row, IomColumn::OrchestrationGraph)?
                .unwrap_or_default();
            let expected = compiled_of_graph(&compiled, &graph);
            let missing = compiled_now.missing(&expected, None);
            let before = publication(is_published(row), missing.is_empty());
            let after = publication(true, true);
            // In a plan, an orchestration that still holds an old action will be stopped and
            // edited.
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
                key: keys::orchestration_publish(id),
                name: format!("publish orchestration '{name}'"),
                before: json!({ "state": UNPUBLISHED }),
                after,
                request: IomRequest::PublishOrchestration,
                by_hand: vec![format!(
                    "IOM app > Orchestrations > Flows > '{name}': publish it"
                )],
                evidence: "every orchestration that was published is published and compiled"
                    .to_owned(),
                settle_timeout: Duration::from_mins(15),
            };
            let fill = Fill::id(id).acting_as(acting_as);
            let change = change.filled(refresh, Arc::clone(&reader) as Arc<dyn Reader>, fill);
            changes.push(extend_launch(change, NewerProof(reader)));
        }
        Ok(changes)
    }
}

/// The task to bring back an orchestration that should be published and does not exist any more.
fn bring_back(orchestration: &RecordedOrchestration) -> Change {
    let name = &orchestration.name;
    let task = ManualTask {
        advice: vec![
            "an orchestration that was deleted on purpose needs nothing: waive this task"
                .to_owned(),
        ],
        instructions: vec![format!(
            "'{name}' was deleted in the target: import it with a solution of the source, and publish \
             it"
        )],
        evidence: "every orchestration that was published exists".to_owned(),
        ..ManualTask::default()
    };
    Change {
        key: keys::orchestration_bring_back(orchestration.id),
        name: format!("bring back orchestration '{name}', which was deleted"),
        before: json!({ "exists": false }).into(),
        after: json!({ "exists": true }).into(),
        follows: Vec::new(),
        action: Action::ManualTask(task),
    }
}

/// Does one of these slots still hold an action of an old provider?
fn holds_old(graph: &str, slots: &[Slot], old: &Catalogue) -> bool {
    slots.iter().any(|slot| {
        matches!(graph::content(graph, slot), Ok(Content::Id(id)) if old.actions.contains_key(&id))
    })
}

/// The compiled flows of this orchestration's tiles that were on in the source. The flow of a
/// policy proves nothing about an orchestration.
fn compiled_in_source(
    names: &Names,
    journal: &JournalView,
    recorded: &RecordedOrchestration,
) -> BTreeSet<String> {
    let policies: BTreeSet<String> =
        seals::rows(journal, Part::Orchestrations, IomTable::Policy.keyword())
            .iter()
            .map(|(id, row)| names.title(IomTable::Policy, row, *id))
            .collect();
    let tiles: BTreeSet<String> = graph::names(&recorded.graph)
        .into_iter()
        .filter(|name| !policies.contains(name))
        .map(|name| format!("{COMPILED}{name}"))
        .collect();
    let in_source = journal.derived::<CompiledInSource>(());
    in_source.0.intersection(&tiles).cloned().collect()
}

/// Those of these compiled flows that publishing this graph compiles. A person may have renamed or
/// removed tiles since the graph was recorded: no flow with a name that the graph lacks is compiled
/// again. If none is left, the published state is the only proof; `verify` looks at the flows of the
/// new names.
fn compiled_of_graph(compiled: &BTreeSet<String>, graph: &str) -> BTreeSet<String> {
    let names = graph::names(graph);
    let is_present = |flow: &&String| {
        let tile = flow.strip_prefix(COMPILED);
        // A graph without a name cannot be read.
        names.is_empty() || tile.is_some_and(|tile| names.contains(tile))
    };
    compiled.iter().filter(is_present).cloned().collect()
}

/// The names of the compiled flows that were on in the source.
struct CompiledInSource(BTreeSet<String>);

impl DerivedFromSeal for CompiledInSource {
    const SEAL: &'static str = seals::BEFORE_COPY;
    type Given<'a> = ();

    fn derive(journal: &JournalView, (): ()) -> Self {
        let mut compiled = BTreeSet::new();
        seals::each_row(journal, Part::Source, "workflow", |_, row| {
            let name = text(&row, "name").filter(|_| flows::is_on(&row));
            compiled.extend(name.filter(|name| name.starts_with(COMPILED)));
        });
        Self(compiled)
    }
}

/// Reads the compiled flows that are on.
async fn compiled_flows(view: View<'_>) -> Result<CompiledFlows, Failure> {
    let facts = |_, row: Fields| {
        let name = text(&row, "name").filter(|name| name.starts_with(COMPILED))?;
        flows::is_on(&row).then(|| (name, newest_time(&row)))
    };
    let flows = match view {
        View::AsIs(_) => {
            let table = view.table("workflow").await?;
            let columns = ["name", "statecode", "createdon", "modifiedon"];
            view.selected_by_id(&table, &columns, Some(CLOUD_FLOWS), facts)
                .await?
        }
        // A forecast reads the list once, for all surveys.
        View::AfterCopy(_) => flows::cloud_flows(view, facts).await?,
    };
    let mut compiled = CompiledFlows::default();
    for (name, newest) in flows.into_values() {
        let known = compiled.on.entry(name).or_insert(newest);
        *known = (*known).max(newest);
    }
    Ok(compiled)
}

/// The compiled flows that are on, with the service's time of their last change if it is known.
#[derive(Default)]
struct CompiledFlows {
    on: BTreeMap<String, Option<Timestamp>>,
}

impl CompiledFlows {
    /// Those of `wanted` that are not on, or whose last change is before `since`.
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

fn parse_http_date(date: &str) -> Option<Timestamp> {
    Timestamp::try_from(httpdate::parse_http_date(date).ok()?).ok()
}

fn publication(published: bool, compiled: bool) -> Value {
    json!({
        "state": if published { PUBLISHED } else { UNPUBLISHED },
        "compiled": published && compiled,
    })
}

/// Reads whether an orchestration is published and its compiled flows are on.
struct PublicationReader {
    refresh: Arc<RefreshContext>,
    entity_set: String,
    id: Uuid,
    /// The flows that publishing compiled in the source.
    compiled: BTreeSet<String>,
}

impl PublicationReader {
    /// Reads it; a flow that was compiled before `since` does not count.
    async fn read_since(&self, since: Option<Timestamp>) -> Result<Reading, Failure> {
        let row = self
            .refresh
            .target
            .dataverse
            .get(&self.entity_set, self.id, &[])
            .await?;
        let Some(row) = row else {
            return Ok(Reading::of(Value::Null));
        };
        if !is_published(&row.value) {
            // Its flows do not matter yet: each poll reads one row.
            let state = publication_state(&row.value);
            let remaining = format!("it is {}", state.as_str().unwrap_or_default());
            return Ok(Reading {
                value: publication(false, false),
                etag: row.etag,
                basis: Value::from(remaining),
            });
        }
        let names = &self.refresh.names;
        let graph = names.text(&row.value, IomColumn::OrchestrationGraph)?;
        let graph = graph.unwrap_or_default();
        let expected = compiled_of_graph(&self.compiled, &graph);
        let flows = compiled_flows(View::AsIs(&self.refresh.target.dataverse)).await?;
        let missing = flows.missing(&expected, since);
        let remaining = format!(
            "{} not on yet, or older than the publishing: {}",
            count(missing.len(), "compiled flow"),
            list_first(&missing, NAMED, ", ")
        );
        Ok(Reading {
            value: publication(true, missing.is_empty()),
            etag: row.etag,
            basis: Value::from(remaining),
        })
    }
}

#[async_trait]
impl Reader for PublicationReader {
    async fn read(&self) -> Result<Reading, Failure> {
        self.read_since(None).await
    }
}

/// The member of the handle with the time when the service accepted the request, by its own clock.
const ACCEPTED: &str = "accepted";

/// Accepts only a proof that is newer than the request: the published state together with flows
/// that an earlier publishing compiled proves nothing.
struct NewerProof(Arc<PublicationReader>);

#[async_trait]
impl LaunchExtension for NewerProof {
    async fn request(&self, launch: &dyn Launch) -> Result<Started, WriteError> {
        let mut started = launch.request().await?;
        if let Some(date) = &started.service_date {
            started.handle[ACCEPTED] = Value::from(date.as_str());
        }
        Ok(started)
    }

    async fn verify(&self, _launch: &dyn Launch, handle: &Value) -> Result<Proof, Failure> {
        let since = handle[ACCEPTED].as_str().and_then(parse_http_date);
        let reading = self.0.read_since(since).await?;
        if reading.value == publication(true, true) {
            return Ok(Proof::Proved(reading.value));
        }
        Ok(Proof::NotYet(
            reading
                .basis
                .as_str()
                .unwrap_or("it no longer exists")
                .to_owned(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::ListedRow;

    #[test]
    fn compiled_flows_are_found_by_display_names_too() {
        let flow = json!({ "name": format!("{COMPILED}Ship"), "statecode": 1 });
        let captured = ListedRow {
            key: Part::Source.key(&format!("workflow/{}", Uuid::from_u128(1))),
            etag: None,
            text: flow.to_string(),
            compared: None,
        };
        let journal = JournalView::empty().with_assumed(seals::BEFORE_COPY, vec![captured]);
        let orchestration = RecordedOrchestration {
            id: Uuid::from_u128(2),
            name: "Order".to_owned(),
            published: true,
            graph: json!({ "tiles": [{ "displayName": "Ship" }] }).to_string(),
            slots: Vec::new(),
            dangling: Vec::new(),
        };
        let found = compiled_in_source(&Names::default(), &journal, &orchestration);
        assert_eq!(found, BTreeSet::from([format!("{COMPILED}Ship")]));
    }

    #[test]
    fn a_tile_that_was_renamed_since_is_not_waited_for() {
        let compiled = ["Pack", "Ship"].map(|name| format!("{COMPILED}{name}"));
        let compiled = BTreeSet::from(compiled);
        let graph = |tile: &str| json!({ "tiles": [{ "name": "Pack" }, { "name": tile }] });
        let expected = |graph: &str| compiled_of_graph(&compiled, graph).len();
        assert_eq!(expected(&graph("Ship").to_string()), 2);
        assert_eq!(expected(&graph("Ship abroad").to_string()), 1);
        assert_eq!(expected("{"), 2, "it cannot be read");
    }

    #[test]
    fn flows_that_were_compiled_before_the_launch_prove_nothing() {
        let time = |text: &str| Some(text.parse::<Timestamp>().unwrap());
        let flows = CompiledFlows {
            on: BTreeMap::from([
                ("old".to_owned(), time("2026-03-01T09:59:59Z")),
                ("new".to_owned(), time("2026-03-01T10:00:00Z")),
                ("silent".to_owned(), None),
            ]),
        };
        let wanted = ["old", "new", "silent", "off"].map(str::to_owned).into();
        let launched = parse_http_date("Sun, 01 Mar 2026 10:00:00 GMT");
        assert!(launched.is_some());
        assert_eq!(flows.missing(&wanted, launched), ["off", "old"]);
        assert_eq!(flows.missing(&wanted, None), ["off"]);
    }
}
