//! One run for one target on this machine: a lock, and a record of a run that has not restored what
//! the target had.
//!
//! Both are small files in the user's state directory, named by the target's environment id:
//!
//! - `ID.lock` is locked as long as a process runs a runbook for the target. Its content names the
//!   run for a second process. It is never deleted, because a lock on a deleted file locks nothing.
//! - `ID.run.json` names the last run, from its first record until it has restored everything.
//!   Without it, a second state file for the same target would capture what that run left
//!   unfinished.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use url::Host;

use super::archive::unrestored_reason;
use crate::base::clock::Clock;
use crate::base::files::{self, Access, Existing};
use crate::base::platform::{self, LockFile, STATE_DIRECTORY_VARIABLES};
use crate::base::text::sha256;
use crate::cli::process_environment::environment_variable;
use crate::engine::Failure;
use crate::journal::{self, JournalError, State};
use crate::report::Printer;
use crate::runbook::{Cloud, Runbook, ServiceKey};

/// A run for a target, as written to these files.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
struct NamedRun {
    /// The run's id; `None` before its first record.
    run: Option<String>,
    runbook: PathBuf,
    state: PathBuf,
    pid: u32,
    host: String,
    since: String,
}

impl std::fmt::Display for NamedRun {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.run {
            Some(run) => write!(formatter, "run {run}")?,
            None => formatter.write_str("a run that has not begun")?,
        }
        write!(
            formatter,
            ", runbook {}, state file {}, process {} on {} since {}",
            self.runbook.display(),
            self.state.display(),
            self.pid,
            self.host,
            self.since
        )
    }
}

/// The right to run a runbook for a target on this machine, until it is dropped.
pub(super) struct TargetLock {
    /// `None` if the user has no state directory.
    files: Option<LockFiles>,
    this: NamedRun,
    target: String,
    is_rehearsal: bool,
}

struct LockFiles {
    lock: LockFile,
    record: PathBuf,
}

impl TargetLock {
    /// Locks a runbook's target; fails and names the other run if another process holds the lock.
    /// Takes the path of the state file. Without a state directory that can be written, there is a
    /// warning and no lock.
    pub(super) fn acquire(
        printer: &Printer,
        runbook: &Runbook,
        state: &Path,
    ) -> Result<Self, Failure> {
        let this = NamedRun {
            run: None,
            runbook: absolute(runbook.file()),
            state: absolute(state),
            pid: std::process::id(),
            host: platform::host_name(),
            since: format!("{:.0}", Clock::new(1.0).time_of_day()),
        };
        let mut lock = Self {
            files: None,
            this,
            target: runbook.target.name.value.clone(),
            is_rehearsal: runbook.cloud.value == Cloud::Rehearsal,
        };
        let warn = |why: &str| {
            printer.error(&format!(
                "warning: another run for '{}' on this machine is not detected: {why}",
                lock.target
            ));
        };
        let Some(folder) = state_folder(environment_variable) else {
            warn(&format!(
                "set {STATE_DIRECTORY_VARIABLES} to a directory that you can write to"
            ));
            return Ok(lock);
        };
        let stem = file_stem(runbook);
        let path = folder.join(format!("{stem}.lock"));
        let taken =
            platform::create_private_directory(&folder).and_then(|()| LockFile::take(&path));
        let file = match taken {
            Ok(Some(file)) => file,
            Ok(None) => return Err(lock.held_by(read_named_run(&path))),
            Err(error) => {
                warn(&format!("{} cannot be locked: {error}", path.display()));
                return Ok(lock);
            }
        };
        lock.files = Some(LockFiles {
            lock: file,
            record: folder.join(format!("{stem}.run.json")),
        });
        lock.write_holder();
        Ok(lock)
    }

    fn held_by(&self, holder: Option<NamedRun>) -> Failure {
        let holder = holder.map_or_else(|| "another process".to_owned(), |it| it.to_string());
        Failure::refused(format!(
            "another run for '{}' is active: {holder}",
            self.target
        ))
        .with_help(
            "wait until it ends, or stop it; two runs for one target undo each other's changes",
        )
    }

    /// Refuses a run while another run has not restored what the target had. Takes the state of the
    /// run that this process resumes or replaces, which has its own guards.
    pub(super) fn require_restored(&self, ours: Option<&State>) -> Result<(), Failure> {
        let record = self
            .files
            .as_ref()
            .and_then(|files| read_named_run(&files.record));
        let Some(other) = record else { return Ok(()) };
        if ours.is_some_and(|ours| other.run == Some(ours.run.to_string())) {
            return Ok(());
        }
        let reason = match journal::read_state_file(&other.state) {
            Ok(reading) if Some(reading.state.run.to_string()) == other.run => {
                unrestored_reason(&reading.state)
            }
            // A rehearsal is started over by deleting its files; its tenant shows what is
            // unfinished.
            _ if self.is_rehearsal => None,
            Err(error) if !matches!(error, JournalError::NotFound { .. }) => {
                Some(format!("its state file cannot be read: {error}"))
            }
            _ => Some("its state file is missing".to_owned()),
        };
        let Some(reason) = reason else { return Ok(()) };
        Err(Failure::refused(format!(
            "another run has not restored what '{}' had before: {reason} ({other})",
            self.target
        ))
        .with_help(
            "resume that run with its runbook and --state; if its state file is lost, use --from-capture \
             with the sealed copy of its seal 'before-copy', or give up the target's own settings with \
             --abandon-captures",
        ))
    }

    /// Records the run that this process has begun or resumed, for other processes and later ones.
    pub(super) fn record_run(&mut self, printer: &Printer, state: &State) {
        self.this.run = Some(state.run.to_string());
        self.write_holder();
        let Some(files) = &self.files else { return };
        if let Err(error) = write_named_run(&files.record, &self.this) {
            printer.error(&format!(
                "warning: {} cannot be written: {error}",
                files.record.display()
            ));
        }
    }

    /// Deletes the record of a run that has restored everything, or has not changed the target.
    pub(super) fn forget_run_if_restored(&self, state: &State) {
        let Some(files) = &self.files else { return };
        if unrestored_reason(state).is_none() {
            // A record that remains is checked against the state file that it names.
            drop(fs::remove_file(&files.record));
        }
    }

    /// Writes the holder into the lock file. That only informs: the lock is held even if this
    /// fails.
    fn write_holder(&self) {
        let Some(files) = &self.files else { return };
        let written = || -> io::Result<()> {
            let text = serde_json::to_string(&self.this)?;
            let mut file = files.lock.file();
            file.set_len(0)?;
            io::Seek::rewind(&mut file)?;
            file.write_all(text.as_bytes())
        };
        drop(written());
    }
}

impl Drop for TargetLock {
    fn drop(&mut self) {
        if let Some(files) = &self.files {
            drop(files.lock.file().set_len(0));
        }
    }
}

/// The program's folder in the user's state directory. `variable` reads the process environment.
fn state_folder(variable: impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let directory = platform::state_directory(variable)?;
    Some(directory.join("iomcopy").join("targets"))
}

/// The name of a target's files: its environment id, which is unique at Microsoft. Rehearsal
/// tenants share their ids, so a digest of the tenant's address or world file follows it.
fn file_stem(runbook: &Runbook) -> String {
    let id = runbook.target.environment.value;
    let services = &runbook.endpoints.services;
    let authority = services.get(&ServiceKey::Authority).map(|it| &it.url.value);
    let is_loopback = services.values().any(|it| match it.url.value.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    });
    let tenant = match authority {
        Some(authority) if is_loopback => authority.origin().ascii_serialization(),
        None if runbook.cloud.value == Cloud::Rehearsal => {
            let world = format!("{}.world.jsonl", runbook.name.value);
            absolute(&runbook.file().with_file_name(world))
                .display()
                .to_string()
        }
        _ => return id.to_string(),
    };
    format!("{id}-{}", &sha256(tenant.as_bytes())[..16])
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn read_named_run(path: &Path) -> Option<NamedRun> {
    serde_json::from_str(&fs::read_to_string(path).ok()?).ok()
}

/// Writes the record whole or not at all, durably, readable by its owner only.
fn write_named_run(path: &Path, run: &NamedRun) -> io::Result<()> {
    let bytes = serde_json::to_vec(run)?;
    files::write_atomically(path, &bytes, Access::ReadWrite, Existing::Replace)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::testing::runbook;

    #[test]
    fn the_state_folder_is_below_the_users_state_directory() {
        let directory = std::env::temp_dir();
        let found = state_folder(|_| Some(directory.display().to_string()));
        assert_eq!(found, Some(directory.join("iomcopy").join("targets")));
        assert_eq!(state_folder(|_| None), None);
    }

    #[test]
    fn a_target_has_one_file_stem_and_each_rehearsal_tenant_its_own() {
        let id = "22222222-2222-2222-2222-222222222222";
        assert_eq!(file_stem(&runbook("public", "")), id);
        // An endpoint of the real service in the runbook does not change the target.
        let written = "endpoints:\n  bap: { url: https://bap.example }\n";
        assert_eq!(file_stem(&runbook("public", written)), id);
        let at = |port: u16| {
            let line = format!("endpoints:\n  authority: {{ url: \"http://127.0.0.1:{port}\" }}\n");
            file_stem(&runbook("public", &line))
        };
        assert_ne!(at(4001), at(4002));
        assert_eq!(at(4001), at(4001));
        let own = file_stem(&runbook("rehearsal", ""));
        assert!(own.starts_with(id) && own != id, "{own}");
    }
}
