//! Phase `refresh-by-hand`: with `finops: guided`, a person refreshes the database in LCS.
//!
//! Evidence: the target's history in LCS lists a refresh that the first seal does not hold. The
//! refresh may still be running: the copy of Dataverse runs next to it, and the next phase waits
//! for its end. Where LCS does not let the program read the history, at the first seal or now, only
//! Finance and Operations shows the refresh, once it has ended: every user except `Admin` is then
//! disabled. An unavailable LCS proves nothing, so the phase fails and can be retried.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::database_refresh::{ROLLBACK_WINDOW, explain_bad_end};
use crate::clients::{HistoryEntry, Lcs, RefreshState};
use crate::domain::environments::copy_key;
use crate::domain::environments::database_history::describe_entry;
use crate::domain::finance_users::{FinanceUsers, is_kept_enabled};
use crate::domain::manual_change::ManualChange;
use crate::domain::seals::Part;
use crate::domain::{RefreshContext, keys, seals};
use crate::engine::{Barrier, Change, Failure, JournalView, ListedRow, Survey};

/// The prefix of the captures of the target's history.
const HISTORY: &str = "lcs-history/";

/// The capture that says whether the history could be read. If not, no entry can be known to be
/// newer than the seal.
const HISTORY_WAS_READ: &str = "lcs-history-is-read";

/// Finds whether a person has started the refresh.
pub(super) struct ManualRefresh(pub(super) Arc<RefreshContext>);

#[async_trait]
impl Survey for ManualRefresh {
    async fn survey(&self, journal: &JournalView) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        // The copy starts only after the refresh; from then on, the next phase waits for its end.
        if journal.launch(&copy_key(refresh)).is_some()
            || has_refresh_started(refresh, journal).await?
        {
            return Ok(Vec::new());
        }
        let target = &refresh.runbook.target.name;
        let pair = refresh.runbook.lcs.as_ref().map(|lcs| &lcs.value);
        let (environments, evidence) = match pair {
            Some(pair) => (
                format!(
                    "environment {} of project {}, from environment {}",
                    pair.target, pair.project, pair.source
                ),
                "the environment's history in LCS lists a new refresh, or Finance and Operations \
                 shows that every user except Admin is disabled",
            ),
            None => (
                format!("environment '{target}'"),
                "Finance and Operations shows that every user except Admin is disabled",
            ),
        };
        let advice = [
            "an environment allows three refreshes and exports a day; a refresh cannot be stopped"
                .to_owned(),
            if pair.is_some() {
                "then run again: the Dataverse copy starts while the refresh runs".to_owned()
            } else {
                "wait until the refresh ends, then run again: the Dataverse copy starts then"
                    .to_owned()
            },
        ];
        Ok(vec![
            ManualChange {
                key: keys::database_refresh_by_hand(refresh.target_id()),
                name: format!("refresh the Finance and Operations database of '{target}' in LCS"),
                before: json!({ "refreshed": false }),
                after: json!({ "refreshed": true }),
                instructions: vec![format!(
                    "LCS > {environments}: Maintain > Move database > Refresh database"
                )],
                evidence: evidence.to_owned(),
            }
            .into_destructive_change()
            .with_advice(advice),
        ])
    }
}

/// Does anything show that the refresh has started?
async fn has_refresh_started(
    refresh: &RefreshContext,
    journal: &JournalView,
) -> Result<bool, Failure> {
    if let Some(newest) = newest_refresh(refresh, journal).await? {
        return Ok(!has_ended_badly(refresh, &newest));
    }
    all_users_are_disabled(refresh, journal).await
}

/// The newest refresh of the target that the first seal does not hold; none if LCS lists none,
/// or did not or does not let the program read the history.
async fn newest_refresh(
    refresh: &RefreshContext,
    journal: &JournalView,
) -> Result<Option<HistoryEntry>, Failure> {
    let (Some(lcs), Some(pair)) = (&refresh.services.lcs, &refresh.runbook.lcs) else {
        return Ok(None);
    };
    let is_read = seals::captures(journal, Part::Target, HISTORY_WAS_READ);
    if !is_read.iter().any(|(_, is_read)| *is_read == json!(true)) {
        return Ok(None);
    }
    let Some(history) = read_history(lcs, &pair.target.value).await? else {
        return Ok(None);
    };
    let old: BTreeSet<String> = seals::captures(journal, Part::Target, HISTORY)
        .into_iter()
        .map(|(id, _)| id)
        .collect();
    let is_new = |entry: &HistoryEntry| {
        let is_old = entry.activity.as_ref().is_some_and(|id| old.contains(id));
        entry.is_refresh() && !is_old
    };
    Ok(history
        .into_iter()
        .filter(is_new)
        .max_by_key(|entry| entry.started))
}

fn state(entry: &HistoryEntry) -> RefreshState {
    RefreshState::from_word(entry.status.as_deref().unwrap_or_default())
}

/// Has a refresh failed permanently, so that no rollback can follow?
fn has_ended_badly(refresh: &RefreshContext, entry: &HistoryEntry) -> bool {
    let state = state(entry);
    if state == RefreshState::Failed {
        // LCS may still roll the database back.
        let now = refresh.services.lcs.as_ref().and_then(Lcs::service_date);
        let since = now
            .zip(entry.ended)
            .map(|(now, ended)| now.duration_since(ended));
        return since.is_some_and(|since| since.unsigned_abs() >= ROLLBACK_WINDOW);
    }
    state.is_final() && !state.is_success()
}

/// Are all users disabled that the first seal holds as enabled, except those that a refresh keeps?
async fn all_users_are_disabled(
    refresh: &RefreshContext,
    journal: &JournalView,
) -> Result<bool, Failure> {
    let Some(finance) = &refresh.target.finance else {
        return Ok(false);
    };
    if !finance.reachability().await?.is_reachable() {
        return Ok(false);
    }
    let recorded = FinanceUsers::recorded(journal);
    let now = FinanceUsers::read(finance).await?;
    let mut enabled = recorded
        .users()
        .filter(|user| user.is_enabled() && !is_kept_enabled(&user.id))
        .peekable();
    Ok(enabled.peek().is_some() && enabled.all(|user| !now.is_enabled(&user.id)))
}

/// Waits for the end of a refresh that a person started.
pub(super) async fn refresh_barrier(
    refresh: &RefreshContext,
    journal: &JournalView,
) -> Result<Barrier, Failure> {
    let Some(newest) = newest_refresh(refresh, journal).await? else {
        return Ok(Barrier::Passed);
    };
    let state = state(&newest);
    if state.is_success() {
        return Ok(Barrier::Passed);
    }
    if has_ended_badly(refresh, &newest) {
        return Err(Failure::failed(format!(
            "the refresh that was started by hand failed: {}; a mismatched pair: Dataverse of '{}' \
             is already the source's",
            explain_bad_end(&state),
            refresh.runbook.target.name
        ))
        .with_help("start the refresh again in LCS, then run again: the run waits for its end")
        .permanent());
    }
    Ok(Barrier::Holds(format!(
        "the refresh that was started by hand: {}",
        describe_entry(&newest)
    )))
}

/// The history of an environment; none if LCS does not let the program read it. LCS accepts only
/// a user's token, and a runbook without one leaves the refresh to a person. An unavailable LCS
/// is an error.
async fn read_history(lcs: &Lcs, environment: &str) -> Result<Option<Vec<HistoryEntry>>, Failure> {
    let history = lcs.history(environment, None).await;
    match history.map_err(Failure::from) {
        Ok(history) => Ok(Some(history)),
        Err(failure) if failure.leaves_a_read_open() => Err(failure),
        Err(_) => Ok(None),
    }
}

/// The target's history, as captures: an operation that is not among them started later.
pub(super) async fn history_captures(refresh: &RefreshContext) -> Result<Vec<ListedRow>, Failure> {
    let (Some(lcs), Some(pair)) = (&refresh.services.lcs, &refresh.runbook.lcs) else {
        return Ok(Vec::new());
    };
    let history = read_history(lcs, &pair.target.value).await?;
    let capture = |key: &str, value: &Value| ListedRow {
        key: Part::Target.key(key),
        etag: None,
        text: value.to_string(),
        compared: Some(value.to_string()),
    };
    let is_read = capture(HISTORY_WAS_READ, &json!(history.is_some()));
    let entries = history.into_iter().flatten().filter_map(|entry| {
        Some(capture(
            &format!("{HISTORY}{}", entry.activity?),
            &entry.raw,
        ))
    });
    Ok(std::iter::once(is_read).chain(entries).collect())
}
