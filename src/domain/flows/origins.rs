//! Where the expressions of a cloud flow take their texts from: variables, actions that only pass a
//! value on, parameters and loops (Microsoft Learn, *Reference guide to workflow expression
//! functions*).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::walk::{PARAMETERS, each_object, each_text, is_variable, type_of};
use crate::domain::names::Fields;

/// What an expression names, as `variable/NAME` in lower case, and the values that are written there.
pub(super) struct Origins<'d>(BTreeMap<String, Vec<&'d Value>>);

impl<'d> Origins<'d> {
    /// The origins of a definition.
    pub(super) fn from_definition(definition: &'d Value) -> Self {
        let mut origins = Self(BTreeMap::new());
        each_object(definition, "", &mut |name, members| {
            origins.add_action(name, members);
        });
        for place in PARAMETERS {
            let parameters = definition.pointer(place).and_then(Value::as_object);
            for (name, parameter) in parameters.into_iter().flatten() {
                if !is_variable(parameter) {
                    origins.add("parameter", name, parameter.get("defaultValue"));
                }
            }
        }
        origins
    }

    fn add(&mut self, kind: &str, name: &str, value: Option<&'d Value>) {
        let key = format!("{kind}/{}", name.to_lowercase());
        self.0.entry(key).or_default().extend(value);
    }

    fn add_action(&mut self, name: &str, members: &'d Fields) {
        let Some(kind) = type_of(members) else {
            return;
        };
        let inputs = members.get("inputs");
        let input = |member: &str| inputs?.get(member);
        match kind.as_str() {
            "initializevariable" => {
                let variables = input("variables").and_then(Value::as_array);
                for variable in variables.into_iter().flatten() {
                    if let Some(name) = variable["name"].as_str() {
                        self.add("variable", name, variable.get("value"));
                    }
                }
            }
            "setvariable" | "appendtostringvariable" | "appendtoarrayvariable" => {
                if let Some(name) = input("name").and_then(Value::as_str) {
                    self.add("variable", name, input("value"));
                }
            }
            "compose" | "select" | "query" | "table" | "join" => self.add("action", name, inputs),
            "parsejson" => self.add("action", name, input("content")),
            "foreach" => self.add("loop", name, members.get("foreach")),
            _ => {}
        }
    }

    /// Does the text take something from an environment variable, also through other texts? Its value
    /// is the environment's own.
    pub(super) fn takes_from_environment(&self, text: &str) -> bool {
        let texts = self.behind(text);
        let named = texts.iter().flat_map(|text| named_in(text));
        let mut parameters = named.filter(|origin| origin.starts_with("parameter/"));
        parameters.any(|parameter| !self.0.contains_key(&parameter))
    }

    /// The text itself, and every text that it takes from somewhere else in the definition.
    pub(super) fn behind<'t>(&self, text: &'t str) -> Vec<&'t str>
    where
        'd: 't,
    {
        let mut seen = BTreeSet::new();
        let mut found = Vec::new();
        let mut waiting = vec![text];
        while let Some(text) = waiting.pop() {
            found.push(text);
            for origin in named_in(text) {
                let values = self.0.get(&origin);
                if seen.insert(origin) {
                    for value in values.into_iter().flatten().copied() {
                        each_text(value, "", &mut |_, text| waiting.push(text));
                    }
                }
            }
        }
        found
    }
}

/// What the expressions in a text name: `variables('u')` is `variable/u`.
fn named_in(text: &str) -> Vec<String> {
    if !text.contains('@') {
        return Vec::new();
    }
    let calls = text.match_indices("('").filter_map(|(at, opening)| {
        let before = text[..at].trim_end();
        let start = before
            .rfind(|c: char| !c.is_ascii_alphabetic())
            .map_or(0, |last| last + 1);
        let kind = match before.get(start..)?.to_ascii_lowercase().as_str() {
            "variables" => "variable",
            "parameters" => "parameter",
            "outputs" | "body" | "actions" => "action",
            "items" => "loop",
            _ => return None,
        };
        let (name, _) = text[at + opening.len()..].split_once('\'')?;
        Some(format!("{kind}/{}", name.to_lowercase()))
    });
    calls.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_text_is_followed_to_where_it_is_written_and_never_in_a_circle() {
        let definition = json!({"definition": {"actions": {
            "A": {"type": "SetVariable", "inputs": {"name": "a", "value": "@{variables('b')}/x"}},
            "B": {"type": "SetVariable", "inputs": {"name": "b", "value": "@variables('a')"}},
            "C": {"type": "SetVariable", "inputs": {"name": "b", "value": "written"}},
            "Each": {"type": "Foreach", "foreach": ["first", "second"]}}}});
        let origins = Origins::from_definition(&definition);
        assert!(origins.behind("@variables('a')").contains(&"written"));
        assert!(origins.behind("@items('Each')").contains(&"second"));
        assert_eq!(origins.behind("variables('a')"), ["variables('a')"]);
    }
}
