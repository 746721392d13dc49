use serde_json::json;

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

fn observed(observed: Value) -> Record {
    let key = "k".to_owned();
    Record::from(Done { key, observed })
}

/// The envelope of a line, from its first field to its last.
fn envelope() -> String {
    format!(
        r#""n":1,"prev":"00000000","run":"{}","time":"2026-03-01T02:03:04Z""#,
        RunId::new(time())
    )
}

/// A line with these members and a correct checksum.
fn line(members: &str) -> String {
    let covered = format!("{{{members}");
    let checksum = Checksum::of(covered.as_bytes());
    format!("{covered},\"crc\":\"{checksum}\"}}")
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
        text: "{\r\n \"big\": 12345678901234567890123, \"a\\u0000\": \"\u{2028}\" }\n".to_owned(),
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
    let deep = (0..200).fold(Value::Null, |inner, _| json!([inner]));
    let why = chain.link(time(), observed(deep)).unwrap_err();
    assert!(why.contains("recursion limit"), "{why}");
    assert_eq!(chain.number, 0);
}

#[test]
fn the_deepest_line_is_one_that_every_parser_of_the_line_reads() {
    let deep = |levels: usize| (1..levels).fold(json!([]), |inner, _| json!([inner]));
    // The line and its payload are two of the 127 levels that the parser allows.
    let (_, line) = chain().link(time(), observed(deep(125))).unwrap();
    assert!(serde_json::from_str::<Value>(&line).is_ok());
    assert!(chain().link(time(), observed(deep(126))).is_err());
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
    let own = |kind: &str| format!(r#"{},"type":"{kind}","data":{{"x":1}}"#, envelope());
    let other = |kind: &str| format!(r#""data":{{"x":1}},"type":"{kind}",{}"#, envelope());
    let kept = |kind: &str| Record::Unknown {
        kind: kind.to_owned(),
        data: json!({"x": 1}),
    };
    for members in [own("foreseen"), other("foreseen")] {
        let tomorrow = decode(line(&members).as_bytes()).unwrap();
        assert!(tomorrow.unreadable.is_none());
        assert_eq!(tomorrow.entry.record, kept("foreseen"));
    }
    for members in [own("planned"), other("planned")] {
        let changed = decode(line(&members).as_bytes()).unwrap();
        // The column is the place in the line, so that it can be found in the file.
        let payload = r#"{"x":1}"#;
        let column = 1 + members.find(payload).unwrap() + payload.len();
        assert_eq!(
            changed.unreadable.unwrap(),
            format!("missing field `digest` at line 1 column {column}")
        );
        assert_eq!(changed.entry.record, kept("planned"));
    }
}

#[test]
fn a_line_is_decoded_with_its_members_in_any_order() {
    let (envelope, data) = (envelope(), r#""data":{"digest":"d"}"#);
    for members in [
        format!(r#"{envelope},"type":"planned",{data}"#),
        format!(r#"{envelope},{data},"type":"planned""#),
        format!(r#"{data},"type":"planned",{envelope}"#),
        format!(r#""type":"planned",{envelope},{data}"#),
        format!(r#"{envelope},"later":{{"type":"sealed"}},"type":"planned",{data}"#),
        format!(r#"{envelope},"type":"planned","later":1,{data}"#),
        format!(r#"{envelope},"type":"planned",{data},"later":[{{}}]"#),
        format!(r#"{envelope}, "type" : "pl\u0061nned", {data} "#),
    ] {
        let read = decode(line(&members).as_bytes()).unwrap();
        assert_eq!(read.entry.record, planned("d"), "{members}");
        assert_eq!((read.entry.number, read.unreadable), (1, None), "{members}");
    }
}

#[test]
fn a_line_without_one_kind_and_one_payload_is_not_a_record() {
    for (rest, why) in [
        (r#""type":"planned""#, "missing field `data`"),
        (r#""data":{}"#, "missing field `type`"),
        (
            r#""type":"done","data":1,"data":2"#,
            "duplicate field `data`",
        ),
        (
            r#""type":"done","data":1,"type":2"#,
            "duplicate field `type`",
        ),
        (r#""type":"finished","data":{}}"#, "trailing characters"),
    ] {
        let text = line(&format!("{},{rest}", envelope()));
        let error = decode(text.as_bytes()).unwrap_err();
        assert!(matches!(error, LineError::Envelope(_)), "{text}");
        assert!(error.to_string().contains(why), "{error}");
    }
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
