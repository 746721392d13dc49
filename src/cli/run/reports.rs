//! `run --report FILE`: the reports of a run, written at the end of each of its processes.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::suggested_commands;
use crate::base::files;
use crate::cli::common_arguments::RunFiles;
use crate::cli::report::outline;
use crate::cli::session::Session;
use crate::cli::step_names::step_names;
use crate::cli::warnings::is_answered;
use crate::journal;
use crate::report::{ReportFormat, RunReport, gather_report};
use crate::runbook::Runbook;

/// A file for a report. The end of its name is its format.
#[derive(Clone, Debug)]
pub(in crate::cli) struct ReportFile {
    path: PathBuf,
    format: &'static Format,
}

/// A format of a report: the end of a file's name, the format's name, and how a report of this
/// program begins and what follows near the beginning, so that no other file is replaced.
#[derive(Debug)]
struct Format {
    extension: &'static str,
    name: &'static str,
    kind: ReportFormat,
    beginning: &'static str,
    mark: &'static str,
}

/// How much of a file is looked at.
const LOOKED_AT: usize = 4096;

static FORMATS: [Format; 4] = [
    Format {
        extension: "md",
        name: "markdown",
        kind: ReportFormat::Markdown,
        beginning: "# ",
        mark: "# Refresh ",
    },
    Format {
        extension: "html",
        name: "html",
        kind: ReportFormat::Html,
        beginning: "<!DOCTYPE html>",
        mark: "<title>Refresh of ",
    },
    Format {
        extension: "xml",
        name: "junit",
        kind: ReportFormat::Junit,
        beginning: "<?xml",
        mark: "<testsuites name=\"iomcopy: ",
    },
    Format {
        extension: "json",
        name: "json",
        kind: ReportFormat::Json,
        beginning: "{\"v\":1,",
        mark: "\"state-file\":",
    },
];

impl FromStr for ReportFile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let path = PathBuf::from(text);
        let extension = path.extension().and_then(|end| end.to_str());
        let mut formats = FORMATS.iter();
        let format = formats.find(|format| Some(format.extension) == extension);
        let format = format.ok_or("its name must end with .md, .html, .xml (JUnit) or .json")?;
        Ok(Self { path, format })
    }
}

impl ReportFile {
    /// Its path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The name of its format: `markdown`, `html`, `junit` or `json`.
    pub(super) fn format_name(&self) -> &'static str {
        self.format.name
    }

    fn write(&self, report: &RunReport) -> Result<(), files::OutputError> {
        let Format {
            beginning, mark, ..
        } = self.format;
        let is_report = |found: &[u8]| {
            let start = String::from_utf8_lossy(&found[..found.len().min(LOOKED_AT)]);
            start.starts_with(beginning) && start.contains(mark)
        };
        let text = format!("{}\n", report.render(self.format.kind));
        let kind = "a report of this program";
        files::write_output(&self.path, text.as_bytes(), kind, Some(&is_report))
    }
}

/// Writes the reports of the run with this state file, and returns those that were written. A
/// failure is a warning, and does not change how the run ended.
pub(super) fn write_reports<'a>(
    session: &Session,
    wanted: &'a [ReportFile],
    files: &RunFiles,
    (runbook, state): (&Runbook, &Path),
) -> Vec<&'a ReportFile> {
    if wanted.is_empty() || !journal::exists(state) {
        return Vec::new();
    }
    let warn = |what: &str| {
        let warning = format!("warning: the report cannot be written: {what}");
        session.printer.error(&warning);
    };
    let contents = match journal::read_state_file(state) {
        Ok(contents) => contents,
        Err(error) => {
            warn(&error.to_string());
            return Vec::new();
        }
    };
    let next = suggested_commands(files, &contents).next;
    let names = step_names(runbook, Some(&contents.state));
    let report = gather_report(&contents, &state.display().to_string(), &names, &next);
    let report = report.without_answered(is_answered(&contents.state));
    let report = report.with_orchestrations(&contents, outline);
    let mut written = Vec::new();
    for file in wanted {
        if let Err(error) = file.write(&report) {
            warn(&format!("{}: {error}", file.path.display()));
            continue;
        }
        written.push(file);
        let is_junit = file.format.kind == ReportFormat::Junit;
        if let (Some(pipeline), Some(_), true) = (session.pipeline, &session.annotations, is_junit)
        {
            let whole = std::path::absolute(&file.path).unwrap_or_else(|_| file.path.clone());
            if let Some(command) = pipeline.test_results(&whole) {
                session.printer.send_command(pipeline, &command);
            }
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::not_begun_report;

    #[test]
    fn the_end_of_a_name_is_the_format_and_only_a_report_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let report = not_begun_report("uat", "uat.jsonl", &["copy-environments"], "iomcopy run");
        for format in &FORMATS {
            let path = folder.path().join(format!("r.{}", format.extension));
            let file: ReportFile = path.display().to_string().parse().unwrap();
            assert_eq!(file.format_name(), format.name);
            file.write(&report).unwrap();
            file.write(&report).expect("a report is replaced");
            std::fs::write(&path, "notes").unwrap();
            file.write(&report).expect_err("other files are kept");
        }
        assert!("refresh.txt".parse::<ReportFile>().is_err());
        assert!("refresh".parse::<ReportFile>().is_err());
    }
}
