//! Manual tasks: what a person must do, how the run waits for it, what proves that it is done.

use std::time::Duration;

use serde_json::{Value, json};

use super::apply::intent;
use super::change::keys_of;
use super::{Change, EventKind, Executor, Failure, FailureKind, Location, Phase, Step, Worksheet};
use crate::base::sync::lock;
use crate::base::text;
use crate::journal::{ChangeKind, Completed, Done, Intent, Record, Stamped, State, Waiting};

/// How often the evidence of a manual task is read while a person is at the terminal.
const EVIDENCE_INTERVAL: Duration = Duration::from_secs(30);

impl Executor {
    /// Hands out the manual changes of a phase: they form one worksheet and one manual task. With a
    /// person at the terminal, the run waits before it reads the evidence again; else it ends here.
    pub(super) async fn hand_out(
        &self,
        step: &Step,
        phase: &Phase,
        changes: &[Change],
    ) -> Result<(), Failure> {
        let task = task_name(step, phase);
        let worksheet = Worksheet::new(changes);
        let is_known = self.record_handed_out(step, phase, changes).await?;
        // An earlier process may have shown it in a window that is closed by now.
        let was_shown = self.mark_shown(&task);
        if !is_known || !self.context.attended || !was_shown {
            self.context.events.emit(worksheet.event(&task));
        }
        if self.context.attended {
            let note = format!("{} left for you to do", text::count(changes.len(), "thing"));
            self.wait_for_person(step, &task, &note).await
        } else {
            Err(worksheet.not_done(&task))
        }
    }

    /// Hands out the manual changes of a phase in which others failed. The run does not wait for
    /// them, because it ends with the failures. Returns that they wait; none if there are none, or if
    /// a person waived them.
    pub(super) async fn hand_out_beside(
        &self,
        step: &Step,
        phase: &Phase,
        changes: &[Change],
    ) -> Result<Option<Failure>, Failure> {
        if changes.is_empty() || self.is_waived(step, phase) {
            return Ok(None);
        }
        let task = task_name(step, phase);
        let worksheet = Worksheet::new(changes);
        self.record_handed_out(step, phase, changes).await?;
        let mut failure = worksheet.not_done(&task);
        if self.context.attended {
            // The event would say that the run waits for it.
            let help = failure.help.take().unwrap_or_default();
            failure.help = Some(format!("`iomcopy status RUNBOOK` shows what to do; {help}"));
        } else {
            self.context.events.emit(worksheet.event(&task));
        }
        let location = Location {
            step: step.name.clone(),
            phase: phase.name.to_owned(),
            ..Location::default()
        };
        Ok(Some(failure.of_one_change().located(location)))
    }

    /// Records what of these manual changes does not wait yet. Returns whether their worksheet is
    /// known.
    async fn record_handed_out(
        &self,
        step: &Step,
        phase: &Phase,
        changes: &[Change],
    ) -> Result<bool, Failure> {
        let state = self.context.journal.state();
        let records = hand_out_records(&state, (step.name.as_str(), phase.name), changes);
        let is_known = !matches!(records.first(), Some(Record::Waiting(_)));
        if !records.is_empty() {
            self.context.journal.append_all(records).await?;
        }
        Ok(is_known)
    }

    /// Marks the worksheet of this task as shown. Returns whether this process has shown it before:
    /// a worksheet is shown when the task is new, and once in each process that waits for it.
    fn mark_shown(&self, task: &str) -> bool {
        let mut shown = lock(&self.shown);
        !shown.insert(task.to_owned())
    }

    /// Records the manual changes that a person has done: the survey no longer finds them. Takes
    /// what the survey found. A waived task proves nothing: the survey may not look for its changes.
    pub(super) async fn record_done_by_hand(
        &self,
        step: &Step,
        phase: &Phase,
        found: &[Change],
    ) -> Result<(), Failure> {
        if self.is_waived(step, phase) {
            return Ok(());
        }
        let state = self.context.journal.state();
        let mut done = done_by_hand(&state, &task_name(step, phase), found);
        done.extend(refused_and_made(&state, step, phase, found));
        if done.is_empty() {
            return Ok(());
        }
        let keys: Vec<String> = done.iter().filter_map(done_key).collect();
        self.context.journal.append_all(done).await?;
        let state = self.context.journal.state();
        for key in keys {
            if let Some(made) = state.manual_changes.get(key.as_str()) {
                let name = &made.intent.name;
                self.emit_made_by_hand(&step.name, phase.name, &key, name);
            }
        }
        Ok(())
    }

    /// Emits that a person has made a change: the survey no longer finds it.
    fn emit_made_by_hand(&self, step: &str, phase: &str, key: &str, name: &str) {
        self.context.events.emit(EventKind::ChangeDone {
            step: step.to_owned(),
            phase: phase.to_owned(),
            key: key.to_owned(),
            name: name.to_owned(),
            kind: ChangeKind::ManualTask,
            elapsed: None,
            unread_since: None,
        });
    }

    /// Waits until it is time to read the evidence of a manual task again. Takes the note that is
    /// shown.
    async fn wait_for_person(&self, step: &Step, task: &str, note: &str) -> Result<(), Failure> {
        self.context
            .events
            .progress(&step.name, task, note, Duration::ZERO);
        self.context.pause(EVIDENCE_INTERVAL).await
    }

    /// Waits if a phase cannot be surveyed while its manual task is open and a person is at the
    /// terminal: the evidence is read again later. Otherwise returns the failure.
    pub(super) async fn wait_for_evidence(
        &self,
        step: &Step,
        phase: &Phase,
        failure: Failure,
    ) -> Result<(), Failure> {
        let task = task_name(step, phase);
        let state = self.context.journal.state();
        let waits = state.waiting().any(|open| open.waiting.task == task);
        if !waits || failure.kind != FailureKind::Temporary {
            return Err(failure);
        }
        if !self.context.attended {
            return Err(failure.during(unreadable_evidence(&task)));
        }
        let note = format!("the evidence cannot be read: {}", failure.message);
        self.wait_for_person(step, &task, &note).await
    }

    /// Has a person waived the evidence of this phase?
    pub(super) fn is_waived(&self, step: &Step, phase: &Phase) -> bool {
        self.journal_view().is_waived(&task_name(step, phase))
    }

    /// Completes the manual task of a phase that has ended: the survey is the evidence.
    pub(super) async fn complete_task(&self, step: &Step, phase: &Phase) -> Result<(), Failure> {
        let task = task_name(step, phase);
        let state = self.context.journal.state();
        if state
            .tasks
            .get(task.as_str())
            .is_some_and(|task| task.completed.is_none())
        {
            let done = completed(&task, "survey".to_owned());
            self.context.record(done).await?;
        }
        Ok(())
    }
}

/// The records that hand out these manual changes of a phase (its step and name): what a survey has
/// found. None if all of them wait already. The rest of a task that is half done is not a new task;
/// a change is handed out again if it was done or if the program has tried it since.
pub fn hand_out_records(
    state: &State,
    (step, phase): (&str, &str),
    changes: &[Change],
) -> Vec<Record> {
    let task = format!("{step}/{phase}");
    let worksheet = Worksheet::new(changes);
    let open = state.tasks.get(task.as_str());
    let open = open.filter(|known| known.completed.is_none());
    let is_known = open.is_some_and(|known| worksheet.is_part_of(&known.waiting.worksheet));
    let is_open = |change: &&Change| {
        let known = state.manual_changes.get(change.key.as_str());
        let tried = state.set(&change.key).map(|set| set.intent.number);
        known.is_some_and(|known| known.done.is_none() && tried < Some(known.intent.number))
    };
    let new = changes.iter().filter(|change| !is_open(change));
    let intents = new.map(|change| Record::from(intent(step, phase, change, Value::Null)));
    let waiting = (!is_known).then(|| {
        Record::from(Waiting {
            task,
            worksheet: worksheet.to_json(),
        })
    });
    waiting.into_iter().chain(intents).collect()
}

/// The records of the changes of a manual task (`STEP/PHASE`) that a person has done: each change
/// that was handed out, that the phase's survey no longer finds, and that the program did not apply
/// itself since. `found` are the changes of that survey.
pub fn done_by_hand(state: &State, task: &str, found: &[Change]) -> Vec<Record> {
    let by_program = |intent: &Stamped<Intent>| {
        let set = state.set(&intent.key).map(|set| set.intent.number);
        let launch = state.launch(&intent.key);
        let launch = launch.map(|launch| launch.intent.number);
        set.max(launch) > Some(intent.number)
    };
    let found = keys_of(found);
    let handed_out = state.manual_changes.values().filter(|change| {
        let intent = &change.intent;
        change.done.is_none()
            && task.split_once('/') == Some((intent.step.as_str(), intent.phase.as_str()))
            && !by_program(intent)
            && !found.contains(intent.key.as_str())
    });
    let done = handed_out.map(|change| {
        Record::from(Done {
            key: change.intent.key.clone(),
            observed: json!({ "survey": "nothing is left to do" }),
        })
    });
    done.collect()
}

/// The records of the changes that the service refused for good, and that a person made without being
/// asked: the phase's survey no longer finds them. `found` are the changes of that survey.
fn refused_and_made(state: &State, step: &Step, phase: &Phase, found: &[Change]) -> Vec<Record> {
    let found = keys_of(found);
    let made = state.refused.keys().filter_map(|key| {
        let set = state.set(key).filter(|set| set.done.is_none());
        let set = set.map(|set| &set.intent);
        let launch = state.launch(key).filter(|launch| launch.was_refused());
        let intent = set.or_else(|| launch.map(|launch| &launch.intent))?;
        let is_here = intent.step == step.name && intent.phase == phase.name;
        let is_left = found.contains(intent.key.as_str());
        // A change that a person was asked for is recorded with its task.
        let was_asked = state.manual_changes.get(key).is_some();
        (is_here && !is_left && !was_asked).then(|| {
            let asked = Intent {
                kind: ChangeKind::ManualTask,
                ..Intent::clone(intent)
            };
            let done = Done {
                key: intent.key.clone(),
                observed: json!({ "survey": "nothing is left to do" }),
            };
            [Record::from(asked), Record::from(done)]
        })
    });
    made.flatten().collect()
}

/// The key of the change that this record says is done.
fn done_key(record: &Record) -> Option<String> {
    match record {
        Record::Done(done) => Some(done.key.clone()),
        _ => None,
    }
}

/// The record that a manual task is done: its phase's survey finds nothing. Takes the user who
/// asked for the evidence to be read.
pub fn completed(task: &str, who: String) -> Completed {
    Completed {
        task: task.to_owned(),
        evidence: json!({ "survey": "nothing is left to do" }),
        who,
        waived: None,
    }
}

/// The text before the reason why the evidence of a manual task cannot be read.
pub fn unreadable_evidence(task: &str) -> String {
    format!("the evidence of {task} cannot be read, so its state is unknown")
}

/// The command that completes this manual task: reads its evidence, or waives it if there is none to
/// read. Takes the arguments that name the runbook and its state file.
pub fn complete_command(arguments: &str, task: &str, needs_waiver: bool) -> String {
    let waiver = if needs_waiver {
        " --waive \"who, when\""
    } else {
        ""
    };
    format!("iomcopy complete {arguments} {task}{waiver}")
}

/// A manual task's name: `STEP/PHASE`.
pub(super) fn task_name(step: &Step, phase: &Phase) -> String {
    format!("{}/{}", step.name, phase.name)
}
