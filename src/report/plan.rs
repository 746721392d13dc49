//! A plan as text for a person.

use super::{Palette, duration};
use crate::base::text::{count, escape};
use crate::engine::{Plan, PlannedChange};
use crate::journal::ChangeKind;

/// A plan as text: what opens it, then each step with its changes.
pub fn plan_text(plan: &Plan, target: &str, palette: Palette) -> String {
    let by_hand = plan.by_hand();
    let mut text = format!(
        "Plan for '{}': {}, {} automatic, {by_hand} by hand\n",
        escape(target),
        count(plan.len(), "change"),
        plan.len() - by_hand
    );
    if !plan.is_empty() {
        text += &format!("{}\n", expected(plan));
    }
    for (number, step) in plan.steps.iter().enumerate() {
        let head = format!("[{}/{}] {}", number + 1, plan.steps.len(), step.name);
        let told = match (&step.skip, step.changes.is_empty()) {
            (Some(reason), _) => format!(": skipped: {}", escape(reason)),
            (None, true) => ": nothing to do".to_owned(),
            (None, false) => String::new(),
        };
        text += &format!("\n{}{told}\n", palette.bold(&head));
        for change in &step.changes {
            text += &change_text(change, palette);
        }
    }
    if !plan.is_empty() {
        let lasting = plan.destructive_keys().len();
        text += &format!(
            "\n{} marked ! cannot be undone; a run asks for the target's name before it begins\n",
            count(lasting, "change")
        );
    }
    text
}

/// How long it may take, and the window to book.
pub fn expected(plan: &Plan) -> String {
    let by_hand = if plan.by_hand() == 0 {
        "nothing by hand".to_owned()
    } else {
        format!("{} for a person", duration(plan.human_time()))
    };
    format!(
        "Expected: {} for the services, {by_hand}; book a window of {}",
        duration(plan.automatic_time()),
        duration(plan.window())
    )
}

fn change_text(change: &PlannedChange, palette: Palette) -> String {
    let (mark, by) = match change.kind {
        ChangeKind::Ask => (palette.notable("?"), " (by hand)"),
        _ if change.destructive => (palette.bad("!"), ""),
        ChangeKind::Set | ChangeKind::Remove | ChangeKind::Launch => (palette.good("~"), ""),
    };
    format!("  {mark} {}{by}\n", escape(&change.name))
}
