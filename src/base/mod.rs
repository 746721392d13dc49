//! What every module may use, and what uses none of them.
//!
//! ```text
//! cancellation.rs  a request to stop, and a halt that no request passes
//! clock.rs         durations and deadlines, which a rehearsal can run faster
//! files.rs         files that a person names: opened and written safely
//! secrets.rs       secret values that are known, removed from every text that leaves the program
//! text.rs          escaping, fingerprints, counts in words
//! ```

pub mod cancellation;
pub mod clock;
pub mod files;
pub mod secrets;
pub mod text;
