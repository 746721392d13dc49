//! What did not succeed at first, or needs a look: repeated at the end of a run, because it has
//! scrolled away by then.

use std::sync::Mutex;

use console::measure_text_width;

use super::documents::Findings;
use super::hindrances::{AT_FIRST, Hindrances, earlier_hindrances, first_line};
use super::run_report::NEEDS_A_LOOK;
use super::shorten::shortened;
use super::status::findings_line;
use crate::base::redaction::redacted_line;
use crate::base::sync::lock;
use crate::engine::{Event, EventKind, Listener};
use crate::journal::{Hindrance, StateFileContents};

/// How many things of each kind are named; more are counted.
const NAMED: usize = 20;

/// How many columns of a note are repeated: it was shown whole before, and the report has it.
const LONGEST: usize = 220;

/// How many columns of its reason stay at least, before what to do about it.
const REASON: usize = 120;

/// How many columns of what to do are repeated.
const INSTRUCTION: usize = 320;

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
    pub fn text(&self, notes: &Findings, shown_by: &str, only_counted: bool) -> String {
        let mut seen = lock(&self.earlier).clone();
        seen.add(&lock(&self.seen));
        let at_first = seen.lines();
        list(&format!("{}:", AT_FIRST.to_lowercase()), &at_first)
            + &describe_notes(notes, shown_by, only_counted)
    }
}

/// The notes, or their number and the command that shows them. Where a part is left out, the command
/// follows.
fn describe_notes(notes: &Findings, shown_by: &str, only_counted: bool) -> String {
    let texts = &notes.texts;
    if only_counted && !texts.is_empty() {
        return format!("\n{}\n", findings_line(texts.len(), shown_by));
    }
    let lines = texts.iter().map(|note| first_line(note));
    let short: Vec<String> = lines.map(|line| shortened_note(&line)).collect();
    let mut text = list("needs a look:", &short);
    let is_cut = |(note, short): (&String, &String)| {
        notes.remedies.contains_key(note) || redacted_line(note) != *short
    };
    if texts.len() > NAMED || texts.iter().zip(&short).any(is_cut) {
        text += &format!("  in full, under \"{NEEDS_A_LOOK}\": {shown_by}\n");
    }
    text
}

/// A note in about [`LONGEST`] columns, or more where what to do is longer. What to do about it follows the last colon and stays whole,
/// so the reason before it is cut.
fn shortened_note(note: &str) -> String {
    if measure_text_width(note) <= LONGEST {
        return note.to_owned();
    }
    let is_code = |at: usize| note[..at].matches('`').count() % 2 == 1;
    let colon = note
        .rmatch_indices(": ")
        .map(|(at, _)| at)
        .find(|at| !is_code(*at));
    let Some((reason, instruction)) = colon.map(|at| note.split_at(at)) else {
        return shortened(note, LONGEST);
    };
    let columns = measure_text_width(instruction);
    if columns > INSTRUCTION {
        return shortened(note, LONGEST);
    }
    let left = LONGEST.saturating_sub(columns).max(REASON);
    shortened(reason, left) + instruction
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

    fn notes(texts: &[&str]) -> Findings {
        Findings {
            texts: texts.iter().map(|&text| text.to_owned()).collect(),
            ..Findings::default()
        }
    }

    #[test]
    fn of_a_long_note_the_reason_is_cut_and_what_to_do_stays() {
        let flow = "00000000-0000-0000-0000-000000000001";
        let rules = [
            "set it in IOM app > Providers > FedEx > Parameters".to_owned(),
            format!(
                "set it in IOM app, or write `{}`",
                "p: { x: y } ".repeat(20)
            ),
            format!("add `{{ flow: {flow}, find: {flow}, with: {flow} }}` under `replace`"),
        ];
        for rule in rules {
            let note = format!("flows: 'A' {}: {rule}", "because it names it ".repeat(12));
            let text = EndSummary::default().text(&notes(&[&note]), "report", false);
            let line = text.lines().nth(2).unwrap();
            assert!(line.starts_with("  - flows: 'A' because"), "{line}");
            assert!(line.ends_with(&format!("…: {rule}")), "{line}");
            assert!(text.contains("in full, under"), "{text}");
        }
    }

    #[test]
    fn a_note_with_a_remedy_is_whole_only_in_the_report() {
        let remedies = [("look".to_owned(), "turn it on".to_owned())].into();
        let found = Findings {
            remedies,
            ..notes(&["look"])
        };
        let text = EndSummary::default().text(&found, "iomcopy report uat.yaml", false);
        assert!(text.ends_with("in full, under \"Needs a look\": iomcopy report uat.yaml\n"));
    }

    #[test]
    fn a_long_note_ends_with_a_whole_word() {
        let long = "word ".repeat(50);
        let text = EndSummary::default().text(&notes(&[&long]), "iomcopy report uat.yaml", false);
        let end = "word…\n  in full, under \"Needs a look\": iomcopy report uat.yaml\n";
        assert!(text.ends_with(end) && text.len() < 310, "{text}");
        let short = notes(&["short"]);
        let text = EndSummary::default().text(&short, "iomcopy report uat.yaml", false);
        assert_eq!(text, "\nneeds a look:\n  - short\n");
    }

    #[test]
    fn after_a_stop_the_notes_are_counted() {
        let summary = EndSummary::default();
        let command = "iomcopy report uat.yaml";
        assert_eq!(summary.text(&Findings::default(), command, true), "");
        let notes = notes(&["copy: look", "plan: look"]);
        assert_eq!(
            summary.text(&notes, command, true),
            "\nneeds a look: 2 warnings, see: iomcopy report uat.yaml\n"
        );
    }

    #[test]
    fn the_end_repeats_what_did_not_succeed_at_first_and_what_needs_a_look() {
        let summary = EndSummary::default();
        let report = "iomcopy report uat.yaml";
        assert_eq!(summary.text(&Findings::default(), report, false), "");
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
            summary.text(&notes(&["copy-environments: look\nat this"]), report, false),
            "\ndid not succeed at first:\n  - Dataverse (throttled): 2 waits, 1 min 30 s in all\n  \
             - turn on 'orders': done after 1 failed attempt: its child is off\n\
             \nneeds a look:\n  - copy-environments: look\n  \
             in full, under \"Needs a look\": iomcopy report uat.yaml\n"
        );
    }
}
