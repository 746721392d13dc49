//! A state file's records become the account of a run.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::account::{
    ChangeReport, ChangeResult, Confirmation, Ending, Figures, PhaseReport, Process, RunFacts,
    RunReport, StepReport, TaskReport, TaskState,
};
use crate::base::text::{count, redact};
use crate::journal::{
    ChangeKind, ChangeState, Closed, Intent, LaunchOutcome, LaunchState, Reading, Record, Stamped,
    State,
};
use crate::report::documents::{RunState, StepFailure, Version};
use crate::report::status::{
    condition, next_command, simulated, step_failures, step_not_begun, step_status,
};

/// The account of a run. Takes what was read of its state file and where that is, the names of all
/// steps in order, and the runbook as a command names it.
pub fn gather(reading: &Reading, file: &str, steps: &[&str], command: &str) -> RunReport {
    let state = &reading.state;
    let (words, condition) = condition(reading);
    let figures = figures(reading);
    RunReport {
        v: Version,
        state_file: file.to_owned(),
        runbook: clean(&state.began.runbook),
        state: condition,
        condition: words,
        run: Some(facts(state)),
        confirmations: confirmations(reading),
        processes: processes(reading),
        steps: steps.iter().map(|name| step(state, name)).collect(),
        tasks: tasks(state),
        findings: findings(reading, figures.as_ref()),
        figures,
        warnings: warnings(reading),
        failures: failures(state),
        next: state.finished.is_none().then(|| next_command(command)),
    }
}

/// The account of a run that has not begun. Takes the runbook's name, where its state file would be,
/// the names of all steps in order, and the runbook as a command names it.
pub fn not_begun(runbook: &str, file: &str, steps: &[&str], command: &str) -> RunReport {
    let step = |name: &&str| StepReport {
        status: step_not_begun(name),
        phases: Vec::new(),
        changes: Vec::new(),
    };
    RunReport {
        v: Version,
        state_file: file.to_owned(),
        runbook: runbook.to_owned(),
        state: RunState::NotBegun,
        condition: format!("not begun: there is no {file}"),
        run: None,
        confirmations: Vec::new(),
        processes: Vec::new(),
        steps: steps.iter().map(step).collect(),
        tasks: Vec::new(),
        figures: None,
        findings: Vec::new(),
        warnings: Vec::new(),
        failures: Vec::new(),
        next: Some(next_command(command)),
    }
}

/// A text of the journal, with what looks like a credential taken out.
fn clean(text: &str) -> String {
    redact(text).into_owned()
}

/// A time to the second.
fn at(time: Timestamp) -> String {
    format!("{time:.0}")
}

fn facts(state: &State) -> RunFacts {
    let pinned = &state.began.pinned;
    let mut target = pinned.target.clone();
    if let Some(repinned) = &state.repinned {
        target.organization = Some(repinned.organization.clone());
        target.unique_name = Some(repinned.unique_name.clone());
        target.url = Some(repinned.url.clone());
    }
    let end = state.finished.unwrap_or(state.last_time);
    let real = end.duration_since(state.began.time);
    let real = Duration::try_from(real).unwrap_or_default();
    RunFacts {
        id: state.run.to_string(),
        tenant: clean(&pinned.tenant),
        cloud: clean(&pinned.cloud),
        source: pinned.source.clone(),
        target,
        began: at(state.began.time),
        finished: state.finished.map(at),
        seconds: state.work.total().as_secs(),
        speed: state.work.speed(),
        real_seconds: real.as_secs(),
        pause_seconds: real.saturating_sub(state.work.real()).as_secs(),
        plan_digest: state.plan_digest.clone(),
    }
}

fn confirmations(reading: &Reading) -> Vec<Confirmation> {
    let confirmed = reading.entries.iter().filter_map(|entry| {
        let Record::Confirmed(confirmed) = &entry.record else {
            return None;
        };
        Some(Confirmation {
            who: clean(&confirmed.who),
            how: clean(&confirmed.how),
            time: at(entry.time),
            target: clean(&confirmed.target),
            destructive: confirmed.destructive.len(),
        })
    });
    confirmed.collect()
}

fn processes(reading: &Reading) -> Vec<Process> {
    let mut processes: Vec<Process> = Vec::new();
    for entry in &reading.entries {
        match &entry.record {
            Record::Opened(opened) => processes.push(Process {
                pid: opened.pid,
                host: clean(&opened.host),
                program: clean(&opened.program),
                began: at(entry.time),
                ending: None,
            }),
            Record::Closed(closed) => {
                if let Some(process) = processes.last_mut() {
                    process.ending = Some(Ending {
                        time: at(entry.time),
                        reason: clean(&closed.reason),
                        exit: closed.exit,
                        message: closed.message.as_deref().map(clean),
                    });
                }
            }
            _ => {}
        }
    }
    processes
}

fn step(state: &State, name: &str) -> StepReport {
    let mut status = step_status(state, name);
    status.note = status.note.as_deref().map(clean);
    let phases = state.step(name).map(|step| &step.phases);
    let phases = phases.into_iter().flatten().map(|phase| PhaseReport {
        name: phase.phase.clone(),
        ended: phase.ended.is_some(),
        seconds: phase.ended.map(|_| phase.worked.as_secs()),
        passes: phase.passes,
        changes: phase.changes,
    });
    StepReport {
        status,
        phases: phases.collect(),
        changes: changes(state, name),
    }
}

/// The changes of a step, in the order in which they were begun; a person's are among them.
fn changes(state: &State, step: &str) -> Vec<ChangeReport> {
    let sets = state.sets.values().chain(state.asks.values());
    let sets = sets.filter(|set| set.intent.step == step);
    let launches = state.launches.values();
    let launches = launches.filter(|launch| launch.intent.step == step);
    let mut changes: Vec<(u64, ChangeReport)> = sets
        .map(|set| (set.intent.number, of_set(state, set)))
        .chain(launches.map(|launch| (launch.intent.number, of_launch(state, launch))))
        .collect();
    changes.sort_by_key(|(number, _)| *number);
    changes.into_iter().map(|(_, change)| change).collect()
}

fn of_set(state: &State, set: &ChangeState) -> ChangeReport {
    let done = set.done.as_ref().map(|done| done.time);
    let result = match done {
        Some(_) => ChangeResult::Done,
        None => ChangeResult::Begun,
    };
    change(state, &set.intent, result, done, 1)
}

fn of_launch(state: &State, launch: &LaunchState) -> ChangeReport {
    let verified = launch.verified.as_ref().map(|verified| verified.time);
    let result = match (verified, launch.outcome()) {
        (Some(_), _) => ChangeResult::Done,
        (None, Some(LaunchOutcome::Failed)) => ChangeResult::Failed,
        (None, Some(LaunchOutcome::Absent)) => ChangeResult::Absent,
        (None, Some(LaunchOutcome::Succeeded) | None) => ChangeResult::Begun,
    };
    change(state, &launch.intent, result, verified, launch.attempt)
}

fn change(
    state: &State,
    intent: &Stamped<Intent>,
    result: ChangeResult,
    done: Option<Timestamp>,
    attempt: u32,
) -> ChangeReport {
    ChangeReport {
        key: clean(&intent.key),
        name: clean(&intent.name),
        phase: intent.phase.clone(),
        kind: intent.kind,
        result,
        began: at(intent.time),
        seconds: done.map(|done| took(state, intent, done)),
        attempt,
    }
}

/// How long a change took: work, or for an operation at the service, which goes on meanwhile, all of
/// the time.
fn took(state: &State, intent: &Stamped<Intent>, done: Timestamp) -> u64 {
    let time = match intent.kind {
        ChangeKind::Launch => state.work.elapsed(intent.time, done),
        _ => state.work.worked(intent.time, done),
    };
    time.as_secs()
}

fn tasks(state: &State) -> Vec<TaskReport> {
    let mut tasks: Vec<_> = state.tasks.values().collect();
    tasks.sort_by_key(|task| task.waiting.number);
    let tasks = tasks.into_iter().map(|task| {
        let completed = task.completed.as_ref();
        let waived = completed.and_then(|completed| completed.waived.as_deref());
        let worksheet = |key: &str| {
            let lines = task.waiting.worksheet.get(key).and_then(Value::as_array);
            let lines = lines.into_iter().flatten().filter_map(Value::as_str);
            lines.map(clean).collect()
        };
        TaskReport {
            task: clean(&task.waiting.task),
            state: match (completed, waived) {
                (None, _) => TaskState::Waiting,
                (Some(_), None) => TaskState::Proved,
                (Some(_), Some(_)) => TaskState::Waived,
            },
            since: at(task.waiting.time),
            things: worksheet("things"),
            instructions: worksheet("instructions"),
            proof: worksheet("evidence"),
            completed: completed.map(|completed| at(completed.time)),
            who: completed.map(|completed| clean(&completed.who)),
            evidence: completed
                .filter(|_| waived.is_none())
                .map(|completed| told(&completed.evidence)),
            waived: waived.map(clean),
        }
    });
    tasks.collect()
}

/// What was read, in words: `survey: nothing is left to do`.
fn told(evidence: &Value) -> String {
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

/// How each process left the file, in order.
fn closings(reading: &Reading) -> impl Iterator<Item = &Closed> {
    reading
        .entries
        .iter()
        .filter_map(|entry| match &entry.record {
            Record::Closed(closed) => Some(closed),
            _ => None,
        })
}

/// The figures of the last process that left any.
fn figures(reading: &Reading) -> Option<Figures> {
    let last = closings(reading)
        .filter_map(|closed| closed.figures.clone())
        .last()?;
    // A later program may count other things; what it wrote is then not told, and nothing is wrong.
    let mut figures: Figures = serde_json::from_value(last).ok()?;
    let lists = [
        &mut figures.dangling,
        &mut figures.published,
        &mut figures.drafts,
    ];
    for text in lists.into_iter().flatten() {
        *text = clean(text);
    }
    for (name, reason) in &mut figures.flows_off {
        (*name, *reason) = (clean(name), clean(reason));
    }
    Some(figures)
}

fn findings(reading: &Reading, figures: Option<&Figures>) -> Vec<String> {
    let mut findings: Vec<String> = Vec::new();
    let notes = closings(reading).flat_map(|closed| &closed.notes);
    let dangling = figures.into_iter().flat_map(|figures| &figures.dangling);
    let dangling =
        dangling.map(|slot| format!("dangling before the refresh, and left as it was: {slot}"));
    for finding in notes.map(|note| clean(note)).chain(dangling) {
        if !findings.contains(&finding) {
            findings.push(finding);
        }
    }
    findings
}

/// What happened to the run or to its file.
fn warnings(reading: &Reading) -> Vec<String> {
    let state = &reading.state;
    let mut warnings: Vec<String> = Vec::new();
    warnings.extend(state.work.speed().map(simulated));
    let doubt = state
        .launches_in_doubt()
        .map(|launch| format!("under way at the service: {}", clean(&launch.intent.name)));
    warnings.extend(doubt);
    for entry in &reading.entries {
        let time = at(entry.time);
        warnings.extend(match &entry.record {
            Record::Takeover(takeover) => {
                let host = takeover.previous.get("host").and_then(Value::as_str);
                Some(format!(
                    "{time}: taken over from a process on {} that had not closed the state file",
                    clean(host.unwrap_or("another machine"))
                ))
            }
            Record::Cut(cut) => Some(format!(
                "{time}: {} were cut off the state file's end and are kept in {}",
                count(usize::try_from(cut.bytes).unwrap_or(usize::MAX), "byte"),
                cut.saved_to
            )),
            Record::RunbookChanged(_) => {
                Some(format!("{time}: the runbook was changed in the middle of the run"))
            }
            Record::Abandoned(abandoned) => Some(format!(
                "{time}: captures were abandoned ({}): {}",
                abandoned.seals.join(", "),
                clean(&abandoned.reason)
            )),
            Record::Reopened(reopened) => Some(format!(
                "{time}: {} opened steps 5 to 7 again for the provider {}",
                clean(&reopened.who),
                clean(&reopened.provider)
            )),
            Record::Unknown { kind, .. } => Some(format!(
                "{time}: a record of the kind '{kind}' is not known to this program, and what it says is not told here"
            )),
            _ => None,
        });
    }
    if let Some(torn) = &reading.torn {
        warnings.push(format!(
            "the last record was not written whole ({} bytes); the next run cuts it off",
            torn.bytes
        ));
    }
    if reading.newer_format {
        warnings.push(
            "the state file is of a newer format: what is told here may be incomplete".to_owned(),
        );
    }
    warnings
}

fn failures(state: &State) -> Vec<StepFailure> {
    let mut failures = step_failures(state);
    for failure in &mut failures {
        failure.message = clean(&failure.message);
        failure.help = failure.help.as_deref().map(clean);
    }
    failures
}
