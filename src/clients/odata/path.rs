//! Paths that stay below a service's root.

/// The path below a root that ends with a slash, with its query; `None` if it would leave the root.
pub(in crate::clients) fn path_below(root: &str, relative: &str) -> Option<String> {
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
