//! The worksheet of the manual changes that a survey found, before it is handed out.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::manual_task::complete_command;
use super::worksheet::{add_new, all_lines};
use super::{Action, Change, EventKind, Failure, FailureKind, ManualTask, WorksheetThing};
use crate::base::text;

/// What a person must do for one phase, or what is left of it.
pub struct Worksheet {
    advice: Vec<String>,
    things: Vec<WorksheetThing>,
    /// Each thing as the state file has it.
    changes: Vec<Value>,
    evidence: Vec<String>,
    /// Does nothing in the tenant show that one of them is done?
    needs_waiver: bool,
}

impl Worksheet {
    /// The worksheet of the changes that a survey found. An automatic change is named, but has no
    /// instructions.
    pub fn new(left: &[Change]) -> Self {
        let mut advice: Vec<String> = Vec::new();
        let mut evidence: Vec<String> = Vec::new();
        let mut needs_waiver = false;
        for task in left.iter().filter_map(task_of) {
            add_new(&mut advice, &task.advice);
            add_new(&mut evidence, [&task.evidence]);
            needs_waiver |= task.needs_waiver;
        }
        Self {
            advice,
            things: left.iter().map(worksheet_thing).collect(),
            changes: left.iter().map(worksheet_entry).collect(),
            evidence,
            needs_waiver,
        }
    }

    /// The failure that a task is not done: what is left, by name, and what is read as evidence.
    pub fn not_done(&self, task: &str) -> Failure {
        let failure = Failure::new(
            FailureKind::Waiting,
            format!(
                "manual task not done ({task}), {} left: {}",
                text::count(self.things.len(), "thing"),
                self.names().join("; ")
            ),
        );
        let complete = complete_command("RUNBOOK", task, self.needs_waiver);
        if self.needs_waiver {
            return failure.with_help(format!(
                "do it, then confirm it with `{complete}`. The evidence: {}",
                self.evidence.join("; ")
            ));
        }
        failure.with_help(format!(
            "do it, then run again; or `{complete}` checks it, and with `--waive \"REASON\"` \
             continues without evidence. The evidence: {}",
            self.evidence.join("; ")
        ))
    }

    /// The same for a person who has just seen its boxes: they are not said again. Takes the command
    /// that continues without evidence.
    pub fn not_done_above(&self, task: &str, waive: &str) -> Failure {
        let boxes = match self.things.len() {
            1 => "the box above is".to_owned(),
            number => format!("the {number} boxes above are"),
        };
        let message = format!("manual task not done ({task}): {boxes} left");
        let evidence = self.evidence.join("; ");
        let help = if self.needs_waiver {
            format!("the evidence: {evidence}")
        } else {
            format!("the evidence: {evidence}. To continue without it: `{waive}`")
        };
        Failure::new(FailureKind::Waiting, message).with_help(help)
    }

    /// Does nothing in the tenant show that one of its things is done?
    pub fn needs_waiver(&self) -> bool {
        self.needs_waiver
    }

    /// Its things, by name.
    pub fn names(&self) -> Vec<String> {
        self.things.iter().map(|thing| thing.name.clone()).collect()
    }

    /// Its things, with what to do for each.
    pub fn things(&self) -> &[WorksheetThing] {
        &self.things
    }

    /// What a person must know or do first.
    pub fn advice(&self) -> &[String] {
        &self.advice
    }

    /// Each line of it: the advice, then the instructions.
    fn lines(&self) -> Vec<String> {
        all_lines(&self.advice, &self.things)
    }

    /// The event that hands it out as this task.
    pub(super) fn event(&self, task: &str) -> EventKind {
        EventKind::ManualTask {
            task: task.to_owned(),
            things: self.things.len(),
            instructions: self.lines(),
            advice: self.advice.clone(),
            to_do: self.things.clone(),
            evidence: self.evidence.clone(),
            needs_waiver: self.needs_waiver,
        }
    }

    /// Does a worksheet that was handed out contain all of its instructions?
    pub(super) fn is_part_of(&self, handed: &Value) -> bool {
        let lines = handed.get("instructions").and_then(Value::as_array);
        lines.is_some_and(|lines| {
            let handed = lines.iter().filter_map(Value::as_str);
            let handed: BTreeSet<_> = handed.map(without_aids).collect();
            let own = self.lines();
            own.iter().all(|line| handed.contains(&without_aids(line)))
        })
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "things": self.names(),
            "changes": self.changes,
            "instructions": self.lines(),
            "evidence": self.evidence,
        })
    }
}

/// A thing on a worksheet, with what is done for it: [`OpenWorksheet`](super::OpenWorksheet) reads
/// it.
fn worksheet_entry(change: &Change) -> Value {
    let task = task_of(change).cloned().unwrap_or_default();
    json!({
        "key": change.key,
        "name": change.name,
        "advice": task.advice,
        "instructions": task.instructions,
        "needs-waiver": task.needs_waiver,
    })
}

fn worksheet_thing(change: &Change) -> WorksheetThing {
    let task = task_of(change);
    WorksheetThing {
        name: change.name.clone(),
        instructions: task.map_or_else(Vec::new, |task| task.instructions.clone()),
    }
}

/// What a person must do for a change; none if the program makes it.
fn task_of(change: &Change) -> Option<&ManualTask> {
    match &change.action {
        Action::ManualTask(task) => Some(task),
        Action::Set(_) | Action::Remove { .. } | Action::Launch(_) => None,
    }
}

/// An instruction with a link to what it is about.
pub fn with_link(line: &str, address: &str) -> String {
    format!("{line} (open {address})")
}

/// A command of this program that shows a captured value; the state file's path follows.
const SHOW: &str = "`iomcopy state show ";

/// The instruction without its link, and without the path of the state file in a command. Both are
/// aids: with another address or path the work is the same.
fn without_aids(line: &str) -> (&str, &str) {
    // Earlier versions indented some.
    let line = line.trim_start();
    let work = line
        .split_once(" (open http")
        .map_or(line, |(work, _)| work);
    let Some((before, command)) = work.split_once(SHOW) else {
        return (work, "");
    };
    // A path with spaces is in quotes.
    let quote = command.chars().next().filter(|c| "\"'".contains(*c));
    let end = match quote {
        Some(quote) => command[1..].find(quote).map(|at| at + 2),
        None => command.find(' '),
    };
    (before, &command[end.unwrap_or_default()..])
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    /// It is compared in every poll of a waiting run.
    #[test]
    fn a_worksheet_of_many_things_is_compared_in_a_moment() {
        let changes: Vec<Change> = (0..10_000)
            .map(|number| Change {
                key: number.to_string(),
                name: number.to_string(),
                before: Value::Null.into(),
                after: Value::Null.into(),
                follows: Vec::new(),
                action: Action::ManualTask(ManualTask {
                    instructions: vec![with_link(
                        &format!(
                            "set it: {SHOW}STATE-FILE target/{number} --column value` shows it"
                        ),
                        "https://one.test/x",
                    )],
                    ..ManualTask::default()
                }),
            })
            .collect();
        let (all, some) = (Worksheet::new(&changes), Worksheet::new(&changes[1..]));
        let begun = Instant::now();
        assert!(some.is_part_of(&all.to_json()));
        assert!(!all.is_part_of(&some.to_json()));
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "{:?}",
            begun.elapsed()
        );
    }

    #[test]
    fn another_path_or_link_is_the_same_instruction_and_another_capture_is_not() {
        let line = |file: &str, key: &str, link: &str| {
            with_link(
                &format!("set it: {SHOW}{file} {key} --column value` shows it"),
                link,
            )
        };
        let handed = line("STATE-FILE", "target/a", "https://one.test/x");
        for same in [
            line("uat.iomcopy.jsonl", "target/a", "https://two.test/x"),
            line("\"My files/uat.jsonl\"", "target/a", "https://one.test/y"),
        ] {
            assert_eq!(without_aids(&same), without_aids(&handed), "{same}");
        }
        let other = line("STATE-FILE", "target/b", "https://one.test/x");
        assert_ne!(without_aids(&other), without_aids(&handed));
        assert_eq!(without_aids("press it"), ("press it", ""));
    }
}
