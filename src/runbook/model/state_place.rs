//! Where a copy of the state file is kept.

use std::fmt;

use serde::Serialize;
use serde_json::json;
use url::Url;

use super::secret::{Secret, secret};
use crate::runbook::grammar::keys::section;
use crate::runbook::grammar::kind::Kind;
use crate::runbook::grammar::scalars::{is_loopback, text};
use crate::runbook::grammar::{Binder, Field};
use crate::runbook::source::Located;
use crate::runbook::tree::Content;

section! {
    /// Where in Azure Storage the state file is kept too.
    pub struct StatePlace {
        /// A container of Azure Storage: its address, used with the credential `state` under
        /// `identity`; or the place of an address with a shared access signature, which is a
        /// secret. The program appends every record to a blob in it before it sends the request
        /// that relies on the record, and the blob's lease is the lock of the run.
        "azure-blob" azure_blob: Located<ContainerAddress> = required(container_address());
    }
}

/// The address of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContainerAddress {
    /// What is written: an address without a signature.
    Written(Url),
    /// Where an address with a shared access signature is.
    Signed(Secret),
}

impl Serialize for ContainerAddress {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Written(url) => serializer.serialize_str(url.as_str()),
            Self::Signed(secret) => secret.serialize(serializer),
        }
    }
}

/// Why an address is not that of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContainerError {
    /// It has a query: a shared access signature.
    Signed,
    /// Anything else.
    Invalid(&'static str),
}

impl fmt::Display for ContainerError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Signed => "an address with a signature is a secret",
            Self::Invalid(why) => why,
        })
    }
}

/// Parses the address of a container: `https://ACCOUNT.blob.core.windows.net/CONTAINER`, or `http:`
/// on this machine. With `signed`, it must have a signature; otherwise it must have none.
pub fn parse_container(text: &str, signed: bool) -> Result<Url, ContainerError> {
    let invalid = |why| Err(ContainerError::Invalid(why));
    let Ok(url) = Url::parse(text) else {
        return invalid("it is not an address");
    };
    if !url.username().is_empty() || url.password().is_some() {
        return invalid("an address must not contain a user or a password");
    }
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(&url) => {}
        "http" => return invalid("`http:` is allowed only for this machine's own addresses"),
        _ => return invalid("an address must begin with `https:`"),
    }
    if url.fragment().is_some() {
        return invalid("an address of a container ends with the container's name");
    }
    let mut segments = url.path_segments().into_iter().flatten();
    if !segments.any(|segment| !segment.is_empty()) {
        return invalid("the container's name is missing");
    }
    match url.query() {
        None if signed => invalid("it has no shared access signature"),
        Some(_) if !signed => Err(ContainerError::Signed),
        _ => Ok(url),
    }
}

const HELP: &str = "write `https://ACCOUNT.blob.core.windows.net/CONTAINER`, or `{ env: NAME }` for an \
                    address with a shared access signature";

fn container_address() -> Kind<Located<ContainerAddress>> {
    let schema = || {
        let secure = "^[hH][tT][tT][pP][sS]://[^\\s/?#@:\\\\<>^|%\\[\\]]+(?::[0-9]{1,5})?/[^\\s?#]*[^\\s?#/][^\\s?#]*$";
        let local = "^[hH][tT][tT][pP]://(?:localhost|127(?:\\.[0-9]{1,3}){1,3}|\\[::1\\])(?::[0-9]{1,5})?/[^\\s?#]*[^\\s?#/][^\\s?#]*$";
        json!({ "anyOf": [
            { "type": "string", "pattern": secure },
            { "type": "string", "pattern": local },
            secret().schema(),
        ] })
    };
    Kind::new(read_container_address, schema)
        .with_example("https://ACCOUNT.blob.core.windows.net/CONTAINER")
}

fn read_container_address(
    binder: &mut Binder,
    field: Field<'_>,
) -> Option<Located<ContainerAddress>> {
    if let Content::Map(_) = &field.node.content {
        let secret = secret().read(binder, field)?;
        return Some(secret.map(ContainerAddress::Signed));
    }
    let written = text().read(binder, field)?;
    match parse_container(&written.value, false) {
        Ok(url) => Some(written.map(|_| ContainerAddress::Written(url))),
        Err(error) => {
            // A signature, a user or a password may be in it.
            if written.value.contains(['?', '@', '#']) {
                binder.hidden.hide(field.node.span);
            }
            binder.refuse(field.node.span, error.to_string(), HELP)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_has_a_name_and_a_written_one_no_signature() {
        let account = "https://a.blob.core.windows.net";
        for (text, signed, valid) in [
            (format!("{account}/iomcopy"), false, true),
            (format!("{account}/iomcopy/uat"), false, true),
            ("http://127.0.0.1:10000/account/c".to_owned(), false, true),
            (format!("{account}/iomcopy?sig=x"), true, true),
            (format!("{account}/iomcopy?sig=x"), false, false),
            (format!("{account}/iomcopy"), true, false),
            (account.to_owned(), false, false),
            ("http://a.blob.core.windows.net/c".to_owned(), false, false),
            (
                "https://u:p@a.blob.core.windows.net/c".to_owned(),
                false,
                false,
            ),
            ("container".to_owned(), false, false),
        ] {
            assert_eq!(parse_container(&text, signed).is_ok(), valid, "{text}");
        }
    }
}
