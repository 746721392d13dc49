//! The changes that close surfaces: ordinary sets and removals, or lines of a manual task.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::surface::{Closing, RowRemoval, RowWrite, Surface};
use crate::base::redaction::fingerprint;
use crate::clients::{Row, Table};
use crate::domain::RefreshContext;
use crate::domain::manual_change::ManualChange;
use crate::domain::names::Fields;
use crate::domain::refused_change::announcing_task;
use crate::domain::row_changes::{Request, RowReader, TargetWrite, surveyed_version};
use crate::domain::sealed_row::SealedRow;
use crate::domain::seals::Part;
use crate::engine::{Action, Change, Failure, JournalView, Reading};

/// How long Dataverse may take to show a write.
const SETTLE_TIMEOUT: Duration = Duration::from_mins(1);

/// The change that closes a surface; `None` if step 2 has nothing to do.
pub(crate) async fn change(
    refresh: &Arc<RefreshContext>,
    journal: &JournalView,
    surface: &Surface,
) -> Result<Option<Change>, Failure> {
    let change = match &surface.closing {
        Closing::Nothing | Closing::ByStep { .. } | Closing::Finding(_) => return Ok(None),
        Closing::ByChange { change, .. } if !is_refused(journal, change) => return Ok(None),
        Closing::Set(write)
        | Closing::ByChange {
            otherwise: write, ..
        } => {
            let key = surface.change_key();
            let table = refresh.view(journal).table(write.row.table).await?;
            match journal.permanent_failure(&key) {
                Some(why) => refused(surface, write, why),
                None => announcing_task(set(refresh, &table, key, write)),
            }
        }
        Closing::Remove(removal) => {
            let table = refresh.view(journal).table(removal.row.table).await?;
            remove(refresh, &table.entity_set, surface.change_key(), removal)
        }
        Closing::Ask {
            advice,
            instructions,
            evidence,
        } => ManualChange {
            key: surface.change_key(),
            name: format!("decide about {}", surface.name),
            before: json!({ "waiting": true }),
            after: json!({ "waiting": false }),
            instructions: instructions.clone(),
            evidence: evidence.clone(),
        }
        .into_change()
        .with_advice(advice.iter().cloned()),
    };
    Ok(Some(change))
}

/// Did the service refuse this change for good, whether a person waived it or not?
fn is_refused(journal: &JournalView, change: &str) -> bool {
    journal.permanent_failure(change).is_some() || journal.waived_task_of(change).is_some()
}

fn set(refresh: &Arc<RefreshContext>, table: &Table, key: String, write: &RowWrite) -> Change {
    let columns: Vec<String> = write.after.keys().cloned().collect();
    let id = write.row.id;
    let before = fingerprinted(&write.before);
    let surveyed = surveyed_version(table, &before, write.row.etag.clone());
    let request = Request::patch(&table.entity_set, id, &Value::Object(write.after.clone()));
    let compared = move |row: Option<&Row>| {
        Reading::of(row.map_or(Value::Null, |row| {
            let now = |column: &String| {
                let value = row.value.get(column).cloned();
                (column.clone(), value.unwrap_or(Value::Null))
            };
            fingerprinted(&columns.iter().map(now).collect())
        }))
    };
    Change {
        key,
        name: write.name.clone(),
        before: before.into(),
        after: fingerprinted(&write.after).into(),
        follows: Vec::new(),
        action: Action::Set(Arc::new(TargetWrite {
            refresh: Arc::clone(refresh),
            reader: RowReader::of_surveyed(refresh, &table.entity_set, id, compared, surveyed),
            request: Box::new(move |_| Ok(request.clone())),
            settle_timeout: SETTLE_TIMEOUT,
            is_destructive: write.is_destructive,
            // What could act is closed again, whoever opened it.
            asks_when_undone: false,
        })),
    }
}

/// A row that refused to be written in an earlier process is a person's: the refusal is permanent.
fn refused(surface: &Surface, write: &RowWrite, why: &str) -> Change {
    let by_hand = ManualChange {
        key: surface.change_key(),
        name: write.name.clone(),
        before: fingerprinted(&write.before),
        after: fingerprinted(&write.after),
        instructions: vec![
            format!(
                "'{}' {}. The service refused to change it: {why}",
                surface.name, surface.reach
            ),
            format!("By hand: {}.", write.name),
        ],
        evidence: format!(
            "'{}' can no longer act, or the runbook allows it",
            surface.name
        ),
    };
    let change = if write.is_destructive {
        by_hand.into_destructive_change()
    } else {
        by_hand.into_change()
    };
    change.with_advice([
        "Do what each box says, or allow it by its name under `containment.allow` in the runbook, then \
         run again.",
    ])
}

fn remove(
    refresh: &Arc<RefreshContext>,
    entity_set: &str,
    key: String,
    removal: &RowRemoval,
) -> Change {
    // The seal holds only the columns that the kind reads, so no column is compared.
    let columns = Fields::new();
    let row = SealedRow {
        entity_set,
        id: removal.row.id,
        captured: (Part::Surfaces, removal.row.capture_key()),
        columns,
    };
    Change {
        key,
        name: removal.name.clone(),
        before: row.compared(Some(&Fields::new())).into(),
        after: Value::Null.into(),
        follows: Vec::new(),
        action: row.removal(refresh),
    }
}

/// Columns as they may be shown: text may be an address with a key, or lead to a secret, so it is
/// shown as its fingerprint.
fn fingerprinted(values: &Fields) -> Value {
    let shown = values.iter().map(|(column, value)| {
        let value = match value {
            Value::String(text) => Value::from(fingerprint(text)),
            other => other.clone(),
        };
        (column.clone(), value)
    });
    Value::Object(shown.collect::<Map<_, _>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::containment::SurfaceState;

    /// The service may refuse the program's write, and then a person makes it.
    #[test]
    fn what_cannot_be_restored_is_marked_also_if_a_person_does_it() {
        let row = Row {
            etag: None,
            text: String::new(),
            value: Fields::new(),
        };
        let id = uuid::Uuid::from_u128(1);
        let write = RowWrite::new("t", id, &row, "end it".to_owned(), [("s", json!(3))]);
        let surface = Surface {
            kind: "job",
            id: id.to_string(),
            name: "Newsletter".to_owned(),
            reach: "Bulk Email".to_owned(),
            state: SurfaceState::Open,
            closing: Closing::Nothing,
        };
        assert!(!refused(&surface, &write, "no").is_destructive());
        let ending = write.destructive();
        let change = refused(&surface, &ending, "no");
        assert!(change.is_manual() && change.is_destructive());
    }

    #[test]
    fn a_text_is_never_shown() {
        let values = json!({ "url": "https://shop/?key=secret", "statecode": 1 });
        let Value::Object(values) = values else {
            unreachable!("it is an object");
        };
        let shown = fingerprinted(&values);
        assert_eq!(shown["statecode"], 1);
        assert!(!shown.to_string().contains("secret"), "{shown}");
    }
}
