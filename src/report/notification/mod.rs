//! A notification: what a person who is not at the terminal must know about a run, in the form of
//! the service that delivers it. Each form is a function of the [`Notice`], in a separate file.
//!
//! Every text is cleaned before a form sees it: secrets are replaced by their fingerprints, control
//! characters are shown escaped, long texts are cut. No text is read as markup: a service's error may
//! hold a link.
//!
//! - `teams`: an adaptive card in the message of a Workflows webhook.
//! - `slack`: a message of blocks.
//! - `json`: one object.
//! - `pipeline_page`: the page of the pipeline run that this process is a part of.

mod json;
mod pipeline_page;
mod slack;
mod teams;
#[cfg(test)]
mod tests;

use serde::Serialize;
use serde_json::Value;

pub use self::pipeline_page::pipeline_page;
use crate::base::redaction::{redact, redacted_line};
use crate::base::text::count;
use crate::report::shorten::shortened;
use crate::runbook::{NotificationForm, Occasion};

/// The most lines of what happened, and of what to do. The state file has all of them.
const MOST_LINES: usize = 8;
/// The longest line, in characters. With [`MOST_LINES`], a message stays below the 28 KB of Teams and
/// the 3,000 characters of a block in Slack. Sources: Microsoft Learn, "Limits and specifications for
/// Microsoft Teams"; Slack, "Section block".
const LONGEST_LINE: usize = 300;

/// What a person must know.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Notice {
    /// The target's display name.
    pub target: String,
    /// The target's environment id.
    pub environment: String,
    /// The runbook's name.
    pub runbook: String,
    /// The run's id; none if none has begun.
    pub run: Option<String>,
    /// The step that it is about, or `STEP/PHASE`.
    pub step: Option<String>,
    /// What happened, one fact a line.
    pub what: Vec<String>,
    /// What a person can do, one instruction a line.
    pub to_do: Vec<String>,
    /// Since when it is so, RFC 3339.
    pub since: Option<String>,
    /// The next command.
    pub next: Option<String>,
    /// The page of the pipeline run.
    pub page: Option<String>,
    /// The machine that the command ran on.
    pub host: String,
    /// The state file.
    pub state_file: String,
}

/// The message of a notification.
pub fn notification(occasion: Occasion, notice: &Notice, form: NotificationForm) -> Value {
    let notice = notice.shortened_texts();
    let headline = headline(occasion, &notice);
    match form {
        NotificationForm::Teams => teams::message(occasion, &headline, &notice),
        NotificationForm::Slack => slack::message(&headline, &notice),
        NotificationForm::Json => json::message(occasion, &headline, &notice),
    }
}

/// One line that says it all, as a telephone shows it.
fn headline(occasion: Occasion, notice: &Notice) -> String {
    let target = &notice.target;
    let happened = match occasion {
        Occasion::Waiting => "the refresh waits for a person",
        Occasion::Failed if notice.run.is_none() => "the refresh did not begin",
        Occasion::Failed => "the refresh failed",
        Occasion::Finished => "the refresh is finished",
    };
    match &notice.step {
        Some(step) => format!("{target}: {happened} in {step}"),
        None => format!("{target}: {happened}"),
    }
}

impl Notice {
    fn shortened_texts(&self) -> Self {
        Self {
            target: short_line(&self.target),
            environment: short_line(&self.environment),
            runbook: short_line(&self.runbook),
            run: self.run.as_deref().map(short_line),
            step: self.step.as_deref().map(short_line),
            what: short_lines(&self.what),
            to_do: short_lines(&self.to_do),
            since: self.since.as_deref().map(short_line),
            // A command that is cut would be another command.
            next: self.next.as_deref().map(redacted_line),
            page: self.page.clone(),
            host: short_line(&self.host),
            state_file: short_line(&self.state_file),
        }
    }

    /// The facts that are one line each, with their labels.
    fn facts(&self) -> Vec<(&'static str, String)> {
        let facts = [
            ("Step", self.step.clone()),
            ("Since", self.since.clone()),
            (
                "Target",
                Some(format!("{} ({})", self.target, self.environment)),
            ),
            (
                "Run",
                self.run
                    .as_ref()
                    .map(|run| format!("{run} of {}", self.runbook)),
            ),
            (
                "State file",
                Some(format!("{} on {}", self.state_file, self.host)),
            ),
        ];
        let known = facts.into_iter();
        known
            .filter_map(|(label, fact)| Some((label, fact?)))
            .collect()
    }
}

/// A text as one safe line of limited length.
fn short_line(text: &str) -> String {
    shortened(&redacted_line(text), LONGEST_LINE)
}

/// Texts of one or more lines as safe lines, the first ones.
fn short_lines(texts: &[String]) -> Vec<String> {
    // A secret may be longer than a line.
    let redacted: Vec<_> = texts.iter().map(|text| redact(text)).collect();
    let lines = redacted.iter().flat_map(|text| text.lines());
    let mut lines: Vec<&str> = lines.filter(|line| !line.trim().is_empty()).collect();
    let more = lines.len().saturating_sub(MOST_LINES);
    lines.truncate(MOST_LINES);
    let mut lines: Vec<String> = lines
        .into_iter()
        .map(|line| short_line(line.trim_end()))
        .collect();
    if more > 0 {
        lines.push(format!("and {} more", count(more, "line")));
    }
    lines
}
