//! `iomcopy state`: check, cut or export a state file.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;

use super::common_arguments::Output;
use super::exit_code::{DONE, FAILED};
use super::session::Session;
use crate::base::clock::Clock;
use crate::base::text::count;
use crate::engine::Failure;
use crate::journal::{self, Damage, Entry};
use crate::report::{
    CutDocument, DamageLine, ExportDocument, RecordLine, StateCheckDocument, Version, document,
};

/// The arguments of `state`.
#[derive(Debug, Args)]
pub(super) struct StateArguments {
    #[command(subcommand)]
    pub(super) command: StateCommand,
}

/// The operations on a state file.
#[derive(Debug, Subcommand)]
pub(super) enum StateCommand {
    /// Check a state file, and list all damage
    Check {
        /// The state file
        file: PathBuf,
    },
    /// Remove all records after record N; a copy of the original file is kept. If the file has lost
    /// its end, give its last record: this accepts the loss
    Cut {
        /// The state file
        file: PathBuf,
        /// The number of the last record to keep
        #[arg(long, value_name = "N")]
        at: u64,
    },
    /// Print the records without the content of captures
    Export {
        /// The state file
        file: PathBuf,
    },
}

pub(super) fn state(session: &Session, arguments: &StateArguments) -> Result<u8, Failure> {
    match &arguments.command {
        StateCommand::Check { file } => check(session, file),
        StateCommand::Cut { file, at } => cut(session, file, *at),
        StateCommand::Export { file } => export(session, file),
    }
}

fn check(session: &Session, file: &Path) -> Result<u8, Failure> {
    let damage = journal::check(file)?;
    match session.output {
        Output::Human if damage.is_empty() => {
            let records = journal::read_state_file(file)?.entries.len();
            session.printer.data(&format!(
                "{}: valid; {}",
                file.display(),
                count(records, "record")
            ));
        }
        Output::Human => {
            for found in &damage {
                session.printer.data(&format!(
                    "line {}: {}\n  help: {}",
                    found.line, found.why, found.help
                ));
            }
        }
        Output::Json => {
            let line = |found: &Damage| DamageLine {
                line: found.line,
                at: found.at,
                why: found.why.clone(),
                help: found.help.clone(),
            };
            session.printer.data(&document(&StateCheckDocument {
                v: Version,
                valid: damage.is_empty(),
                damage: damage.iter().map(line).collect(),
            }));
        }
    }
    Ok(if damage.is_empty() { DONE } else { FAILED })
}

fn cut(session: &Session, file: &std::path::Path, at: u64) -> Result<u8, Failure> {
    let summary = journal::cut(file, Clock::new(1.0), at)?;
    session.printer.data(&match session.output {
        Output::Human => format!(
            "{}: kept the records up to {}, removed {} ({} bytes); original file: {}\n\
             The run no longer knows which requests the removed records describe.",
            file.display(),
            summary.kept,
            count(usize::try_from(summary.lines).unwrap_or(usize::MAX), "line"),
            summary.bytes,
            summary.saved_to.display()
        ),
        Output::Json => document(&CutDocument {
            v: Version,
            kept: summary.kept,
            lines: summary.lines,
            bytes: summary.bytes,
            saved_to: summary.saved_to.display().to_string(),
        }),
    });
    Ok(DONE)
}

/// Writes each record as a line of JSON, or all as one document, without the content of captures: a
/// capture may hold a secret, and an export is shown to others.
fn export(session: &Session, file: &Path) -> Result<u8, Failure> {
    let reading = journal::read_state_file(file)?;
    let records = reading.entries.iter().map(record_line);
    match session.output {
        Output::Human => records.for_each(|record| session.printer.data(&document(&record))),
        Output::Json => session.printer.data(&document(&ExportDocument {
            v: Version,
            records: records.collect(),
        })),
    }
    Ok(DONE)
}

fn record_line(entry: &Entry) -> RecordLine {
    let mut record = serde_json::to_value(&entry.record).unwrap_or_default();
    let kind = entry.record.kind().to_owned();
    if kind == "captured" {
        let size = record["data"]["text"].as_str().map_or(0, str::len);
        record["data"]["text"] = json!(format!("<{size} bytes, left out>"));
    }
    RecordLine {
        n: entry.number,
        time: entry.time.to_string(),
        kind,
        data: record["data"].take(),
    }
}
