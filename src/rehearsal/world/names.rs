//! The keys of objects, and ids derived from names.

use sha2::{Digest, Sha256};
use uuid::Uuid;

/// The key of a row of a Dataverse table.
pub(crate) fn row(organization: &str, table: &str, id: &str) -> String {
    format!("row/{organization}/{table}/{id}")
}

/// The prefix of the keys of a table's rows.
pub(crate) fn table(organization: &str, table: &str) -> String {
    format!("row/{organization}/{table}/")
}

/// The key of an environment, which is stored as the admin API shows it.
pub(crate) fn environment(id: &str) -> String {
    format!("environment/{}", id.to_lowercase())
}

/// The key of an organization's facts outside its rows.
pub(crate) fn organization(id: &str) -> String {
    format!("organization/{id}")
}

/// The key of a long-running operation.
pub(crate) fn operation(id: &str) -> String {
    format!("operation/{id}")
}

/// The key of a connection.
pub(crate) fn connection(environment: &str, name: &str) -> String {
    format!("connection/{environment}/{name}")
}

/// An id derived from names. Objects that the tenant creates have the same ids in every rehearsal
/// that sends the same requests.
pub(crate) fn identifier(names: &[&str]) -> String {
    let mut hash = Sha256::new();
    for name in names {
        hash.update(name.as_bytes());
        hash.update([0]);
    }
    let mut bytes = [0_u8; 16];
    bytes.copy_from_slice(&hash.finalize()[..16]);
    uuid::Builder::from_custom_bytes(bytes)
        .into_uuid()
        .to_string()
}

/// A random id.
pub(crate) fn unique() -> String {
    Uuid::new_v4().to_string()
}

/// The SHA-256 of a text, in hexadecimal.
pub(crate) fn digest(text: &str) -> String {
    let digits = |byte: u8| [byte >> 4, byte & 0xf].map(|digit| char::from_digit(digit.into(), 16));
    let bytes = Sha256::digest(text.as_bytes()).into_iter();
    bytes.flat_map(digits).flatten().collect()
}
