//! A plan as text.

use super::{Palette, duration};
use crate::base::text::{count, escape};
use crate::engine::{Plan, PlannedChange};
use crate::journal::ChangeKind;

/// A plan as text: a summary, then each step with its changes.
pub fn plan_text(plan: &Plan, target: &str, palette: Palette) -> String {
    let by_hand = plan.by_hand();
    let mut text = format!(
        "Plan for '{}': {}, {} automatic, {by_hand} by hand\n",
        escape(target),
        count(plan.len(), "change"),
        plan.len() - by_hand
    );
    if !plan.is_empty() {
        text += &format!("{}\n", expected_duration(plan));
    }
    for (index, step) in plan.steps.iter().enumerate() {
        let head = format!("[{}/{}] {}", index + 1, plan.steps.len(), step.name);
        let note = match (&step.skip, step.changes.is_empty()) {
            (Some(reason), _) => format!(": skipped: {}", escape(reason)),
            (None, true) => ": nothing to do".to_owned(),
            (None, false) => String::new(),
        };
        text += &format!("\n{}{note}\n", palette.bold(&head));
        for change in &step.changes {
            text += &change_line(change, palette);
        }
    }
    let legend = legend(plan);
    if !legend.is_empty() {
        text += &format!("\n{legend}");
    }
    text
}

/// What the signs before the changes mean, for those that occur.
fn legend(plan: &Plan) -> String {
    let destructive = plan.destructive_keys().len();
    let changes = || plan.steps.iter().flat_map(|step| &step.changes);
    let by_hand = |change: &PlannedChange| change.kind == ChangeKind::ManualTask;
    let mut legend = String::new();
    if changes().any(|change| !by_hand(change) && !change.destructive) {
        legend += "~ the program makes this change\n";
    }
    if changes().any(by_hand) {
        legend += "? a person makes this change, with a worksheet\n";
    }
    if destructive > 0 {
        legend += &format!(
            "{} marked ! cannot be undone; a run asks for the target's name before it begins\n",
            count(destructive, "change")
        );
    }
    legend
}

/// How long a run is expected to take, and the window to book.
pub fn expected_duration(plan: &Plan) -> String {
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

fn change_line(change: &PlannedChange, palette: Palette) -> String {
    let (mark, by) = match change.kind {
        ChangeKind::ManualTask => (palette.notable("?"), " (by hand)"),
        _ if change.destructive => (palette.bad("!"), ""),
        ChangeKind::Set | ChangeKind::Remove | ChangeKind::Launch => (palette.good("~"), ""),
    };
    format!("  {mark} {}{by}\n", escape(&change.name))
}
