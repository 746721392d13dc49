//! Walks through a cloud flow's definition.

use serde_json::Value;

use crate::domain::names::Fields;

/// Where a definition has its parameters.
pub(super) const PARAMETERS: [&str; 2] = [
    "/properties/definition/parameters",
    "/definition/parameters",
];

/// Every object in a value, with the name of the member that holds it.
pub(super) fn each_object<'d>(
    value: &'d Value,
    name: &'d str,
    look: &mut impl FnMut(&'d str, &'d Fields),
) {
    match value {
        Value::Object(members) => {
            look(name, members);
            for (name, member) in members {
                each_object(member, name, look);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| each_object(item, name, look)),
        _ => {}
    }
}

/// Every text in a value, with the name of the member that holds it.
pub(super) fn each_text<'d>(
    value: &'d Value,
    name: &'d str,
    look: &mut impl FnMut(&'d str, &'d str),
) {
    match value {
        Value::Object(members) => members
            .iter()
            .for_each(|(name, member)| each_text(member, name, look)),
        Value::Array(items) => items.iter().for_each(|item| each_text(item, name, look)),
        Value::String(text) => look(name, text),
        _ => {}
    }
}

/// The type of an action or trigger, in lower case.
pub(super) fn type_of(members: &Fields) -> Option<String> {
    let kind = members.get("type")?.as_str()?;
    Some(kind.to_ascii_lowercase())
}

/// Is a parameter an environment variable? Its value is the environment's own.
pub(super) fn is_variable(parameter: &Value) -> bool {
    variable_name(parameter).is_some()
}

/// The schema name of the environment variable that a parameter is.
pub(super) fn variable_name(parameter: &Value) -> Option<&str> {
    let name = parameter.pointer("/metadata/schemaName")?;
    Some(name.as_str().unwrap_or_default())
}
