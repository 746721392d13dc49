//! `iomcopy state`: check, cut or export a state file, or show one captured value.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::Value;

use super::common_arguments::Output;
use super::exit_code::{DONE, FAILED};
use super::session::Session;
use crate::base::clock::Clock;
use crate::base::text::count;
use crate::engine::{Failure, FailureKind};
use crate::journal::{self, Damage, Entry, State};
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
    /// Check a state file, and list all damage. Exits with 1 if something is listed, also a write that
    /// did not finish, which the next run repairs
    Check {
        /// The state file
        file: PathBuf,
    },
    /// Remove all records after record N; the original file is kept beside it. If the file's end is
    /// missing, give the number of its last record to accept the loss
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
    /// Show one captured row, or one of its values, on a terminal. It may be a secret, so it is
    /// never written to a file or a pipe
    Show {
        /// The state file
        file: PathBuf,
        /// The capture's key, as a worksheet names it
        key: String,
        /// The one value of the row to show
        #[arg(long, value_name = "COLUMN")]
        column: Option<String>,
        /// The seal, where more than one has the key
        #[arg(long, value_name = "SEAL")]
        seal: Option<String>,
    },
}

pub(super) fn state(session: &Session, arguments: &StateArguments) -> Result<u8, Failure> {
    match &arguments.command {
        StateCommand::Check { file } => check(session, file),
        StateCommand::Cut { file, at } => cut(session, file, *at),
        StateCommand::Export { file } => export(session, file),
        StateCommand::Show {
            file,
            key,
            column,
            seal,
        } => show(session, file, (key, column.as_deref(), seal.as_deref())),
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
             What the run did after record {} is now unknown: the next run reads the tenant again.",
            file.display(),
            summary.kept,
            count(usize::try_from(summary.lines).unwrap_or(usize::MAX), "line"),
            summary.bytes,
            summary.saved_to.display(),
            summary.kept
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
    let reading = journal::read_records(file)?;
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
    RecordLine {
        n: entry.number,
        time: entry.time.to_string(),
        kind,
        data: record["data"].take(),
    }
}

/// Shows one captured value: its key, its column and its seal. Only a terminal gets it: what a
/// person reads there is in no log.
fn show(
    session: &Session,
    file: &Path,
    (key, column, seal): (&str, Option<&str>, Option<&str>),
) -> Result<u8, Failure> {
    if session.output != Output::Human || !std::io::stdout().is_terminal() {
        let reason = "a captured value may be a secret: it is shown on a terminal only";
        let help = "run the command at a terminal, without `--output json` and without a pipe";
        return Err(Failure::new(FailureKind::Unconfirmed, reason).with_help(help));
    }
    // Reading the file verifies the chain and the digest of every capture.
    let state = journal::read_state_file(file)?.state;
    let text = find_capture(&state, key, seal)?;
    session.printer.data(&captured_value((key, &text), column)?);
    Ok(DONE)
}

/// The text of the capture with this key.
fn find_capture(state: &State, key: &str, seal: Option<&str>) -> Result<String, Failure> {
    let invalid = |reason: String, help: &str| {
        Failure::new(FailureKind::InvalidInput, reason).with_help(help)
    };
    let seals = state.seals.values();
    let found: Vec<_> = seals
        .filter(|held| seal.is_none_or(|seal| seal == held.seal))
        .filter_map(|held| Some((held, held.capture(key)?)))
        .collect();
    let Some((first, row)) = found.first() else {
        return Err(invalid(
            format!("the state file has no capture '{key}'"),
            "take the key from the worksheet, or from `iomcopy state export FILE`",
        ));
    };
    if found
        .iter()
        .any(|(_, other)| other.sha256() != row.sha256())
    {
        let seals: Vec<&str> = found.iter().map(|(held, _)| held.seal.as_str()).collect();
        return Err(invalid(
            format!(
                "'{key}' was captured differently in the seals {}",
                seals.join(", ")
            ),
            "name one with `--seal`",
        ));
    }
    if let Some((held, _)) = found.iter().find(|(held, _)| !held.verified) {
        return Err(invalid(
            format!("the seal '{}' of '{key}' was not verified", held.seal),
            "run again: the run captures it again",
        ));
    }
    Ok(state.text_of(first, row)?)
}

/// The text of a captured row, or of one of its columns. Takes the row's key and text.
fn captured_value((key, text): (&str, &str), column: Option<&str>) -> Result<String, Failure> {
    let Some(column) = column else {
        return Ok(text.to_owned());
    };
    let row: Value = serde_json::from_str(text).unwrap_or_default();
    match row.get(column) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(value) => Ok(value.to_string()),
        None => {
            let names = row.as_object().into_iter().flat_map(|row| row.keys());
            let names: Vec<&str> = names.map(String::as_str).collect();
            let reason = format!("'{key}' has no value '{column}'");
            let help = format!("it has {}", names.join(", "));
            Err(Failure::new(FailureKind::InvalidInput, reason).with_help(help))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_of_a_capture_is_shown() {
        let text = r#"{"msdyn_value":"x\ny","n":1.50}"#;
        let value = |column| captured_value(("k", text), column);
        assert_eq!(value(Some("msdyn_value")).unwrap(), "x\ny");
        assert_eq!(value(None).unwrap(), text);
        let missing = value(Some("other")).unwrap_err();
        let shown = format!("{missing:?}");
        assert!(
            shown.contains("msdyn_value") && !shown.contains("x\\ny"),
            "{shown}"
        );
    }
}
