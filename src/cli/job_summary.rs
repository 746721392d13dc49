//! A document that the pipeline shows next to the job's log, for people.

use std::fmt::Display;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::process_environment::environment_variable;
use super::session::Session;
use crate::base::{files, platform};
use crate::report::Pipeline;

/// The largest step summary that GitHub shows.
const SIZE_LIMIT: usize = 1024 * 1024;

/// A document as Markdown.
pub(super) struct JobSummary<'a, Render> {
    /// The name of a file that only documents with the same heading have.
    pub(super) file_name: &'a str,
    /// Where that file is, if the pipeline names no folder for it.
    pub(super) folder: &'a Path,
    /// The document with at most this many bytes; none if that is too few. Its first line is its
    /// heading.
    pub(super) render: Render,
}

/// Says that the summary is missing, and why.
pub(super) fn warn_of_no_summary(session: &Session, error: &dyn Display) {
    let warning = format!("warning: the pipeline's summary cannot be written: {error:#}");
    session.printer.error(&warning);
}

impl<Render: Fn(usize) -> Option<String>> JobSummary<'_, Render> {
    /// Shows the document, if there is a pipeline. A failure is a warning, and does not change how the
    /// command ended.
    pub(super) fn show(&self, session: &Session) {
        let shown = match session.pipeline {
            None => Ok(()),
            Some(Pipeline::GitHub) => self.append_for_github(),
            // A command on stdout shows the summary, and with JSON output stdout has no commands.
            Some(Pipeline::Azure) if session.annotations.is_none() => Ok(()),
            Some(Pipeline::Azure) => self.upload_to_azure(session),
        };
        if let Err(error) = shown {
            warn_of_no_summary(session, &error);
        }
    }

    fn append_for_github(&self) -> anyhow::Result<()> {
        // A job without this variable shows no summary.
        let file = environment_variable("GITHUB_STEP_SUMMARY").filter(|file| !file.is_empty());
        let Some(file) = file.map(PathBuf::from) else {
            return Ok(());
        };
        let used = std::fs::metadata(&file).map_or(0, |known| known.len());
        let free = SIZE_LIMIT.saturating_sub(usize::try_from(used).unwrap_or(SIZE_LIMIT));
        // One line break before the text and one after it.
        let text = (self.render)(free.saturating_sub(2));
        let text = text.context("the step summary of this job is full")?;
        let mut options = std::fs::OpenOptions::new();
        let mut opened = platform::open_regular(options.append(true).create(true), &file)
            .with_context(|| file.display().to_string())?;
        opened
            .write_all(format!("\n{text}\n").as_bytes())
            .with_context(|| file.display().to_string())
    }

    fn upload_to_azure(&self, session: &Session) -> anyhow::Result<()> {
        let folder = environment_variable("AGENT_TEMPDIRECTORY").map(PathBuf::from);
        let folder = folder.unwrap_or_else(|| self.folder.to_owned());
        let file = folder.join(self.file_name);
        let file = std::path::absolute(&file).unwrap_or(file);
        let text = (self.render)(SIZE_LIMIT).context("it is too long")?;
        // An earlier process wrote a file with the same heading.
        let heading = text.lines().next().unwrap_or_default().as_bytes();
        let is_same = |found: &[u8]| found.starts_with(heading);
        let kind = "a document with this heading";
        files::write_output(&file, text.as_bytes(), kind, Some(&is_same))
            .with_context(|| file.display().to_string())?;
        if let Some(command) = Pipeline::Azure.summary(&file) {
            session.printer.send_command(Pipeline::Azure, &command);
        }
        Ok(())
    }
}
