//! Finance and Operations, read only. The source is reached through this type, which has no method
//! that writes.

use super::key::EntityKey;
use crate::clients::error::{Error, ErrorKind, presentable};
use crate::clients::http::{Method, Origin, Request, Service, WEB_PAGE};
use crate::clients::odata::{Query, Row, list_rows, service_path, with_version};

/// The root of the data services.
const ROOT: &str = "/data/";

/// Without it only the rows of the caller's default company are read, and those of other companies
/// are not found (Microsoft Learn, *Open Data Protocol (OData)*, cross-company behaviour).
const CROSS_COMPANY: &str = "cross-company=true";

/// The Finance and Operations of one environment, for reading.
#[derive(Clone, Debug)]
pub struct FinanceOperations {
    pub(super) service: Service,
}

impl FinanceOperations {
    /// Takes the service whose origin is the environment's.
    pub fn new(service: Service) -> Self {
        Self { service }
    }

    /// Its name in errors.
    pub fn name(&self) -> &str {
        self.service.name()
    }

    /// Its scheme, host and port.
    pub fn origin(&self) -> &Origin {
        self.service.origin()
    }

    /// All rows of a query, of every company and every page, or an error: never a part of the list.
    /// A missing entity set and an unavailable service are both errors with 404; a web page in the
    /// body means that the service is unavailable.
    pub async fn list(&self, set: &str, query: &Query) -> Result<Vec<Row>, Error> {
        let options = query.to_query_string();
        let separator = if options.is_empty() { "?" } else { "&" };
        let path = self.path(&format!("{set}{options}{separator}{CROSS_COMPANY}"))?;
        list_rows(&self.service, path, with_version)
            .await
            .map_err(unavailable_if_web_page)
    }

    /// One row by its key; `None` if it does not exist. Read with a filter: a 404 for a key cannot
    /// be distinguished from that of an unavailable service.
    pub async fn find(&self, key: &EntityKey) -> Result<Option<Row>, Error> {
        let query = Query::new().filter(key.filter());
        let mut rows = self.list(key.set(), &query).await?;
        match rows.len() {
            0 => Ok(None),
            1 => Ok(rows.pop()),
            several => Err(Error::new(
                ErrorKind::Malformed,
                self.name(),
                &format!("GET {ROOT}{}", presentable(key.set())),
                &format!("{several} rows have the key {key}"),
            )),
        }
    }

    /// A request that writes to a row or an entity set, in any company.
    pub(super) fn write_request(&self, method: Method, path: &str) -> Result<Request, Error> {
        let path = self.path(&format!("{path}?{CROSS_COMPANY}"))?;
        Ok(with_version(Request::new(method, path)))
    }

    /// A request that calls an action.
    pub(super) fn action_request(&self, path: &str) -> Result<Request, Error> {
        Ok(with_version(Request::new(Method::POST, self.path(path)?)))
    }

    /// The path below the root. A path that would leave it is refused.
    fn path(&self, relative: &str) -> Result<String, Error> {
        service_path(&self.service, ROOT, relative)
    }
}

/// While Finance and Operations is being replaced, a web server responds with a page that says
/// nothing about the requested item (inferred: Microsoft does not document these responses).
fn unavailable_if_web_page(mut error: Error) -> Error {
    if error.kind == ErrorKind::NotFound && error.message.starts_with(WEB_PAGE) {
        error.kind = ErrorKind::Unavailable;
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::testing::{Listener, Reply, Setup};

    fn client(setup: &Setup, url: &str) -> FinanceOperations {
        FinanceOperations::new(setup.service(url))
    }

    #[tokio::test]
    async fn a_404_with_a_web_page_means_unavailable() {
        for (body, kind) in [
            ("<title>404</title>", ErrorKind::Unavailable),
            (
                r#"{"Message":"No HTTP resource was found"}"#,
                ErrorKind::NotFound,
            ),
            ("", ErrorKind::NotFound),
        ] {
            let setup = Setup::new(1_000.0);
            let listener = Listener::replying(vec![Reply::json(404, body)]).await;
            let listed = client(&setup, &listener.url).list("X", &Query::new()).await;
            assert_eq!(listed.unwrap_err().kind, kind, "{body}");
        }
    }

    /// Without `cross-company=true` only the default company is read, and a check that looks at
    /// another one "passes".
    #[tokio::test]
    async fn pitfall_14_every_read_covers_every_company() {
        let setup = Setup::new(1_000.0);
        let listener = Listener::replying(vec![Reply::json(200, r#"{"value":[]}"#)]).await;
        let finance = client(&setup, &listener.url);
        finance.list("LegalEntities", &Query::new()).await.unwrap();
        let key = EntityKey::new("SystemUsers", "UserID", "Admin");
        assert_eq!(finance.find(&key).await.unwrap(), None);
        let paths: Vec<String> = listener
            .received()
            .into_iter()
            .map(|one| one.path)
            .collect();
        assert_eq!(
            paths,
            [
                "/data/LegalEntities?cross-company=true",
                "/data/SystemUsers?$filter=UserID%20eq%20%27Admin%27&cross-company=true",
            ]
        );
    }

    #[tokio::test]
    async fn every_page_is_read_but_none_of_another_origin() {
        let setup = Setup::new(1_000.0);
        let listener = Listener::start(|request, before| {
            let host = request.header("host").unwrap();
            let next = match before {
                0 => format!(r#","@odata.nextLink":"http://{host}/data/X?$skip=1""#),
                1 => r#","@odata.nextLink":"https://evil.example/data/X""#.to_owned(),
                _ => String::new(),
            };
            Reply::json(200, format!(r#"{{"value":[{{"n":{before}}}]{next}}}"#))
        })
        .await;
        let finance = client(&setup, &listener.url);
        let error = finance.list("X", &Query::new()).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::ForeignOrigin);
        assert_eq!(listener.count(), 2);
        assert_eq!(finance.list("X", &Query::new()).await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn an_unavailable_service_is_not_a_missing_row() {
        let setup = Setup::new(1_000.0);
        let listener = Listener::replying(vec![Reply::json(404, "<title>Away</title>")]).await;
        let finance = client(&setup, &listener.url);
        let key = EntityKey::new("SystemUsers", "UserID", "Admin");
        let error = finance.find(&key).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unavailable);
    }

    #[tokio::test]
    async fn two_rows_under_one_key_are_not_taken_for_one() {
        let setup = Setup::new(1_000.0);
        let two = Reply::json(200, r#"{"value":[{"n":1},{"n":2}]}"#);
        let listener = Listener::replying(vec![two]).await;
        let key = EntityKey::new("X", "n", "1");
        let error = client(&setup, &listener.url).find(&key).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Malformed);
    }

    #[tokio::test]
    async fn a_path_stays_under_the_root() {
        let setup = Setup::new(1_000.0);
        let listener = Listener::replying(vec![Reply::json(200, "{}")]).await;
        let finance = client(&setup, &listener.url);
        for set in ["../x", "/x", "a/%2E%2e/x", "a\\x"] {
            let error = finance.list(set, &Query::new()).await.unwrap_err();
            assert_eq!(error.kind, ErrorKind::Configuration, "{set}");
        }
        assert_eq!(listener.count(), 0);
    }
}
