//! The variables of the process environment.

use crate::clients;

/// A variable, if it is set and is Unicode.
pub(super) fn environment_variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Notes for later failures that the root certificates which the environment names cannot be read: the
/// TLS library goes on without them and does not say so.
pub(super) fn note_unreadable_roots() {
    let Some(path) = std::env::var_os("SSL_CERT_FILE") else {
        return;
    };
    if let Err(error) = std::fs::read(&path) {
        let path = std::path::Path::new(&path).display();
        clients::note_unreadable_roots(format!("{path}: {error}"));
    }
}
