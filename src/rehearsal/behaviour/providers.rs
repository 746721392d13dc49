//! Providers: installed from the library, connected, activated, deactivated, deleted.

use std::time::Duration;

use serde_json::{Value, json};

use super::organization::{Organization, Row, lookup, lookup_value, number, row_of, text};
use super::timers::{self, Place, Timer};
use super::writes::Update;
use super::{connections, deletion, flows, quirks};
use crate::rehearsal::odata::error::Refusal;
use crate::rehearsal::world::names;

const PROVIDER: &str = "msdyn_iomprovider";
const DEFINITION: &str = "msdyn_iomproviderdefinition";
const LOGIC: &str = "msdyn_iomproviderdefinitionlogicdefinition";
const ACTION: &str = "msdyn_iomprovideraction";
const CONNECTION: &str = "msdyn_iomproviderconnectionreference";

/// The logic type of what becomes a provider action (Microsoft Learn, create a new provider).
const PROVIDER_ACTION: i64 = 192_350_001;

/// The status of a connection reference that has no activated connection.
const INCOMPLETE: i64 = 192_350_000;

/// The id that stands in a logic definition for the provider's own.
const ZERO: &str = "00000000-0000-0000-0000-000000000000";

/// How long an activation takes.
const LASTS: Duration = Duration::from_mins(3);

/// A child table of a provider, whose rows are made from those of its definition.
struct Child {
    /// The table.
    table: &'static str,
    /// Its lookup to the definition's row.
    lookup: &'static str,
    /// The definition's table.
    of: &'static str,
    /// A column of the definition's row, and the one that takes its value over.
    taken: Option<(&'static str, &'static str)>,
}

/// The child tables.
const CHILDREN: [Child; 3] = [
    Child {
        table: CONNECTION,
        lookup: "msdyn_connectionreferencedefinitionid",
        of: "msdyn_iomproviderdefinitionconnectionref",
        taken: None,
    },
    Child {
        table: "msdyn_iomproviderparameter",
        lookup: "msdyn_parameterdefinitionid",
        of: "msdyn_iomproviderdefinitionparameter",
        taken: Some(("msdyn_defaultvalue", "msdyn_value")),
    },
    Child {
        table: "msdyn_iomprovidertransformation",
        lookup: "msdyn_transformationdefinitionid",
        of: "msdyn_iomproviderdefinitiontransformation",
        taken: Some(("msdyn_transformation", "msdyn_transformation")),
    },
];

/// Installs a provider from its definition: an inactive instance with the id that the request
/// gives, and its children.
pub(crate) fn install(
    organization: &mut Organization,
    id: &str,
    definition: &str,
) -> Result<(), Refusal> {
    if organization.row(PROVIDER, id).is_some() {
        return Err(Refusal::new(
            412,
            "0x80040237",
            "A record with matching key values already exists.",
        ));
    }
    let definition_row = organization.existing(DEFINITION, definition)?;
    let name = text(&definition_row, "msdyn_name").unwrap_or_default();
    if definition_row.get("msdyn_isactive") != Some(&json!(true)) {
        let message = format!("The provider definition {name} is not active in the library.");
        return Err(Refusal::rule(message));
    }
    let row = row_of(json!({
        "msdyn_name": free_name(organization, name),
        "msdyn_providerdefinitionid": lookup_value(DEFINITION, definition),
        "statecode": 1,
        "statuscode": 2,
    }));
    let table = organization.table(PROVIDER)?;
    organization.insert(&table, id, row);
    for child in &CHILDREN {
        make_children(organization, child, id, definition)?;
    }
    Ok(())
}

fn make_children(
    organization: &mut Organization,
    child: &Child,
    provider: &str,
    definition: &str,
) -> Result<(), Refusal> {
    let (table, of) = (
        organization.table(child.table)?,
        organization.table(child.of)?,
    );
    for source in organization.led_to(child.of, "msdyn_providerdefinitionid", definition) {
        let source_id = text(&source, &of.primary_id).unwrap_or_default();
        let mut row = row_of(json!({
            "msdyn_name": source.get("msdyn_name"),
            "msdyn_providerid": lookup_value(PROVIDER, provider),
            child.lookup: lookup_value(child.of, source_id),
        }));
        if let Some((from, to)) = child.taken {
            let value = source.get(from).cloned().unwrap_or(Value::Null);
            row.insert(to.to_owned(), value);
        }
        if child.table == CONNECTION {
            row.insert("statecode".to_owned(), json!(0));
            row.insert("statuscode".to_owned(), json!(INCOMPLETE));
        }
        let id = names::identifier(&[child.table, provider, source_id]);
        organization.insert(&table, &id, row);
    }
    Ok(())
}

/// The definition's name, or with a number where another instance has it.
fn free_name(organization: &Organization, name: &str) -> String {
    let taken: Vec<String> = organization
        .rows(PROVIDER)
        .iter()
        .filter_map(|provider| text(provider, "msdyn_name").map(str::to_owned))
        .collect();
    let mut free = name.to_owned();
    let mut number = 0;
    while taken.contains(&free) {
        number += 1;
        free = format!("{name} {number}");
    }
    free
}

/// The rules of a provider that is updated: deactivating it turns its flows off.
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

/// The rules of a provider's connection reference: activating it needs a connection of this
/// environment; another address makes it incomplete again.
pub(super) fn before_connection_update(
    organization: &Organization,
    update: &mut Update<'_>,
) -> Result<(), Refusal> {
    let activates = update.names("statecode") || update.names("statuscode");
    if activates && number(update.after, "statuscode") == Some(1) {
        let address = text(update.after, "msdyn_connectionurl").unwrap_or_default();
        if let Some(fault) = connections::address_fault(organization, address) {
            let name = text(update.after, "msdyn_name").unwrap_or_default();
            let message = format!("The connection reference {name} cannot be activated: {fault}.");
            return Err(Refusal::rule(message));
        }
    } else if update.alters("msdyn_connectionurl") {
        update
            .after
            .insert("statuscode".to_owned(), json!(INCOMPLETE));
    }
    Ok(())
}

/// Begins to activate a provider. What is missing is written to its activation error.
pub(crate) fn activate(organization: &mut Organization, id: &str) -> Result<(), Refusal> {
    let provider = organization.existing(PROVIDER, id)?;
    let begun = timers::is_set(
        organization.draft,
        |timer| matches!(timer, Timer::ActivateProvider { provider, .. } if provider == id),
    );
    if is_active(&provider) || begun {
        return Ok(());
    }
    let mut faults: Vec<String> = organization
        .led_to(CONNECTION, "msdyn_providerid", id)
        .iter()
        .filter(|reference| number(reference, "statuscode") != Some(1))
        .map(|reference| {
            let name = text(reference, "msdyn_name").unwrap_or_default();
            format!("connection reference {name} is not active")
        })
        .collect();
    let definition = lookup(&provider, "msdyn_providerdefinitionid").unwrap_or_default();
    let other = organization
        .led_to(PROVIDER, "msdyn_providerdefinitionid", definition)
        .into_iter()
        .find(is_active);
    if let Some(other) = other {
        let name = text(&other, "msdyn_name").unwrap_or_default();
        faults.push(format!("{name} of the same definition is active already"));
    }
    if !faults.is_empty() {
        let message = format!("The provider cannot be activated: {}.", faults.join("; "));
        return Err(failed(organization, provider, message)?.keeping_changes());
    }
    forget_failure(organization, provider)?;
    let timer = Timer::ActivateProvider {
        place: Place::of(organization),
        provider: id.to_owned(),
    };
    let due = organization.draft.now() + LASTS;
    timers::set(organization.draft, due, &timer);
    Ok(())
}

/// Empties the activation error: another attempt has begun.
fn forget_failure(organization: &mut Organization, mut provider: Row) -> Result<(), Refusal> {
    if provider.remove("msdyn_activationerror").is_some() {
        let table = organization.table(PROVIDER)?;
        organization.save(&table, provider);
    }
    Ok(())
}

/// Writes the activation error of a provider, and gives the refusal that says the same.
fn failed(
    organization: &mut Organization,
    mut provider: Row,
    message: String,
) -> Result<Refusal, Refusal> {
    provider.insert("msdyn_activationerror".to_owned(), json!(message));
    let table = organization.table(PROVIDER)?;
    organization.save(&table, provider);
    Ok(Refusal::rule(message))
}

/// Ends an activation: the provider is active, with an action for each logic definition of that
/// type and a flow that is on for every one; or it has an activation error.
pub(super) fn end_activation(organization: &mut Organization, id: &str) {
    if let Some(provider) = organization.row(PROVIDER, id)
        && let Err(refusal) = deploy(organization, &provider, id)
    {
        let message = format!("The provider cannot be activated: {}", refusal.message);
        // Nobody waits for an answer; what is wrong stands in the row.
        let _refusal = failed(organization, provider, message);
    }
}

fn deploy(organization: &mut Organization, provider: &Row, id: &str) -> Result<(), Refusal> {
    let definition = lookup(provider, "msdyn_providerdefinitionid").unwrap_or_default();
    let failure = quirks::failing_activation(definition);
    if let Some(failure) = quirks::strikes(organization.draft, &failure) {
        return Err(Refusal::rule(
            failure["message"].as_str().unwrap_or_default(),
        ));
    }
    let names = quirks::text(organization.draft, &quirks::flow_names(definition));
    let by_display_name = names.as_deref() == Some("display");
    let definitions = organization.led_to(LOGIC, "msdyn_providerdefinitionid", definition);
    let deployed: Vec<(String, Row)> = definitions
        .iter()
        .map(|logic| {
            let name = |column| text(logic, column).unwrap_or_default();
            let data = text(logic, "msdyn_clientdata").unwrap_or("{}");
            let name = if by_display_name {
                format!("{} ({id})", name("msdyn_name"))
            } else {
                format!("iom_{id}_{}", name("msdyn_logicalname"))
            };
            let row = flows::flow_row(&name, &data.replace(ZERO, id));
            (name, row)
        })
        .collect();
    for (_, flow) in &deployed {
        flows::check_activation(organization, flow)?;
    }
    for (name, flow) in &deployed {
        let flow_id = names::identifier(&["deployed-flow", &organization.id, name]);
        let data = text(flow, "clientdata").unwrap_or_default();
        flows::deploy(organization, &flow_id, name, data)?;
    }
    let actions = organization.table(ACTION)?;
    for logic in &definitions {
        let logic_id = text(logic, "msdyn_iomproviderdefinitionlogicdefinitionid");
        let logic_id = logic_id.unwrap_or_default();
        let action = names::identifier(&[ACTION, id, logic_id]);
        let is_action = number(logic, "msdyn_logictype") == Some(PROVIDER_ACTION);
        if is_action && organization.row(ACTION, &action).is_none() {
            let other = quirks::text(organization.draft, &quirks::action_name(logic_id));
            let own = logic.get("msdyn_name").cloned();
            let row = row_of(json!({
                "msdyn_name": other.map(Value::from).or(own),
                "msdyn_providerid": lookup_value(PROVIDER, id),
                "msdyn_logicdefinitionid": lookup_value(LOGIC, logic_id),
            }));
            organization.insert(&actions, &action, row);
        }
    }
    let mut provider = provider.clone();
    provider.remove("msdyn_activationerror");
    provider.insert("statecode".to_owned(), json!(0));
    provider.insert("statuscode".to_owned(), json!(1));
    let table = organization.table(PROVIDER)?;
    organization.save(&table, provider);
    Ok(())
}

/// The rules of a provider that is deleted: it is not active, and its flows go with it.
pub(super) fn before_delete(
    organization: &mut Organization,
    id: &str,
    provider: &Row,
) -> Result<(), Refusal> {
    if is_active(provider) {
        let name = text(provider, "msdyn_name").unwrap_or_default();
        let message = format!("The provider {name} is active. Deactivate it before you delete it.");
        return Err(Refusal::rule(message));
    }
    let table = organization.table("workflow")?;
    for flow in flows::deployed_of(organization, id) {
        deletion::delete(organization, &table, &flow)?;
    }
    Ok(())
}
