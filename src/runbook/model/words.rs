//! Words of a runbook that come from a fixed list: each list is an enum that knows its words.

use std::fmt;

use crate::base::text;

/// A choice among a fixed list of words.
pub trait Word: Copy + 'static {
    /// Every choice, in the order in which they are offered to a person.
    const ALL: &'static [Self];

    /// The word as a runbook writes it.
    fn word(self) -> &'static str;

    /// What the word means, in a sentence or two: what an editor shows beside it.
    fn description(self) -> &'static str;
}

/// A word that is not in the list it should come from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not one of {allowed}", given = text::escape(.given))]
pub struct UnknownWord {
    /// What was given.
    pub given: String,
    /// The allowed words, each in backquotes, with commas.
    pub allowed: String,
}

/// All words of a list for a message: each in backquotes, with commas.
pub(in crate::runbook) fn list_words<W: Word>() -> String {
    quoted_list(W::ALL.iter().map(|choice| choice.word()))
}

/// Words for a message: each in backquotes, with commas.
pub(in crate::runbook) fn quoted_list<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words
        .map(|word| format!("`{word}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// All words of a list for the documentation, each with its meaning.
pub(in crate::runbook) fn explain_words<W: Word>() -> String {
    let words = W::ALL.iter().map(|choice| {
        let meaning = choice.description().trim_end_matches('.');
        format!("`{}` ({meaning})", choice.word())
    });
    words.collect::<Vec<_>>().join(", ")
}

/// The choice that a word means.
pub(in crate::runbook) fn find_word<W: Word>(word: &str) -> Option<W> {
    W::ALL.iter().copied().find(|choice| choice.word() == word)
}

/// The error of a word that is not in its list.
pub(in crate::runbook) fn unknown_word<W: Word>(given: &str) -> UnknownWord {
    UnknownWord {
        given: given.to_owned(),
        allowed: list_words::<W>(),
    }
}

/// Writes a word; what [`Display`](fmt::Display) of every list does.
pub(in crate::runbook) fn write_word<W: Word>(
    word: W,
    formatter: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    formatter.pad(word.word())
}

/// Declares an enum whose variants are words of the runbook, with its `Word`, `Display`, `FromStr`
/// and `Serialize`, so that a list, its words and their meanings are in one place.
macro_rules! words {
    (
        $(#[$attribute:meta])*
        pub enum $name:ident {
            $($(#[doc = $doc:literal])+ $variant:ident = $word:literal,)+
        }
    ) => {
        $(#[$attribute])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl $crate::runbook::Word for $name {
            const ALL: &'static [Self] = &[$(Self::$variant,)+];

            fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }

            fn description(self) -> &'static str {
                match self {
                    $(Self::$variant => concat!($($doc),+).trim_ascii(),)+
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                $crate::runbook::model::words::write_word(*self, formatter)
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::runbook::UnknownWord;

            fn from_str(word: &str) -> Result<Self, Self::Err> {
                $crate::runbook::model::words::find_word(word)
                    .ok_or_else(|| $crate::runbook::model::words::unknown_word::<Self>(word))
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str($crate::runbook::Word::word(*self))
            }
        }
    };
}

pub(in crate::runbook) use words;
