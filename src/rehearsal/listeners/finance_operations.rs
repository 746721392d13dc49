//! The data services of Finance and Operations: `/data/`, its entity sets, rows and actions.
//!
//! Microsoft Learn, *Open Data Protocol (OData)*: all key fields in a key, pages of 10,000 rows, rows
//! of the caller's default company only unless `cross-company=true` is written.

use serde_json::{Value, json};

use super::authentication;
use super::message::Answer;
use super::{Side, Turn};
use crate::rehearsal::behaviour::finance_operations::{FinanceOperations, Refused, Row, User};
use crate::rehearsal::odata::error::Refusal;
use crate::rehearsal::odata::evaluate;
use crate::rehearsal::odata::path::{self, Arguments, Segment, unquoted};
use crate::rehearsal::odata::query::QueryOptions;
use crate::rehearsal::schema::finance_operations::{self as schema, COMPANY, EntitySet};
use crate::rehearsal::world::names;

/// How many rows a page holds.
const PAGE: usize = 10_000;

/// The namespace of its actions.
const ACTIONS: &str = "Microsoft.Dynamics.DataEntities.";

/// Answers a request.
pub(super) fn answer(turn: &mut Turn<'_, '_>, side: Side) -> Result<Answer, Answer> {
    let answer = served(turn, side);
    let stamp = |answer: Answer| {
        answer
            .with("OData-Version", "4.0")
            .with_unique("ms-dyn-aid")
    };
    answer.map(stamp).map_err(stamp)
}

fn served(turn: &mut Turn<'_, '_>, side: Side) -> Result<Answer, Answer> {
    if let Some(status) = finance(turn, side).away() {
        return Err(page(status));
    }
    let token = authentication::token(turn)?;
    let user = finance(turn, side).enter(&token.client, token.kind);
    let user = user.map_err(|refused| error(&refused))?;
    let segments = match turn.request.below("/data") {
        Some(_) => {
            path::segments(&turn.request.path["/data".len()..]).map_err(|why| refusal(&why))?
        }
        None => return Err(nothing_there()),
    };
    match (turn.request.method.as_str(), segments.as_slice()) {
        ("GET", []) => Ok(service_document(turn)),
        ("GET", [set]) if set.is_bare() => list(turn, side, of(set)?, &user),
        ("GET", [row]) => {
            let (_, row) = found(turn, side, row)?;
            Ok(Answer::json(200, &Value::Object(shown(row, &[]))))
        }
        ("POST", [set, action]) if set.is_bare() => act(turn, side, set, action, &user),
        (_, _) if !user.administrator => {
            let message = format!("Access denied: '{}' may not write here.", user.id);
            Err(error(&Refused {
                status: 403,
                message,
            }))
        }
        ("POST", [set]) if set.is_bare() => {
            let set = of(set)?;
            let body = body(turn)?;
            let row = finance(turn, side).create(set, body);
            let row = row.map_err(|refused| error(&refused))?;
            Ok(Answer::json(201, &Value::Object(shown(row, &[]))))
        }
        ("PATCH", [row]) => {
            let set = of(row)?;
            let (name, found) = found(turn, side, row)?;
            precondition(turn, &found)?;
            let body = body(turn)?;
            let updated = finance(turn, side).update(set, &name, body);
            updated.map_err(|refused| error(&refused))?;
            Ok(Answer::empty(204))
        }
        ("DELETE", [row]) => {
            let (name, found) = found(turn, side, row)?;
            precondition(turn, &found)?;
            finance(turn, side).delete(&name);
            Ok(Answer::empty(204))
        }
        _ => Err(nothing_there()),
    }
}

fn finance<'turn, 'world>(
    turn: &'turn mut Turn<'_, 'world>,
    side: Side,
) -> FinanceOperations<'turn, 'world> {
    FinanceOperations {
        draft: &mut turn.draft,
        environment: side.environment(),
    }
}

/// What a gateway says in the place of a service that is not there.
fn page(status: u16) -> Answer {
    let title = if status == 404 {
        "404 - File or directory not found."
    } else {
        "Service Unavailable"
    };
    let body =
        format!("<!DOCTYPE html><html><head><title>{title}</title></head><body></body></html>");
    Answer {
        body: Some(body),
        ..Answer::empty(status)
    }
    .with("Content-Type", "text/html")
}

fn nothing_there() -> Answer {
    let body = json!({"Message": "No HTTP resource was found that matches the request URI."});
    Answer::json(404, &body)
}

fn error(refused: &Refused) -> Answer {
    let body = json!({"error": {
        "code": "",
        "message": "An error has occurred.",
        "innererror": {"message": refused.message, "type": "", "stacktrace": ""},
    }});
    Answer::json(refused.status, &body)
}

fn refusal(refusal: &Refusal) -> Answer {
    let body = json!({"error": {"code": "", "message": refusal.message}});
    Answer::json(refusal.status, &body)
}

/// The set that a segment names.
fn of(segment: &Segment) -> Result<&'static EntitySet, Answer> {
    schema::set(&segment.name).ok_or_else(nothing_there)
}

fn service_document(turn: &Turn<'_, '_>) -> Answer {
    let value: Vec<Value> = schema::public()
        .map(|set| json!({"name": set.name, "kind": "EntitySet", "url": set.name}))
        .collect();
    let context = format!("{}/data/$metadata", turn.origins.of(turn.listener));
    Answer::json(200, &json!({"@odata.context": context, "value": value}))
}

/// The row that a segment with a key names, and the name of its object.
fn found(turn: &mut Turn<'_, '_>, side: Side, segment: &Segment) -> Result<(String, Row), Answer> {
    let set = of(segment)?;
    let key: Vec<(&str, String)> = match &segment.arguments {
        Some(Arguments::Named(_)) => set
            .keys
            .iter()
            .filter_map(|field| Some((*field, segment.argument(field)?)))
            .collect(),
        // One key field may be written without its name.
        Some(Arguments::Value(value)) => vec![(set.keys[0], unquoted(value))],
        _ => Vec::new(),
    };
    if key.len() != set.keys.len() {
        let why = format!(
            "The key of {} has the fields {}.",
            set.name,
            set.keys.join(", ")
        );
        return Err(refusal(&Refusal::bad_request(why)));
    }
    finance(turn, side).find(set, &key).ok_or_else(|| {
        refusal(&Refusal::new(
            404,
            "",
            "No resources were found when selecting for update.",
        ))
    })
}

/// The fields of a body.
fn body(turn: &Turn<'_, '_>) -> Result<Row, Answer> {
    match turn.request.json() {
        Ok(Value::Object(body)) => Ok(body),
        _ => Err(refusal(&Refusal::bad_request("The body is not an object."))),
    }
}

/// A row's version: what it holds.
fn etag(row: &Row) -> String {
    let text = Value::Object(row.clone()).to_string();
    format!("W/\"{}\"", &names::digest(&text)[..32])
}

/// A row as it is answered: its version, and the fields that were asked for.
fn shown(row: Row, select: &[String]) -> Row {
    let mut members = Row::new();
    members.insert("@odata.etag".to_owned(), json!(etag(&row)));
    members.extend(
        row.into_iter()
            .filter(|(name, _)| select.is_empty() || select.contains(name)),
    );
    members
}

fn precondition(turn: &Turn<'_, '_>, row: &Row) -> Result<(), Answer> {
    match turn.request.header("If-Match") {
        None | Some("*") => Ok(()),
        Some(version) if version == etag(row) => Ok(()),
        Some(_) => Err(refusal(&Refusal::new(
            412,
            "",
            "The record was changed by somebody else.",
        ))),
    }
}

fn act(
    turn: &mut Turn<'_, '_>,
    side: Side,
    set: &Segment,
    action: &Segment,
    user: &User,
) -> Result<Answer, Answer> {
    let name = action
        .name
        .strip_prefix(ACTIONS)
        .ok_or_else(nothing_there)?;
    let value = finance(turn, side).act(&set.name, name, user);
    match value.ok_or_else(nothing_there)? {
        Value::Null => Ok(Answer::empty(204)),
        value => {
            let context = format!("{}/data/$metadata#Edm", turn.origins.of(turn.listener));
            Ok(Answer::json(
                200,
                &json!({"@odata.context": context, "value": value}),
            ))
        }
    }
}

fn list(
    turn: &mut Turn<'_, '_>,
    side: Side,
    set: &EntitySet,
    user: &User,
) -> Result<Answer, Answer> {
    let rows = finance(turn, side).rows(set.name);
    let request = turn.request;
    let every_company = request
        .option("cross-company")
        .is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let at_home = |row: &Row| {
        let company = row.get(COMPANY).and_then(Value::as_str);
        company.is_some_and(|company| company.eq_ignore_ascii_case(&user.company))
    };
    let rows = rows
        .into_iter()
        .filter(|row| every_company || !set.by_company() || at_home(row))
        .collect();
    let skip = request.option("$skip").map_or(Ok(0), str::parse::<usize>);
    let skip = skip.map_err(|_| refusal(&Refusal::bad_request("$skip is not a number.")))?;
    let options = request.options().filter(|(name, _)| *name != "$skip");
    let selected = QueryOptions::read(options)
        .and_then(|options| Ok((selected(set, rows, &options)?, options)));
    let (rows, options) = selected.map_err(|why| refusal(&why))?;
    let count = rows.len();
    let origin = turn.origins.of(turn.listener);
    let shown: Vec<Value> = rows
        .into_iter()
        .skip(skip)
        .take(options.top.unwrap_or(usize::MAX).min(PAGE))
        .map(|row| Value::Object(shown(row, &options.select)))
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
    Ok(Answer::json(200, &body))
}

fn selected(set: &EntitySet, rows: Vec<Row>, options: &QueryOptions) -> Result<Vec<Row>, Refusal> {
    let unknown = |name: &str| {
        let why = format!(
            "Could not find a property named '{name}' on type '{}'.",
            set.name
        );
        Refusal::bad_request(why)
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
        let fits = match &options.filter {
            None => true,
            Some(filter) => evaluate::holds(filter, &|property| {
                set.field(property).ok_or_else(|| unknown(property))?;
                Ok(row.get(property).cloned().unwrap_or(Value::Null))
            })?,
        };
        if fits {
            kept.push(row);
        }
    }
    for (name, down) in options.order_by.iter().rev() {
        let value = |row: &Row| row.get(name).cloned().unwrap_or(Value::Null);
        kept.sort_by(|one, other| {
            let order = evaluate::order(&value(one), &value(other));
            if *down { order.reverse() } else { order }
        });
    }
    Ok(kept)
}
