//! Which values a change changes, before and after, as text.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::clean;
use super::content::ValueChange;
use crate::report::shorten::shortened;

/// How many characters of a value are shown.
const LENGTH: usize = 300;

/// Every value that differs between `before` and `after`, which are values or objects of values.
/// `known` are names by id, to show with the ids.
pub(in crate::report) fn value_changes(
    before: &Value,
    after: &Value,
    known: &BTreeMap<String, String>,
) -> Vec<ValueChange> {
    let (mut old, mut new) = (Vec::new(), Vec::new());
    flatten("", before, &mut old);
    flatten("", after, &mut new);
    let mut seen = BTreeSet::new();
    let names = new.iter().chain(&old).map(|(name, _)| name);
    let names: Vec<&String> = names.filter(|name| seen.insert(*name)).collect();
    let value = |values: &[(String, Option<String>)], name: &str| {
        let mut values = values.iter();
        let found = values.find(|(key, _)| key == name);
        found.and_then(|(_, value)| value.clone())
    };
    let with_name = |text: String| match known.get(&text) {
        Some(name) => format!("{} ({text})", clean(name)),
        None => text,
    };
    let changes = names.into_iter().map(|name| ValueChange {
        before: value(&old, name).map(with_name),
        after: value(&new, name).map(with_name),
        name: clean(name),
    });
    changes
        .filter(|change| change.before != change.after)
        .collect()
}

/// Flattens nested members; each name is the path to the value.
fn flatten(name: &str, value: &Value, found: &mut Vec<(String, Option<String>)>) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                let name = if name.is_empty() {
                    key.clone()
                } else {
                    format!("{name} {key}")
                };
                flatten(&name, value, found);
            }
        }
        Value::Null if name.is_empty() => {}
        Value::Null => found.push((name.to_owned(), None)),
        value => found.push((name.to_owned(), Some(shown(value)))),
    }
}

/// A value as text, without what looks like a credential.
fn shown(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(shown).collect();
            items.join(", ")
        }
        other => other.to_string(),
    };
    shortened(&clean(&text), LENGTH)
}

impl ValueChange {
    /// The change in one line: `owner: a → b`.
    pub(in crate::report) fn line(&self) -> String {
        let before = self.before.as_deref().unwrap_or("nothing");
        let after = self.after.as_deref().unwrap_or("nothing");
        match self.name.as_str() {
            "" => format!("{before} → {after}"),
            name => format!("{name}: {before} → {after}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn lines(before: &Value, after: &Value) -> Vec<String> {
        let changes = value_changes(before, after, &BTreeMap::new());
        changes.iter().map(ValueChange::line).collect()
    }

    #[test]
    fn each_value_that_differs_has_a_line_and_no_other() {
        let before = json!({ "owner": "a", "state": "on", "slots": { "/x": "old", "/y": null } });
        let after = json!({ "owner": "a", "state": "off", "slots": { "/x": null, "/y": null } });
        let expected = ["state: on → off", "slots /x: old → nothing"];
        assert_eq!(lines(&before, &after), expected);
        let installed = json!({ "installed": true });
        assert_eq!(
            lines(&installed, &Value::Null),
            ["installed: true → nothing"]
        );
        let new = json!({ "actions": ["a", "b"], "n": 1 });
        let expected = ["actions: nothing → a, b", "n: nothing → 1"];
        assert_eq!(lines(&Value::Null, &new), expected);
        assert_eq!(lines(&json!("a"), &json!("b")), ["a → b"]);
    }

    #[test]
    fn an_owner_is_shown_by_name() {
        let names =
            [("5a", "svc-iom@contoso.com")].map(|(id, name)| (id.to_owned(), name.to_owned()));
        let (before, after) = (json!({ "owner": "3b" }), json!({ "owner": "5a" }));
        let changes = value_changes(&before, &after, &names.into());
        assert_eq!(changes[0].line(), "owner: 3b → svc-iom@contoso.com (5a)");
    }

    #[test]
    fn a_credential_and_a_long_text_are_not_shown_whole() {
        let signed = json!({ "url": "https://x.example/hook?sig=c2VjcmV0LXNpZ25hdHVyZS0xMjM0" });
        let shown = lines(&Value::Null, &signed).join("");
        assert!(!shown.contains("c2VjcmV0LXNpZ25hdHVyZS0xMjM0"), "{shown}");
        let long = json!({ "text": "x".repeat(1000) });
        let long = value_changes(&Value::Null, &long, &BTreeMap::new());
        let after = long[0].after.as_deref().unwrap();
        assert_eq!(after.chars().count(), LENGTH);
    }
}
