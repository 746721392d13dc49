//! The house's arrows: no room imports one that stands above it, and the rehearsal tenant shares no
//! code with the clients that speak to it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Each room, and the rooms that it may import besides clock, text, secrets, cancellation and files.
const ROOMS: [(&str, &[&str]); 8] = [
    ("journal", &[]),
    ("clients", &[]),
    ("runbook", &[]),
    ("engine", &["journal"]),
    ("steps", &["engine", "runbook", "clients"]),
    ("report", &["engine", "journal", "runbook"]),
    (
        "cli",
        &[
            "rehearsal",
            "steps",
            "report",
            "clients",
            "runbook",
            "engine",
            "journal",
        ],
    ),
    ("rehearsal", &[]),
];

/// What stands below all rooms but the rehearsal tenant.
const BELOW: [&str; 5] = ["clock", "text", "secrets", "cancellation", "files"];

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("the entry can be read").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// The rooms that a file names: after `crate::`, alone or in braces.
fn rooms_named(text: &str) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    for line in text
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with("//"))
    {
        for (at, _) in line.match_indices("crate::") {
            let rest = &line[at + "crate::".len()..];
            let parts = match rest.strip_prefix('{') {
                Some(group) => group
                    .split('}')
                    .next()
                    .unwrap_or_default()
                    .split(',')
                    .collect(),
                None => vec![rest],
            };
            named.extend(parts.iter().map(|part| {
                let word = part
                    .trim()
                    .chars()
                    .take_while(|c| c.is_alphanumeric() || *c == '_');
                word.collect::<String>()
            }));
        }
    }
    named.retain(|name| !name.is_empty());
    named
}

#[test]
fn no_room_imports_one_above_it() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    for (room, allowed) in ROOMS {
        let files = sources(&src.join(room));
        assert!(!files.is_empty(), "the room {room} has no files");
        for file in files {
            // The enumeration of launches is a test: it opens a journal, as a run does.
            if file.ends_with("steps/launches_in_doubt.rs") {
                continue;
            }
            let text = fs::read_to_string(&file).expect("the file can be read");
            for named in rooms_named(&text) {
                let below = room != "rehearsal" && BELOW.contains(&named.as_str());
                if named != room && !below && !allowed.contains(&named.as_str()) {
                    wrong.push(format!("{} names {named}", file.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_folder_of_the_house_is_a_known_room() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for entry in fs::read_dir(src).expect("src is there") {
        let path = entry.expect("the entry can be read").path();
        if path.is_dir() {
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default()
                .to_owned();
            assert!(
                ROOMS.iter().any(|(room, _)| *room == name),
                "{name} is no known room"
            );
        }
    }
}

#[test]
fn the_check_sees_a_forbidden_import() {
    let text =
        "use crate::{steps::Refresh, text};\nfn f() { crate::cli::main([]); }\n// crate::report";
    let named: Vec<String> = rooms_named(text).into_iter().collect();
    assert_eq!(named, ["cli", "steps", "text"]);
}
