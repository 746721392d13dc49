//! Encodes and decodes one line.
//!
//! `{"n":1,"prev":"…","run":"…","time":"…","type":"…","data":{…},"crc":"…"}` and a line feed.
//! The checksum is the CRC-32 of the exact bytes before `,"crc"`, in eight lower-case hexadecimal
//! digits. It is compared as text: as a number, a flipped bit that changes the case of a digit
//! would go unnoticed.

use std::fmt::{self, Write as _};

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
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
            let read = decode(line.as_bytes()).map_err(|error| error.to_string())?;
            if let Some(why) = read.unreadable {
                return Err(why);
            }
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

/// A payload that is not parsed.
#[derive(Deserialize)]
struct UnknownRecord {
    r#type: String,
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
    // Both parts of the line are parsed from the same text: the record ignores the envelope's
    // fields, and the envelope ignores the record's.
    let head = parse_head(bytes).map_err(LineError::Envelope)?;
    let (record, unreadable) = match serde_json::from_slice::<Record>(bytes) {
        Ok(record) => (record, None),
        Err(error) => {
            let UnknownRecord { r#type: kind, data } =
                serde_json::from_slice(bytes).map_err(LineError::Envelope)?;
            let is_known = Record::KINDS.contains(&kind.as_str());
            let unreadable = is_known.then(|| error.to_string());
            (Record::Unknown { kind, data }, unreadable)
        }
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
/// which may be long, is not read again.
fn parse_head(bytes: &[u8]) -> serde_json::Result<Head> {
    const RECORD: &[u8] = b",\"type\":\"";
    /// The envelope's fields have less than this.
    const HEAD: usize = 256;
    let start = &bytes[..bytes.len().min(HEAD)];
    let at = start
        .windows(RECORD.len())
        .position(|window| window == RECORD);
    if let Some(at) = at {
        let envelope = [&bytes[..at], b"}"].concat();
        if let Ok(head) = serde_json::from_slice(&envelope) {
            return Ok(head);
        }
    }
    serde_json::from_slice(bytes)
}

/// The bytes a checksum covers, and the checksum's text.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = bytes.strip_suffix(AFTER_CHECKSUM)?;
    let at = rest.len().checked_sub(DIGITS)?;
    let (rest, found) = rest.split_at(at);
    Some((rest.strip_suffix(BEFORE_CHECKSUM)?, found))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::payload::{Captured, Done, Planned};

    fn chain() -> Chain {
        Chain::new(RunId::new(time()))
    }

    fn time() -> Timestamp {
        "2026-03-01T02:03:04.5Z".parse().unwrap()
    }

    fn planned(digest: &str) -> Record {
        Record::from(Planned {
            digest: digest.to_owned(),
            steps: [].into(),
            names: [].into(),
        })
    }

    #[test]
    fn the_file_grows_in_step_with_its_records() {
        let done = |number: usize| {
            Record::from(Done {
                key: format!("flow/{number:06}"),
                observed: serde_json::json!({ "state": "on" }),
            })
        };
        let bytes = |count: usize| -> usize {
            let mut chain = chain();
            let lines = (0..count).map(|number| chain.link(time(), done(number)).unwrap().1);
            lines.map(|line| line.len()).sum()
        };
        let (some, many) = (bytes(300), bytes(3_000));
        assert!((98..=102).contains(&(many * 10 / some)), "{some} {many}");
        let payload = serde_json::to_string(&done(1)).unwrap().len();
        assert!(some / 300 < payload + 300, "{some}");
    }

    #[test]
    fn a_line_has_the_documented_form() {
        let mut chain = chain();
        let (entry, line) = chain.link(time(), planned("d")).unwrap();
        assert_eq!(entry.number, 1);
        let covered = format!(
            r#"{{"n":1,"prev":"00000000","run":"{}","time":"2026-03-01T02:03:04.5Z","type":"planned","data":{{"digest":"d"}}"#,
            chain.run
        );
        let checksum = crc32fast::hash(covered.as_bytes());
        assert_eq!(line, format!("{covered},\"crc\":\"{checksum:08x}\"}}\n"));
        assert!(line.as_bytes().starts_with(BEGINNING));
        let (_, second) = chain.link(time(), planned("e")).unwrap();
        assert!(second.starts_with(&format!(r#"{{"n":2,"prev":"{checksum:08x}","#)));
    }

    #[test]
    fn a_line_is_decoded_as_it_was_encoded() {
        let mut chain = chain();
        let record = Record::from(Captured {
            seal: "target".to_owned(),
            key: "flow/1".to_owned(),
            etag: Some("W/\"1\"".to_owned()),
            sha256: String::new(),
            text: "{\r\n \"big\": 12345678901234567890123, \"a\\u0000\": \"\u{2028}\" }\n"
                .to_owned(),
        });
        let (entry, line) = chain.link(time(), record).unwrap();
        assert_eq!(line.matches('\n').count(), 1);
        let read = decode(line.trim_end_matches('\n').as_bytes()).unwrap();
        assert_eq!(read.entry, entry);
        assert_eq!(read.run, chain.run);
        assert_eq!(read.checksum, chain.checksum);
    }

    #[test]
    fn a_record_that_could_not_be_read_back_is_refused() {
        let mut chain = chain();
        let mut deep = Value::Null;
        for _ in 0..200 {
            deep = Value::Array(vec![deep]);
        }
        let record = Record::from(Done {
            key: "k".to_owned(),
            observed: deep,
        });
        let why = chain.link(time(), record).unwrap_err();
        assert!(why.contains("recursion limit"), "{why}");
        assert_eq!(chain.number, 0);
    }

    #[test]
    fn a_checksum_in_the_other_case_is_not_accepted() {
        let mut chain = chain();
        // At least one digest has a letter in its checksum.
        let line = (0..64)
            .map(|n| chain.link(time(), planned(&n.to_string())).unwrap().1)
            .find(|line| {
                line[line.len() - 11..line.len() - 3].contains(|c: char| c.is_ascii_lowercase())
            })
            .unwrap();
        let (body, tail) = line.trim_end().split_at(line.len() - 12);
        let upper = format!("{body}{}", tail.to_uppercase());
        assert!(matches!(
            decode(upper.as_bytes()),
            Err(LineError::Checksum { .. })
        ));
    }

    #[test]
    fn an_unknown_kind_is_kept_and_an_unknown_payload_is_reported() {
        let line = |body: &str| {
            let covered = format!(
                r#"{{"n":1,"prev":"00000000","run":"{}","time":"2026-03-01T02:03:04Z",{body}"#,
                RunId::new(time())
            );
            format!(
                "{covered},\"crc\":\"{}\"}}",
                Checksum::of(covered.as_bytes())
            )
        };
        let tomorrow = decode(line(r#""type":"foreseen","data":{"x":1}"#).as_bytes()).unwrap();
        assert!(tomorrow.unreadable.is_none());
        assert_eq!(
            tomorrow.entry.record,
            Record::Unknown {
                kind: "foreseen".to_owned(),
                data: serde_json::json!({"x": 1}),
            }
        );
        let changed = decode(line(r#""type":"planned","data":{"x":1}"#).as_bytes()).unwrap();
        assert!(changed.unreadable.unwrap().contains("digest"));
    }

    #[test]
    fn a_carriage_return_is_reported() {
        assert!(matches!(
            decode(b"{\"n\":1}\r"),
            Err(LineError::CarriageReturn)
        ));
        assert!(matches!(decode(b""), Err(LineError::NotWhole)));
        assert!(matches!(decode(&[0; 400]), Err(LineError::NotWhole)));
    }
}
