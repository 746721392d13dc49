//! The warnings of a run's processes: each stays until what it is about has ended again.

use std::collections::{BTreeMap, BTreeSet};

use crate::journal::{Record, StepOutcome};

/// The warnings so far.
#[derive(Default)]
pub(super) struct Notes<'a> {
    /// In order; two of them may have the same text.
    pub(super) found: Vec<Note<'a>>,
    /// What this process has recorded already. The record of its end repeats it.
    of_process: BTreeSet<String>,
    /// What to do about a warning, by its text, as a process last recorded it.
    remedies: BTreeMap<String, &'a str>,
}

/// A warning.
pub(super) struct Note<'a> {
    pub(super) text: String,
    origin: Origin<'a>,
}

/// What replaces a warning.
#[derive(Eq, PartialEq)]
enum Origin<'a> {
    /// The next end of this phase, which looks at everything again. Holds the step and the phase.
    Phase(&'a str, &'a str),
    /// Its phase failed and has no end: the end of its step replaces it.
    Process,
    /// Nothing.
    Lasting,
}

impl<'a> Notes<'a> {
    /// Takes the next record of the state file.
    pub(super) fn add(&mut self, record: &'a Record) {
        match record {
            Record::Opened(_) => self.of_process.clear(),
            Record::Noted(noted) => {
                self.add_remedies(&noted.remedies, noted.step.as_deref());
                for note in &noted.notes {
                    match &noted.step {
                        None => self.push(note.clone(), Origin::Lasting),
                        Some(step) => self.push(of_step(step, note), Origin::Process),
                    }
                }
            }
            Record::PhaseEnded(ended) => {
                let origin = || Origin::Phase(&ended.step, &ended.phase);
                self.found.retain(|note| note.origin != origin());
                self.add_remedies(&ended.remedies, Some(&ended.step));
                for note in &ended.notes {
                    self.push(of_step(&ended.step, note), origin());
                }
            }
            Record::StepEnded(ended) if ended.outcome == StepOutcome::Done => {
                let step = format!("{}: ", ended.step);
                let is_replaced =
                    |note: &Note| note.origin == Origin::Process && note.text.starts_with(&step);
                self.found.retain(|note| !is_replaced(note));
            }
            // The phases then look at one provider only, so their next end replaces nothing.
            Record::Reopened(reopened) => {
                let is_open = |step: &str| reopened.steps.iter().any(|open| open == step);
                for note in &mut self.found {
                    if matches!(note.origin, Origin::Phase(step, _) if is_open(step)) {
                        note.origin = Origin::Lasting;
                    }
                }
            }
            Record::Closed(closed) => {
                self.add_remedies(&closed.remedies, None);
                for note in &closed.notes {
                    if !self.of_process.contains(note) {
                        self.push(note.clone(), Origin::Process);
                    }
                }
            }
            _ => {}
        }
    }

    /// The warnings in order, each with what to do about it if that is known.
    pub(super) fn with_remedies(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.found.iter().map(|note| {
            let remedy = self.remedies.get(note.text.as_str()).copied();
            (note.text.as_str(), remedy)
        })
    }

    /// Takes remedies by the text of their note, and the step of the notes if their texts do not name
    /// it.
    fn add_remedies(&mut self, remedies: &'a BTreeMap<String, String>, step: Option<&str>) {
        let text = |note: &String| step.map_or_else(|| note.clone(), |step| of_step(step, note));
        let remedies = remedies.iter();
        let remedies = remedies.map(|(note, remedy)| (text(note), remedy.as_str()));
        self.remedies.extend(remedies);
    }

    fn push(&mut self, text: String, origin: Origin<'a>) {
        self.of_process.insert(text.clone());
        self.found.push(Note { text, origin });
    }
}

/// A note of a step as the list has it, and as the end of its process repeats it.
fn of_step(step: &str, note: &str) -> String {
    format!("{step}: {note}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{Closed, Noted, Opened, PhaseEnded, Reopened, RepairBegan, StepEnded};

    fn opened() -> Record {
        Record::from(Opened {
            pid: 1,
            host: "h".to_owned(),
            program: "1".to_owned(),
        })
    }

    fn phase(notes: &[&str]) -> Record {
        Record::from(PhaseEnded {
            step: "flows".to_owned(),
            phase: "turn-on".to_owned(),
            passes: 1,
            changes: 0,
            notes: notes.iter().map(|note| (*note).to_owned()).collect(),
            remedies: BTreeMap::new(),
        })
    }

    fn step_done() -> Record {
        Record::from(StepEnded {
            step: "flows".to_owned(),
            outcome: StepOutcome::Done,
            note: None,
        })
    }

    fn closed(notes: &[&str]) -> Record {
        Record::from(Closed {
            notes: notes.iter().map(|note| (*note).to_owned()).collect(),
            ..Closed::new("finished", 0, None)
        })
    }

    fn texts(records: &[Record]) -> Vec<String> {
        let mut notes = Notes::default();
        for record in records {
            notes.add(record);
        }
        notes.found.into_iter().map(|note| note.text).collect()
    }

    #[test]
    fn the_newest_end_of_a_phase_counts() {
        let repair = Record::from(RepairBegan {
            step: "flows".to_owned(),
            who: "ada".to_owned(),
        });
        let mut records = vec![
            opened(),
            phase(&["'A' is left off", "'B' has a new address"]),
            step_done(),
            closed(&["flows: 'A' is left off", "flows: 'B' has a new address"]),
        ];
        assert_eq!(texts(&records).len(), 2, "the end repeats them");
        let new = "'B' has a new address";
        records.extend([opened(), repair, phase(&[new]), step_done()]);
        let expected = ["flows: 'B' has a new address"];
        assert_eq!(texts(&records), expected, "while the process runs");
        records.push(closed(&expected));
        assert_eq!(texts(&records), expected);
    }

    #[test]
    fn a_warning_of_a_phase_that_failed_stays_until_its_step_is_done() {
        let mut records = vec![opened(), closed(&["flows: refused", "warning: look"])];
        records.extend([opened(), phase(&[])]);
        assert_eq!(texts(&records), ["flows: refused", "warning: look"]);
        records.push(step_done());
        assert_eq!(texts(&records), ["warning: look"]);
    }

    #[test]
    fn one_provider_that_is_installed_again_replaces_no_warning_about_the_others() {
        let reopened = Record::from(Reopened {
            provider: "msdyn_fedex".to_owned(),
            seals: Vec::new(),
            steps: vec!["flows".to_owned()],
            who: "ada".to_owned(),
        });
        let records = [opened(), phase(&["of UPS"]), reopened, phase(&["of FedEx"])];
        assert_eq!(texts(&records), ["flows: of UPS", "flows: of FedEx"]);
    }

    #[test]
    fn a_killed_process_keeps_what_it_found_before_its_first_step() {
        let noted = Record::from(Noted {
            notes: vec!["warning: look".to_owned()],
            ..Noted::default()
        });
        let killed = [opened(), noted];
        assert_eq!(texts(&killed), ["warning: look"]);
        let [opened, noted] = killed;
        let ended = [opened, noted, closed(&["warning: look"])];
        assert_eq!(texts(&ended), ["warning: look"]);
    }
}
