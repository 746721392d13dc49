//! What `state check`, `state cut` and `state export` write.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::Version;

/// What `state check` writes.
#[derive(Debug, JsonSchema, Serialize)]
pub struct StateCheckDocument {
    /// The version.
    pub v: Version,
    /// Is the file valid?
    #[serde(rename = "right")]
    pub valid: bool,
    /// Every defect of the file.
    pub damage: Vec<DamageLine>,
}

/// A defect of a state file.
#[derive(Debug, JsonSchema, Serialize)]
pub struct DamageLine {
    /// The line, from 1.
    pub line: u64,
    /// The offset of the line's first byte, from 0.
    pub at: u64,
    /// What the defect is.
    pub why: String,
    /// What to do now.
    pub help: String,
}

/// What `state cut` writes.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct CutDocument {
    /// The version.
    pub v: Version,
    /// The number of the last remaining record.
    pub kept: u64,
    /// How many lines were cut off.
    pub lines: u64,
    /// How many bytes were cut off.
    pub bytes: u64,
    /// The copy of the whole file before the cut.
    pub saved_to: String,
}

/// What `state export` writes.
#[derive(Debug, JsonSchema, Serialize)]
pub struct ExportDocument {
    /// The version.
    pub v: Version,
    /// Every record, without the content of captures.
    pub records: Vec<RecordLine>,
}

/// One record of a state file.
#[derive(Debug, JsonSchema, Serialize)]
pub struct RecordLine {
    /// Its number, from 1, without gaps.
    pub n: u64,
    /// When it was written, RFC 3339.
    pub time: String,
    /// Its kind.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its content, as the state file has it.
    pub data: Value,
}
