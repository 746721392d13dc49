//! Policies: those that the orchestrations use. Four are not published, one of them used by a
//! published orchestration; the names of two differ only in the case of a letter.

use serde_json::json;

use super::flows::{self, FlowState};
use super::ids::{FILTER_POLICY, HEADER_POLICY, id};
use super::{Seed, Seeder};
use crate::rehearsal::behaviour::flows::compiled_name;
use crate::rehearsal::behaviour::organization::lookup_value;

/// The policy types.
const FILTER: i64 = 192_350_000;
const EXECUTION: i64 = 192_350_001;

/// The policies of the thin seed.
const THIN: [u32; 2] = [HEADER_POLICY, FILTER_POLICY];

/// The policies with an id of this tenant: number, name, type, whether it is published.
const POLICIES: [(u32, &str, i64, bool); 13] = [
    (
        HEADER_POLICY,
        "Order header validation policy",
        EXECUTION,
        true,
    ),
    (200, "Order line validation policy", EXECUTION, true),
    (300, "Simple fulfillment assignment policy", EXECUTION, true),
    (400, "Fulfillment filter policy - Seattle", FILTER, true),
    (500, "Fulfillment filter policy - Chicago", FILTER, true),
    (FILTER_POLICY, "Filter Policy - BigCommerce", FILTER, false),
    (700, "Filter Policy - Orderful", FILTER, false),
    (800, "Assign company policy", EXECUTION, true),
    (900, "Assign site and warehouse policy", EXECUTION, true),
    (1000, "Manual order filter policy", FILTER, false),
    (1100, "Demo Order header Validation Policy", EXECUTION, true),
    (1400, "Fulfillment Filter Policy - Redmond", FILTER, true),
    (1500, "Fulfillment Filter Policy - Seattle", FILTER, true),
];

/// Two policies of Microsoft's demonstration, with the ids that its pages print: number, id, name,
/// whether it is published. Only the whole seed has them.
const DEMONSTRATION: [(u32, &str, &str, bool); 2] = [
    (
        1200,
        "8cc5e11c-78c5-ec11-a7b5-002248304f49",
        "Demo Order Line Validation Policy",
        true,
    ),
    (
        1300,
        "5d01045f-78c5-ec11-a7b5-002248304f49",
        "Fulfillment Source Assignment Policy",
        false,
    ),
];

/// Inserts the policies, in the source only.
pub(super) fn insert(seeder: &mut Seeder<'_, '_>) {
    if !seeder.side.is_source() {
        return;
    }
    let is_whole = seeder.seed == Seed::Whole;
    for (number, name, kind, published) in POLICIES {
        if is_whole || THIN.contains(&number) {
            insert_policy(seeder, (number, &id("40", number)), name, kind, published);
        }
    }
    for (number, id, name, published) in DEMONSTRATION.into_iter().filter(|_| is_whole) {
        insert_policy(seeder, (number, id), name, EXECUTION, published);
    }
}

/// Inserts a policy with its rule and, if it is published, its compiled flow.
fn insert_policy(
    seeder: &mut Seeder<'_, '_>,
    (number, policy): (u32, &str),
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
    seeder.insert("msdyn_iompolicy", policy, row);
    let rule = json!({
        "msdyn_name": name,
        "msdyn_policyid": lookup_value("msdyn_iompolicy", policy),
        "msdyn_ruledefinition": "{\"conditions\":[]}",
    });
    seeder.insert("msdyn_iomrule", &id("41", number), rule);
    if published {
        let flow = id("32", number);
        flows::insert_empty(seeder, &flow, &compiled_name(name), FlowState::ON);
    }
}
