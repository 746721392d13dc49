//! A report as a page for a browser.
//!
//! ```text
//! tasks.rs     the worksheets, with boxes to tick
//! timeline.rs  the night as rows of bars
//! graph.rs     an orchestration's stages
//! connections.rs
//!              connection references, before and now
//! ```

mod connections;
mod graph;
mod tasks;
mod timeline;

use maud::{Markup, html};

use super::content::{ChangeReport, RunReport, StepReport};
use super::figures::{ContainmentFigures, Figures};
use super::graph::GraphPicture;
use super::manual_tasks::TaskState;
use super::pictures::planned_wires;
use super::{HOW_TO_READ, NEEDS_A_LOOK, describe_seconds, last_ending, lines};
use crate::base::text::count;
use crate::engine::Plan;
use crate::report::documents::{Findings, RunState, StepCondition};
use crate::report::hindrances::AT_FIRST;
use crate::report::page::{Page, Section, breakable, cell, list, row, safe, table, time, values};

/// How many changes may be unfolded at once: more would hide what comes after them.
const UNFOLDED_CHANGES: usize = 40;

/// Is the page written once, or kept current during a run?
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum PageUpdates {
    Once,
    KeptCurrent,
}

/// The report as HTML.
pub(super) fn render(report: &RunReport, updates: PageUpdates) -> String {
    let target = report.run.as_ref().map(|run| run.target.name.as_str());
    let is_current = updates == PageUpdates::KeptCurrent && report.state == RunState::Running;
    let page = Page {
        title: format!("Refresh of {}", safe(target.unwrap_or(&report.runbook))),
        head: html! {
            (facts(report))
            @if is_current { (how_to_update(report)) }
        },
        sections: sections(report),
        foot: html! { p.faint { "State file: " code { (breakable(&report.state_file)) } } },
    };
    page.render()
}

/// How to see what is newer. The page does not load itself again: a reader would lose the place, what
/// is unfolded, and the ticks of a worksheet.
fn how_to_update(report: &RunReport) -> Markup {
    let has_worksheet = report
        .tasks
        .iter()
        .any(|task| task.state == TaskState::Waiting);
    html! {
        p {
            @if let Some(as_of) = &report.as_of { "As of " (time(as_of)) ". " }
            "The file is kept current until the run's process ends: "
            // An empty address is the page's own.
            a href="" { "load it again" }
            @if has_worksheet { " when the work is done; that removes the ticks." } @else { "." }
        }
    }
}

/// The pictures of a plan: its orchestrations and its connections, where it has any.
pub(in crate::report) fn plan_pictures(
    plan: &Plan,
    graphs: &[GraphPicture],
) -> (Option<Markup>, Option<Markup>) {
    let graphs: Vec<_> = graphs.iter().map(GraphPicture::stages_of).collect();
    let wires = planned_wires(plan);
    (
        (!graphs.is_empty()).then(|| graph::orchestrations(&graphs)),
        (!wires.is_empty()).then(|| connections::connections(&wires)),
    )
}

/// The parts of the page that have something to show, in order.
fn sections(report: &RunReport) -> Vec<Section> {
    let pictures = &report.pictures;
    let section = |title, id, content: Option<Markup>| {
        content.map(|content| Section::new(title, id, content))
    };
    let texts = |items: &[String]| (!items.is_empty()).then(|| list(items));
    let has_changes = report.steps.iter().any(|step| !step.changes.is_empty());
    let graphs = &pictures.orchestrations;
    let all = [
        section("What stopped it", "stopped", failures(report)),
        section("Manual tasks", "tasks", tasks::tasks(&report.tasks)),
        section("Steps", "steps", Some(steps(&report.steps))),
        section(
            "Timeline",
            "timeline",
            pictures.timeline.as_ref().map(timeline::timeline),
        ),
        section(
            "Figures",
            "figures",
            report.figures.as_ref().map(figures_section),
        ),
        section(NEEDS_A_LOOK, "findings", findings(&report.findings)),
        section(AT_FIRST, "hindrances", texts(&report.hindrances)),
        section(HOW_TO_READ, "warnings", texts(&report.warnings)),
        section(
            "Containment",
            "containment",
            report.containment().map(containment),
        ),
        section(
            "Orchestrations",
            "orchestrations",
            (!graphs.is_empty()).then(|| graph::orchestrations(&graphs.iter().collect::<Vec<_>>())),
        ),
        section(
            "Connections",
            "connections",
            (!pictures.wires.is_empty()).then(|| connections::connections(&pictures.wires)),
        ),
        section(
            "Changes",
            "changes",
            has_changes.then(|| changes(&report.steps)),
        ),
        section(
            "Processes",
            "processes",
            (!report.processes.is_empty()).then(|| processes(report)),
        ),
    ];
    all.into_iter().flatten().collect()
}

fn facts(report: &RunReport) -> Markup {
    html! {
        table.facts {
            (row("State", &html! {
                strong class=(state_class(report.state)) { (state_sign(report.state)) (safe(&report.condition)) }
            }))
            @if let Some(run) = &report.run {
                (row("Run", &html! { code { (run.id) } }))
                (row("Target", &html! { strong { (safe(&run.target.name)) } " " code { (safe(&run.target.environment)) } }))
                @if let Some(source) = &run.source { (row("Source", &html! { code { (safe(source)) } })) }
                (row("Tenant", &html! { (safe(&run.tenant)) " (" (safe(&run.cloud)) ")" }))
                (row("Runbook", &html! { (safe(&report.runbook)) }))
                @for confirmed in &report.confirmations {
                    (row("Confirmed", &html! {
                        (time(&confirmed.time)) " by " (safe(&confirmed.who)) " (" (safe(&confirmed.how)) "), "
                        (count(confirmed.destructive, "destructive change"))
                    }))
                }
                (row("Begun", &html! { (time(&run.began)) }))
                @if let Some(finished) = &run.finished { (row("Ended", &time(finished))) }
                (row(if run.finished.is_some() { "Took" } else { "So far" }, &html! { (run.describe_duration()) }))
            }
            @if let Some(next) = &report.next { (row("Next", &html! { code { (safe(next)) } })) }
        }
    }
}

fn state_class(state: RunState) -> &'static str {
    match state {
        RunState::Finished => "good",
        RunState::Failed => "bad",
        RunState::Running | RunState::Waiting | RunState::Stopped => "notable",
        RunState::NotBegun => "faint",
    }
}

/// The sign of a state, because a colour alone says nothing to some.
fn state_sign(state: RunState) -> &'static str {
    match state {
        RunState::Finished => "✓ ",
        RunState::Failed => "✗ ",
        RunState::Running | RunState::Waiting | RunState::Stopped => "▸ ",
        RunState::NotBegun => "– ",
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

fn sign(condition: StepCondition) -> &'static str {
    match condition {
        StepCondition::Done => "✓ ",
        StepCondition::Failed => "✗ ",
        StepCondition::Begun => "▸ ",
        StepCondition::NotBegun | StepCondition::Skipped => "– ",
    }
}

fn steps(steps: &[StepReport]) -> Markup {
    // Usually no step has a note.
    let has_notes = steps.iter().any(|step| step.status.note.is_some());
    let rows = steps.iter().enumerate().map(|(at, step)| {
        let status = &step.status;
        let mut row = vec![
            html! { span.faint { (at + 1) ". " } code { (safe(&status.name)) } },
            html! {
                span class=(class(status.state)) { (sign(status.state)) (status.state.as_text()) }
            },
            cell(&step.describe_changes()),
            cell(&describe_seconds(status.seconds)),
        ];
        row.extend(has_notes.then(|| cell(status.note.as_deref().unwrap_or_default())));
        row
    });
    let heads = ["Step", "State", "Changes", "Took", "Note"];
    table(&heads[..if has_notes { 5 } else { 4 }], rows)
}

fn message_text(message: &str) -> String {
    lines(message).collect::<Vec<_>>().join("\n")
}

/// What stopped the run, if something did. What waits for a person has its own part.
fn failures(report: &RunReport) -> Option<Markup> {
    let ending = last_ending(report).filter(|(ending, _)| ending.reason != "waiting");
    if report.failures.is_empty() && ending.is_none() {
        return None;
    }
    Some(html! {
        @for failure in &report.failures {
            p { code { (safe(&failure.step)) } }
            pre { (message_text(&failure.message)) }
            @if let Some(help) = &failure.help { p { "What to do: " (breakable(help)) } }
            p.faint { "When: " (time(&failure.time)) }
        }
        @if let Some((ending, message)) = ending {
            p { "Last process: " (safe(&ending.reason)) " (exit " (ending.exit) ")" }
            pre { (message_text(message)) }
        }
    })
}

fn figures_section(figures: &Figures) -> Markup {
    html! {
        table.facts { @for (what, value) in figures.numbers() { (row(what, &html! { (value) })) } }
        (names("Orchestrations published", &figures.published))
        (names("Drafts left unchanged", &figures.drafts))
        @for (reason, flows) in figures.off_by_reason() {
            details {
                summary { (count(flows.len(), "cloud flow")) " off: " (safe(reason)) }
                ul { @for flow in flows { li { (breakable(flow)) } } }
            }
        }
    }
}

/// Everything that could act on the outside world, and the outcome for it.
fn containment(figures: &ContainmentFigures) -> Markup {
    let rows = figures.surfaces.iter().map(|surface| {
        vec![
            html! { strong.plain { (breakable(&surface.name)) } },
            cell(&surface.kind),
            cell(&surface.reach),
            cell(&surface.outcome()),
        ]
    });
    html! {
        p { (safe(&figures.line())) }
        details open[figures.open > 0] {
            summary { (count(figures.surfaces.len(), "surface")) }
            (table(&["Name", "Kind", "What it could do", "State"], rows))
        }
    }
}

fn names(title: &str, names: &[String]) -> Markup {
    html! {
        @if !names.is_empty() { h3 { (title) } (list(names)) }
    }
}

fn changes(steps: &[StepReport]) -> Markup {
    let all: usize = steps.iter().map(|step| step.changes.len()).sum();
    html! {
        @for step in steps.iter().filter(|step| !step.changes.is_empty()) {
            details open[all <= UNFOLDED_CHANGES] {
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
        cell(&change.describe_result()),
        cell(&change.describe_time()),
    ]
}

/// What needs a look, each with what to do about it.
fn findings(findings: &Findings) -> Option<Markup> {
    let items = html! { ul { @for group in findings.groups() {
        li {
            @for (at, finding) in group.texts.iter().enumerate() {
                @if at > 0 { br; }
                (breakable(finding))
            }
            @if let Some(fix) = group.fix() { br; (breakable(&fix)) }
        }
    } } };
    (!findings.texts.is_empty()).then_some(items)
}

fn processes(report: &RunReport) -> Markup {
    let rows = report.processes.iter().map(|process| {
        let mut cells = vec![
            time(&process.began),
            html! { (process.pid) " on " (safe(&process.host)) },
            cell(&process.program),
        ];
        cells.extend(match &process.ending {
            Some(ending) => [
                time(&ending.time),
                html! { (safe(&ending.reason)) " (exit " (ending.exit) ")" },
            ],
            None => [cell(""), cell(process.describe_no_ending())],
        });
        cells
    });
    table(&["Begun", "Process", "Program", "Ended", "How"], rows)
}

#[cfg(test)]
mod tests {
    use super::super::content::{ChangeResult, ValueChange};
    use super::super::manual_tasks::TaskReport;
    use super::super::pictures::{Mark, OrchestrationPicture, OutlineArrow, Stage, TilePicture};
    use super::*;
    use crate::journal::ChangeKind;
    use crate::report::not_begun_report;
    use crate::report::page::tests::assert_well_formed;

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
            ended_between: None,
            attempt: 1,
            unread_since: None,
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
        let page = render(&small_report(), PageUpdates::Once);
        assert_well_formed(&page);
        for tag in ["<i>", "<b>", "<old>", "<new>", "<u>", "<s>", "<a>", "<yes>"] {
            assert!(!page.contains(tag), "{tag}");
            let escaped = tag.replace('<', "&lt;").replace('>', "&gt;");
            assert!(page.contains(&escaped), "{escaped}\n{page}");
        }
    }

    #[test]
    fn every_link_leads_to_a_heading_and_no_level_of_headings_is_left_out() {
        let page = render(&small_report(), PageUpdates::Once);
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
        let page = render(&small_report(), PageUpdates::Once);
        let change =
            "<li><span class=\"faint\">owner: </span>&lt;old&gt; → <ins>&lt;new&gt;</ins></li>";
        assert!(page.contains(change), "{page}");
        assert!(page.contains("● old action"), "{page}");
        assert!(page.contains("2 tiles, 1 old action"), "{page}");
    }

    #[test]
    fn a_page_that_is_kept_current_says_how_to_load_it_again_and_what_that_removes() {
        let link = "<a href=\"\">load it again</a>";
        let mut report = small_report();
        let kept = |report: &RunReport| render(report, PageUpdates::KeptCurrent).contains(link);
        let warns = |report: &RunReport| {
            render(report, PageUpdates::KeptCurrent).contains("removes the ticks")
        };
        assert!(!kept(&report), "it has not begun");
        report.state = RunState::Running;
        assert!(kept(&report) && !warns(&report));
        assert!(!render(&report, PageUpdates::Once).contains(link));
        report.tasks.push(TaskReport {
            task: "a/b".to_owned(),
            state: TaskState::Waiting,
            since: String::new(),
            things: Vec::new(),
            outcomes: Vec::new(),
            instructions: vec!["do it".to_owned()],
            advice: Vec::new(),
            to_do: Vec::new(),
            needs_waiver: false,
            expected_evidence: Vec::new(),
            completed: None,
            who: None,
            evidence: None,
            waived: None,
        });
        assert!(kept(&report) && warns(&report), "a worksheet is open");
        report.state = RunState::Finished;
        assert!(!kept(&report), "it has ended");
    }
}
