//! The Power Platform API (`api.powerplatform.com`): copy, operations, packages, connections.

use serde_json::Value;
use uuid::Uuid;

use super::copy_request::CopyRequest;
use super::error::{Error, presentable};
use super::http::{Method, Request, Service};
use super::lists::{collection, encoded, text, values};
use super::operation::{Accepted, Operation, OperationHandle, accepted, polled};

/// The api-version of environment management (Microsoft Learn, *Copy Environment*) and connectivity.
const VERSION: &str = "2024-10-01";
/// The api-version of application management, as Microsoft's own Terraform provider sends it.
const PACKAGES_VERSION: &str = "2022-03-01-preview";

/// The Power Platform API.
#[derive(Clone, Debug)]
pub struct PowerPlatform {
    service: Service,
}

/// An environment that a copy may overwrite.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CopyCandidate {
    /// Its id.
    pub environment: String,
    /// Its display name.
    pub display_name: Option<String>,
    /// Its Dataverse URL.
    pub url: Option<String>,
}

/// What became of a validation. It is asked on the route that copies, so that every answer but one
/// must be taken for a copy that may have started.
#[derive(Clone, Debug, PartialEq)]
pub enum CopyValidation {
    /// The service says that the copy would pass.
    Passed,
    /// Any other good answer: look at the operations before anything else is sent.
    MayHaveStarted(Accepted, Option<Value>),
}

/// An application package of an environment.
#[derive(Clone, Debug, PartialEq)]
pub struct Package {
    /// Its unique name: `msdyn_IntelligentOrderManagementAnchor`.
    pub unique_name: String,
    /// Its name for people.
    pub name: Option<String>,
    /// Its version; perhaps the one that could be installed, not the one that is.
    pub version: Option<String>,
    /// Its state in the service's word: `Installed`, `None`, `Installing`, ….
    pub state: Option<String>,
    /// The whole item.
    pub raw: Value,
}

impl Package {
    /// Is it installed? `None` and every unknown state are not.
    pub fn is_installed(&self) -> bool {
        let state = self.state.as_deref().unwrap_or_default();
        ["Installed", "TemplateInstalled"]
            .iter()
            .any(|installed| state.eq_ignore_ascii_case(installed))
    }
}

/// A connection of an environment.
#[derive(Clone, Debug, PartialEq)]
pub struct Connection {
    /// Its id, which connection references hold (the service's `name`).
    pub id: String,
    /// The connector's name, the last segment of its id: `shared_azureblob`.
    pub connector: Option<String>,
    /// Its name for people.
    pub display_name: Option<String>,
    /// The account it was made with.
    pub account: Option<String>,
    /// The states of its parts, in the service's words: `Connected`, `Error`.
    pub statuses: Vec<String>,
    /// What is wrong with it, where the service says so.
    pub error: Option<String>,
    /// The directory object id of the person who made it.
    pub created_by: Option<String>,
    /// The whole item.
    pub raw: Value,
}

impl Connection {
    /// Is every part of it connected? A connection that tells no status is not known to be.
    pub fn is_connected(&self) -> bool {
        !self.statuses.is_empty()
            && self
                .statuses
                .iter()
                .all(|status| status.eq_ignore_ascii_case("Connected"))
    }
}

impl PowerPlatform {
    /// Takes the service that it is reached through.
    pub fn new(service: Service) -> Self {
        Self { service }
    }

    /// Copies an environment onto `target`, which is overwritten. Microsoft Learn, *Copy
    /// Environment*, api-version 2024-10-01. Sent at most once; an answer that is lost is
    /// [`ErrorKind::Ambiguous`](super::ErrorKind::Ambiguous).
    pub async fn copy(&self, target: Uuid, request: &CopyRequest) -> Result<Accepted, Error> {
        let path =
            format!("/environmentmanagement/environments/{target}/copy?api-version={VERSION}");
        let request = Request::new(Method::Post, path).json(&request.for_power_platform());
        let answer = self.service.send(&request).await?;
        Ok(accepted(&self.service, &answer))
    }

    /// Asks whether the copy would pass. A POST on the route that copies, see [`CopyValidation`].
    pub async fn validate_copy(
        &self,
        target: Uuid,
        request: &CopyRequest,
    ) -> Result<CopyValidation, Error> {
        let path = format!(
            "/environmentmanagement/environments/{target}/copy?api-version={VERSION}&ValidateOnly=true"
        );
        let request = Request::new(Method::Post, path).json(&request.for_power_platform());
        let answer = self.service.send(&request).await?;
        let body = answer.maybe_value();
        let status = body.as_ref().and_then(|body| body["status"].as_str());
        if answer.status() == 200 && status == Some("ValidationPassed") {
            return Ok(CopyValidation::Passed);
        }
        Ok(CopyValidation::MayHaveStarted(
            accepted(&self.service, &answer),
            body,
        ))
    }

    /// One operation of an environment; none where the service does not know it, which says nothing
    /// about how it ended.
    pub async fn operation(&self, environment: Uuid, id: &str) -> Result<Option<Operation>, Error> {
        let id = encoded(id);
        let path = format!(
            "/environmentmanagement/environments/{environment}/operations/{id}?api-version={VERSION}"
        );
        let url = format!("{}{path}", self.service.origin());
        let handle = OperationHandle {
            service: self.service.name().to_owned(),
            url,
            id: Some(id),
        };
        polled(&handle, self.service.send(&Request::get(path)).await)
    }

    /// The operation that a handle leads to, under the same rules. The handle's origin is checked
    /// again.
    pub async fn poll(&self, handle: &OperationHandle) -> Result<Option<Operation>, Error> {
        let url = self.service.kept_link(&handle.url)?;
        polled(handle, self.service.send(&Request::get_link(url)).await)
    }

    /// The operations of an environment, in the service's order (newest first), of every page.
    pub async fn operations(&self, environment: Uuid) -> Result<Vec<Operation>, Error> {
        let path = format!(
            "/environmentmanagement/environments/{environment}/operations?api-version={VERSION}"
        );
        collection(&self.service, &path, Operation::from_value).await
    }

    /// The environments that a copy of `source` may overwrite. Microsoft Learn, *Get Environment
    /// Copy Candidates*, api-version 2024-10-01: here the id in the path is the source's.
    pub async fn copy_candidates(&self, source: Uuid) -> Result<Vec<CopyCandidate>, Error> {
        let path = format!(
            "/environmentmanagement/environments/{source}/copyCandidates?api-version={VERSION}"
        );
        collection(&self.service, &path, |item| {
            Some(CopyCandidate {
                environment: text(item, "/environmentId")?,
                display_name: text(item, "/displayName"),
                url: text(item, "/dataverseOrganizationUrl"),
            })
        })
        .await
    }

    /// The application packages of an environment, installed or not. An application with an update
    /// may stand there twice.
    pub async fn packages(&self, environment: Uuid) -> Result<Vec<Package>, Error> {
        let path = format!(
            "/appmanagement/environments/{environment}/applicationPackages?api-version={PACKAGES_VERSION}"
        );
        values(&self.service, &path, |item| {
            Some(Package {
                unique_name: text(item, "/uniqueName")?,
                name: text(item, "/localizedName").or_else(|| text(item, "/applicationName")),
                version: text(item, "/version"),
                state: text(item, "/state"),
                raw: item.clone(),
            })
        })
        .await
    }

    /// The connections of an environment. A service principal may see but a part of them.
    pub async fn connections(&self, environment: Uuid) -> Result<Vec<Connection>, Error> {
        let path =
            format!("/connectivity/environments/{environment}/connections?api-version={VERSION}");
        values(&self.service, &path, connection).await
    }
}

fn connection(item: &Value) -> Option<Connection> {
    let statuses = item
        .pointer("/properties/statuses")
        .and_then(Value::as_array);
    let statuses: Vec<&Value> = statuses.into_iter().flatten().collect();
    let connector = text(item, "/properties/apiId");
    Some(Connection {
        id: text(item, "/name")?,
        connector: connector.and_then(|id| id.rsplit('/').next().map(str::to_owned)),
        display_name: text(item, "/properties/displayName"),
        account: text(item, "/properties/accountName")
            .or_else(|| text(item, "/properties/createdBy/userPrincipalName")),
        error: statuses.iter().find_map(|status| {
            let message = text(status, "/error/message").or_else(|| text(status, "/error/code"))?;
            Some(presentable(&message))
        }),
        statuses: statuses
            .iter()
            .filter_map(|status| text(status, "/status"))
            .collect(),
        created_by: text(item, "/properties/createdBy/id"),
        raw: item.clone(),
    })
}
