//! Hosts in texts.

use std::collections::BTreeSet;

/// Hosts that name a format and are never called.
const FORMATS: [&str; 2] = ["schemas.", "schema."];

/// The hosts of the addresses in a text, such as `https://shop.contoso.com/api`.
pub(super) fn in_text(text: &str) -> BTreeSet<String> {
    text.match_indices("://")
        .filter_map(|(at, separator)| leading_host(&text[at + separator.len()..]))
        .collect()
}

/// The host of a location: an address, or only a host with or without a port.
pub(super) fn of_location(location: &str) -> Option<String> {
    let rest = location
        .split_once("://")
        .map_or(location, |(_, rest)| rest);
    leading_host(rest)
}

fn leading_host(text: &str) -> Option<String> {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-');
    let end = text.find(|letter| !is_part(letter)).unwrap_or(text.len());
    let host = text[..end].trim_end_matches('.').to_ascii_lowercase();
    let is_format = FORMATS.iter().any(|prefix| host.starts_with(prefix));
    (host.contains('.') && !is_format).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_found_in_addresses_only() {
        let text = r#"{"a":"https://Shop.contoso.com/x","b":"sb://bus.contoso.com/","c":"a.b",
            "$schema":"https://schema.management.azure.com/x"}"#;
        let hosts: Vec<String> = in_text(text).into_iter().collect();
        assert_eq!(hosts, ["bus.contoso.com", "shop.contoso.com"]);
        assert_eq!(
            of_location("mail.contoso.com:25").as_deref(),
            Some("mail.contoso.com")
        );
        assert_eq!(
            of_location("https://x.contoso.com/ews").as_deref(),
            Some("x.contoso.com")
        );
        assert_eq!(of_location("nothing"), None);
    }
}
