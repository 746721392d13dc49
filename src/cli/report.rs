//! `iomcopy report`: what a run did, from its state file only.

use clap::{Args, ValueEnum};

use super::common_arguments::{Output, RunFiles};
use super::exit_code::DONE;
use super::run::suggested_commands;
use super::session::Session;
use super::step_names::step_names;
use crate::domain::graph;
use crate::engine::{Failure, FailureKind};
use crate::journal;
use crate::report::{
    GraphOutline, OutlineArrow, OutlineTile, ReportFormat, gather_report, not_begun_report,
};

/// The arguments of `report`.
#[derive(Debug, Args)]
pub(super) struct ReportArguments {
    #[command(flatten)]
    files: RunFiles,
    /// Report format [default: markdown, and json with --output json]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(super) format: Option<FormatArgument>,
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
    /// For programs
    Json,
}

/// Reads the state file without repairing it, and writes what the run did so far. Exit 0 for every
/// outcome of the run.
pub(super) fn report(session: &Session, arguments: &ReportArguments) -> Result<u8, Failure> {
    let format = choose_format(session, arguments)?;
    let (runbook, path) = arguments.files.read()?;
    let file = path.display().to_string();
    let report = if journal::exists(&path) {
        let contents = journal::read_state_file(&path)?;
        let next = suggested_commands(&arguments.files, &contents).next;
        let names = step_names(&runbook, Some(&contents.state));
        gather_report(&contents, &file, &names, &next).with_orchestrations(&contents, outline)
    } else {
        let next = format!("iomcopy run {}", arguments.files.as_arguments());
        let names = step_names(&runbook, None);
        not_begun_report(&runbook.name.value, &file, &names, &next)
    };
    session.printer.data(&report.render(format));
    Ok(DONE)
}

/// The tiles of a graph, for a picture; none of a text that is no graph.
fn outline(graph: &str) -> Option<GraphOutline> {
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
    match (session.output, arguments.format) {
        (_, Some(FormatArgument::Json)) | (Output::Json, None) => Ok(ReportFormat::Json),
        (Output::Json, Some(_)) => Err(Failure::new(
            FailureKind::InvalidInput,
            "--output json and --format name different formats",
        )
        .with_help("remove one of the two flags")),
        (Output::Human, Some(FormatArgument::Html)) => Ok(ReportFormat::Html),
        (Output::Human, Some(FormatArgument::Junit)) => Ok(ReportFormat::Junit),
        (Output::Human, Some(FormatArgument::Markdown) | None) => Ok(ReportFormat::Markdown),
    }
}
