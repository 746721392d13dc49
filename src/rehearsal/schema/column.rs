//! Columns and their types.

use serde::Deserialize;

/// A column of a table.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    /// The logical name, lower case.
    pub(crate) logical_name: String,
    /// The schema name: the logical name with capitals.
    pub(crate) schema_name: String,
    pub(crate) display_name: String,
    /// Its type.
    pub(crate) kind: Kind,
    /// Whether a request can set it; values for other columns are ignored.
    pub(crate) writable: bool,
    /// Whether a request can read it: a secret and the address of a callback registration can only
    /// be written.
    pub(crate) readable: bool,
    /// The name of its property in JSON: `_ownerid_value` for the lookup `ownerid`, otherwise the
    /// logical name (Microsoft Learn, Web API: lookup properties).
    pub(crate) property: String,
}

/// The type of a column.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Kind {
    /// A line of text with this maximum length.
    Text(usize),
    /// A long text with this maximum length.
    Memo(usize),
    /// A 32-bit number.
    Integer,
    /// A 64-bit number.
    BigInteger,
    /// Yes or no.
    Boolean,
    /// A time, to the second.
    DateTime,
    /// A GUID that is not a lookup, such as the primary key.
    Identifier,
    /// A reference to a row of another table.
    Lookup(Lookup),
    /// One of a list of values.
    Choice(Vec<Choice>),
    /// The row's state.
    State(Vec<Choice>),
    /// The reason of its state.
    Status(Vec<StatusChoice>),
    /// A property such as `iscustomizable`: an object with a value.
    Managed,
}

/// One of the values of a choice column.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Choice {
    /// The stored number.
    pub(crate) value: i64,
    pub(crate) label: String,
}

/// One of the values of a status column.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct StatusChoice {
    /// The stored number.
    pub(crate) value: i64,
    pub(crate) label: String,
    /// The state it belongs to.
    pub(crate) state: i64,
}

/// The target of a lookup.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Lookup {
    /// The tables that it can refer to.
    pub(crate) targets: Vec<String>,
    /// The navigation property of this table; case-sensitive. Data files leave it out if it is the
    /// column's schema name.
    #[serde(default)]
    pub(crate) navigation: String,
    /// What happens to this row when the referenced row is deleted.
    #[serde(default)]
    pub(crate) on_delete: OnDelete,
}

/// What happens to the rows that refer to a deleted row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum OnDelete {
    /// They are deleted too.
    Cascade,
    /// Their lookup is cleared.
    #[default]
    RemoveLink,
    /// The deletion is refused.
    Restrict,
}

impl Kind {
    /// The choices of a choice, state or status column, with their labels.
    pub(crate) fn choices(&self) -> Vec<(i64, &str)> {
        match self {
            Self::Choice(choices) | Self::State(choices) => choices
                .iter()
                .map(|choice| (choice.value, choice.label.as_str()))
                .collect(),
            Self::Status(choices) => choices
                .iter()
                .map(|choice| (choice.value, choice.label.as_str()))
                .collect(),
            _ => Vec::new(),
        }
    }

    /// The label of a value of a choice, state or status column.
    pub(crate) fn label(&self, value: i64) -> Option<&str> {
        self.choices()
            .into_iter()
            .find(|(choice, _)| *choice == value)
            .map(|(_, label)| label)
    }
}

impl Column {
    pub(crate) fn lookup(&self) -> Option<&Lookup> {
        match &self.kind {
            Kind::Lookup(lookup) => Some(lookup),
            _ => None,
        }
    }
}
