//! Is a row still what the seal holds? What is removed must be what was recorded: a row that a
//! person changed after its capture is not deleted without a confirmation.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::RefreshContext;
use super::names::Fields;
use super::row_changes::{Request, row_set};
use super::seals::Part;
use crate::base::redaction::fingerprint;
use crate::clients::Row;
use crate::engine::Action;

/// Columns whose change is not an edit by a person: versions and times that every write changes,
/// states that the service changes (step 6 deactivates a provider before it deletes it), and
/// columns that follow the owner or the environment (a copy gives the target's organization to
/// every row).
const NOT_COMPARED: [&str; 12] = [
    "versionnumber",
    "modifiedon",
    "_modifiedby_value",
    "_modifiedonbehalfby_value",
    "statecode",
    "statuscode",
    "organizationid",
    "_organizationid_value",
    "_owningbusinessunit_value",
    "_owninguser_value",
    "_owningteam_value",
    "timezoneruleversionnumber",
];

/// The member that says whether a row is there.
const PRESENT: &str = "present";

/// A row of the target that a seal holds.
pub(crate) struct SealedRow<'a> {
    /// The entity set of its table.
    pub(crate) entity_set: &'a str,
    /// Its id.
    pub(crate) id: Uuid,
    /// The part of the seal that holds it, and its key there.
    pub(crate) captured: (Part, String),
    /// Its columns in the seal. Empty if only its presence is compared.
    pub(crate) columns: Fields,
}

impl SealedRow<'_> {
    /// The compared fields of the row as it is now; null if it is gone.
    pub(crate) fn compared(&self, now: Option<&Fields>) -> Value {
        compare_removed(&self.columns, now)
    }

    /// The action that removes it.
    pub(crate) fn removal(self, refresh: &Arc<RefreshContext>) -> Action {
        let (part, captured) = self.captured;
        let sealed = self.columns;
        Action::Remove {
            set: row_set(
                refresh,
                self.entity_set,
                self.id,
                move |row: Option<&Row>| compare_removed(&sealed, row.map(|row| &row.value)),
                Request::delete(self.entity_set, self.id),
                Duration::from_mins(1),
            ),
            seal: part.seal(),
            captured: part.key(&captured),
            sealed: json!({ PRESENT: true }),
        }
    }
}

fn compare_removed(sealed: &Fields, now: Option<&Fields>) -> Value {
    now.map_or(Value::Null, |now| compare(PRESENT, sealed, now))
}

/// The compared fields of a row that is there: `{present: true}`, with `changed` if its columns
/// differ from the seal's. Takes the name of the member `present`, the sealed row and the row as it
/// is now.
pub(crate) fn compare(present: &str, sealed: &Fields, now: &Fields) -> Value {
    let mut value = json!({ present: true });
    // The engine refuses to remove a row that the seal does not hold.
    let changed = if sealed.is_empty() {
        Map::new()
    } else {
        changes(sealed, now)
    };
    if !changed.is_empty() {
        value["changed"] = Value::Object(changed);
    }
    value
}

/// Every column that differs, with both values as they may be shown.
fn changes(sealed: &Fields, now: &Fields) -> Map<String, Value> {
    let names: std::collections::BTreeSet<&String> = sealed.keys().chain(now.keys()).collect();
    names
        .into_iter()
        // Annotations repeat columns in the caller's language.
        .filter(|name| !name.contains('@') && !NOT_COMPARED.contains(&name.as_str()))
        .filter_map(|name| {
            let value = |row: &Fields| row.get(name).cloned().unwrap_or(Value::Null);
            let (sealed, now) = (value(sealed), value(now));
            (sealed != now).then(|| {
                let both = json!({ "recorded": fingerprint_text(name, &sealed), "now": fingerprint_text(name, &now) });
                (name.clone(), both)
            })
        })
        .collect()
}

/// A column's value as it may be shown: names, ids and what is not text as they are; any other text
/// may be a secret, and is shown as a fingerprint.
fn fingerprint_text(column: &str, value: &Value) -> Value {
    match value {
        Value::String(text) if !column.ends_with("name") && Uuid::try_parse(text).is_err() => {
            Value::from(fingerprint(text))
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(value: Value) -> Fields {
        match value {
            Value::Object(row) => row,
            other => panic!("{other} is not a row"),
        }
    }

    #[test]
    fn a_row_that_differs_from_its_capture_is_shown_column_by_column() {
        let sealed = row(json!({
            "@odata.etag": "W/\"1\"", "versionnumber": 1, "statecode": 0, "msdyn_name": "FedEx",
            "msdyn_token": "old", "_ownerid_value": "00000000-0000-0000-0000-000000000001",
        }));
        let mut now = sealed.clone();
        for (column, value) in [
            ("@odata.etag", json!("W/\"9\"")),
            ("versionnumber", json!(9)),
            ("statecode", json!(1)),
        ] {
            now.insert(column.to_owned(), value);
        }
        assert_eq!(
            compare("present", &sealed, &now),
            json!({ "present": true })
        );
        now.insert("msdyn_name".to_owned(), json!("FedEx 2"));
        now.insert("msdyn_token".to_owned(), json!("new"));
        now.insert("msdyn_note".to_owned(), Value::Null);
        let compared = compare("present", &sealed, &now);
        assert_eq!(
            compared["changed"]["msdyn_name"],
            json!({ "recorded": "FedEx", "now": "FedEx 2" })
        );
        assert_eq!(compared["changed"].as_object().map(Map::len), Some(2));
        assert!(!compared.to_string().contains("\"new\""), "{compared}");
    }
}
