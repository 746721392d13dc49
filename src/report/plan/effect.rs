//! What a change does, with its sign: the same for a change that the program makes and for one that
//! a person makes.

use crate::engine::PlannedChange;
use crate::journal::ChangeKind;

/// What a change does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Effect {
    /// Something that was not there.
    Install,
    /// Another value.
    Set,
    /// Something that was there.
    Remove,
    /// An operation at a service.
    Launch,
}

impl Effect {
    /// All, in the order of a legend.
    pub(super) const ALL: [Self; 4] = [Self::Install, Self::Set, Self::Remove, Self::Launch];

    /// What this change does.
    pub(super) fn of(change: &PlannedChange) -> Self {
        match change.kind {
            ChangeKind::Launch => Self::Launch,
            ChangeKind::Remove => Self::Remove,
            ChangeKind::Set | ChangeKind::ManualTask => {
                if change.after.is_null() {
                    Self::Remove
                } else if change.before.is_null() {
                    Self::Install
                } else {
                    Self::Set
                }
            }
        }
    }

    /// Its sign. It says what the change does without a colour.
    pub(super) fn sign(self) -> &'static str {
        match self {
            Self::Install => "+",
            Self::Set => "~",
            Self::Remove => "-",
            Self::Launch => ">",
        }
    }

    /// What it does, as a legend says it.
    pub(super) fn as_text(self) -> &'static str {
        match self {
            Self::Install => "install or create",
            Self::Set => "set",
            Self::Remove => "remove",
            Self::Launch => "start an operation at a service",
        }
    }
}
