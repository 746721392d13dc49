//! BAP, the older admin API (`api.bap.microsoft.com`): environments, administration mode, lifecycle
//! operations. It is the only one that can leave administration mode.

use serde_json::json;
use uuid::Uuid;

use super::copy_request::CopyRequest;
use super::environment::Environment;
use super::error::{Error, ErrorKind};
use super::http::{Method, Request, Response, Service};
use super::lists::values;
use super::operation::{Accepted, Operation, OperationHandle, accepted, polled};

const PROVIDER: &str = "/providers/Microsoft.BusinessAppPlatform";
/// The api-version of reading an environment, as the Terraform provider for Power Platform sends it.
const READ: &str = "2023-06-01";
/// The api-version of changing an environment: later ones turn it into a managed environment as a
/// side effect (a note in that provider's source).
const CHANGE: &str = "2021-04-01";
/// The api-version of `copyTo` in Microsoft's PowerShell module.
const COPY: &str = "2019-05-01";
/// The api-version of listing lifecycle operations, as published tools send it.
const LIST_OPERATIONS: &str = "2024-05-01";
/// The api-version of `addAppUser`, as the Terraform provider sends it.
const ADD_USER: &str = "2020-10-01";

/// The older admin API.
#[derive(Clone, Debug)]
pub struct Bap {
    service: Service,
}

impl Bap {
    /// Takes the service that it is reached through. Its poll links may lead to regional hosts, which
    /// are exactly one label under its own host.
    pub fn new(service: Service) -> Self {
        Self {
            service: service.with_regional_hosts(),
        }
    }

    /// An environment; none where there is none of this id, or none that the caller may see.
    pub async fn environment(&self, id: Uuid) -> Result<Option<Environment>, Error> {
        let path = format!("{PROVIDER}/scopes/admin/environments/{id}?api-version={READ}");
        let answer = match self.service.send(&Request::get(path)).await {
            Ok(answer) => answer,
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let environment = Environment::from_value(answer.value()?)
            .ok_or_else(|| answer.malformed("the answer holds no environment"))?;
        // An empty id in the path would have listed all; a service that answers another is not asked
        // any further.
        if environment.id.eq_ignore_ascii_case(&id.to_string()) {
            Ok(Some(environment))
        } else {
            let why = format!("it answered with environment {}", environment.id);
            Err(answer.malformed(&why))
        }
    }

    /// Sets administration mode and background operations: `runtime` is `Enabled` or `AdminMode`,
    /// `background` is `Enabled` or `Disabled`. Only these two members are sent, because only what is
    /// sent is changed. Returns the operation to wait for; none where nothing had to be changed.
    pub async fn set_runtime_state(
        &self,
        id: Uuid,
        runtime: &str,
        background: &str,
    ) -> Result<Option<OperationHandle>, Error> {
        let path = format!("{PROVIDER}/scopes/admin/environments/{id}?api-version={CHANGE}");
        let request = Request::new(Method::Patch, path).json(&json!({
            "properties": {
                "states": { "runtime": { "id": runtime } },
                "linkedEnvironmentMetadata": { "backgroundOperationsState": background },
            },
        }));
        let answer = self.service.send(&request).await?;
        let accepted = accepted(&self.service, &answer);
        match accepted.refused_link {
            Some(link) => {
                let why = format!("it accepted the change, but names {link} to ask after it");
                Err(answer.error(ErrorKind::ForeignOrigin, &why))
            }
            None => Ok(accepted.handle),
        }
    }

    /// Copies an environment onto `target`, which is overwritten, on the route of Microsoft's
    /// PowerShell module. Sent at most once; an answer that is lost is [`ErrorKind::Ambiguous`].
    pub async fn copy_to(&self, target: Uuid, request: &CopyRequest) -> Result<Accepted, Error> {
        let path = format!("{PROVIDER}/environments/{target}/copyTo?api-version={COPY}");
        let request = Request::new(Method::Post, path).json(&request.for_bap());
        let answer = self.service.send(&request).await?;
        Ok(accepted(&self.service, &answer))
    }

    /// The operation that a handle leads to. None where the service does not know it, which says
    /// nothing about how it ended. The handle's origin is checked again.
    pub async fn operation(&self, handle: &OperationHandle) -> Result<Option<Operation>, Error> {
        let url = self.service.kept_link(&handle.url)?;
        polled(handle, self.service.send(&Request::get_link(url)).await)
    }

    /// One lifecycle operation by its id.
    pub async fn operation_by_id(&self, id: Uuid) -> Result<Option<Operation>, Error> {
        let path = format!("{PROVIDER}/lifecycleOperations/{id}?api-version={CHANGE}");
        let handle = OperationHandle {
            service: self.service.name().to_owned(),
            url: format!("{}{path}", self.service.origin()),
            id: Some(id.to_string()),
        };
        polled(&handle, self.service.send(&Request::get(path)).await)
    }

    /// The lifecycle operations of an environment, in the service's order (newest first).
    pub async fn operations(&self, environment: Uuid) -> Result<Vec<Operation>, Error> {
        let path = format!(
            "{PROVIDER}/lifecycleOperations?api-version={LIST_OPERATIONS}\
             &$filter=environment%20eq%20%27{environment}%27"
        );
        values(&self.service, &path, Operation::from_value).await
    }

    /// Adds an application as a user of an environment's Dataverse. Harmless where it is one already.
    pub async fn add_application_user(&self, environment: Uuid, client: &str) -> Result<(), Error> {
        let path = format!(
            "{PROVIDER}/scopes/admin/environments/{environment}/addAppUser?api-version={ADD_USER}"
        );
        let request =
            Request::new(Method::Post, path).json(&json!({ "servicePrincipalAppId": client }));
        let _answer: Response = self.service.send(&request).await?;
        Ok(())
    }
}
