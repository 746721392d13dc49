//! The JSON Schema of a runbook, for editors. It is made of the same word lists, the same lists of
//! services, columns and placeholders and the same bounds as the binder, so that a word that is
//! added to one stands in the other; [`tests`] compares their verdicts on every runbook of the
//! corpus and on every mutation of the right ones.
//!
//! JSON Schema sees values, not text. What it cannot tell is refused by the binder alone: anchors
//! and keys that stand twice, how a number is written, the JSON inside a request's body, two ids
//! that must differ.
//!
//! Draft 7, because that is what editors' YAML support knows best.
//!
//! - [`parts`]: single values, and maps with their keys.
//! - [`identity`], [`iom`], [`steps`]: those sections.

use serde_json::{Value, json};

use super::bind::environments::{HIGHEST_PROJECT, PAC_NAMES};
use super::bind::root::{LONGEST_NAME, VERSION};
use super::model::environments::{Cloud, LcsGeography};
use super::model::words::Word as _;
use parts::{Keys, guid, text, user, whole, word_list, words};

mod identity;
mod iom;
#[cfg(test)]
mod mutations;
mod parts;
mod steps;
#[cfg(test)]
mod tests;

/// The schema as a JSON value; its keys stand in the order in which a runbook says them.
pub fn schema() -> Value {
    let mut root = keys().build();
    let mut schema = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "iomcopy runbook",
        "description": "How a Dynamics 365 Intelligent Order Management environment is refreshed \
                        from another one: which pair, with which identity, and the eight steps.",
    });
    schema["type"] = root["type"].take();
    for key in ["properties", "required", "additionalProperties"] {
        schema[key] = root[key].take();
    }
    schema["allOf"] = json!([
        needs_identity(),
        identity::speed_is_for_loopback(),
        identity::rehearsal_is_whole(),
        steps::gateway_is_reachable(),
    ]);
    schema["definitions"] = json!({
        "secret": identity::secret(),
        "credential": identity::credential(),
        "endpoint": identity::endpoint(),
        "connections": steps::connections(),
    });
    for (name, binding) in iom::bindings() {
        schema["definitions"][name] = binding;
    }
    schema
}

fn keys() -> Keys {
    Keys::new()
        .must(
            "runbook",
            "The version of this format.",
            json!({ "const": VERSION }),
        )
        .must(
            "name",
            "The runbook's name: lower-case letters, digits and hyphens. It names the state file.",
            json!({
                "type": ["string", "integer", "boolean"],
                "pattern": format!("^[a-z0-9-]{{1,{LONGEST_NAME}}}$"),
            }),
        )
        .must(
            "cloud",
            "The Microsoft cloud of both environments; pac's names are taken too.",
            cloud(),
        )
        .may(
            "endpoints",
            "Other addresses than the cloud's own, by service.",
            identity::endpoints(),
        )
        .may(
            "identity",
            "Who the program is: the tenant, and a credential for each service. Only a rehearsal \
             needs none.",
            identity::identity(),
        )
        .may(
            "act-as",
            "The user whose flows and connections these will be, by user principal name or object \
             id.",
            user(),
        )
        .must(
            "source",
            "The environment that is copied.",
            Keys::new()
                .must("environment", "The source's environment id.", guid())
                .build(),
        )
        .must(
            "target",
            "The environment that the copy destroys and fills anew.",
            target(),
        )
        .may(
            "lcs",
            "The pair in Lifecycle Services; only for a target that LCS manages.",
            lcs(),
        )
        .may(
            "iom",
            "What Intelligent Order Management is called in this tenant, and how its unpublished \
             writes are made.",
            iom::iom(),
        )
        .must(
            "steps",
            "All eight steps, in order, each once.",
            steps::steps(),
        )
}

fn cloud() -> Value {
    let mut cloud = words::<Cloud>();
    if let Some(choices) = cloud["enum"].as_array_mut() {
        choices.extend(PAC_NAMES.iter().map(|(name, _)| json!(name)));
    }
    cloud
}

fn target() -> Value {
    Keys::new()
        .must("environment", "The target's environment id.", guid())
        .must(
            "name",
            "The target's display name, as the admin center shows it; a run refuses a target of \
             another name.",
            text(),
        )
        .build()
}

fn lcs() -> Value {
    Keys::new()
        .with_default(
            "geography",
            &format!(
                "Where the LCS project lives: {}.",
                word_list::<LcsGeography>()
            ),
            "default",
            words::<LcsGeography>(),
        )
        .must(
            "project",
            "The LCS project's number.",
            whole(1, HIGHEST_PROJECT),
        )
        .must("source", "The LCS environment id of the source.", text())
        .must("target", "The LCS environment id of the target.", text())
        .build()
}

/// Only a rehearsal needs no identity: there the tenant's own application is used.
fn needs_identity() -> Value {
    json!({
        "if": {
            "required": ["cloud"],
            "properties": { "cloud": { "not": { "const": Cloud::Rehearsal.word() } } },
        },
        "then": { "required": ["identity"] },
    })
}
