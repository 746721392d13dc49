//! Solutions, and the tenant's own actions for the buttons of Intelligent Order Management.

use serde_json::json;

use super::Garden;
use super::environments::solution;
use super::ids::id;
use crate::rehearsal::behaviour::organization::lookup_value;
use crate::rehearsal::behaviour::system::SOLUTION;
use crate::rehearsal::world::names;

/// The solution of Intelligent Order Management.
pub(super) const ORDER_MANAGEMENT: u32 = 1;
/// The customer's own solution.
pub(super) const CUSTOMER: u32 = 2;

/// Plants them.
pub(super) fn plant(garden: &mut Garden<'_, '_>) {
    for (number, unique_name, name, version, managed) in [
        (
            ORDER_MANAGEMENT,
            SOLUTION,
            "Dynamics 365 Intelligent Order Management",
            "1.1.3417.4",
            true,
        ),
        (
            CUSTOMER,
            "ContosoOrderFlows",
            "Contoso order flows",
            "1.4.0.0",
            false,
        ),
        (
            3,
            "msdyn_IOMProviderConfiguration",
            "Intelligent Order Management Provider Configuration",
            "1.1.3417.4",
            true,
        ),
    ] {
        let row = json!({
            "friendlyname": name, "uniquename": unique_name, "version": version,
            "ismanaged": managed, "isvisible": true, "installedon": super::CREATED,
        });
        garden.plant("solution", &solution(number), row);
    }
    for (number, name, table) in [
        (1, "rehearsal_ActivateSystem", None),
        (2, "rehearsal_InstallProvider", None),
        (3, "rehearsal_ActivateProvider", Some("msdyn_iomprovider")),
        (4, "rehearsal_PublishPolicy", Some("msdyn_iompolicy")),
        (
            5,
            "rehearsal_PublishOrchestration",
            Some("msdyn_iomdesigner"),
        ),
    ] {
        let row = json!({
            "name": name, "uniquename": name, "boundentitylogicalname": table,
            "isfunction": false, "bindingtype": i32::from(table.is_some()),
        });
        garden.plant("customapi", &id("92", number), row);
    }
}

/// Makes a flow a component of a solution.
pub(super) fn component(garden: &mut Garden<'_, '_>, number: u32, flow: &str) {
    let solution = solution(number);
    let row = json!({
        "objectid": flow,
        "componenttype": 29,
        "solutionid": lookup_value("solution", &solution),
        "rootcomponentbehavior": 0,
        "ismetadata": false,
    });
    let id = names::identifier(&["solutioncomponent", &solution, flow]);
    garden.plant("solutioncomponent", &id, row);
}
