//! Policies: those that the orchestrations use. Four are not published, one of them used by an
//! orchestration that is; two differ in the case of a letter only.

use crate::rehearsal::seed::Garden;
use crate::rehearsal::seed::ids::{FILTER_POLICY, HEADER_POLICY, id};
use crate::rehearsal::seed::policies::policy;

/// The types.
const FILTER: i64 = 192_350_000;
const EXECUTION: i64 = 192_350_001;

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
/// whether it is published.
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

/// Plants them, in the source only.
pub(super) fn plant(garden: &mut Garden<'_, '_>) {
    if !garden.plot.is_source() {
        return;
    }
    for (number, name, kind, published) in POLICIES {
        policy(garden, (number, &id("40", number)), name, kind, published);
    }
    for (number, id, name, published) in DEMONSTRATION {
        policy(garden, (number, id), name, EXECUTION, published);
    }
}
