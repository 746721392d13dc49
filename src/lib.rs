//! `iomcopy`: a runbook executor that refreshes a Dynamics 365 Intelligent Order Management
//! environment from another one.
//!
//! The modules. Each may call those below it, and none above:
//!
//! ```text
//! main.rs
//!   cli                          commands
//!   report                       what a person or a pipeline sees
//!   checks                       questions: preflight, verify
//!   steps                        verbs: the eight steps, one list
//!   domain                       nouns: environments, flows, connections, providers, dual-write
//!   engine                       survey, change, verify; knows no service
//!   clients | runbook | journal
//!   base                         clock, text, cancellation, files, secrets, platform
//!   rehearsal                    the rehearsal tenant (cargo feature `rehearsal`); shares no code
//! ```
//!
//! - [`cli`]: a file for each command; the only module that knows clap.
//! - [`report`]: each format is a function of events or of a journal.
//! - [`checks`]: read-only questions, each answered pass, fail or unknown.
//! - [`steps`]: what each step reads and changes; no step imports another.
//! - [`domain`]: what two steps, or a step and a check, both need.
//! - [`engine`]: runs each phase until a survey finds nothing left to do.
//! - [`runbook`]: turns a document into a checked value; every error has a position.
//! - [`clients`]: one HTTP chain, and one file or directory for each service.
//! - [`journal`]: the state file: append, replay, seal, lock. What it needs of a remote
//!   state is a trait in [`base`], which a client implements and `cli` connects.
//! - [`base`]: what every module may use; everything that differs by operating system.
//! - `rehearsal`: a simulated tenant that the clients reach over HTTP.

pub mod base;
pub mod checks;
pub mod cli;
pub mod clients;
pub mod domain;
pub mod engine;
pub mod journal;
#[cfg(feature = "rehearsal")]
pub mod rehearsal;
pub mod report;
pub mod runbook;
pub mod steps;
