//! The recorded answers of the services in `tests/fixtures` are parsed: each member that the program
//! uses has the recorded value.

use std::fs;
use std::path::{Path, PathBuf};

use iomcopy::clients::{Environment, Operation, OperationState};
use serde_json::Value;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

/// The JSON files of a folder, with their names.
fn recordings(name: &str) -> Vec<(String, Value)> {
    let files = fs::read_dir(folder(name)).expect("the folder can be read");
    let mut found: Vec<(String, Value)> = files
        .map(|file| {
            let path = file.expect("the file can be listed").path();
            let text = fs::read_to_string(&path).expect("the file can be read");
            let value = serde_json::from_str(&text).expect("the file is JSON");
            (path.display().to_string(), value)
        })
        .collect();
    found.sort_by(|one, other| one.0.cmp(&other.0));
    assert!(!found.is_empty(), "{name} has recordings");
    found
}

/// The text at a pointer; an empty text counts as none.
fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    let found = value.pointer(pointer).and_then(Value::as_str);
    found.filter(|text| !text.is_empty())
}

#[test]
fn every_recorded_environment_keeps_what_the_program_uses() {
    for (file, recorded) in recordings("environment") {
        let single = [recorded.clone()];
        let list = recorded["value"]
            .as_array()
            .map_or(&single[..], Vec::as_slice);
        for raw in list {
            let parsed = Environment::from_value(raw.clone());
            let parsed = parsed.unwrap_or_else(|| panic!("{file}: an environment is not parsed"));
            assert_eq!(&parsed.raw, raw, "{file}");
            assert_eq!(Some(parsed.id.as_str()), text(raw, "/name"), "{file}");
            for (found, pointer) in [
                (&parsed.display_name, "/properties/displayName"),
                (&parsed.sku, "/properties/environmentSku"),
                (&parsed.location, "/location"),
                (&parsed.tenant, "/properties/tenantId"),
                (&parsed.management_state, "/properties/states/management/id"),
                (&parsed.runtime_state, "/properties/states/runtime/id"),
                (
                    &parsed.protection_level,
                    "/properties/governanceConfiguration/protectionLevel",
                ),
            ] {
                assert_eq!(found.as_deref(), text(raw, pointer), "{file}: {pointer}");
            }
            let linked = &raw["properties"]["linkedEnvironmentMetadata"];
            assert_eq!(parsed.dataverse.is_some(), linked.is_object(), "{file}");
            if let Some(dataverse) = parsed.dataverse {
                let url = text(linked, "/instanceUrl").map(|url| url.trim_end_matches('/'));
                assert_eq!(dataverse.url.as_deref(), url, "{file}");
                let organization = text(linked, "/resourceId");
                assert_eq!(dataverse.organization_id.as_deref(), organization, "{file}");
                let unique = text(linked, "/uniqueName");
                assert_eq!(dataverse.unique_name.as_deref(), unique, "{file}");
            }
        }
    }
}

#[test]
fn every_recorded_operation_keeps_what_the_program_uses() {
    for (file, raw) in recordings("operation") {
        let parsed = Operation::from_value(&raw);
        let parsed = parsed.unwrap_or_else(|| panic!("{file}: the operation is not parsed"));
        assert_eq!(parsed.raw, raw, "{file}");
        for (found, pointer) in [
            (&Some(parsed.id.clone()), "/id"),
            (&parsed.kind, "/type/id"),
            (&parsed.started, "/createdDateTime"),
            (&parsed.ended, "/lastActionDateTime"),
            (&parsed.requested_by, "/requestedBy/id"),
            (&parsed.requested_by_name, "/requestedBy/displayName"),
        ] {
            assert_eq!(found.as_deref(), text(&raw, pointer), "{file}: {pointer}");
        }
        let state = if file.ends_with("failed.json") {
            OperationState::Failed
        } else {
            OperationState::Succeeded
        };
        assert_eq!(parsed.state, state, "{file}");
        if state == OperationState::Failed {
            assert_eq!(parsed.stage.as_deref(), Some("Run"), "{file}");
        }
    }
}
