//! The JSON Schema of what a command writes to stdout with `--output json`.

use schemars::{JsonSchema, schema_for};
use serde_json::{Value, json};

use super::{
    CheckDocument, CompleteDocument, CutDocument, ExportDocument, FailureDocument, ImportDocument,
    InitDocument, PlanDocument, ProbesDocument, RehearsalDocument, StatusDocument,
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

    /// Its name in one word: `state-check`.
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

/// The schema (draft 2020-12) of what a command writes: either its own document (of `run`, one line
/// of its output), or that of a failure. `run` writes that of a failure only where its command line
/// cannot be understood; else its last event says the same.
pub fn output_schema(command: Command) -> Value {
    match command {
        Command::Run => or_failure::<EventLine>(),
        Command::Plan => or_failure::<PlanDocument>(),
        Command::Validate => or_failure::<ValidateDocument>(),
        Command::Preflight | Command::Verify => or_failure::<ProbesDocument>(),
        Command::Status => or_failure::<StatusDocument>(),
        Command::Complete => or_failure::<CompleteDocument>(),
        Command::Report => or_failure::<RunReport>(),
        Command::StateCheck => or_failure::<CheckDocument>(),
        Command::StateCut => or_failure::<CutDocument>(),
        Command::StateExport => or_failure::<ExportDocument>(),
        Command::Init => or_failure::<InitDocument>(),
        Command::ImportHar => or_failure::<ImportDocument>(),
        Command::Rehearsal => or_failure::<RehearsalDocument>(),
    }
}

fn of<T: JsonSchema>() -> Value {
    schema_for!(T).to_value()
}

/// A document, or that of a failure in its place; their definitions are put together.
fn or_failure<T: JsonSchema>() -> Value {
    let mut choices = Vec::new();
    let mut definitions = serde_json::Map::new();
    for mut schema in [of::<T>(), of::<FailureDocument>()] {
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
