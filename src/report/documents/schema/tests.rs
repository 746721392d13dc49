//! Generates the schemas from the documents' types.

use std::path::Path;
use std::{env, fs};

use schemars::{JsonSchema, Schema, schema_for};

use super::*;
use crate::report::documents::{
    ChecksDocument, CompleteDocument, CutDocument, ExportDocument, FailureDocument, FleetDocument,
    GraphDocument, ImportDocument, InitDocument, PlanDocument, RehearsalDocument,
    StateCheckDocument, StatusDocument, ValidateDocument,
};
use crate::report::json::EventLine;
use crate::report::run_report::RunReport;

/// A command, and what makes the schema of its document.
type NamedSchema = (&'static str, fn() -> Schema);

/// Each command with the schema of its own document.
const DOCUMENTS: [NamedSchema; COMMANDS.len()] = [
    ("run", schema::<EventLine>),
    ("plan", schema::<PlanDocument>),
    ("validate", schema::<ValidateDocument>),
    ("preflight", schema::<ChecksDocument>),
    ("verify", schema::<ChecksDocument>),
    ("status", schema::<StatusDocument>),
    ("fleet", schema::<FleetDocument>),
    ("graph", schema::<GraphDocument>),
    ("complete", schema::<CompleteDocument>),
    ("report", schema::<RunReport>),
    ("state-check", schema::<StateCheckDocument>),
    ("state-cut", schema::<CutDocument>),
    ("state-export", schema::<ExportDocument>),
    ("init", schema::<InitDocument>),
    ("import-har", schema::<ImportDocument>),
    ("rehearsal", schema::<RehearsalDocument>),
];

fn schema<T: JsonSchema>() -> Schema {
    schema_for!(T)
}

/// Takes the definitions out of a generated schema and adds them to the others. Two documents have
/// no different definitions of one name.
fn without_definitions(schema: Schema, definitions: &mut Map<String, Value>) -> Value {
    let mut schema = schema.to_value();
    let members = schema.as_object_mut().unwrap();
    members.remove("$schema");
    if let Some(Value::Object(own)) = members.remove("$defs") {
        for (name, definition) in own {
            let first = definitions.entry(&name).or_insert(definition.clone());
            assert_eq!(*first, definition, "{name}");
        }
    }
    schema
}

/// The text of `schemas.json`. Each schema is one line: the program is smaller without indents.
fn generated() -> String {
    let line = |name: &str, schema: &Value| format!("\"{name}\":{schema}");
    let mut definitions = Map::new();
    let commands = DOCUMENTS
        .map(|(name, schema)| line(name, &without_definitions(schema(), &mut definitions)))
        .join(",\n");
    let failure = without_definitions(schema::<FailureDocument>(), &mut definitions);
    let definitions: Vec<String> = definitions.iter().map(|(k, v)| line(k, v)).collect();
    let definitions = definitions.join(",\n");
    format!(
        "{{\"commands\":{{\n{commands}\n}},\n\"failure\":{failure},\n\"$defs\":{{\n{definitions}\n}}}}\n"
    )
}

#[test]
fn the_committed_schemas_are_the_generated_ones() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/report/documents/schemas.json");
    let generated = generated();
    if env::var_os("UPDATE_SCHEMAS").is_some() {
        fs::write(&path, &generated).unwrap();
    }
    let committed = fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == generated,
        "update it: UPDATE_SCHEMAS=1 cargo test --lib the_committed_schemas"
    );
}

#[test]
fn each_command_has_the_schema_of_its_document_and_of_a_failure() {
    assert_eq!(DOCUMENTS.map(|(name, _)| name), commands_with_json());
    for (name, schema) in DOCUMENTS {
        let mut definitions = Map::new();
        let choices = [schema(), schema_for!(FailureDocument)]
            .map(|schema| without_definitions(schema, &mut definitions));
        let expected = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "oneOf": choices,
            "$defs": definitions,
        });
        // The texts, so that the order of the members counts too.
        let output = output_schema(name).unwrap();
        let [output, expected] = [output, expected].map(|schema| schema.to_string());
        assert!(output == expected, "{name}");
    }
    assert_eq!(output_schema("import"), None);
}
