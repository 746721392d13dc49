//! The manual tasks of a run as Markdown with boxes to tick: for a ticket, a chat, or paper.

use super::content::RunReport;
use super::manual_tasks::{TaskReport, TaskState, ThingOutcome, ThingReport};
use super::markdown::boxes;
use crate::base::text::count;
use crate::report::markdown::{code, text};

/// All manual tasks, open ones first, without a final line break.
pub(super) fn render(report: &RunReport) -> String {
    let (open, completed): (Vec<&TaskReport>, Vec<&TaskReport>) = report
        .tasks
        .iter()
        .partition(|task| task.state == TaskState::Waiting);
    let target = report.run.as_ref().map(|run| run.target.name.as_str());
    let title = format!("# Worksheets: {}", text(target.unwrap_or(&report.runbook)));
    let mut parts = vec![title];
    if report.tasks.is_empty() {
        parts.push("The run has no manual task so far.".to_owned());
        return parts.join("\n\n");
    }
    let run = report.run.as_ref().map(|run| code(&run.id));
    parts.push(format!(
        "Run {}: {}, {} open",
        run.unwrap_or_default(),
        count(report.tasks.len(), "manual task"),
        open.len()
    ));
    let next = report.next.as_deref();
    parts.extend(open.into_iter().map(|task| to_do(task, next)));
    parts.extend(completed.into_iter().map(ended));
    parts.join("\n\n")
}

/// An open task. Takes the command that continues the run.
fn to_do(task: &TaskReport, next: Option<&str>) -> String {
    let mut sheet = format!(
        "## To do: {}\n\nWaits since {}.\n",
        code(&task.task),
        text(&task.since)
    );
    sheet += &boxes(task);
    let done: Vec<&ThingReport> = task
        .outcomes
        .iter()
        .filter(|thing| thing.state == ThingOutcome::Done)
        .collect();
    if !done.is_empty() {
        sheet += "\n\nDone so far:\n";
        for thing in done {
            sheet += &format!("\n- [x] {}", text(&thing.name));
        }
    }
    sheet += "\n\nRead as evidence:\n";
    for line in &task.expected_evidence {
        sheet += &format!("\n- {}", text(line));
    }
    sheet += "\n\nDone by: \\_\\_\\_\\_\\_\\_\\_\\_\\_\\_\\_\\_ at: \\_\\_\\_\\_\\_\\_\\_\\_";
    match next {
        Some(next) => format!("{sheet}\n\nThen: {}", code(next)),
        None => sheet,
    }
}

/// A task that does not wait. Only what the tenant showed to be done has a tick.
fn ended(task: &TaskReport) -> String {
    let waived = task.waived_things();
    let heading = match (task.state, task.outcomes.len() - waived) {
        (TaskState::Waived, 0) => "Waived".to_owned(),
        (TaskState::Waived, _) if waived > 0 => format!("Done, {waived} waived"),
        (TaskState::Replaced, _) => "Done, the rest is on a newer worksheet".to_owned(),
        _ => "Done".to_owned(),
    };
    let mut sheet = format!("## {heading}: {}\n", code(&task.task));
    for thing in &task.outcomes {
        sheet += &line_of(task, thing);
    }
    let Some(completed) = task.completed.as_deref() else {
        return sheet;
    };
    let who = task.who.as_deref().unwrap_or_default();
    sheet += &format!(
        "\n\n{} {} by {}",
        task.state.as_text(),
        text(completed),
        text(who)
    );
    let why = task.waived.as_deref().or(task.evidence.as_deref());
    match why {
        Some(why) => format!("{sheet}: {}", text(why)),
        None => sheet,
    }
}

fn line_of(task: &TaskReport, thing: &ThingReport) -> String {
    let tick = match thing.state {
        ThingOutcome::Done => "x",
        ThingOutcome::Open | ThingOutcome::Waived => " ",
    };
    let line = format!("\n- [{tick}] {}", text(&thing.name));
    match task.note_on(thing) {
        note if note.is_empty() => line,
        note => format!("{line}: {}", text(&note)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::WorksheetThing;
    use crate::report::not_begun_report;

    fn thing(name: &str, state: ThingOutcome) -> ThingReport {
        ThingReport {
            name: name.to_owned(),
            state,
            proved: (state == ThingOutcome::Done).then(|| "2026-11-29T13:50:00Z".to_owned()),
        }
    }

    fn task(state: TaskState) -> TaskReport {
        let is_done = state != TaskState::Waiting;
        let when_done = |text: &str| is_done.then(|| text.to_owned());
        let left = if is_done {
            ThingOutcome::Waived
        } else {
            ThingOutcome::Open
        };
        TaskReport {
            task: "reinstall-providers/delete".to_owned(),
            state,
            since: "2026-11-29T13:44:13Z".to_owned(),
            things: vec!["delete 'A|B'".to_owned()],
            outcomes: vec![
                thing("delete 'A|B'", ThingOutcome::Done),
                thing("delete 'C'", left),
            ],
            instructions: Vec::new(),
            advice: vec!["sign in as svc@contoso.com".to_owned()],
            to_do: vec![
                WorksheetThing {
                    name: "delete 'C'".to_owned(),
                    instructions: vec![
                        "set it to https://x.example/a_b, save it (open \
                         https://org.example/main.aspx?pagetype=entityrecord&id=1)"
                            .to_owned(),
                    ],
                },
                WorksheetThing {
                    name: "stop 'D'".to_owned(),
                    instructions: vec!["open it".to_owned(), "press Stop".to_owned()],
                },
            ],
            needs_waiver: false,
            expected_evidence: vec!["it is gone".to_owned()],
            completed: when_done("2026-11-29T14:00:00Z"),
            who: when_done("Ann"),
            evidence: None,
            waived: when_done("seen"),
        }
    }

    #[test]
    fn an_open_task_has_a_box_for_each_thing_and_a_completed_one_who_and_when() {
        let mut report = not_begun_report("uat", "s.jsonl", &["copy"], "iomcopy run uat.yaml");
        report.tasks = vec![task(TaskState::Waived), task(TaskState::Waiting)];
        let expected = "# Worksheets: uat

Run : 2 manual tasks, 1 open

## To do: `reinstall-providers/delete`

Waits since 2026-11-29T13:44:13Z.

sign in as svc&#64;contoso.com

- [ ] set it to `https://x.example/a_b`, save it ([open the record](<https://org.example/main.aspx?pagetype=entityrecord&id=1>))
- [ ] stop 'D'
  - open it
  - press Stop

Done so far:

- [x] delete 'A\\|B'

Read as evidence:

- it is gone

Done by: \\_\\_\\_\\_\\_\\_\\_\\_\\_\\_\\_\\_ at: \\_\\_\\_\\_\\_\\_\\_\\_

Then: `iomcopy run uat.yaml`

## Done, 1 waived: `reinstall-providers/delete`

- [x] delete 'A\\|B': done, read 2026-11-29T13:50:00Z
- [ ] delete 'C': waived

evidence waived 2026-11-29T14:00:00Z by Ann: seen";
        assert_eq!(render(&report), expected);
    }

    #[test]
    fn a_waived_thing_is_never_ticked() {
        let mut report = not_begun_report("uat", "s.jsonl", &["copy"], "iomcopy run uat.yaml");
        let mut waived = task(TaskState::Waived);
        waived.outcomes.remove(0);
        report.tasks = vec![waived];
        let sheet = render(&report);
        assert!(
            sheet.contains("## Waived: `reinstall-providers/delete`\n\n- [ ] delete 'C': waived"),
            "{sheet}"
        );
        assert!(!sheet.contains("[x]"), "{sheet}");
    }

    #[test]
    fn a_run_without_manual_tasks_says_so() {
        let report = not_begun_report("uat", "s.jsonl", &["copy"], "iomcopy run");
        assert!(render(&report).ends_with("The run has no manual task so far."));
    }
}
