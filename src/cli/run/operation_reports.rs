//! What the services report about the operations that a run waits for, and whether the run stops: in
//! a small file next to the state file while the run's process works, for `iomcopy status` in
//! another process. It proves nothing, and nothing depends on it, so it is not in the state file.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use crate::base::cancellation::Cancellation;
use crate::base::files;
use crate::base::redaction::redact;
use crate::base::sync::lock;
use crate::engine::{Event, EventKind, Listener};
use crate::journal::Occupancy;

/// The content of the file.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
struct Content {
    /// The process that wrote it.
    pid: u32,
    /// The last report about each operation, by the operation's name.
    stages: BTreeMap<String, String>,
    /// Was the process asked to stop?
    #[serde(default)]
    is_stopping: bool,
}

/// What the process that works on a run says about it.
#[derive(Clone, Debug, Default)]
pub(in crate::cli) struct Reports {
    /// The last report about each operation, by the operation's name.
    pub(in crate::cli) stages: BTreeMap<String, String>,
    /// Was the process asked to stop?
    pub(in crate::cli) is_stopping: bool,
}

/// Writes what the services report. Removes the file at the end.
pub(super) struct OperationReports {
    path: PathBuf,
    content: Mutex<Content>,
    /// The changes that are being made, by name.
    open: Mutex<BTreeSet<String>>,
    /// Has the run begun? Before that, no file is written.
    has_begun: AtomicBool,
}

impl OperationReports {
    /// For the run with this state file.
    pub(super) fn for_state_file(state_file: &Path) -> Self {
        let content = Content {
            pid: std::process::id(),
            ..Content::default()
        };
        Self {
            path: path_of(state_file),
            content: Mutex::new(content),
            open: Mutex::default(),
            has_begun: AtomicBool::new(false),
        }
    }

    /// Writes it down when a stop is requested.
    pub(super) fn note_stop_request(self: &Arc<Self>, cancellation: Cancellation) {
        let reports = Arc::downgrade(self);
        tokio::spawn(async move {
            cancellation.wait_for_stop_request().await;
            if let Some(reports) = reports.upgrade() {
                reports.note_stopping();
            }
        });
    }

    fn note_stopping(&self) {
        if self.has_begun.load(Ordering::SeqCst) {
            let mut content = lock(&self.content);
            content.is_stopping = true;
            drop(write_reports(&self.path, &content));
        }
    }

    /// Removes the file, unless it is another process's.
    fn remove(&self) {
        if read_content(&self.path).is_some_and(|found| found.pid == std::process::id()) {
            drop(std::fs::remove_file(&self.path));
        }
    }

    /// Records what the service reports about an operation; `None` once that is over.
    fn record_report(&self, name: &str, stage: Option<&str>) {
        let mut content = lock(&self.content);
        let name = redact(name).into_owned();
        let stage = stage.map(|stage| redact(stage).into_owned());
        let earlier = match stage.clone() {
            Some(stage) => content.stages.insert(name, stage),
            None => content.stages.remove(&name),
        };
        if stage != earlier {
            // Without the file, `status` shows less.
            drop(write_reports(&self.path, &content));
        }
    }
}

/// The beginning of the note about a change whose write the service has not answered.
const UNANSWERED: &str = "nothing yet: ";

impl OperationReports {
    /// Notes that a write has no answer. The change that sent it is known only if no other change is
    /// being made.
    fn note_slow_write(&self, text: &str) {
        let open = lock(&self.open).clone();
        if let [name] = Vec::from_iter(open).as_slice() {
            self.record_report(name, Some(&format!("{UNANSWERED}{text}")));
        }
    }

    /// Removes that note.
    fn forget_slow_write(&self) {
        let is_one = |(_, stage): &(&String, &String)| stage.starts_with(UNANSWERED);
        let names: Vec<String> = {
            let content = lock(&self.content);
            let noted = content.stages.iter().filter(is_one);
            noted.map(|(name, _)| name.clone()).collect()
        };
        for name in names {
            self.record_report(&name, None);
        }
    }
}

impl Listener for OperationReports {
    fn on_event(&self, event: &Event) {
        match &event.kind {
            EventKind::Progress { name, note, .. } => self.record_report(name, Some(note)),
            EventKind::ChangeBegan { name, .. } => {
                lock(&self.open).insert(name.clone());
            }
            EventKind::SlowWrite {
                service,
                address,
                request,
                ..
            } => self.note_slow_write(&format!(
                "{service} at {address} has not answered {request}"
            )),
            EventKind::SlowWriteEnded { .. } => self.forget_slow_write(),
            EventKind::ChangeDone { name, .. }
            | EventKind::ChangeFailed { name, .. }
            | EventKind::ChangeOpen { name, .. } => {
                lock(&self.open).remove(name);
                self.record_report(name, None);
            }
            EventKind::RunBegan { .. } => self.has_begun.store(true, Ordering::SeqCst),
            EventKind::RunEnded { .. } => {
                self.has_begun.store(false, Ordering::SeqCst);
                self.remove();
            }
            _ => {}
        }
    }
}

impl Drop for OperationReports {
    fn drop(&mut self) {
        self.remove();
    }
}

fn write_reports(path: &Path, content: &Content) -> std::io::Result<()> {
    let mut file = NamedTempFile::with_prefix_in(".iomcopy-", files::parent_folder(path))?;
    file.write_all(&serde_json::to_vec(content)?)?;
    file.persist(path)?;
    Ok(())
}

fn path_of(state_file: &Path) -> PathBuf {
    files::append_suffix(state_file, ".stages")
}

fn read_content(path: &Path) -> Option<Content> {
    let text = files::read_to_string(path).ok()?;
    serde_json::from_str(&text).ok()
}

/// What the process that holds this state file says. Empty if no process holds it: a killed process
/// leaves the file behind.
pub(in crate::cli) fn read_reports(state_file: &Path, occupancy: &Occupancy) -> Reports {
    let Occupancy::Held(holder) = occupancy else {
        return Reports::default();
    };
    let content = read_content(&path_of(state_file)).filter(|found| found.pid == holder.pid);
    let content = content.unwrap_or_default();
    Reports {
        stages: content.stages,
        is_stopping: content.is_stopping,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Clock;
    use crate::cli::testing::began;
    use crate::journal;

    fn progress(note: &str) -> Event {
        Event::first(EventKind::Progress {
            step: "copy-environments".to_owned(),
            name: "copy".to_owned(),
            note: note.to_owned(),
            elapsed: 1.0,
        })
    }

    #[test]
    fn another_process_reads_what_the_service_reports_while_the_run_works() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("uat.jsonl");
        let open = journal::begin(&path, Clock::new(1.0), began()).unwrap();
        let held = journal::read_state_file(&path).unwrap().occupancy;
        let reports = OperationReports::for_state_file(&path);
        let stages = |held: &Occupancy| read_reports(&path, held).stages;
        assert!(stages(&held).is_empty());
        reports.on_event(&progress("Run"));
        reports.on_event(&progress("Finalize"));
        assert_eq!(stages(&held)["copy"], "Finalize");
        // A killed process cannot remove it.
        assert!(stages(&Occupancy::Free).is_empty());
        // While the service does not answer a write, that is what is known.
        reports.on_event(&Event::first(EventKind::ChangeBegan {
            step: "copy-environments".to_owned(),
            phase: "copy".to_owned(),
            key: "copy/1".to_owned(),
            name: "copy".to_owned(),
            kind: journal::ChangeKind::Launch,
        }));
        let (address, request) = ("host:443".to_owned(), "POST /copy".to_owned());
        reports.on_event(&Event::first(EventKind::SlowWrite {
            service: "Power Platform".to_owned(),
            address: address.clone(),
            request: request.clone(),
            elapsed: 60.0,
        }));
        let named = "nothing yet: Power Platform at host:443 has not answered POST /copy";
        assert_eq!(stages(&held)["copy"], named);
        reports.on_event(&Event::first(EventKind::SlowWriteEnded {
            address,
            request,
        }));
        assert!(!stages(&held).contains_key("copy"));
        // A stop is known once the run has begun.
        reports.note_stopping();
        assert!(!read_reports(&path, &held).is_stopping);
        reports.on_event(&Event::first(EventKind::RunBegan {
            run: "01a2".to_owned(),
            resumed: false,
            target: "Contoso UAT".to_owned(),
            steps: Vec::new(),
            arguments: String::new(),
        }));
        reports.note_stopping();
        assert!(read_reports(&path, &held).is_stopping);
        assert!(!read_reports(&path, &Occupancy::Free).is_stopping);
        drop(reports);
        assert!(!path_of(&path).exists());
        drop(open);
    }
}
