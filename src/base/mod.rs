//! What every module may use. It uses no other module.
//!
//! ```text
//! cancellation.rs  requests to stop, and the halt of all requests
//! clock.rs         durations and deadlines, which a rehearsal can run faster
//! encoding.rs      percent-encoding
//! files.rs         files that the user names: opened and written safely
//! json_text.rs     JSON values as their texts, where many of them are in memory
//! packed_texts.rs  many similar texts in little memory
//! platform/        everything that differs between Linux, macOS and Windows
//! program.rs       runs a program with a time limit
//! redaction.rs     redacts a text: known secrets (`secrets`), and what looks like a credential
//! remote_state.rs  the state file's content at a service, as the journal needs it
//! secrets/         the known secret values, and hides them in texts
//! shell.rs         command lines that a user copies into a shell
//! suggestions.rs   the name that was probably meant
//! sync.rs          locks a mutex, also after a panic
//! text.rs          escaping, digests, plurals, durations
//! timeline.rs      virtual time for tests
//! ```

pub mod cancellation;
pub mod clock;
pub mod encoding;
pub mod files;
pub mod json_text;
pub mod packed_texts;
pub mod platform;
pub mod program;
pub mod redaction;
pub mod remote_state;
pub mod secrets;
pub mod shell;
pub mod suggestions;
pub mod sync;
pub mod text;
#[cfg(test)]
mod timeline;
