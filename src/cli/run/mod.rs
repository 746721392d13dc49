//! `iomcopy run`: run a runbook, or resume it. Running it again is resuming.
//!
//! [`run_in_order`] is the order of a run. Its parts:
//!
//! ```text
//! target_lock.rs        one run for one target on this machine
//! run_binding.rs        the tenant, the pair and the sections that a run is bound to
//! begin.rs              a new run, up to its open state file
//! resume.rs             a run that continues, up to its open state file
//! run_mode.rs           begin, resume, survey again or repair, and how each is prepared
//! preflight_gate.rs     the findings that stop a run before it begins
//! confirm_target.rs     the user names the target
//! confirm_repeat.rs     a failed copy or refresh, confirmed once more before it is sent again
//! confirm_overwrite.rs  a person's edit, confirmed to be overwritten
//! archive.rs            when a new run may take the place of another one
//! seal_backups.rs       captures taken from the read-only copies of seals
//! reopen.rs             a finished run, reopened for one provider
//! repair.rs             one step of a finished run, surveyed and repaired again
//! forecast.rs           how many changes each step has, and how long it should take
//! finished_run.rs       a finished run, surveyed again
//! run_end.rs            the state file closed, the end reported
//! notify/               messages to the runbook's webhooks
//! operation_reports.rs  what the services report, for `status` in another process
//! reports.rs            the reports that `--report` names
//! pipeline_summary.rs   the report where the pipeline shows it
//! pipeline_outputs.rs   what later steps of the pipeline read
//! ```

pub(super) mod archive;
mod begin;
mod confirm_overwrite;
mod confirm_repeat;
mod confirm_target;
mod finished_run;
mod forecast;
mod notify;
pub(super) mod operation_reports;
mod pipeline_outputs;
mod pipeline_summary;
mod preflight_gate;
pub(super) mod reopen;
pub(super) mod repair;
mod reports;
mod resume;
pub(super) mod run_binding;
mod run_end;
mod run_mode;
mod seal_backups;
mod target_lock;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use clap::Args;

pub(super) use self::confirm_repeat::suggested_commands;
pub(super) use self::confirm_target::read_line;
use self::confirm_target::require_target_name;
use self::notify::Notifier;
use self::operation_reports::OperationReports;
use self::pipeline_summary::write_summary;
use self::reports::{ReportFile, write_reports};
use self::run_mode::{Prepared, RunMode, StateLocation};
use self::target_lock::TargetLock;
use super::common_arguments::{Output, RunFiles};
use super::connect::{self, Connected};
use super::new_refresh::NewRefreshArguments;
use super::plan::PlanArguments;
use super::plan_file;
use super::session::Session;
use super::step_names::{STEP, require_step};
use crate::base::clock::Clock;
use crate::base::remote_state::RemoteState;
use crate::domain::{OwnSettings, seals};
use crate::engine::{Context, EventKind, EventSink, Executor, Failure, Listener};
use crate::journal::{
    self, JournalError, LockedStateFile, Noted, OpenStateFile, Record, ResumeOptions, SealBackup,
    State, StepOutcome,
};
use crate::report::{Annotated, Detail, Lines, Terminal};
use crate::runbook::{Keyword as _, Runbook, StepName};

/// The headings of the flags.
const CONFIRMATION: &str = "Confirmation";
const PART: &str = "A part of the refresh";
const STATE: &str = "A new refresh, and the state of an earlier one";

/// The arguments of `run`.
#[derive(Debug, Args)]
pub(super) struct RunArguments {
    #[command(flatten)]
    pub(super) files: RunFiles,
    /// Confirm the target by its display name instead of at the prompt
    #[arg(long, help_heading = CONFIRMATION, value_name = "NAME")]
    pub(super) confirm_target: Option<String>,
    /// Overwrite or remove what a person edited during this run. KEY is in the failure message; may
    /// be repeated
    #[arg(long, help_heading = CONFIRMATION, value_name = "KEY")]
    pub(super) confirm_overwrite: Vec<String>,
    /// Send a copy or refresh again after it failed, or after its operation was not found at the
    /// service. TOKEN is in the failure message; --confirm-target alone is not enough
    #[arg(long, help_heading = CONFIRMATION, value_name = "TOKEN")]
    pub(super) confirm_repeat: Option<String>,
    /// Run an approved plan; it is refused if anything has changed since. When a run resumes, every
    /// change that is left and cannot be undone must be in the plan
    #[arg(long, help_heading = CONFIRMATION, value_name = "FILE")]
    pub(super) plan: Option<PathBuf>,
    /// Stop after this step: one of the eight steps, or a step of your own
    #[arg(long, help_heading = PART, value_name = "STEP", value_parser = STEP)]
    pub(super) until: Option<String>,
    /// Repair one step of a finished run, and nothing else: change back what somebody changed since
    /// then, without a new copy
    #[arg(long, help_heading = PART, value_name = "STEP", value_parser = STEP,
        hide_possible_values = true,
        conflicts_with_all = ["until", "again", "fresh", "fresh_after", "abandon_captures",
            "from_capture"])]
    pub(super) only: Option<String>,
    /// Repeat steps 5 to 7 for one provider of a finished run
    #[arg(long, help_heading = PART, value_name = "STEP", requires = "provider",
        conflicts_with = "fresh_after", value_parser = [StepName::ReinstallProviders.keyword()])]
    pub(super) again: Option<String>,
    /// With --again: the provider's definition, such as `msdyn_bigcommerce`, or its display name
    #[arg(long, help_heading = PART, value_name = "DEFINITION", requires = "again")]
    pub(super) provider: Option<String>,
    #[command(flatten, next_help_heading = STATE)]
    pub(super) new_refresh: NewRefreshArguments,
    /// Begin a refresh although an earlier one has not restored the target's own settings: they are
    /// lost, unless --from-capture provides them
    #[arg(long, help_heading = STATE, conflicts_with = "fresh_after")]
    pub(super) abandon_captures: bool,
    /// Restore captures (what the target had before) that the state file lacks. FILE is a sealed copy;
    /// may be repeated
    #[arg(long, help_heading = STATE, value_name = "FILE", conflicts_with = "fresh_after")]
    pub(super) from_capture: Vec<PathBuf>,
    /// Resume a run that another machine left open: it did not close the state file, or still has the
    /// lease of the state in Azure Storage. First make sure that its process has stopped
    #[arg(long, help_heading = STATE)]
    pub(super) takeover: bool,
    #[arg(
        long,
        value_name = "FILE",
        help = "Write a report of the run when this process ends; its extension is the format: \
                .md, .html, .xml (JUnit) or .json; may be repeated"
    )]
    pub(super) report: Vec<ReportFile>,
    /// The same as `plan`
    #[arg(long)]
    pub(super) dry_run: bool,
}

impl RunArguments {
    /// The arguments of the plan that `--dry-run` shows.
    pub(super) fn as_plan(&self) -> PlanArguments {
        PlanArguments {
            files: self.files.clone(),
            detailed_exitcode: false,
            out: None,
            format: None,
            provider: self.provider.clone(),
            only: self.only.clone(),
            new_refresh: self.new_refresh.clone(),
            abandon_captures: self.abandon_captures,
            approved: self.plan.clone(),
        }
    }
}

/// Runs a runbook, or resumes it; then leaves the report where a pipeline shows it.
pub(super) async fn run(session: &Session, arguments: &RunArguments) -> Result<u8, Failure> {
    let read = arguments.files.read().and_then(|(runbook, path)| {
        if let Some(step) = &arguments.until {
            require_step(&runbook, step)?;
        }
        if let Some(step) = &arguments.only {
            repair::require_repairable(&runbook, step)?;
        }
        Ok((runbook, path))
    });
    let (runbook, path) = match read {
        Ok(read) => read,
        Err(failure) => {
            let result = Err(failure);
            pipeline_outputs::write_outputs(session, None, &[], &result);
            return result;
        }
    };
    pipeline_outputs::prepare(session, &runbook);
    let notifier = Notifier::new(session, &arguments.files, &runbook, &path);
    let run = run_in_order(session, arguments, runbook.clone(), &path, &notifier);
    let result = Box::pin(run).await;
    let result = result.map_err(|failure| arguments.files.named_in(failure));
    let about = (&runbook, path.as_path());
    let reports = write_reports(session, &arguments.report, &arguments.files, about);
    write_summary(session, &arguments.files, &runbook, &path);
    pipeline_outputs::write_outputs(session, Some(&path), &reports, &result);
    notifier
        .send_end(session, &arguments.files, &path, &result)
        .await;
    result
}

/// The order of a run: lock, connect, guards, preflight, confirm, open, execute, end.
///
/// Both locks come first: a second process learns who holds them before it sends any request. Until
/// the state file is opened, nothing is written: a command that is refused changes no file.
async fn run_in_order(
    session: &Session,
    arguments: &RunArguments,
    runbook: Runbook,
    path: &Path,
    notifier: &Arc<Notifier>,
) -> Result<u8, Failure> {
    // What the arguments alone show to be wrong is refused first.
    let name = arguments.confirm_target.as_deref();
    require_target_name(name, &runbook)?;
    if let Some(approved) = &arguments.plan {
        plan_file::require_readable(approved)?;
    }
    // Lock the state file and its remote state, then the target.
    let given = arguments.files.container();
    let remote_state = connect::open_state_copy(&runbook, given, path, arguments.takeover)?;
    let locked = lock_state_file(arguments, path, remote_state.as_ref())?;
    let earlier = locked.as_ref().map(LockedStateFile::state);
    confirm_overwrite::require_detected(&arguments.confirm_overwrite, earlier.as_deref())?;
    let now = Clock::new(1.0).time_of_day();
    let decision = arguments.new_refresh.decide(earlier.as_deref(), now);
    let kept = earlier.as_deref().filter(|_| !decision.is_new());
    let resumed = kept.filter(|state| state.finished.is_none());
    let replaced = earlier.as_deref().filter(|_| decision.is_new());
    require_allowed(arguments, resumed, replaced)?;
    let backups = seal_backups::read_backups(&arguments.from_capture, &runbook, resumed)?;
    let own_settings = own_settings(arguments, &backups);
    let mut target_lock = TargetLock::acquire(&session.printer, &runbook, path)?;
    let run_mode = RunMode::of(arguments, &decision, &runbook, locked)?;
    if own_settings == OwnSettings::InTarget && !matches!(run_mode, RunMode::SurveyAgain(_)) {
        target_lock.require_restored(earlier.as_deref())?;
    }

    // Connect to the services, and check both environments.
    let listeners = |clock| event_sink(session, clock, path, notifier);
    let own_settings = own_settings.or_else(|| known_settings(&runbook, kept));
    let connected = connect::connect_services(session, runbook, own_settings, listeners).await?;
    let result = Box::pin(async {
        // Guards, preflight and the confirmation; last, the state file is opened.
        let place = StateLocation {
            path,
            remote_state: remote_state.clone(),
        };
        let prepared = run_mode.prepare(session, arguments, &connected, place, backups);
        let prepared = match Box::pin(prepared).await? {
            Prepared::Run(prepared) => prepared,
            Prepared::Ended(exit) => {
                if let Some(reason) = decision.reason_to_keep() {
                    session.printer.info(&format!("note: {reason}"));
                }
                return Ok(exit);
            }
        };
        let state_file = &prepared.state_file;
        target_lock.record_run(&session.printer, &state_file.journal.state());
        let mut records = prepared.records;
        records.extend(warnings_so_far(session));
        let recorded = record_preparation(session, state_file, records, prepared.backups);
        if let Err(failure) = recorded.await {
            let ending = run_end::Ending {
                outcome: Err(&failure),
                finding: None,
            };
            let closed = run_end::close(session, state_file, ending, None).await;
            run_end::unclosed_finding(session, ending, closed);
            return Err(failure);
        }

        // Execute the steps, and end. What the plan has read of the source is no longer needed.
        connected.refresh.forecast.forget_large_lists();
        let exit = execute(session, arguments, &connected, state_file).await;
        target_lock.forget_run_if_restored(&state_file.journal.state());
        Ok(exit)
    })
    .await;
    connected.stop().await;
    result
}

/// Refuses a confirmation that the resumed run does not ask for, and a new refresh that would replace
/// a run which must not be replaced.
fn require_allowed(
    arguments: &RunArguments,
    resumed: Option<&State>,
    replaced: Option<&State>,
) -> Result<(), Failure> {
    if let (Some(token), Some(state)) = (&arguments.confirm_repeat, resumed) {
        confirm_repeat::require_known(token, &arguments.files, state)?;
    }
    replaced.map_or(Ok(()), |state| {
        archive::require_replaceable(state, arguments.abandon_captures)
    })
}

/// Where the arguments say that the run has the target's own settings from.
fn own_settings(arguments: &RunArguments, backups: &[SealBackup]) -> OwnSettings {
    if seal_backups::include_before_copy(backups) {
        OwnSettings::Captured
    } else if arguments.abandon_captures {
        OwnSettings::GivenUp
    } else {
        OwnSettings::InTarget
    }
}

/// Where a run that skips the copy has the target's own settings from, by its state file: it has
/// captured them before the runbook said so, or the user has accepted that they are lost.
pub(super) fn known_settings(runbook: &Runbook, state: Option<&State>) -> OwnSettings {
    let Some(state) = state.filter(|_| runbook.steps.copy_environments.is_skipped()) else {
        return OwnSettings::InTarget;
    };
    let copy = state.step(StepName::CopyEnvironments.keyword());
    if state.verified_seal(seals::BEFORE_COPY).is_some() {
        OwnSettings::Captured
    } else if copy.is_some_and(|step| step.outcome == Some(StepOutcome::Skipped)) {
        // The run was refused otherwise.
        OwnSettings::GivenUp
    } else {
        OwnSettings::InTarget
    }
}

/// Locks the state file, if there is one yet.
fn lock_state_file(
    arguments: &RunArguments,
    path: &Path,
    remote_state: Option<&Arc<dyn RemoteState>>,
) -> Result<Option<LockedStateFile>, Failure> {
    if remote_state.is_none() && !journal::exists(path) {
        return Ok(None);
    }
    let now = Clock::new(1.0).time_of_day();
    let options = ResumeOptions {
        takeover: arguments.takeover,
        backups: &arguments.from_capture,
        remote_state,
    };
    match journal::lock_state_file_with(path, now, options) {
        Ok(locked) => Ok(Some(locked)),
        // The remote state is empty too.
        Err(JournalError::NotFound { .. }) if remote_state.is_some() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// A run that passed every guard: its state file is open.
struct PreparedRun {
    state_file: OpenStateFile,
    /// The records to write first.
    records: Vec<Record>,
    /// The captures to seal first.
    backups: Vec<SealBackup>,
}

/// The record of what this process has warned of, so that it stays known if the process is killed.
fn warnings_so_far(session: &Session) -> Option<Record> {
    let notes = session.warnings.all();
    if notes.is_empty() {
        return None;
    }
    Some(Record::from(Noted {
        step: None,
        remedies: session.warnings.remedies_of(&notes),
        notes,
    }))
}

/// Records what was confirmed, and the captures that were given.
async fn record_preparation(
    session: &Session,
    state_file: &OpenStateFile,
    records: Vec<Record>,
    backups: Vec<SealBackup>,
) -> Result<(), Failure> {
    if !records.is_empty() {
        state_file.journal.append_all(records).await?;
    }
    seal_backups::adopt(&session.printer, state_file, backups).await
}

/// The listeners of a run: JSON for a program, a table at a terminal, lines elsewhere.
fn event_sink(session: &Session, clock: Clock, path: &Path, notifier: &Arc<Notifier>) -> EventSink {
    let printer = Arc::clone(&session.printer);
    let detail = if session.verbose {
        Detail::More
    } else {
        Detail::Usual
    };
    let listener: Box<dyn Listener> = match session.output {
        Output::Json => Box::new(Arc::clone(&session.events)),
        Output::Human if session.shows_live_table() => {
            let cancellation = session.cancellation.clone();
            Box::new(Terminal::new(printer, clock.clone(), cancellation))
        }
        Output::Human => {
            let lines = Lines::new(printer, detail);
            match &session.annotations {
                Some(annotations) => Box::new(Annotated::new(lines, Arc::clone(annotations))),
                None => Box::new(lines),
            }
        }
    };
    let warnings = Box::new(Arc::clone(&session.warnings));
    let reports = Arc::new(OperationReports::for_state_file(path));
    reports.note_stop_request(session.cancellation.clone());
    let reports = Box::new(reports);
    let end_summary = Box::new(Arc::clone(&session.end_summary));
    let activity = Box::new(Arc::clone(&session.activity));
    let notifier = Box::new(Arc::clone(notifier));
    EventSink::new(
        clock,
        vec![listener, warnings, end_summary, reports, activity, notifier],
    )
}

/// The keys of the destructive changes that were confirmed so far.
fn confirmed_keys(state: &State) -> Vec<String> {
    state
        .confirmed
        .as_ref()
        .map(|confirmed| confirmed.destructive.clone())
        .unwrap_or_default()
}

/// Runs the steps, closes the state file and reports the end. Returns the exit code.
async fn execute(
    session: &Session,
    arguments: &RunArguments,
    connected: &Connected,
    state_file: &OpenStateFile,
) -> u8 {
    let target = &connected.refresh.runbook.target.name.value;
    let state = state_file.journal.state();
    let span = tracing::Span::current();
    span.record("iomcopy.run", state.run.to_string());
    span.record("iomcopy.target", target.as_str());
    connected.events.emit(EventKind::RunBegan {
        run: state.run.to_string(),
        resumed: state_file.resumed,
        target: target.clone(),
        steps: forecast::step_lines(connected, &state),
        arguments: arguments.files.as_arguments(),
    });
    let executor = Executor {
        context: Context {
            journal: state_file.journal.clone(),
            clock: connected.clock.clone(),
            cancellation: session.cancellation.clone(),
            events: connected.events.clone(),
            attended: Session::can_prompt(),
        },
        steps: Arc::clone(&connected.steps),
        until: arguments.until.clone(),
        only: state.repair.as_ref().map(|repair| repair.step.clone()),
        confirmed: confirmed_keys(&state).into_iter().collect(),
        shown: Mutex::default(),
    };
    let result = tokio::select! {
        result = executor.run() => result,
        // The second request to stop drops the requests in flight; the journal shows how far each came.
        () = session.cancellation.wait_for_immediate_stop() => Err(Failure::interrupted()),
    };
    let result = result.map_err(|failure| {
        let state = state_file.journal.state();
        confirm_repeat::explain_repeat(failure, &arguments.files, &state)
    });
    run_end::end_run(session, &arguments.files, connected, state_file, result).await
}
