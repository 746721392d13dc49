//! What a user or a pipeline sees. Each part is a function of events, of a plan, or of a journal.
//!
//! ```text
//! printer.rs      the only code that writes to stdout and stderr; logs do not break the table
//! wrap.rs         word wrap at the width of a terminal
//! excerpt.rs      a line of a runbook with its carets, cut at the width of a terminal
//! shorten.rs      a long text in a limited width
//! screen.rs       a text that is drawn again in place
//! palette.rs      colour, or none
//! durations.rs    durations in a form for people
//! lines.rs        events as plain lines: a pipe, a log
//! terminal.rs     events at a terminal: the same lines, with a table of the steps below them
//! live_run.rs     what a run does at this moment, from its events
//! live_table/     that as the lines of the table
//! live_screen.rs  the table drawn in place
//! pipeline.rs     the commands of GitHub Actions and Azure Pipelines, and text that contains none
//! annotations.rs  a run's steps as folded groups and its problems as annotations, for a pipeline
//! json.rs         events as JSON Lines
//! documents/      what `--output json` writes, as types, and its JSON Schema
//! status_changes.rs
//!                 what has changed since the status was last shown
//! notification/   what a run's webhooks are sent: Teams, Slack, JSON
//! end_summary.rs  what did not succeed at first, for the end of a run
//! hindrances.rs   the same by events and records, of one process or all
//! next_command.rs the command that a message suggests next
//! worksheet_text.rs
//!                 a worksheet as lines of text
//! markdown.rs     texts, tables and lists as Markdown
//! plan/           a plan for those who approve it: as text, Markdown and a page
//! page/           a page for a browser: its frame and style, texts as markup
//! status.rs       a state file's fold as a table
//! open_failures.rs
//!                 the failures of a state file, each cause once
//! change_counts.rs
//!                 how many changes of a step are done, in words
//! expected_time.rs
//!                 how long each step should take, and from where that is known
//! fleet.rs        many runs at once
//! current_work.rs what a run does now, how long it has taken, when it should end
//! run_report/     what a run did, as Markdown, HTML, JUnit XML and JSON
//! ```

mod annotations;
mod change_counts;
mod current_work;
mod documents;
mod durations;
mod end_summary;
mod excerpt;
mod expected_time;
mod fleet;
mod hindrances;
mod json;
mod lines;
mod live_run;
mod live_screen;
mod live_table;
mod markdown;
mod next_command;
mod notification;
mod open_failures;
mod page;
mod palette;
mod pipeline;
mod plan;
mod printer;
mod run_report;
mod screen;
mod shorten;
mod status;
mod status_changes;
mod terminal;
mod worksheet_text;
mod wrap;

pub use annotations::{Annotated, Annotations, Checkout};
pub use current_work::{Estimates, Expected};
pub use documents::{
    CheckLine, ChecksDocument, ChecksSummary, CompleteDocument, CutDocument, DamageLine,
    ExportDocument, FailureDocument, Findings, FleetDocument, FleetRun, GraphDocument,
    ImportDocument, InitDocument, PlanDocument, RecordLine, RehearsalDocument, RehearsalEndpoint,
    RehearsalEndpoints, StateCheckDocument, TaskOutcome, Usable, ValidateDocument, Version,
    commands_with_json, document, output_schema,
};
pub use durations::duration;
pub use end_summary::EndSummary;
pub use expected_time::{expected_duration, expected_steps};
pub use fleet::{fleet, fleet_run, folder_without_runs, unreadable_run};
pub use json::JsonLines;
pub use lines::{Detail, Lines};
pub use next_command::{NextCommand, TaskCommands};
pub use notification::{Notice, notification, pipeline_page};
pub use page::GENERATOR;
pub use palette::{ColorChoice, Palette};
pub use pipeline::Pipeline;
pub use plan::{LostProviders, PlanFacts, PlanReport, plan_markdown_within, plan_page, plan_text};
pub use printer::Printer;
pub use run_report::{
    GraphOutline, GraphPicture, OutlineArrow, OutlineTile, ReportFormat, RunReport, gather_report,
    graph_pictures, not_begun_report, recorded_findings,
};
pub use screen::Screen;
pub use status::{SuggestedCommands, not_begun_document, status_document, status_table};
pub use status_changes::StatusChanges;
pub use terminal::Terminal;
pub use worksheet_text::worksheet_text;
