//! `--confirm-overwrite KEY`: the user agrees to overwrite an edit that the run has detected.

use crate::base::text::escape;
use crate::cli::actor::current_actor;
use crate::engine::Failure;
use crate::journal::{OverwriteConfirmed, Record, State};

/// Refuses a key without a detected edit: the user has not seen what it would overwrite. Takes
/// the state of the run, if one has begun.
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
        "--confirm-overwrite names '{}', but no edit of it was detected; nothing was begun",
        escape(key)
    ))
    .with_help(if detected.is_empty() {
        "remove the flag: no edit waits for a confirmation".to_owned()
    } else {
        format!("detected edits: {}", detected.join(", "))
    }))
}

/// The records of the confirmations: who agreed to overwrite which value. A value that is written
/// later is not covered.
pub(super) fn new_records<'a>(
    keys: &'a [String],
    state: &'a State,
) -> impl Iterator<Item = Record> + 'a {
    keys.iter().filter_map(|key| {
        let edit = state.edit(key)?;
        Some(Record::from(OverwriteConfirmed {
            key: key.clone(),
            found: edit.detected.found.clone(),
            who: current_actor(),
        }))
    })
}
