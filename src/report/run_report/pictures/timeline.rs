//! When each step, each operation at the service and each wait for a person was.
//!
//! The length of a bar is time by the program's clock, with pauses by the wall clock, so that a
//! rehearsal has the proportions of a real night.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::base::text::count;
use crate::journal::{
    ChangeKind, LaunchOutcome, Record, State, StateFileContents, StepOutcome, WorkTimes,
};
use crate::report::durations::real_time;
use crate::report::run_report::clean;

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
    ending: &'static str,
}

impl Open {
    fn begin(&mut self, time: Timestamp) {
        self.began.get_or_insert(time);
        self.since.get_or_insert(time);
    }

    fn end(&mut self, time: Timestamp, ending: &'static str) {
        if let Some(since) = self.since.take() {
            self.times.push((since, time));
            self.ending = ending;
        }
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
            Record::StepBegan(began) => self.row(BarKind::Step, &began.step).begin(time),
            Record::StepEnded(ended) => {
                let ending = match ended.outcome {
                    StepOutcome::Done => "done",
                    StepOutcome::Skipped => "skipped",
                    StepOutcome::Failed => "failed",
                };
                self.row(BarKind::Step, &ended.step).end(time, ending);
            }
            Record::Failed(failed) => {
                let row = self.row(BarKind::Step, &failed.step);
                row.failures.push(time);
            }
            Record::Intent(intent) if intent.kind == ChangeKind::Launch => {
                self.names.insert(intent.key.clone(), intent.name.clone());
                self.row(BarKind::Operation, &intent.key).begin(time);
            }
            Record::Ended(ended) if ended.outcome != LaunchOutcome::Succeeded => {
                let row = self.row(BarKind::Operation, &ended.key);
                row.end(time, "failed");
                row.failures.push(time);
            }
            Record::Verified(verified) => {
                self.row(BarKind::Operation, &verified.key)
                    .end(time, "done");
            }
            Record::Waiting(waiting) => self.row(BarKind::HumanWait, &waiting.task).begin(time),
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

/// The timeline of a run; none before a step has begun. Takes the names of all steps in order.
pub(super) fn gather(contents: &StateFileContents, steps: &[&str]) -> Option<Timeline> {
    let state = &contents.state;
    let mut reader = Reader::default();
    let mut last = state.began.time;
    for entry in &contents.entries {
        reader.read(&entry.record, entry.time, last);
        last = entry.time;
    }
    let scale = Scale::new(state);
    let Reader { rows, names } = reader;
    let mut drawn: Vec<(BarKind, usize, Row)> = Vec::new();
    for ((kind, name), mut open) in rows {
        open.end(last, "not ended");
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

/// Leaves out operations that would be points, and all but the longest. What failed or was tried
/// again stays.
fn keep_longest_operations(rows: &mut Vec<(BarKind, usize, Row)>, length: u64) -> Option<String> {
    let notable = |row: &Row| row.bars.len() > 1 || !row.failures.is_empty();
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

/// From times to places on the axis.
struct Scale<'a> {
    work: &'a WorkTimes,
    began: Timestamp,
    length: u64,
}

impl<'a> Scale<'a> {
    fn new(state: &'a State) -> Self {
        let mut scale = Self {
            work: &state.work,
            began: state.began.time,
            length: 0,
        };
        scale.length = scale.place(state.last_time).max(1);
        scale
    }

    fn place(&self, time: Timestamp) -> u64 {
        let elapsed = self.work.elapsed(self.began, time.max(self.began));
        u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
    }

    fn row(&self, kind: BarKind, label: &str, open: &Open) -> Row {
        let bars: Vec<Bar> = open
            .times
            .iter()
            .map(|(from, to)| {
                let from = self.place(*from);
                let to = self.place(*to).max(from);
                Bar { from, to }
            })
            .collect();
        let length: u64 = bars.iter().map(|bar| bar.to - bar.from).sum();
        let mut parts = Vec::new();
        let began = open.began.filter(|_| kind != BarKind::Pause);
        parts.extend(began.map(|began| began.strftime("from %Y-%m-%d %H:%M UTC").to_string()));
        parts.push(real_time(Duration::from_millis(length)));
        if bars.len() > 1 {
            parts.push(match kind {
                BarKind::Pause => count(bars.len(), "pause"),
                BarKind::HumanWait => format!("waited {} times", bars.len()),
                BarKind::Step | BarKind::Operation => format!("{} attempts", bars.len()),
            });
        }
        if !open.failures.is_empty() {
            parts.push(format!("× {}", count(open.failures.len(), "failure")));
        }
        if !open.ending.is_empty() {
            parts.push(open.ending.to_owned());
        }
        let failures = open.failures.iter().map(|time| self.place(*time));
        Row {
            kind,
            label: clean(label),
            bars,
            text: parts.join(", "),
            failures: failures.collect(),
        }
    }

    fn ticks(&self) -> [String; 5] {
        [0, 1, 2, 3, 4].map(|quarter| {
            let place = self.length / 4 * quarter;
            match quarter {
                0 => "begun".to_owned(),
                _ => format!("+{}", real_time(Duration::from_millis(place))),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{Closed, Failed, Opened, StepBegan, StepEnded};

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

    #[test]
    fn a_step_that_waits_when_its_process_ends_says_so() {
        let closed = Closed::new("waiting", 10, None);
        let records = vec![(1, opened()), (2, began()), (5, Record::Closed(closed))];
        let reader = read(records);
        let step = &reader.rows[&(BarKind::Step, "copy".to_owned())];
        assert_eq!((step.ending, step.times.len()), ("waits", 1));
    }
}
