use super::*;
use crate::journal::line::BEGINNING;
use crate::journal::payload::{Began, Opened, Planned};
use crate::journal::record::{Record, RunId};
use crate::journal::testing::{began, lines, opened, story, time};

fn replay_bytes(bytes: &[u8]) -> Replay {
    replay(Path::new("uat.jsonl"), bytes)
}

/// A line with other content and the checksum of that content.
fn rewritten(line: &str, from: &str, to: &str) -> String {
    let (covered, _) = line.rsplit_once(",\"crc\"").unwrap();
    assert!(covered.contains(from));
    let covered = covered.replace(from, to);
    let checksum = crc32fast::hash(covered.as_bytes());
    format!("{covered},\"crc\":\"{checksum:08x}\"}}\n")
}

fn short_story() -> Vec<String> {
    let mut records = story();
    records.truncate(9);
    lines(records)
}

#[test]
fn a_whole_journal_is_read_as_it_was_written() {
    let lines = lines(story());
    let replay = replay_bytes(lines.concat().as_bytes());
    assert!(
        replay.damage.is_empty() && replay.torn.is_none(),
        "{replay:?}"
    );
    let records: Vec<Record> = replay.entries.into_iter().map(|e| e.record).collect();
    assert_eq!(records, story());
    assert_eq!(*replay.ends.last().unwrap(), lines.concat().len() as u64);
}

#[test]
fn every_prefix_holds_exactly_the_records_that_were_written_whole() {
    let lines = lines(story());
    let bytes = lines.concat().into_bytes();
    let mut whole = 0;
    let mut end = 0;
    for length in 0..=bytes.len() {
        if lines
            .get(whole)
            .is_some_and(|line| length == end + line.len())
        {
            end = length;
            whole += 1;
        }
        let replay = replay_bytes(&bytes[..length]);
        assert!(replay.damage.is_empty(), "{length}: {:?}", replay.damage);
        assert_eq!(replay.entries.len(), whole, "{length}");
        let torn = (length > end).then(|| TornRecord {
            number: whole as u64 + 1,
            at: end as u64,
            bytes: (length - end) as u64,
        });
        assert_eq!(replay.torn, torn, "{length}");
    }
    assert_eq!(whole, lines.len());
}

#[test]
fn a_torn_end_may_be_of_zeroes_or_garbage() {
    let lines = lines(story());
    let held = lines[..4].concat().into_bytes();
    let next = lines[4].as_bytes();
    for filler in [0_u8, 0xa5, b'\n', b'{'] {
        for kept in [0, 1, next.len() / 2, next.len() - 1] {
            let mut bytes = held.clone();
            bytes.extend_from_slice(&next[..kept]);
            bytes.extend(std::iter::repeat_n(filler, 600));
            let replay = replay_bytes(&bytes);
            // The record itself is whole if only its line feed was lost and garbage
            // supplied it.
            let whole = if filler == b'\n' && kept == next.len() - 1 {
                5
            } else {
                4
            };
            assert!(replay.damage.is_empty(), "{:?}", replay.damage);
            assert_eq!(replay.entries.len(), whole);
            assert!(replay.torn.is_some());
        }
    }
}

#[test]
fn every_flipped_bit_is_detected() {
    let lines = short_story();
    let bytes = lines.concat().into_bytes();
    let last_begins = bytes.len() - lines.last().unwrap().len();
    let mut flipped = bytes.clone();
    for bit in 0..bytes.len() * 8 {
        flipped[bit / 8] ^= 1 << (bit % 8);
        let replay = replay_bytes(&flipped);
        if bit / 8 < last_begins {
            assert!(!replay.damage.is_empty(), "bit {bit} of {}", bytes.len());
        } else {
            // In the last record it looks like a torn end; that record is cut off.
            assert!(replay.damage.is_empty());
            assert_eq!(replay.torn.unwrap().at, last_begins as u64, "bit {bit}");
        }
        flipped[bit / 8] = bytes[bit / 8];
    }
}

#[test]
fn deleted_repeated_and_moved_lines_are_detected() {
    let lines = lines(story());
    for at in 0..lines.len() - 1 {
        let mut deleted = lines.clone();
        deleted.remove(at);
        let damage = replay_bytes(deleted.concat().as_bytes()).damage;
        assert_eq!(damage[0].line, at as u64 + 1, "deleted {at}");

        let mut repeated = lines.clone();
        repeated.insert(at + 1, lines[at].clone());
        let damage = replay_bytes(repeated.concat().as_bytes()).damage;
        assert_eq!(damage[0].line, at as u64 + 2, "repeated {at}");

        let mut swapped = lines.clone();
        swapped.swap(at, at + 1);
        let damage = replay_bytes(swapped.concat().as_bytes()).damage;
        assert_eq!(damage[0].line, at as u64 + 1, "swapped {at}");
    }
}

#[test]
fn a_line_of_another_file_is_detected() {
    let ours = lines(story());
    // The same records of another run: every line matches its own checksum.
    let theirs = lines(story());
    for at in 1..ours.len() {
        let spliced = [ours[..at].concat(), theirs[at..].concat()].concat();
        let damage = replay_bytes(spliced.as_bytes()).damage;
        assert_eq!(damage[0].line, at as u64 + 1);
        assert!(
            damage[0].why.contains("two files were mixed"),
            "{}",
            damage[0].why
        );
    }
}

#[test]
fn two_processes_that_append_at_once_are_detected() {
    let mut records = story();
    records.truncate(4);
    let mut chain = Chain::new(RunId::new(time()));
    let mut bytes = String::new();
    for record in records {
        bytes.push_str(&chain.link(time(), record).unwrap().1);
    }
    let mut other = chain;
    let planned = |digest: &str| {
        Record::from(Planned {
            digest: digest.into(),
            steps: [].into(),
            names: [].into(),
        })
    };
    bytes.push_str(&chain.link(time(), planned("one")).unwrap().1);
    bytes.push_str(&other.link(time(), planned("two")).unwrap().1);
    let damage = replay_bytes(bytes.as_bytes()).damage;
    assert_eq!(damage.len(), 1);
    assert!(
        damage[0].why.contains("record 5 where record 6"),
        "{}",
        damage[0].why
    );
}

#[test]
fn damage_names_its_line_and_the_command_that_helps() {
    let mut lines = lines(story());
    lines[4] = lines[4].replace("copy-environments", "copy-environment");
    lines[6] = lines[6].replace('\n', "\r\n");
    let bytes = lines.concat();
    let replay = replay_bytes(bytes.as_bytes());
    assert_eq!(replay.entries.len(), 4);
    let at: Vec<u64> = replay.damage.iter().map(|damage| damage.line).collect();
    assert_eq!(at, [5, 7]);
    assert!(replay.damage[0].why.contains("checksum"));
    assert!(replay.damage[1].why.contains("editor"));
    // `state check` shows the help of each damage, so only a refused run names that command.
    assert!(!replay.damage[0].help.contains("state check"));
    let error = replay.require_readable(Path::new("uat.jsonl")).unwrap_err();
    assert!(error.help().contains("iomcopy state check uat.jsonl"));
    assert!(
        error
            .to_string()
            .starts_with("line 5 of the state file uat.jsonl is damaged")
    );
    assert!(
        error.help().contains("iomcopy state cut uat.jsonl --at 4"),
        "{}",
        error.help()
    );
    assert!(bytes.as_bytes().starts_with(BEGINNING));
}

#[test]
fn records_in_an_impossible_order_are_refused() {
    let mut records = story();
    // A handle without an intent: each line is valid, and their order is not.
    records.retain(|record| record.kind() != "intent");
    let replay = replay_bytes(lines(records).concat().as_bytes());
    assert!(
        replay.damage[0].why.contains("`launched`"),
        "{:?}",
        replay.damage
    );
}

#[test]
fn an_empty_file_is_not_a_new_one() {
    let error = replay_bytes(b"")
        .require_writable(Path::new("uat.jsonl"))
        .unwrap_err();
    assert!(error.to_string().contains("no whole record"), "{error}");
}

#[test]
fn a_newer_kind_of_record_is_read_and_not_resumed() {
    let mut chain = Chain::new(RunId::new(time()));
    let mut bytes = String::new();
    for record in [Record::from(began()), Record::from(opened("ops-1"))] {
        bytes.push_str(&chain.link(time(), record).unwrap().1);
    }
    // The same line with another kind and a valid checksum.
    let (_, line) = chain.link(time(), Record::from(opened("ops-1"))).unwrap();
    bytes.push_str(&rewritten(&line, "\"opened\"", "\"foreseen\""));

    let replay = replay_bytes(bytes.as_bytes());
    let path = Path::new("uat.jsonl");
    assert!(replay.require_readable(path).is_ok());
    assert_eq!(replay.entries[2].record.kind(), "foreseen");
    let error = replay.require_writable(path).unwrap_err();
    assert!(
        matches!(error, JournalError::UnknownRecord { line: 3, .. }),
        "{error}"
    );
}

#[test]
fn a_newer_format_is_read_and_not_resumed() {
    let newer = Began {
        format: FORMAT + 1,
        program: "9.0.0".to_owned(),
        ..began()
    };
    // A newer format may allow an order of records that this program refuses.
    let records = vec![
        newer.into(),
        opened("ops-1").into(),
        Record::from(Planned {
            digest: "d".into(),
            steps: [].into(),
            names: [].into(),
        }),
        crate::journal::testing::launched("copy"),
    ];
    let replay = replay_bytes(lines(records).concat().as_bytes());
    let path = Path::new("uat.jsonl");
    let (state, _) = replay.require_readable(path).unwrap();
    assert_eq!(state.plan_digest.as_deref(), Some("d"));
    assert_eq!(state.next_number, 5);
    let error = replay.require_writable(path).unwrap_err();
    assert!(
        matches!(error, JournalError::NewerFormat { format: 2, .. }),
        "{error}"
    );
    assert!(error.help().contains("9.0.0"));
}

#[test]
fn a_first_record_in_a_newer_format_is_reported_as_such() {
    let lines = lines(vec![began().into()]);
    let line = rewritten(&lines[0], "\"format\":1", "\"format\":7");
    let bytes = rewritten(&line, "\"pinned\"", "\"bound\"");
    let error = replay_bytes(bytes.as_bytes())
        .require_readable(Path::new("uat.jsonl"))
        .unwrap_err();
    assert!(
        matches!(error, JournalError::NewerFormat { format: 7, .. }),
        "{error}"
    );
}

#[test]
fn a_record_that_lacks_a_field_is_damage() {
    let mut chain = Chain::new(RunId::new(time()));
    let (_, first) = chain.link(time(), began().into()).unwrap();
    let opened = Opened {
        host: String::new(),
        ..opened("")
    };
    let (_, line) = chain.link(time(), opened.into()).unwrap();
    let bytes = first + &rewritten(&line, "\"host\":\"\",", "");
    let damage = replay_bytes(bytes.as_bytes()).damage;
    assert!(
        damage[0].why.contains("missing field `host`"),
        "{}",
        damage[0].why
    );
}
