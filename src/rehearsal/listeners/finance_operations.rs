//! The data services of Finance and Operations: `/data/` with its entity sets, rows and actions.
//!
//! Microsoft Learn, *Open Data Protocol (OData)*: a key has all key fields, a page has up to 10,000
//! rows, and without `cross-company=true` only rows of the caller's default company are returned.

use serde_json::{Value, json};

use super::authentication;
use super::message::Response;
use super::{RequestContext, Side};
use crate::rehearsal::behaviour::finance_operations::{
    FinanceOperations, FinanceOperationsError, Row, User,
};
use crate::rehearsal::odata::error::ODataError;
use crate::rehearsal::odata::evaluate;
use crate::rehearsal::odata::path::{self, Arguments, Segment, unquoted};
use crate::rehearsal::odata::query::QueryOptions;
use crate::rehearsal::schema::finance_operations::{self as schema, COMPANY, EntitySet};
use crate::rehearsal::world::names;

/// The number of rows per page.
const PAGE_SIZE: usize = 10_000;

/// The namespace of its actions.
const NAMESPACE: &str = "Microsoft.Dynamics.DataEntities.";

/// Handles a request.
pub(super) fn handle(
    context: &mut RequestContext<'_, '_>,
    side: Side,
) -> Result<Response, Response> {
    let response = handle_request(context, side);
    let add_headers = |response: Response| {
        response
            .with("OData-Version", "4.0")
            .with_unique("ms-dyn-aid")
    };
    response.map(add_headers).map_err(add_headers)
}

fn handle_request(context: &mut RequestContext<'_, '_>, side: Side) -> Result<Response, Response> {
    if let Some(status) = finance(context, side).unavailable_status() {
        return Err(unavailable(status));
    }
    let token = authentication::authenticate(context)?;
    let user = finance(context, side).find_user(&token.client, token.kind);
    let user = user.map_err(|error| error_response(&error))?;
    let segments = match context.request.segments_below("/data") {
        Some(_) => path::segments(&context.request.path["/data".len()..])
            .map_err(|error| odata_error_response(&error))?,
        None => return Err(not_found()),
    };
    match (context.request.method.as_str(), segments.as_slice()) {
        ("GET", []) => Ok(service_document(context)),
        ("GET", [set]) if set.is_bare() => list(context, side, entity_set(set)?, &user),
        ("GET", [row]) => {
            let (_, row) = find_row(context, side, row)?;
            Ok(Response::json(200, &Value::Object(row_json(row, &[]))))
        }
        ("POST", [set, action]) if set.is_bare() => run_action(context, side, set, action, &user),
        (_, _) if !user.administrator => {
            let message = format!("Access denied: '{}' may not write here.", user.id);
            Err(error_response(&FinanceOperationsError {
                status: 403,
                message,
            }))
        }
        ("POST", [set]) if set.is_bare() => {
            let set = entity_set(set)?;
            let body = body(context)?;
            let row = finance(context, side).create(set, body);
            let row = row.map_err(|error| error_response(&error))?;
            Ok(Response::json(201, &Value::Object(row_json(row, &[]))))
        }
        ("PATCH", [row]) => {
            let set = entity_set(row)?;
            let (name, found) = find_row(context, side, row)?;
            check_version(context, &found)?;
            let body = body(context)?;
            let updated = finance(context, side).update(set, &name, body);
            updated.map_err(|error| error_response(&error))?;
            Ok(Response::empty(204))
        }
        ("DELETE", [row]) => {
            let (name, found) = find_row(context, side, row)?;
            check_version(context, &found)?;
            finance(context, side).delete(&name);
            Ok(Response::empty(204))
        }
        _ => Err(not_found()),
    }
}

fn finance<'context, 'world>(
    context: &'context mut RequestContext<'_, 'world>,
    side: Side,
) -> FinanceOperations<'context, 'world> {
    FinanceOperations {
        draft: &mut context.draft,
        environment: side.environment(),
    }
}

/// The response of a gateway instead of an unavailable service.
fn unavailable(status: u16) -> Response {
    let title = if status == 404 {
        "404 - File or directory not found."
    } else {
        "Service Unavailable"
    };
    let body =
        format!("<!DOCTYPE html><html><head><title>{title}</title></head><body></body></html>");
    Response {
        body: Some(body),
        ..Response::empty(status)
    }
    .with("Content-Type", "text/html")
}

fn not_found() -> Response {
    let body = json!({"Message": "No HTTP resource was found that matches the request URI."});
    Response::json(404, &body)
}

fn error_response(error: &FinanceOperationsError) -> Response {
    let body = json!({"error": {
        "code": "",
        "message": "An error has occurred.",
        "innererror": {"message": error.message, "type": "", "stacktrace": ""},
    }});
    Response::json(error.status, &body)
}

fn odata_error_response(error: &ODataError) -> Response {
    let body = json!({"error": {"code": "", "message": error.message}});
    Response::json(error.status, &body)
}

/// The entity set that a segment names.
fn entity_set(segment: &Segment) -> Result<&'static EntitySet, Response> {
    schema::set(&segment.name).ok_or_else(not_found)
}

fn service_document(context: &RequestContext<'_, '_>) -> Response {
    let value: Vec<Value> = schema::public()
        .map(|set| json!({"name": set.name, "kind": "EntitySet", "url": set.name}))
        .collect();
    let metadata = format!(
        "{}/data/$metadata",
        context.origins.origin_of(context.listener)
    );
    Response::json(200, &json!({"@odata.context": metadata, "value": value}))
}

/// The row that a segment with a key names, and the name of its object.
fn find_row(
    context: &mut RequestContext<'_, '_>,
    side: Side,
    segment: &Segment,
) -> Result<(String, Row), Response> {
    let set = entity_set(segment)?;
    let key: Vec<(&str, String)> = match &segment.arguments {
        Some(Arguments::Named(_)) => set
            .keys
            .iter()
            .filter_map(|field| Some((*field, segment.argument(field)?)))
            .collect(),
        // The name of a single key field can be omitted.
        Some(Arguments::Value(value)) => vec![(set.keys[0], unquoted(value))],
        _ => Vec::new(),
    };
    if key.len() != set.keys.len() {
        let why = format!(
            "The key of {} has the fields {}.",
            set.name,
            set.keys.join(", ")
        );
        return Err(odata_error_response(&ODataError::bad_request(why)));
    }
    finance(context, side).find(set, &key).ok_or_else(|| {
        odata_error_response(&ODataError::new(
            404,
            "",
            "No resources were found when selecting for update.",
        ))
    })
}

/// The fields of a body.
fn body(context: &RequestContext<'_, '_>) -> Result<Row, Response> {
    match context.request.json() {
        Ok(Value::Object(body)) => Ok(body),
        _ => Err(odata_error_response(&ODataError::bad_request(
            "The body is not an object.",
        ))),
    }
}

/// A row's version, which depends on its content.
fn etag(row: &Row) -> String {
    let text = Value::Object(row.clone()).to_string();
    format!("W/\"{}\"", &names::digest(&text)[..32])
}

/// A row as the service returns it: its version and the selected fields.
fn row_json(row: Row, select: &[String]) -> Row {
    let mut members = Row::new();
    members.insert("@odata.etag".to_owned(), json!(etag(&row)));
    members.extend(
        row.into_iter()
            .filter(|(name, _)| select.is_empty() || select.contains(name)),
    );
    members
}

fn check_version(context: &RequestContext<'_, '_>, row: &Row) -> Result<(), Response> {
    match context.request.header("If-Match") {
        None | Some("*") => Ok(()),
        Some(version) if version == etag(row) => Ok(()),
        Some(_) => Err(odata_error_response(&ODataError::new(
            412,
            "",
            "The record was changed by somebody else.",
        ))),
    }
}

fn run_action(
    context: &mut RequestContext<'_, '_>,
    side: Side,
    set: &Segment,
    action: &Segment,
    user: &User,
) -> Result<Response, Response> {
    let name = action.name.strip_prefix(NAMESPACE).ok_or_else(not_found)?;
    let value = finance(context, side).run_action(&set.name, name, user);
    match value.ok_or_else(not_found)? {
        Value::Null => Ok(Response::empty(204)),
        value => {
            let metadata = format!(
                "{}/data/$metadata#Edm",
                context.origins.origin_of(context.listener)
            );
            Ok(Response::json(
                200,
                &json!({"@odata.context": metadata, "value": value}),
            ))
        }
    }
}

fn list(
    context: &mut RequestContext<'_, '_>,
    side: Side,
    set: &EntitySet,
    user: &User,
) -> Result<Response, Response> {
    let rows = finance(context, side).rows(set.name);
    let request = context.request;
    let every_company = request
        .option("cross-company")
        .is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let in_default_company = |row: &Row| {
        let company = row.get(COMPANY).and_then(Value::as_str);
        company.is_some_and(|company| company.eq_ignore_ascii_case(&user.company))
    };
    let rows = rows
        .into_iter()
        .filter(|row| every_company || !set.belongs_to_company() || in_default_company(row))
        .collect();
    let skip = request.option("$skip").map_or(Ok(0), str::parse::<usize>);
    let skip =
        skip.map_err(|_| odata_error_response(&ODataError::bad_request("$skip is not a number.")))?;
    let options = request.options().filter(|(name, _)| *name != "$skip");
    let filtered = QueryOptions::parse(options)
        .and_then(|options| Ok((filter_and_sort(set, rows, &options)?, options)));
    let (rows, options) = filtered.map_err(|error| odata_error_response(&error))?;
    let count = rows.len();
    let origin = context.origins.origin_of(context.listener);
    let shown: Vec<Value> = rows
        .into_iter()
        .skip(skip)
        .take(options.top.unwrap_or(usize::MAX).min(PAGE_SIZE))
        .map(|row| Value::Object(row_json(row, &options.select)))
        .collect();
    let mut body = json!({"@odata.context": format!("{origin}/data/$metadata#{}", set.name)});
    if options.count {
        body["@odata.count"] = json!(count);
    }
    if options.top.is_none() && count > skip + shown.len() {
        let rest: Vec<String> = request
            .raw_query
            .iter()
            .flat_map(|query| query.split('&'))
            .filter(|pair| !pair.starts_with("$skip="))
            .map(str::to_owned)
            .chain([format!("$skip={}", skip + shown.len())])
            .collect();
        body["@odata.nextLink"] = json!(format!("{origin}/data/{}?{}", set.name, rest.join("&")));
    }
    body["value"] = Value::Array(shown);
    Ok(Response::json(200, &body))
}

fn filter_and_sort(
    set: &EntitySet,
    rows: Vec<Row>,
    options: &QueryOptions,
) -> Result<Vec<Row>, ODataError> {
    let unknown = |name: &str| {
        let why = format!(
            "Could not find a property named '{name}' on type '{}'.",
            set.name
        );
        ODataError::bad_request(why)
    };
    let ordered = options.order_by.iter().map(|(name, _)| name);
    if let Some(name) = options
        .select
        .iter()
        .chain(ordered)
        .find(|name| set.field(name).is_none())
    {
        return Err(unknown(name));
    }
    let mut kept = Vec::new();
    for row in rows {
        let matches = match &options.filter {
            None => true,
            Some(filter) => evaluate::matches(filter, &|property| {
                set.field(property).ok_or_else(|| unknown(property))?;
                Ok(row.get(property).cloned().unwrap_or(Value::Null))
            })?,
        };
        if matches {
            kept.push(row);
        }
    }
    for (name, descending) in options.order_by.iter().rev() {
        let value = |row: &Row| row.get(name).cloned().unwrap_or(Value::Null);
        kept.sort_by(|one, other| {
            let order = evaluate::order(&value(one), &value(other));
            if *descending { order.reverse() } else { order }
        });
    }
    Ok(kept)
}
