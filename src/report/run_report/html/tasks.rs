//! The manual tasks: an open one as a worksheet whose lines have boxes to tick, a completed one with
//! who and when. A reader's ticks and texts stay in the browser.

use maud::{Markup, html};

use crate::report::page::{breakable, instruction, list, row, safe, time};
use crate::report::run_report::manual_tasks::{TaskReport, ThingOutcome, ThingReport};

/// All manual tasks; `None` without one.
pub(super) fn tasks(tasks: &[TaskReport]) -> Option<Markup> {
    if tasks.is_empty() {
        return None;
    }
    Some(html! {
        @for (at, task) in tasks.iter().enumerate() {
            h3 { code { (safe(&task.task)) } ": " (task.describe_state()) }
            @if task.is_open() { (worksheet(task, at)) } @else { (completed(task)) }
        }
    })
}

fn completed(task: &TaskReport) -> Markup {
    html! {
        table.facts {
            (row("Things", &html! { ul.plain { @for thing in &task.outcomes { (one_thing(task, thing)) } } }))
            (row("Waiting since", &time(&task.since)))
            @if let Some(completed) = &task.completed {
                (row("Completed", &html! { (time(completed)) " by " (safe(task.who.as_deref().unwrap_or_default())) }))
            }
            @if let Some(evidence) = &task.evidence { (row("Evidence", &breakable(evidence))) }
            @if let Some(reason) = &task.waived { (row("Waived", &breakable(reason))) }
        }
    }
}

/// A thing of a task that does not wait, ticked only if the tenant showed that it is done.
fn one_thing(task: &TaskReport, thing: &ThingReport) -> Markup {
    let sign = if thing.state == ThingOutcome::Done {
        "✓ "
    } else {
        "– "
    };
    let note = task.note_on(thing);
    html! {
        li { (sign) (breakable(&thing.name)) @if !note.is_empty() { " (" (note) ")" } }
    }
}

fn worksheet(task: &TaskReport, number: usize) -> Markup {
    let field = |name: &str| format!("task-{number}-{name}");
    html! {
        p.faint {
            "Waits since " (time(&task.since)) ". Ticks stay in this page only; "
            @if task.needs_waiver { "nothing in the tenant shows that it is done: complete it with a waiver." }
            @else { "the run reads the evidence itself." }
        }
        fieldset {
            legend { "To do" }
            @for line in &task.advice { p { (instruction(line)) } }
            ul.plain.boxes {
                @for (at, thing) in task.to_do.iter().enumerate() {
                    @let box_id = field(&at.to_string());
                    @let (head, below) = thing.lines();
                    li {
                        input type="checkbox" id=(box_id);
                        label for=(box_id) {
                            (instruction(head))
                            @for line in below { br; (instruction(line)) }
                        }
                    }
                }
            }
            p.signed {
                label for=(field("who")) { "Done by" } " " input type="text" id=(field("who")) autocomplete="off";
                " " label for=(field("when")) { "at" } " " input type="text" id=(field("when")) autocomplete="off";
            }
        }
        @if !task.expected_evidence.is_empty() { p { "Read as evidence:" } (list(&task.expected_evidence)) }
        @if !task.things.is_empty() {
            details { summary { "Afterwards this is done (" (task.things.len()) ")" } (list(&task.things)) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::WorksheetThing;
    use crate::report::run_report::manual_tasks::TaskState;

    fn thing(name: &str) -> WorksheetThing {
        WorksheetThing {
            name: name.to_owned(),
            instructions: vec![format!("press <Delete> of {name}"), "save".to_owned()],
        }
    }

    fn task(completed: Option<&str>) -> TaskReport {
        TaskReport {
            task: "reinstall-providers/delete".to_owned(),
            state: completed.map_or(TaskState::Waiting, |_| TaskState::Proved),
            since: "2026-11-29T13:44:13Z".to_owned(),
            things: vec!["delete 'A'".to_owned()],
            outcomes: Vec::new(),
            instructions: Vec::new(),
            advice: vec!["sign in".to_owned()],
            to_do: ["A", "B"].map(thing).into(),
            needs_waiver: false,
            expected_evidence: vec!["it is gone".to_owned()],
            completed: completed.map(str::to_owned),
            who: completed.map(|_| "Ann".to_owned()),
            evidence: None,
            waived: None,
        }
    }

    #[test]
    fn each_thing_of_an_open_task_has_a_box_with_its_own_label() {
        let drawn = tasks(&[task(None), task(None)]).unwrap().into_string();
        assert_eq!(drawn.matches("type=\"checkbox\"").count(), 4);
        for id in [
            "task-0-0",
            "task-0-1",
            "task-1-0",
            "task-1-1",
            "task-1-who",
            "task-1-when",
        ] {
            assert_eq!(drawn.matches(&format!(" id=\"{id}\"")).count(), 1, "{id}");
            assert_eq!(drawn.matches(&format!(" for=\"{id}\"")).count(), 1, "{id}");
        }
        assert!(drawn.contains("press &lt;Delete&gt;"), "{drawn}");
    }

    #[test]
    fn a_completed_task_says_who_and_when_and_has_no_box() {
        let drawn = tasks(&[task(Some("2026-11-29T14:00:00Z"))])
            .unwrap()
            .into_string();
        assert!(
            drawn.contains("14:00:00 UTC</span></time> by Ann"),
            "{drawn}"
        );
        assert!(!drawn.contains("checkbox"), "{drawn}");
        assert!(tasks(&[]).is_none());
    }
}
