//! Surprising behaviour of the services, in both environments: it is the same before and after a
//! copy.
//!
//! Microsoft Learn's pages and the industry guide describe each: users must press *Activate system*
//! two or three times, an activation fails with an error in its log, an action gets another name.

use serde_json::json;

use super::Seeder;
use super::catalogue::FlowNames;
use super::ids::id;
use crate::rehearsal::behaviour::quirks;

/// The number of FedEx: its provider definition and its provider.
const FEDEX: u32 = 600;

/// The number of the logic definition *Send sales order to fulfillment*.
const RELEASE: u32 = 201;

pub(super) fn insert(seeder: &mut Seeder<'_, '_>) {
    let catalogue = seeder.catalogue;
    let mut put = |key: String, quirk| seeder.organization.draft.put(key, quirk);
    put(
        quirks::incomplete_activate_system_key(),
        json!({"hundredths": 60, "left": 1}),
    );
    put(
        quirks::failing_activation_key(&id("70", FEDEX)),
        json!({
            "message": "The connection FedEx Dataworks could not be reached: connection reference \
                        msdyn_iom_fedexdataworks was not found for flow FedEx Validate Address.",
            "left": 1,
        }),
    );
    put(
        quirks::action_name_key(&id("71", RELEASE)),
        json!("Send for Fulfillment"),
    );
    for definition in &catalogue.definitions {
        if definition.flow_names == FlowNames::Display {
            let key = quirks::flow_names_key(&id("70", definition.number));
            put(key, json!("display"));
        }
    }
}
