//! What a run did, told from its state file alone: one account, and a file for each form it takes.
//!
//! ```text
//! account.rs   the account: what is told, as a type; written as JSON it is its own document
//! gather.rs    a state file's records become the account
//! markdown.rs  for a pipeline's summary, a ticket, a wiki
//! html.rs      for a browser: one file, light and dark, without script
//! junit.rs     for a pipeline's test results: a suite a step
//! ```
//!
//! The forms are functions of the account and of nothing else, so they cannot tell different things.
//! Texts are told with what looks like a credential taken out, once, where they are gathered; each
//! form escapes them its own way.

mod account;
mod gather;
mod html;
mod junit;
mod markdown;

pub use account::RunReport;
pub use gather::{gather, not_begun};

use super::documents::{StepWord, document};
use crate::base::text::escape;

/// The form of a report.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ReportFormat {
    /// Markdown, as GitHub and Azure Pipelines read it.
    Markdown,
    /// One HTML file.
    Html,
    /// `JUnit` XML, in the dialect of Jenkins.
    Junit,
    /// One JSON document.
    Json,
}

impl RunReport {
    /// The report in this form, without a line's end after it.
    pub fn render(&self, format: ReportFormat) -> String {
        match format {
            ReportFormat::Markdown => markdown::render(self, markdown::Extent::Whole),
            ReportFormat::Html => html::render(self),
            ReportFormat::Junit => junit::render(self),
            ReportFormat::Json => document(self),
        }
    }

    /// Is this message of a process only what a failure tells already?
    fn tells(&self, message: &str) -> bool {
        let mut failures = self.failures.iter();
        failures.any(|failure| message.contains(&failure.message))
    }

    /// The report as Markdown of at most so many bytes: whole, else without its single changes. None
    /// where even that is longer.
    pub fn markdown_within(&self, bytes: usize) -> Option<String> {
        [markdown::Extent::Whole, markdown::Extent::WithoutChanges]
            .into_iter()
            .map(|extent| markdown::render(self, extent))
            .find(|text| text.len() <= bytes)
    }
}

/// The word of a step's state for a reader.
fn step_told(word: StepWord) -> &'static str {
    match word {
        StepWord::NotBegun => "not begun",
        StepWord::Begun => "begun",
        StepWord::Done => "done",
        StepWord::Skipped => "skipped",
        StepWord::Failed => "failed",
    }
}

/// The lines of a text, each safe to show; a text of one line has one.
fn lines(text: &str) -> impl Iterator<Item = String> {
    text.lines().map(|line| escape(line).into_owned())
}

/// Breaks what an Azure pipeline would take for a command, wherever in a line it stands. Takes a
/// markup text, in which `&#35;` is read as `#` again.
fn unspoken(markup: &str) -> String {
    markup.replace("##", "#&#35;")
}
