//! What did not succeed at first, or needs a look: repeated at the end of a run, because it has
//! scrolled away by then.

use std::borrow::Cow;
use std::sync::Mutex;

use console::measure_text_width;

use super::documents::Findings;
use super::hindrances::{AT_FIRST, Hindrances, earlier_hindrances, first_line};
use super::run_report::NEEDS_A_LOOK;
use super::shorten::shortened;
use super::status::findings_line;
use crate::base::sync::lock;
use crate::engine::{Event, EventKind, Listener};
use crate::journal::{Hindrance, StateFileContents};
use crate::runbook::{Keyword as _, StepName};

/// How many things of each kind are named; more are counted.
const NAMED: usize = 20;

/// How many columns of a note, or of what to do about it, are repeated: the report has it whole.
const LONGEST: usize = 400;

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

/// The notes with what to do about them, or their number and the command that shows them. Where a
/// part is left out, the command follows.
fn describe_notes(notes: &Findings, shown_by: &str, only_counted: bool) -> String {
    if notes.texts.is_empty() {
        return String::new();
    }
    if only_counted {
        return format!("\n{}\n", findings_line(notes.texts.len(), shown_by));
    }
    let (mut text, mut listed, mut is_whole) = ("\nneeds a look:\n".to_owned(), 0, true);
    for group in notes.groups() {
        if listed == NAMED {
            break;
        }
        let shown = group.texts.len().min(NAMED - listed);
        for note in &group.texts[..shown] {
            let note = without_labels(note);
            let line = brief(&note);
            is_whole &= *note == line;
            text += &format!("  - {line}\n");
        }
        if let Some(fix) = group.fix() {
            text += &format!("    {}\n", brief(&fix));
        }
        listed += shown;
    }
    if notes.texts.len() > listed {
        text += &format!("  and {} more\n", notes.texts.len() - listed);
        is_whole = false;
    }
    if !is_whole {
        text += &format!("  in full, under \"{NEEDS_A_LOOK}\": {shown_by}\n");
    }
    text
}

/// A note without what says nothing at the end of a finished run: that it is a warning, and which of
/// the eight steps it is about, because its text names the thing.
fn without_labels(note: &str) -> Cow<'_, str> {
    if let Some((step, text)) = note.split_once(": ")
        && StepName::ALL.iter().any(|name| name.keyword() == step)
    {
        return Cow::Borrowed(text);
    }
    let Some(warning) = note.strip_prefix("warning: ") else {
        return Cow::Borrowed(note);
    };
    let affected = warning.split_once(" (affects step ");
    match affected.and_then(|(problem, rest)| Some((problem, rest.split_once(')')?.1))) {
        Some((problem, found)) => Cow::Owned(format!("{problem}{found}")),
        None => Cow::Borrowed(warning),
    }
}

/// The first line in about [`LONGEST`] columns. Of a longer one, whole parts stay: a list of things
/// ends after one of them.
fn brief(text: &str) -> String {
    let line = first_line(text);
    if measure_text_width(&line) <= LONGEST {
        return line;
    }
    let short = shortened(&line, LONGEST);
    match short.rsplit_once("; ") {
        Some((parts, _)) if parts.len() * 2 >= short.len() => format!("{parts}; …"),
        _ => short,
    }
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
    fn notes_with_the_same_remedy_are_a_line_each_and_the_remedy_is_there_once() {
        let fix = "set it in IOM app > Providers, or write `parameters: { x: y }`".to_owned();
        let texts = [
            "settings: 'a' has no value",
            "look",
            "settings: 'b' has no value",
        ];
        let found = Findings {
            remedies: [0, 2]
                .map(|at: usize| (texts[at].to_owned(), fix.clone()))
                .into(),
            ..notes(&texts)
        };
        assert_eq!(
            EndSummary::default().text(&found, "iomcopy report uat.yaml", false),
            format!(
                "\nneeds a look:\n  - settings: 'a' has no value\n  - settings: 'b' has no value\n    \
                 fix for these 2: {fix}\n  - look\n"
            )
        );
    }

    #[test]
    fn a_remedy_stays_whole_however_long_its_note_is() {
        let fix = format!("write `{}`", "p: { x: y } ".repeat(20));
        let note = format!(
            "warning: flows name it (affects step activate-flows): {}",
            "'a flow'; ".repeat(60)
        );
        let found = Findings {
            remedies: [(note.clone(), fix.clone())].into(),
            ..notes(&[&note])
        };
        let text = EndSummary::default().text(&found, "report", false);
        let lines: Vec<&str> = text.lines().collect();
        assert!(
            lines[2].starts_with("  - flows name it: 'a flow'; "),
            "{text}"
        );
        assert!(lines[2].ends_with("'a flow'; …"), "{text}");
        assert_eq!(lines[3], format!("    fix: {fix}"));
        assert!(lines[4].starts_with("  in full, under"), "{text}");
    }

    #[test]
    fn a_long_note_ends_with_a_whole_word() {
        let long = "word ".repeat(100);
        let text = EndSummary::default().text(&notes(&[&long]), "iomcopy report uat.yaml", false);
        let end = "word…\n  in full, under \"Needs a look\": iomcopy report uat.yaml\n";
        assert!(text.ends_with(end) && text.len() < 490, "{text}");
        let short = notes(&["short"]);
        let text = EndSummary::default().text(&short, "iomcopy report uat.yaml", false);
        assert_eq!(text, "\nneeds a look:\n  - short\n");
    }

    #[test]
    fn many_notes_are_counted() {
        let texts: Vec<String> = (0..NAMED + 3).map(|at| format!("note {at}")).collect();
        let remedies = texts.iter().map(|text| (text.clone(), "look".to_owned()));
        let found = Findings {
            remedies: remedies.collect(),
            texts: texts.clone(),
        };
        let text = EndSummary::default().text(&found, "report", false);
        let end = "  - note 19\n    fix for these 23: look\n  and 3 more\n  in full, under \
                   \"Needs a look\": report\n";
        assert!(text.ends_with(end), "{text}");
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
             \nneeds a look:\n  - look\n  \
             in full, under \"Needs a look\": iomcopy report uat.yaml\n"
        );
    }
}
