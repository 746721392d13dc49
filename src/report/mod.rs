//! What a user or a pipeline sees. Each part is a function of events, of a plan, or of a journal.
//!
//! ```text
//! printer.rs      the only code that writes to stdout and stderr; logs do not break progress bars
//! palette.rs      colour, or none
//! durations.rs    durations in a form for people
//! lines.rs        events as plain lines: a pipe, a log
//! terminal.rs     events at a terminal: the same lines, with progress lines below them
//! pipeline.rs     the commands of GitHub Actions and Azure Pipelines, and text that contains none
//! annotations.rs  a run's steps as folded groups and its problems as annotations, for a pipeline
//! json.rs         events as JSON Lines
//! documents/      what `--output json` writes, as types, and its JSON Schema
//! plan.rs         a plan as text
//! status.rs       a state file's fold as a table
//! run_report/     what a run did, as Markdown, HTML, JUnit XML and JSON
//! ```

mod annotations;
mod documents;
mod durations;
mod json;
mod lines;
mod palette;
mod pipeline;
mod plan;
mod printer;
mod run_report;
mod status;
mod terminal;

pub use annotations::{Annotated, Annotations};
pub use documents::{
    CheckLine, ChecksDocument, CompleteDocument, CutDocument, DamageLine, ExportDocument,
    FailureDocument, ImportDocument, InitDocument, PlanDocument, RecordLine, RehearsalDocument,
    RehearsalEndpoint, RehearsalEndpoints, StateCheckDocument, TaskOutcome, ValidateDocument,
    Version, commands_with_json, document, output_schema,
};
pub use durations::duration;
pub use json::JsonLines;
pub use lines::Lines;
pub use palette::{ColorChoice, Palette};
pub use pipeline::Pipeline;
pub use plan::{expected_duration, plan_text};
pub use printer::Printer;
pub use run_report::{ReportFormat, RunReport, gather_report, not_begun_report};
pub use status::{SuggestedCommands, not_begun_document, status_document, status_table};
pub use terminal::Terminal;
