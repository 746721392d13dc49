//! Percent-encoding for URLs (RFC 3986): one function, and the sets of characters that each place
//! leaves unencoded.

use percent_encoding::utf8_percent_encode;
pub use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};

/// Leaves ASCII letters, digits and hyphens: ids, because GUIDs contain hyphens.
pub const ALL_BUT_HYPHEN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-');

/// Leaves the unreserved characters of RFC 3986, section 2.3.
pub const ALL_BUT_UNRESERVED: &AsciiSet = &ALL_BUT_HYPHEN.remove(b'.').remove(b'_').remove(b'~');

/// Leaves the unreserved characters and colons: path segments and values that may be `host:port`.
pub const ALL_BUT_UNRESERVED_AND_COLON: &AsciiSet = &ALL_BUT_UNRESERVED.remove(b':');

/// The value of an OData query option: leaves the unreserved characters, and those that OData uses
/// often and a query may contain. `&`, `+`, `#` and `=` are not among them.
pub const ODATA_OPTION: &AsciiSet = &ALL_BUT_UNRESERVED_AND_COLON
    .remove(b'$')
    .remove(b',')
    .remove(b'(')
    .remove(b')')
    .remove(b'/')
    .remove(b'*')
    .remove(b'@');

/// Percent-encodes every character of a set, and every character that is not ASCII.
pub fn percent_encode(text: &str, encoded: &'static AsciiSet) -> String {
    utf8_percent_encode(text, encoded).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_set_leaves_its_own_characters() {
        let text = "aZ9-._~:$,()/*@&+#= ä";
        for (set, expected) in [
            (
                NON_ALPHANUMERIC,
                "aZ9%2D%2E%5F%7E%3A%24%2C%28%29%2F%2A%40%26%2B%23%3D%20%C3%A4",
            ),
            (
                ALL_BUT_HYPHEN,
                "aZ9-%2E%5F%7E%3A%24%2C%28%29%2F%2A%40%26%2B%23%3D%20%C3%A4",
            ),
            (
                ALL_BUT_UNRESERVED,
                "aZ9-._~%3A%24%2C%28%29%2F%2A%40%26%2B%23%3D%20%C3%A4",
            ),
            (
                ALL_BUT_UNRESERVED_AND_COLON,
                "aZ9-._~:%24%2C%28%29%2F%2A%40%26%2B%23%3D%20%C3%A4",
            ),
            (ODATA_OPTION, "aZ9-._~:$,()/*@%26%2B%23%3D%20%C3%A4"),
        ] {
            assert_eq!(percent_encode(text, set), expected);
        }
    }
}
