//! The refresh of the Finance and Operations database through Lifecycle Services: a launch.
//!
//! It destroys the target's database, nothing can stop it, and a day has three: it is sent once. A
//! trigger whose answer was lost is looked for in the target's history, which lists every operation.
//! Lifecycle Services themselves refuse a second one while the first runs, so that a history which
//! still shows none after a while makes a new trigger safe.

use crate::domain::environments::refresh_key;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::clients::{Error, ErrorKind, HistoryEntry, Lcs, Quota, RefreshState};
use crate::domain::Refresh;
use crate::domain::environments::database_history::{Spent, described, running};
use crate::domain::failure::launch_error;
use crate::engine::{
    Action, Change, Failure, Found, Launch, Progress, Repeat, Started, Verdict, WriteError,
};

/// How long a refresh may take where the runbook does not say: up to 24 hours (Microsoft Learn,
/// *Database movement operations*) and some grace.
const TIMEOUT: Duration = Duration::from_hours(26);

/// How long `Failed` must stand before it is the end: what was there may still be put back by itself
/// (an estimate; the service says nothing of it).
pub(super) const STABLE: Duration = Duration::from_mins(10);

/// How long a trigger whose answer was lost may take to be listed.
const LISTED: Duration = Duration::from_mins(20);

/// How far back the history is read for what was there before.
const BACK: Duration = Duration::from_hours(72);

/// The change that refreshes the database; none where the runbook has no `lcs` section.
pub(super) fn change(refresh: &Arc<Refresh>) -> Option<Change> {
    let lcs = refresh.lcs.clone()?;
    let pair = &refresh.runbook.lcs.as_ref()?.value;
    let (source, target) = (pair.source.value.clone(), pair.target.value.clone());
    Some(Change {
        key: refresh_key(refresh),
        name: format!(
            "refresh the Finance and Operations database of '{}' through LCS",
            refresh.runbook.target.name
        ),
        before: json!({ "lcs-environment": target }),
        after: json!({ "database-of": source }),
        follows: Vec::new(),
        action: Action::Launch(Arc::new(DatabaseRefresh {
            refresh: Arc::clone(refresh),
            lcs,
            source,
            target,
            failed_since: Mutex::default(),
        })),
    })
}

struct DatabaseRefresh {
    refresh: Arc<Refresh>,
    lcs: Lcs,
    /// The ids that Lifecycle Services know the environments by.
    source: String,
    target: String,
    /// Since when, by the program's clock, the operation reads `Failed`.
    failed_since: Mutex<Option<Duration>>,
}

#[async_trait]
impl Launch for DatabaseRefresh {
    fn repeat(&self) -> Repeat {
        Repeat::WhenAbsent(LISTED)
    }

    fn is_destructive(&self) -> bool {
        true
    }

    async fn probe(&self) -> Result<Value, Failure> {
        // The service's time is in its answers; the first one brings it.
        let history = self.lcs.history(&self.target, self.since(None)).await?;
        if let Some(running) = running(&history) {
            return Err(Failure::refused(format!(
                "another operation is running on '{}' in LCS: {}",
                self.refresh.runbook.target.name,
                described(running)
            ))
            .with_help("somebody else has begun it; wait for its end, then run again"));
        }
        let now = self.lcs.time();
        if let Some(spent) = now.and_then(|now| Spent::of(&history, now)) {
            return Err(exhausted(spent));
        }
        let before: Vec<&str> = history.iter().filter_map(activity).collect();
        let since = self.since(now).map(|since| since.to_string());
        Ok(json!({ "activities-before": before, "since": since }))
    }

    async fn request(&self) -> Result<Started, WriteError> {
        match self.lcs.refresh(&self.source, &self.target).await {
            Ok(triggered) => Ok(Started {
                handle: json!({ "activity": triggered.activity }),
                service_date: triggered.service_date,
            }),
            Err(error) => Err(refused(error)),
        }
    }

    async fn find(&self, probed: &Value) -> Result<Found, Failure> {
        let before: Vec<&str> = probed["activities-before"]
            .as_array()
            .map(|ids| ids.iter().filter_map(Value::as_str).collect())
            .unwrap_or_default();
        let since = probed["since"]
            .as_str()
            .and_then(|since| since.parse().ok());
        let history = self.lcs.history(&self.target, since).await?;
        let is_new = |entry: &&HistoryEntry| {
            let is_known = activity(entry).is_some_and(|id| before.contains(&id));
            let is_older = entry
                .started
                .zip(since)
                .is_some_and(|(at, since)| at < since);
            entry.is_refresh() && !is_known && !is_older
        };
        let new: Vec<&HistoryEntry> = history.iter().filter(is_new).collect();
        Ok(match new.as_slice() {
            [] => Found::Absent,
            [one] => match activity(one) {
                Some(id) => Found::Operation(json!({ "activity": id })),
                None => Found::Ambiguous(described(one)),
            },
            several => {
                let seen: Vec<String> = several.iter().map(|entry| described(entry)).collect();
                Found::Ambiguous(seen.join("; "))
            }
        })
    }

    fn besides(&self, probed: &Value, handle: &Value) -> Option<Value> {
        let mut probed = probed.clone();
        let seen = probed["activities-before"].as_array_mut()?;
        seen.push(handle.get("activity")?.clone());
        Some(probed)
    }

    async fn aftermath(&self) -> Option<String> {
        Some(format!(
            "do not use '{}' until LCS shows its state as deployed. The source is unchanged, so that it \
             is safe to refresh again once the cause that LCS names is removed",
            self.refresh.runbook.target.name
        ))
    }

    async fn poll(&self, handle: &Value) -> Result<Progress, Failure> {
        let id = handle["activity"].as_str().unwrap_or_default();
        match self.lcs.status(&self.target, id).await {
            Ok(status) => Ok(self.progress(&status.state, status.raw)),
            // The call failed, not the operation: what the history says of it counts.
            Err(error) if error.kind == ErrorKind::Refused => {
                let listed = self.listed(id).await?;
                let state = listed.and_then(|entry| entry.status);
                Ok(match state {
                    Some(word) => {
                        self.progress(&RefreshState::from_word(&word), json!({ "status": word }))
                    }
                    None => Progress::Running(error.message.clone()),
                })
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn verify(&self, handle: &Value) -> Result<Verdict, Failure> {
        let id = handle["activity"].as_str().unwrap_or_default();
        let Some(entry) = self.listed(id).await? else {
            let missing = "the target's history in LCS does not list the refresh yet";
            return Ok(Verdict::NotYet(missing.to_owned()));
        };
        let word = entry.status.clone().unwrap_or_default();
        let state = RefreshState::from_word(&word);
        if state.is_success() {
            return Ok(Verdict::Proved(json!({
                "activity": id,
                "status": word,
                "started": entry.started.map(|time| time.to_string()),
                "ended": entry.ended.map(|time| time.to_string()),
            })));
        }
        if state.is_final() {
            return Ok(Verdict::Wrong(end(&state)));
        }
        Ok(Verdict::NotYet(format!(
            "the target's history in LCS says {word}"
        )))
    }

    fn expected(&self) -> Duration {
        // One recorded refresh took 76 minutes; one to four hours are usual (an estimate).
        Duration::from_hours(4)
    }

    fn timeout(&self) -> Duration {
        let common = &self.refresh.runbook.steps.copy_environments.common;
        common.timeout.unwrap_or(TIMEOUT)
    }
}

impl DatabaseRefresh {
    fn since(&self, now: Option<Timestamp>) -> Option<Timestamp> {
        let now = now.or_else(|| self.lcs.time())?;
        now.saturating_sub(BACK).ok()
    }

    /// The target's history's entry of an operation.
    async fn listed(&self, id: &str) -> Result<Option<HistoryEntry>, Failure> {
        let history = self.lcs.history(&self.target, self.since(None)).await?;
        let is_ours = |entry: &HistoryEntry| {
            activity(entry).is_some_and(|other| other.eq_ignore_ascii_case(id))
        };
        Ok(history.into_iter().find(is_ours))
    }

    /// What a state says, as progress. `Failed` is not the end while it may still be followed by a
    /// rollback; an unknown state is neither good nor bad.
    fn progress(&self, state: &RefreshState, raw: Value) -> Progress {
        let mut since = self
            .failed_since
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if *state != RefreshState::Failed {
            *since = None;
        }
        match state {
            RefreshState::Completed | RefreshState::SignedOff => Progress::Succeeded(raw),
            RefreshState::NotStarted => Progress::Running("accepted, not begun yet".to_owned()),
            RefreshState::InProgress => Progress::Running("in progress".to_owned()),
            RefreshState::RollbackInProgress => Progress::Running(
                "it failed; LCS puts the database back as it was before".to_owned(),
            ),
            RefreshState::Failed => {
                let now = self.refresh.clock.elapsed();
                let first = *since.get_or_insert(now);
                if now.saturating_sub(first) < STABLE {
                    return Progress::Running(
                        "it failed; waiting whether LCS puts the database back".to_owned(),
                    );
                }
                Progress::Failed(end(state))
            }
            RefreshState::Aborted
            | RefreshState::RollbackCompleted
            | RefreshState::RollbackFailed => Progress::Failed(end(state)),
            RefreshState::Unknown(word) => Progress::Running(format!("state '{word}'")),
        }
    }
}

/// A bad end in words: what became of the target's database, and what to do.
pub(super) fn end(state: &RefreshState) -> String {
    match state {
        RefreshState::RollbackCompleted => {
            "RollbackCompleted: the refresh failed, and the target's database is back as it was \
             before; look in LCS why it failed (often a customization that the source's data \
             violates)"
                .to_owned()
        }
        RefreshState::RollbackFailed => {
            "RollbackFailed: the refresh failed, and the target's database could not be put back; \
             its state is unknown: open a support request with Microsoft"
                .to_owned()
        }
        RefreshState::Aborted => {
            "Aborted: the refresh was given up without cleaning up; look in LCS what became of the \
             target, and open a support request with Microsoft if it does not come back"
                .to_owned()
        }
        RefreshState::Failed => {
            "Failed: no rollback has begun since; look at the environment's page in LCS, where a \
             rollback may be offered"
                .to_owned()
        }
        other => other.to_string(),
    }
}

fn activity(entry: &HistoryEntry) -> Option<&str> {
    entry.activity.as_deref()
}

fn exhausted(spent: Spent) -> Failure {
    Failure::temporary(spent.explained())
        .with_help("run again then; nothing was begun, and what people start in LCS counts as well")
}

/// A trigger that was refused is never sent again by itself.
fn refused(error: Error) -> WriteError {
    if error.kind != ErrorKind::Refused || !error.is_clear_refusal() {
        return launch_error(error);
    }
    if let Some(quota) = Quota::read(&error.message) {
        return WriteError::Refused(exhausted(Spent::told(quota)));
    }
    let failure = Failure::from(error).lasting();
    WriteError::Refused(
        failure
            .with_help("nothing was begun; look at the environment's page in LCS, then run again"),
    )
}
