//! The result of a check, without what was found.

use schemars::JsonSchema;
use serde::Serialize;

/// The result of a check. If something cannot be read, it is unknown, not no.
#[derive(Clone, Copy, Debug, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It is as it must be.
    Pass,
    /// It is not.
    Fail,
    /// It cannot be read, or only a person can judge it.
    Unknown,
}

/// How a check is counted.
#[derive(Clone, Copy, Debug, Eq, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckLevel {
    /// It is not as it must be.
    Failed,
    /// It could not be read.
    Unknown,
    /// It was read, and only a person can judge it.
    Warning,
    /// It is as it must be.
    Pass,
}
