//! Changes that only a person can make.

use serde_json::Value;

use crate::engine::{Action, Change, ManualTask};

/// One line of a worksheet.
pub(crate) struct ManualChange {
    pub(crate) key: String,
    pub(crate) name: String,
    pub(crate) before: Value,
    pub(crate) after: Value,
    /// What to do for this change, one line for each instruction.
    pub(crate) instructions: Vec<String>,
    /// What the program reads as evidence.
    pub(crate) evidence: String,
}

impl ManualChange {
    /// The change, which ends something that cannot be restored.
    pub(crate) fn into_destructive_change(self) -> Change {
        let mut change = self.into_change();
        if let Action::ManualTask(task) = &mut change.action {
            task.is_destructive = true;
        }
        change
    }

    /// The change, which nothing in the tenant shows to be done.
    pub(crate) fn into_unprovable_change(self) -> Change {
        let mut change = self.into_change();
        if let Action::ManualTask(task) = &mut change.action {
            task.needs_waiver = true;
        }
        change
    }

    /// The change, which no other one must precede.
    pub(crate) fn into_change(self) -> Change {
        Change {
            key: self.key,
            name: self.name,
            before: self.before.into(),
            after: self.after.into(),
            follows: Vec::new(),
            action: Action::ManualTask(ManualTask {
                instructions: self.instructions,
                evidence: self.evidence,
                ..ManualTask::default()
            }),
        }
    }
}
