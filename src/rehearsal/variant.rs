//! Which kind of tenant is rehearsed: who manages the target's database, and whether dual-write runs.

use std::str::FromStr;

/// Who manages the Finance and Operations of both environments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Management {
    /// The Power Platform: one copy carries both halves.
    #[default]
    Unified,
    /// Lifecycle Services: the database is refreshed there, beside the environment copy.
    LcsLinked,
}

/// Whether the tenant uses dual-write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DualWrite {
    /// It does not.
    #[default]
    Off,
    /// Both environments are linked, and maps run.
    On,
}

/// Which kind of tenant a new world is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Variant {
    /// Who manages Finance and Operations.
    pub target: Management,
    /// Whether dual-write runs.
    pub dual_write: DualWrite,
}

/// A word that names no variant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{word}' is none of them; write {choices}")]
pub struct VariantError {
    word: String,
    choices: &'static str,
}

impl Management {
    /// The word of a command line and of a world's file.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Unified => "unified",
            Self::LcsLinked => "lcs-linked",
        }
    }
}

impl DualWrite {
    /// The word of a command line and of a world's file.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::On => "on",
        }
    }
}

impl FromStr for Management {
    type Err = VariantError;

    /// Reads `unified` or `lcs-linked`.
    fn from_str(word: &str) -> Result<Self, VariantError> {
        [Self::Unified, Self::LcsLinked]
            .into_iter()
            .find(|kind| kind.word() == word)
            .ok_or_else(|| VariantError {
                word: word.to_owned(),
                choices: "unified or lcs-linked",
            })
    }
}

impl FromStr for DualWrite {
    type Err = VariantError;

    /// Reads `on` or `off`.
    fn from_str(word: &str) -> Result<Self, VariantError> {
        [Self::Off, Self::On]
            .into_iter()
            .find(|kind| kind.word() == word)
            .ok_or_else(|| VariantError {
                word: word.to_owned(),
                choices: "on or off",
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_have_words() {
        for kind in [Management::Unified, Management::LcsLinked] {
            assert_eq!(kind.word().parse(), Ok(kind));
        }
        for state in [DualWrite::Off, DualWrite::On] {
            assert_eq!(state.word().parse(), Ok(state));
        }
        let error = "lcs".parse::<Management>().unwrap_err();
        assert!(error.to_string().contains("lcs-linked"), "{error}");
        let error = "yes".parse::<DualWrite>().unwrap_err();
        assert!(error.to_string().contains("on or off"), "{error}");
    }
}
