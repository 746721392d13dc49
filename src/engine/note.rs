//! What the user should know and what stops nothing.

use std::collections::BTreeMap;

/// What the user should know and what stops nothing.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Note {
    /// The fact, in one line.
    pub text: String,
    /// What a person can do about it. Notes with the same remedy are listed together, with the remedy
    /// once.
    pub remedy: Option<String>,
}

impl Note {
    /// A fact, and what a person can do about it.
    pub fn new(text: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            remedy: Some(remedy.into()),
        }
    }
}

impl From<String> for Note {
    fn from(text: String) -> Self {
        Self { text, remedy: None }
    }
}

/// Notes as records have them: the texts, and the remedies by text.
pub(super) fn recorded(notes: &[Note]) -> (Vec<String>, BTreeMap<String, String>) {
    let texts = notes.iter().map(|note| note.text.clone()).collect();
    let remedies = notes.iter().filter_map(|note| {
        let remedy = note.remedy.clone()?;
        Some((note.text.clone(), remedy))
    });
    (texts, remedies.collect())
}
