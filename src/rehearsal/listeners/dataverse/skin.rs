//! The Web API in another skin: requests are put into the tenant's own words before they are
//! answered, and answers into the caller's. Words are replaced where names stand, never in values
//! of rows.

use serde_json::{Map, Value};

use crate::rehearsal::listeners::message::{Answer, Request};
use crate::rehearsal::schema::skin::{Dictionary, Scope};

/// A column whose value is a table's name, though its own name is the platform's.
const HOLDS_A_NAME: &str = "boundentitylogicalname";

/// A request in the tenant's own words, and what is needed to answer in the caller's.
#[derive(Debug)]
pub(crate) struct Fitting<'skin> {
    /// The request.
    pub(crate) request: Request,
    dictionary: &'skin Dictionary,
    scope: Scope,
    is_metadata: bool,
}

impl<'skin> Fitting<'skin> {
    /// Puts a request into the tenant's own words.
    pub(crate) fn of(dictionary: &'skin Dictionary, request: &Request) -> Self {
        let path = dictionary.undress(&request.path, Scope::Others);
        let rest = path.split('/').skip(4).collect::<Vec<_>>().join("/");
        let first = rest.split(['(', '/', '?']).next().unwrap_or_default();
        let is_metadata = ["EntityDefinitions", ""].contains(&first);
        let about = if is_metadata {
            rest.split('\'').nth(1).unwrap_or_default()
        } else {
            first
        };
        let scope = dictionary.scope(about);
        let undress = |text: &str| dictionary.undress(text, scope);
        let body = match serde_json::from_slice(&request.body) {
            Ok(body) => columns(body, &undress).to_string().into_bytes(),
            Err(_) => request.body.clone(),
        };
        Self {
            request: request.put_otherwise(undress, body),
            dictionary,
            scope,
            is_metadata,
        }
    }

    /// Puts an answer into the caller's words.
    pub(crate) fn dress(&self, mut answer: Answer) -> Answer {
        for (_, value) in &mut answer.headers {
            *value = self.dictionary.dress(value, Scope::Others);
        }
        let body = answer.body.as_deref().map(serde_json::from_str);
        if let Some(Ok(body)) = body {
            let body: Value = if self.is_metadata {
                self.metadata(body, self.scope)
            } else {
                columns(body, &|text| self.dictionary.dress(text, self.scope))
            };
            answer.body = Some(body.to_string());
        }
        answer
    }

    /// Every text of metadata is put otherwise; each table has its own scope.
    fn metadata(&self, value: Value, scope: Scope) -> Value {
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
                    .map(|(key, value)| (key, self.metadata(value, scope)));
                Value::Object(members.collect())
            }
            Value::Array(items) => {
                let items = items.into_iter().map(|item| self.metadata(item, scope));
                Value::Array(items.collect())
            }
            Value::String(text) => Value::String(self.dictionary.dress(&text, scope)),
            other => other,
        }
    }
}

/// A row, a set of rows or an error: members' names, annotations and messages are put otherwise.
fn columns(value: Value, put: &impl Fn(&str) -> String) -> Value {
    match value {
        Value::Object(members) => {
            let members: Map<String, Value> = members
                .into_iter()
                .map(|(key, value)| {
                    let is_name = (key.contains('@') && !key.ends_with("FormattedValue"))
                        || key == HOLDS_A_NAME
                        || key == "message";
                    let value = match value {
                        Value::String(text) if is_name => Value::String(put(&text)),
                        value => columns(value, put),
                    };
                    (put(&key), value)
                })
                .collect();
            Value::Object(members)
        }
        Value::Array(items) => {
            Value::Array(items.into_iter().map(|item| columns(item, put)).collect())
        }
        other => other,
    }
}
