//! `iomcopy fleet`: many runs at once, each from its state file alone. It starts nothing and repairs
//! nothing. `containers` reads the state files in a container of Azure Storage.

mod containers;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum, ValueHint};
use url::Url;

use self::containers::{Copies, GivenRunbook, parse_address};
use super::common_arguments::{Output, RunFiles, state_file_beside};
use super::connect;
use super::exit_code::DONE;
use super::expectations::Expectations;
use super::run::operation_reports;
use super::runbook_file::read_runbook;
use super::session::Session;
use super::step_names::names_that_ran;
use crate::base::clock::Clock;
use crate::base::files::parent_folder;
use crate::base::shell::quote_argument;
use crate::engine::{Failure, FailureKind};
use crate::journal::{self, StateFileContents};
use crate::report::{FleetRun, fleet_run, folder_without_runs, unreadable_run};

/// The end of a state file's name. An archived one has the id of its run before the last part.
const NAME: &str = ".iomcopy.jsonl";
const NAME_PATTERN: &str = "*.iomcopy.jsonl";

/// How deep a folder is searched.
const DEEPEST: usize = 4;

/// The arguments of `fleet`.
#[derive(Debug, Args)]
pub(super) struct FleetArguments {
    /// State files, folders in which every file `*.iomcopy.jsonl` is one, and containers of Azure
    /// Storage with state files: `https://ACCOUNT.blob.core.windows.net/CONTAINER`
    #[arg(required_unless_present = "runbook", value_name = "STATE", value_hint = ValueHint::AnyPath)]
    states: Vec<PathBuf>,
    /// Output format [default: table, and json with --output json]
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<FleetFormat>,
    /// Runbook whose `identity` and `state` are used to read containers; without STATE, the container
    /// that its `state` names is read [default: sign in with the `AZURE_*` variables or the Azure CLI]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    runbook: Option<PathBuf>,
    /// Values file of that runbook
    #[arg(long, value_name = "FILE", requires = "runbook", value_hint = ValueHint::FilePath)]
    values: Option<PathBuf>,
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
/// read is a row with its reason, and so is a container. Exit 0 for every state of the runs.
pub(super) fn fleet(session: &Session, arguments: &FleetArguments) -> Result<u8, Failure> {
    let format = choose_format(session, arguments)?;
    let mut runs = Vec::new();
    for place in places(arguments)? {
        match place {
            Place::Container(container) => runs.extend(container.runs()),
            Place::Path(path) if path.is_dir() => runs.extend(runs_of_folder(&path)),
            Place::Path(path) => runs.push(read_run(&path)),
        }
    }
    let fleet = crate::report::fleet(runs, Clock::new(1.0).time_of_day());
    let printer = &session.printer;
    match format {
        // A command in it stays one line, to be copied.
        FleetFormat::Table => {
            printer.data(&fleet.table(session.data_palette(), printer.columns()));
        }
        FleetFormat::Html => printer.data(&fleet.page()),
        FleetFormat::Json => printer.data(&fleet.json()),
    }
    Ok(DONE)
}

/// Where state files are.
enum Place {
    /// A file or a folder.
    Path(PathBuf),
    /// At a service.
    Container(Box<Copies>),
}

/// The places that the command line names.
fn places(arguments: &FleetArguments) -> Result<Vec<Place>, Failure> {
    let runbook = match &arguments.runbook {
        Some(path) => Some(read_runbook(path, arguments.values.as_deref())?),
        None => None,
    };
    let of_runbook = match &runbook {
        Some(runbook) => connect::runbook_container(runbook)?,
        None => None,
    };
    let given = arguments.runbook.clone().zip(runbook.as_ref());
    let given = given.map(|(path, runbook)| GivenRunbook {
        name: runbook.name.value.clone(),
        arguments: RunFiles {
            runbook: path,
            values: arguments.values.clone(),
            state: None,
        }
        .as_arguments(),
    });
    let open = |address: Url, only: Option<String>| -> Result<Place, Failure> {
        Ok(Place::Container(Box::new(Copies {
            container: connect::open_container(&address, runbook.as_ref())?,
            // A runbook with `state` needs no flag; with a signature, a flag would not do.
            is_argument: of_runbook.as_ref() != Some(&address)
                && std::env::var_os("AZURE_STORAGE_SAS_TOKEN").is_none(),
            address,
            only,
            runbook: given.clone(),
        })))
    };
    if arguments.states.is_empty() {
        let address = of_runbook.clone().ok_or_else(|| {
            Failure::new(FailureKind::InvalidInput, "the runbook names no container")
                .with_help("add `state: { azure-blob: … }` to it, or name the state files to read")
        })?;
        return Ok(vec![open(address, None)?]);
    }
    let places = arguments.states.iter().map(|path| {
        let Some((container, only)) = parse_address(path)? else {
            return Ok(Place::Path(path.clone()));
        };
        open(container, only)
    });
    places.collect()
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
            // A folder that cannot be read does not hide the other folders.
            if depth > 1 {
                drop(find_state_files(&path, depth - 1, found));
            }
        } else if entry.file_name().to_string_lossy().ends_with(NAME) {
            found.push(path);
        }
    }
    Ok(())
}

/// The runs of a folder. If it has none, that is a row.
fn runs_of_folder(path: &Path) -> Vec<FleetRun> {
    let mut files = Vec::new();
    if let Err(error) = find_state_files(path, DEEPEST, &mut files) {
        let why = format!("the folder cannot be read: {error}");
        return vec![unreadable_run(&path.display().to_string(), &why, None)];
    }
    if files.is_empty() {
        let why = format!("the folder has no file `{NAME_PATTERN}`");
        return vec![folder_without_runs(&path.display().to_string(), &why)];
    }
    files.sort();
    files.iter().map(|file| read_run(file)).collect()
}

/// One state file as a run of the fleet.
fn read_run(path: &Path) -> FleetRun {
    let file = path.display().to_string();
    match journal::read_state_file(path) {
        Ok(contents) => {
            let arguments = runbook_beside(path, &contents).map_or_else(
                || format!("RUNBOOK --state {}", quote_argument(&file)),
                |runbook| quote_argument(&runbook),
            );
            describe(path, &arguments, &contents)
        }
        Err(error) => unreadable_run(&file, &error.to_string(), Some(&error.help())),
    }
}

/// The runbook beside a state file of a run that has not finished, if it is the only one there whose
/// state file this is. One that needs values is not known.
fn runbook_beside(state_file: &Path, contents: &StateFileContents) -> Option<String> {
    if contents.state.finished.is_some() {
        return None;
    }
    let entries = std::fs::read_dir(parent_folder(state_file)).ok()?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.file_name()));
    let paths = paths.map(|name| state_file.with_file_name(name));
    let is_yaml = |path: &PathBuf| {
        let extension = path.extension().and_then(OsStr::to_str);
        extension.is_some_and(|extension| matches!(extension, "yaml" | "yml"))
    };
    let owns_file = |path: &PathBuf| {
        let runbook = read_runbook(path, None);
        runbook.is_ok_and(|runbook| state_file_beside(path, &runbook) == state_file)
    };
    let mut found = paths.filter(is_yaml).filter(owns_file);
    let first = found.next()?;
    found.next().is_none().then(|| first.display().to_string())
}

/// The row of a run. Takes the arguments that name its runbook and its state file.
fn describe(path: &Path, arguments: &str, contents: &StateFileContents) -> FleetRun {
    let reports = operation_reports::read_reports(path, &contents.occupancy);
    let now = Clock::new(1.0).time_of_day();
    let estimates = Expectations::of(path).estimates(contents, now, reports.stages);
    let names = names_that_ran(&contents.state);
    fleet_run(
        &path.display().to_string(),
        arguments,
        contents,
        &names,
        &estimates,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::testing::{began, fleet_json, runbook_text};
    use crate::journal::Closed;

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
        let found = fleet_json(files.iter().map(|file| read_run(file)).collect());
        let states: Vec<_> = found["runs"].as_array().unwrap().iter().collect();
        assert_eq!(states[0]["condition"], "unreadable");
        assert!(states[0]["reason"].is_string() && states[0]["to-do"].is_string());
        assert_eq!(states[1]["state"], "stopped");
        let waits = serde_json::json!({"whom": "operator", "what": "Dataverse is busy"});
        assert_eq!(states[1]["waits-for"], waits);
        let again = states[1]["to-do"].as_str().unwrap();
        assert!(again.starts_with("iomcopy run RUNBOOK --state "), "{again}");
        // Beside its runbook, it needs no `--state`.
        let runbook = inner.join("my-uat.yaml");
        let text = runbook_text("public", "").replace("name: test\n", "name: uat\n");
        std::fs::write(&runbook, text).unwrap();
        let beside = fleet_json(vec![read_run(&good)]);
        let again = format!("iomcopy run {}", runbook.display());
        assert_eq!(beside["runs"][0]["to-do"], again);
        assert_eq!(states[2]["state"], "running");
        assert_eq!(std::fs::read(&good).unwrap(), before);
        drop(held);
        let absent = fleet_json(vec![read_run(&folder.path().join("none"))]);
        assert_eq!(absent["runs"][0]["condition"], "unreadable");
        assert!(absent["runs"][0]["to-do"].is_string(), "{absent}");
    }
}
