//! The parameters of connectors that say where an action reaches, and what a text says in each.
//!
//! A text is judged as a whole, with each part by where it comes from: what is written in the
//! definition is fixed, the environment's own is harmless, and of what is taken from data nobody
//! knows where it points.

use super::origins::{DATA, OWN};
use crate::domain::containment::hosts::{bare_host, hosts_in};

/// What a parameter, or a member of an HTTP action, says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Place {
    /// The address that an HTTP action calls.
    Uri,
    /// An address that a connector calls; a relative one is a path of its connection.
    Address,
    /// The name of a server, an account or a channel: whatever is written there is reached.
    Named,
    /// Recipients.
    Recipients,
    /// A mailbox that is only mentioned, such as the sender.
    Mailbox,
}

/// Parameters by the ends of their keys, in lower case.
const PLACES: [(&str, Place); 36] = [
    ("url", Place::Address),
    ("uri", Place::Address),
    ("endpoint", Place::Address),
    ("server", Place::Named),
    ("servername", Place::Named),
    ("host", Place::Named),
    ("hostname", Place::Named),
    ("site", Place::Named),
    ("siteurl", Place::Named),
    ("dataset", Place::Named),
    ("account", Place::Named),
    ("accountname", Place::Named),
    ("storageaccount", Place::Named),
    ("storageaccountname", Place::Named),
    ("vaultname", Place::Named),
    ("instance", Place::Named),
    ("instanceurl", Place::Named),
    ("organization", Place::Named),
    ("groupid", Place::Named),
    ("teamid", Place::Named),
    ("channelid", Place::Named),
    ("chatid", Place::Named),
    ("to", Place::Recipients),
    ("cc", Place::Recipients),
    ("bcc", Place::Recipients),
    ("recipient", Place::Recipients),
    ("recipients", Place::Recipients),
    ("assignedto", Place::Recipients),
    ("requiredattendees", Place::Recipients),
    ("optionalattendees", Place::Recipients),
    ("resourceattendees", Place::Recipients),
    ("phonenumber", Place::Recipients),
    ("mailboxaddress", Place::Recipients),
    ("sharedmailbox", Place::Recipients),
    ("emailmessage/from", Place::Mailbox),
    ("body/from", Place::Mailbox),
];

/// Values with which a parameter names what its connection is to.
const OF_CONNECTION: [&str; 5] = [
    "default",
    "default.cds",
    "accountnamefromsettings",
    "current",
    "me",
];

/// What a text says where something is reached.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// The hosts, and what else names a place, in lower case.
    pub(super) fixed: Vec<String>,
    /// Does data, or something that cannot be told, decide the place?
    pub(super) is_unclear: bool,
}

impl Place {
    /// What a parameter with this key says about where its action reaches; `None` of any other.
    pub(super) fn of_parameter(key: &str) -> Option<Self> {
        let key = key.to_ascii_lowercase();
        let end = key.rsplit(['/', '.', '$']).next().unwrap_or(&key);
        let mut places = PLACES.iter();
        let found =
            places.find(|(name, _)| *name == end || name.contains('/') && key.ends_with(name))?;
        Some(found.1)
    }

    /// Of a parameter of Dataverse: its columns are named like anything, and a row stays in the
    /// environment.
    pub(super) fn in_dataverse(self, key: &str) -> Option<Self> {
        let is_organization = key.eq_ignore_ascii_case("organization");
        match self {
            Self::Recipients | Self::Mailbox => Some(Self::Mailbox),
            place if is_organization => Some(place),
            _ => None,
        }
    }

    /// Reads one text that may stand here.
    pub(super) fn read(self, text: &str, said: &mut Said) {
        let text = text.trim();
        let says_something = |c: char| c.is_alphanumeric() || matches!(c, OWN | DATA);
        if !text.contains(says_something) {
            return;
        }
        match self {
            Self::Uri | Self::Address => self.read_address(text, said),
            Self::Named => read_name(text, said),
            Self::Recipients => read_recipients(text, said),
            Self::Mailbox => said.fixed.extend(domains(text)),
        }
    }

    fn read_address(self, text: &str, said: &mut Said) {
        let hosts = hosts_in(text);
        let after_scheme = text.split_once("://").map(|(_, rest)| rest);
        let rest = after_scheme.unwrap_or(text);
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let is_known = !hosts.is_empty() || authority.contains(OWN);
        said.fixed.extend(hosts);
        if authority.contains(DATA) {
            said.is_unclear = true;
            return;
        }
        if is_known {
            return;
        }
        match bare_host(authority).or_else(|| resource(text)) {
            Some(place) => said.fixed.push(place),
            None => said.is_unclear |= self == Self::Uri || after_scheme.is_some(),
        }
    }
}

fn read_name(text: &str, said: &mut Said) {
    let mut hosts = hosts_in(text);
    hosts.extend(bare_host(text));
    if !hosts.is_empty() {
        said.fixed.extend(hosts);
    } else if text.contains(DATA) {
        said.is_unclear = true;
    } else if !text.contains(OWN) {
        let text = text.to_lowercase();
        said.fixed
            .extend((!OF_CONNECTION.contains(&text.as_str())).then_some(text));
    }
}

fn read_recipients(text: &str, said: &mut Said) {
    let domains = domains(text);
    let is_whole = |word: &str| {
        word.split_once('@')
            .is_some_and(|(_, it)| bare_host(it).is_some())
    };
    let rest = words(text).filter(|word| !is_whole(word));
    let mut has_own = false;
    for word in rest {
        said.is_unclear |= word.contains(DATA);
        has_own |= word.contains(OWN);
    }
    // A phone number, or the id of a user: no domain, and nothing but what is written.
    if domains.is_empty() && !has_own && !text.contains(DATA) {
        read_name(text, said);
    }
    said.fixed.extend(domains);
}

/// The recipients in a text, and other words.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let is_end = |c: char| matches!(c, ';' | ',' | '<' | '>' | '"' | '\'') || c.is_whitespace();
    text.split(is_end).filter(|word| !word.is_empty())
}

/// The domains of the addresses `NAME@DOMAIN` in a text.
pub(crate) fn domains(text: &str) -> Vec<String> {
    let addresses = words(text).filter_map(|word| word.split_once('@'));
    addresses
        .filter(|(user, _)| !user.is_empty())
        .filter_map(|(_, domain)| bare_host(domain))
        .collect()
}

/// The id of a resource of Azure, in lower case, if a text is one.
pub(crate) fn resource(text: &str) -> Option<String> {
    let text = text.trim().to_lowercase();
    text.starts_with("/subscriptions/").then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(place: Place, text: &str) -> (Vec<String>, bool) {
        let text = text.replace("OWN", &OWN.to_string());
        let text = text.replace("DATA", &DATA.to_string());
        let mut said = Said::default();
        place.read(&text, &mut said);
        (said.fixed, said.is_unclear)
    }

    #[test]
    fn each_part_of_an_address_is_judged_by_itself() {
        for (text, fixed, is_unclear) in [
            (
                "https://api.partner.example/OWN",
                vec!["api.partner.example"],
                false,
            ),
            (
                "https://api.partner.example/DATA",
                vec!["api.partner.example"],
                false,
            ),
            (
                "api.partner.example/orders",
                vec!["api.partner.example"],
                false,
            ),
            ("https://[2001:db8::1]/orders", vec!["[2001:db8::1]"], false),
            (
                "/subscriptions/1/Vault",
                vec!["/subscriptions/1/vault"],
                false,
            ),
            ("OWN/v1/orders.json", vec![], false),
            ("https://shop-OWN.contoso.com/DATA", vec![], false),
            ("https://DATA/OWN", vec![], true),
            ("https://shop-DATA/api", vec![], true),
            ("DATA", vec![], true),
            ("", vec![], false),
        ] {
            let found = says(Place::Uri, text);
            assert_eq!(
                (found.0, found.1),
                (fixed.into_iter().map(str::to_owned).collect(), is_unclear),
                "{text}"
            );
        }
        assert!(says(Place::Uri, "/orders").1);
        assert_eq!(says(Place::Address, "/orders/DATA"), (vec![], false));
    }

    #[test]
    fn whatever_is_written_in_the_place_of_a_name_is_fixed() {
        let fixed = |text: &str| (vec![text.to_owned()], false);
        assert_eq!(says(Place::Named, "SQLPROD01"), fixed("sqlprod01"));
        assert_eq!(
            says(Place::Named, "tcp:sql.contoso.com"),
            fixed("sql.contoso.com")
        );
        assert_eq!(
            says(Place::Named, "19:abc@thread.tacv2"),
            fixed("19:abc@thread.tacv2")
        );
        assert_eq!(says(Place::Named, "DATA"), (vec![], true));
        for harmless in ["OWN", "default", "AccountNameFromSettings", "", ";"] {
            assert_eq!(says(Place::Named, harmless), (vec![], false), "{harmless}");
        }
    }

    #[test]
    fn each_recipient_is_judged_by_itself() {
        let of = |text: &str| says(Place::Recipients, text);
        let contoso = || vec!["contoso.com".to_owned()];
        assert_eq!(of("Desk <desk@contoso.com>; DATA"), (contoso(), true));
        assert_eq!(of("orders+DATA@contoso.com;OWN"), (contoso(), false));
        assert_eq!(of("me@DATA"), (vec![], true));
        assert_eq!(of("DATA;OWN"), (vec![], true));
        assert_eq!(of("OWN"), (vec![], false));
        assert_eq!(of("+15550123"), (vec!["+15550123".to_owned()], false));
    }

    #[test]
    fn parameters_are_known_by_the_ends_of_their_keys() {
        let of = Place::of_parameter;
        assert_eq!(of("emailMessage/To"), Some(Place::Recipients));
        assert_eq!(of("request/url"), Some(Place::Address));
        assert_eq!(of("emailMessage/From"), Some(Place::Mailbox));
        assert_eq!(of("from"), None);
        assert_eq!(of("item/tooltip"), None);
        assert_eq!(
            Place::Named.in_dataverse("organization"),
            Some(Place::Named)
        );
        assert_eq!(Place::Named.in_dataverse("item/account"), None);
    }
}
