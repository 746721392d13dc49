//! Schema and binder agree on the corpus, on every single mutation of the valid runbooks, and on
//! random pairs of mutations.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use jsonschema::Validator;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::mutations::{mutations, places};
use super::{bindings, schema};
use crate::runbook::source::Source;
use crate::runbook::tree::{Content, Node};
use crate::runbook::yaml::read_document;
use crate::runbook::{Diagnostics, Keyword as _, Runbook, StepName, parse};

/// What the binder refuses and a schema cannot: a part of the message, and why. Every message of
/// the binder about a runbook that the schema accepts must be in this list.
const BEYOND: [(&str, &str); 31] = [
    (
        "is not filled in",
        "a pattern in every key would only say what `iomcopy validate` says better",
    ),
    (
        "is out of order",
        "a list has no rule for the order of its items",
    ),
    (
        "` appears twice",
        "an item can be required, but not counted",
    ),
    (
        "is already the name of an earlier step",
        "two values cannot be compared",
    ),
    (
        "has neither a value nor `null`",
        "a schema sees the same null for both",
    ),
    (
        "this is not YAML",
        "a schema is asked only once the text was read",
    ),
    ("YAML does not allow tabs", "the same: no value was read"),
    ("this quote is not closed", "the same: no value was read"),
    (
        "a colon and a space, or a comma, is missing",
        "the same: no value was read",
    ),
    ("matches no line above", "the same: no value was read"),
    ("a second colon with a space", "the same: no value was read"),
    (
        "begins with this character needs quotes",
        "the same: no value was read",
    ),
    (
        "YAML directives are not supported",
        "directives are not values",
    ),
    ("anchors are not supported", "anchors are gone from a value"),
    (
        "merge keys are not supported",
        "a schema sees the merged map",
    ),
    ("tags are not supported", "tags are gone from a value"),
    (
        "a key must be a string",
        "JSON has only text keys, so the schema cannot see it",
    ),
    (
        "this key appears twice",
        "a value has each key once; editors report it themselves",
    ),
    (
        "a second document begins",
        "each document is a separate value",
    ),
    (
        "source and target are the same",
        "two values cannot be compared",
    ),
    (
        "is not between `1s` and `720h`",
        "the sum of hours, minutes and seconds cannot be bounded",
    ),
    (
        "is not a whole number",
        "how a number is written: `3.0` and `0x3` are the number 3",
    ),
    (
        "is not a valid name",
        "how a text is written: `1e5` is a number and a name at once",
    ),
    (
        "is not a logical name",
        "how a text is written: `1.0` is a whole number",
    ),
    (
        "is not a number from 0.01",
        "how a number is written: a YAML number may have a sign or be hexadecimal",
    ),
    (
        "is not an address",
        "ports and hosts have rules that a pattern would only repeat badly",
    ),
    ("the body is not JSON", "a schema sees a text, not its JSON"),
    (
        "a key of the body contains a placeholder",
        "the same: the JSON inside a text",
    ),
    (
        "must be the complete string value",
        "the same: the JSON inside a text",
    ),
    ("is not a placeholder", "in a body: the JSON inside a text"),
    ("has no placeholder `", "in a body: the JSON inside a text"),
];

static VALIDATOR: LazyLock<Validator> = LazyLock::new(|| {
    jsonschema::draft7::new(&schema()).expect("the schema is a valid draft 7 schema")
});

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Every runbook of the given folders: its path and its text.
fn corpus(folders: &[&str]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for name in folders {
        for entry in std::fs::read_dir(folder(name)).unwrap() {
            let path = entry.unwrap().path();
            let shown = path.to_string_lossy().into_owned();
            let is_runbook = path
                .extension()
                .is_some_and(|it| it == "yaml" || it == "json");
            if is_runbook && !shown.ends_with(".schema.json") {
                found.push((shown, std::fs::read_to_string(path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

fn valid_runbooks() -> Vec<(String, String)> {
    corpus(&["tests/runbooks/valid", "tests/runbooks/thin", "runbooks"])
}

/// A node as an editor's YAML reader passes it to a schema: YAML 1.2's core schema.
fn value(node: &Node) -> Value {
    match &node.content {
        Content::Empty | Content::Broken => Value::Null,
        Content::Text { text, plain: false } => json!(text),
        Content::Text { text, plain: true } => plain(text),
        Content::List(items) => items.iter().map(value).collect(),
        Content::Map(entries) => {
            let entries = entries.iter();
            let members = entries.map(|entry| (entry.key.value.clone(), value(&entry.value)));
            Value::Object(members.collect())
        }
    }
}

fn plain(text: &str) -> Value {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let is_number = unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && unsigned.bytes().any(|byte| byte.is_ascii_digit())
        && !unsigned.ends_with(['e', 'E']);
    let hexadecimal = text
        .strip_prefix("0x")
        .map(|it| u64::from_str_radix(it, 16));
    match text {
        "true" | "True" | "TRUE" => json!(true),
        "false" | "False" | "FALSE" => json!(false),
        _ if hexadecimal.as_ref().is_some_and(Result::is_ok) => {
            json!(hexadecimal.unwrap().unwrap())
        }
        _ if is_number => match (
            text.trim_start_matches('+').parse::<i64>(),
            text.parse::<f64>(),
        ) {
            (Ok(number), _) => json!(number),
            (_, Ok(number)) => json!(number),
            _ => json!(text),
        },
        _ => json!(text),
    }
}

/// The document as a value; nothing if the text is not YAML, or holds nothing.
fn read_value(text: &str) -> Option<Value> {
    let source = Source::new("a.yaml", text);
    let document = read_document(source.text()).ok()?;
    document.root.as_ref().map(value)
}

/// The parts of [`BEYOND`] for which only the binder refuses; an error if the two disagree
/// without one.
fn compared(
    bound: &Result<Runbook, Diagnostics>,
    value: Option<&Value>,
) -> Result<BTreeSet<&'static str>, String> {
    let taken = value.map(|value| VALIDATOR.is_valid(value));
    match (bound, taken) {
        (Ok(_), Some(true)) | (Err(_), Some(false)) => Ok(BTreeSet::new()),
        (Ok(_), _) => {
            let complaint = value.and_then(|value| VALIDATOR.iter_errors(value).next());
            let complaint = complaint.map(|it| format!("{}: {it}", it.instance_path()));
            Err(format!("only the schema refuses: {complaint:?}"))
        }
        (Err(diagnostics), _) => named(diagnostics),
    }
}

fn named(diagnostics: &Diagnostics) -> Result<BTreeSet<&'static str>, String> {
    let find = |message: &str| {
        let known = BEYOND.iter().find(|(part, _)| message.contains(part));
        known.map(|(part, _)| *part)
    };
    diagnostics
        .iter()
        .map(|it| find(it.message()).ok_or_else(|| format!("only the binder refuses: {it}")))
        .collect()
}

#[test]
fn the_committed_schema_is_the_generated_one() {
    let path = folder("runbooks/runbook.schema.json");
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    let generated = format!("{:#}\n", schema());
    assert!(
        committed == generated,
        "update it: cargo run -- schema > runbooks/runbook.schema.json"
    );
}

#[test]
fn requests_that_share_a_definition_have_the_same_schema() {
    let mut definitions = BTreeMap::new();
    for (name, binding) in bindings() {
        let first = definitions.entry(name).or_insert_with(|| binding.clone());
        assert_eq!(first, &binding);
    }
    assert_eq!(definitions.len(), 6);
}

#[test]
fn reader_and_schema_accept_every_valid_runbook() {
    let runbooks = valid_runbooks();
    assert!(runbooks.len() >= 6, "{}", runbooks.len());
    for (name, text) in runbooks {
        let value = read_value(&text).unwrap();
        let complaints: Vec<String> = VALIDATOR
            .iter_errors(&value)
            .map(|it| format!("{}: {it}", it.instance_path()))
            .collect();
        assert!(complaints.is_empty(), "{name}: {complaints:#?}");
        assert!(parse(&name, &text).is_ok(), "{name}");
    }
}

#[test]
fn the_schema_refuses_every_invalid_runbook_unless_it_cannot_see_the_mistake() {
    let mut used = BTreeSet::new();
    for (name, text) in corpus(&["tests/runbooks/invalid"]) {
        let bound = parse(&name, &text);
        assert!(bound.is_err(), "{name}");
        let value = read_value(&text);
        if value.is_none() && text.trim().lines().all(|line| line.starts_with('#')) {
            // An empty text has no value.
            continue;
        }
        match compared(&bound, value.as_ref()) {
            Ok(beyond) => used.extend(beyond),
            Err(why) => panic!("{name}: {why}"),
        }
    }
    // Every exception is needed by a file of the corpus.
    let unused: Vec<&str> = BEYOND
        .iter()
        .map(|(part, _)| *part)
        .filter(|part| !used.contains(part))
        .collect();
    assert!(unused.is_empty(), "no file needs: {unused:#?}");
}

/// Compares both on a value that is written as JSON.
fn compare_value(what: &str, value: &Value) -> Result<BTreeSet<&'static str>, String> {
    let text = value.to_string();
    let bound = parse("mutated.json", &text);
    compared(&bound, Some(value)).map_err(|why| format!("{what}: {why}"))
}

/// How many days the campaign below takes: each day tries another part of the places. One, if it is
/// to be complete.
fn days() -> usize {
    let is_full = std::env::var("IOMCOPY_CAMPAIGN").is_ok_and(|kind| kind == "full");
    if is_full { 1 } else { 4 }
}

/// The day in `IOMCOPY_SAMPLE`, otherwise today: days since 1970.
#[expect(
    clippy::disallowed_methods,
    reason = "the sample changes with the date"
)]
fn day() -> usize {
    let named = std::env::var("IOMCOPY_SAMPLE").ok();
    let today = || {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        usize::try_from(since.unwrap().as_secs() / 86_400).unwrap()
    };
    named.and_then(|day| day.parse().ok()).unwrap_or_else(today)
}

#[test]
fn reader_and_schema_agree_on_every_single_mutation() {
    let (days, day) = (days(), day());
    println!(
        "part {} of {days}; repeat with IOMCOPY_SAMPLE={day}",
        day % days
    );
    let mut compared = 0;
    let mut excused = BTreeSet::new();
    let mut disagreements = Vec::new();
    // A place that two runbooks have is mutated in the first of them, the fullest.
    let mut seen = BTreeSet::new();
    let mut runbooks = valid_runbooks();
    runbooks.sort_by_key(|(name, _)| !name.ends_with("everything.yaml"));
    for (name, text) in runbooks {
        let value = read_value(&text).unwrap();
        let mut all = Vec::new();
        places(&value, "", &mut all);
        all.retain(|place| seen.insert(place.clone()) && seen.len() % days == day % days);
        for place in all {
            for (what, mutated) in mutations(&value, &place) {
                compared += 1;
                match compare_value(&format!("{name} {what}"), &mutated) {
                    Ok(beyond) => excused.extend(beyond),
                    Err(why) => disagreements.push(why),
                }
            }
        }
    }
    assert!(compared > 10_000 / days, "{compared}");
    let first: Vec<&String> = disagreements.iter().take(40).collect();
    assert!(
        disagreements.is_empty(),
        "{} of {compared}: {first:#?}",
        disagreements.len()
    );
    // Of all that a schema cannot check, one mutation can break the JSON inside a text.
    // An item that is doubled cannot be counted.
    let expected = BTreeSet::from(["` appears twice", "the body is not JSON"]);
    assert!(excused.is_subset(&expected), "{excused:?}");
    assert!(days > 1 || excused == expected, "{excused:?}");
}

/// The keys that the schema knows at a place of a valid runbook; nothing if keys are free.
fn known_to_schema(place: &str) -> Option<BTreeSet<String>> {
    // Asked for each place of each runbook, and made from scratch by `schema`.
    static SCHEMA: LazyLock<Value> = LazyLock::new(schema);
    let schema = &*SCHEMA;
    let mut here = schema;
    for part in place.split('/').skip(1) {
        let part = part.replace("~1", "/").replace("~0", "~");
        here = child(schema, here, &part)?;
    }
    let keys = resolved(schema, here);
    let properties = keys.iter().find_map(|it| it["properties"].as_object())?;
    Some(properties.keys().cloned().collect())
}

/// The schemas that apply to a value, its alternatives and definitions resolved.
fn resolved<'a>(root: &'a Value, here: &'a Value) -> Vec<&'a Value> {
    let mut all = vec![here];
    for key in ["anyOf", "allOf"] {
        for part in here[key].as_array().into_iter().flatten() {
            let part = match part["$ref"].as_str() {
                Some(reference) => root.pointer(reference.trim_start_matches('#')).unwrap(),
                None => part,
            };
            all.extend(resolved(root, part));
        }
    }
    all
}

fn child<'a>(root: &'a Value, here: &'a Value, part: &str) -> Option<&'a Value> {
    resolved(root, here).into_iter().find_map(|it| {
        let of_map = it["properties"].get(part);
        let of_list = part
            .parse::<usize>()
            .ok()
            .and_then(|at| it["items"].get(at).or_else(|| it.get("additionalItems")));
        let each = it.get("additionalProperties").filter(|it| it.is_object());
        of_map
            .or(of_list)
            .or(each)
            .or(it.get("items").filter(|it| it.is_object()))
    })
}

#[test]
fn reader_and_schema_have_the_same_keys_in_every_map() {
    // The binder lists the keys that it knows when it finds one that it does not.
    let mut maps = 0;
    for (name, text) in valid_runbooks() {
        let value = read_value(&text).unwrap();
        let mut all = Vec::new();
        places(&value, "", &mut all);
        for place in all {
            let mut mutated = value.clone();
            let Some(members) = mutated.pointer_mut(&place).and_then(Value::as_object_mut) else {
                continue;
            };
            let Some(known) = known_to_schema(&place) else {
                continue;
            };
            members.insert("qqqqqqqqqqqq".to_owned(), Value::Null);
            let diagnostics = parse("a.json", &mutated.to_string()).unwrap_err();
            let Some(help) = diagnostics.iter().find_map(|it| {
                it.message()
                    .contains("is not a key of")
                    .then(|| it.help())
                    .flatten()
            }) else {
                // A credential, a secret's place and a step have one key and report it differently.
                continue;
            };
            let allowed: BTreeSet<String> = help
                .strip_prefix("allowed: ")
                .map(|list| {
                    list.split(", ")
                        .map(|it| it.trim_matches('`').to_owned())
                        .collect()
                })
                .unwrap_or_default();
            assert_eq!(allowed, known, "{name} {place}: {help}");
            maps += 1;
        }
    }
    assert!(maps > 60, "{maps}");
}

/// Every schema of a property or of free keys, with its place.
fn properties(here: &Value, place: &str, found: &mut BTreeMap<String, Value>) {
    let Some(members) = here.as_object() else {
        here.as_array()
            .into_iter()
            .flatten()
            .enumerate()
            .for_each(|(at, item)| {
                properties(item, &format!("{place}/{at}"), found);
            });
        return;
    };
    for (key, value) in members {
        if key == "properties" && !place.contains("/if") && !place.contains("/then") {
            for (name, property) in value.as_object().into_iter().flatten() {
                found.insert(format!("{place}/{name}"), property.clone());
            }
        }
        properties(value, &format!("{place}/{key}"), found);
    }
}

#[test]
fn every_key_is_documented() {
    let mut found = BTreeMap::new();
    properties(&schema(), "", &mut found);
    // Rules next to a map's own keys narrow a key and have no documentation.
    found.retain(|place, _| !place.contains("/allOf/"));
    assert!(found.len() > 150, "{}", found.len());
    for (place, property) in found {
        let description = property["description"].as_str().unwrap_or_default();
        assert!(description.ends_with('.'), "{place}: {description:?}");
        assert!(!description.contains("[`"), "{place}: {description}");
    }
}

#[test]
fn a_written_default_equals_an_absent_key() {
    let text = std::fs::read_to_string(folder("tests/runbooks/valid/smallest.yaml")).unwrap();
    let mut smallest = read_value(&text).unwrap();
    smallest["steps"]
        .as_array_mut()
        .unwrap()
        .iter_mut()
        .for_each(|item| {
            for options in item.as_object_mut().unwrap().values_mut() {
                if options.is_null() {
                    *options = json!({});
                }
            }
        });
    let meaning = |value: &Value| {
        let bound = parse("a.json", &value.to_string());
        bound
            .unwrap_or_else(|invalid| panic!("{invalid}"))
            .meaning()
    };
    let without_defaults = meaning(&smallest);
    let schema = schema();
    let mut defaults = 0;
    let items = &schema["properties"]["steps"];
    for (at, name) in StepName::ALL.iter().map(|name| name.keyword()).enumerate() {
        let item = items["items"].get(at).unwrap_or(&items["additionalItems"]);
        let options = &item["properties"][name];
        for (key, option) in options["properties"].as_object().unwrap() {
            let Some(default) = option.get("default") else {
                continue;
            };
            let mut written = smallest.clone();
            written["steps"][at][name][key] = default.clone();
            assert_eq!(meaning(&written), without_defaults, "{name}.{key}");
            defaults += 1;
        }
    }
    assert!(defaults > 25, "{defaults}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn reader_and_schema_agree_on_two_mutations_at_once(
        runbook in any::<prop::sample::Index>(),
        first in any::<(prop::sample::Index, prop::sample::Index)>(),
        second in any::<(prop::sample::Index, prop::sample::Index)>(),
    ) {
        let runbooks = valid_runbooks();
        let (name, text) = runbook.get(&runbooks);
        let mut value = read_value(text).unwrap();
        let mut description = name.clone();
        for (place, choice) in [first, second] {
            let mut all = Vec::new();
            places(&value, "", &mut all);
            let mut choices = mutations(&value, &all[place.index(all.len())]);
            prop_assume!(!choices.is_empty());
            let (what, mutated) = choices.swap_remove(choice.index(choices.len()));
            description += &format!(" {what}");
            value = mutated;
        }
        let beyond = compare_value(&description, &value).map_err(TestCaseError::fail)?;
        let possible = [
            "the body is not JSON",
            "source and target are the same",
            "is out of order",
            "` appears twice",
            "is already the name of an earlier step",
        ];
        prop_assert!(beyond.iter().all(|it| possible.contains(it)), "{}: {:?}", description, beyond);
    }
}
