//! Addresses and links. A token belongs to one exact origin: scheme, host and port. Every address
//! in the runbook and every link that a service sends is parsed and compared here, never by suffix,
//! prefix or substring.

use std::fmt;

use url::{Host, Url};

/// Scheme, host and port of a service. `https`, or `http` on the loopback.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Origin {
    secure: bool,
    host: String,
    port: u16,
}

/// Why an address is not valid for a service.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum OriginError {
    /// It cannot be parsed as a URL with a host.
    #[error("it is not a URL with a host, such as https://org.crm.dynamics.com")]
    NotAUrl,
    /// Its scheme is not `https`, nor `http` on the loopback.
    #[error("its scheme must be https; http is for the loopback only")]
    NotSecure,
    /// It carries a user name or a password.
    #[error("it must not carry a user name or a password")]
    UserInfo,
    /// It has a path, a query or a fragment where only scheme, host and port belong.
    #[error("it must end after the host and the port: no path, no query")]
    Path,
}

/// Why a link that a service sent is not followed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum LinkError {
    #[error("invalid link: {0}")]
    Invalid(String),
    #[error("it points to {0}, and the token of {1} is sent to {1} only")]
    Foreign(String, String),
}

impl Origin {
    /// Parses the address of a service: scheme, host, port, and at most one slash at the end.
    pub fn parse(text: &str) -> Result<Self, OriginError> {
        let url = Url::parse(text).map_err(|_| OriginError::NotAUrl)?;
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(OriginError::Path);
        }
        Self::from_url(&url)
    }

    fn from_url(url: &Url) -> Result<Self, OriginError> {
        if !has_no_user(url) {
            return Err(OriginError::UserInfo);
        }
        let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) else {
            return Err(OriginError::NotAUrl);
        };
        let secure = match url.scheme() {
            "https" => true,
            "http" if is_loopback(&host) => false,
            _ => return Err(OriginError::NotSecure),
        };
        Ok(Self {
            secure,
            host: host.to_string(),
            port,
        })
    }

    /// The host: a lower-case name, or an address (IPv6 in brackets).
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, also if it is the scheme's default.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether it is on this machine.
    pub fn is_loopback(&self) -> bool {
        Host::parse(&self.host).is_ok_and(|host| is_loopback(&host))
    }

    /// The same host and port under `https`, for libraries that refuse `http`.
    pub(crate) fn with_https(&self) -> Self {
        Self {
            secure: true,
            ..self.clone()
        }
    }

    /// `http` or `https`.
    pub(crate) fn scheme(&self) -> &'static str {
        if self.secure { "https" } else { "http" }
    }

    /// The URL of a path (and query) on this origin. The path must begin with a slash; one that
    /// leaves the origin is refused.
    pub(crate) fn join(&self, path: &str) -> Result<Url, LinkError> {
        if !path.starts_with('/') || path.starts_with("//") || path.contains('\\') {
            return Err(LinkError::Invalid(format!("'{path}' is not a path")));
        }
        let url = Url::parse(&format!("{self}{path}"))
            .map_err(|error| LinkError::Invalid(error.to_string()))?;
        self.check(&url).map(|()| url)
    }

    /// Checks that this URL is on this origin.
    pub(crate) fn check(&self, url: &Url) -> Result<(), LinkError> {
        match Self::from_url(url) {
            Ok(origin) if origin == *self => Ok(()),
            Ok(origin) => Err(LinkError::Foreign(origin.to_string(), self.to_string())),
            Err(_) => Err(LinkError::Foreign(redacted(url), self.to_string())),
        }
    }

    /// The URL of a link in a response. Takes the URL of the request and the link, which may be
    /// relative; with `regional`, the admin API's regional hosts are accepted too.
    pub(crate) fn follow(
        &self,
        requested: &Url,
        link: &str,
        regional: bool,
    ) -> Result<Url, LinkError> {
        let url = requested
            .join(link)
            .map_err(|error| LinkError::Invalid(error.to_string()))?;
        match self.check(&url) {
            Err(_) if regional && self.is_parent_of(&url) => Ok(url),
            other => other.map(|()| url),
        }
    }

    /// Whether this URL is exactly one label below this origin's host, by https on the default
    /// port: `europe.api.bap.microsoft.com` is below `api.bap.microsoft.com`, whose children only
    /// Microsoft assigns; such poll hosts were recorded with the Terraform provider's tests.
    fn is_parent_of(&self, url: &Url) -> bool {
        let Ok(other) = Self::from_url(url) else {
            return false;
        };
        let label = other
            .host
            .strip_suffix(self.host.as_str())
            .and_then(|rest| rest.strip_suffix('.'));
        self.secure
            && other.secure
            && self.port == 443
            && other.port == 443
            && label.is_some_and(is_dns_label)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme(), self.host)?;
        let is_default = self.port == if self.secure { 443 } else { 80 };
        if is_default {
            Ok(())
        } else {
            write!(f, ":{}", self.port)
        }
    }
}

/// Whether this is one label of a host name, in lower case.
pub(crate) fn is_dns_label(label: &str) -> bool {
    !label.is_empty()
        && label
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// Whether this URL carries neither a user name nor a password.
pub(crate) fn has_no_user(url: &Url) -> bool {
    url.username().is_empty() && url.password().is_none()
}

/// Whether this URL is on the machine itself: on the loopback, or at a link-local address, where
/// clouds have their metadata services. Neither leaves the machine's own network, so plain `http`
/// is allowed there, and no proxy can reach it.
pub(crate) fn is_local_to_machine(url: &Url) -> bool {
    let is_local = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback() || address.is_link_local(),
        Some(host) => is_loopback(&host),
        None => false,
    };
    has_no_user(url) && is_local && matches!(url.scheme(), "http" | "https")
}

fn is_loopback<S: AsRef<str>>(host: &Host<S>) -> bool {
    match host {
        Host::Domain(name) => name.as_ref() == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

/// A URL without its possibly secret parts.
fn redacted(url: &Url) -> String {
    let host = url.host_str().unwrap_or("no host");
    let userinfo = if url.username().is_empty() {
        ""
    } else {
        "…@"
    };
    format!("{}://{userinfo}{host}", url.scheme())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(text: &str) -> Origin {
        Origin::parse(text).unwrap()
    }

    fn follow(origin: &Origin, link: &str, regional: bool) -> Result<String, LinkError> {
        let requested = origin.join("/a/b?c=1").unwrap();
        origin.follow(&requested, link, regional).map(String::from)
    }

    #[test]
    fn an_address_is_https_or_loopback_and_only_an_origin() {
        assert_eq!(
            origin("https://ORG.crm.dynamics.com/").to_string(),
            "https://org.crm.dynamics.com"
        );
        assert_eq!(
            origin("https://org.crm.dynamics.com:443"),
            origin("https://org.crm.dynamics.com")
        );
        for loopback in [
            "http://127.0.0.1:4001",
            "http://localhost:80",
            "http://[::1]:9",
        ] {
            assert!(origin(loopback).is_loopback(), "{loopback}");
        }
        for (text, why) in [
            ("http://org.crm.dynamics.com", OriginError::NotSecure),
            ("http://127.0.0.1.example", OriginError::NotSecure),
            ("ftp://localhost", OriginError::NotSecure),
            (
                "https://me:secret@org.crm.dynamics.com",
                OriginError::UserInfo,
            ),
            ("https://org.crm.dynamics.com/api", OriginError::Path),
            ("https://org.crm.dynamics.com/?a=b", OriginError::Path),
            ("org.crm.dynamics.com", OriginError::NotAUrl),
        ] {
            assert_eq!(Origin::parse(text), Err(why), "{text}");
        }
    }

    #[test]
    fn a_link_to_another_origin_is_refused_in_every_form() {
        let org = origin("https://org.crm.dynamics.com");
        for link in [
            "https://evil.example/next",
            "//evil.example/next",
            "https://org.crm.dynamics.com.evil.example/next",
            "https://evil-org.crm.dynamics.com/next",
            "https://other.crm.dynamics.com/next",
            "https://org.crm.dynamics.com@evil.example/next",
            "https://user@org.crm.dynamics.com/next",
            "https://org.crm.dynamics.com:8443/next",
            "https://org.crm.dynamics.com./next",
            "http://org.crm.dynamics.com/next",
            "\\\\evil.example\\next",
            "javascript:alert(1)",
            "https://",
        ] {
            assert!(follow(&org, link, false).is_err(), "{link} was followed");
            assert!(
                follow(&org, link, true).is_err(),
                "{link} was followed regionally"
            );
        }
        assert_eq!(
            follow(&org, "/x?y", false).unwrap(),
            "https://org.crm.dynamics.com/x?y"
        );
        assert_eq!(
            follow(
                &org,
                "https://ORG.crm.dynamics.com:443/x?$skiptoken=%3Ccookie%20a=%221%22%3E",
                false
            )
            .unwrap(),
            "https://org.crm.dynamics.com/x?$skiptoken=%3Ccookie%20a=%221%22%3E"
        );
    }

    #[test]
    fn regional_hosts_are_one_label_below_the_admin_host() {
        let bap = origin("https://api.bap.microsoft.com");
        let europe = "https://europe.api.bap.microsoft.com/x";
        assert_eq!(follow(&bap, europe, true).unwrap(), europe);
        assert!(follow(&bap, europe, false).is_err());
        for link in [
            "https://a.b.api.bap.microsoft.com/x",
            "https://.api.bap.microsoft.com/x",
            "https://evilapi.bap.microsoft.com/x",
            "https://bap.microsoft.com/x",
            "http://europe.api.bap.microsoft.com/x",
            "https://europe.api.bap.microsoft.com:8443/x",
            "https://u@europe.api.bap.microsoft.com/x",
            "https://europe.api.bap.microsoft.com.evil.example/x",
            "https://high.api.bap.microsoft.us/x",
        ] {
            assert!(follow(&bap, link, true).is_err(), "{link} was followed");
        }
        let loopback = origin("http://localhost:4000");
        assert!(follow(&loopback, "http://a.localhost:4000/x", true).is_err());
    }

    #[test]
    fn a_path_cannot_leave_its_origin() {
        let org = origin("https://org.crm.dynamics.com");
        for path in [
            "@evil.example/",
            "//evil.example/",
            "/\\evil.example",
            "x",
            ".evil.example",
        ] {
            assert!(org.join(path).is_err(), "{path} was joined");
        }
        assert_eq!(
            org.join("/a/../b").unwrap().as_str(),
            "https://org.crm.dynamics.com/b"
        );
    }
}
