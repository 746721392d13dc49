//! The address of an issuer of assertions.

use url::Url;

use crate::clients::http::{Origin, has_no_user};

/// Parses the address of an issuer of assertions: https, or http on the loopback, without a user.
pub(super) fn parse_issuer_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let origin = Origin::parse(&url.origin().ascii_serialization());
    (has_no_user(&url) && origin.is_ok()).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_reached_by_https_or_on_this_machine() {
        for text in [
            "https://pipelinesghubeus1.actions.githubusercontent.com/x//idtoken/y?api-version=2.0",
            "http://127.0.0.1:4000/github?a=b",
        ] {
            assert!(parse_issuer_url(text).is_some(), "{text}");
        }
        for text in [
            "http://actions.githubusercontent.com/x",
            "https://me@actions.githubusercontent.com/x",
            "ftp://127.0.0.1/x",
            "x",
            "",
        ] {
            assert!(parse_issuer_url(text).is_none(), "{text}");
        }
    }
}
