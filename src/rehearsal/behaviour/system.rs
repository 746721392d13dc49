//! *Activate system*: turns the platform's flows on, once every platform connection reference
//! leads to a connection of this environment (Microsoft Learn, set up Intelligent Order Management).
//! It may not turn all of them on at once; pressing it again is the cure that Microsoft's labs name.

use std::time::Duration;

use serde_json::json;

use super::organization::{Organization, lookup, number, text};
use super::timers::{self, Place, Timer};
use super::{connections, environments, flows, quirks};
use crate::rehearsal::odata::error::Refusal;

const REFERENCE: &str = "msdyn_iomplatformconnectionreference";

/// The solution whose managed flows are the platform's.
pub(crate) const SOLUTION: &str = "msdyn_IntelligentOrderManagement";

/// How long it takes.
const LASTS: Duration = Duration::from_mins(2);

/// Presses the button. Pressing it again while it works changes nothing.
pub(crate) fn activate(organization: &mut Organization) -> Result<(), Refusal> {
    if !environments::in_background(organization.draft, &organization.environment) {
        return Err(Refusal::rule(
            "The system cannot be activated: background operations of this environment are off.",
        ));
    }
    let faults: Vec<String> = organization
        .rows(REFERENCE)
        .iter()
        .filter_map(|reference| {
            let address = text(reference, "msdyn_connectionurl").unwrap_or_default();
            let name = text(reference, "msdyn_name").unwrap_or_default();
            let fault = connections::address_fault(organization, address)?;
            Some(format!("{name}: {fault}"))
        })
        .collect();
    if !faults.is_empty() {
        let message = format!("The system cannot be activated. {}", faults.join(" | "));
        return Err(Refusal::rule(message));
    }
    let place = Place::of(organization);
    let works = timers::is_set(
        organization.draft,
        |timer| matches!(timer, Timer::ActivateSystem { place: other } if other.organization == place.organization),
    );
    if !works {
        let due = organization.draft.now() + LASTS;
        timers::set(organization.draft, due, &Timer::ActivateSystem { place });
    }
    Ok(())
}

/// Ends the work: the references are active, and the platform's flows are on, but for those whose
/// own connections are wrong, and for those that this time's work does not come to.
pub(super) fn end_activation(organization: &mut Organization) {
    let Ok(table) = organization.table(REFERENCE) else {
        return;
    };
    for mut reference in organization.rows(REFERENCE) {
        reference.insert("statecode".to_owned(), json!(0));
        reference.insert("statuscode".to_owned(), json!(1));
        organization.save(&table, reference);
    }
    let flows = platform_flows(organization);
    let half = quirks::strikes(organization.draft, &quirks::half_activation());
    let hundredths = half.and_then(|half| half["hundredths"].as_u64());
    let share = usize::try_from(hundredths.unwrap_or(100)).unwrap_or(100);
    let count = flows.len() * share / 100;
    for flow in flows.into_iter().take(count) {
        let row = organization.row("workflow", &flow).unwrap_or_default();
        let off = number(&row, "statecode") != Some(1);
        if off && flows::check_activation(organization, &row).is_ok() {
            flows::switch(organization, &flow, true);
        }
    }
}

fn platform_flows(organization: &Organization) -> Vec<String> {
    let solution = organization
        .rows("solution")
        .into_iter()
        .find(|solution| text(solution, "uniquename") == Some(SOLUTION));
    let Some(solution) = solution else {
        return Vec::new();
    };
    let solution = text(&solution, "solutionid").unwrap_or_default();
    let mut flows: Vec<String> = organization
        .rows("solutioncomponent")
        .iter()
        .filter(|component| lookup(component, "solutionid") == Some(solution))
        .filter(|component| number(component, "componenttype") == Some(29))
        .filter_map(|component| text(component, "objectid").map(str::to_owned))
        .filter(|flow| {
            let row = organization.row("workflow", flow).unwrap_or_default();
            row.get("ismanaged") == Some(&json!(true))
        })
        .collect();
    // In the order of their ids, which the seed gives children before parents.
    flows.sort();
    flows
}
