//! *Activate system*: turns on the platform's flows, once every platform connection reference has a
//! connection of this environment (Microsoft Learn, set up Intelligent Order Management). It may
//! not turn on all of them; Microsoft's labs say to press it again.

use std::time::Duration;

use serde_json::json;

use super::organization::{Organization, lookup, number, set_state, text};
use super::timers::{self, Place, Timer};
use super::{connections, environments, flows, quirks};
use crate::rehearsal::odata::error::ODataError;

const REFERENCE: &str = "msdyn_iomplatformconnectionreference";

/// The solution whose managed flows are the platform's.
pub(crate) const SOLUTION: &str = "msdyn_IntelligentOrderManagement";

/// The duration of the activation.
const DURATION: Duration = Duration::from_mins(2);

/// Starts the activation. Another request while it runs changes nothing.
pub(crate) fn activate(organization: &mut Organization) -> Result<(), ODataError> {
    if !environments::runs_background_operations(organization.draft, &organization.environment) {
        return Err(ODataError::business_rule(
            "The system cannot be activated: background operations of this environment are off.",
        ));
    }
    let problems: Vec<String> = organization
        .rows(REFERENCE)
        .iter()
        .filter_map(|reference| {
            let address = text(reference, "msdyn_connectionurl").unwrap_or_default();
            let name = text(reference, "msdyn_name").unwrap_or_default();
            let problem = connections::address_problem(organization, address)?;
            Some(format!("{name}: {problem}"))
        })
        .collect();
    if !problems.is_empty() {
        let message = format!("The system cannot be activated. {}", problems.join(" | "));
        return Err(ODataError::business_rule(message));
    }
    let place = Place::of_request(organization);
    let is_running = timers::is_set(
        organization.draft,
        |timer| matches!(timer, Timer::ActivateSystem { place: other } if other.organization == place.organization),
    );
    if !is_running {
        let timer = Timer::ActivateSystem { place };
        timers::set(organization.draft, DURATION, &timer);
    }
    Ok(())
}

/// Ends the activation: the references are active, and the platform's flows are on, except for
/// those with invalid connections and those that a partial activation leaves out.
pub(super) fn end_activation(organization: &mut Organization) {
    organization.change_rows(REFERENCE, |reference| {
        set_state(reference, 0, 1);
        true
    });
    let flows = platform_flows(organization);
    let partial = quirks::consume(
        organization.draft,
        &quirks::incomplete_activate_system_key(),
    );
    let hundredths = partial.and_then(|quirk| quirk["hundredths"].as_u64());
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
        .borrowed_rows("solution")
        .into_iter()
        .find(|solution| text(solution, "uniquename") == Some(SOLUTION));
    let Some(solution) = solution else {
        return Vec::new();
    };
    let solution = text(solution, "solutionid").unwrap_or_default();
    let mut flows: Vec<String> = organization
        .borrowed_rows("solutioncomponent")
        .into_iter()
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
