//! The runbook: a document that a person writes becomes a checked value, or a list of everything
//! that is wrong with it, each at its place.
//!
//! ```text
//! text ── read ──> located tree ── bind ──> Runbook
//!   └ source          └ secrecy      │        └ digest
//!                                    └──> Diagnostics
//! ```
//!
//! - `source`: the text, spans, lines and columns, the line as it may be shown.
//! - `read`: YAML becomes the located tree; the only file that knows the YAML library.
//! - `tree`: the located tree.
//! - `secrecy`: what of the text is never shown.
//! - `bind/`: the tree becomes the value, one file a section; every mistake is collected.
//! - `model/`: the value.
//! - `diagnostic`: one mistake, and all of them.
//! - `recording/`: a browser's recording becomes entries of `iom.requests`.
//! - `starter/`: the text of a runbook for two environments that are known.
//! - `schema/`: the JSON Schema for editors, of the same words and bounds as the binder.
//! - `digest`: what a runbook means, without where it says it.
//! - `file`: a runbook from its file.

mod bind;
mod diagnostic;
mod digest;
mod file;
mod model;
mod read;
mod recording;
mod schema;
mod secrecy;
mod source;
mod starter;
#[cfg(test)]
mod tests;
mod tree;

pub use diagnostic::{Diagnostic, Diagnostics, Severity};
pub use digest::Difference;
pub use file::{ReadError, parse, read};
pub use model::Runbook;
pub use model::endpoints::{Credential, CredentialKind, Endpoint, Endpoints, Identity, ServiceKey};
pub use model::environments::{Cloud, Lcs, LcsGeography, Target};
pub use model::iom::{IOM_COLUMNS, Iom, IomTable};
pub use model::options::{
    ActivateFlows, ConnectionChoice, ConnectionChoices, CopyApi, CopyEnvironments, CopyType,
    DetachHow, DetachProviderActions, ExitAdministrationMode, FinopsMode, Gateway, Owner,
    ProviderChoice, Publish, ReconfigureConnections, ReconfigureDualWrite, ReinstallProviders,
    Replacement, RestoreProviderActions, SecurityGroup, TurnOn,
};
pub use model::request::{IomRequest, Method, Placeholder};
pub use model::secret::{Secret, SecretError};
pub use model::steps::{Common, Step, StepName, StepView, Steps};
pub use model::template::{
    FilledRequest, MissingPlaceholder, Placeholders, RequestBinding, RequestTemplate,
};
pub use model::words::{UnknownWord, Word};
pub use recording::{Draft, Recorded, RecordingError, Replaced, entries, writes};
pub use schema::schema;
pub use source::{Located, MarkedLine, Position, Span};
pub use starter::{Starter, StarterConnection, StarterEnvironment, StarterIdentity, StarterLcs};
