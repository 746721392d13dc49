//! What every OData request has: a path that stays below the service's root, and the version.

use crate::clients::error::{Error, ErrorKind, presentable};
use crate::clients::http::{Request, Service};

/// The path of a service below a root that ends with a slash, with its query. A path that would
/// leave the root is refused.
pub(in crate::clients) fn service_path(
    service: &Service,
    root: &str,
    relative: &str,
) -> Result<String, Error> {
    path_below(root, relative).ok_or_else(|| {
        let why = "a path of this service is relative to its root and stays below it";
        let path = relative.split(['?', '#']).next().unwrap_or_default();
        let kind = ErrorKind::Configuration;
        Error::new(kind, service.name(), &presentable(path), why)
    })
}

/// The request with the headers of every OData request.
pub(in crate::clients) fn with_version(request: Request) -> Request {
    request
        .header("odata-maxversion", "4.0")
        .header("odata-version", "4.0")
}

fn path_below(root: &str, relative: &str) -> Option<String> {
    let path = relative.split(['?', '#']).next().unwrap_or_default();
    let leaves_root = path.starts_with('/')
        || path.contains('\\')
        || path.split('/').any(|segment| {
            let segment = segment.to_ascii_lowercase().replace("%2e", ".");
            segment == ".." || segment == "."
        });
    (!leaves_root).then(|| format!("{root}{relative}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_cannot_leave_its_root() {
        for path in [
            "../x",
            "/x",
            "//x",
            "a\\x",
            "./x",
            "a/%2E%2e/x",
            "a/./b?c=1",
        ] {
            assert_eq!(path_below("/data/", path), None, "{path}");
        }
        let path = "x?$filter=name%20eq%20'../x'";
        assert_eq!(path_below("/data/", path), Some(format!("/data/{path}")));
    }
}
