//! The copy of an environment over another, and its effects on the target.
//!
//! The effects are those that Microsoft Learn describes: copy an environment (2025-06-24), copy
//! environments that use Intelligent Order Management (2026-01-07).

use std::time::Duration;

use serde_json::{Value, json};

use super::dual_write;
use super::environments;
use super::operations::{self, Operation};
use super::organization::{Caller, Organization, number, set_state, text};
use super::outside;
use super::timers::{self, Timer};
use crate::rehearsal::schema::Schema;
use crate::rehearsal::world::names;
use crate::rehearsal::world::store::Draft;

const DURATION: Duration = Duration::from_mins(90);

/// How long after a copy the organization does not know its users yet.
const USER_PROVISIONING: Duration = Duration::from_mins(3);

/// Members of an environment.
const MANAGEMENT_STATE: &str = "/properties/states/management/id";
const METADATA: &str = "/properties/linkedEnvironmentMetadata";

#[derive(Clone, Debug, Default)]
pub(crate) struct CopyRequest {
    /// The environment that is copied.
    pub(crate) source: String,
    /// The environment that is overwritten.
    pub(crate) target: String,
    /// The target's new name.
    pub(crate) name: Option<String>,
    /// The target's new security group; the zero GUID and `None` mean no group.
    pub(crate) security_group: Option<String>,
    /// The request as it was sent.
    pub(crate) sent: Value,
}

/// Why a copy is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CopyError {
    /// The HTTP status.
    pub(crate) status: u16,
    pub(crate) code: &'static str,
    /// The invalid field of the request.
    pub(crate) field: &'static str,
    pub(crate) message: String,
}

const INVALID: &str = "InvalidLifecycleOperationRequest";

/// Refuses an invalid copy.
pub(crate) fn check(draft: &Draft<'_>, request: &CopyRequest) -> Result<(), CopyError> {
    let error = |status, code, field, message: String| {
        Err(CopyError {
            status,
            code,
            field,
            message,
        })
    };
    for (field, id) in [
        ("sourceEnvironmentId", &request.source),
        ("environmentId", &request.target),
    ] {
        if environments::environment(draft, id).is_none() {
            let message = format!("The environment '{id}' could not be found.");
            return error(404, "EnvironmentNotFound", field, message);
        }
    }
    if request.source.eq_ignore_ascii_case(&request.target) {
        let message = "An environment cannot be copied onto itself.".to_owned();
        return error(400, INVALID, "sourceEnvironmentId", message);
    }
    let property = |id: &str, pointer| environments::property(draft, id, pointer);
    let sku = property(&request.target, "/properties/environmentSku").unwrap_or_default();
    if !["Sandbox", "Developer", "Trial"].contains(&sku) {
        let message = format!("Copy cannot be performed on environment of type {sku}.");
        return error(400, INVALID, "environmentId", message);
    }
    for pointer in [
        "/properties/azureRegion",
        "/properties/governanceConfiguration/protectionLevel",
        "/properties/protectionStatus/keyManagedBy",
    ] {
        if property(&request.source, pointer) != property(&request.target, pointer) {
            let what = pointer.rsplit('/').next().unwrap_or_default();
            let message = format!("Source and target differ in {what}.");
            return error(400, INVALID, "environmentId", message);
        }
    }
    for id in [&request.target, &request.source] {
        if operations::ongoing(draft, id).is_some() {
            let message = not_startable(id);
            return error(409, "OperationNotStartable", "environmentId", message);
        }
    }
    Ok(())
}

/// The admin API's text for an environment with a running operation. The doubled letter is in the
/// original.
pub(crate) fn not_startable(environment: &str) -> String {
    format!(
        "TThis operation cannot be performed because there is an active lifecycle operation on the environment {environment}."
    )
}

/// Starts a copy: from now on the target is in administration mode, without background operations.
pub(crate) fn begin(draft: &mut Draft<'_>, request: &CopyRequest, requested_by: &str) -> Operation {
    let target = request.target.to_lowercase();
    let settings = json!({
        "source": request.source.to_lowercase(),
        "name": request.name,
        "securityGroup": request.security_group,
        "sent": request.sent,
    });
    let operation = Operation::begin(draft, &target, "Copy", DURATION, requested_by, settings);
    enter_administration_mode(draft, &target);
    environments::set(draft, &target, MANAGEMENT_STATE, json!("Running"));
    let timer = Timer::EndCopy {
        operation: operation.id.clone(),
    };
    timers::set(draft, DURATION, &timer);
    operation
}

fn enter_administration_mode(draft: &mut Draft<'_>, environment: &str) {
    for (pointer, value) in [
        ("/properties/states/runtime/id", "AdminMode"),
        (
            "/properties/linkedEnvironmentMetadata/backgroundOperationsState",
            "Disabled",
        ),
    ] {
        environments::set(draft, environment, pointer, json!(value));
    }
}

/// Ends a copy: the target has the source's rows, as a copy leaves them.
pub(super) fn end(draft: &mut Draft<'_>, schema: &Schema, operation: Operation) {
    let target = operation.environment.clone();
    if operation.failure_mode.is_some() {
        environments::set(draft, &target, MANAGEMENT_STATE, json!("Ready"));
        operation.fail(draft);
        return;
    }
    let source = operation.request["source"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let organizations = (
        environments::organization(draft, &source),
        environments::organization(draft, &target),
    );
    if let (Some(from), Some(old)) = organizations {
        let new = names::identifier(&["organization", &operation.id]);
        let unique_name = format!("unq{}", &names::digest(&new)[..29]);
        let connectors = connector_ids(draft, schema, &target);
        environments::replace(
            draft,
            &format!("row/{old}/"),
            &format!("row/{from}/"),
            &format!("row/{new}/"),
        );
        draft.delete(&names::organization(&old));
        let provisioned = draft.now() + USER_PROVISIONING;
        let facts = json!({"callersFrom": provisioned.milliseconds()});
        draft.put(names::organization(&new), facts);
        let mut organization = Organization {
            draft,
            schema,
            id: new.clone(),
            environment: target.clone(),
            caller: Caller::default(),
        };
        apply_copy_effects(&mut organization, &from, &unique_name);
        restore_connector_ids(&mut organization, &connectors);
        for (member, value) in [("resourceId", new), ("uniqueName", unique_name)] {
            let pointer = format!("{METADATA}/{member}");
            environments::set(draft, &target, &pointer, json!(value));
        }
    }
    // Lifecycle Services refreshes a linked database itself (Microsoft Learn, *Copy an LCS
    // environment to a unified environment*).
    if environments::property(draft, &target, "/properties/linkedAppMetadata/type")
        != Some("Linked")
        && !leaves_finance_untouched(draft, &source, &target)
    {
        let finance = |id: &str| format!("finance-operations/{id}/");
        environments::replace(
            draft,
            &finance(&target),
            &finance(&source),
            &finance(&target),
        );
        outside::finance::after_copy(draft, &target);
        dual_write::reset::after_replacement(draft, schema, &target);
    }
    update_environment(draft, &target, &operation);
    operation.succeed(draft);
}

/// Whether a copy says that it succeeded and leaves Finance and Operations as they were: one of a
/// unified developer environment over a unified sandbox. The objects `finops/<environment>` say how
/// Finance and Operations are deployed.
fn leaves_finance_untouched(draft: &Draft<'_>, source: &str, target: &str) -> bool {
    let is = |environment: &str, deployment: &str| {
        let properties = draft.get(&format!("finops/{environment}"));
        properties.is_some_and(|properties| properties["deploymentType"] == deployment)
    };
    is(source, "UnifiedDeveloper") && is(target, "UnifiedSandbox")
}

/// Changes what a copy changes: the organization's own row, flows, the root team's name.
fn apply_copy_effects(organization: &mut Organization, source: &str, unique_name: &str) {
    let id = organization.id.clone();
    // Cloud flows arrive off.
    organization.change_rows("workflow", |flow| {
        let is_flow = number(flow, "category") == Some(5);
        set_state(flow, 0, 1);
        is_flow
    });
    organization.change_rows("organization", |row| {
        row.insert("organizationid".to_owned(), json!(id));
        row.insert("name".to_owned(), json!(unique_name));
        true
    });
    organization.remove_row("organization", source);
    // Synapse Link profiles are not copied (Microsoft Learn, *Azure Synapse Link*).
    let profiles = names::table(&organization.id, "synapselinkprofile");
    organization.draft.delete_under(&profiles);
    // This breaks dual-write.
    organization.rename_default_team(unique_name);
}

/// The ids of an environment's custom connectors, by the names of their rows.
fn connector_ids(
    draft: &mut Draft<'_>,
    schema: &Schema,
    environment: &str,
) -> Vec<(String, String)> {
    let organization = Organization::in_environment(draft, schema, environment);
    let rows = organization.map(|organization| organization.rows("connector"));
    let rows = rows.unwrap_or_default();
    rows.iter()
        .filter_map(|row| {
            let text = |column| text(row, column).map(str::to_owned);
            Some((text("name")?, text("connectorinternalid")?))
        })
        .collect()
}

/// A custom connector has another id in each environment (Microsoft Learn, *Copy an environment*):
/// the target's connectors keep the target's ids.
fn restore_connector_ids(organization: &mut Organization, connectors: &[(String, String)]) {
    organization.change_rows("connector", |row| {
        let named = |(name, _): &&(String, String)| text(row, "name") == Some(name);
        let own = connectors.iter().find(named);
        if let Some((_, id)) = own {
            row.insert("connectorinternalid".to_owned(), json!(id));
        }
        own.is_some()
    });
}

fn update_environment(draft: &mut Draft<'_>, target: &str, operation: &Operation) {
    let name = operation.request["name"].as_str().map_or_else(
        || {
            let source = operation.request["source"].as_str().unwrap_or_default();
            let name = environments::property(draft, source, "/properties/displayName");
            name.unwrap_or_default().to_owned()
        },
        str::to_owned,
    );
    let group = operation.request["securityGroup"]
        .as_str()
        .filter(|group| !group.is_empty() && group.chars().any(|letter| !"0-".contains(letter)));
    let group = group.map_or(Value::Null, Value::from);
    environments::set(draft, target, &format!("{METADATA}/securityGroupId"), group);
    let friendly_name = format!("{METADATA}/friendlyName");
    environments::set(draft, target, &friendly_name, json!(name));
    environments::set(draft, target, "/properties/displayName", json!(name));
    environments::set(draft, target, MANAGEMENT_STATE, json!("Ready"));
    enter_administration_mode(draft, target);
}
