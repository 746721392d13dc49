//! `iomcopy fleet`: many runs at once, each from its state file alone. It starts nothing and repairs
//! nothing.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum, ValueHint};

use super::common_arguments::Output;
use super::exit_code::DONE;
use super::expectations::Expectations;
use super::run::stages;
use super::session::Session;
use super::step_names::names_that_ran;
use crate::base::clock::Clock;
use crate::engine::{Failure, FailureKind};
use crate::journal;
use crate::report::{FleetRun, fleet_run, unreadable_run};

/// The end of a state file's name. An archived one has the id of its run before the last part.
const NAME: &str = ".iomcopy.jsonl";

/// How deep a folder is searched.
const DEEPEST: usize = 4;

/// The arguments of `fleet`.
#[derive(Debug, Args)]
pub(super) struct FleetArguments {
    /// State files, and folders in which every file `*.iomcopy.jsonl` is one
    #[arg(required = true, value_name = "STATE", value_hint = ValueHint::AnyPath)]
    states: Vec<PathBuf>,
    /// Output format [default: table, and json with --output json]
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<FleetFormat>,
}

/// The format of the fleet.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum FleetFormat {
    /// For a terminal or a log
    Table,
    /// A single page for a browser
    Html,
    /// For programs
    Json,
}

/// Reads every state file without repairing it, and shows one row for each. A file that cannot be
/// read is a row with its reason. Exit 0 for every state of the runs.
pub(super) fn fleet(session: &Session, arguments: &FleetArguments) -> Result<u8, Failure> {
    let format = choose_format(session, arguments)?;
    let mut runs = Vec::new();
    for path in &arguments.states {
        if !path.is_dir() {
            runs.push(read_run(path));
            continue;
        }
        let mut files = Vec::new();
        if let Err(error) = find_state_files(path, DEEPEST, &mut files) {
            let why = format!("the folder cannot be read: {error}");
            runs.push(unreadable_run(&path.display().to_string(), &why, None));
        } else if files.is_empty() {
            let why = format!("the folder has no file `*{NAME}`");
            runs.push(unreadable_run(&path.display().to_string(), &why, None));
        }
        files.sort();
        runs.extend(files.iter().map(|file| read_run(file)));
    }
    let fleet = crate::report::fleet(runs, Clock::new(1.0).time_of_day());
    let printer = &session.printer;
    match format {
        FleetFormat::Table => printer.data(&fleet.table(session.data_palette())),
        FleetFormat::Html => printer.data(&fleet.page()),
        FleetFormat::Json => printer.data(&fleet.json()),
    }
    Ok(DONE)
}

/// The format of the output. `--output json` allows only JSON.
fn choose_format(session: &Session, arguments: &FleetArguments) -> Result<FleetFormat, Failure> {
    match (session.output, arguments.format) {
        (Output::Human, None) => Ok(FleetFormat::Table),
        (Output::Json, None | Some(FleetFormat::Json)) => Ok(FleetFormat::Json),
        (Output::Human, Some(format)) => Ok(format),
        (Output::Json, Some(_)) => Err(Failure::new(
            FailureKind::InvalidInput,
            "--output json and --format name different formats",
        )
        .with_help("remove one of the two flags")),
    }
}

/// Adds the state files in a folder and the folders in it. A link to a folder is not followed.
fn find_state_files(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            // A folder that may not be read hides no more than itself.
            if depth > 1 {
                drop(find_state_files(&path, depth - 1, found));
            }
        } else if entry.file_name().to_string_lossy().ends_with(NAME) {
            found.push(path);
        }
    }
    Ok(())
}

/// One state file as a run of the fleet.
fn read_run(path: &Path) -> FleetRun {
    let file = path.display().to_string();
    if file.starts_with("https://") || file.starts_with("http://") {
        let why = "the runs in a container are not read: the sign-in is in each runbook";
        let help = "`iomcopy status RUNBOOK` reads one of them, and writes its state file here";
        return unreadable_run(&file, why, Some(help));
    }
    let contents = match journal::read_state_file(path) {
        Ok(contents) => contents,
        Err(error) => return unreadable_run(&file, &error.to_string(), Some(&error.help())),
    };
    let stages = stages::read(path, &contents.occupancy);
    let now = Clock::new(1.0).time_of_day();
    let outlook = Expectations::of(path).outlook(&contents, now, stages);
    let names = names_that_ran(&contents.state);
    fleet_run(&file, &contents, &names, &outlook)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::testing::began;
    use crate::journal::Closed;

    fn json(runs: Vec<FleetRun>) -> serde_json::Value {
        let now = Clock::new(1.0).time_of_day();
        let fleet = crate::report::fleet(runs, now);
        serde_json::from_str(&fleet.json()).unwrap()
    }

    #[tokio::test]
    async fn every_state_file_of_a_folder_is_one_row_and_none_is_changed() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("eu/uat");
        std::fs::create_dir_all(&inner).unwrap();
        let (good, running) = (
            inner.join("uat.iomcopy.jsonl"),
            folder.path().join("test.iomcopy.jsonl"),
        );
        let open = journal::begin(&good, Clock::new(1.0), began()).unwrap();
        let closed = Closed::new("temporary", 75, Some("Dataverse is busy".to_owned()));
        open.journal.append(closed).await.unwrap();
        drop(open);
        let held = journal::begin(&running, Clock::new(1.0), began()).unwrap();
        let damaged = folder.path().join("damaged.iomcopy.jsonl");
        std::fs::write(&damaged, "{}\n{}\n").unwrap();
        for other in [
            "uat.iomcopy.01a1.jsonl",
            "uat.iomcopy.before-copy.capture.jsonl",
            "uat.yaml",
        ] {
            std::fs::write(folder.path().join(other), "").unwrap();
        }
        let before = std::fs::read(&good).unwrap();

        let mut files = Vec::new();
        find_state_files(folder.path(), DEEPEST, &mut files).unwrap();
        files.sort();
        assert_eq!(files.len(), 3, "{files:?}");
        let found = json(files.iter().map(|file| read_run(file)).collect());
        let states: Vec<_> = found["runs"].as_array().unwrap().iter().collect();
        assert_eq!(states[0]["condition"], "unreadable");
        assert!(states[0]["reason"].is_string() && states[0]["to-do"].is_string());
        assert_eq!(states[1]["state"], "stopped");
        let waits = serde_json::json!({"whom": "operator", "what": "Dataverse is busy"});
        assert_eq!(states[1]["waits-for"], waits);
        let again = states[1]["to-do"].as_str().unwrap();
        assert!(again.starts_with("iomcopy run RUNBOOK --state "), "{again}");
        assert_eq!(states[2]["state"], "running");
        assert_eq!(std::fs::read(&good).unwrap(), before);
        drop(held);
        let container = Path::new("https://contoso.blob.core.windows.net/iomcopy");
        for absent in [folder.path().join("none").as_path(), container] {
            let absent = json(vec![read_run(absent)]);
            assert_eq!(absent["runs"][0]["condition"], "unreadable");
            assert!(absent["runs"][0]["to-do"].is_string(), "{absent}");
        }
    }
}
