//! The tenant changed by somebody else, between two calls of the program; and answers of probes.

use std::fs;

use serde_json::{Map, Value, json};

use crate::harness::{Answer, Stage, World};

/// A change of the tenant, as somebody else would have made it: objects put, and keys taken away.
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

    /// Takes an object away.
    pub(crate) fn delete(mut self, key: String) -> Self {
        self.delete.push(key);
        self
    }

    /// Do both change one object? Then the second would undo the first.
    pub(crate) fn meets(&self, other: &Self) -> bool {
        other.put.keys().any(|key| self.put.contains_key(key))
    }

    /// Does what another edit does as well.
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
/// The key of the row of a table whose column says this.
pub(crate) fn row(world: &World, side: &str, table: &str, column: &str, value: &str) -> String {
    let wanted = world
        .rows_of(side, table)
        .into_iter()
        .find(|row| row[column] == value)
        .unwrap_or_else(|| panic!("no {table} with {column} {value}"));
    // A copied row equals its original: it is this very object that is looked for.
    let found = world
        .objects
        .iter()
        .find(|(_, object)| std::ptr::eq(*object, wanted));
    found.map(|(key, _)| key.clone()).expect("it has a key")
}

/// The world's file, of a tenant in the program's process.
pub(crate) fn world_text(stage: &Stage) -> String {
    fs::read_to_string(stage.path("rehearsal.world.jsonl")).expect("the world can be read")
}

/// Makes that file this text with a change as its last line.
pub(crate) fn put(stage: &Stage, world: &str, edit: &Edit) {
    let path = stage.path("rehearsal.world.jsonl");
    fs::write(path, edit.applied(world)).expect("the world can be written");
}

/// The answers of a document.
pub(crate) fn probes(answer: &Answer) -> Vec<Value> {
    let document: Value = serde_json::from_str(&answer.stdout).expect("one JSON document");
    assert_eq!(document["v"], 1);
    document["probes"].as_array().cloned().unwrap_or_default()
}

/// The answers with this verdict.
pub(crate) fn with_verdict(answer: &Answer, verdict: &str) -> Vec<Value> {
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
