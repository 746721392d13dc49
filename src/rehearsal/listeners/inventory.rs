//! The lists of an environment in the Power Platform API: application packages and connections.
//!
//! The JSON is that of the recordings of Microsoft's Terraform provider for the Power Platform.

use serde_json::{Value, json};

use super::RequestContext;
use super::message::Response;
use super::power_platform::not_found;
use crate::rehearsal::application::TENANT;
use crate::rehearsal::behaviour::environments;
use crate::rehearsal::world::names;

/// The application packages of an environment.
pub(super) fn packages(
    context: &RequestContext<'_, '_>,
    environment: &str,
) -> Result<Response, Response> {
    environments::environment(&context.draft, environment).ok_or_else(|| not_found(environment))?;
    let state = context.request.option("appInstallState").unwrap_or("All");
    let prefix = format!("package/{}/", environment.to_lowercase());
    let value: Vec<Value> = context
        .draft
        .under(&prefix)
        .filter(|(_, package)| {
            let installed = package["state"] == "Installed";
            match state.to_ascii_lowercase().as_str() {
                "installed" => installed,
                "notinstalled" => !installed,
                _ => true,
            }
        })
        .map(|(_, package)| package.clone())
        .collect();
    Ok(Response::json(200, &json!({"value": value})))
}

/// The connections of an environment.
pub(super) fn connections(
    context: &RequestContext<'_, '_>,
    environment: &str,
) -> Result<Response, Response> {
    environments::environment(&context.draft, environment).ok_or_else(|| {
        let text =
            format!("The environment '{environment}' could not be found in the tenant '{TENANT}'.");
        let body = json!({
            "error": {"code": "ServiceToServiceEnvironmentNotFound", "message": text},
        });
        Response::json(404, &body)
    })?;
    let environment = environment.to_lowercase();
    let prefix = names::connection(&environment, "");
    let value: Vec<Value> = context
        .draft
        .under(&prefix)
        .map(|(key, connection)| connection_json(&environment, &key[prefix.len()..], connection))
        .collect();
    Ok(Response::json(200, &json!({"value": value})))
}

fn connection_json(environment: &str, name: &str, connection: &Value) -> Value {
    let connector = connection["connector"].as_str().unwrap_or_default();
    let api = format!("/providers/Microsoft.PowerApps/apis/{connector}");
    let status = match connection["status"].as_str() {
        Some("Connected") => json!([{"status": "Connected"}]),
        _ => json!([{
            "status": "Error",
            "target": "token",
            "error": {"code": "Unauthorized", "message": "Failed to refresh access token."},
        }]),
    };
    let owner = &connection["owner"];
    let principals = connection["users"].as_array().into_iter().flatten();
    let permissions: Vec<Value> = principals
        .map(|user| {
            let role = if *user == owner["id"] {
                "Owner"
            } else {
                "CanView"
            };
            json!({
                "name": user,
                "type": "Microsoft.PowerApps/apis/connections/permissions",
                "properties": {
                    "roleName": role,
                    "principal": {"id": user, "type": "NotSpecified"},
                },
            })
        })
        .collect();
    json!({
        "name": name,
        "id": format!("{api}/connections/{name}"),
        "type": "Microsoft.PowerApps/apis/connections",
        "properties": {
            "apiId": api,
            "displayName": connection["displayName"],
            "statuses": status,
            "createdBy": owner,
            "createdTime": connection["createdTime"],
            "lastModifiedTime": connection["createdTime"],
            "environment": {
                "id": format!("/providers/Microsoft.PowerApps/environments/{environment}"),
                "name": environment,
            },
            "permissions": permissions,
            "accountName": owner["email"],
            "allowSharing": false,
        },
    })
}
