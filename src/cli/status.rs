//! `iomcopy status`: how far a run is, from its state file alone.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::common_arguments::{Output, RunFiles};
use super::connect;
use super::exit_code::{DONE, FAILED, TEMPORARY, WAITING};
use super::expectations::Expectations;
use super::run::{operation_reports, suggested_commands};
use super::session::Session;
use super::step_names::step_names;
use super::warnings::is_answered;
use crate::base::clock::Clock;
use crate::engine::Failure;
use crate::journal::{self, LockHolder, Occupancy, State, StateFileContents};
use crate::report::{
    Estimates, Palette, Screen, StatusChanges, SuggestedCommands, document, not_begun_document,
    recorded_findings, status_document, status_table,
};
use crate::runbook::Runbook;

/// How often `--follow` looks at the state file.
const INTERVAL: Duration = Duration::from_secs(1);
const REMOTE_INTERVAL: Duration = Duration::from_secs(10);

/// The arguments of `status`.
#[derive(Debug, Args)]
pub(super) struct StatusArguments {
    #[command(flatten)]
    pub(super) files: RunFiles,
    /// Update the display until the run's process ends; without a terminal, a line for each change
    #[arg(long)]
    pub(super) follow: bool,
    /// Exit with the outcome of the run: 0 if it has finished, 10 if it waits for a person, else
    /// the exit code of its last process; 75 while it runs, before it begins, and if its
    /// process was killed or stopped before the end. Without this flag, 0
    #[arg(long)]
    exit_code: bool,
}

impl StatusArguments {
    /// The command that was run, as messages suggest commands.
    fn as_command(&self) -> String {
        let follow = if self.follow { " --follow" } else { "" };
        format!("iomcopy status {}{follow}", self.files.as_arguments())
    }
}

/// Reads the state file without repairing it, and shows it.
pub(super) async fn status(session: &Session, arguments: &StatusArguments) -> Result<u8, Failure> {
    let (runbook, path) = arguments.files.read()?;
    let view = StatusView {
        session,
        files: &arguments.files,
        expectations: Expectations::of(&path),
        runbook,
        path,
        ran: arguments.as_command(),
    };
    let contents = if arguments.follow {
        view.follow().await?
    } else {
        let reading = view.read()?;
        view.show(reading.as_ref());
        reading.map(|(contents, _)| contents)
    };
    Ok(if arguments.exit_code {
        contents.map_or(TEMPORARY, |contents| outcome(&contents))
    } else {
        DONE
    })
}

/// The exit code of a run: [`WAITING`] while a person must act, also while a process runs and after
/// it was stopped, but not if something has failed beside that; else that of its last process, and [`TEMPORARY`] where no process has ended and
/// the run has not finished.
fn outcome(contents: &StateFileContents) -> u8 {
    let state = &contents.state;
    let has_failed = contents.occupancy == Occupancy::Free && !state.failures.is_empty();
    if state.finished.is_none() && state.waiting().next().is_some() && !has_failed {
        return WAITING;
    }
    if contents.occupancy != Occupancy::Free {
        return TEMPORARY;
    }
    let closed = state.closed.as_ref().map_or(DONE, |closed| closed.exit);
    if closed != DONE || state.finished.is_some() {
        return closed;
    }
    if state.failures.is_empty() {
        TEMPORARY
    } else {
        FAILED
    }
}

/// Who has a run whose copy is leased while no process on this machine holds its file: the process
/// that opened it last.
pub(super) fn remote_holder(state: &State) -> Occupancy {
    let opened = state.opened.as_ref();
    opened.map_or(Occupancy::HeldByUnknown, |opened| {
        Occupancy::Held(LockHolder {
            pid: opened.pid,
            host: opened.host.clone(),
            since: opened.time,
            path: String::new(),
        })
    })
}

/// A state file, and what its run is expected to do.
type Reading = (StateFileContents, Estimates);

struct StatusView<'a> {
    session: &'a Session,
    files: &'a RunFiles,
    expectations: Expectations,
    runbook: Runbook,
    path: PathBuf,
    /// This command.
    ran: String,
}

impl StatusView<'_> {
    /// Reads the state file; `None` if the run has not begun.
    fn read(&self) -> Result<Option<Reading>, Failure> {
        let given = self.files.container();
        connect::refresh_state(&self.runbook, given, &self.path)?;
        if !journal::exists(&self.path) {
            return Ok(None);
        }
        let mut contents = journal::read_state_file(&self.path)?;
        if contents.occupancy == Occupancy::Free
            && contents.state.is_open()
            && connect::state_is_leased(&self.runbook, given, &self.path)?
        {
            contents.occupancy = remote_holder(&contents.state);
        }
        let reports = operation_reports::read_reports(&self.path, &contents.occupancy);
        let now = Clock::new(1.0).time_of_day();
        let estimates = Estimates {
            findings: recorded_findings(&contents, is_answered(&contents.state)),
            is_stopping: reports.is_stopping,
            ..self.expectations.estimates(&contents, now, reports.stages)
        };
        Ok(Some((contents, estimates)))
    }

    /// Prints the table or the document.
    fn show(&self, reading: Option<&Reading>) {
        let printer = &self.session.printer;
        match self.session.output {
            Output::Human => printer.text(&self.table(reading, self.session.data_palette())),
            Output::Json => printer.data(&self.document(reading)),
        }
    }

    fn table(&self, reading: Option<&Reading>, palette: Palette) -> String {
        let Some((contents, estimates)) = reading else {
            let path = self.path.display();
            return format!(
                "not begun: {path} does not exist\nnext: {}",
                self.first_command()
            );
        };
        let commands = SuggestedCommands {
            ran: self.ran.clone(),
            ..suggested_commands(self.files, contents)
        };
        let names = step_names(&self.runbook, Some(&contents.state));
        let table = status_table(contents, &names, &commands, estimates, palette, None);
        table.trim_end().to_owned()
    }

    fn document(&self, reading: Option<&Reading>) -> String {
        let Some((contents, estimates)) = reading else {
            let names = step_names(&self.runbook, None);
            return document(&not_begun_document(&names, &self.first_command()));
        };
        let next = suggested_commands(self.files, contents).next;
        let names = step_names(&self.runbook, Some(&contents.state));
        document(&status_document(contents, &names, &next, estimates))
    }

    /// The command that begins the run.
    fn first_command(&self) -> String {
        format!("iomcopy run {}", self.files.as_arguments())
    }

    /// Shows the run until no process holds its state file: in place at a terminal, a document or
    /// lines for each change elsewhere. Returns the last reading.
    async fn follow(&self) -> Result<Option<StateFileContents>, Failure> {
        let mut screen = self.session.draws_in_place().then(Screen::default);
        let mut changes = StatusChanges::default();
        loop {
            let reading = self.read()?;
            let running = reading
                .as_ref()
                .filter(|(contents, _)| contents.occupancy != Occupancy::Free);
            if let Some(screen) = &mut screen {
                let table = self.table(reading.as_ref(), self.session.data_palette());
                self.session.printer.draw(screen, &table);
            } else if let Some((contents, estimates)) = running {
                self.print_changes(&mut changes, contents, estimates);
            }
            if running.is_none() {
                if screen.is_none() {
                    self.show(reading.as_ref());
                }
                return Ok(reading.map(|(contents, _)| contents));
            }
            tokio::time::sleep(self.interval()).await;
        }
    }

    /// How often to look: less often at a remote state.
    fn interval(&self) -> Duration {
        if self.runbook.state.is_some() || self.files.container().is_some() {
            REMOTE_INTERVAL
        } else {
            INTERVAL
        }
    }

    /// Prints what has changed since the last look.
    fn print_changes(
        &self,
        changes: &mut StatusChanges,
        contents: &StateFileContents,
        estimates: &Estimates,
    ) {
        let names = step_names(&self.runbook, Some(&contents.state));
        let lines = changes.since_last(contents, &names, estimates);
        let printer = &self.session.printer;
        match self.session.output {
            Output::Human => {
                for line in lines {
                    printer.text(&format!("{:.0}  {line}", estimates.now));
                }
            }
            Output::Json if lines.is_empty() => {}
            Output::Json => {
                let next = suggested_commands(self.files, contents).next;
                let document = document(&status_document(contents, &names, &next, estimates));
                printer.data(&document);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::cli::testing::began;
    use crate::journal::{Closed, Waiting};

    #[tokio::test]
    async fn the_outcome_is_that_of_the_last_process_and_0_only_if_the_run_has_finished() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("uat.jsonl");
        let open = journal::begin(&path, Clock::new(1.0), began()).unwrap();
        let mut contents = journal::read_state_file(&path).unwrap();
        assert_eq!(outcome(&contents), TEMPORARY, "it runs");
        contents.occupancy = Occupancy::Free;
        assert_eq!(outcome(&contents), TEMPORARY, "it was killed");
        let closed = Closed::new("refused", 5, Some("no".to_owned()));
        open.journal.append(closed).await.unwrap();
        drop(open);
        let mut contents = journal::read_state_file(&path).unwrap();
        contents.occupancy = Occupancy::Free;
        assert_eq!(outcome(&contents), 5);
    }

    #[tokio::test]
    async fn a_run_waits_for_a_person_while_its_process_runs_and_after_it_was_stopped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("uat.jsonl");
        let open = journal::begin(&path, Clock::new(1.0), began()).unwrap();
        let waiting = Waiting {
            task: "reconfigure-connections/sign-in".to_owned(),
            worksheet: serde_json::json!({}),
        };
        open.journal.append(waiting).await.unwrap();
        let contents = journal::read_state_file(&path).unwrap();
        assert_eq!(outcome(&contents), WAITING, "its process runs");
        let closed = Closed::new("interrupted", 130, Some("interrupted".to_owned()));
        open.journal.append(closed).await.unwrap();
        drop(open);
        let mut contents = journal::read_state_file(&path).unwrap();
        contents.occupancy = Occupancy::Free;
        assert_eq!(outcome(&contents), WAITING, "it was stopped");
    }

    #[test]
    fn a_status_that_follows_a_run_does_not_advise_to_follow_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("uat.jsonl");
        let _open = journal::begin(&path, Clock::new(1.0), began()).unwrap();
        let contents = journal::read_state_file(&path).unwrap();
        let now = contents.state.last_time;
        let estimates = Expectations::of(&path).estimates(&contents, now, BTreeMap::new());
        let table = |follow: bool| {
            let files = RunFiles {
                runbook: "uat.yaml".into(),
                values: None,
                state: None,
            };
            let commands = suggested_commands(&files, &contents);
            let status = StatusArguments {
                files,
                follow,
                exit_code: false,
            };
            let commands = SuggestedCommands {
                ran: status.as_command(),
                ..commands
            };
            status_table(
                &contents,
                &[],
                &commands,
                &estimates,
                Palette::plain(),
                None,
            )
        };
        let next = "next: iomcopy status uat.yaml --follow";
        assert!(table(false).contains(next), "{}", table(false));
        assert!(!table(true).contains("next:"), "{}", table(true));
    }

    #[tokio::test]
    async fn a_file_that_lost_its_end_is_shown_with_a_warning_and_checked_next() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("uat.jsonl");
        let open = journal::begin(&path, Clock::new(1.0), began()).unwrap();
        let older = std::fs::read(&path).unwrap();
        let closed = Closed::new("refused", 5, Some("no".to_owned()));
        open.journal.append(closed).await.unwrap();
        drop(open);
        let whole = journal::read_state_file(&path).unwrap();
        assert_eq!(whole.lost, None);
        // A part of the lost record is still there: a run does not cut it off, because it is refused.
        let newer = std::fs::read(&path).unwrap();
        std::fs::write(&path, &newer[..older.len() + 20]).unwrap();
        let contents = journal::read_state_file(&path).unwrap();
        assert_eq!(contents.torn, None);
        let damage = journal::check(&path).unwrap();
        assert_eq!(damage.len(), 1, "{damage:?}");
        assert!(!damage[0].help.contains("no action"), "{damage:?}");

        let files = RunFiles {
            runbook: "uat.yaml".into(),
            values: None,
            state: None,
        };
        let commands = suggested_commands(&files, &contents);
        let check = format!("iomcopy state check {}", path.display());
        assert_eq!(commands.next, check);
        let now = contents.state.last_time;
        let estimates = Expectations::of(&path).estimates(&contents, now, BTreeMap::new());
        let table = status_table(
            &contents,
            &[],
            &commands,
            &estimates,
            Palette::plain(),
            None,
        );
        let begins = "warning: the state file ";
        assert!(table.starts_with(begins), "{table}");
        let says = "the last record is missing. What is shown here may be out of date\n\nrun ";
        assert!(table.contains(says), "{table}");
        assert!(table.contains("\nstate  unknown ("), "{table}");
        assert!(table.ends_with(&format!("next: {check}\n")), "{table}");
        let json = document(&status_document(&contents, &[], &commands.next, &estimates));
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["next"], check);
        assert!(json["warning"].is_string(), "{json}");
    }

    #[tokio::test]
    async fn a_run_that_stopped_early_is_not_done() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("uat.jsonl");
        let open = journal::begin(&path, Clock::new(1.0), began()).unwrap();
        let closed = Closed::new("stopped", DONE, None);
        open.journal.append(closed).await.unwrap();
        drop(open);
        let mut contents = journal::read_state_file(&path).unwrap();
        contents.occupancy = Occupancy::Free;
        assert_eq!(outcome(&contents), TEMPORARY, "`--until` ends with 0");
    }
}
