//! Makes the content of a report from a state file.

use jiff::Timestamp;

use super::clean;
use super::content::{
    ChangeReport, ChangeResult, Confirmation, Ending, PhaseReport, Process, RunFacts, RunReport,
    StepReport,
};
use super::findings::{figures, findings, warnings};
use super::manual_tasks::tasks;
use super::pictures::{self, GraphOutline};
use super::values::value_changes;
use crate::base::clock::between;
use crate::journal::{
    ChangeState, ChangeTime, Intent, LaunchOutcome, LaunchState, Occupancy, Record, Stamped, State,
    StateFileContents,
};
use crate::report::current_work::{elapsed, pauses, unread_since};
use crate::report::documents::{RunState, StepFailure, Version};
use crate::report::hindrances::all_hindrances;
use crate::report::status::{condition, step_failures, step_not_begun, step_status};

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
    let (figures, unread) = match figures(contents) {
        Ok(figures) => (figures, None),
        Err(why) => (None, Some(why)),
    };
    let hindrances = all_hindrances(contents).lines();
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
        hindrances: hindrances.iter().map(|line| clean(line)).collect(),
        warnings: warnings(contents, unread, next),
        failures: failures(state),
        next: Some(next.to_owned()),
        as_of: None,
        pictures: pictures::gather(contents, steps),
    }
}

impl RunReport {
    /// The same without the findings that the run has answered since.
    #[must_use]
    pub fn without_answered(mut self, is_answered: impl Fn(&str) -> bool) -> Self {
        self.findings.texts.retain(|finding| !is_answered(finding));
        self
    }

    /// The same until now, if a process works on a step: without it, the times end with the last
    /// record, which may be hours old in a copy. Takes the names of all steps in order.
    #[must_use]
    pub fn until_now(
        mut self,
        contents: &StateFileContents,
        steps: &[&str],
        now: Timestamp,
    ) -> Self {
        if self.state != RunState::Running {
            return self;
        }
        self.as_of = Some(at(now));
        if contents.state.running.is_none() {
            return self;
        }
        if let Some(run) = &mut self.run {
            let last = contents.state.last_time;
            run.seconds += elapsed(contents, last, now).as_secs();
            run.real_seconds += between(last, now).as_secs();
        }
        self.pictures.timeline = pictures::timeline_until(contents, steps, now);
        self
    }

    /// The same with the run's orchestrations as pictures. `outline` parses the text of a
    /// graph.
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
pub(super) fn at(time: Timestamp) -> String {
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
        seconds: state.run_duration().as_secs(),
        other_seconds: state.time_outside_steps().as_secs(),
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
                running: false,
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
    if contents.occupancy != Occupancy::Free
        && let Some(last) = processes.last_mut()
    {
        last.running = last.ending.is_none();
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
    let is_listed = |intent: &Stamped<Intent>| intent.step == step && state.is_newest(intent);
    let sets = state.sets.values().chain(state.manual_changes.values());
    let sets = sets.filter(|set| is_listed(&set.intent));
    let launches = state.launches.values();
    let launches = launches.filter(|launch| is_listed(&launch.intent));
    let mut changes: Vec<(u64, ChangeReport)> = sets
        .map(|set| (set.intent.number, of_set(state, set)))
        .chain(launches.map(|launch| (launch.intent.number, of_launch(state, launch))))
        .collect();
    changes.sort_by_key(|(number, _)| *number);
    changes.into_iter().map(|(_, change)| change).collect()
}

fn of_set(state: &State, set: &ChangeState) -> ChangeReport {
    let result = match &set.done {
        Some(_) => ChangeResult::Done,
        None if state.refused.contains_key(set.intent.key.as_str()) => ChangeResult::Failed,
        None => ChangeResult::Begun,
    };
    change(state, &set.intent, result, state.set_time(set), 1)
}

fn of_launch(state: &State, launch: &LaunchState) -> ChangeReport {
    let result = match (&launch.verified, launch.outcome()) {
        (Some(_), _) => ChangeResult::Done,
        (None, Some(LaunchOutcome::Failed)) => ChangeResult::Failed,
        (None, Some(LaunchOutcome::Absent)) => ChangeResult::Absent,
        (None, Some(LaunchOutcome::Succeeded | LaunchOutcome::GivenUp) | None) => {
            ChangeResult::Begun
        }
    };
    let time = state.launch_time(launch);
    let attempt = launch.failures.saturating_add(1);
    change(state, &launch.intent, result, time, attempt)
}

fn change(
    state: &State,
    intent: &Stamped<Intent>,
    result: ChangeResult,
    time: Option<ChangeTime>,
    attempt: u32,
) -> ChangeReport {
    let ended_between = match time {
        Some(ChangeTime::Between(since, until)) => Some((at(since), at(until))),
        Some(ChangeTime::Known(_)) | None => None,
    };
    ChangeReport {
        key: clean(&intent.key),
        name: clean(&intent.name),
        phase: intent.phase.clone(),
        kind: intent.kind,
        result,
        began: at(intent.time),
        seconds: time.and_then(ChangeTime::known).map(|time| time.as_secs()),
        ended_between,
        attempt,
        unread_since: None,
        values: value_changes(&intent.before.value(), &intent.after.value(), &state.names),
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
    use std::path::Path;

    use serde_json::Value;

    use super::*;
    use crate::base::clock::Clock;
    use crate::journal::testing::{done, intent, open, phase_began, step_began};
    use crate::journal::{ChangeKind, Ended, Failed, OpenStateFile, Verified, read_state_file};
    use crate::report::run_report::ReportFormat;

    /// A run that has requested its copy.
    async fn requested_copy(path: &Path) -> OpenStateFile {
        let opening = open(path, &Clock::new(1.0));
        let requested = vec![
            step_began("s"),
            phase_began("s", "p"),
            intent("s", "p", "copy", ChangeKind::Launch),
        ];
        opening.journal.append_all(requested).await.unwrap();
        opening
    }

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
    async fn a_process_without_an_end_runs_or_was_killed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.iomcopy.jsonl");
        drop(open(&path, &Clock::new(1.0)));
        let opening = open(&path, &Clock::new(1.0));
        let ends = |contents: &StateFileContents| {
            let report = gather_report(contents, "s", &["s"], "iomcopy run");
            let ends = report.processes.iter().map(Process::describe_no_ending);
            (
                ends.collect::<Vec<_>>(),
                report.render(ReportFormat::Markdown),
            )
        };
        let (now, markdown) = ends(&read_state_file(&path).unwrap());
        assert_eq!(now, ["no end recorded", "running"]);
        assert!(markdown.contains("| running |"), "{markdown}");
        drop(opening);
        let (later, _) = ends(&read_state_file(&path).unwrap());
        assert_eq!(later, ["no end recorded", "no end recorded"]);
    }

    #[tokio::test]
    async fn an_operation_that_ended_unread_has_no_time_but_two_bounds() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.iomcopy.jsonl");
        let opening = requested_copy(&path).await;
        let since = opening.journal.state().launch("copy").unwrap().intent.time;
        let ended = Ended {
            key: "copy".to_owned(),
            outcome: LaunchOutcome::Succeeded,
            detail: Value::Null,
            unread_since: Some(since),
        };
        let verified = Verified {
            key: "copy".to_owned(),
            observed: Value::Null,
            unread_since: Some(since),
            service_seconds: None,
        };
        let records = vec![ended.into(), verified.into()];
        opening.journal.append_all(records).await.unwrap();
        drop(opening);
        let contents = read_state_file(&path).unwrap();
        let change = changes(&contents.state, "s").remove(0);
        assert_eq!((change.result, change.seconds), (ChangeResult::Done, None));
        let text = change.describe_time();
        let begin = format!("unknown: it ended between {} and ", at(since));
        assert!(text.starts_with(&begin), "{text}");
    }

    #[tokio::test]
    async fn an_operation_that_no_process_reads_is_not_said_to_run() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.iomcopy.jsonl");
        let _opening = requested_copy(&path).await;
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

    #[tokio::test]
    async fn the_times_of_a_running_operation_reach_until_now_and_those_of_a_killed_one_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.iomcopy.jsonl");
        let _opening = requested_copy(&path).await;
        let mut contents = read_state_file(&path).unwrap();
        let now = contents.state.last_time + std::time::Duration::from_hours(1);
        let report = |contents: &StateFileContents| {
            let report = gather_report(contents, "s", &["s"], "iomcopy run");
            let report = report.until_now(contents, &["s"], now);
            let timeline = report.pictures.timeline.unwrap();
            let texts: Vec<String> = timeline.rows.into_iter().map(|row| row.text).collect();
            (report.run.unwrap().seconds, texts)
        };
        let (seconds, texts) = report(&contents);
        assert!((3600..3660).contains(&seconds), "{seconds}");
        let is_running = |text: &String| text.contains(", 1 h") && text.ends_with(", running");
        assert!(texts.iter().all(is_running), "{texts:?}");
        contents.occupancy = Occupancy::Free;
        let (seconds, texts) = report(&contents);
        assert!(seconds < 60, "{seconds}");
        assert!(texts[0].ends_with(", interrupted"), "{texts:?}");
        assert!(texts[1].ends_with(", not read since then"), "{texts:?}");
    }
}
