//! What did not succeed at first in the processes of a run: what events and records say of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use super::duration;
use super::durations::seconds;
use crate::base::redaction::redacted_line;
use crate::base::text::{count, escape};
use crate::journal::{Closed, Ended, Entry, Hindrance, LaunchOutcome, Record, StateFileContents};

/// The heading of what did not succeed at first.
pub(super) const AT_FIRST: &str = "Did not succeed at first";

/// What did not succeed at first in one process or in several.
#[derive(Clone, Debug, Default)]
pub(super) struct Hindrances {
    /// How often a request to a service waited for a reason, and for how long in all.
    pub(super) waits: BTreeMap<(String, String), (usize, f64)>,
    /// The changes that failed, by key.
    pub(super) failed: BTreeMap<String, FailedChange>,
}

/// A change that failed at least once.
#[derive(Clone, Debug)]
pub(super) struct FailedChange {
    pub(super) name: String,
    /// Why the last attempt failed; empty if no record says it.
    pub(super) why: String,
    pub(super) failures: usize,
    pub(super) is_done: bool,
    /// How long the failed attempts took, as far as the records say it.
    pub(super) took: Duration,
}

impl Hindrances {
    /// What did not succeed at first and did in the end, one line each.
    pub(super) fn lines(&self) -> Vec<String> {
        let waits = self.waits.iter().map(|((service, reason), (times, long))| {
            format!(
                "{} ({}): {}, {} in all",
                escape(service),
                escape(reason),
                count(*times, "wait"),
                seconds(*long)
            )
        });
        let done = self.failed.values().filter(|change| change.is_done);
        waits.chain(done.map(FailedChange::describe)).collect()
    }

    pub(super) fn add_wait(&mut self, service: &str, reason: &str, times: usize, seconds: f64) {
        let key = (service.to_owned(), reason.to_owned());
        let (all, long) = self.waits.entry(key).or_default();
        *all += times;
        *long += seconds;
    }

    pub(super) fn add_failures(&mut self, key: &str, name: &str, why: &str, failures: usize) {
        let change = self.failed.entry(key.to_owned());
        let change = change.or_insert_with(|| FailedChange {
            name: name.to_owned(),
            why: String::new(),
            failures: 0,
            is_done: false,
            took: Duration::ZERO,
        });
        change.failures += failures;
        change.is_done = false;
        if !why.is_empty() {
            change.why = first_line(why);
        }
    }

    pub(super) fn set_done(&mut self, key: &str) {
        if let Some(change) = self.failed.get_mut(key) {
            change.is_done = true;
        }
    }

    /// Adds what a later process found.
    pub(super) fn add(&mut self, later: &Self) {
        for record in later.as_records() {
            self.add_record(&record);
        }
    }

    /// The same as the record of the process's end has it.
    pub(super) fn as_records(&self) -> Vec<Hindrance> {
        let waits = self.waits.iter();
        let waits = waits.map(|((service, reason), (times, seconds))| Hindrance::Waited {
            service: service.clone(),
            reason: reason.clone(),
            times: *times,
            seconds: *seconds,
        });
        let failed = self.failed.iter().map(|(key, change)| Hindrance::Failed {
            key: key.clone(),
            name: change.name.clone(),
            why: change.why.clone(),
            failures: change.failures,
            is_done: change.is_done,
        });
        waits.chain(failed).collect()
    }

    fn add_record(&mut self, hindrance: &Hindrance) {
        match hindrance {
            Hindrance::Waited {
                service,
                reason,
                times,
                seconds,
            } => self.add_wait(service, reason, *times, *seconds),
            Hindrance::Failed {
                key,
                name,
                why,
                failures,
                is_done,
            } => {
                self.add_failures(key, name, why, *failures);
                if *is_done {
                    self.set_done(key);
                }
            }
        }
    }
}

impl FailedChange {
    fn describe(&self) -> String {
        let failures = count(self.failures, "failed attempt");
        let took = Some(self.took).filter(|took| took.as_secs() > 0);
        let took = took.map(|took| format!(" of {}", duration(took)));
        let name = escape(&self.name);
        let line = format!("{name}: done after {failures}{}", took.unwrap_or_default());
        if self.why.is_empty() {
            return line;
        }
        format!("{line}: {}", self.why)
    }
}

/// The first line of a text, safe to show.
pub(super) fn first_line(text: &str) -> String {
    redacted_line(text.lines().next().unwrap_or_default())
}

/// What did not succeed at first in the processes before the last one, since the run finished for
/// the last time, if it did: the end of that process has repeated what was before.
///
/// A process that was killed has no record of its end: what it waited for is unknown, and of its
/// changes only what the records of their failures say.
pub(super) fn earlier_hindrances(entries: &[Entry]) -> Hindrances {
    let is_opening = |entry: &Entry| matches!(entry.record, Record::Opened(_));
    let last = entries.iter().rposition(is_opening).unwrap_or_default();
    let mut reader = Reader::default();
    for (at, entry) in entries.iter().enumerate() {
        reader.read(&entry.record, at < last);
    }
    reader.all
}

/// What did not succeed at first in all processes of a run, with how long the failed attempts took.
/// What a process waited for that was killed, or that still works, is unknown.
pub(super) fn all_hindrances(contents: &StateFileContents) -> Hindrances {
    let mut reader = Reader {
        is_whole: true,
        ..Reader::default()
    };
    let mut times = AttemptTimes::default();
    for entry in &contents.entries {
        reader.read(&entry.record, true);
        times.read(entry, contents);
    }
    reader.end_process(None);
    for (key, took) in times.failed {
        if let Some(change) = reader.all.failed.get_mut(&key) {
            change.took = took;
        }
    }
    reader.all
}

/// How long the failed attempts of changes took, by key.
#[derive(Default)]
struct AttemptTimes {
    /// When the attempts began that have no end yet.
    begun: BTreeMap<String, Timestamp>,
    /// The launches among them that the service has accepted: one that it never had has not failed.
    accepted: BTreeSet<String>,
    failed: BTreeMap<String, Duration>,
}

impl AttemptTimes {
    fn read(&mut self, entry: &Entry, contents: &StateFileContents) {
        let failed = match &entry.record {
            Record::Intent(intent) => {
                self.begun.insert(intent.key.clone(), entry.time);
                self.accepted.remove(&intent.key);
                return;
            }
            Record::Launched(launched) => {
                self.accepted.insert(launched.key.clone());
                return;
            }
            Record::Failed(failed) => failed.key.as_deref(),
            Record::Ended(ended) if self.has_failed(ended) => Some(ended.key.as_str()),
            _ => None,
        };
        // A launch's end and the failure of its change are two records of one attempt.
        if let Some(key) = failed
            && let Some(begun) = self.begun.remove(key)
        {
            let took = contents.state.work.elapsed(begun, entry.time);
            let all = self.failed.entry(key.to_owned()).or_default();
            *all = all.saturating_add(took);
        }
    }
}

#[derive(Default)]
struct Reader {
    all: Hindrances,
    /// Those of the process that is read.
    process: Hindrances,
    /// The names of changes, by key.
    names: BTreeMap<String, String>,
    /// Does what was before the end of the run count too?
    is_whole: bool,
    /// Has the process finished the run? Then the record of its end belongs to what was before.
    has_finished: bool,
}

impl Reader {
    /// Reads a record. `is_earlier`: a process before the last one wrote it. The last one has its own
    /// events.
    fn read(&mut self, record: &Record, is_earlier: bool) {
        match record {
            Record::Intent(intent) => {
                self.names.insert(intent.key.clone(), intent.name.clone());
            }
            Record::Opened(_) => {
                self.end_process(None);
                self.has_finished = false;
            }
            Record::Closed(_) if self.has_finished => self.process = Hindrances::default(),
            Record::Closed(closed) if is_earlier => self.end_process(Some(closed)),
            Record::Finished(_) if is_earlier && !self.is_whole => {
                self.all = Hindrances::default();
                self.process = Hindrances::default();
                self.has_finished = true;
            }
            Record::Failed(failed) if is_earlier => {
                if let Some(key) = &failed.key {
                    self.fail(key, &failed.message);
                }
            }
            Record::Ended(ended) if is_earlier => {
                if let Some(why) = failure(ended) {
                    self.fail(&ended.key, why);
                }
            }
            Record::Done(done) => self.set_done(&done.key),
            Record::Verified(verified) => self.set_done(&verified.key),
            _ => {}
        }
    }

    /// A launch's end and the failure of its change are two records of one failure.
    fn fail(&mut self, key: &str, why: &str) {
        let name = self.names.get(key).map_or(key, String::as_str);
        let known = self.process.failed.get(key);
        let is_new = known.is_none_or(|known| known.is_done || known.why != first_line(why));
        self.process
            .add_failures(key, name, why, usize::from(is_new));
    }

    fn set_done(&mut self, key: &str) {
        self.all.set_done(key);
        self.process.set_done(key);
    }

    /// The process has ended. The record of its end knows more than its other records.
    fn end_process(&mut self, closed: Option<&Closed>) {
        let mut process = std::mem::take(&mut self.process);
        let recorded = closed.map_or(&[][..], |closed| &closed.hindrances);
        if !recorded.is_empty() {
            process = Hindrances::default();
        }
        for hindrance in recorded {
            process.add_record(hindrance);
        }
        self.all.add(&process);
    }
}

impl AttemptTimes {
    fn has_failed(&self, ended: &Ended) -> bool {
        let is_accepted = || self.accepted.contains(&ended.key);
        let is_absent = ended.outcome == LaunchOutcome::Absent;
        failure(ended).is_some() || (is_absent && is_accepted())
    }
}

/// Why a launch failed; none if it did not, or if the service never had it.
fn failure(ended: &Ended) -> Option<&str> {
    let text = |name: &str| ended.detail.get(name).and_then(serde_json::Value::as_str);
    match ended.outcome {
        LaunchOutcome::Succeeded | LaunchOutcome::GivenUp => None,
        LaunchOutcome::Failed => Some(text("why").unwrap_or_default()),
        LaunchOutcome::Absent => text("refused"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::base::clock::Clock;
    use crate::journal::testing::{done, entry, intent, opened, phase_began, step_began};
    use crate::journal::{ChangeKind, Finished, Verified, read_state_file};
    use crate::report::{ReportFormat, gather_report};

    fn earlier(records: Vec<Record>) -> Hindrances {
        let entries = (1..).zip(records).map(|(n, record)| entry(n, record));
        let entries: Vec<Entry> = entries.collect();
        earlier_hindrances(&entries)
    }

    fn failed(records: Vec<Record>) -> Vec<(String, usize, String, bool)> {
        let failed = earlier(records).failed.into_values();
        failed
            .map(|change| (change.name, change.failures, change.why, change.is_done))
            .collect()
    }

    fn launch() -> Record {
        intent("s", "p", "activate", ChangeKind::Launch)
    }

    fn launch_failed(outcome: LaunchOutcome, detail: Value) -> Record {
        Record::from(Ended {
            key: "activate".to_owned(),
            outcome,
            detail,
            unread_since: None,
        })
    }

    fn verified() -> Record {
        Record::from(Verified {
            key: "activate".to_owned(),
            observed: Value::Null,
            unread_since: None,
            service_seconds: None,
        })
    }

    fn open() -> Record {
        opened("ops-1").into()
    }

    #[test]
    fn a_launch_that_failed_in_a_killed_process_did_not_succeed_at_first() {
        let fails = || launch_failed(LaunchOutcome::Failed, json!({"why": "no answer\nmore"}));
        let expected = |is_done| {
            let name = "the thing activate".to_owned();
            vec![(name, 1, "no answer".to_owned(), is_done)]
        };
        let records = vec![open(), launch(), fails(), open(), launch(), verified()];
        assert_eq!(failed(records), expected(true));
        let records = vec![open(), launch(), fails(), open()];
        assert_eq!(failed(records), expected(false));
        // The last process knows its own failures, and a request that was never sent has not failed.
        assert_eq!(failed(vec![open(), launch(), fails(), verified()]), []);
        let unsent = launch_failed(LaunchOutcome::Absent, json!({"looks": 3, "answer": null}));
        assert_eq!(failed(vec![open(), launch(), unsent, open()]), []);
        // The end of the process that finished the run has repeated it.
        let records = vec![open(), launch(), fails(), Finished {}.into(), open()];
        assert_eq!(failed(records), []);
    }

    #[test]
    fn what_failed_before_the_run_finished_is_not_a_failure_of_what_is_done_again() {
        let failure = Hindrance::Failed {
            key: "activate".to_owned(),
            name: "activate 'FedEx'".to_owned(),
            why: "no answer".to_owned(),
            failures: 1,
            is_done: true,
        };
        let closed = Closed {
            hindrances: vec![failure],
            ..Closed::new("finished", 0, None)
        };
        let finished = vec![open(), Finished {}.into(), closed.into(), open()];
        assert_eq!(
            failed(finished),
            [],
            "its record of the end is written later"
        );
    }

    #[tokio::test]
    async fn the_whole_run_has_each_failed_attempt_with_its_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.iomcopy.jsonl");
        let opening = crate::journal::testing::open(&path, &Clock::new(1.0));
        let fails = launch_failed(LaunchOutcome::Failed, json!({"why": "no answer"}));
        let records = vec![
            step_began("s"),
            phase_began("s", "p"),
            launch(),
            fails,
            launch(),
            launch_failed(LaunchOutcome::Succeeded, Value::Null),
            verified(),
        ];
        opening.journal.append_all(records).await.unwrap();
        let mut contents = read_state_file(&path).unwrap();
        let mut second = 0;
        for entry in &mut contents.entries {
            second += 60;
            entry.time = Timestamp::from_second(second).unwrap();
        }
        let lines = all_hindrances(&contents).lines();
        let line = "the thing activate: done after 1 failed attempt of 1 min: no answer";
        assert_eq!(lines, [line]);
        let report = gather_report(&contents, "s", &["s"], "iomcopy run");
        for format in [
            ReportFormat::Markdown,
            ReportFormat::Html,
            ReportFormat::Json,
        ] {
            let text = report.render(format);
            assert!(text.contains("1 failed attempt of 1 min"), "{text}");
        }
    }

    #[test]
    fn the_record_of_a_process_end_says_what_it_waited_for_and_tried_again() {
        let wait = Hindrance::Waited {
            service: "Dataverse".to_owned(),
            reason: "throttled".to_owned(),
            times: 2,
            seconds: 90.0,
        };
        let failure = Hindrance::Failed {
            key: "orders".to_owned(),
            name: "turn on 'orders'".to_owned(),
            why: "its child is off".to_owned(),
            failures: 2,
            is_done: false,
        };
        let closed = Closed {
            hindrances: vec![wait, failure],
            ..Closed::new("failed", 1, None)
        };
        let set = || intent("s", "p", "orders", ChangeKind::Set);
        let records = vec![open(), set(), closed.into(), open(), set(), done("orders")];
        let found = earlier(records);
        assert_eq!(found.waits.values().next(), Some(&(2, 90.0)));
        let change = &found.failed["orders"];
        assert!(change.is_done && change.failures == 2, "{change:?}");
    }
}
