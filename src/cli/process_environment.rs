//! The variables of the process environment.

/// A variable, if it is set and is Unicode.
pub(super) fn environment_variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
