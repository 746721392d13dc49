//! `iomcopy state`: check, cut or export a state file.

use serde_json::{Value, json};

use super::arguments::{Output, StateArguments, StateCommand};
use super::exit::{DONE, FAILED};
use super::session::Session;
use crate::clock::Clock;
use crate::engine::Failure;
use crate::journal;
use crate::text::count;

/// Does what was asked of the file.
pub(super) fn state(session: &Session, arguments: &StateArguments) -> Result<u8, Failure> {
    match &arguments.command {
        StateCommand::Check { file } => check(session, file),
        StateCommand::Cut { file, at } => cut(session, file, *at),
        StateCommand::Export { file } => export(session, file),
    }
}

fn check(session: &Session, file: &std::path::Path) -> Result<u8, Failure> {
    let damage = journal::check(file)?;
    match session.output {
        Output::Human if damage.is_empty() => {
            let records = journal::read(file)?.entries.len();
            session.printer.data(&format!(
                "{}: right; {}",
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
            let found: Vec<Value> = damage
                .iter()
                .map(|d| json!({ "line": d.line, "at": d.at, "why": d.why, "help": d.help }))
                .collect();
            session
                .printer
                .data(&json!({ "v": 1, "right": damage.is_empty(), "damage": found }).to_string());
        }
    }
    Ok(if damage.is_empty() { DONE } else { FAILED })
}

fn cut(session: &Session, file: &std::path::Path, at: u64) -> Result<u8, Failure> {
    let summary = journal::cut(file, Clock::new(1.0), at)?;
    session.printer.data(&match session.output {
        Output::Human => format!(
            "{}: kept the records to {}, cut {} ({} bytes); as it was: {}\n\
             What the services were told in the records after it is no longer known to the run.",
            file.display(),
            summary.kept,
            count(usize::try_from(summary.lines).unwrap_or(usize::MAX), "line"),
            summary.bytes,
            summary.saved_to.display()
        ),
        Output::Json => json!({
            "v": 1, "kept": summary.kept, "lines": summary.lines, "bytes": summary.bytes,
            "saved-to": summary.saved_to,
        })
        .to_string(),
    });
    Ok(DONE)
}

/// Writes each record as JSON, with what captures hold left out: a capture may hold a secret, and an
/// export is made to be shown to others.
fn export(session: &Session, file: &std::path::Path) -> Result<u8, Failure> {
    let reading = journal::read(file)?;
    for entry in &reading.entries {
        let mut record = serde_json::to_value(&entry.record)
            .unwrap_or_else(|_| json!({ "type": entry.record.kind() }));
        if record["type"] == "captured" {
            let size = record["data"]["text"].as_str().map_or(0, str::len);
            record["data"]["text"] = json!(format!("<{size} bytes, left out>"));
        }
        let line = json!({
            "n": entry.number, "time": entry.time, "type": record["type"], "data": record["data"],
        });
        session
            .printer
            .data(&crate::text::redact(&line.to_string()));
    }
    Ok(DONE)
}
