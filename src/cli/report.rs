//! `iomcopy report`: what a run did, from its state file only; with `--follow`, a page that stays
//! current during a run.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::common_arguments::{Output, RunFiles};
use super::exit_code::DONE;
use super::run::suggested_commands;
use super::session::Session;
use super::step_names::step_names;
use super::warnings::is_answered;
use crate::base::clock::Clock;
use crate::base::files;
use crate::domain::graph;
use crate::engine::{Failure, FailureKind};
use crate::journal;
use crate::report::{
    GENERATOR, GraphOutline, OutlineArrow, OutlineTile, ReportFormat, RunReport, gather_report,
    not_begun_report,
};

/// How often `--follow` looks at the state file.
const INTERVAL: Duration = Duration::from_secs(3);

/// How much of a file is looked at before it is replaced.
const LOOKED_AT: usize = 4096;

/// The arguments of `report`.
#[derive(Debug, Args)]
pub(super) struct ReportArguments {
    #[command(flatten)]
    pub(super) files: RunFiles,
    /// Output format [default: markdown, and json with --output json]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(super) format: Option<FormatArgument>,
    /// Write an HTML page to FILE and keep it current until the run's process ends; an existing file
    /// is replaced only if it is a page of this program
    #[arg(long, value_name = "FILE")]
    pub(super) follow: Option<PathBuf>,
}

/// Report format.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(super) enum FormatArgument {
    /// For a pipeline's summary, a ticket or a wiki
    Markdown,
    /// A single page for a browser
    Html,
    /// For a pipeline's test results
    Junit,
    /// The manual tasks alone, as Markdown with boxes to tick
    Worksheets,
    /// For programs
    Json,
}

/// Reads the state file without repairing it, and writes what the run did so far. Exit 0 for every
/// outcome of the run.
pub(super) async fn report(session: &Session, arguments: &ReportArguments) -> Result<u8, Failure> {
    let format = choose_format(session, arguments)?;
    match &arguments.follow {
        Some(page) => keep_current(session, &arguments.files, page).await?,
        None => session
            .printer
            .data(&gather(&arguments.files)?.render(format)),
    }
    Ok(DONE)
}

/// The report of the run as its state file is now.
fn gather(files: &RunFiles) -> Result<RunReport, Failure> {
    let (runbook, path) = files.read_state()?;
    let file = path.display().to_string();
    if !journal::exists(&path) {
        let next = format!("iomcopy run {}", files.as_arguments());
        let names = step_names(&runbook, None);
        return Ok(not_begun_report(&runbook.name.value, &file, &names, &next));
    }
    let contents = journal::read_state_file(&path)?;
    let next = suggested_commands(files, &contents).next;
    let names = step_names(&runbook, Some(&contents.state));
    let report = gather_report(&contents, &file, &names, &next);
    let report = report.without_answered(is_answered(&contents.state));
    let report = report.until_now(&contents, &names, Clock::new(1.0).time_of_day());
    Ok(report.with_orchestrations(&contents, outline))
}

/// Writes the page whenever it changes, until no process holds the state file.
async fn keep_current(session: &Session, files: &RunFiles, page: &Path) -> Result<(), Failure> {
    let shown = page.display();
    let mut written = String::new();
    loop {
        let report = gather(files)?;
        let is_running = report.is_running();
        let text = report.render(ReportFormat::HtmlKeptCurrent);
        if text != written {
            write_page(page, &text)?;
            if written.is_empty() && is_running {
                let line =
                    format!("{shown} shows the run, and is kept current until its process ends");
                session.printer.info(&line);
            }
            written = text;
        }
        if !is_running {
            let line = format!("{shown} is complete: no process works on the run");
            session.printer.info(&line);
            return Ok(());
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// Replaces the page, whole or not at all.
fn write_page(path: &Path, text: &str) -> Result<(), Failure> {
    let is_page = |found: &[u8]| {
        let start = String::from_utf8_lossy(&found[..found.len().min(LOOKED_AT)]);
        start.starts_with("<!DOCTYPE html>") && start.contains(GENERATOR)
    };
    let bytes = format!("{text}\n").into_bytes();
    files::write_output(path, &bytes, "a page of this program", Some(&is_page)).map_err(|error| {
        let message = format!("{}: {error}", path.display());
        Failure::new(FailureKind::InvalidInput, message)
            .with_help("choose a new file, or a page of an earlier report, for --follow")
    })
}

/// The tiles of a graph, for a picture; `None` if the text is not a graph.
pub(super) fn outline(graph: &str) -> Option<GraphOutline> {
    let outline = graph::outline(graph)?;
    let tiles = outline.tiles.into_iter().map(|tile| OutlineTile {
        pointer: tile.pointer,
        name: tile.name,
    });
    let arrows = outline.arrows.into_iter().map(|arrow| OutlineArrow {
        from: arrow.from,
        to: arrow.to,
        label: arrow.label,
    });
    Some(GraphOutline {
        tiles: tiles.collect(),
        arrows: arrows.collect(),
    })
}

/// The format of the report. `--output json` allows only JSON.
fn choose_format(session: &Session, arguments: &ReportArguments) -> Result<ReportFormat, Failure> {
    if arguments.follow.is_some() {
        return match (session.output, arguments.format) {
            (Output::Human, None | Some(FormatArgument::Html)) => Ok(ReportFormat::HtmlKeptCurrent),
            _ => Err(Failure::new(
                FailureKind::InvalidInput,
                "--follow writes an HTML page, and no other format",
            )
            .with_help("remove --format, or --output json")),
        };
    }
    match (session.output, arguments.format) {
        (_, Some(FormatArgument::Json)) | (Output::Json, None) => Ok(ReportFormat::Json),
        (Output::Json, Some(_)) => Err(Failure::new(
            FailureKind::InvalidInput,
            "--output json and --format name different formats",
        )
        .with_help("remove one of the two flags")),
        (Output::Human, Some(FormatArgument::Html)) => Ok(ReportFormat::Html),
        (Output::Human, Some(FormatArgument::Junit)) => Ok(ReportFormat::Junit),
        (Output::Human, Some(FormatArgument::Worksheets)) => Ok(ReportFormat::Worksheets),
        (Output::Human, Some(FormatArgument::Markdown) | None) => Ok(ReportFormat::Markdown),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_replaces_only_a_page_of_this_program() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("night.html");
        let report = not_begun_report("uat", "s.jsonl", &["copy"], "iomcopy run");
        let page = report.render(ReportFormat::HtmlKeptCurrent);
        write_page(&path, &page).unwrap();
        write_page(&path, &page).expect("its own page is replaced");
        std::fs::write(&path, "<!DOCTYPE html><title>notes</title>").unwrap();
        let failure = write_page(&path, &page).unwrap_err();
        assert_eq!(failure.kind, FailureKind::InvalidInput);
        assert!(failure.message.contains("is not a page of this program"));
    }
}
