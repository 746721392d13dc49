//! How a refresh is doing.

use std::fmt;

/// How a refresh is doing (Microsoft Learn, *Database movement API*, get status). New words may
/// appear without a new version of the service.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RefreshState {
    /// It was accepted.
    NotStarted,
    /// It runs.
    InProgress,
    /// It ended well.
    Completed,
    /// It ended well, and somebody has signed it off.
    SignedOff,
    /// It failed. What was there may still be put back: `RollbackInProgress` may follow.
    Failed,
    /// It was given up without cleaning up.
    Aborted,
    /// It failed, and what was there is being put back.
    RollbackInProgress,
    /// It failed, and what was there is back.
    RollbackCompleted,
    /// It failed, and what was there could not be put back.
    RollbackFailed,
    /// A word that is not known: neither success nor failure.
    Unknown(String),
}

impl RefreshState {
    /// Reads the service's word. Case does not count.
    pub fn from_word(word: &str) -> Self {
        [
            Self::NotStarted,
            Self::InProgress,
            Self::Completed,
            Self::SignedOff,
            Self::Failed,
            Self::Aborted,
            Self::RollbackInProgress,
            Self::RollbackCompleted,
            Self::RollbackFailed,
        ]
        .into_iter()
        .find(|state| state.word().eq_ignore_ascii_case(word))
        .unwrap_or_else(|| Self::Unknown(word.to_owned()))
    }

    /// The service's word.
    pub fn word(&self) -> &str {
        match self {
            Self::NotStarted => "NotStarted",
            Self::InProgress => "InProgress",
            Self::Completed => "Completed",
            Self::SignedOff => "SignedOff",
            Self::Failed => "Failed",
            Self::Aborted => "Aborted",
            Self::RollbackInProgress => "RollbackInProgress",
            Self::RollbackCompleted => "RollbackCompleted",
            Self::RollbackFailed => "RollbackFailed",
            Self::Unknown(word) => word,
        }
    }

    /// Can no other word follow? `Failed` is not among these, and a word that is not known is not
    /// either.
    pub fn is_final(&self) -> bool {
        matches!(
            self,
            Self::Completed
                | Self::SignedOff
                | Self::Aborted
                | Self::RollbackCompleted
                | Self::RollbackFailed
        )
    }

    /// Did it end well?
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Completed | Self::SignedOff)
    }
}

impl fmt::Display for RefreshState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nine_words_are_known_and_the_tenth_is_neither_good_nor_bad() {
        for word in ["notstarted", "InProgress", "RollbackInProgress", "Failed"] {
            let state = RefreshState::from_word(word);
            assert!(!state.is_final() && !state.is_success(), "{word}");
            assert!(!matches!(state, RefreshState::Unknown(_)), "{word}");
        }
        for word in ["Aborted", "RollbackCompleted", "RollbackFailed"] {
            let state = RefreshState::from_word(word);
            assert!(state.is_final() && !state.is_success(), "{word}");
        }
        for word in ["Completed", "SignedOff"] {
            let state = RefreshState::from_word(word);
            assert!(state.is_final() && state.is_success(), "{word}");
        }
        let unknown = RefreshState::from_word("Preparing");
        assert_eq!(unknown.to_string(), "Preparing");
        assert!(!unknown.is_final() && !unknown.is_success());
    }
}
