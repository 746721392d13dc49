//! How many database movements a day allows, and how many an environment's history shows.
//!
//! Three triggers an environment in any 24 hours, counted from when they began; what people start
//! in the portal is not refused and counts anyway (Microsoft Learn, *Database movement API*,
//! throttling).

use std::time::Duration;

use jiff::Timestamp;

use crate::clients::{HistoryEntry, Quota, RefreshState};

/// How many triggers a day allows.
const TRIGGERS: usize = 3;

/// A day.
const DAY: Duration = Duration::from_hours(24);

/// A quota that is spent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct SpentQuota {
    /// When the oldest that counts began.
    pub(crate) oldest: Timestamp,
}

impl SpentQuota {
    /// Whether a history shows the quota as spent. Takes the service's own time.
    pub(crate) fn from_history(history: &[HistoryEntry], now: Timestamp) -> Option<Self> {
        let mut starts: Vec<Timestamp> = history
            .iter()
            .filter(|entry| entry.moves_a_database())
            .filter_map(|entry| entry.started)
            .filter(|started| started.saturating_add(DAY).is_ok_and(|end| end > now))
            .collect();
        starts.sort_unstable_by(|one, other| other.cmp(one));
        let oldest = *starts.get(TRIGGERS - 1)?;
        Some(Self { oldest })
    }

    /// The same, from the service's refusal.
    pub(crate) fn from_quota(quota: Quota) -> Self {
        Self { oldest: quota.from }
    }

    /// In words: what is spent, and when it may be tried again.
    pub(crate) fn explained(&self) -> String {
        let oldest = self.oldest.strftime("%Y-%m-%d %H:%M UTC");
        let earliest = self.oldest.saturating_add(DAY).map_or_else(
            |_| "a day later".to_owned(),
            |earliest| earliest.strftime("%Y-%m-%d %H:%M UTC").to_string(),
        );
        format!(
            "the quota of {TRIGGERS} database movements in 24 hours is spent: the oldest that counts \
             began {oldest}, so the next may begin {earliest}"
        )
    }
}

/// The operation of an environment that has not ended, if there is one. A word that is not known
/// and has no end counts as running.
pub(crate) fn running_operation(history: &[HistoryEntry]) -> Option<&HistoryEntry> {
    history.iter().find(|entry| {
        let state = RefreshState::from_word(entry.status.as_deref().unwrap_or_default());
        match state {
            RefreshState::NotStarted
            | RefreshState::InProgress
            | RefreshState::RollbackInProgress => true,
            RefreshState::Unknown(_) => entry.ended.is_none(),
            _ => false,
        }
    })
}

/// An entry in words: `Refresh database, begun 2026-03-06 20:00 UTC, InProgress`.
pub(crate) fn describe_entry(entry: &HistoryEntry) -> String {
    let title = entry.title.as_deref().or(entry.kind.as_deref());
    let begun = entry.started.map_or_else(
        || "at an unknown time".to_owned(),
        |started| started.strftime("%Y-%m-%d %H:%M UTC").to_string(),
    );
    format!(
        "{}, begun {begun}, {}",
        title.unwrap_or("an operation"),
        entry.status.as_deref().unwrap_or("without a state")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history_of(entries: &[(&str, Timestamp, &str)]) -> Vec<HistoryEntry> {
        entries
            .iter()
            .map(|(kind, started, status)| HistoryEntry {
                activity: None,
                kind: Some((*kind).to_owned()),
                title: None,
                started: Some(*started),
                ended: None,
                status: Some((*status).to_owned()),
                raw: serde_json::Value::Null,
            })
            .collect()
    }

    fn at(hours: i64) -> Timestamp {
        let base: Timestamp = "2026-03-06T00:00:00Z".parse().unwrap();
        base + jiff::SignedDuration::from_hours(hours)
    }

    #[test]
    fn pitfall_20_the_quota_is_of_one_environment_and_counts_what_people_start() {
        let history = history_of(&[
            ("SFSourceDbToSandbox", at(20), "Completed"),
            ("SFBinaryHotfix", at(19), "Completed"),
            ("SFExportSandboxDb", at(10), "RollbackCompleted"),
            ("SFSourceDbToSandbox", at(5), "Completed"),
            ("SFSourceDbToSandbox", at(-30), "Completed"),
        ]);
        let spent = SpentQuota::from_history(&history, at(24)).unwrap();
        assert_eq!(spent.oldest, at(5));
        assert!(
            spent.explained().contains("2026-03-07 05:00 UTC"),
            "{}",
            spent.explained()
        );
        assert_eq!(
            SpentQuota::from_history(&history, at(30)),
            None,
            "a day after the oldest"
        );
        assert_eq!(SpentQuota::from_history(&history[..3], at(24)), None);
    }

    #[test]
    fn an_entry_that_has_not_ended_is_running() {
        let of = |word: &str| history_of(&[("SFSourceDbToSandbox", at(0), word)]);
        for word in [
            "InProgress",
            "NotStarted",
            "RollbackInProgress",
            "Preparing",
        ] {
            assert!(running_operation(&of(word)).is_some(), "{word}");
        }
        for word in ["Completed", "RollbackCompleted", "Failed", "Aborted"] {
            assert!(running_operation(&of(word)).is_none(), "{word}");
        }
    }
}
