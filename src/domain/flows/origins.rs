//! What the texts of a cloud flow can become: where their expressions take them from (variables,
//! actions that only pass a value on, parameters and loops), and what of it is written in the
//! definition, is the environment's own, or is known only when the flow runs.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::expression::{Expression, Piece, pieces};
use super::walk::{PARAMETERS, each_object, each_text, type_of, variable_name};
use crate::domain::containment::hosts::{bare_host, hosts_in};
use crate::domain::names::Fields;

/// Stands in a text for a value of the environment itself: of an environment variable.
pub(super) const OWN: char = '\u{E000}';

/// Stands in a text for what only data gives, or what cannot be told. A copy has production's data.
pub(super) const DATA: char = '\u{E001}';

/// The defaults of environment variables that are production's, by the variable's schema name.
pub(crate) type ForeignDefaults = BTreeMap<String, Value>;

/// How many texts one text can become. Of more it is only known what they are put together from.
const MOST: usize = 64;

/// How many expressions are followed for one text.
const BUDGET: usize = 4000;

/// Functions that give their first argument in another form, or a part of it.
const PASS_FIRST: [&str; 26] = [
    "chunk",
    "decodeuricomponent",
    "encodeuricomponent",
    "first",
    "formatdatetime",
    "join",
    "json",
    "last",
    "reverse",
    "skip",
    "slice",
    "sort",
    "split",
    "string",
    "substring",
    "take",
    "tolower",
    "toupper",
    "trim",
    "uricomponent",
    "uricomponenttostring",
    "urihost",
    "uripathandquery",
    "uripath",
    "uriport",
    "urischeme",
];

/// Functions that give one of their arguments, or all of them.
const PASS_ALL: [&str; 4] = ["array", "coalesce", "createarray", "union"];

/// What an expression names, as `variable/NAME` in lower case, and the values that are written there.
pub(super) struct Origins<'d> {
    values: BTreeMap<String, Vec<&'d Value>>,
    /// The parameters whose values are the environment's own, as in `values`.
    own: BTreeSet<String>,
    /// The parameters that are environment variables with production's default, and the variables.
    foreign: BTreeMap<String, &'d str>,
}

/// How a text is followed.
struct Trail {
    /// The origins that lead here, against circles.
    above: Vec<String>,
    budget: usize,
}

impl<'d> Origins<'d> {
    /// The origins of a definition. Takes the defaults of environment variables that are
    /// production's.
    pub(super) fn from_definition(definition: &'d Value, foreign: &'d ForeignDefaults) -> Self {
        let mut origins = Self {
            values: BTreeMap::new(),
            own: BTreeSet::new(),
            foreign: BTreeMap::new(),
        };
        each_object(definition, "", &mut |name, members| {
            origins.add_action(name, members);
        });
        for place in PARAMETERS {
            let parameters = definition.pointer(place).and_then(Value::as_object);
            for (name, parameter) in parameters.into_iter().flatten() {
                origins.add_parameter(name, parameter, foreign);
            }
        }
        origins
    }

    fn add_parameter(&mut self, name: &str, parameter: &'d Value, foreign: &'d ForeignDefaults) {
        let variable = variable_name(parameter);
        let default = variable.map(|variable| foreign.get_key_value(variable));
        match default {
            // `$connections` and `$authentication` are the service's.
            Some(None) => drop(self.own.insert(key("parameter", name))),
            None if name.starts_with('$') => drop(self.own.insert(key("parameter", name))),
            Some(Some((variable, default))) => {
                self.foreign.insert(key("parameter", name), variable);
                self.add("parameter", name, Some(default));
            }
            None => self.add("parameter", name, parameter.get("defaultValue")),
        }
    }

    fn add(&mut self, kind: &str, name: &str, value: Option<&'d Value>) {
        let values = self.values.entry(key(kind, name)).or_default();
        values.extend(value);
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

    /// Every text that this text can become, with [`OWN`] and [`DATA`] in place of what is not
    /// written in the definition.
    pub(super) fn texts(&self, text: &str) -> Vec<String> {
        let mut trail = Trail {
            above: Vec::new(),
            budget: BUDGET,
        };
        let mut found = self.expand(text, &mut trail);
        found.sort_unstable();
        found.dedup();
        found
    }

    /// The lists and objects that are written where this text takes its value from.
    pub(super) fn objects(&self, text: &str) -> Vec<&'d Value> {
        let mut found = Vec::new();
        let mut waiting: Vec<String> = vec![text.to_owned()];
        let mut seen = Vec::new();
        while let Some(text) = waiting.pop() {
            let mut pieces = pieces(&text);
            let (Some(Piece::Expression(Some(expression), _)), true) =
                (pieces.pop(), pieces.is_empty())
            else {
                continue;
            };
            let mut path = Vec::new();
            let Some(origin) = origin_of(base_of(&expression, &mut path)) else {
                continue;
            };
            if seen.contains(&text) || seen.len() > DEEPEST {
                continue;
            }
            seen.push(text.clone());
            for value in self.values.get(&origin).into_iter().flatten().copied() {
                match member_of(value, &path) {
                    Value::String(text) => waiting.push(text.clone()),
                    value @ (Value::Object(_) | Value::Array(_)) => found.push(value),
                    _ => {}
                }
            }
        }
        found
    }

    /// The environment variable with production's default from which a text takes something.
    pub(super) fn foreign_variable(&self, text: &str) -> Option<&'d str> {
        if self.foreign.is_empty() {
            return None;
        }
        let mut seen = Vec::new();
        let mut waiting = vec![text.to_owned()];
        while let Some(text) = waiting.pop() {
            for piece in pieces(&text) {
                let Piece::Expression(Some(expression), _) = piece else {
                    continue;
                };
                let mut origins = Vec::new();
                each_origin(&expression, &mut origins);
                for origin in origins {
                    if let Some(variable) = self.foreign.get(&origin) {
                        return Some(variable);
                    }
                    if seen.contains(&origin) {
                        continue;
                    }
                    for value in self.values.get(&origin).into_iter().flatten().copied() {
                        each_text(value, "", &mut |_, text| waiting.push(text.to_owned()));
                    }
                    seen.push(origin);
                }
            }
        }
        None
    }

    fn expand(&self, text: &str, trail: &mut Trail) -> Vec<String> {
        let mut found = vec![String::new()];
        for piece in pieces(text) {
            let next = match piece {
                Piece::Written(text) => vec![text.to_owned()],
                Piece::Expression(Some(expression), _) => self.evaluate(&expression, trail),
                Piece::Expression(None, text) => unreadable(text),
            };
            found = joined(found, &next);
        }
        found
    }

    fn evaluate(&self, expression: &Expression, trail: &mut Trail) -> Vec<String> {
        let mut path = Vec::new();
        let base = base_of(expression, &mut path);
        if trail.budget == 0 {
            return vec![DATA.to_string()];
        }
        trail.budget -= 1;
        if let Some(origin) = origin_of(base) {
            return self.of_origin(origin, &path, trail);
        }
        match base {
            Expression::Text(text) => vec![text.clone()],
            Expression::Constant => vec![String::new()],
            Expression::Call(name, arguments) => self.of_call(name, arguments, trail),
            Expression::Member(..) => vec![DATA.to_string()],
        }
    }

    fn of_call(&self, name: &str, arguments: &[Expression], trail: &mut Trail) -> Vec<String> {
        let mut of = |arguments: &[&Expression]| -> Vec<String> {
            let found = arguments.iter();
            found
                .flat_map(|argument| self.evaluate(argument, trail))
                .collect()
        };
        let given = match (name, arguments) {
            ("concat", _) => {
                return arguments.iter().fold(vec![String::new()], |found, next| {
                    joined(found, &self.evaluate(next, trail))
                });
            }
            ("if", [_, rest @ ..]) => of(&rest.iter().collect::<Vec<_>>()),
            ("replace", [text, _, with]) => of(&[text, with]),
            (name, [first, ..]) if PASS_FIRST.contains(&name) => of(&[first]),
            (name, _) if PASS_ALL.contains(&name) => of(&arguments.iter().collect::<Vec<_>>()),
            _ => {
                // It is unknown what comes of the arguments.
                let mut found = of(&arguments.iter().collect::<Vec<_>>());
                found.retain(|text| text.contains([OWN, DATA]) || names_place(text));
                if !found.iter().any(|text| text.contains(OWN)) {
                    found.push(DATA.to_string());
                }
                found
            }
        };
        if given.is_empty() {
            return vec![DATA.to_string()];
        }
        given
    }

    /// What is written at an origin, or at a member of it.
    fn of_origin(&self, origin: String, path: &[Option<String>], trail: &mut Trail) -> Vec<String> {
        if self.own.contains(&origin) {
            return vec![OWN.to_string()];
        }
        let Some(values) = self.values.get(&origin) else {
            return vec![DATA.to_string()];
        };
        if trail.above.contains(&origin) {
            return vec![String::new()];
        }
        trail.above.push(origin);
        let mut texts = Vec::new();
        for value in values {
            each_text(member_of(value, path), "", &mut |_, text| texts.push(text));
        }
        let mut found: Vec<String> = Vec::new();
        for text in texts {
            found.extend(self.expand(text, trail));
        }
        trail.above.pop();
        if found.is_empty() {
            found.push(String::new());
        }
        found
    }
}

/// How deep a value is followed through other values.
const DEEPEST: usize = 64;

fn key(kind: &str, name: &str) -> String {
    format!("{kind}/{}", name.to_lowercase())
}

/// What an expression takes members of, and the members' names.
fn base_of<'e>(mut expression: &'e Expression, path: &mut Vec<Option<String>>) -> &'e Expression {
    while let Expression::Member(base, member) = expression {
        path.insert(0, member.clone());
        expression = base;
    }
    expression
}

/// What an expression names: `variables('u')` is `variable/u`.
fn origin_of(expression: &Expression) -> Option<String> {
    let Expression::Call(function, arguments) = expression else {
        return None;
    };
    let kind = match function.as_str() {
        "variables" => "variable",
        "parameters" => "parameter",
        "outputs" | "body" | "actions" => "action",
        "items" => "loop",
        _ => return None,
    };
    match arguments.as_slice() {
        [Expression::Text(name)] => Some(key(kind, name)),
        _ => None,
    }
}

/// Every origin that an expression names.
fn each_origin(expression: &Expression, found: &mut Vec<String>) {
    found.extend(origin_of(expression));
    match expression {
        Expression::Call(_, arguments) => {
            for argument in arguments {
                each_origin(argument, found);
            }
        }
        Expression::Member(base, _) => each_origin(base, found),
        Expression::Text(_) | Expression::Constant => {}
    }
}

/// The member of a value; as far as it can be followed.
fn member_of<'v>(value: &'v Value, path: &[Option<String>]) -> &'v Value {
    let mut value = value;
    for member in path {
        let next = member.as_ref().and_then(|member| match value {
            Value::Object(members) => members.get(member),
            Value::Array(items) => items.get(member.parse::<usize>().ok()?),
            _ => None,
        });
        match next {
            Some(next) => value = next,
            None => return value,
        }
    }
    value
}

/// Each text of the one followed by each of the other.
fn joined(first: Vec<String>, second: &[String]) -> Vec<String> {
    if let ([first], [second]) = (first.as_slice(), second) {
        return vec![format!("{first}{second}")];
    }
    if first.len() * second.len() > MOST {
        let mut parts = first;
        parts.extend_from_slice(second);
        parts.sort_unstable();
        parts.dedup();
        parts.truncate(MOST * MOST);
        parts.push(DATA.to_string());
        return parts;
    }
    let pairs = first
        .iter()
        .flat_map(|first| second.iter().map(move |second| format!("{first}{second}")));
    pairs.collect()
}

/// What an expression that cannot be read may become: what stands in quotes in it, or something else.
fn unreadable(text: &str) -> Vec<String> {
    let quoted = text.split('\'').skip(1).step_by(2);
    let mut found: Vec<String> = quoted
        .filter(|quoted| names_place(quoted))
        .map(str::to_owned)
        .collect();
    found.push(DATA.to_string());
    found
}

/// Does a text name a host or a recipient?
fn names_place(text: &str) -> bool {
    let word = text.rsplit('@').next().unwrap_or(text);
    !hosts_in(text).is_empty() || bare_host(word).is_some()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn definition() -> Value {
        json!({"definition": {
            "parameters": {
                "Own (contoso_Own)": {"metadata": {"schemaName": "contoso_Own"}},
                "New (contoso_New)": {"metadata": {"schemaName": "contoso_New"}},
                "base": {"defaultValue": "written base"}},
            "actions": {
                "A": {"type": "SetVariable", "inputs": {"name": "a", "value": "@{variables('b')}/x"}},
                "B": {"type": "SetVariable", "inputs": {"name": "b", "value": "@variables('a')"}},
                "C": {"type": "SetVariable", "inputs": {"name": "b", "value": "written"}},
                "O": {"type": "Compose", "inputs": {"u": "one", "v": "@variables('new')", "w": [{"x": 1}]}},
                "N": {"type": "SetVariable", "inputs": {
                    "name": "new", "value": "@parameters('New (contoso_New)')"}},
                "Each": {"type": "Foreach", "foreach": ["first", "second"]}}}})
    }

    #[test]
    fn a_text_is_followed_to_where_it_is_written_and_never_in_a_circle() {
        let definition = definition();
        let foreign = ForeignDefaults::from([("contoso_New".to_owned(), json!("theirs"))]);
        let origins = Origins::from_definition(&definition, &foreign);
        let own = OWN.to_string();
        let data = DATA.to_string();
        for (text, expected) in [
            ("variables('a')", vec!["variables('a')"]),
            ("@variables( 'B' )", vec!["/x", "written"]),
            ("@items('Each')", vec!["first", "second"]),
            ("@{outputs('O')?['u']}!", vec!["one!"]),
            ("@outputs('O')?['v']", vec!["theirs"]),
            (
                "@concat('a', parameters('base'), 'b')",
                vec!["awritten baseb"],
            ),
            ("@toLower(parameters('Own (contoso_Own)'))", vec![&own]),
            (
                "@if(equals(1, 'no'), 'yes', body('Row'))",
                vec!["yes", &data],
            ),
            ("@variables('nobody')", vec![&data]),
            ("@some(triggerBody()?['x'], 'text')", vec![&data]),
            (
                "@not readable 'api.partner.example'",
                vec!["api.partner.example", &data],
            ),
        ] {
            assert_eq!(origins.texts(text), expected, "{text}");
        }
        assert_eq!(
            origins.foreign_variable("@outputs('O')"),
            Some("contoso_New")
        );
        assert_eq!(origins.foreign_variable("@variables('a')"), None);
        assert_eq!(origins.objects("@body('O')?['w']"), [&json!([{"x": 1}])]);
        assert!(origins.objects("@body('O')?['u']").is_empty());
    }

    #[test]
    fn a_text_with_very_many_forms_is_not_followed_for_ever() {
        let set = |name: usize, value: String| json!({"type": "SetVariable", "inputs": {"name": format!("v{name}"), "value": value}});
        let actions: serde_json::Map<String, Value> = (0..40)
            .flat_map(|n| {
                let next = format!("@{{variables('v{0}')}}@{{variables('v{0}')}}", n + 1);
                [
                    (format!("A{n}"), set(n, next.clone())),
                    (format!("B{n}"), set(n, next)),
                ]
            })
            .collect();
        let definition = json!({"definition": {"actions": actions}});
        let foreign = ForeignDefaults::new();
        let origins = Origins::from_definition(&definition, &foreign);
        let found = origins.texts("@variables('v0')");
        assert!(found.iter().any(|text| text.contains(DATA)));
    }
}
