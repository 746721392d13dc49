//! How a process's part of a run ended, and what of it a notification says.

use serde_json::Value;

use crate::base::clock::Clock;
use crate::base::text::count;
use crate::cli::exit_code::{TERMINATED, outcome_name};
use crate::engine::{Failure, FailureItem, FailureKind};
use crate::report::Notice;
use crate::runbook::Occasion;

/// How a process's part of a run ended.
pub(super) struct Ended {
    pub(super) occasion: Option<Occasion>,
    pub(super) time: String,
    pub(super) message: Option<String>,
    pub(super) help: Option<String>,
    pub(super) failures: Vec<FailureItem>,
    pub(super) summary: Value,
}

/// How the process ended, for a person who is not at the terminal. None for a stop that a person asked for.
pub(super) fn occasion_of(outcome: &str, exit: u8, kind: Option<FailureKind>) -> Option<Occasion> {
    match outcome {
        "finished" => Some(Occasion::Finished),
        "waiting" => Some(Occasion::Waiting),
        // The next command asks a person to confirm.
        "refused" if kind == Some(FailureKind::Unconfirmed) => Some(Occasion::Waiting),
        "failed" | "refused" | "temporary" => Some(Occasion::Failed),
        // A pipeline or a cluster ends a job with this signal and notifies nobody.
        "interrupted" if exit == TERMINATED => Some(Occasion::Failed),
        _ => None,
    }
}

impl Ended {
    /// The end of a command that began nothing.
    pub(super) fn of(failure: &Failure, exit: u8) -> Self {
        Self {
            occasion: occasion_of(outcome_name(failure.kind), exit, Some(failure.kind)),
            time: format!("{:.0}", Clock::new(1.0).time_of_day()),
            message: Some(failure.headline()),
            help: failure.help.clone(),
            failures: failure.items(),
            summary: Value::Null,
        }
    }

    /// Adds the failures, and where they happened.
    pub(super) fn describe_failures(&self, notice: &mut Notice) {
        let located = self.failures.iter().find_map(|failure| {
            let (step, phase) = (failure.step.as_ref()?, failure.phase.as_ref());
            Some(phase.map_or_else(|| step.clone(), |phase| format!("{step}/{phase}")))
        });
        notice.step = located;
        let messages = self.failures.iter().map(|failure| failure.message.clone());
        notice.what = messages.collect();
        if notice.what.is_empty() {
            notice.what.extend(self.message.clone());
        }
        let helps = self.failures.iter().map(|failure| &failure.help);
        for help in helps.chain([&self.help]).flatten() {
            if !notice.to_do.contains(help) {
                notice.to_do.push(help.clone());
            }
        }
    }

    /// What the run did, in figures.
    pub(super) fn results(&self) -> impl Iterator<Item = String> {
        let number = |key: &str| {
            let number = self.summary.get(key).and_then(Value::as_u64);
            number.and_then(|number| usize::try_from(number).ok())
        };
        let length = |key: &str| {
            let list = self.summary.get(key).and_then(Value::as_array);
            list.map(Vec::len)
        };
        let figures = [
            (number("providers"), "provider", "reinstalled"),
            (
                length("providers-not-reinstalled"),
                "provider",
                "deleted and not reinstalled",
            ),
            (number("slots-restored"), "provider action", "restored"),
            (length("published"), "orchestration", "published"),
            (number("flows-on"), "cloud flow", "turned on"),
        ];
        figures.into_iter().filter_map(|(figure, noun, done)| {
            let figure = figure.filter(|figure| *figure > 0)?;
            Some(format!("{} {done}", count(figure, noun)))
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_end_that_a_person_asked_for_sends_nothing() {
        for (outcome, exit, kind, occasion) in [
            ("finished", 0, None, Some(Occasion::Finished)),
            ("stopped", 0, None, None),
            (
                "waiting",
                10,
                Some(FailureKind::Waiting),
                Some(Occasion::Waiting),
            ),
            (
                "refused",
                11,
                Some(FailureKind::Unconfirmed),
                Some(Occasion::Waiting),
            ),
            (
                "refused",
                5,
                Some(FailureKind::Refused),
                Some(Occasion::Failed),
            ),
            (
                "failed",
                1,
                Some(FailureKind::Failed),
                Some(Occasion::Failed),
            ),
            (
                "temporary",
                75,
                Some(FailureKind::Temporary),
                Some(Occasion::Failed),
            ),
            ("interrupted", 130, Some(FailureKind::Interrupted), None),
            (
                "interrupted",
                143,
                Some(FailureKind::Interrupted),
                Some(Occasion::Failed),
            ),
        ] {
            assert_eq!(
                occasion_of(outcome, exit, kind),
                occasion,
                "{outcome} {exit}"
            );
        }
    }

    #[test]
    fn a_failure_names_its_place_and_each_remedy_once() {
        let item = |message: &str| FailureItem {
            message: message.to_owned(),
            kind: FailureKind::Failed,
            step: Some("activate-flows".to_owned()),
            phase: Some("activate".to_owned()),
            change: None,
            help: Some("ask the owner".to_owned()),
        };
        let ended = Ended {
            occasion: Some(Occasion::Failed),
            time: String::new(),
            message: Some("2 changes failed".to_owned()),
            help: None,
            failures: vec![item("flow A"), item("flow B")],
            summary: json!({
                "providers": 2, "flows-on": 0, "published": ["a", "b", "c"],
                "providers-not-reinstalled": [["d", "it is not active"]],
            }),
        };
        let mut notice = Notice::default();
        ended.describe_failures(&mut notice);
        assert_eq!(notice.step.as_deref(), Some("activate-flows/activate"));
        assert_eq!(notice.what, ["flow A", "flow B"]);
        assert_eq!(notice.to_do, ["ask the owner"]);
        let results: Vec<String> = ended.results().collect();
        assert_eq!(
            results,
            [
                "2 providers reinstalled",
                "1 provider deleted and not reinstalled",
                "3 orchestrations published"
            ]
        );
    }
}
