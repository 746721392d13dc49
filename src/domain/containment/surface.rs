//! A surface: anything in the target that can act on the outside world.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::sealed::ROW;
use crate::clients::Row;
use crate::domain::keys;
use crate::domain::names::Fields;
use crate::runbook::StepName;

/// One thing that can act on the outside world.
#[derive(Clone, Debug)]
pub(crate) struct Surface {
    /// Its kind, the key of its [`SurfaceKind`](super::kind::SurfaceKind).
    pub(crate) kind: &'static str,
    /// What distinguishes it within its kind: a row id that survives the copy, or a logical name.
    pub(crate) id: String,
    /// Its name for people.
    pub(crate) name: String,
    /// What it could do, or where it points. Never a secret, and never a whole value of a column.
    pub(crate) reach: String,
    /// Can it act?
    pub(crate) state: SurfaceState,
    /// What closes it, if it is open.
    pub(crate) closing: Closing,
}

/// Can a surface act?
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SurfaceState {
    /// It can, and it is not allowed.
    Open,
    /// Nobody has documented whether it can after a copy, or it cannot be read; why. A person has
    /// to look at it.
    Unclear(String),
    /// It may have acted before this run closed it; how that shows. Nothing can undo that, so a person
    /// has to look at it.
    Acted(String),
    /// It cannot; how it was closed.
    Closed(String),
    /// It can, and the runbook allows it; the entry or default that allows it.
    Allowed(String),
    /// It can, but only on what the runbook put in production's place; the replacement.
    Replaced(String),
}

/// What closes a surface that is open, or makes it point elsewhere.
#[derive(Clone, Debug)]
pub(crate) enum Closing {
    /// Nothing has to be done: it is closed, allowed or replaced.
    Nothing,
    /// Step 2 writes the row, while administration mode is on. The row is captured first.
    Set(RowWrite),
    /// Step 2 deletes the row. It is captured first.
    Remove(RowRemoval),
    /// The change of another surface makes it reach the target's own partner. If the service
    /// refuses that change for good, step 2 closes this one.
    ByChange {
        /// The key of that change.
        change: String,
        /// What is replaced by what.
        how: String,
        /// The write that closes it.
        otherwise: RowWrite,
    },
    /// A later step leaves it off, or does not take it over.
    ByStep {
        /// The step.
        step: StepName,
        /// The keys of the changes that would open it.
        opened_by: Vec<String>,
    },
    /// A person decides before background operations are on.
    Ask {
        /// What holds for every such surface, one line each.
        advice: Vec<String>,
        /// What to do, one line for each instruction.
        instructions: Vec<String>,
        /// What the program reads as evidence.
        evidence: String,
    },
    /// The program writes nothing; what a person can do.
    Finding(String),
}

impl Closing {
    /// The row that step 2 writes or deletes, which is captured first.
    pub(crate) fn row(&self) -> Option<&CapturedRow> {
        match self {
            Self::Set(write)
            | Self::ByChange {
                otherwise: write, ..
            } => Some(&write.row),
            Self::Remove(removal) => Some(&removal.row),
            Self::Nothing | Self::ByStep { .. } | Self::Ask { .. } | Self::Finding(_) => None,
        }
    }
}

/// What to do about a surface of which nothing more is known.
pub(crate) const LOOK: &str =
    "look at it in the target, or write its name under `containment.allow`";

/// A row as the service gave it, with the columns that were read.
#[derive(Clone, Debug)]
pub(crate) struct CapturedRow {
    /// The logical name of its table.
    pub(crate) table: &'static str,
    /// Its id.
    pub(crate) id: Uuid,
    /// Its version, if the service gives one.
    pub(crate) etag: Option<String>,
    /// The service's bytes, verbatim.
    pub(crate) text: String,
}

impl CapturedRow {
    pub(super) fn from_row(table: &'static str, id: Uuid, row: &Row) -> Self {
        Self {
            table,
            id,
            etag: row.etag.clone(),
            text: row.text.clone(),
        }
    }

    /// Its key in the part [`Surfaces`](crate::domain::seals::Part::Surfaces).
    pub(crate) fn capture_key(&self) -> String {
        format!("{ROW}{}/{}", self.table, self.id)
    }
}

/// The deletion of a row that cannot be turned off.
#[derive(Clone, Debug)]
pub(crate) struct RowRemoval {
    /// The row.
    pub(crate) row: CapturedRow,
    /// What the change is called: `delete callback registration 'Order added'`.
    pub(crate) name: String,
}

impl RowRemoval {
    /// The removal of this row.
    pub(crate) fn new(table: &'static str, id: Uuid, row: &Row, name: String) -> Self {
        Self {
            row: CapturedRow::from_row(table, id, row),
            name,
        }
    }
}

/// The write that closes a surface, or makes it point elsewhere.
#[derive(Clone, Debug)]
pub(crate) struct RowWrite {
    /// The row.
    pub(crate) row: CapturedRow,
    /// What the change is called: `disable plug-in step 'Notify the shop'`.
    pub(crate) name: String,
    /// The columns that are written, with the values that they have now.
    pub(crate) before: Fields,
    /// The same columns with the values that are written. Text is shown as a fingerprint.
    pub(crate) after: Fields,
    /// What is replaced by what, if the write does not close the surface but makes it reach the
    /// target's own partner.
    pub(crate) replaces: Option<String>,
    /// Does the row's publisher forbid changes of it? The service may then refuse the write.
    pub(crate) is_protected: bool,
    /// Does it end something that cannot be restored from the capture?
    pub(crate) is_destructive: bool,
}

/// Is a row part of a managed solution that does not let it be customized (Microsoft Learn, *Managed
/// properties*)? That a change of state is refused too is inferred, so it is tried once.
pub(super) fn is_protected(row: &Row) -> bool {
    row.boolean("ismanaged") == Some(true)
        && row
            .value
            .get("iscustomizable")
            .and_then(|property| property.get("Value"))
            == Some(&Value::Bool(false))
}

impl RowWrite {
    /// The write of these values into this row.
    pub(crate) fn new<const N: usize>(
        table: &'static str,
        id: Uuid,
        row: &Row,
        name: String,
        values: [(&str, Value); N],
    ) -> Self {
        let now = |column: &str| row.value.get(column).cloned().unwrap_or(Value::Null);
        let columns = values.iter().map(|(column, _)| *column);
        Self {
            before: columns
                .map(|column| (column.to_owned(), now(column)))
                .collect(),
            after: values
                .into_iter()
                .map(|(column, value)| (column.to_owned(), value))
                .collect(),
            row: CapturedRow::from_row(table, id, row),
            name,
            replaces: None,
            is_protected: is_protected(row),
            is_destructive: false,
        }
    }

    /// The same, which ends something that cannot be restored.
    pub(crate) fn destructive(self) -> Self {
        Self {
            is_destructive: true,
            ..self
        }
    }

    /// The same, which replaces these texts.
    pub(crate) fn replacing(self, how: String) -> Self {
        Self {
            replaces: Some(how),
            ..self
        }
    }
}

impl Surface {
    /// What distinguishes it from every other surface: `mailbox/<id>`.
    pub(crate) fn key(&self) -> String {
        format!("{}/{}", self.kind, self.id)
    }

    /// The key of the change that closes it.
    pub(crate) fn change_key(&self) -> String {
        keys::surface(self.kind, &self.id)
    }

    /// Its name, what it could do, and what there is to say about its state.
    pub(crate) fn described(&self) -> String {
        let detail = self.state.detail().map(|detail| format!(" ({detail})"));
        format!(
            "'{}': {}{}",
            self.name,
            self.reach,
            detail.unwrap_or_default()
        )
    }

    /// Can it act without being allowed?
    pub(crate) fn is_open(&self) -> bool {
        self.state == SurfaceState::Open
    }
}

impl SurfaceState {
    /// Allowed by this, so that nothing closes it; else open, with what closes it.
    pub(super) fn allowed_or(
        by: Option<String>,
        closing: impl FnOnce() -> Closing,
    ) -> (Self, Closing) {
        match by {
            Some(by) => (Self::Allowed(by), Closing::Nothing),
            None => (Self::Open, closing()),
        }
    }

    /// Allowed by this; else unclear, because something of it cannot be read. Takes why, and what a
    /// person can do.
    pub(super) fn allowed_or_unclear(
        by: Option<String>,
        why: &str,
        remedy: &str,
    ) -> (Self, Closing) {
        match by {
            Some(by) => (Self::Allowed(by), Closing::Nothing),
            None => (
                Self::Unclear(why.to_owned()),
                Closing::Finding(remedy.to_owned()),
            ),
        }
    }

    /// The label of the state, as documents write it.
    pub(crate) fn label(&self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Unclear(_) => "unclear",
            Self::Acted(_) => "acted",
            Self::Closed(_) => "closed",
            Self::Allowed(_) => "allowed",
            Self::Replaced(_) => "replaced",
        }
    }

    /// How or why, if there is more to say than the label.
    pub(crate) fn detail(&self) -> Option<&str> {
        match self {
            Self::Open => None,
            Self::Unclear(text)
            | Self::Acted(text)
            | Self::Closed(text)
            | Self::Allowed(text)
            | Self::Replaced(text) => Some(text),
        }
    }
}
