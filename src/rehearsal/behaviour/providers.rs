//! Providers: installed from the library, connected, activated, deactivated, deleted.

use std::time::Duration;

use serde_json::{Value, json};

use super::organization::{
    Organization, Row, lookup, lookup_value, number, row_of, set_state, text,
};
use super::timers::{self, Place, Timer};
use super::update::Update;
use super::{connections, deletion, flows, outside, quirks};
use crate::rehearsal::odata::error::ODataError;
use crate::rehearsal::world::names;

const PROVIDER: &str = "msdyn_iomprovider";
const DEFINITION: &str = "msdyn_iomproviderdefinition";
const LOGIC: &str = "msdyn_iomproviderdefinitionlogicdefinition";
const ACTION: &str = "msdyn_iomprovideraction";
const CONNECTION: &str = "msdyn_iomproviderconnectionreference";

/// The logic type of provider actions (Microsoft Learn, create a new provider).
const PROVIDER_ACTION: i64 = 192_350_001;

/// The status of a connection reference that has no activated connection.
const INCOMPLETE: i64 = 192_350_000;

/// The placeholder for the provider's id in a logic definition.
pub(crate) const NO_PROVIDER: &str = "00000000-0000-0000-0000-000000000000";

/// The duration of an activation.
const DURATION: Duration = Duration::from_mins(1);

/// A child table of a provider. Its rows are created from the rows of the definition.
struct Child {
    table: &'static str,
    /// Its lookup to the definition's row.
    lookup: &'static str,
    definition_table: &'static str,
    /// A column of the definition's row, and the column that gets its value.
    copied: Option<(&'static str, &'static str)>,
}

/// The child tables.
const CHILDREN: [Child; 3] = [
    Child {
        table: CONNECTION,
        lookup: "msdyn_connectionreferencedefinitionid",
        definition_table: "msdyn_iomproviderdefinitionconnectionref",
        copied: None,
    },
    Child {
        table: "msdyn_iomproviderparameter",
        lookup: "msdyn_parameterdefinitionid",
        definition_table: "msdyn_iomproviderdefinitionparameter",
        copied: Some(("msdyn_defaultvalue", "msdyn_value")),
    },
    Child {
        table: "msdyn_iomprovidertransformation",
        lookup: "msdyn_transformationdefinitionid",
        definition_table: "msdyn_iomproviderdefinitiontransformation",
        copied: Some(("msdyn_transformation", "msdyn_transformation")),
    },
];

/// Installs a provider from its definition: an inactive row with the id from the request, and its
/// children.
pub(crate) fn install(
    organization: &mut Organization,
    id: &str,
    definition: &str,
) -> Result<(), ODataError> {
    if organization.row(PROVIDER, id).is_some() {
        return Err(ODataError::already_exists());
    }
    let definition_row = organization.existing(DEFINITION, definition)?;
    let name = text(&definition_row, "msdyn_name").unwrap_or_default();
    if definition_row.get("msdyn_isactive") != Some(&json!(true)) {
        let message = format!("The provider definition {name} is not active in the library.");
        return Err(ODataError::business_rule(message));
    }
    let row = row_of(json!({
        "msdyn_name": free_name(organization, name),
        "msdyn_providerdefinitionid": lookup_value(DEFINITION, definition),
        "statecode": 1,
        "statuscode": 2,
    }));
    let table = organization.table(PROVIDER)?;
    organization.insert(table, id, row);
    for child in &CHILDREN {
        insert_children(organization, child, id, definition)?;
    }
    Ok(())
}

fn insert_children(
    organization: &mut Organization,
    child: &Child,
    provider: &str,
    definition: &str,
) -> Result<(), ODataError> {
    let (table, definition_table) = (
        organization.table(child.table)?,
        organization.table(child.definition_table)?,
    );
    for source in organization.rows_referencing(
        child.definition_table,
        "msdyn_providerdefinitionid",
        definition,
    ) {
        let source_id = text(&source, &definition_table.primary_id).unwrap_or_default();
        let mut row = row_of(json!({
            "msdyn_name": source.get("msdyn_name"),
            "msdyn_providerid": lookup_value(PROVIDER, provider),
            child.lookup: lookup_value(child.definition_table, source_id),
        }));
        if let Some((from, to)) = child.copied {
            let value = source.get(from).cloned().unwrap_or(Value::Null);
            row.insert(to.to_owned(), value);
        }
        if child.table == CONNECTION {
            set_state(&mut row, 0, INCOMPLETE);
        }
        let id = names::identifier(&[child.table, provider, source_id]);
        organization.insert(table, &id, row);
    }
    Ok(())
}

/// The definition's name, with a number if another provider has that name.
fn free_name(organization: &Organization, name: &str) -> String {
    let used: Vec<String> = organization
        .rows(PROVIDER)
        .iter()
        .filter_map(|provider| text(provider, "msdyn_name").map(str::to_owned))
        .collect();
    let mut free = name.to_owned();
    let mut number = 0;
    while used.contains(&free) {
        number += 1;
        free = format!("{name} {number}");
    }
    free
}

/// The rules for updates of a provider: deactivating it turns off its flows.
pub(super) fn before_update(organization: &mut Organization, update: &Update<'_>) {
    if is_active(update.before) && !is_active(update.after) {
        for flow in flows::deployed_of(organization, update.id) {
            flows::switch(organization, &flow, false);
        }
    }
}

fn is_active(provider: &Row) -> bool {
    number(provider, "statecode") == Some(0)
}

/// The rules for updates of a provider's connection reference: activating it needs a connection of
/// this environment; a new address makes it incomplete again.
pub(super) fn before_connection_update(
    organization: &Organization,
    update: &mut Update<'_>,
) -> Result<(), ODataError> {
    let activates = update.sets("statecode") || update.sets("statuscode");
    if activates && number(update.after, "statuscode") == Some(1) {
        let address = text(update.after, "msdyn_connectionurl").unwrap_or_default();
        if let Some(problem) = connections::address_problem(organization, address) {
            let name = text(update.after, "msdyn_name").unwrap_or_default();
            let message =
                format!("The connection reference {name} cannot be activated: {problem}.");
            return Err(ODataError::business_rule(message));
        }
    } else if update.changes_value("msdyn_connectionurl") {
        update
            .after
            .insert("statuscode".to_owned(), json!(INCOMPLETE));
    }
    Ok(())
}

/// Starts activating a provider. Missing conditions are written to its activation error.
pub(crate) fn activate(organization: &mut Organization, id: &str) -> Result<(), ODataError> {
    let provider = organization.existing(PROVIDER, id)?;
    let is_activating = timers::is_set(organization.draft, |timer| {
        matches!(
            timer,
            Timer::ActivateProvider { place, provider }
                if place.organization == organization.id && provider == id
        )
    });
    if is_active(&provider) || is_activating {
        return Ok(());
    }
    let mut problems: Vec<String> = organization
        .rows_referencing(CONNECTION, "msdyn_providerid", id)
        .iter()
        .filter(|reference| number(reference, "statuscode") != Some(1))
        .map(|reference| {
            let name = text(reference, "msdyn_name").unwrap_or_default();
            format!("connection reference {name} is not active")
        })
        .collect();
    let definition = lookup(&provider, "msdyn_providerdefinitionid").unwrap_or_default();
    let other = organization
        .rows_referencing(PROVIDER, "msdyn_providerdefinitionid", definition)
        .into_iter()
        .find(is_active);
    if let Some(other) = other {
        let name = text(&other, "msdyn_name").unwrap_or_default();
        problems.push(format!("{name} of the same definition is active already"));
    }
    if !problems.is_empty() {
        let message = format!("The provider cannot be activated: {}.", problems.join("; "));
        return Err(record_failure(organization, provider, message)?.keeping_changes());
    }
    clear_failure(organization, provider)?;
    let timer = Timer::ActivateProvider {
        place: Place::of_request(organization),
        provider: id.to_owned(),
    };
    timers::set(organization.draft, DURATION, &timer);
    Ok(())
}

/// Clears the activation error when a new attempt starts.
fn clear_failure(organization: &mut Organization, mut provider: Row) -> Result<(), ODataError> {
    if provider.remove("msdyn_activationerror").is_some() {
        let table = organization.table(PROVIDER)?;
        organization.save(table, provider);
    }
    Ok(())
}

/// Writes the activation error of a provider, and returns an error with the same message.
fn record_failure(
    organization: &mut Organization,
    mut provider: Row,
    message: String,
) -> Result<ODataError, ODataError> {
    provider.insert("msdyn_activationerror".to_owned(), json!(message));
    let table = organization.table(PROVIDER)?;
    organization.save(table, provider);
    Ok(ODataError::business_rule(message))
}

/// Ends an activation: the provider is active and has a flow for each logic definition and an
/// action for each of type provider action; or it has an activation error.
pub(super) fn end_activation(organization: &mut Organization, id: &str) {
    if let Some(provider) = organization.row(PROVIDER, id)
        && let Err(error) = deploy(organization, &provider, id)
    {
        let message = format!("The provider cannot be activated: {}", error.message);
        // No client waits for a response; the row has the error.
        let _error = record_failure(organization, provider, message);
    }
}

fn deploy(organization: &mut Organization, provider: &Row, id: &str) -> Result<(), ODataError> {
    let definition = lookup(provider, "msdyn_providerdefinitionid").unwrap_or_default();
    let failure = quirks::failing_activation_key(definition);
    if let Some(failure) = quirks::consume(organization.draft, &failure) {
        return Err(ODataError::business_rule(
            failure["message"].as_str().unwrap_or_default(),
        ));
    }
    let names = quirks::text(organization.draft, &quirks::flow_names_key(definition));
    let by_display_name = names.as_deref() == Some("display");
    let logic = organization.rows_referencing(LOGIC, "msdyn_providerdefinitionid", definition);
    deploy_flows(organization, &logic, id, by_display_name)?;
    insert_actions(organization, &logic, id)?;
    let mut provider = provider.clone();
    provider.remove("msdyn_activationerror");
    set_state(&mut provider, 0, 1);
    let table = organization.table(PROVIDER)?;
    organization.save(table, provider);
    outside::providers::act(organization, id);
    Ok(())
}

/// Deploys a flow for each logic definition, or none if one of them cannot be turned on.
fn deploy_flows(
    organization: &mut Organization,
    logic: &[Row],
    id: &str,
    by_display_name: bool,
) -> Result<(), ODataError> {
    let flows: Vec<(String, Row)> = logic
        .iter()
        .map(|logic| {
            let name = |column| text(logic, column).unwrap_or_default();
            let data = text(logic, "msdyn_clientdata").unwrap_or("{}");
            let name = if by_display_name {
                format!("{} ({id})", name("msdyn_name"))
            } else {
                format!("iom_{id}_{}", name("msdyn_logicalname"))
            };
            let data = connections::with_own_connectors(organization, id, data);
            let row = flows::flow_row(&name, &data.replace(NO_PROVIDER, id));
            (name, row)
        })
        .collect();
    for (_, flow) in &flows {
        flows::check_activation(organization, flow)?;
    }
    for (name, flow) in &flows {
        let flow_id = names::identifier(&["deployed-flow", &organization.id, name]);
        let data = text(flow, "clientdata").unwrap_or_default();
        flows::deploy(organization, &flow_id, name, data)?;
    }
    Ok(())
}

/// Inserts the missing provider actions.
fn insert_actions(
    organization: &mut Organization,
    logic: &[Row],
    id: &str,
) -> Result<(), ODataError> {
    let table = organization.table(ACTION)?;
    for logic in logic {
        let logic_id = text(logic, "msdyn_iomproviderdefinitionlogicdefinitionid");
        let logic_id = logic_id.unwrap_or_default();
        let action = names::identifier(&[ACTION, id, logic_id]);
        let is_action = number(logic, "msdyn_logictype") == Some(PROVIDER_ACTION);
        if is_action && organization.row(ACTION, &action).is_none() {
            let other = quirks::text(organization.draft, &quirks::action_name_key(logic_id));
            let own = logic.get("msdyn_name").cloned();
            let row = row_of(json!({
                "msdyn_name": other.map(Value::from).or(own),
                "msdyn_providerid": lookup_value(PROVIDER, id),
                "msdyn_logicdefinitionid": lookup_value(LOGIC, logic_id),
            }));
            organization.insert(table, &action, row);
        }
    }
    Ok(())
}

/// The rules for the deletion of a provider: it must be inactive, and its flows are deleted too.
pub(super) fn before_delete(
    organization: &mut Organization,
    id: &str,
    provider: &Row,
) -> Result<(), ODataError> {
    if is_active(provider) {
        let name = text(provider, "msdyn_name").unwrap_or_default();
        let message = format!("The provider {name} is active. Deactivate it before you delete it.");
        return Err(ODataError::business_rule(message));
    }
    let table = organization.table("workflow")?;
    for flow in flows::deployed_of(organization, id) {
        deletion::delete(organization, table, &flow)?;
    }
    Ok(())
}
