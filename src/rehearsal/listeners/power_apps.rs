//! The Power Apps API: the connections of an environment, as the administration module for
//! PowerShell lists them (`Get-AdminPowerAppConnection`).

use super::message::Answer;
use super::{Turn, authentication, inventory};

/// The version of every route of the module.
const VERSION: &str = "2016-11-01";

/// Answers a request.
pub(super) fn answer(turn: &mut Turn<'_, '_>) -> Result<Answer, Answer> {
    let token = authentication::token(turn)?;
    authentication::administrator(turn, &token)?;
    let version = turn.request.option("api-version").unwrap_or_default();
    if version != VERSION {
        let text = format!("The api-version '{version}' is invalid.");
        return Err(Answer::error(400, "InvalidApiVersion", &text));
    }
    let root = "/providers/Microsoft.PowerApps/scopes/admin/environments/";
    let segments = turn.request.below(root).unwrap_or_default();
    let answer = match (turn.request.method.as_str(), segments.as_slice()) {
        ("GET", [environment, "connections"]) => inventory::connections(turn, environment)?,
        _ => Answer::error(404, "NotFound", "No route of the rehearsal tenant fits."),
    };
    Ok(answer.with_unique("x-ms-correlation-id"))
}
