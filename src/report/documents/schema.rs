//! The JSON Schema of what a command writes to stdout with `--output json`.
//!
//! The types of the documents define the schemas. [`tests`] generates `schemas.json` from them and
//! compares it with the committed file, so that the program contains the result and no generator.

use serde_json::{Map, Value, json};

#[cfg(test)]
mod tests;

/// The generated schemas: of each command's own document, of a failure, and what they refer to.
const SCHEMAS: &str = include_str!("schemas.json");

/// Where a reference finds a definition.
const DEFINITIONS: &str = "#/$defs/";

/// The commands that write JSON.
const COMMANDS: [&str; 16] = [
    "run",
    "plan",
    "validate",
    "preflight",
    "verify",
    "status",
    "fleet",
    "graph",
    "complete",
    "report",
    "state-check",
    "state-cut",
    "state-export",
    "init",
    "import-har",
    "rehearsal",
];

/// The commands that write JSON, each as one word: `state-check`.
pub fn commands_with_json() -> [&'static str; COMMANDS.len()] {
    COMMANDS
}

/// The schema (draft 2020-12) of what one of these commands writes: its own document (for `run`, one
/// line of its output), or the document of a failure. `run` writes the latter only if its command
/// line is invalid; else its last event says the same.
pub fn output_schema(command: &str) -> Option<Value> {
    let mut schemas: Value = serde_json::from_str(SCHEMAS).ok()?;
    let own = schemas["commands"].get_mut(command)?.take();
    let choices = Value::Array(vec![own, schemas["failure"].take()]);
    let mut definitions = Map::new();
    add_definitions(&choices, &schemas["$defs"], &mut definitions);
    Some(json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "oneOf": choices,
        "$defs": definitions,
    }))
}

/// Adds each definition that a schema refers to, and those that these refer to.
fn add_definitions(schema: &Value, all: &Value, added: &mut Map<String, Value>) {
    match schema {
        Value::Object(members) => {
            let reference = members.get("$ref").and_then(Value::as_str);
            if let Some(name) = reference.and_then(|it| it.strip_prefix(DEFINITIONS))
                && !added.contains_key(name)
                && let Some(definition) = all.get(name)
            {
                added.insert(name.to_owned(), definition.clone());
                add_definitions(definition, all, added);
            }
            for member in members.values() {
                add_definitions(member, all, added);
            }
        }
        Value::Array(items) => {
            for item in items {
                add_definitions(item, all, added);
            }
        }
        _ => {}
    }
}
