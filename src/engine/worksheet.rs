//! A worksheet that was handed out, without what is done since: the state file keeps it as it was.

use jiff::Timestamp;
use serde_json::Value;

use crate::journal::{State, TaskState};

/// A thing that a manual task asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Thing {
    /// Its name.
    pub name: String,
    /// What is known about it.
    pub state: ThingState,
    /// When the tenant showed that it was done, if that is known.
    pub proved: Option<Timestamp>,
}

/// What is known about a thing of a manual task.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ThingState {
    /// It is left to do.
    Open,
    /// The tenant has shown that it is done.
    Done,
    /// Its evidence was waived: nothing shows that it is done.
    Waived,
}

/// Every thing of a manual task in the order of its worksheet. Of a task that a longer worksheet has
/// replaced, only those that were done: the others are on the newer one.
pub fn things(state: &State, task: &TaskState) -> Vec<Thing> {
    let sheet = &task.waiting.worksheet;
    let is_current = state
        .tasks
        .get(task.waiting.task.as_str())
        .is_some_and(|current| current.waiting.number == task.waiting.number);
    let thing = |key: Option<&str>, name: String, is_proved: bool| {
        let proved = task.proved(key, &name);
        let (state, proved) = match &task.completed {
            None if is_current && is_proved => (ThingState::Done, None),
            None if is_current => (ThingState::Open, None),
            None => (ThingState::Done, Some(proved?)),
            Some(completed) if completed.waived.is_none() => {
                (ThingState::Done, proved.or(Some(completed.time)))
            }
            Some(_) if proved.is_some() => (ThingState::Done, proved),
            Some(_) => (ThingState::Waived, None),
        };
        Some(Thing {
            name,
            state,
            proved,
        })
    };
    let Some(changes) = sheet.get("changes").and_then(Value::as_array) else {
        let names = member_lines(sheet, "things").into_iter();
        return names.filter_map(|name| thing(None, name, false)).collect();
    };
    let things = changes.iter().filter_map(|change| {
        let key = change.get("key").and_then(Value::as_str);
        let is_proved = key.is_some_and(|key| is_proved(state, key));
        thing(key, member_text(change, "name")?, is_proved)
    });
    things.collect()
}

/// What is left of a manual task, and how much of it is done.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OpenWorksheet {
    /// The things that are left, by name. Of a completed task, all of them.
    pub things: Vec<String>,
    /// What to do, one line for each instruction.
    pub instructions: Vec<String>,
    /// What is read as evidence, one line for each.
    pub evidence: Vec<String>,
    /// How many more things it has that are done.
    pub done: usize,
}

impl OpenWorksheet {
    /// Reads the worksheet of this task. Versions that did not record which instruction belongs to
    /// which thing leave all of them until the task is completed.
    pub fn of(state: &State, task: &TaskState) -> Self {
        let sheet = &task.waiting.worksheet;
        let mut open = Self {
            things: member_lines(sheet, "things"),
            instructions: member_lines(sheet, "instructions"),
            evidence: member_lines(sheet, "evidence"),
            done: 0,
        };
        let changes = sheet.get("changes").and_then(Value::as_array);
        let Some(changes) = changes.filter(|_| task.completed.is_none()) else {
            return open;
        };
        let left: Vec<&Value> = changes.iter().filter(|it| !is_done(state, it)).collect();
        open.done = changes.len() - left.len();
        open.things = left
            .iter()
            .filter_map(|it| member_text(it, "name"))
            .collect();
        let needed: Vec<String> = left
            .iter()
            .flat_map(|it| member_lines(it, "instructions"))
            .collect();
        open.instructions.retain(|line| needed.contains(line));
        open
    }
}

/// Has the tenant shown that a person has done this thing since it was handed out, or has the program
/// begun it?
fn is_done(state: &State, thing: &Value) -> bool {
    let key = thing.get("key").and_then(Value::as_str);
    let change = key.and_then(|key| state.manual_changes.get(key));
    change.is_some_and(|change| change.done.is_some() || !state.is_newest(&change.intent))
}

/// Has the tenant shown that the manual change of this key is done, by a person or by the program?
fn is_proved(state: &State, key: &str) -> bool {
    let by_person = state.manual_changes.get(key);
    let by_person = by_person.is_some_and(|it| it.done.is_some() && state.is_newest(&it.intent));
    let by_program = state.set(key);
    by_person || by_program.is_some_and(|it| it.done.is_some() && state.is_newest(&it.intent))
}

fn member_text(value: &Value, member: &str) -> Option<String> {
    value.get(member)?.as_str().map(str::to_owned)
}

fn member_lines(value: &Value, member: &str) -> Vec<String> {
    let lines = value.get(member).and_then(Value::as_array);
    let lines = lines.into_iter().flatten().filter_map(Value::as_str);
    lines.map(str::to_owned).collect()
}
