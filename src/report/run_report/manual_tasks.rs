//! The manual tasks of a run: who did what, what was waived, what is left.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::clean;
use super::gather::at;
use crate::engine::{Thing, ThingState, WorksheetThing, things};
use crate::journal::{State, TaskState as Task};
use crate::report::status::worksheet;

/// What a person did, or must do.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct TaskReport {
    /// `STEP/PHASE`.
    pub(super) task: String,
    /// Its state.
    pub(super) state: TaskState,
    /// When it was handed out.
    pub(super) since: String,
    /// The things to do, by name: of an open task, those that are left.
    pub(super) things: Vec<String>,
    /// All its things, and what is known about each.
    pub(super) outcomes: Vec<ThingReport>,
    /// What to do, one line for each instruction: the advice, then the lines of each thing.
    pub(super) instructions: Vec<String>,
    /// What the person must know or do first, one line each.
    pub(super) advice: Vec<String>,
    /// The things to do, with what to do for each.
    pub(super) to_do: Vec<WorksheetThing>,
    /// Does nothing in the tenant show that one of the things is done? Then the task is completed
    /// with a waiver.
    pub(super) needs_waiver: bool,
    /// What is read as evidence, one line for each.
    #[serde(rename = "proof")]
    pub(super) expected_evidence: Vec<String>,
    /// When it was proved or waived.
    pub(super) completed: Option<String>,
    /// The user who had the evidence read, or waived it; `survey` if the run itself read it.
    pub(super) who: Option<String>,
    /// What was read from the tenant.
    pub(super) evidence: Option<String>,
    /// Why the evidence was waived.
    pub(super) waived: Option<String>,
}

/// One thing of a manual task.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct ThingReport {
    /// Its name.
    pub(super) name: String,
    /// What is known about it.
    pub(super) state: ThingOutcome,
    /// When the tenant showed that it was done, if that is known.
    pub(super) proved: Option<String>,
}

/// What is known about a thing of a manual task.
#[derive(Clone, Copy, Debug, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum ThingOutcome {
    /// It is left to do.
    Open,
    /// The tenant showed that it is done.
    Done,
    /// Its evidence was waived: nothing shows that it is done.
    Waived,
}

impl TaskReport {
    /// Does it wait for a person?
    pub(super) fn is_open(&self) -> bool {
        self.state == TaskState::Waiting
    }

    /// Its things whose evidence was waived.
    pub(super) fn waived_things(&self) -> usize {
        let waived = |thing: &&ThingReport| thing.state == ThingOutcome::Waived;
        self.outcomes.iter().filter(waived).count()
    }

    /// What is known about a thing besides its name; empty if that is what is known about its task.
    pub(super) fn note_on(&self, thing: &ThingReport) -> String {
        match (thing.state, &thing.proved) {
            (ThingOutcome::Waived, _) => "waived".to_owned(),
            (ThingOutcome::Open, _) => "left to do".to_owned(),
            (ThingOutcome::Done, Some(proved))
                if self.state != TaskState::Proved || thing.proved != self.completed =>
            {
                format!("done, read {proved}")
            }
            (ThingOutcome::Done, _) if self.state == TaskState::Proved => String::new(),
            (ThingOutcome::Done, _) => "done".to_owned(),
        }
    }

    /// Its state as text; of a waived task, how many of its things are done and how many waived.
    pub(super) fn describe_state(&self) -> String {
        let waived = self.waived_things();
        match self.outcomes.len() - waived {
            done if done > 0 && waived > 0 => format!("{done} done, {waived} waived"),
            _ => self.state.as_text().to_owned(),
        }
    }
}

/// The state of a manual task.
#[derive(Clone, Copy, Debug, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum TaskState {
    /// It waits for a person.
    Waiting,
    /// The tenant shows that it is done.
    Proved,
    /// The evidence was waived.
    Waived,
    /// Some of it was done, and a newer worksheet has the rest.
    Replaced,
}

impl TaskState {
    /// The result as text.
    pub(super) fn as_text(self) -> &'static str {
        match self {
            Self::Waiting => "waits for a person",
            Self::Proved => "proved",
            Self::Waived => "evidence waived",
            Self::Replaced => "done in part; a newer worksheet has the rest",
        }
    }
}

/// Every manual task of a run in the order in which they were handed out, also those that another of
/// the same name has followed.
pub(super) fn tasks(state: &State) -> Vec<TaskReport> {
    let current = state.tasks.values().map(|task| (task, true));
    let earlier = state.earlier_tasks.iter().map(|task| (task, false));
    let mut tasks: Vec<_> = current.chain(earlier).collect();
    tasks.sort_by_key(|(task, _)| task.waiting.number);
    let reports = tasks.into_iter();
    reports
        .map(|(task, is_current)| task_report(state, task, is_current))
        .collect()
}

/// One manual task. `is_current`: no other task of its name has followed it.
fn task_report(state: &State, task: &Task, is_current: bool) -> TaskReport {
    let completed = task.completed.as_ref();
    let waived = completed.and_then(|completed| completed.waived.as_deref());
    let sheet = worksheet(state, task);
    let clean_each = |lines: &[String]| lines.iter().map(|line| clean(line)).collect();
    let outcomes: Vec<ThingReport> = things(state, task).iter().map(thing_report).collect();
    let task_state = match (completed, waived) {
        (None, _) if is_current => TaskState::Waiting,
        (None, _) => TaskState::Replaced,
        (Some(_), None) => TaskState::Proved,
        (Some(_), Some(_)) => TaskState::Waived,
    };
    let things = if task_state == TaskState::Waiting {
        clean_each(&sheet.things)
    } else {
        outcomes.iter().map(|thing| thing.name.clone()).collect()
    };
    TaskReport {
        task: clean(&task.waiting.task),
        state: task_state,
        since: at(task.waiting.time),
        things,
        outcomes,
        instructions: clean_each(&sheet.instructions),
        advice: clean_each(&sheet.advice),
        to_do: sheet.to_do.iter().map(clean_thing).collect(),
        needs_waiver: sheet.needs_waiver,
        expected_evidence: clean_each(&sheet.evidence),
        completed: completed.map(|completed| at(completed.time)),
        who: completed.map(|completed| clean(&completed.who)),
        evidence: completed
            .filter(|_| waived.is_none())
            .map(|completed| describe_evidence(&completed.evidence)),
        waived: waived.map(clean),
    }
}

fn clean_thing(thing: &WorksheetThing) -> WorksheetThing {
    WorksheetThing {
        name: clean(&thing.name),
        instructions: thing.instructions.iter().map(|line| clean(line)).collect(),
    }
}

fn thing_report(thing: &Thing) -> ThingReport {
    ThingReport {
        name: clean(&thing.name),
        state: match thing.state {
            ThingState::Open => ThingOutcome::Open,
            ThingState::Done => ThingOutcome::Done,
            ThingState::Waived => ThingOutcome::Waived,
        },
        proved: thing.proved.map(at),
    }
}

/// What was read, as text: `survey: nothing is left to do`.
fn describe_evidence(evidence: &Value) -> String {
    let plain = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    clean(&match evidence {
        Value::Object(members) => {
            let members = members
                .iter()
                .map(|(key, value)| format!("{key}: {}", plain(value)));
            members.collect::<Vec<_>>().join("; ")
        }
        other => plain(other),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Clock;
    use crate::journal::testing::{done, intent, open, phase_began, step_began};
    use crate::journal::{ChangeKind, Completed, Record, Waiting};

    #[tokio::test]
    async fn a_task_that_is_asked_for_again_stays_beside_the_new_one() {
        let folder = tempfile::tempdir().unwrap();
        let opening = open(&folder.path().join("s.iomcopy.jsonl"), &Clock::new(1.0));
        let asked = |keys: &[&str]| {
            let named = |key: &&str| serde_json::json!({ "key": key, "name": key });
            let changes: Vec<Value> = keys.iter().map(named).collect();
            let task = "s/p".to_owned();
            let worksheet = serde_json::json!({ "changes": changes, "things": keys });
            let mut records = vec![Record::from(Waiting { task, worksheet })];
            let intents = keys.iter();
            records.extend(intents.map(|key| intent("s", "p", key, ChangeKind::ManualTask)));
            records
        };
        let ended = |who: &str, waived: Option<&str>| {
            Record::from(Completed {
                task: "s/p".to_owned(),
                evidence: Value::Null,
                who: who.to_owned(),
                waived: waived.map(str::to_owned),
            })
        };
        let mut records = vec![step_began("s"), phase_began("s", "p")];
        records.extend(asked(&["a", "b"]));
        records.extend([done("a"), ended("ann", Some("later"))]);
        records.extend(asked(&["a"]));
        records.extend([done("a"), ended("bob", None)]);
        opening.journal.append_all(records).await.unwrap();
        let tasks = tasks(&opening.journal.state());
        let shown = tasks.iter().map(|task| {
            let who = task.who.as_deref().unwrap_or_default();
            format!(
                "{who}: {}: {}",
                task.describe_state(),
                task.things.join(", ")
            )
        });
        assert_eq!(
            shown.collect::<Vec<_>>(),
            ["ann: 1 done, 1 waived: a, b", "bob: proved: a"]
        );
    }
}
