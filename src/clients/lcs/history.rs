//! The history of an environment.

use jiff::Timestamp;
use serde_json::Value;

use super::envelope::{parse_lcs_time, text};

/// The type of a database refresh in the history of a self-service environment (as
/// d365fo.tools has recorded it).
const REFRESH: &str = "SFSourceDbToSandbox";

/// One entry of an environment's history.
#[derive(Clone, Debug, PartialEq)]
pub struct HistoryEntry {
    /// The operation's id, as the trigger returned it.
    pub activity: Option<String>,
    /// Its type: `SFSourceDbToSandbox`.
    pub kind: Option<String>,
    /// Its type for people: `Refresh database`.
    pub title: Option<String>,
    /// When it started.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// Its state, as the service writes it.
    pub status: Option<String>,
    /// The whole item.
    pub raw: Value,
}

impl HistoryEntry {
    /// Parses an item of a history; `None` if it is not an object.
    pub(super) fn from_value(raw: &Value) -> Option<Self> {
        let time = |name: &str| parse_lcs_time(&text(raw, name)?);
        raw.as_object()?;
        Some(Self {
            activity: text(raw, "ActivityId"),
            kind: text(raw, "Type"),
            title: text(raw, "TypeDisplay").or_else(|| text(raw, "Name")),
            started: time("StartDateTimeUTC"),
            ended: time("EndDateTimeUTC"),
            status: text(raw, "Status"),
            raw: raw.clone(),
        })
    }

    /// Whether it is a database refresh. Types of other infrastructures are not published, so a
    /// title that says so counts too.
    pub fn is_refresh(&self) -> bool {
        let is_type = self.kind.as_deref() == Some(REFRESH);
        let has_title = self.title.as_deref().is_some_and(|title| {
            let title = title.to_ascii_lowercase();
            title.contains("refresh") && title.contains("database")
        });
        is_type || has_title
    }

    /// Whether it moves a database and so counts against the daily quota: refreshes and exports.
    pub fn moves_a_database(&self) -> bool {
        let is_export = self.kind.as_deref().is_some_and(|kind| {
            let kind = kind.to_ascii_lowercase();
            kind.contains("export") && kind.contains("db")
        });
        self.is_refresh() || is_export
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_item_is_parsed_in_either_spelling() {
        let item = json!({
            "Name": "Refresh database", "Type": "SFSourceDbToSandbox", "TypeDisplay": "Refresh database",
            "StartDateTimeUTC": "2026-02-14T03:17:48.87", "EndDateTimeUtc": "2026-02-14T06:41:09.37",
            "Status": "Completed", "ActivityId": "8d4a1c02-0a53-4a3b-9a57-0f6a2f2f8f11",
        });
        let entry = HistoryEntry::from_value(&item).unwrap();
        assert!(entry.is_refresh() && entry.moves_a_database());
        assert_eq!(entry.started, "2026-02-14T03:17:48.87Z".parse().ok());
        assert_eq!(entry.ended, "2026-02-14T06:41:09.37Z".parse().ok());
    }

    #[test]
    fn kinds_are_distinguished() {
        let entry = |kind: &str| HistoryEntry::from_value(&json!({ "Type": kind })).unwrap();
        assert!(entry("SFExportSandboxDb").moves_a_database());
        assert!(!entry("SFExportSandboxDb").is_refresh());
        assert!(!entry("SFBinaryHotfix").moves_a_database());
        let titled = json!({"Type": "Other", "TypeDisplay": "Refresh database"});
        assert!(HistoryEntry::from_value(&titled).unwrap().is_refresh());
    }
}
