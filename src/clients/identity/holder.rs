//! Whether a token is a person's or an application's.

use std::fmt;

/// Who holds a token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TokenHolder {
    /// A person, or an application that acts for one: a delegated token.
    Person,
    /// An application for itself.
    Application,
}

impl fmt::Display for TokenHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Person => "a person",
            Self::Application => "an application",
        })
    }
}
