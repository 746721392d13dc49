//! Every way to change one place of a valid runbook, for the comparison of schema and binder.

use serde_json::{Map, Value, json};

/// The places of a value: the keys and numbers that lead to each node.
pub(super) fn places(value: &Value, here: &str, found: &mut Vec<String>) {
    found.push(here.to_owned());
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                let key = key.replace('~', "~0").replace('/', "~1");
                places(member, &format!("{here}/{key}"), found);
            }
        }
        Value::Array(items) => {
            for (number, item) in items.iter().enumerate() {
                places(item, &format!("{here}/{number}"), found);
            }
        }
        _ => {}
    }
}

/// The values that replace any value.
fn replacements() -> Vec<Value> {
    vec![
        Value::Null,
        json!(true),
        json!(0),
        json!(1),
        json!(33),
        json!(-5),
        json!(1.5),
        json!(""),
        json!(" "),
        json!("zzz"),
        json!("Two Words"),
        json!("guided"),
        json!("full"),
        json!("yes"),
        json!("a/b"),
        json!("24h"),
        json!("1d"),
        json!("<id>"),
        json!("things(<id>)"),
        json!("things(<value>)?x=<zzz>"),
        json!("../things(<id>)"),
        json!("POST"),
        json!("svc@contoso.com"),
        json!("contoso.onmicrosoft.com"),
        json!("https://host"),
        json!("http://host"),
        json!("http://localhost:1"),
        json!("https://host/path"),
        json!("rehearsal"),
        json!("public"),
        json!("66666666-6666-6666-6666-666666666666"),
        json!("00000000-0000-0000-0000-000000000000"),
        json!([]),
        json!(["zzz"]),
        json!([null]),
        json!([[1]]),
        json!({}),
        json!({ "zzz": 1 }),
        json!({ "env": "A_1" }),
        json!({ "env": "1 A" }),
        json!({ "env": "A", "file": "b" }),
        json!({ "azure-cli": {} }),
        json!({ "acknowledged-by": "x" }),
        json!({ "url": "https://host" }),
        json!({ "skip": "because" }),
        json!({ "concurrency": 4 }),
    ]
}

/// Every way to change one place: its value replaced, its key renamed, dropped, one added, an item
/// dropped, doubled or moved.
pub(super) fn mutations(value: &Value, place: &str) -> Vec<(String, Value)> {
    let mut mutated = Vec::new();
    let mut add = |what: String, change: &dyn Fn(&mut Value)| {
        let mut copy = value.clone();
        change(&mut copy);
        if copy != *value {
            mutated.push((format!("{place}: {what}"), copy));
        }
    };
    for replacement in replacements() {
        add(format!("is {replacement}"), &|copy| {
            *copy.pointer_mut(place).unwrap() = replacement.clone();
        });
    }
    let keys: Vec<String> = value
        .pointer(place)
        .and_then(Value::as_object)
        .map(|members| members.keys().cloned().collect())
        .unwrap_or_default();
    let change_members = |copy: &mut Value, change: &dyn Fn(&mut Map<String, Value>)| {
        change(copy.pointer_mut(place).unwrap().as_object_mut().unwrap());
    };
    for key in &keys {
        add(format!("{key} dropped"), &|copy| {
            change_members(copy, &|members| drop(members.remove(key)));
        });
        add(format!("{key} renamed"), &|copy| {
            change_members(copy, &|members| {
                let member = members.remove(key).unwrap();
                members.insert(format!("{key}x"), member);
            });
        });
    }
    if value.pointer(place).is_some_and(Value::is_object) {
        for key in ["zzz", "skip", "timeout", "name", "env", "body"] {
            add(format!("{key} added"), &|copy| {
                change_members(copy, &|members| {
                    members.entry(key).or_insert(json!("1h"));
                });
            });
        }
    }
    let items = value.pointer(place).and_then(Value::as_array);
    for number in 0..items.map_or(0, Vec::len) {
        let change_items = |copy: &mut Value, change: &dyn Fn(&mut Vec<Value>)| {
            change(copy.pointer_mut(place).unwrap().as_array_mut().unwrap());
        };
        add(format!("item {number} dropped"), &|copy| {
            change_items(copy, &|items| drop(items.remove(number)));
        });
        add(format!("item {number} doubled"), &|copy| {
            change_items(copy, &|items| items.insert(number, items[number].clone()));
        });
        add(format!("item {number} moved"), &|copy| {
            change_items(copy, &|items| items.rotate_left(number));
        });
    }
    mutated
}
