//! The answer to a yes-or-no question about a tenant.

use schemars::JsonSchema;
use serde::Serialize;

/// An answer. If something cannot be read, it is unknown, not no.
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
