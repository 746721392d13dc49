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
        let row = json!({
            "msdyn_name": name,
            "msdyn_policytype": kind,
            "statecode": i32::from(!published),
            "statuscode": if published { 1 } else { 2 },
        });
        garden.plant("msdyn_iompolicy", &id("40", number), row);
        let rule = json!({
            "msdyn_name": name,
            "msdyn_policyid": lookup_value("msdyn_iompolicy", &id("40", number)),
            "msdyn_ruledefinition": "{\"conditions\":[]}",
        });
        garden.plant("msdyn_iomrule", &id("41", number), rule);
        if published {
            let flow = id("32", number);
            flows::flow(
                garden,
                &flow,
                &rules::compiled_name(name),
                Is::ON,
                &json!({}),
            );
        }
    }
}
