//! An environment of a project.

use serde_json::Value;

use super::envelope::text;

/// An environment of a project. All fields but the id may be missing: newer versions of the service
/// send more of them.
#[derive(Clone, Debug, PartialEq)]
pub struct LcsEnvironment {
    /// Its id: an opaque text.
    pub id: String,
    /// Its name.
    pub name: Option<String>,
    /// `Production`, `Sandbox`, `DevTestDev`, ….
    pub kind: Option<String>,
    /// The release of its application: `10.0.44`.
    pub release: Option<String>,
    /// The location of its data: `West Europe`.
    pub location: Option<String>,
    /// `Deployed`, `Failed`, `Stopped`, ….
    pub status: Option<String>,
    /// Its address, without a slash at the end.
    pub url: Option<String>,
    /// The whole item.
    pub raw: Value,
}

impl LcsEnvironment {
    /// Parses an item of a list; `None` without an id.
    pub(super) fn from_value(raw: &Value) -> Option<Self> {
        let url = text(raw, "EnvironmentEndpointBaseUrl");
        Some(Self {
            id: text(raw, "EnvironmentId")?,
            name: text(raw, "EnvironmentName"),
            kind: text(raw, "EnvironmentType"),
            release: text(raw, "CurrentApplicationReleaseName"),
            location: text(raw, "CloudStorageLocation"),
            status: text(raw, "DeploymentStatusDisplay"),
            url: url.map(|url| url.trim_end_matches('/').to_owned()),
            raw: raw.clone(),
        })
    }
}
