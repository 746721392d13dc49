//! The hosts that a text names by address: `https://shop.contoso.com/orders` names
//! `shop.contoso.com`.

use std::collections::BTreeSet;

/// Schemes of addresses that something can be sent to.
const SCHEMES: [&str; 7] = ["https", "http", "sb", "amqps", "ftps", "sftp", "wss"];

/// Every host that the text names by an address, in lower case, with its port where it has one.
/// A host that an expression makes (`https://@{variables('host')}`) is not in the text.
pub(crate) fn hosts_in(text: &str) -> BTreeSet<String> {
    text.match_indices("://")
        .filter(|(at, _)| {
            let before = text.as_bytes().get(..*at).unwrap_or_default();
            SCHEMES.iter().any(|scheme| {
                before
                    .len()
                    .checked_sub(scheme.len())
                    .is_some_and(|start| before[start..].eq_ignore_ascii_case(scheme.as_bytes()))
            })
        })
        .filter_map(|(at, separator)| host_at(&text[at + separator.len()..]))
        .collect()
}

/// The hosts of a column that holds one address, which may be written without a scheme
/// (`smtp.contoso.com`).
pub(crate) fn hosts_of_address(address: &str) -> BTreeSet<String> {
    if address.contains("://") {
        return hosts_in(address);
    }
    let host = host_at(address.trim()).filter(|host| host.contains('.'));
    host.into_iter().collect()
}

/// The host at the beginning of what follows a scheme.
fn host_at(rest: &str) -> Option<String> {
    let is_end = |c: char| {
        matches!(
            c,
            '/' | '?' | '#' | '\\' | '"' | '\'' | '<' | '>' | ',' | ';' | ')' | '}'
        ) || c.is_whitespace()
    };
    let authority = rest.split(is_end).next()?;
    // `user:password@host`; an expression begins with the same sign.
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    let is_host = host.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '*')
        && host
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | ':' | '_' | '*'));
    is_host.then(|| host.trim_end_matches([':', '.']).to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_found_wherever_an_address_is() {
        let hosts = |text: &str| hosts_in(text).into_iter().collect::<Vec<_>>();
        assert_eq!(
            hosts(r#"{"uri":"HTTPS://Shop.contoso.com/x?y=1","bus":"sb:\/\/n"}"#),
            ["shop.contoso.com"]
        );
        assert_eq!(
            hosts("sb://bus.servicebus.windows.net"),
            ["bus.servicebus.windows.net"]
        );
        assert_eq!(
            hosts("https://me:secret@erp.contoso.com:8443/"),
            ["erp.contoso.com:8443"]
        );
        assert_eq!(
            hosts("see https://a.com, (http://b.com) and https://*.c.com."),
            ["*.c.com", "a.com", "b.com"]
        );
        let of = |address: &str| hosts_of_address(address).into_iter().collect::<Vec<_>>();
        assert_eq!(of("SMTP.contoso.com"), ["smtp.contoso.com"]);
        assert_eq!(of("returns.contoso.com/path"), ["returns.contoso.com"]);
        assert!(of("a name").is_empty() && of("localhost").is_empty());
        for none in [
            "",
            "shop.contoso.com",
            "x://a.com",
            "https://@{variables('h')}/x",
            "https://",
        ] {
            assert!(hosts(none).is_empty(), "{none}");
        }
    }
}
