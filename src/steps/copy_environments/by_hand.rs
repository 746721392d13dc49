//! Phase `refresh-by-hand`: with `finops: guided` a person refreshes the database in LCS.
//!
//! Evidence: the target's history in LCS lists a refresh that was not there when the first seal was
//! made. It need not have ended: the copy of Dataverse runs beside it, and the phase after it waits
//! for its end. Where LCS does not let the program read, then or now, Finance and Operations shows it
//! only once it has ended: everybody but `Admin` is disabled then. That LCS is away proves nothing,
//! and is waited for.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::database_refresh::{STABLE, end};
use super::finance::{KEPT, Ledger};
use crate::clients::{HistoryEntry, Lcs, RefreshState};
use crate::domain::environments::copy_key;
use crate::domain::environments::database_history::described;
use crate::domain::{Refresh, seals};
use crate::engine::{Action, Ask, Barrier, Change, Failure, FailureKind, Known, Survey};

/// The prefix of the captures of the target's history.
const HISTORY: &str = "target/lcs-history/";

/// The capture that says whether the history could be read: where it could not, nothing can be told
/// to be newer than the seal.
const IS_READ: &str = "target/lcs-history-is-read";

/// Finds whether a person has begun the refresh.
pub(super) struct RefreshByHand(pub(super) Arc<Refresh>);

#[async_trait]
impl Survey for RefreshByHand {
    async fn survey(&self, known: &Known) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        // The copy is begun only after the refresh; from then on its end is waited for.
        if known.launch(&copy_key(refresh)).is_some() || is_under_way(refresh, known).await? {
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
                 shows that everybody but Admin is disabled",
            ),
            None => (
                format!("environment '{target}'"),
                "Finance and Operations shows that everybody but Admin is disabled",
            ),
        };
        let instructions = vec![
            format!("LCS > {environments}: Maintain > Move database > Refresh database"),
            "a day has three refreshes and exports for one environment; nothing can stop one"
                .to_owned(),
            if pair.is_some() {
                "then run again: the Dataverse copy begins beside it".to_owned()
            } else {
                "wait for its end, then run again: the Dataverse copy begins then".to_owned()
            },
        ];
        Ok(vec![Change {
            key: format!(
                "{}/by-hand",
                crate::domain::environments::refresh_key(refresh)
            ),
            name: format!("refresh the Finance and Operations database of '{target}' in LCS"),
            before: json!({ "refreshed": false }),
            after: json!({ "refreshed": true }),
            follows: Vec::new(),
            action: Action::Ask(Ask {
                instructions,
                evidence: evidence.to_owned(),
            }),
        }])
    }
}

/// Has the refresh been begun, as far as anything shows?
async fn is_under_way(refresh: &Refresh, known: &Known) -> Result<bool, Failure> {
    if let Some(newest) = newest(refresh, known).await? {
        return Ok(!ended_badly(refresh, &newest));
    }
    everybody_is_disabled(refresh, known).await
}

/// The newest refresh of the target that the first seal does not know; none where LCS lists none, or
/// does not let the program read what happened before and since.
async fn newest(refresh: &Refresh, known: &Known) -> Result<Option<HistoryEntry>, Failure> {
    let (Some(lcs), Some(pair)) = (&refresh.lcs, &refresh.runbook.lcs) else {
        return Ok(None);
    };
    let is_read = known.captures(seals::BEFORE_COPY, IS_READ);
    if !is_read.iter().any(|(_, is_read)| *is_read == json!(true)) {
        return Ok(None);
    }
    let Some(history) = readable(lcs, &pair.target.value).await? else {
        return Ok(None);
    };
    let old: BTreeSet<String> = known
        .captures(seals::BEFORE_COPY, HISTORY)
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

/// Has a refresh come to a bad end, which nothing follows any more?
fn ended_badly(refresh: &Refresh, entry: &HistoryEntry) -> bool {
    let state = state(entry);
    if state == RefreshState::Failed {
        // What was there may still be put back by itself.
        let now = refresh.lcs.as_ref().and_then(Lcs::time);
        let stood = now
            .zip(entry.ended)
            .map(|(now, ended)| now.duration_since(ended));
        return stood.is_some_and(|stood| stood.unsigned_abs() >= STABLE);
    }
    state.is_final() && !state.is_success()
}

/// Is everybody disabled whom the first seal knows as enabled, but those whom a refresh keeps?
async fn everybody_is_disabled(refresh: &Refresh, known: &Known) -> Result<bool, Failure> {
    let Some(finance) = &refresh.target_finance else {
        return Ok(false);
    };
    if !finance.reachable().await?.is_reachable() {
        return Ok(false);
    }
    let then = Ledger::captured(known);
    let now = Ledger::read(finance).await?;
    let mut enabled = then
        .enabled()
        .filter(|user| !KEPT.contains(&user.as_str()))
        .peekable();
    Ok(enabled.peek().is_some() && enabled.all(|user| !now.is_enabled(user)))
}

/// Waits for the end of a refresh that was begun by hand. Its failure is one of the pair.
pub(super) async fn ended(refresh: &Refresh, known: &Known) -> Result<Barrier, Failure> {
    let Some(newest) = newest(refresh, known).await? else {
        return Ok(Barrier::Passed);
    };
    let state = state(&newest);
    if state.is_success() {
        return Ok(Barrier::Passed);
    }
    if ended_badly(refresh, &newest) {
        return Err(Failure::failed(format!(
            "the refresh that was begun by hand ended badly: {}; a mismatched pair: Dataverse of \
             '{}' is the source's already",
            end(&state),
            refresh.runbook.target.name
        ))
        .with_help("begin the refresh again in LCS, then run again: its end is waited for")
        .lasting());
    }
    Ok(Barrier::Holds(format!(
        "the refresh that was begun by hand: {}",
        described(&newest)
    )))
}

/// The history of an environment; none where LCS does not let the program read it. A person's token
/// may be missing: that is why a person does it. A service that is away is another thing.
async fn readable(lcs: &Lcs, environment: &str) -> Result<Option<Vec<HistoryEntry>>, Failure> {
    let history = lcs.history(environment, None).await;
    match history.map_err(Failure::from) {
        Ok(history) => Ok(Some(history)),
        Err(failure) => match failure.kind {
            FailureKind::Temporary | FailureKind::Interrupted => Err(failure),
            _ => Ok(None),
        },
    }
}

/// The target's history, as captures: what is not among them was begun later.
pub(super) async fn captured(refresh: &Refresh) -> Result<Vec<(String, Value)>, Failure> {
    let (Some(lcs), Some(pair)) = (&refresh.lcs, &refresh.runbook.lcs) else {
        return Ok(Vec::new());
    };
    let history = readable(lcs, &pair.target.value).await?;
    let mut captures = vec![(IS_READ.to_owned(), json!(history.is_some()))];
    let entries = history.into_iter().flatten();
    captures.extend(
        entries.filter_map(|entry| Some((format!("{HISTORY}{}", entry.activity?), entry.raw))),
    );
    Ok(captures)
}
