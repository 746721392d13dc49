//! Makes the content of a report from a state file.

use jiff::Timestamp;
use serde_json::Value;

use super::clean;
use super::content::{
    ChangeReport, ChangeResult, Confirmation, Ending, PhaseReport, Process, RunFacts, RunReport,
    StepReport, TaskReport, TaskState,
};
use super::figures::Figures;
use super::pictures::{self, GraphOutline};
use super::values::value_changes;
use crate::base::clock::between;
use crate::base::text::count;
use crate::journal::{
    ChangeState, Closed, Intent, LaunchOutcome, LaunchState, Record, Stamped, State,
    StateFileContents,
};
use crate::report::documents::{StepFailure, Version};
use crate::report::status::{
    condition, simulation_note, step_failures, step_not_begun, step_status, torn_note, worksheet,
};
use crate::report::under_way::{operation_line, pauses, unread_since};

/// The report of a run. Takes the content and the path of its state file, the names of all steps in
/// order, and the next command.
pub fn gather_report(
    contents: &StateFileContents,
    file: &str,
    steps: &[&str],
    next: &str,
) -> RunReport {
    let state = &contents.state;
    let (text, condition) = condition(contents);
    let figures = figures(contents);
    let mut step_reports: Vec<StepReport> =
        steps.iter().map(|name| step_report(state, name)).collect();
    if let Some(since) = unread_since(contents) {
        mark_unread(&mut step_reports, &since);
    }
    RunReport {
        v: Version,
        state_file: file.to_owned(),
        runbook: clean(&state.began.runbook),
        state: condition,
        condition: text,
        run: Some(facts(state)),
        confirmations: confirmations(contents),
        processes: processes(contents),
        steps: step_reports,
        tasks: tasks(state),
        findings: findings(contents, figures.as_ref()),
        figures,
        warnings: warnings(contents),
        failures: failures(state),
        next: state.finished.is_none().then(|| next.to_owned()),
        pictures: pictures::gather(contents, steps),
    }
}

impl RunReport {
    /// The same with the run's orchestrations as pictures. Takes what reads a graph's outline from
    /// its text.
    #[must_use]
    pub fn with_orchestrations(
        mut self,
        contents: &StateFileContents,
        outline: impl Fn(&str) -> Option<GraphOutline>,
    ) -> Self {
        self.pictures.orchestrations = pictures::gather_orchestrations(contents, outline);
        self
    }
}

/// The report of a run that has not begun. Takes the runbook's name, the path of its future state
/// file, the names of all steps in order, and the next command.
pub fn not_begun_report(runbook: &str, file: &str, steps: &[&str], next: &str) -> RunReport {
    let step = |name: &&str| StepReport {
        status: step_not_begun(name),
        phases: Vec::new(),
        changes: Vec::new(),
    };
    RunReport {
        state_file: file.to_owned(),
        runbook: runbook.to_owned(),
        condition: format!("not begun: {file} does not exist"),
        steps: steps.iter().map(step).collect(),
        next: Some(next.to_owned()),
        ..RunReport::default()
    }
}

/// Notes since when nobody has read how the changes ended whose outcome is unknown.
fn mark_unread(steps: &mut [StepReport], since: &str) {
    let changes = steps.iter_mut().flat_map(|step| &mut step.changes);
    for change in changes.filter(|change| change.result == ChangeResult::Begun) {
        change.unread_since = Some(since.to_owned());
    }
}

/// A time in whole seconds.
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
    let real = between(state.began.time, end);
    RunFacts {
        id: state.run.to_string(),
        tenant: clean(&pinned.tenant),
        cloud: clean(&pinned.cloud),
        source: pinned.source.clone(),
        target: target.into(),
        began: at(state.began.time),
        finished: state.finished.map(at),
        seconds: state.work.total().as_secs(),
        speed: state.work.speed(),
        real_seconds: real.as_secs(),
        pause_seconds: pauses(state, end).as_secs(),
        plan_digest: state.plan_digest.clone(),
    }
}

fn confirmations(contents: &StateFileContents) -> Vec<Confirmation> {
    let confirmed = contents.entries.iter().filter_map(|entry| {
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

fn processes(contents: &StateFileContents) -> Vec<Process> {
    let mut processes: Vec<Process> = Vec::new();
    for entry in &contents.entries {
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

fn step_report(state: &State, name: &str) -> StepReport {
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

/// The changes of a step, automatic and manual, in the order in which they began. What the program
/// began and a person made is a manual one.
fn changes(state: &State, step: &str) -> Vec<ChangeReport> {
    let is_listed = |intent: &Stamped<Intent>, is_done: bool| {
        intent.step == step && (is_done || !state.is_made_by_person(intent))
    };
    let sets = state.sets.values().chain(state.manual_changes.values());
    let sets = sets.filter(|set| is_listed(&set.intent, set.done.is_some()));
    let launches = state.launches.values();
    let launches = launches.filter(|launch| is_listed(&launch.intent, launch.verified.is_some()));
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
        None if state.refused.contains_key(set.intent.key.as_str()) => ChangeResult::Failed,
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
        seconds: done.map(|done| state.change_time(intent, done).as_secs()),
        attempt,
        unread_since: None,
        values: value_changes(&intent.before.value(), &intent.after.value(), &state.names),
    }
}

fn tasks(state: &State) -> Vec<TaskReport> {
    let mut tasks: Vec<_> = state.tasks.values().collect();
    tasks.sort_by_key(|task| task.waiting.number);
    let tasks = tasks.into_iter().map(|task| {
        let completed = task.completed.as_ref();
        let waived = completed.and_then(|completed| completed.waived.as_deref());
        let sheet = worksheet(task);
        let clean_each = |lines: &[String]| lines.iter().map(|line| clean(line)).collect();
        TaskReport {
            task: clean(&task.waiting.task),
            state: match (completed, waived) {
                (None, _) => TaskState::Waiting,
                (Some(_), None) => TaskState::Proved,
                (Some(_), Some(_)) => TaskState::Waived,
            },
            since: at(task.waiting.time),
            things: clean_each(&sheet.things),
            instructions: clean_each(&sheet.instructions),
            expected_evidence: clean_each(&sheet.evidence),
            completed: completed.map(|completed| at(completed.time)),
            who: completed.map(|completed| clean(&completed.who)),
            evidence: completed
                .filter(|_| waived.is_none())
                .map(|completed| describe_evidence(&completed.evidence)),
            waived: waived.map(clean),
        }
    });
    tasks.collect()
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

/// The last record of each process that closed the file, in order.
fn closed_records(contents: &StateFileContents) -> impl Iterator<Item = &Closed> {
    let records = contents.entries.iter().map(|entry| &entry.record);
    records.filter_map(|record| match record {
        Record::Closed(closed) => Some(closed),
        _ => None,
    })
}

/// The figures of the last process that recorded any.
fn figures(contents: &StateFileContents) -> Option<Figures> {
    let last = closed_records(contents)
        .filter_map(|closed| closed.figures.clone())
        .last()?;
    // A later version of the program may count other things; the report then leaves the figures
    // out.
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
    let surfaces = figures.containment.iter_mut();
    for surface in surfaces.flat_map(|containment| &mut containment.surfaces) {
        for text in [
            &mut surface.kind,
            &mut surface.name,
            &mut surface.reach,
            &mut surface.state,
            &mut surface.detail,
        ] {
            *text = clean(text);
        }
    }
    Some(figures)
}

fn findings(contents: &StateFileContents, figures: Option<&Figures>) -> Vec<String> {
    let mut findings: Vec<String> = Vec::new();
    let notes = closed_records(contents).flat_map(|closed| &closed.notes);
    let dangling = figures.into_iter().flat_map(|figures| &figures.dangling);
    let dangling =
        dangling.map(|slot| format!("dangling before the refresh, left unchanged: {slot}"));
    for finding in notes.map(|note| clean(note)).chain(dangling) {
        if !findings.contains(&finding) {
            findings.push(finding);
        }
    }
    findings
}

/// What the reader should know about the run or its state file.
fn warnings(contents: &StateFileContents) -> Vec<String> {
    let state = &contents.state;
    let mut warnings: Vec<String> = Vec::new();
    warnings.extend(state.work.speed().map(simulation_note));
    let in_doubt = state
        .launches_in_doubt()
        .map(|launch| operation_line(contents, &clean(&launch.intent.name)));
    warnings.extend(in_doubt);
    for entry in &contents.entries {
        let warning = record_warning(&entry.record);
        warnings.extend(warning.map(|text| format!("{}: {text}", at(entry.time))));
    }
    if let Some(torn) = &contents.torn {
        warnings.push(torn_note(torn.bytes));
    }
    if contents.newer_format {
        warnings
            .push("the state file has a newer format: this report may be incomplete".to_owned());
    }
    warnings
}

/// The warning about a record, if the reader should know it.
fn record_warning(record: &Record) -> Option<String> {
    match record {
        Record::Takeover(takeover) => {
            let host = takeover.previous.get("host").and_then(Value::as_str);
            Some(format!(
                "taken over from a process on {} that had not closed the state file",
                clean(host.unwrap_or("another machine"))
            ))
        }
        Record::Cut(cut) => Some(format!(
            "{} were cut off the state file's end and are kept in {}",
            count(usize::try_from(cut.bytes).unwrap_or(usize::MAX), "byte"),
            cut.saved_to
        )),
        Record::RunbookChanged(changed) => Some(match changed.difference.as_slice() {
            [] => "the runbook was changed during the run".to_owned(),
            lines => format!(
                "the runbook was changed during the run: {}",
                clean(&lines.join("; "))
            ),
        }),
        Record::Abandoned(abandoned) => Some(format!(
            "captures were abandoned ({}): {}",
            abandoned.seals.join(", "),
            clean(&abandoned.reason)
        )),
        Record::Reopened(reopened) => Some(format!(
            "{} reopened steps 5 to 7 for the provider {}",
            clean(&reopened.who),
            clean(&reopened.provider)
        )),
        Record::RepairBegan(repair) => Some(format!(
            "{} repaired the step {} after the run had finished",
            clean(&repair.who),
            clean(&repair.step)
        )),
        Record::Unknown { kind, .. } => Some(format!(
            "this program does not know the record kind '{kind}', so the report leaves it out"
        )),
        _ => None,
    }
}

fn failures(state: &State) -> Vec<StepFailure> {
    let mut failures = step_failures(state);
    for failure in &mut failures {
        failure.message = clean(&failure.message);
        failure.help = failure.help.as_deref().map(clean);
    }
    failures
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Clock;
    use crate::journal::testing::{done, intent, open, phase_began, step_began};
    use crate::journal::{ChangeKind, Failed, Occupancy, read_state_file};

    #[tokio::test]
    async fn a_refused_change_has_failed_and_is_done_by_hand_once_a_person_made_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.iomcopy.jsonl");
        let opening = open(&path, &Clock::new(1.0));
        let refusal = Failed {
            step: "s".to_owned(),
            phase: Some("p".to_owned()),
            key: Some("a".to_owned()),
            message: "403".to_owned(),
            help: None,
            permanent: true,
            not_allowed: true,
        };
        let refused = vec![
            step_began("s"),
            phase_began("s", "p"),
            intent("s", "p", "a", ChangeKind::Set),
            Record::from(refusal),
        ];
        opening.journal.append_all(refused).await.unwrap();
        let results = || {
            let changes = changes(&opening.journal.state(), "s").into_iter();
            let results = changes.map(|change| change.describe_result());
            results.collect::<Vec<_>>()
        };
        assert_eq!(results(), ["failed"]);
        let made = vec![
            phase_began("s", "p"),
            intent("s", "p", "a", ChangeKind::ManualTask),
            done("a"),
        ];
        opening.journal.append_all(made).await.unwrap();
        assert_eq!(results(), ["done by hand"]);
    }

    #[tokio::test]
    async fn an_operation_that_no_process_reads_is_not_said_to_run() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.iomcopy.jsonl");
        let opening = open(&path, &Clock::new(1.0));
        let requested = vec![
            step_began("s"),
            phase_began("s", "p"),
            intent("s", "p", "copy", ChangeKind::Launch),
        ];
        opening.journal.append_all(requested).await.unwrap();
        let mut contents = read_state_file(&path).unwrap();
        let shown = |contents: &StateFileContents| {
            let report = gather_report(contents, "s", &["s"], "iomcopy run");
            let result = report.steps[0].changes[0].describe_result();
            (report.warnings.join("; "), result)
        };
        let (warnings, result) = shown(&contents);
        assert!(warnings.contains("running at the service: "), "{warnings}");
        assert_eq!(result, "begun, outcome unknown");
        contents.occupancy = Occupancy::Free;
        let (warnings, result) = shown(&contents);
        let not_read = "was requested; not read since ";
        assert!(warnings.contains(&format!(": {not_read}")), "{warnings}");
        assert!(!warnings.contains("running"), "{warnings}");
        assert!(result.starts_with(not_read), "{result}");
    }
}
