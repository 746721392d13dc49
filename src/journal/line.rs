//! Encodes and decodes one line.
//!
//! `{"n":1,"prev":"…","run":"…","time":"…","type":"…","data":{…},"crc":"…"}` and a line feed.
//! The checksum is the CRC-32 of the exact bytes before `,"crc"`, in eight lower-case hexadecimal
//! digits. It is compared as text: as a number, a flipped bit that changes the case of a digit
//! would go unnoticed.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use thiserror::Error;

use super::record::{Entry, Record, RunId};

/// The bytes between the covered bytes and the checksum's eight digits.
const BEFORE_CHECKSUM: &[u8] = b",\"crc\":\"";
/// The bytes after the checksum's digits.
const AFTER_CHECKSUM: &[u8] = b"\"}";
const DIGITS: usize = 8;

/// The first bytes of every line: a search for a line inside other bytes looks for them.
pub(super) const BEGINNING: &[u8] = b"{\"n\":";

/// A line's checksum. The default is the one that the first line refers to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Checksum(u32);

impl Checksum {
    fn of(bytes: &[u8]) -> Self {
        Self(crc32fast::hash(bytes))
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:08x}", self.0)
    }
}

/// The end of a chain of lines: what the next one links to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chain {
    /// The run every line belongs to.
    pub(super) run: RunId,
    /// The number of the last line; 0 before the first.
    pub(super) number: u64,
    /// The checksum of the last line.
    pub(super) checksum: Checksum,
}

impl Chain {
    /// The chain before the first line of `run`.
    pub(super) fn new(run: RunId) -> Self {
        Self {
            run,
            number: 0,
            checksum: Checksum::default(),
        }
    }

    /// Creates the next line (including its line feed) and its entry, and advances the chain.
    /// Fails, and does not advance, if the record could not be read back: JSON that is nested too
    /// deeply can be written but not parsed.
    pub(super) fn link(
        &mut self,
        time: Timestamp,
        record: Record,
    ) -> Result<(Entry, String), String> {
        let body = serde_json::to_string(&record).map_err(|error| error.to_string())?;
        let number = self.number + 1;
        // The line extends the record's JSON object: the envelope's fields replace its opening
        // brace, and the checksum its closing brace.
        let mut line = format!(
            r#"{{"n":{number},"prev":"{}","run":"{}","time":"{time}",{}"#,
            self.checksum,
            self.run,
            &body[1..body.len() - 1],
        );
        let checksum = Checksum::of(line.as_bytes());
        // Writing to a String cannot fail.
        _ = write!(line, ",\"crc\":\"{checksum}\"}}");
        if is_deep(&line) {
            // The whole line, not its payload alone: other programs parse it so.
            serde_json::from_str::<Value>(&line)
                .map_err(|error| LineError::Envelope(error).to_string())?;
        }
        line.push('\n');
        self.number = number;
        self.checksum = checksum;
        let entry = Entry {
            number,
            time,
            record,
        };
        Ok((entry, line))
    }
}

/// Is a JSON text nested so deeply that a parser may refuse it? `serde_json` stops at 128 levels.
fn is_deep(json: &str) -> bool {
    let (mut depth, mut is_text, mut is_escaped) = (0_u32, false, false);
    for byte in json.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_text => is_escaped = true,
            b'"' => is_text = !is_text,
            _ if is_text => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > 100 {
            return true;
        }
    }
    false
}

/// A line that matches its own checksum.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// Its entry.
    pub(super) entry: Entry,
    /// The run that it names.
    pub(super) run: RunId,
    /// The checksum that it names for the line before it, as written.
    pub(super) previous: String,
    /// Its own checksum.
    pub(super) checksum: Checksum,
    /// Why the payload of a known kind could not be parsed; the entry then contains it as unknown.
    pub(super) unreadable: Option<String>,
}

/// Why some bytes are not a line.
#[derive(Debug, Error)]
pub(super) enum LineError {
    #[error("it is not a whole record")]
    NotWhole,
    #[error("it ends in a carriage return, so an editor has rewritten the file")]
    CarriageReturn,
    #[error("its checksum is {found}, but the checksum of its content is {computed}")]
    Checksum { found: String, computed: Checksum },
    #[error("its checksum is valid, but it is not a record: {0}")]
    Envelope(serde_json::Error),
}

/// The envelope without its payload, so that a known payload is parsed only once.
#[derive(Deserialize)]
struct Head {
    n: u64,
    prev: String,
    run: RunId,
    time: Timestamp,
}

/// A record whose payload is not parsed.
#[derive(Deserialize)]
struct RawRecord<'a> {
    #[serde(borrow)]
    r#type: Cow<'a, str>,
    data: &'a RawValue,
}

/// A payload whose fields are not known.
#[derive(Deserialize)]
struct AnyPayload {
    data: Value,
}

/// Decodes one line, without its line feed.
pub(super) fn decode(bytes: &[u8]) -> Result<Line, LineError> {
    if bytes.ends_with(b"\r") {
        return Err(LineError::CarriageReturn);
    }
    let (covered, found) = split(bytes).ok_or(LineError::NotWhole)?;
    let checksum = Checksum::of(covered);
    if checksum.to_string().as_bytes() != found {
        return Err(LineError::Checksum {
            found: String::from_utf8_lossy(found).into_owned(),
            computed: checksum,
        });
    }
    let (head, rest) = parse_head(bytes, covered).map_err(LineError::Envelope)?;
    let (record, unreadable) = match rest.and_then(parse_own_record) {
        Some(record) => (record, None),
        None => parse_any_record(bytes).map_err(LineError::Envelope)?,
    };
    Ok(Line {
        entry: Entry {
            number: head.n,
            time: head.time,
            record,
        },
        run: head.run,
        previous: head.prev,
        checksum,
        unreadable,
    })
}

/// Parses the envelope. This program writes its fields before the record's, so the rest of the line,
/// which may be long, is not read again; it is returned from the kind to before the checksum.
fn parse_head<'a>(bytes: &[u8], covered: &'a [u8]) -> serde_json::Result<(Head, Option<&'a [u8]>)> {
    const RECORD: &[u8] = b",\"type\":\"";
    /// The envelope's fields have less than this.
    const HEAD: usize = 256;
    let start = &covered[..covered.len().min(HEAD)];
    let at = start
        .windows(RECORD.len())
        .position(|window| window == RECORD);
    if let Some(at) = at {
        let envelope = [&covered[..at], b"}"].concat();
        if let Ok(head) = serde_json::from_slice(&envelope) {
            return Ok((head, Some(&covered[at + RECORD.len()..])));
        }
    }
    Ok((serde_json::from_slice(bytes)?, None))
}

/// Parses the rest of a line, from the kind to before the checksum, if it has the form that this
/// program writes and a payload that it knows.
fn parse_own_record(rest: &[u8]) -> Option<Record> {
    let (kind, data) = str::from_utf8(rest).ok()?.split_once("\",\"data\":")?;
    Record::parse(kind, data)?.ok()
}

/// Parses the record of any line, and says why its payload does not fit its kind. Such a payload and
/// that of an unknown kind are kept as they are.
fn parse_any_record(bytes: &[u8]) -> serde_json::Result<(Record, Option<String>)> {
    let RawRecord { r#type: kind, data } = serde_json::from_slice(bytes)?;
    // An error names a column of the line, so spaces replace what is before the payload.
    let before = data.get().as_ptr().addr() - bytes.as_ptr().addr();
    let data = " ".repeat(before) + data.get();
    let unreadable = match Record::parse(&kind, &data) {
        Some(Ok(record)) => return Ok((record, None)),
        Some(Err(error)) => Some(error.to_string()),
        None => None,
    };
    let AnyPayload { data } = serde_json::from_slice(bytes)?;
    let kind = kind.into_owned();
    Ok((Record::Unknown { kind, data }, unreadable))
}

/// The bytes a checksum covers, and the checksum's text.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = bytes.strip_suffix(AFTER_CHECKSUM)?;
    let at = rest.len().checked_sub(DIGITS)?;
    let (rest, found) = rest.split_at(at);
    Some((rest.strip_suffix(BEFORE_CHECKSUM)?, found))
}

#[cfg(test)]
mod tests;
