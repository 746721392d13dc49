//! The Web API with renamed tables: replaces aliases in requests by the usual names, and the
//! usual names in responses by aliases. Only names are replaced, never the values of rows.

use serde_json::{Map, Value};

use crate::rehearsal::listeners::message::{Request, Response};
use crate::rehearsal::schema::table_names::{Dictionary, Scope};

/// A column whose value is the name of a table.
const TABLE_NAME_COLUMN: &str = "boundentitylogicalname";

/// A request with the usual names, and the data to translate its response.
#[derive(Debug)]
pub(crate) struct RenamedRequest<'names> {
    pub(crate) request: Request,
    dictionary: &'names Dictionary,
    scope: Scope,
    is_metadata: bool,
}

impl<'names> RenamedRequest<'names> {
    /// Replaces the aliases in a request by the usual names.
    pub(crate) fn new(dictionary: &'names Dictionary, request: &Request) -> Self {
        let path = dictionary.replace_aliases(&request.path, Scope::Others);
        let rest = path.split('/').skip(4).collect::<Vec<_>>().join("/");
        let first = rest.split(['(', '/', '?']).next().unwrap_or_default();
        let is_metadata = ["EntityDefinitions", ""].contains(&first);
        let table = if is_metadata {
            rest.split('\'').nth(1).unwrap_or_default()
        } else {
            first
        };
        let scope = dictionary.scope(table);
        let replace_aliases = |text: &str| dictionary.replace_aliases(text, scope);
        let body = match serde_json::from_slice(&request.body) {
            Ok(body) => replace_names(body, &replace_aliases)
                .to_string()
                .into_bytes(),
            Err(_) => request.body.clone(),
        };
        Self {
            request: request.renamed(replace_aliases, body),
            dictionary,
            scope,
            is_metadata,
        }
    }

    /// Replaces the names in a response by aliases.
    pub(crate) fn replace_usual_names(&self, mut response: Response) -> Response {
        for (_, value) in &mut response.headers {
            *value = self.dictionary.replace_usual_names(value, Scope::Others);
        }
        let body = response.body.as_deref().map(serde_json::from_str);
        if let Some(Ok(body)) = body {
            let body: Value = if self.is_metadata {
                self.replace_in_metadata(body, self.scope)
            } else {
                replace_names(body, &|text| {
                    self.dictionary.replace_usual_names(text, self.scope)
                })
            };
            response.body = Some(body.to_string());
        }
        response
    }

    /// Replaces the names in all texts of metadata; each table has its own scope.
    fn replace_in_metadata(&self, value: Value, scope: Scope) -> Value {
        match value {
            Value::Object(members) => {
                let scope = match members.get("SchemaName").and(members.get("LogicalName")) {
                    Some(Value::String(name)) if members.contains_key("EntitySetName") => {
                        self.dictionary.scope(name)
                    }
                    _ => scope,
                };
                let members = members
                    .into_iter()
                    .map(|(key, value)| (key, self.replace_in_metadata(value, scope)));
                Value::Object(members.collect())
            }
            Value::Array(items) => {
                let items = items
                    .into_iter()
                    .map(|item| self.replace_in_metadata(item, scope));
                Value::Array(items.collect())
            }
            Value::String(text) => Value::String(self.dictionary.replace_usual_names(&text, scope)),
            other => other,
        }
    }
}

/// Replaces the names in a row, a set of rows or an error: in members' names, annotations and
/// messages.
fn replace_names(value: Value, replace: &impl Fn(&str) -> String) -> Value {
    match value {
        Value::Object(members) => {
            let members: Map<String, Value> = members
                .into_iter()
                .map(|(key, value)| {
                    let is_name = (key.contains('@') && !key.ends_with("FormattedValue"))
                        || key == TABLE_NAME_COLUMN
                        || key == "message";
                    let value = match value {
                        Value::String(text) if is_name => Value::String(replace(&text)),
                        value => replace_names(value, replace),
                    };
                    (replace(&key), value)
                })
                .collect();
            Value::Object(members)
        }
        Value::Array(items) => {
            let items = items.into_iter().map(|item| replace_names(item, replace));
            Value::Array(items.collect())
        }
        other => other,
    }
}
