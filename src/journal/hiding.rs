//! Hides secret values in records before they are written.
//!
//! Captures keep the service's bytes. What the run continues with (keys, intents, handles) comes
//! from the program and contains fingerprints already. Every other free text passes through here,
//! so that no step can forget it.

use std::collections::BTreeMap;
use std::mem;

use super::payload::Hindrance;
use super::record::Record;
use crate::base::secrets::{hide, hide_in_json};

impl Record {
    /// The record with every secret value in a free text replaced.
    pub(super) fn without_secrets(mut self) -> Self {
        match &mut self {
            Self::Closed(closed) => {
                hide_optional(&mut closed.message);
                closed.notes.iter_mut().for_each(hide_text);
                hide_in_remedies(&mut closed.remedies);
                closed.hindrances.iter_mut().for_each(hide_in_hindrance);
                if let Some(figures) = &mut closed.figures {
                    hide_in_json(figures);
                }
            }
            Self::Noted(noted) => {
                noted.notes.iter_mut().for_each(hide_text);
                hide_in_remedies(&mut noted.remedies);
            }
            Self::RunbookChanged(changed) => changed.difference.iter_mut().for_each(hide_text),
            Self::PhaseEnded(ended) => {
                ended.notes.iter_mut().for_each(hide_text);
                hide_in_remedies(&mut ended.remedies);
            }
            Self::StepEnded(ended) => hide_optional(&mut ended.note),
            Self::Intent(intent) => hide_text(&mut intent.name),
            Self::Ended(ended) => hide_in_json(&mut ended.detail),
            Self::Verified(verified) => hide_in_json(&mut verified.observed),
            Self::Done(done) => hide_in_json(&mut done.observed),
            Self::Failed(failed) => {
                hide_text(&mut failed.message);
                hide_optional(&mut failed.help);
            }
            Self::Waiting(waiting) => hide_in_json(&mut waiting.worksheet),
            Self::Completed(completed) => {
                hide_in_json(&mut completed.evidence);
                hide_optional(&mut completed.waived);
            }
            Self::Abandoned(abandoned) => hide_text(&mut abandoned.reason),
            _ => {}
        }
        self
    }
}

fn hide_in_hindrance(hindrance: &mut Hindrance) {
    match hindrance {
        Hindrance::Waited { reason, .. } => hide_text(reason),
        Hindrance::Failed { name, why, .. } => {
            hide_text(name);
            hide_text(why);
        }
    }
}

/// Hides in the warnings and in what to do about them.
fn hide_in_remedies(remedies: &mut BTreeMap<String, String>) {
    let hidden = mem::take(remedies).into_iter();
    *remedies = hidden
        .map(|(note, remedy)| (hide(&note).into_owned(), hide(&remedy).into_owned()))
        .collect();
}

fn hide_text(text: &mut String) {
    *text = hide(text).into_owned();
}

fn hide_optional(text: &mut Option<String>) {
    if let Some(text) = text {
        hide_text(text);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::base::redaction::fingerprint;
    use crate::journal::payload::{Captured, Closed, Ended, Failed, LaunchOutcome, Noted};

    #[test]
    fn free_texts_contain_fingerprints_and_captures_keep_their_bytes() {
        let value = "journal-secret-hash-0815";
        let shown = fingerprint(value);
        let failed = Failed {
            step: "reinstall-providers".to_owned(),
            phase: None,
            key: None,
            message: format!("refused: {{\"msdyn_value\":\"{value}\"}}"),
            help: Some(format!("write {value} again")),
            permanent: false,
            not_allowed: false,
        };
        let closed = Closed {
            notes: vec![value.to_owned()],
            remedies: [(value.to_owned(), format!("remove {value}"))].into(),
            ..Closed::new("failed", 1, Some(value.to_owned()))
        };
        let ended = Ended {
            key: "k".to_owned(),
            outcome: LaunchOutcome::Failed,
            detail: json!({ "message": [format!("it said {value}")] }),
            unread_since: None,
        };
        let noted = Noted {
            notes: vec![value.to_owned()],
            remedies: [(value.to_owned(), format!("remove {value}"))].into(),
            ..Noted::default()
        };
        let records = [
            Record::from(failed),
            closed.into(),
            ended.into(),
            noted.into(),
        ];
        for record in records {
            let text = serde_json::to_string(&record.without_secrets()).unwrap();
            assert!(!text.contains(value) && text.contains(&shown), "{text}");
        }
        let captured = Captured {
            seal: "s".to_owned(),
            key: "k".to_owned(),
            etag: None,
            sha256: String::new(),
            text: value.to_owned(),
        };
        let record = Record::from(captured);
        assert_eq!(record.clone().without_secrets(), record);
    }
}
