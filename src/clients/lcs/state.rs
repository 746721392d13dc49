//! The state of a refresh.

use std::fmt;

/// The state of a refresh (Microsoft Learn, *Database movement API*, get status). New words may
/// appear without a new version of the service.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RefreshState {
    /// It was accepted.
    NotStarted,
    /// It is running.
    InProgress,
    /// It succeeded.
    Completed,
    /// It succeeded, and a user has signed it off.
    SignedOff,
    /// It failed. A rollback may still follow (`RollbackInProgress`).
    Failed,
    /// It was aborted without cleanup.
    Aborted,
    /// It failed, and the previous state is being restored.
    RollbackInProgress,
    /// It failed, and the previous state is restored.
    RollbackCompleted,
    /// It failed, and the previous state could not be restored.
    RollbackFailed,
    /// An unknown word: neither success nor failure.
    Unknown(String),
}

impl RefreshState {
    /// Parses the service's word, case-insensitively.
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
        .find(|state| state.as_str().eq_ignore_ascii_case(word))
        .unwrap_or_else(|| Self::Unknown(word.to_owned()))
    }

    /// The service's word.
    pub fn as_str(&self) -> &str {
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

    /// Whether no other state can follow. `false` for `Failed` and for an unknown word.
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

    /// Whether it succeeded.
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Completed | Self::SignedOff)
    }
}

impl fmt::Display for RefreshState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nine_words_are_known_and_another_is_neither_success_nor_failure() {
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
