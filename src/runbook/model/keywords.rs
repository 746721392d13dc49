//! Keywords of a runbook, which come from a fixed list: each list is an enum that knows its keywords.

use std::fmt;

/// A value that a runbook names by a keyword of a fixed list.
pub trait Keyword: Copy + 'static {
    /// Every value, in the order in which they are offered to a person.
    const ALL: &'static [Self];

    /// The keyword as a runbook writes it.
    fn keyword(self) -> &'static str;

    /// What the keyword means, in a sentence or two: what an editor shows beside it.
    fn description(self) -> &'static str;
}

/// All keywords of a list.
pub(in crate::runbook) fn all_keywords<K: Keyword>() -> Vec<&'static str> {
    K::ALL.iter().map(|choice| choice.keyword()).collect()
}

/// All keywords of a list for a message: each in backquotes, with commas.
pub(in crate::runbook) fn list_keywords<K: Keyword>() -> String {
    quoted_list(all_keywords::<K>().into_iter())
}

/// Words for a message: each in backquotes, with commas.
pub(in crate::runbook) fn quoted_list<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words
        .map(|word| format!("`{word}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// All keywords of a list for the documentation, each with its meaning.
pub(in crate::runbook) fn explain_keywords<K: Keyword>() -> String {
    let choices = K::ALL.iter();
    let words: Vec<_> = choices.map(|it| (it.keyword(), it.description())).collect();
    explain_words(&words)
}

fn explain_words(words: &[(&str, &str)]) -> String {
    let explained = words
        .iter()
        .map(|(word, meaning)| format!("`{word}` ({})", meaning.trim_end_matches('.')));
    explained.collect::<Vec<_>>().join(", ")
}

/// The value that a keyword names; none if the list does not have it.
pub fn find_keyword<K: Keyword>(keyword: &str) -> Option<K> {
    let mut values = K::ALL.iter().copied();
    values.find(|value| value.keyword() == keyword)
}

/// Writes a keyword; what [`Display`](fmt::Display) of every list does.
pub(in crate::runbook) fn write_keyword<K: Keyword>(
    value: K,
    formatter: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    formatter.pad(value.keyword())
}

/// Declares an enum whose variants are keywords of the runbook, with its `Keyword`, `Display` and
/// `Serialize`, so that a list, its keywords and their meanings are in one place.
macro_rules! keywords {
    (
        $(#[$attribute:meta])*
        pub enum $name:ident {
            $($(#[doc = $doc:literal])+ $variant:ident = $keyword:literal,)+
        }
    ) => {
        $(#[$attribute])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl $crate::runbook::Keyword for $name {
            const ALL: &'static [Self] = &[$(Self::$variant,)+];

            fn keyword(self) -> &'static str {
                match self {
                    $(Self::$variant => $keyword,)+
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
                $crate::runbook::model::keywords::write_keyword(*self, formatter)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str($crate::runbook::Keyword::keyword(*self))
            }
        }
    };
}

pub(in crate::runbook) use keywords;
