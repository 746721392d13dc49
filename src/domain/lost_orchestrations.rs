//! Orchestrations of the source that do not work in the target: without their provider actions, or
//! not published any more.
//!
//! What the run recorded before it cleared anything cannot show this: a seal that was made too late
//! holds emptied orchestrations as the original. So they are compared with the first seal, which
//! holds the source.

use std::collections::BTreeMap;

use tokio::try_join;
use uuid::Uuid;

use super::graph::{Content, Slot, content, count_places, slots};
use super::names::{Fields, Names};
use super::providers::Catalogue;
use super::publication::is_published;
use super::seals::{self, Part};
use super::view::View;
use super::{RefreshContext, keys};
use crate::base::text::{count, list_first};
use crate::engine::{Failure, JournalView};
use crate::runbook::{IomColumn, IomTable, Keyword as _, Publish};

/// How many orchestrations a message names.
const NAMED: usize = 10;

/// An orchestration as the first seal holds it.
pub(crate) struct SourceOrchestration {
    pub(crate) id: Uuid,
    pub(crate) name: String,
    pub(crate) published: bool,
    /// Where it holds a provider action.
    pub(crate) slots: Vec<Slot>,
}

impl SourceOrchestration {
    /// How many slots a person sees.
    pub(crate) fn places(&self) -> usize {
        count_places(self.slots.iter().map(Slot::place))
    }

    /// Does this graph hold none of the actions that it should hold? Not if it never held one, and
    /// not if the graph cannot be read. A slot may have moved since, so `actions`, all that are
    /// known, are searched everywhere in the graph.
    pub(crate) fn is_emptied(&self, graph: &str, actions: &BTreeMap<Uuid, String>) -> bool {
        if self.slots.is_empty() || graph.trim().is_empty() {
            return !self.slots.is_empty();
        }
        let is_empty = |slot: &Slot| content(graph, slot).is_ok_and(|it| it == Content::Empty);
        self.slots.iter().all(is_empty)
            && slots(graph, actions).is_ok_and(|elsewhere| elsewhere.is_empty())
    }
}

/// The source's orchestrations with the slots that hold one of `actions`. One whose graph cannot be
/// read has no slots here: the steps report it.
pub(crate) fn source_orchestrations(
    names: &Names,
    journal: &JournalView,
    actions: &BTreeMap<Uuid, String>,
) -> Result<Vec<SourceOrchestration>, Failure> {
    let mut found = Vec::new();
    for (id, row) in seals::rows(journal, Part::Source, IomTable::Orchestration.keyword()) {
        let graph = names.text(&row, IomColumn::OrchestrationGraph)?;
        let graph = graph.filter(|graph| !graph.trim().is_empty());
        found.push(SourceOrchestration {
            id,
            name: names.title(IomTable::Orchestration, &row, id),
            published: is_published(&row),
            slots: graph
                .and_then(|graph| slots(&graph, actions).ok())
                .unwrap_or_default(),
        });
    }
    Ok(found)
}

/// What does not work in the target, and what does not on purpose.
#[derive(Debug, Default)]
pub(crate) struct LostOrchestrations {
    /// One line for each that does not work.
    pub(crate) lost: Vec<String>,
    /// One line for each that the runbook or a person excepts.
    pub(crate) excepted: Vec<String>,
}

/// Compares the target's orchestrations with the source's. Takes the target's rows and its provider
/// actions by name; finds nothing before the copy is done.
pub(crate) fn lost_orchestrations(
    refresh: &RefreshContext,
    journal: &JournalView,
    rows: &BTreeMap<Uuid, Fields>,
    actions: &BTreeMap<Uuid, String>,
) -> Result<LostOrchestrations, Failure> {
    if !is_copied(refresh, journal) {
        return Ok(LostOrchestrations::default());
    }
    let options = &refresh.runbook.steps.restore_provider_actions.options;
    compare(
        &refresh.names,
        journal,
        options.publish.value,
        (rows, actions),
    )
}

/// Does the target hold what the copy brought?
fn is_copied(refresh: &RefreshContext, journal: &JournalView) -> bool {
    matches!(refresh.view(journal), View::AsIs(_))
}

fn compare(
    names: &Names,
    journal: &JournalView,
    publish: Publish,
    (rows, actions): (&BTreeMap<Uuid, Fields>, &BTreeMap<Uuid, String>),
) -> Result<LostOrchestrations, Failure> {
    let before = Catalogue::sealed(names, journal, Part::Source)?.action_names();
    let mut known = before.clone();
    known.extend(actions.iter().map(|(id, name)| (*id, name.clone())));
    let mut found = LostOrchestrations::default();
    for orchestration in source_orchestrations(names, journal, &before)? {
        let (id, name) = (orchestration.id, &orchestration.name);
        let Some(row) = rows.get(&id) else {
            if orchestration.published {
                let bring_back = keys::orchestration_bring_back(id);
                match why_unpublished(journal, publish, &bring_back) {
                    Some(why) => found
                        .excepted
                        .push(format!("'{name}': it does not exist, {why}")),
                    None => found.lost.push(format!("'{name}': it does not exist")),
                }
            }
            continue;
        };
        let graph = names.text(row, IomColumn::OrchestrationGraph)?;
        let is_emptied = orchestration.is_emptied(graph.as_deref().unwrap_or_default(), &known);
        let mut problems = Vec::new();
        if is_emptied
            && journal
                .waived_task_of(&keys::orchestration_restore(id))
                .is_some()
        {
            found.excepted.push(format!(
                "'{name}': it holds no provider action, as a person has waived"
            ));
        } else if is_emptied {
            problems.push(format!(
                "it holds no provider action, and held some in {} in the source",
                count(orchestration.places(), "slot")
            ));
        }
        if orchestration.published && !is_published(row) {
            match why_unpublished(journal, publish, &keys::orchestration_publish(id)) {
                Some(why) => found
                    .excepted
                    .push(format!("'{name}': not published, {why}")),
                None => problems.push("it is not published, and was in the source".to_owned()),
            }
        }
        if !problems.is_empty() {
            found
                .lost
                .push(format!("'{name}': {}", problems.join("; ")));
        }
    }
    Ok(found)
}

/// Who wants an orchestration that the source has published not to be published, if anybody does. Takes
/// the key of the change that would publish it or bring it back.
fn why_unpublished(journal: &JournalView, publish: Publish, key: &str) -> Option<&'static str> {
    if publish == Publish::None {
        return Some("as the runbook says (`publish: none`)");
    }
    let waived = journal.waived_task_of(key);
    waived.map(|_| "as a person has waived")
}

/// The finding of a finished run that orchestrations of the source do not work in the target. The
/// target is read: somebody may have changed it after the run. Takes what helps.
pub(crate) async fn lost_finding(
    refresh: &RefreshContext,
    journal: &JournalView,
    help: &str,
) -> Option<Failure> {
    let found = async {
        if !is_copied(refresh, journal) {
            return Ok(Vec::new());
        }
        let target = View::AsIs(&refresh.target.dataverse);
        let (rows, catalogue) = try_join!(
            target.by_id(refresh.names.table(IomTable::Orchestration)),
            Catalogue::read(refresh, target),
        )?;
        let found = lost_orchestrations(refresh, journal, &rows, &catalogue.action_names())?;
        Ok::<_, Failure>(found.lost)
    };
    let target = &refresh.runbook.target.name.value;
    let found = found.await;
    // What the journal could not read back may be missing in what was found.
    let message = match journal.unread().map_or(found, Err) {
        Ok(lost) if lost.is_empty() => return None,
        Ok(lost) => format!(
            "{} of the source {} not work in '{target}': {}",
            count(lost.len(), "orchestration"),
            if lost.len() == 1 { "does" } else { "do" },
            list_first(&lost, NAMED, "; ")
        ),
        Err(failure) => format!(
            "it is unknown whether the orchestrations of the source work in '{target}': {}",
            failure.message
        ),
    };
    Some(Failure::failed(message).with_help(help))
}

#[cfg(test)]
pub(crate) mod testing {
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::publication::labelled;
    use crate::engine::ListedRow;

    /// The source's action.
    pub(crate) const ACTION: Uuid = Uuid::from_u128(0x40);

    /// A row of an orchestration; each of its tiles holds one of these actions, or none.
    pub(crate) fn orchestration(
        names: &Names,
        name: &str,
        status: &str,
        actions: &[Option<Uuid>],
    ) -> Fields {
        let tile = |(number, action): (usize, &Option<Uuid>)| {
            json!({ "id": format!("t{number}"), "name": format!("Tile {number}"),
                    "action": action.map(|id| json!({ "id": id })) })
        };
        let tiles: Vec<Value> = actions.iter().enumerate().map(tile).collect();
        let mut row = labelled("Active", status);
        let graph = json!({ "tiles": tiles }).to_string();
        let column = names.column(IomColumn::OrchestrationGraph).unwrap();
        row.insert(column.to_owned(), graph.into());
        row.insert("msdyn_name".to_owned(), name.into());
        row
    }

    /// A capture of the source.
    pub(crate) fn in_source(table: IomTable, id: Uuid, row: Fields) -> ListedRow {
        ListedRow {
            key: Part::Source.key(&format!("{}/{id}", table.keyword())),
            etag: None,
            text: Value::Object(row).to_string(),
            compared: None,
        }
    }

    /// The capture of the source's action.
    pub(crate) fn action_in_source() -> ListedRow {
        let row = json!({ "msdyn_name": "Send" });
        let row = row.as_object().cloned().unwrap_or_default();
        in_source(IomTable::ProviderAction, ACTION, row)
    }
}

#[cfg(test)]
mod tests {
    use super::testing::{ACTION, action_in_source, in_source, orchestration};
    use super::*;
    use crate::runbook::Iom;

    const NEW: Uuid = Uuid::from_u128(0x41);

    /// What is lost of one orchestration. Takes its status in both environments and its actions in
    /// the target; it has two in the source.
    fn lost(source: &str, target: &str, now: &[Option<Uuid>], publish: Publish) -> String {
        let names = Names::unchecked(&Iom::default());
        let id = Uuid::from_u128(1);
        let before = orchestration(&names, "Orders", source, &[Some(ACTION), Some(ACTION)]);
        let captures = vec![
            in_source(IomTable::Orchestration, id, before),
            action_in_source(),
        ];
        let journal = JournalView::empty().with_assumed(seals::BEFORE_COPY, captures);
        let rows = BTreeMap::from([(id, orchestration(&names, "Orders", target, now))]);
        let actions = BTreeMap::from([(NEW, "Send".to_owned())]);
        let found = compare(&names, &journal, publish, (&rows, &actions)).unwrap();
        found.lost.concat()
    }

    #[test]
    fn an_orchestration_that_lost_its_actions_or_its_publication_is_named() {
        let usual = Publish::PreviouslyPublished;
        let full = [Some(NEW), Some(NEW)];
        assert_eq!(lost("Published", "Published", &full, usual), "");
        assert_eq!(lost("Draft", "Draft", &full, usual), "");
        // A person may have emptied one slot on purpose.
        assert_eq!(
            lost("Published", "Published", &[None, Some(NEW)], usual),
            ""
        );
        let emptied = lost("Published", "Draft", &[None, None], usual);
        for part in ["'Orders'", "no provider action", "2 slots", "not published"] {
            assert!(emptied.contains(part), "{part}: {emptied}");
        }
        let draft = lost("Draft", "Draft", &[None, None], usual);
        assert!(draft.contains("no provider action"), "{draft}");
        assert!(!draft.contains("published"), "{draft}");
        let stopped = lost("Published", "Draft", &full, usual);
        assert!(stopped.contains("not published"), "{stopped}");
        assert_eq!(lost("Published", "Draft", &full, Publish::None), "");
        // Nobody wants a deleted one published, or everybody does.
        let deleted = |publish| {
            let names = Names::unchecked(&Iom::default());
            let before = orchestration(&names, "Orders", "Published", &[Some(ACTION)]);
            let id = Uuid::from_u128(1);
            let captures = vec![in_source(IomTable::Orchestration, id, before)];
            let journal = JournalView::empty().with_assumed(seals::BEFORE_COPY, captures);
            let none = (&BTreeMap::new(), &BTreeMap::new());
            compare(&names, &journal, publish, none).unwrap()
        };
        assert_eq!(deleted(usual).lost, ["'Orders': it does not exist"]);
        let found = deleted(Publish::None);
        assert_eq!((found.lost.len(), found.excepted.len()), (0, 1));
        let tiles_removed = lost("Published", "Published", &[], usual);
        assert!(
            tiles_removed.contains("no provider action"),
            "{tiles_removed}"
        );
    }
}
