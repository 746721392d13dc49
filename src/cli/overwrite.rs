//! `--confirm-overwrite KEY`: a person agrees that an edit which the run has met is overwritten.

use super::actor::who;
use crate::base::text::escape;
use crate::engine::Failure;
use crate::journal::{OverwriteConfirmed, Record, State};

/// Refuses a key of which no edit was detected: what nobody has seen cannot be agreed to. Takes the
/// state of the run, if one has begun.
pub(super) fn require_detected(keys: &[String], state: Option<&State>) -> Result<(), Failure> {
    let unknown = keys
        .iter()
        .find(|key| state.is_none_or(|state| state.edit(key).is_none()));
    let Some(key) = unknown else { return Ok(()) };
    let detected: Vec<String> = state
        .into_iter()
        .flat_map(|state| state.edits.keys())
        .map(|key| format!("'{}'", escape(key)))
        .collect();
    Err(Failure::refused(format!(
        "--confirm-overwrite names '{}', and no edit of it was detected; nothing was begun",
        escape(key)
    ))
    .with_help(if detected.is_empty() {
        "leave it out: no edit waits for a confirmation".to_owned()
    } else {
        format!("edits were detected of {}", detected.join(", "))
    }))
}

/// The records of the confirmations: who agreed, and to overwriting which value. A value that
/// somebody writes later is not covered.
pub(super) fn confirmations<'a>(
    keys: &'a [String],
    state: &'a State,
) -> impl Iterator<Item = Record> + 'a {
    keys.iter().filter_map(|key| {
        let edit = state.edit(key)?;
        Some(Record::from(OverwriteConfirmed {
            key: key.clone(),
            found: edit.detected.found.clone(),
            who: who(),
        }))
    })
}
