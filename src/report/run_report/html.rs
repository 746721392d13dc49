//! A report as one HTML file: readable in light and in dark, without scripts and without external
//! resources.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};

use super::content::{ContainmentFigures, Figures, RunReport, StepReport, TaskReport};
use super::{break_commands, describe_condition, describe_seconds, last_ending, lines};
use crate::base::text::{count, escape};
use crate::report::documents::StepCondition;

const STYLE: &str = "
:root { color-scheme: light dark; --line: #c8ccd0; --faint: #59636e; --good: #1a7f37; --bad: #cf222e; --notable: #9a6700; }
@media (prefers-color-scheme: dark) { :root { --line: #3d444d; --faint: #9198a1; --good: #3fb950; --bad: #f85149; --notable: #d29922; } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2 { line-height: 1.2; } h2 { margin-top: 2.5rem; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; vertical-align: top; padding: .3rem .6rem; border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
th { font-weight: 600; } .facts th { width: 12rem; color: var(--faint); }
code, pre { font: .9em/1.5 ui-monospace, monospace; } pre { white-space: pre-wrap; overflow-wrap: anywhere; border-left: 3px solid var(--bad); padding-left: 1rem; }
details { margin: .5rem 0; } summary { cursor: pointer; font-weight: 600; }
.good { color: var(--good); } .bad { color: var(--bad); } .notable { color: var(--notable); } .faint { color: var(--faint); }
@media print { details > * { display: block; } }
";

/// The report as HTML.
pub(super) fn render(report: &RunReport) -> String {
    let target = report.run.as_ref().map(|run| run.target.name.as_str());
    let title = format!("Refresh of {}", safe(target.unwrap_or(&report.runbook)));
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy());
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { (title) }
                (facts(report))
                (steps(&report.steps))
                (failures(report))
                (tasks(&report.tasks))
                @if let Some(figures) = &report.figures { (figures_section(figures)) }
                @if let Some(contained) = report.figures.as_ref().and_then(|all| all.containment.as_ref()) {
                    (containment(contained))
                }
                (list("Findings", &report.findings))
                (list("Warnings", &report.warnings))
                (changes(&report.steps))
                (processes(report))
                p.faint { "State file: " code { (safe(&report.state_file)) } }
            }
        }
    };
    // The style contains no `##`, so this changes only texts.
    break_commands(&page.into_string())
}

/// What a browser may do with the page: apply this style, identified by its hash, and nothing else.
/// So no script runs even if a text was not escaped (Content Security Policy Level 3, section 6.6:
/// the hash of the element's exact text).
fn policy() -> String {
    let digest = BASE64_STANDARD.encode(Sha256::digest(STYLE));
    format!("default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'")
}

fn safe(text: &str) -> String {
    escape(text).into_owned()
}

fn row(key: &str, value: &Markup) -> Markup {
    html! { tr { th scope="row" { (key) } td { (value) } } }
}

fn facts(report: &RunReport) -> Markup {
    html! {
        table.facts {
            (row("State", &html! { strong { (safe(&report.condition)) } }))
            @if let Some(run) = &report.run {
                (row("Run", &html! { code { (run.id) } }))
                (row("Target", &html! { (safe(&run.target.name)) " " code { (safe(&run.target.environment)) } }))
                @if let Some(source) = &run.source { (row("Source", &html! { code { (safe(source)) } })) }
                (row("Tenant", &html! { (safe(&run.tenant)) " (" (safe(&run.cloud)) ")" }))
                (row("Runbook", &html! { (safe(&report.runbook)) }))
                @for confirmed in &report.confirmations {
                    (row("Confirmed", &html! {
                        (confirmed.time) " by " (safe(&confirmed.who)) " (" (safe(&confirmed.how)) "), "
                        (count(confirmed.destructive, "destructive change"))
                    }))
                }
                (row("Begun", &html! { (run.began) }))
                (row("Ended", &html! { (run.finished.as_deref().unwrap_or("-")) }))
                (row("Took", &html! { (run.describe_duration()) }))
            }
            @if let Some(next) = &report.next { (row("Next", &html! { code { (safe(next)) } })) }
        }
    }
}

fn class(condition: StepCondition) -> &'static str {
    match condition {
        StepCondition::Done => "good",
        StepCondition::Failed => "bad",
        StepCondition::Begun => "notable",
        StepCondition::NotBegun | StepCondition::Skipped => "faint",
    }
}

fn steps(steps: &[StepReport]) -> Markup {
    html! {
        h2 { "Steps" }
        table {
            thead { tr { th { "#" } th { "Step" } th { "State" } th { "Changes" } th { "Took" } th { "Note" } } }
            tbody {
                @for (at, step) in steps.iter().enumerate() {
                    @let status = &step.status;
                    tr {
                        td { (at + 1) }
                        td { code { (safe(&status.name)) } }
                        td class=(class(status.state)) { (describe_condition(status.state)) }
                        td { (step.describe_changes()) }
                        td { (describe_seconds(status.seconds)) }
                        td { (safe(status.note.as_deref().unwrap_or_default())) }
                    }
                }
            }
        }
    }
}

fn message_text(message: &str) -> String {
    lines(message).collect::<Vec<_>>().join("\n")
}

fn failures(report: &RunReport) -> Markup {
    let ending = last_ending(report);
    html! {
        @if !report.failures.is_empty() || ending.is_some() { h2 { "What stopped it" } }
        @for failure in &report.failures {
            p { code { (safe(&failure.step)) } }
            pre { (message_text(&failure.message)) }
            @if let Some(help) = &failure.help { p { "What to do: " (safe(help)) } }
            p.faint { "When: " (failure.time) }
        }
        @if let Some((ending, message)) = ending {
            p { "Last process: " (safe(&ending.reason)) " (exit " (ending.exit) ")" }
            pre { (message_text(message)) }
        }
    }
}

fn tasks(tasks: &[TaskReport]) -> Markup {
    html! {
        @if !tasks.is_empty() { h2 { "Manual tasks" } }
        @for task in tasks {
            h3 { code { (safe(&task.task)) } " " (task.state.as_text()) }
            table.facts {
                (row("Things", &html! { ul { @for thing in &task.things { li { (safe(thing)) } } } }))
                (row("Waiting since", &html! { (task.since) }))
                @if let Some(completed) = &task.completed {
                    (row("Completed", &html! { (completed) " by " (safe(task.who.as_deref().unwrap_or_default())) }))
                }
                @if let Some(evidence) = &task.evidence { (row("Evidence", &html! { (safe(evidence)) })) }
                @if let Some(reason) = &task.waived { (row("Waived", &html! { (safe(reason)) })) }
                @if task.completed.is_none() {
                    (row("To do", &html! { ul { @for line in &task.instructions { li { (safe(line)) } } } }))
                    (row("Read as evidence", &html! { ul { @for line in &task.expected_evidence { li { (safe(line)) } } } }))
                }
            }
        }
    }
}

fn figures_section(figures: &Figures) -> Markup {
    html! {
        h2 { "Figures" }
        table.facts { @for (what, value) in figures.numbers() { (row(what, &html! { (value) })) } }
        (names("Orchestrations published", &figures.published))
        (names("Drafts left as they were", &figures.drafts))
        @for (reason, flows) in figures.off_by_reason() {
            details {
                summary { (count(flows.len(), "cloud flow")) " off: " (safe(reason)) }
                ul { @for flow in flows { li { (safe(flow)) } } }
            }
        }
    }
}

/// Everything that could act on the outside world, and what became of it.
fn containment(figures: &ContainmentFigures) -> Markup {
    html! {
        h2 { "Containment" }
        p { (safe(&figures.line())) }
        details open[figures.open > 0] {
            summary { (count(figures.surfaces.len(), "surface")) }
            table {
                thead { tr { th { "Kind" } th { "Name" } th { "What it could do" } th { "State" } } }
                tbody {
                    @for surface in &figures.surfaces {
                        tr {
                            td { (safe(&surface.kind)) }
                            td { (safe(&surface.name)) }
                            td { (safe(&surface.reach)) }
                            td { (safe(&surface.outcome())) }
                        }
                    }
                }
            }
        }
    }
}

fn names(title: &str, names: &[String]) -> Markup {
    html! {
        @if !names.is_empty() { h3 { (title) } ul { @for name in names { li { (safe(name)) } } } }
    }
}

fn list(title: &str, items: &[String]) -> Markup {
    html! {
        @if !items.is_empty() { h2 { (title) } ul { @for item in items { li { (safe(item)) } } } }
    }
}

fn changes(steps: &[StepReport]) -> Markup {
    let steps: Vec<_> = steps
        .iter()
        .filter(|step| !step.changes.is_empty())
        .collect();
    html! {
        @if !steps.is_empty() { h2 { "Changes" } }
        @for step in steps {
            details open {
                summary { (safe(&step.status.name)) " (" (step.changes.len()) ")" }
                table {
                    thead { tr { th { "Change" } th { "Phase" } th { "Result" } th { "Took" } } }
                    tbody {
                        @for change in &step.changes {
                            tr {
                                td { (safe(&change.name)) }
                                td { (safe(&change.phase)) }
                                td {
                                    (change.describe_result())
                                    @if change.attempt > 1 { " (attempt " (change.attempt) ")" }
                                }
                                td { (describe_seconds(change.seconds)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn processes(report: &RunReport) -> Markup {
    html! {
        @if !report.processes.is_empty() {
            h2 { "Processes" }
            table {
                thead { tr { th { "Begun" } th { "Process" } th { "Program" } th { "Ended" } th { "How" } } }
                tbody {
                    @for process in &report.processes {
                        tr {
                            td { (process.began) }
                            td { (process.pid) " on " (safe(&process.host)) }
                            td { (safe(&process.program)) }
                            @if let Some(ending) = &process.ending {
                                td { (ending.time) }
                                td { (safe(&ending.reason)) " (exit " (ending.exit) ")" }
                            } @else {
                                td {}
                                td { "no end recorded" }
                            }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::not_begun_report;

    #[test]
    fn the_policy_allows_exactly_the_style_and_nothing_else() {
        let report = not_begun_report(
            "uat",
            "uat.iomcopy.jsonl",
            &["copy-environments"],
            "iomcopy run",
        );
        let page = render(&report);
        let style = page.split("<style>").nth(1).unwrap();
        let style = style.split("</style>").next().unwrap();
        let hash = BASE64_STANDARD.encode(Sha256::digest(style));
        let policy = format!("content=\"default-src 'none'; style-src 'sha256-{hash}';");
        assert!(page.contains(&policy), "{page}");
        assert_eq!(
            page.matches(" style=").count(),
            0,
            "a hash does not allow style attributes"
        );
    }
}
