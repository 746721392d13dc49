//! Keeps secret values out of everything that is printed or recorded.
//!
//! A service may repeat in an error, an annotation or a status what it was sent, and nothing marks
//! which part of such a text is a secret. So the program registers each value when it first reads
//! it: a secret of the runbook, a token, and every value that is shown as a fingerprint. Everything
//! that is printed, and every free text that is recorded, passes through [`hide`], which replaces
//! the value by its fingerprint. Captures do not: they keep the service's bytes.
//!
//! A value is found verbatim, escaped for JSON (once and twice), for a URL, for HTML and for a
//! terminal, and in base64.
//!
//! Which values are hidden:
//!
//! | Value | Hidden |
//! |---|---|
//! | shorter than 6 characters | never: too many words contain it |
//! | [`register_secret`] or [`register_token`] | wherever it occurs; from 6 to 11 characters only as a whole word |
//! | [`register_possible_secret`] | the same, unless it is clearly public: short and only words or digits, the origin of a URL, or a value that the runbook itself shows ([`register_public`]) |
//! | of several lines, or longer than 4096 bytes | line by line, each line from 16 characters |
//!
//! The registry belongs to the process, not to a run: logs, errors and the printer do not know
//! runs, and what one run must hide no other run may show.
//!
//! ```text
//! registry.rs       the registered values, and the matchers of their forms
//! matcher.rs        finds many forms in a text at once
//! encoded_forms.rs  the forms in which a service may repeat a value
//! hiding.rs         replaces what is found
//! ```

mod encoded_forms;
mod hiding;
mod matcher;
mod registry;

pub use hiding::{hide, hide_in_json};
pub use registry::{
    register_possible_secret, register_public, register_secret, register_token, take_unmasked,
};
