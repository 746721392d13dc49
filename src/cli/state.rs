//! `iomcopy state`: check, cut or export a state file.

use serde_json::json;

use super::arguments::{Output, StateArguments, StateCommand};
use super::exit::{DONE, FAILED};
use super::session::Session;
use crate::base::clock::Clock;
use crate::base::text::count;
use crate::engine::Failure;
use crate::journal::{self, Damage, Entry};
use crate::report::{
    CheckDocument, CutDocument, DamageLine, ExportDocument, RecordLine, Version,
    document as written,
};

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
            let line = |found: &Damage| DamageLine {
                line: found.line,
                at: found.at,
                why: found.why.clone(),
                help: found.help.clone(),
            };
            session.printer.data(&written(&CheckDocument {
                v: Version,
                right: damage.is_empty(),
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
            "{}: kept the records to {}, cut {} ({} bytes); as it was: {}\n\
             What the services were told in the records after it is no longer known to the run.",
            file.display(),
            summary.kept,
            count(usize::try_from(summary.lines).unwrap_or(usize::MAX), "line"),
            summary.bytes,
            summary.saved_to.display()
        ),
        Output::Json => written(&CutDocument {
            v: Version,
            kept: summary.kept,
            lines: summary.lines,
            bytes: summary.bytes,
            saved_to: summary.saved_to.display().to_string(),
        }),
    });
    Ok(DONE)
}

/// Writes each record as a line of JSON, or all as one document, with what captures hold left out: a capture may hold a secret, and an
/// export is made to be shown to others.
fn export(session: &Session, file: &std::path::Path) -> Result<u8, Failure> {
    let reading = journal::read(file)?;
    let records = reading.entries.iter().map(line_of);
    match session.output {
        Output::Human => records.for_each(|record| session.printer.data(&written(&record))),
        Output::Json => session.printer.data(&written(&ExportDocument {
            v: Version,
            records: records.collect(),
        })),
    }
    Ok(DONE)
}

fn line_of(entry: &Entry) -> RecordLine {
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
