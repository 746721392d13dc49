//! What a run did, from its state file alone: one content, and a module for each format.
//!
//! ```text
//! content.rs   the content, as types; their JSON form is the document of `report`
//! figures.rs   its figures: what was restored, published, installed, turned on, contained
//! gather.rs    makes the content from a state file
//! manual_tasks.rs  the manual tasks: who did what, what was waived, what is left
//! findings.rs  what needs a look, and what the reader should know about the file
//! notes.rs     which warnings of the processes still hold
//! values.rs    which values a change changes, before and after
//! pictures/    what only a page shows: the timeline, the orchestrations, the connections
//! graph/       an orchestration's graph as Mermaid and as SVG
//! markdown.rs  for a pipeline's summary, a ticket, a wiki
//! html.rs      for a browser: a page; html/ draws its pictures
//! worksheets.rs  the manual tasks alone, as Markdown with boxes to tick
//! junit.rs     for a pipeline's test results: a suite for each step
//! ```
//!
//! The formats are functions of the content alone, so they cannot contradict each other. Text that
//! looks like a credential is removed once, when the content is gathered; each format escapes text
//! its own way.

mod content;
mod figures;
mod findings;
mod gather;
mod graph;
mod html;
mod junit;
mod manual_tasks;
mod markdown;
mod notes;
mod pictures;
mod values;
mod worksheets;

use std::time::Duration;

use self::content::Ending;
use self::figures::ContainmentFigures;
pub use content::RunReport;
pub(in crate::report) use content::ValueChange;
pub use findings::recorded_findings;
pub use gather::{gather_report, not_begun_report};
pub use graph::{GraphPicture, graph_pictures};
pub(in crate::report) use html::plan_pictures;
pub use pictures::{GraphOutline, OutlineArrow, OutlineTile};
pub(in crate::report) use values::value_changes;

use super::documents::{RunState, document};
use super::duration;
use crate::base::redaction::redact;
use crate::base::text::escape;

/// The heading of what needs a look. The end of a run and `status` use the same words.
pub(in crate::report) const NEEDS_A_LOOK: &str = "Needs a look";

/// The heading of what the reader should know about the state file and its figures.
const HOW_TO_READ: &str = "How to read this report";

/// The format of a report.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ReportFormat {
    /// Markdown, as GitHub and Azure Pipelines read it.
    Markdown,
    /// One HTML file.
    Html,
    /// The same, kept current while the run's process works.
    HtmlKeptCurrent,
    /// The manual tasks alone, as Markdown.
    Worksheets,
    /// `JUnit` XML, in the dialect of Jenkins.
    Junit,
    /// One JSON document.
    Json,
}

impl RunReport {
    /// The report in this format, without a final line break.
    pub fn render(&self, format: ReportFormat) -> String {
        match format {
            ReportFormat::Markdown => markdown::render(self, markdown::Extent::Whole),
            ReportFormat::Html => html::render(self, html::PageUpdates::Once),
            ReportFormat::HtmlKeptCurrent => html::render(self, html::PageUpdates::KeptCurrent),
            ReportFormat::Worksheets => worksheets::render(self),
            ReportFormat::Junit => junit::render(self),
            ReportFormat::Json => document(self),
        }
    }

    /// Does a process work on the run?
    pub fn is_running(&self) -> bool {
        self.state == RunState::Running
    }

    /// The outcome for everything that could act on the outside world, if that was recorded.
    fn containment(&self) -> Option<&ContainmentFigures> {
        self.figures.as_ref()?.containment.as_ref()
    }

    /// Does a failure of the report contain this message of a process already?
    fn has_failure_with(&self, message: &str) -> bool {
        let mut failures = self.failures.iter();
        failures.any(|failure| message.contains(&failure.message))
    }

    /// The report as Markdown of at most this many bytes: whole, else without its single changes.
    /// None if even that is longer.
    pub fn markdown_within(&self, bytes: usize) -> Option<String> {
        [markdown::Extent::Whole, markdown::Extent::WithoutChanges]
            .into_iter()
            .map(|extent| markdown::render(self, extent))
            .find(|text| text.len() <= bytes)
    }
}

/// A text of the journal, without what looks like a credential.
fn clean(text: &str) -> String {
    redact(text).into_owned()
}

/// The lines of a text, each safe to show.
fn lines(text: &str) -> impl Iterator<Item = String> {
    text.lines().map(|line| escape(line).into_owned())
}

/// How the last process ended, if the reader should know: not with exit code 0, and with a message
/// that no failure of the report contains.
fn last_ending(report: &RunReport) -> Option<(&Ending, &str)> {
    let ending = report.processes.last()?.ending.as_ref()?;
    let message = ending.message.as_deref()?;
    (ending.exit != 0 && !report.has_failure_with(message)).then_some((ending, message))
}

/// How long something took, as text. Empty if that is not known.
fn describe_seconds(seconds: Option<u64>) -> String {
    seconds
        .map(|seconds| duration(Duration::from_secs(seconds)))
        .unwrap_or_default()
}

/// Breaks text that an Azure pipeline would take for a command, anywhere in a line. Takes a markup
/// text, in which `&#35;` means `#`.
pub(in crate::report) fn break_commands(markup: &str) -> String {
    markup.replace("##", "#&#35;")
}
