//! The Power Platform API (`api.powerplatform.com`): copy, operations, packages, connections.

use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use super::admin_list::{list_collection, list_values};
use super::copy_request::CopyRequest;
use super::error::{Error, presentable};
use super::http::{Method, Request, Service};
use super::json::{items_at, text_at};
use super::operation::{Accepted, Operation, OperationHandle, read_accepted, read_poll};
use crate::base::encoding::{NON_ALPHANUMERIC, percent_encode};

/// The api-version of environment management (Microsoft Learn, *Copy Environment*) and
/// connectivity.
const VERSION: &str = "2024-10-01";
/// The api-version of application management, as Microsoft's own Terraform provider sends it.
const PACKAGES_VERSION: &str = "2022-03-01-preview";

/// The Power Platform API.
#[derive(Clone, Debug)]
pub struct PowerPlatform {
    pub(super) service: Service,
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

/// An application package of an environment.
#[derive(Clone, Debug, PartialEq)]
pub struct Package {
    /// Its unique name: `msdyn_IntelligentOrderManagementAnchor`.
    pub unique_name: String,
    /// Its name for people.
    pub name: Option<String>,
    /// Its version, which may be the available one and not the installed one.
    pub version: Option<String>,
    /// Its state as the service writes it: `Installed`, `None`, `Installing`, ….
    pub state: Option<String>,
    /// The whole item.
    pub raw: Value,
}

impl Package {
    /// Whether it is installed. `false` for `None` and every unknown state.
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
    /// The account that it was created with.
    pub account: Option<String>,
    /// The states of its parts as the service writes them: `Connected`, `Error`.
    pub statuses: Vec<String>,
    /// Its error, if the service reports one.
    pub error: Option<String>,
    /// The whole item.
    pub raw: Value,
}

impl Connection {
    /// Whether every part is connected. `false` for a connection without a status.
    pub fn is_connected(&self) -> bool {
        !self.statuses.is_empty()
            && self
                .statuses
                .iter()
                .all(|status| status.eq_ignore_ascii_case("Connected"))
    }
}

impl PowerPlatform {
    /// Takes the API's service.
    pub fn new(service: Service) -> Self {
        Self { service }
    }

    /// The services' own time now, of any service; `None` before the first response.
    pub fn service_time(&self) -> Option<Timestamp> {
        self.service.server_time()
    }

    /// Copies an environment onto `target`, which is overwritten. Microsoft Learn, *Copy
    /// Environment*, api-version 2024-10-01. Sent at most once; a lost response is
    /// [`ErrorKind::Ambiguous`](super::ErrorKind::Ambiguous).
    pub async fn copy(&self, target: Uuid, request: &CopyRequest) -> Result<Accepted, Error> {
        let path =
            format!("/environmentmanagement/environments/{target}/copy?api-version={VERSION}");
        let request = Request::new(Method::POST, path)
            .json(&request.for_power_platform())
            .once();
        let response = self.service.send(&request).await?;
        Ok(read_accepted(&self.service, &response))
    }

    /// One operation of an environment; `None` if the service does not know it, which says nothing
    /// about how it ended.
    pub async fn operation(&self, environment: Uuid, id: &str) -> Result<Option<Operation>, Error> {
        let id = percent_encode(id, NON_ALPHANUMERIC);
        let path = format!(
            "/environmentmanagement/environments/{environment}/operations/{id}?api-version={VERSION}"
        );
        let url = format!("{}{path}", self.service.origin());
        let handle = OperationHandle {
            service: self.service.name().to_owned(),
            url,
            id: Some(id),
        };
        read_poll(&handle, self.service.send(&Request::get(path)).await)
    }

    /// The operation of a handle, under the same rules. The handle's origin is checked again.
    pub async fn poll(&self, handle: &OperationHandle) -> Result<Option<Operation>, Error> {
        let url = self.service.resolve_stored_link(&handle.url)?;
        read_poll(handle, self.service.send(&Request::get_link(url)).await)
    }

    /// The operations of an environment, in the service's order (newest first), of every page.
    pub async fn operations(&self, environment: Uuid) -> Result<Vec<Operation>, Error> {
        let path = format!(
            "/environmentmanagement/environments/{environment}/operations?api-version={VERSION}"
        );
        list_collection(&self.service, &path, Operation::from_value).await
    }

    /// The environments that a copy of `source` may overwrite. Microsoft Learn, *Get Environment
    /// Copy Candidates*, api-version 2024-10-01: here the id in the path is the source's.
    pub async fn copy_candidates(&self, source: Uuid) -> Result<Vec<CopyCandidate>, Error> {
        let path = format!(
            "/environmentmanagement/environments/{source}/copyCandidates?api-version={VERSION}"
        );
        list_collection(&self.service, &path, |item| {
            Some(CopyCandidate {
                environment: text_at(item, "/environmentId")?,
                display_name: text_at(item, "/displayName"),
                url: text_at(item, "/dataverseOrganizationUrl"),
            })
        })
        .await
    }

    /// The application packages of an environment, installed or not. An application with an update
    /// may be listed twice.
    pub async fn packages(&self, environment: Uuid) -> Result<Vec<Package>, Error> {
        let path = format!(
            "/appmanagement/environments/{environment}/applicationPackages?api-version={PACKAGES_VERSION}"
        );
        list_values(&self.service, &path, |item| {
            Some(Package {
                unique_name: text_at(item, "/uniqueName")?,
                name: text_at(item, "/localizedName").or_else(|| text_at(item, "/applicationName")),
                version: text_at(item, "/version"),
                state: text_at(item, "/state"),
                raw: item.clone(),
            })
        })
        .await
    }

    /// The connections of an environment. A service principal may see only some of them.
    pub async fn connections(&self, environment: Uuid) -> Result<Vec<Connection>, Error> {
        let path =
            format!("/connectivity/environments/{environment}/connections?api-version={VERSION}");
        list_values(&self.service, &path, parse_connection).await
    }
}

fn parse_connection(item: &Value) -> Option<Connection> {
    let statuses = || items_at(item, "/properties/statuses");
    let connector = text_at(item, "/properties/apiId");
    Some(Connection {
        id: text_at(item, "/name")?,
        connector: connector.and_then(|id| id.rsplit('/').next().map(str::to_owned)),
        display_name: text_at(item, "/properties/displayName"),
        account: text_at(item, "/properties/accountName")
            .or_else(|| text_at(item, "/properties/createdBy/userPrincipalName")),
        error: statuses().find_map(|status| {
            let message =
                text_at(status, "/error/message").or_else(|| text_at(status, "/error/code"))?;
            Some(presentable(&message))
        }),
        statuses: statuses()
            .filter_map(|status| text_at(status, "/status"))
            .collect(),
        raw: item.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::ErrorKind;
    use crate::clients::copy_request::CopyType;
    use crate::clients::testing::{Listener, Reply, Setup};
    use serde_json::json;

    const ID: Uuid = Uuid::from_u128(0x2222);

    fn api(setup: &Setup, listener: &Listener) -> PowerPlatform {
        PowerPlatform::new(setup.service(&listener.url))
    }

    fn request() -> CopyRequest {
        CopyRequest {
            source: Uuid::from_u128(1),
            copy_type: CopyType::Full,
            name: "Contoso UAT".to_owned(),
            security_group: Some("33333333-3333-3333-3333-333333333333".to_owned()),
            skip_audit_data: true,
            transactionless: false,
        }
    }

    #[tokio::test]
    async fn a_copy_is_requested_for_the_target_and_returns_a_handle() {
        let setup = Setup::new(1_000.0);
        let listener = Listener::start(|request, _| {
            let host = request.header("host").unwrap();
            let url = format!("http://{host}/environmentmanagement/environments/e/operations/8f2c?api-version=2024-10-01");
            Reply::json(202, "").with("operation-location", url).with("date", "Fri, 01 Jan 2038 00:00:00 GMT")
        })
        .await;
        let accepted = api(&setup, &listener).copy(ID, &request()).await.unwrap();
        assert_eq!(accepted.handle.unwrap().id.as_deref(), Some("8f2c"));
        assert_eq!(
            accepted.service_date.as_deref(),
            Some("Fri, 01 Jan 2038 00:00:00 GMT")
        );
        let received = listener.received();
        assert_eq!(
            received[0].path,
            format!("/environmentmanagement/environments/{ID}/copy?api-version=2024-10-01")
        );
    }

    #[tokio::test]
    async fn a_collection_is_read_by_its_tokens_and_not_in_circles() {
        let setup = Setup::new(1_000.0);
        let page = |id: &str, token: Option<&str>| {
            Reply::json(
                200,
                json!({"collection": [{"operationId": id, "status": "Succeeded"}], "continuationToken": token}),
            )
        };
        let listener = Listener::replying(vec![
            page("a", Some("x&y=1")),
            page("b", None),
            page("c", Some("again")),
        ])
        .await;
        let platform = api(&setup, &listener);
        let operations = platform.operations(ID).await.unwrap();
        assert_eq!(operations.len(), 2);
        assert!(
            listener.received()[1]
                .path
                .ends_with("&continuationToken=x%26y%3D1")
        );
        assert_eq!(
            platform.operations(ID).await.unwrap_err().kind,
            ErrorKind::Malformed
        );
    }

    #[tokio::test]
    async fn the_id_of_an_operation_is_percent_encoded() {
        let setup = Setup::new(1_000.0);
        let listener = Listener::replying(vec![Reply::json(404, "")]).await;
        assert_eq!(
            api(&setup, &listener)
                .operation(ID, "../a?b")
                .await
                .unwrap(),
            None
        );
        let path = &listener.received()[0].path;
        assert!(path.contains("/operations/%2E%2E%2Fa%3Fb?"), "{path}");
    }

    #[tokio::test]
    async fn copy_candidates_are_read_by_the_source() {
        let setup = Setup::new(1_000.0);
        let body = json!({"collection": [{"environmentId": ID, "displayName": "Contoso UAT"}]});
        let listener = Listener::replying(vec![Reply::json(200, body)]).await;
        let candidates = api(&setup, &listener)
            .copy_candidates(Uuid::from_u128(1))
            .await
            .unwrap();
        assert_eq!(candidates[0].environment, ID.to_string());
        assert!(
            listener.received()[0]
                .path
                .contains("00000000-0000-0000-0000-000000000001/copyCandidates")
        );
    }

    #[tokio::test]
    async fn recorded_packages_are_parsed() {
        let setup = Setup::new(1_000.0);
        // Recorded with the tests of the Terraform provider for Power Platform, shortened.
        let body = json!({"value": [
            {"id": "0b9d1959-2eae-46be-bfbd-f6dd139fb0b6", "uniqueName": "MicrosoftFormsPro", "version": "2.0.0.45",
             "localizedName": "Dynamics 365 Customer Voice", "crmMinversion": "9.1", "instancePackageId": null,
             "state": "None", "errorDetails": null},
            {"uniqueName": "msdyn_IntelligentOrderManagementAnchor", "state": "installed", "version": null},
        ]});
        let listener = Listener::replying(vec![Reply::json(200, body)]).await;
        let packages = api(&setup, &listener).packages(ID).await.unwrap();
        assert_eq!(
            packages[0].name.as_deref(),
            Some("Dynamics 365 Customer Voice")
        );
        assert!(!packages[0].is_installed() && packages[1].is_installed());
    }

    #[tokio::test]
    async fn recorded_connections_are_read() {
        let setup = Setup::new(1_000.0);
        // Recorded with the tests of the Terraform provider for Power Platform, shortened.
        let body = json!({"value": [
            {"name": "00000000-0000-0000-0000-000000000001", "properties": {
                "apiId": "/providers/Microsoft.PowerApps/apis/shared_commondataserviceforapps",
                "displayName": "My CDS Connection", "statuses": [{"status": "Connected"}],
                "createdBy": {"id": "f99f844b-ce3b-49ae-86f3-e374ecae789c"}, "accountName": "admin@contoso.com"}},
            {"name": "d4e4", "properties": {"statuses": [{"status": "Error", "target": "token",
                "error": {"code": "Unauthorized", "message": "expired"}}]}},
            {"name": "e5f5", "properties": {}},
        ]});
        let listener = Listener::replying(vec![Reply::json(200, body)]).await;
        let connections = api(&setup, &listener).connections(ID).await.unwrap();
        assert_eq!(
            connections[0].connector.as_deref(),
            Some("shared_commondataserviceforapps")
        );
        assert_eq!(connections[0].account.as_deref(), Some("admin@contoso.com"));
        assert!(connections[0].is_connected());
        assert_eq!(connections[1].error.as_deref(), Some("expired"));
        assert!(!connections[1].is_connected() && !connections[2].is_connected());
    }
}
