//! When each step, each operation at the service and each wait for a person was.
//!
//! The length of a bar is time by the program's clock, with pauses by the wall clock, so that a
//! rehearsal has the proportions of a real night. `scale` is the axis, and the text of a row.

mod scale;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use self::scale::Scale;
use crate::base::text::count;
use crate::journal::{
    ChangeKind, ChangeTime, LaunchOutcome, Record, State, StateFileContents, StepOutcome,
};

/// How a step ended that was done, and anything that failed.
const DONE: &str = "done";
const FAILED: &str = "failed";

/// How many operations have a row; the longest do.
const OPERATIONS: usize = 12;

/// The night, as rows of bars.
#[derive(Debug)]
pub(in super::super) struct Timeline {
    /// Its length in milliseconds; the bars are parts of it.
    pub(in super::super) length: u64,
    /// When it began.
    pub(in super::super) began: String,
    /// The time since the beginning at each quarter, first and last included.
    pub(in super::super) ticks: [String; 5],
    pub(in super::super) rows: Vec<Row>,
    /// What is not drawn.
    pub(in super::super) left_out: Option<String>,
}

/// One row: a step, an operation, a manual task, or the pauses.
#[derive(Debug)]
pub(in super::super) struct Row {
    pub(in super::super) kind: BarKind,
    pub(in super::super) label: String,
    pub(in super::super) bars: Vec<Bar>,
    /// When, how long, how often, and how it ended.
    pub(in super::super) text: String,
    /// When something failed, in milliseconds since the beginning.
    pub(in super::super) failures: Vec<u64>,
    /// Does no record say that it ended?
    pub(in super::super) is_open: bool,
}

/// What a row shows.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(in super::super) enum BarKind {
    Step,
    Operation,
    HumanWait,
    Pause,
}

impl BarKind {
    /// What the row is, as text.
    pub(in super::super) fn as_text(self) -> &'static str {
        match self {
            Self::Step => "step",
            Self::Operation => "operation at the service",
            Self::HumanWait => "waits for a person",
            Self::Pause => "no process worked",
        }
    }
}

/// A part of the time, in milliseconds since the beginning.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in super::super) struct Bar {
    pub(in super::super) from: u64,
    pub(in super::super) to: u64,
}

impl Row {
    fn milliseconds(&self) -> u64 {
        let lengths = self.bars.iter().map(|bar| bar.to - bar.from);
        lengths.sum()
    }
}

/// The bars of one thing while the records are read.
#[derive(Default)]
struct Open {
    since: Option<Timestamp>,
    began: Option<Timestamp>,
    times: Vec<(Timestamp, Timestamp)>,
    failures: Vec<Timestamp>,
    /// How many of the times ended with a failure.
    failed_times: usize,
    ending: &'static str,
    /// Was the step done before, and has this process changed nothing in it yet? Such a survey is
    /// not drawn: no figure of the step contains it.
    is_survey: bool,
    /// Does no record say that it ended?
    continues: bool,
    /// How long the last one took, where its end was not read when it ended.
    last: Option<ChangeTime>,
    /// Of a step that has ended.
    figures: Option<StepFigures>,
}

/// How long a step took, as the table of the steps has it.
struct StepFigures {
    /// Since it was last opened again; if it never was, in all.
    took: Duration,
    /// How long processes had worked on it before, if it was opened again.
    before: Option<Duration>,
}

impl StepFigures {
    /// The figures of a step; none if it has not ended.
    fn of(state: &State, step: &str) -> Option<Self> {
        let step = state.step(step).filter(|step| step.ended.is_some())?;
        Some(Self {
            took: state.step_duration(step),
            before: step.reopened.map(|reopened| reopened.worked),
        })
    }
}

impl Open {
    fn begin(&mut self, time: Timestamp) {
        self.began.get_or_insert(time);
        self.since.get_or_insert(time);
    }

    /// A step begins.
    fn begin_step(&mut self, time: Timestamp) {
        self.begin(time);
        self.is_survey = self.ending == DONE;
    }

    /// A change of the step begins, or it waits for a person: it is more than a survey. Takes the
    /// time of the record before.
    fn touch(&mut self, last: Timestamp) {
        if std::mem::take(&mut self.is_survey) {
            self.since = self.since.map(|_| last);
        }
    }

    /// A flag opens the step again: what follows is more than a survey.
    fn open_again(&mut self) {
        self.ending = "opened again";
    }

    fn end(&mut self, time: Timestamp, ending: &'static str) {
        let Some(since) = self.since.take() else {
            return;
        };
        let is_survey = std::mem::take(&mut self.is_survey);
        if is_survey && ending != FAILED {
            return;
        }
        self.times.push((since, time));
        self.ending = ending;
        self.failed_times += usize::from(ending == FAILED);
    }

    /// How often it was tried: once, and once more after each failure.
    fn attempts(&self) -> usize {
        self.failed_times + usize::from(self.ending != FAILED)
    }
}

/// Everything that has begun, by kind and name.
#[derive(Default)]
struct Reader {
    rows: BTreeMap<(BarKind, String), Open>,
    /// What each launch is called, by key.
    names: BTreeMap<String, String>,
}

impl Reader {
    fn row(&mut self, kind: BarKind, name: &str) -> &mut Open {
        self.rows.entry((kind, name.to_owned())).or_default()
    }

    /// A skipped step stays skipped.
    fn open_again(&mut self, step: &str) {
        let row = self.rows.get_mut(&(BarKind::Step, step.to_owned()));
        if let Some(row) = row.filter(|row| !row.times.is_empty()) {
            row.open_again();
        }
    }

    fn steps(&mut self) -> impl Iterator<Item = &mut Open> {
        let rows = self.rows.iter_mut();
        rows.filter_map(|((kind, _), open)| (*kind == BarKind::Step).then_some(open))
    }

    /// Takes a record with its time, and the time of the record before it.
    fn read(&mut self, record: &Record, time: Timestamp, last: Timestamp) {
        match record {
            Record::Opened(_) => {
                // A killed process worked until its last record.
                self.steps().for_each(|open| open.end(last, "interrupted"));
                if let Some(pause) = self.rows.get_mut(&(BarKind::Pause, String::new())) {
                    pause.begin(last);
                    pause.end(time, "");
                } else {
                    self.rows
                        .insert((BarKind::Pause, String::new()), Open::default());
                }
            }
            Record::Closed(closed) => {
                let ending = match closed.reason.as_str() {
                    "waiting" => "waits",
                    _ => "interrupted",
                };
                self.steps().for_each(|open| open.end(time, ending));
            }
            Record::StepBegan(began) => self.row(BarKind::Step, &began.step).begin_step(time),
            Record::Reopened(reopened) => {
                for step in &reopened.steps {
                    self.open_again(step);
                }
            }
            Record::RepairBegan(repair) => self.open_again(&repair.step),
            Record::StepEnded(ended) => {
                let ending = match ended.outcome {
                    StepOutcome::Done => DONE,
                    StepOutcome::Skipped => "skipped",
                    StepOutcome::Failed => FAILED,
                };
                self.row(BarKind::Step, &ended.step).end(time, ending);
            }
            Record::Failed(failed) => {
                let row = self.row(BarKind::Step, &failed.step);
                row.failures.push(time);
            }
            Record::Intent(intent) => {
                self.row(BarKind::Step, &intent.step).touch(last);
                if intent.kind == ChangeKind::Launch {
                    self.names.insert(intent.key.clone(), intent.name.clone());
                    self.row(BarKind::Operation, &intent.key).begin(time);
                }
            }
            Record::Ended(ended) if ended.outcome == LaunchOutcome::GivenUp => {
                let row = self.row(BarKind::Operation, &ended.key);
                row.end(time, "outcome unknown");
            }
            Record::Ended(ended) if ended.outcome != LaunchOutcome::Succeeded => {
                let row = self.row(BarKind::Operation, &ended.key);
                row.end(time, FAILED);
                row.failures.push(time);
            }
            Record::Verified(verified) => {
                self.row(BarKind::Operation, &verified.key).end(time, DONE);
            }
            Record::Waiting(waiting) => {
                if let Some((step, _)) = waiting.task.split_once('/') {
                    self.row(BarKind::Step, step).touch(last);
                }
                self.row(BarKind::HumanWait, &waiting.task).begin(time);
            }
            Record::Completed(completed) => {
                let ending = match completed.waived {
                    Some(_) => "evidence waived",
                    None => "proved",
                };
                self.row(BarKind::HumanWait, &completed.task)
                    .end(time, ending);
            }
            _ => {}
        }
    }
}

/// The timeline of a run; none before a step has begun. Takes the names of all steps in order, and
/// the present if a process works on the run: it then reaches until now, else until the last record.
pub(super) fn gather(
    contents: &StateFileContents,
    steps: &[&str],
    now: Option<Timestamp>,
) -> Option<Timeline> {
    let state = &contents.state;
    let mut reader = Reader::default();
    let mut last = state.began.time;
    for entry in &contents.entries {
        reader.read(&entry.record, entry.time, last);
        last = entry.time;
    }
    let end = now.map_or(last, |now| now.max(last));
    let scale = Scale::new(contents, end);
    let Reader { rows, names } = reader;
    let mut drawn: Vec<(BarKind, usize, Row)> = Vec::new();
    for ((kind, name), mut open) in rows {
        open.continues = open.since.is_some();
        open.end(
            end,
            if now.is_some() {
                "running"
            } else {
                unread(kind)
            },
        );
        if kind == BarKind::Operation {
            let launch = state.launch(&name);
            open.last = launch.and_then(|launch| state.launch_time(launch));
        }
        if kind == BarKind::Step {
            open.figures = StepFigures::of(state, &name);
        }
        let label = match kind {
            BarKind::Operation => names.get(&name).unwrap_or(&name),
            BarKind::Pause => "pauses",
            BarKind::Step | BarKind::HumanWait => &name,
        };
        let order = steps.iter().position(|step| **step == name);
        if !open.times.is_empty() {
            drawn.push((
                kind,
                order.unwrap_or(usize::MAX),
                scale.row(kind, label, &open),
            ));
        }
    }
    let left_out = keep_longest_operations(&mut drawn, scale.length);
    drawn.sort_by_key(|(kind, order, row)| {
        let first = row.bars.first().map_or(0, |bar| bar.from);
        (*kind, *order, first)
    });
    let rows: Vec<Row> = drawn.into_iter().map(|(_, _, row)| row).collect();
    rows.first()?;
    Some(Timeline {
        length: scale.length,
        began: format!("{:.0}", state.began.time),
        ticks: scale.ticks(),
        rows,
        left_out,
    })
}

/// What is known of something without an end if no process works on the run.
fn unread(kind: BarKind) -> &'static str {
    match kind {
        BarKind::Operation => "not read since then",
        BarKind::HumanWait => "not completed yet",
        BarKind::Step | BarKind::Pause => "interrupted",
    }
}

/// Leaves out operations that would be points, and all but the longest. What failed, was tried again
/// or has not ended stays.
fn keep_longest_operations(rows: &mut Vec<(BarKind, usize, Row)>, length: u64) -> Option<String> {
    let notable = |row: &Row| row.bars.len() > 1 || !row.failures.is_empty() || row.is_open;
    let mut lengths: Vec<u64> = rows
        .iter()
        .filter(|(kind, _, row)| *kind == BarKind::Operation && !notable(row))
        .map(|(_, _, row)| row.milliseconds())
        .collect();
    lengths.sort_unstable_by(|one, other| other.cmp(one));
    let shortest = lengths.get(OPERATIONS).map_or(0, |length| length + 1);
    let shortest = shortest.max(length / 200);
    let before = rows.len();
    rows.retain(|(kind, _, row)| {
        *kind != BarKind::Operation || notable(row) || row.milliseconds() >= shortest
    });
    let gone = before - rows.len();
    (gone > 0).then(|| {
        format!(
            "{} not drawn: see the changes",
            count(gone, "shorter operation")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::testing::intent;
    use crate::journal::{Closed, Failed, Opened, RepairBegan, StepBegan, StepEnded};

    fn time(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn read(records: Vec<(i64, Record)>) -> Reader {
        let mut reader = Reader::default();
        let mut last = time(0);
        for (second, record) in records {
            reader.read(&record, time(second), last);
            last = time(second);
        }
        reader
    }

    fn opened() -> Record {
        Record::Opened(Opened {
            pid: 1,
            host: "host".to_owned(),
            program: "0".to_owned(),
        })
    }

    fn began() -> Record {
        Record::StepBegan(StepBegan {
            step: "copy".to_owned(),
            speed: None,
            services_stop: false,
        })
    }

    fn failed() -> Record {
        Record::Failed(Failed {
            step: "copy".to_owned(),
            phase: None,
            key: None,
            message: "m".to_owned(),
            help: None,
            permanent: false,
            not_allowed: false,
        })
    }

    #[test]
    fn a_killed_process_worked_until_its_last_record_and_then_nobody_did() {
        let reader = read(vec![
            (1, opened()),
            (2, began()),
            (3, failed()),
            (60, opened()),
            (61, began()),
            (
                70,
                Record::StepEnded(StepEnded {
                    step: "copy".to_owned(),
                    outcome: StepOutcome::Done,
                    note: None,
                }),
            ),
        ]);
        let step = &reader.rows[&(BarKind::Step, "copy".to_owned())];
        assert_eq!(step.times, [(time(2), time(3)), (time(61), time(70))]);
        assert_eq!((step.ending, step.failures.len()), ("done", 1));
        let pauses = &reader.rows[&(BarKind::Pause, String::new())];
        assert_eq!(pauses.times, [(time(3), time(60))]);
    }

    fn ended(outcome: StepOutcome) -> Record {
        Record::StepEnded(StepEnded {
            step: "copy".to_owned(),
            outcome,
            note: None,
        })
    }

    #[test]
    fn a_survey_that_changes_nothing_is_no_attempt_and_not_drawn() {
        let times = |again: Vec<Record>, outcome| {
            let mut records = vec![(1, opened()), (2, began()), (5, ended(StepOutcome::Done))];
            records.extend([(20, opened()), (21, began())]);
            records.extend(again.into_iter().map(|record| (30, record)));
            records.push((40, ended(outcome)));
            let mut reader = read(records);
            let step = reader.rows.remove(&(BarKind::Step, "copy".to_owned()));
            let step = step.unwrap();
            (step.times.clone(), step.attempts())
        };
        let first = (time(2), time(5));
        assert_eq!(times(vec![], StepOutcome::Done), (vec![first], 1));
        // It found a change.
        let change = intent("copy", "p", "key", ChangeKind::Set);
        let both = vec![first, (time(21), time(40))];
        assert_eq!(times(vec![change], StepOutcome::Done), (both.clone(), 1));
        // It failed, and no other process has tried it since.
        assert_eq!(times(vec![], StepOutcome::Failed), (both, 1));
    }

    #[test]
    fn a_step_that_is_opened_again_is_drawn_again() {
        let repair = Record::RepairBegan(RepairBegan {
            step: "copy".to_owned(),
            who: "ada".to_owned(),
        });
        let reader = read(vec![
            (1, opened()),
            (2, began()),
            (5, ended(StepOutcome::Done)),
            (20, opened()),
            (20, repair),
            (21, began()),
            (30, ended(StepOutcome::Done)),
        ]);
        let step = &reader.rows[&(BarKind::Step, "copy".to_owned())];
        assert_eq!(step.times, [(time(2), time(5)), (time(21), time(30))]);
    }

    #[test]
    fn an_attempt_follows_a_failure() {
        let reader = read(vec![
            (1, opened()),
            (2, began()),
            (3, failed()),
            (5, ended(StepOutcome::Failed)),
            (20, opened()),
            (21, began()),
            (30, ended(StepOutcome::Done)),
        ]);
        let step = &reader.rows[&(BarKind::Step, "copy".to_owned())];
        assert_eq!((step.attempts(), step.times.len()), (2, 2));
    }

    #[test]
    fn a_step_that_waits_when_its_process_ends_says_so() {
        let closed = Closed::new("waiting", 10, None);
        let records = vec![(1, opened()), (2, began()), (5, Record::Closed(closed))];
        let reader = read(records);
        let step = &reader.rows[&(BarKind::Step, "copy".to_owned())];
        assert_eq!((step.ending, step.times.len()), ("waits", 1));
    }
}
