//! BAP, the older admin API (`api.bap.microsoft.com`): environments, administration mode, lifecycle
//! operations. It is the only one that can leave administration mode.

use serde_json::{Value, json};
use uuid::Uuid;

use super::admin_list::list_values;
use super::copy_request::CopyRequest;
use super::environment::Environment;
use super::error::{Error, ErrorKind};
use super::http::{Method, Request, Response, Service};
use super::operation::{Accepted, Operation, OperationHandle, read_accepted, read_poll};

const PROVIDER: &str = "/providers/Microsoft.BusinessAppPlatform";
/// The api-version for reading an environment, as the Terraform provider for Power Platform sends
/// it.
const READ: &str = "2023-06-01";
/// The api-version for changing an environment: later versions turn it into a managed environment
/// as a side effect (a note in that provider's source).
const CHANGE: &str = "2021-04-01";
/// The api-version of `copyTo` in Microsoft's PowerShell module.
const COPY: &str = "2019-05-01";
/// The api-version for listing lifecycle operations, as published tools send it.
const LIST_OPERATIONS: &str = "2024-05-01";
/// The api-version of `addAppUser`, as the Terraform provider sends it.
const ADD_USER: &str = "2020-10-01";

/// The older admin API.
#[derive(Clone, Debug)]
pub struct Bap {
    service: Service,
}

impl Bap {
    /// Takes the API's service. Its poll links may lead to regional hosts, which are exactly one
    /// label below its own host.
    pub fn new(service: Service) -> Self {
        Self {
            service: service.with_regional_hosts(),
        }
    }

    /// Every environment that the caller may see.
    pub async fn environments(&self) -> Result<Vec<Environment>, Error> {
        let path = format!("{PROVIDER}/scopes/admin/environments?api-version={READ}");
        let parse = |item: &Value| Environment::from_value(item.clone());
        list_values(&self.service, &path, parse).await
    }

    /// An environment; `None` if it does not exist or the caller may not see it.
    pub async fn environment(&self, id: Uuid) -> Result<Option<Environment>, Error> {
        let path = format!("{PROVIDER}/scopes/admin/environments/{id}?api-version={READ}");
        let response = match self.service.send(&Request::get(path)).await {
            Ok(response) => response,
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let environment = Environment::from_value(response.value()?)
            .ok_or_else(|| response.malformed("the response contains no environment"))?;
        // Guards against a path without an id, which lists all environments.
        if environment.id.eq_ignore_ascii_case(&id.to_string()) {
            Ok(Some(environment))
        } else {
            let why = format!("the response is about environment {}", environment.id);
            Err(response.malformed(&why))
        }
    }

    /// Sets administration mode and background operations: `runtime` is `Enabled` or `AdminMode`,
    /// `background` is `Enabled` or `Disabled`. Only these two members are sent, because only sent
    /// members are changed. Returns the operation to wait for; `None` if nothing had to be changed.
    pub async fn set_runtime_state(
        &self,
        id: Uuid,
        runtime: &str,
        background: &str,
    ) -> Result<Option<OperationHandle>, Error> {
        let path = format!("{PROVIDER}/scopes/admin/environments/{id}?api-version={CHANGE}");
        let request = Request::new(Method::PATCH, path).json(&json!({
            "properties": {
                "states": { "runtime": { "id": runtime } },
                "linkedEnvironmentMetadata": { "backgroundOperationsState": background },
            },
        }));
        let response = self.service.send(&request).await?;
        let accepted = read_accepted(&self.service, &response);
        match accepted.refused_link {
            Some(link) => {
                let why =
                    format!("it accepted the change, but its poll link {link} is not followed");
                Err(response.error(ErrorKind::ForeignOrigin, &why))
            }
            None => Ok(accepted.handle),
        }
    }

    /// Copies an environment onto `target`, which is overwritten, on the route of Microsoft's
    /// PowerShell module. Sent at most once; a lost response is [`ErrorKind::Ambiguous`].
    pub async fn copy_to(&self, target: Uuid, request: &CopyRequest) -> Result<Accepted, Error> {
        let path = format!("{PROVIDER}/environments/{target}/copyTo?api-version={COPY}");
        let request = Request::new(Method::POST, path)
            .json(&request.for_bap())
            .once();
        let response = self.service.send(&request).await?;
        Ok(read_accepted(&self.service, &response))
    }

    /// The operation of a handle. `None` if the service does not know it, which says nothing about
    /// how it ended. The handle's origin is checked again.
    pub async fn operation(&self, handle: &OperationHandle) -> Result<Option<Operation>, Error> {
        let url = self.service.resolve_stored_link(&handle.url)?;
        read_poll(handle, self.service.send(&Request::get_link(url)).await)
    }

    /// The lifecycle operations of an environment, in the service's order (newest first).
    pub async fn operations(&self, environment: Uuid) -> Result<Vec<Operation>, Error> {
        let path = format!(
            "{PROVIDER}/lifecycleOperations?api-version={LIST_OPERATIONS}\
             &$filter=environment%20eq%20%27{environment}%27"
        );
        list_values(&self.service, &path, Operation::from_value).await
    }

    /// Adds an application as a user of an environment's Dataverse. Harmless if it is one already.
    pub async fn add_application_user(&self, environment: Uuid, client: &str) -> Result<(), Error> {
        let path = format!(
            "{PROVIDER}/scopes/admin/environments/{environment}/addAppUser?api-version={ADD_USER}"
        );
        let request =
            Request::new(Method::POST, path).json(&json!({ "servicePrincipalAppId": client }));
        let _response: Response = self.service.send(&request).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::OperationState;
    use crate::clients::testing::{Listener, Reply, Setup, copy_request};

    const ID: Uuid = Uuid::from_u128(0x2222);

    fn bap(setup: &Setup, listener: &Listener) -> Bap {
        Bap::new(setup.service(&listener.url))
    }

    #[tokio::test]
    async fn a_response_about_another_environment_is_malformed() {
        let setup = Setup::new(1_000.0);
        let environment = |name: &str| Reply::json(200, json!({"name": name, "properties": {}}));
        let replies = vec![
            environment(&ID.to_string()),
            environment("another"),
            Reply::json(200, r#"{"value":[]}"#),
            Reply::json(404, ""),
        ];
        let listener = Listener::replying(replies).await;
        let api = bap(&setup, &listener);
        assert_eq!(
            api.environment(ID).await.unwrap().unwrap().id,
            ID.to_string()
        );
        for _ in 0..2 {
            assert_eq!(
                api.environment(ID).await.unwrap_err().kind,
                ErrorKind::Malformed
            );
        }
        assert_eq!(api.environment(ID).await.unwrap(), None);
    }

    #[tokio::test]
    async fn the_runtime_state_is_set_by_two_members_and_may_need_no_operation() {
        let setup = Setup::new(1_000.0);
        let listener = Listener::start(|request, before| match before {
            0 => Reply::json(204, ""),
            1 => {
                let host = request.header("host").unwrap();
                let path = "providers/Microsoft.BusinessAppPlatform/lifecycleOperations/abc?api-version=2021-04-01";
                Reply::json(202, "").with("location", format!("http://{host}/{path}"))
            }
            _ => Reply::json(202, "").with("location", "https://europe.api.api.microsoft.com/x"),
        })
        .await;
        let api = bap(&setup, &listener);
        assert_eq!(
            api.set_runtime_state(ID, "Enabled", "Enabled")
                .await
                .unwrap(),
            None
        );
        let request = listener.received().remove(0);
        assert!(
            request.path.ends_with("?api-version=2021-04-01"),
            "{}",
            request.path
        );
        assert_eq!(
            request.body,
            r#"{"properties":{"states":{"runtime":{"id":"Enabled"}},"linkedEnvironmentMetadata":{"backgroundOperationsState":"Enabled"}}}"#
        );
        let handle = api
            .set_runtime_state(ID, "Enabled", "Enabled")
            .await
            .unwrap()
            .unwrap();
        assert_eq!(handle.id.as_deref(), Some("abc"));
        let stored: OperationHandle = serde_json::from_value(json!(handle)).unwrap();
        assert_eq!(stored, handle);
        let error = api
            .set_runtime_state(ID, "Enabled", "Enabled")
            .await
            .unwrap_err();
        assert_eq!(error.kind, ErrorKind::ForeignOrigin);
    }

    #[tokio::test]
    async fn a_poll_is_judged_by_its_body_and_not_by_its_status() {
        let setup = Setup::new(1_000.0);
        let running = json!({"id": "abc", "type": {"id": "Copy"}, "state": {"id": "Running"}});
        let replies = vec![
            Reply::json(200, &running).with("retry-after", "10"),
            Reply::json(202, ""),
            Reply::json(409, ""),
            Reply::json(
                404,
                r#"{"error":{"code":"OperationNotFound","message":"x"}}"#,
            ),
            Reply::json(200, "{}"),
        ];
        let listener = Listener::replying(replies).await;
        let api = bap(&setup, &listener);
        let handle = OperationHandle {
            service: "BAP".to_owned(),
            url: format!("{}/lifecycleOperations/abc", listener.url),
            id: Some("abc".to_owned()),
        };
        let first = api.operation(&handle).await.unwrap().unwrap();
        assert_eq!(first.retry_after, Some(std::time::Duration::from_secs(10)));
        assert_eq!(first.raw, running);
        for _ in 0..2 {
            let busy = api.operation(&handle).await.unwrap().unwrap();
            assert_eq!(
                (busy.state, busy.id.as_str()),
                (OperationState::Running, "abc")
            );
        }
        assert_eq!(api.operation(&handle).await.unwrap(), None);
        assert_eq!(
            api.operation(&handle).await.unwrap_err().kind,
            ErrorKind::Malformed
        );
    }

    /// The operation may be this request's own, so the list decides (a 409 may have an empty body,
    /// as the Terraform provider for Power Platform found).
    #[tokio::test]
    async fn a_409_without_a_body_does_not_say_that_the_copy_was_refused() {
        let setup = Setup::new(1_000.0);
        let listener = Listener::replying(vec![Reply::json(409, "")]).await;
        let request = copy_request();
        let error = bap(&setup, &listener)
            .copy_to(ID, &request)
            .await
            .unwrap_err();
        assert_eq!((error.kind, listener.count()), (ErrorKind::Conflict, 1));
        assert!(!error.is_clear_refusal());
    }

    /// An operation that has succeeded may be gone from the list soon after, and a word that is not
    /// known is neither an end nor a failure.
    #[tokio::test]
    async fn a_poll_after_success_and_an_unknown_state_end_nothing() {
        let setup = Setup::new(1_000.0);
        let state = |word: &str| json!({"id": "abc", "state": {"id": word}});
        let listener = Listener::replying(vec![
            Reply::json(200, state("Succeeded")),
            Reply::json(404, ""),
            Reply::json(200, state("Postponed")),
            Reply::json(200, state("Running"))
                .with("retry-after", "Sun, 01 Mar 2026 02:03:34 GMT")
                .with("date", "Sun, 01 Mar 2026 02:03:04 GMT"),
        ])
        .await;
        let api = bap(&setup, &listener);
        let handle = OperationHandle {
            service: "BAP".to_owned(),
            url: format!("{}/lifecycleOperations/abc", listener.url),
            id: Some("abc".to_owned()),
        };
        let ended = api.operation(&handle).await.unwrap().unwrap();
        assert_eq!(ended.state, OperationState::Succeeded);
        assert_eq!(api.operation(&handle).await.unwrap(), None);
        let unknown = api.operation(&handle).await.unwrap().unwrap();
        assert!(!unknown.state.has_ended(), "{:?}", unknown.state);
        let running = api.operation(&handle).await.unwrap().unwrap();
        assert_eq!(
            running.retry_after,
            Some(std::time::Duration::from_secs(30))
        );
    }

    #[tokio::test]
    async fn a_stored_handle_is_checked_again_before_a_token_is_sent() {
        let setup = Setup::new(1_000.0);
        let listener = Listener::replying(vec![Reply::json(200, "{}")]).await;
        let thief = Listener::replying(vec![Reply::json(200, "{}")]).await;
        let handle = OperationHandle {
            service: "BAP".to_owned(),
            url: format!("{}/lifecycleOperations/abc", thief.url),
            id: None,
        };
        let error = bap(&setup, &listener).operation(&handle).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::ForeignOrigin);
        assert_eq!((listener.count(), thief.count()), (0, 0));
    }

    #[tokio::test]
    async fn an_accepted_copy_stays_accepted_with_any_link() {
        let setup = Setup::new(1_000.0);
        let listener = Listener::replying(vec![
            Reply::json(202, "").with("operation-location", "https://evil.example/x?sig=abc"),
            Reply::json(202, "").with("x-ms-correlation-id", "c-1"),
            Reply::json(
                409,
                r#"{"error":{"code":"OperationNotStartable","message":"x"}}"#,
            ),
            Reply::HangUp,
        ])
        .await;
        let api = bap(&setup, &listener);
        let request = copy_request();
        let accepted = api.copy_to(ID, &request).await.unwrap();
        assert_eq!(accepted.handle, None);
        assert!(
            accepted
                .refused_link
                .unwrap()
                .starts_with("https://evil.example/x?sig=<redacted")
        );
        let accepted = api.copy_to(ID, &request).await.unwrap();
        assert_eq!(
            (accepted.handle, accepted.correlation.as_deref()),
            (None, Some("c-1"))
        );
        assert_eq!(
            api.copy_to(ID, &request).await.unwrap_err().kind,
            ErrorKind::Busy
        );
        assert_eq!(
            api.copy_to(ID, &request).await.unwrap_err().kind,
            ErrorKind::Ambiguous
        );
        assert_eq!(listener.count(), 4, "each is sent once");
        let path = &listener.received()[0].path;
        assert!(
            path.contains(&format!("/environments/{ID}/copyTo?")),
            "the target is in the path: {path}"
        );
    }

    #[tokio::test]
    async fn operations_are_listed_by_environment() {
        let setup = Setup::new(1_000.0);
        let one = json!({"value": [{"id": "a", "state": {"id": "Succeeded"}}], "nextLink": "/next?page=2"});
        let two = json!({"value": [{"id": "b", "state": {"id": "Running"}}]});
        let listener = Listener::replying(vec![
            Reply::json(200, one),
            Reply::json(200, two),
            Reply::json(200, r#"{"value":[{}]}"#),
        ])
        .await;
        let api = bap(&setup, &listener);
        let operations = api.operations(ID).await.unwrap();
        assert_eq!(
            operations.iter().map(|o| o.id.as_str()).collect::<Vec<_>>(),
            ["a", "b"]
        );
        let path = &listener.received()[0].path;
        assert!(
            path.ends_with(&format!("&$filter=environment%20eq%20%27{ID}%27")),
            "{path}"
        );
        assert_eq!(
            api.operations(ID).await.unwrap_err().kind,
            ErrorKind::Malformed
        );
    }

    #[tokio::test]
    async fn an_application_user_is_added_by_its_client_id() {
        let setup = Setup::new(1_000.0);
        let listener = Listener::replying(vec![Reply::json(200, "")]).await;
        bap(&setup, &listener)
            .add_application_user(ID, "the-client")
            .await
            .unwrap();
        assert_eq!(
            listener.received()[0].body,
            r#"{"servicePrincipalAppId":"the-client"}"#
        );
    }
}
