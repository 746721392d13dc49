//! Solutions, and the tenant's own actions for the buttons of Intelligent Order Management.

use serde_json::json;

use super::Seeder;
use super::environments::solution;
use super::ids::id;
use crate::rehearsal::behaviour::organization::lookup_value;
use crate::rehearsal::behaviour::system::SOLUTION;
use crate::rehearsal::world::names;

/// The solution of Intelligent Order Management.
pub(super) const ORDER_MANAGEMENT: u32 = 1;
/// The customer's own solution.
pub(super) const CUSTOMER: u32 = 2;

/// Inserts the solutions and the actions.
pub(super) fn insert(seeder: &mut Seeder<'_, '_>) {
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
        seeder.insert("solution", &solution(number), row);
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
        seeder.insert("customapi", &id("92", number), row);
    }
}

/// Makes a flow a component of a solution.
pub(super) fn insert_component(seeder: &mut Seeder<'_, '_>, number: u32, flow: &str) {
    let solution = solution(number);
    let row = json!({
        "objectid": flow,
        "componenttype": 29,
        "solutionid": lookup_value("solution", &solution),
        "rootcomponentbehavior": 0,
        "ismetadata": false,
    });
    let id = names::identifier(&["solutioncomponent", &solution, flow]);
    seeder.insert("solutioncomponent", &id, row);
}
