//! The data services of Finance and Operations: `/data/`, its entity sets and their rows.

use serde_json::{Map, Value, json};

use super::authentication;
use super::message::Answer;
use super::{Side, Turn};
use crate::rehearsal::behaviour::directory::Kind;
use crate::rehearsal::odata::error::Refusal;
use crate::rehearsal::odata::evaluate;
use crate::rehearsal::odata::query::QueryOptions;

/// The sets that the service document names.
const SETS: [&str; 5] = [
    "DualWriteProjectConfigurations",
    "LegalEntities",
    "SecurityUserRoles",
    "SysAADClients",
    "SystemUsers",
];

/// Answers a request.
pub(super) fn answer(turn: &mut Turn<'_, '_>, side: Side) -> Result<Answer, Answer> {
    let token = authentication::token(turn)?;
    let environment = side.environment();
    // An application enters as the user it is registered for (Microsoft Entra ID applications), a
    // person as the user with its sign-in name.
    let (set, column) = match token.kind {
        Kind::Application => ("SysAADClients", "AADClientId"),
        Kind::Person => ("SystemUsers", "Alias"),
    };
    let known = rows(turn, environment, set).iter().any(|row| {
        let found = row[column].as_str().unwrap_or_default();
        found.eq_ignore_ascii_case(&token.client)
    });
    if !known {
        let text = "The application or user is not registered.";
        return Err(Answer::error(401, "Unauthorized", text));
    }
    if turn.request.method != "GET" {
        return Err(Answer::error(
            405,
            "MethodNotAllowed",
            "The rehearsal tenant's Finance and Operations is read-only.",
        ));
    }
    let origin = turn.origins.of(turn.listener);
    let segments = turn.request.below("/data").unwrap_or_default();
    let answer = match segments.as_slice() {
        [] if turn.request.path.starts_with("/data") => {
            let value: Vec<Value> = SETS
                .iter()
                .map(|set| json!({"name": set, "kind": "EntitySet", "url": set}))
                .collect();
            let context = format!("{origin}/data/$metadata");
            Answer::json(200, &json!({"@odata.context": context, "value": value}))
        }
        [set] if SETS.contains(set) => {
            let value = selected(turn, environment, set).map_err(|refusal| {
                let body = json!({"error": {"code": "", "message": refusal.message}});
                Answer::json(refusal.status, &body)
            })?;
            let context = format!("{origin}/data/$metadata#{set}");
            Answer::json(200, &json!({"@odata.context": context, "value": value}))
        }
        _ => {
            let body = json!({
                "Message": "No HTTP resource was found that matches the request URI.",
            });
            Answer::json(404, &body)
        }
    };
    Ok(answer
        .with("OData-Version", "4.0")
        .with_unique("ms-dyn-aid"))
}

fn rows(turn: &Turn<'_, '_>, environment: &str, set: &str) -> Vec<Value> {
    let prefix = format!("finance-operations/{environment}/{set}/");
    turn.draft
        .under(&prefix)
        .map(|(_, row)| row.clone())
        .collect()
}

fn selected(turn: &Turn<'_, '_>, environment: &str, set: &str) -> Result<Vec<Value>, Refusal> {
    let options = QueryOptions::read(turn.request.options())?;
    let mut shown = Vec::new();
    for row in rows(turn, environment, set) {
        let fits = match &options.filter {
            None => true,
            Some(filter) => evaluate::holds(filter, &|property| {
                Ok(row.get(property).cloned().unwrap_or(Value::Null))
            })?,
        };
        if fits {
            let members = row.as_object().cloned().unwrap_or_default();
            let members: Map<String, Value> = members
                .into_iter()
                .filter(|(name, _)| options.select.is_empty() || options.select.contains(name))
                .collect();
            shown.push(Value::Object(members));
        }
    }
    shown.truncate(options.top.unwrap_or(10_000));
    Ok(shown)
}
