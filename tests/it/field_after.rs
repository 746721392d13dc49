//! One run for each refusal that the tenant can give after the copy: preflight finds the cause, or
//! the run names the refusal; a permanent refusal is tried once; nothing is deleted on the way.
//!
//! The table is `field_after.txt`; a code of the tenant that is not in it fails a test. The suite
//! runs a sample of its rows. All rows, printed:
//! `IOMCOPY_CAMPAIGN=full cargo test --test it field_after -- --nocapture`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::harness::{Stage, World, sample};

/// A row of the table.
#[derive(Clone, Copy, Debug)]
struct Row {
    code: &'static str,
    /// The fault that gives it after the copy; `-` if no run meets it there.
    fault: &'static str,
    exit: &'static str,
    attempts: &'static str,
    deletions: &'static str,
    remedy: &'static str,
    before: &'static str,
}

fn rows() -> Vec<Row> {
    let lines = include_str!("field_after.txt").lines();
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let columns: Vec<&str> = line.split('|').map(str::trim).collect();
            let &[code, fault, exit, attempts, deletions, remedy, before] = columns.as_slice()
            else {
                panic!("a row has seven columns: {line}");
            };
            Row {
                code,
                fault,
                exit,
                attempts,
                deletions,
                remedy,
                before,
            }
        })
        .collect()
}

/// The largest number of times that one refused request was sent.
fn attempts(world: &World) -> usize {
    let mut counted: BTreeMap<String, usize> = BTreeMap::new();
    for request in &world.requests {
        if request.get("fault").is_some() {
            let address = format!("{} {}", request["method"], request["path"]);
            *counted.entry(address).or_default() += 1;
        }
    }
    counted.into_values().max().unwrap_or_default()
}

/// The successful deletions in Dataverse.
fn deletions(world: &World) -> usize {
    let is_deletion = |request: &&serde_json::Value| {
        let status = request["status"].as_u64().unwrap_or_default();
        request["method"] == "DELETE" && status < 400
    };
    world.requests.iter().filter(is_deletion).count()
}

/// Runs a row; returns its line of the printed table, and the output if it is not as expected.
fn run(row: &Row) -> (String, Option<String>) {
    let stage = Stage::new();
    let _tenant = stage.tenant(&[row.fault]);
    let answer = stage.run();
    let world = stage.world();
    let output = format!("{}{}", answer.stdout, answer.stderr);
    let (attempts, deletions) = (attempts(&world), deletions(&world));
    let exit = answer.code.map(|code| code.to_string()).unwrap_or_default();
    let is_named = output.contains(row.remedy);
    let line = format!(
        "{} | {} | {exit} | {attempts} | {deletions} | {} | {}",
        row.code,
        row.before,
        if is_named { "shown" } else { "MISSING" },
        row.fault
    );
    let has_attempts = match row.attempts {
        "+" => attempts > 1,
        number => attempts.to_string() == number,
    };
    let is_right = exit == row.exit
        && has_attempts
        && is_named
        && (row.deletions == "*" || deletions.to_string() == row.deletions);
    (line, (!is_right).then_some(output))
}

#[test]
fn a_refusal_after_the_copy_is_named_and_tried_once() {
    let with_fault: Vec<Row> = rows().into_iter().filter(|row| row.fault != "-").collect();
    let mut wrong = Vec::new();
    println!("refusal | known before? | exit | attempts | deletions | remedy | fault");
    for row in sample(&with_fault, 3) {
        let (line, output) = run(&row);
        println!("{line}");
        if let Some(output) = output {
            wrong.push(format!("expected {row:?}\n{line}\n{output}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// The Rust files below a directory of the repository.
fn sources(directory: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut waiting = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(directory)];
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(directory).expect("the directory can be read") {
            let path = entry.expect("the entry can be read").path();
            if path.is_dir() {
                waiting.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("the file can be read");
                found.push((path, text));
            }
        }
    }
    found
}

/// What makes an error of the tenant, and which of the texts after it is the code.
const CONSTRUCTORS: [(&str, usize); 7] = [
    ("ODataError::new(", 0),
    ("Self::new(", 0),
    ("flow_service(", 1),
    ("Response::error(", 0),
    ("return error(", 0),
    ("unauthorized(", 0),
    ("const INVALID: &str", 0),
];

/// Whether a text is a service's code: `0x80040217`, `EnvironmentNotFound`.
fn is_code(text: &str) -> bool {
    let is_hexadecimal = text.strip_prefix("0x").is_some_and(|digits| {
        digits.len() == 8 && digits.chars().all(|digit| digit.is_ascii_hexdigit())
    });
    is_hexadecimal
        || (text.starts_with(|letter: char| letter.is_ascii_uppercase())
            && text
                .chars()
                .all(|letter| letter.is_ascii_alphabetic() || letter == '_'))
}

/// The codes that the sources of the tenant name.
fn codes_of_the_tenant() -> BTreeSet<String> {
    let mut codes = BTreeSet::new();
    for part in ["behaviour", "listeners", "odata"] {
        for (_, text) in sources(&format!("src/rehearsal/{part}")) {
            let text = text.split("#[cfg(test)]").next().unwrap_or_default();
            for (constructor, place) in CONSTRUCTORS {
                for (start, _) in text.match_indices(constructor) {
                    let statement = text[start..].split(';').next().unwrap_or_default();
                    let code = statement.split('"').skip(1).step_by(2).nth(place);
                    codes.extend(code.filter(|code| is_code(code)).map(str::to_lowercase));
                }
            }
        }
    }
    codes
}

#[test]
fn every_code_of_the_tenant_is_in_the_campaign() {
    let known: BTreeSet<String> = rows().iter().map(|row| row.code.to_lowercase()).collect();
    let codes = codes_of_the_tenant();
    assert!(codes.len() > 40, "the codes are found: {codes:?}");
    let missing: Vec<&String> = codes.difference(&known).collect();
    assert!(missing.is_empty(), "not in field_after.txt: {missing:?}");
}

#[test]
fn every_refusal_is_found_before_the_copy_or_says_why_that_is_impossible() {
    let problems = include_str!("preflight.rs");
    let tests: String = ["src", "tests/it"]
        .iter()
        .flat_map(|directory| sources(directory))
        .map(|(_, text)| text)
        .collect();
    for row in rows() {
        let is_right = match row.before.split_once(": ") {
            Some(("preflight", problem)) => problems.contains(&format!("what: \"{problem}\"")),
            Some(("test", name)) => {
                tests.contains(&format!("fn {name}(")) || tests.contains(&format!("mod {name};"))
            }
            Some(("cannot", reason)) => reason.len() > 20,
            _ => false,
        };
        assert!(is_right, "{}: {}", row.code, row.before);
    }
}
