//! The runbook: a document that a person writes becomes a checked value, or a list of everything
//! that is invalid in it, each at its place.
//!
//! ```text
//! text ── yaml ──> located tree ── values ──> bind ──> Runbook
//!   └ source          └ secrecy                │        └ digest
//!                                              └──> Diagnostics
//! ```
//!
//! - `source`: the text, spans, lines and columns, the line as it may be shown.
//! - `yaml`: YAML becomes the located tree; the only file that knows the YAML library.
//! - `tree`: the located tree.
//! - `secrecy`: the parts of the text that are never shown.
//! - `grammar/`: how a key is defined: its kind of value, its default, its documentation.
//! - `model/`: every section with its keys, and the value that is read.
//! - `rules`: the rules between sections.
//! - `bind`: the tree becomes the value; every mistake is collected.
//! - `diagnostic`: one mistake, and all of them.
//! - `schema/`: the JSON Schema for editors, from the same definitions.
//! - `recording/`: a browser's recording becomes entries of `iom.requests`.
//! - `starter/`: the text of a runbook for two known environments.
//! - `digest`: the meaning of a runbook, without its places.
//! - `file`: a runbook from its file.
//! - `values`: a second file gives single values of the tree by their paths.
//! - `fill_in`: values that a person still has to write.
//! - `yaml_texts`: all texts of any YAML document, for the tests of the example pipelines.

mod bind;
mod diagnostic;
mod digest;
mod file;
mod fill_in;
mod grammar;
mod model;
mod recording;
mod rules;
mod schema;
mod secrecy;
mod source;
mod starter;
#[cfg(test)]
mod tests;
mod tree;
mod values;
mod yaml;
#[cfg(test)]
mod yaml_texts;

pub use diagnostic::{Diagnostic, Diagnostics, Severity};
pub use digest::Difference;
#[cfg(test)]
pub(crate) use file::parse_with_values;
pub use file::{ReadError, parse, read_file};
pub use fill_in::FILL_IN;
pub use grammar::scalars::is_user;
pub use model::Runbook;
pub use model::containment::{
    Callbacks, Containment, ContainmentReplacement, OffOrKeep, ParameterSource, PlugIns, Purpose,
    ResolvedContainment, WaitingJobs,
};
pub use model::custom_steps::{
    Captured, ColumnValue, Command, CustomStep, CustomStepKind, CustomStepOptions, DataverseUpdate,
    Evidence, EvidenceRows, ExpectedRows, Guided, Literal, OnFailure, TokenService, VariableValue,
};
pub use model::endpoints::{Endpoint, Endpoints, ServiceKey};
pub use model::environments::{Cloud, Lcs, LcsGeography, Target};
pub use model::identity::{Credential, CredentialKind, Identity};
pub use model::iom::{Iom, IomColumn, IomTable};
pub use model::keywords::{Keyword, find_keyword};
pub use model::notify::{NotificationForm, Occasion, Webhook, WebhookUrl};
pub use model::options::{
    ActivateFlows, ConnectionChoice, ConnectionChoices, CopyApi, CopyEnvironments, CopyType,
    DetachHow, DetachProviderActions, ExitAdministrationMode, FinopsMode, Gateway, Owner,
    PausedMaps, ProviderChoice, Publish, ReconfigureConnections, ReconfigureDualWrite,
    ReinstallProviders, Replacement, RestoreProviderActions, SecurityGroup, TurnOn,
};
pub use model::request::{IomRequest, Method, Placeholder};
pub use model::secret::{Secret, SecretError};
pub use model::state_place::{ContainerAddress, ContainerError, StatePlace, parse_container};
pub use model::steps::{Common, ListedStep, Step, StepName, StepView, Steps};
pub use model::template::{
    FilledRequest, MissingPlaceholder, Placeholders, RequestBinding, RequestTemplate,
};
pub use recording::{Draft, Recorded, RecordingError, Replaced, format_entries, read_writes};
pub use schema::schema;
pub use source::{Located, MarkedLine, Position, Span};
pub use starter::{
    REHEARSAL_PROJECT, Starter, StarterConnection, StarterEnvironment, StarterIdentity, StarterLcs,
};
#[cfg(test)]
pub(crate) use yaml_texts::texts_in_yaml;
