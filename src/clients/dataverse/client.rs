//! Dataverse, read only. The source is reached through this type, which has no method that writes.

use std::sync::Arc;

use serde_json::Value;
use uuid::Uuid;

use super::metadata_cache::MetadataCache;
use crate::clients::error::{Error, ErrorKind};
use crate::clients::http::{Method, Request, Response, Service};
use crate::clients::odata::{ANNOTATIONS, Query, Row, list_mapped, service_path, with_version};

/// The root of the Web API.
pub(super) const ROOT: &str = "/api/data/v9.2/";

/// The Dataverse of one environment, for reading.
#[derive(Clone, Debug)]
pub struct Dataverse {
    pub(super) service: Service,
    pub(super) metadata: Arc<MetadataCache>,
    /// The directory object id of the user to act as.
    caller: Option<Uuid>,
}

impl Dataverse {
    /// Takes the service whose origin is the environment's.
    pub fn new(service: Service) -> Self {
        Self {
            service,
            metadata: Arc::default(),
            caller: None,
        }
    }

    /// The same, acting as another user, by the object id in the directory (`CallerObjectId`). Only
    /// permissions that both have apply.
    #[must_use]
    pub fn acting_as(&self, directory_object: Uuid) -> Self {
        Self {
            caller: Some(directory_object),
            ..self.clone()
        }
    }

    /// Its name in errors.
    pub fn name(&self) -> &str {
        self.service.name()
    }

    /// All rows of a query, of every page, or an error: never a part of the list. Takes the entity
    /// set's name, or a path to related rows such as
    /// `systemusers(<id>)/teammembership_association`.
    pub async fn list(&self, set: &str, query: &Query) -> Result<Vec<Row>, Error> {
        self.list_mapped(set, query, Some).await
    }

    /// As [`list`](Self::list), with what `map` keeps of each row: for tables of any size.
    pub async fn list_mapped<T>(
        &self,
        set: &str,
        query: &Query,
        map: impl Fn(Row) -> Option<T>,
    ) -> Result<Vec<T>, Error> {
        let prefer = query.preference();
        let path = self.path(&format!("{set}{}", query.to_query_string()))?;
        let prepare = |request| {
            let request = self.with_read_headers(request);
            match &prefer {
                Some(prefer) => request.header("prefer", prefer.clone()),
                None => request,
            }
        };
        list_mapped(&self.service, path, prepare, map).await
    }

    /// One row by its id, with formatted values; `None` if it does not exist. All columns if
    /// `select` is empty. A missing table is an error.
    pub async fn get(&self, set: &str, id: Uuid, select: &[&str]) -> Result<Option<Row>, Error> {
        let query = Query::new().select(select);
        let path = format!("{set}({id}){}", query.to_query_string());
        let request = self.read_request(&path)?.header("prefer", ANNOTATIONS);
        match self.service.send(&request).await {
            Ok(response) => Row::from_response(&response).map(Some),
            Err(error) if error.is_missing_row() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The JSON response to a GET of a path (with its query, percent-encoded); `None` on any 404.
    pub async fn get_path(&self, path_and_query: &str) -> Result<Option<Value>, Error> {
        match self.read(path_and_query).await {
            Ok(response) => response.value().map(Some),
            Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sends a GET of a path that is relative to the Web API's root.
    pub(super) async fn read(&self, path_and_query: &str) -> Result<Response, Error> {
        self.service.send(&self.read_request(path_and_query)?).await
    }

    pub(super) fn read_request(&self, path_and_query: &str) -> Result<Request, Error> {
        let path = self.path(path_and_query)?;
        Ok(self.with_read_headers(Request::get(path)))
    }

    /// The text `null` bypasses a proxy's cache (Microsoft Learn, *Compose HTTP requests*).
    fn with_read_headers(&self, request: Request) -> Request {
        self.with_headers(request).header("if-none-match", "null")
    }

    /// The request with the headers of every Web API request.
    fn with_headers(&self, request: Request) -> Request {
        let request = with_version(request);
        match self.caller {
            Some(caller) => request.header("callerobjectid", caller.to_string()),
            None => request,
        }
    }

    /// A request to a path below the Web API's root.
    pub(super) fn request(&self, method: Method, path: &str) -> Result<Request, Error> {
        Ok(self.with_headers(Request::new(method, self.path(path)?)))
    }

    /// The path below the Web API's root. A path that would leave it is refused.
    fn path(&self, relative: &str) -> Result<String, Error> {
        service_path(&self.service, ROOT, relative)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::http::{Limits, ListBudget};
    use crate::clients::testing::{Listener, Reply, Setup};

    fn dataverse(setup: &Setup, url: &str) -> Dataverse {
        Dataverse::new(setup.service(url))
    }

    fn page_of(rows: &str, next: Option<&str>) -> Reply {
        let next = next.map_or_else(String::new, |link| {
            format!(r#","@odata.nextLink":"{link}""#)
        });
        Reply::json(
            200,
            format!(r#"{{"@odata.context":"x","value":[{rows}]{next}}}"#),
        )
    }

    #[tokio::test]
    async fn every_page_is_read_with_the_same_preference_and_the_unchanged_link() {
        let setup = Setup::new(1_000.0);
        let listener = Listener::start(|request, before| {
            let host = request.header("host").unwrap();
            let link = format!(
                "http://{host}/api/data/v9.2/workflows?$skiptoken=%3Ccookie%20n=%222%22%20/%3E"
            );
            page_of(
                &format!(r#"{{"n":{before}}}"#),
                (before < 2)
                    .then_some(&link)
                    .map(|l| {
                        if before == 0 {
                            l.clone()
                        } else {
                            l.replace("%222%22", "%223%22")
                        }
                    })
                    .as_deref(),
            )
        })
        .await;
        let query = Query::new().select(&["n"]).page_size(1).annotated();
        let rows = dataverse(&setup, &listener.url)
            .list("workflows", &query)
            .await
            .unwrap();
        assert_eq!(
            rows.iter().map(|row| row.integer("n")).collect::<Vec<_>>(),
            [Some(0), Some(1), Some(2)]
        );
        let received = listener.received();
        assert_eq!(received[0].path, "/api/data/v9.2/workflows?$select=n");
        assert_eq!(
            received[2].path,
            "/api/data/v9.2/workflows?$skiptoken=%3Ccookie%20n=%223%22%20/%3E"
        );
        for request in received {
            assert_eq!(
                request.header("prefer"),
                Some("odata.maxpagesize=1,odata.include-annotations=\"*\"")
            );
            assert_eq!(request.header("if-none-match"), Some("null"));
            assert_eq!(request.header("odata-version"), Some("4.0"));
        }
    }

    #[tokio::test]
    async fn a_failing_page_fails_the_list() {
        for failing in [
            Reply::json(400, "{}"),
            Reply::json(500, ""),
            Reply::json(200, r#"{"value":[{"a":"#),
            Reply::json(200, "{}"),
        ] {
            let setup = Setup::new(10_000.0);
            let shown = format!("{failing:?}");
            let listener = Listener::replying(vec![
                page_of(r#"{"n":1}"#, Some("/api/data/v9.2/x?page=2")),
                failing,
            ])
            .await;
            let response = dataverse(&setup, &listener.url)
                .list("x", &Query::new())
                .await;
            assert!(response.is_err(), "{shown}");
        }
    }

    #[tokio::test]
    async fn a_malformed_page_is_read_again_and_no_row_twice() {
        let next = Some("/api/data/v9.2/x?page=2");
        let page = |number: u8, next| page_of(&format!(r#"{{"n":{number}}}"#), next);
        let setup = Setup::new(10_000.0);
        let listener = Listener::replying(vec![
            page(1, next),
            Reply::json(200, "{}"),
            Reply::json(200, r#"{"value":[{"n":7},{"n":"#),
            Reply::json(200, "<html><title>Maintenance</title></html>"),
            page(2, None),
        ])
        .await;
        let rows = dataverse(&setup, &listener.url)
            .list("x", &Query::new())
            .await
            .unwrap();
        let numbers: Vec<_> = rows.iter().map(|row| row.integer("n")).collect();
        assert_eq!(numbers, [Some(1), Some(2)]);
        assert_eq!(listener.count(), 5);
        // A response that stays malformed means an unavailable service, not a failure.
        for body in ["{}", r#"{"value":[{"n":"#, "<html></html>", ""] {
            let setup = Setup::new(10_000.0);
            let listener = Listener::replying(vec![Reply::json(200, body)]).await;
            let error = dataverse(&setup, &listener.url)
                .list("x", &Query::new())
                .await
                .unwrap_err();
            assert_eq!(error.kind, ErrorKind::Unavailable, "{body}");
            assert_eq!(listener.count(), 6, "{body}");
        }
    }

    /// A service with endless lists, whose pages have three rows each.
    async fn endless() -> Listener {
        Listener::start(|request, before| {
            let host = request.header("host").unwrap();
            let link = format!("http://{host}/api/data/v9.2/x?page={before}");
            page_of(r#"{"n":1},{"n":2},{"n":3}"#, Some(&link))
        })
        .await
    }

    #[tokio::test]
    async fn a_list_beyond_its_budget_is_an_error() {
        let generous = ListBudget {
            rows: 1_000,
            bytes: 100_000,
            values: 10_000,
        };
        let few_rows = ListBudget {
            rows: 8,
            ..generous
        };
        let few_bytes = ListBudget {
            bytes: 300,
            ..generous
        };
        let few_values = ListBudget {
            values: 40,
            ..generous
        };
        for (budget, pages, so_far) in [
            (few_rows, 3, "more than 8 rows after 3 page(s)"),
            (few_bytes, 3, "more than 300 bytes after 3 page(s)"),
            (few_values, 3, "more than 40 values after 3 page(s)"),
        ] {
            let limits = Limits {
                list: budget,
                ..Limits::default()
            };
            let setup = Setup::with_limits(1_000.0, limits);
            let listener = endless().await;
            let error = dataverse(&setup, &listener.url)
                .list("workflows", &Query::new())
                .await
                .unwrap_err();
            assert_eq!(error.kind, ErrorKind::Malformed);
            assert!(error.message.contains(so_far), "{error}");
            assert!(error.to_string().contains("/api/data/v9.2/"), "{error}");
            assert!(error.help.is_some());
            assert_eq!(listener.count(), pages, "{budget:?}");
        }
    }

    #[tokio::test]
    async fn a_page_of_empty_objects_is_refused_before_it_is_parsed() {
        let setup = Setup::with_limits(1_000.0, Limits::default());
        let body = page_of("{},".repeat(2_500_000).trim_end_matches(','), None);
        let listener = Listener::replying(vec![body]).await;
        let error = dataverse(&setup, &listener.url)
            .list("x", &Query::new())
            .await
            .unwrap_err();
        assert!(error.message.contains("5000000 values"), "{error}");
    }

    #[tokio::test]
    async fn a_response_that_is_too_deep_is_refused() {
        let setup = Setup::new(1_000.0);
        let deep = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        // The page, its list and the row are three levels.
        for (depth, is_parsed) in [(61, true), (62, false), (100, false)] {
            let row = format!(r#"{{"n":{}}}"#, deep(depth));
            let listener = Listener::replying(vec![page_of(&row, None)]).await;
            let response = dataverse(&setup, &listener.url)
                .list("x", &Query::new())
                .await;
            assert_eq!(response.is_ok(), is_parsed, "{depth}: {response:?}");
        }
    }

    #[tokio::test]
    async fn pages_that_go_in_circles_are_an_error() {
        let setup = Setup::new(1_000.0);
        let listener =
            Listener::replying(vec![page_of(r#"{"n":1}"#, Some("/api/data/v9.2/x?page=2"))]).await;
        let error = dataverse(&setup, &listener.url)
            .list("x", &Query::new())
            .await
            .unwrap_err();
        assert_eq!(error.kind, ErrorKind::Malformed);
        assert!(error.message.contains("circles"), "{error}");
        assert_eq!(listener.count(), 2);
    }

    #[tokio::test]
    async fn a_token_is_never_sent_to_a_link_of_another_origin() {
        let setup = Setup::new(1_000.0);
        let thief = Listener::replying(vec![page_of("", None)]).await;
        let port = thief.url.rsplit(':').next().unwrap();
        let links = [
            format!("{}/api/data/v9.2/x?page=2", thief.url),
            format!("//127.0.0.1:{port}/api/data/v9.2/x"),
            format!("http://localhost:{port}/x"),
            format!("http://user@127.0.0.1:{port}/x"),
        ];
        for link in links {
            let listener = Listener::replying(vec![page_of(r#"{"n":1}"#, Some(&link))]).await;
            let error = dataverse(&setup, &listener.url)
                .list("x", &Query::new())
                .await
                .unwrap_err();
            assert_eq!(error.kind, ErrorKind::ForeignOrigin, "{link}");
            assert_eq!(listener.count(), 1);
        }
        assert_eq!(thief.count(), 0);
    }

    #[tokio::test]
    async fn the_text_of_a_row_is_unchanged() {
        let setup = Setup::new(1_000.0);
        let text = r#"{"@odata.etag":"W/\"12\"", "z":  1,"a":123456789012345678901234567890.10,
            "name":"\u00e4\/\"x\"","nested":{ "b":[ ] } }"#;
        let listener = Listener::replying(vec![
            page_of(text, None),
            Reply::json(200, format!("\u{feff}{text}\n")),
        ])
        .await;
        let client = dataverse(&setup, &listener.url);
        let listed = client.list("x", &Query::new()).await.unwrap().remove(0);
        let got = client
            .get("x", Uuid::nil(), &["name"])
            .await
            .unwrap()
            .unwrap();
        assert_eq!(listed.text, text);
        assert_eq!(got.text, text);
        assert_eq!(got.etag.as_deref(), Some("W/\"12\""));
        assert_eq!(got.string("name"), Some("ä/\"x\""));
        assert_eq!(
            listener.received()[1].path,
            "/api/data/v9.2/x(00000000-0000-0000-0000-000000000000)?$select=name"
        );
    }

    #[tokio::test]
    async fn a_missing_row_is_none_and_a_missing_table_is_an_error() {
        let setup = Setup::new(1_000.0);
        let not_found = |code: &str| {
            Reply::json(
                404,
                format!(r#"{{"error":{{"code":"{code}","message":"x"}}}}"#),
            )
        };
        let listener = Listener::replying(vec![
            not_found("0x80040217"),
            not_found("0x80060888"),
            Reply::json(404, ""),
        ])
        .await;
        let client = dataverse(&setup, &listener.url);
        assert_eq!(client.get("x", Uuid::nil(), &[]).await.unwrap(), None);
        for _ in 0..2 {
            let error = client.get("x", Uuid::nil(), &[]).await.unwrap_err();
            assert_eq!(error.kind, ErrorKind::NotFound);
        }
        assert_eq!(client.get_path("RetrieveX()").await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_path_stays_below_the_web_apis_root() {
        let setup = Setup::new(1_000.0);
        let listener = Listener::replying(vec![Reply::json(200, "{}")]).await;
        let client = dataverse(&setup, &listener.url);
        for path in [
            "../v9.1/x",
            "a/%2e%2E/../x",
            "/x",
            "//evil.example/x",
            "a\\..\\x",
            "./x",
        ] {
            let error = client.get_path(path).await.unwrap_err();
            assert_eq!(error.kind, ErrorKind::Configuration, "{path}");
        }
        assert_eq!(listener.count(), 0);
        client
            .get_path("x?$filter=name%20eq%20'../x'")
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn acting_as_a_user_is_a_header_of_every_request() {
        let setup = Setup::new(1_000.0);
        let listener = Listener::replying(vec![page_of("", None)]).await;
        let client = dataverse(&setup, &listener.url).acting_as(Uuid::from_u128(7));
        client.list("x", &Query::new()).await.unwrap();
        let received = listener.received();
        assert_eq!(
            received[0].header("callerobjectid"),
            Some("00000000-0000-0000-0000-000000000007")
        );
    }
}
