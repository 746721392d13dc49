//! A worksheet that was handed out, without what is done since: the state file keeps it as it was.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
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

/// A thing of a worksheet, which has one box to tick.
#[derive(Clone, Debug, Default, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct WorksheetThing {
    /// Its name.
    pub name: String,
    /// What to do for it, one line for each instruction.
    pub instructions: Vec<String>,
}

impl WorksheetThing {
    /// The text beside its box, and the lines below it: one instruction says all, and of several the
    /// name is the heading.
    pub fn lines(&self) -> (&str, Vec<&str>) {
        match self.instructions.as_slice() {
            [] => (&self.name, Vec::new()),
            [only] => (only, Vec::new()),
            several => {
                let lines = several.iter().filter(|line| **line != self.name);
                (&self.name, lines.map(String::as_str).collect())
            }
        }
    }
}

/// Each line of a worksheet once: the advice, then the instructions of its things.
pub(super) fn all_lines(advice: &[String], things: &[WorksheetThing]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let own = things.iter().flat_map(|thing| &thing.instructions);
    add_new(&mut lines, advice.iter().chain(own));
    lines
}

/// Adds the lines that are not there yet.
pub(super) fn add_new<'a>(lines: &mut Vec<String>, more: impl IntoIterator<Item = &'a String>) {
    for line in more {
        if !lines.contains(line) {
            lines.push(line.clone());
        }
    }
}

/// What earlier versions recorded as the evidence of a change that nothing in the tenant shows to be
/// done.
const EARLIER_WITHOUT_EVIDENCE: &str = "none; a person confirms it with --waive";

/// What is left of a manual task, and how much of it is done.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OpenWorksheet {
    /// What a person must know or do first, one line each.
    pub advice: Vec<String>,
    /// The things that are left. Of a completed task, all of them.
    pub things: Vec<WorksheetThing>,
    /// What is read as evidence, one line for each.
    pub evidence: Vec<String>,
    /// How many more things it has that are done.
    pub done: usize,
    /// Does nothing in the tenant show that one of the things is done? Then the task is completed
    /// with a waiver.
    pub needs_waiver: bool,
}

impl OpenWorksheet {
    /// Reads the worksheet of this task. Versions that did not record which instruction belongs to
    /// which thing leave all of them, as advice, until the task is completed.
    pub fn of(state: &State, task: &TaskState) -> Self {
        let sheet = &task.waiting.worksheet;
        let evidence = member_lines(sheet, "evidence");
        let needs_waiver = evidence.iter().any(|it| it == EARLIER_WITHOUT_EVIDENCE);
        let Some(changes) = sheet.get("changes").and_then(Value::as_array) else {
            let thing = |name| WorksheetThing {
                name,
                instructions: Vec::new(),
            };
            let names = member_lines(sheet, "things").into_iter();
            return Self {
                advice: member_lines(sheet, "instructions"),
                things: names.map(thing).collect(),
                evidence,
                done: 0,
                needs_waiver,
            };
        };
        let is_left = |it: &&Value| task.completed.is_some() || !is_done(state, it);
        let left: Vec<&Value> = changes.iter().filter(is_left).collect();
        let mut open = Self {
            evidence,
            done: changes.len() - left.len(),
            needs_waiver: needs_waiver || left.iter().any(|it| needs_a_waiver(it)),
            ..Self::default()
        };
        for thing in left {
            let (advice, instructions) = lines_of(thing, changes);
            add_new(&mut open.advice, &advice);
            open.things.push(WorksheetThing {
                name: member_text(thing, "name").unwrap_or_default(),
                instructions,
            });
        }
        open
    }

    /// The names of its things.
    pub fn names(&self) -> Vec<String> {
        self.things.iter().map(|thing| thing.name.clone()).collect()
    }

    /// What to do, one line for each instruction: the advice comes first.
    pub fn instructions(&self) -> Vec<String> {
        all_lines(&self.advice, &self.things)
    }
}

/// The advice of a thing, and its own instructions. Versions that did not record the advice wrote it
/// among the instructions of each thing: a line that several have is advice.
fn lines_of(thing: &Value, all: &[Value]) -> (Vec<String>, Vec<String>) {
    let instructions = member_lines(thing, "instructions");
    if thing.get("advice").is_some() {
        return (member_lines(thing, "advice"), instructions);
    }
    let has = |thing: &&Value, line: &String| member_lines(thing, "instructions").contains(line);
    instructions
        .into_iter()
        .partition(|line| all.iter().filter(|thing| has(thing, line)).count() > 1)
}

/// Does nothing in the tenant show that this thing is done?
fn needs_a_waiver(thing: &Value) -> bool {
    thing.get("needs-waiver").and_then(Value::as_bool) == Some(true)
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
