//! Is what a step is about to seal as the original still the original?
//!
//! Steps 5 and 6 seal what they then remove. A state file that is older than the target (a backup,
//! another machine's copy) does not show that its run has gone on and removed it already. Such a
//! run would seal what the removal left, and what was removed would be lost for good. The first
//! seal shows it: it holds what the copy brought.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use uuid::Uuid;

use super::keys;
use super::lost_orchestrations::{SourceOrchestration, source_orchestrations};
use super::names::{Fields, Names};
use super::providers::Catalogue;
use super::publication::is_published;
use super::seals::{ORCHESTRATIONS, PROVIDERS, Part};
use crate::base::text::{count, list_first};
use crate::engine::{Failure, JournalView, ListedRow};
use crate::runbook::{IomColumn, IomTable, Keyword as _};

/// How many orchestrations or providers a message names.
const NAMED: usize = 10;

/// From how many things on a person does not remove all of them on purpose.
const SEVERAL: usize = 2;

/// Refuses rows that are not the originals. Takes what the seal would hold.
pub(crate) type RequireOriginals = fn(&Names, &JournalView, &[ListedRow]) -> Result<(), Failure>;

/// Refuses orchestrations that something has emptied since the copy, or that hold the actions of
/// providers which were installed since.
///
/// A person may empty a slot, or a draft's only slot, on purpose. So an orchestration counts only
/// if none of its actions is left, it is not published now (who publishes it afterwards wants it so,
/// and step 5 leaves it unpublished), and the source has it published or with several slots. Where
/// one provider is reinstalled again, weeks may lie between: only its slots count, and only if all
/// of them are empty.
///
/// # Errors
///
/// Fails as refused if this run has no record that it emptied them, or that it deleted the providers
/// that the copy brought.
pub(crate) fn require_original_orchestrations(
    names: &Names,
    journal: &JournalView,
    rows: &[ListedRow],
) -> Result<(), Failure> {
    require_copied_providers(names, journal, rows, &[ORCHESTRATIONS, PROVIDERS])?;
    let source = Catalogue::sealed(names, journal, Part::Source)?;
    let again = journal.reinstalled_definition();
    let mut before = source.action_names();
    if let Some(again) = again {
        before.retain(|id, _| {
            let definition = source.definition_of_action(*id);
            definition.is_some_and(|found| found.logical_name.eq_ignore_ascii_case(again))
        });
    }
    let now = rows_of(IomTable::Orchestration, rows);
    let mut known = before.clone();
    for (id, row) in rows_of(IomTable::ProviderAction, rows) {
        known.insert(id, names.title(IomTable::ProviderAction, &row, id));
    }
    let (mut emptied, mut filled) = (Vec::new(), false);
    for orchestration in source_orchestrations(names, journal, &before)? {
        let Some(row) = now.get(&orchestration.id) else {
            continue;
        };
        let graph = names.text(row, IomColumn::OrchestrationGraph)?;
        if !orchestration.is_emptied(graph.as_deref().unwrap_or_default(), &known) {
            filled |= !orchestration.slots.is_empty();
        } else if is_unwanted(&orchestration, row) && !has_emptied(journal, orchestration.id) {
            emptied.push(format!("'{}'", orchestration.name));
        }
    }
    if emptied.is_empty() || (again.is_some() && filled) {
        return Ok(());
    }
    Err(Failure::refused(format!(
        "{} no provider action any more, although the copy brought some, and this run has no record \
         that it removed them: {}",
        held_by(&emptied),
        list_first(&emptied, NAMED, ", ")
    ))
    .with_help(format!(
        "{}; if somebody emptied them on purpose, publish them as they are or choose one action in \
         each, then run again",
        help(journal, &[ORCHESTRATIONS])
    )))
}

fn held_by(emptied: &[String]) -> String {
    let verb = if emptied.len() == 1 { "holds" } else { "hold" };
    format!(
        "{} of the target {verb}",
        count(emptied.len(), "orchestration")
    )
}

/// Is it unlikely that a person wants this orchestration to be empty?
fn is_unwanted(orchestration: &SourceOrchestration, now: &Fields) -> bool {
    !is_published(now) && (orchestration.published || orchestration.places() >= SEVERAL)
}

/// Did this run empty the orchestration, and not fill it again?
fn has_emptied(journal: &JournalView, id: Uuid) -> bool {
    let is_made = |key: &str| journal.maker(key).is_some();
    is_made(&keys::orchestration_clear(id)) && !is_made(&keys::orchestration_restore(id))
}

/// Refuses providers that were all deleted and installed again since the copy: the seal would hold
/// what the library installs in place of the names and values that the copy brought.
///
/// A person may replace a provider; nobody replaces all of several by hand before step 6 does.
/// Providers that are missing, `vanished` asks for.
///
/// # Errors
///
/// Fails as refused if this run has no record that it deleted them.
pub(crate) fn require_original_providers(
    names: &Names,
    journal: &JournalView,
    rows: &[ListedRow],
) -> Result<(), Failure> {
    require_copied_providers(names, journal, rows, &[PROVIDERS])
}

/// The same. Takes the seals that this run lacks if a newer state file has gone on.
fn require_copied_providers(
    names: &Names,
    journal: &JournalView,
    rows: &[ListedRow],
    lacking: &[&str],
) -> Result<(), Failure> {
    // Every provider was reinstalled before one is reinstalled again.
    if journal.reinstalled_definition().is_some() {
        return Ok(());
    }
    let source = Catalogue::sealed(names, journal, Part::Source)?;
    let now: BTreeSet<Uuid> = rows_of(IomTable::Provider, rows).into_keys().collect();
    let active = source.providers.values().filter(|provider| provider.active);
    let copied: Vec<String> = active
        .clone()
        .map(|provider| format!("'{}'", provider.name))
        .collect();
    let is_kept =
        |id: &Uuid| now.contains(id) || journal.maker(&keys::provider_delete(*id)).is_some();
    let has_one = active.clone().any(|provider| is_kept(&provider.id));
    if now.is_empty() || copied.len() < SEVERAL || has_one {
        return Ok(());
    }
    Err(Failure::refused(format!(
        "no provider of the target has the id any more that the copy gave it, and this run has no \
         record that it deleted them: {}",
        list_first(&copied, NAMED, ", ")
    ))
    .with_help(help(journal, lacking)))
}

/// What to do about a state file that is older than the target. Takes the seals that it lacks.
fn help(journal: &JournalView, lacking: &[&str]) -> String {
    let given = lacking.iter().map(|seal| {
        let seal = journal.seal_name(seal);
        format!("--from-capture NAME.iomcopy.{seal}.capture.jsonl")
    });
    let given: Vec<String> = given.collect();
    let copies = match lacking.len() {
        1 => "the sealed copy that was beside it".to_owned(),
        number => format!("the {number} sealed copies that were beside it, at once"),
    };
    format!(
        "the run has probably continued with a newer state file than this one: run with the newer \
         one; if it is lost, run with {copies}: {}; without those, copy again: run with --fresh, \
         --abandon-captures and --from-capture and the sealed copy of this run's seal 'before-copy'",
        given.join(" ")
    )
}

/// The rows of one table among those of a seal, by id.
fn rows_of(table: IomTable, rows: &[ListedRow]) -> BTreeMap<Uuid, Fields> {
    let prefix = format!("{}/", table.keyword());
    let rows = rows.iter().filter_map(|row| {
        let id = Uuid::try_parse(row.key.strip_prefix(&prefix)?).ok()?;
        match serde_json::from_str(&row.text).ok()? {
            Value::Object(fields) => Some((id, fields)),
            _ => None,
        }
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::lost_orchestrations::testing::{
        ACTION, action_in_source, in_source, orchestration,
    };
    use crate::domain::seals;
    use crate::engine::FailureKind;
    use crate::runbook::Iom;

    const NEW: Uuid = Uuid::from_u128(0x41);

    fn listed(table: IomTable, id: Uuid, row: Fields) -> ListedRow {
        ListedRow {
            key: format!("{}/{id}", table.keyword()),
            etag: None,
            text: Value::Object(row).to_string(),
            compared: None,
        }
    }

    /// An orchestration: its status and its actions in the source, then in the target.
    type Case<'a> = (&'a str, usize, &'a str, &'a [Option<Uuid>]);

    fn judge(cases: &[Case<'_>]) -> Result<(), Failure> {
        let names = Names::unchecked(&Iom::default());
        let (mut before, mut now) = (vec![action_in_source()], Vec::new());
        for (number, (source, slots, target, actions)) in (1_u128..).zip(cases) {
            let (id, name) = (Uuid::from_u128(number), format!("O{number}"));
            let full = vec![Some(ACTION); *slots];
            let row = orchestration(&names, &name, source, &full);
            before.push(in_source(IomTable::Orchestration, id, row));
            let row = orchestration(&names, &name, target, actions);
            now.push(listed(IomTable::Orchestration, id, row));
        }
        let journal = JournalView::empty().with_assumed(seals::BEFORE_COPY, before);
        require_original_orchestrations(&names, &journal, &now)
    }

    #[test]
    fn orchestrations_that_something_emptied_are_no_originals() {
        let untouched: Case<'_> = ("Published", 1, "Published", &[Some(ACTION)]);
        assert!(judge(&[untouched, ("Draft", 0, "Draft", &[])]).is_ok());
        let failure = judge(&[untouched, ("Published", 1, "Draft", &[None])]).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Refused);
        assert!(!failure.retryable, "the same would be found again");
        assert!(failure.message.contains("'O2'"), "{}", failure.message);
        assert!(!failure.message.contains("'O1'"), "{}", failure.message);
        let help = failure.help.unwrap_or_default();
        for way in ["newer", "--from-capture", "--fresh"] {
            assert!(help.contains(way), "{way}: {help}");
        }
        // `how: remove-tile`.
        assert!(judge(&[("Published", 1, "Draft", &[])]).is_err());
        assert!(judge(&[("Draft", 2, "Draft", &[None, None])]).is_err());
    }

    #[test]
    fn what_a_person_may_have_emptied_on_purpose_is_sealed() {
        assert!(judge(&[("Published", 2, "Draft", &[None, Some(ACTION)])]).is_ok());
        assert!(judge(&[("Published", 2, "Draft", &[None, Some(NEW)])]).is_ok());
        assert!(judge(&[("Draft", 1, "Draft", &[None])]).is_ok());
        assert!(judge(&[("Published", 1, "Published", &[None])]).is_ok());
        let names = Names::unchecked(&Iom::default());
        let nothing = require_original_orchestrations(&names, &JournalView::empty(), &[]);
        assert!(nothing.is_ok(), "no seal before the copy");
    }

    fn provider(status: &str) -> Fields {
        let label = "statuscode@OData.Community.Display.V1.FormattedValue";
        let row = json!({ "msdyn_name": "FedEx", label: status });
        row.as_object().cloned().unwrap_or_default()
    }

    /// A newer state file has gone on to the end: the slots are full, with the actions of the
    /// providers that step 6 installed.
    #[test]
    fn orchestrations_that_were_restored_are_no_originals() {
        let names = Names::unchecked(&Iom::default());
        let id = Uuid::from_u128;
        let full = orchestration(&names, "O", "Published", &[Some(NEW)]);
        let mut before = vec![in_source(IomTable::Orchestration, id(9), full.clone())];
        before.extend([1, 2].map(|n| in_source(IomTable::Provider, id(n), provider("Active"))));
        let now = |providers: [u128; 2]| {
            let providers =
                providers.map(|n| listed(IomTable::Provider, id(n), provider("Active")));
            let mut rows = vec![listed(IomTable::Orchestration, id(9), full.clone())];
            rows.extend(providers);
            rows
        };
        let journal = JournalView::empty().with_assumed(seals::BEFORE_COPY, before);
        assert!(require_original_orchestrations(&names, &journal, &now([1, 2])).is_ok());
        let refused = require_original_orchestrations(&names, &journal, &now([11, 12]));
        let help = refused.unwrap_err().help.unwrap_or_default();
        // Neither alone is enough.
        let both = "--from-capture NAME.iomcopy.orchestrations.capture.jsonl \
                    --from-capture NAME.iomcopy.providers.capture.jsonl";
        assert!(help.contains(both), "{help}");
    }

    #[test]
    fn providers_that_were_all_installed_again_are_no_originals() {
        let names = Names::unchecked(&Iom::default());
        let judge = |source: &[(u128, &str)], now: &[u128]| {
            let id = Uuid::from_u128;
            let before = source.iter().map(|(number, status)| {
                in_source(IomTable::Provider, id(*number), provider(status))
            });
            let now: Vec<ListedRow> = now
                .iter()
                .map(|number| listed(IomTable::Provider, id(*number), provider("Active")))
                .collect();
            let journal = JournalView::empty().with_assumed(seals::BEFORE_COPY, before.collect());
            require_original_providers(&names, &journal, &now)
        };
        let two = [(1, "Active"), (2, "Active")];
        assert!(judge(&two, &[1, 2]).is_ok());
        assert!(judge(&two, &[1, 12]).is_ok(), "a person replaced one");
        assert!(judge(&two, &[]).is_ok(), "missing ones are asked for");
        assert!(judge(&[(1, "Active"), (2, "Inactive")], &[11]).is_ok());
        let failure = judge(&two, &[11, 12]).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Refused);
        assert!(failure.message.contains("'FedEx'"), "{}", failure.message);
    }
}
