//! The JSON Schema of what a command writes to stdout with `--output json`.

use schemars::{JsonSchema, Schema, schema_for};
use serde_json::{Value, json};

use super::{
    ChecksDocument, CompleteDocument, CutDocument, ExportDocument, FailureDocument, FleetDocument,
    GraphDocument, ImportDocument, InitDocument, PlanDocument, RehearsalDocument,
    StateCheckDocument, StatusDocument, ValidateDocument,
};
use crate::report::json::EventLine;
use crate::report::run_report::RunReport;

type MakeSchema = fn() -> Value;

/// The commands that write JSON, each with the schema of its output.
const COMMANDS: [(&str, MakeSchema); 16] = [
    ("run", or_failure::<EventLine>),
    ("plan", or_failure::<PlanDocument>),
    ("validate", or_failure::<ValidateDocument>),
    ("preflight", or_failure::<ChecksDocument>),
    ("verify", or_failure::<ChecksDocument>),
    ("status", or_failure::<StatusDocument>),
    ("fleet", or_failure::<FleetDocument>),
    ("graph", or_failure::<GraphDocument>),
    ("complete", or_failure::<CompleteDocument>),
    ("report", or_failure::<RunReport>),
    ("state-check", or_failure::<StateCheckDocument>),
    ("state-cut", or_failure::<CutDocument>),
    ("state-export", or_failure::<ExportDocument>),
    ("init", or_failure::<InitDocument>),
    ("import-har", or_failure::<ImportDocument>),
    ("rehearsal", or_failure::<RehearsalDocument>),
];

/// The commands that write JSON, each as one word: `state-check`.
pub fn commands_with_json() -> [&'static str; COMMANDS.len()] {
    COMMANDS.map(|(name, _)| name)
}

/// The schema (draft 2020-12) of what one of these commands writes: its own document (for `run`, one
/// line of its output), or the document of a failure. `run` writes the latter only if its command
/// line is invalid; else its last event says the same.
pub fn output_schema(command: &str) -> Option<Value> {
    let (_, schema) = COMMANDS.iter().find(|(name, _)| *name == command)?;
    Some(schema())
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
