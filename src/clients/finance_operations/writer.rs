//! Finance and Operations, reading and writing: the target, never the source.

use std::ops::Deref;

use serde_json::Value;

use super::client::FinanceOperations;
use super::key::EntityKey;
use crate::clients::error::Error;
use crate::clients::http::{Method, Request, Service};
use crate::clients::odata::{Condition, WriteResponse, read_write_response};

/// The namespace of its bound actions (Microsoft Learn, *Data management package REST API*).
const ACTIONS: &str = "Microsoft.Dynamics.DataEntities";

/// The Finance and Operations of one environment, for reading and writing.
#[derive(Clone, Debug)]
pub struct FinanceOperationsWriter {
    reader: FinanceOperations,
}

impl FinanceOperationsWriter {
    /// Takes the service whose origin is the environment's.
    pub fn new(service: Service) -> Self {
        Self {
            reader: FinanceOperations::new(service),
        }
    }

    /// Changes the fields of one row that are in `body`. Sent at most once, unless it is certain
    /// that it was not processed; a lost response is [`crate::clients::ErrorKind::Ambiguous`].
    pub async fn patch(
        &self,
        key: &EntityKey,
        body: &Value,
        condition: Condition,
    ) -> Result<WriteResponse, Error> {
        let request = self.write_request(Method::PATCH, &key.path())?.json(body);
        self.write(request, condition).await
    }

    /// Creates a row in an entity set.
    pub async fn create(&self, set: &str, body: &Value) -> Result<WriteResponse, Error> {
        let request = self.write_request(Method::POST, set)?.json(body);
        self.write(request, Condition::None).await
    }

    /// Deletes one row. A missing row is refused with 404.
    pub async fn delete(
        &self,
        key: &EntityKey,
        condition: Condition,
    ) -> Result<WriteResponse, Error> {
        let request = self.write_request(Method::DELETE, &key.path())?;
        self.write(request, condition).await
    }

    /// Calls an action that is bound to an entity set, and returns its `value`, or null if it has
    /// none. Some actions only read (`GetApplicationVersion`), but all of them are POST requests
    /// and so are sent at most once.
    pub async fn action(&self, set: &str, name: &str, body: &Value) -> Result<Value, Error> {
        let path = format!("{set}/{ACTIONS}.{name}");
        let request = self.action_request(&path)?.json(body);
        let response = self.write(request, Condition::None).await?;
        let value = response.body.as_ref().and_then(|body| body.get("value"));
        Ok(value.cloned().unwrap_or_default())
    }

    async fn write(&self, request: Request, condition: Condition) -> Result<WriteResponse, Error> {
        let service = &self.reader.service;
        let response = service.send(&condition.add_to(request)).await?;
        Ok(read_write_response(service, &response))
    }
}

impl Deref for FinanceOperationsWriter {
    type Target = FinanceOperations;

    fn deref(&self) -> &FinanceOperations {
        &self.reader
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::ErrorKind;
    use crate::clients::testing::{Listener, Reply, Setup};
    use serde_json::json;

    fn writer(setup: &Setup, url: &str) -> FinanceOperationsWriter {
        FinanceOperationsWriter::new(setup.service(url))
    }

    #[tokio::test]
    async fn writes_address_the_row_in_any_company() {
        let setup = Setup::new(1_000.0);
        let listener = Listener::replying(vec![Reply::json(204, "")]).await;
        let writer = writer(&setup, &listener.url);
        let key = EntityKey::new("SystemUsers", "UserID", "svc");
        let body = json!({"Enabled": true});
        let etag = Condition::Etag("W/\"7\"".to_owned());
        writer.patch(&key, &body, etag).await.unwrap();
        writer.create("SysAADClients", &body).await.unwrap();
        writer.delete(&key, Condition::None).await.unwrap();
        let sent: Vec<(String, String, String)> = listener
            .received()
            .into_iter()
            .map(|one| (one.method, one.path, one.body))
            .collect();
        let row = "/data/SystemUsers(UserID=%27svc%27)?cross-company=true".to_owned();
        let text = body.to_string();
        assert_eq!(
            sent,
            [
                ("PATCH".to_owned(), row.clone(), text.clone()),
                (
                    "POST".to_owned(),
                    "/data/SysAADClients?cross-company=true".to_owned(),
                    text
                ),
                ("DELETE".to_owned(), row, String::new()),
            ]
        );
        let received = listener.received();
        assert_eq!(received[0].header("if-match"), Some("W/\"7\""));
        assert_eq!(received[2].header("if-match"), None);
    }

    #[tokio::test]
    async fn an_action_returns_its_value() {
        let setup = Setup::new(1_000.0);
        let version = r#"{"@odata.context":"x#Edm.String","value":"10.0.44"}"#;
        let listener =
            Listener::replying(vec![Reply::json(200, version), Reply::json(204, "")]).await;
        let writer = writer(&setup, &listener.url);
        let ask = async || {
            writer
                .action(
                    "DataManagementEntities",
                    "GetApplicationVersion",
                    &json!({}),
                )
                .await
                .unwrap()
        };
        assert_eq!(ask().await, json!("10.0.44"));
        assert_eq!(ask().await, Value::Null);
        assert_eq!(
            listener.received()[0].path,
            "/data/DataManagementEntities/Microsoft.Dynamics.DataEntities.GetApplicationVersion"
        );
    }

    #[tokio::test]
    async fn a_lost_response_is_ambiguous() {
        let setup = Setup::new(1_000.0);
        let listener = Listener::replying(vec![Reply::HangUp]).await;
        let error = writer(&setup, &listener.url)
            .create("SysAADClients", &json!({}))
            .await
            .unwrap_err();
        assert_eq!((error.kind, listener.count()), (ErrorKind::Ambiguous, 1));
    }
}
