//! The result of a check: a `Verdict` is pass, fail or unknown; an `Answer` is a verdict with what
//! was found.

pub use crate::engine::{CheckLevel, Verdict};

/// A verdict with what was found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Answer {
    Pass(String),
    Fail(String),
    Unknown(String),
}

impl Answer {
    /// The verdict without what was found.
    pub(crate) fn verdict(&self) -> Verdict {
        match self {
            Self::Pass(_) => Verdict::Pass,
            Self::Fail(_) => Verdict::Fail,
            Self::Unknown(_) => Verdict::Unknown,
        }
    }

    /// Does it pass for certain?
    pub(crate) fn is_pass(&self) -> bool {
        self.verdict() == Verdict::Pass
    }

    /// What was found.
    pub(crate) fn found(&self) -> &str {
        let (Self::Pass(found) | Self::Fail(found) | Self::Unknown(found)) = self;
        found
    }
}
