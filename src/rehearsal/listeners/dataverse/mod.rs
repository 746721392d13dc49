//! The Dataverse Web API of an environment, generic over the schema's tables.
//!
//! - `rows`: a row becomes JSON, with annotations and expansions.
//! - `read`: sets with filter, order and pages; single rows; their relatives.
//! - `body`: the body of a write becomes columns.
//! - `write`: create, update, upsert, delete, associate, with conditions.
//! - `calls`: functions and actions.
//! - `skin`: the same with other names.
//! - `metadata`, `definitions`: tables and columns as metadata shows them.
//!
//! Behaviour as Microsoft Learn (Dataverse Web API, version 9.2) describes it.

mod body;
mod calls;
mod definitions;
mod metadata;
mod read;
mod rows;
pub(crate) mod skin;
mod write;

use serde_json::{Value, json};

use super::authentication::{self, Token};
use super::message::{Answer, Request};
use super::{Listener, Side, Turn};
use crate::rehearsal::behaviour::directory::Kind;
use crate::rehearsal::behaviour::organization::{Caller, Organization, Row, text};
use crate::rehearsal::behaviour::{environments, users};
use crate::rehearsal::odata::error::Refusal;
use crate::rehearsal::odata::path::{self, Arguments, Segment};
use crate::rehearsal::odata::preferences::Preferences;
use crate::rehearsal::schema::table::Table;

/// A request to an organization by somebody it has let in.
#[derive(Debug)]
struct Visit<'turn, 'world> {
    organization: Organization<'turn, 'world>,
    request: &'turn Request,
    preferences: Preferences,
    /// The root of the Web API, with a slash at its end.
    root: String,
}

/// Answers a request.
pub(super) fn answer(turn: &mut Turn<'_, '_>, side: Side) -> Result<Answer, Answer> {
    let token = authentication::token(turn)?;
    let prefer = turn.request.header("Prefer").unwrap_or_default();
    let preferences = Preferences::read(prefer);
    let annotated = preferences.wants("Microsoft.PowerApps.CDS.ErrorDetails.Error");
    let applied = preferences.applied();
    let answer = visit(turn, side, &token, preferences).unwrap_or_else(|refusal| {
        let mut answer = odata(refusal.status, &refusal.body(annotated));
        answer.keeps_changes = refusal.keeps_changes;
        answer
    });
    let answer = answer
        .with("OData-Version", "4.0")
        .with_unique("REQ_ID")
        .with_unique("x-ms-service-request-id");
    Ok(match applied {
        Some(applied) => answer.with("Preference-Applied", applied),
        None => answer,
    })
}

/// An answer in OData's JSON.
fn odata(status: u16, body: &Value) -> Answer {
    Answer::json(status, body).with("Content-Type", "application/json; odata.metadata=minimal")
}

fn visit(
    turn: &mut Turn<'_, '_>,
    side: Side,
    token: &Token,
    preferences: Preferences,
) -> Result<Answer, Refusal> {
    let request = turn.request;
    let (version, rest) = web_api(&request.path).ok_or_else(|| {
        let text = "The rehearsal tenant's Dataverse answers below /api/data/v9.2/ only.";
        Refusal::new(404, "0x80060888", text)
    })?;
    let environment = side.environment().to_owned();
    let id = environments::organization(&turn.draft, &environment)
        .ok_or_else(|| Refusal::new(404, "0x80048306", "There is no organization."))?;
    let origin = turn.origins.of(Listener::Dataverse(side));
    let mut organization = Organization {
        draft: &mut turn.draft,
        schema: turn.schema,
        id,
        environment,
        caller: Caller::default(),
    };
    let acts_for = request.header("CallerObjectId");
    if let Some(acts_for) = acts_for {
        turn.caller = Some(acts_for.to_owned());
    }
    let own = match token.kind {
        Kind::Application => ("applicationid", token.client.as_str()),
        Kind::Person => ("azureactivedirectoryobjectid", token.object.as_str()),
    };
    users::enter(&mut organization, own, acts_for)?;
    let segments = path::segments(rest)?;
    Visit {
        organization,
        request,
        preferences,
        root: format!("{origin}/api/data/{version}/"),
    }
    .route(&segments)
}

/// The version and the rest of a path below the Web API's root.
fn web_api(path: &str) -> Option<(&str, &str)> {
    let rest = path.strip_prefix("/api/data/")?;
    let (version, rest) = rest.split_once('/').unwrap_or((rest, ""));
    ["v9.0", "v9.1", "v9.2"]
        .contains(&version)
        .then_some((version, rest))
}

impl<'turn> Visit<'turn, '_> {
    fn route(&mut self, segments: &[Segment]) -> Result<Answer, Refusal> {
        let Some((first, rest)) = segments.split_first() else {
            return self.service_document();
        };
        match first.name.as_str() {
            "$metadata" => return Err(Refusal::not_rehearsed("the CSDL document")),
            "$batch" => return Err(Refusal::not_rehearsed("batch requests")),
            "EntityDefinitions" => return self.metadata(first, rest),
            _ => {}
        }
        let schema = self.organization.schema;
        match schema.set(&first.name) {
            Some(table) => self.set(table, first, rest),
            None => self.unbound(first),
        }
    }

    fn service_document(&self) -> Result<Answer, Refusal> {
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

    fn set(
        &mut self,
        table: &'turn Table,
        first: &Segment,
        rest: &[Segment],
    ) -> Result<Answer, Refusal> {
        let names: Vec<&str> = rest.iter().map(|segment| segment.name.as_str()).collect();
        let method = self.request.method.as_str();
        if first.is_bare() {
            return match (method, names.as_slice()) {
                ("GET", []) => self.list(table),
                ("GET", ["$count"]) => self.count(table),
                ("POST", []) => self.create(table),
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
        let id = self.key(table, first)?;
        match (method, names.as_slice()) {
            ("GET", []) => self.get(table, &id),
            ("PATCH", []) => self.update(table, &id),
            ("DELETE", []) => self.delete(table, &id),
            ("POST" | "GET", [name]) if name.starts_with("Microsoft.Dynamics.CRM.") => {
                self.bound(table, &id, &rest[0])
            }
            ("GET", [navigation]) => self.relatives(table, &id, navigation),
            ("POST" | "PUT", [navigation, "$ref"]) => self.associate(table, &id, navigation),
            ("DELETE", [navigation, "$ref"]) => {
                self.disassociate(table, &id, navigation, rest[0].id())
            }
            _ => Err(Refusal::no_segment(
                names.first().copied().unwrap_or_default(),
            )),
        }
    }

    /// The id of the row that a segment names, by its id or an alternate key.
    fn key(&self, table: &Table, segment: &Segment) -> Result<String, Refusal> {
        if let Some(id) = segment.id() {
            return Ok(id);
        }
        let Some(Arguments::Named(arguments)) = &segment.arguments else {
            let text = format!("'{}' is not a key of {}.", segment.name, table.logical_name);
            return Err(Refusal::bad_request(text));
        };
        let names: Vec<&str> = arguments.iter().map(|(name, _)| name.as_str()).collect();
        let is_primary = names == [table.primary_id.as_str()];
        if !is_primary && !table.keys.iter().any(|(_, columns)| *columns == names) {
            let text = format!(
                "The key properties of '{}' do not fit those of a key of the entity.",
                table.logical_name
            );
            return Err(Refusal::bad_request(text));
        }
        let fits = |row: &Row| {
            names.iter().all(|name| {
                let wanted = segment.argument(name).unwrap_or_default();
                text(row, name).is_some_and(|found| found.eq_ignore_ascii_case(&wanted))
            })
        };
        let rows = self.organization.rows(&table.logical_name);
        rows.iter()
            .find(|row| fits(row))
            .and_then(|row| text(row, &table.primary_id))
            .map(str::to_owned)
            .ok_or_else(|| {
                let text = format!(
                    "A record with the specified key values does not exist in {} entity",
                    table.logical_name
                );
                Refusal::new(404, "0x80060891", text)
            })
    }

    fn expect_method(&self, method: &str) -> Result<(), Refusal> {
        if self.request.method == method {
            return Ok(());
        }
        Err(method_not_allowed(&self.request.method))
    }
}

fn method_not_allowed(method: &str) -> Refusal {
    let text = format!("The requested resource does not support http method '{method}'.");
    Refusal::new(405, "0x80060888", text)
}
