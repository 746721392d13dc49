//! What a person or a pipeline sees. Each part is a function of events, of a plan, or of a journal.
//!
//! ```text
//! printer.rs   the only door to stdout and stderr; colour, and bars that log lines do not tear
//! palette.rs   colour, or none
//! words.rs     durations and times as people read them
//! lines.rs     events as plain lines: a pipe, a log
//! terminal.rs  events at a terminal: the same lines, with a bar below them
//! pipeline.rs  the commands of GitHub Actions and Azure Pipelines, and text that is none
//! annotations.rs  a run's steps folded and its troubles annotated, for a pipeline
//! json.rs      events as JSON Lines
//! documents/   what `--output json` writes, as types, and its JSON Schema
//! plan.rs      a plan as text
//! status.rs    a state file's fold as a table
//! run_report/  what a run did, as Markdown, HTML, JUnit and JSON
//! ```

mod annotations;
mod documents;
mod json;
mod lines;
mod palette;
mod pipeline;
mod plan;
mod printer;
mod run_report;
mod status;
mod terminal;
mod words;

pub use annotations::{Annotated, Annotations};
pub use documents::{
    Answer, CheckDocument, Command, CompleteDocument, CutDocument, DamageLine, ExportDocument,
    FailureDocument, ImportDocument, ImportedRequest, InitDocument, InitEnvironment, PlanDocument,
    ProbeLine, ProbesDocument, RecordLine, RehearsalDocument, RehearsalEndpoint,
    RehearsalEndpoints, Replacement, TaskOutcome, ValidateDocument, Version, document, headline,
    output_schema,
};
pub use json::JsonLines;
pub use lines::Lines;
pub use palette::{ColorChoice, Palette};
pub use pipeline::Pipeline;
pub use plan::{expected, plan_text};
pub use printer::Printer;
pub use run_report::{ReportFormat, RunReport, gather, not_begun};
pub use status::{end_table, not_begun_document, status_document, status_table};
pub use terminal::Terminal;
pub use words::duration;
