//! The Power Apps API: the connections of an environment, as the administration module for
//! PowerShell lists them (`Get-AdminPowerAppConnection`).

use super::message::Response;
use super::{RequestContext, authentication, inventory};

/// The version of all routes of the module.
const VERSION: &str = "2016-11-01";

/// Handles a request.
pub(super) fn handle(context: &mut RequestContext<'_, '_>) -> Result<Response, Response> {
    authentication::authenticate_administrator(context, &[VERSION])?;
    let root = "/providers/Microsoft.PowerApps/scopes/admin/environments/";
    let segments = context.request.segments_below(root).unwrap_or_default();
    let response = match (context.request.method.as_str(), segments.as_slice()) {
        ("GET", [environment, "connections"]) => inventory::connections(context, environment)?,
        _ => Response::error(404, "NotFound", "No route of the rehearsal tenant fits."),
    };
    Ok(response.with_unique("x-ms-correlation-id"))
}
