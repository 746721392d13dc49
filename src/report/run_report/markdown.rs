//! A report as Markdown, as GitHub and Azure Pipelines read it.

use super::content::{ChangeReport, RunReport, StepReport, ValueChange};
use super::figures::{ContainmentFigures, Figures};
use super::manual_tasks::TaskReport;
use super::{HOW_TO_READ, NEEDS_A_LOOK, describe_seconds, last_ending, lines};
use crate::base::text::count;
use crate::report::documents::Findings;
use crate::report::hindrances::AT_FIRST;
use crate::report::markdown::{cell_of_lines, code, list, table, text};
use crate::report::page::{InstructionPart, instruction_parts};

/// How much the report contains.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Extent {
    /// Everything.
    Whole,
    /// Everything except the single changes.
    WithoutChanges,
}

/// The report as Markdown.
pub(super) fn render(report: &RunReport, extent: Extent) -> String {
    let mut parts = vec![head(report), steps(report), failures(report)];
    parts.push(tasks(&report.tasks));
    parts.extend(report.figures.as_ref().map(figures));
    parts.extend(report.containment().map(containment));
    parts.push(findings(&report.findings));
    parts.push(list(&format!("## {AT_FIRST}"), &report.hindrances));
    parts.push(list(&format!("## {HOW_TO_READ}"), &report.warnings));
    if extent == Extent::Whole {
        parts.push(changes(&report.steps));
    }
    parts.push(history(report));
    parts.push(format!("State file: {}", code(&report.state_file)));
    parts.retain(|part| !part.is_empty());
    parts.join("\n\n")
}

fn head(report: &RunReport) -> String {
    let mut rows = vec![["State".to_owned(), text(&report.condition)]];
    let mut row = |key: &str, value: String| rows.push([key.to_owned(), value]);
    let title = match &report.run {
        None => code(&report.runbook),
        Some(run) => {
            let target = &run.target;
            row("Run", code(&run.id));
            let environment = code(&target.environment);
            row("Target", format!("{} ({environment})", text(&target.name)));
            if let Some(source) = &run.source {
                row("Source", code(source));
            }
            let cloud = text(&run.cloud);
            row("Tenant", format!("{} ({cloud})", text(&run.tenant)));
            row("Runbook", code(&report.runbook));
            for confirmed in &report.confirmations {
                let destructive = count(confirmed.destructive, "destructive change");
                let (time, who) = (text(&confirmed.time), text(&confirmed.who));
                let how = text(&confirmed.how);
                row(
                    "Confirmed",
                    format!("{time} by {who} ({how}), {destructive}"),
                );
            }
            row("Begun", text(&run.began));
            let ended = run.finished.as_deref();
            row("Ended", ended.map_or("-".to_owned(), text));
            row("Took", text(&run.describe_duration()));
            format!("of {}", text(&target.name))
        }
    };
    let table = table(["", ""], rows);
    format!("# Refresh {title}\n\n{table}{}", next(report))
}

fn next(report: &RunReport) -> String {
    let next = report.next.as_deref();
    next.map(|next| format!("\n\nNext: {}", code(next)))
        .unwrap_or_default()
}

fn steps(report: &RunReport) -> String {
    let rows = report.steps.iter().enumerate().map(|(at, step)| {
        let status = &step.status;
        [
            (at + 1).to_string(),
            code(&status.name),
            status.state.as_text().to_owned(),
            step.describe_changes(),
            describe_seconds(status.seconds),
            status.note.as_deref().map(text).unwrap_or_default(),
        ]
    });
    let table = table(["#", "Step", "State", "Changes", "Took", "Note"], rows);
    format!("## Steps\n\n{table}")
}

fn failures(report: &RunReport) -> String {
    let mut section = String::new();
    for failure in &report.failures {
        section += &format!(
            "### {}\n\n{}\n",
            code(&failure.step),
            block(&failure.message)
        );
        if let Some(help) = &failure.help {
            section += &format!("\nWhat to do: {}\n", text(help));
        }
        section += &format!("\nWhen: {}\n", text(&failure.time));
    }
    // Not only steps fail: a later process may have been refused before it tried anything.
    if let Some((ending, message)) = last_ending(report) {
        section += &format!(
            "\n### Last process: {} (exit {})\n\n{}\n",
            text(&ending.reason),
            ending.exit,
            block(message)
        );
    }
    if section.is_empty() {
        return section;
    }
    format!("## What stopped it\n\n{}", section.trim_end())
}

fn tasks(tasks: &[TaskReport]) -> String {
    if tasks.is_empty() {
        return String::new();
    }
    let rows = tasks.iter().map(|task| {
        let evidence = match (&task.waived, &task.evidence) {
            (Some(reason), _) => format!("waived: {}", text(reason)),
            (None, Some(evidence)) => text(evidence),
            (None, None) => cell_of_lines(&task.expected_evidence),
        };
        [
            code(&task.task),
            task.describe_state(),
            cell_of_lines(&things_of(task)),
            text(task.completed.as_ref().unwrap_or(&task.since)),
            task.who.as_deref().map(text).unwrap_or_default(),
            evidence,
        ]
    });
    let table = table(["Task", "State", "Things", "When", "Who", "Evidence"], rows);
    let mut sheets = String::new();
    for task in tasks.iter().filter(|task| task.is_open()) {
        sheets += &format!("\n\n### To do: {}\n", code(&task.task));
        sheets += &boxes(task);
    }
    format!("## Manual tasks\n\n{table}{sheets}")
}

/// What to do in an open task: the advice as paragraphs, then a box for each thing. It begins with a
/// line break.
pub(super) fn boxes(task: &TaskReport) -> String {
    let mut text = String::new();
    for line in &task.advice {
        text += &format!("\n{}\n", instruction(line));
    }
    for thing in &task.to_do {
        let (head, below) = thing.lines();
        text += &format!("\n- [ ] {}", instruction(head));
        for line in below {
            text += &format!("\n  - {}", instruction(line));
        }
    }
    text
}

/// The things of a task, with what is known about each.
fn things_of(task: &TaskReport) -> Vec<String> {
    let things = task.outcomes.iter().map(|thing| {
        let note = task.note_on(thing);
        if note.is_empty() {
            return thing.name.clone();
        }
        format!("{} ({note})", thing.name)
    });
    things.collect()
}

fn figures(figures: &Figures) -> String {
    let numbers = figures
        .numbers()
        .into_iter()
        .map(|(what, value)| [what.to_owned(), text(&value)]);
    let mut parts = vec![format!("## Figures\n\n{}", table(["", ""], numbers))];
    parts.push(list("### Orchestrations published", &figures.published));
    parts.push(list("### Drafts left unchanged", &figures.drafts));
    if !figures.flows_off.is_empty() {
        let rows = figures
            .off_by_reason()
            .into_iter()
            .flat_map(|(reason, names)| {
                let row = move |name: &str| [text(name), text(reason)];
                names.into_iter().map(row).collect::<Vec<_>>()
            });
        let table = table(["Flow", "Why it is off"], rows);
        parts.push(format!("### Cloud flows left off\n\n{table}"));
    }
    parts.retain(|part| !part.is_empty());
    parts.join("\n\n")
}

/// Everything that could act on the outside world, and the outcome for it.
fn containment(figures: &ContainmentFigures) -> String {
    let rows = figures.surfaces.iter().map(|surface| {
        [
            text(&surface.kind),
            text(&surface.name),
            text(&surface.reach),
            text(&surface.outcome()),
        ]
    });
    let table = table(["Kind", "Name", "What it could do", "State"], rows);
    format!("## Containment\n\n{}\n\n{table}", text(&figures.line()))
}

/// What needs a look, each with what to do about it.
fn findings(findings: &Findings) -> String {
    if findings.texts.is_empty() {
        return String::new();
    }
    let mut items = String::new();
    for group in findings.groups() {
        for finding in &group.texts {
            items += &format!("\n- {}", text(finding));
        }
        let fix = group.fix().map(|fix| format!("\n  - {}", text(&fix)));
        items += &fix.unwrap_or_default();
    }
    format!("## {NEEDS_A_LOOK}\n{items}")
}

fn changes(steps: &[StepReport]) -> String {
    let mut parts = vec!["## Changes".to_owned()];
    for (at, step) in steps
        .iter()
        .enumerate()
        .filter(|(_, step)| !step.changes.is_empty())
    {
        let table = table(
            ["Change", "Phase", "Before → after", "Result", "Took"],
            step.changes.iter().map(change),
        );
        parts.push(format!(
            "### {}. {}\n\n{table}",
            at + 1,
            code(&step.status.name)
        ));
    }
    if parts.len() == 1 {
        return String::new();
    }
    parts.join("\n\n")
}

fn change(change: &ChangeReport) -> [String; 5] {
    [
        text(&change.name),
        text(&change.phase),
        cell_of_lines(
            &change
                .values
                .iter()
                .map(ValueChange::line)
                .collect::<Vec<_>>(),
        ),
        change.describe_result(),
        change.describe_time(),
    ]
}

fn history(report: &RunReport) -> String {
    if report.processes.is_empty() {
        return String::new();
    }
    let rows = report.processes.iter().map(|process| {
        let ending = process.ending.as_ref();
        [
            text(&process.began),
            format!("{} on {}", process.pid, text(&process.host)),
            text(&process.program),
            ending.map(|ending| text(&ending.time)).unwrap_or_default(),
            ending.map_or(process.describe_no_ending().to_owned(), |ending| {
                format!("{} (exit {})", text(&ending.reason), ending.exit)
            }),
        ]
    });
    let table = table(["Begun", "Process", "Program", "Ended", "How"], rows);
    format!("## Processes\n\n{table}")
}

/// An instruction of a worksheet: an address to copy as code, the record as a link.
fn instruction(line: &str) -> String {
    let part = |part| match part {
        InstructionPart::Text(given) => text(given),
        InstructionPart::Address(address) => code(address),
        InstructionPart::Link(address) => format!(" ([open the record](<{address}>))"),
    };
    instruction_parts(line).into_iter().map(part).collect()
}

/// The lines as a quotation.
fn block(given: &str) -> String {
    let lines: Vec<String> = lines(given)
        .map(|line| format!("> {}", text(&line)))
        .collect();
    lines.join("  \n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_of_lines_is_a_quotation() {
        assert_eq!(block("one\n# two"), "> one  \n> &#35; two");
    }
}
