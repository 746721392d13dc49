//! Somebody else changes the tenant between two calls of the program. Other tests use the helpers.

use std::fs;

use serde_json::{Map, Value, json};

use crate::harness::{CommandOutput, Stage, Tenant, World, is};

/// A change that somebody else makes in the tenant: objects that are put, and keys that are
/// removed.
#[derive(Default)]
pub(crate) struct Edit {
    put: Map<String, Value>,
    delete: Vec<String>,
}

impl Edit {
    /// Changes an object.
    pub(crate) fn change(mut self, world: &World, key: &str, change: impl Fn(&mut Value)) -> Self {
        let mut object = world.objects[key].clone();
        change(&mut object);
        self.put.insert(key.to_owned(), object);
        self
    }

    /// Puts an object.
    pub(crate) fn put(mut self, key: &str, object: Value) -> Self {
        self.put.insert(key.to_owned(), object);
        self
    }

    /// Removes an object.
    pub(crate) fn delete(mut self, key: String) -> Self {
        self.delete.push(key);
        self
    }

    /// Do both edits change the same object? Then the second would undo the first.
    pub(crate) fn meets(&self, other: &Self) -> bool {
        other.put.keys().any(|key| self.put.contains_key(key))
    }

    /// Adds another edit to this one.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.put.extend(other.put);
        self.delete.extend(other.delete);
        self
    }

    /// The world's file with this change as its last line. Takes the file's text.
    fn applied(&self, world: &str) -> String {
        let last: Value = serde_json::from_str(world.lines().last().unwrap_or_default())
            .expect("the world's last line is whole");
        let line = json!({
            "n": last["n"].as_u64().unwrap_or_default() + 1,
            "at": last["at"],
            "elapsed": last["elapsed"],
            "put": self.put,
            "delete": self.delete,
        });
        format!("{world}{line}\n")
    }
}
/// The key of the row of a table whose column has this value.
pub(crate) fn row(world: &World, side: &str, table: &str, column: &str, value: &str) -> String {
    let wanted = world
        .rows_of(side, table)
        .into_iter()
        .find(|row| row[column] == value)
        .unwrap_or_else(|| panic!("no {table} with {column} {value}"));
    // A copied row equals its original, so the object itself is compared.
    let found = world
        .objects
        .iter()
        .find(|(_, object)| std::ptr::eq(*object, wanted));
    found.map(|(key, _)| key.clone()).expect("it has a key")
}

/// Edits the definition of a flow.
pub(crate) fn edit_client_data(flow: &mut Value, edit: impl FnOnce(&mut Value)) {
    let data = flow["clientdata"].as_str().unwrap_or_default();
    let mut data: Value = serde_json::from_str(data).expect("it is JSON");
    edit(&mut data);
    flow["clientdata"] = data.to_string().into();
}

/// The world file of a tenant in the program's process.
pub(crate) fn world_text(stage: &Stage) -> String {
    fs::read_to_string(stage.path("rehearsal.world.jsonl")).expect("the world can be read")
}

/// Replaces that file with this text and a change as its last line.
pub(crate) fn put(stage: &Stage, world: &str, edit: &Edit) {
    let path = stage.path("rehearsal.world.jsonl");
    fs::write(path, edit.applied(world)).expect("the world can be written");
}

/// The checks of a document.
pub(crate) fn probes(answer: &CommandOutput) -> Vec<Value> {
    let document: Value = serde_json::from_str(&answer.stdout).expect("one JSON document");
    assert_eq!(document["v"], 1);
    document["probes"].as_array().cloned().unwrap_or_default()
}

/// The checks with this verdict.
pub(crate) fn with_verdict(answer: &CommandOutput, verdict: &str) -> Vec<Value> {
    let mut probes = probes(answer);
    probes.retain(|probe| probe["verdict"] == verdict);
    probes
}

/// Is there an answer whose question and reading hold these?
pub(crate) fn names(findings: &[Value], probe: &str, read: &str) -> bool {
    let holds = |finding: &Value, member: &str, part: &str| {
        finding[member]
            .as_str()
            .is_some_and(|text| text.contains(part))
    };
    let mut found = findings
        .iter()
        .filter(|finding| holds(finding, "probe", probe) && holds(finding, "read", read));
    found.all(|finding| {
        finding["remedy"]
            .as_str()
            .is_some_and(|help| help.len() > 10)
    }) && findings
        .iter()
        .any(|finding| holds(finding, "probe", probe) && holds(finding, "read", read))
}

/// The same tenant without faults, after somebody changed an object while the program was not
/// running.
fn edited(stage: &Stage, mut tenant: Tenant, key: &str, column: &str, value: &str) -> Tenant {
    tenant.kill();
    let mut object = stage.world().objects[key].clone();
    object[column] = value.into();
    stage.edit_world(&Map::from_iter([(key.to_owned(), object)]));
    stage.tenant(&[])
}

/// How often a request was sent, with any response.
fn attempts(world: &World, method: &str, path: &str) -> usize {
    let fits = |request: &&Value| {
        request["method"] == method
            && request["path"]
                .as_str()
                .is_some_and(|found| found.contains(path))
    };
    world.requests.iter().filter(fits).count()
}

/// Runs again after an edit. Two runs keep the edit and show both values and the flag; a wrong flag
/// starts nothing; with the flag, the run finishes.
fn assert_kept_until_confirmed(
    stage: &Stage,
    key: &str,
    shown: [&str; 2],
    is_left: impl Fn(&World),
) {
    for _ in 0..2 {
        let answer = stage.run().exits(1);
        for part in shown {
            assert!(answer.stderr.contains(part), "{part}: {}", answer.stderr);
        }
        let flag = format!("--confirm-overwrite '{key}'");
        assert!(answer.stderr.contains(&flag), "{}", answer.stderr);
        is_left(&stage.world());
    }
    let writes = stage.world().writes().len();
    let wrong = stage
        .call(&["run", "rehearsal.yaml", "--confirm-overwrite", "another"])
        .exits(5);
    assert!(wrong.stderr.contains(key), "{}", wrong.stderr);
    assert_eq!(stage.world().writes().len(), writes);
    is_left(&stage.world());
    let confirmed = ["run", "rehearsal.yaml", "--confirm-overwrite", key];
    drop(stage.call(&confirmed).exits(0));
    let records = stage.records();
    let confirmation = records
        .iter()
        .find(|record| is(record, "overwrite-confirmed", "key", key));
    assert_eq!(
        confirmation.expect("it is recorded")["data"]["who"],
        "tester"
    );
    crate::thin_run::assert_world_is_refreshed(&stage.world());
}

/// A forbidden change ends the run with exit 4 after one attempt, with a remedy. The other changes
/// of the phase are made, and no later ones. Then somebody edits a parameter that the run had set.
#[test]
fn a_parameter_that_somebody_edited_during_the_run_is_overwritten_only_after_confirmation() {
    let stage = Stage::new();
    let connect = "msdyn_iomproviderconnectionreferences(";
    let tenant = stage.tenant(&[&format!("refuse=403:PATCH */{connect}*")]);
    let answer = stage.run().exits(4);
    let world = stage.world();
    assert_eq!(attempts(&world, "PATCH", connect), 1, "it is tried once");
    assert_eq!(
        world.count_successful("PATCH", "msdyn_iomproviderparameters("),
        1
    );
    for part in [
        "reinstall-providers/connections",
        "help: ",
        "permission",
        "not begun, because it needs connections: activate-connections, activate",
        "restore-provider-actions",
    ] {
        assert!(answer.stderr.contains(part), "{part}: {}", answer.stderr);
    }
    assert_eq!(attempts(&world, "POST", "ActivateProvider"), 0);

    let table = "msdyn_iomproviderparameter";
    let value = world.seeded("target", table)[0]["msdyn_value"].clone();
    let row = row(
        &world,
        "target",
        table,
        "msdyn_value",
        value.as_str().unwrap_or_default(),
    );
    let _tenant = edited(&stage, tenant, &row, "msdyn_value", "typed by a person");
    let typed = iomcopy::base::redaction::fingerprint("typed by a person");
    let set = iomcopy::base::redaction::fingerprint(value.as_str().unwrap_or_default());
    let key = "provider/new/msdyn_bigcommerce/parameter/msdyn_storehash";
    assert_kept_until_confirmed(&stage, key, [&typed, &set], |world| {
        assert_eq!(world.objects[&row]["msdyn_value"], "typed by a person");
    });
}

/// A provider that somebody renamed after it was recorded is not deleted.
#[test]
fn a_provider_that_somebody_edited_after_its_capture_is_deleted_only_after_confirmation() {
    let stage = Stage::new();
    let providers = "msdyn_iomproviders(";
    let tenant = stage.tenant(&[&format!("refuse=403:DELETE */{providers}*")]);
    drop(stage.run().exits(4));
    let world = stage.world();
    assert_eq!(attempts(&world, "DELETE", providers), 1, "it is tried once");
    let table = "msdyn_iomprovider";
    let name = world.rows(table)[0]["msdyn_name"].clone();
    let name = name.as_str().unwrap_or_default();
    let row = row(&world, "target", table, "msdyn_name", name);
    let _tenant = edited(&stage, tenant, &row, "msdyn_name", "Renamed by a person");
    let id = row.rsplit('/').next().unwrap_or_default();
    let key = format!("provider/{id}/delete");
    assert_kept_until_confirmed(&stage, &key, [name, "Renamed by a person"], |world| {
        assert!(world.objects.contains_key(&row));
        assert_eq!(
            attempts(world, "DELETE", providers),
            1,
            "none since the first"
        );
    });
}
