//! The Dataverse Web API of an environment, generic over the schema's tables.
//!
//! - `rows`: JSON of a row, with annotations and expansions.
//! - `read`: sets with filter, order and pages; single rows; related rows.
//! - `body`: the columns in the body of a write.
//! - `write`: create, update, upsert, delete, associate, with conditions.
//! - `calls`: functions and actions. `bulk`: the actions that write many rows.
//! - `batch`: several requests in one; the tenant handles each part like a separate request.
//! - `aliases`: translates between aliases and the usual names.
//! - `metadata`, `definitions`: the metadata of tables and columns.
//!
//! The behaviour is that of the Dataverse Web API, version 9.2, in Microsoft Learn.

pub(crate) mod aliases;
pub(crate) mod batch;
mod body;
mod bulk;
mod calls;
mod definitions;
mod metadata;
mod read;
mod rows;
mod write;

use serde_json::{Value, json};

use super::authentication::{self, Token};
use super::message::{Request, Response};
use super::{Listener, RequestContext, Side};
use crate::rehearsal::behaviour::conditions;
use crate::rehearsal::behaviour::directory::PrincipalKind;
use crate::rehearsal::behaviour::organization::{Organization, Row, text};
use crate::rehearsal::behaviour::users;
use crate::rehearsal::odata::error::ODataError;
use crate::rehearsal::odata::path::{self, Arguments, Segment};
use crate::rehearsal::odata::preferences::Preferences;
use crate::rehearsal::schema::table::Table;

/// What the names of bound operations begin with.
const NAMESPACE: &str = "Microsoft.Dynamics.CRM.";

/// How many requests at once the service recommends: here, as many as it takes.
const PARALLEL_REQUESTS: &str = "52";

/// An authorized request to an organization.
#[derive(Debug)]
struct WebApiRequest<'context, 'world> {
    organization: Organization<'context, 'world>,
    request: &'context Request,
    preferences: Preferences,
    /// The root of the Web API, with a slash at its end.
    root: String,
}

/// Handles a request.
pub(super) fn handle(
    context: &mut RequestContext<'_, '_>,
    side: Side,
) -> Result<Response, Response> {
    let token = authentication::authenticate(context)?;
    let prefer = context.request.header("Prefer").unwrap_or_default();
    let preferences = Preferences::parse(prefer);
    let annotated = preferences.wants("Microsoft.PowerApps.CDS.ErrorDetails.Error");
    let applied = preferences.applied();
    let response =
        handle_authenticated(context, side, &token, preferences).unwrap_or_else(|error| {
            let mut response = odata(error.status, &error.body(annotated));
            response.keeps_changes = error.keeps_changes;
            response
        });
    let response = response
        .with("OData-Version", "4.0")
        .with_unique("REQ_ID")
        .with_unique("x-ms-service-request-id")
        .with("x-ms-dop-hint", PARALLEL_REQUESTS);
    Ok(match applied {
        Some(applied) => response.with("Preference-Applied", applied),
        None => response,
    })
}

/// A response in OData's JSON.
fn odata(status: u16, body: &Value) -> Response {
    Response::json(status, body).with("Content-Type", "application/json; odata.metadata=minimal")
}

fn handle_authenticated(
    context: &mut RequestContext<'_, '_>,
    side: Side,
    token: &Token,
    preferences: Preferences,
) -> Result<Response, ODataError> {
    let request = context.request;
    let (version, rest) = split_web_api_path(&request.path).ok_or_else(|| {
        let text = "The rehearsal tenant's Dataverse answers below /api/data/v9.2/ only.";
        ODataError::new(404, "0x80060888", text)
    })?;
    let origin = context.origins.origin_of(Listener::Dataverse(side));
    let organization =
        Organization::in_environment(&mut context.draft, context.schema, side.environment());
    let mut organization = organization
        .ok_or_else(|| ODataError::new(404, "0x80048306", "The organization does not exist."))?;
    conditions::check_firewall(&organization)?;
    let acts_for = request.header("CallerObjectId");
    if let Some(object) = acts_for {
        context.caller = Some(object.to_owned());
    }
    let user = match token.kind {
        PrincipalKind::Application => ("applicationid", token.client.as_str()),
        PrincipalKind::Person => ("azureactivedirectoryobjectid", token.object.as_str()),
    };
    users::set_caller(&mut organization, user, acts_for)?;
    let segments = path::segments(rest)?;
    WebApiRequest {
        organization,
        request,
        preferences,
        root: format!("{origin}/api/data/{version}/"),
    }
    .route(&segments)
}

/// The version and the rest of a path of the Web API.
fn split_web_api_path(path: &str) -> Option<(&str, &str)> {
    let rest = path.strip_prefix("/api/data/")?;
    let (version, rest) = rest.split_once('/').unwrap_or((rest, ""));
    ["v9.0", "v9.1", "v9.2"]
        .contains(&version)
        .then_some((version, rest))
}

impl<'context> WebApiRequest<'context, '_> {
    fn route(&mut self, segments: &[Segment]) -> Result<Response, ODataError> {
        let Some((first, rest)) = segments.split_first() else {
            return self.service_document();
        };
        match first.name.as_str() {
            "$metadata" => return Err(ODataError::not_implemented("the CSDL document")),
            "EntityDefinitions" => return self.metadata(first, rest),
            _ => {}
        }
        let schema = self.organization.schema;
        match schema.set(&first.name) {
            Some(table) => self.entity_set(table, first, rest),
            None => self.unbound_operation(first),
        }
    }

    fn service_document(&self) -> Result<Response, ODataError> {
        self.expect_method("GET")?;
        let sets: Vec<Value> = self
            .organization
            .schema
            .tables()
            .iter()
            .map(|table| json!({"name": table.set, "kind": "EntitySet", "url": table.set}))
            .collect();
        let context = format!("{}$metadata", self.root);
        Ok(odata(
            200,
            &json!({"@odata.context": context, "value": sets}),
        ))
    }

    fn entity_set(
        &mut self,
        table: &'context Table,
        first: &Segment,
        rest: &[Segment],
    ) -> Result<Response, ODataError> {
        let names: Vec<&str> = rest.iter().map(|segment| segment.name.as_str()).collect();
        let method = self.request.method.as_str();
        if first.is_bare() {
            return match (method, names.as_slice()) {
                ("GET", []) => self.list(table),
                ("GET", ["$count"]) => self.count(table),
                ("POST", []) => self.create(table),
                ("POST", [name]) if name.starts_with(NAMESPACE) => self.write_many(table, &rest[0]),
                _ => Err(method_not_allowed(method)),
            };
        }
        if let (Some(id), []) = (first.id(), names.as_slice()) {
            return match method {
                "GET" => self.get(table, &id),
                "PATCH" => self.update(table, &id),
                "DELETE" => self.delete(table, &id),
                _ => Err(method_not_allowed(method)),
            };
        }
        if method == "PATCH" && names.is_empty() {
            return self.upsert_with_key(table, first);
        }
        let id = self.row_id(table, first)?;
        match (method, names.as_slice()) {
            ("GET", []) => self.get(table, &id),
            ("DELETE", []) => self.delete(table, &id),
            ("POST" | "GET", [name]) if name.starts_with(NAMESPACE) => {
                self.bound_operation(table, &id, &rest[0])
            }
            ("PUT" | "DELETE", [property]) if table.property(property).is_some() => {
                self.set_property(table, &id, property)
            }
            ("GET", [navigation]) => self.related_rows(table, &id, navigation),
            ("POST" | "PUT", [navigation, "$ref"]) => self.associate(table, &id, navigation),
            ("DELETE", [navigation, "$ref"]) => {
                self.disassociate(table, &id, navigation, rest[0].id())
            }
            _ => Err(ODataError::unknown_segment(
                names.first().copied().unwrap_or_default(),
            )),
        }
    }

    /// The id of the row that a segment names, by its id or an alternate key.
    fn row_id(&self, table: &Table, segment: &Segment) -> Result<String, ODataError> {
        if let Some(id) = segment.id() {
            return Ok(id);
        }
        let Some(Arguments::Named(arguments)) = &segment.arguments else {
            let text = format!("'{}' is not a key of {}.", segment.name, table.logical_name);
            return Err(ODataError::bad_request(text));
        };
        let names: Vec<&str> = arguments.iter().map(|(name, _)| name.as_str()).collect();
        let is_primary = names == [table.primary_id.as_str()];
        if !is_primary && !table.keys.iter().any(|(_, columns)| *columns == names) {
            let text = format!(
                "The key properties of '{}' do not fit those of a key of the entity.",
                table.logical_name
            );
            return Err(ODataError::bad_request(text));
        }
        let matches = |row: &Row| {
            names.iter().all(|name| {
                let value = segment.argument(name).unwrap_or_default();
                text(row, name).is_some_and(|found| found.eq_ignore_ascii_case(&value))
            })
        };
        let rows = self.organization.borrowed_rows(&table.logical_name);
        rows.into_iter()
            .find(|row| matches(row))
            .and_then(|row| text(row, &table.primary_id))
            .map(str::to_owned)
            .ok_or_else(|| {
                let text = format!(
                    "A record with the specified key values does not exist in {} entity",
                    table.logical_name
                );
                ODataError::new(404, "0x80060891", text)
            })
    }

    fn expect_method(&self, method: &str) -> Result<(), ODataError> {
        if self.request.method == method {
            return Ok(());
        }
        Err(method_not_allowed(&self.request.method))
    }
}

fn method_not_allowed(method: &str) -> ODataError {
    let text = format!("The requested resource does not support http method '{method}'.");
    ODataError::new(405, "0x80060888", text)
}
