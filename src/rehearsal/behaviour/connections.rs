//! Connections of an environment, the references that use them, and the jobs that follow.

use std::time::Duration;

use serde_json::{Value, json};
use url::Url;

use super::environments;
use super::organization::{Organization, Row, lookup, number, set_state, text};
use super::outside::jobs;
use super::timers::{self, Place, Timer};
use super::update::Update;
use crate::rehearsal::odata::error::ODataError;
use crate::rehearsal::schema::Schema;
use crate::rehearsal::world::names;
use crate::rehearsal::world::store::Draft;

/// The duration of the job that updates the flows with a new connection.
const JOB_DURATION: Duration = Duration::from_secs(30);

/// The job's type: Update Modern Flow.
const UPDATE_MODERN_FLOW: i64 = 101;

/// The last segment of a connector's id: `shared_bigcommerce`.
pub(super) fn connector_name(connector: &str) -> &str {
    connector.rsplit('/').next().unwrap_or(connector)
}

/// Why the caller cannot use a connection, if so: it is in another environment, not connected, of
/// another connector, or not shared with the caller.
pub(super) fn connection_problem(
    organization: &Organization,
    connection: &str,
    connector: &str,
) -> Option<&'static str> {
    let key = names::connection(&organization.environment, connection);
    let Some(object) = organization.draft.get(&key) else {
        return Some("this is not a valid connection");
    };
    let member = |name: &str| object.get(name).and_then(Value::as_str).unwrap_or_default();
    if !member("connector").eq_ignore_ascii_case(connector_name(connector)) {
        return Some("it is a connection of another connector");
    }
    if member("status") != "Connected" {
        return Some("this is not a valid connection");
    }
    let caller = organization.caller.object.as_deref().map(Value::from);
    let users = object.get("users").and_then(Value::as_array);
    let is_shared = users.is_some_and(|users| caller.is_some_and(|caller| users.contains(&caller)));
    (!is_shared).then_some("it is not a connection you have access permission for")
}

/// The Flow service's error for a connection that the caller cannot use (coe-starter-kit issues
/// 2911, 3535).
pub(super) fn unauthorized(
    organization: &Organization,
    connection: &str,
    connector: &str,
) -> ODataError {
    let caller = organization.caller.object.as_deref().unwrap_or_default();
    let connector = connector_name(connector);
    ODataError::flow_service(
        "Forbidden",
        "ConnectionAuthorizationFailed",
        &format!(
            "The caller object id is '{caller}'. Connection '/providers/Microsoft.PowerApps/apis/{connector}/connections/{connection}' to '{connector}' cannot be used to activate this flow, either because this is not a valid connection or because it is not a connection you have access permission for. Either replace the connection with a valid connection you can access or have the connection owner activate the flow, so the connection is shared with you in the context of this flow."
        ),
    )
}

/// Refuses a connection reference to a connection that the caller cannot use.
pub(super) fn check_connection(organization: &Organization, row: &Row) -> Result<(), ODataError> {
    let connection = text(row, "connectionid").unwrap_or_default();
    let connector = text(row, "connectorid").unwrap_or_default();
    if connection.is_empty() || connection_problem(organization, connection, connector).is_none() {
        return Ok(());
    }
    Err(unauthorized(organization, connection, connector))
}

/// The rules for updates of a connection reference.
pub(super) fn before_update(
    organization: &Organization,
    update: &Update<'_>,
) -> Result<(), ODataError> {
    if update.sets("connectionid") && update.changes_value("connectionid") {
        check_connection(organization, update.after)?;
    }
    Ok(())
}

/// After each save of a connection reference, a job updates the flows.
pub(super) fn after_update(organization: &mut Organization, id: &str) -> Result<(), ODataError> {
    let origin = ("regardingobjectid", "connectionreference", id);
    let job = jobs::queue(
        organization,
        UPDATE_MODERN_FLOW,
        "Update Modern Flow",
        origin,
    )?;
    set_timer(organization, job);
    Ok(())
}

fn set_timer(organization: &mut Organization, job: String) {
    let timer = Timer::EndJob {
        place: Place::of_request(organization),
        job,
    };
    timers::set(organization.draft, JOB_DURATION, &timer);
}

/// Ends a job if background operations run; otherwise it waits for them.
pub(super) fn end_job(organization: &mut Organization, job: &str) {
    if !environments::runs_background_operations(organization.draft, &organization.environment) {
        return;
    }
    let row = organization.row("asyncoperation", job);
    let Some(row) = row.filter(|row| number(row, "statecode") != Some(3)) else {
        return;
    };
    jobs::run(organization, &row);
    let now = json!(organization.draft.now().to_iso_seconds());
    organization.change_row("asyncoperation", job, |row| {
        set_state(row, 3, 30);
        row.insert("startedon".to_owned(), now.clone());
        row.insert("completedon".to_owned(), now.clone());
    });
}

/// Resumes the jobs that waited for background operations.
pub(super) fn resume_jobs(draft: &mut Draft<'_>, schema: &Schema, environment: &str) {
    let Some(mut organization) = Organization::in_environment(draft, schema, environment) else {
        return;
    };
    for job in organization.rows("asyncoperation") {
        let id = text(&job, "asyncoperationid")
            .unwrap_or_default()
            .to_owned();
        let waits =
            number(&job, "statecode") != Some(3) && !jobs::is_postponed(&organization, &job);
        let own = organization.id.clone();
        let timed = |timer: &Timer| matches!(timer, Timer::EndJob { place, job } if place.organization == own && *job == id);
        if waits && !timers::is_set(organization.draft, timed) {
            set_timer(&mut organization, id);
        }
    }
}

/// The client data of a flow that a provider deploys, with the connectors of the provider's own
/// connections: a definition names a custom connector by the identifier of the environment where it
/// was made, and each environment has another one. That the product does so is inferred; Microsoft
/// has not published it.
pub(super) fn with_own_connectors(
    organization: &Organization,
    provider: &str,
    client_data: &str,
) -> String {
    let references = organization.rows_referencing(
        "msdyn_iomproviderconnectionreference",
        "msdyn_providerid",
        provider,
    );
    let mut data = client_data.to_owned();
    for reference in references {
        let declared = lookup(&reference, "msdyn_connectionreferencedefinitionid")
            .and_then(|id| organization.row("msdyn_iomproviderdefinitionconnectionref", id));
        let declared = declared
            .as_ref()
            .and_then(|row| text(row, "msdyn_connectorid"));
        let own = text(&reference, "msdyn_connectionurl").and_then(address_parts);
        if let (Some(declared), Some((_, own, _))) = (declared, own) {
            data = data.replace(connector_name(declared), &own);
        }
    }
    data
}

/// Why a connection's address, as users paste it into a form of Intelligent Order Management,
/// cannot be used; nothing if it can.
pub(super) fn address_problem(organization: &Organization, address: &str) -> Option<String> {
    if Url::parse(address).is_err() {
        return Some("the Connection URL is missing or is not an address".to_owned());
    }
    let parts = address_parts(address);
    let environment = parts.as_ref().map(|(environment, _, _)| environment);
    if environment != Some(&organization.environment) {
        return Some("the Connection URL leads to another environment".to_owned());
    }
    let Some((_, connector, name)) = parts.filter(|(_, _, name)| !name.is_empty()) else {
        return Some("the Connection URL names no connection".to_owned());
    };
    connection_problem(organization, &name, &connector)
        .map(|why| format!("connection {name} of {connector} cannot be used: {why}"))
}

/// The environment, the connector and the connection that an address names. A part that it does not
/// name is empty.
fn address_parts(address: &str) -> Option<(String, String, String)> {
    let url = Url::parse(address).ok()?;
    let segments: Vec<&str> = url
        .path_segments()
        .map(Iterator::collect)
        .unwrap_or_default();
    let after = |name: &str, distance: usize| {
        let at = segments.iter().position(|segment| *segment == name)?;
        segments
            .get(at + distance)
            .map(|segment| (*segment).to_owned())
    };
    let option = |name: &str| {
        let mut pairs = url.query_pairs();
        let pair = pairs.find(|(key, _)| key.eq_ignore_ascii_case(name));
        pair.map(|(_, value)| value.into_owned())
    };
    let connector = option("apiName").or_else(|| after("connections", 1));
    let name = option("connectionName").or_else(|| after("connections", 2));
    Some((
        after("environments", 1).unwrap_or_default(),
        connector.unwrap_or_default(),
        name.unwrap_or_default(),
    ))
}
