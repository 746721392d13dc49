//! How long a run should take: from the state files of earlier runs of the same runbook, which are
//! archived next to its own, else from what is documented.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use jiff::Timestamp;

use crate::base::files;
use crate::journal::{self, LaunchOutcome, Occupancy, State, StateFileContents, StepOutcome};
use crate::report::{EarlierRun, Expected, Outlook, duration};
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
    last: Option<EarlierRun>,
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
            let takes = state.work.elapsed(launch.intent.time, ended.time);
            let why = format!("{} in the last run", duration(takes));
            let expected = Expected { takes, why };
            self.operations.entry(key.to_string()).or_insert(expected);
        }
        if self.last.is_none() && state.finished.is_some() {
            let done = state
                .steps
                .iter()
                .filter(|step| step.outcome == Some(StepOutcome::Done));
            let steps = done.map(|step| (step.step.clone(), step.worked)).collect();
            self.last = Some(EarlierRun { steps });
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

    /// How long the steps of the last finished run took. Empty if there is none.
    pub(super) fn steps_of_last_run(&self) -> BTreeMap<String, Duration> {
        let earlier = self.earlier.get_or_init(|| EarlierRuns::read(&self.path));
        let last = earlier.last.as_ref();
        last.map_or_else(BTreeMap::new, |last| last.steps.clone())
    }

    /// What to expect of the run as its state file is now. Takes what the services report.
    pub(super) fn outlook(
        &self,
        contents: &StateFileContents,
        now: Timestamp,
        stages: BTreeMap<String, String>,
    ) -> Outlook {
        let state = &contents.state;
        let outlook = Outlook {
            stages,
            ..Outlook::at(now)
        };
        let is_under_way = contents.occupancy != Occupancy::Free && state.finished.is_none();
        if !is_under_way && state.launches_in_doubt().next().is_none() {
            return outlook;
        }
        let earlier = self.earlier.get_or_init(|| EarlierRuns::read(&self.path));
        let mut operations = earlier.operations.clone();
        for launch in state.launches_in_doubt() {
            let key = &launch.intent.key;
            if let Some(takes) = steps::documented_duration(key) {
                let why = format!("up to {} as a rule", duration(takes));
                let expected = Expected { takes, why };
                operations.entry(key.clone()).or_insert(expected);
            }
        }
        Outlook {
            operations,
            earlier: earlier.last.clone(),
            ..outlook
        }
    }
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
    use crate::journal::{ChangeKind, Intent, PhaseBegan, Planned, StepBegan, StepForecast};
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

    fn forecast(changes: usize, seconds: u64) -> StepForecast {
        StepForecast { changes, seconds }
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
        };
        open.journal.append(begins).await.unwrap();
        let begins = PhaseBegan { step, phase };
        open.journal.append(begins).await.unwrap();
        let steps = [(step_name(), forecast(12, 7200))].into();
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
        let steps = ["copy-environments", "activate-flows"].map(str::to_owned);
        let earlier = EarlierRuns {
            operations: BTreeMap::new(),
            last: Some(EarlierRun {
                steps: steps.map(|step| (step, hour)).into(),
            }),
        };
        let expectations = Expectations {
            earlier: earlier.into(),
            ..Expectations::of(&path)
        };
        let stages = [("change copy/2222".to_owned(), "CopyDatabase".to_owned())];
        let now = contents.state.last_time;
        let outlook = expectations.outlook(&contents, now, stages.into());
        let commands = SuggestedCommands {
            arguments: "uat.yaml".to_owned(),
            next: "iomcopy status uat.yaml --follow".to_owned(),
        };
        let steps = ["copy-environments", "activate-flows"];
        let table = |outlook: &Outlook| {
            status_table(
                &contents,
                &steps,
                &commands,
                outlook,
                Palette::plain(),
                None,
            )
        };
        let shown = table(&outlook);
        for part in [
            "\nbegan  ",
            "\nnow    [1/2] copy-environments, copy, 0 of 12: change name\n",
            "\nend    about ",
            "if it takes as long as the last finished run (2 h)",
            "\nrunning at the service: change copy/2222\n  since ",
            "\n  the service reports: CopyDatabase\n  expected end: about ",
            "(up to 8 h as a rule)",
        ] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
        // Without an earlier run, the plan says how long it takes.
        let planned = Outlook {
            earlier: None,
            ..outlook.clone()
        };
        let shown_without = table(&planned);
        assert!(
            shown_without.contains("if it takes as long as its plan (2 h)"),
            "{shown_without}"
        );
        // Nine hours later the operation is late.
        let late = Outlook::at(now + hour * 9);
        let late = Outlook {
            operations: outlook.operations.clone(),
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
