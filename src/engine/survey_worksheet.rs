//! The worksheet of the manual changes that a survey found, before it is handed out.

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
            let is_there = |line: &String| {
                let mut handed = lines.iter().filter_map(Value::as_str);
                handed.any(|handed| without_aids(handed) == without_aids(line))
            };
            self.lines().iter().all(is_there)
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
    use super::*;

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
