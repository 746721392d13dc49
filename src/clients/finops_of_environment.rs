//! Finance and Operations of an environment, as the Power Platform API describes it: how it is
//! deployed, and why its part of an operation failed.
//!
//! Microsoft Learn documents both calls since July 2026; the names of the members are those of
//! Microsoft's SDK, api-version 2024-10-01.

use serde_json::Value;
use uuid::Uuid;

use super::error::{Error, ErrorKind, presentable};
use super::http::Request;
use super::json::{items_at, text_at};
use super::power_platform::PowerPlatform;

/// The api-version of both calls.
const VERSION: &str = "2024-10-01";
/// How many errors are read; the service's own default.
const MAX_ERRORS: u32 = 20;

/// Why an operation failed inside Finance and Operations. A member that the service leaves out is
/// `None`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct OperationError {
    /// The service's code.
    pub code: Option<String>,
    /// The service's message.
    pub message: Option<String>,
    /// The action that failed.
    pub action: Option<String>,
    /// When it failed, as the service wrote it.
    pub failed_at: Option<String>,
    /// The kind of operation.
    pub operation: Option<String>,
    /// The id that support asks for.
    pub correlation: Option<String>,
}

impl OperationError {
    fn from_value(value: &Value) -> Self {
        let text = |pointer: &str| text_at(value, pointer).map(|text| presentable(&text));
        Self {
            code: text("/errorCode"),
            message: text("/errorMessage"),
            action: text("/failedActionName"),
            failed_at: text("/failedAt"),
            operation: text("/operationType"),
            correlation: text("/correlationId"),
        }
    }

    /// The error in one line, for people.
    pub fn line(&self) -> String {
        let reason = [self.code.as_deref(), self.message.as_deref()];
        let reason = reason.into_iter().flatten().collect::<Vec<_>>().join(": ");
        let reason = if reason.is_empty() {
            "no reason is given".to_owned()
        } else {
            reason
        };
        let place = [
            ("operation", &self.operation),
            ("action", &self.action),
            ("at", &self.failed_at),
            ("correlation id", &self.correlation),
        ];
        let place: Vec<String> = place
            .iter()
            .filter_map(|(word, text)| text.as_ref().map(|text| format!("{word} {text}")))
            .collect();
        if place.is_empty() {
            reason
        } else {
            format!("{reason} ({})", place.join(", "))
        }
    }
}

impl PowerPlatform {
    /// How Finance and Operations of an environment are deployed: `UnifiedDeveloper`,
    /// `UnifiedSandbox`, `UnifiedProduction`, `LCSSandbox`, `LCSProduction`, `Trial`, `Unknown`.
    /// `None` if the service does not show it.
    pub async fn deployment_type(&self, environment: Uuid) -> Result<Option<String>, Error> {
        let path =
            format!("/dynamics/environments/{environment}/finopsproperties?api-version={VERSION}");
        match self.service.send(&Request::get(path)).await {
            Ok(response) => Ok(text_at(&response.value()?, "/deploymentType")),
            Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The errors of operations on Finance and Operations of an environment, in the service's
    /// order; none if the service does not know them.
    pub async fn operation_errors(&self, environment: Uuid) -> Result<Vec<OperationError>, Error> {
        let path = format!(
            "/dynamics/environments/{environment}/operationerrors?api-version={VERSION}&maxResults={MAX_ERRORS}"
        );
        match self.service.send(&Request::get(path)).await {
            Ok(response) => {
                let body = response.value()?;
                Ok(items_at(&body, "/errors")
                    .map(OperationError::from_value)
                    .collect())
            }
            Err(error) if error.kind == ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::testing::{Listener, Reply, Setup};
    use serde_json::json;

    const ID: Uuid = Uuid::from_u128(0x2222);

    #[tokio::test]
    async fn the_deployment_type_is_read_and_may_be_missing() {
        let setup = Setup::new(1_000.0);
        let listener = Listener::replying(vec![
            Reply::json(
                200,
                json!({"appId": "a", "deploymentType": "UnifiedDeveloper"}),
            ),
            Reply::json(
                404,
                json!({"error": {"code": "NotFound", "message": "none"}}),
            ),
        ])
        .await;
        let platform = PowerPlatform::new(setup.service(&listener.url));
        assert_eq!(
            platform.deployment_type(ID).await.unwrap().as_deref(),
            Some("UnifiedDeveloper")
        );
        assert_eq!(platform.deployment_type(ID).await.unwrap(), None);
        assert_eq!(
            listener.received()[0].path,
            format!("/dynamics/environments/{ID}/finopsproperties?api-version=2024-10-01")
        );
    }

    #[tokio::test]
    async fn the_errors_of_operations_are_read_and_shown_in_one_line() {
        let setup = Setup::new(1_000.0);
        let body = json!({"environmentId": ID, "errors": [
            {"correlationId": "c-1", "errorCode": "DatabaseSyncFailed", "errorMessage": "a table is locked",
             "failedActionName": "SynchronizeDatabase", "failedAt": "2026-08-01T10:00:00Z",
             "operationType": "Copy"},
            {},
        ]});
        let listener = Listener::replying(vec![Reply::json(200, body)]).await;
        let platform = PowerPlatform::new(setup.service(&listener.url));
        let errors = platform.operation_errors(ID).await.unwrap();
        assert_eq!(
            errors[0].line(),
            "DatabaseSyncFailed: a table is locked (operation Copy, action SynchronizeDatabase, at \
             2026-08-01T10:00:00Z, correlation id c-1)"
        );
        assert_eq!(errors[1].line(), "no reason is given");
    }
}
