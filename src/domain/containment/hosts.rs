//! The hosts that a text names by address: `https://shop.contoso.com/orders` names
//! `shop.contoso.com`.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Schemes of addresses that something can be sent to; `net.tcp` ends like `tcp`.
const SCHEMES: [&str; 19] = [
    "https", "http", "sb", "amqp", "amqps", "ftp", "ftps", "sftp", "ssh", "smb", "ws", "wss",
    "tcp", "mqtt", "mqtts", "ldap", "ldaps", "smtp", "smtps",
];

/// Every host that the text names by an address, in lower case, with its port if it has one.
/// A host that an expression makes (`https://@{variables('host')}`) is not in the text. JSON may
/// write a slash as `\/`.
pub(crate) fn hosts_in(text: &str) -> BTreeSet<String> {
    let text = without_escapes(text);
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

/// The text with its slashes, and with its colons if it holds no other address: a part of a path may
/// be an address in another encoding (`https%3A%2F%2F`, also encoded twice).
fn without_escapes(text: &str) -> String {
    let plain = text.replace("\\/", "/");
    if plain.contains("://") || !plain.contains('%') {
        return plain;
    }
    let mut decoded = plain;
    for (escape, sign) in [
        ("%25", "%"),
        ("%3A", ":"),
        ("%3a", ":"),
        ("%2F", "/"),
        ("%2f", "/"),
    ] {
        decoded = decoded.replace(escape, sign);
    }
    decoded
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

/// The host in a text that is nothing else: a name with a dot in it, or an IP address, in lower case
/// and with its port. Takes also the forms of SQL Server (`sql.contoso.com,1433`,
/// `sql.contoso.com\PROD`, `tcp:sql.contoso.com`) and of a file share (`\\files.contoso.com\in`).
pub(crate) fn bare_host(text: &str) -> Option<String> {
    let text = text.trim().to_ascii_lowercase();
    let text = text.strip_prefix("tcp:").unwrap_or(&text);
    let host = text.trim_start_matches('\\').split([',', '\\']).next()?;
    let name = host.split_once(':').map_or(host, |(name, _)| name);
    let labels: Vec<&str> = name.split('.').collect();
    let is_name = labels.len() > 1
        && labels.iter().all(|label| !label.is_empty())
        && host
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ':'))
        && labels.last().is_some_and(|last| {
            last.len() > 1 && last.starts_with(|c: char| c.is_ascii_alphabetic())
        });
    (is_name || name.parse::<Ipv4Addr>().is_ok()).then(|| host.to_owned())
}

/// Does a text contain a name, and not as a part of a longer one? `audit.contoso.com` does not
/// contain `contoso`.
pub(crate) fn is_whole(text: &str, name: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
    text.match_indices(name).any(|(at, _)| {
        !text[..at].ends_with(is_part) && !text[at + name.len()..].starts_with(is_part)
    })
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
    // `user:password@host`; an expression begins with the same sign (`host@{outputs('Path')}`), and
    // then no host follows it.
    let after_user = authority.rmatch_indices('@').map(|(at, _)| at + 1);
    let mut starts = after_user.chain(std::iter::once(0));
    starts.find_map(|start| host_prefix(&authority[start..]))
}

/// The longest beginning of a text that can be a host. Where something else follows it (`host{`,
/// `host&quot;`, `host@{path}`), it must look like a whole name: `shop-@{stage}` is only a part.
fn host_prefix(text: &str) -> Option<String> {
    if let Some((address, rest)) = text.strip_prefix('[').and_then(|it| it.split_once(']'))
        && address.parse::<Ipv6Addr>().is_ok()
    {
        let port = rest.strip_prefix(':').unwrap_or_default();
        let is_port = !port.is_empty() && port.chars().all(|c| c.is_ascii_digit());
        let port = if is_port { rest } else { "" };
        return Some(format!("[{}]{port}", address.to_lowercase()));
    }
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | ':' | '_' | '*');
    let end = text.find(|c| !is_part(c)).unwrap_or(text.len());
    let host = &text[..end];
    let is_cut = end < text.len();
    let is_host = host.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '*')
        && (!is_cut || host.contains('.') && !host.ends_with(['.', '-', '_']));
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
            ["n", "shop.contoso.com"]
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
        assert_eq!(
            hosts("https://[2001:DB8::1]:8443/x"),
            ["[2001:db8::1]:8443"]
        );
        for encoded in [
            "https%3A%2F%2Fa.example%2Fx",
            "https%253a%252f%252fa.example%252fx",
        ] {
            assert_eq!(hosts(encoded), ["a.example"], "{encoded}");
        }
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

    #[test]
    fn text_after_a_host_does_not_hide_it() {
        for text in [
            "https://api.partner.example@{outputs('Path')}",
            "https://api.partner.example{path}",
            "https://api.partner.example|https",
            "&quot;https://api.partner.example&quot;",
            "https://me:p%40ss@api.partner.example@{outputs('Path')}",
            "ftp://api.partner.example/x",
            "ws://api.partner.example",
            "amqp://api.partner.example",
            r#"{"a":"https:\/\/api.partner.example\/x"}"#,
        ] {
            let found: Vec<String> = hosts_in(text).into_iter().collect();
            assert_eq!(found, ["api.partner.example"], "{text}");
        }
        for part in [
            "https://shop-@{variables('stage')}/api",
            "https://api.@{variables('domain')}/x",
            "https://{host}/x",
            "https://api.partner.@{variables('end')}",
        ] {
            assert!(hosts_in(part).is_empty(), "{part}");
        }
    }
}
