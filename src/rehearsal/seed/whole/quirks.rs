//! What goes otherwise than one would think, on both sides: it comes over with a copy or stays.
//!
//! Microsoft Learn's pages and the industry guide tell of each: *Activate system* is pressed two or
//! three times, an activation fails with an error in its log, an action has another name.

use serde_json::json;

use super::catalogue::{Catalogue, FlowNames};
use crate::rehearsal::behaviour::quirks;
use crate::rehearsal::seed::Garden;
use crate::rehearsal::seed::ids::id;

/// FedEx.
const FEDEX: u32 = 600;

/// The logic definition *Send sales order to fulfillment*.
const RELEASE: u32 = 201;

/// Plants them.
pub(super) fn plant(garden: &mut Garden<'_, '_>, catalogue: &Catalogue) {
    let mut put = |key: String, quirk| garden.organization.draft.put(key, quirk);
    put(
        quirks::half_activation(),
        json!({"hundredths": 60, "left": 1}),
    );
    put(
        quirks::failing_activation(&id("70", FEDEX)),
        json!({
            "message": "The connection FedEx Dataworks could not be reached: connection reference \
                        msdyn_iom_fedexdataworks was not found for flow FedEx Validate Address.",
            "left": 1,
        }),
    );
    put(
        quirks::action_name(&id("71", RELEASE)),
        json!("Send for Fulfillment"),
    );
    for definition in &catalogue.definitions {
        if definition.flow_names == FlowNames::Display {
            put(
                quirks::flow_names(&id("70", definition.number)),
                json!("display"),
            );
        }
    }
}
