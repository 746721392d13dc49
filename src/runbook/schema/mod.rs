//! The JSON Schema of a runbook, for editors. It follows from the same definitions as the reading
//! of a runbook; [`tests`] compares their verdicts on every runbook of the corpus and on every
//! mutation of the valid ones.
//!
//! JSON Schema sees values, not text, so some mistakes are found only while reading: anchors and
//! keys that appear twice, how a number is written, the JSON inside a request's body, two ids that
//! must differ.
//!
//! `mutations` makes the mutations. Draft 7, because that is what editors' YAML support knows best.

use serde_json::{Value, json};

use super::bind::visit_document;
use super::grammar::keys::Keys;
use super::model::binding::{binding, definition_name};
use super::model::endpoints::endpoint_with_scope;
use super::model::identity::credential;
use super::model::keywords::Keyword as _;
use super::model::options::connections_in_full;
use super::model::request::IomRequest;
use super::model::secret::secret_in_full;
use super::rules;

#[cfg(test)]
mod mutations;
#[cfg(test)]
mod tests;

/// The schema as a JSON value; its keys are in the order in which a runbook has them.
pub fn schema() -> Value {
    let mut root = Keys::describe(&|keys| drop(visit_document(keys)));
    let mut schema = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "iomcopy runbook",
        "description": "How a Dynamics 365 Intelligent Order Management environment is refreshed \
                        from another one: which pair, with which identity, and the eight steps.",
    });
    for key in ["type", "properties", "required", "additionalProperties"] {
        schema[key] = root[key].take();
    }
    schema["allOf"] = json!(rules::schemas());
    schema["definitions"] = json!({
        "secret": secret_in_full().schema(),
        "credential": credential().schema(),
        "endpoint": endpoint_with_scope().schema(),
        "connections": connections_in_full().schema(),
    });
    for (name, binding) in bindings() {
        schema["definitions"][name] = binding;
    }
    schema
}

/// How each request is made, by its name under `definitions`.
fn bindings() -> impl Iterator<Item = (String, Value)> {
    let requests = IomRequest::ALL.iter();
    requests.map(|request| (definition_name(*request), binding(*request).schema()))
}
