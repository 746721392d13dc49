//! What `rehearsal`, `init` and `import-har` write.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::Version;
use crate::runbook::{Draft, StarterEnvironment};

/// What `rehearsal` writes once it listens.
#[derive(Debug, JsonSchema, Serialize)]
pub struct RehearsalDocument {
    /// The version.
    pub v: Version,
    /// The `endpoints` of a runbook that uses this tenant.
    pub endpoints: RehearsalEndpoints,
    /// The file that holds the world.
    pub world: String,
}

/// The `endpoints` of a runbook.
#[derive(Debug, JsonSchema, Serialize)]
pub struct RehearsalEndpoints {
    /// How many times faster than the wall clock the tenant's clock runs.
    pub speed: f64,
    /// The services.
    #[serde(flatten)]
    pub services: BTreeMap<String, RehearsalEndpoint>,
}

/// The address of one service.
#[derive(Debug, JsonSchema, Serialize)]
pub struct RehearsalEndpoint {
    /// Its origin.
    pub url: String,
    /// The scope of its tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
}

/// What `init` writes.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct InitDocument {
    /// The version.
    pub v: Version,
    /// The file that was written; none if none was requested.
    pub file: Option<String>,
    /// The runbook.
    pub runbook: String,
    /// The environment that is copied.
    pub source: StarterEnvironment,
    /// The environment that is overwritten.
    pub target: StarterEnvironment,
    /// Does Lifecycle Services manage the target?
    pub lcs_linked: bool,
    /// Is dual-write in use in the target? None if that could not be read.
    pub dual_write: Option<bool>,
    /// What a person must fill in, one line for each value.
    pub fill_in: Vec<String>,
    /// The next commands.
    pub next: Vec<String>,
}

/// What `import-har` writes.
#[derive(Debug, JsonSchema, Serialize)]
pub struct ImportDocument {
    /// The version.
    pub v: Version,
    /// The purpose of the click, as the user gave it.
    pub request: Option<String>,
    /// Every write in the recording.
    pub writes: Vec<Draft>,
}
