//! Lifecycle Services: the project with both environments, and their history.

use serde_json::json;

use super::sides::SeedSide;
use crate::rehearsal::application::{LCS_PROJECT, LCS_SOURCE, LCS_TARGET};
use crate::rehearsal::behaviour::database_refresh::{self, Activity, environment_key};
use crate::rehearsal::listeners::{Listener, Origins};
use crate::rehearsal::world::names;
use crate::rehearsal::world::store::Draft;

/// The id of an environment in Lifecycle Services.
pub(super) fn id(side: &SeedSide) -> &'static str {
    if side.is_source() {
        LCS_SOURCE
    } else {
        LCS_TARGET
    }
}

/// Inserts the environment and its history.
pub(super) fn insert(draft: &mut Draft<'_>, side: &SeedSide, origins: &Origins) {
    let id = id(side);
    let url = origins.origin_of(Listener::FinanceOperations(side.kind));
    let detail = json!({
        "EnvironmentId": id,
        "EnvironmentName": side.domain,
        "ProjectId": LCS_PROJECT,
        "EnvironmentInfrastructure": "SelfService",
        "EnvironmentType": side.sku,
        "EnvironmentGroup": "Primary",
        "EnvironmentProduct": "Finance and Operations",
        "EnvironmentEndpointBaseUrl": format!("{url}/"),
        "DeploymentState": "Finished",
        "TopologyDisplayName": "AXHA",
        "CurrentApplicationReleaseName": "10.0.44",
        "CurrentPlatformReleaseName": "PU68",
        "DeployedOnUTC": "4/1/2024 9:35 PM",
        "CloudStorageLocation": "East US",
        "DisasterRecoveryLocation": null,
        "DeploymentStatusDisplay": "Deployed",
        "CanStart": false,
        "CanStop": false,
    });
    let environment = json!({"shown": detail, "environment": side.environment()});
    draft.put(environment_key(id), environment);
    let mut history = vec![(
        "SFBinaryHotfix",
        "Apply service update",
        "2026-02-01T02:00:00.13",
        "2026-02-01T03:12:40.5",
    )];
    if !side.is_source() {
        history.push((
            "SFSourceDbToSandbox",
            "Refresh database",
            "2025-11-15T15:17:48.87",
            "2025-11-15T16:33:09.37",
        ));
    }
    for (kind, title, started, ended) in history {
        let activity = Activity {
            id: names::identifier(&["lcs-activity", id, started]),
            environment: id.to_owned(),
            source: None,
            kind: kind.to_owned(),
            title: title.to_owned(),
            state: "Completed".to_owned(),
            started: started.to_owned(),
            ended: Some(ended.to_owned()),
            failure_mode: None,
        };
        database_refresh::save(draft, &activity);
    }
}
