//! `iomcopy`: a runbook executor that refreshes a Dynamics 365 Intelligent Order Management
//! environment from another one.
//!
//! The house, room by room; arrows are calls, and none runs upward:
//!
//! ```text
//! main.rs
//!   └ cli ─────────────────┬──────────────┐
//!      │                   steps        report
//!      │          ┌──────────┼──────────┐ │
//!   rehearsal  clients    runbook     engine
//!                                       │
//!                                    journal
//!   below all but rehearsal: clock, text, secrets, cancellation, files
//! ```
//!
//! - [`cli`]: one file a command; the only room that knows clap.
//! - [`report`]: what a person or a pipeline sees; each part a function of events or of a journal.
//! - [`steps`]: the eight steps, and what they know of Intelligent Order Management.
//! - [`engine`]: survey, change, verify; phases to their fixpoint. It knows no service.
//! - [`runbook`]: a document with positions becomes a checked value.
//! - [`clients`]: one HTTP chain, one file a service.
//! - [`journal`]: the state file: append, replay, seal, lock.
//! - [`rehearsal`]: a stand-in tenant spoken to over HTTP; it shares nothing with the other rooms.
//! - [`clock`], [`text`], [`secrets`], [`cancellation`], [`files`]: durations, escaping and
//!   redaction, known secret values, stopping, files that a person names.

pub mod cancellation;
pub mod cli;
pub mod clients;
pub mod clock;
pub mod engine;
pub mod files;
pub mod journal;
pub mod rehearsal;
pub mod report;
pub mod runbook;
pub mod secrets;
pub mod steps;
pub mod text;
