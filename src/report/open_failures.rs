//! The open failures of a state file as text: a cause that many changes share is there once.

use super::Palette;
use crate::engine::{FailedChange, causes};
use crate::journal::{Failed, Stamped, State};

/// A block for each cause of these failures: what failed, what to do, and when it failed last.
pub(super) fn failure_blocks(
    state: &State,
    failures: &[&Stamped<Failed>],
    palette: Palette,
) -> String {
    let failed = failures.iter().map(|failure| FailedChange {
        name: failure
            .key
            .as_deref()
            .and_then(|key| change_name(state, key)),
        message: &failure.message,
        help: failure.help.as_deref(),
    });
    let failed: Vec<FailedChange<'_>> = failed.collect();
    let blocks = causes(&failed).into_iter().map(|cause| {
        let mut block = format!("\n{} {}\n", palette.bad("failed:"), cause.text);
        if let Some(help) = cause.help {
            block += &format!("help: {help}\n");
        }
        let last = cause.members.iter().map(|at| failures[*at].time).max();
        block + &last.map_or_else(String::new, |last| format!("when: {last:.0}\n"))
    });
    blocks.collect()
}

/// The name of an automatic change.
fn change_name<'a>(state: &'a State, key: &str) -> Option<&'a str> {
    let set = state.set(key).map(|set| &set.intent);
    let intent = set.or_else(|| state.launch(key).map(|launch| &launch.intent))?;
    Some(&intent.name)
}
