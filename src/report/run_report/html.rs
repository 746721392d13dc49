//! A report as one HTML file: readable in light and in dark, on a phone and on paper, without
//! scripts and without external resources.
//!
//! ```text
//! style.css    the page's only style; it follows the browser's light or dark
//! timeline.rs  the night as rows of bars
//! graph.rs     an orchestration's stages; layout.rs gives its tiles their places
//! wiring.rs    connection references, before and now
//! ```

mod graph;
mod layout;
mod timeline;
mod wiring;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};

use super::content::{
    ChangeReport, ContainmentFigures, Figures, RunReport, StepReport, TaskReport, ValueChange,
};
use super::{break_commands, describe_seconds, last_ending, lines};
use crate::base::text::{count, escape};
use crate::report::documents::StepCondition;

const STYLE: &str = include_str!("html/style.css");

/// A part of the page.
struct Section {
    /// Its heading.
    title: &'static str,
    /// The name of its heading for links within the page.
    id: &'static str,
    content: Markup,
}

/// The report as HTML.
pub(super) fn render(report: &RunReport) -> String {
    let target = report.run.as_ref().map(|run| run.target.name.as_str());
    let title = format!("Refresh of {}", safe(target.unwrap_or(&report.runbook)));
    let sections = sections(report);
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
                header {
                    h1 { (title) }
                    (facts(report))
                    nav aria-label="Contents" {
                        ul { @for section in &sections { li { a href=(format!("#{}", section.id)) { (section.title) } } } }
                    }
                }
                main {
                    @for section in &sections {
                        section aria-labelledby=(section.id) {
                            h2 id=(section.id) { (section.title) }
                            (section.content)
                        }
                    }
                }
                footer { p.faint { "State file: " code { (safe(&report.state_file)) } } }
            }
        }
    };
    // The style contains no `##`, so this changes only texts.
    break_commands(&page.into_string())
}

/// The parts of the page that have something to show, in order.
fn sections(report: &RunReport) -> Vec<Section> {
    let pictures = &report.pictures;
    let figures = report.figures.as_ref();
    let is_stopped = !report.failures.is_empty() || last_ending(report).is_some();
    let has_changes = report.steps.iter().any(|step| !step.changes.is_empty());
    let all = [
        is_stopped.then(|| ("What stopped it", "stopped", failures(report))),
        (!report.tasks.is_empty()).then(|| ("Manual tasks", "tasks", tasks(&report.tasks))),
        Some(("Steps", "steps", steps(&report.steps))),
        pictures
            .timeline
            .as_ref()
            .map(|drawn| ("Timeline", "timeline", timeline::timeline(drawn))),
        figures.map(|figures| ("Figures", "figures", figures_section(figures))),
        list("Findings", "findings", &report.findings),
        list("Warnings", "warnings", &report.warnings),
        report
            .containment()
            .map(|contained| ("Containment", "containment", containment(contained))),
        (!pictures.orchestrations.is_empty()).then(|| {
            let drawn = graph::orchestrations(&pictures.orchestrations);
            ("Orchestrations", "orchestrations", drawn)
        }),
        (!pictures.wires.is_empty()).then(|| {
            (
                "Connections",
                "connections",
                wiring::wiring(&pictures.wires),
            )
        }),
        has_changes.then(|| ("Changes", "changes", changes(&report.steps))),
        (!report.processes.is_empty()).then(|| ("Processes", "processes", processes(report))),
    ];
    all.into_iter()
        .flatten()
        .map(|(title, id, content)| Section { title, id, content })
        .collect()
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

/// A table whose rows become blocks on a phone, each cell with its column's name. The roles keep it
/// a table for a screen reader then too.
fn table(head: &[&str], rows: impl IntoIterator<Item = Vec<Markup>>) -> Markup {
    html! {
        table.stack role="table" {
            thead role="rowgroup" {
                tr role="row" { @for title in head { th role="columnheader" scope="col" { (title) } } }
            }
            tbody role="rowgroup" {
                @for cells in rows {
                    tr role="row" {
                        @for (title, cell) in head.iter().zip(&cells) {
                            // An empty cell has no text at all, so that a phone can leave it out.
                            td role="cell" data-label=(title) { (cell) }
                        }
                    }
                }
            }
        }
    }
}

/// A cell of text.
fn cell(text: &str) -> Markup {
    html! { (safe(text)) }
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

/// The sign of a state, because a colour alone says nothing to some.
fn sign(condition: StepCondition) -> &'static str {
    match condition {
        StepCondition::Done => "✓ ",
        StepCondition::Failed => "✗ ",
        StepCondition::Begun => "▸ ",
        StepCondition::NotBegun | StepCondition::Skipped => "– ",
    }
}

fn steps(steps: &[StepReport]) -> Markup {
    let rows = steps.iter().enumerate().map(|(at, step)| {
        let status = &step.status;
        vec![
            html! { (at + 1) },
            html! { code { (safe(&status.name)) } },
            html! {
                span class=(class(status.state)) { (sign(status.state)) (status.state.as_text()) }
            },
            cell(&step.describe_changes()),
            cell(&describe_seconds(status.seconds)),
            cell(status.note.as_deref().unwrap_or_default()),
        ]
    });
    table(&["#", "Step", "State", "Changes", "Took", "Note"], rows)
}

fn message_text(message: &str) -> String {
    lines(message).collect::<Vec<_>>().join("\n")
}

fn failures(report: &RunReport) -> Markup {
    html! {
        @for failure in &report.failures {
            p { code { (safe(&failure.step)) } }
            pre { (message_text(&failure.message)) }
            @if let Some(help) = &failure.help { p { "What to do: " (safe(help)) } }
            p.faint { "When: " (failure.time) }
        }
        @if let Some((ending, message)) = last_ending(report) {
            p { "Last process: " (safe(&ending.reason)) " (exit " (ending.exit) ")" }
            pre { (message_text(message)) }
        }
    }
}

fn tasks(tasks: &[TaskReport]) -> Markup {
    html! {
        @for task in tasks {
            h3 { code { (safe(&task.task)) } " " (task.state.as_text()) }
            table.facts {
                (row("Things", &html! { ul.plain { @for thing in &task.things { li { (safe(thing)) } } } }))
                (row("Waiting since", &html! { (task.since) }))
                @if let Some(completed) = &task.completed {
                    (row("Completed", &html! { (completed) " by " (safe(task.who.as_deref().unwrap_or_default())) }))
                }
                @if let Some(evidence) = &task.evidence { (row("Evidence", &html! { (safe(evidence)) })) }
                @if let Some(reason) = &task.waived { (row("Waived", &html! { (safe(reason)) })) }
                @if task.completed.is_none() {
                    (row("To do", &html! { ul.plain { @for line in &task.instructions { li { "☐ " (safe(line)) } } } }))
                    (row("Read as evidence", &html! { ul.plain { @for line in &task.expected_evidence { li { (safe(line)) } } } }))
                }
            }
        }
    }
}

fn figures_section(figures: &Figures) -> Markup {
    html! {
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
    let rows = figures.surfaces.iter().map(|surface| {
        vec![
            cell(&surface.kind),
            cell(&surface.name),
            cell(&surface.reach),
            cell(&surface.outcome()),
        ]
    });
    html! {
        p { (safe(&figures.line())) }
        details open[figures.open > 0] {
            summary { (count(figures.surfaces.len(), "surface")) }
            (table(&["Kind", "Name", "What it could do", "State"], rows))
        }
    }
}

fn names(title: &str, names: &[String]) -> Markup {
    html! {
        @if !names.is_empty() { h3 { (title) } ul { @for name in names { li { (safe(name)) } } } }
    }
}

/// The parts of a section that lists texts; none without texts.
fn list(
    title: &'static str,
    id: &'static str,
    items: &[String],
) -> Option<(&'static str, &'static str, Markup)> {
    let list = html! { ul { @for item in items { li { (safe(item)) } } } };
    (!items.is_empty()).then_some((title, id, list))
}

fn changes(steps: &[StepReport]) -> Markup {
    html! {
        @for step in steps.iter().filter(|step| !step.changes.is_empty()) {
            details open {
                summary { h3 { (safe(&step.status.name)) " (" (step.changes.len()) ")" } }
                (table(&["Change", "Phase", "Before → after", "Result", "Took"], step.changes.iter().map(change)))
            }
        }
    }
}

fn change(change: &ChangeReport) -> Vec<Markup> {
    vec![
        cell(&change.name),
        cell(&change.phase),
        values(&change.values),
        html! {
            (change.describe_result())
            @if change.attempt > 1 { " (attempt " (change.attempt) ")" }
        },
        cell(&describe_seconds(change.seconds)),
    ]
}

/// The values that a change changes. The sign between them says the order, not the style alone.
fn values(values: &[ValueChange]) -> Markup {
    let shown = |value: Option<&str>| safe(value.unwrap_or("nothing"));
    html! {
        @if !values.is_empty() {
            ul.plain.value {
                @for value in values {
                    li {
                        @if !value.name.is_empty() { span.faint { (safe(&value.name)) ": " } }
                        (shown(value.before.as_deref())) " → " ins { (shown(value.after.as_deref())) }
                    }
                }
            }
        }
    }
}

fn processes(report: &RunReport) -> Markup {
    let rows = report.processes.iter().map(|process| {
        let mut cells = vec![
            cell(&process.began),
            html! { (process.pid) " on " (safe(&process.host)) },
            cell(&process.program),
        ];
        cells.extend(match &process.ending {
            Some(ending) => [
                cell(&ending.time),
                html! { (safe(&ending.reason)) " (exit " (ending.exit) ")" },
            ],
            None => [cell(""), cell("no end recorded")],
        });
        cells
    });
    table(&["Begun", "Process", "Program", "Ended", "How"], rows)
}

#[cfg(test)]
mod tests {
    use super::super::content::ChangeResult;
    use super::super::pictures::{Mark, OrchestrationPicture, OutlineArrow, Stage, TilePicture};
    use super::*;
    use crate::journal::ChangeKind;
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
    /// A report with something in every part that is drawn, and with markup in every name.
    fn small_report() -> RunReport {
        let mut report = not_begun_report("<i>uat</i>", "s.jsonl", &["copy"], "iomcopy run");
        report.steps[0].changes.push(ChangeReport {
            key: "k".to_owned(),
            name: "set <b>A</b>".to_owned(),
            phase: "p".to_owned(),
            kind: ChangeKind::Set,
            result: ChangeResult::Done,
            began: String::new(),
            seconds: Some(3),
            attempt: 1,
            values: vec![ValueChange {
                name: "owner".to_owned(),
                before: Some("<old>".to_owned()),
                after: Some("<new>".to_owned()),
            }],
        });
        let tile = |name: &str, mark, action: Option<&str>| TilePicture {
            name: name.to_owned(),
            mark,
            action: action.map(str::to_owned),
        };
        report.pictures.orchestrations = vec![OrchestrationPicture {
            name: "<u>order</u>".to_owned(),
            stages: vec![Stage {
                title: "Before",
                tiles: vec![
                    tile("<s>start</s>", Mark::Plain, None),
                    tile("send", Mark::Old, Some("<a>")),
                ],
                arrows: vec![OutlineArrow {
                    from: 0,
                    to: 1,
                    label: Some("<yes>".to_owned()),
                }],
            }],
        }];
        report
    }

    #[test]
    fn every_name_is_text_and_never_markup() {
        let page = render(&small_report());
        for tag in ["<i>", "<b>", "<old>", "<new>", "<u>", "<s>", "<a>", "<yes>"] {
            assert!(!page.contains(tag), "{tag}");
            let escaped = tag.replace('<', "&lt;").replace('>', "&gt;");
            assert!(page.contains(&escaped), "{escaped}\n{page}");
        }
    }

    #[test]
    fn every_link_leads_to_a_heading_and_no_level_of_headings_is_left_out() {
        let page = render(&small_report());
        let (_, page) = page.split_once("</style>").unwrap();
        let mut level = 0;
        for (at, _) in page.match_indices("<h") {
            let digit = page[at + 2..].chars().next().and_then(|it| it.to_digit(10));
            let Some(found) = digit else { continue };
            assert!(found <= level + 1, "h{found} after h{level}");
            level = found;
        }
        let links: Vec<&str> = page.split("href=\"#").skip(1).collect();
        assert!(links.len() >= 3, "{page}");
        for link in links {
            let id = link.split('"').next().unwrap();
            let heading = format!("<h2 id=\"{id}\">");
            assert_eq!(page.matches(&heading).count(), 1, "{id}");
        }
    }

    #[test]
    fn a_change_shows_its_values_and_a_tile_its_action() {
        let page = render(&small_report());
        let change =
            "<li><span class=\"faint\">owner: </span>&lt;old&gt; → <ins>&lt;new&gt;</ins></li>";
        assert!(page.contains(change), "{page}");
        assert!(page.contains("● old action"), "{page}");
        assert!(page.contains("2 tiles, 1 old action"), "{page}");
    }
}
