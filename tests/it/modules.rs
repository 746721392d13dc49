//! The architecture: no module imports one above it, no step imports another, the rehearsal tenant
//! shares no code with the clients that speak to it, and one module differs by operating system.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Each module of the crate, and the modules that it may import.
const MODULES: [(&str, &[&str]); 10] = [
    ("base", &[]),
    ("journal", &["base"]),
    ("clients", &["base"]),
    ("runbook", &["base"]),
    ("engine", &["journal", "base"]),
    ("domain", &["engine", "runbook", "clients", "base"]),
    ("steps", &["domain", "engine", "runbook", "clients", "base"]),
    (
        "checks",
        &["steps", "domain", "engine", "runbook", "clients", "base"],
    ),
    ("report", &["engine", "journal", "runbook", "base"]),
    ("rehearsal", &[]),
];

/// `cli` imports every other module, and none imports it.
const TOP: &str = "cli";

fn source_files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).expect("the directory exists") {
        let path = entry.expect("the entry can be read").path();
        if path.is_dir() {
            found.extend(source_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The names that follow `prefix` in the code of a file, alone or in braces; comments are skipped.
fn names_after(text: &str, prefix: &str) -> BTreeSet<String> {
    let code: String = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| [line, "\n"])
        .collect();
    let mut names = BTreeSet::new();
    for (start, _) in code.match_indices(prefix) {
        let rest = &code[start + prefix.len()..];
        let parts = match rest.strip_prefix('{') {
            Some(group) => top_level_parts(group),
            None => vec![rest],
        };
        names.extend(parts.iter().map(|part| {
            let word = part
                .trim()
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_');
            word.collect::<String>()
        }));
    }
    names.retain(|name| !name.is_empty());
    names
}

/// The parts of a group of imports up to its closing brace, split at its own commas.
fn top_level_parts(group: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut depth, mut start) = (0, 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                parts.push(&group[start..at]);
                return parts;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&group[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts
}

#[test]
fn no_module_imports_one_above_it() {
    let mut forbidden = Vec::new();
    for (module, allowed) in MODULES {
        let files = source_files(&src().join(module));
        assert!(!files.is_empty(), "the module {module} has no files");
        for file in files {
            // The enumeration of launches is a test: it opens a journal, as a run does.
            if file.ends_with("steps/launches_in_doubt_tests.rs") {
                continue;
            }
            let text = fs::read_to_string(&file).expect("the file can be read");
            for named in names_after(&text, "crate::") {
                if named != module && !allowed.contains(&named.as_str()) {
                    forbidden.push(format!("{} imports {named}", file.display()));
                }
            }
        }
    }
    assert!(forbidden.is_empty(), "{}", forbidden.join("\n"));
}

#[test]
fn no_step_imports_another() {
    let steps = src().join("steps");
    let mut forbidden = Vec::new();
    for file in source_files(&steps) {
        let place = file.strip_prefix(&steps).expect("the file is a step's");
        let parts: Vec<String> = place
            .with_extension("")
            .components()
            .map(|part| part.as_os_str().to_string_lossy().into_owned())
            .collect();
        let step = parts[0].as_str();
        // The list of the steps, and a test that enumerates the launches of all.
        if ["mod", "launches_in_doubt_tests"].contains(&step) {
            continue;
        }
        let text = fs::read_to_string(&file).expect("the file can be read");
        let mut named = names_after(&text, "crate::steps::");
        let depth = parts.len() - usize::from(parts.last().is_some_and(|last| last == "mod"));
        let up = format!("use {}", "super::".repeat(depth));
        named.extend(
            names_after(&text, &up)
                .into_iter()
                .filter(|name| name != "super"),
        );
        for name in named {
            let is_step = steps.join(&name).is_dir() || steps.join(format!("{name}.rs")).is_file();
            if is_step && name != step {
                forbidden.push(format!("{} imports {name}", file.display()));
            }
        }
    }
    assert!(forbidden.is_empty(), "{}", forbidden.join("\n"));
}

/// What names an operating system, or what only some of them have.
const SYSTEM_SPECIFIC: [&str; 12] = [
    "std::os::",
    "rustix::",
    "libc::",
    "tokio::signal",
    "PermissionsExt",
    "OpenOptionsExt",
    "MetadataExt",
    ".process_group(",
    ".creation_flags(",
    "target_os",
    "windows)",
    "\"/proc/",
];

/// The only places in `src` that may use it.
const PLATFORM: [&str; 2] = ["base/platform/", "rehearsal/world/private_file.rs"];

/// The system-specific words in the code of a file. A test may be for Unix alone.
fn system_specific(text: &str, is_test: bool) -> Vec<&'static str> {
    let code: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect();
    let code = code.join("\n");
    let tests = code.find("#[cfg(test)]").unwrap_or(code.len());
    let mut found: Vec<&str> = SYSTEM_SPECIFIC.to_vec();
    found.retain(|word| code.contains(word));
    if !is_test && code[..tests].contains("unix)") {
        found.push("unix)");
    }
    found
}

#[test]
fn only_the_platform_module_differs_by_operating_system() {
    let mut forbidden = Vec::new();
    for file in source_files(&src()) {
        let place = file.strip_prefix(src()).expect("the file is below src");
        let place = place.to_string_lossy().replace('\\', "/");
        if PLATFORM.iter().any(|allowed| place.starts_with(allowed)) {
            continue;
        }
        let is_test = place.ends_with("/tests.rs") || place.contains("/tests/");
        let text = fs::read_to_string(&file).expect("the file can be read");
        for word in system_specific(&text, is_test) {
            forbidden.push(format!("{place} names `{word}`"));
        }
    }
    assert!(forbidden.is_empty(), "{}", forbidden.join("\n"));
}

#[test]
fn the_check_sees_a_system_specific_name() {
    let text = "use std::os::unix::fs::symlink;\n// libc::open\n#[cfg(unix)]\nfn f() {}";
    assert_eq!(system_specific(text, false), ["std::os::", "unix)"]);
    let in_tests = "fn f() {}\n#[cfg(test)]\nmod tests {\n    #[cfg(unix)]\n    fn g() {}\n}";
    assert!(system_specific(in_tests, false).is_empty());
}

/// The `//!` comment at the head of a file.
fn header(text: &str) -> String {
    let lines = text.lines().take_while(|line| line.starts_with("//!"));
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// Does this header name the file or directory: as `name.rs` or `name/`, or as a module in
/// backticks?
fn names_entry(header: &str, entry: &str) -> bool {
    let module = entry.trim_end_matches('/').trim_end_matches(".rs");
    let whole = header.match_indices(entry).any(|(start, _)| {
        let before = header[..start].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '/')
    });
    whole || header.contains(&format!("`{module}`"))
}

/// The names in the maps of a header, which are its `text` blocks: files at the start of a line.
fn mapped_files(header: &str) -> Vec<&str> {
    let blocks = header.split("//! ```").skip(1).step_by(2);
    let lines = blocks.filter_map(|block| block.strip_prefix("text\n"));
    let words = lines.flat_map(str::lines).flat_map(|line| {
        let line = line.trim_start_matches("//! ");
        line.split(' ')
            .take_while(|word| is_source(word) || word.ends_with('/'))
    });
    words.collect()
}

/// Is this the name of a source file?
fn is_source(name: &str) -> bool {
    Path::new(name)
        .extension()
        .is_some_and(|extension| extension == "rs")
}

/// The files with code and the directories of a module, without its tests.
fn entries_to_map(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).expect("the directory exists") {
        let path = entry.expect("the entry can be read").path();
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.expect("names are UTF-8").to_owned();
        if ["mod.rs", "lib.rs", "main.rs", "tests.rs", "tests"].contains(&name.as_str()) {
            continue;
        }
        if path.is_dir() && !source_files(&path).is_empty() {
            found.push(format!("{name}/"));
        } else if is_source(&name) {
            found.push(name);
        }
    }
    found
}

/// The file that declares the modules of a directory: its `mod.rs`, or the file of its name.
fn declaring_file(directory: &Path) -> PathBuf {
    let inside = directory.join("mod.rs");
    if inside.is_file() {
        return inside;
    }
    directory.with_extension("rs")
}

/// Adds what is wrong with the maps of this directory and those below it.
fn judge_maps(directory: &Path, wrong: &mut Vec<String>) {
    if directory.file_name().is_some_and(|name| name == "tests") {
        return;
    }
    for entry in fs::read_dir(directory).expect("the directory exists") {
        let path = entry.expect("the entry can be read").path();
        if path.is_dir() && !source_files(&path).is_empty() {
            judge_maps(&path, wrong);
        }
    }
    if directory == src() {
        return;
    }
    let file = declaring_file(directory);
    let header = header(&fs::read_to_string(&file).expect("the file can be read"));
    let missing = entries_to_map(directory).into_iter();
    for entry in missing.filter(|entry| !names_entry(&header, entry)) {
        wrong.push(format!("{} does not name {entry}", file.display()));
    }
    let above = file.parent().expect("the file is in a directory");
    for named in mapped_files(&header) {
        if !directory.join(named).exists() && !above.join(named).exists() {
            wrong.push(format!(
                "{} names {named}, which is missing",
                file.display()
            ));
        }
    }
}

#[test]
fn the_map_of_each_directory_names_its_files() {
    let mut wrong = Vec::new();
    judge_maps(&src(), &mut wrong);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_check_sees_a_file_that_a_map_lacks_and_one_that_is_gone() {
    let text =
        "//! A module.\n//!\n//! ```text\n//! row.rs b/  rows, see other.rs\n//! ```\n//! `set`\n";
    let header = header(&format!("{text}\nmod row;\n//! late.rs"));
    let named = ["row.rs", "b/", "set.rs"];
    assert!(named.iter().all(|entry| names_entry(&header, entry)));
    let missing = ["ow.rs", "late.rs", "launch.rs"];
    assert!(missing.iter().all(|entry| !names_entry(&header, entry)));
    assert_eq!(mapped_files(&header), ["row.rs", "b/"]);
}

#[test]
fn every_directory_of_src_is_a_known_module() {
    for entry in fs::read_dir(src()).expect("src exists") {
        let path = entry.expect("the entry can be read").path();
        if path.is_dir() {
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default()
                .to_owned();
            assert!(
                name == TOP || MODULES.iter().any(|(module, _)| *module == name),
                "{name} is not a known module"
            );
        }
    }
}

/// The commands that cannot be given without a runbook.
const WITH_RUNBOOK: [&str; 9] = [
    "complete",
    "graph",
    "plan",
    "preflight",
    "report",
    "run",
    "status",
    "validate",
    "verify",
];

/// The commands of a source text that are written to be copied, but name no runbook.
fn commands_without_runbook(text: &str) -> Vec<&str> {
    let lines = text.lines().take_while(|line| *line != "#[cfg(test)]");
    let lines = lines.filter(|line| !line.trim_start().starts_with("//"));
    let is_bare = |line: &&str| {
        let mut commands = WITH_RUNBOOK.iter();
        commands.any(|command| {
            [" --", "`"]
                .iter()
                .any(|after| line.contains(&format!("`iomcopy {command}{after}")))
        })
    };
    lines.filter(is_bare).collect()
}

/// A starter runbook names the commands for a reader who has not saved it yet.
#[test]
fn a_command_in_a_message_names_its_runbook() {
    let starter = src().join("runbook/starter");
    for file in source_files(&src()) {
        let text = fs::read_to_string(&file).expect("the file can be read");
        let bare = commands_without_runbook(&text);
        let is_test = file.ends_with("tests.rs") || file.to_string_lossy().contains("/tests/");
        let is_excused = is_test || file.starts_with(&starter);
        assert!(
            is_excused || bare.is_empty(),
            "{}: {bare:?}",
            file.display()
        );
    }
    let bare = "x(\"look at `iomcopy plan`\")\n// `iomcopy run`\ny(\"`iomcopy plan RUNBOOK`\")";
    assert_eq!(commands_without_runbook(bare).len(), 1);
}

#[test]
fn the_check_sees_a_forbidden_import() {
    let text = "use crate::{steps::{RefreshContext, all}, text};\nfn f() { crate::cli::main([]); }\n// crate::report";
    let named: Vec<String> = names_after(text, "crate::").into_iter().collect();
    assert_eq!(named, ["cli", "steps", "text"]);
    let text = "use crate::steps::{self, graph};\nuse crate::steps::RefreshContext;";
    let named: Vec<String> = names_after(text, "crate::steps::").into_iter().collect();
    assert_eq!(named, ["RefreshContext", "graph", "self"]);
}
