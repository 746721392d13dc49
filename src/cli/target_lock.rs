//! One run for one target on this machine: a lock, and a record of the run that has not put back what
//! the target had.
//!
//! Both are small files in the user's state directory, named by the target's environment id:
//!
//! - `ID.lock` is locked for as long as a process runs a runbook for the target. What it says names the
//!   run to a second process. It is never deleted, because a lock on a deleted file locks nothing.
//! - `ID.run.json` names the last run, from its first record until it has put everything back: a
//!   second state file for the same target would else capture what that run left half done.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use url::Host;

use super::fresh::not_put_back;
use super::session::{Session, variable};
use crate::base::clock::Clock;
use crate::base::text::sha256;
use crate::engine::Failure;
use crate::journal::{self, JournalError, State};
use crate::runbook::{Cloud, Runbook, ServiceKey};

/// A run for a target, as its files name it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
struct NamedRun {
    /// The run's id; none before its first record.
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
    /// None where the user has no state directory.
    files: Option<Files>,
    this: NamedRun,
    target: String,
    is_rehearsal: bool,
}

struct Files {
    lock: File,
    record: PathBuf,
}

impl TargetLock {
    /// Takes the lock for a runbook's target; fails and names the other run where another process
    /// holds it. Takes the path of the state file. Without a state directory, or where it cannot be
    /// written, there is a warning and no lock.
    pub(super) fn take(
        session: &Session,
        runbook: &Runbook,
        state: &Path,
    ) -> Result<Self, Failure> {
        let this = NamedRun {
            run: None,
            runbook: absolute(runbook.file()),
            state: absolute(state),
            pid: std::process::id(),
            host: journal::this_host(),
            since: Clock::new(1.0).time_of_day().to_string(),
        };
        let mut lock = Self {
            files: None,
            this,
            target: runbook.target.name.value.clone(),
            is_rehearsal: runbook.cloud.value == Cloud::Rehearsal,
        };
        let warn = |why: &str| {
            session.printer.complain(&format!(
                "warning: another run for '{}' on this machine would not be noticed: {why}",
                lock.target
            ));
        };
        let Some(folder) = state_folder(variable) else {
            warn("set XDG_STATE_HOME or HOME to a directory of yours");
            return Ok(lock);
        };
        let key = key(runbook);
        let opened = open(&folder, &key);
        let file = match opened {
            Ok(file) => file,
            Err(error) => {
                warn(&format!("{} cannot be written: {error}", folder.display()));
                return Ok(lock);
            }
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(lock.is_taken(read(&folder.join(format!("{key}.lock")))));
            }
            Err(TryLockError::Error(error)) => {
                warn(&format!("{} cannot be locked: {error}", folder.display()));
                return Ok(lock);
            }
        }
        lock.files = Some(Files {
            lock: file,
            record: folder.join(format!("{key}.run.json")),
        });
        lock.name_holder();
        Ok(lock)
    }

    fn is_taken(&self, holder: Option<NamedRun>) -> Failure {
        let holder = holder.map_or_else(|| "another process".to_owned(), |it| it.to_string());
        Failure::refused(format!(
            "another run works on '{}' now: {holder}",
            self.target
        ))
        .with_help(
            "wait until it ends, or stop it: two runs for one target destroy each other's work",
        )
    }

    /// Refuses where another run has not put back what the target had. Takes the run that this
    /// process resumes or replaces, which its own guards judge.
    pub(super) fn require_put_back(&self, ours: Option<&State>) -> Result<(), Failure> {
        let record = self.files.as_ref().and_then(|files| read(&files.record));
        let Some(other) = record else { return Ok(()) };
        if ours.is_some_and(|ours| other.run == Some(ours.run.to_string())) {
            return Ok(());
        }
        let why = match journal::read(&other.state) {
            Ok(reading) if Some(reading.state.run.to_string()) == other.run => {
                not_put_back(&reading.state)
            }
            // A rehearsal's files are deleted to start over; its tenant shows what is unfinished.
            _ if self.is_rehearsal => None,
            Err(error) if !matches!(error, JournalError::NotFound { .. }) => {
                Some(format!("its state file cannot be read: {error}"))
            }
            _ => Some("its state file is not there any more".to_owned()),
        };
        let Some(why) = why else { return Ok(()) };
        Err(Failure::refused(format!(
            "another run has not put back what '{}' had before: {why} ({other})",
            self.target
        ))
        .with_help(
            "resume that run with its runbook and --state; or run with --from-capture and the copy of \
             its seal 'before-copy'; or accept with --abandon-captures that the target's own settings \
             are lost",
        ))
    }

    /// Names the run that this process has begun or resumed, for others and for later.
    pub(super) fn began(&mut self, session: &Session, state: &State) {
        self.this.run = Some(state.run.to_string());
        self.name_holder();
        let Some(files) = &self.files else { return };
        if let Err(error) = write_whole(&files.record, &self.this) {
            session.printer.complain(&format!(
                "warning: {} cannot be written: {error}",
                files.record.display()
            ));
        }
    }

    /// Forgets the run once it has put everything back, or has not begun to replace anything.
    pub(super) fn ended(&self, state: &State) {
        let Some(files) = &self.files else { return };
        if not_put_back(state).is_none() {
            // What stays behind is judged by the state file that it names.
            drop(fs::remove_file(&files.record));
        }
    }

    /// Writes who holds the lock. It only informs: where it fails, the lock holds all the same.
    fn name_holder(&self) {
        let Some(files) = &self.files else { return };
        let written = || -> io::Result<()> {
            let text = serde_json::to_string(&self.this)?;
            files.lock.set_len(0)?;
            io::Seek::rewind(&mut &files.lock)?;
            (&files.lock).write_all(text.as_bytes())
        };
        drop(written());
    }
}

impl Drop for TargetLock {
    fn drop(&mut self) {
        if let Some(files) = &self.files {
            drop(files.lock.set_len(0));
        }
    }
}

/// The program's folder in the user's state directory (XDG Base Directory Specification: relative
/// paths are ignored; on Windows the local application data). Takes what reads the environment.
fn state_folder(variable: impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let set = |name: &str| {
        variable(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let base = if cfg!(windows) {
        set("LOCALAPPDATA")
    } else {
        set("XDG_STATE_HOME").or_else(|| Some(set("HOME")?.join(".local/state")))
    };
    Some(base?.join("iomcopy").join("targets"))
}

/// The name of a target's files: its environment id, which no two environments of Microsoft's share.
/// Rehearsal tenants share theirs, so a digest of the tenant's address or world file follows it.
fn key(runbook: &Runbook) -> String {
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

fn open(folder: &Path, key: &str) -> io::Result<File> {
    let mut builder = fs::DirBuilder::new();
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
        builder.mode(0o700);
        options.mode(0o600);
    }
    builder.recursive(true).create(folder)?;
    options
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(folder.join(format!("{key}.lock")))
}

fn read(path: &Path) -> Option<NamedRun> {
    serde_json::from_str(&fs::read_to_string(path).ok()?).ok()
}

/// Writes the record whole or not at all, durably, readable by its owner only.
fn write_whole(path: &Path, run: &NamedRun) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    serde_json::to_writer(&mut file, run)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runbook;

    fn runbook(cloud: &str, lines: &str) -> Runbook {
        let text = format!(
            "runbook: 1\nname: test\ncloud: {cloud}\n\
             identity:\n  tenant: contoso.onmicrosoft.com\n  default: {{ azure-cli: {{}} }}\n\
             source: {{ environment: 11111111-1111-1111-1111-111111111111 }}\n\
             target: {{ environment: 22222222-2222-2222-2222-222222222222, name: UAT }}\n{lines}\
             steps:\n  - copy-environments: {{}}\n  - exit-administration-mode: {{}}\n  \
             - reconfigure-connections: {{ skip: test }}\n  - activate-flows: {{}}\n  \
             - detach-provider-actions: {{}}\n  - reinstall-providers: {{}}\n  \
             - restore-provider-actions: {{}}\n  - reconfigure-dual-write: {{}}\n"
        );
        runbook::parse("test.yaml", &text).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn the_state_directory_is_the_users() {
        let of = |set: &[(&str, &str)]| {
            let set: Vec<(String, String)> = set
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect();
            state_folder(move |name| {
                let found = set.iter().find(|(set, _)| set == name);
                found.map(|(_, value)| value.clone())
            })
        };
        let home = ("HOME", "/home/a");
        let default = PathBuf::from("/home/a/.local/state/iomcopy/targets");
        assert_eq!(of(&[home]), Some(default.clone()));
        assert_eq!(of(&[home, ("XDG_STATE_HOME", "relative")]), Some(default));
        let set = PathBuf::from("/state/iomcopy/targets");
        assert_eq!(of(&[home, ("XDG_STATE_HOME", "/state")]), Some(set));
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn a_target_has_one_name_and_rehearsal_tenants_have_their_own() {
        let id = "22222222-2222-2222-2222-222222222222";
        assert_eq!(key(&runbook("public", "")), id);
        // An address of the real service written down is the same target.
        let written = "endpoints:\n  bap: { url: https://bap.example }\n";
        assert_eq!(key(&runbook("public", written)), id);
        let at = |port: u16| {
            let line = format!("endpoints:\n  authority: {{ url: \"http://127.0.0.1:{port}\" }}\n");
            key(&runbook("public", &line))
        };
        assert_ne!(at(4001), at(4002));
        assert_eq!(at(4001), at(4001));
        let own = key(&runbook("rehearsal", ""));
        assert!(own.starts_with(id) && own != id, "{own}");
    }
}
