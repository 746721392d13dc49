//! Policies. Each published policy has a compiled flow.

use serde_json::json;

use super::flows;
use super::organization::{Organization, number, set_state, text};
use crate::rehearsal::odata::error::ODataError;
use crate::rehearsal::world::names;

/// Publishes a policy immediately and turns on its compiled flow.
pub(crate) fn publish(organization: &mut Organization, id: &str) -> Result<(), ODataError> {
    let table = organization.table("msdyn_iompolicy")?;
    let mut policy = organization.existing("msdyn_iompolicy", id)?;
    let name = text(&policy, "msdyn_name").unwrap_or_default().to_owned();
    let flow = compiled_flow(organization, &name)
        .unwrap_or_else(|| names::identifier(&["policy-flow", &organization.id, id]));
    let data = flows::client_data(&[], &json!({}), &json!({}));
    flows::deploy(organization, &flow, &flows::compiled_name(&name), &data)?;
    set_state(&mut policy, 0, 1);
    organization.save(table, policy);
    Ok(())
}

/// Why an orchestration cannot use a policy; nothing if it can.
pub(super) fn policy_problem(organization: &Organization, id: &str) -> Option<String> {
    let Some(policy) = organization.row("msdyn_iompolicy", id) else {
        return Some(format!(
            "Policy record could not be retrieved. Policy Id: {id}"
        ));
    };
    let name = text(&policy, "msdyn_name").unwrap_or_default();
    if number(&policy, "statecode") != Some(0) {
        return Some(format!(
            "Policy is unpublished. Policy: {name}, Policy Id: {id}"
        ));
    }
    let on = compiled_flow(organization, name)
        .and_then(|flow| organization.row("workflow", &flow))
        .is_some_and(|flow| number(&flow, "statecode") == Some(1));
    (!on).then(|| format!("The flow of the policy is off. Policy: {name}, Policy Id: {id}"))
}

fn compiled_flow(organization: &Organization, name: &str) -> Option<String> {
    let name = flows::compiled_name(name);
    organization
        .borrowed_rows("workflow")
        .into_iter()
        .find(|flow| text(flow, "name") == Some(&name))
        .and_then(|flow| text(flow, "workflowid"))
        .map(str::to_owned)
}
