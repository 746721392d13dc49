//! The refresh of the Finance and Operations database through Lifecycle Services: a launch.
//!
//! A refresh destroys the target's database, cannot be stopped, and counts against a limit of three
//! a day, so it is sent once. After a lost response, the refresh is looked for in the target's
//! history, which lists every operation. Lifecycle Services refuses a second refresh while the first
//! runs, so a new one is safe if the history still shows none after some time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::base::sync::lock;
use crate::clients::{Error, ErrorKind, HistoryEntry, Lcs, Quota, RefreshState};
use crate::domain::RefreshContext;
use crate::domain::environments::database_history::{
    SpentQuota, describe_entry, running_operation,
};
use crate::domain::environments::refresh_key;
use crate::domain::failure::launch_error;
use crate::engine::{
    Action, Change, Failure, Found, Launch, Progress, Proof, Repeat, Started, WriteError,
};

/// How long a refresh may take if the runbook sets no timeout: up to 24 hours (Microsoft Learn,
/// *Database movement operations*), and two more.
const TIMEOUT: Duration = Duration::from_hours(26);

/// How long after `Failed` a rollback may still start by itself (an estimate; the service does not
/// document it).
pub(super) const ROLLBACK_WINDOW: Duration = Duration::from_mins(10);

/// How long the history may take to list a refresh whose response was lost.
const LISTING_DELAY: Duration = Duration::from_mins(20);

/// How far back the history is read for earlier operations.
const HISTORY_WINDOW: Duration = Duration::from_hours(72);

/// The change that refreshes the database; none if the runbook has no `lcs` section.
pub(super) fn refresh_change(refresh: &Arc<RefreshContext>) -> Option<Change> {
    let lcs = refresh.services.lcs.clone()?;
    let pair = &refresh.runbook.lcs.as_ref()?.value;
    let (source, target) = (pair.source.value.clone(), pair.target.value.clone());
    Some(Change {
        key: refresh_key(refresh),
        name: format!(
            "refresh the Finance and Operations database of '{}' through LCS",
            refresh.runbook.target.name
        ),
        before: json!({ "lcs-environment": target }).into(),
        after: json!({ "database-of": source }).into(),
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
    refresh: Arc<RefreshContext>,
    lcs: Lcs,
    /// The environments' ids in Lifecycle Services.
    source: String,
    target: String,
    /// When, by the program's clock, the operation was first read as `Failed`.
    failed_since: Mutex<Option<Duration>>,
}

#[async_trait]
impl Launch for DatabaseRefresh {
    fn repeat(&self) -> Repeat {
        Repeat::WhenAbsent(LISTING_DELAY)
    }

    fn is_destructive(&self) -> bool {
        true
    }

    async fn probe(&self) -> Result<Value, Failure> {
        // The service's time comes with its first response.
        let history = self
            .lcs
            .history(&self.target, self.history_start(None))
            .await?;
        if let Some(running) = running_operation(&history) {
            return Err(Failure::refused(format!(
                "another operation is running on '{}' in LCS: {}",
                self.refresh.runbook.target.name,
                describe_entry(running)
            ))
            .with_help("somebody else started it; wait for its end, then run again"));
        }
        let now = self.lcs.service_date();
        if let Some(spent) = now.and_then(|now| SpentQuota::from_history(&history, now)) {
            return Err(quota_exhausted(spent));
        }
        let before: Vec<&str> = history.iter().filter_map(activity).collect();
        let since = self.history_start(now).map(|since| since.to_string());
        Ok(json!({ "activities-before": before, "since": since }))
    }

    async fn request(&self) -> Result<Started, WriteError> {
        match self.lcs.refresh(&self.source, &self.target).await {
            Ok(triggered) => Ok(Started {
                handle: json!({ "activity": triggered.activity }),
                service_date: triggered.service_date,
            }),
            Err(error) => Err(trigger_error(error)),
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
                None => Found::Ambiguous(describe_entry(one)),
            },
            several => {
                let entries: Vec<String> =
                    several.iter().map(|entry| describe_entry(entry)).collect();
                Found::Ambiguous(entries.join("; "))
            }
        })
    }

    fn probed_with(&self, probed: &Value, handle: &Value) -> Option<Value> {
        let mut probed = probed.clone();
        let listed = probed["activities-before"].as_array_mut()?;
        listed.push(handle.get("activity")?.clone());
        Some(probed)
    }

    async fn aftermath(&self) -> Option<String> {
        Some(format!(
            "do not use '{}' until LCS shows it as deployed. The source is unchanged: it is safe to \
             refresh again once the cause that LCS names is removed",
            self.refresh.runbook.target.name
        ))
    }

    async fn poll(&self, handle: &Value) -> Result<Progress, Failure> {
        let id = handle["activity"].as_str().unwrap_or_default();
        match self.lcs.status(&self.target, id).await {
            Ok(status) => Ok(self.progress(&status.state, status.raw)),
            // The call failed, not the operation: the history shows the operation's state.
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

    async fn verify(&self, handle: &Value) -> Result<Proof, Failure> {
        let id = handle["activity"].as_str().unwrap_or_default();
        let Some(entry) = self.listed(id).await? else {
            let missing = "the target's history in LCS does not list the refresh yet";
            return Ok(Proof::NotYet(missing.to_owned()));
        };
        let word = entry.status.clone().unwrap_or_default();
        let state = RefreshState::from_word(&word);
        if state.is_success() {
            return Ok(Proof::Proved(json!({
                "activity": id,
                "status": word,
                "started": entry.started.map(|time| time.to_string()),
                "ended": entry.ended.map(|time| time.to_string()),
            })));
        }
        if state.is_final() {
            return Ok(Proof::Disproved(explain_bad_end(&state)));
        }
        Ok(Proof::NotYet(format!(
            "the target's history in LCS shows {word}"
        )))
    }

    fn service_duration(&self, _reported: &Value, observed: &Value) -> Option<Duration> {
        let time = |member: &str| observed[member].as_str()?.parse::<Timestamp>().ok();
        let took = time("ended")?.duration_since(time("started")?);
        took.try_into().ok()
    }

    fn expected_duration(&self) -> Duration {
        super::REFRESH_TAKES
    }

    fn timeout(&self) -> Duration {
        let common = &self.refresh.runbook.steps.copy_environments.common;
        common.timeout.unwrap_or(TIMEOUT)
    }
}

impl DatabaseRefresh {
    /// The time from which the history is read.
    fn history_start(&self, now: Option<Timestamp>) -> Option<Timestamp> {
        let now = now.or_else(|| self.lcs.service_date())?;
        now.saturating_sub(HISTORY_WINDOW).ok()
    }

    /// The entry of an operation in the target's history.
    async fn listed(&self, id: &str) -> Result<Option<HistoryEntry>, Failure> {
        let history = self
            .lcs
            .history(&self.target, self.history_start(None))
            .await?;
        let is_ours = |entry: &HistoryEntry| {
            activity(entry).is_some_and(|other| other.eq_ignore_ascii_case(id))
        };
        Ok(history.into_iter().find(is_ours))
    }

    /// A state as progress. `Failed` is not the end while a rollback may still follow; an unknown
    /// state is neither success nor failure.
    fn progress(&self, state: &RefreshState, raw: Value) -> Progress {
        let mut since = lock(&self.failed_since);
        if *state != RefreshState::Failed {
            *since = None;
        }
        match state {
            RefreshState::Completed | RefreshState::SignedOff => Progress::Succeeded(raw),
            RefreshState::NotStarted => Progress::Running("accepted, not started yet".to_owned()),
            RefreshState::InProgress => Progress::Running("in progress".to_owned()),
            RefreshState::RollbackInProgress => {
                Progress::Running("it failed; LCS is restoring the database".to_owned())
            }
            RefreshState::Failed => {
                let now = self.refresh.clock.elapsed();
                let first = *since.get_or_insert(now);
                if now.saturating_sub(first) < ROLLBACK_WINDOW {
                    return Progress::Running(
                        "it failed; waiting to see whether LCS restores the database".to_owned(),
                    );
                }
                Progress::Failed(explain_bad_end(state))
            }
            RefreshState::Aborted
            | RefreshState::RollbackCompleted
            | RefreshState::RollbackFailed => Progress::Failed(explain_bad_end(state)),
            RefreshState::Unknown(word) => Progress::Running(format!("state '{word}'")),
        }
    }
}

/// A bad end in words: the state of the target's database, and what to do.
pub(super) fn explain_bad_end(state: &RefreshState) -> String {
    match state {
        RefreshState::RollbackCompleted => {
            "RollbackCompleted: the refresh failed, and LCS restored the target's database; look in \
             LCS for the cause (often a customization that the source's data violates)"
                .to_owned()
        }
        RefreshState::RollbackFailed => {
            "RollbackFailed: the refresh failed, and LCS could not restore the target's database; \
             its state is unknown: open a support request with Microsoft"
                .to_owned()
        }
        RefreshState::Aborted => {
            "Aborted: the refresh ended without cleaning up; check the target's state in LCS, and \
             open a support request with Microsoft if the target does not recover"
                .to_owned()
        }
        RefreshState::Failed => {
            "Failed: no rollback has started; look at the environment's page in LCS, which may offer \
             a rollback"
                .to_owned()
        }
        other => other.to_string(),
    }
}

fn activity(entry: &HistoryEntry) -> Option<&str> {
    entry.activity.as_deref()
}

fn quota_exhausted(spent: SpentQuota) -> Failure {
    Failure::temporary(spent.explained()).with_help(
        "run again then; nothing was started, and what people start in LCS counts as well",
    )
}

/// The error of a request to refresh. A clear refusal is permanent, so it is never retried.
fn trigger_error(error: Error) -> WriteError {
    if error.kind != ErrorKind::Refused || !error.is_clear_refusal() {
        return launch_error(error);
    }
    if let Some(quota) = Quota::parse(&error.message) {
        return WriteError::Refused(quota_exhausted(SpentQuota::from_quota(quota)));
    }
    let failure = Failure::from(error).permanent();
    WriteError::Refused(
        failure.with_help(
            "nothing was started; look at the environment's page in LCS, then run again",
        ),
    )
}
