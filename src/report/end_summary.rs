//! What did not succeed at first, or needs a look: repeated at the end of a run, because it has
//! scrolled away by then.

use std::collections::BTreeMap;
use std::sync::Mutex;

use super::durations::seconds;
use super::shorten::shortened;
use crate::base::redaction::redacted_line;
use crate::base::sync::lock;
use crate::base::text::{count, escape};
use crate::engine::{Event, EventKind, Listener};

/// How many things of each kind are named; more are counted.
const NAMED: usize = 20;

/// How many columns of a note are repeated: it was shown whole before, and the report has it.
const LONGEST: usize = 220;

/// Collects what the end of a run repeats.
#[derive(Debug, Default)]
pub struct EndSummary {
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// How often a request to a service waited for a reason, and for how long in all.
    waits: BTreeMap<(String, String), (usize, f64)>,
    /// The changes that failed and were tried again, by key.
    retried: BTreeMap<String, Retried>,
}

#[derive(Debug)]
struct Retried {
    name: String,
    /// Why the last attempt failed.
    why: String,
    failures: usize,
    is_done: bool,
}

impl EndSummary {
    /// Lines about what did not succeed at first and did in the end, and about the given notes.
    /// Empty if there is nothing. Takes the command that shows the notes if they are only counted:
    /// after a stop they would push what comes next off the terminal.
    pub fn text(&self, notes: &[String], shown_by: Option<&str>) -> String {
        let seen = lock(&self.seen);
        let waits = seen.waits.iter().map(|((service, reason), (times, long))| {
            format!(
                "{} ({}): {}, {} in all",
                escape(service),
                escape(reason),
                count(*times, "wait"),
                seconds(*long)
            )
        });
        let done = seen.retried.values().filter(|retried| retried.is_done);
        let retried = done.map(|retried| {
            format!(
                "{}: done after {}: {}",
                escape(&retried.name),
                count(retried.failures, "failed attempt"),
                retried.why
            )
        });
        let at_first: Vec<String> = waits.chain(retried).collect();
        list("did not succeed at first:", &at_first) + &describe_notes(notes, shown_by)
    }
}

/// The notes, or their number and the command that shows them.
fn describe_notes(notes: &[String], shown_by: Option<&str>) -> String {
    if let Some(command) = shown_by.filter(|_| !notes.is_empty()) {
        let warnings = count(notes.len(), "warning");
        return format!("\nneeds a look: {warnings}, shown by: {command}\n");
    }
    let notes = notes
        .iter()
        .map(|note| shortened(&first_line(note), LONGEST));
    let notes: Vec<String> = notes.collect();
    list("needs a look:", &notes)
}

/// The first line of a text, safe to show.
fn first_line(text: &str) -> String {
    redacted_line(text.lines().next().unwrap_or_default())
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
            } => {
                let waits = seen.waits.entry((service.clone(), reason.clone()));
                let (times, long) = waits.or_default();
                *times += 1;
                *long += seconds;
            }
            EventKind::ChangeFailed {
                key, name, message, ..
            } => {
                let retried = seen.retried.entry(key.clone());
                let retried = retried.or_insert_with(|| Retried {
                    name: name.clone(),
                    why: String::new(),
                    failures: 0,
                    is_done: false,
                });
                retried.why = first_line(message);
                retried.failures += 1;
            }
            EventKind::ChangeDone { key, .. } => {
                if let Some(retried) = seen.retried.get_mut(key) {
                    retried.is_done = true;
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::ChangeKind;

    fn event(kind: EventKind) -> Event {
        Event {
            seq: 1,
            time: String::new(),
            kind,
        }
    }

    fn failed(key: &str) -> Event {
        event(EventKind::ChangeFailed {
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
        let text = EndSummary::default().text(&[long], None);
        assert!(text.ends_with("word…\n") && text.len() < 250, "{text}");
    }

    #[test]
    fn after_a_stop_the_notes_are_counted() {
        let summary = EndSummary::default();
        let command = Some("iomcopy report uat.yaml");
        assert_eq!(summary.text(&[], command), "");
        let notes = ["copy: look".to_owned(), "plan: look".to_owned()];
        assert_eq!(
            summary.text(&notes, command),
            "\nneeds a look: 2 warnings, shown by: iomcopy report uat.yaml\n"
        );
    }

    #[test]
    fn the_end_repeats_what_did_not_succeed_at_first_and_what_needs_a_look() {
        let summary = EndSummary::default();
        assert_eq!(summary.text(&[], None), "");
        for seconds in [30.0, 60.0] {
            summary.on_event(&event(EventKind::Waiting {
                service: "Dataverse".to_owned(),
                reason: "throttled".to_owned(),
                seconds,
                attempt: 2,
            }));
        }
        summary.on_event(&failed("orders"));
        summary.on_event(&failed("returns"));
        summary.on_event(&event(EventKind::ChangeDone {
            step: "activate-flows".to_owned(),
            phase: "activate".to_owned(),
            key: "orders".to_owned(),
            name: "turn on 'orders'".to_owned(),
            kind: ChangeKind::Set,
            elapsed: 1.0,
        }));
        // A change that failed in the end is in the failure that ends the run.
        assert_eq!(
            summary.text(&["copy-environments: look\nat this".to_owned()], None),
            "\ndid not succeed at first:\n  - Dataverse (throttled): 2 waits, 1 min 30 s in all\n  \
             - turn on 'orders': done after 1 failed attempt: its child is off\n\
             \nneeds a look:\n  - copy-environments: look\n"
        );
    }
}
