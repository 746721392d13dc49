//! Policies: one that is published, with its flow on, and one that is not.

use serde_json::json;

use super::Garden;
use super::flows::{self, Is};
use super::ids::{FILTER_POLICY, HEADER_POLICY, id};
use crate::rehearsal::behaviour::flows as rules;
use crate::rehearsal::behaviour::organization::lookup_value;

/// The policies: number, name, type, whether it is published.
const POLICIES: [(u32, &str, i64, bool); 2] = [
    (
        HEADER_POLICY,
        "Order header validation policy",
        192_350_001,
        true,
    ),
    (
        FILTER_POLICY,
        "Filter Policy - BigCommerce",
        192_350_000,
        false,
    ),
];

/// Plants them, in the source only.
pub(super) fn plant(garden: &mut Garden<'_, '_>) {
    if !garden.plot.is_source() {
        return;
    }
    for (number, name, kind, published) in POLICIES {
        policy(garden, (number, &id("40", number)), name, kind, published);
    }
}

/// A policy with its rule, and its compiled flow where it is published. `key` is its number and id.
pub(super) fn policy(
    garden: &mut Garden<'_, '_>,
    (number, key): (u32, &str),
    name: &str,
    kind: i64,
    published: bool,
) {
    let row = json!({
        "msdyn_name": name,
        "msdyn_policytype": kind,
        "statecode": i32::from(!published),
        "statuscode": if published { 1 } else { 2 },
    });
    garden.plant("msdyn_iompolicy", key, row);
    let rule = json!({
        "msdyn_name": name,
        "msdyn_policyid": lookup_value("msdyn_iompolicy", key),
        "msdyn_ruledefinition": "{\"conditions\":[]}",
    });
    garden.plant("msdyn_iomrule", &id("41", number), rule);
    if published {
        let name = rules::compiled_name(name);
        flows::flow(garden, &id("32", number), &name, Is::ON, &json!({}));
    }
}
