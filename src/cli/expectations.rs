//! How long a run should take: from the state files of earlier runs of the same runbook, which are
//! archived next to its own, else from what is documented.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use jiff::Timestamp;

use crate::base::files;
use crate::journal::{
    self, ChangeTime, LaunchOutcome, Occupancy, State, StateFileContents, StepOutcome, TimeSource,
};
use crate::report::{Estimates, Expected, duration};
use crate::steps;

/// How many earlier runs are read, the newest first.
const RUNS: usize = 5;

/// What to expect of a run. Earlier runs are read once, and only when there is something to expect:
/// while the run is under way, or an operation of it.
pub(super) struct Expectations {
    path: PathBuf,
    earlier: OnceLock<EarlierRuns>,
}

/// What earlier runs took.
#[derive(Default)]
struct EarlierRuns {
    operations: BTreeMap<String, Expected>,
    /// How long the steps of the last finished run took.
    last: Option<BTreeMap<String, Duration>>,
}

impl EarlierRuns {
    /// Reads the archived state files next to this one. A file that cannot be read is left out.
    fn read(path: &Path) -> Self {
        let mut found = Self::default();
        for archived in archived(path).into_iter().take(RUNS) {
            if let Ok(contents) = journal::read_state_file(&archived) {
                found.add(&contents.state);
            }
        }
        found
    }

    /// Adds an earlier run; what a newer one has shown stays.
    fn add(&mut self, state: &State) {
        for (key, launch) in &state.launches {
            let Some(ended) = &launch.ended else { continue };
            if ended.outcome != LaunchOutcome::Succeeded {
                continue;
            }
            // Skip an operation whose end time is unknown.
            let time = state.operation_time(launch);
            let Some(takes) = time.and_then(ChangeTime::known) else {
                continue;
            };
            let basis = format!("{} in the last run", duration(takes));
            let expected = Expected { takes, basis };
            self.operations.entry(key.to_string()).or_insert(expected);
        }
        if self.last.is_none() && state.finished.is_some() {
            let done = state
                .steps
                .iter()
                .filter(|step| step.outcome == Some(StepOutcome::Done));
            // A step whose time is not known is expected to take as long as its plan says.
            let steps = done.filter_map(|step| Some((step.step.clone(), state.step_time(step)?)));
            self.last = Some(steps.collect());
        }
    }
}

impl Expectations {
    /// For the run with this state file.
    pub(super) fn of(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            earlier: OnceLock::new(),
        }
    }

    /// How long the steps of the last finished run took, for a new run. Empty if there is none. A
    /// run whose place the new one takes is not archived yet.
    pub(super) fn steps_of_last_run(&self) -> BTreeMap<String, Duration> {
        let mut replaced = EarlierRuns::default();
        if let Ok(contents) = journal::read_state_file(&self.path) {
            replaced.add(&contents.state);
        }
        let earlier = || self.earlier.get_or_init(|| EarlierRuns::read(&self.path));
        let last = replaced.last.or_else(|| earlier().last.clone());
        last.unwrap_or_default()
    }

    /// What to expect of the run as its state file is now. `stages` is what the services report.
    pub(super) fn estimates(
        &self,
        contents: &StateFileContents,
        now: Timestamp,
        stages: BTreeMap<String, String>,
    ) -> Estimates {
        let state = &contents.state;
        let estimates = Estimates {
            stages,
            ..Estimates::at(now)
        };
        let is_working = contents.occupancy != Occupancy::Free && state.finished.is_none();
        if !is_working && state.launches_in_doubt().next().is_none() {
            return estimates;
        }
        let earlier = self.earlier.get_or_init(|| EarlierRuns::read(&self.path));
        let mut operations = earlier.operations.clone();
        for launch in state.launches_in_doubt() {
            let key = &launch.intent.key;
            if let Some(takes) = steps::documented_duration(key) {
                let basis = format!("usually up to {}", duration(takes));
                let expected = Expected { takes, basis };
                operations.entry(key.clone()).or_insert(expected);
            }
        }
        Estimates {
            operations,
            ..estimates
        }
    }
}

/// How long the steps of a run should still take by the last finished run, as its plan has it: less
/// what processes have worked on them. Empty for a run that was opened again or is repaired: the
/// duration of a whole run says nothing about it.
pub(super) fn left_of_last_run(state: &State) -> BTreeMap<String, Duration> {
    let is_whole = state.finished.is_none() && state.repair.is_none() && state.reopened.is_empty();
    let planned = state.planned.iter().filter(|_| is_whole);
    let left = planned.filter_map(|(name, planned)| {
        let worked = state.step(name).map(|step| step.worked).unwrap_or_default();
        let left = Duration::from_secs(planned.seconds).saturating_sub(worked);
        let is_known = planned.source == TimeSource::LastRun && !left.is_zero();
        is_known.then(|| (name.clone(), left))
    });
    left.collect()
}

/// The archived state files next to this one, the newest first: their names contain the run's id,
/// which begins with the time.
fn archived(path: &Path) -> Vec<PathBuf> {
    let Some(stem) = path.file_stem().and_then(|stem| stem.to_str()) else {
        return Vec::new();
    };
    let begin = format!("{stem}.");
    let entries = std::fs::read_dir(files::parent_folder(path));
    let names = entries.into_iter().flatten().filter_map(|entry| {
        let name = entry.ok()?.file_name().into_string().ok()?;
        let run = name.strip_prefix(&begin)?.strip_suffix(".jsonl")?;
        // A sealed copy has the name of its seal and `capture` there.
        run.starts_with(|first: char| first.is_ascii_hexdigit())
            .then_some(())?;
        (!run.contains('.')).then_some(name)
    });
    let mut names: Vec<String> = names.collect();
    names.sort();
    let paths = names
        .into_iter()
        .rev()
        .map(|name| path.with_file_name(name));
    paths.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::base::clock::Clock;
    use crate::cli::testing::began;
    use crate::journal::{
        ChangeKind, Finished, Intent, PhaseBegan, Planned, StepBegan, StepEnded, StepForecast,
    };
    use crate::report::{Palette, SuggestedCommands, status_table};

    fn intent(kind: ChangeKind, key: &str) -> Intent {
        Intent {
            step: "copy-environments".to_owned(),
            phase: "copy".to_owned(),
            key: key.to_owned(),
            kind,
            name: format!("change {key}"),
            before: Value::Null.into(),
            after: Value::Null.into(),
            detail: Value::Null,
        }
    }

    fn step_name() -> String {
        "copy-environments".to_owned()
    }

    fn forecast(changes: usize, seconds: u64, source: TimeSource) -> StepForecast {
        StepForecast {
            changes,
            seconds,
            source,
        }
    }

    #[tokio::test]
    async fn the_status_of_a_run_that_works_shows_what_it_does_and_when_it_should_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("uat.jsonl");
        let open = journal::begin(&path, Clock::new(1.0), began()).unwrap();
        let (step, phase) = ("copy-environments".to_owned(), "copy".to_owned());
        let begins = StepBegan {
            step: step.clone(),
            speed: None,
            services_stop: false,
        };
        open.journal.append(begins).await.unwrap();
        let begins = PhaseBegan { step, phase };
        open.journal.append(begins).await.unwrap();
        let steps = [(step_name(), forecast(12, 7200, TimeSource::Plan))].into();
        let digest = "d".to_owned();
        open.journal
            .append(Planned {
                digest,
                steps,
                names: BTreeMap::new(),
            })
            .await
            .unwrap();
        for (kind, key) in [(ChangeKind::Launch, "copy/2222"), (ChangeKind::Set, "name")] {
            open.journal.append(intent(kind, key)).await.unwrap();
        }
        let contents = journal::read_state_file(&path).unwrap();
        let hour = Duration::from_hours(1);
        let expectations = Expectations::of(&path);
        let stages = [("change copy/2222".to_owned(), "CopyDatabase".to_owned())];
        let now = contents.state.last_time;
        let estimates = expectations.estimates(&contents, now, stages.into());
        let commands = SuggestedCommands {
            arguments: "uat.yaml".to_owned(),
            next: "iomcopy status uat.yaml --follow".to_owned(),
            ran: "iomcopy status uat.yaml".to_owned(),
        };
        let steps = ["copy-environments", "activate-flows"];
        let table = |estimates: &Estimates| {
            status_table(
                &contents,
                &steps,
                &commands,
                estimates,
                Palette::plain(),
                None,
            )
        };
        let shown = table(&estimates);
        for part in [
            "\nbegan  ",
            "\nnow    [1/2] copy-environments, copy, 0 of 12: change name\n",
            "\nend    about ",
            "if it takes as long as its plan (2 h)",
            "\nrunning at the service: change copy/2222\n  since ",
            "\n  the service reports: CopyDatabase\n  expected end: about ",
            "(usually up to 8 h)",
        ] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
        for row in [
            "copy-environments  running ",
            "activate-flows     not begun",
        ] {
            assert!(shown.contains(row), "{row}: {shown}");
        }
        let stopping = Estimates {
            is_stopping: true,
            ..estimates.clone()
        };
        let shown = table(&stopping);
        assert!(
            shown.contains("\nstop   requested: no new change begins\n"),
            "{shown}"
        );
        assert!(!shown.contains("\nend    "), "{shown}");
        // Nine hours later the operation is late.
        let late = Estimates::at(now + hour * 9);
        let late = Estimates {
            operations: estimates.operations.clone(),
            ..late
        };
        let shown = table(&late);
        assert!(
            shown.contains(
                "for 9 h\n  the service has not confirmed it yet\n  longer than expected"
            ),
            "{shown}"
        );
        // And so is its step: a time would move with the clock.
        assert!(
            shown.contains(
                "\nend    unknown: this step takes longer than expected (2 h in its plan)"
            ),
            "{shown}"
        );
        drop(open);
    }

    /// Ends a run whose only step this is, and reads its state.
    async fn finished(path: &Path) -> State {
        let open = journal::begin(path, Clock::new(1.0), began()).unwrap();
        let begins = StepBegan {
            step: step_name(),
            speed: None,
            services_stop: false,
        };
        open.journal.append(begins).await.unwrap();
        let ended = StepEnded {
            step: step_name(),
            outcome: StepOutcome::Done,
            note: None,
        };
        open.journal.append(ended).await.unwrap();
        open.journal.append(Finished {}).await.unwrap();
        State::clone(&open.journal.state())
    }

    #[tokio::test]
    async fn a_new_run_expects_what_the_run_took_whose_place_it_takes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("uat.jsonl");
        let last = || Expectations::of(&path).steps_of_last_run();
        assert!(last().is_empty());
        let state = finished(&path).await;
        assert_eq!(
            last()[&step_name()],
            state.step(&step_name()).unwrap().worked
        );
    }

    #[tokio::test]
    async fn what_is_left_of_the_last_run_is_less_by_what_was_worked_since() {
        let folder = tempfile::tempdir().unwrap();
        let mut state = finished(&folder.path().join("uat.jsonl")).await;
        let other = "activate-flows".to_owned();
        state.planned = [
            (step_name(), forecast(12, 7200, TimeSource::LastRun)),
            (other, forecast(12, 7200, TimeSource::Plan)),
        ]
        .into();
        assert!(left_of_last_run(&state).is_empty(), "it has finished");
        state.finished = None;
        let worked = state.step(&step_name()).unwrap().worked;
        let left = left_of_last_run(&state);
        // The changes of a step that the last run does not have show what is left of it.
        assert_eq!(left.len(), 1);
        assert_eq!(left[&step_name()] + worked, Duration::from_hours(2));
    }

    #[test]
    fn only_archived_state_files_are_read_and_the_newest_first() {
        let folder = tempfile::tempdir().unwrap();
        for name in [
            "uat.iomcopy.jsonl",
            "uat.iomcopy.01a1.jsonl",
            "uat.iomcopy.01a2.jsonl",
            "uat.iomcopy.before-copy.capture.jsonl",
            "uat.iomcopy.01a2.before-copy.capture.jsonl",
            "uat.iomcopy.01a3.jsonl.lock",
            "other.iomcopy.01a3.jsonl",
        ] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let found = archived(&folder.path().join("uat.iomcopy.jsonl"));
        let names: Vec<_> = found.iter().filter_map(|path| path.file_name()).collect();
        assert_eq!(names, ["uat.iomcopy.01a2.jsonl", "uat.iomcopy.01a1.jsonl"]);
    }
}
