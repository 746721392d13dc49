//! A plan as text.

use super::{Effect, PlanReport, is_by_hand, values_of};
use crate::base::text::{count, escape};
use crate::engine::{Plan, PlannedChange, PlannedStep};
use crate::report::{Palette, expected_duration};

/// A plan as text: a summary with a legend, then each step with its changes. `with_values` adds what
/// each change sets, before and after.
pub fn plan_text(report: &PlanReport<'_>, palette: Palette, with_values: bool) -> String {
    let plan = report.plan;
    let mut text = format!("Plan for '{}': {}\n", escape(report.target), headline(plan));
    text += &legend(report);
    if !plan.is_empty() {
        text += &format!("{}\n", expected_duration(plan, &report.expected));
    }
    for (index, step) in plan.steps.iter().enumerate() {
        let head = format!("[{}/{}] {}", index + 1, plan.steps.len(), step.name);
        let note = step_note(report, step);
        text += &format!("\n{}: {note}\n", palette.bold(&head));
        for change in &step.changes {
            text += &change_lines(report, change, palette, with_values);
        }
    }
    if !plan.is_empty() {
        text += &notes("Stays off", &report.left_off);
        text += &notes("A run may make other changes", &report.differences);
        text += &notes("Not known yet", &report.unknowns);
    }
    text
}

/// How many changes there are, and who makes them.
pub(super) fn headline(plan: &Plan) -> String {
    let by_hand = plan.by_hand();
    let automatic = plan.len() - by_hand;
    let all = count(plan.len(), "change");
    format!("{all}, {automatic} automatic, {by_hand} by hand")
}

/// How many changes a step has, and how sure they are.
pub(super) fn step_note(report: &PlanReport<'_>, step: &PlannedStep) -> String {
    if let Some(reason) = &step.skip {
        return format!("skipped: {}", escape(reason));
    }
    let forecast = if report.is_forecast(step) {
        ", forecast"
    } else {
        ""
    };
    if step.changes.is_empty() {
        return format!("nothing to do{forecast}");
    }
    let number = count(step.changes.len(), "change");
    let by_hand = step.changes.iter().filter(|it| is_by_hand(it)).count();
    let by_hand = match by_hand {
        0 => String::new(),
        by_hand => format!(", {by_hand} by hand"),
    };
    format!("{number}{by_hand}{forecast}")
}

/// What is counted above the steps.
fn legend(report: &PlanReport<'_>) -> String {
    let effects = effects(report).map(|line| format!("  {line}\n"));
    let lost = report.lost_providers.line.clone();
    let marked = not_undone(report).into_iter().chain(lost);
    let marked = marked.map(|line| format!("  ! {line}\n"));
    effects.into_iter().chain(marked).collect()
}

/// How often each sign occurs, and what it means; none without a change.
pub(super) fn effects(report: &PlanReport<'_>) -> Option<String> {
    let counted = Effect::ALL.map(|effect| (effect, report.count(effect)));
    let parts: Vec<String> = counted
        .into_iter()
        .filter(|(_, number)| *number > 0)
        .map(|(effect, number)| format!("{} {number} {}", effect.sign(), effect.as_text()))
        .collect();
    (!parts.is_empty()).then(|| parts.join("   "))
}

/// How many changes cannot be undone; none for none.
pub(super) fn not_undone(report: &PlanReport<'_>) -> Option<String> {
    let ended = report.final_changes();
    let by_hand = ended.iter().filter(|change| is_by_hand(change)).count();
    let by_hand = match by_hand {
        0 => String::new(),
        by_hand => format!(" ({by_hand} by hand)"),
    };
    (!ended.is_empty()).then(|| {
        format!(
            "{} cannot be undone{by_hand}; a run asks for the target's name before it begins",
            count(ended.len(), "change")
        )
    })
}

fn change_lines(
    report: &PlanReport<'_>,
    change: &PlannedChange,
    palette: Palette,
    with_values: bool,
) -> String {
    let ends = if change.destructive {
        palette.bad("!")
    } else {
        " ".to_owned()
    };
    let effect = Effect::of(change);
    let sign = match effect {
        Effect::Install | Effect::Set => palette.good(effect.sign()),
        Effect::Remove => palette.bad(effect.sign()),
        Effect::Launch => palette.notable(effect.sign()),
    };
    let by = if is_by_hand(change) { " (by hand)" } else { "" };
    let mut text = format!("  {ends} {sign} {}{by}\n", escape(&change.name));
    if with_values {
        for value in values_of(report, change) {
            text += &format!("        {}\n", palette.faint(&escape(&value.line())));
        }
    }
    text
}

/// Notes under a heading; nothing without notes.
fn notes(heading: &str, notes: &[String]) -> String {
    if notes.is_empty() {
        return String::new();
    }
    let lines = notes.iter().map(|note| format!("  - {}\n", escape(note)));
    format!("\n{heading}:\n{}", lines.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{plan, report};
    use super::*;
    use crate::report::{LostProviders, PlanDocument};

    #[test]
    fn counts_come_first_each_effect_has_its_sign_and_forecasts_are_marked() {
        let plan = plan();
        let expected = "\
Plan for 'B': 4 changes, 3 automatic, 1 by hand
  + 1 install or create   ~ 1 set   - 1 remove   > 1 start an operation at a service
  ! 2 changes cannot be undone (1 by hand); a run asks for the target's name before it begins
Expected: 1 h 33 min, as in the last finished run, and its plan for the other steps (usually: \
services 1 h, manual tasks 3 min); plan a window of 3 h

[1/3] copy-environments: 1 change
  ! > copy 'A' onto 'B'

[2/3] reinstall-providers: 3 changes, 1 by hand, forecast
  ! - delete provider '<P>' (by hand)
    + install provider 'P' from the library
    ~ set parameter 'x'

[3/3] reconfigure-dual-write: skipped: not used

Stays off:
  - 1 cloud flow stays off

A run may make other changes:
  - somebody may change the source

Not known yet:
  - the users of the copy
";
        assert_eq!(plan_text(&report(&plan), Palette::plain(), false), expected);
        let detailed = plan_text(&report(&plan), Palette::plain(), true);
        let lines = "    ~ set parameter 'x'\n        value: nothing → sha256:1234\n";
        assert!(detailed.contains(lines), "{detailed}");
    }

    #[test]
    fn a_plan_says_above_its_steps_which_provider_is_not_reinstalled() {
        let plan = plan();
        let line = "1 provider is deleted and not reinstalled: 'P 1' (it is not active)";
        let report = PlanReport {
            lost_providers: LostProviders {
                names: vec!["'P 1' (it is not active)".to_owned()],
                line: Some(line.to_owned()),
            },
            ..report(&plan)
        };
        let text = plan_text(&report, Palette::plain(), false);
        assert!(text.contains(&format!("\n  ! {line}\n")), "{text}");
        let document = serde_json::to_value(PlanDocument::new(&report, "d")).unwrap();
        assert_eq!(document["not-reinstalled"][0], "'P 1' (it is not active)");
    }

    #[test]
    fn a_plan_without_changes_says_only_that() {
        let mut plan = plan();
        plan.steps.iter_mut().for_each(|step| step.changes.clear());
        let text = plan_text(&report(&plan), Palette::plain(), false);
        assert!(text.starts_with("Plan for 'B': 0 changes"), "{text}");
        assert!(
            !text.contains("Expected") && !text.contains("Not known"),
            "{text}"
        );
        assert!(
            text.contains("[1/3] copy-environments: nothing to do\n"),
            "{text}"
        );
    }
}
