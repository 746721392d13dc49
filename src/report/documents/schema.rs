//! The JSON Schema of what a command writes to stdout with `--output json`.

use schemars::{JsonSchema, Schema, schema_for};
use serde_json::{Value, json};

use super::{
    ChecksDocument, CompleteDocument, CutDocument, ExportDocument, FailureDocument, ImportDocument,
    InitDocument, PlanDocument, RehearsalDocument, StateCheckDocument, StatusDocument,
    ValidateDocument,
};
use crate::report::json::EventLine;
use crate::report::run_report::RunReport;

/// A command that writes JSON.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Command {
    /// `run`: one event a line.
    Run,
    /// `plan`.
    Plan,
    /// `validate`.
    Validate,
    /// `preflight`.
    Preflight,
    /// `verify`.
    Verify,
    /// `status`.
    Status,
    /// `complete`.
    Complete,
    /// `report`.
    Report,
    /// `state check`.
    StateCheck,
    /// `state cut`.
    StateCut,
    /// `state export`.
    StateExport,
    /// `init`.
    Init,
    /// `import-har`.
    ImportHar,
    /// `rehearsal`.
    Rehearsal,
}

impl Command {
    /// Every one.
    pub const ALL: [Self; 14] = [
        Self::Run,
        Self::Plan,
        Self::Validate,
        Self::Preflight,
        Self::Verify,
        Self::Status,
        Self::Complete,
        Self::Report,
        Self::StateCheck,
        Self::StateCut,
        Self::StateExport,
        Self::Init,
        Self::ImportHar,
        Self::Rehearsal,
    ];

    /// Its name as one word: `state-check`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Plan => "plan",
            Self::Validate => "validate",
            Self::Preflight => "preflight",
            Self::Verify => "verify",
            Self::Status => "status",
            Self::Complete => "complete",
            Self::Report => "report",
            Self::StateCheck => "state-check",
            Self::StateCut => "state-cut",
            Self::StateExport => "state-export",
            Self::Init => "init",
            Self::ImportHar => "import-har",
            Self::Rehearsal => "rehearsal",
        }
    }
}

/// The schema (draft 2020-12) of what a command writes: its own document (for `run`, one line of its
/// output), or the document of a failure. `run` writes the latter only if its command line is invalid;
/// else its last event says the same.
pub fn output_schema(command: Command) -> Value {
    match command {
        Command::Run => or_failure::<EventLine>(),
        Command::Plan => or_failure::<PlanDocument>(),
        Command::Validate => or_failure::<ValidateDocument>(),
        Command::Preflight | Command::Verify => or_failure::<ChecksDocument>(),
        Command::Status => or_failure::<StatusDocument>(),
        Command::Complete => or_failure::<CompleteDocument>(),
        Command::Report => or_failure::<RunReport>(),
        Command::StateCheck => or_failure::<StateCheckDocument>(),
        Command::StateCut => or_failure::<CutDocument>(),
        Command::StateExport => or_failure::<ExportDocument>(),
        Command::Init => or_failure::<InitDocument>(),
        Command::ImportHar => or_failure::<ImportDocument>(),
        Command::Rehearsal => or_failure::<RehearsalDocument>(),
    }
}

/// The schema of a document or of a failure, with the definitions of both.
fn or_failure<T: JsonSchema>() -> Value {
    let mut choices = Vec::new();
    let mut definitions = serde_json::Map::new();
    for mut schema in [schema_for!(T), schema_for!(FailureDocument)].map(Schema::to_value) {
        if let Some(members) = schema.as_object_mut() {
            members.remove("$schema");
            if let Some(Value::Object(own)) = members.remove("$defs") {
                definitions.extend(own);
            }
        }
        choices.push(schema);
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "oneOf": choices,
        "$defs": definitions,
    })
}
