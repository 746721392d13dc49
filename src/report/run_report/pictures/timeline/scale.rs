//! From times to places on the axis of a timeline, and the text of a row.

use std::time::Duration;

use jiff::Timestamp;

use super::{Bar, BarKind, Open, Row};
use crate::base::text::count;
use crate::journal::{ChangeTime, StateFileContents};
use crate::report::current_work::elapsed;
use crate::report::durations::real_time;
use crate::report::run_report::clean;

/// The axis of a run.
pub(super) struct Scale<'a> {
    contents: &'a StateFileContents,
    began: Timestamp,
    /// In milliseconds.
    pub(super) length: u64,
}

impl<'a> Scale<'a> {
    /// An axis from the beginning of the run to this time.
    pub(super) fn new(contents: &'a StateFileContents, end: Timestamp) -> Self {
        let mut scale = Self {
            contents,
            began: contents.state.began.time,
            length: 0,
        };
        scale.length = scale.place(end).max(1);
        scale
    }

    fn place(&self, time: Timestamp) -> u64 {
        let elapsed = elapsed(self.contents, self.began, time.max(self.began));
        u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
    }

    /// A row with its bars and its text.
    pub(super) fn row(&self, kind: BarKind, label: &str, open: &Open) -> Row {
        let mut bars: Vec<Bar> = open
            .times
            .iter()
            .map(|(from, to)| {
                let from = self.place(*from);
                let to = self.place(*to).max(from);
                Bar { from, to }
            })
            .collect();
        if let Some((bar, took)) = bars.last_mut().zip(open.last.and_then(ChangeTime::known)) {
            let took = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
            bar.to = bar.to.min(bar.from.saturating_add(took));
        }
        let failures = open.failures.iter().map(|time| self.place(*time));
        Row {
            kind,
            label: clean(label),
            text: self.text(kind, &bars, open),
            bars,
            failures: failures.collect(),
            is_open: open.continues,
        }
    }

    /// When it was, how long, how often, and how it ended.
    fn text(&self, kind: BarKind, bars: &[Bar], open: &Open) -> String {
        let length: u64 = bars.iter().map(|bar| bar.to - bar.from).sum();
        let mut parts = Vec::new();
        let began = open.began.filter(|_| kind != BarKind::Pause);
        parts.extend(began.map(|began| self.beginning(began)));
        let figures = open.figures.as_ref();
        let took = figures.map_or(Duration::from_millis(length), |figures| figures.took);
        let time = real_time(took);
        parts.push(match open.last {
            Some(ChangeTime::Between(..)) => {
                format!("at most {time} (it ended while no process read it)")
            }
            _ => time,
        });
        let before = figures.and_then(|figures| figures.before);
        parts.extend(
            before.map(|before| format!("{} before it was opened again", real_time(before))),
        );
        parts.extend(times(kind, bars.len(), open.attempts()));
        if !open.failures.is_empty() {
            parts.push(format!("× {}", count(open.failures.len(), "failure")));
        }
        if !open.ending.is_empty() {
            parts.push(open.ending.to_owned());
        }
        parts.join(", ")
    }

    /// When something began. In a rehearsal the time of day says little, because the whole night is
    /// over in a minute.
    fn beginning(&self, time: Timestamp) -> String {
        if self.contents.state.work.speed().is_none() {
            return time.strftime("from %Y-%m-%d %H:%M UTC").to_string();
        }
        match self.place(time) / 1000 {
            0 => "from the beginning".to_owned(),
            seconds => format!("from +{}", real_time(Duration::from_secs(seconds))),
        }
    }

    /// The texts at the quarters of the axis.
    pub(super) fn ticks(&self) -> [String; 5] {
        [0, 1, 2, 3, 4].map(|quarter| {
            let place = self.length / 4 * quarter;
            match quarter {
                0 => "begun".to_owned(),
                _ => format!("+{}", real_time(Duration::from_millis(place))),
            }
        })
    }
}

/// How often something was, if that was more than once. Takes the number of its bars, and how often
/// it was tried.
fn times(kind: BarKind, bars: usize, attempts: usize) -> Option<String> {
    match kind {
        BarKind::Step | BarKind::Operation if attempts > 1 => Some(format!("{attempts} attempts")),
        _ if bars < 2 => None,
        BarKind::Pause => Some(count(bars, "pause")),
        BarKind::HumanWait => Some(format!("waited {bars} times")),
        BarKind::Step => Some(format!("in {bars} processes")),
        BarKind::Operation => Some(format!("{bars} times")),
    }
}
