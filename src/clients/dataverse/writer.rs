//! Dataverse, reading and writing: the target, never the source.

use std::ops::Deref;

use serde_json::Value;
use uuid::Uuid;

use super::client::Dataverse;
use crate::clients::error::{Error, ErrorKind, presentable};
use crate::clients::http::{Method, Request, Response, Service, parse_method};
use crate::clients::odata::{ANNOTATIONS, Condition, Row, WriteResponse, read_write_response};

/// The Dataverse of one environment, for reading and writing.
#[derive(Clone, Debug)]
pub struct DataverseWriter {
    dataverse: Dataverse,
}

impl DataverseWriter {
    /// Takes the service whose origin is the environment's.
    pub fn new(service: Service) -> Self {
        Self {
            dataverse: Dataverse::new(service),
        }
    }

    /// The same, acting as another user, see [`Dataverse::acting_as`].
    #[must_use]
    pub fn acting_as(&self, directory_object: Uuid) -> Self {
        Self {
            dataverse: self.dataverse.acting_as(directory_object),
        }
    }

    /// Changes the columns of one row that are in `body`. Writing an equal value is a change too:
    /// plug-ins, flows and audit run.
    pub async fn update(
        &self,
        set: &str,
        id: Uuid,
        body: &Value,
        condition: Condition,
    ) -> Result<WriteResponse, Error> {
        let path = format!("{set}({id})");
        let body = body.to_string();
        self.write(Method::PATCH, &path, Some(&body), condition)
            .await
    }

    /// Deletes one row. For a row that does not exist, [`Error::is_missing_row`] is true.
    pub async fn delete(
        &self,
        set: &str,
        id: Uuid,
        condition: Condition,
    ) -> Result<WriteResponse, Error> {
        self.write(Method::DELETE, &format!("{set}({id})"), None, condition)
            .await
    }

    /// Sends any write. Takes the method's name, a path relative to the Web API's root (with its
    /// query, percent-encoded), and the exact JSON text of the body. Sent at most once, unless it
    /// is certain that it was not processed; a lost response is [`ErrorKind::Ambiguous`].
    pub async fn send(
        &self,
        method: &str,
        path: &str,
        body: Option<&str>,
        condition: Condition,
    ) -> Result<WriteResponse, Error> {
        let method = parse_method(method).map_err(|error| {
            let what = format!("{} {}", presentable(method), presentable(path));
            let why = error.to_string();
            Error::new(ErrorKind::Configuration, self.name(), &what, &why).with_source(error)
        })?;
        self.write(method, path, body, condition).await
    }

    /// Changes one row, or creates it, and asks for the row as it is afterwards (Microsoft Learn,
    /// *Update and delete table rows using the Web API*: update with data returned). None if the
    /// service accepted the write and did not respond with the row. Takes and sends the same as
    /// [`Self::send`].
    pub async fn patch(
        &self,
        path: &str,
        body: Option<&str>,
        condition: Condition,
    ) -> Result<Option<Row>, Error> {
        let request = self.dataverse.request(Method::PATCH, path)?;
        let prefer = format!("return=representation,{ANNOTATIONS}");
        let request = request.header("prefer", prefer);
        let response = self.respond(request, body, condition).await?;
        // What cannot be read as a row proves nothing, and the row is read back.
        Ok(Row::from_response(&response).ok())
    }

    /// Sends the POST that starts a long-running operation. The service receives it at most once:
    /// 401 and 429 are not retried. Takes the same as [`Self::send`].
    pub async fn launch(&self, path: &str, body: Option<&str>) -> Result<WriteResponse, Error> {
        let request = self.dataverse.request(Method::POST, path)?.once();
        self.send_write(request, body, Condition::None).await
    }

    async fn write(
        &self,
        method: Method,
        path: &str,
        body: Option<&str>,
        condition: Condition,
    ) -> Result<WriteResponse, Error> {
        let request = self.dataverse.request(method, path)?;
        self.send_write(request, body, condition).await
    }

    async fn send_write(
        &self,
        request: Request,
        body: Option<&str>,
        condition: Condition,
    ) -> Result<WriteResponse, Error> {
        // With annotations an error contains the inner error of the Flow service.
        let request = request.header("prefer", ANNOTATIONS);
        let response = self.respond(request, body, condition).await?;
        Ok(read_write_response(&self.dataverse.service, &response))
    }

    async fn respond(
        &self,
        request: Request,
        body: Option<&str>,
        condition: Condition,
    ) -> Result<Response, Error> {
        let request = condition.add_to(request);
        let request = match body {
            Some(body) => request.json_text(body),
            None => request,
        };
        self.dataverse.service.send(&request).await
    }
}

impl Deref for DataverseWriter {
    type Target = Dataverse;

    fn deref(&self) -> &Dataverse {
        &self.dataverse
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::testing::{Listener, Reply, Setup};
    use serde_json::json;

    #[tokio::test]
    async fn each_condition_is_a_header_and_the_body_is_sent_unchanged() {
        let setup = Setup::new(1_000.0);
        let listener = Listener::replying(vec![Reply::json(204, "")]).await;
        let writer = DataverseWriter::new(setup.service(&listener.url));
        let body = "{ \"statecode\":1 }";
        for (condition, if_match, if_none_match) in [
            (Condition::Etag("W/\"7\"".to_owned()), Some("W/\"7\""), None),
            (Condition::Exists, Some("*"), None),
            (Condition::Create, None, Some("*")),
            (Condition::None, None, None),
        ] {
            writer
                .send("PATCH", "workflows(1)", Some(body), condition)
                .await
                .unwrap();
            let request = listener.received().pop().unwrap();
            assert_eq!(
                (request.method.as_str(), request.body.as_str()),
                ("PATCH", body)
            );
            assert_eq!(request.path, "/api/data/v9.2/workflows(1)");
            assert_eq!(request.header("if-match"), if_match);
            assert_eq!(request.header("if-none-match"), if_none_match);
            assert_eq!(request.header("content-type"), Some("application/json"));
            assert_eq!(
                request.header("prefer"),
                Some("odata.include-annotations=\"*\"")
            );
        }
        writer
            .delete("xs", Uuid::nil(), Condition::None)
            .await
            .unwrap();
        let request = listener.received().pop().unwrap();
        assert_eq!(
            (request.method.as_str(), request.header("content-type")),
            ("DELETE", None)
        );
    }

    /// A row that the service does not return, or that cannot be read, is not an error: the write
    /// was accepted.
    #[tokio::test]
    async fn a_patch_asks_for_the_row_and_does_not_need_it() {
        let setup = Setup::new(1_000.0);
        let row = json!({ "@odata.etag": "W/\"8\"", "value": "two" });
        let listener = Listener::replying(vec![
            Reply::json(200, row),
            Reply::json(204, ""),
            Reply::json(200, "{"),
        ])
        .await;
        let writer = DataverseWriter::new(setup.service(&listener.url));
        let condition = Condition::Etag("W/\"7\"".to_owned());
        for etag in [Some("W/\"8\""), None, None] {
            let row = writer.patch("xs(1)", Some("{}"), condition.clone()).await;
            let row = row.unwrap();
            assert_eq!(row.and_then(|row| row.etag).as_deref(), etag);
            let request = listener.received().pop().unwrap();
            let prefer = "return=representation,odata.include-annotations=\"*\"";
            assert_eq!(request.header("prefer"), Some(prefer));
            assert_eq!(request.header("if-match"), Some("W/\"7\""));
        }
    }

    #[tokio::test]
    async fn a_response_is_returned_with_status_link_date_and_body() {
        let setup = Setup::new(1_000.0);
        let listener = Listener::start(|request, before| {
            let host = request.header("host").unwrap();
            let link = format!("http://{host}/api/data/v9.2/xs(1)");
            let link = if before == 0 {
                link
            } else {
                "https://evil.example/x".to_owned()
            };
            Reply::json(201, r#"{"a":1}"#)
                .with("location", link)
                .with("date", "Fri, 01 Jan 2038 00:00:00 GMT")
        })
        .await;
        let writer = DataverseWriter::new(setup.service(&listener.url));
        let written = writer
            .send("post", "xs", Some("{}"), Condition::None)
            .await
            .unwrap();
        assert_eq!(written.status, 201);
        assert_eq!(written.body, Some(json!({"a": 1})));
        assert_eq!(
            written.handle,
            Some(format!("{}/api/data/v9.2/xs(1)", listener.url))
        );
        assert_eq!(
            written.service_date.as_deref(),
            Some("Fri, 01 Jan 2038 00:00:00 GMT")
        );
        let written = writer
            .send("POST", "xs", Some("{}"), Condition::None)
            .await
            .unwrap();
        assert_eq!(written.handle, None);
        assert_eq!(
            written.refused_link.as_deref(),
            Some("https://evil.example/x")
        );
    }

    #[tokio::test]
    async fn a_lost_response_is_ambiguous_and_a_changed_row_fails_the_precondition() {
        let setup = Setup::new(1_000.0);
        let moved = r#"{"error":{"code":"0x80060882","message":"The version of the existing record doesn't match the RowVersion property provided."}}"#;
        let listener = Listener::replying(vec![Reply::HangUp, Reply::json(412, moved)]).await;
        let writer = DataverseWriter::new(setup.service(&listener.url));
        let update = async || {
            let body = json!({"a": 1});
            writer
                .update("xs", Uuid::nil(), &body, Condition::Exists)
                .await
                .unwrap_err()
        };
        assert_eq!(update().await.kind, ErrorKind::Ambiguous);
        let error = update().await;
        assert_eq!(error.kind, ErrorKind::PreconditionFailed);
        assert_eq!(error.code.as_deref(), Some("0x80060882"));
        assert_eq!(listener.count(), 2);
    }

    #[tokio::test]
    async fn an_unknown_method_is_not_sent() {
        let setup = Setup::new(1_000.0);
        let listener = Listener::replying(vec![Reply::json(204, "")]).await;
        let writer = DataverseWriter::new(setup.service(&listener.url));
        let error = writer
            .send("TRACE", "xs", None, Condition::None)
            .await
            .unwrap_err();
        assert_eq!(
            (error.kind, listener.count()),
            (ErrorKind::Configuration, 0)
        );
    }
}
