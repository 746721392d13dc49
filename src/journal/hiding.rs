//! What a service said, before it is recorded: known secret values become fingerprints.
//!
//! Captures keep the service's bytes, and what the run goes on from (keys, intents, handles) is the
//! program's own and holds fingerprints already. Every other free text passes through here, so that
//! no step can forget it.

use super::record::Record;
use crate::base::secrets::{hide, hide_in};

impl Record {
    /// The record as it may be written.
    pub(super) fn without_secrets(mut self) -> Self {
        match &mut self {
            Self::Closed(closed) => {
                hidden_in(&mut closed.message);
                closed.notes.iter_mut().for_each(hidden);
                if let Some(figures) = &mut closed.figures {
                    hide_in(figures);
                }
            }
            Self::RunbookChanged(changed) => changed.difference.iter_mut().for_each(hidden),
            Self::StepEnded(ended) => hidden_in(&mut ended.note),
            Self::Intent(intent) => hidden(&mut intent.name),
            Self::Ended(ended) => hide_in(&mut ended.detail),
            Self::Verified(verified) => hide_in(&mut verified.observed),
            Self::Done(done) => hide_in(&mut done.observed),
            Self::Failed(failed) => {
                hidden(&mut failed.message);
                hidden_in(&mut failed.help);
            }
            Self::Waiting(waiting) => hide_in(&mut waiting.worksheet),
            Self::Completed(completed) => {
                hide_in(&mut completed.evidence);
                hidden_in(&mut completed.waived);
            }
            Self::Abandoned(abandoned) => hidden(&mut abandoned.reason),
            _ => {}
        }
        self
    }
}

fn hidden(text: &mut String) {
    *text = hide(text).into_owned();
}

fn hidden_in(text: &mut Option<String>) {
    if let Some(text) = text {
        hidden(text);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::base::text::fingerprint;
    use crate::journal::payload::{Captured, Closed, Ended, Failed, LaunchOutcome};

    #[test]
    fn free_texts_hold_fingerprints_and_captures_hold_the_bytes() {
        let value = "journal-secret-hash-0815";
        let shown = fingerprint(value);
        let failed = Failed {
            step: "reinstall-providers".to_owned(),
            phase: None,
            key: None,
            message: format!("refused: {{\"msdyn_value\":\"{value}\"}}"),
            help: Some(format!("write {value} again")),
        };
        let closed = Closed {
            notes: vec![value.to_owned()],
            ..Closed::new("failed", 1, Some(value.to_owned()))
        };
        let ended = Ended {
            key: "k".to_owned(),
            outcome: LaunchOutcome::Failed,
            detail: json!({ "message": [format!("it said {value}")] }),
        };
        for record in [Record::from(failed), closed.into(), ended.into()] {
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
