//! The kind of tenant: who manages Finance and Operations, and whether dual-write is used.

use std::str::FromStr;

/// Who manages the Finance and Operations of both environments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Management {
    /// The Power Platform: one copy carries both halves.
    #[default]
    Unified,
    /// Lifecycle Services: the database is refreshed there, next to the environment copy.
    LcsLinked,
}

/// Whether the tenant uses dual-write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DualWrite {
    /// It does not use dual-write.
    #[default]
    Off,
    /// Both environments are linked, and maps are running.
    On,
}

/// The kind of tenant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Variant {
    /// Who manages Finance and Operations.
    pub target: Management,
    /// Whether dual-write is used.
    pub dual_write: DualWrite,
}

/// A word that is not a variant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{word}' is not a valid value; write {choices}")]
pub struct VariantError {
    word: String,
    choices: &'static str,
}

impl Management {
    /// The word of a command line and of a world's file.
    pub const fn keyword(self) -> &'static str {
        match self {
            Self::Unified => "unified",
            Self::LcsLinked => "lcs-linked",
        }
    }
}

impl DualWrite {
    /// The word of a command line and of a world's file.
    pub const fn keyword(self) -> &'static str {
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
            .find(|kind| kind.keyword() == word)
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
            .find(|kind| kind.keyword() == word)
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
    fn each_variant_has_a_word() {
        for kind in [Management::Unified, Management::LcsLinked] {
            assert_eq!(kind.keyword().parse(), Ok(kind));
        }
        for state in [DualWrite::Off, DualWrite::On] {
            assert_eq!(state.keyword().parse(), Ok(state));
        }
        let error = "lcs".parse::<Management>().unwrap_err();
        assert!(error.to_string().contains("lcs-linked"), "{error}");
        let error = "yes".parse::<DualWrite>().unwrap_err();
        assert!(error.to_string().contains("on or off"), "{error}");
    }
}
