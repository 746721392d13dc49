//! What did not succeed at first, or needs a look: repeated at the end of a run, because it has
//! scrolled away by then.

use std::sync::Mutex;

use super::durations::seconds;
use super::hindrances::{Hindrances, earlier_hindrances, first_line};
use super::run_report::NEEDS_A_LOOK;
use super::shorten::shortened;
use super::status::findings_line;
use crate::base::redaction::redacted_line;
use crate::base::sync::lock;
use crate::base::text::{count, escape};
use crate::engine::{Event, EventKind, Listener};
use crate::journal::{Hindrance, StateFileContents};

/// How many things of each kind are named; more are counted.
const NAMED: usize = 20;

/// How many columns of a note are repeated: it was shown whole before, and the report has it.
const LONGEST: usize = 220;

/// Collects what the end of a run repeats.
#[derive(Debug, Default)]
pub struct EndSummary {
    /// In this process.
    seen: Mutex<Hindrances>,
    /// In earlier processes of the run.
    earlier: Mutex<Hindrances>,
}

impl EndSummary {
    /// What did not succeed at first in this process, for the record of its end.
    pub fn hindrances(&self) -> Vec<Hindrance> {
        lock(&self.seen).as_records()
    }

    /// Takes the run's state file, which has what did not succeed at first in earlier processes.
    pub fn add_earlier(&self, contents: &StateFileContents) {
        *lock(&self.earlier) = earlier_hindrances(&contents.entries);
    }

    /// Lines about what did not succeed at first and did in the end, and about the given notes.
    /// Empty if there is nothing. Takes the command that shows the whole notes, and whether they are
    /// only counted: after a stop they would push what comes next off the terminal.
    pub fn text(&self, notes: &[String], shown_by: &str, only_counted: bool) -> String {
        let mut seen = lock(&self.earlier).clone();
        seen.add(&lock(&self.seen));
        let waits = seen.waits.iter().map(|((service, reason), (times, long))| {
            format!(
                "{} ({}): {}, {} in all",
                escape(service),
                escape(reason),
                count(*times, "wait"),
                seconds(*long)
            )
        });
        let done = seen.failed.values().filter(|change| change.is_done);
        let retried = done.map(|change| {
            let failures = count(change.failures, "failed attempt");
            let line = format!("{}: done after {failures}", escape(&change.name));
            if change.why.is_empty() {
                return line;
            }
            format!("{line}: {}", change.why)
        });
        let at_first: Vec<String> = waits.chain(retried).collect();
        list("did not succeed at first:", &at_first)
            + &describe_notes(notes, shown_by, only_counted)
    }
}

/// The notes, or their number and the command that shows them. Where a part is left out, the command
/// follows.
fn describe_notes(notes: &[String], shown_by: &str, only_counted: bool) -> String {
    if only_counted && !notes.is_empty() {
        return format!("\n{}\n", findings_line(notes.len(), shown_by));
    }
    let lines = notes.iter().map(|note| first_line(note));
    let short: Vec<String> = lines.map(|line| shortened(&line, LONGEST)).collect();
    let mut text = list("needs a look:", &short);
    let is_cut = |(note, short): (&String, &String)| redacted_line(note) != *short;
    if notes.len() > NAMED || notes.iter().zip(&short).any(is_cut) {
        text += &format!("  in full, under \"{NEEDS_A_LOOK}\": {shown_by}\n");
    }
    text
}

/// A head with a line for each thing; empty without things.
fn list(head: &str, things: &[String]) -> String {
    if things.is_empty() {
        return String::new();
    }
    let mut text = format!("\n{head}\n");
    for thing in things.iter().take(NAMED) {
        text += &format!("  - {thing}\n");
    }
    if things.len() > NAMED {
        text += &format!("  and {} more\n", things.len() - NAMED);
    }
    text
}

impl Listener for EndSummary {
    fn on_event(&self, event: &Event) {
        let mut seen = lock(&self.seen);
        match &event.kind {
            EventKind::Waiting {
                service,
                reason,
                seconds,
                ..
            } => seen.add_wait(service, reason, 1, *seconds),
            EventKind::ChangeFailed {
                key, name, message, ..
            } => seen.add_failures(key, name, message, 1),
            EventKind::ChangeDone { key, .. } => seen.set_done(key),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::ChangeKind;

    fn failed(key: &str) -> Event {
        Event::first(EventKind::ChangeFailed {
            step: "activate-flows".to_owned(),
            phase: "activate".to_owned(),
            key: key.to_owned(),
            name: format!("turn on '{key}'"),
            message: "its child is off\nmore".to_owned(),
            help: None,
            again: true,
        })
    }

    #[test]
    fn a_long_note_ends_with_a_whole_word() {
        let long = "word ".repeat(50);
        let text = EndSummary::default().text(&[long], "iomcopy report uat.yaml", false);
        let end = "word…\n  in full, under \"Needs a look\": iomcopy report uat.yaml\n";
        assert!(text.ends_with(end) && text.len() < 310, "{text}");
        let short = ["short".to_owned()];
        let text = EndSummary::default().text(&short, "iomcopy report uat.yaml", false);
        assert_eq!(text, "\nneeds a look:\n  - short\n");
    }

    #[test]
    fn after_a_stop_the_notes_are_counted() {
        let summary = EndSummary::default();
        let command = "iomcopy report uat.yaml";
        assert_eq!(summary.text(&[], command, true), "");
        let notes = ["copy: look".to_owned(), "plan: look".to_owned()];
        assert_eq!(
            summary.text(&notes, command, true),
            "\nneeds a look: 2 warnings, see: iomcopy report uat.yaml\n"
        );
    }

    #[test]
    fn the_end_repeats_what_did_not_succeed_at_first_and_what_needs_a_look() {
        let summary = EndSummary::default();
        let report = "iomcopy report uat.yaml";
        assert_eq!(summary.text(&[], report, false), "");
        for seconds in [30.0, 60.0] {
            summary.on_event(&Event::first(EventKind::Waiting {
                service: "Dataverse".to_owned(),
                reason: "throttled".to_owned(),
                seconds,
                attempt: 2,
            }));
        }
        summary.on_event(&failed("orders"));
        summary.on_event(&failed("returns"));
        summary.on_event(&Event::first(EventKind::ChangeDone {
            step: "activate-flows".to_owned(),
            phase: "activate".to_owned(),
            key: "orders".to_owned(),
            name: "turn on 'orders'".to_owned(),
            kind: ChangeKind::Set,
            elapsed: Some(1.0),
            unread_since: None,
        }));
        // A change that failed in the end is in the failure that ends the run.
        assert_eq!(
            summary.text(
                &["copy-environments: look\nat this".to_owned()],
                report,
                false
            ),
            "\ndid not succeed at first:\n  - Dataverse (throttled): 2 waits, 1 min 30 s in all\n  \
             - turn on 'orders': done after 1 failed attempt: its child is off\n\
             \nneeds a look:\n  - copy-environments: look\n  \
             in full, under \"Needs a look\": iomcopy report uat.yaml\n"
        );
    }
}
