//! A plan as Markdown: the summary of a pipeline's job, for those who approve it.

use super::text::{effects, headline, not_undone, step_note};
use super::{Effect, PlanFacts, PlanReport, is_by_hand, values_of};
use crate::engine::{PlannedChange, PlannedStep};
use crate::report::markdown::{cell_of_lines, code, list, table, text};
use crate::report::run_report::ValueChange;
use crate::report::{Pipeline, expected_duration};

/// The plan as Markdown of at most this many bytes, without a final line break: whole, else without
/// its single changes. None if even that is longer. Takes the pipeline that shows it: GitHub folds the
/// changes of each step.
pub fn plan_markdown_within(
    report: &PlanReport<'_>,
    facts: &PlanFacts<'_>,
    pipeline: Pipeline,
    bytes: usize,
) -> Option<String> {
    let short = [
        head(report, facts),
        names("## Cannot be undone", &report.final_changes()),
        steps(report),
        list("## Stays off", &report.left_off),
        list("## A run may make other changes", &report.differences),
        list("## Not known yet", &report.unknowns),
    ];
    let short: Vec<String> = short.into_iter().filter(|part| !part.is_empty()).collect();
    let short = short.join("\n\n");
    let whole = format!("{short}\n\n## Changes\n\n{}", changes(report, pipeline));
    let whole = (!report.plan.is_empty()).then_some(whole);
    whole
        .into_iter()
        .chain([short])
        .find(|text| text.len() <= bytes)
}

fn head(report: &PlanReport<'_>, facts: &PlanFacts<'_>) -> String {
    let plan = report.plan;
    let mut counts = vec![headline(plan)];
    counts.extend(effects(report));
    let mut rows = vec![["Changes".to_owned(), cell_of_lines(&counts)]];
    let mut row = |key: &str, value: String| rows.push([key.to_owned(), value]);
    if let Some(line) = not_undone(report) {
        row("Cannot be undone", format!("**{}**", text(&line)));
    }
    if let Some(line) = &report.lost_providers.line {
        row("Lost", format!("**{}**", text(line)));
    }
    let target = format!("{} ({})", text(report.target), code(&facts.target_id));
    row("Target, overwritten", target);
    row("Source, only read", code(&facts.source_id));
    row("Runbook", code(facts.runbook));
    if !plan.is_empty() {
        row("Time", text(&expected_duration(plan, &report.expected)));
    }
    row("Made", text(&format!("{:.0}", facts.made)));
    row("Digest", code(facts.digest));
    row("Next", code(&facts.next));
    let note = facts.note.as_deref();
    let note = note.map(|note| format!("**Note:** {}\n\n", text(note)));
    format!(
        "# Plan for {}\n\n{}{}",
        text(report.target),
        note.unwrap_or_default(),
        table(["", ""], rows)
    )
}

/// The names of changes under a heading; empty without changes.
fn names(heading: &str, changes: &[&PlannedChange]) -> String {
    let names: Vec<String> = changes.iter().map(|change| name(change)).collect();
    list(heading, &names)
}

fn name(change: &PlannedChange) -> String {
    let by_hand = if is_by_hand(change) { " (by hand)" } else { "" };
    format!("{}{by_hand}", change.name)
}

fn steps(report: &PlanReport<'_>) -> String {
    let rows = report.plan.steps.iter().enumerate().map(|(at, step)| {
        [
            (at + 1).to_string(),
            code(&step.name),
            text(&step_note(report, step)),
        ]
    });
    let table = table(["#", "Step", "Changes"], rows);
    format!("## Steps\n\n{table}")
}

/// The changes of each step, with the values before and after.
fn changes(report: &PlanReport<'_>, pipeline: Pipeline) -> String {
    let steps = report.plan.steps.iter().enumerate();
    let steps = steps.filter(|(_, step)| !step.changes.is_empty());
    let sections = steps.map(|(at, step)| {
        let rows = step.changes.iter().map(|change| row(report, change));
        let table = table(["", "Change", "Before → after"], rows);
        let title = title(at, step);
        match pipeline {
            Pipeline::GitHub => format!(
                "<details><summary>{}</summary>\n\n{table}\n\n</details>",
                text(&title)
            ),
            Pipeline::Azure => format!("### {}\n\n{table}", text(&title)),
        }
    });
    sections.collect::<Vec<String>>().join("\n\n")
}

fn title(at: usize, step: &PlannedStep) -> String {
    format!("{}. {} ({})", at + 1, step.name, step.changes.len())
}

fn row(report: &PlanReport<'_>, change: &PlannedChange) -> [String; 3] {
    let ends = if change.destructive { "! " } else { "" };
    let values = values_of(report, change);
    let values: Vec<String> = values.iter().map(ValueChange::line).collect();
    [
        format!("{ends}{}", text(Effect::of(change).sign())),
        text(&name(change)),
        cell_of_lines(&values),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::tests::{facts, plan, report};
    use super::*;
    use crate::report::LostProviders;

    #[test]
    fn what_an_approver_must_know_comes_first_and_the_changes_last() {
        let plan = plan();
        let lost = "1 provider is deleted and not reinstalled: 'P 1'";
        let report = PlanReport {
            lost_providers: LostProviders {
                names: vec!["'P 1'".to_owned()],
                line: Some(lost.to_owned()),
            },
            ..report(&plan)
        };
        let facts = facts();
        let github = plan_markdown_within(&report, &facts, Pipeline::GitHub, 100_000).unwrap();
        let parts = [
            "# Plan for B\n",
            "| Changes | 4 changes, 3 automatic, 1 by hand<br>+ 1 install or create",
            "**2 changes cannot be undone (1 by hand)",
            lost,
            "| Digest | `abcd` |",
            "`iomcopy run uat.yaml --plan uat.plan`",
            "## Cannot be undone\n\n- copy 'A' onto 'B'\n- delete provider '&lt;P&gt;' (by hand)\n",
            "| 2 | `reinstall-providers` | 3 changes, 1 by hand, forecast |",
            "| 3 | `reconfigure-dual-write` | skipped: not used |",
            "## Stays off",
            "## A run may make other changes",
            "## Not known yet",
            "## Changes",
            "<details><summary>2. reinstall-providers (3)</summary>",
            "| ! - | delete provider '&lt;P&gt;' (by hand) |",
            "value: nothing → sha256:1234",
        ];
        let mut rest = github.as_str();
        for part in parts {
            let at = rest.find(part);
            rest = &rest[at.unwrap_or_else(|| panic!("{part} in {rest}"))..];
        }
        let azure = plan_markdown_within(&report, &facts, Pipeline::Azure, 100_000).unwrap();
        assert!(!azure.contains("<details>"), "{azure}");
        assert!(azure.contains("### 2. reinstall-providers (3)"), "{azure}");
    }

    #[test]
    fn a_plan_that_is_too_long_is_shown_without_its_single_changes() {
        let plan = plan();
        let (report, facts) = (report(&plan), facts());
        let within = |bytes| plan_markdown_within(&report, &facts, Pipeline::GitHub, bytes);
        let whole = within(100_000).unwrap();
        let short = within(whole.len() - 1).unwrap();
        assert!(whole.starts_with(&short) && !short.contains("## Changes"));
        assert_eq!(within(short.len() - 1), None);
    }

    #[test]
    fn a_plan_without_changes_says_why() {
        let mut plan = plan();
        plan.steps.iter_mut().for_each(|step| step.changes.clear());
        let facts = PlanFacts {
            note: Some("the last refresh finished 3 h ago".to_owned()),
            ..facts()
        };
        let report = report(&plan);
        let text = plan_markdown_within(&report, &facts, Pipeline::GitHub, 100_000).unwrap();
        let start = "# Plan for B\n\n**Note:** the last refresh finished 3 h ago\n";
        assert!(text.starts_with(start), "{text}");
        assert!(text.contains("| Changes | 0 changes, "), "{text}");
        assert!(
            !text.contains("## Changes") && !text.contains("Time"),
            "{text}"
        );
    }
}
