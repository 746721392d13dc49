//! Finance and Operations, read only. The source is reached through this type, which has no method
//! that writes.

use super::key::EntityKey;
use crate::clients::dataverse::{Query, Row, page};
use crate::clients::error::{Error, ErrorKind, presentable};
use crate::clients::http::{Method, Origin, Pages, Request, Service, WEB_PAGE};

/// The root of the data services.
const ROOT: &str = "/data/";

/// Without it only the rows of the caller's default company are read, and what stands in another
/// company is not found (Microsoft Learn, *Open Data Protocol (OData)*, cross-company behaviour).
const CROSS_COMPANY: &str = "cross-company=true";

/// The Finance and Operations of one environment, for reading.
#[derive(Clone, Debug)]
pub struct FinanceOperations {
    pub(super) service: Service,
}

impl FinanceOperations {
    /// Takes the service that it is reached through, whose origin is the environment's own.
    pub fn new(service: Service) -> Self {
        Self { service }
    }

    /// The name under which errors speak of it.
    pub fn name(&self) -> &str {
        self.service.name()
    }

    /// Its scheme, host and port.
    pub fn origin(&self) -> &Origin {
        self.service.origin()
    }

    /// All rows of an entity set that a query selects, of every company and every page, or an error:
    /// never the rows so far. A set that does not exist and a service that is away are both errors,
    /// and both are told with 404; a web page tells that it is away.
    pub async fn list(&self, set: &str, query: &Query) -> Result<Vec<Row>, Error> {
        let options = query.text();
        let separator = if options.is_empty() { "?" } else { "&" };
        let path = self.path(&format!("{set}{options}{separator}{CROSS_COMPANY}"))?;
        let mut pages = Pages::of(&self.service);
        let mut rows = Vec::new();
        let mut request = with_headers(Request::get(path));
        loop {
            let answer = self.service.send(&request).await.map_err(away)?;
            let next = page(&answer, &mut pages, &mut rows)?;
            let Some(next) = next else {
                return Ok(rows);
            };
            let url = pages.next(&self.service, &answer, &next)?;
            request = with_headers(Request::get_link(url));
        }
    }

    /// One row by its key; none where there is none. It is asked for with a filter: a 404 to a key
    /// cannot be told from that of a service that is away.
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
                &format!("{several} rows answer to the one key {key}"),
            )),
        }
    }

    /// A request that writes to a row or a set, in any company.
    pub(super) fn writing(&self, method: Method, path: &str) -> Result<Request, Error> {
        let path = self.path(&format!("{path}?{CROSS_COMPANY}"))?;
        Ok(with_headers(Request::new(method, path)))
    }

    /// A request that calls an action.
    pub(super) fn calling(&self, path: &str) -> Result<Request, Error> {
        Ok(with_headers(Request::new(Method::Post, self.path(path)?)))
    }

    /// The path under the root. What would lead out of it is refused.
    fn path(&self, relative: &str) -> Result<String, Error> {
        let before_query = relative.split(['?', '#']).next().unwrap_or_default();
        if before_query.starts_with('/') || before_query.contains(['\\']) || climbs(before_query) {
            return Err(Error::new(
                ErrorKind::Configuration,
                self.name(),
                &presentable(before_query),
                "a path of the data services is relative to their root and stays under it",
            ));
        }
        Ok(format!("{ROOT}{relative}"))
    }
}

/// While Finance and Operations is being replaced, a web server answers for it: its page says nothing
/// of what was asked for (no page of Microsoft tells what is answered then; inferred).
fn away(mut error: Error) -> Error {
    if error.kind == ErrorKind::NotFound && error.message.starts_with(WEB_PAGE) {
        error.kind = ErrorKind::Unavailable;
    }
    error
}

fn climbs(path: &str) -> bool {
    path.split('/').any(|segment| {
        let segment = segment.to_ascii_lowercase().replace("%2e", ".");
        segment == ".." || segment == "."
    })
}

fn with_headers(request: Request) -> Request {
    request
        .header("odata-maxversion", "4.0")
        .header("odata-version", "4.0")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::testing::{Listener, Reply, Setup};

    fn of(setup: &Setup, url: &str) -> FinanceOperations {
        FinanceOperations::new(setup.service(url))
    }

    #[tokio::test]
    async fn a_web_page_that_is_not_found_is_a_service_that_is_away() {
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
            let listed = of(&setup, &listener.url).list("X", &Query::new()).await;
            assert_eq!(listed.unwrap_err().kind, kind, "{body}");
        }
    }

    /// Without `cross-company=true` only the default company is read, and a check that looks at
    /// another one "passes".
    #[tokio::test]
    async fn pitfall_14_every_read_is_of_every_company() {
        let setup = Setup::new(1_000.0);
        let listener = Listener::replying(vec![Reply::json(200, r#"{"value":[]}"#)]).await;
        let finance = of(&setup, &listener.url);
        finance.list("LegalEntities", &Query::new()).await.unwrap();
        let key = EntityKey::new("SystemUsers", "UserID", "Admin");
        assert_eq!(finance.find(&key).await.unwrap(), None);
        let asked: Vec<String> = listener
            .received()
            .into_iter()
            .map(|one| one.path)
            .collect();
        assert_eq!(
            asked,
            [
                "/data/LegalEntities?cross-company=true",
                "/data/SystemUsers?$filter=UserID%20eq%20%27Admin%27&cross-company=true",
            ]
        );
    }

    #[tokio::test]
    async fn every_page_is_read_and_none_elsewhere() {
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
        let finance = of(&setup, &listener.url);
        let error = finance.list("X", &Query::new()).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::ForeignOrigin);
        assert_eq!(listener.count(), 2);
        assert_eq!(finance.list("X", &Query::new()).await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_service_that_is_away_is_no_missing_row() {
        let setup = Setup::new(1_000.0);
        let listener = Listener::replying(vec![Reply::json(404, "<title>Away</title>")]).await;
        let finance = of(&setup, &listener.url);
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
        let error = of(&setup, &listener.url).find(&key).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Malformed);
    }

    #[tokio::test]
    async fn a_path_stays_under_the_root() {
        let setup = Setup::new(1_000.0);
        let listener = Listener::replying(vec![Reply::json(200, "{}")]).await;
        let finance = of(&setup, &listener.url);
        for set in ["../x", "/x", "a/%2E%2e/x", "a\\x"] {
            let error = finance.list(set, &Query::new()).await.unwrap_err();
            assert_eq!(error.kind, ErrorKind::Configuration, "{set}");
        }
        assert_eq!(listener.count(), 0);
    }
}
